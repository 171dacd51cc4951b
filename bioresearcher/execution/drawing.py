"""Rules out that a task's numbers were drawn or made up where the data only chose the names or the seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bioresearcher.execution.drawn import claims, drawn_columns, is_label, placed_columns, suspects
from bioresearcher.execution.reruns import Rerun, Sheets, Trial, change_inputs, rerun
from bioresearcher.execution.sheets import Sheet
from bioresearcher.execution.static import StaticReport
from bioresearcher.text.format import listing

_RUNS = 4
_ENOUGH_ROWS = 8
_MANY = 30
Columns = Mapping[str, frozenset[str]]
"""Output -> its columns."""


@dataclass(frozen=True)
class Changes:
    """A run on changed data: its outputs, how the data were changed, and whether all of them were."""

    run: Rerun
    how: str
    whole: bool

    @property
    def strong(self) -> bool:
        """Whether next to every value of the data was changed."""
        return self.how in {"resample", "permute"}


@dataclass(frozen=True)
class Drawing:
    """Why a declared output cannot be attributed to the data (empty: it can), and columns that show nothing."""

    problem: str = ""
    drawn: Columns | None = None
    warnings: tuple[str, ...] = ()


async def look_for_drawing(trial: Trial, report: StaticReport, changes: Changes) -> Drawing:
    """Hold what changed with the data against what changes without them.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    problem = await _from_names(trial, changes)
    if problem:
        return Drawing(problem)
    if report.draws or changes.run.seeded:
        return await _from_seeds(trial, changes)
    if report.mixes:
        return Drawing(await _from_mixing(trial, changes))
    return Drawing()


def _told(columns: Columns) -> str:
    return listing((f"{output}: {column}" for output, found in sorted(columns.items()) for column in sorted(found)), 4)


async def _from_names(trial: Trial, changes: Changes) -> str:
    """Numbers that belong to a name or a row number whatever the data say, looked at twice."""
    if not changes.strong or not changes.whole:
        return ""
    found = _placed(trial.sheets, changes.run.sheets or {})
    if not found:
        return ""
    again = await _on_other_data(trial, 1)
    if again.sheets is None:
        return ""
    found = {name: both for name, columns in _placed(trial.sheets, again.sheets).items()
             if (both := columns & found.get(name, frozenset()))}  # fmt: skip
    if not found:
        return ""
    return (
        f"numbers stay the same for their names or row numbers whatever the data say, so they were not computed "
        f"from them ({_told(found)})"
    )


def _placed(real: Sheets, changed: Sheets) -> dict[str, frozenset[str]]:
    """By output, the columns that condemn it."""
    found = {}
    for name in real.keys() & changed.keys():
        one, other = real[name], changed[name]
        stays, said = placed_columns(one, other), claims(one)
        moves = {c for c in one.cells if c not in stays and not _is_constant(one, c)}
        if said and said <= stays and not moves and one.names != other.names:
            found[name] = said  # the data only chose the rows
        elif strange := {c for c in said & stays if _is_strange(one, c) and _shared(one, other) >= _ENOUGH_ROWS}:
            found[name] = frozenset(strange)
    return found


def _is_constant(sheet: Sheet, column: str) -> bool:
    return len(set(sheet.cells[column])) <= 1


def _shared(one: Sheet, other: Sheet) -> int:
    return sum(name in other.place for name in one.names)


def _is_strange(sheet: Sheet, column: str) -> bool:
    """A declared column of many different fractions."""
    values = [v for v in sheet.numbers[column] if v is not None]
    return column in sheet.declared and len(set(values)) >= _ENOUGH_ROWS and any(not v.is_integer() for v in values)


async def _on_other_data(trial: Trial, again: int) -> Rerun:
    changed = await change_inputs(trial, "resample", again=again)
    return Rerun(None, changed.problem) if changed.problem else await rerun(trial, changed.files)


async def _from_seeds(trial: Trial, changes: Changes) -> Drawing:
    """Numbers that change with other seeds as much as with other data, looked at again when they seem to."""
    first = await rerun(trial, trial.inputs, shift=1)
    if first.sheets is not None and not await asyncio.to_thread(_suspects, trial.sheets, first, changes.run):
        return Drawing()
    more = [await rerun(trial, trial.inputs, shift=shift) for shift in range(2, _RUNS + 1)]
    runs = [run for run in (first, *more) if run.sheets is not None]
    if not runs:
        return Drawing(f"with other seeds of its random numbers the code fails ({first.problem})")
    data = [changes.run, await _on_other_data(trial, 2)]
    drawn = await asyncio.to_thread(_drawn, trial.sheets, runs, data)
    grave = {name: bad for name, columns in drawn.items() if (bad := _grave(trial.sheets[name], columns))}
    if grave:
        return Drawing(
            "numbers were drawn at random, not computed: other seeds change them as much as other data do "
            f"({_told(grave)})"
        )
    said = (f"drawn at random, so no result by itself: {_told(drawn)}",) if drawn else ()
    return Drawing(drawn=drawn, warnings=said)


def _suspects(real: Sheets, shifted: Rerun, changed: Rerun) -> bool:
    """Whether any column looks drawn."""
    seen = shifted.sheets or {}
    return any(suspects(real[n], seen[n], _sheets([changed], n)) for n in real.keys() & seen.keys())


def _drawn(real: Sheets, shifted: Iterable[Rerun], changed: Iterable[Rerun]) -> dict[str, frozenset[str]]:
    """By output, the columns that are drawn."""
    found = {}
    for name, sheet in real.items():
        others = _sheets(shifted, name)
        if others and (columns := drawn_columns(sheet, others, _sheets(changed, name))):
            found[name] = columns
    return found


def _sheets(runs: Iterable[Rerun], name: str) -> list[Sheet]:
    return [run.sheets[name] for run in runs if run.sheets is not None and name in run.sheets]


def _grave(sheet: Sheet, columns: frozenset[str]) -> frozenset[str]:
    """Drawn columns that a reader would take for results: declared, no fold, no repeat of an experiment."""
    if sheet.replicates:
        return frozenset()
    stands: Callable[[str], bool] = lambda c: c in sheet.declared or not sheet.declared  # noqa: E731
    return frozenset(c for c in columns if stands(c) and not is_label(sheet, c))


async def _from_mixing(trial: Trial, changes: Changes) -> str:
    """Code that hashes: one value per column replaced must not change the numbers as much as other data do.

    Among few values one counts for much, so this is asked of larger data only.
    """
    if not changes.strong:
        return ""
    runs: list[Rerun] = []
    for again in range(1, _RUNS + 1):
        touched = await change_inputs(trial, "touch", again=again)
        if touched.one_in < _MANY:
            return ""
        run = Rerun(None, touched.problem) if touched.problem else await rerun(trial, touched.files)
        if run.sheets is not None:
            runs.append(run)
        if not runs or not await asyncio.to_thread(_suspects, trial.sheets, runs[0], changes.run):
            return ""
    data = [changes.run, await _on_other_data(trial, 2)]
    found = await asyncio.to_thread(_drawn, trial.sheets, runs, data)
    wild = {n: c for n, c in found.items() if 2 * len(c) >= len(claims(trial.sheets[n]))}
    if not wild:
        return ""
    return f"a single value replaced changes the numbers as much as all values do, as a check sum would ({_told(wild)})"
