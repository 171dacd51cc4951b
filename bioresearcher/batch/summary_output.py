"""A batch's summary and a comparison of two as tables, CSV, JSON and one HTML page.

The page is in the style of the run reports: no script, no request, everything escaped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.summary import (
    MEASURES,
    SHARES,
    Comparison,
    Difference,
    Estimate,
    Measure,
    Summary,
    SummaryRow,
    summarise,
)
from bioresearcher.report.html import outcome_tone, page_style
from bioresearcher.runfolder import write_text
from bioresearcher.schemas.execution import Outcome
from bioresearcher.schemas.review import METRICS
from bioresearcher.text.format import count_of, duration, timestamp_text
from bioresearcher.text.visible import visible

TITLES: Final[Mapping[Measure, str]] = {name: name.replace("_", " ") for name in MEASURES} | {
    "execution": "exit code 0",
    "tokens": "tokens a run",
    "cost_usd": "cost a run, USD",
    "wall_s": "time a run",
}
UNKNOWN: Final = "–"


def formatted(measure: Measure, value: float | None) -> str:
    """Return a value in its unit: shares in percent, times as durations."""
    if value is None:
        return UNKNOWN
    if measure in SHARES:
        return f"{100 * value:.0f} %"
    if measure == "wall_s":
        return duration(value)
    if measure == "tokens":
        return f"{value:,.0f}"
    return f"{value:.4f}" if measure == "cost_usd" else f"{value:.1f}"


def interval(measure: Measure, figure: Estimate) -> str:
    """Return the interval as `[low, high]`; empty when there is none."""
    if figure.low is None or figure.high is None:
        return ""
    low, high = formatted(measure, figure.low), formatted(measure, figure.high)
    return f"[{low.removesuffix(' %')}, {high.removesuffix(' %')}]"


def money(value: float | None) -> str:
    """Return dollars; a dash when not known."""
    return UNKNOWN if value is None else f"{value:.4f}"


def method_text(summary: Summary | Comparison) -> str:
    """Return the method of the intervals in a sentence."""
    method = summary.method
    what = "objectives" if isinstance(summary, Summary) or summary.unit == "objective" else "runs"
    over = (
        "over an objective's runs; over all, of the mean of the objectives' values, objectives resampled"
        if isinstance(summary, Summary)
        else f"of the mean paired difference, {what} resampled"
    )
    test = f"; p by {method.test}, two-sided" if method.test else ""
    return (
        f"[ ] {100 * method.level:.0f} % {method.interval} intervals {over}: {method.resamples:,} resamples, "
        f"seed {method.seed}{test}."
    )


def answered_text(row: SummaryRow) -> str:
    """Return how many questions of an objective's runs were answered."""
    partly = f", {row.partly_answered} partly" if row.partly_answered else ""
    return f"{row.answered} of {count_of(row.questions, 'question')} answered{partly}"


def as_table(summary: Summary) -> RenderableType:
    """Draw the summary for a terminal of 80 columns or more: success, scores, spending, outcomes."""
    rows = (*summary.objectives, summary.overall)
    success = _table(
        f"batch {visible(summary.name)}",
        ("done", "failed", "stopped", "not begun", "tasks", "exit code 0", "verified"),
    )
    scores = _table(
        "scores of the review, 1 to 5", [metric.replace("_", "\n", 1).replace("_", " ") for metric in METRICS]
    )
    spent = _table("spent by all runs", ("tokens", "USD", "USD/verified", "time"))
    for row in rows:
        style = "bold" if row is summary.overall else ""
        states = [f"{row.done}/{row.runs}", *(str(n or UNKNOWN) for n in (row.failed, row.stopped, row.not_begun))]
        success.add_row(row.id, *states, str(row.tasks), *_all(SHARES, row), style=style)
        scores.add_row(row.id, *_all(METRICS, row), style=style)
        costs = (money(row.cost_usd), money(row.cost_per_verified_usd))
        spent.add_row(row.id, f"{row.tokens:,}", *costs, duration(row.wall_s), style=style)
    outcomes = ", ".join(f"{name} {number}" for name, number in summary.overall.outcomes.items()) or "none"
    lines = [f"{row.id}: {answered_text(row)}" for row in rows if row.questions]
    lines += [f"outcomes of tasks: {outcomes}", method_text(summary), *summary.notes]
    return Group(success, Text(), scores, Text(), spent, Text(), *(Text(visible(line)) for line in lines))


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("objective", overflow="fold", min_width=10)
    for name in columns:
        table.add_column(name, justify="right", no_wrap="\n" not in name and " " not in name)
    return table


def _all(measures: Sequence[Measure], row: SummaryRow) -> list[str]:
    return [_with_interval(measure, row.figures[measure]) for measure in measures]


def _with_interval(measure: Measure, figure: Estimate) -> str:
    return "\n".join(part for part in (formatted(measure, figure.value), interval(measure, figure)) if part)


def as_csv(summary: Summary) -> str:
    """Return CSV: a line per objective and one for all; an empty cell is an unknown value."""
    rows = (*summary.objectives, summary.overall)
    rungs = list(summary.overall.outcomes)
    plain = [name for name in SummaryRow.model_fields if name not in {"outcomes", "figures"}]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = [f"{name}{tail}" for name in MEASURES for tail in ("_mean", "_low", "_high", "_n")]
    writer.writerow([*plain, *(f"tasks_{name}" for name in rungs), *parts])
    for row in rows:
        figures = [row.figures[name] for name in MEASURES]
        numbers = [x for f in figures for x in (f.value, f.low, f.high, f.n)]
        writer.writerow([*(getattr(row, name) for name in plain), *(row.outcomes.get(n, 0) for n in rungs), *numbers])
    return text.getvalue()


def compared(comparison: Comparison) -> RenderableType:
    """Draw the comparison for a terminal."""
    table = Table(
        title=f"A {visible(comparison.a)}\nB {visible(comparison.b)}", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("", min_width=12)
    for name in ("A", "B", "B − A", "interval", f"{comparison.unit}s\n+/−/=", "p"):
        table.add_column(name, justify="right", no_wrap=name != "interval")
    for one in comparison.differences:
        table.add_row(*_compared(one))
    lines = [f"{comparison.pairs} pairs of runs, {comparison.objectives} objectives in both.", method_text(comparison)]
    for name, found in (("A", comparison.only_a), ("B", comparison.only_b)):
        lines += [f"only in {name}: {', '.join(found)}"] if found else []
    if comparison.changed:
        lines.append(f"not the same objective in both (text, inputs or settings): {', '.join(comparison.changed)}")
    return Group(table, Text(), *(Text(visible(line)) for line in (*lines, *comparison.notes)))


def _compared(one: Difference) -> list[str]:
    measure, figure = one.measure, one.difference
    change, span = UNKNOWN, UNKNOWN
    if figure.value is not None:
        change = ("" if figure.value < 0 else "+") + _signed(measure, figure.value)
        change += " points" if measure in SHARES else ""
    if figure.low is not None and figure.high is not None:
        span = f"[{_signed(measure, figure.low)}, {_signed(measure, figure.high)}]"
    p = UNKNOWN if one.p is None else f"{one.p:.3f}" if one.p >= 0.001 else "<0.001"
    units = f"{one.more}/{one.less}/{one.same}"
    return [TITLES[measure], formatted(measure, one.a), formatted(measure, one.b), change, span, units, p]


def _signed(measure: Measure, value: float) -> str:
    text = formatted(measure, abs(value)).removesuffix(" %")
    return f"−{text}" if value < 0 else text


def as_html(summary: Summary) -> str:
    """Return the HTML page; the same summary gives the same text, byte for byte."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(clean=visible, duration=duration, moment=timestamp_text, money=money)
    source = resources.files("bioresearcher.batch").joinpath("summary.html.j2").read_text(encoding="utf-8")
    css, csp = page_style()
    tones = {rung.value: outcome_tone(rung) for rung in Outcome}
    return environment.from_string(source).render(
        s=summary, rows=(*summary.objectives, summary.overall), css=css, csp=csp, titles=TITLES, metrics=METRICS,
        tones=tones, how=method_text(summary), shown=formatted, interval=interval, unknown=UNKNOWN,
    )  # fmt: skip


def as_text(summary: Summary, form: str) -> str:
    """Return the summary as `csv`, `json` or `html`."""
    if form == "json":
        return summary.model_dump_json(indent=2) + "\n"
    return as_csv(summary) if form == "csv" else as_html(summary)


def write_summary(folder: BatchFolder) -> Summary:
    """Write `summary.csv`, `summary.json` and `summary.html` of a batch as far as it got.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    summary = summarise(folder)
    for form in ("csv", "json", "html"):
        write_text(folder.path(f"summary.{form}"), as_text(summary, form))
    return summary
