"""Asking again what may succeed later, politely: back-off with jitter, `Retry-After`, and an end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bioresearcher.limits.rate_limits import Limiter
from bioresearcher.llm.trouble import Trouble, trouble_of

T = TypeVar("T")
Waiting = Callable[[Trouble, float], None]

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0


async def with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    limiter: Limiter,
    tokens: int,
    deadline_s: float,
    attempts: int = 6,
    on_wait: Waiting | None = None,
    rng: random.Random | None = None,
) -> T:
    """The result of `call`, asked again after trouble that may pass.

    Asked again are 408, 409, 429, 5xx, timeouts and broken connections, each after a wait drawn evenly between 0 and a
    bound that doubles (full jitter), or as long as the server asks in `Retry-After`: then the whole endpoint is paused.
    Not asked again are 400, 401, 403, 404, 422, an account without money, and whatever does not come from a provider.
    No slot is held while waiting.

    Args:
        call: Sends the request once; called anew for each attempt.
        limiter: The endpoint's.
        tokens: What the request is expected to use.
        deadline_s: Seconds for all attempts and the waits between them; waiting for a slot is not counted.
        attempts: Most times the request is sent.
        on_wait: Told the trouble and the seconds before each wait.
        rng: For the jitter.

    Raises:
        TimeoutError: An attempt was under way at the deadline, and none before it was answered with an error.
        Exception: The last attempt's error as it is, for the caller to map with `trouble_of`. Where trouble that may
            pass was not waited for any longer, a note of it says why, and `trouble_of` puts that into its message.
    """
    rng = rng or random.Random()  # noqa: S311 - spreads callers in time, no secret
    left_s = deadline_s
    answered: Exception | None = None
    for attempt in range(1, attempts + 1):
        async with limiter.slot(tokens):
            started = limiter.clock()
            try:
                return await _within(left_s, call)
            except Exception as error:  # of any provider's client; what does not pass by itself goes on as it is
                left_s -= limiter.clock() - started
                trouble = trouble_of(error)
                wait_s = _wait_s(trouble, attempt, rng)
                if not trouble.retryable:
                    raise
                if attempt == attempts or wait_s >= left_s:
                    # what the server said before tells more than that the rest of the time was too short
                    told = answered if answered is not None and isinstance(error, TimeoutError) else error
                    told.add_note(_why_no_more(trouble, attempt, left_s, at_last=attempt == attempts))
                    raise told from told.__cause__
                answered = error
        left_s -= wait_s
        if on_wait is not None:
            on_wait(trouble, wait_s)
        if trouble.retry_after_s is not None:
            await limiter.pause(wait_s)
        else:
            await limiter.sleep(wait_s)
    raise ValueError("attempts must be at least 1")


async def _within(seconds: float, call: Callable[[], Awaitable[T]]) -> T:
    """The result of `call`, had within so many seconds."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call()
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"no answer within {seconds:.0f} s") from error
        raise


def _wait_s(trouble: Trouble, attempt: int, rng: random.Random) -> float:
    """What the server asks for, else a draw below a bound that doubles with every attempt."""
    if trouble.retry_after_s is not None:
        return trouble.retry_after_s
    return rng.uniform(0, min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (attempt - 1)))


def _why_no_more(trouble: Trouble, attempt: int, left_s: float, *, at_last: bool) -> str:
    """Why trouble that may pass is not waited for."""
    if at_last:
        return f"(asked {attempt} times)" if attempt > 1 else ""
    if trouble.retry_after_s is not None and left_s > 0:
        return (
            f"(the server asks to wait {trouble.retry_after_s:.0f} s, but only {left_s:.0f} s are left for this call)"
        )
    return f"(asked {attempt} times, the time for this call is used up)"
