"""The evidence graph of a run folder, and of all runs of a workspace for one paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bioresearcher.errors import BioresearcherError
from bioresearcher.library.evidence import evidence_graph, named_papers
from bioresearcher.report.view import RunView, load_view
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.evidence import EvidenceGraph, PaperUse
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.report import Report

FILE = "evidence.json"


def graph_of(view: RunView) -> EvidenceGraph:
    """The graph of what a run folder holds."""
    return evidence_graph(view.papers, view.reports, view.protocol, [t.task for t in view.tasks])


def use_of(paper: Paper, report: Report, view: RunView) -> PaperUse:
    """The use of one paper: parts taken from it, steps and tasks that stand on it."""
    return evidence_graph([paper], [report], view.protocol, [t.task for t in view.tasks]).papers[0]


def use_rows(use: PaperUse) -> tuple[tuple[str, str], ...]:
    """The use of a paper in a run, as names with their values."""
    return (
        ("read", f"{len(use.report_steps)} steps with {use.quotes} quotes{_named(use.report_steps)}"),
        ("taken over", f"{len(use.taken)} of them{_named(use.taken)}"),
        ("protocol steps that stand on it", f"{len(use.protocol_steps)}{_named(use.protocol_steps)}"),
        ("tasks that carry those out", f"{len(use.tasks)}{_named(use.tasks)}"),
    )


def _named(ids: tuple[str, ...]) -> str:
    return f": {', '.join(ids)}" if ids else ""


def uses_in_runs(runs: Path, name: str) -> Iterator[tuple[str, Paper, PaperUse]]:
    """(run, paper, what was taken from it) for each run of a workspace that knows the paper; newest run first.

    A run folder that cannot be read is left out.
    """
    for folder in sorted((p for p in runs.iterdir() if p.is_dir()), reverse=True) if runs.is_dir() else ():
        try:
            view = load_view(RunFolder(folder))
        except (BioresearcherError, OSError):
            continue
        yield from ((folder.name, paper, use) for paper, use in _uses(view, name))


def _uses(view: RunView, name: str) -> Iterable[tuple[Paper, PaperUse]]:
    found = named_papers(view.papers, name)
    if not found:
        return
    uses = {u.paper_id: u for u in graph_of(view).papers}
    for paper in found:
        yield paper, uses[paper.id]
