"""Locks on files, one holder at a time: of all processes, and of all threads and tasks of a process.

The kernel frees a lock when its holder ends, however it ends; the file stays and means nothing. A lock belongs to one
opening of the file: two in the same process keep each other out as well, and a program started meanwhile gets none of
them. One `FileLock` taken twice would only count, so every taking here makes a new one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from bioresearcher.errors import WorkspaceError

_LOOK_S: Final = 0.03
"""How often a lock is asked for that its holder keeps as long as a request to a server takes."""


def take_lock(path: Path) -> ExitStack | None:
    """Take the lock of a file at once; None while another has it. It is held until the result is closed.

    The file and its folder are made if need be; what is in it stays.

    Raises:
        OSError: The file cannot be opened for writing, or its file system has no locks.
    """
    from filelock import Timeout

    try:
        return _taken(path)
    except Timeout:
        return None


def wait_for_lock(path: Path, *, look_s: float) -> ExitStack:
    """Take the lock of a file like `take_lock`, the thread blocked for as long as another has it.

    Args:
        path: The file.
        look_s: Seconds between looks, by how long its holders have it.

    Raises:
        OSError: As there.
    """
    return _taken(path, look_s=look_s)


def _taken(path: Path, *, look_s: float = 0.0) -> ExitStack:
    from filelock import FileLock  # takes 40 ms to load

    lock = FileLock(path, blocking=look_s > 0, poll_interval=look_s, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except FileExistsError as error:  # a file stands where the folder should be
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from error
    held = ExitStack()
    held.callback(lock.release)
    return held


@asynccontextmanager
async def alone(path: Path, *, patience_s: float) -> AsyncIterator[bool]:
    """Hold a lock file to the end of the block; true when another had it before, so that the thing may be done.

    Whoever has waited for `patience_s` goes on without it: a holder that hangs costs others time and a repeat, nothing
    else. The event loop is not blocked. The file is removed at the end.

    Raises:
        WorkspaceError: The lock file cannot be made.
    """
    begun, waited = time.monotonic(), False
    try:
        while (held := take_lock(path)) is None and time.monotonic() - begun < patience_s:
            waited = True
            await asyncio.sleep(_LOOK_S)
    except OSError as error:
        raise WorkspaceError(
            f"cannot lock {path}: {error.strerror or error}.", hint="Check permissions and free space."
        ) from error
    with held or ExitStack():
        try:
            yield waited
        finally:
            if held is not None:
                with suppress(OSError):
                    path.unlink()  # while it is held: whoever has opened it by now finds it gone and opens a new one
