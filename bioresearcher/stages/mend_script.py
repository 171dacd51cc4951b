"""Rehearsals of a protocol's script, and what the author mends after each.

A rehearsal runs the whole script on copies in which outcomes and compared groups are shuffled, so that it can be seen
to work before the plan is registered and no result is seen. How it went is recorded like the result of a look.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bioresearcher.audit.rehearsal import Copies
from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.ledger import ReplayBackend, ToolEntry
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.schemas.ask_design import MendScriptInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import Protocol, Rehearsal
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import MEND_SCRIPT
from bioresearcher.stages.rehearse import Rehearsed, rehearse
from bioresearcher.stages.script import Script, head_of, problem_of, script_of, with_code
from bioresearcher.stages.text_edits import with_edits
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import title_of
from bioresearcher.text.visible import one_line

ROUNDS: Final = 4
"""Rehearsals of a draft at most; each but the last is followed by a turn of the author."""
ROUNDS_LATER: Final = 2
"""Rehearsals after a revision at most."""
_NAME: Final = "designer/rehearsal"
STRUCK: Final = "a run would leave out: "
"""Beginning of a line on a finding that states a number which no value, table or input has."""
_FAULT: Final = re.compile(rf"\(planned: |^{STRUCK}|(?<![\w.])(nan|inf)(?![\w.])|warning|not converge", re.IGNORECASE)
_LINE: Final = re.compile(r'File "[^"\n]*script\.py", line (\d+)')


@dataclass(frozen=True)
class Stage:
    """Everything a rehearsal needs beside the script.

    Attributes:
        sandbox: Where it runs; None: nothing is rehearsed.
        copies: The data with shuffled outcomes and groups, in a folder.
    """

    caller: ModelClient
    objective: Objective
    datasets: tuple[Dataset, ...]
    sandbox: Sandbox | None
    copies: Copies | None


async def rehearsed(stage: Stage, protocol: Protocol, rounds: int = ROUNDS) -> Protocol:
    """Rehearse a protocol's script, let the author mend it, and return the protocol with the last rehearsal's record.

    Without code, without isolation, or when the script is the one that was rehearsed before, nothing happens. A first
    rehearsal that ran to its end has a turn of its own only where what it printed shows a fault (`faults_in`); in any
    case the reviewer and the author's revision are shown it. Later only an error has one. A script that does not run to
    its end after all rounds stays, and the record says where it ended.

    Raises:
        BackendError: The model gave no answer.
        StoppedError: The budget is used up, or the run is stopping.
    """
    read = protocol.rehearsal is not None
    for number in range(1, rounds + 1):
        script = script_of(protocol, stage.datasets)
        if script is None or stage.sandbox is None or stage.copies is None:
            return protocol
        if protocol.rehearsal is not None and protocol.rehearsal.sha256 == _sha256(script):
            return protocol
        record = await _rehearse(stage, stage.sandbox, stage.copies, script)
        protocol = protocol.model_copy(update={"rehearsal": record})
        if number == rounds or (record.ok and (read or number > 1 or not faults_in(record))):
            return protocol
        protocol = await _mended(stage, protocol, record, number, rounds)
    return protocol


def faults_in(record: Rehearsal) -> tuple[str, ...]:
    """Return what of a rehearsal's print shows a fault: counts that are not the planned ones, no number, a warning."""
    lines = [line for line in record.shown.splitlines() if _FAULT.search(line)]
    return tuple(lines) if record.shown.strip() else ("nothing was printed",)


async def _mended(stage: Stage, protocol: Protocol, record: Rehearsal, number: int, rounds: int) -> Protocol:
    """Ask the author for changes, and put them in."""
    values = MendScriptInput(
        objective=stage.objective,
        protocol=protocol,
        files=head_of(stage.datasets),
        rehearsal=record,
        shuffled=tuple(f"{d}: {', '.join(names)}" for d, names in stage.copies.shuffled.items() if names)
        if stage.copies
        else (),
        round=number,
        rounds=rounds,
    )
    try:
        answer = await ask(replace(stage.caller, rules=None), MEND_SCRIPT, values)
    except AnswerError as error:
        note(stage.caller, MEND_SCRIPT, f"nothing was changed after the rehearsal: {error.message}")
        return protocol
    mended, lost = with_code(protocol, answer.value.code)
    mended, refused = with_edits(mended, answer.value.edits)
    told = [f"code for places that are not there: {listing(lost)}"] if lost else []
    told += [f"an edit of {title_of(r.place)} was not made: {r.why}" for r in refused]
    note(stage.caller, MEND_SCRIPT, "; ".join(told))
    return mended


async def _rehearse(stage: Stage, sandbox: Sandbox, copies: Copies, script: Script) -> Rehearsal:
    """Run a script, or take from the ledger how it went."""
    sha = _sha256(script)
    problem, place = problem_of(script)
    if problem:
        return Rehearsal(ok=False, place=place, error=problem, sha256=sha)
    key = hashlib.sha256(json.dumps([_NAME, script.text, copies.digest]).encode("utf-8", "surrogatepass")).hexdigest()
    ledger = stage.caller.ledger
    entry = ledger.find_tool(_NAME, "rehearse", key)
    if entry is None:
        if isinstance(stage.caller.backend, ReplayBackend):
            raise stage.caller.backend.missing(f"{_NAME}: result of the script {sha[:12]}")
        stage.caller.admit()
        seen = await rehearse(sandbox, copies.folder, script.text)
        error = seen.refused or seen.error or (f"killed: {seen.killed}" if seen.killed else "")
        place = "" if seen.ok else _place(script, seen)
        made = Rehearsal(
            ok=seen.ok,
            place=place,
            shown="\n".join((seen.shown, *(f"{STRUCK}{one_line(t, 500)}" for t in seen.struck))).strip("\n"),
            error="" if seen.ok else error,
            files=tuple(name for name, _ in seen.files),
            sha256=sha,
        )
        meta = {"seconds": seen.seconds, "exit_code": seen.exit_code}
        entry = ledger.record_tool(ToolEntry(key, _NAME, 1, 1, "rehearse", sha, made.model_dump_json(), meta))
    record = Rehearsal.model_validate_json(entry.result)
    ended = "ran to its end" if record.ok else f"ended in {record.place or 'its head'}"
    stage.caller.events.emit("note", "rehearse_script", "info", f"rehearsal of the script: {ended}")
    return record


def _place(script: Script, seen: Rehearsed) -> str:
    """Return the place of the last of an error's lines that is the author's; the head's own lines are no place."""
    lines = [int(n) for n in _LINE.findall(seen.error)]
    places = [p for n in (*lines, seen.line) if (p := script.place_of(n))]
    return places[-1] if places else ""


def code_changes(before: Protocol, after: Protocol) -> str:
    """Return the code that rehearsals changed, for the author's next turn; empty when there is none."""
    old = {f"step {s.id}": s.code for s in before.steps} | {f"definition {d.name}": d.code for d in before.definitions}
    new = [(f"step {s.id}", s.code) for s in after.steps] + [
        (f"definition {d.name}", d.code) for d in after.definitions
    ]
    rows = [f"{place}:\n```python\n{code}\n```" for place, code in new if code != old.get(place, "")]
    return "\n".join(("Code as it was mended after rehearsals:", *rows)) if rows else ""


def rehearsal_said(record: Rehearsal | None, script: Script | None = None) -> str:
    """Say in a sentence how the last rehearsal went, or that there was none of this script, as without a sandbox."""
    if record is None:
        return "**It was not rehearsed**: nobody has seen it run."
    if script is not None and record.sha256 != _sha256(script):
        return "**It was not rehearsed after its last change**: nobody has seen it run as it stands."
    if record.ok:
        return "Rehearsed from end to end on copies of the data with outcomes and compared groups shuffled."
    where = f" in {record.place}" if record.place else ""
    why = record.error.strip().splitlines()[-1] if record.error.strip() else "no reason was told"
    return f"**Its last rehearsal did not run to its end**: it ended{where}: {why}"


def _sha256(script: Script) -> str:
    return hashlib.sha256(script.text.encode("utf-8", "replace")).hexdigest()


def folder_of(root: Path) -> Path:
    """Return the folder of the shuffled copies below the folder of views."""
    return root / ".rehearsal"
