"""What the designer works from, and how much of it each level of the design sees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bioresearcher.schemas.ask_design import KnownPart, KnownStep, LearntFrom, SkillBrief
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.protocol import ReportPartRef
from bioresearcher.schemas.report import Analysis, Report, ReportStep
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.drafts import MAX_PARTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KNOWN_STEPS = 40
Similarities = Callable[[Sequence[str], Sequence[str]], "NDArray[np.float32]"]
"""Cosine similarity of every text of the first list with every text of the second."""


@dataclass(frozen=True)
class Bench:
    """What the designer works from: the reports with their analyses, the data sets, the skills."""

    objective: Objective
    reports: Mapping[str, Report]
    analyses: Mapping[str, Analysis]
    datasets: tuple[Dataset, ...]
    skills: Mapping[str, Skill]
    max_parts: int = MAX_PARTS
    checks: tuple[DatasetCheck, ...] = ()

    def without(self, ids: Collection[str]) -> Bench:
        """The bench without some data sets and papers."""
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
        """All report parts with their referability; the most reusable first."""
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
        """The report step a reference names, or None."""
        report = self.reports.get(ref.paper_id)
        parts = {p.id: p for p in report.parts} if report else {}
        steps = parts[ref.part_id].steps if ref.part_id in parts else ()
        return next((s for s in steps if s.id == ref.step_id), None)

    def known_steps(self, refs: Sequence[ReportPartRef]) -> tuple[KnownStep, ...]:
        """The supported steps of some report parts, in full."""
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
