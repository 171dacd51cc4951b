"""What a session needs of a terminal, whoever draws it: prompt_toolkit, plain lines, or a script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import RenderableType


class Terminal(Protocol):
    """Where a session speaks and listens. Nothing blocks the event loop."""

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
