"""Rules of the programmer: tasks are the protocol's dry steps, code is the skills'."""

from __future__ import annotations

from pydantic import JsonValue

from bioresearcher.schemas.ask_program import (
    CodeDraft,
    ExtractTasksInput,
    RepairCodeInput,
    TasksDraft,
    WriteCodeInput,
)
from bioresearcher.schemas.protocol import ProtocolStep
from bioresearcher.schemas.skill import SkillContract, SkillParameter
from bioresearcher.schemas.task import DryLabTask, TaskInput

NOT_STATED = "not stated"
"""How a protocol prints a parameter whose value the source does not give."""

NONE = "none"
"""How it prints an empty list."""

LIST_SOURCES = ("covariates", "missing_values")


def extract_tasks(values: ExtractTasksInput) -> TasksDraft:
    """One task per dry step with a skill, in protocol order; parameters are read back from the step."""
    contracts = {s.name: s.contract for s in values.skills}
    steps = [s for s in values.protocol.steps if s.kind == "dry" and s.skill in contracts]
    ids = {s.id: f"T{n}" for n, s in enumerate(steps, 1)}
    return TasksDraft(tasks=tuple(_task(s, contracts[s.skill or ""], ids) for s in steps))


def _task(step: ProtocolStep, contract: SkillContract, ids: dict[str, str]) -> DryLabTask:
    return DryLabTask(
        id=ids[step.id],
        title=step.title,
        goal=step.action,
        step_ids=(step.id,),
        inputs=tuple(i for i in (_input(s.name, s.source, ids) for s in step.inputs) if i is not None),
        outputs=contract.outputs,
        parameters=_parameters(step, contract),
        language=contract.language,
        packages=contract.packages,
        skill=step.skill,
    )


def _input(name: str, source: str, ids: dict[str, str]) -> TaskInput | None:
    kind, _, rest = source.partition(":")
    owner, _, item = rest.partition("/")
    if kind == "dataset":
        return TaskInput(name=name, dataset=owner, file=item)
    if kind == "step" and owner in ids:
        return TaskInput(name=name, task=ids[owner], output=item)
    return None


def _parameters(step: ProtocolStep, contract: SkillContract) -> dict[str, JsonValue]:
    printed = {p.name: p.value for p in step.parameters}
    return {p.name: _value(p, printed[p.name]) for p in contract.parameters if p.name in printed}


def _value(parameter: SkillParameter, text: str) -> JsonValue:
    """A printed parameter in the type its skill declares."""
    if text == NOT_STATED:
        return None
    if parameter.source in LIST_SOURCES or isinstance(parameter.default, tuple):
        return [] if text == NONE else [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(parameter.default, bool):
        return text.casefold() in {"true", "yes"}
    if isinstance(parameter.default, int):
        return int(float(text))
    if isinstance(parameter.default, float):
        return float(text)
    return text


def write_code(values: WriteCodeInput) -> CodeDraft:
    """The task's skill by its name, which stands for its code: an example may be an outline of it."""
    example = next((e for e in values.examples if e.name == values.task.skill), None)
    if example is None:
        return CodeDraft(code="", note="no vetted analysis carries out this task, and no model is configured")
    return CodeDraft(code=f"vetted: {example.name}", note=f"The vetted analysis {example.name}.")


def repair_code(values: RepairCodeInput) -> CodeDraft:
    """A vetted analysis is not changed by rule: the same code again, which ends the repairs."""
    return CodeDraft(code=values.code, note="Vetted code is not changed without a model.")
