"""The human approvals in a terminal: a short question in `bioresearcher run`, a dialogue in a session.

What a run will use is shown as tables that fit a narrow terminal and need no colour.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType

from bioresearcher.analysis.sentences import questions_lines
from bioresearcher.cli.session import approve_outline, approve_protocol, approve_selection, approve_tasks
from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, Command
from bioresearcher.cli.session.approve_outline import outline_lines
from bioresearcher.cli.session.approve_selection import Known, questions_of, rows_of, table, unreached_lines
from bioresearcher.cli.session.approve_tasks import TaskSelection, plan_table
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.graph.approvals import HEADINGS, OUTLINES, PROTOCOL, SELECTION, TASKS
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.nodes_approvals import PLAN_FILE
from bioresearcher.report.markdown import count_by_reason, not_read_papers, search_queries
from bioresearcher.schemas.ask_design import ProtocolPlan
from bioresearcher.schemas.dataset import DatasetCheck
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.paper import Paper, ScreenedPaper, SearchRound
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.run import Decision
from bioresearcher.stages.screen import find_named
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line

DIALOGUES: Mapping[str, Callable[[ApprovalDialogue], Awaitable[Decision | None]]] = {
    SELECTION: approve_selection.decide,
    HEADINGS: approve_outline.decide,
    OUTLINES: approve_outline.decide,
    PROTOCOL: approve_protocol.decide,
    TASKS: approve_tasks.decide,
}
MOST_LEFT_OUT = 5
"""Papers left out that are named one by one; the others are counted."""
MOST_QUERIES = 24


async def answer_approval(
    question: dict[str, Any], context: RunContext, terminal: Terminal, command: Command | None
) -> Decision | None:
    """Return a person's decision from a dialogue; None when the input ended, which leaves the approval open.

    Args:
        question: The run's question; `gate` names the approval.
        context: The run.
        terminal: The terminal of the dialogue.
        command: Carries out lines that begin with `/`.
    """
    return await DIALOGUES[str(question["gate"])](ApprovalDialogue(question, context, terminal, command))


async def ask_person(
    question: dict[str, Any], context: RunContext, console: Console, stopped: asyncio.Event
) -> Decision | None:
    """Return a person's decision from a yes or no; None when the input ended or a stop was asked for."""
    approval = str(question["gate"])
    prompt, known = "Go on with this? [y]es or [n]o: ", set[str]()
    if approval == SELECTION:
        show_selection(question, context, console)
        prompt, known = "Use these? [y]es, [n]o, or ids to leave out (+ID to take in): ", _choices(question, context)
    elif approval == PROTOCOL:
        for said in approve_protocol.first_page(context.folder, context.folder.read(Protocol, "protocol.json")):
            console.print(said, markup=False)
        console.print(f"The protocol is ready: {context.folder.path('protocol.md')}", soft_wrap=True, markup=False)
        console.print(approve_protocol.REGISTERS, markup=False)
        prompt = "Carry out its dry-lab part? [y]es or [n]o: "
    else:
        for shown in _draft_or_plan(approval, context):
            console.print(shown, markup=False)
    while True:
        console.print(prompt, end="", markup=False)
        line = await _line(stopped)
        if line is None:
            return None
        words = line.replace(",", " ").split()
        if words and words[0].lower() in {"y", "yes"}:
            return Decision(gate=approval, approved=True, by="human")
        if words and words[0].lower() in {"n", "no"}:
            return Decision(gate=approval, approved=False, by="human", comment=line[:500])
        if words and known and all(word.lstrip("+-") in known for word in words):
            out = tuple(w.lstrip("-") for w in words if not w.startswith("+"))
            added = tuple(w.lstrip("+") for w in words if w.startswith("+"))
            return Decision(gate=approval, approved=True, by="human", drop=out, add=added)
        console.print("Please answer y or n" + (", or give ids from the table." if known else "."), markup=False)


def _draft_or_plan(approval: str, context: RunContext) -> Iterator[RenderableType]:
    """Yield the tasks, headings or outlines that an approval of the settings is about."""
    if approval == TASKS:
        tasks = context.folder.read_list(DryLabTask, "tasks.json")
        yield plan_table(TaskSelection(tasks, frozenset(), {}, context.settings.limits))
        return
    plan = context.folder.read(ProtocolPlan, "design", PLAN_FILE)
    yield from outline_lines(plan, outlined=approval != HEADINGS)


def _choices(question: dict[str, Any], context: RunContext) -> set[str]:
    """Return every id that can be named: selected, or found and left out."""
    screened = {s.paper_id for s in context.folder.read_list(ScreenedPaper, "screening.json")}
    checked = {c.dataset_id for c in context.folder.read_list(DatasetCheck, "checks.json")}
    return {*question["papers"], *question["datasets"]} | screened | checked


async def _line(stopped: asyncio.Event) -> str | None:
    """Return a line from standard input, or None at its end or after a stop; never blocks the loop."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not ready.done():
            ready.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    stop = asyncio.ensure_future(stopped.wait())
    waited: set[asyncio.Future[Any]] = {ready, stop}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(sys.stdin.fileno())
        stop.cancel()
    return ready.result() if ready.done() and ready.result() else None


def show_selection(question: dict[str, Any], context: RunContext, console: Console) -> None:
    """Print papers and data sets with scores and reasons, and those left out; ids are whole, to be typed."""
    known = Known.load(context.folder)
    papers, checks = known.papers, known.checks
    taken_in = find_named(context.settings.include, list(papers.values()), checks)
    taken_out = {*find_named(context.settings.exclude, list(papers.values()), checks).ids}
    kept = [p for p in dict.fromkeys((*question["papers"], *taken_in.ids)) if p in papers and p not in taken_out]
    used = [d for d in dict.fromkeys((*question["datasets"], *taken_in.ids)) if d in checks and d not in taken_out]
    for line in _trail(context.folder.read_list(SearchRound, "search.json"), kept):
        console.print(line, markup=False)
    rows = [row for row in rows_of({"papers": kept, "datasets": used}, known) if row.used]
    console.print(table([row for row in rows if row.kind == "paper"], "Papers to read"))
    for line in _left_out(kept, list(known.screened.values()), list(papers.values())):
        console.print(line, markup=False)
    if used:
        console.print(table([row for row in rows if row.kind == "data set"], "Data sets to use"))
    for line in (*unreached_lines(question), *questions_lines(questions_of(context.folder))):
        console.print(line, markup=False, soft_wrap=True)
    for check in checks.values():
        if check.dataset_id not in used:
            why = "taken out with --exclude" if check.dataset_id in taken_out else _unused(check)
            console.print(f"data set not used: {check.dataset_id}: {why}", markup=False)


def _left_out(kept: Collection[str], screened: Sequence[ScreenedPaper], papers: Sequence[Paper]) -> Iterator[str]:
    """Yield the papers not read: those with a warning first, then the best, then counts by reason."""
    rows = [r.model_copy(update={"kept": r.paper_id in kept}) for r in screened]
    rows = not_read_papers(rows, papers)
    if not rows:
        return
    yield f"{count_of(len(rows), 'paper')} not read:"
    warned = sum(p.status in ("retracted", "concern") for p in papers if p.id not in kept)
    most = max(MOST_LEFT_OUT, warned)
    titles = {p.id: p.title for p in papers}
    for row in rows[:most]:
        yield f"  {row.paper_id} {one_line(titles[row.paper_id], 70)}: {one_line(row.reason.split('. ')[0], 160)}"
    if len(rows) > most:
        yield f"  and {len(rows) - most} more ({count_by_reason(rows[most:])}): see screening.json"


def _trail(rounds: Sequence[SearchRound], kept: Collection[str]) -> Iterator[str]:
    """Yield a line per query: hits → papers taken → papers to be read."""
    rows = search_queries(rounds)
    if not rows:
        return
    ends = [r.stop_reason for r in rounds if r.stop_reason]
    asked = f"{count_of(len(rounds), 'round')}, {count_of(len(rows), 'query', 'queries')}"
    yield f"Searched: {asked}; {ends[-1] if ends else 'not ended'}"
    printed: set[str] = set()
    for _, row in rows[:MOST_QUERIES]:
        used, what = sum(p in kept for p in row.found), one_line(row.rule or row.purpose or row.query, 100)
        yield f"  {row.source}: {row.hits:,} hits → {len(row.found)} taken → {used} kept: {what}"
        for warning in dict.fromkeys(w for w in row.warnings if w not in printed):
            printed.add(warning)
            yield f"    {one_line(warning, 120)}"
    if len(rows) > MOST_QUERIES:
        yield f"  and {len(rows) - MOST_QUERIES} more queries: see search.json"


def _unused(check: DatasetCheck) -> str:
    """Return why a checked data set is not used."""
    reason = one_line(check.reasons[0] if check.reasons else "no reason given", 160)
    if check.verdict == "unusable":
        return f"not usable: {reason}"
    return "others fit better (--include takes it in)" if check.relevant else "does not look relevant"
