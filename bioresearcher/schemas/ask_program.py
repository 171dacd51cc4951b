"""What the programmer's prompts take and give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.base import LONG, Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import Outcome
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.task import DryLabTask


class ExtractTasksInput(Value):
    """For `programmer/extract_tasks`."""

    droppable: ClassVar[Mapping[str, int]] = {"skills": 0}

    protocol: Protocol
    datasets: tuple[Dataset, ...]
    skills: tuple[SkillBrief, ...]


class TasksDraft(Value):
    """The dry-lab tasks, in an order in which they can run."""

    tasks: tuple[DryLabTask, ...]


class SkillExample(Value):
    """A vetted analysis with its code, shown as an example."""

    name: str
    description: str
    instructions: str
    code: str
    whole: bool = Field(default=True, description="whether this is all its code, or an outline without instructions")


class WriteCodeInput(Value):
    """For `programmer/write_code`."""

    droppable: ClassVar[Mapping[str, int]] = {"examples": 0}

    task: DryLabTask
    input_schemas: str = Field(description="the inputs' real columns, types, sizes and first rows")
    examples: tuple[SkillExample, ...]
    packages: tuple[str, ...] = Field(description="what can be imported, with versions")


class RepairCodeInput(Value):
    """For `programmer/repair_code`."""

    droppable: ClassVar[Mapping[str, int]] = {"examples": 0}

    task: DryLabTask
    input_schemas: str
    examples: tuple[SkillExample, ...]
    packages: tuple[str, ...]
    code: str = Field(description="the code that did not do")
    outcome: Outcome
    message: str = Field(description="what decided the outcome")
    output_tail: str = Field(description="the last lines it printed")
    another_way: bool = Field(description="whether the same kind of failure happened before: try another approach")


class CodeDraft(Value):
    """A complete script; empty code means that no way is known, and the note says why."""

    code: str = Field(json_schema_extra={LONG: True})
    note: str = ""
