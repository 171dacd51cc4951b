"""Coefficients of agreement from counts of labels per item.

Counts are an array of items by labels: how many raters gave item u the label c.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioresearcher.schemas.agreement import Level

Array = NDArray[np.float64]


def counts_of(items: Sequence[Sequence[int]], labels: int) -> Array:
    """The array of counts from each item's labels, given as positions in the scale."""
    table = np.zeros((len(items), labels))
    for row, given in enumerate(items):
        for label in given:
            table[row, label] += 1
    return table


def pairs(counts: Array) -> Array:
    """Each item's part of the coincidence matrix (items, labels, labels); items with one label have none."""
    raters = counts.sum(axis=1)
    both = counts[:, :, None] * counts[:, None, :] - np.einsum("uc,ck->uck", counts, np.eye(counts.shape[1]))
    usable = raters >= 2
    share = np.zeros_like(raters)
    share[usable] = 1 / (raters[usable] - 1)
    found: Array = both * share[:, None, None]
    return found


def alpha(coincidences: Array, level: Level, values: tuple[float, ...]) -> float | None:
    """Krippendorff's alpha from a coincidence matrix; None when no disagreement is possible or expected.

    Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): 1 - (n - 1) * sum(o * d2) / sum(n_c * n_k * d2).
    """
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    distance = _squared_distances(level, totals, values)
    expected = float(np.sum(np.outer(totals, totals) * distance))
    if n < 2 or expected <= 0:
        return None
    return float(1 - (n - 1) * np.sum(coincidences * distance) / expected)


def _squared_distances(level: Level, totals: Array, values: tuple[float, ...]) -> Array:
    if level == "nominal":
        return 1 - np.eye(len(totals))
    if level == "interval":
        apart: Array = np.subtract.outer(np.array(values), np.array(values)) ** 2
        return apart
    below = np.cumsum(totals) - totals / 2  # the rank of a label: half of its own count and all below it
    ranks: Array = np.subtract.outer(below, below) ** 2
    return ranks


def observed(counts: Array) -> Array:
    """Share of pairs of raters who agree, for each item; NaN where fewer than two rated."""
    raters = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Array = np.where(raters >= 2, (np.sum(counts**2, axis=1) - raters) / (raters * (raters - 1)), np.nan)
    return share


def kappa(agreement: Array, labels: int) -> float | None:
    """Randolph's free-marginal kappa from each item's observed agreement; None without items or with one label.

    Randolph, "Free-marginal multirater kappa" (2005): (P - 1/k) / (1 - 1/k), where k counts the labels of the scale.
    """
    known = agreement[~np.isnan(agreement)]
    if not known.size or labels < 2:
        return None
    return float((known.mean() - 1 / labels) / (1 - 1 / labels))


def distance(people: Array, machine: Array) -> float:
    """Jensen-Shannon distance of two distributions: root of the divergence in nats, 0 to sqrt(ln 2) = 0.8326."""
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(people, machine))
