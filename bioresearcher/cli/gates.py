"""The human gates in a terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bioresearcher.graph.context import Context
from bioresearcher.report.text import one_line
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
    """Two tables that fit a narrow terminal; every id is shown whole, because it is what one types."""
    screened = {s.paper_id: s for s in context.folder.read_list(ScreenedPaper, "screening.json")}
    table = Table("score", "similarity", "paper", title="Papers")
    for paper_id in question["papers"]:
        paper = context.folder.read(Paper, "papers", f"{paper_id}.json")
        row = screened[paper_id]
        shown = f"[bold]{escape(paper_id)}[/bold]\n{escape(one_line(paper.title, 200))} ({paper.year or 'n.d.'})"
        table.add_row(f"{row.score} of 5", f"{row.relevance:.2f}", shown)
    if question["papers"]:
        console.print(table)
    checks = {c.dataset_id: c for c in context.folder.read_list(DatasetCheck, "checks.json")}
    table = Table("samples", "verdict", "data set", title="Data sets")
    for dataset_id in question["datasets"]:
        dataset = context.folder.read(Dataset, "datasets", f"{dataset_id}.json")
        check = checks[dataset_id]
        verdict = check.verdict if check.relevant else f"{check.verdict}, but does not look relevant"
        shown = f"[bold]{escape(dataset_id)}[/bold]\n{escape(one_line(dataset.title, 200))}"
        table.add_row(str(dataset.n_samples or "–"), verdict, shown)
    if question["datasets"]:
        console.print(table)
    for check in checks.values():
        if check.dataset_id not in question["datasets"]:
            reason = check.reasons[0] if check.reasons else "no reason given"
            console.print(f"not usable: {check.dataset_id}: {one_line(reason, 200)}", soft_wrap=True, markup=False)
