"""Dry-lab tasks: what code must read, write and show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from bioresearcher.schemas.base import Origin, Value

OutputKind = Literal["table", "figure", "text", "findings", "model"]
Language = Literal["python", "r"]


class ColumnRule(Value):
    """What a column of an output table must be like."""

    name: str
    minimum: float | None = None
    maximum: float | None = None
    numeric: bool = False
    max_missing: float = Field(default=1.0, description="largest share of missing values allowed, 0 to 1")


class TaskInput(Value):
    """A file a task reads: one of a data set's files, or an earlier task's output."""

    name: str
    dataset: str | None = None
    file: str | None = Field(default=None, description="the data set file's `name`")
    task: str | None = None
    output: str | None = Field(default=None, description="the earlier task's output name")


class TaskOutput(Value):
    """A file a task must write, and what must be in it."""

    name: str
    file: str = Field(description="file name with suffix: .tsv, .csv, .png, .svg, .txt, .md, .json")
    kind: OutputKind
    description: str = ""
    columns: tuple[ColumnRule, ...] = ()
    min_rows: int = 1


class DryLabTask(Value):
    """One unit of generated code."""

    id: str = Field(description="`T1`, `T2`, … in execution order")
    title: str
    goal: str
    step_ids: tuple[str, ...] = Field(description="protocol steps it carries out")
    inputs: tuple[TaskInput, ...]
    outputs: tuple[TaskOutput, ...]
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    language: Language = "python"
    packages: tuple[str, ...] = ()
    skill: str | None = None

    @property
    def code_file(self) -> str:
        """What its script is called."""
        return "code.R" if self.language == "r" else "code.py"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the tasks whose outputs it reads, in input order without repeats."""
        return tuple(dict.fromkeys(i.task for i in self.inputs if i.task is not None))


class TaskCode(Value):
    """A script and the helper modules that lie beside it."""

    code: str
    support: dict[str, str] = Field(default_factory=dict, description="file name -> text")
    origin: Origin
    skill: str | None = None
    note: str = Field(default="", description="what the programmer says about it")
