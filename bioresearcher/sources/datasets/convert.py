"""Conversion of data files to gzipped TSV, the form the analyses read, in a store of the workspace.

A folder of the store belongs to the exact bytes of the files it was made from: changed files are converted anew,
unchanged ones never again. The data set's notes say which table came from which file.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.sources.datasets.formats import (
    CONVERTED_SUFFIXES,
    READERS,
    Table,
    is_semicolon_table,
    plain_file,
    semicolon_rows,
)
from bioresearcher.sources.datasets.table_stream import open_lines, plain_suffix, sha256_of
from bioresearcher.sources.datasets.write import make_once, open_gzip, write_rows
from bioresearcher.sources.geo.matrix import CuratedRows, MatrixRows, Rows, read_platform, side_by_side
from bioresearcher.sources.geo.prepare import cell, write_geo_folder
from bioresearcher.sources.geo.soft import read_series_matrix, read_series_soft

VERSION = "2"
"""Part of a store folder's name; a new one if the same bytes are converted differently."""
NOTES = "converted.txt"
"""File of a store folder with one note per line."""


def geo_kind(path: Path) -> str:
    """Tell GEO's formats by the first line of text: `soft`, `matrix`, or empty for another format."""
    if plain_suffix(path) not in (".soft", ".txt", ".tsv", ".tab"):
        return ""
    try:
        with open_lines(path) as lines:
            first = next((line for line in lines if line.strip()), "")
    except InputError:
        first = ""
    if plain_suffix(path) == ".soft" or re.match(r"\^[A-Za-z]+\s*=", first):
        return "soft"
    return "matrix" if re.match(r'"?!(Series|Sample)_\w+"?\t', first) else ""


def needs_conversion(path: Path, *, semicolons: bool = True) -> bool:
    """Return True if a file must be converted before it is read; `semicolons` counts semicolon-separated tables too."""
    suffix = plain_suffix(path)
    if suffix in CONVERTED_SUFFIXES or not semicolons:
        return suffix in CONVERTED_SUFFIXES or geo_kind(path) != ""
    try:
        return suffix in (".csv", ".txt") and path.is_file() and (geo_kind(path) != "" or is_semicolon_table(path))
    except InputError:
        return False


def convert_geo(path: Path, store: Path) -> Path:
    """Convert a SOFT or series matrix file to a folder of the store with its `dataset.toml`.

    Raises:
        InputError: It is damaged, or holds neither values nor samples.
        WorkspaceError: The store cannot be written.
    """
    name = re.sub(r"(_family|_series_matrix)$", "", re.sub(r"\.(soft|txt|tsv|tab)(\.gz)?$", "", path.name, flags=re.I))
    digest = sha256_of(path)
    folder = _place(store, [("", digest)], name)
    kind = geo_kind(path)
    source = f"GEO file given by the researcher: {cell(path.name)} (sha256 {digest[:12]}…)"
    return make_once(folder, lambda place: _write_geo(path, kind, place, source))


def _write_geo(path: Path, kind: str, place: Path, source: str) -> None:
    if kind == "matrix":
        write_geo_folder(place, read_series_matrix(path), MatrixRows(path), None, source=source)
        return
    series = read_series_soft(path)
    with _soft_rows(path, series.accession, series.platforms) as (rows, notes):
        platform = series.platforms[0] if series.platforms else ""
        write_geo_folder(place, series, rows, read_platform(path, platform), source=source, notes=notes)


@contextmanager
def _soft_rows(path: Path, accession: str, platforms: Sequence[str]) -> Iterator[tuple[Rows | None, list[str]]]:
    if accession.startswith("GDS"):
        yield CuratedRows(path), []
        return
    platform = platforms[0] if len(platforms) > 1 else ""
    notes = [f"Of the platforms {', '.join(platforms)} only {platform} was used."] if platform else []
    try:
        with side_by_side(path, platform) as rows:
            yield rows, notes
    except InputError as error:
        if "no sample has a table" not in error.message:
            raise
        yield None, notes


def convert_tables(paths: Sequence[Path], store: Path, name: str) -> tuple[Path, tuple[str, ...]]:
    """Convert files to TSV in one folder of the store, with notes; files that need no conversion are copied.

    Raises:
        InputError: A file cannot be read; nothing is stored.
        WorkspaceError: The store cannot be written.
    """
    digests = [(p.name, sha256_of(p)) for p in paths]
    folder = _place(store, digests, name)

    def make(place: Path) -> None:
        notes: list[str] = []
        for path, (_, digest) in zip(paths, digests, strict=True):
            if needs_conversion(path):
                notes += _write_tables(path, digest, place)
            else:
                shutil.copyfile(path, place / path.name)
        write_text(place / NOTES, "\n".join(notes) + "\n")

    make_once(folder, make)
    return folder, tuple((folder / NOTES).read_text(encoding="utf-8").split("\n")[:-1])


def _place(store: Path, digests: Sequence[tuple[str, str]], name: str) -> Path:
    text = "\n".join([VERSION, *(f"{n}\0{d}" for n, d in digests)])
    return store / hashlib.sha256(text.encode()).hexdigest()[:16] / safe_name(name)


def _write_tables(path: Path, digest: str, place: Path) -> list[str]:
    reader = READERS.get(plain_suffix(path))
    with plain_file(path) if reader else nullcontext(path) as plain:
        tables = reader(plain) if reader else iter([semicolon_rows(path)])
        return _write_each(tables, path, digest, place)


def _write_each(tables: Iterator[Table], path: Path, digest: str, place: Path) -> list[str]:
    notes: list[str] = []
    written = 0
    stem = safe_name(path.name.split(".")[0])
    for table in tables:
        first = next(iter(table.rows), None)
        if first is None:
            continue
        target = place / f"{stem}-{safe_name(table.name)}.tsv.gz"
        if target.exists():
            raise InputError(f"{path.name}: two tables would be named {target.name}.")
        with open_gzip(target) as out:
            count = write_rows(out, _header(first), (_cells(row, len(first)) for row in table.rows))
        written += 1
        notes.append(f"{target.name}: {count:,} rows, made from {table.name!r} of {path.name} (sha256 {digest[:12]}…).")
        notes += [f"{n}." for n in table.notes]
    if not written:
        raise InputError(f"{path.name}: there is no table in it.")
    return [cell(n) for n in notes]


def _header(names: Sequence[str]) -> list[str]:
    """Name the columns: an empty first name becomes `id`, other empty names their number."""
    return [cell(n) if n.strip() else ("id" if i == 0 else f"column_{i + 1}") for i, n in enumerate(names)]


def _cells(row: Sequence[str], width: int) -> list[str]:
    cells = [cell(c) for c in row]
    return cells[:width] + ["NA"] * (width - len(cells)) if not any(c != "NA" for c in cells[width:]) else cells
