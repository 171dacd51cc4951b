"""A terminal of plain lines: no redrawing, no boxes, no colour; for screen readers, pipes and dumb terminals."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Sequence

from rich.console import RenderableType

from bioresearcher.cli.session.editor import edit_text
from bioresearcher.cli.session.questions import Question, Questions
from bioresearcher.cli.session.shown import as_lines, columns
from bioresearcher.cli.session.terminal import Tree

LONGEST_LINE = 4095
"""Bytes that Linux keeps of a line typed into a terminal (`MAX_CANON` of its line discipline); the rest is lost."""


class PlainTerminal:
    """Lines in, lines out.

    A thread reads standard input, so that nothing blocks; lines that come before they are asked for wait. While a
    run works, only a person at a terminal is listened to: what comes from a pipe are answers to questions.
    """

    plain = True

    def __init__(self) -> None:
        self._questions = Questions()
        self._lines: deque[bytes | None] = deque()
        self._several: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tty = sys.stdin.isatty()
        self._prompted = False
        self._writing = threading.Lock()
        self._gone = False

    @property
    def width(self) -> int:
        """Columns to write into."""
        return columns()

    def start(self) -> None:
        """Begin to read."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(sys.stdin.fileno(), self._loop), daemon=True).start()

    async def close(self) -> None:
        """Nothing has to be given back."""
        self._questions.end()

    def say(self, shown: RenderableType) -> None:
        """Print a line a fact."""
        self._write("".join(f"{line}\n" for line in as_lines(shown)))

    def watch(self, tree: Tree | None) -> None:
        """Nothing is drawn: what happens is said line by line."""

    async def ask(self, prompt: str, *, words: Sequence[str] = (), multiline: bool = False) -> str | None:
        """The next line, or with `multiline` all lines up to an empty one."""
        note = " (an empty line ends it)" if multiline else ""
        self._write(f"{prompt.rstrip()}{note} ", prompt=True)
        return await self._asked(Question(prompt, words, multiline))

    async def listen(self, prompt: str, *, words: Sequence[str] = ()) -> str | None:
        """The next line that no question waits for."""
        return await self._asked(Question(prompt, words, idle=True))

    async def edit(self, text: str, *, suffix: str = ".md") -> str:
        """The text after the person's editor."""
        return await edit_text(text, suffix)

    def interrupt(self) -> None:
        """Answer the open questions with None."""
        self._questions.interrupt()

    def end(self) -> None:
        """Answer all questions with None."""
        self._questions.end()

    def lost(self) -> None:
        """Write nothing any more."""
        self._gone = True
        self._questions.end()

    async def _asked(self, question: Question) -> str | None:
        waiting = asyncio.ensure_future(self._questions.ask(question))
        await asyncio.sleep(0)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._deliver)
        return await waiting

    def _write(self, text: str, *, prompt: bool = False) -> None:
        with self._writing:
            if self._gone:
                return
            begun, self._prompted = self._prompted, prompt
            sys.stdout.write(("\n" if begun else "") + text)
            sys.stdout.flush()

    def _read(self, handle: int, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: not through `sys.stdin`, whose lock must not be held when the interpreter ends."""
        rest = b""
        while True:
            try:
                data = os.read(handle, 1 << 16)
            except OSError:
                data = b""
            *lines, rest = (rest + data).split(b"\n")
            if not data:
                lines, rest = ([rest] if rest else []), b""
            for line in [*lines, *([] if data else [None])]:
                self._lines.append(line)
            try:
                loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed: the session is over
                return
            if not data:
                return

    def _deliver(self) -> None:
        """Give waiting lines to the questions that are open."""
        while self._lines:
            question = self._questions.current()
            if question is None or (question.idle and not self._tty):
                return
            line = self._lines[0]
            if line is None:  # the end stays: later questions get it, too
                self._questions.answer(question, "\n".join(self._several) if self._several else None)
                self._several = []
                return
            self._lines.popleft()
            self._prompted &= not self._tty  # what a person typed ended the line; a pipe shows nothing
            self._take(question, line)

    def _take(self, question: Question, raw: bytes) -> None:
        if self._tty and len(raw) >= LONGEST_LINE:
            self._write("A terminal keeps only 4,095 characters of a line: put it into a file and give @FILE.\n")
            return
        line = raw.decode("utf-8", "replace").rstrip("\r")
        if "\ufffd" in line:
            self._write("The line holds what is not UTF-8 text; please type it again.\n")
        elif question.multiline and line.strip():
            self._several.append(line)
        else:
            text = "\n".join([*self._several, line]).strip("\n") if question.multiline else line
            self._several = []
            self._questions.answer(question, text)
