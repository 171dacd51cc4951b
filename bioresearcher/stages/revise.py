"""Revising a protocol after a person's comment: only the parts concerned change, and every id stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bioresearcher.errors import InputError, NothingRevisedError
from bioresearcher.llm.ask import Caller
from bioresearcher.llm.offline import comment as spoken
from bioresearcher.llm.offline.revise import CANNOT
from bioresearcher.review.gates import GateContext, run_gates
from bioresearcher.schemas.base import origin_of
from bioresearcher.schemas.objective import Objective, Requirement
from bioresearcher.schemas.protocol import Protocol, ProtocolPart
from bioresearcher.schemas.review import DraftReview, GateFinding
from bioresearcher.schemas.revision import ConcernedPart, Revision, StepChange
from bioresearcher.stages.additions import add_methods, exclude, serve
from bioresearcher.stages.assemble import assemble_protocol
from bioresearcher.stages.bench import Bench, Similarities
from bioresearcher.stages.changes import Parts, changed_parts, without_steps
from bioresearcher.stages.concern import concerned_parts
from bioresearcher.stages.reviewed import reviewed
from bioresearcher.stages.rewrite import Rewritten, rewrite_part
from bioresearcher.text.visible import clip

MAX_COMMENT = 4_000


@dataclass(frozen=True)
class Desk:
    """What a revision is made with, beside the bench.

    Attributes:
        context: What the gates may check against.
        show: A protocol as the reviewer sees it.
    """

    similarities: Similarities
    context: GateContext
    show: Callable[[Protocol], str]


@dataclass(frozen=True)
class Revised:
    """The new protocol, what was done, and the objective with requirements that the comment added."""

    protocol: Protocol
    revision: Revision
    objective: Objective


@dataclass
class _Work:
    """How far a revision has come."""

    bench: Bench
    parts: Parts
    changes: list[StepChange] = field(default_factory=list)
    not_done: list[str] = field(default_factory=list)
    rounds: list[DraftReview] = field(default_factory=list)

    def take(self, parts: Parts, changes: tuple[StepChange, ...]) -> None:
        self.parts = parts
        self.changes += changes


async def revise(
    caller: Caller, bench: Bench, protocol: Protocol, comment: str, desk: Desk, *, number: int = 1
) -> Revised:
    """The protocol with what a comment asks for, and what was changed and why.

    First what rules can be sure of (a data set or paper excluded, a requirement added, a method with a vetted analysis
    added), then the parts concerned, each by the designer in the review loop. Parts that are not in
    `revision.changed_parts` are byte for byte as they were; ids are kept, and no id gets another meaning.

    Raises:
        InputError: The comment is empty or too long.
        NothingRevisedError: Nothing of it could be done; it says why.
    """
    comment = " ".join(comment.split())
    if not comment or len(comment) > MAX_COMMENT:
        raise InputError(f"--feedback: the comment has {len(comment)} characters; it must have 1 to {MAX_COMMENT}.")
    known = tuple(dict.fromkeys((*(d.id for d in bench.datasets), *bench.reports)))
    excluded = spoken.excluded(comment, known)
    objective = with_requirements(bench.objective, spoken.required(comment))
    work = _Work(replace(bench.without(excluded), objective=objective), protocol.parts)
    work.take(*exclude(work.parts, excluded, bench.skills))
    added = await add_methods(caller, work.bench, work.parts, spoken.added(comment), desk.similarities)
    work.take(added.parts, added.changes)
    work.not_done += added.not_done
    new = objective.requirements[len(bench.objective.requirements) :]
    work.take(*serve(work.parts, new, work.bench))
    left = spoken.not_understood(comment, protocol.parts, bench.briefs, known) if caller.by_rule else ()
    concerned = await _rewritten(caller, work, comment, desk, number, certain=bool(excluded or added.changes or new))
    if not work.changes and not new:
        _refuse(caller, work, comment, protocol)
    work.not_done += [f"“{clip(c, 160)}”: {CANNOT}" for c in left]
    if not any(p.steps for p in work.parts):
        raise NothingRevisedError(
            "nothing was changed: the comment would leave no step.", hint="Start a new run with other data or papers."
        )
    revised = _assembled(protocol, work, excluded, number)
    findings = run_gates(protocol, desk.context), run_gates(revised, replace(desk.context, objective=objective))
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
        found=tuple(f for f in findings[1] if f not in findings[0]),
        resolved=tuple(f for f in findings[0] if f not in findings[1]),
        origin=origin_of(s.origin for s in revised.steps),
    )
    return Revised(revised, revision, objective)


def _assembled(protocol: Protocol, work: _Work, excluded: tuple[str, ...], number: int) -> Protocol:
    """The protocol of the parts as they are now, under its old id, title and summary."""
    passed = not any("did not pass the review loop" in text for text in protocol.limitations)
    passed &= all(r.passed for r in work.rounds if r.kept)
    after = assemble_protocol(work.bench, protocol.title, protocol.summary, work.parts, passed=passed)
    said = f" Revision {number} excluded {', '.join(excluded)}." if excluded else ""
    more = {"id": protocol.id, "revision": number, "summary": f"{after.summary}{said}".strip()}
    return after.model_copy(update=more)


def with_requirements(objective: Objective, texts: tuple[str, ...]) -> Objective:
    """The objective with more requirements under new ids; one that is there already is not added again."""
    known = {r.text.casefold() for r in objective.requirements}
    used = [int(r.id[1:]) for r in objective.requirements if r.id[1:].isdigit()]
    new = [t for t in dict.fromkeys(texts) if t.casefold() not in known]
    more = tuple(Requirement(id=f"R{n}", text=t) for n, t in enumerate(new, max(used, default=0) + 1))
    return objective.model_copy(update={"requirements": (*objective.requirements, *more)}) if more else objective


async def _rewritten(
    caller: Caller, work: _Work, comment: str, desk: Desk, number: int, *, certain: bool
) -> tuple[ConcernedPart, ...]:
    """Rewrite the parts concerned; they are only looked for when rules did not already do all that can be done."""
    briefs = work.bench.briefs
    if caller.by_rule and certain and not spoken.drops_or_sets(comment, work.parts, briefs):
        return ()
    concerned = await concerned_parts(caller, work.parts, comment, briefs)
    gone: dict[str, str] = {}
    for one in concerned:
        part = next(p for p in work.parts if p.id == one.part)
        best = await _reviewed(caller, work, part, comment, desk, number)
        work.not_done += [best.not_done] if best.not_done else []
        rewritten = tuple(best.part if p.id == part.id else p for p in work.parts)
        work.take(rewritten, tuple(c for c in best.changes if c.what != "dropped"))
        gone |= dict.fromkeys(best.dropped, "the comment drops it")
    if gone:
        work.take(*without_steps(work.parts, gone, work.bench.skills))
    return concerned


async def _reviewed(
    caller: Caller, work: _Work, part: ProtocolPart, comment: str, desk: Desk, number: int
) -> Rewritten:
    """The best rewriting of one part; a part that stays as it is needs no review."""

    def whole(draft: Rewritten) -> Protocol:
        kept = tuple(s for s in draft.part.steps if s.id not in draft.dropped)
        return Protocol(
            id=work.bench.objective.id,
            title=part.title,
            objective_id=work.bench.objective.id,
            parts=(draft.part.model_copy(update={"steps": kept}),),
            origin=origin_of(s.origin for s in kept),
            revision=number,
        )

    def check(draft: Rewritten) -> tuple[GateFinding, ...]:
        return run_gates(whole(draft), desk.context, scope="part") if draft.changes else ()

    best = await reviewed(
        caller,
        work.bench.objective,
        f"steps of part {part.id}, revision {number}",
        make=lambda findings: rewrite_part(caller, work.bench, part, work.parts, comment, findings, desk.similarities),
        check=check,
        show=lambda draft: desk.show(whole(draft)),
    )
    work.rounds += best.rounds if best.value.changes else ()
    return best.value


def _refuse(caller: Caller, work: _Work, comment: str, protocol: Protocol) -> None:
    """Say why nothing was done.

    Raises:
        NothingRevisedError: Always.
    """
    unknown = spoken.unknown_names(comment, protocol)
    if work.not_done:
        why = "; ".join(dict.fromkeys(work.not_done))
    elif unknown:
        why = f"the protocol has no {' and no '.join(unknown)}"
    else:
        why = CANNOT if caller.by_rule else "the model found nothing in the protocol to change for it"
    raise NothingRevisedError(f"nothing was changed: {why}.")
