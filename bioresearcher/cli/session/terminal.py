"""What a session needs of a terminal, whoever draws it: prompt_toolkit, plain lines, or a script.

The questions that are open, and who gets the next answer.

Editing a text in the person's own editor.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import RenderableType
from rich.text import Text

from bioresearcher.errors import InputError

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


@dataclass(eq=False)
class Question:
    """A question that waits for its answer. `idle`: any other goes before it."""

    prompt: str
    words: Sequence[str] = ()
    multiline: bool = False
    idle: bool = False
    answer: Future[str | None] = field(default_factory=Future)


class Questions:
    """The open questions of a session; asked from any thread and any event loop, answered from one."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._open: list[Question] = []
        self._lock = threading.Lock()
        self._changed = changed
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether every question is answered with None from now on."""
        return self._ended

    def current(self) -> Question | None:
        """The one that gets the next answer: the newest that is not idle, else the newest."""
        with self._lock:
            asked = [q for q in self._open if not q.idle]
            return asked[-1] if asked else self._open[-1] if self._open else None

    async def ask(self, question: Question) -> str | None:
        """Wait for its answer."""
        with self._lock:
            if self._ended:
                return None
            self._open.append(question)
        self._changed()
        try:
            return await asyncio.wrap_future(question.answer)
        finally:
            self._drop(question)
            self._changed()

    def answer(self, question: Question, line: str | None) -> bool:
        """Give an answer; False when nobody waits for it any more."""
        self._drop(question)
        try:
            question.answer.set_result(line)
        except InvalidStateError:
            return False
        return True

    def interrupt(self) -> None:
        """Answer all that are open with None."""
        with self._lock:
            waiting = [*self._open]
        for question in waiting:
            self.answer(question, None)

    def end(self) -> None:
        """Answer all with None, now and from now on."""
        with self._lock:
            self._ended = True
        self.interrupt()

    def _drop(self, question: Question) -> None:
        with self._lock:
            if question in self._open:
                self._open.remove(question)


_UNCHANGED = "The text is unchanged."


async def edit_text(text: str, suffix: str) -> str:
    """The text after `$VISUAL` or `$EDITOR` wrote it back; the editor gets the terminal as it is.

    Raises:
        InputError: No editor is set, it cannot be started, it ended with an error, or it left no text.
    """
    setting = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        command = shlex.split(setting)
    except ValueError as error:
        raise InputError(f"EDITOR cannot be understood: {setting!r}.", hint=_UNCHANGED) from error
    if not command:
        raise InputError("no editor is set.", hint="Set EDITOR, for example: export EDITOR=nano")
    handle, name = tempfile.mkstemp(prefix="bioresearcher-", suffix=suffix)
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            process = await asyncio.create_subprocess_exec(*command, name)
        except OSError as error:
            raise InputError(
                f"the editor {command[0]} cannot be started: {error.strerror}.", hint=_UNCHANGED
            ) from error
        code = await process.wait()
        if code != 0:
            raise InputError(f"the editor {command[0]} ended with exit code {code}.", hint=_UNCHANGED)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"what the editor wrote cannot be read: {error}.", hint=_UNCHANGED) from error
    finally:
        with suppress(OSError):
            path.unlink()
