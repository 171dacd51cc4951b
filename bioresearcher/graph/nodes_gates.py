"""The gates of the protocol and of its tasks: what a person approves, changes, skips or limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from bioresearcher.errors import InputError, NothingRevisedError
from bioresearcher.execution.folders import LIMITS
from bioresearcher.graph.context import Context
from bioresearcher.graph.gates import PROTOCOL, TASKS, asked, is_asked, made_at
from bioresearcher.graph.retask import recorded, with_revisions
from bioresearcher.graph.revise import edit_run, in_force, revise_run
from bioresearcher.graph.state import RunState, revisions_of
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.revision import Revision
from bioresearcher.schemas.run import Decision
from bioresearcher.schemas.task import DryLabTask
from bioresearcher.stages import program
from bioresearcher.stages.forms import FormError

Update = dict[str, Any]
SKIPPED = "skipped by a person"


async def approve_protocol(state: RunState, runtime: Runtime[Context]) -> Update:
    """Asks a person whether the protocol may be carried out; a comment revises the parts that it concerns."""
    c = runtime.context
    c = replace(c, objective=with_revisions(c.folder, c.objective))
    made = made_at(state["decisions"], PROTOCOL)
    revised = made[-1].revision if made and made[-1].more and is_revision(made[-1]) and made[-1].changed else 0
    approved = approved_parts(made, recorded(c.folder))
    shown = {"protocol": "protocol.md", "approved": approved, "revision": revised, "last": list(_last(made))}
    decision = asked(c, state, PROTOCOL, **shown)
    if not (decision.more and is_revision(decision)):
        return {"decisions": [decision]}
    revision, said = await _revised(c, decision)
    if revision is None:
        return {"decisions": [decision.model_copy(update={"outcome": said, "changed": False})]}
    parts = ", ".join(revision.changed_parts) or "none"
    update = {"revision": revision.number, "outcome": f"revision {revision.number}: parts changed: {parts}"}
    return {**in_force(c.folder, revision), "decisions": [decision.model_copy(update=update)]}


def _last(made: Sequence[Decision]) -> tuple[str, ...]:
    """The parts that the last answer approved or wrote anew."""
    return made[-1].parts if made and made[-1].more else ()


async def _revised(c: Context, decision: Decision) -> tuple[Revision | None, str]:
    """The revision that an answer asks for; else why there is none."""
    try:
        if decision.text:
            revision = await asyncio.to_thread(edit_run, c, decision.parts[0], decision.text)
            return revision, "nothing was changed"
        return await revise_run(c, decision.comment, None), ""
    except FormError as error:
        return None, "\n".join(map(str, error.mistakes))
    except (NothingRevisedError, InputError) as error:
        return None, str(error)


def is_revision(decision: Decision) -> bool:
    """Whether an answer at the gate of the protocol asks for another one."""
    return bool(decision.comment or decision.text)


def approved_parts(made: Sequence[Decision], revisions: Sequence[Revision]) -> list[str]:
    """Parts that a person approved and that were not changed since."""
    changed = {r.number: r.changed_parts for r in revisions}
    found: dict[str, None] = {}
    for decision in made:
        if decision.more and is_revision(decision):
            if not decision.changed:
                continue
            found = {p: None for p in found if p not in changed.get(decision.revision, ())}
        else:
            found |= dict.fromkeys(decision.parts)
    return list(found)


async def approve_tasks(state: RunState, runtime: Runtime[Context]) -> Update:
    """Asks a person which tasks are run, and within which limits, where the settings name this gate."""
    c = runtime.context
    if not is_asked(c, TASKS) or not state["tasks"]:
        return {}
    tasks = {t.id: t for t in c.folder.read_list(DryLabTask, "tasks.json")}
    about = revisions_of(state["decisions"])
    made = [d for d in made_at(state["decisions"], TASKS) if d.revision == about]
    before = skipped(made), own_limits(made)
    decision = asked(c, state, TASKS, skipped=before[0], limits={t: v.model_dump() for t, v in before[1].items()})
    known = {"drop": _known(decision.drop, tasks), "add": _known(decision.add, tasks)}
    decision = decision.model_copy(update=known)
    if decision.more or not decision.approved:
        return {"decisions": [decision]}
    for task_id, limits in own_limits([*made, decision]).items():
        if task_id in tasks:
            c.folder.write(limits, "tasks", task_id, LIMITS)
    out = [t for t in skipped([*made, decision]) if t not in state["done"]]
    for task_id in out:
        record = program.not_run(tasks[task_id], SKIPPED)
        c.folder.write(record, "tasks", task_id, "record.json")
        outcome = str(record.outcome)
        c.caller.events.emit("task", "program_task", "done", tasks[task_id].title, task=task_id, outcome=outcome)
    return {"decisions": [decision], "done": out}


def _known(ids: Sequence[str], tasks: dict[str, DryLabTask]) -> tuple[str, ...]:
    return tuple(i for i in ids if i in tasks)


def skipped(made: Sequence[Decision]) -> list[str]:
    """The tasks that are not to be run, after all that was said."""
    found: dict[str, None] = {}
    for decision in made:
        found |= dict.fromkeys(decision.drop)
        found = {t: None for t in found if t not in decision.add}
    return list(found)


def own_limits(made: Sequence[Decision]) -> dict[str, Limits]:
    """The limits that single tasks were given, the last word on each."""
    return {task: limits for decision in made for task, limits in decision.limits.items()}
