"""The human gates in a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType

from bioresearcher.cli.selection import show_selection
from bioresearcher.cli.session.approve_outline import outline_lines
from bioresearcher.cli.session.approve_tasks import TaskSelection, plan_table
from bioresearcher.graph.approvals import HEADINGS, TASKS
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.nodes_outline import HEADINGS_FILE, OUTLINES_FILE
from bioresearcher.schemas.ask_design import HeadingsDraft
from bioresearcher.schemas.dataset import DatasetCheck
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.paper import ScreenedPaper
from bioresearcher.schemas.protocol import ProtocolPart
from bioresearcher.schemas.run import Decision
from bioresearcher.stages.outline_form import Headings


async def ask_person(
    question: dict[str, Any], context: RunContext, console: Console, stopped: asyncio.Event
) -> Decision | None:
    """A person's answer at a gate; None when the input ended or a stop was asked for."""
    gate = str(question["gate"])
    if gate == "approve_selection":
        show_selection(question, context, console)
        prompt = "Use these? [y]es, [n]o, or ids to leave out (+ID to take in): "
        known = _choices(question, context)
    elif gate != "approve_protocol":
        for shown in _shown(gate, context):
            console.print(shown, markup=False)
        prompt = "Go on with this? [y]es or [n]o: "
        known = set()
    else:
        console.print(f"The protocol is ready: {context.folder.path('protocol.md')}", soft_wrap=True, markup=False)
        prompt = "Carry out its dry-lab part? [y]es or [n]o: "
        known = set()
    while True:
        console.print(prompt, end="", markup=False)
        line = await _line(stopped)
        if line is None:
            return None
        words = line.replace(",", " ").split()
        if words and words[0].lower() in {"y", "yes"}:
            return Decision(gate=gate, approved=True, by="human")
        if words and words[0].lower() in {"n", "no"}:
            return Decision(gate=gate, approved=False, by="human", comment=line[:500])
        if words and known and all(word.lstrip("+-") in known for word in words):
            out = tuple(w.lstrip("-") for w in words if not w.startswith("+"))
            added = tuple(w.lstrip("+") for w in words if w.startswith("+"))
            return Decision(gate=gate, approved=True, by="human", drop=out, add=added)
        console.print("Please answer y or n" + (", or give ids from the table." if known else "."), markup=False)


def _shown(gate: str, context: RunContext) -> Iterator[RenderableType]:
    """What is asked about at a gate that the settings add."""
    if gate == TASKS:
        tasks = context.folder.read_list(DryLabTask, "tasks.json")
        yield plan_table(TaskSelection(tasks, frozenset(), {}, context.settings.limits))
        return
    draft = context.folder.read(HeadingsDraft, "design", HEADINGS_FILE)
    outlined = gate != HEADINGS
    parts = context.folder.read_list(ProtocolPart, "design", OUTLINES_FILE) if outlined else Headings.of(draft).parts
    yield from outline_lines(Headings(draft.title, draft.summary, parts), outlined=outlined)


def _choices(question: dict[str, Any], context: RunContext) -> set[str]:
    """Every id that can be named: what was selected, and what was found and left out."""
    screened = {s.paper_id for s in context.folder.read_list(ScreenedPaper, "screening.json")}
    checked = {c.dataset_id for c in context.folder.read_list(DatasetCheck, "checks.json")}
    return {*question["papers"], *question["datasets"]} | screened | checked


async def _line(stopped: asyncio.Event) -> str | None:
    """A line from standard input, or None at its end or when a stop was asked for; never blocks the loop."""
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
