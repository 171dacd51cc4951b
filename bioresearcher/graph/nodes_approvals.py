"""Approvals of the protocol and of its tasks: a person approves, revises, skips or limits them.

Approvals of the headings and of the outlines: a person approves, drops, edits, or has them designed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from bioresearcher.errors import InputError, NothingRevisedError, RunFolderError
from bioresearcher.execution.folders import LIMITS
from bioresearcher.graph.approvals import HEADINGS, OUTLINES, PROTOCOL, TASKS, ask_person, decisions_at, is_requested
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.revise import edit_run, in_force, revise_run
from bioresearcher.graph.revisions import recorded
from bioresearcher.graph.state import RunState, Update, revisions_of
from bioresearcher.offline import comment as spoken
from bioresearcher.runfolder import write_bytes
from bioresearcher.schemas.ask_design import HeadingsDraft
from bioresearcher.schemas.execution import DryLabTask, Limits
from bioresearcher.schemas.protocol import ProtocolPart
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.schemas.run import Decision, Revision
from bioresearcher.stages import program
from bioresearcher.stages.forms import FormError
from bioresearcher.stages.outline_form import (
    Headings,
    Parts,
    drop_items,
    headings_form,
    outlines_form,
    read_headings,
    read_outlines,
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


HEADINGS_FILE, OUTLINES_FILE = "headings.json", "outlines.json"
_FILES = {HEADINGS: HEADINGS_FILE, OUTLINES: OUTLINES_FILE}
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
    before = _read(c, snapshot(c, _FILES[approval], decision.turn))
    said, after = "", before
    try:
        if decision.text:
            after = _edited(c, approval, decision.text, before)
        elif decision.drop:
            after = replace(before, parts=drop_items(before.parts, decision.drop))
        elif left <= 0:
            said = ENOUGH
        elif c.caller.by_rule:  # a model gets the comment with the next draft
            said, parts = _dropped_by_comment(decision.comment, before.parts)
            after = replace(before, parts=parts)
    except FormError as error:
        said = "\n".join(str(m) if m.line else m.text for m in error.mistakes)
    if after != before:
        if approval == OUTLINES:
            c.folder.write_list(after.parts, "design", OUTLINES_FILE)
        c.folder.write(after.draft, "design", HEADINGS_FILE)
    designed_again = bool(decision.comment) and not said and not c.caller.by_rule
    update = {"outcome": said, "changed": after != before or designed_again}
    return {"decisions": [decision.model_copy(update=update)], "parts": [p.id for p in after.parts]}


def _edited(c: RunContext, approval: str, text: str, before: Headings) -> Headings:
    if approval == HEADINGS:
        return read_headings(text, before, c.settings.max_parts)
    bench = c.bench()
    return replace(before, parts=read_outlines(text, before.parts, [d.id for d in bench.datasets], bench.skills))


def _dropped_by_comment(comment: str, parts: Parts) -> tuple[str, Parts]:
    """Drop the parts and steps that a comment names, by the rules; with a message when it names none."""
    gone = [p.id for p in parts if spoken.drops(comment, p)[0]]
    there = {line.id for p in parts for line in p.outline}
    for clause in spoken.clauses(comment):
        if spoken.drops_something(clause):
            gone += spoken.named_steps(clause, there)
    return ("", drop_items(parts, gone)) if gone else (CANNOT, parts)


def comments(state: RunState, approval: str) -> list[str]:
    """Return the comments at an approval that were or are to be followed, in order."""
    return [d.comment for d in decisions_at(state["decisions"], approval) if d.more and d.comment and d.changed]


def draft_name(level: str, comments: Sequence[str]) -> str:
    """Return the name of a draft in the record of the review loop."""
    return f"{level} after comment {len(comments)}" if comments else level


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
    return said, text_of(c, snapshot(c, _FILES[approval], decisions_at(state["decisions"], approval)[-1].turn))


def snapshot(c: RunContext, name: str, turn: int) -> str:
    """Return the name of the copy of headings or outlines from before an answer; made when there is none yet.

    It is written when the answer is first carried out, and read when that was interrupted and is done again.
    """
    copy = snapshot_name(name, turn)
    if not c.folder.has("design", copy):
        write_bytes(c.folder.path("design", copy), c.folder.path("design", name).read_bytes())
    return copy


def snapshot_name(name: str, turn: int) -> str:
    """Return the file name of the copy of headings or outlines from before an answer."""
    return f"{name.removesuffix('.json')}-before-{turn}.json"


def _draft_before(state: RunState, approval: str) -> str:
    """Return the file with the draft before the last answer, if that changed it; empty otherwise."""
    made: list[Decision] = decisions_at(state["decisions"], approval)
    return snapshot_name(_FILES[approval], made[-1].turn) if made and made[-1].more and made[-1].changed else ""


def _read(c: RunContext, name: str) -> Headings:
    """Read a file of headings, or one of outlines under the title and summary of the headings."""
    if name.startswith("headings"):
        return Headings.of(c.folder.read(HeadingsDraft, "design", name))
    draft = c.folder.read(HeadingsDraft, "design", HEADINGS_FILE)
    return Headings(draft.title, draft.summary, c.folder.read_list(ProtocolPart, "design", name))


def text_of(c: RunContext, name: str) -> str:
    """Return headings or outlines as text, without notes.

    Raises:
        RunFolderError: The file is not there.
    """
    draft = _read(c, name)
    if name.startswith("headings"):
        form = headings_form(draft)
    elif draft.parts:
        form = outlines_form(draft.parts)
    else:
        raise RunFolderError(f"{c.folder.path('design', name)} holds no part.")
    return "\n".join(line for line in form.splitlines() if not line.startswith("#")).strip()


def passed_now(state: RunState, level: str, passed: bool) -> list[str] | Overwrite:
    """Return the update of `passed` after a level was designed once or once more."""
    if level in state["passed"] and not passed:
        return Overwrite([p for p in state["passed"] if p != level])
    return [level] if passed else []
