"""The limiter's promises over all stretches of time, in virtual time: nothing here waits."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run

from bioresearcher.limits.rate_limits import WINDOW_S, Limiter, RateLimits


def limiter(in_flight: int, requests: int | None = None, tokens: int | None = None) -> Limiter:
    limits = RateLimits(in_flight=in_flight, requests_per_minute=requests, tokens_per_minute=tokens)
    return Limiter("server", limits, clock=asyncio.get_running_loop().time)


@dataclass(frozen=True)
class Call:
    arrives_s: float
    lasts_s: float
    tokens: int
    cancelled_after_s: float | None = None


@dataclass
class Watch:
    """What happened, in order."""

    starts: list[tuple[float, int]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    paused_until: float = 0.0
    in_flight: int = 0
    peak: int = 0
    too_early: int = 0

    async def call(self, limits: Limiter, number: int, call: Call) -> None:
        await asyncio.sleep(call.arrives_s)
        async with limits.slot(call.tokens):
            now = asyncio.get_running_loop().time()
            self.starts.append((now, call.tokens))
            self.order.append(number)
            self.too_early += now < self.paused_until
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            try:
                await asyncio.sleep(call.lasts_s)
            finally:
                self.in_flight -= 1

    async def pause(self, limits: Limiter, at_s: float, seconds: float) -> None:
        await asyncio.sleep(at_s)
        await limits.pause(seconds)
        self.paused_until = max(self.paused_until, at_s + seconds)


times = st.integers(0, 200).map(lambda n: n / 2)
calls = st.lists(
    st.builds(Call, times, times, st.integers(0, 60), st.none() | times),
    min_size=1,
    max_size=25,
)
pauses = st.lists(st.tuples(times, times), max_size=3)
limits = st.tuples(st.integers(1, 5), st.none() | st.integers(1, 8), st.none() | st.integers(1, 50))


@settings(max_examples=150, deadline=None)
@given(calls, pauses, limits)
def test_limits_hold_at_every_moment_and_nobody_is_forgotten(calls, pauses, limits):
    concurrency, requests, tokens = limits
    watch = Watch()

    async def all_calls() -> None:
        shared = limiter(*limits)
        tasks = [asyncio.create_task(watch.call(shared, i, call)) for i, call in enumerate(calls)]
        others = [asyncio.create_task(watch.pause(shared, *pause)) for pause in pauses]
        for task, call in zip(tasks, calls, strict=True):
            if call.cancelled_after_s is not None:
                asyncio.get_running_loop().call_later(call.arrives_s + call.cancelled_after_s, task.cancel)
        ended = await asyncio.gather(*tasks, *others, return_exceptions=True)
        assert all(
            isinstance(end, asyncio.CancelledError) and call.cancelled_after_s is not None
            for end, call in zip(ended, calls, strict=False)
            if end is not None
        )
        await asyncio.sleep(2 * WINDOW_S + 200)
        await all_slots_are_free(shared, concurrency)

    run(all_calls())
    assert watch.peak <= concurrency
    assert watch.too_early == 0
    for at, _ in watch.starts:
        window = [amount for then, amount in watch.starts if at <= then < at + WINDOW_S]
        assert requests is None or len(window) <= requests
        spending = [amount for amount in window if amount]
        assert tokens is None or sum(spending) <= tokens or len(spending) == 1


async def all_slots_are_free(shared: Limiter, concurrency: int) -> None:
    async with asyncio.timeout(1000), AsyncExitStack() as held:
        for _ in range(concurrency):
            await held.enter_async_context(shared.slot(0))


@given(st.lists(st.integers(0, 40), min_size=2, max_size=12), limits)
@settings(max_examples=50, deadline=None)
def test_calls_start_in_the_order_they_came(tokens, limits):
    watch = Watch()

    async def all_calls() -> None:
        shared = limiter(*limits)
        await asyncio.gather(*(watch.call(shared, i, Call(0, 1, amount)) for i, amount in enumerate(tokens)))

    run(all_calls())
    assert watch.order == list(range(len(tokens)))


def test_the_requests_of_a_minute_go_out_at_once_and_the_next_a_minute_later():
    watch = Watch()

    async def seven() -> None:
        shared = limiter(10, 3)
        await asyncio.gather(*(watch.call(shared, i, Call(0, 1, 0)) for i in range(7)))

    run(seven())
    assert [at for at, _ in watch.starts] == [0, 0, 0, 60, 60, 60, 120]


def test_a_call_larger_than_the_minutes_allowance_waits_for_an_unused_minute():
    watch = Watch()

    async def three() -> None:
        shared = limiter(10, None, 1000)
        await asyncio.gather(*(watch.call(shared, i, Call(i, 1, n)) for i, n in enumerate((400, 5000, 300))))

    run(three())
    assert watch.starts == [(0, 400), (60, 5000), (120, 300)]


def test_tokens_free_up_as_their_calls_grow_old():
    watch = Watch()

    async def three() -> None:
        shared = limiter(10, None, 1000)
        await asyncio.gather(*(watch.call(shared, i, Call(i * 10, 1, n)) for i, n in enumerate((400, 400, 500))))

    run(three())
    assert watch.starts == [(0, 400), (10, 400), (60, 500)]


def test_a_pause_is_extended_but_never_shortened():
    async def paused() -> float:
        shared = limiter(1)
        await shared.pause(30)
        await shared.pause(5)
        async with shared.slot(1):
            return asyncio.get_running_loop().time()

    assert run(paused()) == 30


def test_a_pause_holds_also_for_who_is_waiting_already():
    watch = Watch()

    async def two() -> None:
        shared = limiter(1, 1)
        await asyncio.gather(
            watch.call(shared, 0, Call(0, 1, 0)),
            watch.call(shared, 1, Call(0, 1, 0)),
            watch.pause(shared, 59, 31),
        )

    run(two())
    assert [at for at, _ in watch.starts] == [0, 90]


def test_a_slot_comes_back_after_an_error():
    async def failing() -> None:
        shared = limiter(1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with shared.slot(1):
                    raise ZeroDivisionError
        await all_slots_are_free(shared, 1)

    run(failing())


def test_limits_below_one_are_an_error():
    for name in ("in_flight", "requests_per_minute", "tokens_per_minute"):
        with pytest.raises(ValueError, match="at least 1"):
            RateLimits(**{name: 0})
