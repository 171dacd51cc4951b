"""Revising the protocol of a run.

A revision is first written to `revisions/<n>/`, whole, and then applied; one that was written and not applied when the
process died is applied when the run goes on. Applying takes the run back to the approval before the tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Overwrite

from bioresearcher.errors import NothingRevisedError
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.revisions import REVISIONS_FOLDER, recorded
from bioresearcher.graph.state import Update, revisions_of
from bioresearcher.report.protocol_evidence import write_protocol as write_with_evidence
from bioresearcher.runfolder import RunFolder, write_text
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import DraftReview
from bioresearcher.schemas.run import REVISE, Decision, Revision
from bioresearcher.stages.registration import read_registration
from bioresearcher.stages.revise import Revised, edit_part, revise
from bioresearcher.stages.revise_rules import difference

ShowRevision = Callable[[Revision, str], None]
"""Shows a revision with the difference as text, before it is applied."""
Compiled = CompiledStateGraph[Any, Any, Any, Any]


async def revise_run(context: RunContext, comment: str, show: ShowRevision | None) -> Revision:
    """Revise a run's protocol after a comment and write the revision down; nothing else is changed yet.

    Raises:
        NothingRevisedError: There is no protocol yet, or nothing of the comment could be done.
    """
    folder = context.folder
    if not folder.has("protocol.json"):
        raise NothingRevisedError(
            f"{folder.root} has no protocol yet.", hint=f"Finish it first: bioresearcher resume {folder.root}"
        )
    before = folder.read(Protocol, "protocol.json")
    number = next_number(folder)
    context.caller.events.emit("step", REVISE, "start", comment)
    revised = await revise(context.caller, context.bench(), before, comment, context.check_context(), number=number)
    text = write_down(folder, before, revised)
    context.caller.events.emit("step", REVISE, "done", comment, parts=list(revised.revision.changed_parts))
    if show is not None:
        show(revised.revision, text)
    return revised.revision


def edit_run(context: RunContext, part_id: str, text: str) -> Revision | None:
    """Revise a run's protocol by a part that a person edited, and write it down; None when nothing was changed.

    Raises:
        FormError: The text cannot be read.
    """
    folder = context.folder
    before = folder.read(Protocol, "protocol.json")
    revised = edit_part(context.bench(), before, part_id, text, context.check_context(), number=next_number(folder))
    if revised is None:
        return None
    write_down(folder, before, revised)
    return revised.revision


def next_number(folder: RunFolder) -> int:
    """Return the number of the next revision."""
    return max((r.number for r in recorded(folder)), default=0) + 1


def write_down(folder: RunFolder, before: Protocol, revised: Revised) -> str:
    """Write a revision, whole, before it is put in force; return the difference as text."""
    text = difference(before, revised.protocol)
    place = REVISIONS_FOLDER, str(revised.revision.number)
    folder.write(before, *place, "before.json")
    folder.write(revised.protocol, *place, "after.json")
    write_text(folder.path(*place, "diff.txt"), text + "\n")
    folder.write(revised.revision, *place, "revision.json")
    return text


def write_protocol(folder: RunFolder, protocol: Protocol) -> None:
    """Write `protocol.md` and its evidence with, once there is one, the registration."""
    write_with_evidence(folder, protocol, read_registration(folder))


async def apply_revisions(graph: Compiled, config: RunnableConfig, folder: RunFolder) -> None:
    """Put the revisions in force that are written and not applied."""
    state = await graph.aget_state(config)
    applied = revisions_of(state.values.get("decisions", [])) if state.values else 0
    for revision in recorded(folder):
        if revision.number > applied and state.values:
            said = {"comment": revision.comment, "revision": revision.number}
            decision = Decision(gate=REVISE, approved=True, by="human", **said)
            update = {**in_force(folder, revision), "decisions": [decision]}
            await graph.aupdate_state(config, update, as_node="assemble_protocol")


def in_force(folder: RunFolder, revision: Revision) -> Update:
    """Put a revision's protocol in the place of the run's; return the update of the state."""
    protocol = folder.read(Protocol, REVISIONS_FOLDER, str(revision.number), "after.json")
    for part in protocol.parts:
        folder.write(part, "design", "parts", f"{part.id}.json")
    rounds = folder.read_list(DraftReview, "rounds.json")
    folder.write_list([*rounds, *(r for r in revision.rounds if r not in rounds)], "rounds.json")
    folder.write(protocol, "protocol.json")
    write_protocol(folder, protocol)
    return {
        "parts": [p.id for p in protocol.parts],
        "reviews": list(revision.rounds),
        "done": Overwrite([]),  # tasks are planned anew
    }
