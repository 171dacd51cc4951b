"""How long one waits for the session's prompt, and for what one types while eight tasks run.

The real program on a pseudo terminal. A character that the program never prints is typed every tenth of a second from
the start of the packaged example to its end; how long until it comes back is what a person feels.
"""

from __future__ import annotations

import os
import pty
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from figures import Figure, console_script, environment, measured

TYPED = tuple(c.encode() for c in "¤§¶")
"""Typed in turn: where one stood and the next comes, something changes on the screen, however late both are drawn."""
BACKSPACE = b"\x7f"
ROWS, COLUMNS = 40, 80
PROMPT_S, ECHO_MS, LONGEST_ECHO_MS = 1.0, 20.0, 100.0
ANSWERS = ((b"start, or what to change>", b"start\r"), (b"selection>", b"done\r"), (b"headings>", b"yes\r"),
           (b"outlines>", b"yes\r"), (b"protocol>", b"approve all\r"), (b"tasks>", b"run\r"))  # fmt: skip
"""What the program asks, and what is answered."""


@dataclass
class Screen:
    """A program on a pseudo terminal."""

    process: subprocess.Popen[bytes]
    handle: int
    said: bytearray = field(default_factory=bytearray)
    typed: int = 0

    @classmethod
    def open(cls, command: Sequence[str], folder: Path) -> Screen:
        """Start a program in a folder."""
        master, slave = pty.openpty()
        with suppress(OSError):
            import fcntl
            import struct
            import termios

            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environ = {**environment(), "TERM": "xterm-256color"}
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environ, start_new_session=True
        )
        os.close(slave)
        return cls(process, master)

    def read(self, seconds: float) -> bytes:
        """What comes within a time; also kept."""
        if not select.select([self.handle], [], [], max(0.0, seconds))[0]:
            return b""
        try:
            data = os.read(self.handle, 1 << 16)
        except OSError:  # the program has ended
            return b""
        self.said += data
        return data

    def until(self, text: bytes, seconds: float, start: int = 0) -> float:
        """Seconds until a text has come.

        Raises:
            TimeoutError: It did not come.
        """
        began = time.monotonic()
        while text not in self.said[start:]:
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"{text!r} did not come; the last was {bytes(self.said[-300:])!r}")
            self.read(0.5)
        return time.monotonic() - began

    def echo_ms(self) -> float:
        """Milliseconds until a typed character comes back; then it is taken away again."""
        start, key = len(self.said), TYPED[self.typed % len(TYPED)]
        self.typed += 1
        began = time.monotonic()
        os.write(self.handle, key)
        self.until(key, 30, start)
        waited = (time.monotonic() - began) * 1000
        os.write(self.handle, BACKSPACE)
        return waited

    def close(self) -> None:
        """End the program."""
        self.process.kill()
        self.process.wait()
        os.close(self.handle)


def measure(quick: bool) -> list[Figure]:
    """Start to prompt; echo while the example runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _start_s(folder)  # warms the file cache
        starts = [_start_s(folder) for _ in range(5 if quick else 15)]
        echoes = _echoes_ms(folder)
    busy = echoes.with_tasks
    return [
        measured("session, start to prompt, wall", starts, "s", at_most=PROMPT_S),
        _echo(f"echo of a key while tasks run ({echoes.most} at once)", busy),
        _echo("echo of a key, whole run of the example", echoes.all),
    ]


@dataclass
class Echoes:
    """Milliseconds of each echo: all of them, and those while at least half of the most tasks ran."""

    all: list[float] = field(default_factory=list)
    with_tasks: list[float] = field(default_factory=list)
    most: int = 0


def _echo(name: str, values: Sequence[float]) -> Figure:
    ordered = sorted(values)
    late = sum(v > LONGEST_ECHO_MS for v in ordered)
    p99 = ordered[int(len(ordered) * 0.99)]
    value = (
        f"median {statistics.median(ordered):.1f} ms, 99 % {p99:.0f} ms, max {ordered[-1]:.0f} ms, "
        f"{late} of {len(ordered)} above {LONGEST_ECHO_MS:.0f} ms"
    )
    met = statistics.median(ordered) <= ECHO_MS and ordered[-1] <= LONGEST_ECHO_MS
    return Figure(name, value, f"median ≤ {ECHO_MS:.0f} ms, max ≤ {LONGEST_ECHO_MS:.0f} ms", met)


def _command(folder: Path, *more: str) -> list[str]:
    return console_script("session", "--workspace", str(folder / "workspace"), *more)


def _start_s(folder: Path) -> float:
    screen = Screen.open(_command(folder), folder)
    try:
        return screen.until(b"objective>", 60)
    finally:
        screen.close()


def _echoes_ms(folder: Path) -> Echoes:
    found = Echoes()
    screen = Screen.open(_command(folder, "--jobs", "8"), folder)
    try:
        screen.until(b"objective>", 60)
        os.write(screen.handle, b"example\r")
        screen.until(ANSWERS[0][0], 120)
        os.write(screen.handle, ANSWERS[0][1])
        mark, answered = len(screen.said), {ANSWERS[0][0]}
        while b"report.html" not in screen.said[mark:] and screen.process.poll() is None:
            for asked, answer in ANSWERS:
                if asked in screen.said[mark:] and asked not in answered:
                    answered.add(asked)
                    os.write(screen.handle, b"\x15" + answer)  # Ctrl-U: what was typed to be measured is gone
                    screen.read(0.3)
            waited = screen.echo_ms()
            running = bytes(screen.said[-6000:]).rpartition(b"elapsed")[2].count(b"running")
            found.most = max(found.most, running)
            found.all.append(waited)
            if running >= 4:
                found.with_tasks.append(waited)
            _rest(screen, 0.1)
    finally:
        screen.close()
    return found


def _rest(screen: Screen, seconds: float) -> None:
    """Read on for a while."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        screen.read(left)
