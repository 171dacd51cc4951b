"""Record what ran in the sandbox like a model's answer: a replay asks what the run asked, whatever runs otherwise now.

A repair question holds how a script failed, and a task's question what its inputs hold. Both are made in the sandbox,
where the machine, a library or the day can change them. They are kept in the ledger; a replay compares and goes on with
the recorded ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from bioresearcher.execution.attempt import AttemptResult
from bioresearcher.execution.process import output_tail, without_chance
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.ledger import ReplayBackend, ToolEntry
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.execution import DryLabTask, Outcome
from bioresearcher.stages.prompts import WRITE_CODE


class Told(Value):
    """An attempt as its repair question tells it: nothing that differs between two runs by chance."""

    outcome: Outcome
    message: str
    output_tail: str


def told_attempt(caller: ModelClient, task: DryLabTask, result: AttemptResult, *places: Path) -> Told:
    """Return an attempt as it is told and decided upon; in a replay as it was recorded."""
    attempt = result.attempt
    told = Told(
        outcome=attempt.outcome,
        message=without_chance(attempt.message, *places),
        output_tail=output_tail(attempt.stdout, attempt.stderr, *places),
    )
    what = f"attempt {attempt.number} {attempt.code_sha256}"
    return Told.model_validate_json(recorded_text(caller, task, "run", what, told.model_dump_json()))


def recorded_text(caller: ModelClient, task: DryLabTask, kind: str, what: str, text: str) -> str:
    """Record a text that the sandbox gave for a task, and return it; in a replay return the recorded one.

    `kind` and `what` tell the texts of a task apart. Runs by rule ask nothing and record nothing, and a run of an
    earlier version recorded nothing: the text as it is now is returned.
    """
    if caller.by_rule:
        return text
    place = f"programmer/{task.id}"
    key = hashlib.sha256(f"{what}\0{text}".encode()).hexdigest()
    if not isinstance(caller.backend, ReplayBackend):
        return caller.ledger.record_tool(ToolEntry(key, place, 0, 0, kind, what, text, {})).result
    if caller.ledger.find_tool(place, kind, key) is not None:
        return text
    alike = [e for e in caller.ledger.tool_entries() if (e.conversation, e.tool, e.args) == (place, kind, what)]
    if not alike:
        return text
    said = (
        f"{task.id}: {kind}, {' '.join(what.split()[:2])}, gave something else in the sandbox than in the replayed run"
    )
    caller.events.emit("note", WRITE_CODE.step, "info", f"{said}; the recorded one is used for questions")
    return alike[-1].result
