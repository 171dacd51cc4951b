"""How far a run is, what it waits for, and what repeats itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bioresearcher.cli.display import watch_out
from bioresearcher.events import Event
from bioresearcher.progress import QUIET_S, RunProgress

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def event(kind: str, stage: str, state: str, message: str = "", *, after: float = 0, **data: object) -> Event:
    time = (BEGAN + timedelta(seconds=after)).isoformat()
    return Event(time=time, kind=kind, stage=stage, state=state, message=message, data=data)


def followed(*events: Event, past: tuple[Event, ...] = ()) -> RunProgress:
    progress = RunProgress(past)
    for one in events:
        progress.event(one)
    return progress


LATER = BEGAN + timedelta(minutes=12)


def test_a_run_that_goes_on_says_nothing() -> None:
    progress = followed(event("step", "write_steps", "start"))
    assert progress.quiet_text(BEGAN + timedelta(seconds=QUIET_S - 1)) == ""
    assert followed().quiet_text(LATER) == ""


def test_a_quiet_run_says_what_it_waits_for_the_oldest_first() -> None:
    progress = followed(
        event("step", "read_paper", "start", "PMID1"),
        event("step", "read_paper", "start", "PMID2", after=60),
        event("step", "read_paper", "done", "PMID1", after=120),
    )
    assert progress.quiet_text(LATER) == "no progress for 10 min 0 s: it waits for read_paper PMID2 (11 min 0 s)"


def test_tasks_are_named_rather_than_their_step() -> None:
    progress = followed(
        event("step", "program_task", "start", "T1"), event("task", "program_task", "start", "Cox model", task="T1")
    )
    assert progress.waits_for(LATER) == "task T1 Cox model (12 min 0 s)"


def test_an_approval_waits_for_the_person() -> None:
    progress = followed(event("step", "approve_protocol", "start"), event("gate", "approve_protocol", "waiting"))
    assert progress.waits_for(LATER) == "your answer at approve_protocol"
    progress.event(event("gate", "approve_protocol", "done"))
    assert not progress.waiting


def test_work_that_ends_each_process_is_told_also_over_resumes() -> None:
    crash = (event("run", "run", "start"), event("task", "program_task", "start", "Forest", task="T3"))
    assert [*followed(*crash, past=crash).repeats()] == []
    assert [*followed(*crash, past=(*crash, *crash)).repeats()] == ["task T3 Forest began 3 times and did not end"]
    done = event("task", "program_task", "done", "Forest", task="T3", outcome="verified")
    assert [*followed(*crash, done, past=(*crash, *crash)).repeats()] == []


def test_many_items_of_a_step_are_no_repetition() -> None:
    rounds = [event("step", "search_papers", state) for _ in range(9) for state in ("start", "done")]
    papers = [event("step", "read_paper", "start", f"PMID{n}") for n in range(9)]
    assert [*followed(*rounds, *papers).repeats()] == []


def test_answers_that_never_fit_are_told_until_one_does() -> None:
    failed = event("call", "write_steps", "failed", prompt="design/write_steps", calls=1)
    progress = followed(failed, failed, failed)
    assert [*progress.repeats()] == ["design/write_steps was answered 3 times running with what does not fit"]
    progress.event(event("call", "write_steps", "done", prompt="design/write_steps", calls=1))
    assert [*progress.repeats()] == []


def test_what_a_dead_process_left_open_does_not_run() -> None:
    progress = followed(
        event("step", "read_paper", "start", "PMID1"), event("run", "run", "start"), event("step", "x", "start")
    )
    assert progress.running["read_paper"] == 0
    assert progress.running["x"] == 1


@pytest.mark.parametrize("time", ["", "t", "2026-01-01T12:00:00", "9" * 60])
def test_a_time_that_cannot_be_read_is_no_error(time: str) -> None:
    progress = followed(Event(time=time, kind="step", stage="x", state="start"))
    assert progress.quiet_text(LATER) == ""
    assert progress.waits_for(LATER).startswith("x")


async def test_a_quiet_run_is_told_once_in_a_while() -> None:
    said: list[str] = []
    progress = followed(event("step", "read_paper", "start", "PMID1"))
    watching = asyncio.create_task(watch_out(progress, said.append, look_s=0))
    for _ in range(2_000):
        await asyncio.sleep(0)
    watching.cancel()
    assert said
    assert all("it waits for read_paper PMID1" in line for line in said)
    assert len(said) < 30, "each time after twice the time"
