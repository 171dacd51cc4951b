"""Where to go next: pure functions of the state (and of the tasks' needs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from langgraph.graph import END
from langgraph.types import Send

from bioresearcher.graph.gates import PROTOCOL, SELECTION, stays_open
from bioresearcher.graph.state import CodeTask, PaperTask, PartTask, RunState, standing


def after_search(state: RunState) -> Literal["plan_queries", "screen_papers"]:
    """Another round until the last one has a reason to stop."""
    return "screen_papers" if state["rounds"][-1].stop_reason else "plan_queries"


def after_selection(state: RunState) -> Literal["approve_selection", "fetch_datasets", "__end__"]:
    """On when the selection was approved; the same question again while it changes."""
    if stays_open(state, SELECTION):
        return "approve_selection"
    return "fetch_datasets" if _approved(state, SELECTION) else "__end__"


def after_fetching(state: RunState) -> list[Send] | Literal["analyse_reports"]:
    """A branch per kept paper."""
    return [Send("read_paper", PaperTask(paper_id=p)) for p in state["kept"]] or "analyse_reports"


def after_outlines(state: RunState) -> list[Send] | Literal["assemble_protocol"]:
    """A branch per part; an empty protocol is assembled, too, and says so."""
    return [Send("write_steps", PartTask(part_id=p)) for p in state["parts"]] or "assemble_protocol"


def after_protocol(state: RunState) -> Literal["approve_protocol", "extract_tasks", "__end__"]:
    """On with the tasks when the protocol was approved; the same question again while it changes."""
    if stays_open(state, PROTOCOL):
        return "approve_protocol"
    return "extract_tasks" if _approved(state, PROTOCOL) else "__end__"


def after_draft(state: RunState, gate: str, design: str, on: str, *, by_rule: bool) -> str:
    """On from the headings or outlines; a comment has them designed again, where a model can follow it."""
    if stays_open(state, gate):
        return design if standing_comment(state, gate) and not by_rule else gate
    return END if declined(state, gate) else on


def standing_comment(state: RunState, gate: str) -> bool:
    """Whether the last answer at a gate is a comment that is to be followed."""
    decision = standing(state["decisions"], gate)
    return decision is not None and decision.changed and bool(decision.comment)


def declined(state: RunState, gate: str) -> bool:
    """Whether a person said no at a gate that may not have been asked."""
    decision = standing(state["decisions"], gate)
    return decision is not None and not decision.approved


def ready_tasks(tasks: Sequence[str], done: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Tasks not yet done whose needed tasks are, in order."""
    finished = set(done)
    return [t for t in tasks if t not in finished and finished.issuperset(needs.get(t, ()))]


def next_tasks(state: RunState, needs: Mapping[str, Sequence[str]]) -> list[Send] | Literal["score_protocol"]:
    """A branch per ready task; the scores when none is left."""
    ready = ready_tasks(state["tasks"], state["done"], needs)
    return [Send("program_task", CodeTask(task_id=t)) for t in ready] or "score_protocol"


def _approved(state: RunState, gate: str) -> bool:
    decision = standing(state["decisions"], gate)
    return decision is not None and decision.approved
