"""Human approvals: a step that asks a person one question at a time until an answer closes it.

An answer that leaves the approval open (`Decision.more`) is carried out at once and the question is asked again, so
that everything typed before a crash is already done and recorded. An approval has the name of its step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import interrupt

from bioresearcher.graph.context import RunContext
from bioresearcher.graph.state import RunState, revisions_of, standing
from bioresearcher.schemas.run import Decision

SELECTION, HEADINGS, OUTLINES = "approve_selection", "approve_headings", "approve_outlines"
PROTOCOL, TASKS = "approve_protocol", "approve_tasks"
DECLINED = "declined at"
"""Beginning of the reason for which a declined run stopped; the approval follows."""
_RESUME = "__resume__"
"""Channel under which LangGraph keeps an answer until the step that asked has ended."""


def decisions_at(decisions: Sequence[Decision], approval: str) -> list[Decision]:
    """Return the decisions made at an approval so far, in order."""
    return [d for d in decisions if d.gate == approval]


def is_requested(c: RunContext, approval: str) -> bool:
    """Return True if the run's settings name the approval."""
    return approval.removeprefix("approve_") in c.settings.gates


def ask_person(c: RunContext, state: RunState, approval: str, **details: object) -> Decision:
    """Ask for the next answer at an approval; it is given by the settings when they do not name the approval.

    The question holds the approval's name (`gate`), `turn` (number of answers before), `said` (the outcome of the last
    answer) and `details`. The step up to this call is run again when the answer comes.
    """
    earlier = decisions_at(state["decisions"], approval)
    number = {"turn": len(earlier), "revision": revisions_of(state["decisions"])}
    if not is_requested(c, approval):
        return Decision(gate=approval, approved=True, by="settings", **number)
    said = earlier[-1].outcome if earlier and earlier[-1].more else ""
    question = {"gate": approval, "turn": len(earlier), "said": said, **details}
    decision: Decision = interrupt(question, response_schema=Decision)
    return decision.model_copy(update=number)


async def has_pending_answer(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> bool:
    """Return True if the open question was answered and the process ended before the answer was carried out."""
    found = await saver.aget_tuple(config)
    writes = found.pending_writes if found else None
    return any(channel == _RESUME for _, channel, _ in writes or ())


def run_outcome(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the end of a run whose steps are done: (status, reason for a stop)."""
    decisions = values.get("decisions", [])
    declined = [d.gate for d in decisions if not d.approved and standing(decisions, d.gate) == d]
    return ("stopped", f"{DECLINED} {declined[0]}") if declined else ("done", "")


def stays_open(state: RunState, approval: str) -> bool:
    """Return True if the last answer at an approval left it open."""
    earlier = decisions_at(state["decisions"], approval)
    return bool(earlier) and earlier[-1].more
