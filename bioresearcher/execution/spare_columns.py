"""Results that move with columns their question does not name: they rest on another subset, endpoint or level.

A finding may copy the counts of its question and still be computed on something else. An honest answer on the rows of
an analysis set reads the columns of its question alone, so it stays as it is when the known values of all others
change places; one that does not stay chose rows, times or groups by a column that nobody asked about.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bioresearcher.execution.folders import fresh_folder, remove
from bioresearcher.execution.inside.perturb_inputs import write_rows
from bioresearcher.execution.inside.rows import open_text, separator_of, split_rows
from bioresearcher.execution.output_tables import FindingsError, read_findings
from bioresearcher.execution.question_check import Asked, answering
from bioresearcher.execution.reruns import Trial, rerun
from bioresearcher.schemas.execution import Finding, Result
from bioresearcher.schemas.missing import blanked

_KINDS: Final = ("difference", "association", "time to event")
"""Questions that name every column their answer may read."""
_FOLDER: Final = "spare"
_RERUN: Final = "rerun"
_TOLERANCE: Final = 1e-6
_MOST_BYTES: Final = 50_000_000
"""Largest table that is changed and read again."""


async def moved_by_spare(trial: Trial, findings: Sequence[Finding], asked: Sequence[Asked]) -> str:
    """Return how results change with columns that their questions do not name; empty when they stay or none can tell.

    Only code that reads nothing but one analysis set's own files is run again: elsewhere rows are still to be chosen,
    and columns of any name may choose them.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    one = sole_question(trial, asked)
    if one is None:
        return ""
    told = [f.result for f in answering(findings, one) if f.result is not None]
    if not told or any(_may_read_more(r, one) for r in told):
        return ""
    kept = {*one.question.columns, *one.rows.terms, one.rows.unit, one.rows.contrast_column}
    kept |= {name for r in told for name in (*r.terms, r.measure, *r.measure.split(" + "))}
    folder = trial.context.folder / _FOLDER
    try:
        fresh_folder(folder)
        changed, names = await asyncio.to_thread(_change, trial.inputs, kept, folder, trial.context.seed)
        if not names:
            return ""
        after = await told_by_rerun(trial, changed, one)
        if after is None or _same(told, after):
            return ""
        again = await told_by_rerun(trial, trial.inputs, one)  # what chance moves, no column moved
        if again is None or not _same(told, again):
            return ""
    finally:
        remove(folder)
    listed = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    before, then = next(((b, t) for b, t in zip(told, after, strict=False) if not _same([b], [t])), (told[0], None))
    numbers = f" ({_numbers_text(before)}, then {_numbers_text(then)})" if then is not None else ""
    return f"{one.question.id}: the result changes with columns that the question does not name: {listed}{numbers}"


async def moved_by_left_out(trial: Trial, findings: Sequence[Finding], asked: Sequence[Asked]) -> str:
    """Return how results change with rows that the protocol leaves out; empty when they stay or none can tell.

    Results that left out as many other rows have the right counts. Rows that the plan names take the values of others
    here: where the counts stay and the results move, those rows were not the ones left out.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    for one in asked:
        told = [f.result for f in answering(findings, one) if f.result is not None and f.result.left_out]
        if not told or trial.own_code:
            continue
        folder = trial.context.folder / _FOLDER
        try:
            fresh_folder(folder)
            changed = await asyncio.to_thread(_exchange, trial.inputs, {*one.left_out}, folder)
            after = await told_by_rerun(trial, changed, one) if changed else None
            after = [r for r in after or () if any(r.n == t.n for t in told)]
            if not after or all(any(_same([t], [r]) for r in after) for t in told):
                continue
            again = await told_by_rerun(trial, trial.inputs, one)  # what chance moves, no row moved
            if again is None or not all(any(_same([t], [r]) for r in again) for t in told):
                continue
        finally:
            remove(folder)
        return (
            f"{one.question.id}: the result changes with rows that the protocol leaves out: {', '.join(one.left_out)}"
        )
    return ""


def _exchange(inputs: Mapping[str, Path], names: set[str], folder: Path) -> dict[str, Path]:
    """Write copies of the tables in which named rows and columns hold the values of the row or column before them."""
    changed: dict[str, Path] = {}
    for given, path in inputs.items():
        if not is_table(path):
            continue
        header, rows, separator = read_table(path)
        columns = [i for i, cell in enumerate(header) if cell.strip() in names]
        others = [i for i in range(1, len(header)) if i not in columns]
        marked = [n for n, row in enumerate(rows) if not columns and names & {cell.strip() for cell in row}]
        plain = [n for n in range(len(rows)) if n not in set(marked)]
        for row in rows if columns and others else ():
            for i in columns:
                if i < len(row):
                    row[i] = row[others[i % len(others)]]
        for n in marked if plain else ():
            model = rows[plain[n % len(plain)]]
            rows[n] = [
                c if i >= len(model) or not _numeric(c) or not _numeric(model[i]) else model[i]
                for i, c in enumerate(rows[n])
            ]
        if not columns and not marked:
            continue
        target = folder / given / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_text(target, "w") as out:
            write_rows(out, [header, *rows], separator, "\n")
        changed[given] = target
    return {**inputs, **changed} if changed else {}


def _numeric(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def sole_question(trial: Trial, asked: Sequence[Asked]) -> Asked | None:
    """Return the question of code that reads nothing but the files of its analysis set; None for any other code."""
    wanted = [a for a in asked if a.question.kind in _KINDS]
    sources = {i.dataset for i in trial.context.task.inputs if i.dataset or i.task}
    if trial.own_code or len(wanted) != 1 or len(asked) != 1 or sources != {wanted[0].rows.population}:
        return None
    return wanted[0]


def _may_read_more(result: Result, asked: Asked) -> bool:
    """True if a result rests on rows in which a term is not known, so that other columns may have filled it in."""
    rows = asked.rows
    return bool(rows.terms) and rows.complete < rows.n and result.n > rows.complete


async def told_by_rerun(trial: Trial, inputs: Mapping[str, Path], asked: Asked) -> list[Result] | None:
    """Return the results that answer a question on other inputs; None when the run does not end well.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    if (await rerun(trial, inputs)).parts is None:
        return None
    found: list[Finding] = []
    for output in trial.context.task.outputs:
        path = trial.context.folder / _RERUN / output.file
        if output.kind == "findings" and path.is_file():
            try:
                found += await asyncio.to_thread(read_findings, path)
            except FindingsError:
                return None
    return [f.result for f in answering(found, asked) if f.result is not None]


def _numbers(result: Result) -> tuple[float | None, ...]:
    return result.estimate, result.p, result.called, result.higher, result.lower


def _numbers_text(result: Result) -> str:
    names = ("estimate", "p", "called", "higher", "lower")
    return ", ".join(f"{n} {v:.4g}" for n, v in zip(names, _numbers(result), strict=True) if v is not None)


def _same(one: Sequence[Result], other: Sequence[Result]) -> bool:
    """True if results have the same numbers, rounding aside."""

    def alike(a: float | None, b: float | None) -> bool:
        if a is None or b is None:
            return a is b
        return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=1e-9) or (a != a and b != b)

    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(
        alike(a, b) for x, y in pairs for a, b in zip(_numbers(x), _numbers(y), strict=True)
    )


def _change(
    inputs: Mapping[str, Path], kept: set[str], folder: Path, seed: int
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Write copies of the sheets in which columns that are not kept change places; return all inputs, and the names."""
    changed, names = dict(inputs), list[str]()
    for index, (name, path) in enumerate(inputs.items()):
        if not is_table(path):
            continue
        header, rows, separator = read_table(path)
        if not kept & {*header}:
            continue  # a matrix, gene sets: no sheet
        moved = _shuffled(header, rows, kept, seed)
        if not moved:
            continue
        place = folder / f"as{index}"
        place.mkdir()
        changed[name] = place / path.name
        with open_text(changed[name], "w") as out:
            write_rows(out, [header, *rows], separator, "\n")
        names += moved
    return changed, tuple(names)


def is_table(path: Path) -> bool:
    """True for a text table that is not too large to be changed and read again."""
    return path.name.removesuffix(".gz").rpartition(".")[2] in ("tsv", "csv") and path.stat().st_size <= _MOST_BYTES


def read_table(path: Path) -> tuple[list[str], list[list[str]], str]:
    """Return header, rows and separator of a table; no rows where they have another length than the header."""
    with open_text(path, "r") as lines:
        text = lines.read()
    separator = separator_of(path, text.partition("\n")[0])
    header, *rows = list(split_rows(iter(text.splitlines(keepends=True)), separator)) or [[]]
    return header, rows if all(len(r) == len(header) for r in rows) else [], separator


def _shuffled(header: list[str], rows: list[list[str]], kept: set[str], seed: int) -> list[str]:
    """Move the known values of columns in place; names of rows and gaps stay. Return the changed columns."""
    found = []
    for index, name in enumerate(header):
        cells = [r[index] for r in rows]
        known = [n for n, cell in enumerate(blanked(cells)) if cell]
        values = [cells[n] for n in known]
        if index == 0 or name in kept or len({*values}) < 2 or _names_rows(values):
            continue
        values = [cells[n] for n in sorted(known, key=lambda n: _place(seed, header[index], n))]
        for n, cell in zip(known, values, strict=True):
            rows[n][index] = cell
        if [r[index] for r in rows] != cells:
            found.append(name)
    return found


def _place(seed: int, column: str, row: int) -> bytes:
    """A place among others that follows no order of the rows, the same for the same seed."""
    return hashlib.sha256(f"{seed} {column} {row}".encode()).digest()


def _names_rows(values: Sequence[str]) -> bool:
    """True for names, dates and whole numbers that seldom repeat: rows may be joined by them."""
    return 2 * len({*values}) > len(values) and not any("." in v and v.replace(".", "", 1).isdigit() for v in values)
