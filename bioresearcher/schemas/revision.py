"""A revision of a protocol after a person's comment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.objective import Requirement
from bioresearcher.schemas.review import DraftReview, GateFinding

REVISE = "revise_protocol"
"""The name under which a comment stands among a run's decisions."""


class ConcernedPart(Value):
    """A part that a comment concerns, and why it is taken to."""

    part: str
    reason: str


class StepChange(Value):
    """What happened to one step."""

    step: str
    what: Literal["changed", "added", "dropped"]
    why: str


class Revision(Value):
    """`revisions/<number>/revision.json`; the protocols before and after lie beside it."""

    number: int
    comment: str
    concerned: tuple[ConcernedPart, ...] = Field(description="parts that were looked at for a change")
    changed_parts: tuple[str, ...] = Field(description="parts that are not as they were; all others are, byte for byte")
    changes: tuple[StepChange, ...] = ()
    excluded: tuple[str, ...] = Field(default=(), description="data sets and papers that may no longer be used")
    requirements: tuple[Requirement, ...] = Field(default=(), description="requirements that were added")
    not_done: tuple[str, ...] = Field(default=(), description="what the comment asks for and was not done, with why")
    rounds: tuple[DraftReview, ...] = ()
    found: tuple[GateFinding, ...] = Field(default=(), description="findings of the gates that were not there before")
    resolved: tuple[GateFinding, ...] = Field(default=(), description="findings of the gates that are gone")
    origin: Origin
