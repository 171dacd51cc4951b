"""What a run may spend: money, tokens and time, checked before each request is sent.

A limit is used up as soon as what was spent reaches it. Requests in flight at that moment are still paid for, so that a
run can spend more than its limit by as much as they cost, and by nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from bioresearcher.errors import BudgetError, InputError
from bioresearcher.llm.prices import Prices
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ModelSettings, Role
from bioresearcher.schemas.usage import Usage

Amount = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class Budget(Value):
    """Limits of a run; None is no limit.

    Attributes:
        max_usd: US dollars.
        max_tokens: Tokens read and written together.
        max_minutes: Minutes of wall time, those before a stop included.
    """

    max_usd: Amount | None = None
    max_tokens: Annotated[int, Field(gt=0, le=10**12)] | None = None
    max_minutes: Amount | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return (self.max_usd, self.max_tokens, self.max_minutes) != (None, None, None)

    def check_possible(self, models: Mapping[Role, ModelSettings], prices: Prices) -> None:
        """Refuse a limit in money that could not be kept.

        Raises:
            InputError: `max_usd` is set and no price is known for a model; the message names model and roles.
        """
        if self.max_usd is None:
            return
        unknown: dict[str, list[str]] = {}
        for role, settings in models.items():
            if prices.of(settings) is None:
                at = f" at {settings.base_url}" if settings.base_url else ""
                unknown.setdefault(f"{settings.label}{at}", []).append(role)
        if unknown:
            named = "; ".join(f"{model} ({', '.join(roles)})" for model, roles in unknown.items())
            raise InputError(
                f"--max-usd cannot be kept: no price is known for {named}.",
                hint="Add it to a price file (--prices FILE; 0 when it costs nothing), or use --max-tokens.",
            )


@dataclass(frozen=True)
class Left:
    """What may still be spent; None where there is no limit, never below 0.

    Attributes:
        usd: US dollars; None also when it is not known what was spent.
        tokens: Tokens read and written together.
        minutes: Minutes of wall time.
    """

    usd: float | None
    tokens: int | None
    minutes: float | None


class Meter:
    """What a run spent so far, against its budget.

    Attributes:
        budget: The limits.
    """

    def __init__(
        self, budget: Budget, spent: Usage, elapsed_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`spent` and `elapsed_s` (seconds) are what earlier processes used on the same run."""
        self.budget = budget
        self._spent = spent
        self._before_s = elapsed_s
        self._clock = clock
        self._start = clock()

    @property
    def spent(self) -> Usage:
        """All usage of the run."""
        return self._spent

    @property
    def elapsed_s(self) -> float:
        """Seconds of wall time, those of earlier processes included."""
        return self._before_s + max(0.0, self._clock() - self._start)

    def add(self, usage: Usage) -> None:
        """Count a request that was answered, usable or not."""
        self._spent += usage

    def check(self) -> None:
        """Whether one more request may be sent.

        Raises:
            BudgetError: A limit is used up, or it is not known any more whether the limit in money is.
        """
        problem = self._money() or self._tokens() or self._time()
        if problem:
            message, hint = problem
            raise BudgetError(message, hint=hint)

    def left(self) -> Left:
        """What may still be spent."""
        limits, spent = self.budget, self._spent
        usd = None if limits.max_usd is None or spent.cost_usd is None else max(0.0, limits.max_usd - spent.cost_usd)
        tokens = None if limits.max_tokens is None else max(0, limits.max_tokens - _tokens(spent))
        minutes = None if limits.max_minutes is None else max(0.0, limits.max_minutes - self.elapsed_s / 60)
        return Left(usd, tokens, minutes)

    def summary(self) -> str:
        """One line for people: what was spent, and of how much."""
        limits, spent = self.budget, self._spent
        money = "cost unknown" if spent.cost_usd is None else f"{dollars(spent.cost_usd)}{_of(limits.max_usd, dollars)}"
        tokens = f"{_tokens(spent):,}{_of(limits.max_tokens, '{:,}'.format)} tokens"
        minutes = f"{self.elapsed_s / 60:.1f}{_of(limits.max_minutes, '{:g}'.format)} minutes"
        usd = "" if spent.cost_usd is None else " USD"
        return f"{money}{usd} · {tokens} · {minutes} · {_calls(spent)}"

    def _money(self) -> tuple[str, str] | None:
        limit, cost = self.budget.max_usd, self._spent.cost_usd
        if limit is None:
            return None
        if cost is None:
            return (
                f"the budget of {dollars(limit)} USD cannot be kept: what {_calls(self._spent)} cost is not known.",
                "Resume with --max-tokens instead of --max-usd.",
            )
        if cost < limit:
            return None
        said = f"the budget of {dollars(limit)} USD is used up: {dollars(cost)} USD spent in {_calls(self._spent)}."
        return said, "Resume with a larger --max-usd."

    def _tokens(self) -> tuple[str, str] | None:
        limit, used = self.budget.max_tokens, _tokens(self._spent)
        if limit is None or used < limit:
            return None
        said = f"the budget of {limit:,} tokens is used up: {used:,} tokens spent in {_calls(self._spent)}."
        return said, "Resume with a larger --max-tokens."

    def _time(self) -> tuple[str, str] | None:
        limit, used = self.budget.max_minutes, self.elapsed_s / 60
        if limit is None or used < limit:
            return None
        said = f"the budget of {limit:g} minutes is used up: {used:.1f} minutes and {_calls(self._spent)}."
        return said, "Resume with a larger --max-minutes."


def dollars(usd: float) -> str:
    """An amount without its unit: two decimals, below ten cents two significant digits, never 0 for something."""
    if usd == 0 or usd >= 0.095:
        return f"{usd:,.2f}"
    if usd < 0.000_095:
        return "<0.0001"
    return f"{usd:.3f}" if usd >= 0.0095 else f"{usd:.4f}"


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens


def _calls(usage: Usage) -> str:
    return "1 call" if usage.calls == 1 else f"{usage.calls:,} calls"


def _of(limit: float | None, shown: Callable[[float], str]) -> str:
    return "" if limit is None else f" of {shown(limit)}"
