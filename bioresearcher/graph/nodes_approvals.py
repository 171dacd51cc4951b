"""Approvals of the protocol and of its tasks: a person approves, revises, skips or limits them.

Approvals of the headings and of the outlines: a person approves, drops, edits, or has them designed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from langgraph.runtime import Runtime

from bioresearcher.errors import InputError, NothingRevisedError
from bioresearcher.execution.folders import LIMITS
from bioresearcher.graph.approvals import HEADINGS, OUTLINES, PROTOCOL, TASKS, ask_person, decisions_at, is_requested
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.revise import edit_run, in_force, revise_run, write_protocol
from bioresearcher.graph.revisions import recorded
from bioresearcher.graph.state import RunState, Update, revisions_of
from bioresearcher.offline import comment as spoken
from bioresearcher.runfolder import write_bytes
from bioresearcher.schemas.ask_design import ProtocolPlan
from bioresearcher.schemas.execution import DryLabTask, Limits
from bioresearcher.schemas.facts import Audit, LookRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.schemas.run import Decision, Revision
from bioresearcher.stages import program
from bioresearcher.stages.design import parts_of
from bioresearcher.stages.forms import FormError
from bioresearcher.stages.outline_form import (
    drop_items,
    headings_form,
    outlines_form,
    read_headings,
    read_outlines,
)
from bioresearcher.stages.registration import (
    FACTS,
    LOOKS,
    amend,
    any_results,
    freeze_text,
    in_words,
    read_registration,
    register,
)

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
        if decision.approved and not decision.more:
            await asyncio.to_thread(_register, c, decision)
        return {"decisions": [decision]}
    revision, said = await _revised(c, decision)
    if revision is None:
        return {"decisions": [decision.model_copy(update={"outcome": said, "changed": False})]}
    parts = ", ".join(revision.changed_parts) or "none"
    update = {"revision": revision.number, "outcome": f"revision {revision.number}: parts changed: {parts}"}
    return {**in_force(c.folder, revision), "decisions": [decision.model_copy(update=update)]}


def _register(c: RunContext, decision: Decision) -> None:
    """Register the approved protocol, or record what changed since it was registered; outcomes are used after this."""
    protocol = c.folder.read(Protocol, "protocol.json")
    now = c.registered_at or datetime.now(UTC)
    if read_registration(c.folder) is None:
        audit = c.folder.read(Audit, FACTS) if c.folder.has(FACTS) else Audit()
        registration = register(c.folder, protocol, audit, c.folder.read_list(LookRecord, LOOKS), decision.by, now)
    else:
        reason = "; ".join(r.comment for r in recorded(c.folder)) or "the protocol was changed"
        amended = amend(c.folder, protocol, reason, decision.by, now, results_seen=any_results(c.folder))
        if amended is None:
            return
        registration = amended
    write_protocol(c.folder, protocol)
    freeze_text(c.folder)
    c.caller.events.emit("note", PROTOCOL, "info", in_words(registration), digest=registration.in_force)


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


PLAN_FILE = "plan.json"
"""The plan as it holds: the author's, with what a person changed."""
_SNAPSHOTS = {HEADINGS: "headings", OUTLINES: "outlines"}
MOST_COMMENTS = 5
"""Comments on one draft; after that it can still be edited."""
CANNOT = (
    "nothing was changed: without a model a comment can only drop parts or steps (“drop part 2”); use drop or edit."
)
ENOUGH = f"nothing was changed: {MOST_COMMENTS} comments were followed; use drop or edit, or approve."


async def approve_headings(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Ask a person whether the protocol's parts are right, where the settings name this approval."""
    return _approve(runtime.context, state, HEADINGS)


async def approve_outlines(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Ask a person whether the steps to be written are right, where the settings name this approval."""
    return _approve(runtime.context, state, OUTLINES)


def _approve(c: RunContext, state: RunState, approval: str) -> Update:
    if not is_requested(c, approval):
        return {}
    left = MOST_COMMENTS - len(comments(state, approval))
    decision = ask_person(c, state, approval, left=left, before=_draft_before(state, approval))
    if not decision.more:
        return {"decisions": [decision]}
    before = c.folder.read(ProtocolPlan, "design", snapshot(c, approval, decision.turn))
    said, after = "", before
    try:
        if decision.text:
            after = _edited(c, approval, decision.text, before)
        elif decision.drop:
            after = drop_items(before, decision.drop)
        elif left <= 0:
            said = ENOUGH
        elif c.caller.by_rule:  # a model gets the comment with the next draft
            said, after = _dropped_by_comment(decision.comment, before)
    except FormError as error:
        said = "\n".join(str(m) if m.line else m.text for m in error.mistakes)
    if after != before:
        c.folder.write(after, "design", PLAN_FILE)
    designed_again = bool(decision.comment) and not said and not c.caller.by_rule
    update = {"outcome": said, "changed": after != before or designed_again}
    return {"decisions": [decision.model_copy(update=update)], "parts": [p.id for p in after.parts]}


def _edited(c: RunContext, approval: str, text: str, before: ProtocolPlan) -> ProtocolPlan:
    if approval == HEADINGS:
        return read_headings(text, before, c.settings.max_parts)
    bench = c.bench()
    return read_outlines(text, before, [d.id for d in bench.datasets], bench.skills)


def _dropped_by_comment(comment: str, plan: ProtocolPlan) -> tuple[str, ProtocolPlan]:
    """Drop the parts and steps that a comment names, by the rules; with a message when it names none."""
    gone = [p.id for p in parts_of(plan) if spoken.drops(comment, p)[0]]
    there = {line.id for p in plan.parts for line in p.lines}
    for clause in spoken.clauses(comment):
        if spoken.drops_something(clause):
            gone += spoken.named_steps(clause, there)
    return ("", drop_items(plan, gone)) if gone else (CANNOT, plan)


def comments(state: RunState, approval: str) -> list[str]:
    """Return the comments at an approval that were or are to be followed, in order."""
    return [d.comment for d in decisions_at(state["decisions"], approval) if d.more and d.comment and d.changed]


def as_findings(comments: Sequence[str], before: str) -> tuple[CheckFinding, ...]:
    """Turn a person's comments into findings on the draft they were made on; the last one counts most."""
    if not comments:
        return ()
    earlier = f" Before, the person said: {' / '.join(comments[:-1])}." if comments[:-1] else ""
    message = f"A person who read this draft asks: {comments[-1]}.{earlier} The draft was:\n{before}"
    suggestion = "Do what the person asks and keep everything else of that draft as it is."
    return (CheckFinding(gate="PERSON", severity="error", location="draft", message=message, suggestion=suggestion),)


def commented_draft(c: RunContext, state: RunState, approval: str) -> tuple[list[str], str]:
    """Return the comments that the next draft is to follow, and as text the draft that the last one was made on."""
    said = comments(state, approval)
    if not said:
        return [], ""
    name = snapshot(c, approval, decisions_at(state["decisions"], approval)[-1].turn)
    return said, text_of(c, approval, name)


def snapshot(c: RunContext, approval: str, turn: int) -> str:
    """Return the name of the copy of the plan from before an answer; made when there is none yet.

    It is written when the answer is first carried out, and read when that was interrupted and is done again.
    """
    copy = snapshot_name(approval, turn)
    if not c.folder.has("design", copy):
        write_bytes(c.folder.path("design", copy), c.folder.path("design", PLAN_FILE).read_bytes())
    return copy


def snapshot_name(approval: str, turn: int) -> str:
    """Return the file name of the copy of the plan from before an answer at an approval."""
    return f"{_SNAPSHOTS[approval]}-before-{turn}.json"


def _draft_before(state: RunState, approval: str) -> str:
    """Return the file with the plan before the last answer, if that changed it; empty otherwise."""
    made: list[Decision] = decisions_at(state["decisions"], approval)
    return snapshot_name(approval, made[-1].turn) if made and made[-1].more and made[-1].changed else ""


def text_of(c: RunContext, approval: str, name: str = PLAN_FILE) -> str:
    """Return the headings or the outlines of a plan as text, without notes.

    Raises:
        RunFolderError: The file is not there.
    """
    plan = c.folder.read(ProtocolPlan, "design", name)
    form = headings_form(plan) if approval == HEADINGS else outlines_form(plan)
    return "\n".join(line for line in form.splitlines() if not line.startswith("#")).strip()
