"""Agreement of people with each other and of a machine with people: coefficients, distances, warnings.

After Elangovan et al., "Beyond correlation: the impact of human uncertainty in measuring the effectiveness of
automatic evaluation and LLM-as-a-judge", arXiv 2410.03775: coefficients are stratified by the disagreement among
people, because where they disagree, a machine can seem to agree with their majority better than they with each other;
and distributions of labels are compared in bins of the aggregated human label. A collapse warning marks scores that
are all alike and therefore separate nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median_low

import numpy as np
from numpy.typing import NDArray

from bioresearcher.review.calibration.ratings import Item, Ratings
from bioresearcher.schemas.review import Agreement, Bin, Coefficient, Level, Stratum

Array = NDArray[np.float64]

# -- coefficients, from counts of raters by item and label --------------------------------------------


def counts_of(items: Sequence[Sequence[int]], labels: int) -> Array:
    """Count raters by item and label, from each item's labels as positions in the scale; shape (items, labels)."""
    table = np.zeros((len(items), labels))
    for row, item in enumerate(items):
        for label in item:
            table[row, label] += 1
    return table


def item_coincidences(counts: Array) -> Array:
    """Compute each item's share of the coincidence matrix; shape (items, labels, labels), zero for one rater."""
    raters = counts.sum(axis=1)
    both = counts[:, :, None] * counts[:, None, :] - np.einsum("uc,ck->uck", counts, np.eye(counts.shape[1]))
    usable = raters >= 2
    share = np.zeros_like(raters)
    share[usable] = 1 / (raters[usable] - 1)
    found: Array = both * share[:, None, None]
    return found


def alpha(coincidences: Array, level: Level, values: tuple[float, ...]) -> float | None:
    """Compute Krippendorff's alpha from a coincidence matrix; None when no disagreement is possible or expected.

    Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): 1 - (n - 1) * sum(o * d2) / sum(n_c * n_k * d2).
    """
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    squared = _squared_distances(level, totals, values)
    expected = float(np.sum(np.outer(totals, totals) * squared))
    if n < 2 or expected <= 0:
        return None
    return float(1 - (n - 1) * np.sum(coincidences * squared) / expected)


def _squared_distances(level: Level, totals: Array, values: tuple[float, ...]) -> Array:
    if level == "nominal":
        return 1 - np.eye(len(totals))
    if level == "interval":
        apart: Array = np.subtract.outer(np.array(values), np.array(values)) ** 2
        return apart
    below = np.cumsum(totals) - totals / 2  # the rank of a label: half of its own count and all below it
    ranks: Array = np.subtract.outer(below, below) ** 2
    return ranks


def observed_agreement(counts: Array) -> Array:
    """Compute the share of pairs of raters who agree, for each item; NaN where fewer than two rated."""
    raters = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Array = np.where(raters >= 2, (np.sum(counts**2, axis=1) - raters) / (raters * (raters - 1)), np.nan)
    return share


def kappa(observed: Array, labels: int) -> float | None:
    """Compute Randolph's free-marginal kappa from each item's observed agreement; None without items or with one label.

    Randolph, "Free-marginal multirater kappa" (2005): (P - 1/k) / (1 - 1/k), where k counts the labels of the scale.
    """
    known = observed[~np.isnan(observed)]
    if not known.size or labels < 2:
        return None
    return float((known.mean() - 1 / labels) / (1 - 1 / labels))


def jensen_shannon_distance(people: Array, machine: Array) -> float:
    """Compute the Jensen-Shannon distance: root of the divergence in nats, 0 to sqrt(ln 2) = 0.8326."""
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(people, machine))


# -- collapse: scores that separate nothing -----------------------------------------------------------

MIN_SEPARATION = 0.8
"""Probability that a clean item scores above a broken one, below which scores do not separate."""
MIN_GAP = 0.25
"""Least difference of the mean scores of clean and broken items, in points of a scale from 1 to 5."""
ONE_LEVEL = 0.6
"""Share of scores on one level from which they are called collapsed."""
MIN_LABELS = 10
"""Fewest labels from which a collapse is concluded."""


def separation(clean: Sequence[float], broken: Sequence[float]) -> float:
    """Compute the probability that a clean item scores above a broken one, ties as half (area under the ROC curve).

    Raises:
        ValueError: One of the groups is empty.
    """
    if not clean or not broken:
        raise ValueError("both groups need scores")
    above = sum((c > b) + 0.5 * (c == b) for c in clean for b in broken)
    return above / (len(clean) * len(broken))


def collapse_warnings(clean: Sequence[float], broken: Sequence[float], *, name: str = "scores") -> tuple[str, ...]:
    """Return the reasons why scores (1 to 5) do not separate clean from broken items; empty when they do."""
    found = []
    auc, gap = separation(clean, broken), fmean(clean) - fmean(broken)
    if auc < MIN_SEPARATION:
        found.append(
            f"{name} do not separate clean from broken: a clean one scores higher in {auc:.0%} of pairs "
            f"(at least {MIN_SEPARATION:.0%} is asked)"
        )
    if gap < MIN_GAP:
        found.append(f"{name} of clean ones are {gap:.2f} points higher on average (at least {MIN_GAP} is asked)")
    found += _one_level([*clean, *broken], name) if found else []
    return tuple(found)


def machine_collapse(labels: Sequence[tuple[float, float]], *, scale: Sequence[float]) -> tuple[str, ...]:
    """Return the reasons why a machine's labels do not separate what people separate.

    Args:
        labels: Pairs (people's label, the machine's label), one per item.
        scale: The labels as numbers; people's labels above its middle are taken as good, those below as bad.
    """
    people, machine = [h for h, _ in labels], [m for _, m in labels]
    if len(labels) < MIN_LABELS or len(set(people)) < 2:
        return ()
    middle = (min(scale) + max(scale)) / 2
    good, bad = [m for h, m in labels if h > middle], [m for h, m in labels if h < middle]
    found = []
    if len(set(machine)) < len(set(people)):
        found += _one_level(machine, "machine labels")
    if good and bad:
        auc = separation(good, bad)
        if auc < MIN_SEPARATION:
            found.append(
                f"collapse: machine labels do not separate what people call good from what they call bad "
                f"(higher in {auc:.0%} of pairs)"
            )
    return tuple(found)


def _one_level(scores: Sequence[float], name: str) -> list[str]:
    level, n = Counter(round(s * 2) / 2 for s in scores).most_common(1)[0]
    if len(scores) >= MIN_LABELS and n / len(scores) >= ONE_LEVEL:
        return [f"collapse: {n / len(scores):.0%} of {name} are at {level:g}"]
    return []


# -- the agreement of a set of ratings ----------------------------------------------------------------

DRAWS = 1000
"""Number of bootstrap samples of items for an interval."""
FEW_ITEMS = 10
"""Number of items below which there is no interval and a stratum is called small."""
_SEED = 2410


def measure_agreement(ratings: Ratings) -> Agreement:
    """Compute all coefficients, overall and by human uncertainty, the binned distance, notes and warnings.

    A person's or the machine's several labels of one item are aggregated to the median (the lower one of two) where
    labels have an order, else to the most frequent (the first on the scale of those tied).
    """
    groups: list[tuple[str, list[Item]]] = [("all items", list(ratings.items))]
    rated = [i for i in ratings.items if len(i.human) >= 2]
    for number, name in ((1, "people agree (1 label)"), (2, "2 different labels"), (3, "3 or more labels")):
        chosen = [i for i in rated if min(len(set(i.human)), 3) == number]
        if chosen:
            groups.append((name, chosen))
    strata = tuple(_stratum(name, items, ratings) for name, items in groups)
    bins = _bins(ratings, [(i, i.machine) for i in ratings.items])
    return Agreement(
        level=ratings.level,
        labels=ratings.labels,
        items=len(ratings.items),
        raters=len(ratings.by_rater),
        machines=max((len(i.machine) for i in ratings.items), default=0),
        strata=strata,
        bins=bins,
        jsd_people=_distance_between_people(ratings),
        notes=(*ratings.notes, *_notes(ratings)),
        warnings=_warnings(ratings, strata),
    )


def aggregate(labels: Sequence[int], level: Level) -> int:
    """Aggregate labels: the lower median, or the most frequent of labels without an order."""
    if level != "nominal":
        return median_low(labels)
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _stratum(name: str, items: list[Item], ratings: Ratings) -> Stratum:
    n, level = len(ratings), ratings.level
    people = counts_of([i.human for i in items], n)
    both = [i for i in items if i.machine]
    aggregated = [(aggregate(i.human, level), aggregate(i.machine, level)) for i in both]
    versus = counts_of(aggregated, n)
    share = len(items) / len(ratings.items)

    def of_alpha(table: Array) -> Coefficient:
        parts = item_coincidences(table)
        return _with_interval(lambda rows: alpha(parts[rows].sum(axis=0), level, ratings.values), len(table))

    def of_kappa(table: Array) -> Coefficient:
        agreed = observed_agreement(table)
        return _with_interval(lambda rows: kappa(agreed[rows], n), len(table))

    return Stratum(
        name=name,
        items=len(items),
        share=share,
        alpha_hh=of_alpha(people),
        alpha_hm=of_alpha(versus),
        kappa_hh=of_kappa(people),
        kappa_hm=of_kappa(versus),
        jsd=_weighted(_bins(ratings, [(i, i.machine) for i in items])),
    )


def _with_interval(statistic: Callable[[np.ndarray], float | None], n: int) -> Coefficient:
    """Compute the statistic of all rows, with a percentile interval from drawing rows with replacement."""
    value = statistic(np.arange(n)) if n else None
    if value is None:
        why = "nobody to compare" if n == 0 else "needs two labels per item, and labels that vary"
        return Coefficient(value=None, why=why)
    if n < FEW_ITEMS:
        return Coefficient(value=value, why=f"no interval from {n} items")
    random = np.random.default_rng(_SEED)
    samples = [x for x in (statistic(random.integers(0, n, n)) for _ in range(DRAWS)) if x is not None]
    low, high = np.percentile(samples, [2.5, 97.5]) if len(samples) > DRAWS / 2 else (None, None)
    return Coefficient(value=value, low=None if low is None else float(low), high=None if high is None else float(high))


def _bins(ratings: Ratings, rated: Sequence[tuple[Item, Sequence[int]]]) -> tuple[Bin, ...]:
    """Divide the items that have machine labels into bins of their aggregated human label."""
    known = [(aggregate(i.human, ratings.level), i.human, machine) for i, machine in rated if machine]
    return tuple(
        _bin(label, [(h, m) for place, h, m in known if place == number], len(known), len(ratings))
        for number, label in enumerate(ratings.labels)
    )


def _bin(label: str, inside: Sequence[tuple[Sequence[int], Sequence[int]]], of: int, labels: int) -> Bin:
    people = _shares([x for h, _ in inside for x in h], labels)
    machine = _shares([x for _, m in inside for x in m], labels)
    return Bin(
        label=label,
        items=len(inside),
        weight=len(inside) / of if of else 0.0,
        human=tuple(people.tolist()),
        machine=tuple(machine.tolist()),
        jsd=jensen_shannon_distance(people, machine) if inside else None,
    )


def _shares(found: Sequence[int], labels: int) -> Array:
    counts = np.bincount(np.array(found, dtype=int), minlength=labels).astype(float)
    shares: Array = counts / max(1.0, counts.sum())
    return shares


def _weighted(bins: Sequence[Bin]) -> float | None:
    known = [(b.jsd, b.weight) for b in bins if b.jsd is not None]
    return sum(d * w for d, w in known) if known else None


def _distance_between_people(ratings: Ratings) -> float | None:
    """Compute the mean binned distance of each person's labels from the others', as a reference for the machine's."""
    found = []
    for rater, own in ratings.by_rater.items():
        rated: list[tuple[Item, Sequence[int]]] = []
        for item in ratings.items:
            others = tuple(
                labels[item.name] for name, labels in ratings.by_rater.items() if name != rater and item.name in labels
            )
            if item.name in own and others:
                rated.append((Item(item.name, others, ()), (own[item.name],)))
        value = _weighted(_bins(ratings, rated))
        if value is not None:
            found.append(value)
    return fmean(found) if found else None


def _notes(ratings: Ratings) -> list[str]:
    single = sum(len(i.human) < 2 for i in ratings.items)
    notes = [f"{single} of {len(ratings.items)} items have one human label: their uncertainty is not known"]
    return notes if single else []


def _warnings(ratings: Ratings, strata: Sequence[Stratum]) -> tuple[str, ...]:
    """Warnings against misreading the numbers."""
    found = [f"“{s.name}” has {s.items} items only: its numbers say little" for s in strata[1:] if s.items < FEW_ITEMS]
    whole, sure = strata[0], next((s for s in strata[1:] if s.name.startswith("people agree")), None)
    hh, hm = whole.alpha_hh.value, whole.alpha_hm.value
    sure_hm = sure.alpha_hm.value if sure else None
    if hh is not None and hm is not None and hm >= hh:
        found.append(
            "over all items the machine agrees with people's aggregated label at least as well as people with each "
            "other; where people disagree this is no proof of quality: see the items on which they agree"
        )
    if sure_hm is not None and hm is not None and sure_hm < hm:
        found.append("the machine agrees less with people on the items they are sure of than over all")
    machine = [
        (aggregate(i.human, ratings.level), aggregate(i.machine, ratings.level)) for i in ratings.items if i.machine
    ]
    if machine and ratings.level != "nominal":
        values = ratings.values
        found += machine_collapse([(values[h], values[m]) for h, m in machine], scale=values)
    return tuple(found)
