"""Tables for copies that keep their form: read as they are, and written in the same form.

The stream of `sources.datasets.table_stream` leaves out rows of another width; here they stay in their place, blank, so
that a script stumbles over a copy as it would over the original.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bioresearcher.errors import InputError
from bioresearcher.sources.datasets.table_stream import (
    GZIP,
    MAX_CELL,
    LineLimits,
    Lines,
    delimiter_of,
    open_lines,
    other_delimiter,
    unnamed,
)
from bioresearcher.sources.datasets.write import open_gzip

_LIMITS = LineLimits(text_bytes=256 << 20)  # of a table that is held as a whole
_STREAMED = LineLimits(text_bytes=64 << 30)
_DAMAGED = (OSError, EOFError, zlib.error, csv.Error)


@dataclass
class Table:
    """A table held as a whole; `rows` are as long as the header, `wide` has the numbers of those that were longer."""

    header: list[str]
    rows: list[list[str]]
    delimiter: str
    line_end: str
    bom: bool
    latin1: bool
    packed: bool
    wide: dict[int, int]

    @property
    def cells(self) -> dict[str, list[str]]:
        """Column -> cells; a name that repeats gets a number."""
        names: list[str] = []
        for at, written in enumerate(self.header):
            name = written or unnamed(at)
            count = names.count(name) + sum(n.startswith(f"{name}.") for n in names)
            names.append(name if name not in names else f"{name}.{count + 1}")
        return {name: [row[i] for row in self.rows] for i, name in enumerate(names)}

    def write(self, path: Path) -> None:
        """Write it as it was written; of rows that are too long only their number of cells is told."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator=self.line_end)
        writer.writerow(self.header)
        for number, row in enumerate(self.rows):
            writer.writerow([""] * self.wide[number] if number in self.wide else row)
        whole = text.getvalue()
        try:
            data = whole.encode("latin-1" if self.latin1 else "utf-8")
        except UnicodeEncodeError:
            data = whole.encode("utf-8", "replace")
        with opened_new(path, self.packed) as file:
            file.write((b"\xef\xbb\xbf" if self.bom else b"") + data)


@contextmanager
def opened_new(path: Path, packed: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file for writing, gzipped where the original was."""
    if packed:
        with open_gzip(path) as file:
            yield file
    else:
        with path.open("wb") as plain:
            yield plain


def is_packed(path: Path) -> bool:
    """Return True for a gzip file, by its first bytes."""
    with path.open("rb") as file:
        return file.read(2) == GZIP


def _delimiter(path: Path) -> str:
    """Return the separator of the suffix, or the one that the header uses in its place."""
    csv.field_size_limit(MAX_CELL)
    with open_lines(path, _STREAMED) as lines:
        header = next(csv.reader(lines, delimiter=delimiter_of(path)), [])
    return other_delimiter(header, delimiter_of(path)) or delimiter_of(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Make an error of reading the one line that people are told.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        yield
    except _DAMAGED as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path.name}: cannot be read ({reason}).") from error


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        InputError: It cannot be read.
    """
    with readable(path), open_lines(path, _LIMITS) as lines:
        delimiter = _delimiter(path)
        ends: list[str] = []
        reader = csv.reader(_noting(lines, ends), delimiter=delimiter)
        header = next(reader, [])
        if not any(name.strip() for name in header):
            raise InputError(f"{path.name}: the file is empty.")
        rows: list[list[str]] = []
        wide: dict[int, int] = {}
        width = len(header)
        for row in filter(None, reader):
            if len(row) > width:
                wide[len(rows)] = len(row)
                row = []  # its cells stand in no column that is known
            rows.append(row + [""] * (width - len(row)))
        return Table(header, rows, delimiter, ends[0], lines.bom, lines.latin1_line is not None, is_packed(path), wide)


def _noting(lines: Lines, ends: list[str]) -> Iterator[str]:
    for line in lines.with_ends():
        if not ends:
            ends.append("\r\n" if line.endswith("\r\n") else "\n")
        yield line


@contextmanager
def table_rows(path: Path) -> Iterator[tuple[list[str], Iterator[list[str]], str]]:
    """Open a table as a stream: its header, its rows as written, its separator.

    Raises:
        InputError: It cannot be read.
    """
    with readable(path):
        delimiter = _delimiter(path)
        with open_lines(path, _STREAMED) as lines:
            reader = csv.reader(lines.with_ends(), delimiter=delimiter)
            yield next(reader, []), (row for row in reader if row), delimiter


def with_header(path: Path, target: Path, header: Sequence[str]) -> None:
    """Write a table with another first line; the bytes of all others stay.

    Raises:
        InputError: It cannot be read.
    """
    with readable(path):
        delimiter, packed = _delimiter(path), is_packed(path)
    with path.open("rb") as raw, opened_new(target, packed) as file:
        source: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if packed else raw
        with readable(path):
            first = source.readline(_LIMITS.line_bytes)
        if first.count(b'"') % 2 or not first.endswith(b"\n"):
            raise InputError(f"{path.name}: its header is not one line.")
        text = io.StringIO(newline="")
        end = "\r\n" if first.endswith(b"\r\n") else "\n"
        csv.writer(text, delimiter=delimiter, lineterminator=end).writerow(header)
        bom = first[:3] if first.startswith(b"\xef\xbb\xbf") else b""
        file.write(bom + text.getvalue().encode("utf-8", "replace"))
        while True:
            with readable(path):
                chunk = source.read(1 << 20)
            if not chunk:
                return
            file.write(chunk)
