"""Tasks of a protocol: by program as far as it goes, and what is left from a model, in few calls.

A step with a skill is a task of its own, made from the skill's contract. Steps with registered code are tasks that run
it (`script_tasks`). Of the dry steps that are left, a model says which belong together and what their outputs hold;
inputs, settings and texts are copied from the steps. A step that no answer takes up becomes a task all the same, unless
it reads nothing that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.offline.skill_binding import extract_tasks as tasks_by_rule
from bioresearcher.offline.skill_binding import task_input
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.ask_program import ExtractTasksInput
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, OutputKind, TaskInput, TaskOutput
from bioresearcher.schemas.protocol import Protocol, ProtocolStep, StepOutput
from bioresearcher.schemas.skill import Skill
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import EXTRACT_TASKS
from bioresearcher.stages.script_tasks import script_tasks, together
from bioresearcher.stages.tasks import Extracted, Tasks, accept_tasks
from bioresearcher.text.normalise import known_ids, plain_name, title_of

BATCH_STEPS: Final = 12
"""Steps that one question is about at most, unless a single part has more."""
_FILES: Final[Mapping[str, tuple[OutputKind, str]]] = {
    "table": ("table", ".tsv"),
    "figure": ("figure", ".png"),
    "model": ("model", ".json"),
    "text": ("text", ".txt"),
    "decision": ("text", ".txt"),
}


async def extract_tasks(
    caller: ModelClient,
    protocol: Protocol,
    datasets: tuple[Dataset, ...],
    skills: Mapping[str, Skill],
    limit: int | None = None,
) -> Extracted:
    """Extract the dry-lab tasks in an order in which they can run, and those refused with the reason.

    A model is asked only about dry steps that have neither a skill nor registered code; an answer that cannot be used
    is noted, and the steps become tasks by program.
    """
    briefs = tuple(SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in skills.values())
    values = ExtractTasksInput(protocol=protocol, datasets=datasets, skills=briefs)
    by_rule = tasks_by_rule(values).tasks
    if caller.by_rule:
        await ask(caller, EXTRACT_TASKS, values)  # recorded like every answer
        return accept_tasks(by_rule, (), protocol, datasets, limit)
    by_rule += script_tasks(protocol, datasets, _held(by_rule))
    drafts: Tasks = ()
    held = _held(by_rule)
    for batch in _batches(protocol, held):
        drafts += _named_apart(await _asked(caller, values, batch, held), drafts)
    drafts = tuple(_completed(t, protocol) for t in drafts)
    dry = [s.id for s in protocol.steps if s.kind == "dry"]
    taken = held | {i for t in drafts for i in known_ids(t.step_ids, dry)}
    left = [s.id for s in protocol.steps if s.kind == "dry" and s.id not in taken and s.outputs]
    copies = (_copy(f"C{n}", group) for n, group in enumerate(together(protocol, left), 1))
    copied = tuple(c for c in copies if c.inputs)  # what reads only data that somebody has yet to give cannot run
    return accept_tasks(by_rule, (*drafts, *copied), protocol, datasets, limit)


def copied_tasks(protocol: Protocol, datasets: tuple[Dataset, ...], limit: int | None = None) -> Extracted:
    """Return the tasks of a protocol's dry steps as they stand, a task a step; no model is asked."""
    copies = tuple(_copy(f"C{n}", [s]) for n, s in enumerate((s for s in protocol.steps if s.kind == "dry"), 1))
    return accept_tasks((), copies, protocol, datasets, limit)


def _held(tasks: Iterable[DryLabTask]) -> set[str]:
    return {i for t in tasks for i in t.step_ids}


def _batches(protocol: Protocol, held: set[str]) -> list[list[str]]:
    """Return the ids of the parts with open steps, as many parts together as one question takes."""
    batches: list[list[str]] = []
    room = 0
    for part in protocol.parts:
        count = sum(s.kind == "dry" and s.id not in held for s in part.steps)
        if count and (not batches or count > room):
            batches.append([])
            room = BATCH_STEPS
        if count:
            batches[-1].append(part.id)
            room -= count
    return batches


async def _asked(caller: ModelClient, values: ExtractTasksInput, parts: Sequence[str], held: set[str]) -> Tasks:
    """Ask how the open steps of some parts become tasks."""
    open_ = tuple(
        s.id for p in values.protocol.parts if p.id in parts for s in p.steps if s.kind == "dry" and s.id not in held
    )
    try:
        answer = await ask(caller, EXTRACT_TASKS, values.model_copy(update={"steps": open_}))
    except AnswerError as error:
        note(caller, EXTRACT_TASKS, f"the steps become tasks as they are: {error.message}")
        return ()
    return () if answer.origin == "offline" else answer.value.tasks


def _named_apart(tasks: Tasks, before: Tasks) -> Tasks:
    """Return the tasks of an answer with ids that no answer before it used; they name each other by these."""
    used = {t.id for t in before}
    new = {t.id: f"{t.id} of answer {len(before) + 1}" for t in tasks if t.id in used}
    return tuple(
        t.model_copy(
            update={
                "id": new.get(t.id, t.id),
                "inputs": tuple(i.model_copy(update={"task": new.get(i.task or "", i.task)}) for i in t.inputs),
            }
        )
        for t in tasks
    )


def _completed(task: DryLabTask, protocol: Protocol) -> DryLabTask:
    """Return a model's task with what it left out copied from its steps."""
    steps = [s for s in protocol.steps if s.id in known_ids(task.step_ids, [s.id for s in protocol.steps])]
    if not steps:
        return task
    copy = _copy(task.id, steps)
    return task.model_copy(
        update={
            "goal": copy.goal,
            "inputs": task.inputs or copy.inputs,
            "outputs": task.outputs or copy.outputs,
            "parameters": {**copy.parameters, **task.parameters},
        }
    )


def _copy(name: str, steps: Sequence[ProtocolStep]) -> DryLabTask:
    """Return the task of steps, with what they state; what one of them makes for another is no input."""
    own = {s.id for s in steps}
    inputs: dict[tuple[str | None, ...], TaskInput] = {}
    for step in steps:
        for given in step.inputs:
            made = task_input(given.name, given.source)
            if made is not None and made.task not in own:
                inputs.setdefault((made.dataset, made.file, made.task, made.output), made)
    outputs = {o.name: _output(o) for s in steps for o in s.outputs if o.kind in _FILES}
    return DryLabTask(
        id=name,
        title=title_of("; ".join(s.title for s in steps)),
        goal="\n".join(s.action for s in steps),
        step_ids=tuple(s.id for s in steps),
        questions=tuple(dict.fromkeys(q for s in steps for q in s.questions)),
        inputs=tuple(inputs.values()),
        outputs=tuple(outputs.values()),
        parameters={p.name: f"{p.value} {p.unit}".strip() for s in steps for p in s.parameters},
    )


def _output(output: StepOutput) -> TaskOutput:
    kind, suffix = _FILES[output.kind]
    name = plain_name(output.name) or kind
    return TaskOutput(name=name, file=f"{name}{suffix}", kind=kind, description=output.description)
