"""Text files from outside, line by line and within limits: plain or gzipped, whatever the name says."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from bioresearcher.errors import InputError

GZIP = b"\x1f\x8b"
_BOM = "\ufeff"


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
    """The lines of a file without their ends, with the number of the last one given out.

    Bytes that are not UTF-8 are read as Latin-1; `latin1_line` is the first such line.
    """

    def __init__(self, file: BinaryIO, name: str, limits: LineLimits) -> None:
        self.name = name
        self.number = 0
        self.latin1_line: int | None = None
        self._file = file
        self._limits = limits
        self._bytes = 0

    def __iter__(self) -> Iterator[str]:
        """The lines, once.

        Raises:
            InputError: The file is damaged, cut off, binary, or beyond the limits.
        """
        limits = self._limits
        while raw := self._readline():
            self.number += 1
            self._bytes += len(raw)
            if len(raw) >= limits.line_bytes and not raw.endswith(b"\n"):
                raise InputError(f"{self.name}: line {self.number} is longer than {limits.line_bytes >> 20} MB.")
            if self._bytes > limits.text_bytes:
                raise InputError(f"{self.name}: holds more than {limits.text_bytes >> 20:,} MB of text.")
            if b"\0" in raw:
                raise InputError(f"{self.name}: line {self.number} holds binary data, not text.")
            yield self._decoded(raw)

    def _readline(self) -> bytes:
        try:
            return self._file.readline(self._limits.line_bytes)
        except EOFError as error:
            raise InputError(
                f"{self.name}: the gzip file is cut off after line {self.number}.", hint="Download it again."
            ) from error
        except (OSError, zlib.error) as error:
            raise InputError(f"{self.name}: cannot be read ({error}).", hint="Download it again.") from error

    def _decoded(self, raw: bytes) -> str:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.latin1_line = self.latin1_line or self.number
            text = raw.decode("latin-1")
        if self.number == 1:
            text = text.removeprefix(_BOM)
        return text.rstrip("\r\n")


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
