"""Inputs and answers of the prompts of the programmer and the reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.base import LONG, Objective, Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Outcome
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import CheckFinding, MetricName, Review


class ExtractTasksInput(Value):
    """Input of `programmer/extract_tasks`."""

    droppable: ClassVar[Mapping[str, int]] = {"skills": 0}

    protocol: Protocol
    datasets: tuple[Dataset, ...]
    skills: tuple[SkillBrief, ...]
    steps: tuple[str, ...] = Field(default=(), description="ids of the steps that are asked about")


class TasksDraft(Value):
    """The dry-lab tasks, in an order in which they can run."""

    tasks: tuple[DryLabTask, ...]


class SkillExample(Value):
    """A skill with its code, shown as an example."""

    name: str
    description: str
    instructions: str
    code: str
    whole: bool = Field(default=True, description="whether this is all its code, or an outline without instructions")


class WriteCodeInput(Value):
    """Input of `programmer/write_code`."""

    droppable: ClassVar[Mapping[str, int]] = {"examples": 0}

    task: DryLabTask
    input_schemas: str = Field(description="the inputs' real columns, types, sizes and first rows")
    examples: tuple[SkillExample, ...]
    packages: tuple[str, ...] = Field(description="packages that can be imported, with versions")
    questions: tuple[str, ...] = Field(default=(), description="what the findings are to answer, and on which rows")
    registered: str = Field(default="", description="the protocol's own code of the task's steps; empty: it has none")


class RepairCodeInput(Value):
    """Input of `programmer/repair_code`."""

    droppable: ClassVar[Mapping[str, int]] = {"examples": 0}

    task: DryLabTask
    input_schemas: str
    examples: tuple[SkillExample, ...]
    packages: tuple[str, ...]
    questions: tuple[str, ...] = Field(default=(), description="what the findings are to answer, and on which rows")
    code: str = Field(description="the code that failed")
    outcome: Outcome
    message: str = Field(description="reason of the outcome")
    output_tail: str = Field(description="the last lines it printed")
    another_way: bool = Field(description="whether the same kind of failure happened before: try another approach")


class CodeDraft(Value):
    """A complete script; empty code means that no way is known, and the note says why."""

    code: str = Field(json_schema_extra={LONG: True})
    note: str = ""


class ScoreProtocolInput(Value):
    """Input of `reviewer/score_protocol`."""

    objective: Objective | None = Field(description="None when it is not known, as for a protocol from elsewhere")
    protocol: Protocol
    protocol_text: str = Field(description="the protocol as text; it names the parts left out to fit")
    rubric: str
    by_rule: Review = Field(description="the review computed from checks and measurable features")


class MetricScore(Value):
    """A score with the words it rests on."""

    score: float = Field(ge=1, le=5, description="a level of the rubric, or half way between two")
    evidence: tuple[str, ...] = Field(description="one to four stretches of the protocol, copied letter by letter")
    reason: str


class ProtocolScores(Value):
    """The reviewer's scores."""

    metrics: dict[MetricName, MetricScore]
    findings: tuple[CheckFinding, ...] = Field(default=(), description="check id `REVIEWER`, each tied to a location")
    summary: str = Field(description="two or three sentences: what must change first")
