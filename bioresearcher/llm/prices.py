"""What models cost: a dated price list that the user's own file overrides, and the cost of a call.

A price is only used for what it was published for. A model that is not listed, or is reached at another address than
its provider's own, has no known price; its tokens are counted all the same.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError

from bioresearcher.errors import DefectError, InputError
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ModelSettings, Provider
from bioresearcher.schemas.usage import Usage

MAX_FILE_BYTES = 1_000_000
_SHIPPED = Path(__file__).with_name("prices.toml")
_SNAPSHOT = re.compile(r"(?P<name>.+)-(?:(\d{4})-(\d{2})-(\d{2})|(\d{4})(\d{2})(\d{2}))")
_OWN_HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
}
"""Where the listed prices hold. Regional addresses of the same providers cost more and count as other addresses."""

_MILLION = 1_000_000
Usd = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
"""US dollars per million tokens."""
Tokens = Annotated[int, Field(ge=1024, le=100_000_000)]


class Rates(Value):
    """Prices in US dollars per million tokens.

    `cache_write` is for providers that write prompts to a cache unasked and bill it. What of a prompt was written is
    not reported in a comparable way, so all input that was not read from the cache counts at this price: a cost may
    come out too high by the difference to `input`, never too low.
    """

    model_config = ConfigDict(strict=True)

    input: Usd
    cached_input: Usd | None = Field(default=None, description="None: like any other input")
    cache_write: Usd | None = None
    output: Usd = Field(description="also of reasoning")

    def cost(self, usage: Usage) -> float:
        """US dollars for the tokens used."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        fresh_price = max(self.input, self.cache_write or 0)
        cached_price = self.input if self.cached_input is None else self.cached_input
        spent = (usage.input_tokens - cached) * fresh_price + cached * cached_price
        return (spent + usage.output_tokens * self.output) / _MILLION


class LongRates(Rates):
    """Prices of a whole request whose prompt is longer than `over` tokens."""

    over: Tokens


class Price(Rates):
    """What a model costs, since when that is known, and how much it reads and writes.

    Attributes:
        until: The last day of the price; None when it is not limited.
        long: Prices of requests with a long prompt; None when they cost the same.
        context: Tokens of prompt and answer together; None when the page did not say.
        max_output: Tokens of an answer; None when the page did not say.
        date: A day on which the source is known to have said so.
        source: The provider's page, or the user's file.
    """

    long: LongRates | None = None
    until: dt.date | None = None
    context: Tokens | None = None
    max_output: Annotated[int, Field(ge=64, le=100_000_000)] | None = None
    date: dt.date | None = None
    source: str = Field(default="", max_length=500)

    def cost(self, usage: Usage) -> float:
        """US dollars for a call: cached input at its own price, reasoning as part of the output.

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
        """The model's price; None when none is known for this model at this address.

        A dated snapshot (`NAME-2024-08-06`, `NAME-20240806`) has the price of NAME unless it is listed itself. No
        other likeness of names counts.
        """
        names = [settings.label]
        undated = _undated(settings.model)
        if undated:
            names.append(f"{settings.provider}:{undated}")
        lists = [self.own, self.shipped] if _own_address(settings) else [self.own]
        return next((prices[name] for prices in lists for name in names if name in prices), None)


def load_prices(path: Path | None, *, today: dt.date | None = None) -> Prices:
    """The shipped prices and those of the user's file; prices that ended before `today` are left out.

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
    """The model's name without the date of a snapshot; empty when it has none."""
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
    """Whether requests go to the provider's own address."""
    host = _OWN_HOSTS.get(settings.provider)
    if host is None or settings.base_url is None:
        return host is not None
    return urlsplit(settings.base_url).netloc in {host, f"{host}:443"}


def _read(path: Path) -> dict[str, Price]:
    """The entries of a price file."""
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
        said = str(error).split(";")[0].splitlines()[0][:200]
        raise InputError(f"{path}: the price file is not TOML: {said}.") from error
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
        raise InputError(f"{path}: {key}: {field}: {_said(first['type'], first['msg'])}.") from error


def _said(kind: str, message: str) -> str:
    """What is wrong with a field, for people who write TOML."""
    known = {"extra_forbidden": "there is no such field", "missing": "is missing"}
    return known.get(kind, message[:1].lower() + message[1:])
