"""The progress of a run: a live tree of its stages in a terminal, plain lines elsewhere, nothing when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bioresearcher.cli.output import say
from bioresearcher.events import Event
from bioresearcher.progress import QUIET_S, STAGES, RunProgress, TaskState, event_text
from bioresearcher.text.visible import one_line

MARKS = {"verified": "green", "blocked": "yellow", "not_run": "yellow"}


async def watch_out(progress: RunProgress, say: Callable[[str], None], *, look_s: float = QUIET_S) -> None:
    """Say what a run waits for each time it had no event for long, and once what repeats itself; never ends.

    What is said again comes after twice the time.
    """
    told: set[str] = set()
    last, next_s = "", QUIET_S
    while True:
        await asyncio.sleep(min(look_s, next_s))
        if progress.last != last:
            last, next_s = progress.last, QUIET_S
        if not progress.waiting and (said := progress.quiet_text(datetime.now(UTC), next_s)):
            next_s *= 2
            say(said)
        for said in progress.repeats():
            if said not in told:
                told.add(said)
                say(said)


class StageTree:
    """The stages of a run, kept up to date by its events and drawn as lines.

    Args:
        past: Events of the run's earlier processes: steps that ended then are shown as done.
        spent: Returns the spending against the budget as text; None counts the calls of the events.
        counts: Returns step → (items done, all items), as far as known.
    """

    def __init__(
        self,
        past: Iterable[Event] = (),
        *,
        spent: Callable[[], str] | None = None,
        counts: Callable[[], Mapping[str, tuple[int, int]]] = dict,
    ) -> None:
        self._started = time.monotonic()
        self.progress = RunProgress(past)
        self._spending = spent
        self._counts = counts

    @property
    def elapsed_s(self) -> float:
        """Seconds since the tree was made."""
        return time.monotonic() - self._started

    def event(self, event: Event) -> None:
        """Count starts and ends."""
        self.progress.event(event)

    def lines(self, width: int, *, most_tasks: int | None = None) -> list[Text]:
        """Return the tree, a line a stage, none longer than `width`, with all tasks or so many of those that run."""
        tasks = [*self.progress.tasks.items()]
        if most_tasks is not None:
            tasks = [t for t in tasks if t[1].outcome == "running"][:most_tasks]
        lines = [Text(f"elapsed {self.elapsed_s:.0f} s{self._spent()}", style="dim")]
        for name, steps in STAGES:
            lines.append(self._stage(name, steps))
            if name == "program":
                lines += [self._task_line(task, state, width) for task, state in tasks]
        if self.progress.waiting:
            lines.append(Text(f"? {self.progress.waiting} waits for your answer", style="yellow"))
        elif quiet := self.progress.quiet_text(datetime.now(UTC)):
            lines.append(Text(f"! {quiet}", style="yellow"))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def _stage(self, name: str, steps: tuple[str, ...]) -> Text:
        running = [s for s in steps if self.progress.running[s] > 0]
        done = [s for s in steps if self.progress.done[s] > 0]
        mark, style = ("●", "cyan") if running else ("✓", "green") if done else ("·", "dim")
        line = Text(f"{mark} {name:8}", style=style)
        counts = self._counts()
        if running:
            line.append(f" {', '.join(self._progress(s, counts) for s in running)}", style="cyan")
        finished = [self._counted(s) for s in done if s not in running]
        if finished:
            line.append(f" {'| ' if running else ''}{', '.join(finished)}", style="default")
        return line

    def _progress(self, step: str, counts: Mapping[str, tuple[int, int]]) -> str:
        """Return a running step with its items that are done, run and wait."""
        started = self.progress.running[step]
        done, total = counts.get(step, (0, 0))
        if total <= 1:
            return step if started == 1 else f"{step} {started} run"
        states = [task.outcome for task in [*self.progress.tasks.values()]]  # a copy: another thread may add to it
        running = started if step != "program_task" else states.count("running")
        running = max(0, min(running, total - done))
        return f"{step} {done}/{total} done, {running} run, {total - done - running} wait"

    def _counted(self, step: str) -> str:
        return f"{step} {self.progress.done[step]}" if self.progress.done[step] > 1 else step

    def _spent(self) -> str:
        """Return the spending on models; without a meter that of this process, empty before the first call."""
        if self._spending is not None:
            text = self._spending()
            return f" · {text}" if text else ""
        return f" · {self.progress.spent}" if self.progress.spent else ""

    def _task_line(self, task: str, state: TaskState, columns: int) -> Text:
        """Return a task on one line, its title cut to the terminal's width."""
        width = max(min(columns - 28, 70), 12)
        line = Text(f"    {task:4} {one_line(state.title, width):{width}} ")
        style = "cyan" if state.outcome == "running" else MARKS.get(state.outcome, "red")
        return line.append(state.outcome, style=style)


class Silent(AbstractContextManager["Silent", None]):
    """A display that shows nothing; the base of the others."""

    def event(self, event: Event) -> None:
        """Take note of an event."""

    def say(self, text: str) -> None:
        """Print a message to the person."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the display while a question is asked."""
        yield

    def __exit__(self, *error: object) -> None:
        """End the display."""


class Plain(Silent):
    """A display of a line per finished stage and task, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        say(self._console, text)

    def event(self, event: Event) -> None:
        """Print the end of a stage or task, and notes."""
        line = event_text(event)
        if line:
            self.say(f"{time.monotonic() - self._started:6.1f}s  {line}")


class Progress(Silent):
    """A live display of the stage tree."""

    def __init__(self, console: Console, past: Iterable[Event] = ()) -> None:
        self._console = console
        self._tree = StageTree(past)
        self._live = self._new_live()  # last: it draws once while it is made

    def _new_live(self) -> Live:
        return Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=False)

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
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
        say(self._console, text)

    def event(self, event: Event) -> None:
        """Count starts and ends."""
        self._tree.event(event)
        if event.kind == "note":
            self.say(event_text(event))

    def _render(self) -> RenderableType:
        return Group(*self._tree.lines(self._console.width))
