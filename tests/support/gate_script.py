"""A terminal whose lines are written beforehand; what is said is kept as text of a given width."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from rich.console import Console, RenderableType

from bioresearcher.errors import InputError


class Script:
    """Gives its lines one by one, then ends the input; edits by a function."""

    def __init__(self, *lines: str, width: int = 80, editor: Callable[[str], str] | None = None) -> None:
        self.lines = list(lines)
        self.width = width
        self.editor = editor
        self.prompts: list[str] = []
        self._out = io.StringIO()

    @property
    def text(self) -> str:
        """All that was said."""
        return self._out.getvalue()

    def say(self, shown: RenderableType) -> None:
        console = Console(file=self._out, width=self.width, color_system=None, highlight=False)
        console.print(shown, markup=False)

    async def ask(self, prompt: str, *, words: Sequence[str] = (), multiline: bool = False) -> str | None:
        self.prompts.append(prompt)
        self._out.write(prompt)
        line = self.lines.pop(0) if self.lines else None
        self._out.write(f"{line}\n" if line is not None else "<end>\n")
        return line

    async def edit(self, text: str, *, suffix: str = ".md") -> str:
        if self.editor is None:
            raise InputError("no editor is set.", hint="Set EDITOR.")
        return self.editor(text)
