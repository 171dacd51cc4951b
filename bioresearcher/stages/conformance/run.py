"""Carrying out the conformance checks side by side, within a time limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import Field

from bioresearcher.errors import (
    AnswerError,
    BackendError,
    ContextOverflowError,
    EmptyReplyError,
    InputError,
    RefusalError,
    ReplyInvalidError,
    StoppedError,
    TruncatedError,
)
from bioresearcher.events import Event, EventLog
from bioresearcher.llm.ask import Caller
from bioresearcher.prompts import Prompt
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ModelSettings
from bioresearcher.schemas.usage import Usage
from bioresearcher.stages.conformance.checks import CHECKS, Check, Kit

TIME_LIMIT_S: Final = 120.0

State = Literal["works", "works with repair", "fails", "not reached in time", "not asked"]
_WORSE: Final[tuple[State, ...]] = ("works", "works with repair", "not asked", "not reached in time", "fails")
_HINTS: Final[Mapping[type[AnswerError], str]] = {
    TruncatedError: "Raise max_output of this model, or use one that says less.",
    RefusalError: "Use another model for this role.",
    EmptyReplyError: 'Try structured = "text" for this model, or another model.',
    ContextOverflowError: "Use a model with a larger context for this role.",
    ReplyInvalidError: "A larger model, or another one for this role, may do it.",
}


class CheckResult(Value):
    """What one check showed."""

    role: str
    check: str
    step: str = Field(description="the prompt asked, e.g. literature/outline_paper")
    model: str = Field(description="provider and model")
    state: State
    detail: str = Field(description="what was seen, or why it fails")
    hint: str = Field(default="", description="what to do about it")
    usage: Usage = Usage()
    seconds: float = Field(default=0, description="from asking to the checked answer, waiting and repairs included")
    structured: str = Field(default="", description="how the answer was made to fit its schema")

    @property
    def works(self) -> bool:
        """With or without repair."""
        return self.state in ("works", "works with repair")

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens over the seconds of the calls, the reading of the prompt included; None without an answer."""
        return self.usage.output_tokens / self.seconds if self.seconds > 0 and self.usage.output_tokens else None


def verdicts(results: Sequence[CheckResult]) -> dict[str, State]:
    """Role -> the worst state of its checks, in the order of the results."""
    found: dict[str, State] = {}
    for result in results:
        found[result.role] = max(found.get(result.role, result.state), result.state, key=_WORSE.index)
    return found


@dataclass
class _Heard:
    """What the events of one check said."""

    seconds: float = 0
    repaired: bool = False
    dropped: str = ""

    def __call__(self, event: Event) -> None:
        if event.kind == "call":
            self.seconds += float(str(event.data["seconds"]))
            self.repaired = self.repaired or bool(event.data["repaired"])
        elif event.kind == "note" and "dropped" in event.data:
            self.dropped = event.message.partition(": ")[2]


@dataclass(frozen=True)
class Round:
    """One round of checks.

    Attributes:
        caller: Who is asked; it should have no rules to fall back on, so that failures show.
        kit: What the checks are made with.
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
        """The results in the order of roles, each check that has a configured model; nothing is left running.

        Models at different endpoints are asked side by side, and so are checks at one endpoint as far as it allows;
        a server on this machine gets one question after the other, as each would slow down the others.
        """
        lanes = {m.endpoint: asyncio.Semaphore(1 if m.on_this_machine else m.concurrency) for m in self.models.values()}
        wanted = [check for check in checks if check.role(self.caller) in self.models]
        begun: set[str] = set()

        async def one(check: Check) -> CheckResult:
            if check.role(self.caller) in self.unfit:
                result = self._said(check, "fails", *self.unfit[check.role(self.caller)])
            else:
                async with lanes[self._model(check).endpoint]:
                    begun.add(check.name)
                    result = await self._result(check)
            on_result(result)
            return result

        tasks = {asyncio.create_task(one(check)): check for check in wanted}
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            late = await self._end(tasks)
        results = [t.result() for t in tasks if t not in late]
        results += [self._late(tasks[t], begun) for t in late]
        return tuple(sorted(results, key=self._place))

    async def _end(self, tasks: Mapping[asyncio.Task[CheckResult], Check]) -> set[asyncio.Task[CheckResult]]:
        """Give up what is under way; these tasks are returned."""
        late = {task for task in tasks if not task.done()}
        for task in late:
            task.cancel()
        await self.caller.close(wait=False)
        await asyncio.gather(*tasks, return_exceptions=True)
        return late

    def _model(self, check: Check) -> ModelSettings:
        return self.models[check.role(self.caller)]

    def _place(self, result: CheckResult) -> tuple[int, int]:
        names = [check.name for check in CHECKS]
        return list(self.models).index(result.role), names.index(result.check) if result.check in names else len(names)

    def _said(self, check: Check, state: State, detail: str, hint: str = "") -> CheckResult:
        return CheckResult(
            role=check.role(self.caller),
            check=check.name,
            step=check.prompts[0].name,
            model=self._model(check).label,
            state=state,
            detail=detail,
            hint=hint,
        )

    def _late(self, check: Check, begun: set[str]) -> CheckResult:
        what = "it was asked, but had not finished" if check.name in begun else "it was not asked any more"
        return self._said(check, "not reached in time", what, "Give it more time with --max-minutes.")

    async def _result(self, check: Check) -> CheckResult:
        """Ask, judge, and put together what it took."""
        heard, started = _Heard(), time.monotonic()
        caller = replace(self.caller, events=EventLog(None, heard))
        try:
            judged = await check.work(caller, self.kit)
        except StoppedError as error:
            return self._measured(check, self._said(check, "not asked", error.message), heard, started)
        except AnswerError as error:
            hint = error.hint or next((h for kind, h in _HINTS.items() if isinstance(error, kind)), "")
            return self._measured(check, self._said(check, "fails", error.message, hint), heard, started)
        except (BackendError, InputError) as error:
            return self._measured(check, self._said(check, "fails", error.message, error.hint), heard, started)
        seen = "; ".join(filter(None, (judged.seen, heard.dropped)))
        if judged.problem:
            said = self._said(check, "fails", judged.problem, "Another model for this role may do it.")
            seen = f"{judged.problem}; {seen}" if seen else judged.problem
        else:
            state: State = "works with repair" if heard.repaired or judged.again else "works"
            said = self._said(check, state, "")
        return self._measured(check, said.model_copy(update={"detail": seen}), heard, started)

    def _measured(self, check: Check, said: CheckResult, heard: _Heard, started: float) -> CheckResult:
        names = {prompt.name for prompt in check.prompts}
        usage = Usage()
        for entry in self.caller.ledger.entries():
            if entry.prompt in names:
                usage += entry.reply.usage
        return said.model_copy(
            update={
                "usage": usage,
                "seconds": round(heard.seconds or time.monotonic() - started, 3),
                "structured": self.structured(said.role, check.prompts[0]) if usage.calls else "",
            }
        )
