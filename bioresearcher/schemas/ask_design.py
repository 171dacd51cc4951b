"""Inputs and answers of the designer's prompts, those of a revision included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Objective, Value
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, Relation, ReportPartRef, StepInput, StepOutput
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.schemas.skill import SkillContract


class KnownPart(Value):
    """A part of a paper report at heading level, with its referability."""

    paper_id: str
    paper_title: str
    part_id: str
    title: str
    purpose: str
    level: Literal["low", "medium", "high"]
    reason: str = Field(default="", description="why it has this level")
    reuse: str
    change: str
    actions: tuple[str, ...] = Field(default=(), description="its steps' actions; shown at outline level only")


class KnownStep(Value):
    """A step of a paper report in full."""

    paper_id: str
    part_id: str
    step_id: str
    action: str
    details: str
    parameters: tuple[Parameter, ...]
    software: tuple[str, ...]
    quotes: tuple[str, ...]


class SkillBrief(Value):
    """Description of a skill without its code."""

    name: str
    description: str
    contract: SkillContract


class DesignHeadingsInput(Value):
    """Input of `designer/design_headings`."""

    droppable: ClassVar[Mapping[str, int]] = {"known": 0, "skills": 0}

    objective: Objective
    known: tuple[KnownPart, ...]
    datasets: tuple[Dataset, ...]
    checks: tuple[DatasetCheck, ...] = Field(default=(), description="suitability of each data set for the objective")
    skills: tuple[SkillBrief, ...]
    max_parts: int = Field(default=12, description="parts at most")
    findings: tuple[CheckFinding, ...] = Field(description="the reviewer's findings on the previous draft")


class HeadingDraft(Value):
    """A part to be designed."""

    id: str = Field(description="`1`, `2`, … in order")
    title: str
    purpose: str = Field(
        description="what this part contributes to the objective, in one sentence", json_schema_extra=SENTENCE
    )
    reason: str = Field(description="why it stands here: what it needs and what needs it", json_schema_extra=SENTENCE)
    depends_on: tuple[str, ...] = Field(default=(), description="ids of earlier parts")
    relations: tuple[Relation, ...] = Field(default=(), description="one per earlier part it depends on, with why")
    learns_from: tuple[ReportPartRef, ...] = ()


class HeadingsDraft(Value):
    """The protocol's parts."""

    title: str
    summary: str = Field(description="two to four sentences; no results")
    parts: tuple[HeadingDraft, ...]


class DesignOutlinesInput(Value):
    """Input of `designer/design_outlines`."""

    droppable: ClassVar[Mapping[str, int]] = {"known": 0, "skills": 0}

    objective: Objective
    parts: tuple[ProtocolPart, ...]
    known: tuple[KnownPart, ...]
    datasets: tuple[Dataset, ...]
    checks: tuple[DatasetCheck, ...] = ()
    skills: tuple[SkillBrief, ...]
    findings: tuple[CheckFinding, ...]


class PartOutline(Value):
    """The steps of one part, a line each."""

    part_id: str
    lines: tuple[OutlineLine, ...]


class OutlinesDraft(Value):
    """Outlines of all parts, in order."""

    parts: tuple[PartOutline, ...]


class WriteStepsInput(Value):
    """Input of `designer/write_steps`."""

    droppable: ClassVar[Mapping[str, int]] = {"known": 0, "skills": 0}

    objective: Objective
    part: ProtocolPart
    all_parts: tuple[ProtocolPart, ...] = Field(description="headings and outlines of the whole protocol")
    known: tuple[KnownStep, ...] = Field(description="steps of the paper reports this part can learn from")
    datasets: tuple[Dataset, ...]
    checks: tuple[DatasetCheck, ...] = ()
    skills: tuple[SkillBrief, ...]
    findings: tuple[CheckFinding, ...]


class LearntFrom(Value):
    """A report step, by ids."""

    paper_id: str
    part_id: str
    step_id: str


class ProtocolStepDraft(Value):
    """One step of the part; `id` is one of the outline's."""

    id: str
    title: str
    object: str = Field(default="", description="what the action works on, in a few words")
    action: str = Field(description="what to do, as imperative sentences with every parameter")
    rationale: str = Field(description="why it is done this way; no results")
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[StepInput, ...] = ()
    outputs: tuple[StepOutput, ...] = ()
    datasets: tuple[str, ...] = ()
    software: tuple[str, ...] = ()
    acceptance: str = Field(description="a check that tells whether the step succeeded, not the hoped-for result")
    kind: Literal["dry", "wet"]
    skill: str | None = None
    requirements: tuple[str, ...] = Field(default=(), description="ids of requirements it helps to meet")
    learnt_from: tuple[LearntFrom, ...] = ()
    novelty: str = Field(
        default="", description="when it takes over nothing: why it is needed all the same", json_schema_extra=SENTENCE
    )


class StepsDraft(Value):
    """The steps of one part."""

    steps: tuple[ProtocolStepDraft, ...]


class ChoosePartsInput(Value):
    """Input of `designer/choose_parts`."""

    comment: str
    parts: tuple[ProtocolPart, ...]


class PartConcern(Value):
    """The answer for one part."""

    part: str
    reason: str = Field(description="why it must change for the comment, or why not", json_schema_extra=SENTENCE)
    concerned: bool = Field(description="Must this part change for the comment to be met?")


class PartsChosen(Value):
    """One answer per part."""

    parts: tuple[PartConcern, ...]


class RevisePartInput(Value):
    """Input of `designer/revise_part`."""

    droppable: ClassVar[Mapping[str, int]] = {"known": 0, "skills": 0}

    objective: Objective
    comment: str
    part: ProtocolPart
    all_parts: tuple[ProtocolPart, ...] = Field(description="the whole protocol; only its outline is shown")
    known: tuple[KnownStep, ...]
    datasets: tuple[Dataset, ...]
    skills: tuple[SkillBrief, ...]
    findings: tuple[CheckFinding, ...]


class RevisedPart(Value):
    """Changes of one part; steps that are not named stay as they are."""

    steps: tuple[ProtocolStepDraft, ...] = Field(
        default=(), description="changed steps in full under their ids, and new ones under new ids"
    )
    dropped: tuple[str, ...] = Field(default=(), description="ids of steps to take out")
    drop_part: bool = Field(default=False, description="whether the whole part is to be taken out")
    reason: str = Field(default="", description="what was done for the comment", json_schema_extra=SENTENCE)
    not_done: str = Field(default="", description="what of the comment cannot be done, and why; empty when all was")
