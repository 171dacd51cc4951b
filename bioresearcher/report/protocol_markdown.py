"""A protocol as Markdown, from summary and decisions over parts with steps to limitations and references.

What the protocol stands on is written by `protocol_evidence.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bioresearcher.papers.markup import gap_in
from bioresearcher.report.protocol_content import PRACTICE_SAID, ProtocolContent
from bioresearcher.report.run_data import QuoteState, RunView
from bioresearcher.report.step_words import flow
from bioresearcher.report.summaries import ORIGINS, OUTCOMES, tasks_of_step, title_with_status
from bioresearcher.schemas.facts import Audit, LookRecord
from bioresearcher.schemas.paper import Evidence, Paper
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.stages.mend_script import rehearsal_said
from bioresearcher.stages.script import MADE_FOLDER, SCRIPT_FILE, made_files, place_of, script_of
from bioresearcher.text.blocks import md_blocks, md_spans
from bioresearcher.text.format import count_of, md, md_list, md_table

_NUMBER = re.compile(r"^\s*\d{1,2}[.)]\s+")
"""A rule's own number, which its place in the list gives."""
_QUOTE_STATES: dict[QuoteState, str] = {
    "found": "found at this place",
    "not found": "NOT FOUND in the stored text",
    "not rechecked": "stored text not at hand",
}


def render_protocol(content: ProtocolContent, evidence: str = "") -> str:
    """Render a protocol as one document without its run: no outcomes of tasks.

    Args:
        content: The protocol, with the facts, data sets and titles of papers that are at hand; else ids are shown.
        evidence: Name of the file beside it with what the protocol stands on; named in its last
            line, without a link, as the protocol is also read alone.
    """
    lines = [f"# {md(content.protocol.title)}", "", *body_lines(content, None, level=2)]
    if evidence:
        lines.append(
            f"What steps take from facts and papers, quotes, looks and the review: `{evidence}` in the run's folder."
        )
    return "\n".join(lines).rstrip() + "\n"


def render_for_review(protocol: Protocol, facts: Audit, looks: tuple[LookRecord, ...] = ()) -> str:
    """Render the protocol with the claims of each step in full and without quotes, references and earlier answers.

    The reviewer has the facts beside it and judges the plan, not its evidence.
    """
    content = ProtocolContent(protocol, facts, looks=looks, claims=True)
    lines = [f"# {md(protocol.title)}", "", *_front(content, 2)]
    for part in protocol.parts:
        lines += _part(part, replace(content, quoted=False, claims=True), None, 2)
    lines += [*_rule(content, 2), *_limits(content, 2, with_statements=False)]
    if protocol.rehearsal is not None:
        shown = protocol.rehearsal.shown or "It printed nothing."
        lines += ["## Rehearsal", "", rehearsal_said(protocol.rehearsal), "", *_fenced(shown)]
    return "\n".join(lines).rstrip() + "\n"


def titles_of(papers: Iterable[Paper]) -> Mapping[str, str]:
    """Return the title of each paper with its status, by id; of a long list of authors the first."""
    return {p.id: _reference(p) for p in papers}


def _reference(paper: Paper) -> str:
    first = f"{paper.authors[0]}{' et al.' if len(paper.authors) > 1 else ''} " if paper.authors else ""
    where = ", ".join(str(v) for v in (paper.journal, paper.year) if v)
    named = f"{first}{title_with_status(paper).rstrip('.')}.{f' {where}.' if where else ''}"
    return f"{named} Read: {paper.basis}."


def content_of(view: RunView, protocol: Protocol) -> ProtocolContent:
    """Return a protocol with the run's facts, data sets, registration, looks and papers."""
    titles = titles_of(view.papers)
    return ProtocolContent(protocol, view.audit, view.datasets, view.registration, view.looks, titles=titles)


def body_lines(content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    """Write the whole protocol with parts at heading `level` and steps one below; a run gives outcomes of tasks."""
    protocol = content.protocol
    yield from _front(content, level)
    if content.common_software and not content.scripted:
        yield from (f"Software, where a step names no other: {'; '.join(map(md, content.common_software))}.", "")
    if content.marked and not content.scripted:
        yield from (PRACTICE_SAID, "")
    for part in protocol.parts:
        yield from _part(part, content, view, level)
    yield from _rule(content, level)
    yield from _limits(content, level)
    yield from _references(content, level)
    yield from _script(content, level)
    if not content.scripted:
        made = f"{count_of(len(protocol.parts), 'part')}, {count_of(len(protocol.steps), 'step')}"
        yield from (f"{'#' * level} Notes", "")
        yield from (f"{made}; {ORIGINS[protocol.origin]}.", "")
    if content.registered:
        yield from (md(content.registered), "")


def _script(content: ProtocolContent, level: int) -> Iterable[str]:
    """Write the script in full, with how it is run and how its rehearsal went."""
    script = script_of(content.protocol, content.datasets)
    if script is None:
        return
    yield from (f"{'#' * level} Script", "")
    said = (
        f"Save it as `{SCRIPT_FILE}` and run it with Python; `DATA` names the folder of the files as they were given. "
    )
    made = sorted({place_of(d, f) for d, f in made_files(content.protocol, content.datasets)})
    if made:
        said += f"Beside it lies `{MADE_FOLDER}` with the tables made of them: {', '.join(f'`{m}`' for m in made)}. "
    yield from (f"{said}{rehearsal_said(content.protocol.rehearsal, script)}".rstrip(), "")
    yield from _fenced(script.text)


def _fenced(code: str) -> Iterable[str]:
    """Write code in a fence that it cannot close."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
    yield from (f"{fence}python", *code.rstrip("\n").splitlines(), fence, "")


def first_page_lines(content: ProtocolContent, level: int) -> Iterable[str]:
    """Write what must be known before the steps: decisions, data, facts, definitions, the rule, what is not done."""
    yield from _front(content, level)
    yield from _rule(content, level)
    yield from _limits(content, level, with_statements=False)


def _front(content: ProtocolContent, level: int) -> Iterable[str]:
    """Write summary, decisions, data, facts and definitions."""
    protocol, head = content.protocol, "#" * level
    if protocol.summary:
        yield from md_blocks(protocol.summary)
    if protocol.decisions:
        rows = [tuple(map(md_spans, row)) for row in content.decision_rows]
        yield from (f"{head} Decisions at a glance", "")
        yield from md_table(("Decision", "Choice", "Why"), rows)
    yield from _data(content, head)
    if protocol.facts:
        cells = [tuple(map(md_spans, row)) for row in content.fact_rows]
        yield from (f"{head} Facts that shape the plan", "")
        yield from md_table(("Fact", "Consequence"), cells)
    if protocol.definitions:
        yield from (f"{head} Definitions", "")
        for name, text in content.definition_rows:
            lines = [
                *md_blocks(text),
                *(_fenced(content.coded[name]) if content.claims and name in content.coded else ()),
            ]
            beside = bool(lines) and not lines[0].startswith(("|", "- ", "1. ", "```"))
            yield f"**{md(name)}.** {lines[0]}" if beside else f"**{md(name)}**"
            yield from lines[1:] if beside else ("", *lines)


def _data(content: ProtocolContent, head: str) -> Iterable[str]:
    """Write the data sets with their files, and what was left out of them or blanked before any analysis."""
    rows = [tuple(map(md_spans, row)) for row in content.data_rows]
    names: tuple[str, ...] = ("Data set", "Files", "Size", "Columns", "How it is made")
    if content.scripted and not content.claims:
        names, rows = ("Data set", "Files", "Size", "How it is made"), [(*row[:3], row[4]) for row in rows]
    _, others = content.decided
    given = content.as_given if content.carried_out else ()
    if not (rows or others or given):
        return
    yield from (f"{head} Data and cohorts", "")
    yield from md_table(names, rows) if rows else ()
    if others and not rows:
        yield from md_list(f"{md(p.dataset)}, {p.kind}: {md_spans(p.what)} {md_spans(p.reason)}" for p in others)
    if given:
        yield from (f"Results on {', '.join(map(md, given))} as given are a sensitivity analysis.", "")


def _rule(content: ProtocolContent, level: int) -> Iterable[str]:
    if content.protocol.answer_rule:
        yield from (f"{'#' * level} Decision rule for the answer", "")
        rules = [_NUMBER.sub("", r) for r in content.protocol.answer_rule]
        if all(r.count("→") == 1 for r in rules):
            cells = [[md_spans(side.strip()) for side in r.split("→")] for r in rules]
            yield from md_table(("Result", "Answer"), cells)
        else:
            yield from (*(f"{n}. {md_spans(r)}" for n, r in enumerate(rules, 1)), "")


def _limits(content: ProtocolContent, level: int, *, with_statements: bool = True) -> Iterable[str]:
    """Write what is not done, and the limitations, as one list of sentences."""
    rows = [row for row in content.limits if row[0] or with_statements]
    if rows:
        name = "Limitations, and what is not done" if with_statements else "What is not done"
        yield from (f"{'#' * level} {name}", "")
        yield from md_list(f"**{md(what)}.** {md_spans(why)}" if what else md_spans(why) for what, why in rows)


def _references(content: ProtocolContent, level: int) -> Iterable[str]:
    """Write the papers, a line each; those that were not used and share a reason in one."""
    if not content.references:
        return
    yield from (f"{'#' * level} References", "")
    lines = []
    for ids, said, used in content.references:
        named = [f"{md(i)}{f': {md(content.titles[i])}' if i in content.titles else ''}" for i in ids]
        lines += [f"{name} {md_spans(said)}" for name in named] if used else []
        lines += [] if used else [f"**Not used**: {'; '.join(map(md, ids))}, because: {md_spans(said)}"]
    yield from md_list(lines)


def part_lines(part: ProtocolPart, content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    """Write a part alone at heading `level`; passages are only named."""
    return _part(part, replace(content, quoted=False, first_page=False, claims=True), view, level)


def _part(part: ProtocolPart, content: ProtocolContent, view: RunView | None, level: int) -> Iterable[str]:
    yield from (f"{'#' * level} Part {md(part.id)}: {md(part.title)}", "")
    said = f"{md_spans(content.purpose(part))} {md_spans(part.reason)}".strip()
    yield from (said, "") if said else ()
    related = [] if content.scripted and not content.claims else [*_relations(part)]
    yield from (" ".join(related), "") if related else ()
    for step in part.steps:
        yield from _step(step, content, view, level + 1)
    if not part.steps:
        yield from ("This part has no steps yet.", "")
        yield from md_list(f"{md(line.id)} {md(line.title)}" for line in part.outline)


def _relations(part: ProtocolPart) -> Iterable[str]:
    """Write a sentence for each part that this one builds on."""
    for relation in part.relations:
        reason = f": {md(relation.reason).rstrip('.')}" if relation.reason else ""
        yield f"{relation.kind.capitalize()} part {md(relation.part)}{reason}."
    others = [md(p) for p in part.depends_on if p not in {r.part for r in part.relations}]
    if others:
        yield f"Needs part {', '.join(others)}."


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
    if content.scripted and not content.claims:
        yield from (f"*Why.* {md_spans(step.rationale)}", "") if step.rationale else ()
        yield from (f"*Check.* {md_spans(step.acceptance)}", "") if step.acceptance else ()
        return
    yield from md_list(_details(step, content))
    yield from _fenced(step.code) if step.code.strip() else ()


def _details(step: ProtocolStep, content: ProtocolContent) -> Iterable[str]:
    """List the details of a step that its action does not state."""
    inputs, outputs = flow(step)
    moved = [f"Inputs: {'; '.join(map(md, inputs))}"] if inputs else []
    moved += [f"Outputs: {'; '.join(map(md, outputs))}"] if outputs else []
    if moved:
        yield " → ".join(moved)
    yield from (f"{name}: {'; '.join(map(md_spans, values))}" for name, values in content.details(step))
    grounds = [g.text for g in content.grounds(step)] if content.claims else [*content.rests_on(step)]
    yield f"Rests on: {'; '.join(map(md, grounds))}" if grounds else f"**unsupported** {md(step.novelty)}".rstrip()


def _usual_origin(protocol: Protocol) -> str:
    """Return the origin of most steps, which is not repeated at each."""
    counted = Counter(s.origin for s in protocol.steps).most_common(1)
    return counted[0][0] if counted else protocol.origin


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
    gap = gap_in(evidence.text)
    yield from (">", f"> **Not whole**: {gap}.") if gap else ()
    yield ""
