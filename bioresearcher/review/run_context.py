"""The context of the checks, read from a run folder."""

from __future__ import annotations

from pathlib import Path

from bioresearcher.review.check import CheckContext
from bioresearcher.review.checks_references import paper_identifiers
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.run import RunRecord


def context_of_run(root: Path) -> CheckContext:
    """Read the context of the checks from a run folder; what is not there stays unknown.

    Raises:
        RunFolderError: A file of the folder does not fit its schema.
    """
    folder = RunFolder(root)
    if not folder.has("run.json"):
        return CheckContext()
    objective = folder.read(RunRecord, "run.json").objective
    papers = folder.read_all(Paper, "papers")
    reports = folder.read_all(PaperReport, "reports")
    datasets = folder.read_all(Dataset, "datasets")
    return CheckContext(
        objective=objective,
        paper_ids=paper_identifiers(papers) if folder.path("papers").is_dir() else None,
        reports={r.paper_id: r for r in reports} if folder.path("reports").is_dir() else None,
        datasets={d.id: d for d in datasets} if folder.path("datasets").is_dir() else None,
        checks=folder.read_list(DatasetCheck, "checks.json") if folder.has("checks.json") else None,
    )
