"""A kernel: a Python process in the sandbox that runs one cell after the other and keeps its variables.

Inside, a keeper (`keeper.py`) has the only pipes to the outside, and a worker forked from it runs the cells. Nothing
about a cell raises: one that fails, hangs, prints too much, uses too much or takes the kernel with it is a value. A
kernel that is gone stays gone; whoever owns it starts another, whose variables are empty.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol, runtime_checkable

from bioresearcher.errors import BioresearcherError
from bioresearcher.runfolder import write_text
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.bubblewrap import program_text
from bioresearcher.sandbox.limits import SAMPLE_S, explain
from bioresearcher.sandbox.supervise import Ended, Running, clean, wait

KEEPER: Final = "keeper.py"
MEMORY_SHARE: Final = 0.75
"""Share of a job's memory that a cell's process may hold, so that it gets a MemoryError and keeps its variables."""
_START_S, _LATE_S = 20.0, 12.0
_IDLE_LOOKS_S = 0.5
_FRAME_BYTES = 2_000_000
_READ_BYTES = 1 << 16


@runtime_checkable
class TalkingSandbox(Sandbox, Protocol):
    """A sandbox that can run a job which is talked to."""

    def open(self, job: Job, talk: tuple[int, int]) -> Running:
        """Start the job with two descriptors as its standard input and output."""
        ...


@dataclass(frozen=True)
class CellRun:
    """End of a cell.

    Attributes:
        head: Beginning of what it printed, or all of it; cleaned of control sequences.
        tail: End of what it printed where the middle was not kept; else empty.
        error: Traceback or reason; empty if it ran to its end.
        size: Bytes it printed.
        interrupted: True if the limit of time stopped it.
        lost: True if its process is gone, and all variables with it.
        lost_before: True if the process was gone before it began: it ran without the variables of earlier cells.
        left_running: Number of processes it left running, which were killed.
        figures: A line on each figure that it left open.
        died: Reason for the end of the whole kernel; empty while it lives.
        seconds: Wall time.
    """

    head: str = ""
    tail: str = ""
    error: str = ""
    size: int = 0
    interrupted: bool = False
    lost: bool = False
    lost_before: bool = False
    left_running: int = 0
    figures: tuple[str, ...] = ()
    died: str = ""
    seconds: float = 0.0


class Kernel:
    """A running kernel; made by `start`, ended by `close`."""

    def __init__(self, running: Running, give: int, hear: int, job: Job) -> None:
        self._running = running
        self._give = give
        self._hear = hear
        self._job = job
        self._buffer = bytearray()
        self._number = 0
        self._end: asyncio.Task[Ended] = asyncio.create_task(wait(running))
        self.alive = True

    @classmethod
    async def start(cls, sandbox: TalkingSandbox, job: Job, task_file: str) -> Kernel:
        """Start a kernel.

        Args:
            sandbox: Where it runs.
            job: Folders, data and limits; its code folder gets the keeper beside the modules that cells import. Its
                limits of time count for the whole life of the kernel.
            task_file: Path of the task file inside, as a script finds it in `sys.argv`.

        Raises:
            BioresearcherError: The sandbox could not be set up.
        """
        write_text(job.code_dir / KEEPER, program_text(KEEPER))
        memory = int(job.limits.memory_mb * MEMORY_SHARE)
        job = replace(job, script=KEEPER, args=(task_file, str(memory)))
        theirs_in, give = os.pipe()
        hear, theirs_out = os.pipe()
        try:
            running = sandbox.open(job, (theirs_in, theirs_out))
        except BaseException:
            for fd in (give, hear, theirs_in, theirs_out):
                with suppress(OSError):
                    os.close(fd)
            raise
        for fd in (give, hear):
            os.set_blocking(fd, False)
        kernel = cls(running, give, hear, job)
        try:
            ready = await asyncio.to_thread(kernel._answer, 0, time.monotonic() + _START_S)
        except BaseException:
            await kernel.close()
            raise
        if ready is None:
            ended = await kernel._ended()
            await kernel.close()
            raise BioresearcherError(f"the kernel did not start: {_reason(ended, job)}.")
        running.looks_s = _IDLE_LOOKS_S
        return kernel

    async def run(self, code: str, limit_s: float) -> CellRun:
        """Run a cell for at most so many seconds."""
        started = time.perf_counter()
        found = await self._ask({"do": "cell", "code": code, "limit_s": limit_s}, limit_s)
        seconds = round(time.perf_counter() - started, 3)
        if isinstance(found, str):
            return CellRun(error=found, lost=True, died=found, seconds=seconds)
        figures = found.get("figures")
        left, size = found.get("left_running"), found.get("bytes")
        return CellRun(
            head=clean(str(found.get("out", ""))),
            tail=clean(str(found.get("end", ""))),
            error=clean(str(found.get("error", ""))),
            size=size if isinstance(size, int) else 0,
            interrupted=bool(found.get("interrupted")),
            lost=bool(found.get("lost")),
            lost_before=bool(found.get("lost_before")),
            left_running=left if isinstance(left, int) else 0,
            figures=tuple(clean(str(line)) for line in figures) if isinstance(figures, list) else (),
            seconds=seconds,
        )

    async def reset(self) -> bool:
        """Forget all variables; return False if the kernel is gone."""
        return not isinstance(await self._ask({"do": "reset"}, _START_S), str)

    async def close(self) -> None:
        """End the kernel and everything in it."""
        self.alive = False
        self._running.cancel()
        with suppress(BioresearcherError):
            await self._ended()
        for fd in (self._give, self._hear):
            if fd >= 0:
                os.close(fd)
        self._give = self._hear = -1

    async def _ask(self, command: dict[str, object], limit_s: float) -> dict[str, object] | str:
        """Send a command and wait for the answer with its number; the reason if the kernel is gone."""
        if not self.alive:
            return "the kernel has ended"
        self._number += 1
        frame = json.dumps({"id": self._number, **command}).encode("ascii") + b"\n"
        until = time.monotonic() + limit_s + _LATE_S
        self._running.looks_s = SAMPLE_S
        try:
            found = await asyncio.to_thread(self._exchange, frame, self._number, until)
        finally:
            self._running.looks_s = _IDLE_LOOKS_S
        if found is not None:
            return found
        self.alive = False
        ended = await self._ended()
        return _reason(ended, self._job)

    async def _ended(self) -> Ended:
        """End the kernel if it still lives, and wait for its end."""
        if not self._end.done():
            await asyncio.wait([self._end], timeout=1.0)  # a limit that ended it is to be named
        self._running.cancel()
        return await self._end

    def _exchange(self, frame: bytes, number: int, until: float) -> dict[str, object] | None:
        return self._answer(number, until) if self._sent(frame, until) else None

    def _sent(self, data: bytes, until: float) -> bool:
        while data:
            if time.monotonic() > until:
                return False
            select.select([], [self._give], [], 0.5)
            try:
                data = data[os.write(self._give, data) :]
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def _answer(self, number: int, until: float) -> dict[str, object] | None:
        """Return the frame with this number; what is in the buffer comes before what is in the pipe."""
        while True:
            for found in self._frames():
                if found.get("id") == number:
                    return found
            left = until - time.monotonic()
            if left <= 0 or len(self._buffer) > _FRAME_BYTES:
                return None
            ready, _, _ = select.select([self._hear], [], [], min(left, 0.5))
            if ready:
                try:
                    data = os.read(self._hear, _READ_BYTES)
                except OSError:
                    return None
                if not data:
                    return None
                self._buffer += data

    def _frames(self) -> list[dict[str, object]]:
        found = []
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            with suppress(ValueError):
                frame = json.loads(line)
                if isinstance(frame, dict):
                    found.append(frame)
        return found


def _reason(ended: Ended, job: Job) -> str:
    if ended.killed and ended.killed != "cancelled":
        return f"the kernel was {explain(ended.killed, job.limits).rstrip('.')}"
    if ended.killed:
        return "the kernel did not answer any more and was ended"
    return f"the kernel ended with exit code {ended.exit_code}"
