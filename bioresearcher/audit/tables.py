"""Reading for the audit: a data set's sample sheet and matrix in bounded memory, and facts before they have an id."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Column, ColumnRole, DataFile, Dataset
from bioresearcher.schemas.facts import Fact, FactKind, FactNumber
from bioresearcher.schemas.missing import blanked, is_missing
from bioresearcher.sources.datasets.scan import MAX_COLUMNS, SHEET_LIMITS
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits

MAX_FACT_ROWS = 40
"""Most samples, features or columns that a fact lists; the count of all stands beside them."""
MAX_MATRIX_ROWS = 20_000
"""Most rows of a matrix that are held."""
MAX_MATRIX_CELLS = 40_000_000
"""Most numbers of a matrix that are held: 160 MB of 4 bytes each."""
MAX_NAMES = 300_000
"""Most names of features that are held."""

MAX_SHEET_CELLS = 1_000_000
"""Most cells of a sample sheet that are held; of a larger one the columns with a role and the first others."""

_MATRIX_LIMITS = TableLimits(text_bytes=8 << 30)


@dataclass(frozen=True)
class FactDraft:
    """A fact without its id: see `schemas.facts.Fact` for the meaning of the fields; `rows` are at most 40."""

    kind: FactKind
    dataset: str
    statement: str
    consequence: str
    weight: Literal[1, 2, 3]
    shown_by: str
    numbers: tuple[FactNumber, ...] = ()
    rows: tuple[str, ...] = ()
    row_count: int = 0

    def with_id(self, identity: str) -> Fact:
        """Make the fact of this draft."""
        return Fact(
            id=identity,
            kind=self.kind,
            dataset=self.dataset,
            statement=self.statement,
            numbers=self.numbers,
            rows=self.rows,
            row_count=self.row_count,
            consequence=self.consequence,
            weight=self.weight,
            shown_by=self.shown_by,
        )


def behind(rows: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """Cut the rows behind a fact to those it lists, and count them all."""
    found = tuple(rows)
    return found[:MAX_FACT_ROWS], len(found)


@dataclass(frozen=True)
class Sheet:
    """A sample sheet as text.

    Attributes:
        name: Name of the file that tasks use; empty when the data set has no sample sheet.
        columns: Column → its cells as written, in file order; a name that stands twice is numbered (`age (2)`).
        ids: The samples' names, stripped, in file order; empty without a sample column.
        sample_column: Column of `ids`; empty when there is none.
        described: Column → its description.
        note: What was not read, and why; empty when all was.
    """

    name: str = ""
    columns: dict[str, list[str]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    sample_column: str = ""
    described: dict[str, Column] = field(default_factory=dict)
    note: str = ""

    @property
    def rows(self) -> int:
        """Number of rows that were read."""
        return len(next(iter(self.columns.values()), ()))

    @cached_property
    def known(self) -> dict[str, list[str]]:
        """Column → its cells without blanks at their ends; the empty string where nothing is known."""
        return {
            name: [cell.strip() for cell in blanked(cells, self._stated(name))] for name, cells in self.columns.items()
        }

    def _stated(self, name: str) -> tuple[str, ...]:
        column = self.described.get(name)
        return column.stated_codes if column is not None else ()

    def with_role(self, role: ColumnRole) -> list[str]:
        """Names of the columns with a role, in file order."""
        return [name for name in self.columns if name in self.described and self.described[name].role == role]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for every row: the sample's, else its number (`row 7`, the first data row being 1)."""
        return self.ids or tuple(f"row {i}" for i in range(1, self.rows + 1))


@dataclass(frozen=True)
class Matrix:
    """Numbers of an expression matrix.

    Attributes:
        name: Name of the file that tasks use.
        values: Features × samples, float32; nan where no number stands.
        features: Names of the rows that are held; they may repeat.
        samples: Names of the columns as written.
        rows_total: Rows of the file; more than `features` when every n-th row is held only.
        note: What was not read or was no number; empty when nothing.
    """

    name: str
    values: npt.NDArray[np.float32]
    features: tuple[str, ...]
    samples: tuple[str, ...]
    rows_total: int
    note: str = ""


@dataclass(frozen=True)
class MatrixNames:
    """Names of samples and features of a matrix, without its numbers; features are at most `MAX_NAMES`."""

    samples: tuple[str, ...]
    features: tuple[str, ...]


def read_sheet(dataset: Dataset) -> Sheet:
    """Read the sample sheet; an empty one when the data set has none.

    Raises:
        InputError: The file cannot be read as a table.
    """
    file = dataset.file("samples")
    if file is None:
        return Sheet()
    with RowStream(_path(dataset, file), SHEET_LIMITS) as stream:
        header = _distinct(stream.header[:MAX_COLUMNS])
        chosen = _chosen(header, file)
        names = [header[i] for i in chosen]
        cells: list[list[str]] = [[] for _ in names]
        for row in stream.rows(SHEET_LIMITS.ids):
            for column, i in zip(cells, chosen, strict=True):
                column.append(row[i])
        n_columns, read = len(stream.header), stream.rows_seen
    columns = dict(zip(names, cells, strict=True))
    id_column = file.sample_column if file.sample_column in columns else ""
    notes = []
    if n_columns > len(names):
        notes.append(f"{len(names)} of {n_columns} columns were read")
    if file.rows > read + stream.ragged:
        notes.append(f"the first {read:,} of {file.rows:,} rows were read")
    if stream.ragged:
        notes.append(f"{stream.ragged} rows with another number of cells than the header were left out")
    return Sheet(
        name=file.name,
        columns=columns,
        ids=tuple(cell.strip() for cell in columns[id_column]) if id_column else (),
        sample_column=id_column or "",
        described={column.name: column for column in file.columns},
        note="; ".join(notes),
    )


def _chosen(header: Sequence[str], file: DataFile) -> list[int]:
    """Places of the columns to read: all, or so many that the sheet's cells stay within their limit."""
    most = max(10, MAX_SHEET_CELLS // max(1, min(file.rows, SHEET_LIMITS.ids)))
    with_role = {c.name for c in file.columns if c.role != "other"} | {file.sample_column}
    first = [i for i, name in enumerate(header) if name in with_role]
    rest = [i for i, name in enumerate(header) if name not in with_role]
    return sorted([*first, *rest[: max(0, most - len(first))]])


def _distinct(header: Sequence[str]) -> list[str]:
    taken: dict[str, None] = {}
    for name in header:
        candidates = (name, *(f"{name} ({i})" for i in range(2, len(header) + 2)))
        taken[next(n for n in candidates if n not in taken)] = None
    return list(taken)


def _path(dataset: Dataset, file: DataFile) -> Path:
    return Path(dataset.root) / file.path


def feature_place(file: DataFile, header: Sequence[str]) -> int:
    """Return the place of the feature column in a matrix's header."""
    return header.index(file.feature_column) if file.feature_column in header else 0


def read_matrix(dataset: Dataset) -> Matrix | None:
    """Read the expression matrix; of a large one evenly spaced rows, so that it fits `MAX_MATRIX_CELLS`.

    Raises:
        InputError: The file cannot be read as a table.
    """
    file = dataset.file("expression")
    if file is None:
        return None
    with RowStream(_path(dataset, file), _MATRIX_LIMITS) as stream:
        at = feature_place(file, stream.header)
        samples = stream.header[:at] + stream.header[at + 1 :]
        most = max(2, min(MAX_MATRIX_ROWS, MAX_MATRIX_CELLS // max(1, len(samples))))
        step = max(1, math.ceil(file.rows / most))
        values = np.empty((most, len(samples)), dtype=np.float32)
        features: list[str] = []
        texts = 0
        for number, row in enumerate(stream.rows()):
            if number % step == 0 and len(features) == most:  # the file has more rows than its description says
                half = len(features[::2])
                values[:half] = values[: len(features) : 2]
                features, step = features[::2], 2 * step
            if number % step:
                continue
            name = row.pop(at).strip()
            values[len(features)], wrong = _numbers(row)
            features.append(name)
            texts += wrong
        total = stream.rows_seen
    notes = [f"every {_ordinal(step)} of {total:,} rows was read ({len(features):,})"] if step > 1 else []
    notes += [f"{texts} cells hold text instead of numbers and count as missing"] if texts else []
    return Matrix(file.name, values[: len(features)], tuple(features), tuple(samples), total, "; ".join(notes))


def _numbers(row: list[str]) -> tuple[array[float], int]:
    """Parse a row; nan where no finite number stands, with the count of cells that are neither number nor missing."""
    try:
        numbers = array("f", map(float, row))
        if math.isfinite(math.fsum(numbers)):
            return numbers, 0
    except (ValueError, OverflowError):
        pass
    found = [as_number(cell) for cell in row]
    wrong = sum(n is None and not is_missing(cell) for n, cell in zip(found, row, strict=True))
    return array("f", [math.nan if n is None or abs(n) > _LARGEST else n for n in found]), wrong


_LARGEST = float(np.finfo(np.float32).max)


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def read_names(dataset: Dataset) -> MatrixNames | None:
    """Read the names of samples and features of the expression matrix; None when there is none.

    Raises:
        InputError: The file cannot be read as a table.
    """
    file = dataset.file("expression")
    if file is None:
        return None
    with RowStream(_path(dataset, file), _MATRIX_LIMITS) as stream:
        at = feature_place(file, stream.header)
        features = tuple(row[at].strip() for row in stream.rows(MAX_NAMES))
        samples = stream.header[:at] + stream.header[at + 1 :]
    return MatrixNames(tuple(samples), features)
