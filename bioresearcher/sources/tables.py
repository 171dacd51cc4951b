"""Tables read as a stream: CSV and TSV, plain or gzipped, in bounded memory.

Nothing here holds a whole table: a file of any size is read line by line, cells are checked up to a limit of
text, and rows after that are only counted. Names and values are kept as written (spaces, unicode).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from bioresearcher.errors import InputError

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
"""Suffixes read as tables, each also with `.gz`; commas in `.csv`, tabs in the others."""

_CHUNK = 1 << 20
MAX_CELL = 1 << 17
"""Characters a cell may have: more is an unclosed quote."""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Limits:
    """How much of a file is read.

    Attributes:
        text_bytes: Text whose cells are looked at; the rows after it are only counted.
        count_bytes: Text whose lines are counted; reading ends there (a small gzip can hold very much).
        line_bytes: Longest line that is taken for a row of a table.
        ids: Most row names that are compared with each other.
    """

    text_bytes: int = 192 << 20
    count_bytes: int = 8 << 30
    line_bytes: int = 16 << 20
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
        lines: Number of the last line given out, the header being line 1.
        rows_seen: Rows given out; `rows_total` also counts those after the text limit.
        ragged: Rows left out because their number of cells differs from the header's.
        first_ragged: (line, cells) of the first of them.
        latin1_line: First line that is not UTF-8 and was read as Latin-1, else None.
        bom: Whether the file starts with a byte order mark.
        truncated: Whether the text limit was reached.
        uncounted: Whether counting stopped at its limit too.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path
        self.limits = limits or Limits()
        self.header: list[str] = []
        self.lines = 0
        self.rows_seen = 0
        self.rows_total = 0
        self.ragged = 0
        self.first_ragged: tuple[int, int] | None = None
        self.latin1_line: int | None = None
        self.bom = False
        self.truncated = False
        self.uncounted = False
        self._read_bytes = 0
        self._line = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open the file and read the header.

        Raises:
            InputError: The file cannot be read, is empty, or is no text table.
        """
        try:
            opened = gzip.open(self.path, "rb") if self.path.name.lower().endswith(".gz") else None
            self._file = cast("BinaryIO", opened) if opened is not None else self.path.open("rb")
            csv.field_size_limit(MAX_CELL)  # of the whole process, so not left to whoever set it last
            self._reader = csv.reader(self._text_lines(), delimiter=delimiter_of(self.path))
            self.header = next(self._reader, [])
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            self._close()
            raise self._unreadable(error) from error
        except InputError:
            self._close()
            raise
        if not any(name.strip() for name in self.header):
            self._close()
            raise InputError(f"{self.path.name}: the file is empty.", hint="Remove it or fill it.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._close()

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
            rest = self._count_rest() if self.truncated else 0
            self.rows_total = self.rows_seen + self.ragged + rest
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise self._unreadable(error) from error

    def _text_lines(self) -> Iterator[str]:
        file = self._file
        if file is None:
            return
        while self._read_bytes < self.limits.text_bytes:
            raw = file.readline(self.limits.line_bytes)
            if not raw:
                return
            self._line += 1
            self._read_bytes += len(raw)
            if len(raw) >= self.limits.line_bytes and not raw.endswith(b"\n"):
                raise InputError(
                    f"{self.path.name}: line {self._line} is longer than {self.limits.line_bytes >> 20} MB.",
                    hint="This does not look like a table with one row per line.",
                )
            yield self._decode(raw)
        self.truncated = bool(file.peek(1)) if hasattr(file, "peek") else True

    def _decode(self, raw: bytes) -> str:
        if self._line == 1:
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InputError(f"{self.path.name}: the text is UTF-16.", hint="Save the table as UTF-8 text.")
            if raw.startswith(_BOM):
                self.bom, raw = True, raw[len(_BOM) :]
        if b"\0" in raw:
            raise InputError(
                f"{self.path.name}: line {self._line} holds binary data.",
                hint="Give tables as text (.csv, .tsv, optionally .gz); export spreadsheets first.",
            )
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.latin1_line = self.latin1_line or self._line
            return raw.decode("latin-1")

    def _count_rest(self) -> int:
        count, last = 0, b"\n"
        while self._file is not None and (chunk := self._file.read(_CHUNK)):
            count += chunk.count(b"\n")
            last = chunk[-1:]
            self._read_bytes += len(chunk)
            if self._read_bytes >= self.limits.count_bytes:
                self.uncounted = True
                break
        return count + (last != b"\n")

    def _unreadable(self, error: Exception) -> InputError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return InputError(
            f"{self.path.name}: cannot be read as a table ({reason}).",
            hint="Give tables as text: .csv with commas or .tsv with tabs, optionally .gz.",
        )

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def delimiter_of(path: Path) -> str:
    """The separator that goes with the suffix: a comma for `.csv`, else a tab."""
    return "," if plain_suffix(path) == ".csv" else "\t"


def other_delimiter(header: list[str], delimiter: str) -> str | None:
    """The separator a one-column header seems to use instead of the expected one, or None."""
    if len(header) != 1:
        return None
    return next((d for d in ("\t", ",", ";", "|") if d != delimiter and d in header[0]), None)
