"""Collect the files that a job has written, without trusting any of them.

A file is accepted when it is a regular file with a single name, on the same device, not too large, and called
something that is safe on every system and in a report. Links, pipes, devices and oddly named entries are refused with
a reason. Files are copied, never unpacked or interpreted, through descriptors that cannot be redirected meanwhile.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.errors import InputError, WorkspaceError
from bioresearcher.sandbox.folders import open_folder
from bioresearcher.schemas.execution import Limits
from bioresearcher.text.visible import visible

MAX_DEPTH = 8
"""Depth of nested folders up to which files are collected."""

_MB = 1024 * 1024
_CHUNK = 1024 * 1024
_NAME_BYTES = 150
_FORBIDDEN = set('\\/:*?"<>|')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def name_problem(name: str) -> str | None:
    """Return the reason why a file's name is refused, or None if it is accepted."""
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if unicodedata.normalize("NFC", name) != name:
        return "its name is not in normal form (NFC)"
    if not name.isprintable() or visible(name) != name:
        return "its name has control, invisible or unassigned characters, or an unusual space"
    if name and unicodedata.category(name[0])[0] == "M":
        return "its name starts with an accent"
    if _FORBIDDEN & set(name):
        return 'its name has one of the characters \\ / : * ? " < > |'
    if not name or name[0] in ".-~" or name != name.strip() or name.endswith("."):
        return "its name starts or ends with a dot, hyphen, tilde or space"
    if _RESERVED.fullmatch(name):
        return "its name is reserved on some systems"
    if len(encoded) > _NAME_BYTES:
        return f"its name is longer than {_NAME_BYTES} bytes"
    return None


@dataclass
class _Collection:
    limits: Limits
    device: int
    names: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    looked_at: int = 0
    copied_bytes: int = 0

    def refuse(self, path: str, reason: str) -> None:
        self.refused.append(f"{ascii(path)[1:-1]}: {reason}")


def collect(src: Path, dest: Path, *, limits: Limits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy the acceptable files of a job's folder into a new folder.

    Args:
        src: The job's writable folder; nothing of the job may be running any more.
        dest: Folder to create; it may exist if it is empty.
        limits: `file_mb` bounds each file, `disk_mb` all of them together, `files` their number.

    Returns:
        The names that were copied, relative to `dest`, sorted; and one line for each entry that was refused.

    Raises:
        InputError: `src` is not a folder, or `dest` is not empty.
        WorkspaceError: `dest` cannot be written.
    """
    try:
        source = open_folder(src)
    except OSError as error:
        raise InputError(f"{src} cannot be collected: {error.strerror}.") from error
    try:
        target = _new_folder(dest)
        try:
            state = _Collection(limits, os.fstat(source).st_dev)
            _folder(state, source, target, "", 0)
        finally:
            os.close(target)
    finally:
        os.close(source)
    return tuple(sorted(state.names)), tuple(state.refused)


def _new_folder(dest: Path) -> int:
    try:
        dest.mkdir(parents=True, exist_ok=True)
        handle = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise WorkspaceError(f"cannot write {dest}: {error.strerror}.") from error
    if os.listdir(handle):  # noqa: PTH208 - a descriptor
        os.close(handle)
        raise InputError(f"{dest} is not empty.", hint="Give a folder that does not exist yet.")
    return handle


def _folder(state: _Collection, source: int, target: int, prefix: str, depth: int) -> None:
    with os.scandir(source) as entries:
        names = []
        for entry in entries:
            state.looked_at += 1
            if state.looked_at > 2 * state.limits.files:
                state.refuse(prefix or ".", "too many entries; the rest was not looked at")
                break
            names.append(entry.name)
    for name in sorted(names):
        path = f"{prefix}{name}"
        # names that differ only in case or compatibility forms are one file on other systems
        folded = unicodedata.normalize("NFKC", path).casefold()
        if problem := name_problem(name):
            state.refuse(path, problem)
        elif folded in state.seen:
            state.refuse(path, "its name differs only in case from another")
        else:
            try:
                _entry(state, source, target, path, depth)
                state.seen.add(folded)
            except OSError as error:
                state.refuse(path, f"it cannot be read ({error.strerror})")


def _entry(state: _Collection, source: int, target: int, path: str, depth: int) -> None:
    name = path.rsplit("/", 1)[-1]
    mode = os.stat(name, dir_fd=source, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        if depth >= MAX_DEPTH:
            state.refuse(path, f"it is nested more than {MAX_DEPTH} folders deep")
            return
        child = open_folder(name, source)
        try:
            _subfolder(state, child, target, path, depth)
        finally:
            os.close(child)
    elif stat.S_ISREG(mode):
        handle = os.open(name, _OPEN_FILE, dir_fd=source)
        try:
            _file(state, handle, target, path)
        finally:
            os.close(handle)
    else:
        state.refuse(path, f"it is {next((text for test, text in _KINDS if test(mode)), 'no regular file')}")


def _subfolder(state: _Collection, source: int, target: int, path: str, depth: int) -> None:
    if os.fstat(source).st_dev != state.device:
        state.refuse(path, "it lies on another device")
        return
    name = path.rsplit("/", 1)[-1]
    os.mkdir(name, 0o755, dir_fd=target)
    child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
    try:
        _folder(state, source, child, f"{path}/", depth + 1)
        empty = not os.listdir(child)  # noqa: PTH208 - a descriptor
    finally:
        os.close(child)
    if empty:
        os.rmdir(name, dir_fd=target)


def _file(state: _Collection, handle: int, target: int, path: str) -> None:
    """Copy an open file, after checking the file that was really opened."""
    status = os.fstat(handle)
    limits = state.limits
    if not stat.S_ISREG(status.st_mode) or status.st_dev != state.device:
        state.refuse(path, "it is no regular file of this folder")
    elif status.st_nlink != 1:
        state.refuse(path, "it has more than one name (hard link)")
    elif status.st_size > limits.file_mb * _MB:
        state.refuse(path, f"it is larger than {limits.file_mb} MB")
    elif state.copied_bytes + status.st_size > limits.disk_mb * _MB:
        state.refuse(path, f"all files together are larger than {limits.disk_mb} MB")
    elif len(state.names) >= limits.files:
        state.refuse(path, f"there are more than {limits.files} files")
    else:
        _copy(handle, target, path.rsplit("/", 1)[-1], status.st_size)
        state.copied_bytes += status.st_size
        state.names.append(path)


def _copy(source: int, target: int, name: str, size: int) -> None:
    """Copy at most `size` bytes, whatever happens to the file meanwhile."""
    copy = os.open(name, _CREATE, 0o644, dir_fd=target)
    try:
        while size > 0 and (data := os.read(source, min(_CHUNK, size))):
            size -= len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(copy, view) :]
    finally:
        os.close(copy)
