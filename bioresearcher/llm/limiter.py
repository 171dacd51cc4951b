"""One limiter per endpoint: requests in flight, requests and tokens per minute, and pauses the server asks for."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from bioresearcher.limits.shared import SharedLimiter
from bioresearcher.limits.state import Limits
from bioresearcher.limits.window import WINDOW_S, Window

__all__ = ["WINDOW_S", "Limiter", "limiter_of"]


class Limiter:
    """Lets calls through in the order they came, as far as the endpoint's limits allow.

    The limits per minute hold for every stretch of 60 seconds, not only for whole minutes of the clock. A limiter
    belongs to one event loop.

    Args:
        concurrency: Most calls in flight.
        requests_per_minute: Most calls started in 60 seconds; None does not count them.
        tokens_per_minute: Most tokens of the calls started in 60 seconds; None does not count them.
        shared: Where other processes ask the same endpoint: its limits, for all of them together.
        clock: Seconds that only grow.
        sleep: Waits so many seconds of that clock.

    Raises:
        ValueError: A limit is less than one.
    """

    def __init__(
        self,
        concurrency: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        *,
        shared: SharedLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        for limit in (concurrency, requests_per_minute, tokens_per_minute):
            if limit is not None and limit < 1:
                raise ValueError("limits must be at least 1")
        self.clock = clock
        self.sleep = sleep
        self._shared = shared
        self._most = (requests_per_minute, tokens_per_minute)
        self._requests, self._tokens = Window(), Window()
        self._free = asyncio.Semaphore(concurrency)
        self._first_in_line = asyncio.Lock()
        self._paused_until = -math.inf

    @asynccontextmanager
    async def slot(self, tokens: int = 0) -> AsyncIterator[None]:
        """Wait for a turn and hold a slot until the block ends.

        `tokens` is what the call is expected to use. A call that is larger than a whole minute's allowance is let
        through once nothing was used for a minute. A waiter that is cancelled leaves its place and takes nothing.
        """
        async with self._first_in_line:  # a lock lets its waiters in by their order
            await self._free.acquire()
            try:
                while (wait_s := self._wait_s(tokens)) > 0:
                    await self.sleep(wait_s)
                place = await self._shared.enter(tokens) if self._shared else nullcontext()
            except BaseException:
                self._free.release()
                raise
            now = self.clock()
            self._requests.add(now, 1)
            self._tokens.add(now, tokens)
        try:
            with place:
                yield
        finally:
            self._free.release()

    async def pause(self, seconds: float) -> None:
        """Let nobody in for so many seconds from now; a pause under way is made longer, never shorter."""
        self._paused_until = max(self._paused_until, self.clock() + seconds)
        if self._shared:
            await self._shared.pause(seconds)

    @property
    def paused_s(self) -> float:
        """Seconds until the pause under way ends; 0 when there is none."""
        return max(0.0, self._paused_until - self.clock())

    def _wait_s(self, tokens: int) -> float:
        """Seconds until the limits may allow a call, 0 when they do now."""
        now = self.clock()
        requests, spent = self._most
        opens = (self._requests.opens(now, 1, requests), self._tokens.opens(now, tokens, spent))
        return max(self._paused_until, *opens) - now


def limiter_of(
    endpoint: str,
    concurrency: int,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    folder: Path | None,
) -> Limiter:
    """The limiter of an endpoint: of this process, and of all that use `folder` when there is one."""
    shared = None
    if folder is not None:
        limits = Limits(requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute)
        shared = SharedLimiter(folder, f"model {endpoint}", limits, concurrency=concurrency)
    return Limiter(concurrency, requests_per_minute, tokens_per_minute, shared=shared)
