"""One process at a time for one thing: who comes later waits, and finds it done."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bioresearcher.errors import WorkspaceError


@asynccontextmanager
async def alone(lock: Path, *, patience_s: float) -> AsyncIterator[bool]:
    """Hold a lock file to the end of the block; whether another had it before, so that the thing may be done.

    The kernel releases the lock when its holder dies. Who has waited for `patience_s` goes on without it: a holder
    that hangs costs others time and a repeat, nothing else. The event loop is not blocked.

    Raises:
        WorkspaceError: The lock file cannot be made.
    """
    begun, waited = time.monotonic(), False
    try:
        while (handle := _taken(lock)) is None and time.monotonic() - begun < patience_s:
            waited = True
            await asyncio.sleep(random.uniform(0.02, 0.05))  # noqa: S311 - spreads processes in time, no secret
    except OSError as error:
        raise WorkspaceError(
            f"cannot lock {lock}: {error.strerror or error}.", hint="Check permissions and free space."
        ) from error
    try:
        yield waited
    finally:
        if handle is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(handle)


def _taken(lock: Path) -> int | None:
    """The open file with its lock, or None while another has it."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_ino == lock.stat().st_ino:  # else it was removed by the one who had it
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
