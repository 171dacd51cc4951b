"""Programming: tasks from the protocol, code for each, runs, repairs, and a verified outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.describe import describe_inputs
from bioresearcher.execution.folders import promote
from bioresearcher.execution.packages import available_packages
from bioresearcher.execution.record import best_result, task_record
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.runfolder import safe_name
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.ask_program import (
    CodeDraft,
    ExtractTasksInput,
    RepairCodeInput,
    SkillExample,
    WriteCodeInput,
)
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import Limits, Outcome, TaskRecord
from bioresearcher.schemas.paper import Failure
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.skill import Skill
from bioresearcher.schemas.task import DryLabTask, TaskCode
from bioresearcher.skills import shared_modules
from bioresearcher.stages.prompts import EXTRACT_TASKS, REPAIR_CODE, WRITE_CODE

FINAL = (Outcome.VERIFIED, Outcome.BLOCKED)
"""Outcomes that no repair can improve."""


async def extract_tasks(
    caller: Caller, protocol: Protocol, datasets: tuple[Dataset, ...], skills: Mapping[str, Skill]
) -> tuple[tuple[DryLabTask, ...], tuple[Failure, ...]]:
    """The dry-lab tasks in an order in which they can run, and those that had to be refused with the reason."""
    briefs = tuple(SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in skills.values())
    draft = await ask(caller, EXTRACT_TASKS, ExtractTasksInput(protocol=protocol, datasets=datasets, skills=briefs))
    files = {(d.id, f.name) for d in datasets for f in d.files}
    accepted: dict[str, DryLabTask] = {}
    refused = []
    for task in draft.tasks:
        problem = _task_problem(task, files, accepted)
        if problem:
            refused.append(Failure(item=task.id, stage="extract_tasks", message=problem))
        else:
            accepted[task.id] = task
    return tuple(accepted.values()), tuple(refused)


def _task_problem(task: DryLabTask, files: set[tuple[str, str]], earlier: Mapping[str, DryLabTask]) -> str:
    """Why a task cannot be accepted; empty when it can."""
    if task.id in earlier or safe_name(task.id) != task.id:
        return f"the id {task.id!r} is repeated or not safe as a folder name"
    if not task.outputs:
        return "it declares no output"
    for output in task.outputs:
        if safe_name(output.file) != output.file:
            return f"the output file name {output.file!r} is not a plain file name"
    for given in task.inputs:
        if given.dataset is not None:
            if (given.dataset, given.file) not in files:
                return f"input {given.name}: data set {given.dataset} has no file {given.file!r}"
        elif given.task is None or given.task not in earlier:
            return f"input {given.name}: task {given.task} does not come earlier"
        elif given.output not in {o.name for o in earlier[given.task].outputs}:
            return f"input {given.name}: task {given.task} has no output {given.output!r}"
    return ""


@dataclass(frozen=True)
class Workbench:
    """What a task is worked on with."""

    tasks_dir: Path
    datasets: Mapping[str, Dataset]
    tasks: Mapping[str, DryLabTask]
    skills: Mapping[str, Skill]
    sandbox: Sandbox
    limits: Limits

    def input_paths(self, task: DryLabTask) -> dict[str, Path]:
        """Name -> the real file; a file that is not there is left for the attempt to report."""
        paths = {}
        for given in task.inputs:
            if given.dataset is not None:
                dataset = self.datasets[given.dataset]
                file = next(f for f in dataset.files if f.name == given.file)
                paths[given.name] = Path(dataset.root, file.path)
            elif given.task is not None:
                upstream = self.tasks[given.task]
                output = next(o for o in upstream.outputs if o.name == given.output)
                paths[given.name] = self.tasks_dir / upstream.id / "outputs" / output.file
        return paths


async def program_task(caller: Caller, bench: Workbench, task: DryLabTask) -> TaskRecord:
    """Write code, run it, repair it; the record of the best attempt, whose outputs are in the task's folder."""
    folder = bench.tasks_dir / task.id
    inputs = bench.input_paths(task)
    missing = sorted(name for name, path in inputs.items() if not path.is_file())
    if missing:
        return _unworked(
            task, Outcome.BLOCKED, f"input {', '.join(missing)} is missing: an earlier task did not make it"
        )
    # The rules do not read the description, and making it costs a run in the sandbox.
    schemas = "" if caller.origin == "offline" else await describe_inputs(inputs, bench.sandbox)
    examples = _examples(task, bench.skills)
    results: list[AttemptResult] = []
    code = await _first_code(caller, bench, task, schemas, examples)
    if not code.code.strip():
        return _unworked(task, Outcome.NOT_RUN, code.note or "no code was written")
    for number in range(1, caller.cards["programmer"].repairs + 2):
        result = await run_attempt(
            task, code, inputs=inputs, folder=folder, number=number, sandbox=bench.sandbox, limits=bench.limits
        )
        results.append(result)
        if result.attempt.outcome in FINAL or number > caller.cards["programmer"].repairs:
            break
        repaired = await _repaired(caller, bench, task, schemas, examples, code, results)
        if not repaired.code.strip() or repaired.code == code.code:
            break
        code = repaired
    best = best_result(results)
    if best is not None:
        promote(folder, best.attempt.number)
    return task_record(task, results)


def _unworked(task: DryLabTask, outcome: Outcome, message: str) -> TaskRecord:
    return TaskRecord(task_id=task.id, outcome=outcome, message=message, exit_ok=False)


def not_run(task: DryLabTask, why: str) -> TaskRecord:
    """The record of a task that was not run."""
    return _unworked(task, Outcome.NOT_RUN, why)


def _examples(task: DryLabTask, skills: Mapping[str, Skill]) -> tuple[SkillExample, ...]:
    """The task's own skill."""
    skill = skills.get(task.skill or "")
    if skill is None:
        return ()
    return (
        SkillExample(name=skill.name, description=skill.description, instructions=skill.instructions, code=skill.code),
    )


async def _first_code(
    caller: Caller, bench: Workbench, task: DryLabTask, schemas: str, examples: tuple[SkillExample, ...]
) -> TaskCode:
    values = WriteCodeInput(task=task, input_schemas=schemas, examples=examples, packages=available_packages())
    return _task_code(caller, bench, task, await ask(caller, WRITE_CODE, values))


async def _repaired(
    caller: Caller,
    bench: Workbench,
    task: DryLabTask,
    schemas: str,
    examples: tuple[SkillExample, ...],
    code: TaskCode,
    results: list[AttemptResult],
) -> TaskCode:
    last = results[-1].attempt
    values = RepairCodeInput(
        task=task,
        input_schemas=schemas,
        examples=examples,
        packages=available_packages(),
        code=code.code,
        outcome=last.outcome,
        message=last.message,
        output_tail="\n".join((last.stdout[-1500:], last.stderr[-1500:])).strip(),
        another_way=sum(r.attempt.outcome is last.outcome for r in results) >= 2,
    )
    return _task_code(caller, bench, task, await ask(caller, REPAIR_CODE, values))


def _task_code(caller: Caller, bench: Workbench, task: DryLabTask, draft: CodeDraft) -> TaskCode:
    """The script with its helper modules; a script equal to the skill's is recorded as the skill's."""
    skill = bench.skills.get(task.skill or "")
    own = skill is not None and draft.code == skill.code
    support = skill.support if skill is not None else shared_modules(bench.skills)
    return TaskCode(
        code=draft.code,
        support=support,
        origin=_code_origin(skill, caller.origin) if own else caller.origin,
        skill=skill.name if own and skill is not None else None,
        note=draft.note,
    )


def _code_origin(skill: Skill | None, asked: Origin) -> Origin:
    """Who answers for unchanged skill code: this program for a shipped one, a person for one of the user's own."""
    if skill is None:
        return asked
    return "offline" if skill.source == "shipped" else "human"
