"""One limiter per endpoint: requests in flight, requests and tokens per minute, and pauses the server asks for."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

WINDOW_S = 60.0


class Limiter:
    """Lets calls through in the order they came, as far as the endpoint's limits allow.

    The limits per minute hold for every stretch of 60 seconds, not only for whole minutes of the clock. A limiter
    belongs to one event loop.

    Args:
        concurrency: Most calls in flight.
        requests_per_minute: Most calls started in 60 seconds; None does not count them.
        tokens_per_minute: Most tokens of the calls started in 60 seconds; None does not count them.
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
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        for limit in (concurrency, requests_per_minute, tokens_per_minute):
            if limit is not None and limit < 1:
                raise ValueError("limits must be at least 1")
        self.clock = clock
        self.sleep = sleep
        self._requests = _Window(requests_per_minute)
        self._tokens = _Window(tokens_per_minute)
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
            except BaseException:
                self._free.release()
                raise
            now = self.clock()
            self._requests.add(now, 1)
            self._tokens.add(now, tokens)
        try:
            yield
        finally:
            self._free.release()

    def pause(self, seconds: float) -> None:
        """Let nobody in for so many seconds from now; a pause under way is made longer, never shorter."""
        self._paused_until = max(self._paused_until, self.clock() + seconds)

    @property
    def paused_s(self) -> float:
        """Seconds until the pause under way ends; 0 when there is none."""
        return max(0.0, self._paused_until - self.clock())

    def _wait_s(self, tokens: int) -> float:
        """Seconds until the limits may allow a call, 0 when they do now."""
        now = self.clock()
        return max(self._paused_until, self._requests.opens(now, 1), self._tokens.opens(now, tokens)) - now


class _Window:
    """What was used in the last 60 seconds, against the most that may be."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._used: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now: float, amount: int) -> None:
        """Note a use; amounts of 0 take nothing."""
        if self._most is not None and amount > 0:
            self._used.append((now, amount))
            self._sum += amount

    def opens(self, now: float, amount: int) -> float:
        """When an amount is free; in the past when it is free now."""
        while self._used and self._used[0][0] + WINDOW_S <= now:
            self._sum -= self._used.popleft()[1]
        if self._most is None:
            return -math.inf
        too_many, opened = self._sum + min(amount, self._most) - self._most, -math.inf
        for at, used in self._used:
            if too_many <= 0:
                break
            too_many -= used
            opened = at + WINDOW_S
        return opened
