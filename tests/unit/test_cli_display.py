"""The live display in a terminal, and the lines at a run's end."""

from __future__ import annotations

import io

from rich.console import Console

from bioresearcher.cli.display import Progress
from bioresearcher.cli.run_messages import end_lines
from bioresearcher.events import Event
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import Failure
from bioresearcher.schemas.run import RunRecord, Totals


def terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=width, color_system=None, legacy_windows=False), out


def test_the_live_display_starts_pauses_and_goes_on() -> None:
    console, out = terminal()
    display = Progress(console)
    with display:
        display.event(Event(time="t", kind="step", stage="plan_queries", state="start"))
        with display.paused():
            console.print("Use these?")
            asked = len(out.getvalue())
        after = out.getvalue()[asked:]
    assert "plan_queries" in out.getvalue()
    assert "\x1b[1A" not in after.split("elapsed", 1)[0], "the question would be drawn over"


def test_a_task_stays_on_one_line_of_a_narrow_terminal() -> None:
    console, out = terminal(80)
    display = Progress(console)
    with display:
        title = "Differential expression between er_positive = 1 and er_positive = 0 (GSE1992)"
        data = {"task": "T9", "outcome": "input_independent"}
        event = Event.model_validate({"time": "t", "kind": "task", "message": title, "data": data})
        display.event(event)
    (line,) = {line for line in out.getvalue().splitlines() if "T9" in line}
    assert line.rstrip().endswith("input_independent")
    assert len(line.rstrip()) <= 80


def record(**changes: object) -> RunRecord:
    fields: dict[str, object] = {
        "run_id": "r", "status": "done", "started": "t", "objective": Objective(id="o", text="t"), "settings": {},
        "backend": "offline", "versions": {},
    }  # fmt: skip
    return RunRecord.model_validate({**fields, **changes})


def test_the_end_says_what_could_not_be_read_and_what_was_not_verified() -> None:
    lines = end_lines(
        record(
            totals=Totals(papers_read=1, quotes=2, quotes_located=2, steps=1, tasks=2, exit_ok=1, verified=1),
            failures=(Failure(item="x.gz", stage="load_datasets", message="cannot be read."),),
            not_verified=(
                "Task T1 is not verified (blocked): no data.",
                "A small doubt.",
                "Requirement R1 is not met.",
            ),
        )
    )
    text = "\n".join(lines)
    assert (
        "1 paper read, 2 of 2 quotes located · 1 protocol step, 0 resting on what was read or found in the data" in text
    )
    assert "2 tasks: 1 ended with exit code 0, 1 verified" in text
    for said in ("! x.gz: cannot be read.", "! Task T1 is not verified", "! Requirement R1", "3 caveats in all"):
        assert said in text
    assert "A small doubt" not in text


def test_no_task_and_no_quote_are_not_counted_as_nought_of_nought() -> None:
    text = "\n".join(end_lines(record()))
    assert "0 of 0" not in text
    assert "no task was run" in text
