"""Approvals of the protocol and of its tasks: a person approves, revises, skips or limits them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from bioresearcher.errors import InputError, NothingRevisedError
from bioresearcher.execution.folders import LIMITS
from bioresearcher.graph.approvals import PROTOCOL, TASKS, ask_person, decisions_at, is_requested
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.revise import edit_run, in_force, revise_run
from bioresearcher.graph.revisions import recorded
from bioresearcher.graph.state import RunState, Update, revisions_of
from bioresearcher.schemas.execution import DryLabTask, Limits
from bioresearcher.schemas.run import Decision, Revision
from bioresearcher.stages import program
from bioresearcher.stages.forms import FormError

SKIPPED = "skipped by a person"


async def approve_protocol(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Ask a person whether the protocol may be carried out; a comment revises the parts that it concerns."""
    c = runtime.context
    made = decisions_at(state["decisions"], PROTOCOL)
    last = made[-1] if made and made[-1].more else None
    revised = last.revision if last and is_revision(last) and last.changed else 0
    approved = approved_parts(made, recorded(c.folder))
    parts_last = list(last.parts) if last else []
    decision = ask_person(
        c, state, PROTOCOL, protocol="protocol.md", approved=approved, revision=revised, last=parts_last
    )
    if not (decision.more and is_revision(decision)):
        return {"decisions": [decision]}
    revision, said = await _revised(c, decision)
    if revision is None:
        return {"decisions": [decision.model_copy(update={"outcome": said, "changed": False})]}
    parts = ", ".join(revision.changed_parts) or "none"
    update = {"revision": revision.number, "outcome": f"revision {revision.number}: parts changed: {parts}"}
    return {**in_force(c.folder, revision), "decisions": [decision.model_copy(update=update)]}


async def _revised(c: RunContext, decision: Decision) -> tuple[Revision | None, str]:
    """Make the revision that an answer asks for; None with the reason when it changes nothing."""
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
    """Return True if an answer at the approval of the protocol asks for a revision."""
    return bool(decision.comment or decision.text)


def approved_parts(made: Sequence[Decision], revisions: Sequence[Revision]) -> list[str]:
    """Return the parts that a person approved and that were not changed since."""
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


async def approve_tasks(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Ask a person which tasks are run, and within which limits, where the settings name this approval."""
    c = runtime.context
    if not is_requested(c, TASKS) or not state["tasks"]:
        return {}
    tasks = {t.id: t for t in c.folder.read_list(DryLabTask, "tasks.json")}
    about = revisions_of(state["decisions"])
    made = [d for d in decisions_at(state["decisions"], TASKS) if d.revision == about]
    limits_before = {t: v.model_dump() for t, v in own_limits(made).items()}
    decision = ask_person(c, state, TASKS, skipped=skipped(made), limits=limits_before)
    known = {name: tuple(i for i in getattr(decision, name) if i in tasks) for name in ("drop", "add")}
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


def skipped(made: Sequence[Decision]) -> list[str]:
    """Return the tasks that are not to be run after all decisions."""
    found: dict[str, None] = {}
    for decision in made:
        found |= dict.fromkeys(decision.drop)
        found = {t: None for t in found if t not in decision.add}
    return list(found)


def own_limits(made: Sequence[Decision]) -> dict[str, Limits]:
    """Return the limits set for single tasks; the last decision on each counts."""
    return {task: limits for decision in made for task, limits in decision.limits.items()}
