"""A part of the protocol that a person wrote anew: what that means for the other parts, the gates, and the record."""

from __future__ import annotations

from dataclasses import replace

from bioresearcher.review.gates import run_gates
from bioresearcher.schemas.base import origin_of
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.revision import ConcernedPart, Revision, StepChange
from bioresearcher.stages.assemble import assemble_protocol
from bioresearcher.stages.bench import Bench
from bioresearcher.stages.changes import Parts, changed_parts, without_steps
from bioresearcher.stages.forms import FormError, Mistake
from bioresearcher.stages.part_form import line_of, read_part
from bioresearcher.stages.revise import Desk, Revised
from bioresearcher.stages.steps import Ground

WHY = "a person wrote it so"


def edit_part(bench: Bench, protocol: Protocol, part_id: str, text: str, desk: Desk, *, number: int) -> Revised | None:
    """The protocol with a part as a person wrote it; None when nothing was changed.

    Steps that a person dropped take those with them that cannot be done without their outputs; all others keep their
    ids. The gates are run before and after.

    Raises:
        FormError: The text cannot be read, or the protocol would refer to what does not exist any more.
    """
    before = next(p for p in protocol.parts if p.id == part_id)
    after = read_part(text, before, ground_of(bench, protocol))
    if after == before:
        return None
    kept = {s.id for s in after.steps}
    gone = {s.id: WHY for s in before.steps if s.id not in kept}
    whole = after.model_copy(update={"steps": (*after.steps, *(s for s in before.steps if s.id in gone))})
    parts = tuple(whole if p.id == part_id else p for p in protocol.parts)
    parts, dropped = without_steps(parts, gone, bench.skills) if gone else (parts, ())
    _check(parts, before, after)
    changes = (*_changes(before, after), *dropped)
    made = assemble_protocol(bench, protocol.title, protocol.summary, parts, passed=_passed(protocol))
    made = made.model_copy(update={"id": protocol.id, "revision": number, "summary": protocol.summary})
    findings = run_gates(protocol, desk.context), run_gates(made, replace(desk.context, objective=bench.objective))
    revision = Revision(
        number=number,
        comment=f"part {part_id} was edited by a person",
        concerned=(ConcernedPart(part=part_id, reason="a person edited it"),),
        changed_parts=changed_parts(protocol.parts, made.parts),
        changes=changes,
        found=tuple(f for f in findings[1] if f not in findings[0]),
        resolved=tuple(f for f in findings[0] if f not in findings[1]),
        origin=origin_of(s.origin for s in made.steps),
    )
    return Revised(made, revision, bench.objective)


def ground_of(bench: Bench, protocol: Protocol) -> Ground:
    """What the steps of a part may refer to: the protocol's steps as they are, data sets, requirements, analyses."""
    lines = (p.model_copy(update={"outline": tuple(map(line_of, p.steps))}) for p in protocol.parts)
    return Ground(bench.objective, tuple(lines), bench.datasets, bench.skills)


def _passed(protocol: Protocol) -> bool:
    return not any("did not pass the review loop" in text for text in protocol.limitations)


def _check(parts: Parts, before: ProtocolPart, after: ProtocolPart) -> None:
    """Refuse a protocol without steps, and inputs of which a person took the source away.

    Raises:
        FormError: It is one.
    """
    steps = [s for p in parts for s in p.steps]
    if not steps:
        raise FormError([Mistake(1, "this would leave the protocol without any step")])
    there = {f"step:{s.id}/{o.name}" for s in steps for o in s.outputs}
    had = {f"step:{s.id}/{o.name}" for s in before.steps for o in s.outputs}
    own = {s.id for s in after.steps}
    for step in steps:
        for given in step.inputs:
            if given.source in had - there:
                where = "it" if step.id in own else f"step {step.id}"
                raise FormError([Mistake(1, f"{given.source} is not there any more, but {where} reads it")])


def _changes(before: ProtocolPart, after: ProtocolPart) -> tuple[StepChange, ...]:
    old: dict[str, ProtocolStep] = {s.id: s for s in before.steps}
    return tuple(
        StepChange(step=s.id, what="changed" if s.id in old else "added", why=WHY)
        for s in after.steps
        if old.get(s.id) != s
    )
