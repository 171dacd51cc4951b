"""Writing of a GEO series as a data set's folder: genes × samples, a sample sheet, and a description with notes.

Values are written as GEO has them; nothing is transformed. Their scale is inferred (`schemas.scale`), as a note states.
The sample sheet has a row per sample, a column per characteristic.
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
from bioresearcher.sources.datasets.spec import DatasetSpec, FileSpec
from bioresearcher.sources.datasets.write import open_gzip, write_rows, write_spec
from bioresearcher.sources.geo.matrix import COLLAPSE, GeneMap, Rows, collapse
from bioresearcher.sources.geo.sample_labels import agreement, reference_level
from bioresearcher.text.visible import one_line

Scale = Literal["log2", "linear", "counts"]
MATRIX, SHEET, PROBES = "expression.tsv.gz", "samples.tsv", "probes.tsv.gz"
SAMPLE = "sample"
MAX_KEYS = 60
"""Most characteristics that become columns, by frequency."""

_SCALE_ROWS = 4000
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
    if len(counts) > len(keys):
        notes.append(f"{len(counts)} characteristics were found; the {len(keys)} most frequent ones are in the sheet.")
    rows = [
        [cell(v) for v in row] + [cell(record.get(k, "")) for k in keys]
        for row, record in zip(fixed, records, strict=True)
    ]
    return header + names, rows, notes


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


_SWAP = re.compile(
    r"dye[\s-]?(swap|flip|revers)|(swapp?ed|revers\w+|exchang\w+) (of )?(the )?dyes"
    r"|dyes (are|were) (swapp?ed|reversed)",
    re.I,
)


@dataclass
class WrittenMatrix:
    """Result of writing a matrix.

    Attributes:
        samples: Value columns that were written, in order.
        rows: Rows written.
        notes: Sentences for the description on how it was made.
        scale: Inferred scale; None without numbers.
    """

    samples: list[str]
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    scale: Scale | None = None


def write_geo_folder(
    folder: Path, series: GeoSeries, rows: Rows | None, genes: GeneMap | None, *, source: str, notes: Sequence[str] = ()
) -> None:
    """Write the folder of one series (on one platform); without rows it holds the sample sheet and a note.

    Raises:
        InputError: There is neither a matrix nor a sample sheet to write.
    """
    files = []
    all_notes = [*notes, *(n for n in series.notes if "table is empty" not in n)]
    if rows is not None and rows.samples and any(True for _ in rows):
        series, more = one_channel(series)
        all_notes += more
    listed = series.samples
    prepared = write_matrix(folder, rows, genes) if rows is not None and rows.samples else None
    if prepared is not None and prepared.rows:
        kind: FileKind = "expression"
        files.append(FileSpec(name=kind, kind=kind, path=MATRIX, feature_column="gene", scale=prepared.scale))
        all_notes += prepared.notes
        measured = {*prepared.samples}
        kept = tuple(s for s in listed if s.accession in measured)
        listed = kept or listed
    else:
        all_notes.append("There is no expression table: GEO's is empty, and no supplementary table was used.")
    if listed:
        sheet, more = _write_sheet(folder, series.model_copy(update={"samples": listed}))
        files.append(sheet)
        all_notes += more
    if not files:
        raise InputError(f"{series.accession}: neither values nor samples were found.")
    write_spec(folder, description(series, files, source=source, notes=all_notes))


def one_channel(series: GeoSeries) -> tuple[GeoSeries, list[str]]:
    """Let the samples of arrays with two channels be described by the channel that differs, and say so.

    A value of such an array is a ratio of its channels. With a common reference in one channel the other one is the
    sample.

    Raises:
        InputError: The dyes are swapped: the direction of the ratio changes from array to array.
    """
    samples = [s for s in series.samples if s.channels == 2 and (s.source2 or s.characteristics2)]
    if not samples:
        return series, []
    first = [dict((("source", s.source), *s.characteristics)) for s in samples]
    second = [dict((("source", s.source2), *s.characteristics2)) for s in samples]
    keys = [k for k in first[0] if all(k in f for f in first) and all(k in s for s in second)]
    swapped = next((k for k in keys if _swaps([f[k] for f in first], [s[k] for s in second])), None)
    stated = next((t for t in (series.design, series.title, *(s.title for s in samples)) if _SWAP.search(t)), "")
    if swapped is not None or stated:
        why = (
            f"{swapped!r} is {first[0][swapped]!r} in channel 1 of some arrays and in channel 2 of others"
            if swapped is not None
            else f"its description says {stated[:80]!r}"
        )
        raise InputError(
            f"{series.accession}: arrays of two channels with swapped dyes ({why}): each value is a ratio, and its "
            "direction changes from array to array.",
            hint="Turn the ratios of the swapped arrays over, and give the matrix with a sample sheet of your own.",
        )
    varies = [any(len({d.get(k) for d in channel}) > 1 for k in channel[0]) for channel in (first, second)]
    if varies == [False, True]:
        turned = {
            s.accession: s.model_copy(update={"source": s.source2, "characteristics": s.characteristics2})
            for s in samples
        }
        kept = tuple(turned.get(s.accession, s) for s in series.samples)
        note = f"channel 1 holds a common reference ({samples[0].source}), the samples are described by channel 2"
        series = series.model_copy(update={"samples": kept})
    elif varies == [True, False]:
        note = f"channel 2 holds a common reference ({samples[0].source2}), the samples are described by channel 1"
    else:
        note = f"the samples are described by channel 1; channel 2 holds {samples[0].source2 or 'another sample'}"
    return series, [
        f"Arrays of two channels: every value is a ratio of them; {note}. The direction of every difference "
        "depends on the ratio being channel 2 to 1 or 1 to 2: see the source's description of its processing."
    ]


def _swaps(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell that a level stands in channel 1 of some arrays and in channel 2 of others, beside another level."""
    return any(
        level in {b for a, b in zip(first, second, strict=True) if a != b}
        for level in {a for a, b in zip(first, second, strict=True) if a != b}
    )


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
    with open_gzip(folder / MATRIX) as file:
        prepared.rows = write_rows(file, ["gene", *rows.samples], _written(rows, kept))
    if kept is not None:
        with open_gzip(folder / PROBES) as file:
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
    """Infer the scale, with the reason, by the one rule of `schemas.scale` on 4,000 rows."""
    values: list[float] = []
    for _, cells in islice(iter(rows), _SCALE_ROWS):
        values += [n for c in cells[:50] if (n := as_number(c)) is not None]
    if not values:
        return None, "no numbers"
    found = judge_scale(values)
    kinds: dict[str, Scale] = {"counts": "counts", "linear": "linear", "log2": "log2"}
    return kinds.get(found.kind), found.why


def _write_sheet(folder: Path, series: GeoSeries) -> tuple[FileSpec, list[str]]:
    header, rows, notes = sheet_of(series.samples)
    with (folder / SHEET).open("wb") as file:
        write_rows(file, header, rows)
    columns = {}
    for column, guess in sheet_roles(header, rows):
        if guess.role == "other" or column.name == SAMPLE:
            continue
        columns[column.name] = guess.spec()
        what = f", case {guess.case!r} and control {guess.control!r}" if guess.case else ""
        notes.append(f"Column {column.name!r} of the sample sheet was taken as {guess.role} ({guess.why}){what}.")
    notes += [f"{a.sentence[:1].upper()}{a.sentence[1:]}." for a in agreement(series.samples)]
    spec = FileSpec(name="samples", kind="samples", path=SHEET, sample_column=SAMPLE, columns=columns)
    return spec, notes


def sheet_roles(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[ColumnScan, ColumnGuess]]:
    """Guess the roles of the columns of a sample sheet; groups have two levels with enough samples."""
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


def _comparable(levels: dict[str, int], guess: ColumnGuess) -> ColumnGuess | None:
    """Keep the guess if two levels are large enough; of two levels the reference becomes the control."""
    if sum(n >= MIN_GROUP for n in levels.values()) < 2:
        return None
    if guess.case is None and len(levels) == 2 and (control := reference_level(levels)) is not None:
        return replace(guess, case=next(v for v in levels if v != control), control=control)
    return guess
