"""Rules of revising a protocol: dropping steps with all that depend on them, adding skills, the difference as text.

All but `add_methods` are pure functions; what a change does not concern stays the same object.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.offline.coverage import requirements_met
from bioresearcher.offline.design import part_title, use_lines
from bioresearcher.offline.skill_binding import Binding, Use
from bioresearcher.offline.skill_uses import asked_for, choose_uses, unserved_skills
from bioresearcher.schemas.ask_design import HeadingDraft, PlannedPart, ProtocolPlan, WriteStepsInput
from bioresearcher.schemas.base import Requirement
from bioresearcher.schemas.protocol import Citation, Link, OutlineLine, Protocol, ProtocolPart, ProtocolStep, Relation
from bioresearcher.schemas.run import StepChange
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.author import clean_step
from bioresearcher.stages.design import protocol_step
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.draft_cleanup import StepReferences, line_of, match_steps
from bioresearcher.stages.fallback import by_rule_only
from bioresearcher.stages.material import material
from bioresearcher.stages.prompts import WRITE_STEPS

Parts = tuple[ProtocolPart, ...]
T = TypeVar("T", ProtocolPart, ProtocolStep)


def without_steps(
    parts: Parts, gone: Mapping[str, str], skills: Mapping[str, Skill]
) -> tuple[Parts, tuple[StepChange, ...]]:
    """Drop steps (id -> reason), and those that cannot be done without them.

    An input that is optional for the skill is removed from the step instead. Parts that lose their last step are
    dropped, too.
    """
    lost = dict(gone)
    eased: dict[str, ProtocolStep] = {}
    for step in (s for p in parts for s in p.steps):
        missing = [i for i in step.inputs if _maker(i.source) in lost]
        if step.id in lost or not missing:
            continue
        skill = skills.get(step.skill or "")
        optional = {i.name for i in skill.contract.inputs if not i.required} if skill else set()
        if all(i.name in optional for i in missing):
            eased[step.id] = step.model_copy(update={"inputs": tuple(i for i in step.inputs if i not in missing)})
        else:
            lost[step.id] = f"it needs {missing[0].source.partition('/')[2]} of step {_maker(missing[0].source)}"
    changes = [StepChange(step=i, what="dropped", why=why) for i, why in lost.items()]
    changes += [StepChange(step=i, what="changed", why="an optional input of it was dropped") for i in eased]
    kept = [_reduced(p, lost, eased) for p in parts]
    left = [new for old, new in zip(parts, kept, strict=True) if new.steps or not any(s.id in lost for s in old.steps)]
    return _related(left), tuple(changes)


def _maker(source: str) -> str:
    return source.removeprefix("step:").split("/")[0] if source.startswith("step:") else ""


def _reduced(part: ProtocolPart, lost: Collection[str], eased: Mapping[str, ProtocolStep]) -> ProtocolPart:
    if not any(s.id in lost or s.id in eased for s in part.steps):
        return part
    steps = tuple(eased.get(s.id, s) for s in part.steps if s.id not in lost)
    outline = tuple(line for line in part.outline if line.id not in lost)
    return part.model_copy(update={"steps": steps, "outline": outline})


def _related(parts: Sequence[ProtocolPart]) -> Parts:
    """Remove relations to parts that were dropped."""
    ids = {p.id for p in parts}
    found = []
    for part in parts:
        depends = tuple(d for d in part.depends_on if d in ids)
        relations = tuple(r for r in part.relations if r.part in ids)
        same = depends == part.depends_on and relations == part.relations
        found.append(part if same else part.model_copy(update={"depends_on": depends, "relations": relations}))
    return tuple(found)


def next_step_id(part: ProtocolPart) -> str:
    """Return an id that no step or line of the part has."""
    numbers = [i.rpartition(".")[2] for i in (*(s.id for s in part.steps), *(line.id for line in part.outline))]
    return f"{part.id}.{max((int(n) for n in numbers if n.isdigit()), default=0) + 1}"


def changed_parts(old: Parts, new: Parts) -> tuple[str, ...]:
    """Return the ids of parts that were changed, added or dropped, in order."""
    before, after = {p.id: p for p in old}, {p.id: p for p in new}
    return tuple(i for i in dict.fromkeys((*before, *after)) if before.get(i) != after.get(i))


def difference(old: Protocol, new: Protocol) -> str:
    """Return the difference of two protocols as text per part and step; empty when there is none."""
    lines: list[str] = []
    before, after = {p.id: p for p in old.parts}, {p.id: p for p in new.parts}
    for part_id in changed_parts(old.parts, new.parts):
        one, other = before.get(part_id), after.get(part_id)
        lines += _compared(f"part {part_id}", _part_lines(one), _part_lines(other))
        steps = {s.id: s for s in (one.steps if one else ())}, {s.id: s for s in (other.steps if other else ())}
        for step_id in dict.fromkeys((*steps[0], *steps[1])):
            lines += _compared(
                f"step {step_id}", _step_lines(steps[0].get(step_id)), _step_lines(steps[1].get(step_id))
            )
    lines += _compared("limitations", list(old.limitations), list(new.limitations))
    return "\n".join(lines)


def _compared(name: str, old: list[str], new: list[str]) -> list[str]:
    kind = " (added)" if not old else " (dropped)" if not new else ""
    found = list(difflib.unified_diff(old, new, f"{name} before", f"{name} after", n=0, lineterm=""))
    return [f"── {name}{kind}", *(line for line in found[2:] if not line.startswith("@@"))] if found else []


def _part_lines(part: ProtocolPart | None) -> list[str]:
    if part is None:
        return []
    related = [f"{r.kind} part {r.part}: {r.reason}" for r in part.relations]
    return [part.title, part.purpose, *([part.reason] if part.reason else []), *related]


def _step_lines(step: ProtocolStep | None) -> list[str]:
    """Write a step in lines that can be compared one by one."""
    if step is None:
        return []
    lines = [step.title, *(piece for piece in step.action.replace(". ", ".\n").splitlines() if piece.strip())]
    lines += [f"why: {step.rationale}"] if step.rationale else []
    lines += [f"parameter {p.name} = {p.value} {p.unit}".rstrip() for p in step.parameters]
    lines += [f"input {i.name} = {i.source}" for i in step.inputs]
    lines += [f"output {o.name} ({o.kind})" for o in step.outputs]
    lines += [f"data set {d}" for d in step.datasets] + [f"software {s}" for s in step.software]
    lines += [f"accepted when: {step.acceptance}"] if step.acceptance else []
    lines += [f"meets {r}" for r in step.requirements] + ([f"analysis {step.skill}"] if step.skill else [])
    cited = [c for c in step.citations if c.state != "cut"]
    lines += [f"rests on {c.ref or 'general knowledge'}: {c.claim}" for c in cited]
    lines += [f"learnt from {k.paper_id} step {k.step_id}" for k in step.links if not cited]
    return [*lines, *([] if step.grounded else ["unsupported"])]


@dataclass(frozen=True)
class Additions:
    """Parts with added steps, and requests that could not be met."""

    parts: Parts
    changes: tuple[StepChange, ...]
    not_done: tuple[str, ...]


def exclude(
    parts: Parts, ids: Sequence[str], skills: Mapping[str, Skill], facts: Collection[str] = ()
) -> tuple[Parts, tuple[StepChange, ...]]:
    """Exclude data sets and papers, with the facts about these data, from the parts.

    Steps that work on an excluded data set are dropped, with those that need them; a step that rests on excluded
    papers alone is dropped, unless a skill carries it out, and one with other sources loses the link and the citation.
    """
    if not ids:
        return parts, ()
    gone: dict[str, str] = {}
    changes, found = [], []
    for part in parts:
        steps = []
        for step in part.steps:
            links = tuple(k for k in step.links if k.paper_id not in ids)
            gone_links = [k for k in step.links if k not in links]
            cited = tuple(c for c in step.citations if not _excluded(c, ids, facts, gone_links))
            used = [d for d in step.datasets if d in ids] + [
                i.source for i in step.inputs if i.source.removeprefix("dataset:").split("/")[0] in ids
            ]
            if used:
                gone[step.id] = f"it works on {used[0]}, which is excluded"
            elif step.links and not links and not cited and step.skill is None:
                gone[step.id] = f"it was taken over from {step.links[0].paper_id}, which is excluded"
            elif links != step.links or cited != step.citations:
                changes.append(StepChange(step=step.id, what="changed", why="something it rests on is excluded"))
                step = step.model_copy(update={"links": links, "citations": cited})
            steps.append(step)
        learns = tuple(r for r in part.learns_from if r.paper_id not in ids)
        same = tuple(steps) == part.steps and learns == part.learns_from
        found.append(part if same else part.model_copy(update={"steps": tuple(steps), "learns_from": learns}))
    left, dropped = without_steps(tuple(found), gone, skills)
    return left, (*changes, *dropped)


def _excluded(citation: Citation, ids: Collection[str], facts: Collection[str], links: Sequence[Link]) -> bool:
    """Check whether a citation names an excluded paper, a fact about excluded data, or a passage that is gone."""
    if citation.kind == "fact":
        return citation.ref in facts
    paper = citation.ref.rpartition("/")[0] or citation.ref
    return citation.kind == "passage" and (paper in ids or any(k.claim == citation.claim for k in links if k.claim))


async def add_methods(caller: ModelClient, bench: DesignContext, parts: Parts, clauses: Sequence[str]) -> Additions:
    """Add the skills that the clauses ask for and the protocol lacks, each where its inputs exist.

    A step joins the part of its kind when all its inputs are made there or before, else a new part at the end.
    """
    briefs = bench.briefs
    text = " ".join(clauses)
    present = {s.skill for p in parts for s in p.steps}
    asked = {s.name for s in briefs if text and asked_for(s, text)}
    if not asked:
        return Additions(parts, (), ())
    asked_too = (*bench.objective.requirements, Requirement(id="feedback", text=text))
    objective = bench.objective.model_copy(update={"requirements": asked_too})
    lacking = {s.name: why for s, why in unserved_skills(objective, bench.datasets, briefs) if s.name in asked}
    not_done = [f"{n} cannot be planned: {why or 'what it reads cannot be had'}" for n, why in lacking.items()]
    there = asked & present
    not_done += [f"{name} is in the protocol already" for name in sorted(there) if not asked - there]
    needed = _with_upstream(asked, bench)
    uses = [u for u in choose_uses(objective, bench.datasets, briefs) if u.skill.name in needed - present]
    uses = [u for u in uses if u.skill.contract.language in {"python", "R"}]
    changes: list[StepChange] = []
    for title in dict.fromkeys(map(part_title, uses)):
        own = [u for u in uses if part_title(u) == title]
        parts, ids = await _add(caller, bench, parts, title, own)
        changes += [StepChange(step=i, what="added", why="the comment asks for it") for i in ids]
    return Additions(parts, tuple(changes), tuple(not_done))


def _with_upstream(asked: set[str], bench: DesignContext) -> set[str]:
    """Return the skills with those whose outputs they require."""
    needed, open_ = set(asked), list(asked)
    while open_:
        inputs = bench.skills[open_.pop()].contract.inputs
        for name in (i.skill for i in inputs if i.required and i.skill is not None):
            if name in bench.skills and name not in needed:
                needed.add(name)
                open_.append(name)
    return needed


async def _add(
    caller: ModelClient, bench: DesignContext, parts: Parts, title: str, uses: list[Use]
) -> tuple[Parts, tuple[str, ...]]:
    """Add steps for skills of one kind; return the parts and the new steps' ids."""
    owner = {s.skill: n for n, p in enumerate(parts) for s in p.steps if s.skill}
    reads = [owner[i.skill] for u in uses for i in u.skill.contract.inputs if i.skill in owner]
    home = next((n for n, p in enumerate(parts) if p.title == title and n >= max(reads, default=0)), None)
    if home is None:
        part = _new_part(parts, title, uses, {n: parts[n].id for n in sorted(set(reads))})
        parts, home = (*parts, part), len(parts)
    part = parts[home]
    lines = use_lines(part.id, uses, Binding(bench.objective, bench.datasets))
    first = int(next_step_id(part).rpartition(".")[2])
    lines = tuple(line.model_copy(update={"id": f"{part.id}.{first + n}"}) for n, line in enumerate(lines))
    outlined = part.model_copy(update={"outline": (*_outline(part), *lines)})
    around = tuple(
        outlined if n == home else p.model_copy(update={"outline": _outline(p)}) for n, p in enumerate(parts)
    )
    written = await _written(caller, bench, around, lines)
    whole = outlined.model_copy(update={"steps": (*part.steps, *written)})
    return tuple(whole if n == home else p for n, p in enumerate(parts)), tuple(s.id for s in written)


async def _written(
    caller: ModelClient, bench: DesignContext, parts: Parts, lines: Sequence[OutlineLine]
) -> tuple[ProtocolStep, ...]:
    """Write the steps of some lines of outlined parts, by the rules where there are any."""
    door = by_rule_only(caller)
    plan = ProtocolPlan(
        title=bench.objective.text,
        summary="",
        decisions=(),
        facts=(),
        not_done=(),
        answer_rule=(),
        definitions=(),
        papers=(),
        parts=tuple(
            PlannedPart(**{n: getattr(p, n) for n in HeadingDraft.model_fields}, lines=p.outline) for p in parts
        ),
    )
    values = WriteStepsInput(
        **material(bench, whole=door.by_rule),
        plan=plan,
        lines=tuple(line.id for line in lines),
        written=tuple(s for p in parts for s in p.steps),
    )
    answer = await ask(door, WRITE_STEPS, values)
    drafts = match_steps(lines, answer.value.steps)
    ground = StepReferences(bench.objective, parts, bench.datasets, bench.skills)
    clean = [clean_step(drafts[line.id], line, ground)[0] for line in lines if line.id in drafts]
    return tuple(protocol_step(bench, draft, answer.origin) for draft in clean)


def _outline(part: ProtocolPart) -> tuple[OutlineLine, ...]:
    """Return the part's outline, made from its steps when it has none."""
    return part.outline or tuple(map(line_of, part.steps))


def _new_part(parts: Parts, title: str, uses: list[Use], reads: Mapping[int, str]) -> ProtocolPart:
    number = max((int(p.id) for p in parts if p.id.isdigit()), default=0) + 1
    taken = {p.title for p in parts}
    return ProtocolPart(
        id=str(number),
        title=title if title not in taken else f"{title}, added",
        purpose=" ".join(dict.fromkeys(u.skill.description for u in uses)),
        reason="It was added for a comment on the protocol.",
        depends_on=tuple(reads.values()),
        relations=tuple(
            Relation(part=i, kind="needs output of", reason=f"reads what “{parts[n].title}” makes")
            for n, i in reads.items()
        ),
    )


def note_requirements(
    parts: Parts, requirements: Sequence[Requirement], bench: DesignContext
) -> tuple[Parts, tuple[StepChange, ...]]:
    """Note added requirements on the steps that already meet them, by the rules."""
    if not requirements:
        return parts, ()
    alone = bench.objective.model_copy(update={"requirements": tuple(requirements)})
    briefs = {b.name: b for b in bench.briefs}
    changes = []

    def served(step: ProtocolStep) -> ProtocolStep:
        met = [
            i
            for i in requirements_met(step, briefs.get(step.skill or ""), alone, bench.datasets)
            if i not in step.requirements
        ]
        if not met:
            return step
        changes.append(StepChange(step=step.id, what="changed", why=f"it meets {', '.join(met)}"))
        return step.model_copy(update={"requirements": (*step.requirements, *met)})

    found = []
    for part in parts:
        steps = tuple(served(s) for s in part.steps)
        found.append(part if steps == part.steps else part.model_copy(update={"steps": steps}))
    return tuple(found), tuple(changes)
