"""Offline rules of the designer: plan the protocol from skills and, where none fits, from papers; write its steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bioresearcher.offline import first_page
from bioresearcher.offline.citations import fact_citations, passage_citations
from bioresearcher.offline.coverage import requirements_met
from bioresearcher.offline.paper_steps import (
    NOTE,
    action_lines,
    known_parts,
    literature_headings,
    literature_step,
    open_questions,
    part_steps,
)
from bioresearcher.offline.read import objective_texts
from bioresearcher.offline.skill_binding import Binding, Use
from bioresearcher.offline.skill_uses import asked_for, choose_uses
from bioresearcher.schemas.ask_design import (
    HeadingDraft,
    PlannedPart,
    PlanProtocolInput,
    ProtocolPlan,
    ProtocolStepDraft,
    SkillBrief,
    StepsDraft,
    WriteStepsInput,
)
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import OutlineLine, Relation, ReportPartRef, StepOutput
from bioresearcher.schemas.skill import SkillProtocol
from bioresearcher.text.format import as_sentence
from bioresearcher.text.visible import clip
from bioresearcher.text.words import Similarity, sentence_texts

SENSITIVITY = "Sensitivity: data as given"
"""Title of the part that repeats outcome analyses without what was prepared."""
MOST_TITLE = 160
"""Characters of a protocol's title."""
_KINDS = {"table": "table", "figure": "figure", "text": "text", "findings": "text", "model": "model"}


@dataclass(frozen=True)
class OfflineDesigner:
    """The rules of the designer; `similarity` finds the papers' parts nearest to questions that no skill answers."""

    similarity: Similarity

    def plan_protocol(self, values: PlanProtocolInput) -> ProtocolPlan:
        """Plan parts with their lines, and the first page from facts and proposals.

        A part per group of skills; where no skill serves, a part per reusable report part. Given headings are kept,
        and get the lines of the skills with that title, or that their title asks for, or of what they learn from.
        """
        uses = choose_uses(values.objective, values.datasets, values.skills)
        binding = Binding(values.objective, values.datasets)
        parts = self._settled(values, uses, binding) if values.fixed else self._own_parts(values, uses, binding)
        return ProtocolPlan(
            title=_plan_title(values.objective.text),
            summary=_summary(values, uses, parts),
            decisions=first_page.decisions(values, uses, binding),
            facts=first_page.shaping_facts(values, uses),
            not_done=first_page.not_done(values, uses),
            answer_rule=first_page.answer_rule(uses, binding),
            definitions=first_page.definitions(values, uses, binding),
            papers=first_page.paper_uses(values, _cited_parts(values, uses, parts)),
            parts=parts,
        )

    def _own_parts(self, values: PlanProtocolInput, uses: Sequence[Use], binding: Binding) -> tuple[PlannedPart, ...]:
        groups: dict[str, list[Use]] = {}
        for use in uses:
            groups.setdefault(part_title(use), []).append(use)
        number_of = {
            use.skill.name: str(n) for n, own in enumerate(groups.values(), 1) for use in own if not use.as_given
        }
        parts = []
        for number, (title, own) in enumerate(groups.items(), 1):
            heading = _skill_heading(str(number), title, own, binding, number_of, values)
            parts.append(PlannedPart(**dict(heading), lines=use_lines(heading.id, own, binding)))
        chosen = list({u.skill.name: u.skill for u in uses}.values())
        texts = open_questions(values.objective, chosen) if chosen else objective_texts(values.objective)
        found = literature_headings(texts, values.known, self.similarity, first=len(parts) + 1, taken=groups)
        for heading in found:
            lines = action_lines(heading.id, part_steps(heading.learns_from, values.known))
            parts.append(PlannedPart(**dict(heading), lines=lines))
        return tuple(parts[: values.max_parts])

    def _settled(self, values: PlanProtocolInput, uses: Sequence[Use], binding: Binding) -> tuple[PlannedPart, ...]:
        titles = {p.title for p in values.fixed}
        free = [u for u in uses if part_title(u) not in titles]
        parts = []
        for part in values.fixed:
            own = [u for u in uses if part_title(u) == part.title]
            if not own and not part.learns_from:
                own = [u for u in free if asked_for(u.skill, f"{part.title}. {part.purpose}")]
                free = [u for u in free if u not in own]
            lines = use_lines(part.id, own, binding) if own else ()
            lines = lines or action_lines(part.id, part_steps(part.learns_from, values.known))
            parts.append(PlannedPart(**{n: getattr(part, n) for n in HeadingDraft.model_fields}, lines=lines))
        return tuple(parts)

    def write_steps(self, values: WriteStepsInput) -> StepsDraft:
        """Write a full step for each line that is asked for, with its citations and the requirements it helps to meet.

        Raises:
            KeyError: A line is not in the plan.
        """
        bench = _Bench.of(values)
        return StepsDraft(steps=tuple(bench.step(line_id) for line_id in values.lines))


@dataclass(frozen=True)
class _Bench:
    """The plan and the data that its steps are written from."""

    values: WriteStepsInput
    binding: Binding
    place: Mapping[str, tuple[PlannedPart, int]]
    step_of: dict[tuple[str, str], str]
    uses: tuple[Use, ...]

    @classmethod
    def of(cls, values: WriteStepsInput) -> _Bench:
        lines = [(part, n, line) for part in values.plan.parts for n, line in enumerate(part.lines)]
        step_of = {(line.skill, line.datasets[0]): line.id for _, _, line in lines if line.skill and line.datasets}
        place = {line.id: (part, n) for part, n, line in lines}
        uses = choose_uses(values.objective, values.datasets, values.skills)
        return cls(values, Binding(values.objective, values.datasets), place, step_of, uses)

    def step(self, line_id: str) -> ProtocolStepDraft:
        part, n = self.place[line_id]
        line = part.lines[n]
        skill = next((s for s in self.values.skills if s.name == line.skill), None)
        step = self._skill_step(line, skill) if skill else None
        if step is None:
            before = part.lines[n - 1].id if n else None
            steps = part_steps(part.learns_from, self.values.known)
            notes = {k.paper_id for k in self.values.known if k.read == NOTE}
            step = literature_step(line, before, steps, part_title=part.title, notes=notes)
        return step.model_copy(
            update={"requirements": requirements_met(step, skill, self.values.objective, self.values.datasets)}
        )

    def _skill_step(self, line: OutlineLine, skill: SkillBrief) -> ProtocolStepDraft | None:
        """The step of a skill with inputs and parameters bound; None when one cannot be bound."""
        use = self._use(line, skill)
        inputs = self.binding.inputs(use, self.step_of) if use else None
        parameters = self.binding.parameters(use) if use else None
        if use is None or inputs is None or parameters is None:
            return None
        wording = _wording(use, self.binding)
        first = self._first_of(line)
        if first is not None:
            wording = _repeated(wording, first, use)
        reference = self.binding.reference()
        used = {i.source.removeprefix("dataset:").split("/")[0] for i in inputs if i.source.startswith("dataset:")}
        named = (reference.id,) if reference and reference.id in used else ()
        passages = passage_citations(skill.contract, self.values.known) if first is None else ()
        return ProtocolStepDraft(
            id=line.id,
            title=line.title,
            action=wording.action,
            rationale=wording.rationale,
            parameters=(*parameters, *wording.parameters),
            inputs=inputs,
            outputs=tuple(
                StepOutput.model_validate({"name": o.name, "kind": _KINDS[o.kind], "description": o.description})
                for o in skill.contract.outputs
            ),
            datasets=(*(d.id for d in use.datasets), *named),
            questions=use.answers,
            software=wording.software,
            acceptance=wording.acceptance,
            kind="dry",
            skill=skill.name,
            citations=(*fact_citations(skill.contract, self.values.facts, use.datasets), *passages),
        )

    def _use(self, line: OutlineLine, skill: SkillBrief) -> Use | None:
        """The use that a line stands for: the one chosen for its skill and data sets, with its question."""
        for use in self.uses:
            if use.skill.name == skill.name and tuple(d.id for d in use.datasets) == line.datasets:
                return use
        return _use(line, skill, self.values.datasets)

    def _first_of(self, line: OutlineLine) -> OutlineLine | None:
        """The plan's first line with the same skill, when it is not this one."""
        first = next(n for p in self.values.plan.parts for n in p.lines if n.skill == line.skill)
        return None if first.id == line.id else first


def part_title(use: Use) -> str:
    """The title of the part that a use belongs to."""
    return SENSITIVITY if use.as_given else use.skill.contract.part


def _repeated(wording: SkillProtocol, first: OutlineLine, use: Use) -> SkillProtocol:
    """The wording of a step that does what an earlier one does, with other data: it refers to that one's text."""
    here, there = (" and ".join(ids) for ids in ([d.id for d in use.datasets], first.datasets))
    text = {
        "action": f"Do what step {first.id} says, on {here} in place of {there}.",
        "rationale": f"As in step {first.id}.",
        "acceptance": f"As in step {first.id}.",
    }
    return wording.model_copy(update=text)


def _skill_heading(
    number: str,
    title: str,
    uses: Sequence[Use],
    binding: Binding,
    number_of: Mapping[str, str],
    values: PlanProtocolInput,
) -> HeadingDraft:
    """The heading of a part of skills: its purpose from theirs, its relations from what they read."""
    skills = list({u.skill.name: u.skill for u in uses}.values())
    if title == SENSITIVITY:
        repeats: dict[str, list[str]] = {}
        for skill in skills:
            repeats.setdefault(number_of[skill.name], []).append(skill.name.replace("-", " "))
        relations = tuple(
            Relation(part=part, kind="compares with", reason=f"repeats {', '.join(what)} on the data as given")
            for part, what in sorted(repeats.items(), key=lambda item: int(item[0]))
        )
        purpose = "Shows what the answer would be without the preparation of the data; it does not replace the answer."
    else:
        wording = {u.skill.name: _wording(u, binding) for u in reversed(uses)}
        purpose = " ".join(_first_sentence(wording[s.name].rationale) for s in skills)
        relations = _relations(skills, number, number_of)
    refs = [c.ref for s in skills for c in passage_citations(s.contract, values.known)] if title != SENSITIVITY else []
    return HeadingDraft(
        id=number,
        title=title,
        purpose=purpose,
        reason="",
        depends_on=tuple(r.part for r in relations),
        relations=relations,
        learns_from=_parts_of(refs, values),
    )


def _parts_of(refs: Iterable[str], values: PlanProtocolInput) -> tuple[ReportPartRef, ...]:
    """The report parts that hold the steps with these refs, each once."""
    wanted = set(refs)
    return tuple(
        ReportPartRef(paper_id=paper.paper_id, part_id=part.part_id)
        for paper, part in known_parts(values.known)
        if any(s.ref in wanted for s in part.steps)
    )


def _cited_parts(
    values: PlanProtocolInput, uses: Sequence[Use], parts: Sequence[PlannedPart]
) -> dict[str, tuple[str, ...]]:
    """The titles of the parts whose steps cite a paper, by paper."""
    by_skill = {u.skill.name: passage_citations(u.skill.contract, values.known) for u in uses}
    cited: dict[str, dict[str, None]] = {}
    seen: set[str] = set()
    for part in parts:
        for line in part.lines:
            if line.skill:
                refs = [c.ref for c in by_skill.get(line.skill, ())] if line.skill not in seen else []
                seen.add(line.skill)
            else:
                steps = part_steps(part.learns_from, values.known)
                refs = [s.ref for s in steps if clip(s.action, 160) == line.title]
            for ref in refs:
                cited.setdefault(ref.partition("/")[0], {})[part.title] = None
    return {paper: tuple(titles) for paper, titles in cited.items()}


def _relations(skills: Sequence[SkillBrief], number: str, number_of: Mapping[str, str]) -> tuple[Relation, ...]:
    """The relations of a part to the parts whose outputs its skills read, one per part, in order."""
    read: dict[str, list[str]] = {}
    validates: set[str] = set()
    for skill in skills:
        for skill_input in skill.contract.inputs:
            part = number_of.get(skill_input.skill or "", number)
            if part != number:
                read.setdefault(part, []).append(
                    f"{(skill_input.output or skill_input.name).replace('_', ' ')} of {skill_input.skill}"
                )
                if any(i.role == "validation" for i in skill.contract.inputs):
                    validates.add(part)
    return tuple(
        Relation(
            part=part,
            kind="validates" if part in validates else "needs output of",
            reason=f"reads {', '.join(dict.fromkeys(what))}"
            + (", to test it on the validation set" if part in validates else ""),
        )
        for part, what in sorted(read.items(), key=lambda item: int(item[0]))
    )


def _plan_title(objective: str) -> str:
    """The objective's first sentence as a title; of a long one the clauses that fit."""
    title = next(iter(sentence_texts(objective)), objective).strip().rstrip(".")
    while len(title) > MOST_TITLE:
        shorter = max(title.rpartition(mark)[0] for mark in (";", ",", " and "))
        if not shorter:
            return clip(title, MOST_TITLE)
        title = shorter.rstrip(" ,;")
    return title


def _summary(values: PlanProtocolInput, uses: Sequence[Use], parts: Sequence[HeadingDraft]) -> str:
    """A summary of the plan: its data sets, and where its parts come from."""
    analysed = dict.fromkeys(d.id for u in uses if not u.as_given for d in u.datasets)
    sizes = {d.id: f" ({d.n_samples} samples)" for d in values.datasets if d.n_samples}
    names = ", ".join(f"{i}{sizes.get(i, '')}" for i in analysed or [d.id for d in values.datasets]) or "no data set"
    own = {part_title(u) for u in uses}
    summary = [f"A plan for the objective, on {names}, made by rule without a model."]
    summary.append(f"The question: {as_sentence(values.objective.text)}")
    if uses:
        parts_named = "; ".join(dict.fromkeys(part_title(u) for u in uses))
        summary.append(f"Analyses, in this order: {parts_named}. The decision rule turns their results into an answer.")
    if uses and any(p.title not in own for p in parts):
        summary.append("Parts that no skill covers repeat what papers describe.")
    if not uses:
        summary.append("Without analysable data it is assembled from what the papers read describe.")
    elif not any(asked_for(u.skill, t) for u in uses for t in objective_texts(values.objective)):
        summary.append("No analysis that the objective names can be planned: the data are only checked and described.")
    return " ".join(summary)


def use_lines(part_id: str, uses: Sequence[Use], binding: Binding) -> tuple[OutlineLine, ...]:
    """Make an outline line per use of a skill, numbered within the part."""
    return tuple(
        OutlineLine(
            id=f"{part_id}.{n}",
            title=_title(use, binding),
            datasets=tuple(d.id for d in use.datasets),
            skill=use.skill.name,
            outputs=tuple(o.name for o in use.skill.contract.outputs),
        )
        for n, use in enumerate(uses, 1)
    )


def _title(use: Use, binding: Binding) -> str:
    """The title of a use of a skill; data sets that it does not name follow in brackets."""
    fill = {p.name: p.value for p in binding.parameters(use) or ()}
    title = first_page.filled(use.skill.contract.protocol.title, fill)
    others = [d.id for d in use.datasets if d.id not in title]
    marks = [*(["data as given"] if use.as_given else []), *others]
    return f"{title} ({', '.join(marks)})" if marks else title


def _use(line: OutlineLine, skill: SkillBrief, datasets: tuple[Dataset, ...]) -> Use | None:
    chosen = [d for name in line.datasets for d in datasets if d.id == name]
    return Use(skill, chosen[0], chosen[1] if len(chosen) > 1 else None) if chosen else None


def _wording(use: Use, binding: Binding) -> SkillProtocol:
    """The skill's wording for a protocol with its parameters filled in."""
    wording = use.skill.contract.protocol
    fill = {p.name: p.value for p in binding.parameters(use) or ()} | {
        "datasets": ", ".join(d.id for d in use.datasets)
    }
    texts = {f: first_page.filled(getattr(wording, f), fill) for f in ("title", "action", "rationale", "acceptance")}
    return wording.model_copy(update=texts)


def _first_sentence(text: str) -> str:
    found = sentence_texts(text)
    return found[0] if found else ""
