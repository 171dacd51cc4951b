"""Matrices made of a file per sample: HTSeq, STAR, featureCounts, Salmon, kallisto, RSEM, and STAR's counts of GDC.

The values of one column of each file are set side by side. All files must have the same features; what a sample is
called is read from a sample table that names the files or their folders, else from the file's or its folder's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.as_written import short_name
from bioresearcher.sources.datasets.endpoints import normal
from bioresearcher.sources.datasets.folders import Found, SideBySide
from bioresearcher.sources.datasets.formats import SAMPLE_FILES, Table
from bioresearcher.sources.datasets.table_stream import TABLE_SUFFIXES, plain_suffix
from bioresearcher.sources.datasets.tenx import H5, MTX
from bioresearcher.sources.datasets.text_source import find_source
from bioresearcher.sources.datasets.transcripts import sum_to_genes

_GENERIC = re.compile(r"(quant(\.genes)?\.sf|abundance\.tsv|quant|genes\.results)(\.gz)?", re.I)
_COLUMNS = {"numreads": "Salmon", "est_counts": "kallisto", "expected_count": "RSEM", "unstranded": "GDC"}
_NAMES = ("sample_id", "sample_name", "sample")
"""Columns of a table of files that name the samples; without one its first column does."""
_MIN_FILES = 3
_ANY = "a count for each feature"


@dataclass
class SampleFile:
    """The values of one sample: its name, by which program, and a value for each feature in the file's order."""

    path: Path
    program: str
    values: dict[str, str]
    name: str = ""


def in_subfolders(children: Sequence[Path]) -> list[Path]:
    """List files that hold one sample each in folders of their own, one such file or 10x matrix to a folder."""
    found: list[Path] = []
    for child in children:
        if not child.is_dir() or child.is_symlink() or child.name.startswith("."):
            continue
        inside = sorted(p for p in child.iterdir() if p.is_file() and not p.is_symlink())
        sizes = [p for p in inside if _GENERIC.fullmatch(p.name) or SAMPLE_FILES.fullmatch(p.name)]
        tenx = [p for p in inside if MTX.fullmatch(p.name)]
        hdf5 = [p for p in inside if (m := H5.fullmatch(p.name)) and m[2] is not None]
        if len(sizes) == 1:
            found += sizes
        elif len(sizes) > 1 and (best := [p for p in sizes if p.name.lower().startswith("quant.genes.sf")]):
            found += best[:1]
        elif len(tenx) == 1:
            found += [p for p in inside if plain_suffix(p) in (".mtx", ".tsv")]
        elif hdf5:
            found += hdf5
    return found if len(found) > 1 else []


def files_of_samples(paths: Sequence[Path]) -> Found | None:
    """Set files of one sample each side by side, transcripts summed to genes by a table that lies beside them.

    Raises:
        InputError: They have different features, or the table of genes belongs to another annotation.
    """
    tables = [p for p in paths if plain_suffix(p) in TABLE_SUFFIXES]
    joined = join_samples(paths, tables)
    if joined is None:
        return None
    if any("no genes were summed up" in n for n in joined.notes):
        joined, _ = sum_to_genes(joined, [p for p in tables if p not in joined.used])
    table = Table("counts", joined.rows(), [])
    return Found(tables=[(joined.used[0], table)], used={*joined.used}, notes=joined.notes)


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
    if program == "GDC":
        notes.append("Genes are called by their symbols (`gene_name`); the counts of genes with one symbol were added")
    if program in ("STAR", "GDC"):
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
    symbol = names.index("gene_name") if program == "GDC" and "gene_name" in names else 0
    values: dict[str, str] = {}
    for row in islice(source.rows(), skip, None):
        name = (row[symbol] if len(row) > symbol else "") or row[0]
        if len(row) <= at or (name in values and not symbol):
            return None
        values[name] = _sum(values[name], row[at]) if name in values else row[at]
    return SampleFile(path, program, values)


def _sum(one: str, other: str) -> str:
    return f"{(as_number(one) or 0.0) + (as_number(other) or 0.0):.15g}"


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
        header = [normal(c) for c in rows[0]] if rows else []
        for naming in [*(header.index(n) for n in _NAMES if n in header), 0]:
            found = _listed(files, rows, naming)
            if found:
                for file, name in zip(files, found, strict=True):
                    file.name = name
                return
    for file in files:
        file.name = file.path.parent.name if _GENERIC.fullmatch(file.path.name) else short_name(file.path.name)
    if len({f.name for f in files}) < len(files):
        for file in files:
            file.name = f"{file.path.parent.name}_{file.path.name.split('.')[0]}"


def _listed(files: Sequence[SampleFile], rows: Sequence[Sequence[str]], naming: int) -> list[str]:
    """The names of files in one column of a table that lists them, or their folders; empty if it does not."""
    for at in range(len(rows[0]) if rows else 0):
        listed = {_end(row[at]): row[naming] for row in rows[1:] if max(at, naming) < len(row) and row[at]}
        found = [listed.get(_end(str(f.path)), listed.get(f.path.name, "")) for f in files]
        if at != naming and all(found) and len(set(found)) == len(found):
            return found
        by_folder = [listed.get(f.path.parent.name, "") if f.program == "GDC" else "" for f in files]
        if all(by_folder) and len(set(by_folder)) == len(by_folder):
            return by_folder
    return []


def _end(text: str) -> str:
    parts = re.split(r"[\\/]", text)
    return "/".join(parts[-2:]) if _GENERIC.fullmatch(parts[-1]) else parts[-1]
