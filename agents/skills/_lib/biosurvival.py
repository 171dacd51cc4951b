"""Time to event and a score: the median split with its curves, Cox models, and hazard ratios in words."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from biocohort import read_scores, read_sheet
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    Task,
    fail,
    group_levels,
    number,
    p_value,
    plain_text,
    result,
    rounded,
    survival_table,
)

GROUPS = {"high": CASE_COLOUR, "low": CONTROL_COLOUR}
"""The halves of the median split, with their colours."""
STEP_SIZE = 0.5
"""With lifelines' default step of 0.95 the search can circle around the optimum when events are few."""


def with_strata(task: Task, table: pd.DataFrame, sheet: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
    """Add the column `stratum`: each sample's level of the parameter `strata_column`, if the task gives one.

    Samples whose level is not known are left out, and said on standard output.
    """
    column = task.parameter(f"{prefix}strata_column")
    if column is None:
        return table
    levels = group_levels(sheet, str(column)).reindex(table.index)
    if levels.isna().any():
        print(f"{int(levels.isna().sum())} samples without a value of {column!r} are left out")
    table = table.assign(stratum=levels)[levels.notna()]
    if table["stratum"].nunique() == 1:
        print(f"column {column!r} has one level in these samples, so stratifying by it changes nothing")
    return table


def informative(table: pd.DataFrame, event: str = "event") -> tuple[pd.DataFrame, str]:
    """Cut a table to the strata that a stratified model learns from, and name the others for a sentence.

    A stratum of one sample, or without an event, has no event to compare with others at risk: it adds nothing to
    the partial likelihood (Kalbfleisch and Prentice 2002, section 4.4). Without a column `stratum`, nothing changes.
    """
    if "stratum" not in table:
        return table, ""
    counts = table.groupby("stratum")[event].agg(["size", "sum"])
    idle = counts[(counts["size"] < 2) | (counts["sum"] < 1)]
    names = [f"{level} ({int(row['size'])}, {int(row['sum'])} events)" for level, row in idle.iterrows()]
    return table[~table["stratum"].isin(idle.index)], "; ".join(names)


def scored_survival(task: Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read time, event and score, and the sample sheet, of the samples that have all three (inputs scores, samples).

    With the parameter `strata_column`, the table has a column `stratum`, too.
    """
    sheet, values = read_sheet(task), read_scores(task)
    shared = [s for s in values.index if s in sheet.index]
    if len(shared) < 6:
        fail(
            f"only {len(shared)} of the {len(values)} scored samples are in the sample sheet "
            f"{task.input('samples').name} ({len(sheet)} samples); at least 6 are needed. Do the names match?"
        )
    table = survival_table(sheet.loc[shared], task.need("time_column"), task.need("event_column"))
    table = with_strata(task, table.assign(score=values[table.index]), sheet)
    return table, sheet.loc[table.index]


def score_name(task: Task) -> str:
    """Return what the score is of: the named set, the named genes, else the named column."""
    genes = " + ".join(map(str, task.parameter("genes", ())))
    return str(task.parameter("gene_set") or genes or task.parameter("score_column") or "signature")


def survival_result(task: Task, table: pd.DataFrame, **fields: Any) -> dict[str, Any]:
    """Return the `result` of a finding on time to event that rests on the rows of `table` (columns time and event).

    Rows of the sheet with time and event that are not among them count as missing: they have no score, or no value of
    a term.
    """
    columns = {f"{k}_column": str(task.need(f"{k}_column")) for k in ("time", "event")}
    known = survival_table(read_sheet(task), columns["time_column"], columns["event_column"], 0)
    rests = {"events": int(table["event"].sum()), "missing": max(0, len(known) - len(table))}
    rests |= {"endpoint": task.parameter("endpoint"), "measure": score_name(task)}
    return result(task, "time to event", len(table), **columns, **rests, **fields)


def split_at_median(table: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Return the table with a column `group` (high: score above the median) and the cut-off."""
    cut = float(table["score"].median())
    table = table.assign(group=np.where(table["score"] > cut, "high", "low"))
    for group, part in halves(table).items():
        if len(part) < 5:
            fail(f"the {group} group of the median split has {len(part)} samples; at least 5 are needed")
    return table, cut


def halves(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each group of the median split, high before low."""
    return parts_of(table, GROUPS)


def parts_of(table: pd.DataFrame, groups: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of each group, in the order of the groups."""
    return {group: table[table["group"] == group] for group in groups}


@dataclass(frozen=True)
class LogRank:
    """A log-rank test: chi-square with one degree of freedom less than there are groups, and its p-value."""

    test_statistic: float
    p_value: float
    df: int = 1


def log_rank(table: pd.DataFrame) -> LogRank:
    """Test the groups of a table against each other; with a column `stratum`, sums over strata (Mantel 1966)."""
    from scipy.stats import chi2

    groups = sorted(table["group"].unique())
    parts = [part for _, part in table.groupby("stratum")] if "stratum" in table else [table]
    sums = [_observed_less_expected(part, groups) for part in parts]
    difference, covariance = np.sum([s[0] for s in sums], axis=0), np.sum([s[1] for s in sums], axis=0)
    df = int(np.linalg.matrix_rank(covariance, tol=1e-10)) if len(groups) > 1 else 0
    if df < 1:
        fail("no event happened while samples of both groups were at risk, so they cannot be compared")
    statistic = float(difference @ np.linalg.pinv(covariance, hermitian=True) @ difference)
    return LogRank(statistic, float(chi2.sf(statistic, df)), df)


def _observed_less_expected(table: pd.DataFrame, groups: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Events of every group but the last less those expected, and their hypergeometric covariance, over event times."""
    time, event = table["time"].to_numpy(), table["event"].to_numpy() == 1
    member = np.column_stack([(table["group"] == g).to_numpy() for g in groups[:-1]]).astype(float)
    difference, covariance = np.zeros(len(groups) - 1), np.zeros((len(groups) - 1, len(groups) - 1))
    for moment in np.unique(time[event]):
        risk, events = time >= moment, event & (time == moment)
        n, d = int(risk.sum()), int(events.sum())
        share = member[risk].mean(axis=0)
        difference += member[events].sum(axis=0) - d * share
        if n > 1:
            covariance += d * (n - d) / (n - 1) * (np.diag(share) - np.outer(share, share))
    return difference, covariance


def fit_curves(table: pd.DataFrame, groups: Iterable[str] = tuple(GROUPS)) -> dict[str, Any]:
    """Fit a Kaplan-Meier estimator per group."""
    from lifelines import KaplanMeierFitter

    return {g: KaplanMeierFitter(label=g).fit(p["time"], p["event"]) for g, p in parts_of(table, groups).items()}


def summarise(table: pd.DataFrame, curves: dict[str, Any]) -> pd.DataFrame:
    """Per group: samples, events, median time with its 95 % interval (missing: not reached)."""
    from lifelines.utils import median_survival_times

    rows, parts = [], parts_of(table, curves)
    for group, curve in curves.items():
        part = parts[group]
        interval = median_survival_times(curve.confidence_interval_).to_numpy().ravel()
        median = [float(curve.median_survival_time_), float(interval[0]), float(interval[1])]
        finite = [m if np.isfinite(m) else np.nan for m in median]
        rows.append([group, len(part), int(part["event"].sum()), *finite])
    columns = ["group", "n", "events", "median_time", "median_low", "median_high"]
    return pd.DataFrame(rows, columns=columns)


def curve_table(curves: dict[str, Any]) -> pd.DataFrame:
    """Every step of the curves: group, time, at risk, events, censored, survival and its 95 % interval."""
    parts = []
    for group, curve in curves.items():
        events, interval = curve.event_table, curve.confidence_interval_
        frame = pd.DataFrame(
            {
                "group": group,
                "time": events.index,
                "at_risk": events["at_risk"].to_numpy(),
                "events": events["observed"].to_numpy(),
                "censored": events["censored"].to_numpy(),
                "survival": curve.survival_function_[group].to_numpy(),
                "lower": interval.iloc[:, 0].to_numpy(),
                "upper": interval.iloc[:, 1].to_numpy(),
            }
        )
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def median_phrase(row: Any, unit: str, group: str = "", key: str = "") -> tuple[str, dict[str, float]]:
    """A group's median time in words, with its numbers; `group` is what it is called, `key` its name in the numbers."""
    values, texts = {}, []
    group, key = group or f"in the {row.group} group", key or row.group
    for name in ("median_time", "median_low", "median_high"):
        value = getattr(row, name)
        texts.append(number(value, 6) if np.isfinite(value) else "not reached")
        if np.isfinite(value):
            values[f"{key}_{name}"] = rounded(value, 6)
    if not np.isfinite(row.median_time):
        return f"not reached {group}", values
    remark = "" if unit else "unit not stated, "
    return f"{texts[0]}{unit} ({remark}95 % CI {texts[1]} to {texts[2]}) {group}", values


def draw_curves(
    axes: Any,
    table: pd.DataFrame,
    curves: dict[str, Any],
    legend_size: float = 9,
    colours: Mapping[str, str] = GROUPS,
    names: Mapping[str, str] = MappingProxyType({"high": "high score", "low": "low score"}),
) -> None:
    """Draw curves with 95 % bands and censoring marks on the first of two axes, numbers at risk on the second."""
    top, below = axes
    parts = parts_of(table, colours)
    for group, colour in colours.items():
        part, curve, band = parts[group], curves[group], curves[group].confidence_interval_
        label = f"{names[group]} (n = {len(part)}, {int(part['event'].sum())} events)"
        top.step(band.index, curve.survival_function_[group], where="post", color=colour, label=label)
        top.fill_between(band.index, band.iloc[:, 0], band.iloc[:, 1], step="post", color=colour, alpha=0.12, lw=0)
        censored = part.loc[part["event"] == 0, "time"]
        top.plot(censored, curve.predict(censored), "|", color=colour, markersize=5)
    top.set_ylim(0, 1.03)
    top.set_xlim(left=0)
    top.legend(frameon=False, loc="lower left", fontsize=legend_size)
    ticks = [t for t in top.get_xticks() if 0 <= t <= table["time"].max()]
    top.set_xticks(ticks)
    for row, (group, part) in enumerate(parts.items()):
        for tick in ticks:
            count = str(int((part["time"] >= tick).sum()))
            below.text(tick, row, count, ha="center", va="center", color=colours[group])
    below.set_ylim(len(colours) - 0.4, -0.6)
    below.set_yticks(range(len(colours)), [plain_text(g, 18) for g in colours])
    below.spines[["left", "bottom"]].set_visible(False)
    below.tick_params(length=0)
    below.tick_params(axis="y", pad=12)


def time_label(unit: str | None) -> str:
    """Return the name of a time axis; an unknown unit is stated as such, not guessed."""
    return plain_text(f"Time ({unit or 'unit not stated by the source'})")


@dataclass(frozen=True)
class CoxFit:
    """A fitted Cox model of lifelines, and per term the p-value of the proportional-hazards test."""

    model: Any
    ph_p: np.ndarray


def fit_cox(
    data: pd.DataFrame, time: str = "time", event: str = "event"
) -> CoxFit | Literal["not converged", "unstable"]:
    """Fit a Cox model of all other columns, tested on scaled Schoenfeld residuals; or return why it is unusable.

    A column `stratum` is no term: each of its levels has a baseline hazard of its own.
    """
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning
    from lifelines.statistics import proportional_hazard_test

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            strata = ["stratum"] if "stratum" in data else None
            model = CoxPHFitter().fit(data, time, event, strata=strata, fit_options={"step_size": STEP_SIZE})
            check = proportional_hazard_test(model, data, time_transform="rank")
        except (ConvergenceError, np.linalg.LinAlgError):
            return "not converged"
    if any(issubclass(w.category, ConvergenceWarning) for w in caught):
        return "unstable"
    return CoxFit(model, np.ravel(check.p_value))


def ratio(value: float) -> str:
    """Format a hazard ratio for a sentence: two decimals, or significant digits where those would hide it."""
    return f"{value:.2f}" if 0.1 <= value < 100 else number(value)


def ratio_with_interval(value: float, low: float, high: float, p: float) -> str:
    """Format a hazard ratio for a figure, with its interval and p-value."""
    return f"{ratio(value)} ({ratio(low)}–{ratio(high)}), {p_value(p)}"
