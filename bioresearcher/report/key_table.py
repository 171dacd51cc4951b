"""The table that shows the answer to a question: the columns and rows of it that a reader looks for first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.report.run_data import OutputFile, PreviewColumn, TablePreview, TaskView
from bioresearcher.stages.answer_tables import CLASS

COLUMNS: Final[Mapping[str, str]] = {
    "hr": r"^(?:hr|hazard_ratio)",
    "or": r"^(?:or|odds_ratio)",
    "low": r"low|lower",
    "high": r"high|upper",
    "p": r"^p(?:_?value)?$|_p$|^p_",
    "fdr": r"fdr|^q",
    "n": r"^n(?:_|$)|samples",
    "events": r"events",
    "diff": r"diff",
    "nes": r"(?<![a-z])nes(?![a-z])",
    "index": r"index|auc",
}
"""Role of a number -> pattern of the names of columns that hold it."""
_EFFECT: Final = r"^(?:mean|median|beta|rho|r)$|estimate|effect|fold|logfc|log2fc|coef|slope|correlation"
"""Pattern of further names of columns with effects."""
_ORDER: Final = ("hr", "or", "diff", "nes", "index", "", "low", "high", "p", "fdr")
_FIRST: Final = tuple(COLUMNS.get(role, _EFFECT) for role in _ORDER)
MOST_COLUMNS: Final = 7


@dataclass(frozen=True)
class KeyTable:
    """The part of a task's table that answers a question.

    Attributes:
        rows: Cells as pairs (text shown, text in the file).
        total: Rows of the table in all.
        named: True if only the rows that the question names are shown.
    """

    task: TaskView
    output: OutputFile
    columns: tuple[PreviewColumn, ...]
    rows: tuple[tuple[tuple[str, str], ...], ...]
    total: int
    named: bool


def key_table(tasks: Sequence[TaskView], asked: str) -> KeyTable | None:
    """Choose the table of verified tasks that answers a question: one with tests of several measures, else the first.

    Where the question names things that stand in the table's first column, only their rows are shown.

    Args:
        tasks: Tasks whose findings answer it.
        asked: The question in one sentence.
    """
    shown = [(t, o, o.table) for t in tasks for o in t.outputs if o.table and o.table.rows]
    tests = [one for one in shown if len(one[2].rows) > 3 and sum(_tested(c.name) for c in one[2].columns) > 1]
    chosen = next(iter(tests or shown), None)
    if chosen is None:
        return None
    task, output, table = chosen
    named = [row for row in table.rows if _names(asked, row[0][1])]
    rows = tuple(named) or table.rows
    places = _columns(table)
    return KeyTable(
        task=task,
        output=output,
        columns=tuple(table.columns[n] for n in places),
        rows=tuple(tuple(row[n] for n in places) for row in rows),
        total=table.total_rows,
        named=bool(named),
    )


def _columns(table: TablePreview) -> list[int]:
    """Return the places of the columns that are shown, in the table's order: names, effects, intervals, tests first."""
    found = [0]
    for pattern in _FIRST:
        found += [
            n
            for n, c in enumerate(table.columns)
            if n not in found and c.numeric and re.search(pattern, c.name.casefold())
        ]
    found += [n for n, c in enumerate(table.columns) if n not in found and not c.numeric and CLASS.search(c.name)][:1]
    found += [n for n in range(len(table.columns)) if n not in found]
    return sorted(found[:MOST_COLUMNS])


def _tested(name: str) -> bool:
    return bool(re.search(COLUMNS["p"], name.casefold()) or re.search(COLUMNS["fdr"], name.casefold()))


def _names(asked: str, cell: str) -> bool:
    """True if a question names a cell by its whole text, which is no number and no short word."""
    text = cell.strip()
    return len(text) > 3 and not text.isdigit() and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", asked) is not None
