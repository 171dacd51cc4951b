"""The progress of a batch: a live table in a terminal, a line per event elsewhere, nothing when asked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bioresearcher.batch.run import Display
from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress
from bioresearcher.cli.output import say
from bioresearcher.text.format import duration
from bioresearcher.text.visible import one_line

STYLES = {"done": "green", "failed": "red", "stopped": "yellow", "running": "cyan"}
_WIDE = 76
"""Columns of a terminal from which on all columns are shown; below, only state and time of a run."""
_RECENT = 200
"""Ended runs that are kept for the table; more than a screen has lines."""


@dataclass
class _Row:
    """A row of the table: a run."""

    name: str
    state: str = "running"
    progress: JobProgress = field(default_factory=JobProgress)
    since: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    reason: str = ""


def run_name(item: BatchJob | JobOutcome) -> str:
    """Return a run's name: the objective's id, and the repeat when it is not the first."""
    return item.id if item.repeat == 1 else f"{item.id} · {item.repeat}"


class Lines(Display):
    """A display of a line when a run begins and when it ends, for logs and pipes."""

    def __init__(self, console: Console, runs: int, done: Sequence[JobOutcome]) -> None:
        super().__init__(runs, done)
        self._console = console
        self._started = time.monotonic()

    def started(self, job: BatchJob) -> None:
        """Print a line."""
        again = f" (attempt {job.attempt})" if job.attempt > 1 else ""
        self._print(f"{run_name(job)}: begins{again}")

    def ended(self, outcome: JobOutcome) -> None:
        """Print a line."""
        super().ended(outcome)
        ended = sum(self._states.values())
        self._print(f"{run_name(outcome)}: {_ended_text(outcome)}  [{ended}/{self._runs}]")

    def note(self, text: str) -> None:
        """Print a line."""
        say(self._console, text)

    def _print(self, text: str) -> None:
        self.note(f"{time.monotonic() - self._started:7.1f}s  {text}")


class LiveTable(Display):
    """A live table: the running runs, then those that ended last, as many as fit."""

    def __init__(self, console: Console, runs: int, done: Sequence[JobOutcome]) -> None:
        super().__init__(runs, done)
        self._console = console
        self._started = time.monotonic()
        self._running: dict[tuple[str, int], _Row] = {}
        self._ended: deque[_Row] = deque(maxlen=_RECENT)
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=2, transient=True, vertical_overflow="crop"
        )

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._live.stop()
        except OSError:  # the terminal is gone
            return

    def started(self, job: BatchJob) -> None:
        """Add a row."""
        self._running[job.id, job.repeat] = _Row(run_name(job))

    def moved(self, job: BatchJob, progress: JobProgress) -> None:
        """Update its row."""
        if (job.id, job.repeat) in self._running:
            self._running[job.id, job.repeat].progress = progress

    def ended(self, outcome: JobOutcome) -> None:
        """Move its row to those that ended, and print the end above the table."""
        super().ended(outcome)
        row = self._running.pop((outcome.id, outcome.repeat), _Row(run_name(outcome)))
        t = outcome.totals
        row.state, row.reason, row.seconds = outcome.status, outcome.reason, time.monotonic() - row.since
        row.progress = JobProgress(
            tasks=t.tasks, verified=t.verified, tokens=t.input_tokens + t.output_tokens, cost_usd=t.cost_usd
        )
        self._ended.appendleft(row)
        self.note(f"{run_name(outcome)}: {_ended_text(outcome)}")

    def note(self, text: str) -> None:
        """Print above the table."""
        say(self._console, text)

    def render(self) -> RenderableType:
        """Return the table and the counts, as high as the terminal allows."""
        room = max(1, self._console.height - 5)
        rows = [*self._running.values(), *self._ended][:room]
        wide = self._console.width >= _WIDE
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", expand=False)
        for name in ("objective", "state", "stage") if wide else ("objective", "state"):
            table.add_column(name, no_wrap=True)
        for name in ("tasks", "tokens", "USD", "time") if wide else ("time",):
            table.add_column(name, no_wrap=True, justify="right")
        room_for_name = max(8, self._console.width - (61 if wide else 18))
        for row in rows:
            cells = self._cells(row)
            table.add_row(Text(one_line(row.name, room_for_name)), *(cells if wide else (cells[0], cells[-1])))
        return Group(table, Text(self._counts(), style="dim"))

    @staticmethod
    def _cells(row: _Row) -> tuple[Text, ...]:
        """Return state, stage or reason, tasks, tokens, cost, time."""
        p = row.progress
        seconds = row.seconds if row.seconds is not None else time.monotonic() - row.since
        return (
            Text(row.state, style=STYLES[row.state]),
            Text((p.stage or "starting") if row.state == "running" else one_line(row.reason, 16)),
            Text(f"{p.verified}/{p.tasks}" if p.tasks else ""),
            Text(f"{p.tokens:,}" if p.tokens else ""),
            Text("?" if p.cost_usd is None else f"{p.cost_usd:.3f}" if p.cost_usd else ""),
            Text(_clock(seconds)),
        )

    def _counts(self) -> str:
        states = self._states
        waiting = self._runs - sum(states.values()) - len(self._running)
        return (
            f"{self._runs} runs: {states['done']} done, {len(self._running)} running, {states['failed']} failed, "
            f"{states['stopped']} stopped, {waiting} waiting · {_clock(time.monotonic() - self._started)}"
        )


def _clock(seconds: float) -> str:
    """Return `3:20` or `2:05:00`, whose width does not change with each second."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _ended_text(outcome: JobOutcome) -> str:
    """Return the end of a run in a line."""
    if outcome.status != "done":
        return f"{outcome.status}: {one_line(outcome.reason, 300)}"
    t = outcome.totals
    tokens = f", {t.input_tokens + t.output_tokens:,} tokens" if t.input_tokens else ""
    return f"done, {t.verified} of {t.tasks} tasks verified{tokens}, {duration(t.wall_s)}"


def make_display(console: Console, runs: int, done: Sequence[JobOutcome], *, silent: bool) -> Display:
    """Return the display that fits a console."""
    if silent:
        return Display(runs, done)
    return LiveTable(console, runs, done) if console.is_terminal else Lines(console, runs, done)
