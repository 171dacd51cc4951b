"""Tasks that work on names alone: patients, pairs or series read from identifiers, which no value can change.

Parts of the names are exchanged in all inputs alike and the code runs again. Its outputs must change, and hold nothing
but what names give: each number stands in its row's own name or counts names, each text is a part of its row's name or
one of few labels, and no column keeps its order of rows whatever the names are. Numbers made from names, by a sum as
well as by a draw, are no such thing.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bioresearcher.execution.code_checks import StaticReport
from bioresearcher.execution.output_comparison import OutputColumns, changed_outputs
from bioresearcher.execution.output_tables import column_numbers
from bioresearcher.execution.reruns import Trial, change_inputs, rerun

_LABELS: Final = 20
_MOST: Final = 0.95


@dataclass(frozen=True)
class MadeOfNames:
    """The outputs that changed with the names; none, with the problem where there is one to tell."""

    changed: tuple[str, ...] = ()
    problem: str = ""


async def made_of_names(trial: Trial, report: StaticReport) -> MadeOfNames:
    """Run with parts of the names exchanged, and judge what the outputs hold.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    if report.draws or report.mixes or report.varies or not trial.columns:
        return MadeOfNames()
    inputs = await change_inputs(trial, "rename")
    if inputs.problem:
        return MadeOfNames()
    again = await rerun(trial, inputs.files)
    if again.parts is None or again.columns is None:
        return MadeOfNames(problem=f"with parts of the names exchanged the code fails: {again.problem}")
    if again.seeded:
        return MadeOfNames()
    changed = changed_outputs(trial.parts, again.parts)
    for tables in (trial.columns, again.columns):
        counts = {c for table in tables.values() for c in _counts(table)}
        for name, table in tables.items():
            problem = await asyncio.to_thread(_not_of_names, table, counts)
            if problem:
                return MadeOfNames(problem=f"{name}: {problem}")
    for name in trial.columns.keys() & again.columns.keys():
        problem = _stays(trial.columns[name], again.columns[name])
        if problem:
            return MadeOfNames(problem=f"{name}: {problem}")
    beside = {n for n in changed if n not in trial.columns or _moved(trial.columns[n], again.columns.get(n))}
    return MadeOfNames(tuple(n for n in trial.parts if n in beside))


def _not_of_names(table: OutputColumns, counts: set[float]) -> str:
    """Return the first column that names do not give; empty when there is none."""
    texts = _texts(table)
    own = [" ".join((name, *(cells[row] for cells in texts.values()))) for row, name in enumerate(table.names)]
    for column, cells in table.cells.items():
        numbers = column_numbers(cells)
        if numbers is None:
            parts = sum(not c or c.casefold() in n.casefold() for c, n in zip(cells, table.names, strict=True))
            if parts < _MOST * len(cells) and len(set(cells)) > _LABELS:
                return f"column {column!r} holds texts that are not in the rows' names"
            continue
        known = [(v, n) for v, n in zip(numbers, own, strict=True) if v is not None]
        digits = sum(v in {float(d) for d in re.findall(r"\d+(?:\.\d+)?", n)} for v, n in known)
        if digits < _MOST * len(known) and not all(v in counts for v, _ in known):
            return f"column {column!r} holds numbers that neither stand in the rows' names nor count names"
    return ""


def _texts(table: OutputColumns) -> dict[str, tuple[str, ...]]:
    return {c: cells for c, cells in table.cells.items() if column_numbers(cells) is None}


def _counts(table: OutputColumns) -> set[float]:
    """Return the numbers of rows, of each label, and of labels; 0 and 1 for no and yes."""
    found = {0, 1, len(table.names)}
    for cells in _texts(table).values():
        tally = Counter(cells)
        found |= {len(tally), *tally.values()}
    firsts = Counter(re.split(r"[^A-Za-z0-9]", name)[0] for name in table.names)
    found |= set(firsts.values())
    return {float(v) for v in found}


def _stays(real: OutputColumns, renamed: OutputColumns) -> str:
    """Return a column that varies and is the same in the same order, whatever the names are."""
    if real.names == renamed.names:
        return ""
    for column, cells in real.cells.items():
        if len(set(cells)) < 2 or cells != renamed.cells.get(column):
            continue
        numbers = [v for v in column_numbers(cells) or () if v is not None]
        if not numbers or not all(y - x == numbers[1] - numbers[0] for x, y in pairwise(numbers)):
            return f"column {column!r} keeps its order whatever the names are"
    return ""


def _moved(real: OutputColumns, renamed: OutputColumns | None) -> bool:
    """Return True if a column beside the names changed, or the number of rows."""
    if renamed is None or len(real.names) != len(renamed.names):
        return renamed is not None
    return any(cells != renamed.cells.get(column) for column, cells in real.cells.items())
