"""Showing a run's progress: a live stage tree in a terminal, plain lines elsewhere, nothing when asked."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from pydantic import JsonValue
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bioresearcher.events import Event
from bioresearcher.report.text import count_of, one_line

STAGES = (
    ("search", ("plan_queries", "search_papers", "screen_papers", "search_datasets", "check_datasets")),
    ("read", ("read_paper", "analyse_reports")),
    ("design", ("design_headings", "design_outlines", "write_steps", "assemble_protocol")),
    ("program", ("extract_tasks", "program_task")),
    ("review", ("score_protocol", "check_status")),
)
MARKS = {"verified": "green", "blocked": "yellow", "not_run": "yellow"}


class Silent:
    """Shows nothing; the base of the others."""

    def event(self, event: Event) -> None:
        """Take note of an event."""

    def say(self, text: str) -> None:
        """Say something to the person."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While a question is asked."""
        yield

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Plain(Silent):
    """A line per finished stage and task, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, soft_wrap=True, markup=False)

    def event(self, event: Event) -> None:
        """Print what ended, and what the person should know."""
        if event.kind == "note":
            self.say(f"{time.monotonic() - self._started:6.1f}s  {one_line(event.message, 300)}")
        if event.state != "done" or event.kind not in {"step", "task", "gate"} or event.stage == "collect_tasks":
            return
        if event.kind == "step" and event.stage == "program_task":
            return
        elapsed = f"{time.monotonic() - self._started:6.1f}s"
        tail = " ".join(
            filter(None, [str(event.data.get("task", "")), event.message, str(event.data.get("outcome", ""))])
        )
        self.say(f"{elapsed}  {event.stage} {tail}".rstrip())


class Progress(Silent):
    """The stage tree, live: what runs, what is done, counts and time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._running: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._tasks: dict[str, tuple[str, str]] = {}
        self._calls, self._tokens, self._usd = 0, 0, 0.0
        self._live = self._new_live()  # last: it draws once while it is made

    def _new_live(self) -> Live:
        return Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=False)

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the live display while a question is asked."""
        self._live.stop()
        try:
            yield
        finally:
            self._live = self._new_live()  # the old one would draw over what was asked and answered
            self._live.start()

    def say(self, text: str) -> None:
        """Print above the tree."""
        self._console.print(text, soft_wrap=True, markup=False)

    def event(self, event: Event) -> None:
        """Count starts and ends."""
        if event.kind == "step" and event.state == "start":
            self._running[event.stage] += 1
        elif event.kind == "step" and event.state == "done":
            self._running[event.stage] -= 1
            self._done[event.stage] += 1
        elif event.kind == "note":
            self.say(one_line(event.message, 300))
        elif event.kind == "call":
            self._count(event.data)
        elif event.kind == "task":
            self._tasks[str(event.data.get("task"))] = (event.message, str(event.data.get("outcome", "running")))

    def _count(self, call: dict[str, JsonValue]) -> None:
        """Add a call to what is shown as spent; what is not a number is not known."""
        if call.get("replayed"):
            return
        spent = [call.get(name) for name in ("calls", "input_tokens", "output_tokens", "cost_usd")]
        calls, tokens_in, tokens_out, usd = (n if isinstance(n, int | float) else math.nan for n in spent)
        self._calls += int(calls)
        self._tokens += int(tokens_in + tokens_out)
        self._usd += usd

    def _spent(self) -> str:
        """What this process spent on models; empty before the first call."""
        if not self._calls:
            return ""
        usd = "" if math.isnan(self._usd) else f" · {self._usd:.3f} USD"
        return f" · {count_of(self._calls, 'call')} · {self._tokens:,} tokens{usd}"

    def _render(self) -> RenderableType:
        lines = [Text(f"elapsed {time.monotonic() - self._started:.0f} s{self._spent()}", style="dim")]
        for name, steps in STAGES:
            running = [s for s in steps if self._running[s] > 0]
            done = [s for s in steps if self._done[s] > 0]
            mark, style = ("●", "cyan") if running else ("✓", "green") if done else ("·", "dim")
            counts = ", ".join(f"{s} {self._done[s]}" if self._done[s] > 1 else s for s in done)
            line = Text(f"{mark} {name:8}", style=style)
            line.append(f" {counts}", style="default")
            if running:
                line.append(f" … {', '.join(running)}", style="cyan")
            lines.append(line)
            if name == "program":
                lines += [self._task_line(*item) for item in self._tasks.items()]
        return Group(*lines)

    def _task_line(self, task: str, state: tuple[str, str]) -> Text:
        """A task on one line, its title cut to what the terminal's width leaves."""
        title, outcome = state
        width = max(min(self._console.width - 28, 70), 12)
        shown = title if len(title) <= width else f"{title[: width - 1]}…"
        line = Text(f"    {task:4} {shown:{width}} ")
        style = "cyan" if outcome == "running" else MARKS.get(outcome, "red")
        return line.append(outcome, style=style)
