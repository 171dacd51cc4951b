"""The spending of all runs of a batch together, and the budget over it.

Each worker adds a line to `spent.jsonl` for every model call, and counts the lines of all before it sends another one.
A limit can be overshot by the calls in flight at that moment, and by nothing else. Lines are written under a lock that
the kernel gives back when its owner dies, so that they do not run into each other on file systems of networks either.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pydantic import JsonValue

from bioresearcher.batch.folder import append_line
from bioresearcher.errors import BudgetError, WorkspaceError
from bioresearcher.limits.file_lock import wait_for_lock
from bioresearcher.llm.budget import Budget, Meter, dollars
from bioresearcher.schemas.base import Usage

_RAISE_ENTRY = "Give this objective a larger budget in the batch file."


class Spent:
    """A batch's `spent.jsonl`: the spending of all its runs, read as lines come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._total = Usage()
        self._seconds = 0.0

    def add(self, run: str, usage: Usage) -> None:
        """Add the usage of a run's call.

        Raises:
            WorkspaceError: The file cannot be written.
        """
        self._append({"run": run, **usage.model_dump(mode="json")})

    def add_time(self, seconds: float) -> None:
        """Add seconds that the batch was worked on.

        Raises:
            WorkspaceError: The file cannot be written.
        """
        self._append({"seconds": round(seconds, 3)})

    def _append(self, fields: dict[str, JsonValue]) -> None:
        with self._locked():
            append_line(self._path, json.dumps(fields))

    def total(self) -> Usage:
        """Return the spending of all runs so far.

        Raises:
            WorkspaceError: The file cannot be read.
        """
        self._catch_up()
        return self._total

    def seconds(self) -> float:
        """Return the seconds that the batch was worked on, over all its starts.

        Raises:
            WorkspaceError: The file cannot be read.
        """
        self._catch_up()
        return self._seconds

    def _catch_up(self) -> None:
        """Count the lines added since the last look."""
        with self._locked(), self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new.rfind(b"\n") + 1
        self._read += whole
        for line in new[:whole].splitlines():
            usage, seconds = _counted(line)
            self._total += usage
            self._seconds += seconds

    def _locked(self) -> ExitStack:
        try:
            return wait_for_lock(self._path, look_s=0.001)
        except OSError as error:
            raise WorkspaceError(f"{self._path} cannot be opened: {error.strerror}.") from error


def _counted(line: bytes) -> tuple[Usage, float]:
    """Return usage and seconds of a line; one that a crash cut off counts nothing."""
    try:
        fields = json.loads(line)
        fields.pop("run", None)
        seconds = float(fields.pop("seconds", 0))
        return Usage.model_validate(fields), seconds
    except (ValueError, TypeError, AttributeError):
        return Usage(), 0.0


def used_up(budget: Budget, spent: Usage) -> str:
    """Return why no run of the batch may spend more on models; empty while it may."""
    tokens = spent.input_tokens + spent.output_tokens
    if budget.max_usd is not None and spent.cost_usd is None:
        return f"the batch's budget of {dollars(budget.max_usd)} USD cannot be kept: what a call cost is not known."
    if budget.max_usd is not None and (spent.cost_usd or 0) >= budget.max_usd:
        return f"the batch's budget of {dollars(budget.max_usd)} USD is used up ({dollars(spent.cost_usd or 0)} spent)."
    if budget.max_tokens is not None and tokens >= budget.max_tokens:
        return f"the batch's budget of {budget.max_tokens:,} tokens is used up ({tokens:,} spent)."
    return ""


class BatchBudget:
    """The batch's budget, as one of its runs sees it.

    Args:
        spent: Spending of all runs.
        budget: Limits of all runs together.
        until: End of the batch's minutes, in seconds since 1970; None when time is not limited.
        run: Name of the run.
        clock: Returns seconds since 1970.
    """

    def __init__(
        self, spent: Spent, budget: Budget, until: float | None, run: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._spent, self._budget, self._until, self._run, self._clock = spent, budget, until, run, clock

    def meter(self, budget: Budget, spent: Usage, elapsed_s: float) -> Meter:
        """Return a run's meter that also keeps the batch's budget."""
        return _SharedMeter(budget, spent, elapsed_s, self)

    def add(self, usage: Usage) -> None:
        """Count a call; the deterministic rules cost nothing."""
        if usage != Usage():
            self._spent.add(self._run, usage)

    def check(self) -> None:
        """Check that one more call may be sent.

        Raises:
            BudgetError: The budget of all runs is used up.
        """
        budget = self._budget
        reason = used_up(budget, self._spent.total()) if budget.max_usd or budget.max_tokens else ""
        if reason:
            raise BudgetError(reason)
        if self._until is not None and self._clock() >= self._until:
            raise BudgetError(f"the batch's budget of {budget.max_minutes:g} minutes is used up.")


class _SharedMeter(Meter):
    """A run's meter that also keeps the batch's budget."""

    def __init__(self, budget: Budget, spent: Usage, elapsed_s: float, batch: BatchBudget) -> None:
        super().__init__(budget, spent, elapsed_s)
        self._batch = batch

    def add(self, usage: Usage) -> None:
        """Count a request for the run and for the batch."""
        super().add(usage)
        self._batch.add(usage)

    def check(self) -> None:
        """Check that one more request may be sent.

        Raises:
            BudgetError: The objective's budget is used up, or the batch's.
        """
        try:
            super().check()
        except BudgetError as error:
            raise BudgetError(error.message, hint=_RAISE_ENTRY) from None
        self._batch.check()
