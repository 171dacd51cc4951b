"""The record of a task from its attempts, and counts of attempts, repairs and cost over all tasks of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bioresearcher.execution.attempt import AttemptResult
from bioresearcher.execution.folders import OUTPUTS
from bioresearcher.schemas.base import Usage, UsageRow
from bioresearcher.schemas.execution import Artifact, DryLabTask, Outcome, TaskRecord

_PROGRAMMER = "programmer/"


def best_result(results: Sequence[AttemptResult]) -> AttemptResult | None:
    """Return the result that counts: the highest rung, the later one of equals; None when there is none."""
    return max(results, key=lambda r: (r.attempt.outcome.rank, r.attempt.number), default=None)


def task_record(task: DryLabTask, results: Sequence[AttemptResult]) -> TaskRecord:
    """Return the record of a task from its attempts, in the order they were made.

    Outcome, artifacts and findings are those of `best_result`; artifact paths point into the task's
    `outputs/`, where `promote(folder, best_result(results).attempt.number)` puts them. Exit code success is
    that of the same attempt, so that a verified task is always also one that ended well. No attempt at all is
    `not_run`.
    """
    best = best_result(results)
    if best is None:
        message = "no attempt was made"
        return TaskRecord(task_id=task.id, outcome=Outcome.NOT_RUN, message=message, exit_ok=False)
    return TaskRecord(
        task_id=task.id,
        outcome=best.attempt.outcome,
        message=best.attempt.message,
        exit_ok=best.attempt.exit_code == 0,
        attempts=tuple(r.attempt for r in results),
        artifacts=tuple(map(_promoted, best.artifacts)),
        findings=best.findings,
        perturbed=best.perturbed,
        warnings=best.warnings,
        sandbox=best.attempt.sandbox,
    )


def _promoted(artifact: Artifact) -> Artifact:
    name = artifact.path.rsplit("/", 1)[-1]
    return artifact.model_copy(update={"path": f"{OUTPUTS}/{name}"})


@dataclass(frozen=True)
class Automation:
    """Counts over all tasks of a run.

    Attributes:
        attempts: Runs of code, the first and every repair.
        repairs: Attempts after a task's first.
        error_classes: Rung -> attempts that ended on it, `verified` left out.
        task_outcomes: Task id -> rung.
        tokens_per_verified: Tokens in and out of the programmer's questions (tasks, code, repairs) for each verified
            task; None where no model was asked or nothing was verified.
        cost_per_verified_usd: The same in money; None also where a price is not known.
    """

    attempts: int
    repairs: int
    error_classes: dict[str, int]
    task_outcomes: dict[str, str]
    tokens_per_verified: float | None
    cost_per_verified_usd: float | None


def automation(records: Sequence[TaskRecord], usage: Sequence[UsageRow]) -> Automation:
    """Count attempts, repairs and cost; the cost of a verified task includes that of failed attempts."""
    ended = Counter(str(a.outcome) for r in records for a in r.attempts)
    spent = Usage()
    for row in usage:
        if row.step.startswith(_PROGRAMMER):
            spent += row.usage
    verified = sum(r.verified for r in records)
    asked = verified and spent.calls
    tokens, cost = spent.input_tokens + spent.output_tokens, spent.cost_usd
    return Automation(
        attempts=sum(ended.values()),
        repairs=sum(r.repairs for r in records),
        error_classes={rung: n for rung, n in sorted(ended.items()) if rung != "verified"},
        task_outcomes={r.task_id: str(r.outcome) for r in records},
        tokens_per_verified=round(tokens / verified, 1) if asked else None,
        cost_per_verified_usd=round(cost / verified, 6) if asked and cost is not None else None,
    )
