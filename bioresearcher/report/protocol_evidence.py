"""Evidence of a protocol beside its written form: facts, claims of steps, quotes, looks, papers, review, remarks."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from bioresearcher.report.protocol_content import ProtocolContent
from bioresearcher.report.protocol_markdown import quote_lines, render_protocol, titles_of
from bioresearcher.report.run_data import RunView, read_audit
from bioresearcher.runfolder import RunFolder, write_text
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import LookRecord
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.registration import Registration
from bioresearcher.stages.registration import LOOKS
from bioresearcher.stages.script import MADE_FOLDER, SCRIPT_FILE, made_files, place_of, script_of
from bioresearcher.text.blocks import md_spans
from bioresearcher.text.format import count_of, md, md_list, md_table
from bioresearcher.text.visible import one_line

PROTOCOL_FILE = "protocol.md"
PROTOCOL_EVIDENCE_FILE = "protocol-evidence.md"
_LOOKS = "Their code and what they printed are kept with the run (`looks.json`)."


def write_protocol(folder: RunFolder, protocol: Protocol, registration: Registration | None = None) -> None:
    """Write `protocol.md`, and what it stands on beside it, with the facts, data sets and papers of the run."""
    content = ProtocolContent(
        protocol,
        read_audit(folder),
        folder.read_all(Dataset, "datasets"),
        registration,
        folder.read_list(LookRecord, LOOKS),
        titles=titles_of(folder.read_all(Paper, "papers")),
    )
    write_text(folder.path(PROTOCOL_FILE), render_protocol(content, PROTOCOL_EVIDENCE_FILE))
    write_text(folder.path(PROTOCOL_EVIDENCE_FILE), render_evidence(content))
    script = script_of(protocol, content.datasets)
    if script is not None:
        write_text(folder.path(SCRIPT_FILE), script.text)
        _lay_beside(folder, protocol, content.datasets)


def _lay_beside(folder: RunFolder, protocol: Protocol, datasets: tuple[Dataset, ...]) -> None:
    """Lay the tables that the script reads and nobody gave beside it; one that cannot be read is left out."""
    for dataset, file in made_files(protocol, datasets):
        source, target = Path(dataset.root, file.path), folder.path(MADE_FOLDER, *place_of(dataset, file).split("/"))
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)


def render_evidence(content: ProtocolContent) -> str:
    """Render what a protocol stands on as a document of its own."""
    title = f"# Evidence of the protocol: {md(content.protocol.title)}"
    said = f"The protocol itself is in [{PROTOCOL_FILE}]({PROTOCOL_FILE}). Fact and step numbers are those used there."
    return "\n".join([title, "", said, "", *evidence_lines(content, None, 2)]).rstrip() + "\n"


def evidence_lines(content: ProtocolContent, view: RunView | None, level: int, lead: str = "") -> Iterable[str]:
    """Write what a protocol stands on, with headings at `level`; each begins with `lead`.

    The run gives the state of quotes; a report shows the coverage of requirements in a place of its own.
    """
    protocol = content.protocol

    def head(name: str) -> tuple[str, str]:
        return (f"{'#' * level} {lead}{name if lead else name[:1].upper() + name[1:]}", "")

    if content.cited_facts:
        yield from head("facts in full")
        yield from md_table(("Fact", "What was found"), [tuple(map(md_spans, row)) for row in content.cited_facts])
    yield from _carried_out(content, head("preparation of the data"))
    if any(d.cites for d in protocol.decisions):
        yield from head("what the decisions rest on")
        cited = [(md_spans(d.question), md(", ".join(d.cites))) for d in protocol.decisions if d.cites]
        yield from md_table(("Decision", "Rests on"), cited)
    yield from head("what the steps rest on")
    yield from md_list(_grounds(content))
    if content.cut_rows:
        yield from head("claims that were cut, as their source does not hold them")
        cut = [tuple(map(md_spans, row)) for row in content.cut_rows]
        yield from md_table(("Step", "Source", "Claim", "Reason"), cut)
    if content.look_rows:
        yield from (*head("looks at the data before it was planned"), _LOOKS, "")
        looks = [tuple(map(md_spans, row)) for row in content.look_rows]
        yield from md_table(("Id", "Copy of the data without outcomes", "Question"), looks)
    if content.sources:
        yield from head("quotes")
        for source in content.sources:
            yield from (f"{source.label}, for step {md(', '.join(source.steps))}:", "")
            yield from quote_lines(source.evidence, view)
    if protocol.papers:
        yield from head("papers used and not used")
        rows = [
            (md(_titled(p.paper_id, content)), md_spans(p.use or "**not used**"), md_spans(p.reason))
            for p in protocol.papers
        ]
        yield from md_table(("Paper", "Used for", "Reason"), rows)
    if protocol.coverage and view is None:
        yield from head("requirements")
        met = [(md(c.requirement), md(", ".join(c.steps)), _met(c.met, c.reason)) for c in protocol.coverage]
        yield from md_table(("Requirement", "Steps", "Met"), met)
    if protocol.answered:
        yield from (*head("findings of the review, and the author's answers"), md(content.answered_said), "")
        answered = [tuple(map(md_spans, row)) for row in content.finding_rows]
        yield from md_table(("Id", "Where", "Consequence", "Finding", "Answer"), answered)
    if content.messages:
        yield from head("remarks of the program on the draft")
        yield from md_list(map(md_spans, content.messages))


def _carried_out(content: ProtocolContent, heading: Iterable[str]) -> Iterable[str]:
    """Write each preparation of the data with its reason and the facts that it follows from."""
    if content.carried_out:
        yield from heading
        rows = [tuple(map(md_spans, row)) for row in content.preparation_rows]
        yield from md_table(("Id", "Data set", "What", "Why"), rows)


def _grounds(content: ProtocolContent) -> Iterable[str]:
    """List what each step takes from facts, passages and practice, and what the parts learn from."""
    for part in content.protocol.parts:
        papers: dict[str, list[str]] = {}
        for ref in part.learns_from:
            papers.setdefault(ref.paper_id, []).append(ref.part_id)
        if papers:
            sources = "; ".join(f"{md(p)} part {', '.join(map(md, numbers))}" for p, numbers in papers.items())
            yield f"Part {md(part.id)} learns from {sources}."
        elif part.novel and not any(s.citations for s in part.steps):
            yield f"Part {md(part.id)} is **novel**: no step of this part was learnt from a paper that was read."
        for step in part.steps:
            grounds = "; ".join(md(g.text) for g in content.grounds(step))
            yield f"Step {md(step.id)}: {grounds or '**unsupported**'}"
    count = len(content.protocol.steps) - len(content.ungrounded)
    bare = f"; no passage and no fact supports {md(', '.join(content.ungrounded))}" if content.ungrounded else ""
    yield f"{count_of(count, 'step')} of {len(content.protocol.steps)} on a passage or a fact of the data{bare}."


def _met(met: bool, reason: str) -> str:
    state = "yes" if met else "**no**"
    return f"{state}: {md(reason)}" if reason else state


def _titled(paper_id: str, content: ProtocolContent) -> str:
    return f"{paper_id}: {one_line(content.titles[paper_id])}" if paper_id in content.titles else paper_id
