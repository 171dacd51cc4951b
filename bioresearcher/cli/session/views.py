"""The views of a session by name: what a run has done, found and spent, from its folder.

Each is pure: it reads the run folder, finished or not, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from bioresearcher.cli.session.layout import Block, Drawn, Facts, Heading, Line, Sheet
from bioresearcher.cli.session.view import Live, View
from bioresearcher.cli.session.views_ask import ask_view
from bioresearcher.cli.session.views_money import budget_view, cost_of, cost_view
from bioresearcher.cli.session.views_papers import datasets_view, papers_view
from bioresearcher.cli.session.views_protocol import protocol_view, review_view
from bioresearcher.cli.session.views_tasks import tasks_view
from bioresearcher.schemas.answer import LibraryAnswer
from bioresearcher.schemas.execution import TaskRecord
from bioresearcher.schemas.paper import ScreenedPaper
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.report import Report
from bioresearcher.schemas.review import Review
from bioresearcher.schemas.task import DryLabTask
from bioresearcher.schemas.usage import Usage
from bioresearcher.text.format import count_of, duration, moment

if TYPE_CHECKING:
    from bioresearcher.schemas.run import RunRecord

__all__ = ["VIEWS", "Live", "View", "ask_view", "status_view"]


def status_view(view: View) -> Sheet:
    """What is done, runs and waits, with the counts that say what a run is worth."""
    record = view.record()
    if record is None:
        return Sheet([*_tree(view), Line("The run has only begun: nothing is recorded yet.")])
    return Sheet([*_begun(view, record), *_tree(view), *_counts(view, record), *_trouble(record)])


def _begun(view: View, record: RunRecord) -> Iterator[Block]:
    state = f"stopped: {record.stopped_by}" if record.stopped_by else record.status
    if record.status == "running" and view.live is None:
        state = "not finished: it was cut off, or another process works on it"
    yield Heading(f"{record.run_id}: {state}")
    rows = [
        ("objective", record.objective.text),
        ("folder", str(view.folder.root.resolve())),
        ("answers", record.backend),
        ("started", moment(record.started)),
        ("worked", "" if view.live else duration(record.totals.wall_s)),
    ]
    yield Facts(tuple((name, value) for name, value in rows if value))


def _tree(view: View) -> Iterator[Block]:
    yield from map(Drawn, view.live.tree(view.width) if view.live else ())


def _counts(view: View, record: RunRecord) -> Iterator[Block]:
    folder = view.folder
    reports = folder.read_all(Report, "reports")
    kept = sum(s.kept for s in folder.read_list(ScreenedPaper, "screening.json"))
    protocol = folder.read(Protocol, "protocol.json") if folder.has("protocol.json") else None
    tasks = folder.read_list(DryLabTask, "tasks.json")
    there = [t.id for t in tasks if folder.has("tasks", t.id, "record.json")]
    records = [folder.read(TaskRecord, "tasks", i, "record.json") for i in there]
    review = folder.read(Review, "review.json") if folder.has("review.json") else None
    asked = folder.read_lines(LibraryAnswer, "questions.jsonl")
    spent = sum((r.usage for r in view.usage()), Usage())
    located, quotes = sum(r.quotes_located for r in reports), sum(r.quotes for r in reports)
    typed = record.totals.human_interventions
    rows = [
        ("papers", f"{len(reports)} of {kept} read" if kept else "none chosen yet"),
        ("quotes", f"{located} of {quotes} located" if quotes else ""),
        ("protocol", _steps(protocol) if protocol else "not written yet"),
        ("tasks", _worked(len(tasks), records) if tasks else "none yet"),
        ("review", f"{review.verdict}, mean {review.mean_score:.2f} of 5" if review else "not yet"),
        ("questions", f"{len(asked)}, {sum(a.in_library for a in asked)} answered" if asked else ""),
        # answers at gates are counted into the manifest when the run ends or stops
        ("by people", count_of(typed, "intervention") if record.status != "running" else ""),
        ("models", f"{count_of(spent.calls, 'call')}, {cost_of(spent)}" if spent.calls else "none asked"),
    ]
    yield Facts(tuple((name, value) for name, value in rows if value))


def _steps(protocol: Protocol) -> str:
    linked = sum(bool(s.links) for s in protocol.steps)
    return f"{count_of(len(protocol.parts), 'part')}, {count_of(len(protocol.steps), 'step')}, {linked} on papers"


def _worked(tasks: int, records: list[TaskRecord]) -> str:
    ran = f"{sum(r.exit_ok for r in records)} ended with exit code 0, {sum(r.verified for r in records)} verified"
    return f"{len(records)} of {tasks} worked on: {ran}"


def _trouble(record: RunRecord) -> Iterator[Block]:
    for failure in record.failures:
        yield Line(f"{failure.item}: {failure.message}", mark="!", style="yellow")
    if record.not_verified:
        doubts = count_of(len(record.not_verified), "doubt")
        yield Line(f"{doubts}: the report's section “What was not verified”", style="dim")


VIEWS: Final[Mapping[str, Callable[[View], Sheet]]] = {
    "status": status_view,
    "papers": papers_view,
    "datasets": datasets_view,
    "protocol": protocol_view,
    "tasks": tasks_view,
    "review": review_view,
    "cost": cost_view,
    "budget": budget_view,
}
"""Raise `InputError` when the argument means nothing, `RunFolderError` when a file of the run is damaged."""
