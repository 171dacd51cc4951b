"""The live table of a batch, in wide and narrow terminals, and the lines without one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress
from bioresearcher.cli.batch_display import Lines, LiveTable, make_display
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.run import Totals


def job(name: str, repeat: int = 1) -> BatchJob:
    return BatchJob(
        id=name, repeat=repeat, digest="d", batch=Path("b"), run=Path("b/r"), objective=Objective(id=name, text="t"),
        settings={},
    )  # fmt: skip


def outcome(name: str, status: str, reason: str = "") -> JobOutcome:
    totals = Totals(tasks=4, verified=3, input_tokens=1_000, output_tokens=234, cost_usd=None, wall_s=61)
    return JobOutcome.model_validate(
        {"id": name, "repeat": 1, "digest": "d", "run": "runs/r", "status": status, "exit_code": 0, "reason": reason}
        | {"totals": totals, "started": "s", "finished": "f"}
    )


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_shows_what_runs_and_what_ended_in_the_width_there_is(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=24, force_terminal=True, color_system=None)
    table = make_display(console, 30, [outcome("before", "done")], silent=False)
    assert isinstance(table, LiveTable)
    long = "an-objective-with-a-name-as-long-as-names-of-objectives-may-become"
    for name in ("a", "b", long):
        table.started(job(name))
    table.moved(job("a"), JobProgress(stage="read_paper", tasks=4, verified=2, tokens=12_345, cost_usd=0.5))
    table.ended(outcome("b", "failed", "its process was killed by SIGKILL; it may have been out of memory."))
    shown = Console(file=io.StringIO(), width=width, force_terminal=False)
    with shown.capture() as capture:
        shown.print(table.render())
    lines = capture.get().splitlines()
    assert all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "30 runs: 1 done, 2 running, 1 failed, 0 stopped, 26 waiting" in text
    assert "starting" in text or width < 76
    assert ("read_paper 2/4 12,345 0.500" in text) == (width >= 76)
    assert ("3/4 1,234 ?" in text) == (width >= 76)
    assert "an-obj" in text


def test_many_runs_do_not_make_the_table_higher_than_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=80, height=20, force_terminal=True)
    table = LiveTable(console, 10_000, [])
    for n in range(500):
        table.started(job(f"o{n}"))
        table.ended(outcome(f"o{n}", "done"))
    for n in range(30):
        table.started(job(f"now{n}"))
    with console.capture() as capture:
        console.print(table.render())
    assert len(capture.get().splitlines()) <= 20


def test_without_a_terminal_there_is_a_line_for_each_start_and_end() -> None:
    text = io.StringIO()
    lines = make_display(Console(file=text, width=40), 2, [], silent=False)
    assert isinstance(lines, Lines)
    lines.started(job("a"))
    lines.ended(outcome("a", "done"))
    lines.started(job("a", 2).model_copy(update={"attempt": 2}))
    lines.ended(outcome("b", "failed", "no [bold]luck"))
    said = [line.split("s  ", 1)[1] for line in text.getvalue().splitlines()]
    assert said == [
        "a: begins",
        "a: done, 3 of 4 tasks verified, 1,234 tokens, 61 s  [1/2]",
        "a · 2: begins (attempt 2)",
        "b: failed: no [bold]luck  [2/2]",
    ]
