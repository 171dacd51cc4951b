"""The author of a protocol: plans it, writes its steps in few long calls, and revises it, in one conversation.

A model's step is never replaced by a rule's: one whose skill is not bound in full keeps its text and loses the skill,
and a line that stays without a step is named. The rules answer only where no model does, or where nothing of a model's
answer can be used at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bioresearcher.errors import AnswerError, ContextOverflowError, ReplyInvalidError, TruncatedError
from bioresearcher.llm.ask import Answer, ModelClient, ask
from bioresearcher.schemas.ask_design import (
    HeadingDraft,
    PlannedPart,
    PlanProtocolInput,
    ProtocolPlan,
    ProtocolStepDraft,
    StepsDraft,
    WriteStepsInput,
)
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.conversation import Conversation
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.stages.design import check_plan, parts_of, protocol_step
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.draft_cleanup import (
    StepReferences,
    line_of,
    match_steps,
    source_of,
    tidy_plan,
    tidy_step,
    unbound,
)
from bioresearcher.stages.fallback import by_rule_only, note
from bioresearcher.stages.material import material
from bioresearcher.stages.prompts import PLAN_PROTOCOL, WRITE_STEPS
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import title_of

TOKENS_PER_STEP: Final = 900
"""Tokens of a step of 120 words as JSON, with inputs, outputs, citations and 25 lines of code."""
WORDS: Final = 4_500
"""Words of a whole protocol, its first page and definitions included."""
LEAST_A_STEP, MOST_A_STEP = 110, 200
"""Words of a step that are asked for at least and at most."""
SHARE: Final = 0.9
"""Part of an answer's room that is planned with."""
MOST_WORDS: Final = 1_200
"""Words of a step from which the author is asked for a shorter one."""
MOST_FAILURES: Final = 4
"""Answers that cannot be used after which no more steps are asked for."""
_ASKED_AGAIN: Final = ("G-HEAD-01", "G-OUT-01")
"""Findings for which the whole plan is asked for once more: there is no part, or a part without a step."""


@dataclass(frozen=True)
class Planned:
    """A plan with the conversation after it, and sentences on what was left out of it."""

    plan: ProtocolPlan
    talk: Conversation
    origin: Origin
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """Parts with their steps and the plan they follow, with the conversation, and sentences on what is missing."""

    plan: ProtocolPlan
    parts: tuple[ProtocolPart, ...]
    talk: Conversation
    told: tuple[str, ...] = ()


async def plan_protocol(
    caller: ModelClient,
    bench: DesignContext,
    talk: Conversation,
    *,
    fixed: tuple[ProtocolPart, ...] = (),
    findings: tuple[CheckFinding, ...] = (),
) -> Planned:
    """Plan the protocol: its first page, its parts, and a line per step.

    What a model's plan names and does not exist is left out; parts are numbered in an order in which they can be done.
    A plan with a part that has no step is asked for once more. Without a usable one the rules plan, where there are
    any.

    Args:
        caller: The door to the model.
        bench: The author's material.
        talk: What was said before: of the looks, or of an earlier plan.
        fixed: Parts that a person settled.
        findings: Of checks or a person, on the plan before.

    Raises:
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
        StoppedError: The budget is used up, or the run is stopping.
    """
    if caller.by_rule:
        return await _plan_by_rule(caller, bench, talk, fixed, findings)
    best: Planned | None = None
    for _ in range(2):
        values = PlanProtocolInput(
            **material(bench), said=talk.said, results=talk.results, fixed=fixed, findings=findings
        )
        try:
            answer = await ask(replace(caller, rules=None), PLAN_PROTOCOL, values)
        except AnswerError as error:
            if best is None and caller.rules is None:
                raise
            note(caller, PLAN_PROTOCOL, f"the model's answer could not be used: {error.message}")
            break
        given = _as_settled(answer.value, fixed) if fixed else answer.value
        tidied, told = tidy_plan(given, bench.known, bench.skills, bench.max_parts)
        talk = Conversation(said=(*talk.said, *answer.exchange), results=_renumbered(answer.value, tidied, told))
        best = Planned(tidied, talk, answer.origin, told)
        findings = tuple(f for f in check_plan(tidied, bench) if f.gate in _ASKED_AGAIN)
        if not findings:
            break
    if best is None or not any(p.lines for p in best.plan.parts):
        if caller.rules is None and best is not None:
            return best
        note(caller, PLAN_PROTOCOL, "planned by rule, as the model's answer could not be used")
        return await _plan_by_rule(by_rule_only(caller), bench, talk, fixed, ())
    bare = [p for p in best.plan.parts if not p.lines]
    if bare:
        best = _without(best, bare)
    note(caller, PLAN_PROTOCOL, "; ".join(best.told))
    return best


async def _plan_by_rule(
    rules: ModelClient,
    bench: DesignContext,
    talk: Conversation,
    fixed: tuple[ProtocolPart, ...],
    findings: tuple[CheckFinding, ...],
) -> Planned:
    values = PlanProtocolInput(**material(bench, whole=True), fixed=fixed, findings=findings)
    answer = await ask(rules, PLAN_PROTOCOL, values)
    shown = f"The plan, made by rule: {answer.value.model_dump_json(exclude_defaults=True)}"
    results = "\n\n".join(t for t in (talk.results, shown) if t)
    return Planned(answer.value, talk.model_copy(update={"results": results}), answer.origin)


def _as_settled(plan: ProtocolPlan, fixed: Sequence[ProtocolPart]) -> ProtocolPlan:
    """Return the plan with the headings that a person settled, each with the plan's lines for it."""
    by_title = {p.title.casefold().strip(): p.lines for p in plan.parts}
    by_id = {p.id: p.lines for p in plan.parts}
    parts = tuple(
        PlannedPart(
            **{name: getattr(p, name) for name in HeadingDraft.model_fields},
            lines=by_title.get(p.title.casefold().strip()) or by_id.get(p.id, ()),
        )
        for p in fixed
    )
    return plan.model_copy(update={"parts": parts})


def _renumbered(given: ProtocolPlan, tidied: ProtocolPlan, told: Sequence[str]) -> str:
    """Return what the author must know of the changes that cleaning made; empty when there is none."""
    said = [f"Of the plan a program left out: {'; '.join(told)}."] if told else []
    if _outline(given) != _outline(tidied):
        said.append(f"Parts and lines of the plan were numbered anew:\n{_outline(tidied)}")
    return "\n".join(said)


def _outline(plan: ProtocolPlan) -> str:
    rows = []
    for part in plan.parts:
        rows.append(f"{part.id} {part.title}")
        rows += [f"  {line.id} {line.title}" for line in part.lines]
    return "\n".join(rows)


def _without(planned: Planned, bare: Sequence[PlannedPart]) -> Planned:
    """Return the plan without parts that have no line; the others keep their order and get new numbers."""
    gone = {p.id for p in bare}
    kept = [p for p in planned.plan.parts if p.id not in gone]
    new = {p.id: str(n) for n, p in enumerate(kept, 1)}
    parts = tuple(
        p.model_copy(
            update={
                "id": new[p.id],
                "depends_on": tuple(new[d] for d in p.depends_on if d in new),
                "relations": tuple(r.model_copy(update={"part": new[r.part]}) for r in p.relations if r.part in new),
                "lines": tuple(line.model_copy(update={"id": f"{new[p.id]}.{n}"}) for n, line in enumerate(p.lines, 1)),
            }
        )
        for p in kept
    )
    plan = planned.plan.model_copy(update={"parts": parts})
    said = f"parts without any step left out: {listing(p.title for p in bare)}"
    results = f"Of the plan a program left out: {said}. What holds:\n{_outline(plan)}"
    talk = planned.talk.model_copy(update={"results": results})
    return Planned(plan, talk, planned.origin, (*planned.told, said))


def settle(plan: ProtocolPlan, parts: Sequence[ProtocolPart], talk: Conversation) -> tuple[ProtocolPlan, Conversation]:
    """Return the plan with the parts and outlines that a person settled, and the conversation that says so."""
    if tuple(parts) == parts_of(plan):
        return plan, talk
    lines = {p.id: p.lines for p in plan.parts}
    settled = tuple(
        PlannedPart(
            **{name: getattr(p, name) for name in HeadingDraft.model_fields},
            lines=p.outline or lines.get(p.id, ()),
        )
        for p in parts
    )
    new = plan.model_copy(update={"parts": settled})
    said = f"A person settled the outline; it holds from now on:\n{_outline(new)}"
    results = "\n\n".join(t for t in (talk.results, said) if t)
    return new, talk.model_copy(update={"results": results})


async def write_steps(caller: ModelClient, bench: DesignContext, talk: Conversation, plan: ProtocolPlan) -> Written:
    """Write all steps of a plan, as many in a call as an answer has room for.

    Lines that were left out are asked for once more, as are shorter steps in place of overlong ones. What stays
    missing is named. Citations are not checked yet (`claims.check_claims`).

    Raises:
        StoppedError: The budget is used up, or the run is stopping.
    """
    if caller.by_rule:
        return await _written_by_rule(caller, bench, talk, plan)
    desk = _Desk(replace(caller, rules=None), bench, plan, talk)
    await desk.write([line.id for part in plan.parts for line in part.lines])
    await desk.follow_up()
    parts, told = desk.finished()
    note(caller, WRITE_STEPS, "; ".join(told))
    if any(p.steps for p in parts) or caller.rules is None:
        return Written(plan, parts, desk.talk, told)
    note(caller, WRITE_STEPS, "designed anew by rule, as no step of the model's design could be written")
    rules = by_rule_only(caller)
    anew = await _plan_by_rule(rules, bench, Conversation(), (), ())
    by_rule = await _written_by_rule(rules, bench, Conversation(), anew.plan)
    return replace(by_rule, told=("The whole protocol was designed by rule: no step of the model's could be used.",))


async def _written_by_rule(rules: ModelClient, bench: DesignContext, talk: Conversation, plan: ProtocolPlan) -> Written:
    lines = tuple(line.id for part in plan.parts for line in part.lines)
    values = WriteStepsInput(**material(bench, whole=True), plan=plan, lines=lines)
    answer = await ask(rules, WRITE_STEPS, values)
    steps = {s.id: protocol_step(bench, s, answer.origin) for s in answer.value.steps}
    return Written(plan, _filled(plan, steps), talk)


def _filled(plan: ProtocolPlan, steps: Mapping[str, ProtocolStep]) -> tuple[ProtocolPart, ...]:
    """Return the plan's parts with the steps of their lines."""
    return tuple(
        part.model_copy(update={"steps": tuple(steps[line.id] for line in part.outline if line.id in steps)})
        for part in parts_of(plan)
    )


class _Desk:
    """Steps of a plan while they are written."""

    def __init__(self, door: ModelClient, bench: DesignContext, plan: ProtocolPlan, talk: Conversation) -> None:
        self._door = door
        self._bench = bench
        self._plan = plan
        self._lines: dict[str, OutlineLine] = {line.id: line for part in plan.parts for line in part.lines}
        self._drafts: dict[str, ProtocolStepDraft] = {}
        self._origins: dict[str, Origin] = {}
        self._failures: list[str] = []
        self.talk = talk

    async def write(self, lines: Sequence[str]) -> None:
        """Ask for lines in as few calls as possible; a call whose answer is cut is divided."""
        room = self._door.cards[WRITE_STEPS.agent].max_output_tokens
        most = max(1, int(room * SHARE) // TOKENS_PER_STEP)
        count = -(-len(lines) // most)
        size = -(-len(lines) // count) if count else 0
        waiting = [list(lines[n : n + size]) for n in range(0, len(lines), size)] if size else []
        while waiting and len(self._failures) < MOST_FAILURES:
            batch = waiting.pop(0)
            try:
                answer = await self._ask(batch)
            except AnswerError as error:
                self._failures.append(error.message)
                if len(batch) > 1 and isinstance(error, TruncatedError | ReplyInvalidError | ContextOverflowError):
                    half = len(batch) // 2
                    waiting[:0] = [batch[:half], batch[half:]]
                continue
            self._take(batch, answer)

    async def _ask(self, batch: Sequence[str]) -> Answer[StepsDraft]:
        """Ask for lines, and append what was said."""
        written, _ = self._steps()
        values = WriteStepsInput(
            **material(self._bench),
            said=self.talk.said,
            results=self.talk.results,
            plan=self._plan,
            lines=tuple(batch),
            written=tuple(s for i in self._lines if (s := written.get(i)) is not None),
            words=self._room(len(batch)),
        )
        answer = await ask(self._door, WRITE_STEPS, values)
        self.talk = Conversation(said=(*self.talk.said, *answer.exchange))
        return answer

    def _room(self, lines: int) -> int:
        """Return the words that so many steps may have: their share of what the plan leaves, within sense."""
        page = len(_uncoded(self._plan).model_dump_json(exclude={"parts"}).split())
        each = (WORDS - page) // max(1, len(self._lines))
        return lines * min(max(each, LEAST_A_STEP), MOST_A_STEP)

    def _take(self, batch: Sequence[str], answer: Answer[StepsDraft]) -> None:
        """Keep the steps of an answer; of two for a line the shorter one when the other is overlong."""
        for line_id, draft in match_steps([self._lines[i] for i in batch], answer.value.steps).items():
            old = self._drafts.get(line_id)
            if old is None or words_of(draft) <= words_of(old):
                self._drafts[line_id] = draft
                self._origins[line_id] = answer.origin

    async def follow_up(self) -> None:
        """Ask once more for what is missing, and for shorter steps in place of overlong ones."""
        missing = [i for i in self._lines if i not in self._drafts]
        long = [i for i in self._lines if i in self._drafts and words_of(self._drafts[i]) > MOST_WORDS]
        if not self._drafts or not (missing or long):
            return
        said = [f"Not written yet: {', '.join(missing)}."] if missing else []
        said += [
            f"Step {i} has {words_of(self._drafts[i]):,} words, too many to be carried out or checked: "
            "write it again in at most 350; keep every setting, leave out repetition."
            for i in long
        ]
        results = "\n".join(t for t in (self.talk.results, *said) if t)
        self.talk = self.talk.model_copy(update={"results": results})
        await self.write([i for i in self._lines if i in {*missing, *long}])

    def _steps(self) -> tuple[dict[str, ProtocolStep], list[str]]:
        """Return the drafts as steps of the protocol, cleaned in order, and sentences on what they lost."""
        found: dict[str, ProtocolStep] = {}
        told: list[str] = []
        outlined = {p.id: list(p.lines) for p in self._plan.parts}
        for part in self._plan.parts:
            for place, line in enumerate(part.lines):
                draft = self._drafts.get(line.id)
                if draft is None:
                    continue
                parts = tuple(p.model_copy(update={"outline": tuple(outlined[p.id])}) for p in parts_of(self._plan))
                ground = StepReferences(self._bench.objective, parts, self._bench.datasets, self._bench.skills)
                step, lost = clean_step(draft, line, ground)
                told += lost
                found[line.id] = protocol_step(self._bench, step, self._origins[line.id])
                outlined[part.id][place] = line_of(found[line.id])
        return found, told

    def finished(self) -> tuple[tuple[ProtocolPart, ...], tuple[str, ...]]:
        """Return the parts with their steps, and sentences on what is missing, overlong or was left out."""
        steps, told = self._steps()
        missing = [i for i in self._lines if i not in steps]
        if missing:
            why = f" ({title_of(self._failures[-1])})" if self._failures else ""
            told.append(f"Planned steps that the author did not write: {', '.join(missing)}{why}")
        long = [f"{i} ({words_of(s):,} words)" for i, s in steps.items() if words_of(s) > MOST_WORDS]
        if long:
            told.append(f"Steps that stayed overlong: {', '.join(long)}")
        return _filled(self._plan, steps), tuple(told)


def _uncoded(plan: ProtocolPlan) -> ProtocolPlan:
    """Return a plan without the code of its definitions."""
    return plan.model_copy(update={"definitions": tuple(d.model_copy(update={"code": ""}) for d in plan.definitions)})


def words_of(step: ProtocolStepDraft | ProtocolStep) -> int:
    """Count the words of what a step says."""
    return len(f"{step.action} {step.rationale} {step.acceptance}".split())


def clean_step(
    draft: ProtocolStepDraft, line: OutlineLine, ground: StepReferences
) -> tuple[ProtocolStepDraft, list[str]]:
    """Return a step whose references exist, without a skill that is not bound in full, and what it lost."""
    step = tidy_step(draft, line, ground)
    told = []
    before = ground.before(line.id)
    lost = [i.source for i in draft.inputs if source_of(i.source, before, ground.datasets) is None]
    if lost:
        told.append(f"{line.id}: inputs without a source that exists, left out: {listing(lost)}")
    unknown = [d for d in draft.datasets if d not in step.datasets]
    if unknown:
        told.append(f"{line.id}: data sets that are not there, left out: {listing(unknown)}")
    if draft.skill and step.skill is None:
        told.append(f"{line.id}: there is no skill {title_of(draft.skill)}; the step is programmed from its text")
    why = unbound(step, ground)
    if why:
        told.append(f"{line.id}: it goes without the skill {step.skill}, as {why}")
        step = tidy_step(draft.model_copy(update={"skill": None}), line, ground)
    return step, told
