"""A batch's summary as one HTML page in the style of the reports: no script, no request, everything escaped."""

from __future__ import annotations

from importlib import resources

from bioresearcher.batch.summary_schema import Summary
from bioresearcher.batch.summary_text import TITLES, UNKNOWN, how, interval, money, shown
from bioresearcher.report.html import outcome_tone, page_style
from bioresearcher.schemas.execution import Outcome
from bioresearcher.schemas.review import METRICS
from bioresearcher.text.format import duration, moment
from bioresearcher.text.visible import visible


def as_html(summary: Summary) -> str:
    """The page. The same summary gives the same text, byte for byte."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(clean=visible, duration=duration, moment=moment, money=money)
    source = resources.files("bioresearcher.batch").joinpath("summary.html.j2").read_text(encoding="utf-8")
    css, csp = page_style()
    tones = {rung.value: outcome_tone(rung) for rung in Outcome}
    return environment.from_string(source).render(
        s=summary, rows=(*summary.objectives, summary.overall), css=css, csp=csp, titles=TITLES, metrics=METRICS,
        tones=tones, how=how(summary), shown=shown, interval=interval, unknown=UNKNOWN,
    )  # fmt: skip
