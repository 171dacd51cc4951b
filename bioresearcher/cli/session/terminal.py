"""The terminal of a session: its interface, the queue of open questions, and editing in the person's own editor."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
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
"""Returns the lines that show the state of the run, for so many columns and rows."""
LEAST_WIDTH = 40


class Terminal(Protocol):
    """The part of a terminal that an approval needs. Nothing blocks the event loop; each method works in any thread."""

    @property
    def width(self) -> int:
        """Columns to write into, at least 40."""

    def say(self, shown: RenderableType) -> None:
        """Print above the prompt; it stays readable. A `str` is printed as it is, without markup."""

    async def ask(self, prompt: str, *, words: Sequence[str] = (), multiline: bool = False) -> str | None:
        """Return what the person typed, without the line's end; `words` are offered for completion.

        None when the input ended or the session was asked to stop.
        """

    async def edit(self, text: str, *, suffix: str = ".md") -> str:
        """Return the text after the person edited it in `$VISUAL` or `$EDITOR`.

        Raises:
            InputError: No editor is set, it cannot be started, or it ended with an error; the text is unchanged.
        """


@dataclass(eq=False)
class Question:
    """A question that waits for its answer; an `idle` one lets any other go first."""

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
        """True once every question is answered with None."""
        return self._ended

    def current(self) -> Question | None:
        """Return the question that gets the next answer: the newest that is not idle, else the newest."""
        with self._lock:
            asked = [q for q in self._open if not q.idle]
            return asked[-1] if asked else self._open[-1] if self._open else None

    async def ask(self, question: Question) -> str | None:
        """Open the question and wait for its answer."""
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
        """Answer a question; False when nobody waits for it any more."""
        self._drop(question)
        try:
            question.answer.set_result(line)
        except InvalidStateError:
            return False
        return True

    def interrupt(self) -> None:
        """Answer all open questions with None."""
        with self._lock:
            waiting = [*self._open]
        for question in waiting:
            self.answer(question, None)

    def end(self) -> None:
        """Answer all questions with None, now and from now on."""
        with self._lock:
            self._ended = True
        self.interrupt()

    def _drop(self, question: Question) -> None:
        with self._lock:
            if question in self._open:
                self._open.remove(question)


class SessionTerminal(ABC):
    """A terminal of a session; the base of prompt_toolkit's, of plain lines and of a script.

    It is a `Terminal`, and `ask` and `edit` are described there.

    Attributes:
        plain: True when nothing may be drawn: a line a fact.
    """

    plain = True

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._questions = Questions(changed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gone = False
        self._tree: Tree | None = None

    @property
    def width(self) -> int:
        """Columns to write into."""
        return max(LEAST_WIDTH, shutil.get_terminal_size().columns)

    def start(self) -> None:
        """Begin to read; called once, in the event loop that stays responsive."""
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """End all questions and give the terminal back as it was."""
        self._questions.end()

    @abstractmethod
    def say(self, shown: RenderableType) -> None:
        """Print."""

    def watch(self, tree: Tree | None) -> None:
        """Show the state of the run from now on, where the terminal draws; None ends it."""
        self._tree = tree

    async def ask(self, prompt: str, *, words: Sequence[str] = (), multiline: bool = False) -> str | None:
        """Return the next answer."""
        return await self._asked(Question(prompt, words, multiline))

    async def listen(self, prompt: str, *, words: Sequence[str] = ()) -> str | None:
        """Return the next line that no question waits for: any open question goes first."""
        return await self._asked(Question(prompt, words, idle=True))

    async def edit(self, text: str, *, suffix: str = ".md") -> str:
        """Return the text after the person's editor."""
        return await edit_text(text, suffix)

    def interrupt(self) -> None:
        """Answer every open question with None."""
        self._questions.interrupt()

    def end(self) -> None:
        """Answer every question, also later ones, with None."""
        self._questions.end()

    def lost(self) -> None:
        """Write nothing any more, as the terminal is gone, and end every question."""
        self._gone = True
        self.end()

    async def _asked(self, question: Question) -> str | None:
        return await self._questions.ask(question)


_UNCHANGED = "The text is unchanged."


async def edit_text(text: str, suffix: str) -> str:
    """Return the text after `$VISUAL` or `$EDITOR` wrote it back; the editor gets the terminal as it is.

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
