"""What all values have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Origin = Literal["offline", "model", "mixed", "human", "source", "scripted"]
"""Who produced a value: the offline rules, a language model, both, a person, or the source itself."""


class Value(BaseModel):
    """A frozen value; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
