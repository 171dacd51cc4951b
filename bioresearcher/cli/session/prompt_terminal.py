"""The terminal of prompt_toolkit: a line that can be typed into at any time, with what happens scrolling above it.

The screen is not taken over: what was said stays in the terminal's own scrollback and can be copied. The state of the
run is drawn below the line and is gone when it is over. No cursor position is asked for, which would cost a round trip
over SSH and upset terminals that do not answer. Tab completes commands, names and paths, a long paste is shown as a
short mark, and what was typed is kept in the workspace, readable by its owner only.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import textwrap
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import ANSI, AnyFormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style
from rich.console import Group, RenderableType

from bioresearcher.cli.session.layout import as_text
from bioresearcher.cli.session.terminal import SessionTerminal, Tree, edit_text
from bioresearcher.text.format import count_of

MOST_OFFERED = 60


class SessionCompleter(Completer):
    """Completes slash commands at the beginning of a line, paths, and the `words` that the open question offers."""

    def __init__(self, commands: Sequence[str], words: Callable[[], Sequence[str]]) -> None:
        self._commands = commands
        self._words = words
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield at most sixty completions."""
        yield from islice(self._found(document, complete_event), MOST_OFFERED)

    def _found(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        word = before.rsplit(maxsplit=1)[-1] if before and not before[-1].isspace() else ""
        if before.startswith("/") and " " not in before:
            names = [c for c in self._commands if c.startswith(before)]
            if names:
                yield from (Completion(name, -len(before)) for name in names)
                return
        yield from (Completion(w, -len(word)) for w in self._words() if w.lower().startswith(word.lower()))
        if word.startswith(("@", "/", "./", "../", "~")) or "/" in word:
            path = word.removeprefix("@")
            yield from self._paths.get_completions(Document(path, len(path)), event)


LONGEST_SHOWN = 2_000
"""Longest paste that is drawn, in characters: a line editor that draws much more after every key is slow."""
MOST_KEPT = 32
_MARK = re.compile(r"\[pasted text \d+: [\d,]+ characters?, [\d,]+ lines?\]")


class Pasted:
    """Pasted texts that are too long to be drawn, each with the mark that stands for it; the oldest are forgotten."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._number = 0

    def stand_in(self, text: str) -> str:
        """Return the text itself when it is short, else a mark that stands for it."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if len(text) <= LONGEST_SHOWN:
            return text
        self._number += 1
        size = f"{count_of(len(text), 'character')}, {count_of(text.count(chr(10)) + 1, 'line')}"
        mark = f"[pasted text {self._number}: {size}]"
        self._texts[mark] = text
        while len(self._texts) > MOST_KEPT:
            self._texts.popitem(last=False)
        return mark

    def put_back(self, line: str) -> str:
        """Return the line with the texts instead of their marks."""
        return _MARK.sub(lambda found: self._texts.get(found[0], found[0]), line)


def has_mark(line: str) -> bool:
    """Return True if a mark in the line stands for a pasted text."""
    return _MARK.search(line) is not None


LONGEST_KEPT = 4_000
"""Longest entry that is stored, in characters."""


class _Short(FileHistory):
    """A history without very long entries and without marks of pasted texts, which mean nothing later."""

    def append_string(self, string: str) -> None:
        if string.strip() and len(string) <= LONGEST_KEPT and not has_mark(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        try:
            super().store_string(string)
        except OSError:  # a full disk: typing goes on, and the run says it itself
            return


def open_history(path: Path) -> History:
    """Open the history in a file of mode 0600; where it cannot be written, one that is forgotten at the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
    except OSError:
        return InMemoryHistory()
    return _Short(path)


REDRAWN_S = 0.5
"""Seconds between two drawings of the run's state."""
_STYLE = Style.from_dict({"bottom-toolbar": "noreverse", "prompt": "bold"})


class _Output(Vt100_Output):
    """Output that asks for no cursor position: what is drawn takes the rows it needs, below the last line printed."""

    def get_rows_below_cursor_position(self) -> int:
        """Return 1, without asking the terminal."""
        return 1


def _wants_colour() -> bool:
    """Return True if colour may be used: see https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _wrapped(text: str, width: int) -> str:
    """Break the lines of a text between words; a path stays whole, so that it can be copied."""
    lines: list[str] = []
    for line in text.splitlines():
        if len(line) < width:
            lines.append(line)
        else:
            indent = " " * min(len(line) - len(line.lstrip()), width // 2)
            lines += textwrap.wrap(
                line, width - 1, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
    return "\n".join(lines)


class PromptTerminal(SessionTerminal):
    """A prompt that stays open while a run works.

    Args:
        history: File for what was typed, made with mode 0600.
        names: Names to complete at the beginning of a line (slash commands).
        interrupt: Called on Ctrl-C.
    """

    plain = False

    def __init__(self, history: Path, *, names: Sequence[str] = (), interrupt: Callable[[], None]) -> None:
        super().__init__(lambda: self._soon(self._prompt_anew))
        self._completer = SessionCompleter(names, self._words)
        self._pasted = Pasted()
        self._typed: deque[str | None] = deque()
        self._taken = asyncio.Event()
        self._said: list[str] = []
        self._lock = threading.Lock()
        self._colour = _wants_colour()
        self._picture: tuple[float, ANSI] = (0.0, ANSI(""))
        self._reading: asyncio.Task[None] | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._editing = False
        self._interrupt = interrupt
        output = _Output.from_pty(sys.stdout)
        self._session: PromptSession[str] = PromptSession(
            self._message,
            history=open_history(history),
            completer=self._completer,
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            reserve_space_for_menu=0,
            key_bindings=self._keys(),
            bottom_toolbar=self._toolbar,
            style=_STYLE,
            color_depth=None if self._colour else ColorDepth.DEPTH_1_BIT,
            input=create_input(sys.stdin),
            output=output,
            enable_suspend=False,
        )

    def start(self) -> None:
        """Open the prompt."""
        super().start()
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Close the prompt and give the terminal back."""
        await super().close()
        for task in (self._drawing, self._reading):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task
        self._print()

    def say(self, shown: RenderableType) -> None:
        """Print above the prompt."""
        width = self.width
        text = as_text(_wrapped(shown, width) if isinstance(shown, str) else shown, width, colour=self._colour)
        with self._lock:
            self._said.append(text)
        self._soon(self._flush)

    def watch(self, tree: Tree | None) -> None:
        """Draw the state of the run below the prompt."""
        super().watch(tree)
        self._soon(self._draw)

    async def edit(self, text: str, *, suffix: str = ".md") -> str:
        """Return the text after the person's editor, which has the screen for itself meanwhile."""
        if self._loop is None or self._loop is asyncio.get_running_loop():
            return await self._edit(text, suffix)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._edit(text, suffix), self._loop))

    def end(self) -> None:
        """Answer all questions with None, and let the reading task see it."""
        super().end()
        self._soon(self._taken.set)

    async def _edit(self, text: str, suffix: str) -> str:
        async with in_terminal():
            self._editing = True
            try:
                return await edit_text(text, suffix)
            finally:
                self._editing = False
                self._soon(self._flush)

    async def _read(self) -> None:
        """Read lines for as long as the session lasts."""
        while not self._questions.ended:
            try:
                line: str | None = await self._session.prompt_async(handle_sigint=False)
            except EOFError:
                line = None
            except OSError:
                self.lost()
                return
            self._typed.append(self._pasted.put_back(line) if line is not None else None)
            self._deliver()
            if line is None:
                await self._until_asked()

    async def _until_asked(self) -> None:
        """Wait after Ctrl-D: a terminal that is gone ends every prompt at once, so do not open one for nobody."""
        while self._typed and not self._questions.ended:
            self._taken.clear()
            await self._taken.wait()

    def _deliver(self) -> None:
        while self._typed and (question := self._questions.current()) is not None:
            self._questions.answer(question, self._typed.popleft())
        self._taken.set()

    def _prompt_anew(self) -> None:
        self._deliver()
        self._session.app.invalidate()

    def _soon(self, act: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the session is over
                self._loop.call_soon_threadsafe(act)

    def _message(self) -> AnyFormattedText:
        question = self._questions.current()
        return [("class:prompt", f"{question.prompt.rstrip()} " if question else "… ")]

    def _words(self) -> Sequence[str]:
        question = self._questions.current()
        return question.words if question else ()

    def _flush(self) -> None:
        """Print what waits to be printed, above the prompt.

        Done by hand instead of with `in_terminal`, which stops reading keys and changes the terminal's mode twice for
        every line that is said.
        """
        if self._editing or self._gone:
            return
        app = self._session.app
        if not app.is_running:
            self._print()
            return
        with suppress(OSError):
            app.renderer.erase()
            self._print()
            app.renderer.reset()
            app.renderer.request_absolute_cursor_position()
        app.invalidate()

    def _print(self) -> None:
        with self._lock:
            text, self._said = "".join(self._said), []
        if text and not self._gone:
            with suppress(OSError):
                self._session.app.output.write_raw(text.replace("\n", "\r\n"))
                self._session.app.output.flush()

    def _draw(self) -> None:
        self._picture = (0.0, ANSI(""))
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None
        if self._tree is not None:
            self._drawing = asyncio.create_task(self._redraw())
        self._session.app.invalidate()

    async def _redraw(self) -> None:
        while True:
            await asyncio.sleep(REDRAWN_S)
            self._session.app.invalidate()

    def _toolbar(self) -> AnyFormattedText:
        """Return the picture of the run's state, drawn anew at most twice a second, however quickly one types."""
        if self._tree is None:
            return None
        made, picture = self._picture
        if time.monotonic() - made >= REDRAWN_S * 0.9:
            size = self._session.app.output.get_size()
            lines = self._tree(size.columns, size.rows)
            picture = ANSI(as_text(Group(*lines), size.columns, colour=self._colour).rstrip("\n"))
            self._picture = (time.monotonic(), picture)
        return picture

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("c-c")
        def _(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
            else:
                self._interrupt()

        @keys.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(self._pasted.stand_in(event.data))

        return keys
