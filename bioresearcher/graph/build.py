"""The pipeline as a graph: its steps, its approvals and the routes between them (drawn in ARCHITECTURE.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy, Send

from bioresearcher.errors import BioresearcherError
from bioresearcher.graph import nodes_answers, nodes_approvals, nodes_data, nodes_path, nodes_questions, nodes_selection
from bioresearcher.graph import nodes_design as design
from bioresearcher.graph import nodes_search as search
from bioresearcher.graph.approvals import stays_open
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.state import CodeTask, PaperTask, RunState, Update, standing
from bioresearcher.schemas.execution import DryLabTask

Graph = StateGraph[Any, Any, Any, Any]
LangGraphNode = Any
"""A node as LangGraph takes it: its overloads do not match `Node`."""
NodeInput = Any
"""The state, or a branch's task."""
Route = str | Sequence[Send | str]
"""Name of the next step, or several branches."""


class Node(Protocol):
    """An async function from state (or a branch's task) and runtime to an update."""

    __name__: str

    def __call__(self, state: NodeInput, runtime: Runtime[RunContext], /) -> Awaitable[Update]:
        """Work."""


STEPS: tuple[Node, ...] = (
    nodes_path.choose_path,
    search.plan_queries,
    search.search_papers,
    search.screen_papers,
    search.search_datasets,
    search.check_datasets,
    nodes_questions.ask_questions,
    search.fetch_datasets,
    nodes_data.audit_data,
    nodes_questions.make_analysis_sets,
    nodes_path.plan_computation,
    search.analyse_reports,
    nodes_data.explore_data,
    search.index_papers,
    search.check_status,
    design.plan_protocol,
    design.fit_outlines,
    design.write_steps,
    design.rehearse_script,
    design.review_protocol,
    design.assemble_protocol,
    design.extract_tasks,
    design.collect_tasks,
    nodes_answers.answer_questions,
    design.score_protocol,
)
BRANCHES: tuple[tuple[Node, type[Any]], ...] = (
    (search.read_paper, PaperTask),
    (design.program_task, CodeTask),
)


def after_search(state: RunState) -> str:
    """Search another round until the last one has a reason to stop."""
    return "screen_papers" if state["rounds"][-1].stop_reason else "plan_queries"


def first_step(state: RunState, runtime: Runtime[RunContext]) -> str:
    """Search nothing on the short path."""
    return "check_datasets" if runtime.context.short else "plan_queries"


def after_sets(state: RunState, runtime: Runtime[RunContext]) -> Route:
    """Plan at once on the short path, else open a branch per kept paper."""
    if runtime.context.short:
        return "plan_computation"
    return [Send("read_paper", PaperTask(paper_id=p)) for p in state["kept"]] or "analyse_reports"


def after_computation(state: RunState, runtime: Runtime[RunContext]) -> str:
    """Search where the short path was left."""
    return "assemble_protocol" if runtime.context.short else "plan_queries"


def next_tasks(state: RunState, runtime: Runtime[RunContext]) -> Route:
    """Open a branch per ready task; answer the questions when none is left."""
    tasks = runtime.context.folder.read_list(DryLabTask, "tasks.json")
    ready = ready_tasks(state["tasks"], state["done"], {t.id: t.needs for t in tasks})
    return [Send("program_task", CodeTask(task_id=t)) for t in ready] or "answer_questions"


def first_tasks(state: RunState, runtime: Runtime[RunContext]) -> Route:
    """Open a branch per task that is ready first, and index the papers beside them."""
    first = next_tasks(state, runtime)
    return ["index_papers", *([first] if isinstance(first, str) else first)]


def ready_tasks(tasks: Sequence[str], done: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tasks not yet done whose needed tasks are, in order."""
    finished = set(done)
    return [t for t in tasks if t not in finished and finished.issuperset(needs.get(t, ()))]


@dataclass(frozen=True)
class Approval:
    """A human approval in the graph.

    Attributes:
        node: Step that asks; its name is the approval's.
        after: Step that leads to it.
        targets: Steps that may follow once it is approved; with several of them `onward` chooses.
        onward: Route once it is approved.
        required: Every run records a decision here, if only the settings' own; without one the run ends.
        follows_comments: After a comment, and where a model can follow it, the step `after` is done again.
    """

    node: Node
    after: str
    targets: tuple[str, ...]
    onward: Callable[[RunState, Runtime[RunContext]], Route] | None = None
    required: bool = False
    follows_comments: bool = False

    @property
    def name(self) -> str:
        """Name of the approval and of its step."""
        return self.node.__name__

    def add_to(self, graph: Graph) -> None:
        """Add the step and its edges to a graph."""

        def route(state: RunState, runtime: Runtime[RunContext]) -> Route:
            return self.route(state, runtime)

        again = (self.after,) if self.follows_comments else ()
        node: LangGraphNode = self.node
        graph.add_node(self.name, node, input_schema=RunState)
        graph.add_edge(self.after, self.name)
        graph.add_conditional_edges(self.name, route, [self.name, *again, *self.targets, END])

    def route(self, state: RunState, runtime: Runtime[RunContext]) -> Route:
        """Ask again while the approval is open, design again after a comment, end when declined, else go on."""
        decision = standing(state["decisions"], self.name)
        if stays_open(state, self.name):
            commented = decision is not None and decision.changed and decision.comment
            again = self.follows_comments and commented and not runtime.context.caller.by_rule
            return self.after if again else self.name
        if not (decision.approved if decision else not self.required):
            return END
        return self.onward(state, runtime) if self.onward else self.targets[0]


APPROVALS = (
    Approval(nodes_selection.approve_selection, "ask_questions", ("fetch_datasets",), required=True),
    Approval(nodes_approvals.approve_headings, "plan_protocol", ("fit_outlines",), follows_comments=True),
    Approval(nodes_approvals.approve_outlines, "fit_outlines", ("write_steps",), follows_comments=True),
    Approval(nodes_approvals.approve_protocol, "assemble_protocol", ("extract_tasks",), required=True),
    Approval(
        nodes_approvals.approve_tasks,
        "extract_tasks",
        ("index_papers", "program_task", "answer_questions"),
        first_tasks,
    ),
)
"""The approvals in the order of a run.

To add one: its name in `settings/values.py` and in `graph/approvals.py`, its step in a `graph/nodes_*.py`, a row here,
and its dialogue in `cli/session/approvals.py` and `cli/approvals.py`.
"""


def build_pipeline() -> Graph:
    """Build the graph, not compiled."""
    graph: Graph = StateGraph(RunState, context_schema=RunContext)
    graph.set_node_defaults(retry_policy=RetryPolicy(max_attempts=3, retry_on=_is_retryable))
    for node in STEPS:
        graph.add_node(node.__name__, _with_events(node), input_schema=RunState)
    for branch, task in BRANCHES:
        graph.add_node(branch.__name__, _with_events(branch), input_schema=task)
    for approval in APPROVALS:
        approval.add_to(graph)
    graph.add_edge(START, "choose_path")
    graph.add_conditional_edges("choose_path", first_step, ["plan_queries", "check_datasets"])
    graph.add_edge("plan_queries", "search_papers")
    graph.add_conditional_edges("search_papers", after_search, ["plan_queries", "screen_papers"])
    graph.add_edge("screen_papers", "search_datasets")
    graph.add_edge("search_datasets", "check_datasets")
    graph.add_edge("check_datasets", "ask_questions")
    graph.add_edge("fetch_datasets", "audit_data")
    graph.add_edge("audit_data", "make_analysis_sets")
    graph.add_conditional_edges(
        "make_analysis_sets", after_sets, ["plan_computation", "plan_queries", "read_paper", "analyse_reports"]
    )
    graph.add_edge("plan_computation", "assemble_protocol")
    graph.add_edge("read_paper", "analyse_reports")
    graph.add_edge("analyse_reports", "explore_data")
    graph.add_edge("explore_data", "plan_protocol")
    graph.add_edge("write_steps", "rehearse_script")
    graph.add_edge("rehearse_script", "review_protocol")
    graph.add_edge("review_protocol", "assemble_protocol")
    graph.add_edge("index_papers", END)
    graph.add_edge("program_task", "collect_tasks")
    graph.add_conditional_edges("collect_tasks", next_tasks, ["program_task", "answer_questions"])
    graph.add_edge("answer_questions", "score_protocol")
    graph.add_edge("score_protocol", "check_status")
    graph.add_edge("check_status", END)
    return graph


def _with_events(node: Node) -> LangGraphNode:
    """Wrap a node to log its start and end. An error that it raises is logged by the run, not here."""
    name = node.__name__

    async def announced(state: NodeInput, runtime: Runtime[RunContext]) -> Update:
        events = runtime.context.caller.events
        item = str(next(iter(state.values()))) if len(state) == 1 else ""
        events.emit("step", name, "start", item)
        update = await node(state, runtime)
        events.emit("step", name, "done", item)
        return update

    return announced


def _is_retryable(error: Exception) -> bool:
    return isinstance(error, BioresearcherError) and error.retryable
