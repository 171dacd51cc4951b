"""`/tasks`: what became of each dry-lab task; of one, its code, attempts, outputs and findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bioresearcher.cli.session.layout import Block, Facts, Heading, Line, Listing, Sheet
from bioresearcher.cli.session.view import View, chosen
from bioresearcher.report.outputs import contained
from bioresearcher.schemas.execution import Attempt, Outcome, TaskRecord
from bioresearcher.schemas.task import DryLabTask
from bioresearcher.text.format import count_of, duration, number, size
from bioresearcher.text.visible import tail

_STYLES: Final = {Outcome.VERIFIED: "green", Outcome.BLOCKED: "yellow", Outcome.NOT_RUN: "yellow"}
_PRINTED: Final = 1_200
"""Characters of what the last attempt printed on standard error."""


def tasks_view(view: View) -> Sheet:
    """All tasks with their outcome; an id or number: one of them.

    Raises:
        InputError: There is no such task.
    """
    tasks = view.folder.read_list(DryLabTask, "tasks.json")
    if view.asked:
        identifier = chosen(view, "tasks", [t.id for t in tasks])
        return Sheet(_one(view, next(t for t in tasks if t.id == identifier)))
    if not tasks:
        return Sheet([Line("There are no tasks yet.")])
    return Sheet(_listed(tasks, [_record(view, t.id) for t in tasks]))


def _record(view: View, task_id: str) -> TaskRecord | None:
    there = view.folder.has("tasks", task_id, "record.json")
    return view.folder.read(TaskRecord, "tasks", task_id, "record.json") if there else None


def _listed(tasks: Sequence[DryLabTask], records: Sequence[TaskRecord | None]) -> Iterator[Block]:
    done = [r for r in records if r is not None]
    exit_ok, verified = sum(r.exit_ok for r in done), sum(r.verified for r in done)
    waits = f", {len(tasks) - len(done)} not worked on yet" if len(done) < len(tasks) else ""
    yield Heading(f"{count_of(len(tasks), 'task')}: {exit_ok} ended with exit code 0, {verified} verified{waits}")
    rows, styles = [], []
    for task, record in zip(tasks, records, strict=True):
        outcome = str(record.outcome) if record else "waits or runs"
        seconds = duration(sum(a.use.wall_s for a in record.attempts)) if record and record.attempts else "–"
        counts = (str(len(record.attempts)), str(len(record.artifacts))) if record else ("–", "–")
        rows.append((task.id, outcome, *counts, seconds, task.title))
        styles.append(_style(record))
    columns = ("task", "outcome", "attempts", "outputs", "time", "title")
    yield Listing(columns, tuple(rows), frozenset({"attempts", "outputs", "time"}), tuple(styles))


def _style(record: TaskRecord | None) -> str:
    return "dim" if record is None else _STYLES.get(record.outcome, "red")


def _one(view: View, task: DryLabTask) -> Iterator[Block]:
    record = _record(view, task.id)
    code = f"tasks/{task.id}/{task.code_file}"
    yield Heading(f"{task.id} {task.title}")
    rows = [
        ("goal", task.goal),
        ("protocol steps", ", ".join(task.step_ids)),
        ("needs", ", ".join(task.needs)),
        ("data sets", ", ".join(dict.fromkeys(i.dataset for i in task.inputs if i.dataset))),
        ("parameters", "; ".join(f"{k} = {v}" for k, v in task.parameters.items())),
        ("made with", f"the vetted analysis {task.skill}" if task.skill else "written for this task"),
        ("code", f"{code}, in the run folder" if view.folder.has(code) else "not written yet"),
        ("outcome", f"{record.outcome}: {record.message}" if record else "not worked on yet"),
        ("exit code 0", ("yes" if record.exit_ok else "no") if record else ""),
        ("verified", ("yes" if record.verified else "no") if record else ""),
        ("sandbox", record.sandbox if record else ""),
        ("changed inputs", _perturbed(record)),
    ]
    yield Facts(tuple((name, value) for name, value in rows if value))
    if record is not None:
        yield from _worked(view, task, record)


def _perturbed(record: TaskRecord | None) -> str:
    run = record.perturbed if record else None
    if run is None:
        return ""
    changed = f"{count_of(len(run.changed), 'output')} changed, {len(run.unchanged)} did not"
    return f"{changed} ({run.reason})" if run.done else f"not run again: {run.reason}"


def _worked(view: View, task: DryLabTask, record: TaskRecord) -> Iterator[Block]:
    if record.attempts:
        yield Heading(f"Attempts: {len(record.attempts)}")
        rows = tuple(
            (str(a.number), str(a.outcome), _exit(a), duration(a.use.wall_s), a.message) for a in record.attempts
        )
        yield Listing(
            ("no.", "outcome", "exit", "time", "what decided"), rows, frozenset({"no.", "exit", "time"}), named=(0, 1)
        )
    if record.outcome is not Outcome.VERIFIED and record.attempts and record.attempts[-1].stderr.strip():
        yield Heading("The last attempt said")
        for line in tail(record.attempts[-1].stderr, _PRINTED).splitlines():
            yield Line(line, indent=2)
    if record.artifacts:
        yield Heading(f"Outputs, in tasks/{task.id} of the run folder")
        files = tuple(
            (a.path, a.kind, size(a.bytes), _there(view, task.id, a.path, a.summary)) for a in record.artifacts
        )
        yield Listing(("file", "kind", "size", "what"), files, frozenset({"size"}))
    if record.findings:
        yield Heading("Findings")
        for finding in record.findings:
            yield Line(finding.statement, mark="–")
    for warning in record.warnings:
        yield Line(warning, mark="!", style="yellow")


def _exit(attempt: Attempt) -> str:
    return number(attempt.exit_code) if attempt.exit_code is not None else "–"


def _there(view: View, task_id: str, path: str, summary: str) -> str:
    found = contained(view.folder.path("tasks", task_id), path)
    return summary if found is not None and found.is_file() else f"NOT THERE ANY MORE; it was {summary}"
