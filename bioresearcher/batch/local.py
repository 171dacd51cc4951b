"""The executor interface, and the executor of this machine: a process per job, in a session of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress
from bioresearcher.batch.worker import outcome_of
from bioresearcher.errors import DefectError
from bioresearcher.events import now

Tell = Callable[[JobProgress], None]
"""Receives the progress of a run, on the event loop's thread."""


class Executor(Protocol):
    """Carries out jobs, each in a process of its own."""

    @property
    def slots(self) -> int:
        """Jobs that it carries out side by side; no more are given to it at a time."""

    async def run(self, job: BatchJob, tell: Tell) -> JobOutcome:
        """Carry out a job to its end.

        Whatever goes wrong in the job, or with its process or machine, is an outcome with its reason.

        Raises:
            OutsideError: No job can be carried out any more, such as when a scheduler is lost.
        """

    def stop(self, reason: str) -> None:
        """Ask all running jobs to stop in order; they end with the status `stopped`."""

    def kill(self) -> None:
        """Kill running jobs at once; they end with the status `stopped` and can be resumed."""

    async def close(self) -> None:
        """Kill running jobs and release processes and connections."""


LOG = "worker.log"
_LONGEST_LINE = 1 << 20
_TAIL = 2_000


class LocalExecutor:
    """Carries out jobs on this machine, `slots` at a time."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._running: set[asyncio.subprocess.Process] = set()
        self._stopping = ""

    async def run(self, job: BatchJob, tell: Tell) -> JobOutcome:
        """Carry out a job in a process of its own; any end of it is an outcome."""
        started = now()
        try:
            job.run.mkdir(parents=True, exist_ok=True)
            log = os.open(job.run / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                process = await self._start(log)
            finally:
                os.close(log)
        except OSError as error:
            return outcome_of(job, "failed", 4, f"no process could be started: {error}.", started)
        self._running.add(process)
        try:
            if self._stopping:
                process.terminate()
            outcome = await _talk(process, job, tell)
            code = await process.wait()
        finally:
            self._running.discard(process)
            if process.returncode != 0:  # what a crash left behind, or all of it when nobody waits any more
                kill_group(process.pid)
        return outcome or self._died(job, code, started)

    @staticmethod
    async def _start(log: int) -> asyncio.subprocess.Process:
        # -P: nothing is imported from the folder the batch was started in
        command = (sys.executable, "-P", "-m", "bioresearcher.batch.start", str(os.getpid()))
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            limit=_LONGEST_LINE,
        )

    def _died(self, job: BatchJob, code: int, started: str) -> JobOutcome:
        """Return the outcome of a process that ended without one."""
        if code < 0 and self._stopping and -code in (signal.SIGKILL, signal.SIGTERM):
            return outcome_of(job, "stopped", 3, "stopped at once", started)
        if code < 0:
            name = signal.Signals(-code).name
            more = "; it may have been out of memory" if -code == signal.SIGKILL else ""
            return outcome_of(job, "failed", 128 - code, f"its process was killed by {name}{more}.", started)
        message = last_line(job.run / LOG)
        return outcome_of(job, "failed", 5, f"its process ended with exit code {code}: {message}", started)

    def stop(self, reason: str) -> None:
        """Ask all running jobs to stop after their running steps."""
        self._stopping = reason
        for process in self._running:
            with suppress(ProcessLookupError):
                process.terminate()

    def kill(self) -> None:
        """Kill running jobs; they can be resumed."""
        self._stopping = self._stopping or "killed"
        for process in self._running:
            kill_group(process.pid)

    async def close(self) -> None:
        """Kill running jobs."""
        self.kill()


async def _talk(process: asyncio.subprocess.Process, job: BatchJob, tell: Tell) -> JobOutcome | None:
    """Give the process its job and follow it to its end; None when it ends without an outcome."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise DefectError("a worker was started without pipes.")
    with suppress(ConnectionError):
        stdin.write(job.model_dump_json().encode())
        await stdin.drain()
    stdin.close()
    outcome = None
    with suppress(ConnectionError, ValueError):  # ValueError: a line without end; the rest is no line of a worker
        async for line in stdout:
            with suppress(ValidationError, json.JSONDecodeError):
                reply = json.loads(line)
                if "progress" in reply:
                    tell(JobProgress.model_validate(reply["progress"]))
                elif "outcome" in reply:
                    outcome = JobOutcome.model_validate_json(json.dumps(reply["outcome"]))
    return outcome


def kill_group(pid: int) -> None:
    """Kill a process and the group it leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def last_line(path: Path) -> str:
    """Return the last line of a log; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
