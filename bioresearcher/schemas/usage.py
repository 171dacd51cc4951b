"""What was spent on models."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import Value


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
    by_rule: int = Field(default=0, description="answers the rules gave in its place")
