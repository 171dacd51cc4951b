"""Writing of a GEO series as a data set's folder: genes × samples, a sample sheet, and a description with notes.

Values are written as GEO has them; nothing is transformed. Where rows are taken to genes, the source's own rows stay
beside them in a matrix of their own, with a table that says which gene each was taken to, and so do the calls or
p-values that tables of single samples hold. Their scale is inferred (`schemas.scale`), as a note
states. The sample sheet has a row per sample, a column per characteristic.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.dataset import FileKind, GeoSample, GeoSeries
from bioresearcher.schemas.missing import is_missing
from bioresearcher.schemas.scale import judge_scale
from bioresearcher.sources.datasets.files import MIN_GROUP
from bioresearcher.sources.datasets.roles import ColumnGuess, guess_roles
from bioresearcher.sources.datasets.spec import ColumnSpec, DatasetSpec, FileSpec
from bioresearcher.sources.datasets.write import open_gzip, write_rows, write_spec
from bioresearcher.sources.geo.channels import ARRAY, DYE, of_channels
from bioresearcher.sources.geo.matrix import COLLAPSE, GeneMap, Rows, SampleRows, collapse
from bioresearcher.sources.geo.sample_labels import agreement, reference_level
from bioresearcher.text.visible import clip, one_line

Scale = Literal["log2", "linear", "counts"]
MATRIX, SHEET = "expression.tsv.gz", "samples.tsv"
FEATURES, GENES = "features.tsv.gz", "feature_genes.tsv.gz"
FIELD = "gsm_"
"""Beginning of the names of columns with attributes of a sample's record; they are taken as no group or covariate."""
MAX_FIELDS = 20
"""Most such columns."""
SAMPLE = "sample"
MAX_KEYS = 60
"""Most characteristics that become columns, by frequency."""

_SCALE_ROWS = 4000
_SAME_CHARS, _MOST_SAME = 50, 8
_REPLICATE = re.compile(
    r"[\s_,;:.()\[\]-]*(?:(?:biol(?:ogical)?|tech(?:nical)?)?[\s_.-]*"
    r"(?:rep(?:licate|l)?|sample|patient|donor|subject|mouse|animal|tumou?r|case|n|no|nr|#)[\s_.#:-]*)?\d+[a-z]?"
    r"[\s)\]]*$",
    re.I,
)


def sheet_of(samples: Sequence[GeoSample]) -> tuple[list[str], list[list[str]], list[str]]:
    """Build a sample sheet (header, rows, notes); unknown cells are `NA`, tabs and line breaks become spaces.

    A characteristic that a sample has twice is joined with `; `; one without a key is called `characteristic`.
    Where titles without their replicate number form 2 to 6 groups of at least 2, they become `title_group`.
    """
    records = [_record(s) for s in samples]
    counts = Counter(key for record in records for key in record)
    keys = [k for k, _ in counts.most_common(MAX_KEYS)]
    order = {k: n for n, k in enumerate(dict.fromkeys(k for record in records for k in record))}
    keys.sort(key=lambda k: order[k])
    names = _names(keys)
    header = [SAMPLE, "title", "source_name"]
    fixed: list[list[str]] = [[s.accession, s.title, s.source] for s in samples]
    for name, values in (("organism", [s.organism for s in samples]), ("platform", [s.platform for s in samples])):
        if len({v for v in values if v}) > 1:
            header.append(name)
            fixed = [[*row, value] for row, value in zip(fixed, values, strict=True)]
    notes = []
    groups = title_groups([s.title for s in samples])
    if groups:
        header.append("title_group")
        fixed = [[*row, value] for row, value in zip(fixed, groups, strict=True)]
        notes.append("title_group holds the samples' titles without their replicate numbers: inferred, not stated.")
    fields, same = _differing([dict(s.fields) for s in samples])
    if same:
        notes.append(f"The same in all records and not in the sheet: {'; '.join(same)}.")
    if len(counts) > len(keys):
        notes.append(f"{len(counts)} characteristics were found; the {len(keys)} most frequent ones are in the sheet.")
    rows = [
        [cell(v) for v in row] + [cell(record.get(k, "")) for k in keys] + [cell(v) for v in more]
        for row, record, *more in zip(fixed, records, *fields.values(), strict=True)
    ]
    return [*header, *names, *(f"{FIELD}{k}" for k in fields)], rows, notes


def _differing(records: Sequence[dict[str, str]]) -> tuple[dict[str, list[str]], list[str]]:
    """Divide attributes into those that differ between samples, with their texts, and the others, in words."""
    fields: dict[str, list[str]] = {}
    same: list[str] = []
    for key in sorted({k for record in records for k in record}):
        texts = [record.get(key, "") for record in records]
        if len(set(texts)) > 1:
            fields[re.sub(r"[^a-z0-9]+", "_", key).strip("_")[:36] or "field"] = texts
        elif len(same) < _MOST_SAME:
            same.append(f"{key} {clip(texts[0], _SAME_CHARS)!r}")
    return dict(list(fields.items())[:MAX_FIELDS]), same if len(records) > 1 else []


def _record(sample: GeoSample) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for key, value in sample.characteristics:
        found.setdefault(" ".join(key.split()).lower() or "characteristic", []).append(value)
    return {key: "; ".join(dict.fromkeys(values)) for key, values in found.items()}


def _names(keys: Sequence[str]) -> list[str]:
    """Make unique column names of keys, with `_` for other characters than letters and digits."""
    taken = {SAMPLE, "title", "source_name", "organism", "platform", "title_group"}
    names = []
    for key in keys:
        base = re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_")[:40] or "characteristic"
        name = next(n for n in (base, *(f"{base}_{i}" for i in range(2, 1000))) if n not in taken)
        taken.add(name)
        names.append(name)
    return names


def title_groups(titles: Sequence[str]) -> list[str]:
    """Strip replicate numbers off the titles; empty unless that makes 2 to 6 groups of at least 2."""
    stems = [re.sub(r"[\s_,;:-]+$", "", _REPLICATE.sub("", t)).strip() for t in titles]
    counts = Counter(stems)
    if not 2 <= len(counts) <= 6 or min(counts.values(), default=0) < 2 or "" in counts:
        return []
    return stems


def cell(value: str) -> str:
    """Format a cell of a TSV file; an unknown value is `NA`."""
    return one_line(value).replace('"', "'").strip() or "NA"


@dataclass
class WrittenMatrix:
    """Result of writing a matrix.

    Attributes:
        samples: Value columns that were written, in order.
        rows: Rows written.
        notes: Sentences for the description on how it was made.
        scale: Inferred scale; None without numbers.
        kept: Feature -> gene of the rows that were written; None where they are the source's own.
    """

    samples: list[str]
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    scale: Scale | None = None
    kept: dict[str, str] | None = None


def write_geo_folder(
    folder: Path, series: GeoSeries, rows: Rows | None, genes: GeneMap | None, *, source: str, notes: Sequence[str] = ()
) -> None:
    """Write the folder of one series (on one platform); without rows it holds the sample sheet and a note.

    Beside a matrix of genes stand the source's own rows and the table that took them to genes; beside values of
    single samples what else their tables hold of each value.

    Raises:
        InputError: There is neither a matrix nor a sample sheet to write.
    """
    files = []
    all_notes = [*notes, *(n for n in series.notes if "table is empty" not in n)]
    paired = False
    if rows is not None and rows.samples and any(True for _ in rows):
        arrays = of_channels(series, rows)
        series, rows, paired = arrays.series, arrays.rows, arrays.paired
        all_notes += arrays.notes
    listed = series.samples
    prepared = write_matrix(folder, rows, genes) if rows is not None and rows.samples else None
    if prepared is not None and prepared.rows:
        kind: FileKind = "expression"
        files.append(FileSpec(name=kind, kind=kind, path=MATRIX, feature_column="gene", scale=prepared.scale))
        all_notes += prepared.notes
        if rows is not None and prepared.kept is not None:
            files += _write_features(folder, rows, genes, prepared)
            all_notes.append(
                f"{FEATURES} holds all rows of the source as they are, controls included; {GENES} says which gene each "
                f"was taken to and if it is the one that stands for it in {MATRIX}."
                + (
                    f" It holds the platform's {', '.join(map(repr, genes.about))} as well."
                    if genes and genes.about
                    else ""
                )
            )
        if isinstance(rows, SampleRows):
            for column, measured in rows.measures.items():
                files.append(_write_measure(folder, column, measured, files))
                meaning = f": {rows.means[column]}" if rows.means.get(column) else ""
                all_notes.append(f"{files[-1].path} holds column {column!r} of the samples' tables{meaning}.")
        known = {*prepared.samples}
        kept = tuple(s for s in listed if s.accession in known)
        listed = kept or listed
    else:
        all_notes.append("There is no expression table: GEO's is empty, and no supplementary table was used.")
    if listed:
        sheet, more = _write_sheet(folder, series.model_copy(update={"samples": listed}), paired=paired)
        files.append(sheet)
        all_notes += more
    if not files:
        raise InputError(f"{series.accession}: neither values nor samples were found.")
    write_spec(folder, description(series, files, source=source, notes=all_notes))


def description(series: GeoSeries, files: Sequence[FileSpec], *, source: str, notes: Sequence[str]) -> DatasetSpec:
    """Build the `dataset.toml` of a series."""
    accession = series.accession if series.accession.startswith(("GSE", "GDS", "GSM")) else None
    return DatasetSpec(
        accession=accession,
        title=cell(series.title or series.accession),
        organism="; ".join(series.organisms) or None,
        assay="; ".join(series.assays) or None,
        platform="; ".join(series.platforms) or None,
        source=source,
        licence="GEO places no restrictions on use; submitters may (see the series' page)" if accession else None,
        citation=", ".join(f"PMID {p}" for p in series.pubmed_ids) or None,
        notes=tuple(dict.fromkeys(cell(n) for n in notes if n.strip())),
        files=tuple(files),
    )


def write_matrix(folder: Path, rows: Rows, genes: GeneMap | None) -> WrittenMatrix:
    """Write the matrix, one row per gene where genes are known, else one per feature."""
    prepared = WrittenMatrix(samples=list(rows.samples))
    kept: dict[str, str] | None = None
    if rows.genes:
        genes = _own_genes(rows)
    if genes is not None and genes.genes:
        done = collapse(rows, genes.genes)
        if done.kept:
            kept = prepared.kept = done.kept
            prepared.notes.append(
                f"Probes were taken to genes by {genes.source}: {done.rows:,} probes, {len(kept):,} genes; "
                f"{done.unmapped:,} probes that name no gene or several were left out; {COLLAPSE}."
            )
    if kept is None:
        why = f"{genes.source} fits none of its rows" if genes else "no table from features to genes was at hand"
        prepared.notes.append(f"The rows are the source's own features, not taken to genes: {why}.")
    with open_gzip(folder / MATRIX) as file:
        prepared.rows = write_rows(file, ["gene", *rows.samples], _written(rows, kept))
    prepared.scale, why = infer_scale(rows)
    if prepared.scale is not None:
        prepared.notes.append(f"The scale was inferred from the values, not stated: {prepared.scale} ({why}).")
    return prepared


def _own_genes(rows: Rows) -> GeneMap:
    return GeneMap("column 'IDENTIFIER' of the file itself", rows.genes)


def _write_features(
    folder: Path, rows: Rows, genes: GeneMap | None, prepared: WrittenMatrix
) -> tuple[FileSpec, FileSpec]:
    """Write the source's own rows, and the gene that each was taken to."""
    known = _own_genes(rows).genes if rows.genes else genes.genes if genes is not None else {}
    kept = prepared.kept or {}
    with open_gzip(folder / FEATURES) as file:
        write_rows(file, ["feature", *rows.samples], ([cell(f), *map(_value, values)] for f, values in rows))
    about = genes.about if genes is not None and not rows.genes else ()
    names = [f"platform_{re.sub(r'[^a-z0-9]+', '_', n.lower()).strip('_')}" for n in about]
    texts = genes.texts if genes is not None else {}
    blank = ("",) * len(about)
    with open_gzip(folder / GENES) as file:
        cells = (
            [
                cell(f),
                cell(known.get(f, "")),
                "yes" if f in kept else "no",
                *map(cell, texts.get(f, blank) if about else ()),
            ]
            for f, _ in rows
        )
        write_rows(file, ["feature", "gene", "kept", *names], cells)
    return (
        FileSpec(name="features", kind="expression", path=FEATURES, feature_column="feature", scale=prepared.scale),
        FileSpec(name="feature_genes", kind="table", path=GENES),
    )


def _write_measure(folder: Path, column: str, rows: Rows, before: Sequence[FileSpec]) -> FileSpec:
    """Write what the tables of single samples hold beside each value, such as calls."""
    stem = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")[:30] or "column"
    stem = stem if stem[0].isalpha() else f"column_{stem}"
    taken = {f.name for f in before} | {"samples"}
    name = next(n for n in (stem, *(f"{stem}_{i}" for i in range(2, 1000))) if n not in taken)
    with open_gzip(folder / f"{name}.tsv.gz") as file:
        write_rows(file, ["feature", *rows.samples], ([cell(f), *map(cell, values)] for f, values in rows))
    return FileSpec(name=name, kind="table", path=f"{name}.tsv.gz", feature_column="feature")


def _value(text: str) -> str:
    return text if as_number(text) is not None else cell("" if is_missing(text) else text)


def _written(rows: Rows, kept: dict[str, str] | None) -> Iterator[list[str]]:
    for feature, values in rows:
        name = feature if kept is None else kept.get(feature)
        if name:
            yield [cell(name), *map(_value, values)]


def infer_scale(rows: Rows) -> tuple[Scale | None, str]:
    """Infer the scale, with the reason, by the one rule of `schemas.scale` on 4,000 rows."""
    values: list[float] = []
    for _, cells in islice(iter(rows), _SCALE_ROWS):
        values += [n for c in cells[:50] if (n := as_number(c)) is not None]
    if not values:
        return None, "no numbers"
    found = judge_scale(values)
    kinds: dict[str, Scale] = {"counts": "counts", "linear": "linear", "log2": "log2"}
    return kinds.get(found.kind), found.why


def _write_sheet(folder: Path, series: GeoSeries, *, paired: bool) -> tuple[FileSpec, list[str]]:
    header, rows, notes = sheet_of(series.samples)
    with (folder / SHEET).open("wb") as file:
        write_rows(file, header, rows)
    columns = {}
    for column, guess in sheet_roles(header, rows):
        if paired and column.name in (ARRAY, DYE):
            continue
        if guess.role == "other" or column.name == SAMPLE or column.name.startswith(FIELD):
            continue
        columns[column.name] = guess.spec()
        what = f", case {guess.case!r} and control {guess.control!r}" if guess.case else ""
        notes.append(f"Column {column.name!r} of the sample sheet was taken as {guess.role} ({guess.why}){what}.")
    if paired:
        columns |= {ARRAY: ColumnSpec(role="pair"), DYE: ColumnSpec(role="batch")}
    notes += [f"{a.sentence[:1].upper()}{a.sentence[1:]}." for a in agreement(series.samples)]
    spec = FileSpec(name="samples", kind="samples", path=SHEET, sample_column=SAMPLE, columns=columns)
    spec = spec.model_copy(update={"row_is": "channel"}) if paired else spec
    return spec, notes


def sheet_roles(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[ColumnScan, ColumnGuess]]:
    """Guess the roles of the columns of a sample sheet; groups have two levels with enough samples."""
    scans = [ColumnScan(name) for name in header]
    for line, row in enumerate(rows, start=2):
        for scan, value in zip(scans, row, strict=True):
            scan.add(value, line)
    for scan in scans:
        scan.finish()
    judged = [s for s in scans if s.name != "title" and not s.name.startswith(FIELD)]
    guesses = guess_roles(judged, SAMPLE, "GEO's sample accession")
    found = []
    for scan in scans:
        guess = guesses.get(scan.name, ColumnGuess())
        if guess.role == "group":
            guess = _comparable(scan.groups, guess) or ColumnGuess()
        found.append((scan, guess))
    return found


def _comparable(levels: dict[str, int], guess: ColumnGuess) -> ColumnGuess | None:
    """Keep the guess if two levels are large enough; of two levels the reference becomes the control."""
    if sum(n >= MIN_GROUP for n in levels.values()) < 2:
        return None
    if guess.case is None and len(levels) == 2 and (control := reference_level(levels)) is not None:
        return replace(guess, case=next(v for v in levels if v != control), control=control)
    return guess
