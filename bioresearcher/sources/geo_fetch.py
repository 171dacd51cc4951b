"""A table that was fetched from GEO, as a data set's folder, and that folder as a data set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import RemoteFile
from bioresearcher.schemas.geo import GeoSeries
from bioresearcher.sources.dataset_write import made_once
from bioresearcher.sources.geo_archive import archive_rows
from bioresearcher.sources.geo_paths import platform_of
from bioresearcher.sources.geo_prepare import write_geo_folder
from bioresearcher.sources.geo_rows import MatrixRows, Rows
from bioresearcher.sources.geo_supplement import SupplementRows
from bioresearcher.sources.probe_genes import GeneMap, read_platform
from bioresearcher.sources.tables import sha256_of

VERSION = "1"
"""Part of a store folder's name: changes when the same files are prepared differently."""


@dataclass(frozen=True)
class Fetched:
    """What was downloaded.

    Attributes:
        table: The series matrix or supplementary table; `file` says which of the two it is.
        platform: The platform's table (SOFT), if there is one.
        notes: What was noticed on the way.
    """

    series: GeoSeries
    table: Path
    file: RemoteFile
    platform: Path | None
    notes: tuple[str, ...]


def write_fetched(place: Path, fetched: Fetched) -> None:
    """Write the data set's folder.

    Raises:
        InputError: The table is damaged or holds no values.
        WorkspaceError: The store cannot be written.
    """
    name = platform_of(fetched.file.name, "")
    series = fetched.series
    if name:
        series = series.model_copy(update={"platforms": (name,)})
    source = f"GEO, {fetched.file.url} (sha256 {sha256_of(fetched.table)[:12]}…)"
    genes = _genes(fetched, name)
    with _rows(fetched) as (rows, notes):
        made_once(place, lambda folder: write_geo_folder(folder, series, rows, genes, source=source, notes=notes))


@contextmanager
def _rows(fetched: Fetched) -> Iterator[tuple[Rows, list[str]]]:
    notes = list(fetched.notes)
    file, samples = fetched.file, fetched.series.samples
    if file.contents == "series matrix":
        rows = MatrixRows(fetched.table)
        if next(iter(rows), None) is None:
            raise InputError(f"{file.name}: its expression table is empty")
        yield rows, notes
    elif file.name.endswith(".tar"):
        with archive_rows(fetched.table, samples) as single:
            notes.append(f"The values are those of {len(single.samples)} tables of single samples in {file.name}.")
            yield single, notes
    else:
        table = SupplementRows(fetched.table, samples)
        if not table.linked and samples:
            raise InputError(f"{file.name}: none of its {len(table.samples)} columns could be linked to a sample")
        yield table, [*notes, *_linked(file.name, table)]


def _linked(name: str, table: SupplementRows) -> list[str]:
    said = [
        f"The values are those of the supplementary file {name}; {table.linked} of {len(table.samples)} of its columns "
        "could be linked to samples by accession, title or description."
    ]
    lost = [w for w, s in zip(table.written, table.samples, strict=True) if w == s and not w.startswith("GSM")][:5]
    return said + ([f"Not linked: {', '.join(lost)}."] if table.linked < len(table.samples) and lost else [])


def _genes(fetched: Fetched, platform: str) -> GeneMap | None:
    if fetched.platform is None:
        return None
    try:
        return read_platform(fetched.platform, platform)
    except InputError:
        return None
