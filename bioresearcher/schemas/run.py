"""Manifest of a run, people's decisions at its approvals, and revisions of a protocol after a comment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.base import Objective, Origin, Requirement, Usage, UsageRow, Value
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.paper import Failure
from bioresearcher.schemas.review import CheckFinding, DraftReview

RUN_FORMAT = 1
"""Version of the run folder's layout; a folder with a larger number is refused."""


class Totals(Value):
    """Counts over the whole run; see ARCHITECTURE.md for each."""

    papers_found: int = 0
    papers_read: int = 0
    datasets_used: int = 0
    quotes: int = 0
    quotes_located: int = 0
    steps: int = 0
    steps_linked: int = 0
    tasks: int = 0
    exit_ok: int = 0
    verified: int = 0
    questions: int = Field(default=0, description="questions that the objective asks of data")
    answered: int = 0
    partly_answered: int = 0
    outcomes: dict[str, int] = Field(default_factory=dict)
    task_outcomes: dict[str, str] = Field(default_factory=dict, description="task id -> rung")
    attempts: int = Field(default=0, description="runs of code on the real data, repairs included")
    error_classes: dict[str, int] = Field(
        default_factory=dict, description="rung -> attempts that ended on it, verified ones left out"
    )
    repairs: int = 0
    human_interventions: int = Field(default=0, description="a person's decisions that changed or closed something")
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = 0.0
    tokens_per_verified: float | None = Field(
        default=None,
        description="tokens in and out of the programmer's questions per verified task; null: no model, none verified",
    )
    cost_per_verified_usd: float | None = Field(default=None, description="the same in money; null also: not known")
    wall_s: float = 0
    cpu_s: float = 0


class Decision(Value):
    """Decision of a person (or `--yes`, or the settings) at an approval; `more` follow while it stays open."""

    gate: str
    approved: bool
    by: Literal["human", "--yes", "settings"]
    more: bool = Field(default=False, description="whether the approval stays open after it")
    turn: int = Field(default=0, description="number of decisions at this approval before it")
    typed: str = Field(default="", description="the line as it was typed in a session")
    outcome: str = Field(default="", description="result, in words")
    changed: bool = Field(default=True, description="whether it changed anything or closed the approval")
    drop: tuple[str, ...] = Field(default=(), description="ids taken out of the selection, or tasks to be skipped")
    add: tuple[str, ...] = Field(default=(), description="ids taken into the selection, or tasks not to be skipped")
    given: tuple[str, ...] = Field(
        default=(), description="identifiers, and files as `paper:<path>` or `data:<path>`, that were not known before"
    )
    confirmed: tuple[str, ...] = Field(default=(), description="ids of retracted papers to be used all the same")
    text: str = Field(default="", description="headings, outlines or a part as the person wrote them")
    parts: tuple[str, ...] = Field(default=(), description="parts of the protocol that are approved, or written anew")
    limits: dict[str, Limits] = Field(default_factory=dict, description="task -> what it may use")
    papers: tuple[str, ...] = Field(default=(), description="ids of the papers that are read")
    datasets: tuple[str, ...] = Field(default=(), description="ids of the data sets that are used")
    comment: str = ""
    revision: int = Field(default=0, description="which revision of the protocol it is about or, for a comment, makes")


class Replay(Value):
    """Comparison of a replayed run with the run it repeats.

    `run_id`, `started` and `command` are those of the run that asked for the answers, also when a replay is replayed.
    """

    folder: str = Field(description="the run folder whose ledger was copied and whose files are compared")
    run_id: str
    started: str
    command: tuple[str, ...] = ()
    compared: dict[str, int] = Field(default_factory=dict, description="kind of file -> number of files compared")
    identical: bool | None = Field(default=None, description="whether all are the same, byte for byte; None: not yet")
    differing: tuple[str, ...] = Field(default=(), description="files that differ or are in one of the runs only")
    changed: tuple[str, ...] = Field(
        default=(), description="versions, prompts, settings, sandbox that are not as they were"
    )


class ChosenPath(Value):
    """The path of a run (`path.json`): all of the pipeline, or the short one of a mere computation."""

    short: bool
    why: str = Field(default="", description="why not the short path; empty on it")


class AddedInput(Value):
    """A file or folder that the researcher added at the approval of the selection; `added.json` lists them."""

    kind: Literal["paper", "data"]
    path: str
    ids: tuple[str, ...] = Field(description="the papers or data sets in it")
    digests: dict[str, str] = Field(description="path -> sha256 of every file that was read")


class Spent(Value):
    """Use of models for one kind of work, over all its steps; `units` counts papers, protocols or tasks."""

    work: str = Field(description="search, reading, design, review, tasks, code, repairs or answer")
    unit: str = Field(description="paper, protocol, task or run")
    units: int
    usage: Usage
    not_cached: int = Field(description="input tokens that no cache saved")
    input_per_unit: float | None = Field(description="input tokens for each unit; null: there is none")


class RunRecord(Value):
    """`run.json`."""

    format: int = RUN_FORMAT
    run_id: str
    status: Literal["running", "done", "stopped", "failed"]
    stopped_by: str = ""
    started: str
    finished: str | None = None
    objective: Objective
    settings: dict[str, JsonValue]
    backend: str
    backend_reason: str = Field(default="", description="reason for this backend")
    forecast: tuple[str, ...] = Field(default=(), description="forecast of calls, tokens and cost, as shown")
    sandbox: str = ""
    sandbox_test: tuple[str, ...] = Field(
        default=(),
        description="results of the sandbox's self-test when the run was last opened; empty without isolation",
    )
    versions: dict[str, str]
    digests: dict[str, str] = Field(default_factory=dict, description="prompts and cards: name -> digest and source")
    inputs: dict[str, str] = Field(default_factory=dict, description="input files -> sha256")
    totals: Totals = Totals()
    usage: tuple[UsageRow, ...] = Field(default=(), description="use of models by step, role and model")
    spent: tuple[Spent, ...] = Field(default=(), description="use of models by what it was spent for")
    decisions: tuple[Decision, ...] = ()
    failures: tuple[Failure, ...] = ()
    not_verified: tuple[str, ...] = ()
    answers: Answers = Field(default=Answers(), description="state of every question and requirement after the run")
    replay_of: Replay | None = Field(default=None, description="set when the answers were recorded by another run")


REVISE = "revise_protocol"
"""Name of a comment among a run's decisions (`Decision.gate`)."""


class ConcernedPart(Value):
    """A part that a comment concerns, with the reason."""

    part: str
    reason: str


class StepChange(Value):
    """Change of one step."""

    step: str
    what: Literal["changed", "added", "dropped"]
    why: str


class Revision(Value):
    """`revisions/<number>/revision.json`; the protocols before and after lie beside it."""

    number: int
    comment: str
    concerned: tuple[ConcernedPart, ...] = Field(description="parts that were looked at for a change")
    changed_parts: tuple[str, ...] = Field(description="parts that changed; all others are the same, byte for byte")
    changes: tuple[StepChange, ...] = ()
    excluded: tuple[str, ...] = Field(default=(), description="data sets and papers that may no longer be used")
    requirements: tuple[Requirement, ...] = Field(default=(), description="requirements that were added")
    not_done: tuple[str, ...] = Field(
        default=(), description="requests of the comment that were not met, with the reason"
    )
    rounds: tuple[DraftReview, ...] = ()
    found: tuple[CheckFinding, ...] = Field(default=(), description="findings of the checks that were not there before")
    resolved: tuple[CheckFinding, ...] = Field(default=(), description="findings of the checks that are gone")
    origin: Origin
