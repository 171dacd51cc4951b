"""The state of a run for its page: stages, tasks, spending, questions with their answers, and the trouble it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from bioresearcher.analysis.sentences import question_text
from bioresearcher.errors import RunFolderError
from bioresearcher.graph.lock import working_process
from bioresearcher.progress import STAGES, RunProgress
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.library import LibraryAnswer
from bioresearcher.schemas.question import Questions
from bioresearcher.schemas.run import RunRecord
from bioresearcher.text.format import duration
from bioresearcher.web.catalogue import State, read_manifest

V = TypeVar("V", bound=Value)

_SPOKEN: Final = {"●": "runs", "✓": "done", "·": "not begun"}
MOST_STATEMENTS: Final = 40
MOST_ASKED: Final = 40
"""Questions to the papers that are shown, the newest."""


@dataclass(frozen=True)
class StageRow:
    """A stage of the pipeline; `mark` is a sign, `spoken` its meaning."""

    name: str
    mark: str
    steps: tuple[str, ...]

    @property
    def spoken(self) -> str:
        """The mark in words."""
        return _SPOKEN[self.mark]


@dataclass(frozen=True)
class TaskRow:
    """A task with its title and outcome; `waits` before it has begun."""

    id: str
    title: str
    outcome: str


@dataclass(frozen=True)
class AskedRow:
    """A question with its state; `findings`, or the sentences of its answer, as they are known so far."""

    id: str
    text: str
    state: str
    why: str = ""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunState:
    """All that a run's page shows of its state; `works` is true while a process works on it."""

    objective: str
    state: State
    stopped_by: str
    stages: tuple[StageRow, ...]
    tasks: tuple[TaskRow, ...]
    spent: str
    trouble: tuple[str, ...]
    waiting: str
    headline: str
    asked: tuple[AskedRow, ...]
    statements: tuple[str, ...]
    library: tuple[LibraryAnswer, ...]

    @property
    def works(self) -> bool:
        """True while a process works on it."""
        return self.state == "working"

    @property
    def summary(self) -> str:
        """The state in a sentence, for the live region of a screen reader."""
        running = [f"{row.name}: {', '.join(row.steps)}" for row in self.stages if row.mark == "●"]
        done = sum(task.outcome == "verified" for task in self.tasks)
        tasks = f"; {done} of {len(self.tasks)} tasks verified" if self.tasks else ""
        waiting = f"waits for an answer at {self.waiting}" if self.waiting else ""
        return "; ".join(filter(None, [self.state, waiting, *running])) + tasks


def state_of(folder: RunFolder, progress: RunProgress) -> RunState:
    """Return the state of a run from its folder and its events; files that cannot be read are as if not written yet.

    Raises:
        RunFolderError: Its manifest cannot be used.
    """
    record = read_manifest(folder)
    state: State = record.status if record.status != "running" else "cut off"
    if record.status == "running" and working_process(folder) is not None:
        state = "working"
    works = state == "working"
    known = {task.id: task for task in _rows(folder, DryLabTask, "tasks.json")}
    records = _records(folder)
    return RunState(
        objective=record.objective.text,
        state=state,
        stopped_by=record.stopped_by,
        stages=tuple(_stages(progress, works=works)),
        tasks=tuple(_tasks(known, records, progress, works=works)),
        spent=_spent(record, progress, works=works),
        trouble=tuple(_trouble(progress)) if works else (),
        waiting=progress.waiting if works or record.status == "stopped" else "",
        headline=record.answers.headline,
        asked=tuple(_asked(folder, record, known, records)),
        statements=tuple(_statements(records))[:MOST_STATEMENTS],
        library=tuple(_lines(folder, LibraryAnswer, "questions.jsonl")[-MOST_ASKED:]),
    )


def _stages(progress: RunProgress, *, works: bool) -> Iterator[StageRow]:
    for name, steps in STAGES:
        running = tuple(s for s in steps if works and progress.running[s] > 0)
        done = tuple(s for s in steps if progress.done[s] > 0)
        if running:
            yield StageRow(name, "●", tuple(f"{s} ×{n}" if (n := progress.running[s]) > 1 else s for s in running))
        else:
            counted = tuple(f"{s} ×{n}" if (n := progress.done[s]) > 1 else s for s in done)
            yield StageRow(name, "✓" if done else "·", counted)


def _tasks(
    known: Mapping[str, DryLabTask], records: Mapping[str, TaskRecord], progress: RunProgress, *, works: bool
) -> Iterator[TaskRow]:
    for name, task in known.items():
        now = progress.tasks.get(name)
        if name in records:
            outcome = str(records[name].outcome)
        else:
            outcome = now.outcome if now is not None and (works or now.outcome != "running") else "waits"
        yield TaskRow(name, task.title, outcome.replace("_", " "))


def _spent(record: RunRecord, progress: RunProgress, *, works: bool) -> str:
    t = record.totals
    if works or not t.wall_s:
        return progress.spent or "no model was asked so far"
    cost = "cost not known" if t.cost_usd is None else f"{t.cost_usd:.4f} USD"
    asked = f"{t.calls} calls, {t.input_tokens + t.output_tokens:,} tokens, {cost}" if t.calls else "no model was asked"
    return f"{duration(t.wall_s)}; {asked}"


def _trouble(progress: RunProgress) -> Iterator[str]:
    quiet = progress.quiet_text(datetime.now(UTC))
    if quiet:
        yield quiet
    yield from progress.repeats()


def _asked(
    folder: RunFolder, record: RunRecord, tasks: Mapping[str, DryLabTask], records: Mapping[str, TaskRecord]
) -> Iterator[AskedRow]:
    """Yield the questions with their answers, or, while the run works, with what was found so far."""
    for one in record.answers.questions:
        yield AskedRow(one.id, one.text, one.state, one.why, one.said)
    if record.answers.questions:
        return
    try:
        questions = folder.read(Questions, "questions.json").questions if folder.has("questions.json") else ()
    except (RunFolderError, OSError):
        return
    for question in questions:
        own = [r for name, r in records.items() if r.verified and question.id in _of(tasks, name)]
        found = tuple(f.statement for r in own for f in r.findings)
        yield AskedRow(question.id, question_text(question), "so far" if found else "open", "", found)


def _of(tasks: Mapping[str, DryLabTask], name: str) -> tuple[str, ...]:
    return tasks[name].questions if name in tasks else ()


def _statements(records: Mapping[str, TaskRecord]) -> Iterator[str]:
    for name, record in records.items():
        if record.verified:
            yield from (f"{name}: {finding.statement}" for finding in record.findings)


def _records(folder: RunFolder) -> dict[str, TaskRecord]:
    """Return the records of tasks that ended, by id, in the order of the tasks' numbers."""
    found = {}
    for path in folder.path("tasks").glob("*/record.json"):
        try:
            record = folder.read(TaskRecord, "tasks", path.parent.name, "record.json")
        except (RunFolderError, OSError):
            continue
        found[record.task_id] = record
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def _rows(folder: RunFolder, kind: type[V], name: str) -> tuple[V, ...]:
    try:
        return folder.read_list(kind, name)
    except (RunFolderError, OSError):
        return ()


def _lines(folder: RunFolder, kind: type[V], name: str) -> tuple[V, ...]:
    try:
        return folder.read_lines(kind, name)
    except OSError:
        return ()
