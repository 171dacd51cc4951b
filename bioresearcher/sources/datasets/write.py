"""Writing of a data set's folder, whole or not at all: tables and `dataset.toml`."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

from bioresearcher.errors import WorkspaceError
from bioresearcher.runfolder import write_text
from bioresearcher.schemas.dataset import Column, DataFile, Dataset, Reading
from bioresearcher.sources.datasets.spec import DESCRIPTION, DatasetSpec, FileSpec
from bioresearcher.text.visible import one_line

_BATCH = 200
"""Rows that are handed to a file at once: each call of a gzip file costs more than a row."""


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder by `make` in a temporary place and move it here whole; one that exists is kept.

    Raises:
        WorkspaceError: It cannot be written (permissions, full disk).
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
        try:
            make(temporary)
            temporary.chmod(0o755)
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was quicker
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot write {folder}: {error.strerror or error}.",
            hint="Check permissions and free space, or choose another folder with --workspace DIR.",
        ) from error
    return folder


@contextmanager
def open_gzip(path: Path) -> Iterator[gzip.GzipFile]:
    """Open a gzip file for writing; the same content gives the same bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file:
        yield file
        file.flush()
        raw.flush()
        os.fsync(raw.fileno())


def write_rows(file: IO[bytes] | gzip.GzipFile, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a TSV and return its number of rows; cells must hold no tabs, quotes or line breaks."""
    file.write(("\t".join(header) + "\n").encode())
    count, given = 0, iter(rows)
    while batch := ["\t".join(row) + "\n" for row in islice(given, _BATCH)]:
        file.write("".join(batch).encode())
        count += len(batch)
    return count


def write_table(file: IO[bytes] | gzip.GzipFile, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a TSV of any cells, quoted where they hold tabs, quotes or line breaks, and return its number of rows."""
    return write_rows(file, _quoted(header), map(_quoted, rows))


def _quoted(cells: Sequence[str]) -> list[str]:
    return ['"' + c.replace('"', '""') + '"' if any(ch in c for ch in '\t"\r\n') else c for c in cells]


def write_copy(target: Path, dataset: Dataset, files: Callable[[Path], Iterable[FileSpec]], **changes: object) -> None:
    """Write a data set that is made of another into a folder, in the place of an earlier one.

    Args:
        target: Its folder.
        dataset: The other, whose facts are also its own.
        files: Writes the files into a folder and yields their descriptions.
        changes: What its description states otherwise, or besides.

    Raises:
        WorkspaceError: It cannot be written.
    """
    if target.is_dir():
        shutil.rmtree(target)
    names = "organism assay platform role source licence citation endpoint".split()

    def make(place: Path) -> None:
        facts = {**{name: getattr(dataset, name) for name in names}, **changes, "files": tuple(files(place))}
        write_spec(place, DatasetSpec.model_validate(facts))

    make_once(target, make)


def write_spec(folder: Path, spec: DatasetSpec) -> None:
    """Write `dataset.toml`."""
    data = spec.model_dump(mode="json", exclude_defaults=True)
    files = data.pop("files")
    lines = [f"{key} = {_toml(value)}" for key, value in data.items()]
    for file in files:
        columns = file.pop("columns", {})
        lines += ["", "[[files]]", *(f"{key} = {_toml(value)}" for key, value in file.items())]
        for name, column in columns.items():
            if column:
                lines += ["", f"[files.columns.{_toml(name)}]"]
                lines += [f"{key} = {_toml(value)}" for key, value in column.items()]
    write_text(folder / DESCRIPTION, "\n".join(lines) + "\n")


def described_text(dataset: Dataset) -> str:
    """Return a data set's description as `dataset.toml`, with a comment wherever something is not sure."""
    lines = [
        "# Written by `bioresearcher data show --write`. What is here is taken as stated: correct what is wrong, and",
        "# take the # away from the lines that settle what is open.",
    ]
    lines += [f"{name} = {_toml(value)}" for name, value in _facts(dataset) if value]
    for file in dataset.files:
        readings = [r for r in dataset.readings if r.file == file.path]
        lines += ["", "[[files]]"]
        lines += [f"{name} = {_toml(value)}" for name, value in _file_facts(file) if value]
        lines += _comments([r for r in readings if not r.column])
        for column in file.columns:
            own = [r for r in readings if r.column == column.name]
            lines += ["", f"[files.columns.{_toml(column.name)}]"]
            lines += [f"{name} = {_toml(value)}" for name, value in _column_facts(column) if value]
            lines += _comments(own)
    return "\n".join(lines) + "\n"


def _facts(dataset: Dataset) -> list[tuple[str, object]]:
    names = ("accession", "title", "organism", "assay", "platform", "source", "licence", "citation")
    facts: list[tuple[str, object]] = [("id", dataset.id), *((name, getattr(dataset, name)) for name in names)]
    if dataset.role != "unspecified":
        facts.append(("role", dataset.role))
    return facts


def _file_facts(file: DataFile) -> list[tuple[str, object]]:
    feature = file.feature_column if file.kind == "expression" else None
    return [
        ("name", file.name),
        ("kind", file.kind),
        ("path", file.path),
        ("sample_column", file.sample_column),
        ("feature_column", feature),
        ("scale", file.scale),
        ("row_is", file.row_is if file.kind in ("samples", "table") else ""),
    ]


def _column_facts(column: Column) -> list[tuple[str, object]]:
    return [
        ("role", column.role),
        ("label", column.label),
        ("aliases", column.aliases),
        ("case", column.case),
        ("control", column.control),
        ("missing_values", column.stated_codes),
        ("unit", column.unit),
        ("codes", dict(column.codes)),
        ("endpoint", column.endpoint),
        ("event_level", column.event_level),
        ("time_of", column.time_of),
    ]


def _comments(readings: Sequence[Reading]) -> list[str]:
    """Write what is not sure, and each line that settles it, as comments."""
    lines = []
    for reading in readings:
        if not reading.sure:
            lines.append("# " + one_line(f"not sure: {reading.says} ({reading.reason})"))
            lines += [f"# {line}" for line in reading.line.splitlines()]
    return lines


def _toml(value: object) -> str:
    """Format a text, texts or a table as TOML; JSON's strings are TOML's but for one control character."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(k)} = {_toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(v) for v in value)}]"
    return json.dumps(str(value).replace("\x7f", " "), ensure_ascii=False)
