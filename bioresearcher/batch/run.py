"""Carries out a batch: jobs to the executor, outcomes to the folder, and a stop when the budget is used up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.local import Executor
from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress
from bioresearcher.batch.shared_budget import Spent, used_up
from bioresearcher.errors import BioresearcherError
from bioresearcher.llm.budget import Budget

_TICK_S = 15.0
"""Seconds between two records of the time worked."""


class Display(AbstractContextManager["Display", None]):
    """A display of a batch that shows nothing and keeps the counts; the base of those of the command line.

    Its methods are called on the event loop's thread.
    """

    def __init__(self, runs: int, done: Sequence[JobOutcome]) -> None:
        self._runs = runs
        self._states: Counter[str] = Counter(outcome.status for outcome in done)

    def started(self, job: BatchJob) -> None:
        """Show that a job was given to the executor."""

    def moved(self, job: BatchJob, progress: JobProgress) -> None:
        """Show the progress of a job."""

    def ended(self, outcome: JobOutcome) -> None:
        """Show that a job ended; its outcome is on the disk."""
        self._states[outcome.status] += 1

    def note(self, text: str) -> None:
        """Show a message."""

    def __exit__(self, *error: object) -> None:
        """End the display."""


class BatchRun:
    """One start of a batch in this process.

    Attributes:
        stopped_by: Reason for which no more jobs are started; empty while they are.
    """

    def __init__(
        self,
        folder: BatchFolder,
        jobs: Sequence[BatchJob],
        budget: Budget,
        executor: Executor,
        display: Display,
        spent: Spent,
    ) -> None:
        self._folder = folder
        self._waiting: Iterator[BatchJob] = iter(jobs)
        self._budget = budget
        self._executor = executor
        self._display = display
        self._spent = spent
        self._trouble: BioresearcherError | None = None
        self.stopped_by = ""

    def stop(self, reason: str) -> None:
        """Start no more jobs and ask the running ones to stop after their steps; safe in a signal handler."""
        if not self.stopped_by:
            self.stopped_by = reason
            self._executor.stop(reason)

    async def run(self) -> None:
        """Carry out all jobs, or stop.

        Raises:
            BioresearcherError: The executor or the batch folder is no longer usable; runs can be resumed.
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
        """Carry out one job after the other."""
        while (job := self._next()) is not None:
            self._display.started(job)
            try:
                outcome = await self._executor.run(job, partial(self._display.moved, job))
                self._folder.add(outcome)
            except BioresearcherError as error:
                self._trouble = self._trouble or error
                self.stop(str(error))
                return
            self._display.ended(outcome)

    def _next(self) -> BatchJob | None:
        """Return the next job; None when there is none, or none may be started any more."""
        self._check_budget()
        return None if self.stopped_by else next(self._waiting, None)

    def _check_budget(self) -> None:
        """Stop when the budget is used up, also when no run noticed."""
        minutes = self._budget.max_minutes
        reason = used_up(self._budget, self._spent.total()) if self._budget.limited else ""
        if not reason and minutes is not None and self._spent.seconds() >= minutes * 60:
            reason = f"the batch's budget of {minutes:g} minutes is used up."
        if reason:
            self.stop(reason)

    async def _keep_time(self) -> None:
        """Record the time worked, and stop when the budget's time is used up."""
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
        """Return seconds until the next record of time: no more than are left of the budget."""
        if self._budget.max_minutes is None or self.stopped_by:
            return _TICK_S
        return min(_TICK_S, max(0.05, self._budget.max_minutes * 60 - self._spent.seconds()))
