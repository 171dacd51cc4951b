"""Terminals of plain lines: one for screen readers, pipes and dumb terminals, and one whose answers come from a script.

Nothing is redrawn; there are no boxes and no colour. In a script, a line is an answer. Lines that begin with `#` and
blank lines are skipped; `""` is an empty answer. `<<WORD` begins an answer of several lines, which ends with a line
that is only WORD. An answer is given when it is asked for; a line that begins with `!` is given as soon as it is the
next one, also while a run works.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType

from bioresearcher.cli.session.layout import as_lines, as_text
from bioresearcher.cli.session.terminal import Question, SessionTerminal
from bioresearcher.errors import InputError

LONGEST_LINE = 4095
"""Bytes that Linux keeps of a line typed into a terminal (`MAX_CANON` of its line discipline); the rest is lost."""


class _LineTerminal(SessionTerminal):
    """A terminal that writes lines to standard output and takes its answers from a queue of lines."""

    def __init__(self) -> None:
        super().__init__()
        self._writing = threading.Lock()
        self._prompted = False

    def say(self, shown: RenderableType) -> None:
        """Print a line a fact."""
        self._write("".join(f"{line}\n" for line in as_lines(shown)))

    async def _asked(self, question: Question) -> str | None:
        waiting = asyncio.ensure_future(self._questions.ask(question))
        await asyncio.sleep(0)  # the question is open now
        (self._loop or asyncio.get_running_loop()).call_soon_threadsafe(self._deliver)
        return await waiting

    @abstractmethod
    def _deliver(self) -> None:
        """Give waiting lines to the questions that are open."""

    def _write(self, text: str, *, prompt: bool = False) -> None:
        with self._writing:
            if self._gone:
                return
            begun, self._prompted = self._prompted, prompt
            sys.stdout.write(("\n" if begun else "") + text)
            sys.stdout.flush()


class PlainTerminal(_LineTerminal):
    """A terminal with lines in and lines out.

    A thread reads standard input, so that nothing blocks; lines that come before they are asked for wait. While a
    run works, only a person at a terminal is listened to: what comes from a pipe are answers to questions.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[bytes | None] = deque()
        self._several: list[str] = []
        self._tty = sys.stdin.isatty()

    def start(self) -> None:
        """Begin to read."""
        super().start()
        threading.Thread(target=self._read, args=(sys.stdin.fileno(), self._loop), daemon=True).start()

    async def ask(self, prompt: str, *, words: Sequence[str] = (), multiline: bool = False) -> str | None:
        """Return the next line, or with `multiline` all lines up to an empty one."""
        note = " (an empty line ends it)" if multiline else ""
        self._write(f"{prompt.rstrip()}{note} ", prompt=True)
        return await self._asked(Question(prompt, words, multiline))

    def _read(self, handle: int, loop: asyncio.AbstractEventLoop) -> None:
        """Read in a thread, not through `sys.stdin`, whose lock must not be held when the interpreter ends."""
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


@dataclass(frozen=True)
class Line:
    """An answer of a script with its line number; one `at_once` is given without being asked for."""

    number: int
    text: str
    at_once: bool = False


def read_script(path: Path) -> list[Line]:
    """Read the answers of a script.

    Raises:
        InputError: It cannot be read, is not UTF-8, or an answer of several lines does not end; with the line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"--script: {path} cannot be read: {error.strerror}.") from error
    found: list[Line] = []
    several: tuple[int, str, list[str]] | None = None
    for number, data in enumerate(raw.split(b"\n"), start=1):
        try:
            line = data.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            raise InputError(f"--script: {path}:{number}: is not UTF-8 text.", hint="Save it as UTF-8.") from error
        if several is not None:
            if line.strip() == several[1]:
                found.append(Line(several[0], "\n".join(several[2])))
                several = None
            else:
                several[2].append(line)
        elif line.startswith("<<") and line[2:].strip():
            several = number, line[2:].strip(), []
        elif line.strip() and not line.startswith("#"):
            text = line.strip()
            at_once = text.startswith("!")
            found.append(Line(number, "" if text == '""' else text[at_once:].strip(), at_once))
    if several is not None:
        raise InputError(f"--script: {path}:{several[0]}: the answer that begins with <<{several[1]} does not end.")
    return found


class ScriptTerminal(_LineTerminal):
    """A terminal whose answers come from a script; everything said, asked and answered goes to standard output.

    Attributes:
        left: Answers that were not asked for yet.
        plain: True when a line a fact is printed, without drawing.
        ran_out: True when something was asked after the last answer.
    """

    def __init__(self, lines: Sequence[Line | str], *, plain: bool = False) -> None:
        super().__init__()
        self.left = deque(line if isinstance(line, Line) else Line(n, line) for n, line in enumerate(lines, start=1))
        self.ran_out = False
        self.plain = plain

    def say(self, shown: RenderableType) -> None:
        """Print to the transcript."""
        if self.plain:
            super().say(shown)
        else:
            self._write(as_text(shown, self.width, colour=False))

    def _deliver(self) -> None:
        """Answer what is open, as far as there are answers for it."""
        while (question := self._questions.current()) is not None:
            if not question.idle and not self.left:
                self.ran_out = True
                self._write(f"{question.prompt.rstrip()} (the script has ended)\n")
                self._questions.answer(question, None)
                continue
            if not self.left or (question.idle and not self.left[0].at_once):
                return
            line = self.left.popleft()
            self._write(f"{question.prompt.rstrip() or '>'} {line.text}\n")
            self._questions.answer(question, line.text)
