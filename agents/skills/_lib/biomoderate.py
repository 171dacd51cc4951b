"""Variances of many features drawn towards a common one: empirical Bayes after Smyth (2004).

The variances of the features are taken as draws of a scaled inverse chi-square distribution. Its two parameters are
estimated by matching the mean and variance of the logarithms of the sample variances; a moderated t or F has the
residual degrees of freedom of its feature plus those of the prior, and no more than all features have together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special


@dataclass(frozen=True)
class Prior:
    """The common variance and its degrees of freedom, infinite where the features do not differ in variance."""

    variance: float
    df: float


def fit_prior(variance: np.ndarray, df: np.ndarray) -> Prior:
    """Estimate the prior of the variances of features with `df` residual degrees of freedom each.

    Variances of 0 are set just above it, as they have no logarithm.
    """
    usable = (df > 0) & np.isfinite(variance) & (variance >= 0)
    s2, d = variance[usable].astype(float), df[usable].astype(float)
    if len(s2) < 2:
        return Prior(float(s2[0]) if len(s2) else float("nan"), 0.0)
    middle = float(np.median(s2)) or 1.0
    log_s2 = np.log(np.maximum(s2, 1e-5 * middle))
    e = log_s2 - special.digamma(d / 2) + np.log(d / 2)
    mean = float(e.mean())
    spread = float(((e - mean) ** 2).sum() / (len(e) - 1) - special.polygamma(1, d / 2).mean())
    if spread <= 0:
        return Prior(float(np.maximum(s2, 1e-5 * middle).mean()), float("inf"))
    half = _inverse_trigamma(spread)
    return Prior(float(np.exp(mean + special.digamma(half) - np.log(half))), 2 * half)


def _inverse_trigamma(y: float) -> float:
    """The value whose trigamma is `y`."""
    if y > 1e7:
        return 1 / np.sqrt(y)
    if y < 1e-6:
        return 1 / y
    return float(optimize.brentq(lambda x: float(special.polygamma(1, x)) - y, 1e-8, 1e8, xtol=1e-14, rtol=1e-14))


def moderated(variance: np.ndarray, df: np.ndarray, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """The moderated variances and their degrees of freedom."""
    if np.isinf(prior.df):
        return np.full(len(variance), prior.variance), np.full(len(df), float(df.sum()))
    squeezed = (prior.df * prior.variance + df * variance) / (prior.df + df)
    return squeezed, np.minimum(df + prior.df, float(df.sum()))
