"""The experimental protocol."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.paper_report import Parameter


class ReportPartRef(Value):
    """A part of a paper's report, by ids."""

    paper_id: str
    part_id: str


class Link(Value):
    """Link of a protocol step to the report step it was learnt from, and to the passage that supports it."""

    paper_id: str
    part_id: str
    step_id: str
    evidence: Evidence
    similarity: float = Field(ge=0, le=1, description="cosine similarity of the two steps' texts")


class Relation(Value):
    """Relation of a part to an earlier one, with the reason."""

    part: str
    kind: Literal["needs output of", "validates", "compares with", "extends", "follows"]
    reason: str = ""


class StepInput(Value):
    """Something a step needs.

    `source` is `given`, a data set file as `dataset:<id>/<file>`, or an earlier step's output as
    `step:<step id>/<output name>`.
    """

    name: str
    source: str


class StepOutput(Value):
    """Something a step produces."""

    name: str
    kind: Literal["table", "figure", "text", "model", "material", "decision"]
    description: str = ""


class ProtocolStep(Value):
    """One step; everything a colleague needs to carry it out."""

    id: str = Field(description="`<part>.<number>`, e.g. `2.1`")
    title: str
    object: str = Field(default="", description="what the action works on: samples, material, a result")
    action: str = Field(description="what to do, as imperative sentences")
    rationale: str = ""
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[StepInput, ...] = ()
    outputs: tuple[StepOutput, ...] = ()
    datasets: tuple[str, ...] = ()
    software: tuple[str, ...] = ()
    acceptance: str = Field(default="", description="how to tell that the step succeeded")
    kind: Literal["dry", "wet"]
    skill: str | None = Field(default=None, description="the skill that carries it out, if any")
    requirements: tuple[str, ...] = Field(default=(), description="ids of the requirements it helps to meet")
    links: tuple[Link, ...] = Field(default=(), description="empty means the step is unsupported")
    novelty: str = Field(default="", description="reason for a step that no paper has")
    origin: Origin


class OutlineLine(Value):
    """One step to be written: its id and outputs are fixed here, so that parts can be written side by side."""

    id: str = Field(description="`<part>.<number>`, e.g. `2.1`")
    title: str
    datasets: tuple[str, ...] = Field(default=(), description="ids of the data sets it works on")
    skill: str | None = Field(default=None, description="the skill that carries it out, if any")
    outputs: tuple[str, ...] = Field(default=(), description="short names other steps can refer to")


class ProtocolPart(Value):
    """A part of the protocol. Headings have no outline and steps yet; outlines have no steps yet."""

    id: str
    title: str
    purpose: str
    reason: str = ""
    depends_on: tuple[str, ...] = Field(default=(), description="ids of earlier parts it needs")
    relations: tuple[Relation, ...] = Field(default=(), description="why it stands after each of these parts")
    learns_from: tuple[ReportPartRef, ...] = ()
    outline: tuple[OutlineLine, ...] = Field(default=(), description="one line per step to be written")
    steps: tuple[ProtocolStep, ...] = ()

    @property
    def novel(self) -> bool:
        """True when none of its steps was learnt from a paper that was read."""
        return bool(self.steps) and not any(step.links for step in self.steps)


class Coverage(Value):
    """Coverage of a requirement: the steps that meet it."""

    requirement: str
    steps: tuple[str, ...]
    met: bool
    reason: str = ""


class Protocol(Value):
    """A whole protocol."""

    id: str
    title: str
    objective_id: str
    summary: str = ""
    parts: tuple[ProtocolPart, ...]
    coverage: tuple[Coverage, ...] = ()
    limitations: tuple[str, ...] = ()
    origin: Origin
    revision: int = Field(default=0, description="how often it was revised after a comment; ids may then have gaps")

    @property
    def steps(self) -> tuple[ProtocolStep, ...]:
        """All steps in order."""
        return tuple(step for part in self.parts for step in part.steps)
