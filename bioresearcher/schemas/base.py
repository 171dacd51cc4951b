"""Base class of all values, the origin of values, the use of models, and the research objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

LONG = "x-long"
"""Marks a field of an answer, in its JSON schema, as one that may be very long, such as a script."""

SENTENCE: dict[str, JsonValue] = {"maxLength": 500}
"""Longest sentence, for servers that can enforce it; a longer one is still valid."""

Origin = Literal["offline", "model", "mixed", "human", "source", "scripted"]
"""Origin of a value: the deterministic rules, a language model, both, a person, or the source itself."""


class Value(BaseModel):
    """A frozen value; unknown fields are refused.

    Attributes:
        droppable: For a prompt's input: fields whose items may be left out when the prompt does not fit a model's
            context, in the order in which they lose items, with the least number to keep.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    droppable: ClassVar[Mapping[str, int]] = {}


def origin_of(origins: Iterable[Origin]) -> Origin:
    """Combine origins: theirs when they agree, else `mixed`; `offline` if there are none."""
    found = set(origins)
    return found.pop() if len(found) == 1 else "mixed" if found else "offline"


class Usage(Value):
    """Model use. `cached_tokens` are part of `input_tokens`, `reasoning_tokens` part of `output_tokens`.

    `cost_usd` is None when the model's price is not known.
    """

    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        """Sum; an unknown cost stays unknown."""
        cost = None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost_usd=cost,
        )


class UsageRow(Value):
    """Use of one model by one step."""

    step: str = Field(description="the prompt's name, e.g. literature/report_part")
    role: str = Field(description="reader, designer, coder or reviewer")
    model: str = Field(description="provider and model")
    usage: Usage = Usage()
    repaired: int = Field(default=0, description="answers that fitted only after a repair turn")
    by_rule: int = Field(default=0, description="answers that the rules gave in its place")


class Requirement(Value):
    """Something that must be in the design; ids are `R1`, `R2`, … in the order given."""

    id: str
    text: str


class Objective(Value):
    """A research objective with its conditions and requirements."""

    id: str = Field(description="short slug, safe as a folder name")
    text: str = Field(description="the objective in the researcher's words")
    conditions: tuple[str, ...] = Field(default=(), description="samples, data and computers at hand")
    requirements: tuple[Requirement, ...] = Field(default=(), description="requirements on the design")
