"""Rule out that a task's numbers were drawn at random or made from names, while the data only chose names or seed.

Columns are told apart by how they change between runs. Numbers that were computed change with the data and hardly with
the seed of random numbers: p-values of permutations, bounds of a bootstrap, restarts of a clustering. Numbers that were
drawn change as much with the seed as with the data. Numbers made from names or row numbers stay where they are whatever
the data say.
"""

from __future__ import annotations

import asyncio
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import fmean, pstdev

from bioresearcher.execution.code_checks import StaticReport
from bioresearcher.execution.output_comparison import OutputColumns, same_cell
from bioresearcher.execution.reruns import ColumnsByOutput, Rerun, Trial, change_inputs, rerun
from bioresearcher.text.format import listing

_RUNS = 4  # with other seeds, or with single values replaced, before columns are judged
_ENOUGH_ROWS = 8  # rows or different values from which a coincidence is ruled out
_MANY = 30  # values of a column from which a single one counts for little
_RANDOM_OUTPUT = re.compile(
    r"\b(?:random(?:ly|i[sz]ed)?|permut\w*|bootstrap\w*|null (?:distribution|model|sets?)|resampl\w*|simulat\w*"
    r"|shuffl\w*|drawn at random)\b",
    re.IGNORECASE,
)
ColumnNames = Mapping[str, frozenset[str]]
"""Output -> names of some of its columns."""


@dataclass(frozen=True)
class Changes:
    """A run on changed data: its outputs, the variant, and `whole` if every number of the inputs was changed."""

    run: Rerun
    variant: str
    whole: bool

    @property
    def strong(self) -> bool:
        """True if nearly every value of the data was changed."""
        return self.variant in {"resample", "permute"}


@dataclass(frozen=True)
class ChanceVerdict:
    """The reason why no output can be attributed to the data (empty: it can), and columns that were drawn."""

    problem: str = ""
    drawn: ColumnNames | None = None
    warnings: tuple[str, ...] = ()


async def rule_out_chance(trial: Trial, report: StaticReport, changes: Changes) -> ChanceVerdict:
    """Compare the changes with the data to the changes with other seeds or with a single value.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    problem = await _made_from_names(trial, changes)
    if problem:
        return ChanceVerdict(problem)
    if report.draws or changes.run.seeded:
        return await _drawn_with_seeds(trial, changes)
    if report.mixes:
        return ChanceVerdict(await _made_by_hashing(trial, changes))
    return ChanceVerdict()


async def _made_from_names(trial: Trial, changes: Changes) -> str:
    """Return a problem if, on two changed copies of the data, numbers stay with their names or row numbers."""
    if not changes.strong or not changes.whole:
        return ""
    found = _columns_from_names(trial.columns, changes.run.columns or {})
    if not found:
        return ""
    again = await _on_other_data(trial, 1)
    if again.columns is None:
        return ""
    second = _columns_from_names(trial.columns, again.columns)
    both = {name: columns & second.get(name, frozenset()) for name, columns in found.items()}
    found = {name: columns for name, columns in both.items() if columns}
    if not found:
        return ""
    return (
        f"numbers stay the same for their names or row numbers whatever the data say, so they were not computed "
        f"from them ({_listed(found)})"
    )


def _columns_from_names(real: ColumnsByOutput, changed: ColumnsByOutput) -> dict[str, frozenset[str]]:
    """Return, by output, the columns that were not computed from the data."""
    found = {}
    for name in real.keys() & changed.keys():
        one, other = real[name], changed[name]
        stays, results = unchanged_columns(one, other), informative_columns(one)
        moves = {c for c in one.cells if c not in stays and len(set(one.cells[c])) > 1}
        if results and results <= stays and not moves and one.names != other.names:
            found[name] = results  # the data only chose the rows
        elif sum(row in other.place for row in one.names) >= _ENOUGH_ROWS:
            fractions = frozenset(c for c in results & stays if _has_many_fractions(one, c))
            if fractions:
                found[name] = fractions
    return found


def _has_many_fractions(table: OutputColumns, column: str) -> bool:
    """Return True for a declared column of many different fractions."""
    values = [v for v in table.numbers[column] if v is not None]
    return column in table.declared and len(set(values)) >= _ENOUGH_ROWS and any(not v.is_integer() for v in values)


async def _drawn_with_seeds(trial: Trial, changes: Changes) -> ChanceVerdict:
    """Find numbers that change with other seeds as much as with other data; a suspicion is tested with more runs."""
    first = await rerun(trial, trial.inputs, shift=1)
    if first.columns is not None and not await asyncio.to_thread(_any_suspect, trial.columns, first, changes.run):
        return ChanceVerdict()
    later = range(2, _RUNS + 1)
    more = await _side_by_side([partial(rerun, trial.aside(f"{s}"), trial.inputs, shift=s) for s in later])
    runs = [run for run in (first, *more) if run.columns is not None]
    if not runs:
        return ChanceVerdict(f"with other seeds of its random numbers the code fails ({first.problem})")
    data = [changes.run, await _on_other_data(trial, 2)]
    drawn = await asyncio.to_thread(_drawn_by_output, trial.columns, runs, data)
    results = {name: _taken_for_results(trial.columns[name], columns) for name, columns in drawn.items()}
    declared = {name for name, columns in results.items() if columns and _is_declared_random(trial, name)}
    sound = await _drawn_from_data(trial, {n: results[n] for n in declared}, runs, data) if declared else frozenset()
    results = {name: columns for name, columns in results.items() if columns and name not in sound}
    if results:
        return ChanceVerdict(
            "numbers were drawn at random, not computed: other seeds change them as much as other data do "
            f"({_listed(results)})"
        )
    warnings = (f"drawn at random, so no result by itself: {_listed(drawn)}",) if drawn else ()
    return ChanceVerdict(drawn=drawn, warnings=warnings)


def _is_declared_random(trial: Trial, name: str) -> bool:
    """Return True if the task declares an output as random: a control, a null distribution, repeats of a draw."""
    output = next(o for o in trial.context.task.outputs if o.name == name)
    return bool(_RANDOM_OUTPUT.search(f"{output.name.replace('_', ' ')} {output.description}"))


async def _drawn_from_data(
    trial: Trial, columns: ColumnNames, shifted: Sequence[Rerun], changed: Sequence[Rerun]
) -> frozenset[str]:
    """Return the declared random outputs whose numbers were drawn from the data, not from nothing.

    With the same seed and one value of the data replaced such numbers change a little and stay alike; or other data
    give another distribution (Kolmogorov and Smirnov's distance), beyond what other seeds do.
    """

    def undecided(touched: Sequence[Rerun], data: Sequence[Rerun]) -> bool:
        return any(not sound(name, touched, data) for name in columns)

    def sound(name: str, touched: Sequence[Rerun], data: Sequence[Rerun]) -> bool:
        real, near = trial.columns[name], _columns_of(touched, name)
        seeds, other = _columns_of(shifted, name), _columns_of(data, name)
        return all(_follows(real, c, near) or _other_distribution(real, c, seeds, other) for c in columns[name])

    # either answer is enough, so what costs runs is asked last
    data, touched = [*changed], list[Rerun]()
    if await asyncio.to_thread(undecided, touched, data):
        runs = [partial(_on_other_data, trial.aside(f"t{n}"), n, "touch") for n in range(1, _RUNS + 1)]
        touched = [run for run in await _side_by_side(runs) if run.columns is not None]
    if await asyncio.to_thread(undecided, touched, data):
        data += await _side_by_side([partial(_on_other_data, trial.aside(f"{n}"), n) for n in range(3, _RUNS + 1)])
    return frozenset(name for name in columns if sound(name, touched, data))


async def _side_by_side(runs: Sequence[Callable[[], Awaitable[Rerun]]]) -> list[Rerun]:
    """Make reruns, two at a time: each takes the memory of the task."""
    slots = asyncio.Semaphore(2)

    async def one(run: Callable[[], Awaitable[Rerun]]) -> Rerun:
        async with slots:
            return await run()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(run)) for run in runs]
    except BaseExceptionGroup as failed:  # it cancelled the others; the first says why
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _follows(real: OutputColumns, column: str, near: Sequence[OutputColumns]) -> bool:
    runs = [pairs for table in near if len(pairs := paired_numbers(real, table, column)) >= _FEW]
    moved = [pairs for pairs in runs if any(not _near(x, y) for x, y in pairs)]
    return bool(moved) and all(_similarity(pairs) >= max(0.5, _similarity_bound(len(pairs), 3)) for pairs in moved)


def _other_distribution(
    real: OutputColumns, column: str, seeds: Sequence[OutputColumns], data: Sequence[OutputColumns]
) -> bool:
    own = [v for v in real.numbers.get(column, ()) if v is not None]
    if len(own) < _MANY:
        return False
    by_seed = max((_distance(own, table.numbers.get(column, ())) for table in seeds), default=1.0)
    by_data = max((_distance(own, table.numbers.get(column, ())) for table in data), default=0.0)
    return by_data > max(1.5 * by_seed, 1.95 * math.sqrt(2 / len(own)))


def _distance(one: Sequence[float], other: Sequence[float | None]) -> float:
    """Return Kolmogorov and Smirnov's distance of two samples, 0 to 1."""
    values = sorted(v for v in other if v is not None)
    ordered = sorted(one)
    if not values:
        return 0.0
    places = sorted({*ordered, *values})
    return max(abs(bisect_right(ordered, x) / len(ordered) - bisect_right(values, x) / len(values)) for x in places)


def _taken_for_results(table: OutputColumns, columns: frozenset[str]) -> frozenset[str]:
    """Return the drawn columns that a reader would take for results: declared, no fold, no repeated experiment."""
    if table.replicates:
        return frozenset()
    declared = columns & table.declared if table.declared else columns
    return frozenset(c for c in declared if not is_label(table, c))


async def _made_by_hashing(trial: Trial, changes: Changes) -> str:
    """Return a problem if one replaced value per column changes the numbers as much as other data do, as a hash would.

    Among few values one counts for much, so only larger data are tested.
    """
    if not changes.strong:
        return ""
    runs: list[Rerun] = []
    for again in range(1, _RUNS + 1):
        touched = await change_inputs(trial, "touch", again=again)
        if touched.one_in < _MANY:
            return ""
        run = Rerun(None, touched.problem) if touched.problem else await rerun(trial, touched.files)
        if run.columns is not None:
            runs.append(run)
        if not runs or not await asyncio.to_thread(_any_suspect, trial.columns, runs[0], changes.run):
            return ""
    data = [changes.run, await _on_other_data(trial, 2)]
    found = await asyncio.to_thread(_drawn_by_output, trial.columns, runs, data)
    wild = {n: c for n, c in found.items() if 2 * len(c) >= len(informative_columns(trial.columns[n]))}
    if not wild:
        return ""
    return (
        f"a single value replaced changes the numbers as much as all values do, as a check sum would ({_listed(wild)})"
    )


async def _on_other_data(trial: Trial, again: int, variant: str = "resample") -> Rerun:
    changed = await change_inputs(trial, variant, again=again)
    return Rerun(None, changed.problem) if changed.problem else await rerun(trial, changed.files)


def _any_suspect(real: ColumnsByOutput, shifted: Rerun, changed: Rerun) -> bool:
    """Return True if any column looks drawn."""
    seen = shifted.columns or {}
    return any(suspect_columns(real[n], seen[n], _columns_of([changed], n)) for n in real.keys() & seen.keys())


def _drawn_by_output(
    real: ColumnsByOutput, shifted: Iterable[Rerun], changed: Iterable[Rerun]
) -> dict[str, frozenset[str]]:
    """Return, by output, the columns that are drawn."""
    found = {}
    for name, table in real.items():
        others = _columns_of(shifted, name)
        if others and (columns := drawn_columns(table, others, _columns_of(changed, name))):
            found[name] = columns
    return found


def _columns_of(runs: Iterable[Rerun], name: str) -> list[OutputColumns]:
    return [run.columns[name] for run in runs if run.columns is not None and name in run.columns]


def _listed(columns: ColumnNames) -> str:
    return listing((f"{output}: {column}" for output, found in sorted(columns.items()) for column in sorted(found)), 4)


# Columns that change with the seed as much as with the data
_MOVED = 0.8
"""Least share of a column's numbers that differ if it is drawn."""

_LIKE_DATA = 0.5
"""Share of the change with the data from which a change with the seed counts as equally large."""

_FEW = 8  # pairs below which correlation says nothing; the next four judge these few by size and change
_FEW_LIKE_DATA = 0.35
_FEW_HINT = 0.02
_FEW_CHANGE = 0.15
_FEW_SIZE = 0.1
_LABELS = 20  # most levels of a column of labels
_NEIGHBOUR_ROWS = 300  # rows whose neighbours are compared
Pairs = list[tuple[float, float]]


def suspect_columns(real: OutputColumns, shifted: OutputColumns, changed: Sequence[OutputColumns]) -> frozenset[str]:
    """Return the columns that look drawn after one run with other seeds; a few numbers need more runs."""
    found = {c for c in real.numbers if _looks_drawn(real, shifted, changed, c)}
    return frozenset(set() if _same_neighbours(real, shifted, sorted(found)) else found)


def drawn_columns(
    real: OutputColumns, shifted: Sequence[OutputColumns], changed: Sequence[OutputColumns]
) -> frozenset[str]:
    """Return the columns of numbers that change with other seeds as much as with other data, with no similarity left.

    Not among them: layouts whose neighbourhoods stay (t-SNE, UMAP), labels of the same groups, the same values in
    other rows (clusters that changed their numbers).
    """
    found = set(frozenset.intersection(*(suspect_columns(real, table, changed) for table in shifted)))
    for column in real.numbers:
        runs = [paired_numbers(real, table, column) for table in shifted]
        if 0 < len(runs[0]) < _FEW:
            found -= {column}
            found |= {column} if _few_drawn(runs, [paired_numbers(real, table, column) for table in changed]) else set()
        elif column in found and not is_label(real, column):
            found -= set() if fmean(map(_similarity, runs)) < _similarity_bound(len(runs[0]), 1.5) else {column}
    return frozenset(found)


def _looks_drawn(real: OutputColumns, shifted: OutputColumns, changed: Sequence[OutputColumns], column: str) -> bool:
    pairs = paired_numbers(real, shifted, column)
    if len(pairs) >= _FEW and is_label(real, column) and is_label(shifted, column):
        return len({x for x, _ in pairs}) > 1 and not _same_groups(pairs)
    known = [p for p in pairs if p != (0.0, 0.0)]
    if not known or sum(not _near(x, y) for x, y in known) < _MOVED * len(known):
        return False
    if len(pairs) < _FEW:
        return _mean_change(pairs) >= _FEW_HINT * _mean_size(pairs)
    if _mean_change(pairs) < _LIKE_DATA * _change_with_data(real, changed, column) or _same_set(pairs):
        return False
    return _similarity(pairs) < _similarity_bound(len(pairs), 3)


def _few_drawn(shifted: Sequence[Pairs], changed: Sequence[Pairs]) -> bool:
    """Judge fewer than eight numbers: over all runs they change by much, and by as much as with the data."""
    pairs = [p for run in shifted for p in run]
    size, change = _mean_size(pairs), _mean_change(pairs)
    same = sum(map(_same_set, shifted)) >= len(shifted) / 2
    large = size >= _FEW_SIZE and change >= _FEW_CHANGE * size
    return large and not same and change >= _FEW_LIKE_DATA * _mean_change([p for run in changed for p in run])


def _similarity(pairs: Pairs) -> float:
    """Return the larger of Pearson's and Spearman's correlation, whatever its sign."""
    return max(abs(_correlation(pairs)), abs(_correlation(_ranked(pairs)))) if pairs else 0.0


def _similarity_bound(rows: int, errors: float) -> float:
    """Return the correlation below which columns are unlike: so many standard errors of zero, at least 0.25."""
    return max(0.25, errors / math.sqrt(max(1, rows)))


def _change_with_data(real: OutputColumns, changed: Sequence[OutputColumns], column: str) -> float:
    return max((_mean_change(paired_numbers(real, table, column)) for table in changed), default=0.0)


def is_label(table: OutputColumns, column: str) -> bool:
    """Return True if a column holds few different whole numbers over many rows: a group, a fold."""
    values = {v for v in table.numbers.get(column, ()) if v is not None}
    whole = all(v.is_integer() for v in values)
    return whole and len(values) <= min(_LABELS, len(table.names) // 3)


# Columns that do not change with the data


def unchanged_columns(real: OutputColumns, changed: OutputColumns) -> frozenset[str]:
    """Return the columns that stay the same for each name, or for each row number, though the data changed."""
    shared = [(row, changed.place[name]) for row, name in enumerate(real.names) if name in changed.place]
    ordered = [(i, i) for i in range(min(len(real.names), len(changed.names)))]
    found = set()
    for column in real.cells.keys() & changed.cells.keys():
        a, b = real.cells[column], changed.cells[column]
        ways = (places for places in (shared, ordered) if len(places) >= 3)
        if any(all(a[i] == b[j] or same_cell(a[i], b[j]) for i, j in places) for places in ways):
            found.add(column)
    return frozenset(found)


def informative_columns(table: OutputColumns) -> frozenset[str]:
    """Return the columns of numbers that can be a result: not one number throughout, no rank, no grid."""
    found = set()
    for column, values in table.numbers.items():
        known = [v for v in values if v is not None]
        steps = [y - x for x, y in pairwise(known)]
        monotone = len(known) > 2 and (all(s >= 0 for s in steps) or all(s <= 0 for s in steps))
        if len(set(known)) > 1 and not monotone:
            found.add(column)
    return frozenset(found)


# A column in two runs


def paired_numbers(one: OutputColumns, other: OutputColumns, column: str) -> Pairs:
    """Pair a column's numbers in two runs: by row name, or in order where fewer than three names are shared."""
    a, b = one.numbers.get(column), other.numbers.get(column)
    if a is None or b is None:
        return []
    both = [(row, other.place[name]) for row, name in enumerate(one.names) if name in other.place]
    if len(both) < min(3, len(one.names)):
        both = [(i, i) for i in range(min(len(a), len(b)))]
    found = [(a[i], b[j]) for i, j in both]
    return [(x, y) for x, y in found if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)]


def _near(x: float, y: float) -> bool:
    return math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-12)


def _mean_change(pairs: Pairs) -> float:
    return fmean(abs(x - y) for x, y in pairs) if pairs else 0.0


def _mean_size(pairs: Pairs) -> float:
    return fmean(max(abs(x), abs(y)) for x, y in pairs) if pairs else 0.0


def _same_set(pairs: Pairs) -> bool:
    """Return True if both hold the same few values, in whatever rows."""
    if not 1 < len(pairs) <= 40:
        return False
    one, other = sorted(x for x, _ in pairs), sorted(y for _, y in pairs)
    width = max(one[-1], other[-1]) - min(one[0], other[0])
    allowed = 0.1 if len(pairs) < _FEW else 0.02  # clusters from other starts are nearly the same ones
    return fmean(abs(x - y) for x, y in zip(one, other, strict=True)) < allowed * width


def _same_groups(pairs: Pairs) -> bool:
    """Return True if two labellings agree: an adjusted Rand index (Hubert and Arabie 1985) above 0.2."""
    together = sum(math.comb(n, 2) for n in Counter(pairs).values())
    one, other = (sum(math.comb(n, 2) for n in Counter(p[side] for p in pairs).values()) for side in (0, 1))
    expected = one * other / max(1, math.comb(len(pairs), 2))
    top = (one + other) / 2 - expected
    return top <= 0 or (together - expected) / top > 0.2


def _correlation(pairs: Pairs) -> float:
    """Return Pearson's correlation; 0 if a side does not vary."""
    mean_x, mean_y = fmean(x for x, _ in pairs), fmean(y for _, y in pairs)
    xx, yy = (sum((p[side] - m) ** 2 for p in pairs) for side, m in ((0, mean_x), (1, mean_y)))
    if xx <= 0 or yy <= 0:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / math.sqrt(xx) / math.sqrt(yy)


def _ranked(pairs: Pairs) -> Pairs:
    """Rank within each side, ties with their mean rank: Pearson's correlation of these is Spearman's."""
    return list(zip(_ranks([x for x, _ in pairs]), _ranks([y for _, y in pairs]), strict=True))


def _ranks(values: Sequence[float]) -> list[float]:
    places: dict[float, list[int]] = {}
    for rank, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(rank)
    mean = {value: fmean(ranks) for value, ranks in places.items()}
    return [mean[value] for value in values]


def _same_neighbours(real: OutputColumns, shifted: OutputColumns, columns: Sequence[str]) -> bool:
    """Return True if rows keep their neighbours in the space of some columns at least twice as often as by chance."""
    if not 2 <= len(columns) <= 10:
        return False
    rows = [name for name in real.names if name in shifted.place][:_NEIGHBOUR_ROWS]
    one, other = (_points(table, rows, columns) for table in (real, shifted))
    if len(rows) < 20 or one is None or other is None:
        return False
    count = max(3, len(rows) // 10)
    shared = fmean(len(_nearest(one, i, count) & _nearest(other, i, count)) / count for i in range(len(rows)))
    return shared >= 2 * count / (len(rows) - 1)


def _points(table: OutputColumns, rows: Iterable[str], columns: Sequence[str]) -> list[tuple[float, ...]] | None:
    """Return the rows' coordinates, each column in units of its spread; None if one is not known."""
    places = []
    chosen = [table.place[name] for name in rows]
    for column in columns:
        values = [v for v in (table.numbers[column][row] for row in chosen) if v is not None and math.isfinite(v)]
        if len(values) < len(chosen):
            return None
        spread = pstdev(values) or 1.0
        places.append([v / spread for v in values])
    return list(zip(*places, strict=True))


def _nearest(points: Sequence[tuple[float, ...]], own: int, count: int) -> set[int]:
    here = points[own]
    order = sorted((math.dist(here, point), index) for index, point in enumerate(points) if index != own)
    return {index for _, index in order[:count]}
