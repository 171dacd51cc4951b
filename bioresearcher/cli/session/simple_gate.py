"""The human gates in a session: yes, no, or ids to leave out and to take in."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console

from bioresearcher.cli.gates import choices
from bioresearcher.cli.selection import show_selection
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.graph.context import Context
from bioresearcher.schemas.run import Decision


async def answer_gate(
    question: dict[str, Any], context: Context, terminal: Terminal, command: Callable[[str], Awaitable[bool]]
) -> Decision | None:
    """A person's answer; None leaves the gate open."""
    gate, known = str(question["gate"]), set[str]()
    if gate == "approve_selection":
        shown = io.StringIO()
        show_selection(question, context, Console(file=shown, width=terminal.width))
        terminal.say(shown.getvalue().rstrip("\n"))
        known = choices(question, context)
        prompt = "Use these? [y]es, [n]o, or ids to leave out (+ID to take in):"
    else:
        terminal.say(f"The protocol is ready: {context.folder.path('protocol.md')}")
        prompt = "Carry out its dry-lab part? [y]es or [n]o:"
    while True:
        line = await terminal.ask(prompt, words=("yes", "no", *sorted(known)))
        if line is None:
            return None
        if line.startswith("/") and await command(line):
            continue
        words = line.replace(",", " ").split()
        if words and words[0].lower() in {"y", "yes", "n", "no"}:
            approved = words[0].lower().startswith("y")
            return Decision(gate=gate, approved=approved, by="human", comment="" if approved else line[:500])
        if words and known and all(word.lstrip("+-") in known for word in words):
            out = tuple(w.lstrip("-") for w in words if not w.startswith("+"))
            added = tuple(w.lstrip("+") for w in words if w.startswith("+"))
            return Decision(gate=gate, approved=True, by="human", drop=out, add=added)
        terminal.say("Please answer y or n" + (", or give ids from the table." if known else "."))
