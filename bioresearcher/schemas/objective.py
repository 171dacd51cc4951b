"""What the researcher asks for."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import Value


class Requirement(Value):
    """Something that must be in the design; ids are `R1`, `R2`, … in the order given."""

    id: str
    text: str


class Objective(Value):
    """A research objective with its conditions and requirements."""

    id: str = Field(description="short slug, safe as a folder name")
    text: str = Field(description="the objective in the researcher's words")
    conditions: tuple[str, ...] = Field(default=(), description="samples, data and computers at hand")
    requirements: tuple[Requirement, ...] = Field(default=(), description="what must be in the design")
