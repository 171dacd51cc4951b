"""The human gates as conversations in a session's terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bioresearcher.cli.session import gate_outline, gate_protocol, gate_selection, gate_tasks
from bioresearcher.cli.session.gate_talk import Command, Talk
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.graph.context import Context
from bioresearcher.graph.gates import HEADINGS, OUTLINES, PROTOCOL, SELECTION, TASKS
from bioresearcher.schemas.run import Decision

CONVERSATIONS: Mapping[str, Callable[[Talk], Awaitable[Decision | None]]] = {
    SELECTION: gate_selection.converse,
    HEADINGS: gate_outline.converse,
    OUTLINES: gate_outline.converse,
    PROTOCOL: gate_protocol.converse,
    TASKS: gate_tasks.converse,
}


async def answer_gate(
    question: dict[str, Any], context: Context, terminal: Terminal, command: Command | None
) -> Decision | None:
    """A person's answer at a gate; None when the input ended, which leaves the gate open.

    Args:
        question: What the run asks; `gate` names the gate.
        context: The run.
        terminal: Where the conversation is held.
        command: Carries out lines that begin with `/`.
    """
    return await CONVERSATIONS[str(question["gate"])](Talk(question, context, terminal, command))
