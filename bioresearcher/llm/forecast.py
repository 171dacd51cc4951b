"""Forecast of a run's calls, tokens and cost, shown before it starts.

A measured table (`forecast.toml`: calls and tokens per prompt and unit of work) times the size of the objective times
the models' prices; one figure with a plain range. Discounts for cached input are left out, as hits of a cache cannot be
foreseen.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, cast

from bioresearcher.llm.budget import Price, Prices
from bioresearcher.resources import Card
from bioresearcher.schemas.base import Usage, Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.schemas.paper import Document, Paper

_FEWEST_PARTS, _MOST_PARTS = 2, 8
"""Bounds of the estimated number of parts of a paper."""
Unit = Literal["run", "paper", "read", "paper_part", "dataset", "protocol_part", "task"]


class Row(Value):
    """One prompt's measured share: calls for each unit of work, tokens of a call."""

    per: Unit
    calls: float
    input: int
    output: int


class Units(Value):
    """Rules for counting the units of work of a run; see `forecast.toml`."""

    characters_per_paper_part: int
    protocol_parts: int
    tasks_per_protocol_part: int
    tasks_without_data: int


class ForecastTable(Value):
    """The measured table.

    Attributes:
        factor: Factors on a forecast for the ends of its range.
        units: Rules for counting units of work.
        prompts: Name -> its share, in the order of the pipeline.
    """

    factor: tuple[float, float]
    units: Units
    prompts: dict[str, Row]


@cache
def load_forecast_table() -> ForecastTable:
    """Load the table that comes with the package."""
    text = Path(__file__).with_name("forecast.toml").read_text(encoding="utf-8")
    return ForecastTable.model_validate(tomllib.loads(text))


class ObjectiveSize(Value):
    """Size of an objective's inputs.

    Attributes:
        papers: Papers to be screened.
        read: Papers to be read.
        body: Characters of their texts without references, together.
        datasets: Data sets to be judged.
        max_parts: Parts of the protocol at most.
    """

    papers: int = 0
    read: int = 0
    body: int = 0
    datasets: int = 0
    max_parts: int = 12

    def units(self, counted: Units) -> dict[Unit, float]:
        """Count the units of each kind of work."""
        a_paper = self.body / max(self.read, 1) / counted.characters_per_paper_part
        parts = min(counted.protocol_parts, self.max_parts)
        tasks = parts * counted.tasks_per_protocol_part if self.datasets else counted.tasks_without_data
        return {
            "run": 1,
            "paper": self.papers,
            "read": self.read,
            "paper_part": self.read * min(max(a_paper, _FEWEST_PARTS), _MOST_PARTS),
            "dataset": self.datasets,
            "protocol_part": parts,
            "task": tasks,
        }


def measure_objective(
    papers: Sequence[tuple[Paper, Document]], datasets: Sequence[Dataset], *, max_papers: int, max_parts: int
) -> ObjectiveSize:
    """Measure a run on the researcher's own papers and data; the papers to be read are not known yet."""
    read = min(len(papers), max_papers)
    bodies = [sum(s.end - s.start for s in d.sections if s.kind != "references") for _, d in papers]
    body = sum(bodies) * read // max(len(papers), 1)
    return ObjectiveSize(papers=len(papers), read=read, body=body, datasets=len(datasets), max_parts=max_parts)


class StepForecast(Value):
    """Forecast of one prompt in a run; `usd` is None when the model's price is not known."""

    prompt: str
    role: Role
    calls: float
    input_tokens: float
    output_tokens: float
    usd: float | None

    def times(self, runs: float) -> StepForecast:
        """Multiply by a number of runs."""
        usd = None if self.usd is None else self.usd * runs
        tokens = {"input_tokens": self.input_tokens * runs, "output_tokens": self.output_tokens * runs}
        return self.model_copy(update={"calls": self.calls * runs, "usd": usd, **tokens})


class ModelForecast(Value):
    """A role's model as far as its cost goes.

    Attributes:
        label: Provider and model.
        on_this_machine: Whether requests stay on this machine.
        price: None when it is not known.
    """

    label: str
    on_this_machine: bool
    price: Price | None

    @property
    def may_cost(self) -> bool:
        """True when calls may cost money: by the price, or as none is known and the model is on another machine."""
        if self.price is None:
            return not self.on_this_machine
        return self.price.input > 0 or self.price.output > 0


class Forecast(Value):
    """Forecast of a run: tokens and US dollars.

    Attributes:
        steps: Per prompt, in the order of the pipeline.
        models: The model of each role.
    """

    steps: tuple[StepForecast, ...]
    models: dict[Role, ModelForecast]

    @property
    def calls(self) -> float:
        """Calls without repair turns."""
        return sum(s.calls for s in self.steps)

    @property
    def input_tokens(self) -> float:
        """Tokens read."""
        return sum(s.input_tokens for s in self.steps)

    @property
    def output_tokens(self) -> float:
        """Tokens written, including those of reasoning."""
        return sum(s.output_tokens for s in self.steps)

    @property
    def known_usd(self) -> float:
        """Cost of the models whose prices are known."""
        return sum(s.usd for s in self.steps if s.usd is not None)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models that may cost something and whose prices are not known."""
        used = [self.models[s.role] for s in self.steps]
        return tuple(dict.fromkeys(m.label for m in used if m.price is None and m.may_cost))

    @property
    def may_cost(self) -> bool:
        """True when the run may cost money."""
        return any(self.models[s.role].may_cost for s in self.steps)

    def of_role(self, role: Role) -> Forecast:
        """Select the part of one role."""
        return self.model_copy(update={"steps": tuple(s for s in self.steps if s.role == role)})

    @property
    def cost_text(self) -> str:
        """Cost in words, e.g. `about 0.40 USD, likely 0.16–0.80`."""
        if not self.may_cost:
            free = all(self.models[s.role].price is not None for s in self.steps)
            return "nothing" if free else "unknown, as no price is listed, on this machine"
        low, high = (_shown(self.known_usd * factor) for factor in load_forecast_table().factor)
        money = f"about {_shown(self.known_usd)} USD, likely {low}–{high}"
        if not self.unpriced:
            return money
        unknown = f"an unknown amount, as no price is known for {', '.join(self.unpriced)}"
        return f"{money}, and {unknown}" if self.known_usd > 0 else unknown

    @property
    def tokens_text(self) -> str:
        """Calls and tokens in words."""
        calls, read, written = (f"{_two_digits(n):,.0f}" for n in (self.calls, self.input_tokens, self.output_tokens))
        return f"about {calls} calls, {read} tokens to read, {written} to write"

    @property
    def lines(self) -> tuple[str, ...]:
        """Forecast for people: tokens, cost, and a line per role when models differ."""
        found = [f"forecast: {self.tokens_text}"]
        dates = sorted(str(m.price.date) for m in self.models.values() if m.price and m.price.date and m.may_cost)
        since = f" (prices as seen on {dates[0]})" if dates else ""
        found.append(f"cost: {self.cost_text}{since}")
        if len({m.label for m in self.models.values()}) > 1:
            for role in ROLES:
                part = self.of_role(role)
                if part.steps:
                    found.append(f"  {role} {self.models[role].label}: {part.tokens_text}: {part.cost_text}")
        return tuple(found)


def forecast(
    size: ObjectiveSize, models: Mapping[Role, ModelSettings], prices: Prices, cards: Mapping[str, Card]
) -> Forecast:
    """Forecast a run of this size with the models of these roles; prompts of other roles are left out."""
    named = {
        role: ModelForecast(label=m.label, on_this_machine=m.on_this_machine, price=prices.of(m))
        for role, m in models.items()
    }
    table, steps = load_forecast_table(), []
    units = size.units(table.units)
    for prompt, row in table.prompts.items():
        card, calls = cards[prompt.split("/", 1)[0]], row.calls * units[row.per]
        role = cast("Role", card.model_role)
        if calls > 0 and role in models:
            steps.append(_step(prompt, row, calls, card, models[role], named[role].price))
    return Forecast(steps=tuple(steps), models=named)


def _step(
    prompt: str, row: Row, calls: float, card: Card, settings: ModelSettings, price: Price | None
) -> StepForecast:
    """Forecast one prompt; a question and an answer are never longer than the model allows."""
    longest = settings.max_output or card.max_output_tokens
    context = settings.context or (price.context if price else None)
    question = row.input if context is None else min(row.input, max(context - longest, 0))
    read, written = calls * question, calls * min(row.output, longest)
    usage = Usage(calls=max(1, round(calls)), input_tokens=round(read), output_tokens=round(written))
    usd = None if price is None else price.cost(usage)
    role = cast("Role", card.model_role)
    return StepForecast(prompt=prompt, role=role, calls=calls, input_tokens=read, output_tokens=written, usd=usd)


def _shown(usd: float) -> str:
    """Format an amount to two significant digits."""
    if usd < 0.0005:
        return "0" if usd == 0 else "<0.001"
    decimals = 0 if usd >= 10 else 1 if usd >= 1 else 2 if usd >= 0.1 else 3
    return f"{_two_digits(usd):,.{decimals}f}"


def _two_digits(number: float) -> float:
    return float(f"{number:.2g}")
