"""Showing a run's progress: a live stage tree in a terminal, plain lines elsewhere, nothing when asked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live

from bioresearcher.cli.stage_tree import StageTree, told
from bioresearcher.events import Event


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
        line = told(event)
        if line:
            self.say(f"{time.monotonic() - self._started:6.1f}s  {line}")


class Progress(Silent):
    """The stage tree, live: what runs, what is done, counts and time."""

    def __init__(self, console: Console, past: Iterable[Event] = ()) -> None:
        self._console = console
        self._tree = StageTree(past)
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
        self._tree.event(event)
        if event.kind == "note":
            self.say(told(event))

    def _render(self) -> RenderableType:
        return Group(*self._tree.lines(self._console.width))
