"""A GEO file as a data set's folder: genes × samples, a sample sheet, and how the one came from the other.

Values are written as GEO has them; nothing is transformed. Which scale they are on is inferred by GEO2R's rule and said
to be so (Barrett et al. 2013, Nucleic Acids Res. 41:D991).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.geo import GeoSeries
from bioresearcher.schemas.missing import is_missing
from bioresearcher.sources.dataset_files import MIN_GROUP
from bioresearcher.sources.dataset_infer import ColumnGuess, guess_roles
from bioresearcher.sources.dataset_spec import ColumnSpec, DatasetSpec, FileSpec
from bioresearcher.sources.dataset_write import packed, write_rows, write_spec
from bioresearcher.sources.geo_rows import Rows
from bioresearcher.sources.geo_sheet import SAMPLE, cell, sheet_of
from bioresearcher.sources.probe_genes import COLLAPSE, GeneMap, collapse
from bioresearcher.sources.sample_labels import Labelled, agreement, reference_level

MATRIX, SHEET, PROBES = "expression.tsv.gz", "samples.tsv", "probes.tsv.gz"
_SCALE_ROWS = 4000
Scale = Literal["log2", "linear", "counts"]


@dataclass
class Prepared:
    """What a matrix became.

    Attributes:
        samples: Value columns that were written, in order.
        rows: Rows written.
        notes: How, in sentences for the description.
        scale: Inferred scale; None without numbers.
    """

    samples: list[str]
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    scale: Scale | None = None


def write_geo_folder(
    folder: Path, series: GeoSeries, rows: Rows | None, genes: GeneMap | None, *, source: str, notes: Sequence[str] = ()
) -> None:
    """Write the folder of one series (on one platform). Without rows there is a sample sheet only, and it says so.

    Raises:
        InputError: There is neither a matrix nor a sample sheet to write.
    """
    files = []
    said = [*notes, *(n for n in series.notes if "table is empty" not in n)]
    listed = series.samples
    prepared = write_matrix(folder, rows, genes) if rows is not None and rows.samples else None
    if prepared is not None and prepared.rows:
        files.append(FileSpec(name="expression", kind="expression", path=MATRIX, feature_column="gene",
                              scale=prepared.scale))  # fmt: skip
        said += prepared.notes
        measured = {*prepared.samples}
        kept = tuple(s for s in listed if s.accession in measured)
        listed = kept or listed
    else:
        said.append("There is no expression table: GEO's is empty, and no supplementary table was used.")
    if listed:
        sheet, more = _write_sheet(folder, series.model_copy(update={"samples": listed}))
        files.append(sheet)
        said += more
    if not files:
        raise InputError(f"{series.accession}: neither values nor samples were found.")
    write_spec(folder, description(series, files, source=source, notes=said))


def description(series: GeoSeries, files: Sequence[FileSpec], *, source: str, notes: Sequence[str]) -> DatasetSpec:
    """The `dataset.toml` of a series."""
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


def write_matrix(folder: Path, rows: Rows, genes: GeneMap | None) -> Prepared:
    """Write the matrix, one row per gene where genes are known, else one per feature."""
    prepared = Prepared(samples=list(rows.samples))
    kept: dict[str, str] | None = None
    if rows.genes:
        genes = GeneMap("column 'IDENTIFIER' of the file itself", rows.genes)
    if genes is not None and genes.genes:
        done = collapse(rows, genes.genes)
        if done.kept:
            kept = done.kept
            prepared.notes.append(
                f"Probes were taken to genes by {genes.source}: {done.rows:,} probes, {len(kept):,} genes; "
                f"{done.unmapped:,} probes that name no gene or several were left out; {COLLAPSE}."
            )
    if kept is None:
        why = f"{genes.source} fits none of its rows" if genes else "no table from features to genes was at hand"
        prepared.notes.append(f"The rows are the source's own features, not taken to genes: {why}.")
    with packed(folder / MATRIX) as file:
        prepared.rows = write_rows(file, ["gene", *rows.samples], _written(rows, kept))
    if kept is not None:
        with packed(folder / PROBES) as file:
            write_rows(file, ["gene", "probe"], ([gene, probe] for probe, gene in sorted(kept.items())))
    prepared.scale, why = infer_scale(rows)
    if prepared.scale is not None:
        prepared.notes.append(f"The scale was inferred from the values, not stated: {prepared.scale} ({why}).")
    return prepared


def _written(rows: Rows, kept: dict[str, str] | None) -> Iterator[list[str]]:
    for feature, values in rows:
        name = feature if kept is None else kept.get(feature)
        if name:
            yield [cell(name), *(v if as_number(v) is not None else cell("" if is_missing(v) else v) for v in values)]


def infer_scale(rows: Rows) -> tuple[Scale | None, str]:
    """(scale, why) by GEO2R's rule over the first 4,000 rows; whole numbers that are linear are counts."""
    values: list[float] = []
    for _, cells in islice(iter(rows), _SCALE_ROWS):
        values += [n for c in cells[:50] if (n := as_number(c)) is not None]
    if not values:
        return None, "no numbers"
    values.sort()
    low, quarter, high, top = (values[int(q * (len(values) - 1))] for q in (0, 0.25, 0.99, 1))
    if high > 100 or (top - low > 50 and quarter > 0):
        counts = low >= 0 and all(v.is_integer() for v in values)
        why = f"99th percentile {high:g}, range {low:g} to {top:g}"
        return ("counts", f"{why}, whole numbers only") if counts else ("linear", why)
    return "log2", f"99th percentile {high:g}, range {low:g} to {top:g}: too small for linear values"


def _write_sheet(folder: Path, series: GeoSeries) -> tuple[FileSpec, list[str]]:
    header, rows, notes = sheet_of(series.samples)
    with (folder / SHEET).open("wb") as file:
        write_rows(file, header, rows)
    columns = {}
    for column, guess in sheet_roles(header, rows):
        if guess.role == "other" or column.name == SAMPLE:
            continue
        columns[column.name] = ColumnSpec(role=guess.role, case=guess.case, control=guess.control, unit=guess.unit)
        what = f", case {guess.case!r} and control {guess.control!r}" if guess.case else ""
        notes.append(f"Column {column.name!r} of the sample sheet was taken as {guess.role} ({guess.why}){what}.")
    notes += [f"{a.sentence[:1].upper()}{a.sentence[1:]}." for a in agreement(labelled(series))]
    spec = FileSpec(name="samples", kind="samples", path=SHEET, sample_column=SAMPLE, columns=columns)
    return spec, notes


def sheet_roles(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[ColumnScan, ColumnGuess]]:
    """The columns of a sample sheet with the roles they seem to have; groups have two levels with enough samples."""
    scans = [ColumnScan(name) for name in header]
    for line, row in enumerate(rows, start=2):
        for scan, value in zip(scans, row, strict=True):
            scan.add(value, line)
    for scan in scans:
        scan.finish()
    guesses = guess_roles([s for s in scans if s.name != "title"], SAMPLE, "GEO's sample accession")
    found = []
    for scan in scans:
        guess = guesses.get(scan.name, ColumnGuess())
        if guess.role == "group":
            guess = _comparable(scan.groups, guess) or ColumnGuess()
        found.append((scan, guess))
    return found


def labelled(series: GeoSeries) -> list[Labelled]:
    """The samples as `sample_labels` compares them."""
    return [Labelled(s.accession, s.title, s.source, s.characteristics) for s in series.samples]


def _comparable(levels: dict[str, int], guess: ColumnGuess) -> ColumnGuess | None:
    """The guess when at least two levels are large enough; of two levels the reference becomes the control."""
    if sum(n >= MIN_GROUP for n in levels.values()) < 2:
        return None
    if guess.case is None and len(levels) == 2 and (control := reference_level(levels)) is not None:
        return replace(guess, case=next(v for v in levels if v != control), control=control)
    return guess
