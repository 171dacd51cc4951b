"""Learnt fusion: a softmax regression (scikit-learn's, with its usual penalty) kept as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioresearcher.schemas.panel import LinearRule

Array = NDArray[np.float64]
FOLDS = 5
_SEED = 20


def fit_rule(features: Array, labels: Sequence[str]) -> LinearRule:
    """Learn the probability of each label from features of shape (samples, features).

    With one label only, the rule gives it always. Coefficients are penalised by their squares (C = 1).
    """
    known = sorted(set(labels))
    if len(known) == 1:
        return LinearRule(labels=tuple(known), weights=((0.0,) * features.shape[1],), bias=(0.0,))
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000).fit(features, list(labels))
    weights, bias = model.coef_, model.intercept_
    if len(known) == 2:  # one row of the difference: written as two rows, so that every rule reads alike
        weights, bias = np.vstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return LinearRule(
        labels=tuple(str(c) for c in model.classes_),
        weights=tuple(tuple(float(w) for w in row) for row in weights),
        bias=tuple(float(b) for b in bias),
    )


def probabilities(rule: LinearRule, features: Array) -> Array:
    """Compute the probability of each label; shape (samples, labels)."""
    z = features @ np.array(rule.weights).T + np.array(rule.bias)
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    p: Array = e / e.sum(axis=1, keepdims=True)
    return p


def out_of_fold(features: Array, labels: Sequence[str], folds: int = FOLDS) -> tuple[list[str], Array]:
    """Predict each sample by a rule learnt without its fold.

    Returns:
        The predicted labels, and the probability of each, which is how sure the rule is.
    """
    n = len(labels)
    fold = np.random.default_rng(_SEED).permutation(n) % min(folds, n)
    found, sure = [""] * n, np.zeros(n)
    for k in range(min(folds, n)):
        held = np.flatnonzero(fold == k)
        rest = np.flatnonzero(fold != k)
        rule = fit_rule(features[rest], [labels[int(i)] for i in rest])
        p = probabilities(rule, features[held])
        for i, row in zip(held, p, strict=True):
            found[i], sure[i] = rule.labels[int(row.argmax())], float(row.max())
    return found, sure
