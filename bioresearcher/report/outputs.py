"""Output files of tasks, read back for the report: contained, size-limited, checked against their digest."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TextIO

from bioresearcher.schemas.execution import Artifact
from bioresearcher.schemas.missing import blanked, is_missing, is_number
from bioresearcher.text.format import file_link, number
from bioresearcher.text.visible import one_line, visible

MAX_FIGURE_BYTES = 4_000_000
MAX_TABLE_BYTES = 50_000_000
MAX_TEXT_CHARACTERS = 4_000
MAX_CELL = 90
PREVIEW_ROWS = 10
PREVIEW_COLUMNS = 14

FileState = Literal["same", "changed", "missing", "refused"]

_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE[^>\[]*>\s*)*<svg\b", re.S)
_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Column:
    """A column of a table preview."""

    name: str
    numeric: bool


@dataclass(frozen=True)
class TablePreview:
    """The first rows and columns of a table; cells are (shown, as in the file)."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[tuple[str, str], ...], ...]
    total_rows: int
    total_columns: int

    @property
    def extent(self) -> str:
        """How much of the table is shown, in words."""
        rows = f"{self.total_rows:,} {'row' if self.total_rows == 1 else 'rows'}"
        if len(self.rows) < self.total_rows:
            rows = f"first {len(self.rows)} of {rows}"
        if len(self.columns) < self.total_columns:
            return f"{rows}, first {len(self.columns)} of {self.total_columns:,} columns"
        return rows


@dataclass(frozen=True)
class Figure:
    """A figure that can be embedded; width and height in pixels, 0 when the file does not say."""

    data_uri: str
    width: int
    height: int


@dataclass(frozen=True)
class OutputFile:
    """An artifact as it is on disk now. `note` says why nothing is shown, if so."""

    artifact: Artifact
    state: FileState
    link: str | None
    table: TablePreview | None = None
    figure: Figure | None = None
    text: str = ""
    note: str = ""


def read_output(artifact: Artifact, task_dir: Path, link_prefix: str) -> OutputFile:
    """Read one artifact of a task for showing it.

    Args:
        artifact: The artifact as recorded.
        task_dir: The task's folder; the artifact must lie in it, and no part of its path may be a symlink.
        link_prefix: The task's folder relative to the run folder, for the link in the report.

    Returns:
        The file with its state against the recorded sha256. A file that was changed is not shown.
    """
    path = contained(task_dir, artifact.path)
    if path is None:
        return OutputFile(artifact, "refused", None, note="the path leads out of the task's folder")
    if not path.is_file():
        return OutputFile(artifact, "missing", None, note="the file is not in the run folder")
    link = file_link(f"{link_prefix}/{artifact.path}")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != artifact.sha256.lower():
            return OutputFile(artifact, "changed", link, note="the file was changed after the run")
        return _shown(artifact, path, link)
    except OSError as error:
        return OutputFile(artifact, "missing", None, note=f"the file cannot be read ({error.strerror})")


def contained(base: Path, relative: str) -> Path | None:
    """`base/relative` when it stays inside `base` without passing a symlink, else None."""
    pure = PurePosixPath(relative)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts or "\x00" in relative:
        return None
    path = base
    for part in pure.parts:
        path = path / part
        if path.is_symlink():
            return None
    return path


def _shown(artifact: Artifact, path: Path, link: str | None) -> OutputFile:
    suffix = path.suffix.lower()
    if suffix in {".tsv", ".csv"}:
        table, note = read_table(path)
        return OutputFile(artifact, "same", link, table=table, note=note)
    if suffix in {".png", ".svg"}:
        figure, note = read_figure(path)
        return OutputFile(artifact, "same", link, figure=figure, note=note)
    if suffix in {".txt", ".md"}:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_TEXT_CHARACTERS + 1)
        cut = len(text) > MAX_TEXT_CHARACTERS
        return OutputFile(
            artifact,
            "same",
            link,
            text=visible(text[:MAX_TEXT_CHARACTERS]),
            note="only the beginning is shown" if cut else "",
        )
    return OutputFile(artifact, "same", link)


def read_table(path: Path) -> tuple[TablePreview | None, str]:
    """The preview of a CSV or TSV with a header row, or None and the reason."""
    if path.stat().st_size > MAX_TABLE_BYTES:
        return None, "too large to show here"
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return _preview(file, delimiter)
    except csv.Error as error:
        return None, f"not readable as a table ({error})"


def _preview(file: TextIO, delimiter: str) -> tuple[TablePreview | None, str]:
    reader: Iterator[list[str]] = csv.reader(file, delimiter=delimiter)
    header = next(reader, None)
    if not header:
        return None, "the table is empty"
    shown: list[list[str]] = []
    total = 0
    for row in reader:
        if row:
            total += 1
            if len(shown) < PREVIEW_ROWS:
                shown.append(row)
    width = min(len(header), PREVIEW_COLUMNS)
    cells = [[row[i] if i < len(row) else "" for i in range(width)] for row in shown]
    columns = tuple(Column(one_line(header[i], MAX_CELL), _is_numeric([row[i] for row in cells])) for i in range(width))
    rows = tuple(tuple(_cell(row[i], columns[i].numeric) for i in range(width)) for row in cells)
    return TablePreview(columns, rows, total, len(header)), ""


def _is_numeric(cells: list[str]) -> bool:
    known = [c for c in blanked(cells) if c]
    return bool(known) and all(map(is_number, known))


def _cell(raw: str, numeric: bool) -> tuple[str, str]:
    text = one_line(raw, MAX_CELL)
    # Whole numbers stay as written: they may be years or identifiers.
    decimal = numeric and is_number(text) and not is_missing(text) and not _INTEGER.fullmatch(text)
    return number(float(text)) if decimal else text, text


def read_figure(path: Path) -> tuple[Figure | None, str]:
    """A PNG or SVG for embedding, or None and the reason. The content decides, not the suffix."""
    if path.stat().st_size > MAX_FIGURE_BYTES:
        return None, "too large to show here"
    data = path.read_bytes()
    if data.startswith(_PNG) and len(data) >= 33 and data[12:16] == b"IHDR":
        width, height = struct.unpack(">II", data[16:24])
        return Figure(_data_uri("image/png", data), width, height), ""
    if _SVG.match(data[:4096]):
        return Figure(_data_uri("image/svg+xml", data), 0, 0), ""
    return None, "not a readable PNG or SVG"


def _data_uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
