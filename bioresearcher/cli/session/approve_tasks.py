"""The approval of the tasks as a dialogue: which run, which are skipped, and within which limits.

Limits are typed as `memory=4G time=10m`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, TypedCommand, Verb, verbs_of
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.report.markdown import task_lines
from bioresearcher.report.run_data import TaskView
from bioresearcher.schemas.execution import DryLabTask, Limits, TaskInput
from bioresearcher.schemas.run import Decision
from bioresearcher.text.format import md, md_table
from bioresearcher.text.visible import one_line

_SIZES = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
"""Unit → megabytes."""
_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
"""Unit → seconds."""
_LIMITS: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, float], float, float]]] = {
    "memory": (("memory_mb",), _SIZES, 16, 4 * 1024 * 1024),
    "disk": (("disk_mb", "file_mb"), _SIZES, 16, 4 * 1024 * 1024),
    "time": (("wall_s",), _TIMES, 1, 14 * 86_400),
    "cpu": (("cpu_s",), _TIMES, 1, 14 * 86_400),
    "processes": (("processes",), {"": 1}, 1, 4096),
}
"""Word → fields, units, smallest and largest possible value."""
_LIMIT = re.compile(r"([a-z]+)=(\d{1,9}(?:\.\d{1,3})?)([a-z]*)", re.ASCII)
FORM = "memory=4G time=10m cpu=20m disk=2G processes=64"


def limits_in(words: Sequence[str], now: Limits) -> Limits | str:
    """Return the limits changed as typed, or one message that says what cannot be understood.

    `time` is the time that passes; the processors' time follows it unless `cpu` is given. A number without a unit is
    megabytes or seconds.
    """
    found: dict[str, float | int] = {}
    for word in words:
        match = _LIMIT.fullmatch(word.casefold())
        if match is None:
            return f"“{one_line(word, 40)}” is no limit; write {FORM}."
        name, number = match[1], float(match[2])
        if name not in _LIMITS:
            return f"There is no limit {name}; write {FORM}."
        fields, units, least, most = _LIMITS[name]
        value = number * units.get(_unit(match[3], units), -1)
        whole = units is not _TIMES
        if not least <= value <= most or (name == "processes" and not value.is_integer()):
            return f"{one_line(word, 40)}: this is not possible; write {FORM}."
        found |= dict.fromkeys(fields, int(value) if whole else value)
    if not found:
        return f"Say which limits: {FORM}."
    if "wall_s" in found:
        found.setdefault("cpu_s", found["wall_s"])
    return now.model_copy(update=found)


def _unit(typed: str, units: Mapping[str, float]) -> str:
    """Return a unit's key: `GiB`, `GB` and `G` are the same, and so are `minutes`, `min` and `m`."""
    if units is _TIMES:
        return next((w[0] for w in ("seconds", "minutes", "hours", "days") if w.startswith(typed)), typed)
    return typed.removesuffix("ib").removesuffix("b") or "m" if units is _SIZES else typed


def limit_words(limits: Limits) -> str:
    """Return memory and time in words."""
    memory = f"{limits.memory_mb / 1024:g} GB" if limits.memory_mb >= 1024 else f"{limits.memory_mb} MB"
    wall = f"{limits.wall_s / 60:g} min" if limits.wall_s >= 60 else f"{limits.wall_s:g} s"
    return f"{memory}, {wall}"


PROMPT: Final = "tasks> "
VERBS: Final = verbs_of(
    Verb("list", "nothing", "the tasks"),
    Verb("show", "items", "a task in full", "show 2"),
    Verb("skip", "items", "do not run it; what needs it is blocked", "skip 2 4"),
    Verb("keep", "items", "run it after all", "keep 2"),
    Verb("limit", "items", f"what it may use: {FORM}", "limit 2 memory=4G time=10m"),
    Verb("run", "nothing", "run the tasks (also yes)"),
    yes="run",
    y="run",
    done="run",
    approve="run",
    unskip="keep",
    limits="limit",
)


@dataclass(frozen=True)
class TaskSelection:
    """The tasks of a protocol: which are skipped, which are blocked by that, and the limits of each."""

    tasks: tuple[DryLabTask, ...]
    skipped: frozenset[str]
    limits: Mapping[str, Limits]
    usual: Limits

    def limits_of(self, task_id: str) -> Limits:
        """Return a task's limits."""
        return self.limits.get(task_id, self.usual)

    @property
    def blocked(self) -> frozenset[str]:
        """Tasks that need a skipped one, also through others; the tasks stand in an order in which they can run."""
        found: set[str] = set()
        for task in self.tasks:
            if task.id not in self.skipped and any(n in self.skipped or n in found for n in task.needs):
                found.add(task.id)
        return frozenset(found)

    def state(self, task_id: str) -> str:
        """Return SKIPPED or BLOCKED; empty for a task that runs."""
        return "SKIPPED" if task_id in self.skipped else "BLOCKED" if task_id in self.blocked else ""

    def named(self, words: Sequence[str]) -> tuple[list[DryLabTask], list[str]]:
        """Return the tasks that words name (`2`, `T2`, `t2`), and the words that name none."""
        by_name = {t.id.casefold(): t for t in self.tasks}
        found = {w: by_name.get(w.casefold()) or by_name.get(f"t{w.lstrip('#')}") for w in words}
        return [t for t in found.values() if t], [w for w, t in found.items() if t is None]


async def decide(dialogue: ApprovalDialogue) -> Decision | None:
    """Return the person's next answer: a task skipped or limited, or the approval's end."""
    context = dialogue.context
    plan = TaskSelection(
        tasks=context.folder.read_list(DryLabTask, "tasks.json"),
        skipped=frozenset(dialogue.question.get("skipped", ())),
        limits={t: Limits.model_validate(v) for t, v in dialogue.question.get("limits", {}).items()},
        usual=context.settings.limits,
    )
    if dialogue.begin():
        _say_plan(dialogue, plan)
    return await dialogue.decide(PROMPT, VERBS, lambda line, typed: _carry_out(dialogue, line, typed, plan))


def _say_plan(dialogue: ApprovalDialogue, plan: TaskSelection) -> None:
    """Print the tasks in a table, and how to change it."""
    dialogue.say(plan_table(plan))
    if dialogue.context.sandbox is None:
        dialogue.say(one_line(f"No task can be run here: {dialogue.context.sandbox_note}", 400))
    dialogue.say("show 2, skip 2, limit 2 memory=4G time=10m, run, no; help says more.")


def plan_table(plan: TaskSelection) -> Sheet:
    """Return the tasks as a table or, in a narrow terminal, as a list."""
    rows = [
        tuple(map(md, (_how(task), _reads(task), _writes(task), limit_words(plan.limits_of(task.id)))))
        for task in plan.tasks
    ]
    names = [
        f"{t.id} {f'**{state}** ' if (state := plan.state(t.id)) else ''}{md(one_line(t.title, 160))}"
        for t in plan.tasks
    ]
    lines = md_table(("Task", "How", "Reads", "Writes", "May use"), [(n, *r) for n, r in zip(names, rows, strict=True)])
    return Sheet("\n".join((f"# Tasks to run: {len(names) - len(plan.skipped)} of {len(names)}", "", *lines)))


def _how(task: DryLabTask) -> str:
    how = f"skill {task.skill}" if task.skill else "code to be written"
    return one_line(how + (f" · needs {', '.join(task.needs)}" if task.needs else ""), 160)


def _reads(task: DryLabTask) -> str:
    return ", ".join(dict.fromkeys(map(_source, task.inputs))) or "nothing"


def _source(given: TaskInput) -> str:
    where = given.dataset if given.dataset is not None else given.task
    return one_line(f"{where}/{given.file if given.dataset is not None else given.output}", 80)


def _writes(task: DryLabTask) -> str:
    return ", ".join(one_line(o.file, 60) for o in task.outputs)


def _details(task: DryLabTask, plan: TaskSelection) -> Sheet:
    """Return a task in full."""
    lines = task_lines(TaskView(task, f"tasks/{task.id}"))
    may = f"May use {limit_words(plan.limits_of(task.id))}; written in {task.language}."
    return Sheet("\n".join((f"# {task.id} {plan.state(task.id)} {md(one_line(task.title, 160))}", "", *lines, "", may)))


async def _carry_out(
    dialogue: ApprovalDialogue, line: str, typed: TypedCommand, plan: TaskSelection
) -> Decision | None:
    """Return the decision that a line means; None when it only shows something, or cannot be done."""
    if typed.verb == "run":
        return dialogue.decision(line, approved=True)
    if typed.verb == "list":
        _say_plan(dialogue, plan)
        return None
    words = typed.items[:1] if typed.verb == "limit" else typed.items
    tasks, strange = plan.named(words)
    if strange or not tasks:
        said = f"{one_line(strange[0], 40)} is no task" if strange else "Name a task"
        dialogue.say(f"{said} (T1 to T{len(plan.tasks)})." if plan.tasks else "There are no tasks.")
        return None
    if typed.verb == "show":
        dialogue.say(*(_details(task, plan) for task in tasks))
        return None
    if typed.verb == "limit":
        return _limited(dialogue, line, tasks, typed.items[1:], plan)
    return _changed(dialogue, line, tasks, plan, skip=typed.verb == "skip")


def _limited(
    dialogue: ApprovalDialogue, line: str, tasks: Sequence[DryLabTask], words: Sequence[str], plan: TaskSelection
) -> Decision | None:
    found: dict[str, Limits] = {}
    for task in tasks:
        limits = limits_in(words, plan.limits_of(task.id))
        if isinstance(limits, str):
            dialogue.say(limits)
            return None
        found[task.id] = limits
        dialogue.say(f"{task.id} may use {limit_words(limits)}.")
    return dialogue.decision(line, limits=found)


def _changed(
    dialogue: ApprovalDialogue, line: str, tasks: Sequence[DryLabTask], plan: TaskSelection, *, skip: bool
) -> Decision | None:
    ids = tuple(t.id for t in tasks if (t.id in plan.skipped) != skip)
    if not ids:
        dialogue.say(f"{', '.join(t.id for t in tasks)}: {'skipped already' if skip else 'not skipped anyway'}.")
        return None
    after = TaskSelection(plan.tasks, plan.skipped | {*ids} if skip else plan.skipped - {*ids}, plan.limits, plan.usual)
    lost = [t for t in after.blocked if t not in plan.blocked]
    blocked = f"; blocked by that: {', '.join(sorted(lost, key=lambda t: int(t[1:])))}" if lost else ""
    dialogue.say(f"{', '.join(ids)} {'will be skipped' if skip else 'will be run'}{blocked}.")
    return dialogue.decision(line, **{"drop" if skip else "add": ids})
