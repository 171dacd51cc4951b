"""The context of the checks, read from a run folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bioresearcher.review.check import CheckContext
from bioresearcher.review.checks_numbers import shown_texts
from bioresearcher.review.checks_references import ACCESSION, paper_identifiers
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.facts import Audit, Fact, LookRecord, PassageRead
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.run import RunRecord

SCANNED_BYTES: Final = 20_000_000
"""Bytes of a data file that are searched for identifiers."""
_CELL: Final = re.compile(r"[\t,;\n\r\"]")


def identifiers_in(datasets: Iterable[Dataset]) -> frozenset[str]:
    """Return the identifiers that stand in the sample sheets and in the heads of matrices of data sets."""
    found: set[str] = set()
    for dataset in datasets:
        for file in dataset.files:
            path = Path(dataset.root) / file.path
            try:
                with path.open(encoding="utf-8", errors="ignore") as lines:
                    text = lines.readline() if file.kind == "expression" else lines.read(SCANNED_BYTES)
            except OSError:
                continue  # a file that is gone or packed adds nothing
            found |= {m.group() for cell in _CELL.split(text) for m in ACCESSION.finditer(cell[:200])}
    return frozenset(found)


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
        identifiers=identifiers_in(datasets),
        checks=folder.read_list(DatasetCheck, "checks.json") if folder.has("checks.json") else None,
        shown=_shown_in(folder, datasets, reports, objective) if folder.has("facts.json") else None,
    )


def _shown_in(
    folder: RunFolder, datasets: Iterable[Dataset], reports: Iterable[PaperReport], objective: Objective
) -> tuple[str, ...]:
    """Return the texts that the author and the reviewer of a run's protocol could see."""
    return shown_texts(
        folder.read(Audit, "facts.json"),
        folder.read_list(Fact, "looked.json"),
        folder.read_list(LookRecord, "looks.json"),
        datasets,
        folder.read_list(PassageRead, "passages.json"),
        reports,
        objective,
    )
