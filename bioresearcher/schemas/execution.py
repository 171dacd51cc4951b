"""Dry-lab tasks, the records of their execution, and the check of a reproduced run."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, get_args

from pydantic import Field, JsonValue, model_validator

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.question import EffectMeasure, QuestionKind, effect_of

OutputKind = Literal["table", "figure", "text", "findings", "model"]
Language = Literal["python", "r"]


class ColumnRule(Value):
    """Rule for a column of an output table."""

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
    """A file that a task must write, with rules for its contents."""

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
    questions: tuple[str, ...] = Field(default=(), description="ids of the questions that its findings answer")
    inputs: tuple[TaskInput, ...]
    outputs: tuple[TaskOutput, ...]
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    language: Language = "python"
    packages: tuple[str, ...] = ()
    skill: str | None = None

    @property
    def code_file(self) -> str:
        """File name of its script."""
        return "code.R" if self.language == "r" else "code.py"

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the tasks whose outputs it reads, in the order of the inputs, without repeats."""
        return tuple(dict.fromkeys(i.task for i in self.inputs if i.task is not None))


class TaskCode(Value):
    """A script and its helper modules."""

    code: str
    support: dict[str, str] = Field(default_factory=dict, description="file name -> text")
    origin: Origin
    skill: str | None = None
    note: str = Field(default="", description="the programmer's remark")


class Outcome(StrEnum):
    """Outcome of a task or attempt: the worst of these that applies, in the order of their definition."""

    NOT_RUN = "not_run"
    BLOCKED = "blocked"
    SYNTAX = "syntax"
    DEPENDENCY = "dependency"
    RUNTIME = "runtime"
    KILLED = "killed"
    NO_OUTPUT = "no_output"
    BAD_OUTPUT = "bad_output"
    PLACEHOLDER = "placeholder"
    INPUT_INDEPENDENT = "input_independent"
    OFF_QUESTION = "off_question"
    VERIFIED = "verified"

    @property
    def rank(self) -> int:
        """0 for `not_run` up to 11 for `verified`."""
        return list(Outcome).index(self)


class Limits(Value):
    """Limits of a sandboxed process tree."""

    wall_s: float = 300
    cpu_s: float = 300
    memory_mb: int = 2048
    processes: int = 64
    file_mb: int = 512
    disk_mb: int = 1024
    files: int = 5000
    tmp_mb: int = 256
    shm_mb: int = 64
    output_bytes: int = 2_000_000


class ResourceUse(Value):
    """Use of resources by a sandboxed process tree."""

    wall_s: float = 0
    cpu_s: float = 0
    peak_memory_mb: float = 0


class ExecResult(Value):
    """One process run in a sandbox. `killed` names the limit that ended it, if one did."""

    exit_code: int
    stdout: str
    stderr: str
    killed: str | None = None
    use: ResourceUse
    sandbox: str = Field(description="`bubblewrap`, `container` or `none`")


class Artifact(Value):
    """An output file that was collected; `path` is relative to the task's folder."""

    name: str
    path: str
    kind: OutputKind
    sha256: str
    bytes: int
    summary: str = Field(default="", description="rows and columns, or pixels")


class Compared(Value):
    """Groups that a result compares: `case` minus (or against) `control`, or all of `levels`; none of a number."""

    column: str
    case: str | None = None
    control: str | None = None
    levels: tuple[str, ...] = ()


class Result(Value):
    """Numbers of a finding and of the samples it rests on, which are held against the analysis set of its question.

    `n` counts rows of the sample sheet (of pairs both), `groups` those of each level of the contrast.
    """

    kind: QuestionKind
    population: str = Field(default="", description="id of the data set that was analysed, as the task names it")
    measure: str = Field(default="", description="`features`, or the name of the gene, signature or column")
    contrast: Compared | None = None
    endpoint: str = Field(default="", description="e.g. `OS`; empty when there is none or it is not stated")
    time_column: str = ""
    event_column: str = ""
    effect: EffectMeasure = ""
    effect_words: str = Field(default="", description="the effect as its code calls it, where that is another word")
    estimate: float | None = Field(default=None, description="of case minus control, or per unit or SD of the measure")
    low: float | None = Field(default=None, description="lower end of the 95 % interval")
    high: float | None = Field(default=None, description="upper end of the 95 % interval")
    p: float | None = None
    fdr: float | None = Field(
        default=None, description="false discovery rate, or the level at which features are called"
    )
    tested: int | None = Field(default=None, description="features that were tested")
    called: int | None = None
    higher: int | None = Field(default=None, description="called features that are higher in the case")
    lower: int | None = None
    n: int
    groups: dict[str, int] = Field(default_factory=dict, description="level of the contrast -> n")
    events: int | None = None
    group_events: dict[str, int] = Field(default_factory=dict)
    pairs: int | None = None
    missing: int = Field(default=0, description="rows of the analysis set left out for want of a value")
    left_out: dict[str, str] = Field(
        default_factory=dict, description="rows that the registered protocol leaves out -> its words; set by the check"
    )
    terms: tuple[str, ...] = Field(default=(), description="columns in the model beside measure and contrast")
    test: str = Field(default="", description="name of the test or model")

    @model_validator(mode="before")
    @classmethod
    def _known_effect(cls, value: object) -> object:
        """Take another word for an effect as the known one it means, or keep it as words: it is no mistake."""
        said = value.get("effect") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(said, str) or said in get_args(EffectMeasure):
            return value
        return {**value, "effect": effect_of(said), "effect_words": said[:80]}


class Finding(Value):
    """A statement that a task computed from its data, with the numbers in it; `result` is what a question needs."""

    statement: str
    values: dict[str, JsonValue] = Field(default_factory=dict)
    result: Result | None = None


class PerturbedRun(Value):
    """Second run of a task on perturbed inputs: the declared outputs that changed."""

    done: bool
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    reason: str = Field(default="", description="the perturbation, or the reason why there was none")


class Attempt(Value):
    """One run of one version of a task's code."""

    number: int
    outcome: Outcome
    message: str = Field(description="reason of the outcome, in one or two lines")
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    code_sha256: str
    code_origin: Origin
    skill: str | None = None
    use: ResourceUse = ResourceUse()
    sandbox: str = ""


class TaskRecord(Value):
    """Record of a task: its outcome, attempts, outputs and findings."""

    task_id: str
    outcome: Outcome
    message: str
    exit_ok: bool = Field(description="whether the process of the deciding attempt ended with exit code 0")
    attempts: tuple[Attempt, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    findings: tuple[Finding, ...] = ()
    perturbed: PerturbedRun | None = None
    warnings: tuple[str, ...] = ()
    sandbox: str = ""

    @property
    def verified(self) -> bool:
        """True when the outcome is `verified`."""
        return self.outcome is Outcome.VERIFIED

    @property
    def repairs(self) -> int:
        """Attempts after the first."""
        return max(0, len(self.attempts) - 1)


Verdict = Literal["same", "differs", "cannot"]


class ArtifactCheck(Value):
    """Comparison of a recorded output file with that of the repeated task."""

    task_id: str
    file: str
    kind: str
    verdict: Verdict
    detail: str = Field(description="the comparison and the agreement, or the reason why it cannot be compared")


class Reproduction(Value):
    """Comparisons of a reproduced run, in the order of its tasks."""

    run_id: str
    sandbox: str
    checks: tuple[ArtifactCheck, ...]
    no_outputs: dict[str, str] = Field(
        default_factory=dict, description="tasks that left nothing to compare: id -> outcome and message"
    )
    changed: dict[str, tuple[str, str]] = Field(
        default_factory=dict, description="packages with another version: name -> (at the run, now)"
    )

    def count(self, verdict: Verdict) -> int:
        """Count the files with a verdict."""
        return sum(check.verdict == verdict for check in self.checks)
