"""A protocol as Markdown: a first page, the parts with their steps, and an appendix with what the steps rest on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bioresearcher.report.protocol_content import ProtocolContent, flow
from bioresearcher.report.run_data import QuoteState, RunView
from bioresearcher.report.summaries import ORIGINS, OUTCOMES, tasks_of_step, title_with_status
from bioresearcher.schemas.facts import Audit, LookRecord
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.registration import Registration
from bioresearcher.text.blocks import md_blocks, md_spans
from bioresearcher.text.format import count_of, md, md_list, md_table
from bioresearcher.text.visible import one_line

_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s+")
"""A rule's own number, which its place in the list gives."""
_LOOKS = "Their code and what they printed are kept with the run (`looks.json`)."
_QUOTE_STATES: dict[QuoteState, str] = {
    "found": "found at this place",
    "not found": "NOT FOUND in the stored text",
    "not rechecked": "stored text not at hand",
}


def render_protocol(
    protocol: Protocol,
    facts: Audit | None = None,
    registration: Registration | None = None,
    looks: tuple[LookRecord, ...] = (),
) -> str:
    """Render a protocol as one document without its run: ids instead of titles, and no outcomes of tasks.

    Args:
        protocol: The protocol.
        facts: The run's facts and proposals; without them only their ids are shown.
        registration: Registration of the protocol, once it is approved.
        looks: Looks at the data before it was planned; those that it names are listed.
    """
    content = ProtocolContent(protocol, facts or Audit(), registration=registration, looks=looks)
    lines = [f"# {md(protocol.title)}", "", *content_lines(content, None, level=2)]
    return "\n".join(lines).rstrip() + "\n"


def render_for_review(protocol: Protocol, facts: Audit, looks: tuple[LookRecord, ...] = ()) -> str:
    """Render the first page and the parts, with the claims of each step in full and without quotes and earlier answers.

    The reviewer has the facts beside it and judges the plan, not its appendix.
    """
    content = ProtocolContent(protocol, facts, looks=looks)
    lines = [f"# {md(protocol.title)}", "", *first_page_lines(content, 2)]
    for part in protocol.parts:
        lines += _part(part, replace(content, quoted=False, claims=True), None, 2)
    return "\n".join(lines).rstrip() + "\n"


def content_of(view: RunView, protocol: Protocol) -> ProtocolContent:
    """Return a protocol with the run's facts, data sets and registration."""
    return ProtocolContent(protocol, view.audit, view.datasets, view.registration, view.looks)


def protocol_lines(protocol: Protocol, view: RunView, level: int) -> Iterable[str]:
    """Write a run's protocol with parts at heading `level` and steps one below.

    The run gives the facts, the titles of papers, the state of quotes and the outcomes of tasks.
    """
    return content_lines(content_of(view, protocol), view, level)


def content_lines(content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    """Write the first page, the parts and the appendix."""
    yield from first_page_lines(content, level)
    for part in content.protocol.parts:
        yield from _part(part, content, view, level)
    if content.protocol.limitations:
        yield from (f"{'#' * level} Limitations the protocol states", "")
        yield from md_list(md_spans(text) for text in content.protocol.limitations)
    yield from _appendix(content, view, level)


def first_page_lines(content: ProtocolContent, level: int) -> Iterable[str]:
    """Write the first page: summary, decisions, facts, what is not done, the decision rule, definitions."""
    protocol = content.protocol
    if protocol.summary:
        yield from md_blocks(protocol.summary)
    resting = len(protocol.steps) - len(content.ungrounded)
    yield (
        f"{count_of(len(protocol.parts), 'part')}, {count_of(len(protocol.steps), 'step')}, {resting} of them resting "
        f"on a passage or a fact of the data; {ORIGINS[protocol.origin]}."
    )
    yield ""
    if content.registered:
        yield from (md(content.registered), "")
    head = "#" * level
    if protocol.decisions:
        rows = [tuple(map(md_spans, row)) for row in content.decision_rows]
        yield from (f"{head} Decisions at a glance", "")
        yield from md_table(("Question", "Choice", "Why", "Rests on"), rows)
    if protocol.facts:
        cells = [tuple(map(md_spans, row)) for row in content.fact_rows]
        yield from (f"{head} Facts that shape the plan", "")
        yield from md_table(("Fact", "What was found", "What the plan does"), cells)
    yield from _prepared(content)
    if protocol.not_done:
        yield from (f"{head} Not done, and why", "")
        yield from md_list(f"**{md(n.what).rstrip('.')}.** {md_spans(n.why)}" for n in protocol.not_done)
    if protocol.answer_rule:
        yield from (f"{head} Decision rule for the answer", "")
        yield from (f"{n}. {md_spans(_NUMBER.sub('', rule))}" for n, rule in enumerate(protocol.answer_rule, 1))
        yield ""
    if protocol.definitions:
        yield from (f"{head} Definitions", "")
        for name, text in content.definition_rows:
            lines = [*md_blocks(text)]
            beside = bool(lines) and not lines[0].startswith(("|", "- ", "1. ", "```"))
            yield f"**{md(name)}.** {lines[0]}" if beside else f"**{md(name)}**"
            yield from lines[1:] if beside else ("", *lines)


def _prepared(content: ProtocolContent) -> Iterable[str]:
    """Write what was left out of the data or blanked before any analysis."""
    if not content.carried_out:
        return
    said, others = content.decided
    given = ", ".join(map(md, content.as_given))
    also = f" (see the decisions: {md(', '.join(said))})" if said else ""
    also += f"; numbers on {given} as given stand as sensitivity analysis" if given else ""
    yield from (f"**Prepared before any analysis**{also}{':' if others else '.'}", "")
    for one in others:
        facts = f" ({md(', '.join(one.facts))})" if one.facts else ""
        yield f"- {md(one.id)}, {md(one.dataset)}, {one.kind}: {md_spans(one.what)} {md_spans(one.reason)}{facts}"
    yield from ("",) if others else ()


def part_lines(part: ProtocolPart, content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    """Write a part alone at heading `level`; passages are only named."""
    return _part(part, replace(content, quoted=False, first_page=False, claims=True), view, level)


def _part(part: ProtocolPart, content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    yield from (f"{'#' * level} Part {md(part.id)}: {md(part.title)}", "")
    said = f"{md_spans(content.purpose(part))} {md_spans(part.reason)}".strip()
    yield from (said, "") if said else ()
    if part.novel and not any(s.citations for s in part.steps):
        yield from ("**Novel**: no step of this part was learnt from a paper that was read.", "")
    related = [*_relations(part)]
    yield from md_list(related) if related else ()
    for step in part.steps:
        yield from _step(step, content, view, level + 1)
    if not part.steps:
        yield from ("This part has no steps yet.", "")
        yield from md_list(f"{md(line.id)} {md(line.title)}" for line in part.outline)


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


def step_lines(step: ProtocolStep, content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    """Write a step alone at heading `level`, with the passages it rests on in full below it."""
    yield from _step(step, replace(content, first_page=False, claims=True), view, level)
    for source in content.sources:
        if step.id in source.steps:
            yield from (f"{source.label}:", "", *quote_lines(source.evidence, view))


def _step(step: ProtocolStep, content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    marks = ["wet lab"] if step.kind == "wet" else []
    marks += [f"task {md(t.task.id)}: {OUTCOMES[t.outcome]}" for t in (tasks_of_step(view, step.id) if view else ())]
    marks += [ORIGINS[step.origin]] if step.origin != _usual_origin(content.protocol) else []
    yield from (f"{'#' * level} {md(step.id)} {md(step.title)}", "")
    yield from (f"({'; '.join(marks)})", "") if marks else ()
    yield from md_blocks(step.action)
    yield from md_list(_details(step, content))


def _details(step: ProtocolStep, content: ProtocolContent) -> Iterable[str]:
    """List the details of a step that its action does not state."""
    inputs, outputs = flow(step)
    moved = [f"Inputs: {'; '.join(map(md, inputs))}"] if inputs else []
    moved += [f"Outputs: {'; '.join(map(md, outputs))}"] if outputs else []
    if moved:
        yield " → ".join(moved)
    yield from (f"{name}: {'; '.join(map(md_spans, values))}" for name, values in content.details(step))
    grounds = content.grounds(step)
    if grounds:
        yield f"Rests on: {'; '.join(md(g.text if content.claims or not content.facts else g.short) for g in grounds)}"
    else:
        yield f"**unsupported** {md(step.novelty)}".rstrip()


def _usual_origin(protocol: Protocol) -> str:
    """Return the origin of most steps, which is not repeated at each."""
    counted = Counter(s.origin for s in protocol.steps).most_common(1)
    return counted[0][0] if counted else protocol.origin


def _appendix(content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    """Write sources, further facts, papers, coverage, and the review's findings with their answers."""
    protocol, head = content.protocol, f"{'#' * level} Appendix:"
    if content.further_facts:
        yield from (f"{head} further facts cited", "")
        yield from md_table(("Fact", "What was found"), [tuple(map(md_spans, row)) for row in content.further_facts])
    if content.look_rows:
        yield from (f"{head} looks at the data before it was planned", "", _LOOKS, "")
        looks = [tuple(map(md_spans, row)) for row in content.look_rows]
        yield from md_table(("Id", "Copy of the data without outcomes", "Question"), looks)
    if content.sources or content.ungrounded:
        yield from (f"{head} sources", "")
        if content.ungrounded:
            yield from (f"Steps that no passage and no fact supports: {md(', '.join(content.ungrounded))}.", "")
        for source in content.sources:
            yield from (f"{source.label}, for step {md(', '.join(source.steps))}:", "")
            yield from quote_lines(source.evidence, view)
    if protocol.papers:
        yield from (f"{head} papers used and not used", "")
        papers = [
            ("; ".join(md(_titled(i, view)) for i in ids), md_spans(use), md_spans(why))
            for ids, use, why in content.paper_groups
        ]
        yield from md_table(("Paper", "Used for", "Reason"), papers)
    if protocol.coverage and view is None:
        yield from (f"{head} requirements", "")
        rows = [(md(c.requirement), md(", ".join(c.steps)), _met(c.met, c.reason)) for c in protocol.coverage]
        yield from md_table(("Requirement", "Steps", "Met"), rows)
    if protocol.answered:
        yield from (f"{head} findings of the review, and the author's answers", "", md(content.answered_said), "")
        left = [tuple(map(md_spans, row)) for row in (content.finding_rows if view else content.open_finding_rows)]
        yield from md_table(("Id", "Where", "Consequence", "Finding", "Answer"), left) if left else ()


def _met(met: bool, reason: str) -> str:
    state = "yes" if met else "**no**"
    return f"{state}: {md(reason)}" if reason else state


def _titled(paper_id: str, view: RunView | None) -> str:
    titles: Mapping[str, str] = {p.id: title_with_status(p) for p in (view.papers if view else ())}
    return f"{paper_id}: {one_line(titles[paper_id], 160)}" if paper_id in titles else paper_id


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
