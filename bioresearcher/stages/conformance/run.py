"""Carrying out the conformance checks side by side, within a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import Field

from bioresearcher.errors import AnswerError, BackendError, InputError, StoppedError
from bioresearcher.events import EventLog
from bioresearcher.llm.ask import Caller
from bioresearcher.llm.ledger import Entry
from bioresearcher.prompts import Prompt
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ModelSettings
from bioresearcher.schemas.usage import Usage
from bioresearcher.stages.conformance.checks import CHECKS, Check, Kit

TIME_LIMIT_S: Final = 120.0
ANOTHER: Final = "Another model for this role may do it."

State = Literal["works", "works with repair", "fails", "not reached in time", "not asked"]


class CheckResult(Value):
    """The result of one check."""

    role: str
    check: str
    step: str = Field(description="the prompt asked, e.g. literature/outline_paper")
    model: str = Field(description="provider and model")
    state: State
    detail: str = Field(description="what was seen, or why it fails")
    hint: str = Field(default="", description="what to do about it")
    usage: Usage = Usage()
    seconds: float = Field(default=0, description="of the calls, waiting and repairs included")
    structured: str = Field(default="", description="how the answer was made to fit its schema")

    @property
    def works(self) -> bool:
        """With or without repair."""
        return self.state in ("works", "works with repair")

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens over the seconds of the calls, the reading of the prompt included; None without an answer."""
        return self.usage.output_tokens / self.seconds if self.seconds > 0 and self.usage.output_tokens else None


@dataclass(frozen=True)
class Round:
    """One round of checks.

    Attributes:
        caller: Who is asked; it should have no rules to fall back on, so that failures show.
        kit: Material and tools.
        models: The model of each role that is configured.
        unfit: Role -> why its model need not be asked at all, and what to do.
        structured: Says of a role and a prompt how the answer was made to fit its schema.
    """

    caller: Caller
    kit: Kit
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
        """The results of the checks that have a configured model, in their order; nothing is left running.

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
        """Ask and judge; what a stage made of a useless answer is in its notes, and the cause in the ledger."""
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

    def _entries(self, check: Check) -> list[Entry]:
        """What the ledger has of a check's calls."""
        names = {prompt.name for prompt in check.prompts}
        return [entry for entry in self.caller.ledger.entries() if entry.prompt in names]

    def _result(self, check: Check, state: State, detail: str, hint: str = "") -> CheckResult:
        """The result with what it took, by the ledger."""
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
