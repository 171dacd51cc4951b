"""Preparation of a data set that facts suggest: proposals, and a prepared copy beside the untouched original."""

from __future__ import annotations

import gzip
import re
import shutil
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bioresearcher.audit.matrix import Examined
from bioresearcher.audit.matrix_filled import shortest
from bioresearcher.audit.tables import Matrix, Sheet
from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.facts import Fact, Proposal
from bioresearcher.sources.datasets.load import load_fetched
from bioresearcher.sources.datasets.spec import ColumnSpec, FileSpec
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits
from bioresearcher.sources.datasets.write import open_gzip, write_copy, write_table

SERIES_COLUMN = "name_series"
"""Name of the column that holds the series in the samples' names."""
NO_SERIES = "other"
"""Level of the samples whose name shows no series."""

_MATERIAL = re.compile(r"(?i)tissue|sample|source|material|specimen|histolog|title|descri|tumou?r")
"""Names of columns that describe what was measured."""
_LIMITS = TableLimits(text_bytes=8 << 30)


def proposals(
    dataset: Dataset, facts: Sequence[Fact], sheet: Sheet, matrix: Matrix | None, examined: Examined | None
) -> list[Proposal]:
    """Propose preparations of a data set that its facts suggest; ids are left empty for the caller to number.

    Samples of another kind are proposed to be left out where their names say so and all of them are listed; values
    filled in by sample to be missing; and series in the names to be a column of role `batch` where values go with them.
    Nothing follows from an outcome: counts of events in a fact's text play no part.
    """
    found = []
    leave = _leave_out(dataset, facts)
    if leave:
        found.append(leave)
    if matrix is not None and examined is not None:
        missing = _as_missing(dataset, facts, matrix, examined)
        series = _series_column(dataset, facts, sheet, matrix, examined)
        found += [p for p in (missing, series) if p]
    return found


def _leave_out(dataset: Dataset, facts: Sequence[Fact]) -> Proposal | None:
    chosen = [
        f
        for f in facts
        if f.dataset == dataset.id and f.kind == "sample kinds" and f.row_count == len(f.rows) and _is_certain(f)
    ]
    samples = tuple(dict.fromkeys(row for f in chosen for row in f.rows))
    if not samples or len(samples) > 0.5 * dataset.n_samples:
        return None
    several = len(samples) > 1
    return Proposal(
        id="",
        dataset=dataset.id,
        kind="leave out samples",
        what=f"Leave out {len(samples)} of {dataset.n_samples} samples that are of another kind: "
        + ", ".join(samples[:10])
        + (", …" if len(samples) > 10 else "")
        + ".",
        reason=f"{'They are' if several else 'It is'} not what the others are (metastases, recurrences, treated or "
        "other material); the rule uses names and descriptions of the material, not outcome.",
        facts=tuple(f.id for f in chosen),
        samples=samples,
    )


def _is_certain(fact: Fact) -> bool:
    """Tell that names, or columns that describe the material, say that samples are of another kind.

    A flag such as `metastasis` may be the patient's and says nothing certain of the sample; a carcinoma in situ is a
    tumour, and if it is eligible is for the protocol to say.
    """
    if "It is not stated" in fact.statement or any("in situ" in n.name for n in fact.numbers):
        return False
    columns = re.findall(r"'([^']+)' \(\d+\)", fact.statement.partition(" are, by ")[2])
    return all(_MATERIAL.search(column) for column in columns)


def _as_missing(dataset: Dataset, facts: Sequence[Fact], matrix: Matrix, examined: Examined) -> Proposal | None:
    filled = examined.filled
    behind = [
        f for f in facts if f.dataset == dataset.id and f.kind == "filled values" and f.shown_by.endswith("find_filled")
    ]
    behind = [f for f in behind if any(n.name == "values filled in" for n in f.numbers)]
    if not len(filled.found) or not behind:
        return None
    names = tuple(matrix.samples[j].strip() for j in filled.found)
    total, known = int(filled.inner_count.sum()), int(filled.known.sum())
    part = " of the rows read" if matrix.rows_total > len(matrix.features) else ""
    return Proposal(
        id="",
        dataset=dataset.id,
        kind="treat as missing",
        what=f"Treat as missing the value filled in in each of {len(names)} of {len(matrix.samples)} samples: "
        f"{total:,} of {known:,} values{part} ({total / known:.1%}).",
        reason="One value repeats in a sample far more often than measured ones can; scores and components would "
        "measure where it was filled in. Those few values that were truly measured as this number are lost with them.",
        facts=tuple(f.id for f in behind),
        samples=names,
        values=tuple(shortest(filled.inner[j]) for j in filled.found),
    )


def _series_column(
    dataset: Dataset, facts: Sequence[Fact], sheet: Sheet, matrix: Matrix, examined: Examined
) -> Proposal | None:
    group = next((g for g in examined.groups if g.source == "name"), None)
    if group is None or not sheet.with_role("group") + sheet.with_role("event"):
        return None  # the series may be the very groups that are compared
    behind = [
        f
        for f in facts
        if f.dataset == dataset.id and f.kind in ("batch", "filled values", "scale") and group.name in f.statement
        if f.shown_by.startswith("audit.matrix") and f.weight >= 2
    ]
    column = next((c for c in (SERIES_COLUMN, f"{SERIES_COLUMN}_2") if c not in sheet.columns), "")
    if not behind or not column:
        return None
    levels = tuple(level or NO_SERIES for level in group.of)
    counts = ", ".join(f"{level} {size}" for level, size in group.sizes.items())
    none = sum(not level for level in group.of)
    return Proposal(
        id="",
        dataset=dataset.id,
        kind="add column",
        what=f"Add the column {column!r} with the series that the sample names begin with: {counts}"
        + (f", {NO_SERIES} {none} (names without one)" if none else "")
        + ".",
        reason="Values go with the series and no column of the table holds it, so no model could account for it.",
        facts=tuple(f.id for f in behind),
        samples=tuple(name.strip() for name in matrix.samples),
        column=column,
        levels=levels,
    )


@dataclass(frozen=True)
class _Changes:
    """Changes by proposals: samples left out, the value that is missing per sample, columns with their levels."""

    left_out: frozenset[str]
    missing: Mapping[str, float]
    columns: Mapping[str, Mapping[str, str]]


def prepare(dataset: Dataset, chosen: Sequence[Proposal], folder: Path) -> Dataset:
    """Write the prepared copy of a data set, `<id>-prepared` in `folder`, and load it; the original stays as it is.

    The copy holds the matrix with the cells treated as missing left empty, the sample sheet without the samples left
    out and with the added columns (role `batch`), every other file as it is, and the description with a note of each
    proposal carried out. The same proposals give the same bytes; an earlier copy is replaced.

    Args:
        dataset: The data set as it was loaded.
        chosen: Proposals about it; others are passed over.
        folder: Folder of the prepared data sets.

    Raises:
        InputError: A file of the data set cannot be read, or no sample would be left.
        WorkspaceError: The copy cannot be written.
    """
    mine = [p for p in chosen if p.dataset == dataset.id]
    changes = _Changes(
        frozenset(s for p in mine if p.kind == "leave out samples" for s in p.samples),
        {s: v for p in mine if p.kind == "treat as missing" for s, v in zip(p.samples, p.values, strict=True)},
        {p.column: dict(zip(p.samples, p.levels, strict=True)) for p in mine if p.kind == "add column"},
    )
    target = folder / safe_name(f"{dataset.id}-prepared")
    write_copy(
        target,
        dataset,
        lambda place: _write_files(dataset, changes, place),
        id=f"{dataset.id}-prepared",
        accession=dataset.accession,
        title=f"{dataset.title} (prepared)",
        notes=(*(f"Prepared from {dataset.id} by {p.id}: {p.what} {p.reason}" for p in mine), *dataset.notes),
    )
    loaded = load_fetched(target, dataset)
    return loaded.model_copy(
        update={
            "id": f"{dataset.id}-prepared",
            "described_by": dataset.described_by,
            "prepared_from": dataset.id,
            "proposals": tuple(p.id for p in mine),
            "notes": tuple(dict.fromkeys(loaded.notes)),
        }
    )


def _write_files(dataset: Dataset, changes: _Changes, place: Path) -> Iterator[FileSpec]:
    taken: set[str] = set()
    sheet = dataset.file("samples")
    for file in dataset.files:
        source = Path(dataset.root) / file.path
        name = Path(file.path).name
        if file is dataset.file("expression") or file is sheet:
            stem = name.removesuffix(".gz")
            name = f"{Path(stem).stem}.tsv" + (".gz" if file is not sheet else "")
        name = next(n for n in (name, *(f"{i}-{name}" for i in range(2, 100))) if n not in taken)
        taken.add(name)
        if file is sheet:
            _write_sheet(source, file, changes, place / name)
        elif file is dataset.file("expression"):
            _write_matrix(source, file, changes, place / name)
        else:
            shutil.copyfile(source, place / name)
        yield _file_spec(file, name, changes if file is sheet else None)
    if sheet is None and changes.columns and dataset.file("expression") is not None:
        yield _new_sheet(changes, place)


def _file_spec(file: DataFile, path: str, changes: _Changes | None) -> FileSpec:
    columns = {c.name: _column_spec(c) for c in file.columns}
    if changes is not None:
        columns |= {name: _batch_column() for name in changes.columns}
    return FileSpec(
        name=file.name,
        kind=file.kind,
        path=path,
        sample_column=file.sample_column,
        feature_column=file.feature_column,
        scale=file.scale,
        columns=columns,
    )


def _batch_column() -> ColumnSpec:
    return ColumnSpec(role="batch", label="series that the sample name begins with; added by the audit")


def _column_spec(column: Column) -> ColumnSpec:
    return ColumnSpec(
        role=column.role,
        label=column.label,
        aliases=column.aliases,
        case=column.case,
        control=column.control,
        missing_values=column.stated_codes,
        unit=column.unit,
        codes=dict(column.codes),
        endpoint=column.endpoint,
        event_level=column.event_level,
        time_of=column.time_of,
    )


def _write_sheet(source: Path, file: DataFile, changes: _Changes, target: Path) -> None:
    with RowStream(source, _LIMITS) as stream, target.open("wb") as out:
        at = stream.header.index(file.sample_column) if file.sample_column in stream.header else 0
        rows = (
            [*row, *(levels.get(row[at].strip(), "") for levels in changes.columns.values())]
            for row in stream.rows()
            if row[at].strip() not in changes.left_out
        )
        _write(out, [*stream.header, *changes.columns], rows, source)


def _write_matrix(source: Path, file: DataFile, changes: _Changes, target: Path) -> None:
    with RowStream(source, _LIMITS) as stream, open_gzip(target) as out:
        header = stream.header
        at = header.index(file.feature_column) if file.feature_column in header else 0
        keep = [i for i, name in enumerate(header) if i == at or name.strip() not in changes.left_out]
        emptied = [
            (position, array("f", [changes.missing[header[i].strip()]])[0])
            for position, i in enumerate(keep)
            if i != at and header[i].strip() in changes.missing
        ]
        rows = (_emptied([row[i] for i in keep], emptied) for row in stream.rows())
        _write(out, [header[i] for i in keep], rows, source)


def _emptied(row: list[str], emptied: Sequence[tuple[int, float]]) -> list[str]:
    """Empty the cells that hold the value of their sample, compared as numbers of four bytes as the audit read them."""
    for i, value in emptied:
        try:
            if array("f", [float(row[i])])[0] == value:
                row[i] = ""
        except (ValueError, OverflowError):
            continue
    return row


def _write(out: IO[bytes] | gzip.GzipFile, header: Sequence[str], rows: Iterator[list[str]], source: Path) -> None:
    if not write_table(out, header, rows) or len(header) < 2:
        raise InputError(f"{source.name}: nothing would be left of it by the proposals that were chosen.")


def _new_sheet(changes: _Changes, place: Path) -> FileSpec:
    samples = [s for s in next(iter(changes.columns.values())) if s not in changes.left_out]
    with (place / "prepared_samples.tsv").open("wb") as out:
        rows = ([s, *(levels.get(s, "") for levels in changes.columns.values())] for s in samples)
        _write(out, ["sample", *changes.columns], rows, place / "prepared_samples.tsv")
    columns = {"sample": ColumnSpec(role="id"), **{name: _batch_column() for name in changes.columns}}
    return FileSpec(
        name="samples", kind="samples", path="prepared_samples.tsv", sample_column="sample", columns=columns
    )
