"""The run report as HTML pages: inline style, figures as data URIs, no script and no request, relative links."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import replace
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bioresearcher.analysis.sets import flow_rows
from bioresearcher.report import markdown, summaries
from bioresearcher.report.caveats import not_verified
from bioresearcher.report.first_page import PAGES, caption, cell_anchor, first_page, linked_cells
from bioresearcher.report.protocol_content import PRACTICE_SAID
from bioresearcher.report.protocol_markdown import content_of
from bioresearcher.report.run_data import RunView, flow_figure
from bioresearcher.report.step_words import flow
from bioresearcher.schemas.execution import Outcome
from bioresearcher.schemas.review import METRICS
from bioresearcher.stages.deviations import deviation_lines
from bioresearcher.text import format as fmt
from bioresearcher.text.blocks import spans, text_blocks
from bioresearcher.text.visible import one_line, tail, visible


def render_html(view: RunView) -> str:
    """Render the first page: answers, caveats, methods in brief."""
    return _page(view, "first")


def render_pages(view: RunView) -> dict[str, str]:
    """Render the pages behind the first one, by name: evidence, protocol, tasks, review, record."""
    return {name: _page(view, name) for name in PAGES}


def _page(view: RunView, here: str) -> str:
    """Render one page.

    Everything that comes from papers, data, tasks or models is escaped by the template engine and freed of
    control and direction characters. The same view gives the same text, byte for byte.
    """
    css, csp = page_style()
    found = summaries.findings_by_part(view)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            here=here,
            pages="report/" if here == "first" else "",
            root="" if here == "first" else "../",
            page_titles=PAGES,
            first=first_page(view),
            cells=linked_cells(view),
            flow_ids=frozenset(f.question for f in view.flows),
            written=replace(content_of(view, view.protocol), quoted=False) if view.protocol else None,
            title=summaries.title(view),
            css=css,
            csp=csp,
            stamps=(summaries.headline(view), *summaries.stamps(view)),
            rates=summaries.task_rates(view),
            automation=summaries.automation_rows(view),
            requirements=summaries.requirement_rows(view),
            found=found,
            negative=summaries.negative_findings(found),
            open_tasks=[t for t in view.tasks if not t.verified],
            papers=summaries.paper_views(view),
            not_read=markdown.not_read_papers(view.screening, view.papers),
            not_read_counts=markdown.count_by_reason(markdown.not_read_papers(view.screening, view.papers)),
            max_not_read=markdown.MAX_NOT_READ,
            paper_titles={p.id: summaries.title_with_status(p) for p in view.papers},
            datasets=summaries.dataset_views(view),
            quotes=Counter(view.quotes.values()),
            doubts=not_verified(view),
            commands=summaries.commands(view),
            settings=summaries.result_settings(view),
            answered_in=summaries.answering_run(view),
            varying=summaries.NOT_REPEATED,
            model_columns=tuple(zip(summaries.MODEL_COLUMNS, summaries.MODEL_NUMBERS, strict=True)),
        )
    )


def page_style() -> tuple[Markup, str]:
    """Return the style sheet of the package's pages, and the content security policy that allows only this style."""
    css = _resource("report.css")
    return Markup(css), _policy(css)  # noqa: S704 - a file of this package


def outcome_tone(outcome: Outcome) -> summaries.Tone:
    """Return the tone of an outcome: `good` if verified, `warn` if never started, else `bad`."""
    if outcome is Outcome.VERIFIED:
        return "good"
    return "warn" if outcome in {Outcome.NOT_RUN, Outcome.BLOCKED} else "bad"


def _policy(css: str) -> str:
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _resource(name: str) -> str:
    return resources.files("bioresearcher.report").joinpath(name).read_text(encoding="utf-8")


def _finalize(value: object) -> object:
    # Markup is either a macro's output, whose values came through here, or this package's own text.
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        one_line=one_line,
        number=fmt.number,
        value=fmt.value_text,
        size=fmt.size,
        count=fmt.count_of,
        tail=tail,
        tokens_in=summaries.tokens_in,
        tokens_out=summaries.tokens_out,
        cost=summaries.cost,
        moment=fmt.timestamp_text,
        words=fmt.label_text,
        file_link=fmt.file_link,
        doi_link=fmt.doi_link,
        pmid_link=fmt.pmid_link,
        pmcid_link=fmt.pmcid_link,
        accession_link=fmt.accession_link,
    )
    environment.globals.update(
        anchor=summaries.anchor,
        caption=caption,
        cell_anchor=cell_anchor,
        outcomes=summaries.OUTCOMES,
        outcome_tone=outcome_tone,
        origins=summaries.ORIGINS,
        kinds=summaries.KINDS,
        metrics=METRICS,
        tasks_of_step=summaries.tasks_of_step,
        flow=flow,
        flow_rows=flow_rows,
        flow_figure=flow_figure,
        practice=PRACTICE_SAID,
        text_blocks=text_blocks,
        spans=spans,
        measured=markdown.measured,
        deviation_lines=deviation_lines,
        described=summaries.output_caption,
        dataset_facts=summaries.dataset_facts,
        in_no_step=summaries.unused_mentions,
    )
    return environment
