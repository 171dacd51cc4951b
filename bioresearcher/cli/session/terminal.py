"""What a session needs of a terminal, whoever draws it: prompt_toolkit, plain lines, or a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import RenderableType
from rich.text import Text

Tree = Callable[[int, int], Sequence[Text]]
"""Lines that show the state of the run, for so many columns and rows."""


class Terminal(Protocol):
    """Where a session speaks and listens. Nothing blocks the event loop; every method works from any thread."""

    @property
    def width(self) -> int:
        """Columns to write into, at least 40."""

    def say(self, shown: RenderableType) -> None:
        """Print above the prompt; it stays readable. A `str` is printed as it is, without markup."""

    async def ask(self, prompt: str, *, words: Sequence[str] = (), multiline: bool = False) -> str | None:
        """What the person typed, without the line's end; `words` are offered for completion.

        None when the input ended or the session was asked to stop.
        """

    async def edit(self, text: str, *, suffix: str = ".md") -> str:
        """The text after the person edited it in `$VISUAL` or `$EDITOR`.

        Raises:
            InputError: No editor is set, it cannot be started, or it ended with an error; the text is unchanged.
        """


class SessionTerminal(Terminal, Protocol):
    """What the session itself needs beside that.

    Attributes:
        plain: Whether nothing may be drawn: a line a fact.
    """

    plain: bool

    def start(self) -> None:
        """Begin to read; called once, in the event loop that stays responsive."""

    async def close(self) -> None:
        """Give the terminal back as it was."""

    async def listen(self, prompt: str, *, words: Sequence[str] = ()) -> str | None:
        """Like `ask`, for a line that nobody waits for: any question that is open goes first."""

    def watch(self, tree: Tree | None) -> None:
        """Show the state of the run from now on, where the terminal can; None ends it."""

    def interrupt(self) -> None:
        """Answer every question that is open with None."""

    def end(self) -> None:
        """Answer every question, also later ones, with None: the session was asked to stop."""

    def lost(self) -> None:
        """The terminal is gone: nothing is written any more, and every question ends."""
