"""The conformance checks: for each role the smallest real step, asked through `ask` and judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.static import check_code
from bioresearcher.llm.ask import Answer, Caller, ask
from bioresearcher.prompts import Prompt
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.schemas.ask_program import CodeDraft, RepairCodeInput
from bioresearcher.schemas.execution import Limits, Outcome
from bioresearcher.schemas.task import TaskCode
from bioresearcher.stages.conformance.judge import (
    Judged,
    judge_attempt,
    judge_headings,
    judge_long,
    judge_outline,
    judge_scores,
)
from bioresearcher.stages.conformance.material import (
    LONGEST_PROMPT,
    TABLE,
    TABLE_NAME,
    TASK,
    Material,
    code_values,
    headings_values,
    long_prompt,
    outline_values,
    score_values,
)
from bioresearcher.stages.prompts import (
    DESIGN_HEADINGS,
    OUTLINE_PAPER,
    REPAIR_CODE,
    REPORT_PART,
    SCORE_PROTOCOL,
    WRITE_CODE,
)

LIMITS: Final = Limits(wall_s=40, cpu_s=40, memory_mb=1024)


@dataclass(frozen=True)
class Kit:
    """What the checks are made with.

    Attributes:
        material: The packaged example, cut small.
        protocol_text: The protocol of two steps as Markdown.
        folder: Where code is run; empty and thrown away afterwards.
        sandbox: Where code is run in; None when none works here.
        support: Helper modules beside generated code: file name to text.
        longest_prompt: Tokens (estimated) of the longest prompt.
    """

    material: Material
    protocol_text: str
    folder: Path
    sandbox: Sandbox | None
    support: dict[str, str]
    longest_prompt: int = LONGEST_PROMPT


@dataclass(frozen=True)
class Check:
    """One check of one agent's model.

    Attributes:
        name: What is checked, in a word or two.
        prompts: The steps it asks; the first one's agent says which role is meant.
        work: Asks and judges.
    """

    name: str
    prompts: tuple[Prompt[Any, Any], ...]
    work: Callable[[Caller, Kit], Awaitable[Judged]]

    def role(self, caller: Caller) -> str:
        """The model role of the agent whose step it is."""
        return caller.cards[self.prompts[0].agent].model_role


async def check_schema(caller: Caller, kit: Kit) -> Judged:
    """The sections of a short note, into parts."""
    values = outline_values(kit.material)
    return judge_outline(values, (await ask(caller, OUTLINE_PAPER, values)).value)


async def check_long_context(caller: Caller, kit: Kit) -> Judged:
    """A long prompt whose answer stands in its middle."""
    asked = long_prompt(kit.material, caller, kit.longest_prompt)
    return judge_long(asked, (await ask(caller, REPORT_PART, asked.values)).value)


async def check_headings(caller: Caller, kit: Kit) -> Judged:
    """The parts of a protocol for the example's objective."""
    values = headings_values(kit.material)
    return judge_headings(values, (await ask(caller, DESIGN_HEADINGS, values)).value)


async def check_code_writing(caller: Caller, kit: Kit) -> Judged:
    """A script for a table of twelve rows, run in the sandbox; one repair, as a run would ask for."""
    values = code_values()
    answer = await ask(caller, WRITE_CODE, values)
    if not answer.value.code.strip():
        return Judged(f"it wrote no code: {answer.value.note[:200] or 'without a reason'}")
    if kit.sandbox is None:
        return _by_reading(_task_code(kit, answer))
    last = (await _run(kit, kit.sandbox, answer, 1)).attempt
    if last.outcome is Outcome.VERIFIED:
        return judge_attempt(last, again=False)
    repair = RepairCodeInput(
        **{name: getattr(values, name) for name in type(values).model_fields},
        code=answer.value.code,
        outcome=last.outcome,
        message=last.message,
        output_tail="\n".join((last.stdout[-1500:], last.stderr[-1500:])).strip(),
        another_way=False,
    )
    second = await _run(kit, kit.sandbox, await ask(caller, REPAIR_CODE, repair), 2)
    return judge_attempt(second.attempt, again=True)


async def check_scores(caller: Caller, kit: Kit) -> Judged:
    """The five metrics of a protocol of two steps."""
    values = score_values(kit.protocol_text)
    return judge_scores(kit.protocol_text, (await ask(caller, SCORE_PROTOCOL, values)).value)


def _by_reading(code: TaskCode) -> Judged:
    """Without a sandbox nothing is run: the code can only be read."""
    report = check_code(TASK, code)
    if report.outcome is Outcome.SYNTAX:
        return Judged(f"its code is not valid Python: {report.message}")
    return Judged(seen="valid Python; not run, as no sandbox works here")


def _task_code(kit: Kit, answer: Answer[CodeDraft]) -> TaskCode:
    return TaskCode(code=answer.value.code, support=kit.support, origin=answer.origin)


async def _run(kit: Kit, sandbox: Sandbox, answer: Answer[CodeDraft], number: int) -> AttemptResult:
    table = kit.folder / TABLE_NAME
    table.write_text(TABLE, encoding="utf-8")
    return await run_attempt(
        TASK,
        _task_code(kit, answer),
        inputs={TASK.inputs[0].name: table},
        folder=kit.folder / TASK.id,
        number=number,
        sandbox=sandbox,
        limits=LIMITS,
    )


CHECKS: Final = (
    Check("schema", (OUTLINE_PAPER,), check_schema),
    Check("design", (DESIGN_HEADINGS,), check_headings),
    Check("code", (WRITE_CODE, REPAIR_CODE), check_code_writing),
    Check("score", (SCORE_PROTOCOL,), check_scores),
    Check("long context", (REPORT_PART,), check_long_context),
)
"""In the order in which a server that answers one at a time gets to them: one per role, the longest last."""
