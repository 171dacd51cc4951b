"""Asking a person in the middle of a run: one question at a time, until an answer closes the gate.

An answer that leaves the gate open (`Decision.more`) is carried out at once and the question is put again, so that
whatever was typed before a crash is already done and recorded.
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
_RESUME = "__resume__"
"""Under this name LangGraph keeps an answer until the step that asked has ended."""


def made_at(decisions: Sequence[Decision], gate: str) -> list[Decision]:
    """The decisions made at a gate so far."""
    return [d for d in decisions if d.gate == gate]


def is_asked(c: RunContext, gate: str) -> bool:
    """Whether the run's settings name the gate."""
    return gate.removeprefix("approve_") in c.settings.gates


def asked(c: RunContext, state: RunState, gate: str, **shown: Any) -> Decision:  # noqa: ANN401 - JSON
    """A person's next answer at a gate; approval where the settings do not name it.

    The question has the gate's name, `turn` (how many answers came before), `said` (what came of the last one) and
    what is `shown` beside. Whatever runs before this is run again when the answer comes.
    """
    earlier = made_at(state["decisions"], gate)
    number = {"turn": len(earlier), "revision": revisions_of(state["decisions"])}
    if not is_asked(c, gate):
        return Decision(gate=gate, approved=True, by="settings", **number)
    said = earlier[-1].outcome if earlier and earlier[-1].more else ""
    question = {"gate": gate, "turn": len(earlier), "said": said, **shown}
    decision: Decision = interrupt(question, response_schema=Decision)
    return decision.model_copy(update=number)


async def is_answered(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> bool:
    """Whether the open question was answered, and the process ended before the answer was carried out to its end."""
    found = await saver.aget_tuple(config)
    writes = found.pending_writes if found else None
    return any(channel == _RESUME for _, channel, _ in writes or ())


def outcome(values: Mapping[str, Any]) -> tuple[str, str]:
    """How a run ended whose steps are done: (status, what stopped it)."""
    decisions = values.get("decisions", [])
    declined = [d.gate for d in decisions if not d.approved and standing(decisions, d.gate) == d]
    return ("stopped", f"declined at {declined[0]}") if declined else ("done", "")


def stays_open(state: RunState, gate: str) -> bool:
    """Whether the last answer at a gate left it open."""
    earlier = made_at(state["decisions"], gate)
    return bool(earlier) and earlier[-1].more
