"""Counts over the tables of a task whose findings an answer cites: its rows, those of a level, those below a limit.

A sentence may say that 22 of 50 gene sets are changed where the finding states their names and its table has the rows.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Final

from bioresearcher.execution.folders import OUTPUTS
from bioresearcher.schemas.execution import TaskRecord

MOST_BYTES: Final = 2_000_000
MOST_LEVELS: Final = 12
LIMITS: Final = ("0.001", "0.01", "0.05", "0.1", "0.2", "0.25")
"""Limits of p-values at which rows are counted."""
_P: Final = re.compile(r"(?i)^(?:p|q|fdr|padj)$|p[ _.-]?val|q[ _.-]?val|adj|fdr")


def counts_of(tasks_dir: Path, record: TaskRecord) -> dict[str, int]:
    """Return what is counted -> how many: `rows`, `<column> = <level>`, `<column> ≤ <limit>`, each with its file."""
    found: dict[str, int] = {}
    for artifact in record.artifacts:
        path = tasks_dir / record.task_id / OUTPUTS / Path(artifact.path).name
        if artifact.kind != "table" or artifact.name == "counts" or not path.is_file():
            continue
        if path.stat().st_size <= MOST_BYTES:
            found |= {f"{path.name}: {what}": n for what, n in _counted(path).items()}
    return found


def _counted(path: Path) -> dict[str, int]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            header, *rows = list(csv.reader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    if not rows or any(len(r) != len(header) for r in rows):
        return {}
    found = {"rows": len(rows)}
    for name, *cells in zip(header, *rows, strict=True):
        numbers = [float(c) for c in cells if re.fullmatch(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?", c.strip())]
        levels = Counter(c.strip() for c in cells if c.strip())
        if _P.search(name) and numbers:
            found |= {f"{name} ≤ {limit}": sum(v <= float(limit) for v in numbers) for limit in LIMITS}
        elif len(levels) <= MOST_LEVELS and len(numbers) < len(cells):
            found |= {f"{name} = {level}": n for level, n in levels.items()}
    return found


def counted_so(text: str, value: float, counts: dict[str, int], *, rows: bool) -> bool:
    """True if a text says a number of rows of a table, and names the level, column or limit by which it is counted.

    With `rows` the number of all rows counts as well: not of samples or events, which a row need not be.
    """
    words = " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))
    for said, number in counts.items():
        if number != value:
            continue
        what = said.partition(": ")[2]
        name, sign, by = what.partition(" = ") if " = " in what else what.partition(" ≤ ")
        if not sign:
            if rows:
                return True
            continue
        if sign == " ≤ " and re.search(rf"(?<![\d.]){re.escape(by)}(?!\d)", text):
            return True
        wanted = name if by.casefold() in ("true", "1", "yes") else by
        plain = " ".join(re.findall(r"\w+", wanted.casefold().replace("_", " ")))
        if sign == " = " and plain and re.search(rf"\b{re.escape(plain)}\b", words):
            return True
    return False
