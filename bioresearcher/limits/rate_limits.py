"""Rate limits of a server: requests in flight, per second and per minute, tokens per minute, and pauses.

Without a folder the limits hold for one process; with one, for all processes that share it, with no process in the
middle. A server has three kinds of files there. `<name>.json` is what was used, who waits, and a pause; it is read
and replaced under the lock `<name>.lock`, which nobody holds while waiting, and a process may be killed over it.
`<name>.<n>.place` are the places in flight: whoever has the lock of one has the place.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import secrets
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from bioresearcher.errors import WorkspaceError
from bioresearcher.limits.file_lock import take_lock
from bioresearcher.runfolder import safe_name

WINDOW_S: Final = 60.0
GRAIN_S: Final = 0.25
"""Seconds of one step in which uses are counted: at most 240 steps of a minute are stored."""
STALE_S: Final = 3.0
"""Seconds after which a process that stopped polling loses its place in line."""
LONGEST_PAUSE_S: Final = 3600.0
"""Longest pause; after it the server is asked again and may ask for another."""
LONGEST_LOOK_S: Final = STALE_S / 3
"""Longest time between polls of the state, to keep the place in line and see pauses of other processes."""
NEXT_LOOK_S: Final = 0.05
"""Seconds between polls while only the line or a place in flight is waited for."""
LOCKED_S: Final = 0.002
"""Seconds between attempts at the lock of the state, which is held for less than that."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits of a server; None sets no limit.

    Attributes:
        interval_s: Seconds from one request to the next at least.
        requests_per_minute: Most requests in any 60 seconds.
        tokens_per_minute: Most tokens of the requests in any 60 seconds.
        in_flight: Most requests at the same time.

    Raises:
        ValueError: A limit is less than one.
    """

    interval_s: float = 0.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    in_flight: int | None = None

    def __post_init__(self) -> None:
        """Check the limits."""
        most = (self.requests_per_minute, self.tokens_per_minute, self.in_flight)
        if any(limit is not None and limit < 1 for limit in most):
            raise ValueError("limits must be at least 1")


class Window:
    """Amounts used in the last 60 seconds, with the time of their use.

    Args:
        used: Moments and amounts, oldest first.
        grain_s: Uses within so many seconds of one another are kept as one, as late as the last of them: the state
            stays short, and never allows more than the single uses would.
    """

    def __init__(self, used: Iterable[tuple[float, int]] = (), *, grain_s: float = GRAIN_S) -> None:
        self._used = deque(used)
        self._sum = sum(amount for _, amount in self._used)
        self._grain_s = grain_s
        self._since = self._used[-1][0] if self._used else -math.inf

    @property
    def used(self) -> list[tuple[float, int]]:
        """Times and amounts, oldest first."""
        return list(self._used)

    def add(self, now: float, amount: int) -> None:
        """Record a use; an amount of 0 is ignored."""
        if amount <= 0:
            return
        self._sum += amount
        if self._used and now - self._since < self._grain_s:
            self._used[-1] = (max(now, self._used[-1][0]), self._used[-1][1] + amount)
        else:
            self._used.append((now, amount))
            self._since = now

    def opens(self, now: float, amount: int, most: int | None) -> float:
        """Compute when an amount is free, of at most `most` in a window; in the past if it is free now.

        An amount larger than `most` is free once nothing was used for a whole window. None sets no limit.
        """
        while self._used and self._used[0][0] + WINDOW_S <= now:
            self._sum -= self._used.popleft()[1]
        if most is None:
            return -math.inf
        too_many, opened = self._sum + min(amount, most) - most, -math.inf
        for at, used in self._used:
            if too_many <= 0:
                break
            too_many -= used
            opened = at + WINDOW_S
        return opened


@dataclass(slots=True)
class State:
    """State of a server's limits: uses of the last minute, pause, and waiting processes.

    Moments are seconds since 1970 where processes share it, because they may run on several machines. The line holds
    since when each process waits, and when it last looked.
    """

    last: float = -math.inf
    requests: Window = field(default_factory=Window)
    tokens: Window = field(default_factory=Window)
    pause_set: float = -math.inf
    paused_until: float = -math.inf
    line: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, now: float) -> Self:
        """Read the state from bytes; a new one if they are invalid (the machine lost power during writing).

        A clock that was put back leaves moments in the future behind. They count as now, and a pause is as long as
        it was when it was set, so that nobody waits for the old time to come round again.
        """
        try:
            found: dict[str, Any] = json.loads(data)
            pause_set, until = map(float, found["pause"])
            late = max(0.0, pause_set - now)
            requests, tokens = (
                Window((min(float(at), now), int(amount)) for at, amount in found[name])
                for name in ("requests", "tokens")
            )
            return cls(
                last=min(float(found["last"]), now),
                requests=requests,
                tokens=tokens,
                pause_set=pause_set - late,
                paused_until=min(until, pause_set + LONGEST_PAUSE_S) - late,
                line={str(who): (min(since, now), min(seen, now)) for who, (since, seen) in found["line"].items()},
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def write(self) -> bytes:
        """Serialise the state."""
        fields = {
            "last": self.last,
            "requests": self.requests.used,
            "tokens": self.tokens.used,
            "pause": [self.pause_set, self.paused_until],
            "line": self.line,
        }
        return json.dumps(fields).encode()

    def wait_s(self, who: str, limits: RateLimits, tokens: int, now: float) -> float:
        """Compute the seconds until a process may send a request, as far as is known; 0 if it may now.

        The process stands in line from then on. Whoever came before and still looks goes first.
        """
        self.line = {name: times for name, times in self.line.items() if now - times[1] < STALE_S}
        since, seen = self.line.get(who, (now, now))
        self.line[who] = (since, now if now - seen >= LONGEST_LOOK_S / 2 else seen)  # not written at every look
        before = sum((began, name) < (since, who) for name, (began, _) in self.line.items())
        opens = max(
            self.paused_until,
            self.last + limits.interval_s,
            self.requests.opens(now, 1, limits.requests_per_minute),
            self.tokens.opens(now, tokens, limits.tokens_per_minute),
        )
        wait_s = max(0.0, opens - now) + before * limits.interval_s
        return wait_s if wait_s or not before else NEXT_LOOK_S * (1 + before)

    def take(self, who: str, tokens: int, now: float) -> None:
        """Record that a process sends a request now; it leaves the line."""
        self.line.pop(who, None)
        self.last = now
        self.requests.add(now, 1)
        self.tokens.add(now, tokens)

    def pause(self, seconds: float, now: float) -> None:
        """Set a pause of so many seconds; a pause under way becomes longer, never shorter."""
        until = now + min(seconds, LONGEST_PAUSE_S)
        if until > self.paused_until:
            self.pause_set, self.paused_until = now, until


class Limiter:
    """Limiter of the requests to one server, by its limits and pauses.

    Callers of a process go in the order in which they came, processes in the order in which they began to wait. The
    event loop is never blocked: a lock that another process has is asked for again a little later. A limiter belongs
    to one event loop.

    Args:
        name: The server's; any text.
        limits: What may go to it; in flight here is counted for the process as well.
        folder: Shared by processes that keep to the limits together; None: this process for itself.
        clock: Seconds; by default those that only grow, and since 1970 for what processes share.
        sleep: Waits so many seconds of that clock.
    """

    def __init__(
        self,
        name: str,
        limits: RateLimits,
        folder: Path | None = None,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.clock, self.sleep = clock or time.monotonic, sleep
        self._now = clock or (time.time if folder else time.monotonic)
        self._limits, self._folder = limits, folder
        self._file = f"{safe_name(name)}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        self._who = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._own = State()
        self._free = asyncio.Semaphore(limits.in_flight or sys.maxsize)
        self._first_in_line = asyncio.Lock()

    @asynccontextmanager
    async def slot(self, tokens: int = 0) -> AsyncIterator[None]:
        """Wait for a turn and hold a place in flight until the block ends.

        `tokens` is what the call is expected to use. A call that is larger than a whole minute's allowance is let
        through once nothing was used for a minute. A waiter that is cancelled leaves its place and takes nothing.

        Raises:
            WorkspaceError: The folder cannot be written, or its file system has no locks.
        """
        async with self._first_in_line:  # a lock lets its waiters in by their order
            await self._free.acquire()
            try:
                place = await self._enter(tokens)
            except BaseException:
                self._free.release()
                raise
        try:
            with place:
                yield
        finally:
            self._free.release()

    async def pause(self, seconds: float) -> None:
        """Stop requests of all processes for so many seconds; a longer pause under way stays.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        until = self._now() + seconds
        while True:
            with self._state() as state:
                if state is not None:
                    now = self._now()
                    state.pause(until - now, now)
                    return
            await self.sleep(LOCKED_S)

    async def _enter(self, tokens: int) -> ExitStack:
        """Wait until a request may be sent and record it; close the returned place in flight after it."""
        try:
            while True:
                with self._state() as state:
                    now, wait_s = self._now(), LOCKED_S
                    if state is not None:
                        wait_s = state.wait_s(self._who, self._limits, tokens, now)
                        place = self._free_place() if wait_s <= 0 else None
                        if place is not None:
                            state.take(self._who, tokens, now)
                            return place
                await self.sleep(min(wait_s or NEXT_LOOK_S, LONGEST_LOOK_S))
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        """Leave the line if the state is free; else the place in it expires a little later."""
        with suppress(WorkspaceError), self._state() as state:
            if state is not None:
                state.line.pop(self._who, None)

    def _free_place(self) -> ExitStack | None:
        """Take a free place in flight among all processes; None if all are taken."""
        most = self._limits.in_flight
        if self._folder is None or most is None:
            return ExitStack()
        first = secrets.randbelow(most)  # the first ones are mostly taken
        for number in range(most):
            place = take_lock(self._path(f".{(first + number) % most}.place"))
            if place is not None:
                return place
        return None

    @contextmanager
    def _state(self) -> Iterator[State | None]:
        """Give the state for changes until the block ends; None while another process holds its lock."""
        if self._folder is None:
            yield self._own
            return
        try:
            lock = take_lock(self._path(".lock"))
            if lock is None:
                yield None
                return
            with lock:
                before = _read(self._path(".json"))
                state = State.read(before, self._now())
                yield state
                after = state.write()
                if after != before:
                    _write(self._path(".json"), after)
        except OSError as error:
            raise WorkspaceError(
                f"cannot keep the limits of servers in {self._folder}: {error.strerror or error}.",
                hint="Check permissions and free space, or choose another folder with --workspace DIR.",
            ) from error

    def _path(self, tail: str) -> Path:
        return (self._folder or Path()) / f"{self._file}{tail}"


def _read(path: Path) -> bytes:
    """Read a small record, whole even if a writer was killed; empty if there is none. Its lock must be held."""
    part = path.with_suffix(".part")
    if not path.exists() and part.exists():  # killed before the last step of writing
        part.rename(path)
    return path.read_bytes() if path.exists() else b""


def _write(path: Path, data: bytes) -> None:
    """Replace a small record. It survives the process but not a loss of power: nothing waits for the disk.

    Renaming over the file in one step waits for it on some file systems, 4 ms instead of 0.2 on a busy machine.
    """
    part = path.with_suffix(".part")
    part.write_bytes(data)
    path.unlink(missing_ok=True)
    part.rename(path)
