"""What a run will take and cost, shown before it starts.

From the workload (calls, lengths of questions and answers), the models' prices and limits. Discounts for cached input
are left out: whether a provider's cache is hit is not known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bioresearcher.cards import Card
from bioresearcher.llm.prices import Price, Prices
from bioresearcher.llm.workload import ObjectiveSize, Range, Step, exactly, steps_of, total
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.schemas.usage import Usage

TOKENS_PER_CHARACTER = Range(low=1 / 4.1, likely=1 / 3.6, high=1 / 2.8)
"""Measured with the tokenizer of Qwen2.5: prompt files 4.1 characters a token, answers as JSON 3.7, papers 3.5, code
3.7. OpenAI's rule for English is 4; Anthropic says that its newer tokenizer makes about 30 % more tokens."""
REPAIRED = Range(low=1, likely=1.05, high=1.3)
"""Calls with their repair turns; the high end is for models that need one for every third answer."""
THOUGHT = Range(low=1, likely=2, high=3.2)
"""Billed output over the answer itself: 1 for models that do not think first. A router's public figures of one day
gave 2.2 tokens of reasoning for each token of answer with a small reasoning model of 2025."""


class StepForecast(Value):
    """What one prompt will take in a run; `usd` is None when the model's price is not known."""

    prompt: str
    role: Role
    calls: Range
    input_tokens: Range
    output_tokens: Range
    usd: Range | None


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
        """Whether money may be asked: by its price, or because none is known and the model is somewhere else."""
        if self.price is None:
            return not self.on_this_machine
        return self.price.input > 0 or self.price.output > 0


class Forecast(Value):
    """What a run will take; tokens and US dollars as ranges.

    Attributes:
        steps: Per prompt, in the order of the pipeline.
        models: The model of each role.
    """

    steps: tuple[StepForecast, ...]
    models: dict[Role, ModelForecast]

    @property
    def calls(self) -> Range:
        """Questions asked, repair turns apart."""
        return total(s.calls for s in self.steps)

    @property
    def input_tokens(self) -> Range:
        """Tokens read."""
        return total(s.input_tokens for s in self.steps)

    @property
    def output_tokens(self) -> Range:
        """Tokens written, with those of reasoning."""
        return total(s.output_tokens for s in self.steps)

    @property
    def usd(self) -> Range | None:
        """The cost; None when it is not known of every model that may cost something."""
        return None if self.unpriced else self.known_usd

    @property
    def known_usd(self) -> Range:
        """The cost of the models whose prices are known."""
        return total(s.usd for s in self.steps if s.usd is not None)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models that may cost something and whose prices are not known."""
        used = [self.models[s.role] for s in self.steps]
        return tuple(dict.fromkeys(m.label for m in used if m.price is None and m.may_cost))

    @property
    def may_cost(self) -> bool:
        """Whether the run may cost money."""
        return any(self.models[s.role].may_cost for s in self.steps)

    def of_role(self, role: Role) -> Forecast:
        """The part of one role."""
        return self.model_copy(update={"steps": tuple(s for s in self.steps if s.role == role)})

    @property
    def cost_text(self) -> str:
        """The cost in words, e.g. `about 1.2 USD (0.6–2.5)`."""
        if not self.may_cost:
            free = all(self.models[s.role].price is not None for s in self.steps)
            return "nothing" if free else "unknown, as no price is listed, on this machine"
        known = self.known_usd
        money = f"{_shown(known.likely)} USD ({_shown(known.low)}–{_shown(known.high)})"
        if not self.unpriced:
            return f"about {money}"
        unknown = f"an unknown amount, as no price is known for {', '.join(self.unpriced)}"
        return f"about {money} and {unknown}" if known.high > 0 else unknown

    @property
    def tokens_text(self) -> str:
        """Calls and tokens in words."""
        return (
            f"about {_counted(self.calls)} calls, {_counted(self.input_tokens)} tokens to read,"
            f" {_counted(self.output_tokens)} to write"
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """The forecast for people: tokens, cost, and a line per role when models differ."""
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
    size: ObjectiveSize,
    models: Mapping[Role, ModelSettings],
    prices: Prices,
    cards: Mapping[str, Card],
    prompt_lengths: Mapping[str, int],
) -> Forecast:
    """What a run of this size will take with these models.

    `prompt_lengths` are the characters that each prompt always has (`workload.prompt_lengths`).
    """
    named = {
        role: ModelForecast(label=m.label, on_this_machine=m.on_this_machine, price=prices.of(m))
        for role, m in models.items()
    }
    steps = []
    for prompt, step in steps_of(size, cards).items():
        card = cards[prompt.split("/", 1)[0]]
        role = cast("Role", card.model_role)
        settings, price = models[role], named[role].price
        if step.calls.high > 0:
            steps.append(_step(prompt, role, step, prompt_lengths[prompt], card, settings, price))
    return Forecast(steps=tuple(steps), models=named)


def _step(
    prompt: str, role: Role, step: Step, length: int, card: Card, settings: ModelSettings, price: Price | None
) -> StepForecast:
    """One prompt's share; a question and an answer are never longer than the model takes and gives."""
    longest = settings.max_output or card.max_output_tokens
    context = settings.context or (price.context if price else None)
    question = (exactly(length) + step.question) * TOKENS_PER_CHARACTER
    if context is not None:
        question = question.at_most(max(context - longest, 0))
    answer = (step.answer * TOKENS_PER_CHARACTER * THOUGHT).at_most(longest)
    read, written = step.calls * question * REPAIRED, step.calls * answer * REPAIRED
    usd = None if price is None else _cost(price, step.calls, read, written)
    return StepForecast(prompt=prompt, role=role, calls=step.calls, input_tokens=read, output_tokens=written, usd=usd)


def _cost(price: Price, calls: Range, read: Range, written: Range) -> Range:
    ends = []
    for count, tokens_in, tokens_out in zip(_ends(calls), _ends(read), _ends(written), strict=True):
        usage = Usage(calls=max(1, round(count)), input_tokens=round(tokens_in), output_tokens=round(tokens_out))
        ends.append(price.cost(usage))
    return Range(low=ends[0], likely=ends[1], high=ends[2])


def _ends(of: Range) -> tuple[float, float, float]:
    return of.low, of.likely, of.high


def _counted(of: Range) -> str:
    low, likely, high = (f"{_two_digits(number):,.0f}" for number in _ends(of))
    return likely if low == likely == high else f"{likely} ({low}–{high})"


def _shown(usd: float) -> str:
    """An amount to two significant digits."""
    if usd < 0.0005:
        return "0" if usd == 0 else "<0.001"
    decimals = 0 if usd >= 10 else 1 if usd >= 1 else 2 if usd >= 0.1 else 3
    return f"{_two_digits(usd):,.{decimals}f}"


def _two_digits(number: float) -> float:
    return float(f"{number:.2g}")
