"""What came out when a run's tasks were executed again from its folder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value

Verdict = Literal["same", "differs", "cannot"]


class ArtifactCheck(Value):
    """One recorded output file held against that of the repeated task."""

    task_id: str
    file: str
    kind: str
    verdict: Verdict
    detail: str = Field(description="what was compared and how far it agrees, or why it cannot be")


class Reproduction(Value):
    """All checks of a run, in the order of its tasks."""

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
        """How many files have a verdict."""
        return sum(check.verdict == verdict for check in self.checks)
