"""The layout of a task's folder, with fresh folders for attempts and the promotion of the best one.

::

    limits.json                  Limits, where a person gave the task some of its own
    attempts/<n>/attempt.json    Attempt, written last: without it the attempt was cut short
    attempts/<n>/code/           code.py, helper files, task.json
    attempts/<n>/outputs/        declared outputs that were collected
    code.py, <helper files>      of the promoted attempt
    outputs/                     of the promoted attempt
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from bioresearcher.errors import DefectError, WorkspaceError
from bioresearcher.runfolder import write_bytes
from bioresearcher.sandbox.folders import remove_tree

ATTEMPTS, OUTPUTS, CODE = "attempts", "outputs", "code"
LIMITS = "limits.json"
"""File with the task's own limits, where a person gave it some."""
CODE_SUFFIXES = (".py", ".R")
"""Suffixes of scripts and their helper files."""
_ASIDE = ".old-"


def attempt_folder(folder: Path, number: int) -> Path:
    """Return an attempt's folder inside its task's folder; numbers start at 1."""
    if number < 1:
        raise DefectError(f"attempt numbers start at 1, not {number}.")
    return folder / ATTEMPTS / str(number)


def fresh_folder(path: Path) -> Path:
    """Make an empty folder at a path; whatever was there is removed, links are not followed.

    Raises:
        WorkspaceError: It cannot be removed or made (permissions, full disk).
    """
    try:
        remove(path)
        path.mkdir(parents=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot prepare {path}: {error.strerror or error}.",
            hint="Check permissions and free space of the workspace.",
        ) from error
    return path


def remove(path: Path) -> None:
    """Remove a file, link or folder, whatever untrusted code put there; a missing one is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        remove_tree(path)


def promote(folder: Path, number: int) -> tuple[Path, ...]:
    """Make an attempt's outputs and code the task's own; return the files now in `outputs/`, sorted.

    The attempt keeps its copies. `outputs/` is exchanged as a whole; doing it again gives the same result, so
    a run that was killed in between only has to repeat it.

    Raises:
        DefectError: The attempt was not made or not finished.
        WorkspaceError: The folder cannot be written.
    """
    source = attempt_folder(folder, number)
    if not (source / "attempt.json").is_file():
        raise DefectError(f"{source} holds no finished attempt.")
    code = {
        file.name: file.read_bytes()
        for file in sorted((source / CODE).glob("*"))
        if file.stem not in {"task", "sitecustomize"}
    }
    for name, data in code.items():
        write_bytes(folder / name, data)
    try:
        for stale in (file for file in folder.glob("*") if file.suffix in CODE_SUFFIXES and file.name not in code):
            stale.unlink()
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        new.chmod(0o755)
        if (source / OUTPUTS).is_dir():
            shutil.copytree(source / OUTPUTS, new, dirs_exist_ok=True)
        _exchange(new, folder / OUTPUTS)
    except OSError as error:
        raise WorkspaceError(
            f"cannot write the outputs of {folder}: {error.strerror or error}.",
            hint="Check permissions and free space of the workspace.",
        ) from error
    return tuple(sorted(p for p in (folder / OUTPUTS).iterdir() if p.is_file()))


def _exchange(new: Path, place: Path) -> None:
    """Put a folder in the place of another, which is removed."""
    old = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=place.parent))
    with suppress(FileNotFoundError):
        place.rename(old / "0")
    new.rename(place)
    remove_tree(old)
