"""Agreement of people with people and of a machine with people, beyond one number.

After Elangovan et al., "Beyond correlation: the impact of human uncertainty in measuring the effectiveness of
automatic evaluation and LLM-as-a-judge", arXiv 2410.03775: coefficients are shown by how much people disagree among
themselves, because where they do, a machine can seem to agree with their majority better than they with each other;
and distributions of labels are compared in bins of the aggregated human label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median_low

import numpy as np

from bioresearcher.review.coefficients import Array, alpha, counts_of, distance, kappa, observed, pairs
from bioresearcher.review.collapse import machine_collapse
from bioresearcher.review.ratings import Item, Ratings
from bioresearcher.schemas.agreement import Agreement, Bin, Coefficient, Level, Stratum

DRAWS = 1000
"""Bootstrap samples of items for an interval."""
FEW_ITEMS = 10
"""Items below which no interval is given and a stratum is called small."""
_SEED = 2410


def agreement(ratings: Ratings) -> Agreement:
    """All coefficients, overall and by human uncertainty, the binned distance, and what to beware of.

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
        jsd_people=_people_apart(ratings),
        notes=(*ratings.notes, *_notes(ratings)),
        warnings=_warnings(ratings, strata),
    )


def aggregate(labels: Sequence[int], level: Level) -> int:
    """One label for several: the lower median, or the most frequent of labels without an order."""
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
        parts = pairs(table)
        return _with_interval(lambda rows: alpha(parts[rows].sum(axis=0), level, ratings.values), len(table))

    def of_kappa(table: Array) -> Coefficient:
        agreed = observed(table)
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
    """The statistic of all rows, with a percentile interval from drawing rows with replacement."""
    value = statistic(np.arange(n)) if n else None
    if value is None:
        why = "nobody to compare" if n == 0 else "needs two labels per item, and labels that vary"
        return Coefficient(value=None, why=why)
    if n < FEW_ITEMS:
        return Coefficient(value=value, why=f"no interval from {n} items")
    random = np.random.default_rng(_SEED)
    drawn = [x for x in (statistic(random.integers(0, n, n)) for _ in range(DRAWS)) if x is not None]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) > DRAWS / 2 else (None, None)
    return Coefficient(value=value, low=None if low is None else float(low), high=None if high is None else float(high))


def _bins(ratings: Ratings, rated: Sequence[tuple[Item, Sequence[int]]]) -> tuple[Bin, ...]:
    """Items with machine labels, in bins of their aggregated human label."""
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
        jsd=distance(people, machine) if inside else None,
    )


def _shares(given: Sequence[int], labels: int) -> Array:
    counts = np.bincount(np.array(given, dtype=int), minlength=labels).astype(float)
    shares: Array = counts / max(1.0, counts.sum())
    return shares


def _weighted(bins: Sequence[Bin]) -> float | None:
    known = [(b.jsd, b.weight) for b in bins if b.jsd is not None]
    return sum(d * w for d, w in known) if known else None


def _people_apart(ratings: Ratings) -> float | None:
    """Each person's labels held against the others' as if they were a machine's: what distance people reach."""
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
    """What the numbers must not be taken for."""
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
