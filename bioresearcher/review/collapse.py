"""The collapse warning: scores that are all alike tell nothing, however sound each of them looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

MIN_SEPARATION = 0.8
"""Probability, below which scores do not separate, that a clean one scores above a broken one."""
MIN_GAP = 0.25
"""Points by which clean ones must score higher on average, on a scale of four points' width."""
ONE_LEVEL = 0.6
"""Share of machine labels on one level, from which they are called collapsed when people's are not."""
FEW = 10


def separation(clean: Sequence[float], broken: Sequence[float]) -> float:
    """Probability that a clean item scores above a broken one, ties counted half (the area under the ROC curve).

    Raises:
        ValueError: One of the groups is empty.
    """
    if not clean or not broken:
        raise ValueError("both groups need scores")
    above = sum((c > b) + 0.5 * (c == b) for c in clean for b in broken)
    return above / (len(clean) * len(broken))


def collapse_warnings(clean: Sequence[float], broken: Sequence[float], *, name: str = "scores") -> tuple[str, ...]:
    """Why scores (1 to 5) of clean and of broken items do not tell them apart; empty when they do."""
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


def machine_collapse(pairs: Sequence[tuple[float, float]], *, scale: Sequence[float]) -> tuple[str, ...]:
    """Why a machine's labels do not tell apart what people tell apart; pairs are (people's, the machine's).

    People's labels above the middle of the scale they used are taken as good, those below as bad.
    """
    people, machine = [h for h, _ in pairs], [m for _, m in pairs]
    if len(pairs) < FEW or len(set(people)) < 2:
        return ()
    middle = (min(scale) + max(scale)) / 2
    good, bad = [m for h, m in pairs if h > middle], [m for h, m in pairs if h < middle]
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
    if len(scores) >= FEW and n / len(scores) >= ONE_LEVEL:
        return [f"collapse: {n / len(scores):.0%} of {name} are at {level:g}"]
    return []
