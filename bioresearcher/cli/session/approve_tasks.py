"""The gate of the tasks as a conversation: what will be run, what is skipped, and within which limits.

Limits of a task as a person types them: `memory=4G time=10m`. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, Typed, Verb, verbs_of
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.report.markdown import task_lines
from bioresearcher.report.run_data import TaskView
from bioresearcher.schemas.execution import DryLabTask, Limits, TaskInput
from bioresearcher.schemas.run import Decision
from bioresearcher.text.format import md, md_table
from bioresearcher.text.visible import one_line

_SIZES = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
"""Megabytes."""
_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_GIVEN = re.compile(r"([a-z]+)=(\d{1,9}(?:\.\d{1,3})?)([a-z]*)", re.ASCII)
_MEMORY, _TIME = (16, 4 * 1024 * 1024), (1, 14 * 86_400)
"""Megabytes and seconds that are possible at least and at most."""
FORM = "memory=4G time=10m cpu=20m disk=2G processes=64"


def limits_in(words: Sequence[str], now: Limits) -> Limits | str:
    """The limits with what is typed, or what cannot be understood, in one line.

    `time` is the time that passes; the processors' time follows it unless `cpu` is given. A number without a unit is
    megabytes or seconds.
    """
    found: dict[str, float | int] = {}
    for word in words:
        given = _GIVEN.fullmatch(word.casefold())
        if given is None:
            return f"“{one_line(word, 40)}” is no limit; write {FORM}."
        name, number, unit = given[1], float(given[2]), given[3]
        if name in {"memory", "disk"}:
            value = _scaled(number, unit.removesuffix("ib").removesuffix("b") or "m", _SIZES, _MEMORY)
        elif name in {"time", "cpu"}:
            value = _scaled(number, _short(unit), _TIMES, _TIME)
        elif name == "processes":
            value = number if not unit and 1 <= number <= 4096 and number.is_integer() else None
        else:
            return f"There is no limit {name}; write {FORM}."
        if value is None:
            return f"{one_line(word, 40)}: this is not possible; write {FORM}."
        found |= _fields(name, value)
    if not found:
        return f"Say which limits: {FORM}."
    if "wall_s" in found:
        found.setdefault("cpu_s", found["wall_s"])
    return now.model_copy(update=found)


def _short(unit: str) -> str:
    """`minutes`, `min` and `m` are the same."""
    return next((k for k, w in (("s", "seconds"), ("m", "minutes"), ("h", "hours"), ("d", "days"))
                 if unit and w.startswith(unit)), unit or "s")  # fmt: skip


def _scaled(number: float, unit: str, units: dict[str, float] | dict[str, int], ends: tuple[int, int]) -> float | None:
    value = number * units[unit] if unit in units else -1.0
    return value if ends[0] <= value <= ends[1] else None


def _fields(name: str, value: float) -> dict[str, float | int]:
    if name == "memory":
        return {"memory_mb": int(value)}
    if name == "disk":
        return {"disk_mb": int(value), "file_mb": int(value)}
    return {"processes": int(value)} if name == "processes" else {"wall_s" if name == "time" else "cpu_s": value}


def limit_words(limits: Limits) -> str:
    """The limits that matter most, in words."""
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
    Verb("no", "rest", "run nothing: the run ends here", "no [why]"),
    Verb("help", "nothing", "this list"),
    yes="run",
    y="run",
    done="run",
    approve="run",
    n="no",
    unskip="keep",
    limits="limit",
)


@dataclass(frozen=True)
class TaskSelection:
    """The tasks as they stand: what is skipped, what is blocked by that, and the limits of each."""

    tasks: tuple[DryLabTask, ...]
    skipped: frozenset[str]
    limits: Mapping[str, Limits]
    usual: Limits

    def limits_of(self, task_id: str) -> Limits:
        """What a task may use."""
        return self.limits.get(task_id, self.usual)

    @property
    def blocked(self) -> frozenset[str]:
        """Tasks that need a skipped one, also through others; the tasks are in an order in which they can be run."""
        found: set[str] = set()
        for task in self.tasks:
            if task.id not in self.skipped and any(n in self.skipped or n in found for n in task.needs):
                found.add(task.id)
        return frozenset(found)

    def state(self, task_id: str) -> str:
        """What will become of a task; empty when it is run."""
        return "SKIPPED" if task_id in self.skipped else "BLOCKED" if task_id in self.blocked else ""

    def named(self, words: Sequence[str]) -> tuple[list[DryLabTask], list[str]]:
        """The tasks that are meant (`2`, `T2`, `t2`), and words that mean none."""
        by_name = {t.id.casefold(): t for t in self.tasks}
        found = {w: by_name.get(w.casefold()) or by_name.get(f"t{w.lstrip('#')}") for w in words}
        return [t for t in found.values() if t], [w for w, t in found.items() if t is None]


async def converse(talk: ApprovalDialogue) -> Decision | None:
    """The person's next answer: a task skipped or limited, or the word that runs them."""
    context = talk.context
    plan = TaskSelection(
        tasks=context.folder.read_list(DryLabTask, "tasks.json"),
        skipped=frozenset(talk.question.get("skipped", ())),
        limits={t: Limits.model_validate(v) for t, v in talk.question.get("limits", {}).items()},
        usual=context.settings.limits,
    )
    if talk.begin():
        show_plan(talk, plan)
    while True:
        answer = await talk.ask(PROMPT, VERBS)
        if answer is None:
            return None
        decision = _answered(talk, *answer, plan)
        if decision is not None:
            return decision


def show_plan(talk: ApprovalDialogue, plan: TaskSelection) -> None:
    """The tasks in a table, and how to change it."""
    talk.say(plan_table(plan))
    if talk.context.sandbox is None:
        talk.say(one_line(f"No task can be run here: {talk.context.sandbox_note}", 400))
    talk.say("show 2, skip 2, limit 2 memory=4G time=10m, run, no; help says more.")


def plan_table(plan: TaskSelection) -> Sheet:
    """The tasks as a table or, in a narrow terminal, as a list."""
    rows = [
        tuple(map(md, (_how(task), _reads(task), _writes(task), limit_words(plan.limits_of(task.id)))))
        for task in plan.tasks
    ]
    names = [f"{t.id} {f'**{state}** ' if (state := plan.state(t.id)) else ''}{md(_title(t))}" for t in plan.tasks]
    lines = md_table(("Task", "How", "Reads", "Writes", "May use"), [(n, *r) for n, r in zip(names, rows, strict=True)])
    return Sheet("\n".join((f"# Tasks to run: {len(names) - len(plan.skipped)} of {len(names)}", "", *lines)))


def _title(task: DryLabTask) -> str:
    return one_line(task.title, 160)


def _how(task: DryLabTask) -> str:
    how = f"vetted analysis {task.skill}" if task.skill else "code to be written"
    return one_line(how + (f" · needs {', '.join(task.needs)}" if task.needs else ""), 160)


def _reads(task: DryLabTask) -> str:
    return ", ".join(dict.fromkeys(map(_source, task.inputs))) or "nothing"


def _source(given: TaskInput) -> str:
    where = given.dataset if given.dataset is not None else given.task
    return one_line(f"{where}/{given.file if given.dataset is not None else given.output}", 80)


def _writes(task: DryLabTask) -> str:
    return ", ".join(one_line(o.file, 60) for o in task.outputs)


def _about(task: DryLabTask, plan: TaskSelection) -> Sheet:
    """A task in full."""
    lines = task_lines(TaskView(task, f"tasks/{task.id}"))
    may = f"May use {limit_words(plan.limits_of(task.id))}; written in {task.language}."
    return Sheet("\n".join((f"# {task.id} {plan.state(task.id)} {md(_title(task))}", "", *lines, "", may)))


def _answered(talk: ApprovalDialogue, line: str, typed: Typed, plan: TaskSelection) -> Decision | None:
    """The decision that a line means; None when it only asks to be shown something, or cannot be done."""
    if typed.verb == "run":
        return talk.decision(line, approved=True)
    if typed.verb == "no":
        return talk.decision(line, approved=False, comment=typed.text[:500])
    if typed.verb == "list":
        show_plan(talk, plan)
        return None
    words = typed.items[:1] if typed.verb == "limit" else typed.items
    tasks, strange = plan.named(words)
    if strange or not tasks:
        said = f"{one_line(strange[0], 40)} is no task" if strange else "Name a task"
        talk.say(f"{said} (T1 to T{len(plan.tasks)})." if plan.tasks else "There are no tasks.")
        return None
    if typed.verb == "show":
        talk.say(*(_about(task, plan) for task in tasks))
        return None
    if typed.verb == "limit":
        return _limited(talk, line, tasks, typed.items[1:], plan)
    return _changed(talk, line, tasks, plan, skip=typed.verb == "skip")


def _limited(
    talk: ApprovalDialogue, line: str, tasks: Sequence[DryLabTask], words: Sequence[str], plan: TaskSelection
) -> Decision | None:
    found: dict[str, Limits] = {}
    for task in tasks:
        limits = limits_in(words, plan.limits_of(task.id))
        if isinstance(limits, str):
            talk.say(limits)
            return None
        found[task.id] = limits
        talk.say(f"{task.id} may use {limit_words(limits)}.")
    return talk.decision(line, limits=found)


def _changed(
    talk: ApprovalDialogue, line: str, tasks: Sequence[DryLabTask], plan: TaskSelection, *, skip: bool
) -> Decision | None:
    ids = tuple(t.id for t in tasks if (t.id in plan.skipped) != skip)
    if not ids:
        talk.say(f"{', '.join(t.id for t in tasks)}: {'skipped already' if skip else 'not skipped anyway'}.")
        return None
    after = TaskSelection(plan.tasks, plan.skipped | {*ids} if skip else plan.skipped - {*ids}, plan.limits, plan.usual)
    lost = [t for t in after.blocked if t not in plan.blocked]
    blocked = f"; blocked by that: {', '.join(sorted(lost, key=lambda t: int(t[1:])))}" if lost else ""
    talk.say(f"{', '.join(ids)} {'will be skipped' if skip else 'will be run'}{blocked}.")
    return talk.decision(line, **{"drop" if skip else "add": ids})
