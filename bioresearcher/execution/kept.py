"""Copies of the data that tasks read, kept in the run folder so that it can be executed again by itself.

``inputs/<sha256>/<file name>``. Files beyond a size stay where they are: the record has their path and digest.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bioresearcher.errors import WorkspaceError
from bioresearcher.runfolder import RunFolder, file_sha256, safe_name
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.task import DryLabTask

KEPT_BYTES = 200_000_000
"""The largest file of which a copy is kept."""


def keep_inputs(folder: RunFolder, tasks: Iterable[DryLabTask], datasets: Mapping[str, Dataset]) -> tuple[str, ...]:
    """Copy every data set file that a task reads into the run folder; the paths of those that were not copied.

    A file that is too large, gone or not what was recorded is not copied. Doing it again changes nothing.

    Raises:
        WorkspaceError: The run folder cannot be written, e.g. because the disk is full.
    """
    left = []
    for dataset, file in dict.fromkeys(_read(tasks, datasets)):
        place, source = _place(folder, file), Path(datasets[dataset].root, file.path)
        if not place.is_file() and not _copied(source, place, file):
            left.append(str(source))
    return tuple(left)


def find_input(folder: RunFolder, dataset: Dataset, file: DataFile) -> Path | None:
    """A data set's file as it was when the run read it: the kept copy, else the original; None when neither is."""
    candidates = (_place(folder, file), Path(dataset.root, file.path))
    return next((path for path in candidates if file_sha256(path) == file.sha256), None)


def _read(tasks: Iterable[DryLabTask], datasets: Mapping[str, Dataset]) -> Iterator[tuple[str, DataFile]]:
    for task in tasks:
        for given in task.inputs:
            dataset = datasets.get(given.dataset or "")
            for file in dataset.files if dataset else ():
                if file.name == given.file:
                    yield given.dataset or "", file


def _place(folder: RunFolder, file: DataFile) -> Path:
    return folder.path("inputs", file.sha256, safe_name(Path(file.path).name))


def _copied(source: Path, place: Path, file: DataFile) -> bool:
    if file.bytes > KEPT_BYTES or file_sha256(source) != file.sha256:
        return False
    part = place.with_name(place.name + ".part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        if file_sha256(part) != file.sha256:
            part.unlink()
            return False
        part.replace(place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WorkspaceError(
            f"{source} cannot be copied to {place.parent}: {error.strerror or error}.",
            hint="Check permissions and free space of the workspace.",
        ) from error
    return True
