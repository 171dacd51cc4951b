"""When a host may be asked again, by this process and by those that share a folder with it."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import OutsideError
from bioresearcher.limits.shared import SharedLimiter
from bioresearcher.limits.state import Limits

if TYPE_CHECKING:
    import httpx


class Host:
    """One host's turns; callers go one after the other.

    Args:
        netloc: Name and port, without a user.
        per_second: Requests per second.
        limits: The folder that other processes keep to as well; None: this process for itself.
        clock: Seconds that only grow.
        sleep: Waits.

    Attributes:
        down: Why the host is not asked any more.
    """

    def __init__(
        self,
        netloc: str,
        per_second: float,
        limits: Path | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.down: OutsideError | None = None
        self._interval_s, self._next_s = 1.0 / per_second, 0.0
        self._clock, self._sleep = clock, sleep
        self._line = asyncio.Lock()
        self._shared = SharedLimiter(limits, f"host {netloc}", Limits(1.0 / per_second)) if limits else None

    async def turn(self) -> None:
        """Wait until the host may be asked again.

        Raises:
            WorkspaceError: The folder that processes share cannot be written.
        """
        async with self._line:
            wait_s = self._next_s - self._clock()
            if wait_s > 0:
                await self._sleep(wait_s)
            if self._shared is not None:
                await self._shared.enter()
            self._next_s = max(self._next_s, self._clock()) + self._interval_s

    async def pause(self, seconds: float) -> None:
        """Let nobody ask the host for so many seconds."""
        self._next_s = max(self._next_s, self._clock() + seconds)
        if self._shared is not None:
            await self._shared.pause(seconds)


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds the server asks to wait, from a number or a date."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        when = email.utils.parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return None
    return max(0.0, when.timestamp() - time.time())
