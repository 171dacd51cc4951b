"""Values that were filled in, floors and ceilings: values that repeat more often than measured ones can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bioresearcher.audit.matrix_groups import Grouping
from bioresearcher.audit.tables import FactDraft, Matrix, behind
from bioresearcher.schemas.facts import FactNumber

_TIMES = 3.0
"""A value is a spike when it repeats this many times as often as the fourth most frequent value of its sample."""
_LEAST = 20
_LEAST_SHARE = 0.01
_BESIDE = 0.02
"""Least share of a sample's other values on either side of a spike that is neither floor nor ceiling."""
_LEAST_DISTINCT = 50
_SHOWN_BY = "audit.matrix_filled"


@dataclass(frozen=True)
class Filled:
    """Repeated values of each sample, in the matrix's order; nan and 0 where a sample has none.

    `inner` lies among the measured values and was filled in; `floor` is the lowest, `ceiling` the highest value.
    """

    inner: npt.NDArray[np.float32]
    inner_count: npt.NDArray[np.int64]
    floor: npt.NDArray[np.float32]
    floor_count: npt.NDArray[np.int64]
    ceiling: npt.NDArray[np.float32]
    ceiling_count: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]

    @property
    def found(self) -> npt.NDArray[np.intp]:
        """Positions of the samples with a value that was filled in."""
        return np.flatnonzero(self.inner_count > 0)


def whole_numbers(values: npt.NDArray[np.float32]) -> bool:
    """Tell that all known values are whole numbers."""
    return all(bool((row[np.isfinite(row)] == np.rint(row[np.isfinite(row)])).all()) for row in values)


def find_filled(matrix: Matrix) -> Filled:
    """Find, sample by sample, the value that repeats far more often than a measured continuous value can.

    A value of a sample with n known values is a spike when it occurs at least 20 times, in at least 1 % of n, and three
    times as often as the sample's fourth most frequent value: rounding makes neighbours about equally frequent, so a
    coarse scale has no spikes. Samples with fewer than 50 different values, and matrices of whole numbers, have none:
    counts and scores repeat by nature. A spike with less than 2 % of the values that are no spikes below (above) it
    is a floor (ceiling), so are the zeros and the steps above them of logarithms of counts.
    """
    n = len(matrix.samples)
    empty = np.full(n, np.nan, dtype=np.float32)
    zeros = np.zeros(n, dtype=np.int64)
    filled = Filled(empty, zeros, empty.copy(), zeros.copy(), empty.copy(), zeros.copy(), zeros.copy())
    whole = whole_numbers(matrix.values)
    for j in range(n):
        column = matrix.values[:, j]
        column = column[np.isfinite(column)]
        filled.known[j] = len(column)
        if whole:
            continue
        values, counts = np.unique(column, return_counts=True)
        if len(values) >= _LEAST_DISTINCT:
            _sort_spikes(filled, j, values, counts)
    return filled


def _sort_spikes(filled: Filled, j: int, values: npt.NDArray[np.float32], counts: npt.NDArray[np.int64]) -> None:
    total = int(counts.sum())
    fourth = int(np.partition(counts, -4)[-4])
    spikes = np.flatnonzero(counts >= max(_LEAST, _LEAST_SHARE * total, _TIMES * fourth))
    others = counts.copy()
    others[spikes] = 0
    below = np.cumsum(others)
    rest = int(others.sum())
    for i in sorted(spikes, key=lambda s: -counts[s]):
        if below[i] <= _BESIDE * rest:
            value, count = filled.floor, filled.floor_count
        elif rest - below[i] <= _BESIDE * rest:
            value, count = filled.ceiling, filled.ceiling_count
        else:
            value, count = filled.inner, filled.inner_count
        if not count[j]:
            value[j], count[j] = values[i], counts[i]


def without_filled(matrix: Matrix, filled: Filled) -> npt.NDArray[np.float32]:
    """Return the values with those that were filled in as nan; the matrix's own array when there are none."""
    if not len(filled.found):
        return matrix.values
    values = matrix.values.copy()
    for j in filled.found:
        values[values[:, j] == filled.inner[j], j] = np.nan
    return values


def shortest(value: np.float32) -> float:
    """Return the number with the fewest digits that is this value of four bytes, as the file writes it."""
    return float(str(np.float32(value))) + 0.0  # no negative zero


def filled_facts(dataset: str, matrix: Matrix, filled: Filled, groups: Sequence[Grouping]) -> list[FactDraft]:
    """State values filled in (kind `filled values`), by sample and by group of samples, floors and ceilings."""
    facts = []
    if len(filled.found):
        facts.append(_inner_fact(dataset, matrix, filled))
        facts += [f for g in groups if (f := _group_fact(dataset, matrix, filled, g))]
    for what, values, counts in (
        ("lowest", filled.floor, filled.floor_count),
        ("highest", filled.ceiling, filled.ceiling_count),
    ):
        fact = _edge_fact(dataset, matrix, filled, what, values, counts)
        facts += [fact] if fact else []
    return facts


def _range(counts: npt.NDArray[np.int64]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _values_text(values: npt.NDArray[np.float32]) -> str:
    different = Counter(shortest(v) for v in values)
    if len(different) == 1:
        return f"the same value in all of them, {next(iter(different)):g}"
    low, high = min(different), max(different)
    return f"a value of each sample's own or of few samples ({len(different)} different, {low:g} to {high:g})"


def _inner_fact(dataset: str, matrix: Matrix, filled: Filled) -> FactDraft:
    found = filled.found
    counts = filled.inner_count[found]
    share = float(counts.sum() / max(1, filled.known[found].sum()))
    most = found[int(np.argmax(counts))]
    example = f"{matrix.samples[most]}: {int(filled.inner_count[most]):,} times {shortest(filled.inner[most]):g}"
    rows, count = behind(
        f"{matrix.samples[j]}: {shortest(filled.inner[j]):g} × {int(filled.inner_count[j]):,}"
        for j in sorted(found, key=lambda j: -filled.inner_count[j])
    )
    return FactDraft(
        kind="filled values",
        dataset=dataset,
        statement=(
            f"In {len(found):,} of {len(matrix.samples):,} samples one value within the range of the others was filled "
            f"in, not measured: in these {len(found):,} samples it repeats {_range(counts)} times among "
            f"{_range(filled.known[found])} values (median {int(np.median(counts)):,}; {share:.1%} of their values; "
            f"{example}). It is {_values_text(filled.inner[found])}. Counted as filled in is a value that occurs at "
            f"least {_LEAST} times, in at least {_LEAST_SHARE:.0%} of a sample's values, {_TIMES:g} times as often as "
            "the fourth most frequent one, and is neither floor nor ceiling."
        ),
        consequence="Treat the value as missing, or say why not: scores, correlations and components measure it.",
        weight=3 if share >= 0.02 else 2,
        shown_by=f"{_SHOWN_BY}.find_filled",
        numbers=(
            FactNumber(name="samples concerned", value=len(found)),
            FactNumber(name="fewest repeats in a sample", value=int(counts.min())),
            FactNumber(name="most repeats in a sample", value=int(counts.max())),
            FactNumber(name="values filled in", value=int(counts.sum())),
            FactNumber(name="share of these samples' values", value=round(share, 4)),
        ),
        rows=rows,
        row_count=count,
    )


def _group_fact(dataset: str, matrix: Matrix, filled: Filled, group: Grouping) -> FactDraft | None:
    """State how the values filled in are spread over a division of the samples, when they are spread unevenly."""
    per_level = {}
    for level in group.sizes:
        at = group.members(level)
        counts = filled.inner_count[at]
        per_level[level] = (counts, int((counts > 0).sum()), len(at))
    medians = [float(np.median(c)) for c, _, size in per_level.values() if size >= 2]
    if len(medians) < 2 or max(medians) - min(medians) < 0.01 * len(matrix.features):
        return None
    parts = [
        f"{level}: {_range(c)} in {with_them} of {size}" if with_them else f"{level}: none in {size}"
        for level, (c, with_them, size) in sorted(per_level.items(), key=lambda p: -float(np.median(p[1][0])))
    ]
    common = _common(matrix, filled, group)
    between = (max(medians) - min(medians)) / max(1, len(matrix.features))
    return FactDraft(
        kind="filled values",
        dataset=dataset,
        statement=(
            f"By {group.label}, values filled in per sample of {len(matrix.features):,}: "
            + "; ".join(parts[:14])
            + ("; …" if len(parts) > 14 else "")
            + f".{common}"
        ),
        consequence=f"A difference between these levels is in part a difference in what was filled in "
        f"({between:.0%} of the features between the levels with the highest and lowest median).",
        weight=3 if between >= 0.05 else 2,
        shown_by=f"{_SHOWN_BY}.filled_facts",
        numbers=tuple(
            FactNumber(name=f"median filled in, {level}", value=float(np.median(c)))
            for level, (c, _, _) in list(per_level.items())[:20]
        ),
        rows=tuple(parts[:40]),
        row_count=len(parts),
    )


def _common(matrix: Matrix, filled: Filled, group: Grouping) -> str:
    """Say of the most affected level how many features are filled in in all its samples."""
    sizes = [level for level, size in group.sizes.items() if size >= 2]
    level = max(sizes, key=lambda one: float(np.median(filled.inner_count[group.members(one)])))
    at = [j for j in group.members(level) if filled.inner_count[j]]
    if len(at) < 2:
        return ""
    mask = np.ones(len(matrix.features), dtype=bool)
    for j in at:
        mask &= matrix.values[:, j] == filled.inner[j]
    return f" In {level} {int(mask.sum()):,} features are filled in in all {len(at)} samples that have such values."


def _edge_fact(
    dataset: str,
    matrix: Matrix,
    filled: Filled,
    what: str,
    values: npt.NDArray[np.float32],
    counts: npt.NDArray[np.int64],
) -> FactDraft | None:
    found = np.flatnonzero(counts > 0)
    if not len(found):
        return None
    shares = counts[found] / filled.known[found]
    if float(np.median(shares)) < 0.02 or len(found) < 0.1 * len(matrix.samples):
        return None
    rows, count = behind(f"{matrix.samples[j]}: {shortest(values[j]):g} × {int(counts[j]):,}" for j in found)
    zero = bool((values[found] == 0).all())
    named = "zero" if zero else f"the {what} value"
    return FactDraft(
        kind="filled values",
        dataset=dataset,
        statement=(
            f"In {len(found):,} of {len(matrix.samples):,} samples {named} repeats, in these "
            f"{_range(counts[found])} times ({shares.min():.0%} to {shares.max():.0%} of a sample's values): "
            + (
                "not detected, not filled in"
                if zero
                else f"a {'floor' if what == 'lowest' else 'ceiling'} of the scale"
            )
            + f". It is {_values_text(values[found])}."
        ),
        consequence="Values at the limit are tied: filter features by detection, use ranks or models that allow it.",
        weight=2 if float(np.median(shares)) >= 0.1 else 1,
        shown_by=f"{_SHOWN_BY}.find_filled",
        numbers=(
            FactNumber(name="samples concerned", value=len(found)),
            FactNumber(name="median share", value=round(float(np.median(shares)), 4)),
        ),
        rows=rows,
        row_count=count,
    )


def row_fills(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Find features in which one value within the others' range repeats as measured ones cannot; else nan and 0.

    It must occur in at least 6 samples and 5 % of them, five times as often as the feature's fourth most frequent
    value, with two other values below and above it, and at least half of the others must differ from one another.
    """
    n_features, n = values.shape
    which = np.full(n_features, np.nan, dtype=np.float32)
    counts = np.zeros(n_features, dtype=np.int64)
    if n < 20:
        return which, counts
    least = max(6, int(np.ceil(0.05 * n)))
    ordered = np.sort(values, axis=1)
    candidates = np.flatnonzero((ordered[:, least - 1 :] == ordered[:, : n - least + 1]).any(axis=1))
    for i in candidates:
        different, found = np.unique(values[i][np.isfinite(values[i])], return_counts=True)
        top = int(np.argmax(found))
        if (
            len(different) < 8
            or not 2 <= top < len(different) - 2
            or len(different) - 1 < (found.sum() - found[top]) / 2
        ):
            continue
        if found[top] >= max(least, 5 * int(np.partition(found, -4)[-4])):
            which[i], counts[i] = different[top], found[top]
    return which, counts


def row_fact(dataset: str, matrix: Matrix, values: npt.NDArray[np.float32], whole: bool) -> FactDraft | None:
    """State values filled in by feature; `values` are those without the ones filled in by sample."""
    if whole:
        return None
    which, counts = row_fills(values)
    found = np.flatnonzero(counts)
    if len(found) < max(3, 0.001 * len(matrix.features)):
        return None
    rows, count = behind(
        f"{matrix.features[i]}: {shortest(which[i]):g} × {int(counts[i]):,}"
        for i in sorted(found, key=lambda i: -counts[i])
    )
    return FactDraft(
        kind="filled values",
        dataset=dataset,
        statement=(
            f"In {len(found):,} of {len(matrix.features):,} features one value within the range of the others was "
            f"filled in by feature, not measured: in these features it repeats in {_range(counts[found])} of "
            f"{len(matrix.samples):,} samples ({int(counts.sum()):,} values)."
        ),
        consequence="Treat it as missing, or leave features with many such values out; variances are too small there.",
        weight=3 if counts.sum() >= 0.02 * matrix.values.size else 2,
        shown_by=f"{_SHOWN_BY}.row_fills",
        numbers=(
            FactNumber(name="features concerned", value=len(found)),
            FactNumber(name="values filled in", value=int(counts.sum())),
        ),
        rows=rows,
        row_count=count,
    )
