"""What is kept of a task after its attempts."""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.execution.attempt import AttemptResult
from bioresearcher.execution.folders import OUTPUTS
from bioresearcher.schemas.execution import Artifact, Outcome, TaskRecord
from bioresearcher.schemas.task import DryLabTask


def best_result(results: Sequence[AttemptResult]) -> AttemptResult | None:
    """The result that counts: the highest rung, the later one of equals; None when there is none."""
    return max(results, key=lambda r: (r.attempt.outcome.rank, r.attempt.number), default=None)


def task_record(task: DryLabTask, results: Sequence[AttemptResult]) -> TaskRecord:
    """The record of a task from its attempts, in the order they were made.

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
