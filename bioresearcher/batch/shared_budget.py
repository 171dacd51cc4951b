"""What the runs of a batch spent together, against the budget that is over all of them.

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
from bioresearcher.graph.services import MakeMeter
from bioresearcher.limits.file_lock import wait_for_lock
from bioresearcher.llm.budget import Budget, Meter, dollars
from bioresearcher.schemas.base import Usage

_RAISE_ENTRY = "Give this objective a larger budget in the batch file."


class Spent:
    """The lines of a batch's `spent.jsonl`, counted as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._total = Usage()
        self._seconds = 0.0

    def add(self, who: str, usage: Usage) -> None:
        """Add what a call of a run cost.

        Raises:
            WorkspaceError: The file cannot be written.
        """
        self._append({"run": who, **usage.model_dump(mode="json")})

    def add_time(self, seconds: float) -> None:
        """Add wall time in which the batch was worked on.

        Raises:
            WorkspaceError: The file cannot be written.
        """
        self._append({"seconds": round(seconds, 3)})

    def _append(self, fields: dict[str, JsonValue]) -> None:
        with self._locked():
            append_line(self._path, json.dumps(fields))

    def total(self) -> Usage:
        """What all runs spent so far.

        Raises:
            WorkspaceError: The file cannot be read.
        """
        self._catch_up()
        return self._total

    def seconds(self) -> float:
        """Wall time in which the batch was worked on, by all its starts.

        Raises:
            WorkspaceError: The file cannot be read.
        """
        self._catch_up()
        return self._seconds

    def _catch_up(self) -> None:
        """Count the lines that came since."""
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
    """The usage and the seconds in a line; one that a crash cut off counts nothing."""
    try:
        fields = json.loads(line)
        fields.pop("run", None)
        seconds = float(fields.pop("seconds", 0))
        return Usage.model_validate(fields), seconds
    except (ValueError, TypeError, AttributeError):
        return Usage(), 0.0


class Together:
    """The batch's budget, as one of its runs sees it."""

    def __init__(
        self, spent: Spent, budget: Budget, until: float | None, who: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._spent = spent
        self._budget = budget
        self._until = until
        self._who = who
        self._clock = clock

    def add(self, usage: Usage) -> None:
        """Count a call; the rules cost nothing."""
        if usage != Usage():
            self._spent.add(self._who, usage)

    def check(self) -> None:
        """Whether one more call may be sent.

        Raises:
            BudgetError: The budget over all runs is used up.
        """
        said = used_up(
            self._budget, self._spent.total() if self._budget.max_usd or self._budget.max_tokens else Usage()
        )
        if said:
            raise BudgetError(said)
        if self._until is not None and self._clock() >= self._until:
            raise BudgetError(f"the batch's budget of {self._budget.max_minutes:g} minutes is used up.")


def used_up(budget: Budget, spent: Usage) -> str:
    """Why nothing more may be spent on models by any run of the batch; empty when something may."""
    tokens = spent.input_tokens + spent.output_tokens
    if budget.max_usd is not None and spent.cost_usd is None:
        return f"the batch's budget of {dollars(budget.max_usd)} USD cannot be kept: what a call cost is not known."
    if budget.max_usd is not None and (spent.cost_usd or 0) >= budget.max_usd:
        return f"the batch's budget of {dollars(budget.max_usd)} USD is used up ({dollars(spent.cost_usd or 0)} spent)."
    if budget.max_tokens is not None and tokens >= budget.max_tokens:
        return f"the batch's budget of {budget.max_tokens:,} tokens is used up ({tokens:,} spent)."
    return ""


class SharedMeter(Meter):
    """A run's meter that also keeps the batch's budget."""

    def __init__(self, budget: Budget, spent: Usage, elapsed_s: float, together: Together) -> None:
        super().__init__(budget, spent, elapsed_s)
        self._together = together

    def add(self, usage: Usage) -> None:
        """Count a request for the run and for the batch."""
        super().add(usage)
        self._together.add(usage)

    def check(self) -> None:
        """Whether one more request may be sent.

        Raises:
            BudgetError: The objective's budget is used up, or the batch's.
        """
        try:
            super().check()
        except BudgetError as error:
            raise BudgetError(error.message, hint=_RAISE_ENTRY) from None
        self._together.check()


def meter_with(together: Together) -> MakeMeter:
    """Makes meters that also keep the batch's budget."""
    return lambda budget, spent, elapsed_s: SharedMeter(budget, spent, elapsed_s, together)
