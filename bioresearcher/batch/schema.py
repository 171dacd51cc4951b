"""The values of a batch: its entries, its manifest, the jobs they become, and the outcome of each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, Strict, StringConstraints

from bioresearcher.llm.budget import Budget
from bioresearcher.schemas.base import Objective, Value
from bioresearcher.schemas.run import Totals

BATCH_FORMAT = 1
"""Version of the batch folder's layout; a folder with a larger number is refused."""
MOST_REPEATS = 1_000

EntryId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class BatchEntry(Value):
    """One objective of a batch file, as written there but with absolute paths."""

    id: EntryId = Field(description="unique in the file; part of the run folder's name")
    line: int = Field(ge=1, description="where it begins in the file")
    objective: Text | None = Field(default=None, description="the objective in words; or `example`")
    example: Text | None = Field(default=None, description="a packaged example")
    conditions: tuple[Text, ...] = ()
    requirements: tuple[Text, ...] = ()
    papers: tuple[Path, ...] = Field(default=(), description="files and folders with papers")
    data: tuple[Path, ...] = Field(default=(), description="files and folders with data")
    settings: dict[str, JsonValue] = Field(default_factory=dict, description="as in bioresearcher.toml")
    budget: Budget = Field(default=Budget(), description="what one run of it may spend")
    repeats: Annotated[int, Strict(), Field(ge=1, le=MOST_REPEATS)] | None = Field(
        default=None, description="runs of it; None: as many as asked"
    )

    @property
    def digest(self) -> str:
        """16 hex digits of the sha256 over all that its results depend on: not line, budget and number of repeats."""
        fields = self.model_dump(mode="json", exclude={"line", "budget", "repeats"})
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


class BatchPlan(Value):
    """`batch.json`, the manifest; written anew each time the batch is started or continued."""

    format: int = BATCH_FORMAT
    name: str
    file: Path = Field(description="the batch file")
    file_sha256: str
    started: str = Field(description="when the batch was first started (UTC)")
    continued: str = Field(description="when it was last started or continued (UTC)")
    entries: tuple[BatchEntry, ...]
    repeats: int = Field(default=1, description="runs of an entry that does not say how many")
    settings: dict[str, JsonValue] = Field(description="settings of the batch, before those of an entry")
    budget: Budget = Field(default=Budget(), description="what all runs together may spend")
    jobs: int = Field(description="runs side by side")
    command: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)

    def expected(self) -> list[tuple[str, int]]:
        """Return (id, repeat) of every run, in the order of the file: all first repeats before the second ones."""
        wanted = [(entry.id, entry.repeats or self.repeats) for entry in self.entries]
        most = max((number for _, number in wanted), default=0)
        return [(name, k) for k in range(1, most + 1) for name, number in wanted if k <= number]


class BatchJob(Value):
    """One objective and repeat, with all that a worker on any machine needs."""

    id: str
    repeat: int = Field(ge=1)
    seed: int | None = Field(default=None, description="for models that take one; None: none is set")
    digest: str = Field(description="of the entry")
    batch: Path = Field(description="the batch folder")
    run: Path = Field(description="the run folder")
    objective: Objective
    papers: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    settings: dict[str, JsonValue] = Field(description="all settings, as in run.json")
    together: Budget = Field(default=Budget(), description="what all runs of the batch together may spend")
    until: float | None = Field(default=None, description="when the batch's minutes end, in seconds since 1970")
    attempt: int = Field(default=1, ge=1, description="processes that worked on it, with this one")
    backend_reason: str = ""
    command: tuple[str, ...] = ()


class JobProgress(Value):
    """The progress of a run that is under way."""

    stage: str = ""
    tasks: int = 0
    verified: int = 0
    tokens: int = 0
    cost_usd: float | None = 0.0


Status = Literal["done", "stopped", "failed"]


class JobOutcome(Value):
    """The outcome of a job: a line of `outcomes.jsonl`; of several with the same id and repeat the last one counts.

    `status` is `done` (protocol, report and results are there), `stopped` (in order; the batch goes on with it) or
    `failed` (an error, or the process died; the batch tries it again).
    """

    id: str
    repeat: int
    seed: int | None = None
    digest: str = Field(description="of the entry; another one than the entry's now means that it was changed since")
    run: Path = Field(description="the run folder, relative to the batch folder")
    status: Status
    exit_code: int = Field(description="as of `bioresearcher run`; 128 + n when signal n killed the process")
    reason: str = Field(default="", description="why it stopped or failed")
    totals: Totals = Field(default=Totals(), description="of the run so far, earlier attempts included")
    attempts: int = Field(default=1, description="processes that worked on it, as far as their ends were recorded")
    started: str = Field(description="when the last attempt began (UTC)")
    finished: str = Field(description="when it ended (UTC)")
    peak_mb: float | None = Field(default=None, description="largest resident memory of the last attempt's process")
