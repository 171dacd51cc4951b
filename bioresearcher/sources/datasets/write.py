"""Writing of a data set's folder, whole or not at all: tables and `dataset.toml`."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bioresearcher.errors import WorkspaceError
from bioresearcher.runfolder import write_text
from bioresearcher.sources.datasets.spec import DESCRIPTION, DatasetSpec


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
    count = 0
    for row in rows:
        file.write(("\t".join(row) + "\n").encode())
        count += 1
    return count


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


def _toml(value: object) -> str:
    """Format a text, texts or a table as TOML; JSON's strings are TOML's but for one control character."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(k)} = {_toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(v) for v in value)}]"
    return json.dumps(str(value).replace("\x7f", " "), ensure_ascii=False)
