"""The Python interface: runs as objects with data frames, and the commands as functions that return typed values.

A function starts its command as a process of its own (`program.py`): it does what the command does, works where an
event loop is running, and leaves the caller's memory alone. Reading a run needs no process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioresearcher.doors import words
from bioresearcher.doors.program import follow_command, run_command
from bioresearcher.doors.run_html import run_html
from bioresearcher.doors.run_state import RunSummary, State, read_summary, summaries
from bioresearcher.errors import BioresearcherError, DefectError, RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Finding, Reproduction, TaskRecord
from bioresearcher.schemas.library import EvidenceGraph, LibraryAnswer
from bioresearcher.schemas.paper import Document
from bioresearcher.schemas.review import Review
from bioresearcher.schemas.run import RunRecord

if TYPE_CHECKING:
    from pandas import DataFrame

WORKSPACE = Path("workspace")
_RESULT = "population measure effect estimate low high p fdr n events tested called test".split()
_FINDINGS = ["task", "questions", "verified", "statement", "case", "control", *_RESULT]
_TASKS = "task title outcome verified questions steps skill attempts outputs message".split()
_EVIDENCE = "step title paper report_step section page start end quote".split()
_HITS = {
    "library": "paper title section kind page score text".split(),
    "services": "named title year abstract".split(),
}


class Run:
    """A run folder: its answers, and its findings, tasks and evidence as data frames. Nothing is kept in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __repr__(self) -> str:
        return f"Run({str(self.root)!r}, {self.state})"

    def _repr_html_(self) -> str:
        return run_html(self._summary)

    @property
    def _summary(self) -> RunSummary:
        return read_summary(self.root)

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.root.name

    @property
    def state(self) -> State:
        """`running`, `done`, `stopped`, `failed`, or `broken off`."""
        return self._summary.state

    @property
    def record(self) -> RunRecord:
        """Its manifest, `run.json`.

        Raises:
            RunFolderError: It has none yet, or one that cannot be read.
        """
        summary = self._summary
        if summary.record is None:
            raise RunFolderError(summary.problem or f"{self.root} has no run.json yet.")
        return summary.record

    @property
    def answers(self) -> Answers:
        """Each question of the objective with its state and findings."""
        return self.record.answers

    @property
    def not_verified(self) -> tuple[str, ...]:
        """Caveats, which belong to every use of the results."""
        return self.record.not_verified

    @property
    def report(self) -> Path:
        """Its report as a page."""
        return self.root / "report.html"

    @property
    def findings(self) -> DataFrame:
        """A row for each finding of each task; numbers are NaN where the finding states none."""
        rows: list[dict[str, object]] = []
        for task, record in self._tasks():
            if record is None:
                continue
            for finding in record.findings:
                about = {"task": task.id, "questions": ", ".join(task.questions), "verified": record.verified}
                rows.append(about | _finding_row(finding))
        return _frame(rows, _FINDINGS)

    @property
    def tasks(self) -> DataFrame:
        """A row for each task with its outcome; `not_run` where it was not worked on."""
        return _frame([_task_row(task, record) for task, record in self._tasks()], _TASKS)

    @property
    def evidence(self) -> DataFrame:
        """A row for each quote that a protocol step rests on, with its place in the paper."""
        folder = RunFolder(self.root)
        if not folder.has("evidence.json"):
            return _frame([], _EVIDENCE)
        texts: dict[str, str] = {}
        rows: list[dict[str, object]] = []
        for step in folder.read(EvidenceGraph, "evidence.json").steps:
            for ground in step.grounds:
                if ground.paper_id not in texts:
                    texts[ground.paper_id] = folder.read(Document, "documents", f"{ground.paper_id}.json").text
                place = ground.model_dump(include={"report_step", "section", "page", "start", "end"})
                quote = texts[ground.paper_id][ground.start : ground.end]
                rows.append(
                    {"step": step.step_id, "title": step.title, "paper": ground.paper_id, "quote": quote} | place
                )
        return _frame(rows, _EVIDENCE)

    def _tasks(self) -> list[tuple[DryLabTask, TaskRecord | None]]:
        folder = RunFolder(self.root)
        return [
            (
                task,
                folder.read(TaskRecord, "tasks", task.id, "record.json")
                if folder.has("tasks", task.id, "record.json")
                else None,
            )
            for task in folder.read_list(DryLabTask, "tasks.json")
        ]


def open_run(path: str | Path) -> Run:
    """Open a run by its folder, or by its name in `./workspace/runs`.

    Raises:
        RunFolderError: There is no such run.
    """
    for root in (Path(path), WORKSPACE / "runs" / path):
        if root.is_dir():
            read_summary(root)
            return Run(root)
    raise RunFolderError(f"there is no run folder {path}.", hint="list_runs() gives the runs of ./workspace.")


def list_runs(workspace: str | Path = WORKSPACE, *, most: int = 50) -> tuple[Run, ...]:
    """List the runs of a workspace, the latest first."""
    return tuple(Run(s.root) for s in summaries(Path(workspace), most))


def start_run(
    objective: str,
    *,
    papers: Iterable[str | Path] = (),
    data: Iterable[str | Path] = (),
    requirements: Iterable[str] = (),
    conditions: Iterable[str] = (),
    only_own: bool = False,
    max_usd: float | None = None,
    max_minutes: float | None = None,
    model: str = "",
    workspace: str | Path = WORKSPACE,
) -> Run:
    """Carry an objective to its report and return the run; approvals are given as by `run --yes`.

    Progress is printed. Ctrl-C stops it in order; `bioresearcher resume` goes on.

    Raises:
        BioresearcherError: Nothing was started, or it stopped; the message says which and how to go on.
    """
    command = words.run_words(
        objective,
        workspace=Path(workspace),
        papers=map(Path, papers),
        data=map(Path, data),
        requirements=requirements,
        conditions=conditions,
        only_own=only_own,
        max_usd=max_usd,
        max_minutes=max_minutes,
        model=model,
    )
    done = follow_command(command, print)
    folder = next((x.partition(": ")[2] for x in done.out.splitlines() if x.startswith("run folder: ")), "")
    if done.code not in (0, 1) or not folder:
        raise done.error()
    return open_run(folder)


def reproduce_run(run: Run | str | Path, *, tasks: Sequence[str] = ()) -> Reproduction:
    """Execute a run's tasks again from its folder, in the sandbox, and compare each output."""
    done = run_command(words.reproduce_words(_root(run), tasks=tasks))
    return Reproduction.model_validate(done.json())


def review_protocol(path: str | Path, *, kind: str = "") -> Review:
    """Review a protocol or run folder; without a model a document from elsewhere gets findings and no scores.

    Raises:
        BioresearcherError: It cannot be read, or holds no steps.
    """
    done = run_command(words.review_words(Path(path), kind=kind))
    row = _object(done.json())
    if "error" in row or row.get("problem"):
        raise done.error()
    return Review.model_validate({name: row[name] for name in Review.model_fields if name in row})


def describe_data(path: str | Path) -> tuple[Dataset, ...]:
    """Describe data as they are read: rows, roles, units, codes and endpoints, each with the reason."""
    row = _object(run_command(words.describe_words(Path(path), form="json")).json())
    return tuple(Dataset.model_validate(d) for d in row["datasets"])


def search_literature(
    query: str, *, where: words.Where = "library", limit: int = 10, workspace: str | Path = WORKSPACE
) -> DataFrame:
    """Find passages of the workspace's papers, or papers that PubMed and Europe PMC know (`where="services"`)."""
    found = run_command(words.search_words(query, Path(workspace), where=where, limit=limit)).json()
    rows = found if isinstance(found, list) else _object(found)["papers"]
    return _frame(rows, _HITS[where])


def ask_library(run: Run | str | Path, question: str) -> LibraryAnswer:
    """Answer a question from a run's papers alone, with located quotes; `in_library` is false when they do not."""
    return LibraryAnswer.model_validate(run_command(words.ask_words(_root(run), question)).json())


def _root(run: Run | str | Path) -> Path:
    return (run if isinstance(run, Run) else open_run(run)).root


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DefectError("the command gave something else than an object.")
    return value


def _frame(rows: Sequence[dict[str, object]], columns: list[str]) -> DataFrame:
    from pandas import DataFrame

    return DataFrame.from_records(list(rows), columns=columns)


def _finding_row(finding: Finding) -> dict[str, object]:
    row: dict[str, object] = {"statement": finding.statement}
    if finding.result is not None:
        row |= finding.result.model_dump(include={*_RESULT})
        contrast = finding.result.contrast
        row |= {"case": contrast.case, "control": contrast.control} if contrast else {}
    return row


def _task_row(task: DryLabTask, record: TaskRecord | None) -> dict[str, object]:
    return {
        "task": task.id,
        "title": task.title,
        "outcome": str(record.outcome) if record else "not_run",
        "verified": record is not None and record.verified,
        "questions": ", ".join(task.questions),
        "steps": ", ".join(task.step_ids),
        "skill": task.skill or "",
        "attempts": len(record.attempts) if record else 0,
        "outputs": ", ".join(a.path for a in record.artifacts) if record else "",
        "message": record.message if record else "it was not worked on",
    }


__all__ = [
    "BioresearcherError",
    "Run",
    "ask_library",
    "describe_data",
    "list_runs",
    "open_run",
    "reproduce_run",
    "review_protocol",
    "search_literature",
    "start_run",
]
