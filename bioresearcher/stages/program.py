"""Programming: code for each task, runs, repairs, a verified outcome; skills as examples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.errors import AnswerError
from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.folders import promote
from bioresearcher.execution.input_snapshot import describe_inputs
from bioresearcher.execution.languages import missing_package, packages_for
from bioresearcher.execution.question_check import Asked
from bioresearcher.execution.shared_runs import SharedRuns, keeps_apart
from bioresearcher.execution.task_records import best_result, task_record
from bioresearcher.llm.ask import ModelClient
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.sandbox.kernel import TalkingSandbox
from bioresearcher.schemas.ask_program import CodeDraft, ProgrammerTurn
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome, TaskCode, TaskRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.question import AnalysisSets, Questions
from bioresearcher.schemas.skill import Skill
from bioresearcher.skills import shared_modules
from bioresearcher.stages import shared_code
from bioresearcher.stages.answers import asked_of, brief
from bioresearcher.stages.built_on import told_of, was_ended
from bioresearcher.stages.cells import Cells, words_of_limits
from bioresearcher.stages.code_material import definitions_for, examples_for, helper_lines, step_briefs
from bioresearcher.stages.code_talk import CodeTalk, Failure
from bioresearcher.stages.declared_exclusions import with_exclusions
from bioresearcher.stages.sandbox_answers import Told, recorded_text, told_attempt
from bioresearcher.stages.script import code_for
from bioresearcher.stages.script_tasks import registered_code, registered_codes, with_counts
from bioresearcher.text.normalise import known_id

FINAL = (Outcome.VERIFIED, Outcome.BLOCKED)
"""Outcomes that no repair can improve."""
_VETTED = re.compile(r"#?\s*vetted(?:\s+analysis)?\s*:\s*([\w -]+)", re.IGNORECASE)
"""An answer that takes a skill as it is, without writing out its code."""


@dataclass(frozen=True)
class Workbench:
    """Material and tools for programming tasks."""

    tasks_dir: Path
    datasets: Mapping[str, Dataset]
    tasks: Mapping[str, DryLabTask]
    skills: Mapping[str, Skill]
    sandbox: Sandbox
    limits: Limits
    questions: Questions = field(default_factory=Questions)
    sets: AnalysisSets = field(default_factory=AnalysisSets)
    protocol: Protocol | None = None
    definitions: str = ""
    """Text of the helper module of the protocol's definitions; empty when there is none."""
    date: str = ""
    """The run's date (ISO), which scripts see as today."""
    shared: dict[str, SharedRuns] = field(default_factory=dict)
    """Runs of the registered script that its tasks have in common, by the digest of what is run."""

    def source(self, task: DryLabTask) -> str:
        """Return the text of the protocol's steps that a task carries out."""
        steps = self.protocol.steps if self.protocol else ()
        return "\n".join(s.model_dump_json() for s in steps if s.id in task.step_ids)

    def support(self, task: DryLabTask) -> Mapping[str, str]:
        """Return the helper modules of a task's code by file name: its skill's or all shared ones, and definitions."""
        skill = self.skills.get(task.skill or "")
        found = skill.support if skill is not None else shared_modules(self.skills, task.language)
        if not self.definitions or task.language != "python":
            return found
        return {**found, shared_code.FILE: self.definitions}

    def input_paths(self, task: DryLabTask) -> dict[str, Path]:
        """Return input name -> its file; a missing file is reported by the attempt."""
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


async def program_task(caller: ModelClient, bench: Workbench, task: DryLabTask) -> TaskRecord:
    """Write code, run it, repair it; return the record of the best attempt, whose outputs are in the task's folder.

    A skill's code, or the registered code of the task's steps, is the first attempt and costs no call; a model is asked
    where there is neither, and to repair. The record of a task without any code gives the reason.
    """
    inputs = bench.input_paths(task)
    missing = sorted(name for name, path in inputs.items() if not path.is_file())
    if missing:
        return _unworked(
            task, Outcome.BLOCKED, f"input {', '.join(missing)} is missing: an earlier task did not make it"
        )
    cut = sorted(i.name for i in task.inputs if i.task and was_ended(bench.tasks_dir / i.task))
    if cut:  # a file that a limit cut off looks whole: it holds the first rows
        return _unworked(
            task, Outcome.BLOCKED, f"input {', '.join(cut)} may not be whole: the task that makes it was ended before"
        )
    lacking = missing_package(task)
    if lacking:  # no code could mend that
        return _unworked(task, Outcome.DEPENDENCY, lacking)
    questions = [
        with_exclusions(a, bench.datasets, bench.protocol) for a in asked_of(task, bench.questions, bench.sets)
    ]
    async with AsyncExitStack() as stack:
        talks: list[CodeTalk] = []

        async def talk() -> CodeTalk:
            """Begin to talk about the task, once: describing the inputs costs a run in the sandbox."""
            if not talks:
                schemas = "" if caller.by_rule else await _described(bench, task, inputs)
                schemas = recorded_text(caller, task, "inputs", "described", schemas)
                cells = None if caller.by_rule else _cells(bench, task, inputs)
                if cells is not None:
                    await stack.enter_async_context(cells)
                material = _material(bench, task, schemas, tuple(map(brief, questions)), cells=cells is not None)
                talks.append(CodeTalk(caller, material, cells, tasks=len(bench.tasks)))
            return talks[0]

        ready = None if caller.by_rule else ready_code(bench, task)
        together = _together(bench, task) if ready is not None and ready.skill is None else None
        if together is not None:
            stack.callback(together.done, task.id)
        return await _worked(caller, bench, task, talk, ready, inputs, questions, together)


async def _worked(
    caller: ModelClient,
    bench: Workbench,
    task: DryLabTask,
    talk: Callable[[], Awaitable[CodeTalk]],
    ready: TaskCode | None,
    inputs: Mapping[str, Path],
    questions: Sequence[Asked],
    together: SharedRuns | None,
) -> TaskRecord:
    """Get code, run it, have it repaired; return the record of the best attempt."""
    folder = bench.tasks_dir / task.id
    code = ready or await _first_code(bench, await talk())
    results: list[AttemptResult] = []
    told: list[Told] = []
    why = code.note or "no code was written"
    tried = {code.code}
    unread = () if ready else (await talk()).unread(code)
    while code.code.strip():
        result = await run_attempt(
            task,
            code,
            inputs=inputs,
            folder=folder,
            number=len(results) + 1,
            sandbox=bench.sandbox,
            limits=bench.limits,
            asked=questions,
            source=bench.source(task),
            date=bench.date,
            together=together if code is ready else None,
        )
        result = with_counts(result, task, folder)
        results.append(result)
        told.append(told_attempt(caller, task, result, bench.tasks_dir))
        if told[-1].outcome in FINAL or len(results) > caller.cards["programmer"].repairs:
            break
        repaired = await _repaired(bench, await talk(), code, told)
        if repaired.code in tried:
            break
        tried.add(repaired.code)
        code = repaired
        unread = (await talk()).unread(code)
    best = best_result(results)
    if best is None:
        return _unworked(task, Outcome.NOT_RUN, why)
    promote(folder, best.attempt.number)
    record = task_record(task, results)
    if not unread:
        return record
    doubt = f"its code cites {', '.join(unread[:5])}, which nothing that this run read names"
    return record.model_copy(update={"warnings": (*record.warnings, doubt)})


def _cells(bench: Workbench, task: DryLabTask, inputs: Mapping[str, Path]) -> Cells | None:
    """Return the task's kernel, not yet started; None where there are no cells: for R, and in other sandboxes."""
    if task.language != "python" or not isinstance(bench.sandbox, TalkingSandbox):
        return None
    return Cells(bench.sandbox, task, inputs, bench.support(task), bench.limits)


def _material(
    bench: Workbench, task: DryLabTask, schemas: str, questions: tuple[str, ...], *, cells: bool
) -> ProgrammerTurn:
    """Return what every turn about a task has at hand."""
    steps = step_briefs(bench.protocol, task)
    about = " ".join((task.title, task.goal, *(f"{s.title} {s.action} {' '.join(s.software)}" for s in steps)))
    return ProgrammerTurn(
        packages=packages_for(task.language),
        limits=words_of_limits(bench.limits, cells=cells),
        helpers=helper_lines(bench.skills, task.language, about),
        examples=examples_for(task, bench.skills),
        definitions=definitions_for(bench.protocol, task),
        task=task,
        steps=steps,
        questions=questions,
        registered=_registered(bench, task),
        input_schemas=schemas,
        cells=cells,
    )


def _registered(bench: Workbench, task: DryLabTask) -> str:
    """Return the registered code that a task's programmer is shown."""
    if bench.protocol is None or task.language != "python":
        return ""
    return code_for(bench.protocol, task.step_ids, shared_code.NAME if bench.definitions else "")


async def _described(bench: Workbench, task: DryLabTask, inputs: Mapping[str, Path]) -> str:
    """Describe the inputs, with the earlier tasks' descriptions of those that they made."""
    notes = []
    for given in task.inputs:
        maker = bench.tasks.get(given.task or "")
        output = next((o for o in maker.outputs if o.name == given.output), None) if maker else None
        if maker and output:
            notes.append(f"{given.name} was made by task {maker.id}, {maker.title}: {output.description}".rstrip(": "))
    notes += told_of(bench.tasks_dir, [bench.tasks[i] for i in task.needs if i in bench.tasks])
    return "\n\n".join([await describe_inputs(inputs, bench.sandbox), *notes])


def _unworked(task: DryLabTask, outcome: Outcome, message: str) -> TaskRecord:
    return TaskRecord(task_id=task.id, outcome=outcome, message=message, exit_ok=False)


def not_run(task: DryLabTask, why: str) -> TaskRecord:
    """Make the record of a task that was not run."""
    return _unworked(task, Outcome.NOT_RUN, why)


async def _first_code(bench: Workbench, talk: CodeTalk) -> TaskCode:
    try:
        return _task_code(bench, talk.task, *await talk.script())
    except AnswerError as error:
        return TaskCode(code="", origin=talk.origin, note=error.message)


async def _repaired(bench: Workbench, talk: CodeTalk, code: TaskCode, told: list[Told]) -> TaskCode:
    """Ask for a repair, by another way after two failures of one class; the same code when there is no answer."""
    last = told[-1]
    failure = Failure(
        code=code.code,
        outcome=last.outcome,
        message=last.message,
        output_tail=last.output_tail,
        another_way=sum(t.outcome is last.outcome for t in told) >= 2,
    )
    try:
        return _task_code(bench, talk.task, *await talk.mended(failure))
    except AnswerError:
        return code


def _task_code(bench: Workbench, task: DryLabTask, draft: CodeDraft, origin: Origin) -> TaskCode:
    """Add helper modules to a script; one that equals or names the task's skill is recorded as the skill's."""
    skill = bench.skills.get(task.skill or "")
    named = _VETTED.fullmatch(draft.code.strip())
    if skill is not None and (draft.code == skill.code or (named and known_id(named[1], [skill.name]))):
        own = skill_code(bench, task)
        if own is not None:
            return own.model_copy(update={"note": draft.note})
    return TaskCode(
        code="" if named else draft.code,
        support=bench.support(task),
        origin=origin,
        note=draft.note or ("it names a skill that does not carry out this task" if named else ""),
    )


def ready_code(bench: Workbench, task: DryLabTask) -> TaskCode | None:
    """Return the code that a task has without a model: its skill's, or the registered code of its steps."""
    own = skill_code(bench, task)
    if own is not None or bench.protocol is None:
        return own
    return registered_code(bench.protocol, tuple(bench.datasets.values()), task, bench.tasks.values())


def _together(bench: Workbench, task: DryLabTask) -> SharedRuns | None:
    """Return the runs of the registered script that a task shares with others; None where it is the only one."""
    if bench.protocol is None:
        return None
    codes = registered_codes(bench.protocol, tuple(bench.datasets.values()), bench.tasks.values())
    own = "\n".join([d.code for d in bench.protocol.definitions] + [s.code for s in bench.protocol.steps])
    if task.id not in codes or len(codes) == 1 or not keeps_apart(own):
        return None
    digest = hashlib.sha256([*codes.values()][-1].code.encode("utf-8", "replace")).hexdigest()[:16]
    if digest not in bench.shared:
        inputs: dict[str, Path] = {}
        for one in codes:
            inputs |= bench.input_paths(bench.tasks[one])
        done = {i for i in codes if (bench.tasks_dir / i / "record.json").is_file()}
        folder = bench.tasks_dir / f".script-{digest}"
        tasks = {i: bench.tasks[i] for i in codes}
        bench.shared[digest] = SharedRuns(folder, inputs, tasks, codes, {*codes} - done)
    return bench.shared[digest]


def skill_code(bench: Workbench, task: DryLabTask) -> TaskCode | None:
    """Return the code of the skill that carries out a task, unchanged; None when there is none."""
    skill = bench.skills.get(task.skill or "")
    if skill is None:
        return None
    origin: Origin = "offline" if skill.source == "shipped" else "human"
    note = f"The skill {skill.name}."
    return TaskCode(code=skill.code, support=skill.support, origin=origin, skill=skill.name, note=note)
