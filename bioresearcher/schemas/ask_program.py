"""Inputs and answers of the prompts of the programmer and the reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.base import LONG, Objective, Value
from bioresearcher.schemas.conversation import BenchAction, Turn
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Outcome
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import Definition, Protocol, StepInput, StepOutput
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


class StepBrief(Value):
    """A step of the protocol as its programmer needs it: whole, with what it rests on."""

    id: str
    title: str
    action: str
    rationale: str = ""
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[StepInput, ...] = ()
    outputs: tuple[StepOutput, ...] = ()
    software: tuple[str, ...] = ()
    acceptance: str = ""
    sources: tuple[str, ...] = Field(default=(), description="what it rests on: claim, source, and the source's words")


class ProgrammerTurn(Turn):
    """Material that the programmer of a task has at hand in every turn; the conversation's opening shows all of it."""

    droppable: ClassVar[Mapping[str, int]] = {"examples": 0}

    packages: tuple[str, ...] = Field(description="packages that can be imported, with versions")
    limits: tuple[str, ...] = Field(default=(), description="what the sandbox allows, in words")
    helpers: tuple[str, ...] = Field(default=(), description="functions of the helper modules: signature and purpose")
    examples: tuple[SkillExample, ...] = ()
    definitions: tuple[Definition, ...] = Field(default=(), description="the protocol's, as far as the steps name them")
    task: DryLabTask
    steps: tuple[StepBrief, ...] = Field(default=(), description="the steps that the task carries out, whole")
    questions: tuple[str, ...] = Field(default=(), description="what the findings are to answer, and on which rows")
    registered: str = Field(default="", description="the protocol's own code of the task's steps; empty: it has none")
    input_schemas: str = Field(description="the inputs' real columns, types, sizes and first rows")
    cells: bool = Field(default=False, description="whether cells can be run")


class WriteCodeInput(ProgrammerTurn):
    """Input of `programmer/write_code`."""

    round: int = 0
    rounds: int = Field(default=0, description="rounds at most; 0: there are no rounds, the script is due")


class RepairCodeInput(ProgrammerTurn):
    """Input of `programmer/repair_code`."""

    round: int = 0
    rounds: int = Field(default=0, description="rounds at most; 0: there are no rounds, the script is due")
    code: str = Field(description="the code that failed; empty where it is the last answer")
    outcome: Outcome
    message: str = Field(description="reason of the outcome")
    output_tail: str = Field(description="the last lines it printed")
    another_way: bool = Field(description="whether the same kind of failure happened before: try another approach")
    refused: str = Field(default="", description="why the edits just given could not be made: the script is due whole")


class CodeEdit(Value):
    """A small change of a script: text that stands exactly once in it, and what takes its place."""

    old: str = Field(description="text of the script, copied letter by letter with its indents; it stands there once")
    new: str = Field(description="what takes its place; empty to take it out")


class CodeDraft(Value):
    """Cells to run first, or the complete script, or edits of a script that failed.

    Without any no way is known, and the note says why.
    """

    do: tuple[BenchAction, ...] = Field(
        default=(), max_length=3, description="cells to run before the script is written, in order; empty with a script"
    )
    code: str = Field(description="the complete script; empty while cells are run", json_schema_extra={LONG: True})
    edits: tuple[CodeEdit, ...] = Field(
        default=(), max_length=12, description="small changes of the script that failed, instead of the complete one"
    )
    note: str = ""

    @property
    def finish(self) -> bool:
        """True when nothing more is to be run before the script."""
        return bool(self.code.strip()) or bool(self.edits) or not self.do

    @property
    def to_run(self) -> tuple[BenchAction, ...]:
        """Cells to run: none beside a script, which starts from nothing."""
        return () if self.finish else self.do


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
