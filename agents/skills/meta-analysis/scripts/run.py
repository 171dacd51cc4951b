"""Random-effects meta-analysis of a list of studies: pooled effect, heterogeneity, small-study effects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    NEUTRAL_COLOUR,
    Task,
    fail,
    figure,
    listed,
    load_task,
    number,
    p_value,
    plain_text,
    read_table,
    result,
    rounded,
    save_figure,
    shown_p,
    to_numbers,
    where,
    write_findings,
    write_table,
)
from scipy import optimize, stats

LEAST = 2
"""Fewest studies that are pooled."""
FEW = 5
"""Studies below which the variance between studies is hardly known."""
FOR_ASYMMETRY = 10
"""Fewest studies for a test of small-study effects (Sterne et al. 2011)."""
RATIOS = {
    "hr": "hazard ratio",
    "hazard_ratio": "hazard ratio",
    "or": "odds ratio",
    "odds_ratio": "odds ratio",
    "rr": "risk ratio",
    "risk_ratio": "risk ratio",
    "relative_risk": "risk ratio",
    "irr": "rate ratio",
}
DIFFERENCES = {
    "md": "mean difference",
    "wmd": "mean difference",
    "mean_difference": "mean difference",
    "smd": "standardised mean difference",
    "rd": "risk difference",
    "beta": "regression coefficient",
    "d": "standardised mean difference",
    "g": "standardised mean difference",
    "es": "effect size",
    "yi": "effect",
    "te": "effect",
    "effect": "effect",
    "effect_size": "effect size",
    "estimate": "effect",
}
_LOW = re.compile(
    r"(95_?)?(ci_?)?(95_?)?(low|lower|l|lb|lcl|ll|lci|l95|lower_95|low_95)(_?(ci|95|limit|bound))*|ci_?95?_?l(ow(er)?)?"
)
_HIGH = re.compile(
    r"(95_?)?(ci_?)?(95_?)?(high|upper|u|ub|ucl|ul|uci|u95|upper_95|hi)(_?(ci|95|limit|bound))*|ci_?95?_?(u(pper)?|h(igh)?)"
)
_ERROR = re.compile(r"se|sei|sete|std_?err(or)?|standard_error|(se|std_?err(or)?)_?(of_)?(log|ln)_?\w*")
_VARIANCE = re.compile(r"vi|v|var|variance")
_INTERVAL = re.compile(r"(95_?)?ci(_?95)?|confidence_interval|(95_)?ci_95")
_STUDY = re.compile(r"(study|trial|author|first_author|reference|paper|source|cohort)(_?(id|name|label|year))?")
_PAIR = re.compile(r"[\[(]?\s*(-?\d+(?:\.\d+)?)\s*(?:,|;|–|—|to|-)\s*(-?\d+(?:\.\d+)?)\s*[\])]?")


def normal(name: str) -> str:
    """A column's name in lower case, runs of other characters as `_`."""
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")


@dataclass(frozen=True)
class Studies:
    """The studies on the scale on which they are pooled.

    Attributes:
        y: Effects, of ratios their natural logarithms.
        v: Their variances.
        ratio: Whether `y` are logarithms of ratios.
        effect: The effect measure in words.
        column: The column of the effects.
        left_out: Rows without an effect or its precision.
        notes: What was read how.
    """

    names: list[str]
    y: np.ndarray
    v: np.ndarray
    ratio: bool
    effect: str
    column: str
    left_out: int
    notes: tuple[str, ...]

    @property
    def k(self) -> int:
        """How many there are."""
        return len(self.y)

    def shown(self, value: float) -> float:
        """A value on the scale that is reported."""
        return float(np.exp(value)) if self.ratio else float(value)


def _one(names: dict[str, str], test: Any, what: str, wanted: str | None) -> str | None:
    """The one column of a kind; several that differ are an error, none is None."""
    if wanted:
        if wanted not in names:
            fail(f"there is no column {wanted!r} (there are: {listed(names, 20)})")
        return wanted
    found = [n for n, low in names.items() if test(low)]
    if len(found) > 1:
        fail(f"columns {listed(found)} may each be the {what}; name one of them in the parameters")
    return found[0] if found else None


def read_studies(task: Task) -> Studies:
    """Read effects and their precision; what could be read in two ways is refused."""
    table = read_table(task.input("studies"))
    names = {str(c): normal(c) for c in table.columns}

    def kind(low: str) -> tuple[str, bool, bool]:
        bare = re.sub(r"^(log|ln)_?", "", low)
        logged = bare != low and bare in RATIOS
        return bare if bare in RATIOS or bare in DIFFERENCES else "", bare in RATIOS, logged

    effect_column = _one(names, lambda low: bool(kind(low)[0]), "effect", task.parameter("effect_column"))
    if effect_column is None:
        fail(
            f"no column is an effect estimate such as hr, or, rr, md, smd, beta or yi (there are: {listed(names, 20)})"
        )
    bare, ratio, logged = kind(names[effect_column])
    study = next((c for c, low in names.items() if _STUDY.fullmatch(low)), None)
    text = [c for c in table.columns if c != effect_column and not pd.api.types.is_numeric_dtype(table[c])]
    study = study or next((c for c in text if table[c].notna().all() and table[c].is_unique), None)
    labels = [str(x) for x in table[study]] if study else [f"row {n}" for n in range(1, len(table) + 1)]
    y, notes = to_numbers(table[effect_column]).to_numpy(float), list[str]()
    if ratio and not logged:
        if (y <= 0).any():
            at = int(np.flatnonzero(y <= 0)[0])
            fail(f"study {labels[at]!r} has {effect_column} = {number(y[at])}: a ratio is above 0")
        y = np.log(y)
    v, how = _variances(task, table, names, effect_column, y, ratio=ratio, logged=logged, labels=labels)
    notes.append(how)
    known = np.isfinite(y) & np.isfinite(v)
    if (v[known] <= 0).any():
        at = int(np.flatnonzero(known & (v <= 0))[0])
        fail(f"study {labels[at]!r} has a standard error of 0: no estimate is without error")
    kept = [name for name, ok in zip(labels, known, strict=True) if ok]
    _refuse_repeats(kept)
    if len(kept) < LEAST:
        fail(f"{len(kept)} studies have an effect and its precision; at least {LEAST} are needed")
    effect = (RATIOS if ratio else DIFFERENCES)[bare] if bare else "effect"
    return Studies(kept, y[known], v[known], ratio, effect, effect_column, int((~known).sum()), tuple(notes))


def _variances(
    task: Task,
    table: pd.DataFrame,
    names: dict[str, str],
    effect: str,
    y: np.ndarray,
    *,
    ratio: bool,
    logged: bool,
    labels: Sequence[str],
) -> tuple[np.ndarray, str]:
    """The variance of each effect, from its interval, standard error or variance, and how it was found."""
    rest = {c: low for c, low in names.items() if c != effect}
    low = _one(rest, _LOW.fullmatch, "lower limit", task.parameter("low_column"))
    high = _one(rest, _HIGH.fullmatch, "upper limit", task.parameter("high_column"))
    error = _one(rest, _ERROR.fullmatch, "standard error", task.parameter("error_column"))
    variance = _one(rest, _VARIANCE.fullmatch, "variance", None)
    interval = _one(rest, _INTERVAL.fullmatch, "interval", None)
    z = stats.norm.ppf(0.5 + float(task.parameter("confidence_percent", 95)) / 200)
    if low is not None and high is not None:
        lower, upper = to_numbers(table[low]).to_numpy(float), to_numbers(table[high]).to_numpy(float)
    elif interval is not None:
        parts = [_PAIR.fullmatch(str(c).strip()) for c in table[interval]]
        if any(p is None and pd.notna(c) for p, c in zip(parts, table[interval], strict=True)):
            bad = next(c for p, c in zip(parts, table[interval], strict=True) if p is None and pd.notna(c))
            fail(f"column {interval!r} holds {str(bad)!r}, which is no interval such as 1.0 to 2.25")
        lower, upper = (np.array([float(p[i]) if p else np.nan for p in parts]) for i in (1, 2))
        low, high = interval, interval
    else:
        lower = upper = np.full(len(y), np.nan)
    if np.isfinite(lower).any():
        return _from_limits(lower, upper, y, z, ratio=ratio and not _logs(y, lower, ratio, logged), labels=labels)
    if error is None and variance is None:
        fail("no column is the precision of the effects: limits of an interval, a standard error or a variance")
    column = error if error is not None else variance
    if ratio and not logged and not re.search(r"log|ln", names[str(column)]):
        fail(
            f"column {column!r} beside {effect!r} may be on the scale of the ratio or of its logarithm, which decides "
            "the weights: call it se_log (or give the limits of the intervals)"
        )
    values = to_numbers(table[column]).to_numpy(float)
    if (values[np.isfinite(values)] < 0).any():
        fail(f"column {column!r} holds negative values; a standard error or variance is above 0")
    return (values**2 if error is not None else values), f"precision from column {column!r}"


def _logs(y: np.ndarray, lower: np.ndarray, ratio: bool, logged: bool) -> bool:
    """Whether the limits are logarithms of ratios: those of a logarithm, of which one is below 0."""
    return ratio and logged and bool((lower[np.isfinite(lower)] <= 0).any())


def _from_limits(
    lower: np.ndarray, upper: np.ndarray, y: np.ndarray, z: float, *, ratio: bool, labels: Sequence[str]
) -> tuple[np.ndarray, str]:
    """Variances from the limits of intervals that must hold their effects."""
    known = np.isfinite(lower) & np.isfinite(upper) & np.isfinite(y)
    if ratio and (lower[known] <= 0).any():
        at = int(np.flatnonzero(known & (lower <= 0))[0])
        fail(f"study {labels[at]!r} has a lower limit of {number(lower[at])}: the limits of a ratio are above 0")
    with np.errstate(invalid="ignore"):
        low, high = (np.log(lower), np.log(upper)) if ratio else (lower, upper)
    wrong = known & ~((low < y) & (y < high))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        fail(
            f"study {labels[at]!r}: its interval ({number(lower[at])} to {number(upper[at])}) does not hold its "
            "effect; are the columns mixed up, or one of them a logarithm?"
        )
    width = high - low
    skewed = known & (np.abs((low + high) / 2 - y) > 0.15 * width)
    text = "standard errors from the width of the intervals"
    if skewed.any():
        which = listed([n for n, s in zip(labels, skewed, strict=True) if s], 3)
        text += f"; intervals that are not symmetric around the effect, so check them: {which}"
    return (width / (2 * z)) ** 2, text


def _refuse_repeats(names: Sequence[str]) -> None:
    """Refuse a study that stands in the list more than once: its patients would be counted twice."""
    seen: dict[str, int] = {}
    for n, name in enumerate(names):
        key = " ".join(name.casefold().split())
        if key in seen:
            fail(
                f"study {name!r} stands in the list more than once: its patients would be counted twice. Keep one "
                "row of it, or give rows of different patients different names"
            )
        seen[key] = n


def same_numbers(studies: Studies) -> list[str]:
    """Studies of different names with the same effect and precision, which may be one study."""
    rows: dict[tuple[float, float], list[str]] = {}
    for a, b, name in zip(studies.y, studies.v, studies.names, strict=True):
        rows.setdefault((round(float(a), 9), round(float(b), 9)), []).append(name)
    return next((n for n in rows.values() if len(n) > 1), [])


@dataclass(frozen=True)
class Pooled:
    """A pooled effect on the scale of pooling."""

    method: str
    tau2: float
    effect: float
    error: float
    low: float
    high: float
    p: float


def weighted(y: np.ndarray, v: np.ndarray, tau2: float) -> tuple[float, float]:
    """The weighted mean and its standard error."""
    w = 1 / (v + tau2)
    return float((w * y).sum() / w.sum()), float(np.sqrt(1 / w.sum()))


def heterogeneity(y: np.ndarray, v: np.ndarray) -> tuple[float, float, float]:
    """Cochran's Q, its p-value, and I² in percent (Higgins and Thompson 2002)."""
    mean, _ = weighted(y, v, 0.0)
    q, df = float(((y - mean) ** 2 / v).sum()), len(y) - 1
    return q, float(stats.chi2.sf(q, df)), max(0.0, 100 * (q - df) / q) if q > 0 else 0.0


def tau2_dl(y: np.ndarray, v: np.ndarray) -> float:
    """The variance between studies by moments (DerSimonian and Laird 1986)."""
    w = 1 / v
    q, _, _ = heterogeneity(y, v)
    return max(0.0, (q - (len(y) - 1)) / float(w.sum() - (w**2).sum() / w.sum()))


def tau2_pm(y: np.ndarray, v: np.ndarray) -> float:
    """The variance between studies at which Q is its degrees of freedom (Paule and Mandel 1982)."""

    def excess(tau2: float) -> float:
        mean, _ = weighted(y, v, tau2)
        return float(((y - mean) ** 2 / (v + tau2)).sum()) - (len(y) - 1)

    if excess(0.0) <= 0:
        return 0.0
    top = max(1e-6, float(np.var(y, ddof=1)))
    while excess(top) > 0:
        top *= 2
    return float(optimize.brentq(excess, 0.0, top, xtol=1e-12))


def tau2_reml(y: np.ndarray, v: np.ndarray) -> float:
    """The variance between studies by restricted maximum likelihood (Viechtbauer 2005)."""

    def loss(tau2: float) -> float:
        mean, error = weighted(y, v, tau2)
        return float(np.log(v + tau2).sum() - 2 * np.log(error) + ((y - mean) ** 2 / (v + tau2)).sum())

    top = 10 * max(float(np.var(y, ddof=1)), float(v.max()), 1e-6)
    found = optimize.minimize_scalar(
        loss, bounds=(0.0, top), method="bounded", options={"xatol": 1e-10, "maxiter": 2000}
    )
    return 0.0 if loss(0.0) <= found.fun else float(found.x)


def pool(y: np.ndarray, v: np.ndarray, tau2: float, method: str, *, knapp: bool = False) -> Pooled:
    """Pool with a given variance between studies; `knapp`: the interval of Hartung and Knapp (2001)."""
    mean, error = weighted(y, v, tau2)
    if knapp:
        w = 1 / (v + tau2)
        error = float(np.sqrt((w * (y - mean) ** 2).sum() / (len(y) - 1) / w.sum()))
        t = stats.t.ppf(0.975, len(y) - 1)
        p = float(2 * stats.t.sf(abs(mean / error), len(y) - 1)) if error > 0 else 0.0
    else:
        t, p = stats.norm.ppf(0.975), float(2 * stats.norm.sf(abs(mean / error)))
    return Pooled(method, tau2, mean, error, float(mean - t * error), float(mean + t * error), p)


def prediction(pooled: Pooled, k: int) -> tuple[float, float] | None:
    """The interval in which the effect of a further study is expected (Higgins et al. 2009); from three studies."""
    if k < 3:
        return None
    wide = stats.t.ppf(0.975, k - 2) * np.sqrt(pooled.tau2 + pooled.error**2)
    return float(pooled.effect - wide), float(pooled.effect + wide)


def egger(y: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """Intercept and p-value of the regression of the standardised effect on the precision (Egger et al. 1997)."""
    x = np.column_stack([np.ones(len(y)), 1 / np.sqrt(v)])
    z = y / np.sqrt(v)
    beta, *_ = np.linalg.lstsq(x, z, rcond=None)
    free = len(y) - 2
    variance = float(((z - x @ beta) ** 2).sum()) / free * np.linalg.inv(x.T @ x)[0, 0]
    return float(beta[0]), float(2 * stats.t.sf(abs(beta[0]) / np.sqrt(variance), free))


def models(studies: Studies) -> list[Pooled]:
    """The main model (random effects, DerSimonian and Laird), and the others beside it."""
    y, v = studies.y, studies.v
    dl, reml = tau2_dl(y, v), tau2_reml(y, v)
    return [
        pool(y, v, dl, "random effects (DerSimonian-Laird)"),
        pool(y, v, reml, "random effects (REML)"),
        pool(y, v, reml, "random effects (REML, Hartung-Knapp)", knapp=True),
        pool(y, v, tau2_pm(y, v), "random effects (Paule-Mandel)"),
        pool(y, v, 0.0, "fixed effect"),
    ]


def tables(studies: Studies, pooled: list[Pooled]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The studies with their weights and the effect without each, and the models."""
    main, z = pooled[0], stats.norm.ppf(0.975)
    weights = {name: 1 / (studies.v + tau2) for name, tau2 in (("random", main.tau2), ("fixed", 0.0))}
    without = []
    for n in range(studies.k):
        rest = np.arange(studies.k) != n
        y, v = studies.y[rest], studies.v[rest]
        without.append(pool(y, v, tau2_dl(y, v), "") if rest.sum() >= 2 else pool(y, v, 0.0, ""))
    rows = pd.DataFrame(
        {
            "study": studies.names,
            "effect": [studies.shown(y) for y in studies.y],
            "low": [studies.shown(y - z * e) for y, e in zip(studies.y, np.sqrt(studies.v), strict=True)],
            "high": [studies.shown(y + z * e) for y, e in zip(studies.y, np.sqrt(studies.v), strict=True)],
            "standard_error": np.sqrt(studies.v),
            "weight_random_percent": 100 * weights["random"] / weights["random"].sum(),
            "weight_fixed_percent": 100 * weights["fixed"] / weights["fixed"].sum(),
            "pooled_without_it": [studies.shown(m.effect) for m in without],
            "p_without_it": [m.p for m in without],
        }
    )
    shown = [
        (m.method, studies.shown(m.effect), studies.shown(m.low), studies.shown(m.high), m.p, m.tau2) for m in pooled
    ]
    return rows, pd.DataFrame(shown, columns=["model", "effect", "low", "high", "p", "tau2"])


def forest(task: Task, studies: Studies, rows: pd.DataFrame, main: Pooled) -> None:
    """Effects with intervals, weights as sizes of the marks, the pooled effect and the prediction interval."""
    k = studies.k
    fig, ax = figure(7.6, 1.9 + 0.34 * k)
    largest = float(rows["weight_random_percent"].max())
    texts = []
    for n, row in enumerate(rows.itertuples()):
        ax.plot([row.low, row.high], [n, n], color=CONTROL_COLOUR, lw=1.3)
        ax.plot(row.effect, n, "s", color=CONTROL_COLOUR, markersize=3 + 6 * row.weight_random_percent / largest)
        told = f"{number(row.effect)} ({number(row.low)} to {number(row.high)}), {row.weight_random_percent:.0f} %"
        texts.append(f"{plain_text(row.study, 34)}   {told}")
    low, high, mean = (studies.shown(x) for x in (main.low, main.high, main.effect))
    ax.fill([low, mean, high, mean], [k + 0.4, k + 0.15, k + 0.4, k + 0.65], color=CASE_COLOUR)
    texts.append(f"Random effects (k = {k})   {number(mean)} ({number(low)} to {number(high)})")
    ticks = [*range(k), k + 0.4]
    expected = prediction(main, k)
    if expected is not None:
        ends = [studies.shown(x) for x in expected]
        ax.plot(ends, [k + 1.2] * 2, color=CASE_COLOUR, lw=1.3, ls="--")
        texts.append(f"Prediction interval   {number(ends[0])} to {number(ends[1])}")
        ticks.append(k + 1.2)
    ax.set_yticks(ticks, texts, fontsize=8)
    ax.set_ylim((k + 1.8 if expected else k + 1.0), -0.7)
    ax.axvline(1 if studies.ratio else 0, color="black", lw=0.8)
    ax.axvline(mean, color=CASE_COLOUR, lw=0.8, ls=":")
    if studies.ratio:
        ax.set_xscale("log")
        first, last = ax.get_xlim()
        wide = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
        marks = [t for t in ((0.5, 0.7, 1, 1.5, 2, 3, 4) if first > 0.3 and last < 6 else wide) if first <= t <= last]
        ax.set_xticks(marks, [f"{t:g}" for t in marks])
        ax.minorticks_off()
    ax.set_xlabel(f"{studies.effect[:1].upper()}{studies.effect[1:]} (95 % confidence interval, weight)")
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def funnel(task: Task, studies: Studies, main: Pooled) -> None:
    """Effects against their standard errors, with the region of 95 % around the pooled effect of one common effect."""
    if "funnel" not in task.outputs:
        return
    fig, ax = figure(5.0, 4.2)
    errors = np.sqrt(studies.v)
    top = 1.1 * float(errors.max())
    centre = weighted(studies.y, studies.v, 0.0)[0]
    ax.plot([centre - 1.96 * top, centre, centre + 1.96 * top], [top, 0, top], color=NEUTRAL_COLOUR, lw=1)
    ax.axvline(centre, color=NEUTRAL_COLOUR, lw=0.8)
    ax.axvline(main.effect, color=CASE_COLOUR, lw=0.8, ls=":")
    ax.plot(studies.y, errors, "o", color=CONTROL_COLOUR, markersize=5)
    ax.set_ylim(top, 0)
    ax.set_ylabel("Standard error")
    ax.set_xlabel(f"{'Logarithm of the ' if studies.ratio else ''}{studies.effect} (k = {studies.k})")
    save_figure(fig, task.outputs["funnel"])


def findings(task: Task, studies: Studies, pooled: list[Pooled], rows: pd.DataFrame) -> list[Any]:
    """The pooled effect, heterogeneity, other models, studies that decide, and small-study effects."""
    main, place, k = pooled[0], where(task), studies.k
    mean, low, high = (studies.shown(x) for x in (main.effect, main.low, main.high))
    q, p_q, i2 = heterogeneity(studies.y, studies.v)
    said = f"{number(mean)} (95 % CI {number(low)} to {number(high)}, {p_value(main.p)})"
    text = f"{place}the pooled {studies.effect} of {k} studies is {said}, {main.method}"
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "k": k, "estimate": rounded(mean)}
    values |= {"low": rounded(low), "high": rounded(high), "p": shown_p(main.p), "confidence_percent": 95}
    if twice := same_numbers(studies):  # in the first sentence, which no answer leaves out
        text += f"; studies with the same numbers may be one that is counted twice: {listed(twice)}"
        values["same_numbers"] = twice
    text += "."
    if studies.left_out:
        text += f" {studies.left_out} rows without an effect or its precision are left out."
        values["left_out"] = studies.left_out
    text += f" Read as: {'; '.join(studies.notes)}."
    values["read_as"] = list(studies.notes)
    fields = {"effect": studies.effect, "estimate": mean, "low": low, "high": high, "p": main.p, "test": main.method}
    fields |= {"measure": studies.column, "missing": studies.left_out}
    found: list[Any] = [(text, values, result(task, "synthesis", k, **fields))]
    i2_shown = round(i2, 1)
    text = (
        f"{place}heterogeneity: Q = {number(q, 4)} on {k - 1} degrees of freedom, {p_value(p_q)}; I² = {i2_shown:g} %; "
    )
    text += f"variance between studies {number(main.tau2)} (DerSimonian-Laird), {number(pooled[1].tau2)} (REML)."
    numbers = {"Q": rounded(q, 4), "df": k - 1, "p": shown_p(p_q), "i2_percent": i2_shown, "tau2": rounded(main.tau2)}
    numbers |= {"tau2_reml": rounded(pooled[1].tau2), "power_of_I": 2}
    expected = prediction(main, k)
    if expected is not None:
        ends = [rounded(studies.shown(x)) for x in expected]
        text += (
            f" A further study is expected between {number(ends[0])} and {number(ends[1])} (95 % prediction interval)."
        )
        numbers |= {"prediction_low": ends[0], "prediction_high": ends[1], "prediction_percent": 95}
    if k < FEW:
        text += f" With fewer than {FEW} studies the variance between studies is hardly known."
        numbers["few"] = FEW
    found.append((text, {"dataset": task.parameter("dataset_label", ""), **numbers}))
    found.append(_other_models(task, studies, pooled))
    decisive = rows[(rows["p_without_it"] < 0.05) != (main.p < 0.05)]
    names = list(decisive["study"])
    least, most = (rows["pooled_without_it"].agg(how) for how in ("min", "max"))
    text = f"{place}left out one by one, the pooled {studies.effect} runs from {number(least)} to {number(most)}; "
    text += f"without {listed(names)} p crosses 0.05." if names else "no single study decides whether p is below 0.05."
    span = {"least": rounded(least), "most": rounded(most)}
    found.append((text, {"dataset": task.parameter("dataset_label", ""), **span, "alpha": 0.05, "deciding": names}))
    found.append(_asymmetry(task, studies))
    return found


def _other_models(task: Task, studies: Studies, pooled: list[Pooled]) -> Any:
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", "")}
    parts = []
    for n, m in enumerate(pooled[1:], 1):
        mean, low, high = (studies.shown(x) for x in (m.effect, m.low, m.high))
        parts.append(f"{m.method} {number(mean)} ({number(low)} to {number(high)}, {p_value(m.p)})")
        values |= {f"estimate_{n}": rounded(mean), f"low_{n}": rounded(low), f"high_{n}": rounded(high)}
        values |= {f"p_{n}": shown_p(m.p), f"model_{n}": m.method}
    return f"{where(task)}under other models the pooled {studies.effect} is: {'; '.join(parts)}.", values


def _asymmetry(task: Task, studies: Studies) -> Any:
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "k": studies.k, "least": FOR_ASYMMETRY}
    if studies.k < FOR_ASYMMETRY:
        text = f"small-study effects were not tested: {studies.k} studies, at least {FOR_ASYMMETRY} are needed."
        return f"{where(task)}{text}", values
    if np.ptp(studies.v) < 1e-12:
        return (
            f"{where(task)}small-study effects cannot be tested: all {studies.k} studies are equally precise.",
            values,
        )
    intercept, p = egger(studies.y, studies.v)
    verdict = "small studies differ from large ones" if p < 0.1 else "no small-study effect is shown"
    values |= {"intercept": rounded(intercept), "p": shown_p(p), "alpha": 0.1}
    text = f"{verdict} (Egger's regression: intercept {number(intercept)}, {p_value(p)}, k = {studies.k}; "
    text += "called at p < 0.1). "
    return f"{where(task)}{text}Reasons other than publication bias can cause it.", values


def main() -> None:
    task = load_task()
    studies = read_studies(task)
    pooled = models(studies)
    rows, other = tables(studies, pooled)
    print(f"{studies.k} studies, {studies.left_out} rows left out; {'; '.join(studies.notes)}")
    write_table(rows, task.outputs["table"])
    write_table(other, task.outputs["models"])
    forest(task, studies, rows, pooled[0])
    funnel(task, studies, pooled[0])
    write_findings(findings(task, studies, pooled, rows), task.outputs["findings"])


if __name__ == "__main__":
    main()
