"""Diversity of the failures of several models, and their plain vote.

Focal diversity after Tekin et al., "LLM-TOPLA: Efficient LLM Ensemble by Maximising Diversity" (arXiv 2410.03953) and
"MARL-Focal" (arXiv 2502.04492), which rest on the generalised diversity of Partridge and Krzanowski (1997).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


def generalised_diversity(failed: Bools) -> float | None:
    """Compute 1 - p2 / p1 of models on samples; None where no model fails.

    p1 is the probability that a model drawn at random fails on a sample, p2 that two drawn without replacement both do.

    Args:
        failed: True where a model fails; shape (models, samples), at least two models.

    Returns:
        0 where all fail on the same samples, 1 where no two fail on one.
    """
    n = len(failed)
    if n < 2:
        raise ValueError("diversity needs two models")
    together = failed.sum(axis=0)
    p1 = float(np.mean(together / n)) if together.size else 0.0
    if p1 == 0:
        return None
    p2 = float(np.mean(together * (together - 1) / (n * (n - 1))))
    return 1 - p2 / p1


def focal_diversity(failed: Bools) -> float | None:
    """Compute the mean over the models of the generalised diversity on the samples that the focal model fails.

    Models that never fail have no such samples and are left out; None where no model fails.
    """
    found = [generalised_diversity(failed[:, failed[k]]) for k in range(len(failed)) if failed[k].any()]
    known = [x for x in found if x is not None]
    return float(np.mean(known)) if known else None


def plurality(votes: NDArray[np.int64], options: int) -> NDArray[np.int64]:
    """Return the option with most votes of each sample; of several the one that comes first.

    Args:
        votes: Options chosen; shape (models, samples).
        options: Number of options.
    """
    counts = np.stack([(votes == k).sum(axis=0) for k in range(options)])
    winner: NDArray[np.int64] = counts.argmax(axis=0)
    return winner
