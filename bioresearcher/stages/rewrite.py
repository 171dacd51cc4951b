"""One part of a protocol rewritten for a comment: what it does not touch stays word for word."""

from __future__ import annotations

from dataclasses import dataclass

from bioresearcher.llm.ask import Caller, ask
from bioresearcher.schemas.ask_design import ProtocolStepDraft
from bioresearcher.schemas.ask_revise import RevisedPart, RevisePartInput
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import GateFinding
from bioresearcher.schemas.revision import StepChange
from bioresearcher.stages.bench import Bench, Similarities
from bioresearcher.stages.changes import Parts, next_step_id
from bioresearcher.stages.design import link_step
from bioresearcher.stages.prompts import REVISE_PART
from bioresearcher.stages.steps import MAX_STEPS, Ground, learnt_from, tidy_step, unbound
from bioresearcher.text.normalise import known_id, known_ids, title_of


@dataclass(frozen=True)
class Rewritten:
    """A part after a comment; steps to be dropped are still in it, because others may need them."""

    part: ProtocolPart
    changes: tuple[StepChange, ...]
    dropped: tuple[str, ...]
    not_done: str


async def rewrite_part(
    caller: Caller,
    bench: Bench,
    part: ProtocolPart,
    parts: Parts,
    comment: str,
    findings: tuple[GateFinding, ...],
    similarities: Similarities,
) -> Rewritten:
    """The part with what the designer changed in it; a change that cannot be carried out is left out and told."""
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
    return _applied(bench, values, answer.value, answer.origin, similarities)


def _applied(
    bench: Bench, values: RevisePartInput, answer: RevisedPart, origin: Origin, similarities: Similarities
) -> Rewritten:
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
        step = link_step(bench, written, origin, similarities)
        old = next((s for s in part.steps if s.id == step_id), None)
        if old is None or _differs(old, step):
            part = _with_step(part, step, line)
            changes.append(StepChange(step=step.id, what="changed" if old else "added", why=why))
    changed = tuple(changes) + tuple(StepChange(step=i, what="dropped", why=why) for i in dropped)
    return Rewritten(part, changed, dropped, "; ".join(refused))


def _line(part: ProtocolPart, step_id: str | None, draft: ProtocolStepDraft) -> OutlineLine:
    """The outline's line of a step; a new one for a new step or one that never had a line."""
    known = next((line for line in part.outline if line.id == step_id), None)
    old = next((s for s in part.steps if s.id == step_id), None)
    if known is not None:
        return known
    if old is not None:
        outputs = tuple(o.name for o in old.outputs)
        return OutlineLine(id=old.id, title=old.title, datasets=old.datasets, skill=old.skill, outputs=outputs)
    return OutlineLine(id=next_step_id(part), title=title_of(draft.title, draft.action))


def _written(
    bench: Bench, values: RevisePartInput, part: ProtocolPart, draft: ProtocolStepDraft, line: OutlineLine
) -> ProtocolStepDraft | str:
    """The step with references that exist, or why it cannot be carried out."""
    outlined = part if line in part.outline else part.model_copy(update={"outline": (*part.outline, line)})
    parts = tuple(outlined if p.id == part.id else p for p in values.all_parts)
    ground = Ground(bench.objective, parts, bench.datasets, bench.skills)
    step = tidy_step(draft, line, ground)
    why = unbound(step, ground)
    shown = [(k.paper_id, k.part_id, k.step_id) for k in values.known]
    old = next((s for s in part.steps if s.id == line.id), None)
    shown += [(k.paper_id, k.part_id, k.step_id) for k in (old.links if old else ())]
    return why or step.model_copy(update={"learnt_from": learnt_from(step.learnt_from, shown)})


def _differs(old: ProtocolStep, new: ProtocolStep) -> bool:
    """Whether a step says something else than before; who said it and how near its sources are do not count."""
    apart = {"links", "origin", "novelty"}
    refs = [[(k.paper_id, k.part_id, k.step_id) for k in s.links] for s in (old, new)]
    return old.model_dump(exclude=apart) != new.model_dump(exclude=apart) or refs[0] != refs[1]


def _with_step(part: ProtocolPart, step: ProtocolStep, line: OutlineLine) -> ProtocolPart:
    steps = tuple(step if s.id == step.id else s for s in part.steps)
    if all(s.id != step.id for s in part.steps):
        steps = (*steps, step)
    outline = part.outline if any(o.id == line.id for o in part.outline) or not part.outline else (*part.outline, line)
    return part.model_copy(update={"steps": steps, "outline": outline})
