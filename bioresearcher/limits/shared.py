"""One limiter for all processes that share a folder: locks that the kernel releases, no process in the middle.

A server has two kinds of files. `<name>.record` is what was used, who waits, and a pause; it is read and written under
its lock, which nobody holds while waiting. `<name>.<n>.place` are the places in flight: who has the lock of one has the
place. When a process dies the kernel releases its locks, so that its places are free at once, and
its place in the line is passed over a second after it last looked.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bioresearcher.errors import WorkspaceError
from bioresearcher.limits.record import read_record, write_record
from bioresearcher.limits.state import NEXT_LOOK_S, STALE_S, Limits, State
from bioresearcher.runfolder import safe_name

LONGEST_LOOK_S: Final = STALE_S / 4
"""The line is looked at so often at least, to keep the place in it and to see pauses that others set."""


class Place:
    """A place in flight; it is given back when it is closed, or when the process ends."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def close(self) -> None:
        """Give the place back."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __enter__(self) -> Self:
        """The place itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place back."""
        self.close()


@dataclass(frozen=True, slots=True)
class _Record:
    now: float
    state: State


class SharedLimiter:
    """Lets the requests of many processes to one server through, as far as its limits allow.

    Nothing here blocks the event loop: a lock that is held is asked for again a little later. Processes go in the
    order in which they began to wait; within a process, callers are to wait for one another before they come here.

    Args:
        folder: Shared by the processes.
        name: The server's; any text.
        limits: What may go to it.
        concurrency: Most requests in flight; None does not count them.
        clock: Seconds since 1970.
        sleep: Waits so many seconds of that clock.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        limits: Limits,
        *,
        concurrency: int | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        self._base = folder / f"{safe_name(name)}-{digest}"
        self._limits, self._concurrency = limits, concurrency
        self._clock, self._sleep = clock, sleep
        self._who = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def enter(self, tokens: int = 0) -> Place:
        """Wait until a request may go out, and note that it does; the place in flight is to be closed after it.

        Raises:
            WorkspaceError: The folder cannot be written, or its file system knows no locks.
        """
        try:
            while True:
                found = self._try(tokens)
                if isinstance(found, Place):
                    return found
                await self._sleep(found)
        except BaseException:
            self._leave()
            raise

    async def pause(self, seconds: float) -> None:
        """Let nobody in, of any process, for so many seconds from now.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        until = self._clock() + seconds
        while True:
            with self._record() as record:
                if record is not None:
                    record.state.pause(until - record.now, record.now)
                    return
            await self._sleep(_soon())

    def _try(self, tokens: int) -> Place | float:
        """A place, or the seconds until the next try."""
        with self._record() as record:
            if record is None:
                return _soon()
            wait_s = record.state.wait_s(self._who, self._limits, tokens, record.now)
            place = self._free_place() if wait_s <= 0 else None
            if place is not None:
                record.state.take(self._who, tokens, record.now)
                return place
            return min(max(wait_s, 0.001) if wait_s > 0 else NEXT_LOOK_S, LONGEST_LOOK_S)

    def _leave(self) -> None:
        """Leave the line, when that can be done at once; else the place is passed over after a second."""
        with suppress(WorkspaceError), self._record() as record:
            if record is not None:
                record.state.line.pop(self._who, None)

    def _free_place(self) -> Place | None:
        """A place in flight that nobody has."""
        if self._concurrency is None:
            return Place(-1)
        for number in range(self._concurrency):
            handle = self._lock(f".{number}.place")
            if handle is not None:
                return Place(handle)
        return None

    @contextmanager
    def _record(self) -> Iterator[_Record | None]:
        """The record, locked and to be changed until the end of the block; None when another process has it."""
        handle = self._lock(".record")
        if handle is None:
            yield None
            return
        try:
            now, found = self._clock(), read_record(handle)
            state = State.read(found.data, now)
            yield _Record(now, state)
            data = state.write()
            if data != found.data:
                write_record(handle, data, found)
        except OSError as error:
            raise _unusable(self._path(".record"), error) from error
        finally:
            os.close(handle)

    def _lock(self, tail: str) -> int | None:
        """An open file with its lock, or None when another has it."""
        path = self._path(tail)
        try:
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            except BaseException:
                os.close(handle)
                raise
            return handle
        except OSError as error:
            raise _unusable(path, error) from error

    def _path(self, tail: str) -> Path:
        return self._base.with_name(self._base.name + tail)


def _soon() -> float:
    """When to ask for a lock again that another has for a moment; not all at the same time."""
    return random.uniform(0.001, 0.005)  # noqa: S311 - spreads processes in time, no secret


def _unusable(path: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"cannot keep the limits of servers in {path.parent}: {error.strerror or error}.",
        hint="Check permissions and free space, or choose another folder with --workspace DIR.",
    )
