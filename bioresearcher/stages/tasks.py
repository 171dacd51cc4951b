"""Cleaning a task list: own numbering, an order that can be run, inputs and outputs that exist. Pure functions.

The tasks of steps with a skill follow from the protocol and the skill's contract alone, so the rules make them; a model
gives the tasks of the other dry steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from pydantic import JsonValue

from bioresearcher.execution.languages import rscript
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, OutputKind, TaskInput, TaskOutput
from bioresearcher.schemas.paper import Failure
from bioresearcher.schemas.protocol import Protocol, ProtocolStep
from bioresearcher.schemas.question import number_of
from bioresearcher.stages.draft_cleanup import find_file, in_order
from bioresearcher.text.normalise import known_id, known_ids, plain_name, title_of

MAX_DRAFTS = 200
MAX_FILES = 20
MAX_REFUSED = 10
_SUFFIXES: dict[OutputKind, tuple[str, ...]] = {
    "table": (".tsv", ".csv"),
    "figure": (".png", ".svg"),
    "text": (".txt", ".md"),
    "findings": (".json",),
    "model": (".json", ".txt", ".tsv", ".csv", ".npz", ".pkl", ".joblib", ".bin"),
}
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9])?")
"""Possible names of a package."""
_FINDINGS = TaskOutput(
    name="findings", file="findings.json", kind="findings", description="statements with the numbers they state"
)

Tasks = tuple[DryLabTask, ...]


@dataclass(frozen=True)
class Extracted:
    """The tasks in an order in which they can run, and those that had to be refused with the reason."""

    tasks: Tasks
    refused: tuple[Failure, ...]


def accept_tasks(
    by_rule: Tasks, drafts: Tasks, protocol: Protocol, datasets: Sequence[Dataset], limit: int | None = None
) -> Extracted:
    """Join the tasks of skills and a model's tasks for the other dry steps to one list T1, T2, ….

    With a limit, tasks that answer questions are kept before others, each with what it needs; the rest is said.

    A model's task belongs to dry steps that no skill carries out; one that does not is left out when a skill has its
    step, else refused. A task that reads from another names it by its id or by its step.
    """
    open_steps = {s.id: s for s in protocol.steps if s.kind == "dry"}
    for task in by_rule:
        for step_id in task.step_ids:
            open_steps.pop(step_id, None)
    drafts = drafts[:MAX_DRAFTS]
    step_ids = [known_ids(t.step_ids, open_steps) for t in drafts]
    own = [_tidied(t, ids, open_steps, datasets) for t, ids in zip(drafts, step_ids, strict=True) if ids]
    dry = [s.id for s in protocol.steps if s.kind == "dry"]
    homeless = (t for t in drafts if not known_ids(t.step_ids, dry))
    refused = [_refused(t, "it carries out no dry step of the protocol") for t in homeless]
    steps = {step: n for n, t in reversed(list(enumerate((*by_rule, *own)))) for step in t.step_ids}
    named = {t.id: steps[i] for t in reversed(drafts) for i in known_ids(t.step_ids, steps)[:1]}
    named |= {t.id: n for n, t in reversed(list(enumerate(own, len(by_rule))))}
    made = {t.id: n for n, t in enumerate(by_rule)}
    linked = [*_linked(by_rule, made, steps), *_linked(own, named, steps)]
    linked, surplus = _limited(linked, limit)
    tasks = _numbered(linked, protocol)
    checked = _checked(tasks, {(d.id, f.name) for d in datasets for f in d.files})
    every = tuple(dict.fromkeys((*refused, *checked.refused)))
    more = f"{len(every) - MAX_REFUSED} more tasks were refused" if len(every) > MAX_REFUSED else ""
    said = [Failure(item="tasks", stage="extract_tasks", message=message) for message in (surplus, more) if message]
    return Extracted(checked.tasks, (*every[:MAX_REFUSED], *said))


def _refused(task: DryLabTask, why: str) -> Failure:
    return Failure(item=title_of(task.id, task.title, "a task"), stage="extract_tasks", message=why)


_Linked = tuple[DryLabTask, dict[str, int]]
"""A task, and input name -> position of the task that makes the input."""


def _linked(tasks: Iterable[DryLabTask], names: Mapping[str, int], steps: Mapping[str, int]) -> list[_Linked]:
    found = []
    for task in tasks:
        made = {}
        for given in task.inputs:
            step, name = known_id(given.task or "", steps), known_id(given.task or "", names)
            if given.task is not None and (step is not None or name is not None):
                made[given.name] = steps[step] if step is not None else names[name or ""]
        found.append((task, made))
    return found


def _limited(linked: list[_Linked], limit: int | None) -> tuple[list[_Linked], str]:
    """Keep at most `limit` tasks, those that answer questions first, with a message that names the others."""
    if limit is None or len(linked) <= limit:
        return linked, ""
    kept: set[int] = set()
    for n in sorted(range(len(linked)), key=lambda n: _rank(linked[n][0])):
        needed = _with_needs(n, linked)
        if len(kept | needed) <= limit:
            kept |= needed
    place = {old: new for new, old in enumerate(sorted(kept))}
    left = [t.title for n, (t, _) in enumerate(linked) if n not in kept]
    chosen = [(linked[n][0], {k: place[v] for k, v in linked[n][1].items()}) for n in sorted(kept)]
    return chosen, f"{len(chosen)} of {len(linked)} tasks are carried out (max_tasks); left out: {'; '.join(left)}"


def _rank(task: DryLabTask) -> tuple[bool, int]:
    """Order in which a limit admits tasks: those that answer a question first, as the questions were asked."""
    return not task.questions, min((number_of(q) for q in task.questions), default=0)


def tasks_left_out(by_rule: Tasks, protocol: Protocol, limit: int | None) -> str:
    """Return what of a protocol a limit leaves undone, before anything runs; empty when all is carried out.

    A dry step that no skill carries out counts as a task.
    """
    held = {i for t in by_rule for i in t.step_ids}
    others = [
        DryLabTask(id=s.id, title=s.title, goal="", step_ids=(s.id,), questions=s.questions, inputs=(), outputs=())
        for s in protocol.steps
        if s.kind == "dry" and s.id not in held
    ]
    linked = [*_linked(by_rule, {t.id: n for n, t in enumerate(by_rule)}, {}), *_linked(others, {}, {})]
    kept, _ = _limited(linked, limit)
    if len(kept) == len(linked):
        return ""
    steps = {i for t, _ in kept for i in t.step_ids}
    left = [f"step {', '.join(t.step_ids)} {t.title}" for t, _ in linked if not {*t.step_ids} <= steps]
    return f"Not carried out, as --max-tasks allows {limit} of {len(linked)} tasks: {'; '.join(left)}."


def _with_needs(number: int, linked: Sequence[_Linked]) -> set[int]:
    found, open_ = set[int](), [number]
    while open_:
        one = open_.pop()
        if one not in found:
            found.add(one)
            open_ += linked[one][1].values()
    return found


def _numbered(linked: Sequence[_Linked], protocol: Protocol) -> Tasks:
    """Order tasks by their steps and needs, with ids T1, T2, …."""
    place = {s.id: n for n, s in enumerate(protocol.steps)}
    first = [min((place.get(i, 0) for i in task.step_ids), default=0) for task, _ in linked]
    by_step = sorted(range(len(linked)), key=lambda n: (first[n], n))
    rank = {old: new for new, old in enumerate(by_step)}
    needs = [{rank[n] for n in linked[old][1].values()} for old in by_step]
    order = [by_step[n] for n in in_order(by_step, needs)]
    ids = {old: f"T{new}" for new, old in enumerate(order, 1)}
    tasks = []
    for old in order:
        task, made = linked[old]
        inputs = [_input(i, ids, linked, made) for i in task.inputs]
        tasks.append(task.model_copy(update={"id": ids[old], "inputs": tuple(inputs)}))
    return tuple(tasks)


def _input(given: TaskInput, ids: Mapping[int, str], linked: Sequence[_Linked], made: Mapping[str, int]) -> TaskInput:
    """Return the input with the new id of its maker; an unknown maker is marked so that it matches no task."""
    if given.task is None:
        return given
    if given.name not in made:
        return given.model_copy(update={"task": f"called {given.task}"})
    maker = made[given.name]
    output = known_id(given.output or "", [o.name for o in linked[maker][0].outputs])
    return given.model_copy(update={"task": ids[maker], "output": output or given.output})


def _checked(tasks: Tasks, files: set[tuple[str, str]]) -> Extracted:
    accepted: dict[str, DryLabTask] = {}
    refused = []
    for task in tasks:
        problem = _problem(task, files, accepted)
        if problem:
            refused.append(_refused(task, problem))
        else:
            accepted[task.id] = task
    return Extracted(tuple(accepted.values()), tuple(refused))


def _problem(task: DryLabTask, files: set[tuple[str, str]], earlier: Mapping[str, DryLabTask]) -> str:
    """Return why a task cannot be accepted; empty when it can."""
    if not task.outputs:
        return "it declares no output"
    for output in task.outputs:
        if safe_name(output.file) != output.file:
            return f"the output file name {output.file!r} is not a plain file name"
    for given in task.inputs:
        if given.dataset is not None:
            if (given.dataset, given.file) not in files:
                return f"input {given.name}: data set {title_of(given.dataset)} has no file {given.file!r}"
        elif given.task is None:
            return f"input {given.name} names neither a data set's file nor an earlier task's output"
        elif given.task not in earlier:
            return f"input {given.name}: the task that makes it ({title_of(given.task)}) is not there or comes later"
        elif given.output not in {o.name for o in earlier[given.task].outputs}:
            return f"input {given.name}: task {given.task} has no output {given.output!r}"
    return ""


def _tidied(
    task: DryLabTask, step_ids: tuple[str, ...], steps: Mapping[str, ProtocolStep], datasets: Sequence[Dataset]
) -> DryLabTask:
    """Clean a model's task: plain names, real names of data files, an output for its findings."""
    first = steps[step_ids[0]]
    return task.model_copy(
        update={
            "title": title_of(task.title, first.title),
            "goal": task.goal.strip() or first.action,
            "step_ids": step_ids,
            "questions": tuple(dict.fromkeys(q for i in step_ids for q in steps[i].questions)),
            "skill": None,
            "packages": tuple(p for p in dict.fromkeys(task.packages) if _PACKAGE.fullmatch(p))[:MAX_FILES],
            "language": task.language if task.language == "python" or rscript() else "python",
            "inputs": _inputs(task.inputs, datasets),
            "outputs": _outputs(task.outputs),
            "parameters": {k: _finite(v) for k, v in task.parameters.items()},
        }
    )


def _inputs(inputs: Sequence[TaskInput], datasets: Sequence[Dataset]) -> tuple[TaskInput, ...]:
    found: dict[str, TaskInput] = {}
    for given in inputs[:MAX_FILES]:
        name = plain_name(given.name) or "input"
        if given.dataset is not None:
            dataset = next((d for d in datasets if d.id == known_id(given.dataset, [d.id for d in datasets])), None)
            file = find_file(dataset, given.file or "") if dataset else None
            known = dataset is not None and file is not None
            given = TaskInput(
                name=name,
                dataset=dataset.id if dataset else given.dataset,
                file=file.name if known and file else given.file,
            )
        elif given.task is not None:
            given = TaskInput(name=name, task=given.task, output=given.output)
        found[_free(name, found)] = given
    return tuple(given.model_copy(update={"name": name}) for name, given in found.items())


def _outputs(outputs: Sequence[TaskOutput]) -> tuple[TaskOutput, ...]:
    """Return outputs with distinct names and files, and one for the findings."""
    found: dict[str, TaskOutput] = {}
    files: set[str] = set()
    for output in outputs[:MAX_FILES]:
        name = _free(plain_name(output.name) or output.kind, found)
        given = PurePath(output.file.replace("\\", "/")).name.strip()
        stem = (safe_name(given) if given else name).lstrip("_-.") or name
        suffixes = _SUFFIXES[output.kind]
        whole = stem if PurePath(stem).suffix.lower() in suffixes else f"{PurePath(stem).stem or name}{suffixes[0]}"
        file = whole if whole.casefold() not in files | {"task.json"} else f"{name}-{whole}"
        files.add(file.casefold())
        found[name] = output.model_copy(
            update={
                "name": name,
                "file": file,
                "columns": tuple(_column(c) for c in output.columns if c.name.strip()),
                "min_rows": max(0, output.min_rows),
            }
        )
    if found and not any(o.kind == "findings" for o in found.values()):
        name = _free("findings", found)
        found[name] = _FINDINGS.model_copy(update={"name": name, "file": f"{_free('findings', files, '.json')}.json"})
    return tuple(found.values())


def _free(name: str, taken: Iterable[str], suffix: str = "") -> str:
    """Return the name, with a number where it is taken."""
    used = set(taken)
    options = (name, *(f"{name}_{n}" for n in range(2, len(used) + 3)))
    return next(o for o in options if f"{o}{suffix}" not in used)


def _column(rule: ColumnRule) -> ColumnRule:
    """Clean a rule: finite numbers, and bounds that some value can meet."""
    low, high = (v if v is not None and math.isfinite(v) else None for v in (rule.minimum, rule.maximum))
    if low is not None and high is not None and low > high:
        low, high = None, None
    missing = rule.max_missing if 0 <= rule.max_missing <= 1 else 1.0
    return rule.model_copy(update={"minimum": low, "maximum": high, "max_missing": missing})


def _finite(value: JsonValue) -> JsonValue:
    """Replace NaN and infinities, which JSON does not have, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return value
