"""The human gates in a terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bioresearcher.graph.context import Context
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper, ScreenedPaper
from bioresearcher.schemas.run import Decision


async def ask_person(
    question: dict[str, Any], context: Context, console: Console, stopped: asyncio.Event
) -> Decision | None:
    """A person's answer at a gate; None when the input ended or a stop was asked for."""
    gate = str(question["gate"])
    if gate == "approve_selection":
        _show_selection(question, context, console)
        prompt = "Use these? [y]es, [n]o, or the ids to leave out: "
        known = {*question["papers"], *question["datasets"]}
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
        if words and set(words) <= known:
            return Decision(gate=gate, approved=True, by="human", drop=tuple(words))
        console.print("Please answer y or n" + (", or give ids from the table." if known else "."), markup=False)


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


def _show_selection(question: dict[str, Any], context: Context, console: Console) -> None:
    screened = {s.paper_id: s for s in context.folder.read_list(ScreenedPaper, "screening.json")}
    table = Table("id", "score", "paper", "why", title="Papers")
    for paper_id in question["papers"]:
        paper = context.folder.read(Paper, "papers", f"{paper_id}.json")
        row = screened[paper_id]
        table.add_row(paper_id, str(row.score), escape(f"{paper.title} ({paper.year or 'n.d.'})"), escape(row.reason))
    console.print(table)
    checks = {c.dataset_id: c for c in context.folder.read_list(DatasetCheck, "checks.json")}
    table = Table("id", "samples", "data set", "verdict", title="Data sets")
    for dataset_id in question["datasets"]:
        dataset = context.folder.read(Dataset, "datasets", f"{dataset_id}.json")
        table.add_row(dataset_id, str(dataset.n_samples), escape(dataset.title), checks[dataset_id].verdict)
    console.print(table)
