"""Measure, hand over and remove folders that hostile code has filled.

Everything goes through directory file descriptors and never follows a link: between looking at a name and using it,
a running job may have put something else there. Depth is bounded, or costs no stack and no path, because thousands of
nested folders exhaust both (`shutil.rmtree` of Python 3.11 fails on them).
"""

from __future__ import annotations

import os
import random
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_DEPTH = 32
"""Depth of nested folders that are looked into."""

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class FolderUse:
    """Use of a folder: allocated bytes, entries, the largest file's length, and if it nests too deep."""

    allocated_bytes: int = 0
    entries: int = 0
    largest_bytes: int = 0
    too_deep: bool = False


def open_folder(name: str | Path, parent: int | None = None) -> int:
    """Open a folder that is no link; one that denies its owner access is opened to the owner first.

    Raises:
        OSError: There is no such folder, or it cannot be read.
    """
    try:
        return os.open(name, _OPEN_FOLDER, dir_fd=parent)
    except PermissionError:
        handle = os.open(name, _OPEN_NAME, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 - a descriptor cannot be swapped
        finally:
            os.close(handle)
        return os.open(name, _OPEN_FOLDER, dir_fd=parent)


def measure(folder: Path, *, max_entries: int) -> FolderUse:
    """Measure a folder with all below it; stops counting soon after `max_entries`. Hard links count once.

    Folders are looked into in no order that can be known, and without leaving a trace in their times: a job could
    carry files from where the look is still to come to where it has been.
    """
    use = FolderUse()
    with suppress(OSError):
        root = _open_unseen(folder)
        try:
            _measure(root, 0, max_entries, use, set())
        finally:
            os.close(root)
    return use


def _measure(handle: int, depth: int, max_entries: int, use: FolderUse, linked: set[int]) -> None:
    if depth > MAX_DEPTH:
        use.too_deep = True
        return
    folders: list[str] = []
    with suppress(OSError), os.scandir(handle) as entries:
        for entry in entries:
            use.entries += 1
            if use.entries > max_entries + 1 or use.too_deep:
                return
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                    if status.st_ino in linked:
                        continue
                    linked.add(status.st_ino)
                use.allocated_bytes += status.st_blocks * 512
                if stat.S_ISREG(status.st_mode):
                    use.largest_bytes = max(use.largest_bytes, status.st_size)
                elif stat.S_ISDIR(status.st_mode):
                    folders.append(entry.name)
    random.shuffle(folders)
    for name in folders:
        with suppress(OSError):
            _descend(handle, name, depth, max_entries, use, linked)


def _descend(parent: int, name: str, depth: int, max_entries: int, use: FolderUse, linked: set[int]) -> None:
    child = _open_unseen(name, parent)
    try:
        _measure(child, depth + 1, max_entries, use, linked)
    finally:
        os.close(child)


def _open_unseen(name: str | Path, parent: int | None = None) -> int:
    with suppress(PermissionError):
        return os.open(name, _OPEN_FOLDER | os.O_NOATIME, dir_fd=parent)
    return open_folder(name, parent)


def give_to(folder: Path, owner: int, *, max_entries: int) -> None:
    """Make a user the owner of a folder and of what is in it (needs root); links are changed, not followed."""
    root = open_folder(folder)
    try:
        os.fchown(root, owner, owner)
        _give(root, owner, 0, [max_entries])
    finally:
        os.close(root)


def _give(handle: int, owner: int, depth: int, left: list[int]) -> None:
    with os.scandir(handle) as entries:
        for entry in entries:
            left[0] -= 1
            if left[0] < 0 or depth > MAX_DEPTH:
                return
            os.chown(entry.name, owner, owner, dir_fd=handle, follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                child = open_folder(entry.name, handle)
                try:
                    _give(child, owner, depth + 1, left)
                finally:
                    os.close(child)


def temporary_folder() -> Path:
    """Make a folder with a name that cannot be guessed; others may go through it (a job's user may be another)."""
    folder = Path(tempfile.mkdtemp(prefix="bioresearcher-"))
    folder.chmod(0o711)
    return folder


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, however deep and whatever its permissions; a missing one is fine.

    Only one folder is open at a time: the way back up is `..`, checked to be where we came from.

    Raises:
        OSError: Something could not be removed, e.g. because it belongs to somebody else.
    """
    try:
        here = open_folder(folder)
    except FileNotFoundError:
        return
    try:
        above: list[tuple[str, tuple[int, int], list[str]]] = []  # name below, folder, what is left to do there
        left = _delete_files(here)
        while left or above:
            if left:
                name = left.pop()
                above.append((name, _identity(here), left))
                here = _replace(here, open_folder(name, here))
                left = _delete_files(here)
            else:
                name, identity, left = above.pop()
                here = _replace(here, os.open("..", _OPEN_FOLDER, dir_fd=here))
                if _identity(here) != identity:
                    raise OSError(f"{folder} was changed while it was removed")
                os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)
    folder.rmdir()


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def _identity(handle: int) -> tuple[int, int]:
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def _delete_files(handle: int) -> list[str]:
    """Delete the files of a folder; return the names of its folders."""
    folders: list[str] = []
    if os.fstat(handle).st_mode & 0o300 != 0o300:
        os.fchmod(handle, 0o700)
    with os.scandir(handle) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in listed:
        if is_folder:
            folders.append(name)
        else:
            os.unlink(name, dir_fd=handle)
    return folders
