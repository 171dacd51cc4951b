"""The pipeline as a graph; reads like its picture in ARCHITECTURE.md.

Where to go next: pure functions of the state (and of the tasks' needs).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Literal, Protocol

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy, Send

from bioresearcher.errors import BioresearcherError
from bioresearcher.graph import nodes_approvals, nodes_outline
from bioresearcher.graph import nodes_design as design
from bioresearcher.graph import nodes_search as datasets
from bioresearcher.graph import nodes_search as search
from bioresearcher.graph.approvals import HEADINGS, OUTLINES, PROTOCOL, SELECTION, TASKS, stays_open
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.state import CodeTask, PaperTask, PartTask, RunState, standing
from bioresearcher.schemas.execution import DryLabTask


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


Graph = StateGraph[Any, Any, Any, Any]


class Node(Protocol):
    """An async function from state (or a branch's task) and runtime to an update."""

    __name__: str

    def __call__(self, state: Any, runtime: Runtime[RunContext], /) -> Awaitable[dict[str, Any]]:  # noqa: ANN401
        """Work."""


STEPS: tuple[Node, ...] = (
    search.plan_queries,
    search.search_papers,
    search.screen_papers,
    datasets.search_datasets,
    datasets.check_datasets,
    datasets.fetch_datasets,
    search.analyse_reports,
    search.index_papers,
    search.check_status,
    design.design_headings,
    design.design_outlines,
    design.assemble_protocol,
    design.extract_tasks,
    design.collect_tasks,
    design.score_protocol,
)
BRANCHES: tuple[tuple[Node, type[Any]], ...] = (
    (search.read_paper, PaperTask),
    (design.write_steps, PartTask),
    (design.program_task, CodeTask),
)


def build_pipeline() -> Graph:
    """The graph, not compiled."""
    graph: Graph = StateGraph(RunState, context_schema=RunContext)
    graph.set_node_defaults(retry_policy=RetryPolicy(max_attempts=3, retry_on=_retryable))
    for node in STEPS:
        graph.add_node(node.__name__, _announced(node), input_schema=RunState)
    for branch, task in BRANCHES:
        graph.add_node(branch.__name__, _announced(branch), input_schema=task)
    graph.add_node("approve_selection", nodes_approvals.approve_selection, input_schema=RunState)
    graph.add_node("approve_headings", nodes_outline.approve_headings, input_schema=RunState)
    graph.add_node("approve_outlines", nodes_outline.approve_outlines, input_schema=RunState)
    graph.add_node("approve_tasks", nodes_approvals.approve_tasks, input_schema=RunState)
    graph.add_node("approve_protocol", nodes_approvals.approve_protocol, input_schema=RunState)

    graph.add_edge(START, "plan_queries")
    graph.add_edge("plan_queries", "search_papers")
    graph.add_conditional_edges("search_papers", after_search)
    graph.add_edge("screen_papers", "search_datasets")
    graph.add_edge("search_datasets", "check_datasets")
    graph.add_edge("check_datasets", "approve_selection")
    graph.add_conditional_edges("approve_selection", after_selection, ["approve_selection", "fetch_datasets", END])
    graph.add_conditional_edges("fetch_datasets", after_fetching, ["read_paper", "analyse_reports"])
    graph.add_edge("read_paper", "analyse_reports")
    graph.add_edge("analyse_reports", "design_headings")
    graph.add_edge("design_headings", "approve_headings")
    graph.add_conditional_edges(
        "approve_headings", _after_headings, ["approve_headings", "design_headings", "design_outlines", END]
    )
    graph.add_edge("design_outlines", "approve_outlines")
    graph.add_conditional_edges(
        "approve_outlines",
        _after_outlines,
        ["approve_outlines", "design_outlines", "write_steps", "assemble_protocol", END],
    )
    graph.add_edge("write_steps", "assemble_protocol")
    graph.add_edge("assemble_protocol", "approve_protocol")
    graph.add_conditional_edges("approve_protocol", after_protocol, ["approve_protocol", "extract_tasks", END])
    graph.add_edge("extract_tasks", "approve_tasks")
    graph.add_conditional_edges(
        "approve_tasks", _after_tasks, ["approve_tasks", "index_papers", "program_task", "score_protocol", END]
    )
    graph.add_edge("index_papers", END)
    graph.add_edge("program_task", "collect_tasks")
    graph.add_conditional_edges("collect_tasks", _next_tasks, ["program_task", "score_protocol"])
    graph.add_edge("score_protocol", "check_status")
    graph.add_edge("check_status", END)
    return graph


def _after_headings(state: RunState, runtime: Runtime[RunContext]) -> str:
    by_rule = runtime.context.caller.by_rule
    return after_draft(state, HEADINGS, "design_headings", "design_outlines", by_rule=by_rule)


def _after_outlines(state: RunState, runtime: Runtime[RunContext]) -> list[Send] | str:
    by_rule = runtime.context.caller.by_rule
    there = after_draft(state, OUTLINES, "design_outlines", "", by_rule=by_rule)
    return there or after_outlines(state)


def _after_tasks(state: RunState, runtime: Runtime[RunContext]) -> list[Send | str] | str:
    """The first tasks, and vectors beside them; the same question again while a person changes what is run."""
    if stays_open(state, TASKS):
        return "approve_tasks"
    if declined(state, TASKS):
        return END
    first = _next_tasks(state, runtime)
    return ["index_papers", *([first] if isinstance(first, str) else first)]


def _next_tasks(state: RunState, runtime: Runtime[RunContext]) -> list[Send] | Literal["score_protocol"]:
    tasks = runtime.context.folder.read_list(DryLabTask, "tasks.json")
    return next_tasks(state, {t.id: t.needs for t in tasks})


def _announced(node: Node) -> Any:  # noqa: ANN401 - LangGraph's node type
    """The node with a start and a done event. A raised error is announced by the run, not here."""
    name = node.__name__

    async def announced(state: Any, runtime: Runtime[RunContext]) -> dict[str, Any]:  # noqa: ANN401 - state or task
        events = runtime.context.caller.events
        item = str(next(iter(state.values()))) if len(state) == 1 else ""
        events.emit("step", name, "start", item)
        update = await node(state, runtime)
        events.emit("step", name, "done", item)
        return update

    return announced


def _retryable(error: Exception) -> bool:
    return isinstance(error, BioresearcherError) and error.retryable
