"""Differences between two runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value

DiffPart = Literal["objective", "questions", "data", "protocol", "answers", "numbers", "tasks", "versions"]


class Difference(Value):
    """One thing that is in one run only, or is other in the second run."""

    part: DiffPart
    name: str = Field(description="e.g. a question's id, a data set's file, a step, a finding's number, a package")
    before: str = Field(default="", description="empty when it is in the second run only")
    after: str = Field(default="", description="empty when it is in the first run only")


class RunDiff(Value):
    """Changes from one run to another; no difference means the same."""

    first: str
    second: str
    differences: tuple[Difference, ...] = ()
    compared: dict[str, int] = Field(default_factory=dict, description="part -> things compared")
    not_compared: tuple[str, ...] = Field(default=(), description="parts that one of the runs does not have")

    @property
    def same(self) -> bool:
        """True when nothing differs."""
        return not self.differences
