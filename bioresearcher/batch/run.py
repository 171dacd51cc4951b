"""Carrying out a batch: jobs to the executor, outcomes to the folder, and the stop when nothing more may be spent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.local import Executor
from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress
from bioresearcher.batch.shared_budget import Spent, used_up
from bioresearcher.errors import BioresearcherError
from bioresearcher.llm.budget import Budget

_TICK_S = 15.0
"""How often the time that was worked is written down."""


class Watcher(Protocol):
    """Shows how a batch goes; called on the event loop's thread."""

    def started(self, job: BatchJob) -> None:
        """A job was given to the executor."""
        ...

    def moved(self, job: BatchJob, progress: JobProgress) -> None:
        """A job is further than it was."""
        ...

    def ended(self, outcome: JobOutcome) -> None:
        """A job ended, and its outcome is on the disk."""
        ...

    def note(self, text: str) -> None:
        """Something the person should know."""
        ...


class BatchRun:
    """One start of a batch in this process.

    Attributes:
        stopped_by: Why no more jobs are started; empty while they are.
    """

    def __init__(
        self,
        folder: BatchFolder,
        jobs: Sequence[BatchJob],
        budget: Budget,
        executor: Executor,
        watcher: Watcher,
        spent: Spent,
    ) -> None:
        self._folder = folder
        self._waiting: Iterator[BatchJob] = iter(jobs)
        self._budget = budget
        self._executor = executor
        self._watcher = watcher
        self._spent = spent
        self._trouble: BioresearcherError | None = None
        self.stopped_by = ""

    def stop(self, reason: str) -> None:
        """Start no more jobs and ask the running ones to stop at their next border; safe in a signal handler."""
        if not self.stopped_by:
            self.stopped_by = reason
            self._executor.stop(reason)

    async def run(self) -> None:
        """Carry out all jobs, or stop.

        Raises:
            BioresearcherError: The executor or the batch folder cannot be used any more; what ran is resumable.
        """
        clock = asyncio.create_task(self._keep_time())
        try:
            await asyncio.gather(*(self._lane() for _ in range(self._executor.slots)))
        finally:
            clock.cancel()
            with suppress(asyncio.CancelledError):
                await clock
            await self._executor.close()
        if self._trouble is not None:
            raise self._trouble

    async def _lane(self) -> None:
        """One job after the other."""
        while (job := self._next()) is not None:
            self._watcher.started(job)
            try:
                outcome = await self._executor.run(job, lambda p, job=job: self._watcher.moved(job, p))  # type: ignore[misc]
                self._folder.add(outcome)
            except BioresearcherError as error:
                self._trouble = self._trouble or error
                self.stop(str(error))
                return
            self._watcher.ended(outcome)

    def _next(self) -> BatchJob | None:
        """The next job; None when there is none, or none may be started any more."""
        self._check_budget()
        return None if self.stopped_by else next(self._waiting, None)

    def _check_budget(self) -> None:
        """Stop when nothing more may be spent, also when no run noticed."""
        said = used_up(self._budget, self._spent.total()) if self._budget.limited else ""
        if not said and self._budget.max_minutes is not None and self._spent.seconds() >= self._budget.max_minutes * 60:
            said = f"the batch's budget of {self._budget.max_minutes:g} minutes is used up."
        if said:
            self.stop(said)

    async def _keep_time(self) -> None:
        """Write down the time that is worked, and stop when it is used up."""
        last = time.monotonic()
        try:
            while True:
                await asyncio.sleep(self._until_next())
                self._spent.add_time(time.monotonic() - last)
                last = time.monotonic()
                self._check_budget()
        finally:
            self._spent.add_time(time.monotonic() - last)

    def _until_next(self) -> float:
        """Seconds until the time is written down next: no more than are left of the budget."""
        if self._budget.max_minutes is None or self.stopped_by:
            return _TICK_S
        return min(_TICK_S, max(0.05, self._budget.max_minutes * 60 - self._spent.seconds()))
