"""What is known of a GEO series before any of its values are fetched: from summary, sample descriptions, file lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bioresearcher.schemas.dataset import Column, Dataset, Remote, RemoteFile
from bioresearcher.schemas.geo import GeoSeries, GeoSummary
from bioresearcher.sources.dataset_files import counts
from bioresearcher.sources.geo_prepare import labelled, sheet_roles
from bioresearcher.sources.geo_sheet import SAMPLE, sheet_of
from bioresearcher.sources.sample_labels import agreement

GEO = "GEO"
_SINGLE_CELL = re.compile(
    r"\bsingle[- ](cell|nucle)|\bsc(RNA|ATAC)|\bsn(RNA)|\b10x genomics|drop-?seq|smart-?seq", re.I
)


def dataset_of(summary: GeoSummary, page_url: str, found_by: Sequence[str]) -> Dataset:
    """A data set as its summary describes it; nothing of it is here yet."""
    return Dataset(
        id=summary.accession,
        accession=summary.accession,
        title=summary.title,
        organism=summary.organism or None,
        assay="; ".join(summary.assays) or None,
        platform="; ".join(summary.platforms) or None,
        source=GEO,
        citation=", ".join(f"PMID {p}" for p in summary.pubmed_ids) or None,
        root="",
        files=(),
        n_samples=summary.n_samples,
        remote=Remote(
            url=page_url,
            summary=summary.summary,
            found_by=tuple(found_by),
            published=summary.published,
            relations=summary.relations,
            single_cell=_SINGLE_CELL.search(f"{summary.title} {summary.summary}") is not None,
        ),
        described_by="source",
    )


def inspected(dataset: Dataset, series: GeoSeries | None, files: Sequence[RemoteFile], notes: Sequence[str]) -> Dataset:
    """The data set with what its samples and file lists say; `series` is None when they could not be had."""
    remote = dataset.remote or Remote(url="")
    update: dict[str, object] = {"files": tuple(files), "inspected": series is not None}
    known: dict[str, object] = {"notes": tuple(dict.fromkeys((*dataset.notes, *notes)))}
    if series is not None:
        update |= _of_samples(series)
        update["relations"] = tuple(dict.fromkeys((*remote.relations, *series.relations)))
        update["design"] = series.design
        update["summary"] = remote.summary or series.summary
        text = f"{series.title} {series.summary} {series.design}"
        update["single_cell"] = remote.single_cell or _SINGLE_CELL.search(text) is not None
        known |= {
            "n_samples": len(series.samples) or dataset.n_samples,
            "organism": "; ".join(series.organisms) or dataset.organism,
            "platform": "; ".join(series.platforms) or dataset.platform,
            "assay": "; ".join(series.assays) or dataset.assay,
        }
    return dataset.model_copy(update={**known, "remote": remote.model_copy(update=update)})


def _of_samples(series: GeoSeries) -> dict[str, object]:
    header, rows, _ = sheet_of(series.samples)
    columns: list[Column] = []
    groups: list[str] = []
    largest = 0
    for scan, guess in sheet_roles(header, rows):
        if scan.name in (SAMPLE, "title"):
            continue
        columns.append(
            Column(
                name=scan.name,
                dtype=scan.dtype,
                role=guess.role,
                levels=tuple(sorted(scan.levels or {})),
                case=guess.case,
                control=guess.control,
                missing=scan.missing,
            )
        )
        if guess.role == "group":
            groups.append(f"group {scan.name!r}: {counts(scan)}")
            largest = max(largest, sorted(scan.groups.values(), reverse=True)[1])
    said = agreement(labelled(series))
    stated = [s.rows for s in series.samples if s.rows is not None]
    return {
        "columns": tuple(columns),
        "groups": tuple(groups),
        "largest_groups": largest,
        "labels": tuple(a.sentence for a in said),
        "contradicted": max((a.count for a in said), default=0),
        "matrix_empty": not any(stated) if stated else None,
    }
