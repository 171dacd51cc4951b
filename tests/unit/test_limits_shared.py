"""What processes of one workspace may ask of a server together, in virtual time: nothing here waits.

Each limiter stands for a process: the locks of two open files keep each other out wherever they were opened.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import itertools
import json
import math
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run

from bioresearcher.errors import WorkspaceError
from bioresearcher.limits.rate_limits import (
    GRAIN_S,
    LONGEST_PAUSE_S,
    STALE_S,
    WINDOW_S,
    Limiter,
    RateLimits,
    State,
    Window,
)

EPOCH = 1_800_000_000.0
NEAR = 1e-6
"""Times since 1970 have steps of about 0.2 µs."""


def clock() -> float:
    return EPOCH + asyncio.get_running_loop().time()


def process(folder: Path, limits: RateLimits | None = None) -> Limiter:
    return Limiter("server", limits or RateLimits(), folder, clock=clock)


@dataclass
class Watch:
    starts: list[tuple[float, int, int]] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0
    paused_until: float = 0.0
    too_early: int = 0

    async def one_process(self, number: int, shared: Limiter, calls: list[tuple[float, float, int]]) -> None:
        """Calls one after the other: seconds before it, seconds it takes, tokens."""
        for before_s, lasts_s, tokens in calls:
            await asyncio.sleep(before_s)
            async with shared.slot(tokens):
                self.starts.append((clock(), tokens, number))
                self.too_early += clock() < self.paused_until - NEAR
                self.in_flight += 1
                self.peak = max(self.peak, self.in_flight)
                await asyncio.sleep(lasts_s)
                self.in_flight -= 1

    async def pause(self, shared: Limiter, at_s: float, seconds: float) -> None:
        await asyncio.sleep(at_s)
        self.paused_until = max(self.paused_until, clock() + seconds)
        await shared.pause(seconds)


times = st.integers(0, 20).map(lambda n: n / 4)
calls = st.lists(st.tuples(times, times, st.integers(0, 60)), min_size=1, max_size=5)
perhaps = st.none() | st.integers(2, 6)
limits = st.builds(
    RateLimits,
    st.sampled_from([0.0, 0.1, 1 / 3, 2.0]),
    perhaps,
    st.none() | st.integers(30, 90),
    st.none() | st.integers(1, 3),
)
pauses = st.lists(st.tuples(times, times), max_size=2)


@settings(max_examples=25)
@given(st.lists(calls, min_size=2, max_size=4), limits, pauses)
def test_limits_hold_over_all_processes_at_every_moment(tmp_path_factory, processes, most, pauses) -> None:
    watch, folder = Watch(), tmp_path_factory.mktemp("limits")

    async def all_processes() -> None:
        shared = [process(folder, most) for _ in processes]
        running = [watch.one_process(i, s, own) for i, (s, own) in enumerate(zip(shared, processes, strict=True))]
        await asyncio.gather(*running, *(watch.pause(shared[0], *pause) for pause in pauses))

    run(all_processes())
    assert len(watch.starts) == sum(map(len, processes))
    assert watch.peak <= (most.in_flight or math.inf)
    assert watch.too_early == 0
    moments = [at for at, _, _ in watch.starts]
    assert all(later - one >= most.interval_s - NEAR for one, later in itertools.pairwise(moments))
    for at in moments:
        window = [tokens for then, tokens, _ in watch.starts if at <= then < at + WINDOW_S - NEAR]
        assert most.requests_per_minute is None or len(window) <= most.requests_per_minute
        spending = [tokens for tokens in window if tokens]
        assert most.tokens_per_minute is None or sum(spending) <= most.tokens_per_minute or len(spending) == 1


def test_processes_that_always_want_something_take_turns(tmp_path: Path) -> None:
    watch = Watch()

    async def greedy() -> None:
        shared = [process(tmp_path, RateLimits(1 / 3)) for _ in range(4)]
        await asyncio.gather(*(watch.one_process(i, s, [(0, 0, 0)] * 30) for i, s in enumerate(shared)))

    run(greedy())
    early = [number for _, _, number in watch.starts[:40]]
    assert all(9 <= early.count(number) <= 11 for number in range(4))
    assert watch.starts[-1][0] - watch.starts[0][0] <= 119 / 3 * 1.05


def test_places_in_flight_go_round_as_well(tmp_path: Path) -> None:
    watch = Watch()

    async def greedy() -> None:
        shared = [process(tmp_path, RateLimits(in_flight=1)) for _ in range(3)]
        await asyncio.gather(*(watch.one_process(i, s, [(0, 1, 0)] * 10) for i, s in enumerate(shared)))

    run(greedy())
    early = [number for _, _, number in watch.starts[:15]]
    assert max(early.count(number) for number in range(3)) <= 7
    assert watch.peak == 1


async def once(shared: Limiter, tokens: int = 0) -> float:
    """When a request went through."""
    async with shared.slot(tokens):
        return clock()


def test_who_stopped_waiting_or_died_in_line_holds_nobody_up(tmp_path: Path) -> None:
    async def others_first() -> tuple[float, float]:
        holder, leaver, dead, last = (process(tmp_path, RateLimits(in_flight=1)) for _ in range(4))
        place = holder.slot()
        await place.__aenter__()
        leaving = asyncio.create_task(once(leaver))
        dying = asyncio.create_task(once(dead))
        await asyncio.sleep(0.1)
        leaving.cancel()
        dead._leave = lambda: None  # type: ignore[method-assign]  # as after kill -9
        dying.cancel()
        for task in (leaving, dying):
            with suppress(asyncio.CancelledError):
                await task
        waiting = asyncio.create_task(once(last))
        await asyncio.sleep(5)
        await place.__aexit__(None, None, None)
        freed = clock()
        return freed, await waiting

    freed, entered = run(others_first())
    assert entered - freed <= STALE_S


def test_a_lock_that_is_held_blocks_no_event_loop(tmp_path: Path) -> None:
    async def held() -> list[str]:
        happened: list[str] = []
        shared = process(tmp_path)
        await once(shared)
        (lock,) = tmp_path.glob("*.lock")
        handle = os.open(lock, os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX)
        entering = asyncio.create_task(once(shared))
        pausing = asyncio.create_task(shared.pause(0))
        await asyncio.sleep(3)
        happened.append(f"loop went on, entered: {entering.done()}, paused: {pausing.done()}")
        os.close(handle)
        await entering
        await pausing
        return [*happened, "entered"]

    assert run(held()) == ["loop went on, entered: False, paused: False", "entered"]


def test_a_damaged_record_is_begun_anew_and_a_folder_that_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged() -> None:
        shared = process(tmp_path, RateLimits(10.0, 1, 10))
        await once(shared, 5)
        (path,) = tmp_path.glob("*.json")
        odd = b'{"last":"x","requests":[],"tokens":[],"pause":[0,0],"line":{}}'
        for data in (b"", b"{", b"[]", b'{"last": 1}', b"\xff\xfe", odd):
            path.write_bytes(data)
            await once(shared, 5)
            assert clock() == EPOCH

    run(damaged())
    (tmp_path / "file").write_text("no folder")

    async def refused() -> None:
        with pytest.raises(WorkspaceError, match=r"cannot keep the limits of servers in .*: Not a directory"):
            await once(process(tmp_path / "file"))

    run(refused())

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)

    async def lockless() -> None:
        with pytest.raises(WorkspaceError, match="No locks available"):
            await once(process(tmp_path / "other"))

    run(lockless())


def test_names_of_servers_stay_in_the_folder_and_apart(tmp_path: Path) -> None:
    folder = tmp_path / "limits"

    async def names() -> None:
        for name in ("../../x", "a b", "a-b", "http://h:1/v1"):
            await once(Limiter(name, RateLimits(), folder, clock=clock))

    run(names())
    assert len([*folder.glob("*.json")]) == 4
    assert [*tmp_path.iterdir()] == [folder]


def test_within_a_process_callers_keep_their_order_and_others_count(tmp_path: Path) -> None:
    order: list[tuple[int, float]] = []

    async def two_processes() -> None:
        time = asyncio.get_running_loop().time
        here, there = (process(tmp_path, RateLimits(requests_per_minute=3, in_flight=2)) for _ in range(2))
        async with there.slot(), there.slot():

            async def call(number: int) -> None:
                async with here.slot():
                    order.append((number, time()))

            waiting = [asyncio.create_task(call(n)) for n in range(4)]
            await asyncio.sleep(10)
            assert order == []
        await there.pause(100)
        await asyncio.gather(*waiting)

    run(two_processes())
    assert [number for number, _ in order] == [0, 1, 2, 3]
    assert order[0][1] >= 110
    assert order[3][1] >= order[0][1] + WINDOW_S - NEAR


uses = st.lists(st.tuples(st.integers(0, 1200).map(lambda n: n / 10), st.integers(0, 30)), max_size=40)


@settings(max_examples=200)
@given(uses, st.integers(0, 40), st.integers(1, 60), st.floats(0, 130))
def test_a_window_with_steps_never_allows_more_and_hardly_later(added, amount, most, at) -> None:
    exact, coarse = Window(grain_s=0), Window()
    for moment, used in sorted(added):
        exact.add(moment, used)
        coarse.add(moment, used)
    now = max([at, *(moment for moment, _ in added)])
    opens, later = exact.opens(now, amount, most), coarse.opens(now, amount, most)
    assert max(now, opens) <= max(now, later) <= max(now, opens) + GRAIN_S
    used = sum(n for moment, n in added if moment + WINDOW_S > max(now, opens))
    assert used + amount <= most or (used == 0 and amount > most) or amount == 0
    assert exact.opens(now, amount, None) == -math.inf


def test_the_record_of_a_busy_minute_stays_short() -> None:
    window = Window()
    for n in range(60_000):
        window.add(n / 1000, 1)
    assert len(window.used) <= WINDOW_S / GRAIN_S + 1
    assert sum(n for _, n in window.used) == 60_000


@settings(max_examples=100)
@given(uses, st.floats(0, 500), st.floats(0, 100_000), st.floats(-200_000, 200_000))
def test_a_record_is_read_as_written_and_a_clock_put_back_makes_nobody_wait_longer(added, pause_s, at, jump) -> None:
    now = EPOCH + at
    state = State()
    for moment, used in sorted(added):
        state.take("one", used, now - 120 + moment)
    state.pause(pause_s, now)
    state.wait_s("two", RateLimits(), 0, now)
    again = State.read(state.write(), now)
    assert again.write() == state.write()
    later = State.read(state.write(), now + jump)
    most = RateLimits(0.3, 2, 20)
    waits = later.wait_s("three", most, 5, now + jump)
    assert 0 <= waits <= max(pause_s, WINDOW_S) + most.interval_s + NEAR
    assert json.loads(later.write())["line"].keys() <= {"two", "three"}


def test_no_pause_lasts_longer_than_an_hour_whatever_was_said() -> None:
    state = State()
    state.pause(1e9, EPOCH)
    assert state.wait_s("one", RateLimits(), 0, EPOCH) == LONGEST_PAUSE_S
    state.paused_until = 1e300
    assert State.read(state.write(), EPOCH).wait_s("one", RateLimits(), 0, EPOCH) <= LONGEST_PAUSE_S


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["while it writes", "before the new is in place"]), max_size=4), st.integers(0, 300))
def test_processes_killed_over_the_state_lose_none_of_it(tmp_path_factory, kills, cut) -> None:
    folder = tmp_path_factory.mktemp("limits")

    async def spent_and_killed() -> None:
        await once(process(folder, RateLimits(tokens_per_minute=10)), 7)
        (path,) = folder.glob("*.json")
        for kill in kills:
            whole = path.read_bytes()
            path.with_suffix(".part").write_bytes(whole[:cut] if kill == "while it writes" else whole)
            if kill == "before the new is in place":
                path.unlink()
            await once(process(folder), 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(once(process(folder, RateLimits(tokens_per_minute=10)), 7), 2)

    run(spent_and_killed())


def test_files_of_the_version_before_are_left_alone_and_its_places_count(tmp_path: Path) -> None:
    async def beside_it() -> list[bool]:
        shared = process(tmp_path, RateLimits(in_flight=1))
        await once(shared)
        (state,) = tmp_path.glob("*.json")
        record, place = state.with_suffix(".record"), state.with_suffix(".0.place")
        data = b'{"last": 9e9, "requests": [[9e9, 1]], "tokens": [], "pause": [9e9, 9e9], "line": {"1-a": [0, 9e9]}}'
        record.write_bytes(struct.pack("<QII", 1, len(data), zlib.crc32(data, 1)) + data)
        before = record.read_bytes()
        with place.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # one of its calls is in flight
            entering = asyncio.create_task(once(shared))
            await asyncio.sleep(3)
            happened = [entering.done()]
        return [*happened, await entering <= EPOCH + 3 + STALE_S, record.read_bytes() == before]

    assert run(beside_it()) == [False, True, True]
