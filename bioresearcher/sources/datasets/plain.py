"""A table as it is written: every row a row and every column a column, with nothing taken for samples or features.

For objectives that speak of a table's columns, where its reading as a matrix or in parts would lose them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.sources.datasets.as_written import Writing, find_writing
from bioresearcher.sources.datasets.describe import UNDESCRIBED
from bioresearcher.sources.datasets.load import load_fetched
from bioresearcher.sources.datasets.spec import ColumnSpec, DatasetSpec, FileSpec
from bioresearcher.sources.datasets.table_stream import sha256_of
from bioresearcher.sources.datasets.text_source import find_source
from bioresearcher.sources.datasets.write import make_once, write_spec, write_table

MOST_COLUMNS: Final = 400
"""Columns of a table that is still read as one of variables."""
_TEXT: Final = frozenset({".csv", ".tsv", ".txt", ".tab"})
_LOOKED_AT: Final = 5_000
"""Rows by which it is found out how numbers are written."""
_FILE: Final = "table.tsv"


def plain_columns(dataset: Dataset) -> tuple[str, ...]:
    """Return the columns of a data set's one text table as given; none where it is described or another form."""
    path = _given(dataset)
    if path is None:
        return ()
    try:
        header = next(iter(find_source(path).rows()), [])
    except InputError:
        return ()
    return _names(header) if len(header) <= MOST_COLUMNS else ()


def as_plain_table(dataset: Dataset, store: Path) -> Dataset:
    """Read a data set's one text table as a sheet of all its rows and columns; names of columns stay as written.

    Numbers are written as programs write them: points of thousands and decimal commas are set right.

    Raises:
        InputError: It has no such table, the table cannot be read, or how its numbers are written is not certain.
        WorkspaceError: The store cannot be written.
    """
    path = _given(dataset)
    if path is None:
        raise InputError(f"{dataset.id}: is not one table of text.")
    place = store / f"plain-{sha256_of(path)[:16]}" / safe_name(dataset.id)
    folder = make_once(place, lambda made: _write(path, made))
    loaded = load_fetched(folder, dataset)
    note = f"{path.name} is read as it is written, a row a row, as the objective speaks of its columns."
    changes = {"described_by": "inferred", "given": str(path), "title": dataset.title, "notes": (note,)}
    return loaded.model_copy(update={**changes, "readings": (), "problems": ()})


def _given(dataset: Dataset) -> Path | None:
    """Return the one text table that a data set was made of; None where it was described, or made of something else."""
    if dataset.described_by != "inferred" or dataset.remote is not None:
        return None
    path = Path(dataset.given or dataset.root)
    if not dataset.given and len(dataset.files) == 1:
        path = Path(dataset.root) / dataset.files[0].path
    return path if path.is_file() and path.suffix.lower() in _TEXT else None


def _names(header: list[str]) -> tuple[str, ...]:
    """Return distinct names for all columns."""
    found: list[str] = []
    for n, cell in enumerate(header, 1):
        name = cell.strip() or f"column {n}"
        found.append(name if name not in found else f"{name} ({n})")
    return tuple(found)


def _write(path: Path, folder: Path) -> None:
    source = find_source(path)
    writing = _writing(path.name, list(islice(source.rows(), 1, _LOOKED_AT)))
    rows = iter(source.rows())
    names = _names(next(rows, []))
    with (folder / _FILE).open("wb") as out:
        write_table(out, names, _filled(rows, len(names), writing.reader()))
    sheet = FileSpec(name="samples", kind="samples", path=_FILE, columns={n: ColumnSpec() for n in names})
    write_spec(folder, DatasetSpec(title=path.name, source=UNDESCRIBED, files=(sheet,)))


def _writing(name: str, rows: list[list[str]]) -> Writing:
    """Find out how numbers are written: an unusual way must show within a column, as columns may differ in decimals.

    Raises:
        InputError: It is not certain.
    """
    whole = find_writing(cell for row in rows for cell in row)
    alone = [find_writing(column) for column in zip_longest(*rows, fillvalue="")] if not whole.usual else []
    same = any(w.sure and (w.thousands, w.decimal) == (whole.thousands, whole.decimal) for w in alone)
    if not whole.usual and not (whole.sure and same):
        raise InputError(f"{name}: how its numbers are written is not certain ({whole.why}).")
    return whole


def _filled(rows: Iterator[list[str]], width: int, plain: Callable[[str], str]) -> Iterator[list[str]]:
    for row in rows:
        yield [plain(c) for c in islice([*row, *[""] * width], width)]
