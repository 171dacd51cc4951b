"""What rules add to a protocol or take from it for a comment: methods with a vetted analysis, requirements, sources.

What a change in a protocol brings with it: steps that lose what they read, relations, the difference as text.

Pure functions.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bioresearcher.llm.ask import ModelClient
from bioresearcher.offline.design import requirements_met, use_lines
from bioresearcher.offline.skill_binding import Binding, Use, asked_for, choose_uses, unserved
from bioresearcher.schemas.base import Requirement
from bioresearcher.schemas.protocol import OutlineLine, Protocol, ProtocolPart, ProtocolStep, Relation
from bioresearcher.schemas.run import StepChange
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.design import write_steps
from bioresearcher.stages.design_context import DesignContext, Similarities

Parts = tuple[ProtocolPart, ...]
T = TypeVar("T", ProtocolPart, ProtocolStep)


def without_steps(
    parts: Parts, gone: Mapping[str, str], skills: Mapping[str, Skill]
) -> tuple[Parts, tuple[StepChange, ...]]:
    """The parts without some steps (id -> why), and without those that cannot be done without them.

    An input that its vetted analysis can do without is taken out of the step instead. Parts that lose their last step
    go too. Parts and steps that are not concerned are the same objects.
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
    changes += [StepChange(step=i, what="changed", why="an input that it can do without is gone") for i in eased]
    kept = [_lessened(p, lost, eased) for p in parts]
    return _related([p for p in kept if p.steps or not any(s.id in lost for s in _steps(parts, p.id))]), tuple(changes)


def _maker(source: str) -> str:
    return source.removeprefix("step:").split("/")[0] if source.startswith("step:") else ""


def _steps(parts: Parts, part_id: str) -> tuple[ProtocolStep, ...]:
    return next(p.steps for p in parts if p.id == part_id)


def _lessened(part: ProtocolPart, lost: Collection[str], eased: Mapping[str, ProtocolStep]) -> ProtocolPart:
    if not any(s.id in lost or s.id in eased for s in part.steps):
        return part
    steps = tuple(eased.get(s.id, s) for s in part.steps if s.id not in lost)
    outline = tuple(line for line in part.outline if line.id not in lost)
    return part.model_copy(update={"steps": steps, "outline": outline})


def _related(parts: Sequence[ProtocolPart]) -> Parts:
    """The parts without relations to parts that are gone."""
    ids = {p.id for p in parts}
    found = []
    for part in parts:
        depends = tuple(d for d in part.depends_on if d in ids)
        relations = tuple(r for r in part.relations if r.part in ids)
        same = depends == part.depends_on and relations == part.relations
        found.append(part if same else part.model_copy(update={"depends_on": depends, "relations": relations}))
    return tuple(found)


def next_step_id(part: ProtocolPart) -> str:
    """An id that no step of the part has, or had as far as the part shows."""
    used = [int(i.rpartition(".")[2]) for i in (*(s.id for s in part.steps), *(line.id for line in part.outline))
            if i.rpartition(".")[2].isdigit()]  # fmt: skip
    return f"{part.id}.{max(used, default=0) + 1}"


def changed_parts(old: Parts, new: Parts) -> tuple[str, ...]:
    """Ids of parts that were changed, added or dropped, in order."""
    before, after = {p.id: p for p in old}, {p.id: p for p in new}
    return tuple(i for i in dict.fromkeys((*before, *after)) if before.get(i) != after.get(i))


def difference(old: Protocol, new: Protocol) -> str:
    """What changed, as unified text per part and step; empty when nothing did."""
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
    """A step in lines that can be compared one by one."""
    if step is None:
        return []
    lines = [step.title, *(piece for piece in step.action.replace(". ", ".\n").splitlines() if piece.strip())]
    lines += [f"works on: {step.object}"] if step.object else []
    lines += [f"why: {step.rationale}"] if step.rationale else []
    lines += [f"parameter {p.name} = {p.value} {p.unit}".rstrip() for p in step.parameters]
    lines += [f"input {i.name} = {i.source}" for i in step.inputs]
    lines += [f"output {o.name} ({o.kind})" for o in step.outputs]
    lines += [f"data set {d}" for d in step.datasets] + [f"software {s}" for s in step.software]
    lines += [f"accepted when: {step.acceptance}"] if step.acceptance else []
    lines += [f"meets {r}" for r in step.requirements] + ([f"analysis {step.skill}"] if step.skill else [])
    lines += [f"learnt from {k.paper_id} step {k.step_id}" for k in step.links]
    return [*lines, *([] if step.links else ["unsupported"])]


@dataclass(frozen=True)
class Additions:
    """The parts with what was added, and what could not be."""

    parts: Parts
    changes: tuple[StepChange, ...]
    not_done: tuple[str, ...]


def exclude(parts: Parts, ids: Sequence[str], skills: Mapping[str, Skill]) -> tuple[Parts, tuple[StepChange, ...]]:
    """The parts without some data sets and papers.

    Steps that work on an excluded data set go, with what needs them; a step that repeats an excluded paper goes, and
    one that only learnt from it too loses the link.
    """
    if not ids:
        return parts, ()
    gone: dict[str, str] = {}
    changes, found = [], []
    for part in parts:
        steps = []
        for step in part.steps:
            links = tuple(k for k in step.links if k.paper_id not in ids)
            used = [d for d in step.datasets if d in ids] + [
                i.source for i in step.inputs if i.source.removeprefix("dataset:").split("/")[0] in ids
            ]
            if used:
                gone[step.id] = f"it works on {used[0]}, which is excluded"
            elif step.links and not links and step.skill is None:
                gone[step.id] = f"it was taken over from {step.links[0].paper_id}, which is excluded"
            elif links != step.links:
                changes.append(StepChange(step=step.id, what="changed", why="a paper it learnt from is excluded"))
                novelty = "" if links else "The paper that it was learnt from was excluded."
                step = step.model_copy(update={"links": links, "novelty": novelty})
            steps.append(step)
        learns = tuple(r for r in part.learns_from if r.paper_id not in ids)
        same = tuple(steps) == part.steps and learns == part.learns_from
        found.append(part if same else part.model_copy(update={"steps": tuple(steps), "learns_from": learns}))
    left, dropped = without_steps(tuple(found), gone, skills)
    return left, (*changes, *dropped)


async def add_methods(
    caller: ModelClient, bench: DesignContext, parts: Parts, clauses: Sequence[str], similarities: Similarities
) -> Additions:
    """The vetted analyses that the clauses ask for and the protocol lacks, each where it can stand.

    A step joins the part of its kind when all it reads is made there or before, else a new part at the end.
    """
    briefs = bench.briefs
    text = " ".join(clauses)
    present = {s.skill for p in parts for s in p.steps}
    asked = {s.name for s in briefs if text and asked_for(s, text)}
    if not asked:
        return Additions(parts, (), ())
    wish = bench.objective.model_copy(
        update={"requirements": (*bench.objective.requirements, Requirement(id="feedback", text=text))}
    )
    lacking = {s.name: why for s, why in unserved(wish, bench.datasets, briefs) if s.name in asked}
    not_done = [f"{n} cannot be planned: {why or 'what it reads cannot be had'}" for n, why in lacking.items()]
    there = asked & present
    not_done += [f"{name} is in the protocol already" for name in sorted(there) if not asked - there]
    needed = _with_upstream(asked, bench)
    uses = [u for u in choose_uses(wish, bench.datasets, briefs) if u.skill.name in needed - present]
    uses = [u for u in uses if u.skill.contract.language in {"python", "R"}]
    changes: list[StepChange] = []
    for title in dict.fromkeys(u.skill.contract.part for u in uses):
        own = [u for u in uses if u.skill.contract.part == title]
        parts, ids = await _add(caller, bench, parts, title, own, similarities)
        changes += [StepChange(step=i, what="added", why="the comment asks for it") for i in ids]
    return Additions(parts, tuple(changes), tuple(not_done))


def _with_upstream(asked: set[str], bench: DesignContext) -> set[str]:
    """The analyses with those that they cannot do without."""
    needed, open_ = set(asked), list(asked)
    while open_:
        inputs = bench.skills[open_.pop()].contract.inputs
        for name in (i.skill for i in inputs if i.required and i.skill is not None):
            if name in bench.skills and name not in needed:
                needed.add(name)
                open_.append(name)
    return needed


async def _add(
    caller: ModelClient, bench: DesignContext, parts: Parts, title: str, uses: list[Use], similarities: Similarities
) -> tuple[Parts, tuple[str, ...]]:
    """The parts with steps for some uses of one kind, and the new steps' ids."""
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
    around = tuple(outlined if n == home else _with_outline(p) for n, p in enumerate(parts))
    asked = outlined.model_copy(update={"outline": lines, "steps": ()})
    written = await write_steps(caller, bench, asked, around, (), similarities)
    whole = outlined.model_copy(update={"steps": (*part.steps, *written)})
    return tuple(whole if n == home else p for n, p in enumerate(parts)), tuple(s.id for s in written)


def _outline(part: ProtocolPart) -> tuple[OutlineLine, ...]:
    """The part's outline, made from its steps when it has none."""
    return part.outline or tuple(
        OutlineLine(
            id=s.id, title=s.title, datasets=s.datasets, skill=s.skill, outputs=tuple(o.name for o in s.outputs)
        )
        for s in part.steps
    )


def _with_outline(part: ProtocolPart) -> ProtocolPart:
    return part.model_copy(update={"outline": _outline(part)})


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


def serve(
    parts: Parts, requirements: Sequence[Requirement], bench: DesignContext
) -> tuple[Parts, tuple[StepChange, ...]]:
    """The parts with added requirements noted on the steps that already do what they ask for, by rule."""
    if not requirements:
        return parts, ()
    alone = bench.objective.model_copy(update={"requirements": tuple(requirements)})
    briefs = {b.name: b for b in bench.briefs}
    changes = []

    def served(step: ProtocolStep) -> ProtocolStep:
        met = [i for i in requirements_met(step, briefs.get(step.skill or ""), alone) if i not in step.requirements]
        if not met:
            return step
        changes.append(StepChange(step=step.id, what="changed", why=f"it meets {', '.join(met)}"))
        return step.model_copy(update={"requirements": (*step.requirements, *met)})

    found = []
    for part in parts:
        steps = tuple(served(s) for s in part.steps)
        found.append(part if steps == part.steps else part.model_copy(update={"steps": steps}))
    return tuple(found), tuple(changes)
