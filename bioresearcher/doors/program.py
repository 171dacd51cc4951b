"""The command line as other programs call it: argument lists, a process each, and its answer as JSON.

A door starts a command instead of importing the pipeline, so that it stays small, runs inside an event loop, and does
what a person at a terminal would get. No word from outside can become an option, a file to be read, or a shell's.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bioresearcher.errors import BioresearcherError, DefectError, InputError, OutsideError, StoppedError

MOST_TEXT: Final = 20_000
"""Characters of a text that is passed on: an argument of a process is limited to 128 KB."""
_BEAT_S: Final = 1.0
_PATIENCE_S: Final = 5.0
_PREFIX: Final = re.compile(r"^bioresearcher[a-z ]*: error: ")
_ERRORS: Final = {2: InputError, 3: StoppedError, 4: OutsideError}


@dataclass(frozen=True)
class Ended:
    """A command that ended: exit code and output."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        """Return its answer; one without an answer is an error of the kind its exit code means.

        Raises:
            BioresearcherError: With the command's own message.
        """
        try:
            return json.loads(self.out)
        except json.JSONDecodeError:
            raise self.error() from None

    def error(self) -> BioresearcherError:
        """Return the error of its last line, of the class that belongs to the exit code."""
        said = [line.strip() for line in self.err.splitlines() if line.strip()]
        message = next((line for line in reversed(said) if "error: " in line), said[-1] if said else "it said nothing.")
        message = _PREFIX.sub("", message)[:2_000]
        if self.code < 0:
            return OutsideError(f"the command was ended by {signal.Signals(-self.code).name}.")
        return _ERRORS.get(self.code, DefectError)(message)


def command_of(words: Sequence[str]) -> list[str]:
    """Return the argument list of a command; `-P` keeps modules of the current folder out."""
    return [sys.executable, "-P", "-m", "bioresearcher", *words]


def text_of(value: str, name: str) -> str:
    """Return a text that is safe as an argument.

    Raises:
        InputError: It is empty, too long, holds a NUL, or begins with `@`, which would name a file.
    """
    value = value.strip()
    if not value:
        raise InputError(f"{name} is empty.")
    if len(value) > MOST_TEXT:
        raise InputError(f"{name} has {len(value):,} characters; {MOST_TEXT:,} are allowed.")
    if "\0" in value or value.startswith("@"):
        raise InputError(f"{name} must be plain text, not a file (@…) and without NUL.")
    return value


def run_command(words: Sequence[str]) -> Ended:
    """Run a command to its end; Ctrl-C ends it, too."""
    done = subprocess.run(
        command_of(words), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def follow_command(words: Sequence[str], say: Callable[[str], None]) -> Ended:
    """Run a command and pass on each line as it comes; Ctrl-C lets it stop in order, so that nothing is lost."""
    process = subprocess.Popen(
        command_of(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # the terminal's Ctrl-C reaches it once, from here
    )
    lines: list[str] = []
    with process:
        while process.stdout is not None:
            try:
                line = process.stdout.readline()
            except KeyboardInterrupt:
                process.terminate()
                continue
            if not line:
                break
            lines.append(line)
            say(line.rstrip("\n"))
    text = "".join(lines)
    return Ended(process.returncode, text, text)


async def await_command(words: Sequence[str], beat: Callable[[float], object] | None = None) -> Ended:
    """Run a command without blocking the loop; when the caller is cancelled, it is ended in order.

    Args:
        words: Its arguments.
        beat: Async function that is given the seconds that went by, about once a second.
    """
    process = await asyncio.create_subprocess_exec(
        *command_of(words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    answer = asyncio.ensure_future(process.communicate())
    begun = asyncio.get_running_loop().time()
    try:
        while not (await asyncio.wait({answer}, timeout=_BEAT_S))[0]:
            told = beat(asyncio.get_running_loop().time() - begun) if beat else None
            if asyncio.iscoroutine(told):
                await told
        out, err = answer.result()
    except BaseException:
        await asyncio.shield(_end(process, answer))
        raise
    return Ended(process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


async def _end(process: asyncio.subprocess.Process, answer: asyncio.Future[tuple[bytes, bytes]]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    if not (await asyncio.wait({answer}, timeout=_PATIENCE_S))[0]:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait({answer}, timeout=_PATIENCE_S)


def start_command(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command that goes on by itself; what it prints goes to a file.

    Raises:
        OutsideError: It cannot be started.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            return subprocess.Popen(
                command_of(words),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise OutsideError(f"no process could be started: {error}.") from error
