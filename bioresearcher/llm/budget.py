"""Prices of models, and the budget of a run in money, tokens and time, which is checked before each request.

Prices come from a dated list that the user's own file overrides, and hold only for what they were published for: a
model that is not listed, or is reached at another address than its provider's own, has no known price; its tokens are
counted all the same.

A limit is used up as soon as the run's use reaches it. Requests in flight at that moment are still paid for, so that a
run can exceed its limit by their cost, and by nothing else.
"""

from __future__ import annotations

import datetime as dt
import re
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError

from bioresearcher.errors import BudgetError, DefectError, InputError
from bioresearcher.schemas.base import Usage, Value
from bioresearcher.schemas.model import ModelSettings, Provider, Role

MAX_FILE_BYTES = 1_000_000
_SHIPPED = Path(__file__).with_name("prices.toml")
_SNAPSHOT = re.compile(r"(?P<name>.+)-(?:(\d{4})-(\d{2})-(\d{2})|(\d{4})(\d{2})(\d{2}))")
_OWN_HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
}
"""Hosts for which the listed prices hold. Regional addresses of the same providers cost more and are not included."""

_MILLION = 1_000_000
Usd = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
"""US dollars per million tokens."""
Tokens = Annotated[int, Field(ge=1024, le=100_000_000)]


class Rates(Value):
    """Prices in US dollars per million tokens.

    `cache_write` is for providers that write prompts to a cache unasked and bill it. The part of a prompt that was
    written is not reported in a comparable way, so all input that was not read from the cache counts at this price: a
    cost may come out too high by the difference to `input`, never too low.
    """

    model_config = ConfigDict(strict=True)

    input: Usd
    cached_input: Usd | None = Field(default=None, description="None: like any other input")
    cache_write: Usd | None = None
    output: Usd = Field(description="also of reasoning")

    def cost(self, usage: Usage) -> float:
        """Compute the cost of tokens in US dollars."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        fresh_price = max(self.input, self.cache_write or 0)
        cached_price = self.input if self.cached_input is None else self.cached_input
        spent = (usage.input_tokens - cached) * fresh_price + cached * cached_price
        return (spent + usage.output_tokens * self.output) / _MILLION


class LongRates(Rates):
    """Prices of a whole request whose prompt is longer than `over` tokens."""

    over: Tokens


class Price(Rates):
    """Price of a model with its date and source, and the model's limits.

    Attributes:
        long: Prices of requests with a long prompt; None when they cost the same.
        until: Last day of the price; None when it is not limited.
        context: Tokens of prompt and answer together; None when the source does not state it.
        max_output: Tokens of an answer; None when the source does not state it.
        date: A day on which the source stated the price.
        source: The provider's page, or the user's file.
    """

    long: LongRates | None = None
    until: dt.date | None = None
    context: Tokens | None = None
    max_output: Annotated[int, Field(ge=64, le=100_000_000)] | None = None
    date: dt.date | None = None
    source: str = Field(default="", max_length=500)

    def cost(self, usage: Usage) -> float:
        """Compute the cost of a call in US dollars: cached input at its own price, reasoning as part of the output.

        For the usage of several calls the mean length of their prompts decides whether the prices of long prompts
        hold, so add up the costs of calls instead where a model has such prices.
        """
        if self.long is not None and usage.input_tokens > self.long.over * max(usage.calls, 1):
            return self.long.cost(usage)
        return super().cost(usage)


@dataclass(frozen=True)
class Prices:
    """The price list.

    Attributes:
        shipped: `provider:model` -> price at the provider's own address.
        own: `provider:model` -> price in the user's file, at any address.
    """

    shipped: Mapping[str, Price]
    own: Mapping[str, Price]

    def of(self, settings: ModelSettings) -> Price | None:
        """Find the model's price; None when none is known for this model at this address.

        A dated snapshot (`NAME-2024-08-06`, `NAME-20240806`) has the price of NAME unless it is listed itself. Other
        names must match exactly.
        """
        names = [settings.label]
        undated = _undated(settings.model)
        if undated:
            names.append(f"{settings.provider}:{undated}")
        lists = [self.own, self.shipped] if _own_address(settings) else [self.own]
        return next((prices[name] for prices in lists for name in names if name in prices), None)


def load_prices(path: Path | None, *, today: dt.date | None = None) -> Prices:
    """Load the shipped prices and those of the user's file; prices that ended before `today` are left out.

    Raises:
        InputError: The user's file cannot be read, is longer than a megabyte, is not TOML, or has a wrong entry; the
            message names file, entry and field.
    """
    today = today or dt.datetime.now(dt.UTC).date()
    try:
        shipped = _read(_SHIPPED)
    except InputError as error:
        raise DefectError(error.message) from error
    own = {} if path is None else _read(path)
    named = {key: price.model_copy(update={"source": price.source or str(path)}) for key, price in own.items()}
    return Prices(_in_force(shipped, today), _in_force(named, today))


def _in_force(prices: Mapping[str, Price], today: dt.date) -> dict[str, Price]:
    return {key: price for key, price in prices.items() if price.until is None or today <= price.until}


def _undated(model: str) -> str:
    """Remove the date of a snapshot from a model's name; empty when it has none."""
    match = _SNAPSHOT.fullmatch(model)
    if match is None:
        return ""
    year, month, day = (int(number) for number in match.groups()[1:] if number is not None)
    try:
        dt.date(year, month, day)
    except ValueError:
        return ""
    return match["name"]


def _own_address(settings: ModelSettings) -> bool:
    """Check whether requests go to the provider's own address."""
    host = _OWN_HOSTS.get(settings.provider)
    if host is None or settings.base_url is None:
        return host is not None
    return urlsplit(settings.base_url).netloc in {host, f"{host}:443"}


def _read(path: Path) -> dict[str, Price]:
    """Read the entries of a price file."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: the price file cannot be read: {error.strerror or error}.") from error
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{path}: the price file is larger than {MAX_FILE_BYTES:,} bytes.")
    try:
        entries = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also for texts that are not UTF-8 and for endless numbers
        reason = str(error).split(";")[0].splitlines()[0][:200]
        raise InputError(f"{path}: the price file is not TOML: {reason}.") from error
    return {key: _price(path, key, entry) for key, entry in entries.items()}


def _price(path: Path, key: str, entry: object) -> Price:
    provider, colon, model = key.partition(":")
    if provider not in get_args(Provider) or not colon or not model.strip() or not key.isprintable() or len(key) > 200:
        raise InputError(
            f"{path}: {key[:80]!r} does not name a model.",
            hint=f'Write ["PROVIDER:MODEL"] with one of {", ".join(get_args(Provider))}.',
        )
    if not isinstance(entry, dict):
        raise InputError(f"{path}: {key}: expected a table with input and output in US dollars per million tokens.")
    try:
        return Price.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))[:80].encode("unicode_escape").decode()
        raise InputError(f"{path}: {key}: {field}: {_reworded(first['type'], first['msg'])}.") from error


def _reworded(kind: str, message: str) -> str:
    """Reword a validation error for people who write TOML."""
    known = {"extra_forbidden": "there is no such field", "missing": "is missing"}
    return known.get(kind, message[:1].lower() + message[1:])


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
        """True when there is any limit."""
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
class Remaining:
    """Rest of a budget; None where there is no limit, never below 0.

    Attributes:
        usd: US dollars; None also when the cost so far is not known.
        tokens: Tokens read and written together.
        minutes: Minutes of wall time.
    """

    usd: float | None
    tokens: int | None
    minutes: float | None


class Meter:
    """Counts the use of a run against its budget.

    Attributes:
        budget: The limits.
    """

    def __init__(
        self, budget: Budget, spent: Usage, elapsed_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start from the use of earlier processes on the same run: `spent` and `elapsed_s` (seconds)."""
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
        """Count the use of an answered request, usable or not."""
        self._spent += usage

    def check(self) -> None:
        """Check that one more request may be sent.

        Raises:
            BudgetError: A limit is used up, or the cost is unknown so that a limit in money cannot be checked.
        """
        problem = self._money() or self._tokens() or self._time()
        if problem:
            message, hint = problem
            raise BudgetError(message, hint=hint)

    def left(self) -> Remaining:
        """Compute the rest of the budget."""
        limits, spent = self.budget, self._spent
        usd = None if limits.max_usd is None or spent.cost_usd is None else max(0.0, limits.max_usd - spent.cost_usd)
        tokens = None if limits.max_tokens is None else max(0, limits.max_tokens - _tokens(spent))
        minutes = None if limits.max_minutes is None else max(0.0, limits.max_minutes - self.elapsed_s / 60)
        return Remaining(usd, tokens, minutes)

    def summary(self) -> str:
        """Describe in one line what was spent, and of how much."""
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
        used_up = f"the budget of {dollars(limit)} USD is used up: {dollars(cost)} USD spent in {_calls(self._spent)}."
        return used_up, "Resume with a larger --max-usd."

    def _tokens(self) -> tuple[str, str] | None:
        limit, used = self.budget.max_tokens, _tokens(self._spent)
        if limit is None or used < limit:
            return None
        used_up = f"the budget of {limit:,} tokens is used up: {used:,} tokens spent in {_calls(self._spent)}."
        return used_up, "Resume with a larger --max-tokens."

    def _time(self) -> tuple[str, str] | None:
        limit, used = self.budget.max_minutes, self.elapsed_s / 60
        if limit is None or used < limit:
            return None
        used_up = f"the budget of {limit:g} minutes is used up: {used:.1f} minutes and {_calls(self._spent)}."
        return used_up, "Resume with a larger --max-minutes."


def dollars(usd: float) -> str:
    """Format an amount without its unit: two decimals, below ten cents two significant digits, 0 only for zero."""
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
