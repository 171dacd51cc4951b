"""Revising a protocol, after a person's comment or by a part that a person edited.

Only the parts concerned change, steps that a comment does not touch stay word for word, and every id stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bioresearcher.errors import InputError, NothingRevisedError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.offline import comment as spoken
from bioresearcher.offline.comment import ABILITIES
from bioresearcher.review.check import CheckContext
from bioresearcher.review.checks import run_checks
from bioresearcher.schemas.ask_design import (
    ChoosePartsInput,
    ProtocolStepDraft,
    RevisedPart,
    RevisePartInput,
    SkillBrief,
)
from bioresearcher.schemas.base import Objective, Origin, Requirement, origin_of
from bioresearcher.schemas.protocol import NotDone, OutlineLine, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import CheckFinding, DraftReview
from bioresearcher.schemas.run import ConcernedPart, Revision, StepChange
from bioresearcher.stages.claims import check_claims
from bioresearcher.stages.design import protocol_step
from bioresearcher.stages.design_context import DesignContext, assemble_again
from bioresearcher.stages.draft_cleanup import MAX_STEPS, StepReferences, line_of, tidy_step, unbound
from bioresearcher.stages.forms import FormError, Mistake
from bioresearcher.stages.part_form import read_part
from bioresearcher.stages.prompts import CHOOSE_PARTS, REVISE_PART
from bioresearcher.stages.revise_rules import (
    Parts,
    add_methods,
    changed_parts,
    exclude,
    next_step_id,
    note_requirements,
    without_steps,
)
from bioresearcher.text.format import count_of
from bioresearcher.text.normalise import known_id, known_ids, title_of
from bioresearcher.text.visible import clip

MAX_COMMENT = 4_000
WHY = "a person wrote it so"
EXCLUDED = "A person excluded it after the protocol was written."


@dataclass(frozen=True)
class Revised:
    """The new protocol, and the record of its changes."""

    protocol: Protocol
    revision: Revision


@dataclass
class _Work:
    """A revision under way."""

    bench: DesignContext
    parts: Parts
    changes: list[StepChange] = field(default_factory=list)
    not_done: list[str] = field(default_factory=list)
    rounds: list[DraftReview] = field(default_factory=list)

    def take(self, parts: Parts, changes: tuple[StepChange, ...]) -> None:
        self.parts = parts
        self.changes += changes


async def revise(
    caller: ModelClient,
    bench: DesignContext,
    protocol: Protocol,
    comment: str,
    context: CheckContext,
    *,
    number: int = 1,
) -> Revised:
    """Revise a protocol after a comment, and record each change with its reason.

    First come changes that the rules can make (exclude a data set or paper, add a requirement, add a skill), then the
    parts concerned, each by the designer, once more where the checks find new errors. Parts that are not in
    `revision.changed_parts` stay byte for byte; ids are kept, and no id gets another meaning.

    Raises:
        InputError: The comment is empty or too long.
        NothingRevisedError: Nothing of it could be done; the message gives the reason.
    """
    comment = " ".join(comment.split())
    if not comment or len(comment) > MAX_COMMENT:
        raise InputError(f"--feedback: the comment has {len(comment)} characters; it must have 1 to {MAX_COMMENT}.")
    known = tuple(dict.fromkeys((*(d.id for d in bench.datasets), *bench.reports)))
    excluded = spoken.excluded_ids(comment, known)
    objective = with_requirements(bench.objective, spoken.new_requirements(comment))
    work = _Work(replace(bench.without(excluded), objective=objective), protocol.parts)
    facts = [f.id for f in bench.facts if f.dataset in excluded]
    work.take(*exclude(work.parts, excluded, bench.skills, facts))
    added = await add_methods(caller, work.bench, work.parts, spoken.adding_clauses(comment))
    work.take(added.parts, added.changes)
    work.not_done += added.not_done
    new = objective.requirements[len(bench.objective.requirements) :]
    work.take(*note_requirements(work.parts, new, work.bench))
    left = spoken.not_understood(comment, protocol.parts, bench.briefs, known) if caller.by_rule else ()
    concerned = await _rewritten(caller, work, comment, context, number, certain=bool(excluded or added.changes or new))
    if not work.changes and not new:
        _refuse(caller, work, comment, protocol)
    work.not_done += [f"“{clip(c, 160)}”: {ABILITIES}" for c in left]
    if not any(p.steps for p in work.parts):
        raise NothingRevisedError(
            "nothing was changed: the comment would leave no step.", hint="Start a new run with other data or papers."
        )
    revised = await check_claims(caller, work.bench, _assembled(protocol, work, excluded, facts, number))
    revision = Revision(
        number=number,
        comment=comment,
        concerned=concerned,
        changed_parts=changed_parts(protocol.parts, revised.parts),
        changes=tuple(dict.fromkeys(work.changes)),
        excluded=excluded,
        requirements=new,
        not_done=tuple(dict.fromkeys(work.not_done)),
        rounds=tuple(work.rounds),
        origin=origin_of(s.origin for s in revised.steps),
        **_findings(protocol, revised, context, objective),
    )
    return Revised(revised, revision)


def _findings(
    before: Protocol, after: Protocol, context: CheckContext, objective: Objective
) -> dict[str, tuple[CheckFinding, ...]]:
    """Return the findings of the checks that are new, and those that were resolved."""
    old = run_checks(before, context)
    new = run_checks(after, replace(context, objective=objective))
    return {"found": tuple(f for f in new if f not in old), "resolved": tuple(f for f in old if f not in new)}


def _assembled(
    protocol: Protocol, work: _Work, excluded: tuple[str, ...], facts: Sequence[str], number: int
) -> Protocol:
    """Assemble the present parts under the protocol's old first page, without what it says of excluded data."""
    page = protocol.model_copy(
        update={
            "facts": tuple(f for f in protocol.facts if f.fact not in facts),
            "decisions": tuple(
                d.model_copy(update={"cites": tuple(c for c in d.cites if c not in facts)}) for d in protocol.decisions
            ),
            "not_done": (*protocol.not_done, *(NotDone(what=f"Use of {i}", why=EXCLUDED) for i in excluded)),
            "limitations": tuple(t for t in protocol.limitations if not _renewed(t, excluded)),
        }
    )
    after = assemble_again(work.bench, page if excluded else protocol, work.parts)
    said = f" Revision {number} excluded {', '.join(excluded)}." if excluded else ""
    return after.model_copy(update={"revision": number, "summary": f"{after.summary}{said}".strip()})


def _renewed(limitation: str, excluded: Sequence[str]) -> bool:
    """Return True for a limitation that depends on the material and is made anew."""
    about = limitation.partition(": ")[0].split(", ")
    return limitation.startswith("Requirement ") or any(i in about for i in excluded)


def with_requirements(objective: Objective, texts: tuple[str, ...]) -> Objective:
    """Add requirements to the objective under new ids, except those it has."""
    known = {r.text.casefold() for r in objective.requirements}
    used = [int(r.id[1:]) for r in objective.requirements if r.id[1:].isdigit()]
    new = [t for t in dict.fromkeys(texts) if t.casefold() not in known]
    more = tuple(Requirement(id=f"R{n}", text=t) for n, t in enumerate(new, max(used, default=0) + 1))
    return objective.model_copy(update={"requirements": (*objective.requirements, *more)}) if more else objective


async def _rewritten(
    caller: ModelClient, work: _Work, comment: str, context: CheckContext, number: int, *, certain: bool
) -> tuple[ConcernedPart, ...]:
    """Rewrite the parts concerned; they are searched only when the rules did not already do everything possible."""
    briefs = work.bench.briefs
    if caller.by_rule and certain and not spoken.drops_or_sets(comment, work.parts, briefs):
        return ()
    concerned = await concerned_parts(caller, work.parts, comment, briefs)
    gone: dict[str, str] = {}
    for one in concerned:
        part = next(p for p in work.parts if p.id == one.part)
        best = await _checked(caller, work, part, comment, context, number)
        work.not_done += [best.not_done] if best.not_done else []
        rewritten = tuple(best.part if p.id == part.id else p for p in work.parts)
        work.take(rewritten, tuple(c for c in best.changes if c.what != "dropped"))
        gone |= dict.fromkeys(best.dropped, "the comment drops it")
    if gone:
        work.take(*without_steps(work.parts, gone, work.bench.skills))
    return concerned


async def _checked(
    caller: ModelClient, work: _Work, part: ProtocolPart, comment: str, context: CheckContext, number: int
) -> Rewritten:
    """Return a part rewritten; one with new errors of the checks is written once more, and the better one is kept."""
    before = _errors(part, work.bench, context)
    best = await rewrite_part(caller, work.bench, part, work.parts, comment, ())
    found = _new_errors(best, before, work.bench, context)
    drafts = [(best, found)]
    if found and not caller.by_rule:
        again = await rewrite_part(caller, work.bench, part, work.parts, comment, found)
        drafts.append((again, _new_errors(again, before, work.bench, context)))
        best, _ = min(drafts, key=lambda d: (not d[0].changes, len(d[1])))
    if not best.changes:
        return best
    work.rounds += [
        DraftReview(
            draft=f"steps of part {part.id}, revision {number}",
            round=n,
            judged=False,
            passed=not errors,
            findings=errors,
            reason=f"{count_of(len(errors), 'new error')} of the checks",
            kept=draft is best,
        )
        for n, (draft, errors) in enumerate(drafts, 1)
    ]
    return best


def _errors(part: ProtocolPart, bench: DesignContext, context: CheckContext) -> tuple[CheckFinding, ...]:
    """Return the errors of the checks in a part alone."""
    alone = Protocol(
        id=bench.objective.id,
        title=part.title,
        objective_id=bench.objective.id,
        parts=(part,),
        origin=origin_of(s.origin for s in part.steps),
    )
    return tuple(f for f in run_checks(alone, context, scope="part") if f.severity == "error")


def _new_errors(
    draft: Rewritten, before: Sequence[CheckFinding], bench: DesignContext, context: CheckContext
) -> tuple[CheckFinding, ...]:
    kept = tuple(s for s in draft.part.steps if s.id not in draft.dropped)
    found = _errors(draft.part.model_copy(update={"steps": kept}), bench, context)
    return tuple(f for f in found if f not in before)


def _refuse(caller: ModelClient, work: _Work, comment: str, protocol: Protocol) -> None:
    """Refuse the comment with the reason why nothing was changed.

    Raises:
        NothingRevisedError: Always.
    """
    unknown = spoken.unknown_names(comment, protocol)
    if work.not_done:
        why = "; ".join(dict.fromkeys(work.not_done))
    elif unknown:
        why = f"the protocol has no {' and no '.join(unknown)}"
    else:
        why = ABILITIES if caller.by_rule else "the model found nothing in the protocol to change for it"
    raise NothingRevisedError(f"nothing was changed: {why}.")


async def concerned_parts(
    caller: ModelClient, parts: Parts, comment: str, skills: Sequence[SkillBrief]
) -> tuple[ConcernedPart, ...]:
    """Return the parts that a comment concerns, in the protocol's order.

    These are the parts it names, by number, by the number or title of a step, or by a parameter; where it names none,
    those that a closed question to the designer picks (the rules: the closest by words and meaning).
    """
    named = tuple(ConcernedPart(part=p.id, reason=why) for p in parts if (why := _named(p, comment, skills)))
    if named or not parts:
        return named
    answer = await ask(caller, CHOOSE_PARTS, ChoosePartsInput(comment=comment, parts=parts))
    ids = [p.id for p in parts]
    chosen: dict[str, str] = {}
    for concern in answer.value.parts:
        part_id = known_id(concern.part, ids)
        if concern.concerned and part_id is not None:
            chosen.setdefault(part_id, title_of(concern.reason, "chosen without a reason"))
    return tuple(ConcernedPart(part=i, reason=chosen[i]) for i in ids if i in chosen)


def _named(part: ProtocolPart, comment: str, skills: Sequence[SkillBrief]) -> str:
    """Return how a comment names a part; empty when it does not."""
    if spoken.named_parts(comment, [part.id]):
        return f"the comment names part {part.id}"
    steps = spoken.named_steps(comment, [s.id for s in part.steps]) or spoken.named_by_title(comment, part.steps)
    if steps:
        return f"the comment names step {', '.join(steps)}"
    if spoken.named_by_title(comment, [part]):
        return "the comment names its title"
    set_here = spoken.settings_in(comment, part)
    if set_here:
        return f"the comment sets {', '.join(sorted({n for _, n in set_here}))}, which it uses"
    dropped = spoken.drops(comment, part, skills)[1]
    return f"the comment names the method of step {', '.join(dropped)}" if dropped else ""


@dataclass(frozen=True)
class Rewritten:
    """A part rewritten for a comment; steps to be dropped are still in it, because others may need them."""

    part: ProtocolPart
    changes: tuple[StepChange, ...]
    dropped: tuple[str, ...]
    not_done: str


async def rewrite_part(
    caller: ModelClient,
    bench: DesignContext,
    part: ProtocolPart,
    parts: Parts,
    comment: str,
    findings: tuple[CheckFinding, ...],
) -> Rewritten:
    """Let the designer rewrite a part; a change that cannot be carried out is left out and recorded."""
    values = RevisePartInput(
        objective=bench.objective,
        comment=comment,
        part=part,
        all_parts=parts,
        known=bench.known_steps(part.learns_from),
        datasets=bench.datasets,
        skills=bench.briefs,
        findings=findings,
    )
    answer = await ask(caller, REVISE_PART, values)
    return _applied(bench, values, answer.value, answer.origin)


def _applied(bench: DesignContext, values: RevisePartInput, answer: RevisedPart, origin: Origin) -> Rewritten:
    part, why = values.part, title_of(answer.reason, "the comment asks for it")
    ids = [s.id for s in part.steps]
    dropped = tuple(ids) if answer.drop_part else known_ids(answer.dropped, ids)
    refused, changes = [answer.not_done] if answer.not_done.strip() else [], []
    for draft in answer.steps[:MAX_STEPS]:
        step_id = known_id(draft.id, ids)
        if step_id in dropped or not draft.action.strip():
            continue
        line = _line(part, step_id, draft)
        written = _written(bench, values, part, draft, line)
        if isinstance(written, str):
            refused.append(f"{'step ' + step_id if step_id else 'a new step'} stays out of it: {written}")
            continue
        old = next((s for s in part.steps if s.id == step_id), None)
        step = _with_verdicts(protocol_step(bench, written, origin), old)
        if old is None or _differs(old, step):
            part = _with_step(part, step, line)
            changes.append(StepChange(step=step.id, what="changed" if old else "added", why=why))
    changed = tuple(changes) + tuple(StepChange(step=i, what="dropped", why=why) for i in dropped)
    return Rewritten(part, changed, dropped, "; ".join(refused))


def _line(part: ProtocolPart, step_id: str | None, draft: ProtocolStepDraft) -> OutlineLine:
    """Return the outline's line of a step, or a new line where it has none."""
    known = next((line for line in part.outline if line.id == step_id), None)
    old = next((s for s in part.steps if s.id == step_id), None)
    if known is not None:
        return known
    if old is not None:
        return line_of(old)
    return OutlineLine(id=next_step_id(part), title=title_of(draft.title, draft.action))


def _written(
    bench: DesignContext, values: RevisePartInput, part: ProtocolPart, draft: ProtocolStepDraft, line: OutlineLine
) -> ProtocolStepDraft | str:
    """Return the step with references that exist, or the reason why it cannot be carried out."""
    outlined = part if line in part.outline else part.model_copy(update={"outline": (*part.outline, line)})
    parts = tuple(outlined if p.id == part.id else p for p in values.all_parts)
    ground = StepReferences(bench.objective, parts, bench.datasets, bench.skills)
    step = tidy_step(draft, line, ground)
    why = unbound(step, ground)
    return why or step


def _with_verdicts(step: ProtocolStep, old: ProtocolStep | None) -> ProtocolStep:
    """Return a step with the verdicts on citations that it had before, and the passages that go with them."""
    if old is None:
        return step
    known = {(c.kind, c.ref, c.claim): c for c in old.citations if c.state != "cut"}
    citations = tuple(known.get((c.kind, c.ref, c.claim), c) for c in step.citations)
    claims = {c.claim for c in citations if c.kind == "passage" and c.state == "supported"}
    links = tuple(k for k in old.links if k.claim in claims or not k.claim)
    return step.model_copy(update={"citations": citations, "links": links})


def _differs(old: ProtocolStep, new: ProtocolStep) -> bool:
    """Check whether a step changed; its origin, and what no new step has, do not count."""
    apart = {"links", "origin", "novelty", "object", "citations"}
    cited = [[(c.kind, c.ref, c.claim) for c in s.citations if c.state != "cut"] for s in (old, new)]
    return old.model_dump(exclude=apart) != new.model_dump(exclude=apart) or cited[0] != cited[1]


def _with_step(part: ProtocolPart, step: ProtocolStep, line: OutlineLine) -> ProtocolPart:
    steps = tuple(step if s.id == step.id else s for s in part.steps)
    if all(s.id != step.id for s in part.steps):
        steps = (*steps, step)
    outline = part.outline if any(o.id == line.id for o in part.outline) or not part.outline else (*part.outline, line)
    return part.model_copy(update={"steps": steps, "outline": outline})


def edit_part(
    bench: DesignContext, protocol: Protocol, part_id: str, text: str, context: CheckContext, *, number: int
) -> Revised | None:
    """Replace a part of the protocol by the one a person edited; None when nothing was changed.

    With dropped steps go those that require their outputs; all others keep their ids. The protocol is checked before
    and after.

    Raises:
        FormError: The text cannot be read, or a step would read an output that no longer exists.
    """
    before = next(p for p in protocol.parts if p.id == part_id)
    after = read_part(text, before, step_references(bench, protocol))
    if after == before:
        return None
    kept = {s.id for s in after.steps}
    gone = {s.id: WHY for s in before.steps if s.id not in kept}
    whole = after.model_copy(update={"steps": (*after.steps, *(s for s in before.steps if s.id in gone))})
    parts = tuple(whole if p.id == part_id else p for p in protocol.parts)
    parts, dropped = without_steps(parts, gone, bench.skills) if gone else (parts, ())
    _check(parts, before, after)
    changes = (*_changes(before, after), *dropped)
    made = assemble_again(bench, protocol, parts).model_copy(update={"revision": number})
    revision = Revision(
        number=number,
        comment=f"part {part_id} was edited by a person",
        concerned=(ConcernedPart(part=part_id, reason="a person edited it"),),
        changed_parts=changed_parts(protocol.parts, made.parts),
        changes=changes,
        origin=origin_of(s.origin for s in made.steps),
        **_findings(protocol, made, context, bench.objective),
    )
    return Revised(made, revision)


def step_references(bench: DesignContext, protocol: Protocol) -> StepReferences:
    """Return the objects that steps may refer to: the protocol's present steps, data sets, requirements, skills."""
    lines = (p.model_copy(update={"outline": tuple(map(line_of, p.steps))}) for p in protocol.parts)
    return StepReferences(bench.objective, tuple(lines), bench.datasets, bench.skills)


def _check(parts: Parts, before: ProtocolPart, after: ProtocolPart) -> None:
    """Refuse a protocol without steps, and inputs whose source a person removed.

    Raises:
        FormError: Describes the first such case.
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
