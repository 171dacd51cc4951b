"""What a change in a protocol brings with it: steps that lose what they read, relations, the difference as text.

Pure functions.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.revision import StepChange
from bioresearcher.schemas.skill import Skill

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
