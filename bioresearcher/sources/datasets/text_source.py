"""Text tables as rows of cells, whatever their bytes are: encoding, packing, separator, and lines before the table.

A name promises little: a gzip without its suffix, tabs in a `.csv`, UTF-16 of a spreadsheet, comment lines of a
program. All of it is recognised by the bytes; nothing is unpacked to disk.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.table_stream import GZIP, MAX_CELL, delimiter_of

ZIP = b"PK\x03\x04"
"""First bytes of a zip archive, also of a workbook."""
_HEAD = 1 << 18
_MAX_TEXT = 8 << 30
_SNIFFED = 60
_SEPARATORS = ("\t", ",", ";", "|", " ")
_DAMAGED = (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class TextSource:
    """A text table: how its bytes are read.

    Attributes:
        packing: `gzip`, `zip` or empty.
        encoding: Of the text, as Python names it.
        delimiter: Separator of cells; a space stands for runs of them.
        skipped: Lines before the table (comments, dimensions of a GCT).
        usual: Whether every reader of tables reads it as it is.
    """

    path: Path
    packing: str
    encoding: str
    delimiter: str
    skipped: int
    usual: bool

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows that are not blank, from the header on; cells without blanks around them.

        Raises:
            InputError: The file is damaged.
        """
        try:
            with _text(self.path, self.packing, self.encoding) as text:
                csv.field_size_limit(MAX_CELL)
                for _ in range(self.skipped):
                    text.readline()
                reader = csv.reader(_limited(text), delimiter=self.delimiter, skipinitialspace=self.delimiter == " ")
                for row in reader:
                    cells = list(map(str.strip, row))
                    if any(cells):
                        yield cells[:-1] if self.delimiter == " " and not cells[-1] else cells
        except _DAMAGED as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.path.name}: cannot be read as a table ({reason}).") from error

    @property
    def notes(self) -> list[str]:
        """List what was unusual of the file, in words."""
        name, found = self.path.name, []
        if self.packing and not name.lower().endswith(f".{ {'gzip': 'gz', 'zip': 'zip'}[self.packing] }"):
            found.append(f"{name}: is packed ({self.packing}) without the name saying so; it was unpacked")
        if self.encoding not in ("utf-8", "utf-8-sig"):
            found.append(f"{name}: the text is {self.encoding.upper()}; it was read as such")
        if self.delimiter != delimiter_of(self.path):
            word = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}[self.delimiter]
            found.append(f"{name}: {word} separate its cells")
        if self.skipped:
            found.append(f"{name}: {self.skipped} lines before the table were left out (comments)")
        return found


def is_workbook(path: Path) -> bool:
    """Check whether a file is a workbook of Excel 2007 or later by its content."""
    try:
        with path.open("rb") as file:
            if file.read(4) != ZIP:
                return False
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def find_source(path: Path) -> TextSource:
    """Find out how a text table is to be read.

    Raises:
        InputError: It is damaged, binary, or an archive of several files.
    """
    try:
        with path.open("rb") as file:
            first = file.read(4)
        packing = "gzip" if first[:2] == GZIP else "zip" if first == ZIP else ""
        with _bytes(path, packing) as stream:
            encoding = _encoding(stream, path.name)
        with _text(path, packing, encoding) as text:
            lines = text.read(_HEAD).splitlines()
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name}: cannot be read as a table ({reason}).", hint="Download it again.") from error
    skipped = _before_table(lines)
    delimiter = _delimiter([line for line in lines[skipped : skipped + _SNIFFED] if line.strip()], delimiter_of(path))
    named = path.name.lower().endswith(".gz") == (packing == "gzip") and packing != "zip"
    usual = named and encoding in ("utf-8", "utf-8-sig") and delimiter == delimiter_of(path) and not skipped
    return TextSource(path, packing, encoding, delimiter, skipped, usual)


@contextmanager
def _bytes(path: Path, packing: str) -> Iterator[IO[bytes]]:
    if packing == "gzip":
        with gzip.open(path, "rb") as packed:
            yield cast("IO[bytes]", packed)
    elif packing == "zip":
        with zipfile.ZipFile(path) as archive:
            members = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX")]
            if len(members) != 1:
                raise InputError(f"{path.name}: is an archive of {len(members)} files.", hint="Unpack it.")
            with archive.open(members[0]) as member:
                yield member
    else:
        with path.open("rb") as plain:
            yield plain


@contextmanager
def _text(path: Path, packing: str, encoding: str) -> Iterator[io.TextIOWrapper]:
    with _bytes(path, packing) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, newline="")
        try:
            yield text
        finally:
            text.detach()


def _limited(text: io.TextIOWrapper) -> Iterator[str]:
    read = 0
    for line in text:
        read += len(line)
        if read > _MAX_TEXT:
            raise OSError(f"it holds more than {_MAX_TEXT >> 30} GB of text")
        yield line.replace("\0", "")


def _encoding(stream: IO[bytes], name: str) -> str:
    """Tell the encoding by its mark, by zero bytes between letters (UTF-16), or by trying the whole text."""
    head = stream.read(1 << 16)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        odd, even = head[1::2].count(0), head[::2].count(0)
        if max(odd, even) > 0.3 * len(head) / 2 and min(odd, even) < 0.05 * len(head) / 2:
            return "utf-16-le" if odd > even else "utf-16-be"
        raise InputError(
            f"{name}: holds binary data, not text.",
            hint="Give tables as text (.csv, .tsv, optionally .gz); export spreadsheets first.",
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    mark = head.startswith(codecs.BOM_UTF8)
    try:
        while head:
            decoder.decode(head)
            head = stream.read(1 << 20)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252" if _is_cp1252(head) else "latin-1"
    return "utf-8-sig" if mark else "utf-8"


def _is_cp1252(data: bytes) -> bool:
    return not re.search(rb"[\x81\x8d\x8f\x90\x9d]", data)


def _before_table(lines: Sequence[str]) -> int:
    """Count the lines before the header: comments that begin with `#`, and the two lines of a GCT."""
    if lines and re.match(r"#1\.[23]\s*$", lines[0]) and len(lines) > 2:
        return 2
    count = 0
    while count < len(lines) and (lines[count].startswith("#") or not lines[count].strip()):
        count += 1
    if not 0 < count < len(lines) or not any(line.strip() for line in lines[:count]):
        return 0
    last, following = lines[count - 1], lines[count]
    delimiter = max("\t,;", key=following.count)
    names, cells = last.split(delimiter), following.split(delimiter)
    numbers = [at for at, c in enumerate(cells) if as_number(c) is not None]
    if len(names) == len(cells) > 1 and numbers and all(as_number(names[at]) is None for at in numbers):
        return count - 1  # the header itself begins with `#`
    return count


def _delimiter(lines: Sequence[str], own: str) -> str:
    """Choose the separator that cuts the lines into equally many cells; the suffix's own one goes before others."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " ")]
        except csv.Error:
            return 0.0, 0
        body = Counter(widths[1:] or widths).most_common(1)
        if not body or body[0][0] < 2:
            return 0.0, 0
        width, times = body[0]
        fits = 1 < widths[0] in (width, width - 1) or len(widths) < 2  # one not in the header may be a decimal comma
        return (times / max(1, len(widths) - 1) if fits else 0.3), width

    best, cells = score(own)
    if best >= 0.9 and cells > 1:
        return own
    others = {d: score(d) for d in _SEPARATORS if d != own}
    found = max(others, key=lambda d: (others[d][0] >= 0.9, others[d][0] * (d != " "), others[d][1]))
    return found if others[found][0] >= 0.9 and others[found][0] > best else own
