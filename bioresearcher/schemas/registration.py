"""Registration of a protocol: digests and time of the plan as it was before any outcome was looked at."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value

Approver = Literal["human", "--yes", "settings"]


class Amendment(Value):
    """A change of a registered protocol."""

    number: int = Field(description="1, 2, … in the order made")
    revision: int = Field(description="the protocol's revision after it")
    protocol: str = Field(description="sha256 of the protocol after it")
    reason: str
    results_seen: bool = Field(description="whether a task had been run on the outcomes before it was made")
    by: Approver
    made: str = Field(description="time, UTC")


class Registration(Value):
    """`registration.json`. Every digest is a sha256 over canonical JSON: sorted keys, no spaces, UTF-8."""

    digest: str = Field(description="of the four entries below together")
    protocol: str = Field(description="of `protocol.json`")
    facts: str = Field(description="of the audit's facts and proposals")
    looks: str = Field(description="of all looks at the data, in order, with what they showed")
    datasets: dict[str, str] = Field(description="prepared data set -> digest of its files' sha256")
    registered: str = Field(description="time, UTC")
    approved_by: Approver
    revision: int = Field(default=0, description="the protocol's revision when it was registered")
    amendments: tuple[Amendment, ...] = Field(default=(), description="in the order made")

    @property
    def in_force(self) -> str:
        """Digest of the protocol in force: after the last amendment."""
        return self.amendments[-1].protocol if self.amendments else self.protocol


DeviationKind = Literal["changed", "added", "dropped", "skipped", "failed", "not registered"]
"""Changed, added, dropped: a step, after the registration. Skipped: a dry step that was not carried out. Failed: a task
without a verified result. Not registered: files that differ from the registration without an amendment."""


class Deviation(Value):
    """A difference between the registered plan and what was done."""

    kind: DeviationKind
    step: str = Field(default="", description="id of the protocol's step, where it is about one")
    task: str = Field(default="", description="id of the task, where it is about one")
    said: str = Field(description="the difference in one sentence")
    reason: str = Field(default="", description="why, in the words of who changed it or of the record")
    made: str = Field(default="", description="time, UTC, where it is known")
    results_seen: bool | None = Field(default=None, description="whether results were there before; None: not known")


class Deviations(Value):
    """The registered plan of a run and what was done otherwise (`deviations`); nothing without a registration."""

    registered: str = Field(default="", description="time, UTC; empty when no plan was registered")
    digest: str = Field(default="", description="of the registration")
    found: tuple[Deviation, ...] = ()
    compared: bool = Field(
        default=True, description="False: the plan as registered is not kept, its steps not compared"
    )
