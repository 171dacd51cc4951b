"""Rules out that a task's numbers were drawn or made up where the data only chose the names or the seed.

Which columns of an output are drawn rather than computed: told from how they change between runs.

Numbers that were computed change with the data and hardly with the seed of random numbers: p-values of permutations,
bounds of a bootstrap, restarts of a clustering. Numbers that were drawn change as much with the seed as with the data.
Numbers made from names or row numbers stay where they are whatever the data say.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pstdev

from bioresearcher.execution.code_checks import StaticReport
from bioresearcher.execution.output_comparison import OutputColumns, same_cell
from bioresearcher.execution.reruns import Rerun, Sheets, Trial, change_inputs, rerun
from bioresearcher.text.format import listing

MOVED = 0.8
"""Share of a column's numbers that differ when it is drawn."""
_LIKE_DATA = 0.5
"""A change with the seed of this share of the change with the data is as large as that one."""
_FEW = 8
_FEW_LIKE_DATA = 0.35
_FEW_HINT = 0.02
_FEW_CHANGE = 0.15
_FEW_SIZE = 0.1
_LABELS = 20
_NEIGHBOUR_ROWS = 300

Pairs = list[tuple[float, float]]


def pair(one: OutputColumns, other: OutputColumns, column: str) -> Pairs:
    """A column's numbers in two runs: rows of the same name, or in order where they share fewer than three names."""
    a, b = one.numbers.get(column), other.numbers.get(column)
    if a is None or b is None:
        return []
    both = [(row, other.place[name]) for row, name in enumerate(one.names) if name in other.place]
    if len(both) < min(3, len(one.names)):
        both = [(i, i) for i in range(min(len(a), len(b)))]
    found = [(a[i], b[j]) for i, j in both]
    return [(x, y) for x, y in found if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)]


def suspects(real: OutputColumns, shifted: OutputColumns, changed: Sequence[OutputColumns]) -> frozenset[str]:
    """Columns that look drawn after one run with other seeds; a few numbers need more runs to be told apart."""
    found = {c for c in real.numbers if _looks_drawn(real, shifted, changed, c)}
    return frozenset(set() if _same_neighbours(real, shifted, sorted(found)) else found)


def drawn_columns(
    real: OutputColumns, shifted: Sequence[OutputColumns], changed: Sequence[OutputColumns]
) -> frozenset[str]:
    """Columns of numbers that change with other seeds as much as with other data, and have no likeness left.

    Not among them: layouts whose neighbourhoods stay (t-SNE, UMAP), labels of the same groups, the same values in
    other rows (clusters that changed their numbers).
    """
    found = set(frozenset.intersection(*(suspects(real, sheet, changed) for sheet in shifted)))
    for column in real.numbers:
        runs = [pair(real, sheet, column) for sheet in shifted]
        if 0 < len(runs[0]) < _FEW:
            found -= {column}
            found |= {column} if _few_drawn(runs, [pair(real, sheet, column) for sheet in changed]) else set()
        elif column in found and not is_label(real, column):
            found -= set() if fmean(map(_likeness, runs)) < _bound(len(runs[0]), 1.5) else {column}
    return frozenset(found)


def _looks_drawn(real: OutputColumns, shifted: OutputColumns, changed: Sequence[OutputColumns], column: str) -> bool:
    pairs = pair(real, shifted, column)
    if len(pairs) >= _FEW and is_label(real, column) and is_label(shifted, column):
        return len({x for x, _ in pairs}) > 1 and not _same_groups(pairs)
    told = [p for p in pairs if p != (0.0, 0.0)]
    if not told or sum(not _near(x, y) for x, y in told) < MOVED * len(told):
        return False
    if len(pairs) < _FEW:
        return _mean_change(pairs) >= _FEW_HINT * _size(pairs)
    if _mean_change(pairs) < _LIKE_DATA * _with_data(real, changed, column) or _same_set(pairs):
        return False
    return _likeness(pairs) < _bound(len(pairs), 3)


def _likeness(pairs: Pairs) -> float:
    """The larger one of Pearson's and Spearman's correlation, whatever its sign."""
    return max(abs(_correlation(pairs)), abs(_correlation(_ranked(pairs)))) if pairs else 0.0


def _bound(rows: int, errors: float) -> float:
    """The correlation below which there is no likeness: so many standard errors of none at all, at least a quarter."""
    return max(0.25, errors / math.sqrt(max(1, rows)))


def _few_drawn(shifted: Sequence[Pairs], changed: Sequence[Pairs]) -> bool:
    """For less than eight numbers: over all runs they change by much, and by as much as with the data."""
    pairs = [p for run in shifted for p in run]
    size, change = _size(pairs), _mean_change(pairs)
    same = sum(map(_same_set, shifted)) >= len(shifted) / 2
    large = size >= _FEW_SIZE and change >= _FEW_CHANGE * size
    return large and not same and change >= _FEW_LIKE_DATA * _mean_change([p for run in changed for p in run])


def _size(pairs: Pairs) -> float:
    return fmean(max(abs(x), abs(y)) for x, y in pairs) if pairs else 0.0


def _with_data(real: OutputColumns, changed: Sequence[OutputColumns], column: str) -> float:
    return max((_mean_change(pair(real, sheet, column)) for sheet in changed), default=0.0)


def is_label(sheet: OutputColumns, column: str) -> bool:
    """Whether a column holds few different whole numbers over many rows: a group, a fold."""
    values = {v for v in sheet.numbers.get(column, ()) if v is not None}
    whole = all(v.is_integer() for v in values)
    return whole and len(values) <= min(_LABELS, len(sheet.names) // 3)


def placed_columns(real: OutputColumns, changed: OutputColumns) -> frozenset[str]:
    """Columns that stay the same for each name, or for each row number, though the data changed."""
    shared = [(row, changed.place[name]) for row, name in enumerate(real.names) if name in changed.place]
    ordered = [(i, i) for i in range(min(len(real.names), len(changed.names)))]
    found = set()
    for column in real.cells.keys() & changed.cells.keys():
        a, b = real.cells[column], changed.cells[column]
        ways = (places for places in (shared, ordered) if len(places) >= 3)
        if any(all(a[i] == b[j] or same_cell(a[i], b[j]) for i, j in places) for places in ways):
            found.add(column)
    return frozenset(found)


def claims(sheet: OutputColumns) -> frozenset[str]:
    """Columns of numbers that say something: not one number throughout, no rank, no grid."""
    found = set()
    for column, values in sheet.numbers.items():
        known = [v for v in values if v is not None]
        steps = [y - x for x, y in pairwise(known)]
        monotone = len(known) > 2 and (all(s >= 0 for s in steps) or all(s <= 0 for s in steps))
        if len(set(known)) > 1 and not monotone:
            found.add(column)
    return frozenset(found)


def _near(x: float, y: float) -> bool:
    return math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-12)


def _mean_change(pairs: Pairs) -> float:
    return fmean(abs(x - y) for x, y in pairs) if pairs else 0.0


def _same_set(pairs: Pairs) -> bool:
    """Whether both hold the same few values, in whatever rows."""
    if not 1 < len(pairs) <= 40:
        return False
    one, other = sorted(x for x, _ in pairs), sorted(y for _, y in pairs)
    width = max(one[-1], other[-1]) - min(one[0], other[0])
    allowed = 0.1 if len(pairs) < _FEW else 0.02  # clusters from other starts are nearly the same ones
    return fmean(abs(x - y) for x, y in zip(one, other, strict=True)) < allowed * width


def _same_groups(pairs: Pairs) -> bool:
    """Whether two labellings tell the same groups apart: an adjusted Rand index (Hubert and Arabie 1985) above 0.2."""
    together = sum(math.comb(n, 2) for n in Counter(pairs).values())
    one, other = (sum(math.comb(n, 2) for n in Counter(p[side] for p in pairs).values()) for side in (0, 1))
    expected = one * other / max(1, math.comb(len(pairs), 2))
    top = (one + other) / 2 - expected
    return top <= 0 or (together - expected) / top > 0.2


def _correlation(pairs: Pairs) -> float:
    """Pearson's; 0 when a side does not vary."""
    mean_x, mean_y = fmean(x for x, _ in pairs), fmean(y for _, y in pairs)
    xx, yy = (sum((p[side] - m) ** 2 for p in pairs) for side, m in ((0, mean_x), (1, mean_y)))
    if xx <= 0 or yy <= 0:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / math.sqrt(xx) / math.sqrt(yy)


def _ranked(pairs: Pairs) -> Pairs:
    """Ranks within each side, ties with their mean rank: Pearson's correlation of these is Spearman's."""
    return list(zip(_ranks([x for x, _ in pairs]), _ranks([y for _, y in pairs]), strict=True))


def _ranks(values: Sequence[float]) -> list[float]:
    places: dict[float, list[int]] = {}
    for rank, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(rank)
    mean = {value: fmean(ranks) for value, ranks in places.items()}
    return [mean[value] for value in values]


def _same_neighbours(real: OutputColumns, shifted: OutputColumns, columns: Sequence[str]) -> bool:
    """Whether rows have the same neighbours in the space of some columns, twice as often as chance would have it."""
    if not 2 <= len(columns) <= 10:
        return False
    rows = [name for name in real.names if name in shifted.place][:_NEIGHBOUR_ROWS]
    one, other = (_points(sheet, rows, columns) for sheet in (real, shifted))
    if len(rows) < 20 or one is None or other is None:
        return False
    count = max(3, len(rows) // 10)
    shared = fmean(len(_nearest(one, i, count) & _nearest(other, i, count)) / count for i in range(len(rows)))
    return shared >= 2 * count / (len(rows) - 1)


def _points(sheet: OutputColumns, rows: Iterable[str], columns: Sequence[str]) -> list[tuple[float, ...]] | None:
    """The rows' places, each column in units of its spread; None when one is not known."""
    places = []
    chosen = [sheet.place[name] for name in rows]
    for column in columns:
        values = [v for v in (sheet.numbers[column][row] for row in chosen) if v is not None and math.isfinite(v)]
        if len(values) < len(chosen):
            return None
        spread = pstdev(values) or 1.0
        places.append([v / spread for v in values])
    return list(zip(*places, strict=True))


def _nearest(points: Sequence[tuple[float, ...]], own: int, count: int) -> set[int]:
    here = points[own]
    order = sorted((math.dist(here, point), index) for index, point in enumerate(points) if index != own)
    return {index for _, index in order[:count]}


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
class ChanceVerdict:
    """Why a declared output cannot be attributed to the data (empty: it can), and columns that show nothing."""

    problem: str = ""
    drawn: Columns | None = None
    warnings: tuple[str, ...] = ()


async def look_for_drawing(trial: Trial, report: StaticReport, changes: Changes) -> ChanceVerdict:
    """Hold what changed with the data against what changes without them.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    problem = await _from_names(trial, changes)
    if problem:
        return ChanceVerdict(problem)
    if report.draws or changes.run.seeded:
        return await _from_seeds(trial, changes)
    if report.mixes:
        return ChanceVerdict(await _from_mixing(trial, changes))
    return ChanceVerdict()


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


def _is_constant(sheet: OutputColumns, column: str) -> bool:
    return len(set(sheet.cells[column])) <= 1


def _shared(one: OutputColumns, other: OutputColumns) -> int:
    return sum(name in other.place for name in one.names)


def _is_strange(sheet: OutputColumns, column: str) -> bool:
    """A declared column of many different fractions."""
    values = [v for v in sheet.numbers[column] if v is not None]
    return column in sheet.declared and len(set(values)) >= _ENOUGH_ROWS and any(not v.is_integer() for v in values)


async def _on_other_data(trial: Trial, again: int) -> Rerun:
    changed = await change_inputs(trial, "resample", again=again)
    return Rerun(None, changed.problem) if changed.problem else await rerun(trial, changed.files)


async def _from_seeds(trial: Trial, changes: Changes) -> ChanceVerdict:
    """Numbers that change with other seeds as much as with other data, looked at again when they seem to."""
    first = await rerun(trial, trial.inputs, shift=1)
    if first.sheets is not None and not await asyncio.to_thread(_suspects, trial.sheets, first, changes.run):
        return ChanceVerdict()
    more = [await rerun(trial, trial.inputs, shift=shift) for shift in range(2, _RUNS + 1)]
    runs = [run for run in (first, *more) if run.sheets is not None]
    if not runs:
        return ChanceVerdict(f"with other seeds of its random numbers the code fails ({first.problem})")
    data = [changes.run, await _on_other_data(trial, 2)]
    drawn = await asyncio.to_thread(_drawn, trial.sheets, runs, data)
    grave = {name: bad for name, columns in drawn.items() if (bad := _grave(trial.sheets[name], columns))}
    if grave:
        return ChanceVerdict(
            "numbers were drawn at random, not computed: other seeds change them as much as other data do "
            f"({_told(grave)})"
        )
    said = (f"drawn at random, so no result by itself: {_told(drawn)}",) if drawn else ()
    return ChanceVerdict(drawn=drawn, warnings=said)


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


def _sheets(runs: Iterable[Rerun], name: str) -> list[OutputColumns]:
    return [run.sheets[name] for run in runs if run.sheets is not None and name in run.sheets]


def _grave(sheet: OutputColumns, columns: frozenset[str]) -> frozenset[str]:
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
