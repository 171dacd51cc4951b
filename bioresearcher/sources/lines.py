"""Text files from outside, line by line and within limits: plain or gzipped, whatever the name says."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from bioresearcher.errors import InputError

GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class LineLimits:
    """How much is read of a text file.

    Attributes:
        line_bytes: Longest line.
        text_bytes: Text altogether, after unpacking: a small gzip can hold very much.
    """

    line_bytes: int = 32 << 20
    text_bytes: int = 8 << 30


class Lines:
    """The lines of a file, with the number of the last one given out; only one of the two ways to read, and once.

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
        """The lines without their ends.

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
        """The lines as written; beyond the limit of text it is an error unless the lines end there (not `whole`).

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
        """How many lines follow, and whether all were counted: no more than `most` bytes of the file are read."""
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
    """The file's text, unpacked while it is read."""
    return cast("BinaryIO", gzip.GzipFile(fileobj=file) if packed else file)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error}).") from error


@dataclass(kw_only=True)
class StreamedTable:
    """A table that is read from a stream, once.

    Attributes:
        header: The table's column names; empty without a table.
        rows_read: Rows given out so far; `ragged` of them had more cells than the header and were left out.
    """

    header: list[str] = field(default_factory=list)
    rows_read: int = 0
    ragged: int = 0
    _rows: Iterator[list[str]] = field(default_factory=lambda: iter(()), repr=False)

    def rows(self) -> Iterator[list[str]]:
        """The table's rows as written, each as long as the header (cells missing at the end are empty).

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
