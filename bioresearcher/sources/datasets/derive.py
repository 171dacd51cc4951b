"""Copies of a data set whose sample sheet has more columns: groups, patients and tissues that only names hold.

A matrix without a sheet whose samples are called `CTRL_1` or `s01_ALL` gets a sheet; a sheet with barcodes gets the
patient and the kind of tissue, where they matter and no column states them. The researcher's files stay as they are.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.dataset import Reading
from bioresearcher.sources.datasets.files import LoadedFile
from bioresearcher.sources.datasets.scan import SHEET_LIMITS, MatrixScan
from bioresearcher.sources.datasets.sheets import read_cells
from bioresearcher.sources.datasets.table_stream import plain_suffix
from bioresearcher.sources.datasets.units import NameColumn, barcode_columns, name_columns
from bioresearcher.sources.datasets.write import make_once, write_rows

_VERSION: Final = "1"
_SHEET: Final = "samples_by_name.tsv"


@dataclass(frozen=True)
class Derived:
    """Columns that the samples' names hold.

    Attributes:
        sheet: The sheet that they are added to; None when there is none.
        columns: Columns of the sheet so far, or the names alone.
    """

    sheet: LoadedFile | None
    columns: dict[str, list[str]]
    added: tuple[NameColumn, ...]

    def readings(self, file: str) -> list[Reading]:
        """State where each of the columns comes from."""
        says = "made of the samples' names; no column states it"
        return [Reading(file=file, column=c.name, says=says, reason=c.label, decides=True) for c in self.added]

    @property
    def path(self) -> str:
        """Name of the sheet's file in the copy."""
        if self.sheet is None:
            return _SHEET
        name = Path(self.sheet.file.path).name
        return name if plain_suffix(Path(name)) in (".tsv", ".txt") and not name.endswith(".gz") else f"{name}.tsv"


def derive(folder: Path, loaded: Sequence[LoadedFile]) -> Derived | None:
    """Find columns that the samples' names hold and the data set lacks; None if there are none."""
    sheet = next((f for f in loaded if f.file.kind == "samples"), None)
    matrices = [f for f in loaded if isinstance(f.scan, MatrixScan)]
    if sheet is None and len(matrices) == 1 and isinstance(matrices[0].scan, MatrixScan):
        names = list(matrices[0].scan.samples)
        added = barcode_columns(names, {}) or name_columns(names)
        return Derived(None, {"sample": names}, tuple(added)) if added else None
    if sheet is None or sheet.file.sample_column is None:
        return None
    columns = read_cells(folder / sheet.file.path, SHEET_LIMITS)
    names = columns.get(sheet.file.sample_column, [])
    if len(names) != sheet.file.rows:
        return None
    added = barcode_columns(names, columns)
    return Derived(sheet, columns, tuple(added)) if added else None


def write_derived(folder: Path, loaded: Sequence[LoadedFile], found: Derived, store: Path) -> Path:
    """Write the copy into the store, once for the same files.

    Raises:
        WorkspaceError: The store cannot be written.
    """
    text = "\n".join([_VERSION, *(f"{f.file.path}\0{f.file.sha256}" for f in loaded)])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]

    def make(place: Path) -> None:
        for one in loaded:
            if one is not found.sheet:
                shutil.copyfile(folder / one.file.path, place / Path(one.file.path).name)
        header = [*found.columns, *(c.name for c in found.added)]
        rows = zip(*found.columns.values(), *(c.cells for c in found.added), strict=True)
        with (place / found.path).open("wb") as file:
            write_rows(file, [_cell(h) for h in header], ([_cell(c) for c in row] for row in rows))

    return make_once(store / digest / safe_name(folder.resolve().name), make)


def _cell(text: str) -> str:
    """Make a cell fit for a table separated by tabs."""
    return " ".join(text.replace('"', "'").split())
