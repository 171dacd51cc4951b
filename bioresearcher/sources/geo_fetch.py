"""A table that was fetched from GEO, as a data set's folder, and that folder as a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import RemoteFile
from bioresearcher.schemas.geo import GeoSeries
from bioresearcher.sources.dataset_write import made_once
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
    rows, notes = _rows(fetched)
    name = platform_of(fetched.file.name, "")
    series = fetched.series
    if name:
        series = series.model_copy(update={"platforms": (name,)})
    source = f"GEO, {fetched.file.url} (sha256 {sha256_of(fetched.table)[:12]}…)"
    genes = _genes(fetched, name)
    made_once(place, lambda folder: write_geo_folder(folder, series, rows, genes, source=source, notes=notes))


def _rows(fetched: Fetched) -> tuple[Rows, list[str]]:
    notes = list(fetched.notes)
    if fetched.file.contents == "series matrix":
        rows: Rows = MatrixRows(fetched.table)
        if next(iter(rows), None) is None:
            raise InputError(f"{fetched.file.name}: its expression table is empty")
        return rows, notes
    table = SupplementRows(fetched.table, fetched.series.samples)
    notes.append(
        f"The values are those of the supplementary file {fetched.file.name}; {table.linked} of {len(table.samples)} "
        "of its columns could be linked to samples by accession, title or description."
    )
    if table.linked < len(table.samples):
        lost = [w for w, s in zip(table.written, table.samples, strict=True) if w == s][:5]
        notes.append(f"Not linked: {', '.join(lost)}.")
    if not table.linked and fetched.series.samples:
        raise InputError(f"{fetched.file.name}: none of its {len(table.samples)} columns could be linked to a sample")
    return table, notes


def _genes(fetched: Fetched, platform: str) -> GeneMap | None:
    if fetched.platform is None:
        return None
    try:
        return read_platform(fetched.platform, platform)
    except InputError:
        return None
