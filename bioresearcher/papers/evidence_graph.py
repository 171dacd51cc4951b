"""The evidence graph of a run, from papers to protocol steps and back, and the effects of removing papers from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from bioresearcher.papers.identifiers import Identifiers
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.library import EvidenceGraph, PaperUse, StepBasis, StepGround, StepLoss, Without
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol, ProtocolStep

_SOURCE = re.compile(r"step:([^/]+)/")


def evidence_graph(
    papers: Iterable[Paper], reports: Iterable[PaperReport], protocol: Protocol | None, tasks: Sequence[DryLabTask]
) -> EvidenceGraph:
    """The evidence graph of a run, finished or not; a paper that was not read has no links."""
    steps = tuple(_basis(step, tasks) for step in (protocol.steps if protocol else ()))
    by_id = {r.paper_id: r for r in reports}
    return EvidenceGraph(steps=steps, papers=tuple(_use(p, by_id.get(p.id), steps) for p in papers))


def _basis(step: ProtocolStep, tasks: Iterable[DryLabTask]) -> StepBasis:
    grounds = (
        StepGround(
            paper_id=link.paper_id,
            report_step=link.step_id,
            section=link.evidence.section,
            page=link.evidence.page,
            start=link.evidence.start,
            end=link.evidence.end,
        )
        for link in step.links
    )
    sources = (_SOURCE.match(i.source) for i in step.inputs)
    return StepBasis(
        step_id=step.id,
        title=step.title,
        grounds=tuple(dict.fromkeys(grounds)),
        uses=tuple(dict.fromkeys(m[1] for m in sources if m)),
        tasks=tuple(t.id for t in tasks if step.id in t.step_ids),
        facts=tuple(dict.fromkeys(c.ref for c in step.citations if c.kind == "fact" and c.state == "supported")),
    )


def _use(paper: Paper, report: PaperReport | None, steps: Sequence[StepBasis]) -> PaperUse:
    over = [s for s in steps if any(g.paper_id == paper.id for g in s.grounds)]
    taken = [g.report_step for s in over for g in s.grounds if g.paper_id == paper.id and g.report_step]
    read = [s.id for part in report.parts for s in part.steps if s.supported] if report else []
    return PaperUse(
        paper_id=paper.id,
        title=paper.title,
        status=paper.status,
        basis=paper.basis if report else "",
        report_steps=tuple(read),
        quotes=report.quotes_located if report else 0,
        taken=tuple(dict.fromkeys(taken)),
        protocol_steps=tuple(s.step_id for s in over),
        tasks=tuple(dict.fromkeys(t for s in over for t in s.tasks)),
    )


def removal_effects(graph: EvidenceGraph, papers: Collection[str]) -> Without:
    """The effects on the protocol's steps of removing papers, e.g. because they were retracted.

    A step falls when it had grounds, none is left, and no fact about the data supports it; whatever needs the output of
    such a step follows, however long the way. A step that never had grounds does not fall: it is as before.
    """
    gone = set(papers)
    grounds = {s.step_id: tuple(dict.fromkeys(g.paper_id for g in s.grounds)) for s in graph.steps}
    lost = {step: tuple(p for p in ids if p in gone) for step, ids in grounds.items()}
    left = {step: tuple(p for p in ids if p not in gone) for step, ids in grounds.items()}
    down = {s.step_id for s in graph.steps if lost[s.step_id] and not left[s.step_id] and not s.facts}
    fallen = set(down)
    while more := {s.step_id for s in graph.steps if s.step_id not in down and down & set(s.uses)}:
        down |= more
    found = []
    for step in graph.steps:
        name = step.step_id
        if name in down or lost[name]:
            found.append(
                StepLoss(
                    step_id=name,
                    title=step.title,
                    effect="falls" if name in fallen else "follows" if name in down else "weakened",
                    lost=lost[name],
                    left=left[name],
                    through=tuple(u for u in step.uses if u in down),
                )
            )
    tasks = dict.fromkeys(t for s in graph.steps if s.step_id in down for t in s.tasks)
    return Without(papers=tuple(sorted(gone)), steps=tuple(found), tasks=tuple(tasks))


def named_papers(papers: Iterable[Paper], name: str) -> tuple[Paper, ...]:
    """The papers with an id of this program, a PMID, a PMC id or a DOI; usually one or none."""
    known, text = list(papers), name.strip()
    exact = tuple(p for p in known if p.id.casefold() == text.casefold())
    if exact:
        return exact
    asked = set(Identifiers.of(pmid=text.upper(), pmcid=None if text.isdigit() else text, doi=text).keys())
    return tuple(p for p in known if asked & set(Identifiers.of(pmid=p.pmid, pmcid=p.pmcid, doi=p.doi).keys()))
