"""Results that go against an effect whose direction is known: groups turned round, censored taken for the event.

Right columns of the right rows can still be read wrongly. So the values of the measure (or the outcomes of two groups)
change places among the rows until the case is clearly higher (or has its events more often and earlier), and the code
is run again: an honest answer says so, whatever its model, scale or test. Every column keeps its values.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bioresearcher.execution.folders import fresh_folder, remove
from bioresearcher.execution.inside.perturb_inputs import write_rows
from bioresearcher.execution.inside.rows import open_text, split_rows
from bioresearcher.execution.question_check import Asked, answering
from bioresearcher.execution.reruns import Trial
from bioresearcher.execution.spare_columns import is_table, read_table, sole_question, told_by_rerun
from bioresearcher.schemas.execution import Finding, Result
from bioresearcher.schemas.missing import blanked
from bioresearcher.schemas.question import EffectMeasure

_FOLDER: Final = "planted"
_OVERLAP: Final = 2.0
"""Spread of chance beside the distance 1 of the sides: they overlap, so that models converge."""
_RAISED: Final = 3
"""Of so many features of a matrix one is lower in the case, the others higher: no scaling of samples undoes that."""
_MIN_CALLED: Final = 10
_MIN_ROWS: Final = 8
_MIN_OUTCOMES: Final = 5
"""Fewest events, and fewest censored, that have a direction."""
_NULL: Final[Mapping[EffectMeasure, float]] = {
    "difference of means": 0.0,
    "difference of proportions": 0.0,
    "location shift": 0.0,
    "log2 fold change": 0.0,
    "correlation": 0.0,
    "hazard ratio": 1.0,
    "odds ratio": 1.0,
}
"""Effects that are above their null value where the case, or a larger measure, has more of what is asked."""


async def against_planted(trial: Trial, findings: Sequence[Finding], asked: Sequence[Asked]) -> str:
    """Return how results go against a planted effect; empty when they follow it or none can tell.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    one = sole_question(trial, asked)
    if one is None or not any(_directed(f.result) for f in answering(findings, one)):
        return ""
    folder = trial.context.folder / _FOLDER
    try:
        fresh_folder(folder)
        planted = await asyncio.to_thread(_plant, trial.inputs, one, folder, trial.context.seed)
        told = await told_by_rerun(trial, planted, one) if planted else None
    finally:
        remove(folder)
    sides = [side for r in told or () if (side := _side(r))]
    if not sides or max(sides) > 0:
        return ""
    rows = one.rows
    of = f"{rows.contrast_column} = {rows.case}" if rows.case else "a larger measure"
    what = f"{of} was given more and earlier events" if one.question.endpoint else f"{of} was given the larger values"
    return (
        f"{one.question.id}: the result says the opposite of an effect that was planted: {what} ({_said(told or [])})"
    )


def _directed(result: Result | None) -> bool:
    """True if a result states an effect, or counts, that have a direction."""
    if result is None:
        return False
    return result.effect in _NULL if result.estimate is not None else None not in (result.higher, result.lower)


def _side(result: Result) -> int:
    """1 if a result says more in the case or with a larger measure, -1 if less, 0 if it says neither."""
    if result.estimate is not None:
        null = _NULL.get(result.effect)
        return 0 if null is None else (result.estimate > null) - (result.estimate < null)
    up, down = result.higher, result.lower
    if up is None or down is None or up + down < _MIN_CALLED:
        return 0
    return (up > down) - (up < down)


def _said(told: Sequence[Result]) -> str:
    result = next(r for r in told if _side(r))
    if result.estimate is not None:
        return f"{result.effect} {result.estimate:.4g}"
    return f"{result.higher} higher, {result.lower} lower"


def _plant(inputs: Mapping[str, Path], one: Asked, folder: Path, seed: int) -> dict[str, Path] | None:
    """Write copies of the inputs with the effect in them; None where it cannot be planted."""
    tables = {name: path for name, path in inputs.items() if is_table(path)}
    for name, path in tables.items():
        header, rows, separator = read_table(path)
        wanted = _wanted(one)
        if not wanted <= {*header} or not rows:
            continue
        sides = _sides(header, rows, one, seed)
        if len(sides) < _MIN_ROWS:
            return None
        measure, end = one.question.measure, one.question.endpoint
        if end is not None and one.rows.case:
            columns = (header.index(end.time_column), header.index(end.event_column))
            by_severity = sorted(sides, key=_severities(header, rows, one).__getitem__)
            _assign(rows, columns, by_severity, sides)
        elif measure.kind == "column" and len(measure.names) == 1 and measure.names[0] in header:
            column = header.index(measure.names[0])
            known = [n for n in sides if _number(rows[n][column])]
            if len(known) < _MIN_ROWS:
                return None  # levels without an order
            _assign(rows, (column,), sorted(known, key=lambda n: (float(rows[n][column]), n)), sides)
        else:
            matrix = _planted_matrix({n: p for n, p in tables.items() if n != name}, inputs, one, folder, rows, sides)
            return {**inputs, **matrix} if matrix else None
        target = folder / "sheet" / path.name
        target.parent.mkdir()
        with open_text(target, "w") as out:
            write_rows(out, [header, *rows], separator, "\n")
        return {**inputs, name: target}
    return None


def _wanted(one: Asked) -> set[str]:
    """Columns of the sheet that say on which side a row stands."""
    end = one.question.endpoint
    wanted = {one.rows.contrast_column} if one.rows.case else set[str]()
    wanted |= {end.time_column, end.event_column} if end else set()
    return wanted or {one.question.outcome}


def _sides(header: list[str], rows: list[list[str]], one: Asked, seed: int) -> dict[int, float]:
    """Place of each row (by number) on the way from the control to the case, or from a small outcome to a large one.

    Some chance is in it. Rows of which it is not known are left out; none is given where outcomes are too few.
    """
    outcomes = _severities(header, rows, one) if one.question.endpoint else {}
    if one.question.endpoint and not outcomes:
        return {}
    if one.rows.case:
        groups = _column(header, rows, one.rows.contrast_column)
        levels = (one.rows.control, one.rows.case)
        found = {n: float(levels.index(g)) for n, g in enumerate(groups) if g in levels}
    else:
        cells = _column(header, rows, one.question.outcome) if not outcomes else []
        told = outcomes or {n: float(c) for n, c in enumerate(cells) if _number(c)}
        ranked = sorted(told, key=lambda n: (told[n], n))
        found = {n: 2 * place / max(1, len(ranked) - 1) for place, n in enumerate(ranked)}
    return {n: x + _OVERLAP * _chance(seed, n) for n, x in found.items() if not outcomes or n in outcomes}


def _severities(header: list[str], rows: list[list[str]], one: Asked) -> dict[int, float]:
    """Gravity of the outcome of each row: early events most, then late ones, late censored, early censored.

    So an analysis that takes the censored for events finds the opposite, however many events there are.
    """
    end = one.question.endpoint
    if end is None or end.censored_time_column:
        return {}
    times, events = (_column(header, rows, name) for name in (end.time_column, end.event_column))
    known = [n for n in range(len(rows)) if _number(times[n]) and events[n] in ("0", "1")]
    happened = sum(events[n] == "1" for n in known)
    if min(happened, len(known) - happened) < _MIN_OUTCOMES:
        return {}
    place = {n: p / len(known) for p, n in enumerate(sorted(known, key=lambda n: (float(times[n]), n)))}
    return {n: 2 - p if events[n] == "1" else p for n, p in place.items()}


def _column(header: list[str], rows: list[list[str]], name: str) -> list[str]:
    return blanked([r[header.index(name)] for r in rows])


def _chance(seed: int, row: int) -> float:
    """A number between 0 and 1 that is the same for the same seed and row."""
    return int.from_bytes(hashlib.sha256(f"{seed} {row}".encode()).digest()[:4], "big") / 2**32


def _assign(rows: list[list[str]], columns: Sequence[int], ordered: Sequence[int], sides: Mapping[int, float]) -> None:
    """Let cells change places: those of rows in an order go to the same rows in the order of their sides."""
    cells = [[rows[n][c] for c in columns] for n in ordered]
    for n, values in zip(sorted(ordered, key=lambda n: (sides[n], n)), cells, strict=True):
        for c, value in zip(columns, values, strict=True):
            rows[n][c] = value


def _planted_matrix(
    tables: Mapping[str, Path],
    inputs: Mapping[str, Path],
    one: Asked,
    folder: Path,
    rows: list[list[str]],
    sides: Mapping[int, float],
) -> dict[str, Path] | None:
    """Write the matrix with the measure's features ordered by the sides of their samples."""
    measure = one.question.measure
    wanted = {n.casefold() for n in measure.names} if measure.kind == "gene" else set[str]()
    if measure.kind == "signature":
        wanted = _members(inputs, {n.casefold() for n in measure.names})
    if measure.kind not in ("features", "gene", "signature") or (measure.kind != "features" and not wanted):
        return None
    by_name = {rows[n][0].strip(): side for n, side in sides.items()}
    for name, path in tables.items():
        header, features, separator = read_table(path)
        placed = {i: by_name[c.strip()] for i, c in enumerate(header) if c.strip() in by_name}
        if 2 * len(placed) < len(by_name) or len(placed) < _MIN_ROWS:
            continue
        order = sorted(placed, key=lambda i: (placed[i], i))
        for number, cells in enumerate(features):
            if wanted and not wanted & {c.strip().casefold() for i, c in enumerate(cells) if i not in placed}:
                continue
            known = [i for i in order if i < len(cells) and _number(cells[i])]
            turned = not wanted and number % _RAISED == 0
            values = sorted((cells[i] for i in known), key=float, reverse=turned)
            for i, value in zip(known, values, strict=True):
                cells[i] = value
        target = folder / "matrix" / path.name
        target.parent.mkdir()
        with open_text(target, "w") as out:
            write_rows(out, [header, *features], separator, "\n")
        return {name: target}
    return None


def _members(inputs: Mapping[str, Path], names: set[str]) -> set[str]:
    """Genes of the named sets, from the inputs that hold gene sets."""
    found: set[str] = set()
    for path in inputs.values():
        if path.name.endswith(".gmt"):
            with open_text(path, "r") as lines:
                for cells in split_rows(lines, "\t"):
                    found |= (
                        {c.strip().casefold() for c in cells[2:]} if cells[0].strip().casefold() in names else set()
                    )
    return found


def _number(cell: str) -> bool:
    try:
        return abs(float(cell)) < float("inf")
    except ValueError:
        return False
