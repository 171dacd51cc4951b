"""Reviews as tables in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bioresearcher.review.gates import count_severities
from bioresearcher.review.render import Reviewed
from bioresearcher.review.rubric import RUBRIC
from bioresearcher.schemas.review import METRICS, GateFinding, Review
from bioresearcher.text.visible import one_line

_COLOURS = {"error": "red", "warning": "yellow", "note": "dim", "pass": "green", "revise": "yellow", "fail": "red"}


def print_tables(results: Sequence[Reviewed], console: Console | None = None) -> None:
    """Print each review, and a comparison when there are several. Text is never read as markup."""
    console = console or Console()
    for r in results:
        console.print(Text(one_line(f"{r.file}: {r.title}" if r.title else r.file, 300), style="bold"))
        if r.review is None:
            console.print(Text(f"not reviewed: {one_line(f'{r.error} {r.hint}', 500)}", style="red"))
            continue
        console.print(_verdict(r.review))
        console.print(_scores(r.review))
        for warning in r.warnings:
            console.print(Text(f"reading: {one_line(warning, 300)}", style="dim"))
        if r.review.findings:
            console.print(_findings(r.review.findings))
        console.print(Text(r.review.summary, style="dim"))
        console.print()
    if len(results) > 1:
        console.print(_comparison(results))


def _verdict(review: Review) -> Text:
    text = Text(review.verdict, style=f"bold {_COLOURS[review.verdict]}")
    return text.append(f"  mean {review.mean_score:.2f} of 5, {count_severities(review.findings)}", style="default")


def _scores(review: Review) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for name in METRICS:
        m = review.metrics[name]
        table.add_row(RUBRIC[name].title, f"{m.score:.2f}", Text(m.reason))
    return table


def _findings(findings: Sequence[GateFinding]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("severity", "gate", "where"):
        table.add_column(column, no_wrap=True)
    table.add_column("what and what to do", overflow="fold")
    for f in findings:
        what = Text(f.message)
        if f.suggestion:
            what.append(f" → {f.suggestion}", style="dim")
        table.add_row(Text(f.severity, style=_COLOURS[f.severity]), f.gate, Text(f.location), what)
    return table


def _comparison(results: Sequence[Reviewed]) -> Table:
    table = Table(title="Comparison", box=None, pad_edge=False, title_justify="left")
    table.add_column("file", overflow="fold")
    for name in METRICS:
        table.add_column(RUBRIC[name].title, justify="right")
    table.add_column("mean", justify="right")
    table.add_column("verdict", no_wrap=True)
    for r in results:
        if r.review is None:
            table.add_row(Text(one_line(r.file, 200)), *[""] * (len(METRICS) + 1), Text("not reviewed", style="red"))
            continue
        scores = (*(r.review.metrics[m].score for m in METRICS), r.review.mean_score)
        verdict = Text(r.review.verdict, style=_COLOURS[r.review.verdict])
        table.add_row(Text(one_line(r.file, 200)), *(f"{s:.2f}" for s in scores), verdict)
    return table
