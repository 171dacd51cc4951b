"""Small changes to protocols, from which defects are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep, StepInput

Change = Callable[[ProtocolStep], ProtocolStep]


def places(p: Protocol, strength: int) -> list[str]:
    """Ids of the steps a defect goes into: one in the middle, the last but one, or every third."""
    ids = [s.id for s in p.steps]
    return [[ids[len(ids) // 2]], [ids[-2]], ids[::3]][strength - 1]


def changed(p: Protocol, ids: Collection[str], change: Change) -> Protocol:
    """The protocol with these steps changed."""
    parts = tuple(
        part.model_copy(update={"steps": tuple(change(s) if s.id in ids else s for s in part.steps)})
        for part in p.parts
    )
    return p.model_copy(update={"parts": parts})


def fields(p: Protocol, ids: Collection[str], **update: object) -> Protocol:
    """The protocol with fields of these steps set."""
    return changed(p, ids, lambda s: s.model_copy(update=update))


def says(p: Protocol, ids: Collection[str], more: str) -> Protocol:
    """The protocol with a sentence added to these steps."""
    return changed(p, ids, lambda s: s.model_copy(update={"action": f"{s.action} {more}"}))


def part_changed(p: Protocol, number: int, **update: object) -> Protocol:
    """The protocol with fields of a part set; parts are counted from 0, also backwards."""
    parts = list(p.parts)
    parts[number] = parts[number].model_copy(update=update)
    return p.model_copy(update={"parts": tuple(parts)})


def added(p: Protocol, step: ProtocolStep, number: int = -1) -> Protocol:
    """The protocol with a step at the end of a part, numbered on."""
    part = p.parts[number]
    new = step.model_copy(update={"id": f"{part.id}.{len(part.steps) + 1}", "requirements": ()})
    return part_changed(p, number, steps=(*part.steps, new))


def reordered(p: Protocol, parts: Sequence[ProtocolPart]) -> Protocol:
    """The protocol with these parts, numbered anew; what refers to a step follows it to its new number."""
    moved: dict[str, str] = {}
    for n, part in enumerate(parts, 1):
        for k, step in enumerate(part.steps, 1):
            moved[step.id] = f"{n}.{k}"

    def follow(i: StepInput) -> StepInput:
        m = re.fullmatch(r"step:([^/]+)/(.+)", i.source, re.S)
        return i.model_copy(update={"source": f"step:{moved.get(m[1], m[1])}/{m[2]}"}) if m else i

    built = tuple(
        part.model_copy(
            update={
                "id": str(n),
                "steps": tuple(
                    s.model_copy(update={"id": moved[s.id], "inputs": tuple(map(follow, s.inputs))}) for s in part.steps
                ),
            }
        )
        for n, part in enumerate(parts, 1)
    )
    coverage = tuple(c.model_copy(update={"steps": tuple(moved.get(s, s) for s in c.steps)}) for c in p.coverage)
    return p.model_copy(update={"parts": built, "coverage": coverage})


def chains(p: Protocol) -> list[tuple[ProtocolStep, ProtocolStep]]:
    """Steps that take something from a step of their own part, each with that step."""
    found = []
    for part in p.parts:
        own = {s.id: s for s in part.steps}
        for s in part.steps:
            maker = next(
                (own[m[1]] for i in s.inputs if (m := re.match(r"step:([^/]+)/", i.source)) and m[1] in own), None
            )
            if maker is not None:
                found.append((maker, s))
    return found


def exchanged(p: Protocol, a: ProtocolStep, b: ProtocolStep) -> Protocol:
    """The protocol with two steps of one part in each other's place."""
    swap = {a.id: b, b.id: a}
    parts = [part.model_copy(update={"steps": tuple(swap.get(s.id, s) for s in part.steps)}) for part in p.parts]
    return reordered(p, parts)


_NUMBER = re.compile(r"\(?[<>≤≥=]?\s*\d+(?:[.,]\d+)*(?:\s*(?:%|°C|µl|µg|mg|ml|ng|mM|nM|min|h|days?|kb|bp))?\)?")


def numberless(s: ProtocolStep) -> ProtocolStep:
    """The step without numbers and parameters."""
    strip = {name: _NUMBER.sub("", getattr(s, name)) for name in ("title", "action", "acceptance")}
    return s.model_copy(update={**strip, "parameters": (), "software": ()})


_UNIT = re.compile(r"(?<=\d)\s*(?:°C|µl|µg|mg|ml|ng|mM|nM|min|h|kb|days?|months?|years?)\b")


def unitless(s: ProtocolStep) -> ProtocolStep:
    """The step without the units of its quantities."""
    parameters = tuple(x.model_copy(update={"value": _UNIT.sub("", x.value), "unit": ""}) for x in s.parameters)
    if parameters == s.parameters:
        return s
    return s.model_copy(update={"action": _UNIT.sub("", s.action), "parameters": parameters})
