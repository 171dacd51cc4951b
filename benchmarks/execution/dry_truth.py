"""The true answers, computed another way than the vetted analyses do: from formulas in numpy, scipy, statsmodels.

A check returns what is wrong, in words, or nothing.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def matrix(path: Path, skip: int = 0) -> tuple[list[str], list[str], Array]:
    """Features, samples and values of a table, read without pandas; `skip` columns after the first are left out."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    lines = [line.split("\t") for line in text.splitlines()]
    values = [[float(v) if v not in ("", "NA", "nan") else math.nan for v in line[1 + skip :]] for line in lines[1:]]
    return [line[0] for line in lines[1:]], lines[0][1 + skip :], np.array(values)


def sheet(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def gene_sets(path: Path) -> dict[str, list[str]]:
    """Set -> genes of a GMT file."""
    lines = (line.rstrip("\n").split("\t") for line in path.read_text("utf-8").splitlines())
    return {line[0]: line[2:] for line in lines if line[0]}


def column(path: Path, name: str) -> list[str]:
    """A column of a table as text."""
    return [row[name] for row in sheet(path)]


def number(text: str) -> float:
    """A cell as a number; missing is NaN."""
    return float(text) if text not in ("", "NA", "nan") else math.nan


def near(name: str, found: float, true: float, relative: float = 2e-3, absolute: float = 1e-6) -> str:
    """What is wrong when two numbers differ."""
    if math.isclose(found, true, rel_tol=relative, abs_tol=absolute) or (math.isnan(found) and math.isnan(true)):
        return ""
    return f"{name}: {found:.6g}, but it is {true:.6g}"


def first(*problems: str) -> str:
    """The first problem there is."""
    return next(filter(None, problems), "")


def adjusted(p: Array) -> Array:
    """Benjamini and Hochberg's adjusted p-values, by statsmodels."""
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p, method="fdr_bh")[1])


def score(features: list[str], values: Array, genes: list[str], most_missing: float = 0.2) -> Array:
    """Mean of z-scores of a set's genes per sample, standardised."""
    place = {name: i for i, name in enumerate(features)}
    rows = values[[place[g] for g in dict.fromkeys(genes) if g in place]]
    rows = rows[np.isnan(rows).mean(axis=1) <= most_missing]
    z = np.stack([(r - np.nanmean(r)) / np.nanstd(r, ddof=1) for r in rows if np.nanstd(r) > 1e-12])
    mean = np.nanmean(z, axis=0)
    return np.asarray((mean - mean.mean()) / mean.std(ddof=1))


def log_rank(time: Array, event: Array, group: Array) -> float:
    """The log-rank test's p-value from observed and expected events at every event time."""
    from scipy.stats import chi2

    observed = expected = variance = 0.0
    for t in np.unique(time[event == 1]):
        risk = time >= t
        dead = (time == t) & (event == 1)
        n, n1, d = risk.sum(), (risk & group).sum(), dead.sum()
        observed += (dead & group).sum()
        expected += d * n1 / n
        variance += d * (n1 / n) * (1 - n1 / n) * (n - d) / (n - 1) if n > 1 else 0.0
    return float(chi2.sf((observed - expected) ** 2 / variance, 1))


def median_survival(time: Array, event: Array) -> float:
    """The time at which the product-limit curve reaches one half; NaN when it does not."""
    alive = 1.0
    for t in np.unique(time[event == 1]):
        alive *= 1 - ((time == t) & (event == 1)).sum() / (time >= t).sum()
        if alive <= 0.5 + 1e-12:
            return float(t)
    return math.nan


def cox(time: Array, event: Array, x: Array) -> tuple[Array, Array]:
    """Hazard ratios and Wald p-values of a Cox model with Efron's ties, by statsmodels (the analyses use lifelines)."""
    from statsmodels.duration.hazard_regression import PHReg

    fit = PHReg(time, x, status=event, ties="efron").fit(disp=False)
    return np.exp(fit.params), np.asarray(fit.pvalues)


def running_score(ranking: list[tuple[str, float]], members: set[str]) -> float:
    """The enrichment score of a set by its definition: a walk down the ranking, weight 1."""
    ordered = sorted(ranking, key=lambda pair: -pair[1])
    inside = [name in members for name, _ in ordered]
    total = sum(abs(v) for (_, v), i in zip(ordered, inside, strict=True) if i)
    miss = 1 / (len(ordered) - sum(inside))
    walk = best = 0.0
    for (_, value), hit in zip(ordered, inside, strict=True):
        walk += abs(value) / total if hit else -miss
        best = walk if abs(walk) > abs(best) else best
    return best


def by(rows: list[dict[str, str]], key: str) -> Mapping[str, dict[str, str]]:
    """Rows by the text of a column."""
    return {row[key]: row for row in rows}


def moderated(values: Array, case: Array, control: Array) -> tuple[Array, Array]:
    """Smyth's moderated t and its p-values (2004, doi:10.2202/1544-6115.1027), the prior by the method of moments."""
    from scipy.special import digamma, polygamma
    from scipy.stats import t as student

    n1, n0 = ((~np.isnan(values[:, g])).sum(axis=1) for g in (case, control))
    difference = np.nanmean(values[:, case], axis=1) - np.nanmean(values[:, control], axis=1)
    squares = sum(np.nanvar(values[:, g], axis=1) * n for g, n in ((case, n1), (control, n0)))
    own_df = n1 + n0 - 2
    own = squares / own_df
    e = np.log(own) - digamma(own_df / 2) + np.log(own_df / 2)
    excess = float(e.var(ddof=1) - polygamma(1, own_df / 2).mean())
    if excess <= 0:
        variance, df = np.full(len(own), np.exp(e.mean())), np.full(len(own), own_df.sum(), float)
    else:
        low, high = 1e-6, 1e8  # the prior's half degrees of freedom, by bisection: trigamma falls
        for _ in range(200):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if polygamma(1, middle) > excess else (low, middle)
        prior_df, prior = 2 * low, math.exp(e.mean() + digamma(low) - math.log(low))
        variance = (prior_df * prior + own_df * own) / (prior_df + own_df)
        df = np.minimum(prior_df + own_df, own_df.sum())
    statistic = difference / np.sqrt(variance * (1 / n1 + 1 / n0))
    return statistic, np.asarray(2 * student.sf(np.abs(statistic), df))


def concordance(time: Array, event: Array, risk: Array) -> float:
    """Harrell's C over all pairs of which it is known who went first."""
    known = (time[:, None] < time[None, :]) & (event[:, None] == 1)
    known |= (time[:, None] == time[None, :]) & (event[:, None] == 1) & (event[None, :] == 0)
    right = (risk[:, None] > risk[None, :]) + 0.5 * (risk[:, None] == risk[None, :])
    return float(right[known].mean()) if known.any() else math.nan


def ridge_cox(time: Array, event: Array, x: Array, penalty: float) -> Array:
    """Coefficients that maximise Breslow's log likelihood per sample less penalty/2 times their squares, by Newton."""
    beta = np.zeros(x.shape[1])
    risks = time[None, :] >= time[event == 1][:, None]
    for _ in range(25):
        weight = risks * np.exp(x @ beta)
        weight /= weight.sum(axis=1, keepdims=True)
        mean = weight @ x
        gradient = (x[event == 1] - mean).sum(axis=0) / len(time) - penalty * beta
        second = sum((x.T * w) @ x - np.outer(m, m) for w, m in zip(weight, mean, strict=True))
        step = np.linalg.solve(second / len(time) + penalty * np.eye(len(beta)), gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    return beta
