"""Tables read as a stream: CSV and TSV, plain or gzipped, in bounded memory.

Nothing here holds a whole table: a file of any size is read line by line, cells are checked up to a limit of
text, and rows after that are only counted. Names and values are kept as written (spaces, unicode).
"""

from __future__ import annotations

import csv
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from bioresearcher.errors import InputError
from bioresearcher.sources.lines import LineLimits, Lines, unpacked

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
"""Suffixes read as tables, each also with `.gz`; commas in `.csv`, tabs in the others."""

_CHUNK = 1 << 20
MAX_CELL = 1 << 17
"""Characters a cell may have: more is an unclosed quote."""
_DAMAGED = (OSError, EOFError, zlib.error, csv.Error)


@dataclass(frozen=True)
class Limits(LineLimits):
    """How much of a table is read.

    Attributes:
        text_bytes: Text whose cells are looked at; the rows after it are only counted.
        count_bytes: Text whose lines are counted; reading ends there (a small gzip can hold very much).
        line_bytes: Longest line that is taken for a row of a table.
        ids: Most row names that are compared with each other.
    """

    line_bytes: int = 16 << 20
    text_bytes: int = 192 << 20
    count_bytes: int = 8 << 30
    ids: int = 300_000


def plain_suffix(path: Path) -> str:
    """The suffix in lower case, without a `.gz` after it."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def is_table(path: Path) -> bool:
    """Whether the name says that the file is a table."""
    return plain_suffix(path) in TABLE_SUFFIXES


def sha256_of(path: Path) -> str:
    """The file's sha256, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class RowStream:
    """The rows of one table, as lists of strings with as many cells as the header.

    Use it as a context manager and go through `rows()` once; the attributes are final after that.

    Attributes:
        header: Column names as written.
        text: The file's lines, with what was noticed of their encoding.
        lines: Number of the last line given out, the header being line 1.
        rows_seen: Rows given out; `rows_total` also counts those after the text limit.
        ragged: Rows left out because their number of cells differs from the header's.
        first_ragged: (line, cells) of the first of them.
        truncated: Whether the text limit was reached.
        uncounted: Whether counting stopped at its limit too.
    """

    text: Lines

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path
        self.limits = limits or Limits()
        self.header: list[str] = []
        self.lines = 0
        self.rows_seen = 0
        self.rows_total = 0
        self.ragged = 0
        self.first_ragged: tuple[int, int] | None = None
        self.truncated = False
        self.uncounted = False
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open the file and read the header.

        Raises:
            InputError: The file cannot be read, is empty, or is no text table.
        """
        try:
            self._file = self.path.open("rb")
            packed = self.path.name.lower().endswith(".gz")
            self.text = Lines(unpacked(self._file, packed=packed), self.path.name, self.limits, whole=False)
            csv.field_size_limit(MAX_CELL)  # of the whole process, so not left to whoever set it last
            self._reader = csv.reader(self.text.with_ends(), delimiter=delimiter_of(self.path))
            self.header = next(self._reader, [])
            if not any(name.strip() for name in self.header):
                raise InputError(f"{self.path.name}: the file is empty.", hint="Remove it or fill it.")
        except BaseException as error:
            self.__exit__()
            if isinstance(error, _DAMAGED):
                raise self._unreadable(error) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def rows(self, most: int | None = None) -> Iterator[list[str]]:
        """Data rows in file order, at most `most`; blank lines are skipped, ragged rows left out and counted.

        Raises:
            InputError: The file turns out to be damaged, or a line is too long for a table.
        """
        width = len(self.header)
        try:
            for row in self._reader:
                if not row:
                    continue
                self.lines = self._reader.line_num
                if len(row) != width:
                    self.ragged += 1
                    self.first_ragged = self.first_ragged or (self.lines, len(row))
                    continue
                self.rows_seen += 1
                yield row
                if most is not None and self.rows_seen >= most:
                    return
            self.truncated, rest, counted = self.text.truncated, 0, True
            if self.truncated:
                rest, counted = self.text.count_rest(self.limits.count_bytes)
            self.rows_total, self.uncounted = self.rows_seen + self.ragged + rest, not counted
        except _DAMAGED as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InputError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return InputError(
            f"{self.path.name}: cannot be read as a table ({reason}).",
            hint="Give tables as text: .csv with commas or .tsv with tabs, optionally .gz.",
        )


def delimiter_of(path: Path) -> str:
    """The separator that goes with the suffix: a comma for `.csv`, else a tab."""
    return "," if plain_suffix(path) == ".csv" else "\t"


def other_delimiter(header: list[str], delimiter: str) -> str | None:
    """The separator a one-column header seems to use instead of the expected one, or None."""
    if len(header) != 1:
        return None
    return next((d for d in ("\t", ",", ";", "|") if d != delimiter and d in header[0]), None)
