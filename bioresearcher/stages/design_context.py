"""The designer's material, and the assembly of its parts to one protocol with coverage and limitations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bioresearcher.offline.skill_binding import asked_for, unserved_skills
from bioresearcher.schemas.ask_design import KnownPart, KnownStep, LearntFrom, SkillBrief
from bioresearcher.schemas.base import Objective, Requirement, origin_of
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper_report import PaperReport, ReferabilityAnalysis, ReportStep
from bioresearcher.schemas.protocol import Coverage, Protocol, ProtocolPart, ReportPartRef
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.draft_cleanup import MAX_PARTS, with_sources
from bioresearcher.text.visible import clip
from bioresearcher.text.words import content_words, overlap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KNOWN_STEPS = 40
NEAR = 0.5
"""Share of a requirement's words from which a report part is named as the nearest."""
Similarities = Callable[[Sequence[str], Sequence[str]], "NDArray[np.float32]"]
"""Cosine similarity of every text of the first list with every text of the second."""


@dataclass(frozen=True)
class DesignContext:
    """The designer's material: the paper reports with their analyses, the data sets, the skills."""

    objective: Objective
    reports: Mapping[str, PaperReport]
    analyses: Mapping[str, ReferabilityAnalysis]
    datasets: tuple[Dataset, ...]
    skills: Mapping[str, Skill]
    max_parts: int = MAX_PARTS
    checks: tuple[DatasetCheck, ...] = ()

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
        )

    @property
    def briefs(self) -> tuple[SkillBrief, ...]:
        """The skills as the designer sees them."""
        return tuple(
            SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in self.skills.values()
        )

    def known_parts(self, *, with_actions: bool) -> tuple[KnownPart, ...]:
        """Return all report parts with their referability; the most reusable first."""
        order = {"high": 0, "medium": 1, "low": 2}
        known = []
        for paper_id, report in sorted(self.reports.items()):
            judged = {p.part_id: p for p in self.analyses[paper_id].parts} if paper_id in self.analyses else {}
            for part in report.parts:
                judgement = judged.get(part.id)
                known.append(
                    KnownPart(
                        paper_id=paper_id,
                        paper_title=report.title,
                        part_id=part.id,
                        title=part.title,
                        purpose=part.purpose,
                        level=judgement.level if judgement else "low",
                        reason=judgement.reason if judgement else "",
                        reuse=judgement.reuse if judgement else "",
                        change=judgement.change if judgement else "",
                        actions=tuple(s.action for s in part.steps) if with_actions else (),
                    )
                )
        return tuple(sorted(known, key=lambda k: order[k.level]))

    def report_step(self, ref: LearntFrom) -> ReportStep | None:
        """Return the report step a reference names, or None."""
        report = self.reports.get(ref.paper_id)
        parts = {p.id: p for p in report.parts} if report else {}
        steps = parts[ref.part_id].steps if ref.part_id in parts else ()
        return next((s for s in steps if s.id == ref.step_id), None)

    def known_steps(self, refs: Sequence[ReportPartRef]) -> tuple[KnownStep, ...]:
        """Return the supported steps of some report parts, in full, at most 40."""
        known = []
        for ref in refs:
            report = self.reports.get(ref.paper_id)
            part = next((p for p in report.parts if p.id == ref.part_id), None) if report else None
            for step in part.steps if part else ():
                if step.supported:
                    known.append(
                        KnownStep(
                            paper_id=ref.paper_id,
                            part_id=ref.part_id,
                            step_id=step.id,
                            action=step.action,
                            details=step.details,
                            parameters=step.parameters,
                            software=step.software,
                            quotes=tuple(e.text for e in step.evidence),
                        )
                    )
        return tuple(known[:KNOWN_STEPS])


def assemble_protocol(
    bench: DesignContext,
    title: str,
    summary: str,
    parts: tuple[ProtocolPart, ...],
    *,
    passed: bool,
) -> Protocol:
    """Assemble parts to a protocol, with the coverage of the requirements and its limitations."""
    parts, lost = with_sources(parts)
    steps = [s for p in parts for s in p.steps]
    coverage = tuple(cover(r, parts, bench) for r in bench.objective.requirements)
    limitations = []
    if not passed:
        limitations.append("At least one part did not pass the review loop; the best version found is shown.")
    limitations += _not_by_model(parts)
    if lost:
        limitations.append(f"Inputs that no step makes, and that were left out: {', '.join(lost)}.")
    unsupported = [s.id for s in steps if not s.links]
    if unsupported:
        limitations.append(f"Steps without support in the papers read: {', '.join(unsupported)}.")
    limitations += [f"Requirement {c.requirement} is not met by any step: {c.reason}" for c in coverage if not c.met]
    limitations += [f"{d.id}: {note}" for d in bench.datasets for note in (*d.notes, *d.problems)]
    return Protocol(
        id=bench.objective.id,
        title=title,
        objective_id=bench.objective.id,
        summary=summary,
        parts=parts,
        coverage=coverage,
        limitations=tuple(limitations),
        origin=origin_of(s.origin for s in steps),
    )


def cover(requirement: Requirement, parts: tuple[ProtocolPart, ...], bench: DesignContext) -> Coverage:
    """Return the steps that meet a requirement; without any, the reason."""
    by = tuple(s.id for p in parts for s in p.steps if requirement.id in s.requirements)
    return Coverage(
        requirement=requirement.id, steps=by, met=bool(by), reason="" if by else _why_not(requirement, bench)
    )


def _why_not(requirement: Requirement, bench: DesignContext) -> str:
    """Return what was lacking for a requirement: data, a method in the papers, a skill."""
    alone = Objective(id=bench.objective.id, text=requirement.text, conditions=bench.objective.conditions)
    briefs = bench.briefs
    asked = [s.name for s in briefs if asked_for(s, requirement.text)]
    lacking = {s.name: why for s, why in unserved_skills(alone, bench.datasets, briefs)}
    if lacking:
        name, why = next(iter(lacking.items()))
        return f"the skill {name} would meet it, but {why or 'its inputs cannot be had'}."
    if asked:
        return f"the skill {asked[0]} would meet it, but no step of the plan uses it for this."
    said = "no skill does what it asks for"
    known = bench.known_parts(with_actions=True)
    if not known:
        return f"{said}, and no paper was read that could show how."
    wanted = content_words(requirement.text)
    near = max(known, key=lambda k: overlap(wanted, content_words(" ".join((k.title, k.purpose, *k.actions)))))
    share = overlap(wanted, content_words(" ".join((near.title, near.purpose, *near.actions))))
    if share < NEAR:
        return f"{said}, and none of the {len(known)} report parts read describes it."
    where = f"“{clip(near.title, 80)}” ({near.paper_id} part {near.part_id}, referability {near.level})"
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
