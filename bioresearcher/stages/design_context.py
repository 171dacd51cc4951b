"""The author's material, and the assembly of what was written to one protocol with coverage and limitations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bioresearcher.analysis.sentences import questions_lacking
from bioresearcher.offline.coverage import methods_lacking
from bioresearcher.offline.skill_binding import extract_tasks as tasks_by_rule
from bioresearcher.offline.skill_uses import asked_for, unserved_skills
from bioresearcher.schemas.ask_design import KnownPaper, KnownPart, KnownStep, ProtocolPlan, SkillBrief
from bioresearcher.schemas.ask_program import ExtractTasksInput
from bioresearcher.schemas.base import Objective, Requirement, origin_of
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.facts import Audit, Fact, LookRecord, PassageRead, View
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.paper_report import PaperReport, ReferabilityAnalysis, ReportStep
from bioresearcher.schemas.protocol import (
    Coverage,
    PaperUse,
    Protocol,
    ProtocolPart,
    ProtocolStep,
    ReportPartRef,
)
from bioresearcher.schemas.question import AnalysisSets, Questions
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.draft_cleanup import MAX_PARTS, Known, with_sources
from bioresearcher.stages.script_tasks import script_tasks
from bioresearcher.stages.tasks import tasks_left_out
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import known_id
from bioresearcher.text.words import content_words, overlap

NEAR = 0.5
"""Share of a requirement's words from which a report part is named as the nearest."""
NOT_NAMED = "not named by the author"
_ORDER = {"high": 0, "medium": 1, "low": 2}
_READ = {"jats": "full text", "pdf": "full text", "note": "a note", "record": "title and abstract only"}
_WARNINGS = {
    "retracted": "retracted; it supports nothing",
    "concern": "an expression of concern was published",
    "corrected": "a correction was published",
}


@dataclass(frozen=True)
class DesignContext:
    """The author's material: paper reports with their analyses, data sets, facts, views, looks, skills.

    Attributes:
        papers: The papers that were read, by id.
        audit: Facts about the data, and proposals, found by rule.
        looked: Facts that looks of the author showed.
        passages: Passages of papers that the author read.
        questions: The questions of the objective, those that cannot be answered included.
        sets: The rows on which they are answered.
        max_tasks: Most tasks that are carried out; None when all are.
    """

    objective: Objective
    reports: Mapping[str, PaperReport]
    analyses: Mapping[str, ReferabilityAnalysis]
    datasets: tuple[Dataset, ...]
    skills: Mapping[str, Skill]
    max_parts: int = MAX_PARTS
    checks: tuple[DatasetCheck, ...] = ()
    papers: Mapping[str, Paper] = field(default_factory=dict)
    audit: Audit = field(default_factory=Audit)
    views: tuple[View, ...] = ()
    looks: tuple[LookRecord, ...] = ()
    looked: tuple[Fact, ...] = ()
    passages: tuple[PassageRead, ...] = ()
    questions: Questions = field(default_factory=Questions)
    sets: AnalysisSets = field(default_factory=AnalysisSets)
    max_tasks: int | None = None

    def without(self, ids: Collection[str]) -> DesignContext:
        """Return the material without some data sets and papers."""
        if not ids:
            return self
        return replace(
            self,
            reports={i: r for i, r in self.reports.items() if i not in ids},
            analyses={i: a for i, a in self.analyses.items() if i not in ids},
            datasets=tuple(d for d in self.datasets if d.id not in ids),
            checks=tuple(c for c in self.checks if c.dataset_id not in ids),
            papers={i: p for i, p in self.papers.items() if i not in ids},
            views=tuple(v for v in self.views if v.dataset not in ids),
            looked=tuple(f for f in self.looked if f.dataset not in ids),
            passages=tuple(p for p in self.passages if p.evidence.document not in ids),
            audit=self.audit.model_copy(
                update={
                    "facts": tuple(f for f in self.audit.facts if f.dataset not in ids),
                    "proposals": tuple(p for p in self.audit.proposals if p.dataset not in ids),
                }
            ),
        )

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, those of the audit first."""
        return (*self.audit.facts, *self.looked)

    @property
    def known(self) -> Known:
        """Ids that a plan may refer to."""
        reports = self.reports.items()
        steps = {f"{i}/{s.id}" for i, r in reports for p in r.parts for s in p.steps if s.supported}
        looks = [k.id for k in self.looks if k.id and not k.refused]
        return Known(
            looks=looks,
            facts=[f.id for f in self.facts],
            papers=[*self.reports],
            report_parts={(i, p.id) for i, r in reports for p in r.parts},
            sources=steps | {p.id for p in self.passages} | set(looks),
            datasets=[d.id for d in self.datasets],
        )

    @property
    def briefs(self) -> tuple[SkillBrief, ...]:
        """The skills as the designer sees them."""
        return tuple(
            SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in self.skills.values()
        )

    def known_papers(self) -> tuple[KnownPaper, ...]:
        """Return the papers that were read with all their report parts; those with the most reusable parts first.

        Steps are given for parts of high and medium referability, and only those that a quote supports.
        """
        found = [self._known_paper(paper_id, report) for paper_id, report in sorted(self.reports.items())]
        return tuple(sorted(found, key=lambda k: min((_ORDER[p.level] for p in k.parts), default=3)))

    def _known_paper(self, paper_id: str, report: PaperReport) -> KnownPaper:
        judged = {p.part_id: p for p in self.analyses[paper_id].parts} if paper_id in self.analyses else {}
        parts = []
        for part in report.parts:
            judgement = judged.get(part.id)
            level = judgement.level if judgement else "low"
            parts.append(
                KnownPart(
                    part_id=part.id,
                    title=part.title,
                    purpose=part.purpose,
                    level=level,
                    reuse=judgement.reuse if judgement else "",
                    change=judgement.change if judgement else "",
                    steps=() if level == "low" else tuple(_known_step(paper_id, s) for s in part.steps if s.supported),
                )
            )
        paper = self.papers.get(paper_id)
        return KnownPaper(
            paper_id=paper_id,
            title=report.title,
            read=_READ[paper.kind] if paper else "its report",
            warning=_WARNINGS.get(paper.status, "") if paper else "",
            parts=tuple(sorted(parts, key=lambda p: _ORDER[p.level])),
        )

    def report_step(self, ref: str) -> tuple[str, str, ReportStep] | None:
        """Return paper, part and step of a reference `<paper>/<step>`, or None when it does not exist."""
        named, _, number = ref.rpartition("/")
        paper_id = known_id(named, self.reports)
        if paper_id is None:
            return None
        steps = {s.id: (p.id, s) for p in self.reports[paper_id].parts for s in p.steps}
        step_id = known_id(number, steps)
        return (paper_id, *steps[step_id]) if step_id else None

    def known_steps(self, refs: Sequence[ReportPartRef]) -> tuple[KnownStep, ...]:
        """Return the supported steps of some report parts, in full."""
        known = []
        for ref in refs:
            report = self.reports.get(ref.paper_id)
            part = next((p for p in report.parts if p.id == ref.part_id), None) if report else None
            known += [_known_step(ref.paper_id, s) for s in (part.steps if part else ()) if s.supported]
        return tuple(known)


def _known_step(paper_id: str, step: ReportStep) -> KnownStep:
    return KnownStep(
        ref=f"{paper_id}/{step.id}",
        action=step.action,
        parameters=step.parameters,
        software=step.software,
        quotes=tuple(e.text for e in step.evidence),
    )


def assemble_protocol(
    bench: DesignContext,
    page: ProtocolPlan | Protocol,
    parts: tuple[ProtocolPart, ...],
    *,
    told: Sequence[str] = (),
) -> Protocol:
    """Assemble parts to one protocol: the first page of a plan or an earlier protocol, coverage, limitations.

    Args:
        bench: The author's material.
        page: Plan or earlier protocol whose first page it has.
        parts: The parts with their steps.
        told: Sentences about what was cut or could not be written; they stand among the limitations.
    """
    parts, lost = with_sources(parts)
    steps = [s for p in parts for s in p.steps]
    coverage = tuple(cover(r, parts, bench) for r in bench.objective.requirements)
    limitations = [*told, *_not_by_model(parts)]
    if lost:
        limitations.append(f"Inputs that no step makes, and that were left out: {', '.join(lost)}.")
    cut = [f"{s.id} ({c.ref or c.kind})" for s in steps for c in s.citations if c.state == "cut"]
    if cut:
        limitations.append(f"Citations that were cut, as their source does not hold the claim: {listing(cut, 12)}.")
    limitations += questions_lacking(bench.questions)
    limitations += [f"Requirement {c.requirement} is not met by any step: {c.reason}" for c in coverage if not c.met]
    limitations += _data_notes(bench)
    protocol = Protocol(
        id=bench.objective.id,
        title=page.title,
        objective_id=bench.objective.id,
        summary=page.summary,
        parts=parts,
        coverage=coverage,
        decisions=page.decisions,
        facts=page.facts,
        not_done=page.not_done,
        answer_rule=page.answer_rule,
        definitions=page.definitions,
        papers=_all_papers(page, steps, bench),
        origin=origin_of(s.origin for s in steps),
    )
    undone = beyond_limit(bench, protocol)
    return protocol.model_copy(
        update={"limitations": tuple(dict.fromkeys([*([undone] if undone else []), *limitations]))}
    )


def beyond_limit(bench: DesignContext, protocol: Protocol) -> str:
    """Return what of a protocol `max_tasks` leaves undone; empty when all is carried out."""
    if bench.max_tasks is None:
        return ""
    briefs = tuple(
        SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in bench.skills.values()
    )
    values = ExtractTasksInput(protocol=protocol, datasets=bench.datasets, skills=briefs)
    tasks = tasks_by_rule(values).tasks
    scripted = script_tasks(protocol, bench.datasets, {i for t in tasks for i in t.step_ids})
    return tasks_left_out((*tasks, *scripted), protocol, bench.max_tasks)


def _data_notes(bench: DesignContext) -> list[str]:
    """Return the notes of the data sets, each after the ids of those that have it.

    Where an audit found facts, which the first page has, only problems of the files are left. Of a prepared one, what
    its original says too and what the proposals say is left out.
    """
    audited = bool(bench.audit.facts)
    notes = {d.id: d.problems if audited else (*d.notes, *d.problems) for d in bench.datasets}
    done = {p.id: p.what for p in bench.audit.proposals}
    found: dict[str, list[str]] = {}
    for dataset in bench.datasets:
        before = notes.get(dataset.prepared_from or "", ())
        carried = [done[p] for p in dataset.proposals if p in done]
        for note in notes[dataset.id]:
            if note not in before and not any(what in note for what in carried):
                found.setdefault(note, []).append(dataset.id)
    return [f"{', '.join(ids)}: {note}" for note, ids in found.items()]


def assemble_again(
    bench: DesignContext, protocol: Protocol, parts: tuple[ProtocolPart, ...], told: Sequence[str] = ()
) -> Protocol:
    """Assemble a protocol whose parts or first page changed; limitations that were told before stay."""
    plain = assemble_protocol(bench, protocol, protocol.parts).limitations
    earlier = [text for text in protocol.limitations if text not in plain]
    made = assemble_protocol(bench, protocol, parts, told=(*earlier, *told))
    kept = ("id", "revision", "answered", "rehearsal")
    return made.model_copy(update={name: getattr(protocol, name) for name in kept})


def _all_papers(
    page: ProtocolPlan | Protocol, steps: Sequence[ProtocolStep], bench: DesignContext
) -> tuple[PaperUse, ...]:
    """Return what every paper that was read is used for, those added that the author forgot."""
    named = {p.paper_id: p for p in page.papers if p.paper_id in bench.reports}
    for paper_id in bench.reports:
        users = [s.id for s in steps if any(k.paper_id == paper_id for k in s.links)]
        known = named.get(paper_id)
        if users and (known is None or not known.use):
            named[paper_id] = PaperUse(paper_id=paper_id, use=f"cited by {', '.join(users)}")
        elif known is None or not (known.use or known.reason):
            named[paper_id] = PaperUse(paper_id=paper_id, reason=NOT_NAMED)
    return tuple(named.values())


def cover(requirement: Requirement, parts: tuple[ProtocolPart, ...], bench: DesignContext) -> Coverage:
    """Return the steps that meet a requirement; without any, the reason."""
    steps = [s for p in parts for s in p.steps if requirement.id in s.requirements]
    by = tuple(s.id for s in steps)
    lost = _not_carried_out(requirement, steps, bench)
    if lost:
        return Coverage(requirement=requirement.id, steps=by, met=False, reason=lost)
    return Coverage(
        requirement=requirement.id, steps=by, met=bool(by), reason="" if by else _why_not(requirement, bench)
    )


def _not_carried_out(requirement: Requirement, steps: Sequence[ProtocolStep], bench: DesignContext) -> str:
    """The reason why steps that name a requirement do not do all it asks; empty when they do.

    Only what rules can tell is told: words that are bound to nothing, and methods that no skill of these steps uses,
    where all of them are steps of skills.
    """
    unbound = [u for u in bench.questions.not_understood if u.where == requirement.id and u.narrows]
    if unbound:
        return f"“{unbound[0].words}”: {unbound[0].why}."
    if not steps or any(s.skill is None for s in steps):
        return ""
    used = {s.skill for s in steps}
    lacking = methods_lacking(requirement, [b for b in bench.briefs if b.name in used])
    return f"no step carries out {' and '.join(lacking)}." if lacking else ""


def _why_not(requirement: Requirement, bench: DesignContext) -> str:
    """Return what was lacking for a requirement: data, a method in the papers, a skill."""
    alone = Objective(id=bench.objective.id, text=requirement.text, conditions=bench.objective.conditions)
    briefs = bench.briefs
    lost = methods_lacking(requirement, briefs)
    if lost:
        return f"no vetted analysis does this ({' and '.join(lost)})."
    asked = [s.name for s in briefs if asked_for(s, requirement.text)]
    lacking = {s.name: why for s, why in unserved_skills(alone, bench.datasets, briefs)}
    if lacking:
        name, why = next(iter(lacking.items()))
        return f"the skill {name} would meet it, but {why or 'its inputs cannot be had'}."
    if asked:
        return f"the skill {asked[0]} would meet it, but no step of the plan uses it for this."
    said = "no skill does what it asks for"
    parts = [(i, p) for i, r in sorted(bench.reports.items()) for p in r.parts]
    if not parts:
        return f"{said}, and no paper was read that could show how."
    wanted = content_words(requirement.text)
    texts = [" ".join((p.title, p.purpose, *(s.action for s in p.steps))) for _, p in parts]
    shares = [overlap(wanted, content_words(text)) for text in texts]
    best = max(range(len(parts)), key=lambda n: shares[n])
    if shares[best] < NEAR:
        return f"{said}, and none of the {len(parts)} report parts read describes it."
    paper_id, near = parts[best]
    judged = bench.analyses[paper_id].parts if paper_id in bench.analyses else ()
    level = next((j.level for j in judged if j.part_id == near.id), "low")
    where = f"“{near.title}” ({paper_id} part {near.id}, referability {level})"
    return f"{said}; {where} comes nearest, but no step of the plan takes it up for this."


def _not_by_model(parts: tuple[ProtocolPart, ...]) -> list[str]:
    """Return the limitations for steps that the rules wrote for a model, and for steps not written."""
    steps = [s for p in parts for s in p.steps]
    by_rule = [s.id for s in steps if s.origin == "offline"]
    said = []
    if by_rule and len(by_rule) < len(steps):
        said.append(f"Steps written by rule, because the model's could not be used: {', '.join(by_rule)}.")
    written = {s.id for s in steps}
    lost = [line.id for p in parts for line in p.outline if line.id not in written]
    if lost:
        said.append(f"Planned steps that could not be written: {', '.join(lost)}.")
    empty = [p.id for p in parts if not p.steps]
    if empty:
        said.append(f"Parts without any step: {', '.join(empty)}.")
    return said
