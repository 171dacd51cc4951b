"""The experimental protocol."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.paper_report import Parameter

Consequence = Literal["invalidates the result", "changes the result", "weakens it", "wording"]
"""Consequence of a finding of the review, the gravest first."""


class ReportPartRef(Value):
    """A part of a paper's report, by ids."""

    paper_id: str
    part_id: str


class Link(Value):
    """A passage that supports a step: the writer named it for a claim, and the claim passed the checks."""

    paper_id: str
    part_id: str = Field(default="", description="the paper report's part; empty for a passage outside the report")
    step_id: str = ""
    evidence: Evidence
    claim: str = Field(default="", description="what the step takes from it, in the writer's words")
    similarity: float | None = Field(default=None, ge=0, le=1, description="only in runs of earlier versions")


class Citation(Value):
    """Ground of a step, as its writer claims it, and what the check of the claim found.

    `ref` is a fact (`F7`), a step of a paper report (`PMC1/2.3`), a passage that was read (`Q4`), or empty for general
    knowledge, which is printed as "general knowledge, to verify".
    """

    kind: Literal["fact", "passage", "general"]
    ref: str = ""
    claim: str = Field(description="what is taken from it, in one sentence")
    state: Literal["not checked", "supported", "cut"] = "not checked"
    reason: str = Field(default="", description="why it was cut, or who judged it")


class Decision(Value):
    """A choice of the plan that a reader must know first."""

    question: str
    choice: str
    why: str
    cites: tuple[str, ...] = Field(default=(), description="facts and passages by their ids")


class ShapingFact(Value):
    """A fact that shapes the plan, and what the plan does about it."""

    fact: str = Field(description="id of the fact, or of the look or count that showed it")
    finding: str = Field(default="", description="what was found, in the author's words, with its numbers as shown")
    consequence: str


class NotDone(Value):
    """Something a reader might expect that the plan does not do."""

    what: str
    why: str


class Definition(Value):
    """A set, threshold, score, procedure or column that several steps use, defined once."""

    name: str
    text: str
    code: str = Field(default="", description="the Python functions and constants that it is in the script")


class PaperUse(Value):
    """Use of a paper that was given or found; `use` is empty when it is not, and `reason` says why."""

    paper_id: str
    use: str = ""
    reason: str = ""


class AnsweredFinding(Value):
    """A finding of the review and the author's answer to it."""

    finding: str = Field(description="id, e.g. `A1`")
    said: str = Field(description="the finding in a sentence")
    location: str = ""
    consequence: Consequence = "weakens it"
    look: str = Field(default="", description="id of the look or fact that showed it")
    done: bool
    answer: str = Field(description="what was changed, or why nothing was")
    left: bool = Field(default=False, description="whether the problem was still found after the answer")


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
    object: str = Field(default="", description="only in runs of earlier versions: what the action works on")
    action: str = Field(description="what to do, as imperative sentences")
    rationale: str = ""
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[StepInput, ...] = ()
    outputs: tuple[StepOutput, ...] = ()
    datasets: tuple[str, ...] = ()
    questions: tuple[str, ...] = Field(default=(), description="ids of the questions that its results answer")
    software: tuple[str, ...] = ()
    acceptance: str = Field(default="", description="how to tell that the step succeeded")
    code: str = Field(default="", description="its part of the protocol's script, in Python")
    kind: Literal["dry", "wet"]
    skill: str | None = Field(default=None, description="the skill that carries it out, if any")
    requirements: tuple[str, ...] = Field(default=(), description="ids of the requirements it helps to meet")
    links: tuple[Link, ...] = Field(default=(), description="passages that support it; empty means none does")
    citations: tuple[Citation, ...] = Field(default=(), description="what it rests on, with those that were cut")
    novelty: str = Field(default="", description="only in runs of earlier versions: reason for a step no paper has")
    origin: Origin

    @property
    def grounded(self) -> bool:
        """True when a fact or a passage supports it; general knowledge and what was cut do not count."""
        return bool(self.links) or any(c.kind != "general" and c.state == "supported" for c in self.citations)


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


class Rehearsal(Value):
    """The last run of a protocol's script before registration, on copies with outcomes and groups shuffled."""

    ok: bool = Field(description="whether it ran to its end")
    place: str = Field(
        default="", description="`step 2.1` or `definition …` where it ended; empty when it did not fail"
    )
    shown: str = Field(default="", description="what it printed, shortened")
    error: str = Field(default="", description="how it ended, when it failed or was not run")
    files: tuple[str, ...] = Field(default=(), description="files that it wrote")
    sha256: str = Field(description="digest of the script that was run")


class Protocol(Value):
    """A whole protocol."""

    id: str
    title: str
    objective_id: str
    summary: str = ""
    parts: tuple[ProtocolPart, ...]
    coverage: tuple[Coverage, ...] = ()
    decisions: tuple[Decision, ...] = Field(default=(), description="at a glance, the most important first")
    facts: tuple[ShapingFact, ...] = Field(default=(), description="facts about the data that shape the plan")
    not_done: tuple[NotDone, ...] = ()
    answer_rule: tuple[str, ...] = Field(default=(), description="which result gives which answer, fixed beforehand")
    definitions: tuple[Definition, ...] = Field(default=(), description="what several steps use, defined once")
    papers: tuple[PaperUse, ...] = Field(default=(), description="every paper that was read, used or not")
    answered: tuple[AnsweredFinding, ...] = Field(default=(), description="findings of the review, answered")
    limitations: tuple[str, ...] = ()
    rehearsal: Rehearsal | None = Field(default=None, description="None: the steps have no code, or nothing was run")
    origin: Origin
    revision: int = Field(default=0, description="how often it was revised after a comment; ids may then have gaps")

    @property
    def steps(self) -> tuple[ProtocolStep, ...]:
        """All steps in order."""
        return tuple(step for part in self.parts for step in part.steps)
