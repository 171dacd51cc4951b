"""Tables of a task whose findings an answer cites: counts of rows, of levels, below a limit, and the names in them.

A sentence may say that 22 of 50 gene sets are changed where the finding states their names and its table has the rows.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bioresearcher.execution.folders import OUTPUTS
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.execution import TaskRecord
from bioresearcher.text.visible import one_line

MOST_BYTES: Final = 2_000_000
MOST_LEVELS: Final = 12
LIMITS: Final = ("0.001", "0.01", "0.05", "0.1", "0.2", "0.25")
"""Limits of p-values at which rows are counted."""
_CORRECTED: Final = re.compile(r"(?i)^q$|\bq[ _.-]?val|(?<![a-z])p?adj(?![a-z])|fdr")
_P: Final = re.compile(rf"(?i)^p$|(?<![a-z])p[ _.-]?val|{_CORRECTED.pattern.removeprefix('(?i)')}")
CLASS: Final = re.compile(r"(?i)answer|verdict|direction|called?\b|chang|regulat|result|class|significan|status")
"""Columns whose levels class the rows."""
_YES, _NO = frozenset({"true", "yes"}), frozenset({"false", "no"})
_NONE: Final = re.compile(
    r"(?i)\b(?:no|not|none|ns|n\.s|null|false|other|neither|inconclusive|insignificant|unchanged|unclear|undecided)\b"
)
"""Classes of what is not called; a column without one says something of every row."""
CALLED: Final = 0.05
LEAST_NAMED: Final = 5
MOST_NAMED: Final = 25
"""Names that a line lists."""
MOST_CLASSES: Final = 5


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


def names_of(tasks_dir: Path, record: TaskRecord) -> tuple[str, ...]:
    """Return the names that a task's table of tests holds, a line for each class that it puts them in.

    Such a table names something else in every row and has a column of p-values or false discovery rates. Where one of
    its columns holds a few classes in words ("changed, up"), each class is listed, of yes and no the first alone, and
    of mere directions the rows whose false discovery rate is at most 0.05; otherwise the names with the smallest
    p-values are.
    """
    for artifact in record.artifacts:
        path = tasks_dir / record.task_id / OUTPUTS / Path(artifact.path).name
        if artifact.kind == "table" and path.is_file() and path.stat().st_size <= MOST_BYTES:
            lines = _named(*_read(path))
            if lines:
                return tuple(f"{line} ({record.task_id}, {path.name})" for line in lines)
    return ()


def _named(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if (
        len(rows) < LEAST_NAMED
        or len({r[0] for r in rows}) < len(rows)
        or any(map(_holds_number, (r[0] for r in rows)))
    ):
        return []
    levels = [{r[n].strip() for r in rows} for n in range(len(header))]
    tests = [n for n, name in enumerate(header) if _P.search(name) and all(map(_holds_number, levels[n]))]
    if not tests:
        return []
    by = max(tests, key=lambda n: bool(_CORRECTED.search(header[n])))  # the corrected one where there is one
    ranked = sorted(rows, key=lambda r: float(r[by]))
    classes = [
        n
        for n in range(1, len(header))
        if 1 < len(levels[n]) <= MOST_CLASSES and CLASS.search(header[n]) and not any(map(_holds_number, levels[n]))
    ]
    if not classes:
        first = ranked[:MOST_NAMED]
        return [f"The {len(first)} with the smallest {header[by]} of {len(rows):,}: {_listed(first, 0)}"]
    said = ""
    if not any(_NONE.search(level) for level in levels[classes[-1]]):  # a direction of every row is no result
        if not _CORRECTED.search(header[by]):
            return []
        ranked, said = [r for r in ranked if float(r[by]) <= CALLED], f"{header[by]} ≤ {CALLED:g}, "
    found: dict[str, list[Sequence[str]]] = {}
    for row in ranked:
        found.setdefault(row[classes[-1]].strip(), []).append(row)
    if {level.casefold() for level in found} <= _YES | _NO:
        called = [row for level, rows_of in found.items() if level.casefold() in _YES for row in rows_of]
        found = {header[classes[-1]]: called} if called else {}
    return [
        f"{said}{level} ({len(held)}): {_listed(held, len(held) - MOST_NAMED)}"
        for level, held in found.items()
        if level
    ]


def _holds_number(cell: str) -> bool:
    return as_number(cell) is not None


def _listed(rows: Sequence[Sequence[str]], more: int) -> str:
    names = ", ".join(one_line(r[0], 60) for r in rows[:MOST_NAMED])
    return f"{names} and {more} more" if more > 0 else names


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table as text; empty where it is none."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            header, *rows = list(csv.reader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error):
        return [], []
    return (header, rows) if header and all(len(r) == len(header) for r in rows) else ([], [])


def _counted(path: Path) -> dict[str, int]:
    header, rows = _read(path)
    if not rows:
        return {}
    found = {"rows": len(rows)}
    for name, *cells in zip(header, *rows, strict=True):
        numbers = [number for c in cells if (number := as_number(c)) is not None]
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
