"""Reviews as one HTML page: no script, no request, everything from protocols escaped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from bioresearcher.review.compare import Change
from bioresearcher.review.gates import count_severities
from bioresearcher.review.render import Reviewed
from bioresearcher.review.rubric import RUBRIC
from bioresearcher.schemas.review import METRICS
from bioresearcher.text.visible import one_line

_ORIGINS = {
    "offline": "scores computed by rule, no model",
    "model": "scores by a language model",
    "mixed": "scores partly by a language model, partly by rule",
    "scripted": "scripted replies of a test",
}


def as_html(results: Sequence[Reviewed], change: Change | None = None) -> str:
    """The page; with a comparison, what changed stands first."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["line"] = lambda text: one_line(str(text), 1200)
    source = resources.files("bioresearcher.review").joinpath("review.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        results=results, change=change, metrics=METRICS, rubric=RUBRIC, count=count_severities, origins=_ORIGINS
    )
