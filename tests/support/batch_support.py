"""Batch folders as a batch leaves them, made of numbers (loaded by path)."""

from pathlib import Path

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.schema import BatchEntry, BatchPlan, JobOutcome
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.review import METRICS, Metric, Review
from bioresearcher.schemas.run import Totals

WHEN = "2026-11-28T09:00:00Z"


def entry(name: str, **more) -> BatchEntry:
    return BatchEntry(id=name, line=1, objective=f"Study {name}.", **more)


def totals(tasks: int, exit_ok: int, verified: int, **more) -> Totals:
    rungs = {"verified": verified, "bad_output": exit_ok - verified, "runtime": tasks - exit_ok}
    return Totals(
        tasks=tasks, exit_ok=exit_ok, verified=verified, outcomes={k: v for k, v in rungs.items() if v},
        **{"input_tokens": 900, "output_tokens": 100, "cost_usd": 0.5, "wall_s": 60, **more},
    )  # fmt: skip


def batch(root: Path, entries: list[BatchEntry], *, repeats: int = 1) -> BatchFolder:
    folder = BatchFolder(root)
    root.mkdir(parents=True)
    folder.write_plan(
        BatchPlan(
            name=root.name, file=Path("objectives.jsonl"), file_sha256="0" * 64, started=WHEN, continued=WHEN,
            entries=tuple(entries), repeats=repeats, settings={}, jobs=2,
        )
    )  # fmt: skip
    return folder


def ran(
    folder: BatchFolder, one: BatchEntry, repeat: int, found: Totals, *, score: float | None = 4, status: str = "done"
) -> None:
    place = folder.run_folder(one.id, repeat, one.digest)
    place.mkdir(parents=True)
    if score is not None:
        metric = Metric(score=score, evidence=(), reason="counted")
        review = Review(metrics=dict.fromkeys(METRICS, metric), verdict="pass", origin="offline")
        RunFolder(place).write(review, "review.json")
    folder.add(
        JobOutcome(
            id=one.id, repeat=repeat, digest=one.digest, run=place.relative_to(folder.root), status=status,
            exit_code=0 if status == "done" else 4, totals=found, started=WHEN, finished=WHEN,
        )
    )  # fmt: skip
