"""Kaplan-Meier curves of samples above and at or below the median score, with the log-rank test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from bioplot import panels
from bioskill import (
    Task,
    load_task,
    number,
    p_value,
    plain_text,
    rounded,
    save_figure,
    shown_p,
    write_findings,
    write_table,
)
from biosurvival import (
    curve_table,
    draw_curves,
    fit_curves,
    log_rank,
    median_phrase,
    score_name,
    scored_survival,
    split_at_median,
    summarise,
    survival_result,
    time_label,
)


def draw(table: pd.DataFrame, curves: dict[str, Any], words: dict[str, str], path: Path) -> None:
    """Curves with 95 % bands and censoring marks, numbers at risk below."""
    fig, axes = panels(6.4, 5.0, 2, 1, sharex=True, height_ratios=[5, 1])
    draw_curves(axes, table, curves)
    top, below = axes
    top.set_ylabel(plain_text(words["y"]))
    top.set_title(plain_text(words["title"], 110), fontsize=9)
    below.set_title("Number at risk", fontsize=8, loc="left")
    below.set_xlabel(words["x"])
    save_figure(fig, path)


def unstated(task: Task) -> str:
    """What the source does not say about the outcome, as the end of a sentence."""
    lacking = [w for w, k in (("endpoint", "endpoint"), ("time unit", "time_unit")) if not task.parameter(k)]
    return f" The source does not state the {' or the '.join(lacking)}." if lacking else ""


def findings(task: Task, table: pd.DataFrame, summary: pd.DataFrame, test: Any, cut: float) -> list[Any]:
    """Log-rank result, median times, follow-up."""
    name = score_name(task)
    label, alpha = str(task.parameter("dataset_label", "the cohort")), float(task.parameter("alpha", 0.05))
    endpoint = f"time to {task.parameter('endpoint')}" if task.parameter("endpoint") else "time to event"
    unit = f" {task.parameter('time_unit')}" if task.parameter("time_unit") else ""
    p, chi2 = test.p_value, test.test_statistic
    strata = f"stratified by {task.parameter('strata_column')}: " if "stratum" in table else ""
    high, low = (summary[summary["group"] == g].iloc[0] for g in ("high", "low"))
    verdict = "differs between" if p < alpha else "shows no detected difference between"
    first = (
        f"In {label} ({len(table)} samples, {int(table['event'].sum())} events), {endpoint} {verdict} samples with a "
        f"{name} score above the median and the others ({strata}log-rank chi-square {number(chi2)}, {p_value(p)}; "
        f"{high['events']} events in {high['n']} high and {low['events']} in {low['n']} low).{unstated(task)}",
        {
            "dataset": label,
            "gene_set": name,
            "n": len(table),
            "events": int(table["event"].sum()),
            "chi_square": rounded(chi2),
            "p": shown_p(p),
            "alpha": alpha,
            "cut_off": cut,
            "high_n": int(high["n"]),
            "high_events": int(high["events"]),
            "low_n": int(low["n"]),
            "low_events": int(low["events"]),
            "endpoint": task.parameter("endpoint"),
            "time_unit": task.parameter("time_unit"),
            "stratified_by": task.parameter("strata_column"),
        },
        survival_result(
            task,
            table,
            p=p,
            groups={"high": high["n"], "low": low["n"]},
            group_events={"high": high["events"], "low": low["events"]},
            terms=[task.parameter("strata_column")] if "stratum" in table else [],
            test="log-rank",
        ),
    )
    phrases, values = zip(*(median_phrase(row, unit) for row in summary.itertuples(index=False)), strict=True)
    numbers = {k: v for part in values for k, v in part.items()}
    second = (
        f"The Kaplan-Meier median {endpoint} in {label} is {' and '.join(phrases)}.",
        {"dataset": label, "confidence_percent": 95, "time_unit": task.parameter("time_unit")} | numbers,
    )
    return [first, second]


def main() -> None:
    task = load_task()
    table, cut = split_at_median(scored_survival(task)[0])
    curves, test = fit_curves(table), log_rank(table)
    summary = summarise(table, curves)
    name = score_name(task)
    words = {
        "x": time_label(task.parameter("time_unit")),
        "y": f"Share without {task.parameter('endpoint')}" if task.parameter("endpoint") else "Share without event",
        "title": f"{name}, split at the median, {task.parameter('dataset_label', 'cohort')}: "
        f"log-rank {p_value(test.p_value)}",
    }
    write_table(summary.assign(logrank_p=test.p_value), task.outputs["summary"])
    write_table(curve_table(curves), task.outputs["curves"])
    draw(table, curves, words, task.outputs["figure"])
    write_findings(findings(task, table, summary, test, cut), task.outputs["findings"])


if __name__ == "__main__":
    main()
