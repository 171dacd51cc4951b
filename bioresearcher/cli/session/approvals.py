"""The human gates as conversations in a session's terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bioresearcher.cli.session import approve_outline, approve_protocol, approve_selection, approve_tasks
from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, Command
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.graph.approvals import HEADINGS, OUTLINES, PROTOCOL, SELECTION, TASKS
from bioresearcher.graph.context import RunContext
from bioresearcher.schemas.run import Decision

CONVERSATIONS: Mapping[str, Callable[[ApprovalDialogue], Awaitable[Decision | None]]] = {
    SELECTION: approve_selection.converse,
    HEADINGS: approve_outline.converse,
    OUTLINES: approve_outline.converse,
    PROTOCOL: approve_protocol.converse,
    TASKS: approve_tasks.converse,
}


async def answer_gate(
    question: dict[str, Any], context: RunContext, terminal: Terminal, command: Command | None
) -> Decision | None:
    """A person's answer at a gate; None when the input ended, which leaves the gate open.

    Args:
        question: What the run asks; `gate` names the gate.
        context: The run.
        terminal: Where the conversation is held.
        command: Carries out lines that begin with `/`.
    """
    return await CONVERSATIONS[str(question["gate"])](ApprovalDialogue(question, context, terminal, command))
