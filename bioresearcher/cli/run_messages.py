"""Messages about a run for a terminal: its end, its replay, its revisions and its trouble."""

from __future__ import annotations

import re
import sqlite3

from bioresearcher.cli.output import usage_lines
from bioresearcher.errors import BioresearcherError, DefectError, RunFolderError, WorkspaceError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.run import Replay, Revision, RunRecord
from bioresearcher.stages.registration import in_words, read_registration
from bioresearcher.text.format import count_of, duration
from bioresearcher.text.visible import one_line

MOST_LINES = 200
"""Lines of a difference that the terminal shows; the whole is in the run folder."""
MOST_DIFFERENCES = 20
_COUNTED = {"reports": "report of a paper", "analyses": "analysis of a paper", "outputs": "output"}
"""Files of a replay that are counted in the message → their name in the singular."""
MOST_CAVEATS = 8
MOST_QUESTIONS = 12
_GRAVE = re.compile(
    r"^Task \S+ is not verified|^Requirement |without a sandbox|no sandbox|was judged unusable|relevant"
    r"|RETRACTED|expression of concern|as it was registered|that was not registered|after results were seen"
)
"""Caveats that the terminal repeats: those that change what the run is worth."""


def end_lines(record: RunRecord) -> list[str]:
    """Return the counts of a finished run, then its failures and gravest caveats."""
    t = record.totals
    read = f"{count_of(t.papers_read, 'paper')} read"
    if t.quotes:
        read += f", {t.quotes_located} of {count_of(t.quotes, 'quote')} located"
    steps = f"{count_of(t.steps, 'protocol step')}, {t.steps_linked} resting on what was read or found in the data"
    ran = f"{count_of(t.tasks, 'task')}: {t.exit_ok} ended with exit code 0, {t.verified} verified"
    spent = f"{duration(t.wall_s)}, {count_of(t.calls, 'model call')}"
    lines = ["", *answer_lines(record.answers)]
    lines += [f"{read} · {steps}", f"{ran if t.tasks else 'no task was run'} · {spent}", *usage_lines(record)]
    lines += [f"! {one_line(f'{f.item}: {f.message}', 300)}" for f in record.failures]
    grave = [caveat for caveat in record.not_verified if _GRAVE.search(caveat)][:MOST_CAVEATS]
    lines += [f"! {one_line(caveat, 200)}" for caveat in grave]
    if len(record.not_verified) > len(grave):
        number = count_of(len(record.not_verified), "caveat")
        lines.append(f"{number} in all: the report's section “What was not verified”")
    return lines


def answer_lines(answers: Answers) -> list[str]:
    """Return the headline of a run: the questions that were answered, and why each of the others was not."""
    if not answers.questions and not answers.not_understood:
        return []
    lines = [answers.headline or "no question of the objective was understood"]
    for question in answers.questions[:MOST_QUESTIONS]:
        lines.append(f"  {question.id} {question.state}: {one_line(question.text, 200)}")
        lines += [f"     {one_line(question.why, 400)}"] if question.why else []
        lines += [f"     to settle it: {one_line(question.mend, 300)}"] if question.mend else []
    lines += [f"  found, {said}" for said in answers.found]
    lines += [f"  found beside the questions, {b.findings[0]}: {one_line(b.text, 400)}" for b in answers.beside[:3]]
    lines += [f"  not understood: {one_line(text, 300)}" for text in answers.not_understood[:MOST_QUESTIONS]]
    for row in answers.requirements:
        if row.state != "answered":
            lines.append(f"  {row.id} {row.state}: {one_line(row.why, 300)}")
    return lines


def done_lines(folder: RunFolder, record: RunRecord) -> list[str]:
    """Return the end of a finished run with the paths of protocol and report."""
    places = [f"protocol: {folder.path('protocol.md')}", f"report:   {folder.path('report.html')}"]
    return [*end_lines(record), *places, *registered_lines(folder)]


def registered_lines(folder: RunFolder) -> list[str]:
    """Return time and digest of the registered plan, and its last amendment, in a line; nothing where there is none."""
    try:
        found = read_registration(folder)
    except RunFolderError:  # the report's caveats name it
        return []
    return [in_words(found)] if found else []


def ending(folder: RunFolder, record: RunRecord) -> list[str]:
    """Return the end of a run in a session, and the commands to go on with."""
    if record.status == "done":
        return [
            *done_lines(folder, record),
            "/results shows what was found, /ask asks the papers, /feedback changes the protocol, /new begins anew.",
        ]
    lines = [f"stopped: {record.stopped_by}", *usage_lines(record)]
    if "declined" in record.stopped_by:
        change = "; /feedback changes its protocol" if folder.has("protocol.json") else ""
        return [*lines, f"The answer stands for this run; /new starts another{change}."]
    return [*lines, f"It can be resumed: /resume here, or `bioresearcher resume {folder.root}` later."]


def replay_lines(replay: Replay) -> list[str]:
    """Return the outcome of a replay: what is identical, or which files and circumstances differ."""
    if replay.identical:
        same = (count_of(n, _COUNTED[k], k) if k in _COUNTED else k for k, n in replay.compared.items() if n)
        return [f"identical: {', '.join(same)}"]
    number, most = len(replay.differing), MOST_DIFFERENCES
    lines = [f"{number} of {count_of(sum(replay.compared.values()), 'file')} not identical to {replay.folder}:"]
    lines += [f"differs: {name}" for name in replay.differing[:most]]
    if number > most:
        lines.append(f"and {number - most} more: see replay_of in run.json")
    return lines + [f"not as it was: {one_line(text, 200)}" for text in replay.changed[:most]]


def revision_lines(revision: Revision, difference: str) -> list[str]:
    """Return the changes of a revision with their reasons, the text difference, and the effect on the checks."""
    lines = [f"revision {revision.number}: {one_line(revision.comment, 200)}"]
    lines += [f"  part {c.part} is concerned: {one_line(c.reason, 200)}" for c in revision.concerned]
    lines += [f"  step {c.step} {c.what}: {one_line(c.why, 200)}" for c in revision.changes]
    lines += [f"  {i} is excluded" for i in revision.excluded]
    lines += [f"  requirement {r.id} added: {one_line(r.text, 200)}" for r in revision.requirements]
    lines += [f"  not done: {one_line(n, 300)}" for n in revision.not_done]
    shown = difference.splitlines()
    lines += shown[:MOST_LINES]
    if len(shown) > MOST_LINES:
        lines.append(f"… {len(shown) - MOST_LINES} more lines in revisions/{revision.number}/diff.txt")
    found = f"{count_of(len(revision.found), 'finding')} of the checks new, {len(revision.resolved)} resolved"
    lines += [f"{f.gate} {f.severity} at {f.location}: {one_line(f.message, 200)}" for f in revision.found]
    parts = ", ".join(revision.changed_parts) or "none"
    return [*lines, f"parts changed: {parts}; all others are as they were. {found}."]


def explained(folder: RunFolder, error: Exception) -> BioresearcherError:
    """Turn what ended a run into an error for the user; a folder in which nothing was started is removed."""
    if not folder.has("run.json"):
        _remove_empty(folder)
    if isinstance(error, BioresearcherError):
        return error
    if isinstance(error, OSError | sqlite3.DatabaseError):
        return WorkspaceError(
            f"the run in {folder.root} cannot go on: {error}.",
            hint="Check space and permissions, then try again. A damaged checkpoints.sqlite may be deleted: what is "
            "recorded elsewhere is used again.",
        )
    return DefectError(f"this is a bug: {type(error).__name__}: {error} (please report it; --debug shows where)")


def _remove_empty(folder: RunFolder) -> None:
    """Remove a run folder in which nothing but the fresh ledger and lock lie."""
    for name in ("lock", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "events.jsonl"):
        folder.path(name).unlink(missing_ok=True)
    try:
        folder.root.rmdir()
    except OSError:
        return
