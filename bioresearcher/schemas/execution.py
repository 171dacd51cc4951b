"""What happened when a task ran."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, JsonValue

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.task import OutputKind


class Outcome(StrEnum):
    """The ladder: a task's outcome is the worst thing that is true (the order of definition is the order)."""

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
    VERIFIED = "verified"

    @property
    def rank(self) -> int:
        """0 for `not_run` up to 10 for `verified`."""
        return list(Outcome).index(self)


class Limits(Value):
    """What a sandboxed process tree may use."""

    wall_s: float = 300
    cpu_s: float = 300
    memory_mb: int = 2048
    processes: int = 64
    file_mb: int = 256
    disk_mb: int = 1024
    files: int = 5000
    tmp_mb: int = 256
    shm_mb: int = 64
    output_bytes: int = 2_000_000


class ResourceUse(Value):
    """What it did use."""

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


class Finding(Value):
    """A statement a task computed from its data, with the numbers it states."""

    statement: str
    values: dict[str, JsonValue] = Field(default_factory=dict)


class PerturbedRun(Value):
    """The second run on perturbed inputs: what changed in the declared outputs."""

    done: bool
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    reason: str = Field(default="", description="how the inputs were perturbed, or why this was not done")


class Attempt(Value):
    """One run of one version of a task's code."""

    number: int
    outcome: Outcome
    message: str = Field(description="what decided the outcome, in one or two lines")
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    code_sha256: str
    code_origin: Origin
    skill: str | None = None
    use: ResourceUse = ResourceUse()
    sandbox: str = ""


class TaskRecord(Value):
    """All that is known of a task after it was worked on."""

    task_id: str
    outcome: Outcome
    message: str
    exit_ok: bool = Field(description="whether the process of the attempt that counts ended with exit code 0")
    attempts: tuple[Attempt, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    findings: tuple[Finding, ...] = ()
    perturbed: PerturbedRun | None = None
    warnings: tuple[str, ...] = ()
    sandbox: str = ""

    @property
    def verified(self) -> bool:
        """Whether the task reached the top of the ladder."""
        return self.outcome is Outcome.VERIFIED

    @property
    def repairs(self) -> int:
        """Attempts after the first."""
        return max(0, len(self.attempts) - 1)
