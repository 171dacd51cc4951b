"""Conformance checks: each role's smallest real step, by the stage function that a run uses, and what it must give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bioresearcher.execution.languages import packages_for
from bioresearcher.execution.static import check_code
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.prompts import Prompt
from bioresearcher.review.gates import GateContext
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.schemas.ask_program import WriteCodeInput
from bioresearcher.schemas.execution import Limits, Outcome
from bioresearcher.schemas.review import METRICS
from bioresearcher.schemas.skill import Skill
from bioresearcher.schemas.task import TaskCode
from bioresearcher.stages.bench import Bench
from bioresearcher.stages.conformance.material import (
    PROTOCOL,
    READ_NOTE,
    TABLE,
    TASK,
    TWO_STEPS,
    Material,
    made_up,
)
from bioresearcher.stages.design import design_headings
from bioresearcher.stages.examples import examples_for
from bioresearcher.stages.program import Workbench, program_task
from bioresearcher.stages.prompts import (
    DESIGN_HEADINGS,
    OUTLINE_PAPER,
    REPAIR_CODE,
    REPORT_PART,
    SCORE_PROTOCOL,
    WRITE_CODE,
)
from bioresearcher.stages.read import read_paper
from bioresearcher.stages.score import score_protocol

LIMITS: Final = Limits(wall_s=40, cpu_s=40, memory_mb=1024)


@dataclass(frozen=True)
class Kit:
    """Material and tools of the checks.

    Attributes:
        material: The packaged example.
        folder: Where code is run; empty and thrown away afterwards.
        sandbox: Where code is run in; None when none works here.
        skills: The vetted analyses, some of which a programmer is shown.
    """

    material: Material
    folder: Path
    sandbox: Sandbox | None
    skills: Mapping[str, Skill]


@dataclass(frozen=True)
class Judged:
    """The judgement of a check.

    Attributes:
        problem: Why the answer does not do; empty when it does.
        seen: What it was, in a few words.
        again: Whether it did only after a second try.
    """

    problem: str = ""
    seen: str = ""
    again: bool = False


@dataclass(frozen=True)
class Check:
    """The check of one role's model.

    Attributes:
        name: What is checked, in a word.
        prompts: The prompts it asks; the first one's agent says which role is meant.
        work: Asks and judges.
    """

    name: str
    prompts: tuple[Prompt[Any, Any], ...]
    work: Callable[[Caller, Kit], Awaitable[Judged]]

    def role(self, caller: Caller) -> str:
        """The model role of the agent whose step it is."""
        return caller.cards[self.prompts[0].agent].model_role


async def check_reading(caller: Caller, kit: Kit) -> Judged:
    """A short note is read: at least one step must quote words that stand in it."""
    report = await read_paper(caller, kit.material.objective, *kit.material.notes[READ_NOTE])
    if not report.parts:
        return Judged("it found no part in a note that describes methods")
    seen = f"parts: {len(report.parts)}; quotes found in the note: {report.quotes_located} of {report.quotes}"
    if not report.quotes_located:
        given = f"its quotes do not, e.g. “{report.dropped[0][:60]}”" if report.dropped else "it gave no quote"
        return Judged(f"nothing it reports stands in the note: {given}", seen)
    return Judged(seen=seen)


async def check_design(caller: Caller, kit: Kit) -> Judged:
    """The parts of a protocol for the example's objective: at least one with a title."""
    material = kit.material
    bench = Bench(material.objective, material.reports, {}, material.datasets[:1], {})
    draft = await design_headings(caller, bench, ())
    if not draft.parts:
        return Judged("it gave no part with a title")
    used = {(r.paper_id, r.part_id) for part in draft.parts for r in part.learns_from}
    return Judged(seen=f"parts: {len(draft.parts)}; report parts used: {len(used)} of {len(material.reports)}")


async def check_code_writing(caller: Caller, kit: Kit) -> Judged:
    """A script for a table of twelve rows, run in the sandbox and repaired as in a run: it must be verified."""
    if kit.sandbox is None:
        return await _only_read(caller, kit)
    tasks = kit.folder / "tasks"
    datasets = {"made-up": made_up(kit.folder)}
    bench = Workbench(tasks, datasets, {TASK.id: TASK}, kit.skills, kit.sandbox, LIMITS)
    record = await program_task(caller, bench, TASK)
    if record.outcome is Outcome.VERIFIED:
        seen = f"its code ran in the sandbox ({record.sandbox}): {record.outcome.value}"
        return Judged(seen=seen, again=record.repairs > 0)
    tried = "its code and its repairs" if record.repairs else "its code"
    return Judged(f"{tried} got no further than {record.outcome.value!r}: {record.message}")


async def _only_read(caller: Caller, kit: Kit) -> Judged:
    """Without a sandbox nothing is run: the code can only be read."""
    examples, packages = examples_for(TASK, kit.skills), packages_for(TASK.language)
    values = WriteCodeInput(task=TASK, input_schemas=TABLE, examples=examples, packages=packages)
    answer = await ask(caller, WRITE_CODE, values)
    if not answer.value.code.strip():
        return Judged(f"it wrote no code: {answer.value.note[:200] or 'without a reason'}")
    report = check_code(TASK, TaskCode(code=answer.value.code, origin=answer.origin))
    if report.outcome is Outcome.SYNTAX:
        return Judged(f"its code is not valid Python: {report.message}")
    return Judged(seen="valid Python; not run, as no sandbox works here")


async def check_scores(caller: Caller, kit: Kit) -> Judged:
    """A protocol of two steps is scored: each metric must rest on words of the protocol."""
    review = await score_protocol(caller, TWO_STEPS, PROTOCOL, GateContext(objective=TWO_STEPS))
    if review.origin in {"offline", "mixed"}:
        return Judged("not every score of it counts")
    return Judged(seen=f"scores {'/'.join(f'{review.metrics[name].score:g}' for name in METRICS)}")


CHECKS: Final = (
    Check("reading", (OUTLINE_PAPER, REPORT_PART), check_reading),
    Check("design", (DESIGN_HEADINGS,), check_design),
    Check("code", (WRITE_CODE, REPAIR_CODE), check_code_writing),
    Check("score", (SCORE_PROTOCOL,), check_scores),
)
"""One per role, in the order of the pipeline."""
