"""Scale and distribution of a matrix: kind of numbers, decimals, and samples that lie elsewhere than the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bioresearcher.audit.matrix_groups import Grouping, eta_squared
from bioresearcher.audit.tables import FactDraft, Matrix, behind
from bioresearcher.schemas.facts import FactNumber
from bioresearcher.schemas.scale import Scale, judge_scale

_SHOWN_BY = "audit.matrix_scale"
_LEAST_FEATURES = 50
"""Least features from which the median, spread and sum of a sample are judged."""


def _part(values: npt.NDArray[np.float32], most: int = 2_000) -> npt.NDArray[np.float64]:
    return values[:: max(1, len(values) // most)].astype(np.float64)


def scale_of(values: npt.NDArray[np.float32]) -> Scale:
    """Judge the scale of values (features × samples) by the one rule of `schemas.scale`."""
    part = _part(values)
    sums = np.nansum(values.astype(np.float64) if values.size < 4_000_000 else part, axis=0)
    return judge_scale(part.ravel()[:: max(1, part.size // 200_000)].tolist(), sums=sums.tolist())


def kind_of_scale(values: npt.NDArray[np.float32]) -> tuple[str, str]:
    """Name the scale that values have by their own look, and what follows for an analysis; empty when unclear."""
    part = _part(values)
    known = part[np.isfinite(part)]
    if len(known) < 100:
        return "", ""
    low = float(known.min())
    if has_thousands_points(known):
        return (
            "whole numbers with a point between thousands that was read as a decimal point (1.985 for 1,985)",
            "Remove the points before anything is computed: values are wrong by a factor of a thousand.",
        )
    scale = scale_of(values)
    if scale.kind == "counts":
        return (
            "counts, estimated ones with decimals" if "decimals" in scale.why else "whole numbers from 0 up, as counts",
            "Model counts or normalise by library size and take logarithms first.",
        )
    if scale.kind == "linear" and low >= 0:
        if "million" in scale.why:
            return (
                "parts per million (every sample sums to 1,000,000), not logarithms",
                "Take logarithms before analysis.",
            )
        zeros = " Zeros are values that were not quantified: count them as missing." if scale.zeros_missing else ""
        return "values that are not logarithms (rates or intensities)", f"Take logarithms before analysis.{zeros}"
    if scale.kind == "shares":
        return "shares from 0 to 1, as beta values", "Use M values (logit) for linear models; shares are bounded."
    if scale.kind == "log2" and low >= 0:
        return "logarithms of intensities or counts", "Do not take logarithms again."
    means, spreads = np.nanmean(part, axis=1), np.nanstd(part, axis=1)
    scaled = (np.abs(means) < 0.05) & (np.abs(spreads - 1) < 0.1)
    if low < 0 and scaled.mean() > 0.9:
        return (
            "z-scores by feature (mean 0, SD 1 over these samples)",
            "Fold changes are lost, and the scaling used all samples: they cannot be held out.",
        )
    if low < 0 and abs(float(np.median(known))) < 0.5 and float(np.mean(known < 0)) > 0.2:
        return (
            "values on both sides of 0, as log ratios or centred logarithms",
            "A value is relative to a reference or a mean: differences between samples are meaningful, levels are not.",
        )
    return "", ""


def has_thousands_points(known: npt.NDArray[np.float64]) -> bool:
    """Tell that values look like whole numbers below 1,000 beside ones whose thousands a point separates.

    Then all lie below 1,000, those that are not whole lie above 1 and need no more than three decimals, and both kinds
    are frequent: measured values of three decimals are whole once in a thousand.
    """
    whole = known == np.rint(known)
    rest = np.abs(known[~whole])
    if not 0.05 <= float(whole.mean()) <= 0.95 or not len(rest) or float(np.abs(known).max()) >= 1_000:
        return False
    exact = np.abs(rest * 1_000 - np.rint(rest * 1_000)) <= 1e-6 * rest * 1_000
    beyond = np.abs(rest * 10 - np.rint(rest * 10)) > 1e-6 * rest * 10
    return bool(rest.min() > 1 and exact.all() and beyond.mean() > 0.8 and np.abs(known[whole]).max() >= 10)


def decimals(values: npt.NDArray[np.float32]) -> int:
    """Return the decimals that 99 % of the values need, 0 to 6; 7 when more."""
    part = _part(values, 500).ravel()
    part = part[np.isfinite(part)]
    for places in range(7):
        scaled = part * 10.0**places
        if len(part) and np.mean(np.abs(scaled - np.rint(scaled)) <= 1e-6 * np.maximum(1, np.abs(scaled))) >= 0.99:
            return places
    return 7


def scale_facts(
    dataset: str,
    matrix: Matrix,
    values: npt.NDArray[np.float32],
    whole: bool,
    groups: Sequence[Grouping],
    stated: str | None,
) -> list[FactDraft]:
    """State the scale, samples and groups of samples whose median or spread lies apart, and outlying samples."""
    if not np.isfinite(values).any() or values.shape[1] < 2:
        return []
    logs = values
    kind, then = kind_of_scale(values)
    if np.nanmin(values) >= 0 and (whole or scale_of(values).kind in ("counts", "linear")):
        logs = np.log2(np.maximum(values, 0) + 1)
    low, middle, high = np.nanquantile(logs, (0.25, 0.5, 0.75), axis=0)
    facts = [_scale_fact(dataset, matrix, values, kind, then, stated)]
    spread = high - low
    if len(values) < _LEAST_FEATURES:
        return facts
    if len(matrix.samples) >= 6:
        fact = _apart(dataset, matrix, middle, spread, logs is not values)
        facts += [fact] if fact else []
        facts += [f for g in groups if (f := _by_group(dataset, middle, spread, g))]
    if whole or logs is not values:
        fact = _library(dataset, matrix, values)
        facts += [fact] if fact else []
    return facts


def _scale_fact(
    dataset: str, matrix: Matrix, values: npt.NDArray[np.float32], kind: str, then: str, stated: str | None
) -> FactDraft:
    known = np.isfinite(values)
    negative, zero = int((values < 0).sum()), int((values == 0).sum())
    low, high, count = float(np.nanmin(values)), float(np.nanmax(values)), int(known.sum())
    places = decimals(values)
    said = f"; the description says {stated}" if stated else "; no scale is stated"
    clash = "between thousands" in kind or bool(stated and stated.lower().startswith("log") and "not log" in kind)
    return FactDraft(
        kind="scale",
        dataset=dataset,
        statement=(
            f"{matrix.rows_total:,} features × {len(matrix.samples):,} samples, values {low:g} to {high:g} with "
            + ("more than 6" if places == 7 else str(places))
            + f" decimals; {negative / count:.1%} negative, {zero / count:.1%} zero"
            + (f"; they look like {kind}" if kind else "; their scale cannot be told from the values")
            + f"{said}."
        ),
        consequence=then or "Find out the scale before taking logarithms or testing.",
        weight=3 if clash else 2 if (kind and "logarithms of" not in kind) or not kind else 1,
        shown_by=f"{_SHOWN_BY}.scale_facts",
        numbers=(
            FactNumber(name="lowest value", value=low),
            FactNumber(name="highest value", value=high),
            FactNumber(name="share negative", value=round(negative / count, 4)),
            FactNumber(name="share zero", value=round(zero / count, 4)),
        ),
    )


def _apart(
    dataset: str,
    matrix: Matrix,
    middle: npt.NDArray[np.float32],
    spread: npt.NDArray[np.float32],
    logs: bool,
) -> FactDraft | None:
    """Find samples whose median or interquartile range is an outlier (3 IQR beyond the quartiles, and by a margin)."""
    typical = float(np.nanmedian(spread))
    texts: dict[int, list[str]] = {}
    for what, numbers, margin in (("median", middle, 0.5 * typical), ("interquartile range", spread, 0.5 * typical)):
        q1, q2, q3 = np.nanquantile(numbers, (0.25, 0.5, 0.75))
        width = max(3 * (q3 - q1), margin)
        for j in np.flatnonzero((numbers < q1 - width) | (numbers > q3 + width)):
            texts.setdefault(int(j), []).append(f"{what} {numbers[j]:.3g} against {q2:.3g}")
    if not texts or len(texts) > 0.2 * len(matrix.samples):
        return None
    rows, count = behind(f"{matrix.samples[j]}: {', '.join(t)}" for j, t in texts.items())
    return FactDraft(
        kind="scale",
        dataset=dataset,
        statement=f"{len(texts)} of {len(matrix.samples):,} samples lie apart from the others in median or spread"
        f"{' of log2(value + 1)' if logs else ''}: {'; '.join(rows[:6])}" + ("; …" if len(rows) > 6 else "") + ".",
        consequence="Look at their quality and scale; set a rule for leaving samples out before looking at outcome.",
        weight=2,
        shown_by=f"{_SHOWN_BY}.scale_facts",
        numbers=(FactNumber(name="samples apart", value=len(texts)),),
        rows=rows,
        row_count=count,
    )


def _by_group(
    dataset: str, middle: npt.NDArray[np.float32], spread: npt.NDArray[np.float32], group: Grouping
) -> FactDraft | None:
    """State a group whose samples have another median or spread; study groups may differ, technical ones should not."""
    if group.source == "study":
        return None
    typical = float(np.nanmedian(spread))
    sizes = {level: size for level, size in group.sizes.items() if size >= 3}
    if len(sizes) < 2 or typical <= 0:
        return None
    for what, numbers in (("median", middle), ("interquartile range", spread)):
        levels = {level: float(np.nanmedian(numbers[group.members(level)])) for level in sizes}
        apart = max(levels.values()) - min(levels.values())
        share = eta_squared(numbers.astype(np.float64), group.of)[1]
        if apart >= 0.25 * typical and share >= 0.3:
            parts = [f"{level} {value:.3g}" for level, value in sorted(levels.items(), key=lambda p: -p[1])]
            rows, count = behind(parts)
            return FactDraft(
                kind="scale",
                dataset=dataset,
                statement=f"The samples' {what} differs by {group.label}: {', '.join(parts[:10])} "
                f"({share:.0%} of its variance lies between these levels).",
                consequence="Bring the samples to one distribution, or scale within these levels, before joining them.",
                weight=2,
                shown_by=f"{_SHOWN_BY}.scale_facts",
                numbers=(FactNumber(name="adjusted share between levels", value=round(share, 4)),),
                rows=rows,
                row_count=count,
            )
    return None


def _library(dataset: str, matrix: Matrix, values: npt.NDArray[np.float32]) -> FactDraft | None:
    if matrix.rows_total > len(matrix.features):  # sums of a part of the rows are no library sizes
        return None
    sums = np.asarray(np.nansum(values, axis=0, dtype=np.float64))
    low, high = float(sums.min()), float(sums.max())
    if low <= 0 or high / low < 3:
        return None
    order = np.argsort(sums)
    rows, count = behind(f"{matrix.samples[j]}: {sums[j]:,.0f}" for j in order)
    return FactDraft(
        kind="scale",
        dataset=dataset,
        statement=f"Sums of the samples differ {high / low:.1f}-fold: from {low:,.0f} ({matrix.samples[order[0]]}) to "
        f"{high:,.0f} ({matrix.samples[order[-1]]}), median {np.median(sums):,.0f}.",
        consequence="Normalise for library size, and say which least sum a sample needs.",
        weight=2 if high / low >= 10 else 1,
        shown_by=f"{_SHOWN_BY}.scale_facts",
        numbers=(FactNumber(name="lowest sum", value=low), FactNumber(name="highest sum", value=high)),
        rows=rows,
        row_count=count,
    )
