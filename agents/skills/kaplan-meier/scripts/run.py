"""Kaplan-Meier curves of samples above and at or below the median score, with the log-rank test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bioskill import (
    CASE_COLOUR,
    CONTROL_COLOUR,
    Task,
    fail,
    figure,
    load_task,
    number,
    numeric_column,
    p_value,
    plain_text,
    read_samples,
    rounded,
    save_figure,
    survival_table,
    write_findings,
    write_table,
)

GROUPS = {"high": CASE_COLOUR, "low": CONTROL_COLOUR}


def scored_survival(task: Task) -> pd.DataFrame:
    """Columns time, event, score for the samples that have all three."""
    scores = read_samples(task.inputs["scores"], "sample")
    sheet = read_samples(task.inputs["samples"], task.parameter("sample_column"), task.parameter("missing_values", ()))
    values = numeric_column(scores, "score").dropna()
    shared = [s for s in values.index if s in sheet.index]
    if len(shared) < 6:
        fail(
            f"only {len(shared)} of the {len(values)} scored samples are in the sample sheet "
            f"{task.inputs['samples'].name} ({len(sheet)} samples); at least 6 are needed. Do the names match?"
        )
    table = survival_table(sheet.loc[shared], task.need("time_column"), task.need("event_column"))
    return table.assign(score=values[table.index])


def split_at_median(table: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """The table with a column `group` (high: score above the median) and the cut-off."""
    cut = float(table["score"].median())
    table = table.assign(group=np.where(table["score"] > cut, "high", "low"))
    for group in GROUPS:
        count = int((table["group"] == group).sum())
        if count < 5:
            fail(f"the {group} group of the median split has {count} samples; at least 5 are needed")
    return table, cut


def fit(table: pd.DataFrame) -> dict[str, Any]:
    """A fitted Kaplan-Meier estimator per group."""
    from lifelines import KaplanMeierFitter

    return {
        group: KaplanMeierFitter(label=group).fit(part["time"], part["event"])
        for group, part in ((g, table[table["group"] == g]) for g in GROUPS)
    }


def summarise(table: pd.DataFrame, curves: dict[str, Any]) -> pd.DataFrame:
    """Per group: samples, events, median time with its 95 % interval (missing: not reached)."""
    from lifelines.utils import median_survival_times

    rows = []
    for group, curve in curves.items():
        part = table[table["group"] == group]
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


def draw(table: pd.DataFrame, curves: dict[str, Any], words: dict[str, str], path: Path) -> None:
    """Curves with 95 % bands and censoring marks, numbers at risk below."""
    fig, ax = figure(6.4, 5.0)
    ax.remove()
    top, below = fig.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    for group, curve in curves.items():
        part = table[table["group"] == group]
        label = f"{group} score (n = {len(part)}, {int(part['event'].sum())} events)"
        x, y = curve.survival_function_.index, curve.survival_function_[group]
        top.step(x, y, where="post", color=GROUPS[group], label=label)
        band = curve.confidence_interval_
        top.fill_between(x, band.iloc[:, 0], band.iloc[:, 1], step="post", color=GROUPS[group], alpha=0.12, lw=0)
        censored = part.loc[part["event"] == 0, "time"]
        top.plot(censored, curve.predict(censored), "|", color=GROUPS[group], markersize=5)
    top.set_ylim(0, 1.03)
    top.set_xlim(left=0)
    top.set_ylabel(plain_text(words["y"]))
    top.set_title(plain_text(words["title"], 110), fontsize=9)
    top.legend(frameon=False, loc="lower left")
    ticks = [t for t in top.get_xticks() if 0 <= t <= table["time"].max()]
    top.set_xticks(ticks)
    for row, group in enumerate(GROUPS):
        times = table.loc[table["group"] == group, "time"]
        for tick in ticks:
            below.text(tick, row, str(int((times >= tick).sum())), ha="center", va="center", color=GROUPS[group])
    below.set_ylim(len(GROUPS) - 0.4, -0.6)
    below.set_yticks(range(len(GROUPS)), list(GROUPS))
    below.set_title("Number at risk", fontsize=8, loc="left")
    below.spines[["left", "bottom"]].set_visible(False)
    below.tick_params(length=0)
    below.tick_params(axis="y", pad=12)
    below.set_xlabel(plain_text(words["x"]))
    save_figure(fig, path)


def unstated(task: Task) -> str:
    """What the source does not say about the outcome, as the end of a sentence."""
    lacking = [w for w, k in (("endpoint", "endpoint"), ("time unit", "time_unit")) if not task.parameter(k)]
    return f" The source does not state the {' or the '.join(lacking)}." if lacking else ""


def median_phrase(row: Any, unit: str) -> tuple[str, dict[str, float]]:
    """A group's median time in words, with its numbers."""
    values, texts = {}, []
    for key in ("median_time", "median_low", "median_high"):
        value = getattr(row, key)
        texts.append(number(value, 6) if np.isfinite(value) else "not reached")
        if np.isfinite(value):
            values[f"{row.group}_{key}"] = rounded(value, 6)
    if not np.isfinite(row.median_time):
        return f"not reached in the {row.group} group", values
    remark = "" if unit else "unit not stated, "
    return f"{texts[0]}{unit} ({remark}95 % CI {texts[1]} to {texts[2]}) in the {row.group} group", values


def findings(task: Task, table: pd.DataFrame, summary: pd.DataFrame, test: Any, cut: float) -> list[Any]:
    """Log-rank result, median times, follow-up."""
    name = str(task.parameter("gene_set", "signature"))
    label, alpha = str(task.parameter("dataset_label", "the cohort")), float(task.parameter("alpha", 0.05))
    endpoint = f"time to {task.parameter('endpoint')}" if task.parameter("endpoint") else "time to event"
    unit = f" {task.parameter('time_unit')}" if task.parameter("time_unit") else ""
    p, chi2 = float(test.p_value), float(test.test_statistic)
    high, low = (summary[summary["group"] == g].iloc[0] for g in ("high", "low"))
    verdict = "differs between" if p < alpha else "shows no detected difference between"
    first = (
        f"In {label} ({len(table)} samples, {int(table['event'].sum())} events), {endpoint} {verdict} samples with a "
        f"{name} score above the median and the others (log-rank chi-square {number(chi2)}, {p_value(p)}; "
        f"{high['events']} events in {high['n']} high and {low['events']} in {low['n']} low).{unstated(task)}",
        {
            "dataset": label,
            "gene_set": name,
            "n": len(table),
            "events": int(table["event"].sum()),
            "chi_square": rounded(chi2),
            "p": max(float(f"{p:.2g}"), 1e-16),
            "alpha": alpha,
            "cut_off": cut,
            "high_n": int(high["n"]),
            "high_events": int(high["events"]),
            "low_n": int(low["n"]),
            "low_events": int(low["events"]),
            "endpoint": task.parameter("endpoint"),
            "time_unit": task.parameter("time_unit"),
        },
    )
    phrases, values = zip(*(median_phrase(row, unit) for row in summary.itertuples(index=False)), strict=True)
    numbers = {k: v for part in values for k, v in part.items()}
    second = (
        f"The Kaplan-Meier median {endpoint} in {label} is {' and '.join(phrases)}.",
        {"dataset": label, "confidence_percent": 95, "time_unit": task.parameter("time_unit")} | numbers,
    )
    return [first, second]


def main() -> None:
    from lifelines.statistics import logrank_test

    task = load_task()
    table, cut = split_at_median(scored_survival(task))
    curves = fit(table)
    summary = summarise(table, curves)
    high, low = table[table["group"] == "high"], table[table["group"] == "low"]
    test = logrank_test(high["time"], low["time"], high["event"], low["event"])
    unit = task.parameter("time_unit")
    name = str(task.parameter("gene_set", "signature"))
    words = {
        "x": f"Time ({unit})" if unit else "Time (unit not stated by the source)",
        "y": f"Share without {task.parameter('endpoint')}" if task.parameter("endpoint") else "Share without event",
        "title": f"{name}, split at the median, {task.parameter('dataset_label', 'cohort')}: "
        f"log-rank {p_value(float(test.p_value))}",
    }
    write_table(summary.assign(logrank_p=float(test.p_value)), task.outputs["summary"])
    write_table(curve_table(curves), task.outputs["curves"])
    draw(table, curves, words, task.outputs["figure"])
    write_findings(findings(task, table, summary, test, cut), task.outputs["findings"])


if __name__ == "__main__":
    main()
