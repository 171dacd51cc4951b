"""A protocol as Markdown, each step with the passages it was learnt from."""

from __future__ import annotations

from collections.abc import Iterable

from bioresearcher.report.run_data import QuoteState, RunView
from bioresearcher.report.summaries import ORIGINS, OUTCOMES, step_facts, tasks_of_step, title_with_status
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.protocol import Link, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.text.format import count_of, md

_QUOTE_STATES: dict[QuoteState, str] = {
    "found": "found at this place",
    "not found": "NOT FOUND in the stored text",
    "not rechecked": "stored text not at hand",
}


def render_protocol(protocol: Protocol) -> str:
    """Render a protocol as one document without its run: ids instead of titles, and no outcomes of tasks."""
    return "\n".join([f"# {md(protocol.title)}", "", *protocol_lines(protocol, None, level=2)]).rstrip() + "\n"


def protocol_lines(protocol: Protocol, view: RunView | None, level: int) -> Iterable[str]:
    """Write the protocol with parts at heading `level` and steps one below.

    The run, if there is one, gives the titles of papers, the state of quotes and the outcomes of tasks.
    """
    if protocol.summary:
        yield from (md(protocol.summary), "")
    linked = sum(bool(s.links) for s in protocol.steps)
    yield (
        f"{count_of(len(protocol.parts), 'part')}, {count_of(len(protocol.steps), 'step')}, "
        f"{linked} linked to a passage; {ORIGINS[protocol.origin]}."
    )
    yield ""
    for part in protocol.parts:
        yield from part_lines(part, view, level)
    if protocol.limitations:
        yield from (f"{'#' * level} Limitations the protocol states", "")
        yield from (f"- {md(text)}" for text in protocol.limitations)
        yield ""


def part_lines(part: ProtocolPart, view: RunView | None, level: int, *, quotes: bool = True) -> Iterable[str]:
    """Write a part with its steps at heading `level`; without `quotes` the passages are only named."""
    yield from (f"{'#' * level} Part {md(part.id)}: {md(part.title)}", "")
    yield from (f"{md(part.purpose)} {md(part.reason)}".strip(), "")
    if part.novel:
        yield from ("**Novel**: no step of this part was learnt from a paper that was read.", "")
    yield from (f"- {line}" for line in _relations(part))
    yield ""
    for step in part.steps:
        yield from step_lines(step, view, level + 1, quotes=quotes)
    if not part.steps:
        yield from ("This part has no steps yet.", "")
        yield from (f"- {md(line.id)} {md(line.title)}" for line in part.outline)
        yield ""


def _relations(part: ProtocolPart) -> Iterable[str]:
    """List the relations of the part to other parts and to papers, a line each."""
    related = {r.part for r in part.relations}
    for relation in part.relations:
        reason = f": {md(relation.reason)}" if relation.reason else ""
        yield f"{relation.kind.capitalize()} part {md(relation.part)}{reason}"
    others = [md(p) for p in part.depends_on if p not in related]
    if others:
        yield f"Needs part {', '.join(others)}"
    papers: dict[str, list[str]] = {}
    for ref in part.learns_from:
        papers.setdefault(ref.paper_id, []).append(ref.part_id)
    if papers:
        sources = "; ".join(f"{md(p)} part {', '.join(md(n) for n in numbers)}" for p, numbers in papers.items())
        yield f"Learns from {sources}"


def step_lines(step: ProtocolStep, view: RunView | None, level: int, *, quotes: bool = True) -> Iterable[str]:
    """Write a step at heading `level`, with its facts and the passages it was learnt from."""
    marks = ["wet lab" if step.kind == "wet" else "dry lab"]
    marks += [] if step.links else ["**unsupported**"]
    marks += [f"task {md(t.task.id)}: {OUTCOMES[t.outcome]}" for t in (tasks_of_step(view, step.id) if view else ())]
    yield from (f"{'#' * level} {md(step.id)} {md(step.title)}", "", f"({'; '.join(marks)})", "")
    yield from (md(line) for line in step.action.splitlines() if line.strip())
    yield ""
    for name, values in step_facts(step):
        yield f"- {name}: {'; '.join(map(md, values)) or 'none stated'}"
    if step.links and not quotes:
        learnt = dict.fromkeys(f"{md(k.paper_id)} step {md(k.step_id)}" for k in step.links)
        yield from (f"- Learnt from {', '.join(learnt)}", "")
        return
    yield ""
    if not step.links:
        why = f" {md(step.novelty)}" if step.novelty else ""
        yield from (f"Evidence: none; no passage of a paper that was read supports this step.{why}", "")
        return
    yield from ("Evidence:", "")
    for link in step.links:
        yield from _link(link, view)


def _link(link: Link, view: RunView | None) -> Iterable[str]:
    yield from quote_lines(link.evidence, view)
    source = f"Learnt from step {md(link.step_id)} of {md(link.paper_id)}, similarity {link.similarity:.2f}."
    yield from (source, "")


def quote_lines(evidence: Evidence, view: RunView | None) -> Iterable[str]:
    """Write a quote as a block with its place in the paper and the state of the quote there."""
    papers = view.papers if view else ()
    title = next((title_with_status(p) for p in papers if p.id == evidence.document), evidence.document)
    page = f", page {evidence.page}" if evidence.page is not None else ""
    state = f"; {_QUOTE_STATES[view.quote_state(evidence)]}" if view else ""
    yield f"> “{md(evidence.text)}”"
    yield ">"
    where = f"{md(evidence.section) or 'no section'}{page}, characters {evidence.start}–{evidence.end}"
    yield f"> — {md(title)}; {where}{state}"
    yield ""
