"""Streams of text lines and of table rows from untrusted files, plain or gzipped, in bounded memory.

Nothing here holds a whole table: a file of any size is read line by line, cells are checked up to a limit of text, and
rows after that are only counted. Names and values stay as written (spaces, unicode).
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, Self, cast

from bioresearcher.errors import InputError

GZIP = b"\x1f\x8b"
"""First bytes of a gzip file."""
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
"""Suffixes of delimited text, each also with `.gz`; commas in `.csv`, tabs in the others."""
MAX_CELL = 1 << 17
"""Most characters of a cell: more is an unclosed quote."""
_CHUNK = 1 << 20
_DAMAGED = (OSError, EOFError, zlib.error, csv.Error)


@dataclass(frozen=True)
class LineLimits:
    """Limits for reading a text file.

    Attributes:
        line_bytes: Longest line.
        text_bytes: Text altogether, after unpacking: a small gzip can hold very much.
    """

    line_bytes: int = 32 << 20
    text_bytes: int = 8 << 30


class Lines:
    """Lines of a file and the number of the last one; read them once, in one of the two ways.

    Attributes:
        latin1_line: First line that is not UTF-8 and was read as Latin-1, else None.
        bom: Whether the file starts with a byte order mark.
        truncated: Whether there was more text than the limits allow; only where that is no error.
    """

    def __init__(self, file: BinaryIO, name: str, limits: LineLimits, *, whole: bool = True) -> None:
        self.name = name
        self.number = 0
        self.latin1_line: int | None = None
        self.bom = False
        self.truncated = False
        self._file = file
        self._limits = limits
        self._whole = whole
        self._bytes = 0

    def __iter__(self) -> Iterator[str]:
        """Yield the lines without their ends.

        Raises:
            InputError: The file is damaged, cut off, binary, or beyond the limits.
        """
        try:
            for line in self.with_ends():
                yield line.rstrip("\r\n")
        except EOFError as error:
            raise InputError(
                f"{self.name}: the gzip file is cut off after line {self.number}.", hint="Download it again."
            ) from error
        except (OSError, zlib.error) as error:
            raise InputError(f"{self.name}: cannot be read ({error}).", hint="Download it again.") from error

    def with_ends(self) -> Iterator[str]:
        """Yield the lines as written; text beyond the limit is an error if `whole`, else the lines end there.

        Raises:
            InputError: The file is binary, or beyond the limits.
            OSError, EOFError, zlib.error: It is damaged.
        """
        limits = self._limits
        while self._whole or self._bytes < limits.text_bytes:
            raw = self._file.readline(limits.line_bytes)
            if not raw:
                return
            self.number += 1
            self._bytes += len(raw)
            if len(raw) >= limits.line_bytes and not raw.endswith(b"\n"):
                raise InputError(
                    f"{self.name}: line {self.number} is longer than {limits.line_bytes >> 20} MB.",
                    hint="This does not look like text with one row per line.",
                )
            if self._whole and self._bytes > limits.text_bytes:
                raise InputError(f"{self.name}: holds more than {limits.text_bytes >> 20:,} MB of text.")
            yield self._decoded(raw)
        self.truncated = bool(self._file.peek(1)) if hasattr(self._file, "peek") else True

    def count_rest(self, most: int) -> tuple[int, bool]:
        """Count the lines that follow within `most` bytes of the file; True if that was the rest of it."""
        count, last = 0, b"\n"
        while chunk := self._file.read(_CHUNK):
            count, last = count + chunk.count(b"\n"), chunk[-1:]
            self._bytes += len(chunk)
            if self._bytes >= most:
                return count + (last != b"\n"), False
        return count + (last != b"\n"), True

    def _decoded(self, raw: bytes) -> str:
        if self.number == 1:
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InputError(f"{self.name}: the text is UTF-16.", hint="Save it as UTF-8 text.")
            self.bom = raw.startswith(codecs.BOM_UTF8)
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if b"\0" in raw:
            raise InputError(
                f"{self.name}: line {self.number} holds binary data, not text.",
                hint="Give tables as text (.csv, .tsv, optionally .gz); export spreadsheets first.",
            )
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.latin1_line = self.latin1_line or self.number
            return raw.decode("latin-1")


@contextmanager
def open_lines(path: Path, limits: LineLimits | None = None) -> Iterator[Lines]:
    """Open a text file, unpacking gzip by its first bytes.

    Raises:
        InputError: It cannot be opened.
    """
    with _opened(path) as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        yield Lines(unpacked(file, packed=packed), path.name, limits or LineLimits())


def unpacked(file: IO[bytes], *, packed: bool) -> BinaryIO:
    """Open the file's text, unpacked while it is read."""
    return cast("BinaryIO", gzip.GzipFile(fileobj=file) if packed else file)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error}).") from error


@dataclass(kw_only=True)
class StreamedTable:
    """Table in a stream of lines; its rows can be read once.

    Attributes:
        header: The table's column names; empty without a table.
        rows_read: Rows given out so far; `ragged` of them had more cells than the header and were left out.
    """

    header: list[str] = field(default_factory=list)
    rows_read: int = 0
    ragged: int = 0
    _rows: Iterator[list[str]] = field(default_factory=lambda: iter(()), repr=False)

    def rows(self) -> Iterator[list[str]]:
        """Yield the table's rows, each as long as the header (cells missing at the end are empty).

        Raises:
            InputError: The file ends within the table.
        """
        width = len(self.header)
        for row in self._rows:
            if len(row) > width:
                self.ragged += 1
                continue
            self.rows_read += 1
            yield row + [""] * (width - len(row))


@dataclass(frozen=True)
class TableLimits(LineLimits):
    """Limits for reading a table.

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
    """Return the suffix in lower case, without a `.gz` after it."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def is_table(path: Path) -> bool:
    """Return True if the file has the suffix of delimited text."""
    return plain_suffix(path) in TABLE_SUFFIXES


def sha256_of(path: Path) -> str:
    """Return the file's sha256 in hex.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unnamed(at: int) -> str:
    """Name a column whose header cell is empty, by its place from 0, as pandas does: code of tasks reads by pandas."""
    return f"Unnamed: {at}"


class RowStream:
    """Rows of one table, as lists of strings with as many cells as the header.

    Use it as a context manager and go through `rows()` once; the attributes are final after that.

    Attributes:
        header: Column names as written; a column without one has that of `unnamed`.
        text: The file's lines, with what was noticed of their encoding.
        lines: Number of the last line given out, the header being line 1.
        rows_seen: Rows given out; `rows_total` also counts those after the text limit.
        ragged: Rows left out because their number of cells differs from the header's.
        first_ragged: (line, cells) of the first of them.
        truncated: Whether the text limit was reached.
        uncounted: Whether counting stopped at its limit too.
    """

    text: Lines

    def __init__(self, path: Path, limits: TableLimits | None = None) -> None:
        self.path = path
        self.limits = limits or TableLimits()
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
            self.header = [name or unnamed(at) for at, name in enumerate(self.header)]
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
        """Yield data rows in file order, at most `most`; blank lines are skipped, ragged rows left out and counted.

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
    """Return the separator that belongs to the suffix: a comma for `.csv`, else a tab."""
    return "," if plain_suffix(path) == ".csv" else "\t"


def other_delimiter(header: list[str], delimiter: str) -> str | None:
    """Guess the separator that a one-column header uses instead of the expected one; None if there is none."""
    if len(header) != 1:
        return None
    return next((d for d in ("\t", ",", ";", "|") if d != delimiter and d in header[0]), None)
