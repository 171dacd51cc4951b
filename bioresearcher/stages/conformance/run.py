"""Conformance checks of models: the smallest real step of each role, by a run's own stage function, in a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from bioresearcher.errors import AnswerError, BackendError, InputError, StoppedError
from bioresearcher.events import EventLog
from bioresearcher.execution.code_checks import check_code
from bioresearcher.execution.languages import packages_for
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.ledger import LedgerEntry
from bioresearcher.prompts import Prompt
from bioresearcher.review.check import CheckContext
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.schemas.ask_program import WriteCodeInput
from bioresearcher.schemas.base import Usage, Value
from bioresearcher.schemas.conversation import Conversation
from bioresearcher.schemas.execution import Limits, Outcome, TaskCode
from bioresearcher.schemas.model import ModelSettings
from bioresearcher.schemas.review import METRICS
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.author import plan_protocol
from bioresearcher.stages.code_material import examples_for
from bioresearcher.stages.conformance.material import PROTOCOL, READ_NOTE, TABLE, TASK, TWO_STEPS, Material, made_up
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.program import Workbench, program_task
from bioresearcher.stages.prompts import (
    OUTLINE_PAPER,
    PLAN_PROTOCOL,
    REPAIR_CODE,
    REPORT_PART,
    SCORE_PROTOCOL,
    WRITE_CODE,
)
from bioresearcher.stages.read import read_paper
from bioresearcher.stages.score import score_protocol

LIMITS: Final = Limits(wall_s=40, cpu_s=40, memory_mb=1024)
TIME_LIMIT_S: Final = 120.0
ANOTHER: Final = "Another model for this role may do it."

CheckState = Literal["works", "works with repair", "fails", "not reached in time", "not asked"]


@dataclass(frozen=True)
class ConformanceKit:
    """Material and tools of the checks.

    Attributes:
        material: The packaged example.
        folder: Empty folder in which code is run, deleted afterwards.
        sandbox: Sandbox for the code; None when none works here.
        skills: The skills, some of which a programmer is shown.
    """

    material: Material
    folder: Path
    sandbox: Sandbox | None
    skills: Mapping[str, Skill]


@dataclass(frozen=True)
class Verdict:
    """Verdict of a check.

    Attributes:
        problem: Why the answer fails; empty when it passes.
        seen: Description of the answer in a few words.
        again: True if it passed only after a second try.
    """

    problem: str = ""
    seen: str = ""
    again: bool = False


@dataclass(frozen=True)
class Check:
    """The check of one role's model.

    Attributes:
        name: Subject of the check, in a word.
        prompts: The prompts it asks; the first one's agent has the role.
        work: Function that asks and judges.
    """

    name: str
    prompts: tuple[Prompt[Any, Any], ...]
    work: Callable[[ModelClient, ConformanceKit], Awaitable[Verdict]]

    def role(self, caller: ModelClient) -> str:
        """The model role of the agent whose step it is."""
        return caller.cards[self.prompts[0].agent].model_role


async def check_reading(caller: ModelClient, kit: ConformanceKit) -> Verdict:
    """Read a short note: at least one step must have a quote that is in it."""
    report = await read_paper(caller, kit.material.objective, *kit.material.notes[READ_NOTE])
    if not report.parts:
        return Verdict("it found no part in a note that describes methods")
    seen = f"parts: {len(report.parts)}; quotes found in the note: {report.quotes_located} of {report.quotes}"
    if not report.quotes_located:
        given = f"its quotes do not, e.g. “{report.dropped[0][:60]}”" if report.dropped else "it gave no quote"
        return Verdict(f"nothing it reports stands in the note: {given}", seen)
    return Verdict(seen=seen)


async def check_design(caller: ModelClient, kit: ConformanceKit) -> Verdict:
    """Plan a protocol for the example's objective: at least one part must have a step."""
    material = kit.material
    bench = DesignContext(material.objective, material.reports, {}, material.datasets[:1], {})
    plan = (await plan_protocol(caller, bench, Conversation())).plan
    lines = sum(len(p.lines) for p in plan.parts)
    if not lines:
        return Verdict("it gave no part with a step")
    used = {p.paper_id for p in plan.papers if p.use}
    return Verdict(
        seen=f"parts: {len(plan.parts)}; steps: {lines}; papers used: {len(used)} of {len(material.reports)}"
    )


async def check_code_writing(caller: ModelClient, kit: ConformanceKit) -> Verdict:
    """Write a script for a table of twelve rows, run and repair it in the sandbox: it must be verified."""
    if kit.sandbox is None:
        return await _only_read(caller, kit)
    tasks = kit.folder / "tasks"
    datasets = {"made-up": made_up(kit.folder)}
    bench = Workbench(tasks, datasets, {TASK.id: TASK}, kit.skills, kit.sandbox, LIMITS)
    record = await program_task(caller, bench, TASK)
    if record.outcome is Outcome.VERIFIED:
        seen = f"its code ran in the sandbox ({record.sandbox}): {record.outcome.value}"
        return Verdict(seen=seen, again=record.repairs > 0)
    tried = "its code and its repairs" if record.repairs else "its code"
    return Verdict(f"{tried} got no further than {record.outcome.value!r}: {record.message}")


async def _only_read(caller: ModelClient, kit: ConformanceKit) -> Verdict:
    """Check the syntax of the code, as nothing is run without a sandbox."""
    examples, packages = examples_for(TASK, kit.skills), packages_for(TASK.language)
    values = WriteCodeInput(task=TASK, input_schemas=TABLE, examples=examples, packages=packages)
    answer = await ask(caller, WRITE_CODE, values)
    if not answer.value.code.strip():
        return Verdict(f"it wrote no code: {answer.value.note[:200] or 'without a reason'}")
    report = check_code(TASK, TaskCode(code=answer.value.code, origin=answer.origin))
    if report.outcome is Outcome.SYNTAX:
        return Verdict(f"its code is not valid Python: {report.message}")
    return Verdict(seen="valid Python; not run, as no sandbox works here")


async def check_scores(caller: ModelClient, kit: ConformanceKit) -> Verdict:
    """Score a protocol of two steps: each metric must quote the protocol."""
    review = await score_protocol(caller, TWO_STEPS, PROTOCOL, CheckContext(objective=TWO_STEPS))
    if review.origin in {"offline", "mixed"}:
        return Verdict("not every score of it counts")
    return Verdict(seen=f"scores {'/'.join(f'{review.metrics[name].score:g}' for name in METRICS)}")


CHECKS: Final = (
    Check("reading", (OUTLINE_PAPER, REPORT_PART), check_reading),
    Check("design", (PLAN_PROTOCOL,), check_design),
    Check("code", (WRITE_CODE, REPAIR_CODE), check_code_writing),
    Check("score", (SCORE_PROTOCOL,), check_scores),
)
"""One per role, in the order of the pipeline."""


class CheckResult(Value):
    """The result of one check."""

    role: str
    check: str
    step: str = Field(description="the prompt asked, e.g. literature/outline_paper")
    model: str = Field(description="provider and model")
    state: CheckState
    detail: str = Field(description="what was seen, or why it fails")
    hint: str = Field(default="", description="what to do about it")
    usage: Usage = Usage()
    seconds: float = Field(default=0, description="of the calls, waiting and repairs included")
    structured: str = Field(default="", description="how the answer was made to fit its schema")

    @property
    def works(self) -> bool:
        """True if the model passed, with or without repair."""
        return self.state in ("works", "works with repair")

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens over the seconds of the calls, the reading of the prompt included; None without an answer."""
        return self.usage.output_tokens / self.seconds if self.seconds > 0 and self.usage.output_tokens else None


@dataclass(frozen=True)
class ConformanceRound:
    """One round of checks.

    Attributes:
        caller: Model client; it should have no rules to fall back on, so that failures show.
        kit: Material and tools.
        models: The model of each role that is configured.
        unfit: Role -> (reason why its model is not asked at all, advice).
        structured: Returns for a role and a prompt how the answer was made to fit its schema.
    """

    caller: ModelClient
    kit: ConformanceKit
    models: Mapping[str, ModelSettings]
    unfit: Mapping[str, tuple[str, str]]
    structured: Callable[[str, Prompt[Any, Any]], str] = lambda role, prompt: ""

    async def run(
        self,
        *,
        limit_s: float = TIME_LIMIT_S,
        checks: Sequence[Check] = CHECKS,
        on_result: Callable[[CheckResult], None] = lambda result: None,
    ) -> tuple[CheckResult, ...]:
        """Run the checks that have a configured model and return their results in order; nothing is left running.

        Models at different endpoints are asked side by side, and so are roles at one endpoint as far as it allows;
        a server on this machine does one check after the other, as each would slow down the others.
        """
        lanes = {m.endpoint: asyncio.Semaphore(1 if m.on_this_machine else m.concurrency) for m in self.models.values()}
        begun: set[str] = set()

        async def one(check: Check) -> CheckResult:
            role = check.role(self.caller)
            if role in self.unfit:
                result = self._result(check, "fails", *self.unfit[role])
            else:
                async with lanes[self.models[role].endpoint]:
                    begun.add(role)
                    result = await self._checked(check)
            on_result(result)
            return result

        wanted = [check for check in checks if check.role(self.caller) in self.models]
        tasks = [asyncio.create_task(one(check)) for check in wanted]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            late = {task for task in tasks if not task.done()}
            for task in late:
                task.cancel()
            await self.caller.close(wait=False)
            await asyncio.gather(*tasks, return_exceptions=True)
        more_time = "Give it more time with --max-minutes."
        results = []
        for task, check in zip(tasks, wanted, strict=True):
            asked = check.role(self.caller) in begun
            what = "it was asked, but had not finished" if asked else "it was not asked any more"
            results.append(
                self._result(check, "not reached in time", what, more_time) if task in late else task.result()
            )
        return tuple(results)

    async def _checked(self, check: Check) -> CheckResult:
        """Ask and judge; a stage's notes describe an unusable answer, and the ledger holds the cause."""
        notes: list[str] = []
        events = EventLog(None, lambda event: notes.append(event.message) if event.kind == "note" else None)
        try:
            judged = await check.work(replace(self.caller, events=events), self.kit)
        except StoppedError as error:
            return self._result(check, "not asked", error.message)
        except (AnswerError, BackendError, InputError) as error:
            return self._result(check, "fails", error.message, error.hint or ANOTHER)
        entries = self._entries(check)
        detail = "; ".join(filter(None, (judged.problem, judged.seen, *notes)))
        if judged.problem:
            hint = next((e.hint for e in entries if e.failure and e.hint), ANOTHER)
            return self._result(check, "fails", detail, hint)
        repaired = judged.again or any(e.repaired for e in entries)
        return self._result(check, "works with repair" if repaired else "works", detail)

    def _entries(self, check: Check) -> list[LedgerEntry]:
        """Return the ledger's entries of a check's calls."""
        names = {prompt.name for prompt in check.prompts}
        return [entry for entry in self.caller.ledger.entries() if entry.prompt in names]

    def _result(self, check: Check, state: CheckState, detail: str, hint: str = "") -> CheckResult:
        """Make a result, with usage and time from the ledger."""
        role, entries = check.role(self.caller), self._entries(check)
        usage = sum((e.reply.usage for e in entries), Usage())
        return CheckResult(
            role=role,
            check=check.name,
            step=check.prompts[0].name,
            model=self.models[role].label,
            state=state,
            detail=detail,
            hint=hint,
            usage=usage,
            seconds=round(sum(e.seconds for e in entries), 3),
            structured=self.structured(role, check.prompts[0]) if usage.calls else "",
        )
