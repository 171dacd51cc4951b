"""The cascade: the cheapest reviewer first, stop when sure, otherwise the next, at a mean cost within a budget.

Thresholds are set by quota after Ilhan et al., "EENet: Learning to Early Exit for Adaptive Inference" (arXiv
2301.07099): each stage is to end a share of the samples, the shares are chosen on samples the fusion was not learnt
from so that accuracy is highest and the expected cost is within the budget, and a stage's threshold is the probability
that lets just this share go. At use a guard makes the limit hard: a sample goes on only if the rest still can be paid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
STEPS = 10
"""Number of steps in which shares are tried: 0, 0.1, … 1."""
NEVER = 2.0
"""Threshold that no probability reaches."""


@dataclass(frozen=True)
class Thresholds:
    """Least probability at which each stage ends a sample, with what is expected of it.

    Attributes:
        least: A value a stage; the last stage ends everything.
        quotas: Share of samples that ends at each stage.
        accuracy: Share of right answers on the samples it was chosen on.
        cost: Mean cost of a sample there.
    """

    least: tuple[float, ...]
    quotas: tuple[float, ...]
    accuracy: float
    cost: float


@dataclass(frozen=True)
class CascadeRun:
    """Stage at which each sample ended, from 0, and the mean cost; `held` were kept back by the guard."""

    stages: NDArray[np.int64]
    cost: float
    held: int


def choose_thresholds(sure: Array, right: NDArray[np.bool_], costs: Array, budget: float) -> Thresholds:
    """Choose the shares and thresholds with the highest accuracy whose mean cost is within a budget.

    Args:
        sure: Probability of the fused answer after each stage; shape (stages, samples).
        right: True where this answer is right; same shape.
        costs: Cost of each stage alone; all samples pay the first.
        budget: Largest mean cost of a sample.

    Raises:
        ValueError: The first stage alone costs more than the budget.
    """
    paid = np.cumsum(costs)
    if paid[0] > budget:
        raise ValueError(f"the first stage costs {paid[0]:g}, more than the budget of {budget:g}")
    best: Thresholds | None = None
    for quotas in _shares(len(costs)):
        if float(np.dot(quotas, paid)) > budget + 1e-9:
            continue
        least, stages = _by_quota(sure, quotas)
        cost = float(paid[stages].mean())
        if cost > budget + 1e-9:
            continue
        accuracy = float(right[stages, np.arange(right.shape[1])].mean())
        if best is None or (accuracy, -cost) > (best.accuracy, -best.cost):
            best = Thresholds(tuple(least), tuple(quotas), accuracy, cost)
    if best is None:  # every share was a little over: all end at the first stage
        first = (0.0, *[NEVER] * (len(costs) - 1))
        return Thresholds(first, (1.0, *[0.0] * (len(costs) - 1)), float(right[0].mean()), float(paid[0]))
    return best


def _shares(stages: int) -> Iterator[tuple[float, ...]]:
    """Yield all ways to share 1 among stages in steps of 1 / `STEPS`."""

    def ways(left: int, places: int) -> Iterator[tuple[int, ...]]:
        if places == 1:
            yield (left,)
            return
        for k in range(left + 1):
            for rest in ways(left - k, places - 1):
                yield (k, *rest)

    for way in ways(STEPS, stages):
        yield tuple(k / STEPS for k in way)


def _by_quota(sure: Array, quotas: tuple[float, ...]) -> tuple[list[float], NDArray[np.int64]]:
    """Set each threshold so that it ends its share of all samples, of those that are left; ties all end."""
    n = sure.shape[1]
    stages = np.full(n, len(quotas) - 1)
    left = np.arange(n)
    least = []
    for k, share in enumerate(quotas[:-1]):
        wanted = min(round(share * n), left.size)
        if wanted == 0:
            least.append(NEVER)
            continue
        level = float(np.partition(sure[k, left], left.size - wanted)[left.size - wanted])
        ends = sure[k, left] >= level
        stages[left[ends]] = k
        left = left[~ends]
        least.append(level)
    return [*least, 0.0], stages


def run_cascade(sure: Array, least: tuple[float, ...], costs: Array, budget: float) -> CascadeRun:
    """Run samples one after the other; the mean cost never exceeds the budget if the first stage does not.

    Args:
        sure: Probability of the fused answer after each stage; shape (stages, samples).
        least: Thresholds of `choose_thresholds`.
        costs: Cost of each stage.
        budget: Largest mean cost of a sample over all of them.
    """
    n = sure.shape[1]
    stages = np.zeros(n, dtype=np.int64)
    spent, held = 0.0, 0
    for i in range(n):
        spent += float(costs[0])
        stage = 0
        while stage < len(costs) - 1 and sure[stage, i] < least[stage]:
            if spent + costs[stage + 1] + (n - i - 1) * costs[0] > budget * n + 1e-9:
                held += 1
                break
            stage += 1
            spent += float(costs[stage])
        stages[i] = stage
    return CascadeRun(stages, spent / n if n else 0.0, held)
