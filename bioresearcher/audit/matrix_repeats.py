"""Features and samples that repeat, and missing values by sample and by group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bioresearcher.audit.matrix_groups import Grouping
from bioresearcher.audit.tables import FactDraft, Matrix, behind
from bioresearcher.schemas.facts import FactNumber

_SHOWN_BY = "audit.matrix_repeats"
_MAX_FEATURES = 4_000
"""Most features on which samples are compared, evenly spaced."""
_COPY = 0.05
"""Two samples are near-copies when the SD of their difference is at most this share of that of a typical pair."""
_LEAST_SAMPLES = 4


def feature_facts(dataset: str, matrix: Matrix, whole: bool) -> list[FactDraft]:
    """State features that are the same in all samples, names that repeat, and rows that repeat under other names."""
    facts: list[FactDraft] = []
    values = matrix.values
    if values.shape[1] < 2 or not values.size:
        return facts
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    constant = np.flatnonzero(low == high)
    if len(constant):
        zero = int((low[constant] == 0).sum())
        rows, count = behind(matrix.features[i] for i in constant)
        facts.append(
            FactDraft(
                kind="repeats",
                dataset=dataset,
                statement=f"{len(constant):,} of {_read(matrix)} hold one value in all samples ({zero:,} of them 0).",
                consequence="Leave them out before scaling, tests and components: they carry nothing.",
                weight=2 if not whole and len(constant) > 0.01 * len(values) else 1,
                shown_by=f"{_SHOWN_BY}.feature_facts",
                numbers=(FactNumber(name="constant features", value=len(constant)),),
                rows=rows,
                row_count=count,
            )
        )
    names = {name: n for name, n in Counter(matrix.features).items() if n > 1 and name}
    if names:
        rows, count = behind(f"{name} × {n}" for name, n in sorted(names.items(), key=lambda p: (-p[1], p[0])))
        facts.append(
            FactDraft(
                kind="repeats",
                dataset=dataset,
                statement=f"{len(names):,} names of features stand in more than one row ({sum(names.values()):,} of "
                f"{_read(matrix)}; most often {max(names, key=lambda n: names[n])}, {max(names.values())} times).",
                consequence="Say by which rule one row per name is chosen or formed, without looking at outcome.",
                weight=2,
                shown_by=f"{_SHOWN_BY}.feature_facts",
                numbers=(FactNumber(name="names that repeat", value=len(names)),),
                rows=rows,
                row_count=count,
            )
        )
    fact = _same_rows(dataset, matrix, set(constant.tolist()))
    return [*facts, fact] if fact else facts


def _read(matrix: Matrix) -> str:
    part = " that were read" if matrix.rows_total > len(matrix.features) else ""
    return f"{len(matrix.features):,} features{part}"


def _same_rows(dataset: str, matrix: Matrix, constant: set[int]) -> FactDraft | None:
    """Find rows of numbers that repeat in full; rows with fewer than four different values repeat by chance."""
    seen: dict[bytes, list[int]] = defaultdict(list)
    for i, row in enumerate(matrix.values):
        if i not in constant:
            seen[row.tobytes()].append(i)
    same = [at for at in seen.values() if len(at) > 1 and len(np.unique(matrix.values[at[0]])) >= 4]
    if not same:
        return None
    rows, count = behind(" = ".join(matrix.features[i] for i in at[:5]) for at in same)
    return FactDraft(
        kind="repeats",
        dataset=dataset,
        statement=f"{sum(map(len, same)):,} of {_read(matrix)} repeat another row number for number "
        f"({len(same):,} sets of equal rows).",
        consequence="Equal rows count a measurement twice in gene sets, tests and scores: keep one of each.",
        weight=2,
        shown_by=f"{_SHOWN_BY}.feature_facts",
        numbers=(FactNumber(name="rows that repeat", value=sum(map(len, same))),),
        rows=rows,
        row_count=count,
    )


def sample_facts(dataset: str, matrix: Matrix, values: npt.NDArray[np.float32], whole: bool) -> list[FactDraft]:
    """State samples that are the same, near-copies, or far closer to one another than samples here are.

    Args:
        dataset: Its id.
        matrix: Its matrix.
        values: Its values, with those that were filled in as nan.
        whole: The values are whole numbers; they are compared as log2(x + 1).
    """
    n = len(matrix.samples)
    if n < _LEAST_SAMPLES or len(values) < 50:
        return []
    equal: dict[bytes, list[int]] = defaultdict(list)
    for j in range(n):
        equal[matrix.values[:, j].tobytes()].append(j)
    facts = []
    same = [at for at in equal.values() if len(at) > 1 and np.isfinite(matrix.values[:, at[0]]).any()]
    if same:
        rows, count = behind(" = ".join(matrix.samples[j] for j in at) for at in same)
        facts.append(
            FactDraft(
                kind="repeats",
                dataset=dataset,
                statement=f"{sum(map(len, same))} of {n:,} samples repeat another number for number: "
                + "; ".join(rows[:8])
                + ".",
                consequence="Keep one of each, or say what they are: they are not independent.",
                weight=3,
                shown_by=f"{_SHOWN_BY}.sample_facts",
                numbers=(FactNumber(name="samples that repeat", value=sum(map(len, same))),),
                rows=rows,
                row_count=count,
            )
        )
    first = {at[0] for at in equal.values()}
    near = _near(values, whole)
    if near is not None:
        distance, correlation = near
        facts += _close_fact(dataset, matrix, distance, correlation, first)
    return facts


def _near(
    values: npt.NDArray[np.float32], whole: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Return, for all pairs, the SD of the difference as a share of a typical pair's, and the centred correlation."""
    step = max(1, len(values) // _MAX_FEATURES)
    part = values[::step].astype(np.float64)
    if whole or (np.nanmin(part) >= 0 and np.nanmax(part) > 100):
        part = np.log2(np.maximum(part, 0) + 1)
    part = part[np.isfinite(part).sum(1) >= 0.5 * part.shape[1]]
    if len(part) < 50:
        return None
    part -= np.nanmedian(part, axis=1, keepdims=True)
    part = part[np.nanstd(part, axis=1) > 0]
    if len(part) < 50:
        return None
    part = np.where(np.isfinite(part), part, 0.0)
    part -= part.mean(0)
    product = part.T @ part / len(part)
    power = np.diag(product)
    distance = np.sqrt(np.maximum(power[:, None] + power[None, :] - 2 * product, 0))
    upper = distance[np.triu_indices(len(distance), 1)]
    typical = float(np.median(upper))
    if typical <= 0:
        return None
    scale = np.sqrt(np.maximum(power, 1e-12))
    return distance / typical, product / scale[:, None] / scale[None, :]


def _close_fact(
    dataset: str,
    matrix: Matrix,
    distance: npt.NDArray[np.float64],
    correlation: npt.NDArray[np.float64],
    first: set[int],
) -> list[FactDraft]:
    keep = np.array(sorted(first))
    if len(keep) < _LEAST_SAMPLES:
        return []
    own = distance[np.ix_(keep, keep)].copy()
    np.fill_diagonal(own, np.inf)
    nearest = own.argmin(1)
    least = own.min(1)
    copies = [(i, int(k)) for i, k in enumerate(nearest) if least[i] <= _COPY and (i < k or nearest[k] != i)]
    facts = []
    if copies:
        facts.append(_pairs_fact(dataset, matrix, keep, own, correlation, copies, copy=True))
    if len(keep) >= 12:
        logs = np.log(np.maximum(least, 1e-9))
        low, middle = np.quantile(logs, (0.25, 0.5))
        edge = low - 3 * max(middle - low, 0.03)
        pairs = [
            (i, int(k))
            for i, k in enumerate(nearest)
            if nearest[k] == i and i < k and logs[i] < edge and least[i] > _COPY
            if correlation[keep[i], keep[k]] >= 0.7
        ]
        if pairs and len(pairs) <= 0.2 * len(keep):
            facts.append(_pairs_fact(dataset, matrix, keep, own, correlation, pairs, copy=False))
    return facts


def _pairs_fact(
    dataset: str,
    matrix: Matrix,
    keep: npt.NDArray[np.intp],
    distance: npt.NDArray[np.float64],
    correlation: npt.NDArray[np.float64],
    pairs: list[tuple[int, int]],
    *,
    copy: bool,
) -> FactDraft:
    texts = [
        f"{matrix.samples[keep[i]]} and {matrix.samples[keep[k]]} (r = {correlation[keep[i], keep[k]]:.3f}, "
        f"difference {distance[i, k]:.0%} of a typical pair's)"
        for i, k in sorted(pairs, key=lambda pair: float(distance[pair]))
    ]
    rows, count = behind(texts)
    what = "are near-copies of one another" if copy else "are far closer to one another than any sample's neighbour is"
    return FactDraft(
        kind="repeats",
        dataset=dataset,
        statement=f"{len(pairs)} pairs of samples {what} (profiles centred by feature): {'; '.join(rows[:6])}"
        + ("; …" if len(pairs) > 6 else "")
        + ".",
        consequence="Keep one of each, or say what they are: they are not independent."
        if copy
        else "They may be one patient or one sample measured twice, or share a platform: look at their rows, "
        "and count them once if so.",
        weight=3 if copy else 2,
        shown_by=f"{_SHOWN_BY}.sample_facts",
        numbers=(FactNumber(name="pairs", value=len(pairs)),),
        rows=rows,
        row_count=count,
    )


def missing_facts(dataset: str, matrix: Matrix, groups: Sequence[Grouping]) -> list[FactDraft]:
    """State how many values are missing, by sample and feature, and where groups of samples differ in that."""
    missing = ~np.isfinite(matrix.values)
    total = int(missing.sum())
    if not total:
        return []
    by_sample, by_feature = missing.mean(0), missing.mean(1)
    high = np.flatnonzero(by_sample > max(0.2, 3 * float(np.median(by_sample))))
    half = int((by_feature > 0.5).sum())
    none = int((by_feature == 0).sum())
    rows, count = behind(f"{matrix.samples[j]}: {by_sample[j]:.0%}" for j in sorted(high, key=lambda j: -by_sample[j]))
    facts = [
        FactDraft(
            kind="missingness",
            dataset=dataset,
            statement=(
                f"{total:,} of {missing.size:,} values are missing ({total / missing.size:.1%}); per sample "
                f"{by_sample.min():.1%} to {by_sample.max():.1%} (median {np.median(by_sample):.1%}). {none:,} of "
                f"{_read(matrix)} are complete, {half:,} are missing in more than half of the samples"
                + (f"; {len(high)} samples lack far more than the others: {', '.join(rows[:6])}" if len(high) else "")
                + "."
            ),
            consequence="Set the share of known values that a feature and a sample need, before looking at outcome.",
            weight=2 if total > 0.02 * missing.size or len(high) else 1,
            shown_by=f"{_SHOWN_BY}.missing_facts",
            numbers=(
                FactNumber(name="missing values", value=total),
                FactNumber(name="share", value=round(total / missing.size, 4)),
                FactNumber(name="complete features", value=none),
                FactNumber(name="features missing in more than half of the samples", value=half),
            ),
            rows=rows,
            row_count=count,
        )
    ]
    return facts + [f for g in groups if (f := _missing_by_group(dataset, matrix, by_sample, missing, g))]


def _missing_by_group(
    dataset: str,
    matrix: Matrix,
    by_sample: npt.NDArray[np.float64],
    missing: npt.NDArray[np.bool_],
    group: Grouping,
) -> FactDraft | None:
    levels = [level for level, size in group.sizes.items() if size >= 2]
    if len(levels) < 2:
        return None
    medians = {level: float(np.median(by_sample[group.members(level)])) for level in levels}
    if max(medians.values()) - min(medians.values()) < 0.05:
        return None
    only = {level: int((missing[:, group.members(level)].all(1) & ~missing.all(1)).sum()) for level in levels}
    parts = [
        f"{level} {medians[level]:.1%} ({only[level]:,} features missing in all of them)"
        for level in sorted(levels, key=lambda one: -medians[one])
    ]
    rows, count = behind(parts)
    return FactDraft(
        kind="missingness",
        dataset=dataset,
        statement=f"Missing values differ by {group.label}, median per sample: {'; '.join(parts[:10])}.",
        consequence="Values are not missing at random over these levels: a complete-feature or imputed analysis "
        "carries the difference.",
        weight=3 if max(medians.values()) - min(medians.values()) > 0.2 else 2,
        shown_by=f"{_SHOWN_BY}.missing_facts",
        numbers=tuple(
            FactNumber(name=f"median missing, {n}", value=round(v, 4)) for n, v in list(medians.items())[:20]
        ),
        rows=rows,
        row_count=count,
    )
