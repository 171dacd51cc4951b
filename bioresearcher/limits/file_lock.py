"""File locks with one holder at a time, among processes and among threads and tasks of a process.

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
"""Seconds between attempts at a lock that is held as long as a request to a server takes."""


def take_lock(path: Path) -> ExitStack | None:
    """Take the lock of a file at once; None if another holds it. It is held until the result is closed.

    The file and its folder are made if they are missing; the file's content stays.

    Raises:
        OSError: The file cannot be opened for writing, or its file system has no locks.
    """
    from filelock import Timeout

    try:
        return _acquire(path)
    except Timeout:
        return None


def wait_for_lock(path: Path, *, look_s: float) -> ExitStack:
    """Take the lock of a file like `take_lock`, but block the thread while another holds it.

    Args:
        path: The file.
        look_s: Seconds between attempts; about as long as its holders keep it.

    Raises:
        OSError: The file cannot be opened for writing, or its file system has no locks.
    """
    return _acquire(path, look_s=look_s)


def _acquire(path: Path, *, look_s: float = 0.0) -> ExitStack:
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
async def single_flight(path: Path, *, patience_s: float) -> AsyncIterator[bool]:
    """Hold a lock file until the block ends; True if another held it first, so that the work may be done.

    A waiter continues without the lock after `patience_s`: a holder that hangs costs others time and a repeat, nothing
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
                    path.unlink()  # while it is held: a waiter that has opened it finds it gone and opens a new one
