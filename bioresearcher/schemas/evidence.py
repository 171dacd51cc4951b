"""What stands on what: protocol steps on report steps on passages, and papers under the steps that would fall."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value


class Ground(Value):
    """A passage that a step stands on, by the report step that was read from it."""

    paper_id: str
    report_step: str = Field(description="the report's step, `<part>.<number>`")
    section: str
    page: int | None = None
    start: int
    end: int


class StepBasis(Value):
    """A protocol step with all it stands on; no grounds means that it is unsupported."""

    step_id: str
    title: str
    grounds: tuple[Ground, ...]
    uses: tuple[str, ...] = Field(description="earlier steps whose outputs it needs")
    tasks: tuple[str, ...] = Field(description="tasks that carry it out")


class PaperUse(Value):
    """A paper with what was taken from it and what stands on it."""

    paper_id: str
    title: str
    status: str
    report_steps: tuple[str, ...] = Field(description="steps read from it, as far as a quote supports them")
    quotes: int
    taken: tuple[str, ...] = Field(description="of these, the steps that the protocol learnt from")
    protocol_steps: tuple[str, ...]
    tasks: tuple[str, ...] = Field(description="tasks that carry out those steps")


class EvidenceGraph(Value):
    """Both directions: from each protocol step down to passages, and from each paper up to steps and tasks."""

    steps: tuple[StepBasis, ...]
    papers: tuple[PaperUse, ...]


class Fall(Value):
    """What the loss of papers does to a step.

    `falls`: no ground is left. `follows`: it needs the output of a step that falls. `weakened`: it loses some grounds.
    """

    step_id: str
    title: str
    effect: Literal["falls", "follows", "weakened"]
    lost: tuple[str, ...] = Field(description="papers it stood on that are gone")
    left: tuple[str, ...] = Field(description="papers it still stands on")
    through: tuple[str, ...] = Field(default=(), description="fallen steps whose outputs it needs")


class Without(Value):
    """A protocol without some of its papers; steps that are not touched are not listed."""

    papers: tuple[str, ...]
    steps: tuple[Fall, ...]
    tasks: tuple[str, ...] = Field(description="tasks that carry out a step that falls or follows")

    def having(self, effect: str) -> tuple[Fall, ...]:
        """The steps of one effect, in the protocol's order."""
        return tuple(s for s in self.steps if s.effect == effect)
