"""Matrices made of a file per sample (HTSeq, STAR, featureCounts, Salmon, kallisto, RSEM, 10x), and mutations.

The values of one column of each file are set side by side. All files must have the same features; what a sample is
called is read from a sample table that names the files, else from the file's or its folder's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.as_written import short_name
from bioresearcher.sources.datasets.formats import SAMPLE_FILES
from bioresearcher.sources.datasets.table_form import Plain
from bioresearcher.sources.datasets.table_stream import plain_suffix
from bioresearcher.sources.datasets.text_source import find_source

_GENERIC = re.compile(r"(quant(\.genes)?\.sf|abundance\.tsv|quant|genes\.results)(\.gz)?", re.I)
_COLUMNS = {"numreads": "Salmon", "est_counts": "kallisto", "expected_count": "RSEM"}
_MTX = re.compile(r"(?P<stem>.*?)[._-]?matrix\.mtx(\.gz)?", re.I)
_MIN_FILES = 3
_ANY = "a count for each feature"


@dataclass
class SampleFile:
    """The values of one sample: its name, by which program, and a value for each feature in the file's order."""

    path: Path
    program: str
    values: dict[str, str]
    name: str = ""


@dataclass
class SideBySide:
    """A matrix of samples set side by side, with what was done."""

    samples: list[str]
    features: list[str]
    columns: list[dict[str, str]]
    used: list[Path]
    notes: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[list[str]]:
        """Yield the header and the rows."""
        yield ["gene", *self.samples]
        for feature in self.features:
            yield [feature, *(column.get(feature, "") for column in self.columns)]


def in_subfolders(children: Sequence[Path]) -> list[Path]:
    """List files that hold one sample each in folders of their own, one such file or 10x matrix to a folder."""
    found: list[Path] = []
    for child in children:
        if not child.is_dir() or child.is_symlink() or child.name.startswith("."):
            continue
        inside = sorted(p for p in child.iterdir() if p.is_file() and not p.is_symlink())
        sizes = [p for p in inside if _GENERIC.fullmatch(p.name) or SAMPLE_FILES.fullmatch(p.name)]
        tenx = [p for p in inside if _MTX.fullmatch(p.name)]
        if len(sizes) == 1:
            found += sizes
        elif len(sizes) > 1 and (best := [p for p in sizes if p.name.lower().startswith("quant.genes.sf")]):
            found += best[:1]
        elif len(tenx) == 1:
            found += [p for p in inside if plain_suffix(p) in (".mtx", ".tsv")]
    return found if len(found) > 1 else []


def join_samples(paths: Sequence[Path], sheets: Iterable[Path] = ()) -> SideBySide | None:
    """Set the files among `paths` that hold one sample each side by side; None with fewer than three such files.

    Raises:
        InputError: They have different features.
    """
    files = [f for p in paths if (f := read_sample(p)) is not None]
    programs = {f.program for f in files}
    if len(files) < _MIN_FILES or len(programs) != 1:
        return None
    shared = set.intersection(*(set(f.values) for f in files))
    most = max(len(f.values) for f in files)
    if len(shared) < 0.9 * most:
        raise InputError(
            f"{files[0].path.name} and {len(files) - 1} more files of one sample each have different features "
            f"(of at most {most:,} only {len(shared):,} are in all).",
            hint="Count all samples with the same annotation.",
        )
    _name(files, list(sheets))
    program = programs.pop()
    notes = [
        f"{len(files)} files of one sample each ({program}: {files[0].path.name}, …) were set side by side, "
        f"{len(shared):,} features; sample {files[0].name!r} is {_shown(files[0].path)}"
    ]
    if len(shared) < most:
        notes.append(f"{most - len(shared):,} features that are not in every file were left out")
    if program == "Salmon" or program == "kallisto":
        notes.append(f"The features are those of {program}'s index, mostly transcripts; no genes were summed up")
    if program == "STAR":
        notes.append("Of STAR's three columns of counts the unstranded one was taken")
    return SideBySide(
        [f.name for f in files],
        [n for n in files[0].values if n in shared],
        [f.values for f in files],
        [f.path for f in files],
        notes,
    )


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if _GENERIC.fullmatch(path.name) else path.name


def read_sample(path: Path) -> SampleFile | None:
    """Read a file that holds the counts of one sample; None if it holds something else."""
    if plain_suffix(path) in (".mtx", ".gmt", ".h5ad", ".xlsx", ".parquet", ".maf", ".soft"):
        return None
    try:
        source = find_source(path)
        head = list(islice(source.rows(), 50))
    except InputError:
        return None
    if len(head) < 2:
        return None
    names = [c.strip().lower() for c in head[0]]
    at = next((names.index(c) for c in _COLUMNS if c in names), None)
    program = _COLUMNS[names[at]] if at is not None else ""
    skip = 1
    if names[:6] == ["geneid", "chr", "start", "end", "strand", "length"] and len(names) == 7:
        at, program = 6, "featureCounts"
    elif len(names) == 4 and head[0][0] == "N_unmapped":
        at, program, skip = 1, "STAR", 0
    elif at is None and len(names) == 2 and all(len(row) == 2 for row in head):
        if not all(_is_count(row[1]) and as_number(row[0]) is None for row in head[1:]):
            return None
        at, program = 1, _ANY
        skip = 0 if _is_count(head[0][1]) else 1
    if at is None:
        return None
    values: dict[str, str] = {}
    for row in islice(source.rows(), skip, None):
        if len(row) <= at or row[0] in values:
            return None
        values[row[0]] = row[at]
    return SampleFile(path, program, values)


def refuse_single(path: Path) -> None:
    """Refuse a file that a program wrote for one sample and that was not set beside others.

    Raises:
        InputError: It is one.
    """
    found = read_sample(path)
    if found is not None and found.program != _ANY:
        raise InputError(
            f"{path.name}: holds the counts of one sample ({found.program}); at least {_MIN_FILES} files of the same "
            "program are set side by side.",
            hint="Give the files of all samples in one folder, with a sample sheet.",
        )


def _is_count(cell: str) -> bool:
    number = as_number(cell)
    return number is not None and number >= 0


def _name(files: Sequence[SampleFile], sheets: Sequence[Path]) -> None:
    """Name the samples by a table that lists the files, else by the files or, where those are alike, their folders."""
    for sheet in sheets:
        try:
            rows = [row for row in islice(find_source(sheet).rows(), 5_000) if row]
        except InputError:
            continue
        for at in range(len(rows[0]) if rows else 0):
            listed = {_end(row[at]): row[0] for row in rows[1:] if at < len(row) and row[at]}
            found = [listed.get(_end(str(f.path)), listed.get(f.path.name, "")) for f in files]
            if at and all(found) and len(set(found)) == len(found):
                for file, name in zip(files, found, strict=True):
                    file.name = name
                return
    for file in files:
        file.name = file.path.parent.name if _GENERIC.fullmatch(file.path.name) else short_name(file.path.name)
    if len({f.name for f in files}) < len(files):
        for file in files:
            file.name = f"{file.path.parent.name}_{file.path.name.split('.')[0]}"


def _end(text: str) -> str:
    parts = re.split(r"[\\/]", text)
    return "/".join(parts[-2:]) if _GENERIC.fullmatch(parts[-1]) else parts[-1]


@dataclass(frozen=True)
class Cells:
    """Files of a 10x matrix: single cells of one sample."""

    name: str
    matrix: Path
    barcodes: Path
    genes: Path


def tenx_matrices(paths: Sequence[Path]) -> list[Cells]:
    """Find 10x matrices: a `matrix.mtx` with barcodes and genes (or features) of the same prefix beside it."""
    found = []
    for path in paths:
        if (match := _MTX.fullmatch(path.name)) is None:
            continue
        beside = [p for p in paths if p.parent == path.parent and p.name.startswith(match["stem"])]
        barcodes = [p for p in beside if re.search(r"barcodes\.tsv(\.gz)?$", p.name, re.I)]
        genes = [p for p in beside if re.search(r"(genes|features)\.tsv(\.gz)?$", p.name, re.I)]
        if not barcodes or not genes:
            raise InputError(
                f"{path.name}: is a sparse matrix; the barcodes and genes that belong to it are not beside it.",
                hint="Give matrix.mtx, barcodes.tsv and genes.tsv (or features.tsv) together.",
            )
        found.append(Cells(match["stem"].strip("._-") or path.parent.name, path, barcodes[0], genes[0]))
    return found


def sum_cells(matrices: Sequence[Cells]) -> SideBySide:
    """Sum the counts of the cells of each sample: cells are no independent samples, their sums per sample are.

    Raises:
        InputError: There are fewer than three samples, or the values are no counts.
    """
    if len(matrices) < _MIN_FILES:
        cells = sum(_lines(m.barcodes) for m in matrices)
        raise InputError(
            f"{matrices[0].matrix.name}: holds {cells:,} cells of {len(matrices)} samples. Cells of a sample are "
            "no independent samples, and no vetted analysis here clusters cells; sums per sample need at least "
            f"{_MIN_FILES} samples, and an analysis six.",
            hint="Give the matrices of more samples (a folder or prefix each), or a table of counts per sample.",
        )
    columns, features = [], []
    for one in matrices:
        names = _gene_names(one.genes)
        columns.append(_sums(one, names))
        features.append(names)
    shared = set.intersection(*(set(f) for f in features))
    return SideBySide(
        [m.name for m in matrices],
        [n for n in dict.fromkeys(features[0]) if n in shared],
        columns,
        [p for m in matrices for p in (m.matrix, m.barcodes, m.genes)],
        [
            f"{len(matrices)} matrices of single cells: the counts of all cells of a sample were summed (pseudo-bulk), "
            "because cells of one sample are not independent; differences may come from the mixture of cell types"
        ],
    )


def _lines(path: Path) -> int:
    return sum(1 for _ in find_source(path).rows())


def _gene_names(path: Path) -> list[str]:
    rows = list(find_source(path).rows())
    return [row[1] if len(row) > 1 and row[1] else row[0] for row in rows]


def _sums(one: Cells, names: Sequence[str]) -> dict[str, str]:
    from bioresearcher.sources.datasets.table_stream import open_lines

    totals = [0.0] * len(names)
    with open_lines(one.matrix) as lines:
        body = (line for line in lines if not line.startswith("%"))
        rows = int(next(body, "0").split()[0])
        if rows != len(names):
            raise InputError(f"{one.matrix.name}: has {rows:,} rows, {one.genes.name} has {len(names):,} genes.")
        for line in body:
            gene, _, value = line.split()[:3]
            number = as_number(value)
            if number is None or number < 0 or number != int(number):
                raise InputError(f"{one.matrix.name}: holds {value}, which is no count of reads or molecules.")
            totals[int(gene) - 1] += number
    found: dict[str, float] = {}
    for name, total in zip(names, totals, strict=True):
        found[name] = found.get(name, 0.0) + total
    return {name: f"{total:.0f}" for name, total in found.items()}


_SILENT = re.compile(r"(?i)silent|intron|[35]'?_?(utr|flank)|igr|rna|lincrna|synonymous.*|intergenic.*|.*stream.*")
"""Classes of variants that change no protein."""
_MOST_GENES = 20
_LEAST_MUTATED = 5


def take_mutations(tables: list[Plain]) -> None:
    """Take a list of mutations (MAF) to genes: a table of frequencies, and columns of the sheet for frequent genes."""
    for table in [t for t in tables if {"Hugo_Symbol", "Tumor_Sample_Barcode"} <= set(t.header)]:
        gene, barcode = table.header.index("Hugo_Symbol"), table.header.index("Tumor_Sample_Barcode")
        kind = table.header.index("Variant_Classification") if "Variant_Classification" in table.header else None
        mutated: dict[str, set[str]] = {}
        samples: dict[str, None] = {}
        for row in table.rows():
            if len(row) <= max(gene, barcode):
                continue
            samples[row[barcode]] = None
            if kind is None or len(row) <= kind or not _SILENT.fullmatch(row[kind]):
                mutated.setdefault(row[gene], set()).add(row[barcode])
        found = [(s, column, p) for s in tables if s is not table for column, p in _by_prefix(s, list(samples)).items()]
        sheet, column, patient = max(found, key=lambda f: len(f[2]), default=(None, "", dict[str, str]()))
        units = {patient.get(s, s) for s in samples}
        people = {g: {patient.get(s, s) for s in listed} for g, listed in mutated.items()}
        order = sorted(people, key=lambda g: (-len(people[g]), g))
        rows = [[g, str(len(people[g])), f"{100 * len(people[g]) / max(1, len(units)):.1f}"] for g in order]
        source = table.source.name
        table.name, table.header = f"{table.name}-genes", ["gene", "mutated", "percent_of_listed"]
        table.rows, table.matrix, table.changed = _again(rows), False, True
        table.notes.append(
            f"{source}: a list of mutations; counted are those that may change a protein, once for each "
            f"{'patient' if patient else 'sample'} and gene ({len(units)} are listed)"
        )
        if sheet is not None and patient:
            chosen = [g for g in order if _LEAST_MUTATED <= len(people[g]) <= len(units) - _LEAST_MUTATED][:_MOST_GENES]
            _add_mutations(sheet, column, {g: people[g] for g in chosen}, units, source)


def _by_prefix(sheet: Plain, barcodes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Map barcodes to the names in a sheet's columns that they are, or begin with before a hyphen."""
    found = {}
    for column, cells in sheet.ids().items():
        names = set(cells)
        mapped = {}
        for code in barcodes:
            parts = code.split("-")
            own = next((n for at in range(len(parts), 0, -1) if (n := "-".join(parts[:at])) in names), None)
            if own is not None:
                mapped[code] = own
        if len(mapped) >= 0.5 * len(barcodes):
            found[column] = mapped
    return found


def _add_mutations(sheet: Plain, column: str, genes: dict[str, set[str]], listed: set[str], source: str) -> None:
    before, own, at = sheet.rows, sheet.header, sheet.header.index(column)

    def rows() -> Iterator[list[str]]:
        for row in before():
            name = row[at]
            states = [
                "mutated" if name in people else "wild type" if name in listed else "" for people in genes.values()
            ]
            yield [*row, *[""] * (len(own) - len(row)), *states]

    absent = sum(row[at] not in listed for row in before())
    sheet.header = [*own, *(f"{g}_mutation" for g in genes)]
    sheet.rows = rows
    sheet.changed = True
    sheet.notes.append(
        f"{sheet.source.name}: columns of the {len(genes)} genes mutated most often in {source} were added; "
        f"{absent} patients who are not listed there may not have been sequenced and have no value"
    )


def _again(rows: list[list[str]]) -> Callable[[], Iterator[list[str]]]:
    return lambda: iter(rows)
