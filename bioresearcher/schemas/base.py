"""What all values have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

LONG = "x-long"
"""Marks a field of an answer, in its JSON schema, as one that may be very long, such as a script."""

SENTENCE: dict[str, JsonValue] = {"maxLength": 500}
"""Tells servers that can hold an answer to it how long a sentence may be; a longer one is not wrong."""

Origin = Literal["offline", "model", "mixed", "human", "source", "scripted"]
"""Who produced a value: the offline rules, a language model, both, a person, or the source itself."""


class Value(BaseModel):
    """A frozen value; unknown fields are refused.

    Attributes:
        droppable: Of a prompt's input: fields whose items may be left out when the prompt would not fit a model's
            context, the first to lose items first, with the least number to keep.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    droppable: ClassVar[Mapping[str, int]] = {}


def origin_of(origins: Iterable[Origin]) -> Origin:
    """The origin of something made of several: theirs when they agree, else `mixed`; of nothing, `offline`."""
    found = set(origins)
    return found.pop() if len(found) == 1 else "mixed" if found else "offline"
