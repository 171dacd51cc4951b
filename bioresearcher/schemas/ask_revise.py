"""What the prompts of a revision take and give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from bioresearcher.schemas.ask_design import KnownStep, ProtocolStepDraft, SkillBrief
from bioresearcher.schemas.base import SENTENCE, Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.protocol import ProtocolPart
from bioresearcher.schemas.review import GateFinding


class ChoosePartsInput(Value):
    """For `designer/choose_parts`."""

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
    """For `designer/revise_part`."""

    droppable: ClassVar[Mapping[str, int]] = {"known": 0, "skills": 0}

    objective: Objective
    comment: str
    part: ProtocolPart
    all_parts: tuple[ProtocolPart, ...] = Field(description="the whole protocol; only its outline is shown")
    known: tuple[KnownStep, ...]
    datasets: tuple[Dataset, ...]
    skills: tuple[SkillBrief, ...]
    findings: tuple[GateFinding, ...]


class RevisedPart(Value):
    """What changes in one part; steps that are not named stay as they are."""

    steps: tuple[ProtocolStepDraft, ...] = Field(
        default=(), description="changed steps in full under their ids, and new ones under new ids"
    )
    dropped: tuple[str, ...] = Field(default=(), description="ids of steps to take out")
    drop_part: bool = Field(default=False, description="whether the whole part is to be taken out")
    reason: str = Field(default="", description="what was done for the comment", json_schema_extra=SENTENCE)
    not_done: str = Field(default="", description="what of the comment cannot be done, and why; empty when all was")
