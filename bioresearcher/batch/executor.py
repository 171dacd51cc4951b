"""Where jobs are carried out: on this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bioresearcher.batch.schema import Job, Outcome, Progress

Tell = Callable[[Progress], None]
"""Is told how far a run is, on the event loop's thread."""


class Executor(Protocol):
    """Carries out jobs, each in a process of its own."""

    @property
    def slots(self) -> int:
        """How many jobs it carries out side by side; no more are given to it at a time."""
        ...

    async def run(self, job: Job, tell: Tell) -> Outcome:
        """Carry out a job to its end.

        Whatever goes wrong in the job, or with the process or machine it is on, is an Outcome with its reason.

        Raises:
            OutsideError: No job can be carried out any more, such as when a scheduler is lost.
        """
        ...

    def stop(self, reason: str) -> None:
        """Ask all running jobs to stop in order; they end with the status `stopped`."""
        ...

    def kill(self) -> None:
        """End what still runs, at once; such jobs end with the status `stopped` and can be resumed."""
        ...

    async def close(self) -> None:
        """End what still runs, at once, and give back what is held."""
        ...
