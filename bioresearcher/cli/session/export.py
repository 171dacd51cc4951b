"""`/open` and `/export`: the files of a run that people read, and a copy of them to give away.

A copy holds the protocol, the reports, the notebook, what stands on what, and each task's code, tables and figures, in
the places the reports' links point to. It holds no ledger, no library, no events and no checkpoints. Nothing is
overwritten, nothing is read through a link or from outside the run folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from bioresearcher.errors import InputError, WorkspaceError
from bioresearcher.report.first_page import PAGES
from bioresearcher.report.run_data import contained_path
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.text.format import count_of, size

_FILES: Final = (
    ("report", "report.html"),
    ("report as text", "report.md"),
    ("protocol", "protocol.md"),
    ("protocol's evidence", "protocol-evidence.md"),
    ("protocol's script", "protocol-script.py"),
    ("protocol as data", "protocol.json"),
    ("notebook", "notebook.ipynb"),
    ("evidence", "evidence.json"),
    ("review", "review.json"),
    *((f"page of {name}", f"report/{name}.html") for name in PAGES),
)
"""Names of the files that people read."""
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""Time of every file in an archive, so that the same run gives the same bytes."""


def path_of(folder: RunFolder, what: str) -> Path:
    """Return the path of one of the files: `report`, `protocol`, `notebook`, …, or `folder`.

    Raises:
        InputError: There is no such file, or not yet.
    """
    known = dict(_FILES)
    asked = what.strip().casefold()
    name = next((file for called, file in _FILES if asked in {called, file}), None)
    if asked == "folder":
        return folder.root.resolve()
    if name is None:
        raise InputError(f"/open: there is no {what[:40]!r}.", hint=f"Say {', '.join([*known, 'folder'])}.")
    if not folder.has(name):
        raise InputError(f"/open: the run has no {name} yet.")
    return folder.path(name).resolve()


def file_lines(folder: RunFolder) -> list[str]:
    """Return the run's files with their paths and sizes, as lines."""
    there = [(name, folder.path(file)) for name, file in _FILES if folder.has(file)]
    lines = [f"{name}: {path.resolve()} ({size(path.stat().st_size)})" for name, path in there]
    outputs = [path for path in _outputs(folder) if path.parts[-2:-1] == ("outputs",)]
    if outputs:
        where = folder.path("tasks").resolve()
        lines.append(f"{count_of(len(outputs), 'table or figure', 'tables and figures')} in {where}/<task>/outputs")
    none = () if there else ("No report or protocol has been written yet.",)
    return [f"Run folder: {folder.root.resolve()}", *none, *lines]


def _outputs(folder: RunFolder) -> Iterator[PurePosixPath]:
    """Yield code and output files of the tasks, relative to the run folder, if they exist and lie in it."""
    for task in folder.read_list(DryLabTask, "tasks.json"):
        place = PurePosixPath("tasks", task.id)
        record = folder.has(*place.parts, "record.json")
        artifacts = folder.read(TaskRecord, *place.parts, "record.json").artifacts if record else ()
        for name in (task.code_file, *(a.path for a in artifacts)):
            path = contained_path(folder.root, f"{place}/{name}")
            if path is not None and ".." not in name and path.is_file():
                yield place / name


@dataclass(frozen=True)
class Exported:
    """A copy that was written: its path, files and size."""

    target: Path
    files: tuple[str, ...]
    bytes: int

    def lines(self) -> list[str]:
        """Return a message on the copy."""
        tasks = sum(name.startswith("tasks/") for name in self.files)
        named = ", ".join(name for name in self.files if "/" not in name)
        beside = f", and {count_of(tasks, 'file')} of tasks" if tasks else ""
        return [f"written: {self.target} ({size(self.bytes)})", f"in it: {named}{beside}"]


def export(folder: RunFolder, target: str) -> Exported:
    """Copy the files of a run that people read into a new folder or `.zip` file; it appears whole or not at all.

    Raises:
        InputError: No target was named, it exists, lies in the run folder, or there is nothing to copy yet.
        WorkspaceError: It cannot be written.
    """
    place = _target(folder, target)
    names = [PurePosixPath(file) for _, file in _FILES if contained_path(folder.root, file) and folder.has(file)]
    names += _outputs(folder)
    if not names:
        raise InputError("there is nothing to export yet.", hint="A protocol is there once it was designed.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=place.parent) as scratch:
            copy = Path(scratch, "copy")
            if place.suffix.lower() == ".zip":
                _pack(folder, names, copy)
                os.link(copy, place)  # unlike a rename, never over a file that came meanwhile
            else:
                _copy(folder, names, copy)
                copy.rename(place)  # fails when a folder with something in it came meanwhile
    except FileExistsError as error:
        raise _exists(place) from error
    except OSError as error:
        raise WorkspaceError(
            f"cannot write {place}: {error.strerror or error}.", hint="Choose another place."
        ) from error
    total = sum(folder.path(*name.parts).stat().st_size for name in names)
    return Exported(place, tuple(map(str, names)), place.stat().st_size if place.is_file() else total)


def _target(folder: RunFolder, target: str) -> Path:
    name = target.strip().strip("\"'")
    if not name or "\0" in name:
        raise InputError("/export: say where to.", hint="/export results, or /export results.zip")
    place = Path(name)
    with suppress(RuntimeError):  # whose home is meant is not known
        place = place.expanduser()
    place = place.absolute()
    if os.path.lexists(place):
        raise _exists(place)
    if place.resolve().is_relative_to(folder.root.resolve()):
        raise InputError(f"/export: {place} lies in the run folder.", hint="Choose a place outside of it.")
    return place


def _exists(place: Path) -> InputError:
    return InputError(f"/export: {place} exists; nothing is overwritten.", hint="Choose another name.")


def _copy(folder: RunFolder, names: list[PurePosixPath], copy: Path) -> None:
    for name in names:
        path = copy.joinpath(*name.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.path(*name.parts), path, follow_symlinks=False)


def _pack(folder: RunFolder, names: list[PurePosixPath], copy: Path) -> None:
    with zipfile.ZipFile(copy, "x", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(str(name), _MOMENT)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with folder.path(*name.parts).open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink)
