"""Programming: tasks from the protocol, code for each, runs, repairs, a verified outcome; skills as examples."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bioresearcher.errors import AnswerError
from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.folders import promote
from bioresearcher.execution.input_snapshot import describe_inputs
from bioresearcher.execution.languages import missing_package, packages_for
from bioresearcher.execution.task_records import best_result, task_record
from bioresearcher.llm.ask import Answer, ModelClient, ask
from bioresearcher.offline.skill_binding import extract_tasks as tasks_by_rule
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
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome, TaskCode, TaskRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.question import AnalysisSets, Questions
from bioresearcher.schemas.skill import Skill
from bioresearcher.skills import shared_modules
from bioresearcher.stages.answers import asked_of, brief
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import EXTRACT_TASKS, REPAIR_CODE, WRITE_CODE
from bioresearcher.stages.sandbox_answers import Told, recorded_text, told_attempt
from bioresearcher.stages.script import code_for
from bioresearcher.stages.tasks import Extracted, accept_tasks
from bioresearcher.text.normalise import known_id
from bioresearcher.text.words import content_words, overlap

EXAMPLES: Final = 3
BUDGET_CHARS: Final = 20_000
"""Most characters of instructions and code shown whole in all examples; the others are shown in outline."""

_OUTLINE_LINES: Final = 40


def examples_for(task: DryLabTask, skills: Mapping[str, Skill]) -> tuple[SkillExample, ...]:
    """Return the task's own skill, then those in its language that share most words with it; at most three.

    The first is shown whole if it fits into `BUDGET_CHARS`; a further one too, where the task has no skill of its own.
    The others are shown in outline: imports, functions with their purpose, and the steps of `main`. Where none shares
    a word, the shortest is the example.
    """
    own = skills.get(task.skill or "")
    wanted = content_words(f"{task.title} {task.goal} {' '.join(f'{o.name} {o.description}' for o in task.outputs)}")
    alike = {
        s.name: overlap(content_words(f"{s.name} {s.description}"), wanted)
        for s in skills.values()
        if s.contract.language == task.language and s is not own
    }
    by_size = sorted(alike, key=lambda name: len(skills[name].code))
    nearest = sorted((name for name in alike if alike[name]), key=lambda name: -alike[name]) or by_size[:1]
    chosen = [*([own] if own else []), *(skills[name] for name in nearest)][:EXAMPLES]
    shown: list[SkillExample] = []
    left = BUDGET_CHARS
    for skill in chosen:
        size = len(skill.instructions) + len(skill.code)
        whole = size <= left and (own is None or skill is own)
        shown.append(_example(skill, whole))
        left -= size if whole else 0
    return tuple(shown)


def _example(skill: Skill, whole: bool) -> SkillExample:
    return SkillExample(
        name=skill.name,
        description=skill.description,
        instructions=skill.instructions if whole else "",
        code=skill.code if whole else outline(skill.code, skill.contract.language),
        whole=whole,
    )


def outline(code: str, language: str) -> str:
    """Outline a script: imports, heads of functions with their first lines, and `main`; else its first lines."""
    try:
        body = ast.parse(code).body if language == "python" else []
    except (SyntaxError, ValueError):
        body = []
    if not body:
        kept = code.splitlines()
        return "\n".join([*kept[:_OUTLINE_LINES], *(["# …"] if len(kept) > _OUTLINE_LINES else [])])
    return "\n".join(filter(None, map(_head, body)))


def _head(node: ast.stmt) -> str:
    """Return one statement as it is in an outline; empty when it is left out."""
    if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__"):
        return ast.unparse(node)
    if not isinstance(node, ast.FunctionDef):
        return ""
    if node.name == "main":
        return ast.unparse(node)
    said = (ast.get_docstring(node) or "").partition("\n")[0]
    return f"def {node.name}({ast.unparse(node.args)}): ...  # {said}"


FINAL = (Outcome.VERIFIED, Outcome.BLOCKED)
"""Outcomes that no repair can improve."""
_VETTED = re.compile(r"#?\s*vetted(?:\s+analysis)?\s*:\s*([\w -]+)", re.IGNORECASE)
"""An answer that takes a skill as it is, without writing out its code."""


async def extract_tasks(
    caller: ModelClient,
    protocol: Protocol,
    datasets: tuple[Dataset, ...],
    skills: Mapping[str, Skill],
    limit: int | None = None,
) -> Extracted:
    """Extract the dry-lab tasks in an order in which they can run, and those refused with the reason.

    A model is asked only when there is a dry step that no skill carries out.
    """
    briefs = tuple(SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in skills.values())
    values = ExtractTasksInput(protocol=protocol, datasets=datasets, skills=briefs)
    by_rule = tasks_by_rule(values).tasks
    open_steps = {s.id for s in protocol.steps if s.kind == "dry"} - {i for t in by_rule for i in t.step_ids}
    answer = await ask(caller, EXTRACT_TASKS, values) if caller.by_rule or open_steps else None
    drafts = answer.value.tasks if answer and answer.origin != "offline" else ()
    return accept_tasks(by_rule, drafts, protocol, datasets, limit)


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
    date: str = ""
    """The run's date (ISO), which scripts see as today."""

    def source(self, task: DryLabTask) -> str:
        """Return the text of the protocol's steps that a task carries out."""
        steps = self.protocol.steps if self.protocol else ()
        return "\n".join(s.model_dump_json() for s in steps if s.id in task.step_ids)

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

    When a model's code fails and a skill carries out the task, the skill's own code is the last attempt. The record of
    a task without any code gives the reason.
    """
    folder = bench.tasks_dir / task.id
    inputs = bench.input_paths(task)
    missing = sorted(name for name, path in inputs.items() if not path.is_file())
    if missing:
        return _unworked(
            task, Outcome.BLOCKED, f"input {', '.join(missing)} is missing: an earlier task did not make it"
        )
    lacking = missing_package(task)
    if lacking:  # no code could mend that
        return _unworked(task, Outcome.DEPENDENCY, lacking)
    # The rules do not read the description, and making it costs a run in the sandbox.
    schemas = "" if caller.by_rule else await _described(bench, task, inputs)
    schemas = recorded_text(caller, task, "inputs", "described", schemas)
    questions = asked_of(task, bench.questions, bench.sets)
    registered = code_for(bench.protocol, task.step_ids) if bench.protocol and task.language == "python" else ""
    asked = _Asked(task, schemas, examples_for(task, bench.skills), tuple(map(brief, questions)), registered)
    code = await _first_code(caller, bench, asked)
    results: list[AttemptResult] = []
    told: list[Told] = []
    why = code.note or "no code was written"

    async def attempt(code: TaskCode) -> AttemptResult:
        number = len(results) + 1
        result = await run_attempt(
            task,
            code,
            inputs=inputs,
            folder=folder,
            number=number,
            sandbox=bench.sandbox,
            limits=bench.limits,
            asked=questions,
            source=bench.source(task),
            date=bench.date,
        )
        results.append(result)
        told.append(told_attempt(caller, task, result, bench.tasks_dir))
        return result

    tried = {code.code}
    while code.code.strip():
        await attempt(code)
        if told[-1].outcome in FINAL or len(results) > caller.cards["programmer"].repairs:
            break
        repaired = await _repaired(caller, bench, asked, code, told)
        if repaired.code in tried:
            break
        tried.add(repaired.code)
        code = repaired
    own = skill_code(bench, task)
    if own is not None and not any(r.verified or r.attempt.skill == task.skill for r in results):
        said = "no code of the model passed" if results else why
        note(caller, WRITE_CODE, f"{task.id}: {said}; the skill's own code is tried")
        await attempt(own)
    best = best_result(results)
    if best is None:
        return _unworked(task, Outcome.NOT_RUN, why)
    promote(folder, best.attempt.number)
    return task_record(task, results)


async def _described(bench: Workbench, task: DryLabTask, inputs: Mapping[str, Path]) -> str:
    """Describe the inputs, with the earlier tasks' descriptions of those that they made."""
    notes = []
    for given in task.inputs:
        maker = bench.tasks.get(given.task or "")
        output = next((o for o in maker.outputs if o.name == given.output), None) if maker else None
        if maker and output:
            notes.append(f"{given.name} was made by task {maker.id}, {maker.title}: {output.description}".rstrip(": "))
    return "\n\n".join([await describe_inputs(inputs, bench.sandbox), *notes])


def _unworked(task: DryLabTask, outcome: Outcome, message: str) -> TaskRecord:
    return TaskRecord(task_id=task.id, outcome=outcome, message=message, exit_ok=False)


def not_run(task: DryLabTask, why: str) -> TaskRecord:
    """Make the record of a task that was not run."""
    return _unworked(task, Outcome.NOT_RUN, why)


@dataclass(frozen=True)
class _Asked:
    """The values that all questions about one task share."""

    task: DryLabTask
    schemas: str
    examples: tuple[SkillExample, ...]
    questions: tuple[str, ...] = ()
    registered: str = ""


async def _first_code(caller: ModelClient, bench: Workbench, asked: _Asked) -> TaskCode:
    values = WriteCodeInput(
        task=asked.task,
        input_schemas=asked.schemas,
        examples=asked.examples,
        packages=packages_for(asked.task.language),
        questions=asked.questions,
        registered=asked.registered,
    )
    try:
        return _task_code(bench, asked.task, await ask(caller, WRITE_CODE, values))
    except AnswerError as error:
        return TaskCode(code="", origin=caller.backend.origin, note=error.message)


async def _repaired(caller: ModelClient, bench: Workbench, asked: _Asked, code: TaskCode, told: list[Told]) -> TaskCode:
    """Ask for a repair, by another way after two failures of one class; the same code when there is no answer."""
    last = told[-1]
    values = RepairCodeInput(
        task=asked.task,
        input_schemas=asked.schemas,
        examples=asked.examples,
        packages=packages_for(asked.task.language),
        questions=asked.questions,
        code=code.code,
        outcome=last.outcome,
        message=last.message,
        output_tail=last.output_tail,
        another_way=sum(t.outcome is last.outcome for t in told) >= 2,
    )
    try:
        return _task_code(bench, asked.task, await ask(caller, REPAIR_CODE, values))
    except AnswerError:
        return code


def _task_code(bench: Workbench, task: DryLabTask, answer: Answer[CodeDraft]) -> TaskCode:
    """Add helper modules to a script; one that equals or names the task's skill is recorded as the skill's."""
    draft, skill = answer.value, bench.skills.get(task.skill or "")
    named = _VETTED.fullmatch(draft.code.strip())
    if skill is not None and (draft.code == skill.code or (named and known_id(named[1], [skill.name]))):
        own = skill_code(bench, task)
        if own is not None:
            return own.model_copy(update={"note": draft.note})
    return TaskCode(
        code="" if named else draft.code,
        support=skill.support if skill is not None else shared_modules(bench.skills, task.language),
        origin=answer.origin,
        note=draft.note or ("it names a skill that does not carry out this task" if named else ""),
    )


def skill_code(bench: Workbench, task: DryLabTask) -> TaskCode | None:
    """Return the code of the skill that carries out a task, unchanged; None when there is none."""
    skill = bench.skills.get(task.skill or "")
    if skill is None:
        return None
    origin: Origin = "offline" if skill.source == "shipped" else "human"
    note = f"The skill {skill.name}."
    return TaskCode(code=skill.code, support=skill.support, origin=origin, skill=skill.name, note=note)
