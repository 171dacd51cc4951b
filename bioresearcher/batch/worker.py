"""The process of one job, begun by `start`; the job comes as JSON on standard input.

On standard output it writes a line of JSON for each progress (`{"progress": …}`) and one at its end
(`{"outcome": …}`); whatever else is printed goes to standard error. SIGTERM asks it to stop at the next step border, a
second one to stop at once.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from bioresearcher.batch.folder import SPENT
from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress, Status
from bioresearcher.batch.shared_budget import BatchBudget, Spent
from bioresearcher.errors import BioresearcherError, InputsChangedError, StoppedError
from bioresearcher.events import Event, now
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.run import Runner, limit_memory, read_record
from bioresearcher.limits.file_lock import take_lock
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.run import RunRecord, Totals
from bioresearcher.settings import Settings

_PATIENCE_S = 20.0
"""Seconds for which a killed process that worked on the run before may still hold its lock."""


def main() -> int:
    """Carry out the job; return 0, as even a failure is an outcome."""
    job = BatchJob.model_validate_json(sys.stdin.buffer.read())
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    limit_memory()
    outcome = asyncio.run(carry_out(job, lambda p: print(f'{{"progress": {p.model_dump_json()}}}', file=replies)))
    print(f'{{"outcome": {outcome.model_dump_json()}}}', file=replies)
    return 0


async def carry_out(job: BatchJob, tell: Callable[[JobProgress], None]) -> JobOutcome:
    """Run or resume the job's run in this process. Whatever goes wrong is an outcome."""
    started, folder = now(), RunFolder(job.run)
    progress = ProgressReporter(folder, tell)
    status: Status = "failed"
    code, reason = 5, ""
    try:
        await _wait_for(folder.path("lock"))
        try:
            record = await _with_signals(_runner(job, folder, progress.event))
        except InputsChangedError:  # they were corrected since: the run with the old ones is set aside
            _set_aside(job.run)
            record = await _with_signals(_runner(job, folder, progress.event))
        if record.status == "done":
            status, code = "done", 0
        else:
            status, code, reason = "stopped", StoppedError.exit_code, record.stopped_by
    except asyncio.CancelledError:
        status, code, reason = "stopped", StoppedError.exit_code, "stopped at once"
    except BioresearcherError as error:
        status, code, reason = ("stopped" if error.exit_code == 3 else "failed"), error.exit_code, str(error)
    except (OSError, sqlite3.DatabaseError) as error:
        code, reason = 4, f"the run cannot go on: {error}."
    except MemoryError:
        code, reason = 4, "memory ran out."
    except Exception as error:  # noqa: BLE001 - a bug in one run is no reason to lose the batch's others
        traceback.print_exc()
        reason = f"this is a bug: {type(error).__name__}: {error} (worker.log in the run folder has the traceback)"
    return outcome_of(job, status, code, reason, started, peak_mb=_peak_mb())


def _set_aside(run: Path) -> None:
    """Rename a run folder to `<name>.old-<n>` and make a fresh one."""
    number = next(n for n in range(1, 10_000) if not run.with_name(f"{run.name}.old-{n}").exists())
    run.rename(run.with_name(f"{run.name}.old-{number}"))
    run.mkdir()


def outcome_of(
    job: BatchJob, status: Status, code: int, reason: str, started: str, *, peak_mb: float | None = None
) -> JobOutcome:
    """Return the outcome of a job, with the totals of its run folder."""
    return JobOutcome(
        id=job.id,
        repeat=job.repeat,
        seed=job.seed,
        digest=job.digest,
        run=job.run.relative_to(job.batch),
        status=status,
        exit_code=code,
        reason=reason,
        totals=totals_of(job.run),
        attempts=job.attempt,
        started=started,
        finished=now(),
        peak_mb=peak_mb,
    )


def totals_of(run: Path) -> Totals:
    """Return the totals of a run folder; all 0 when its manifest is missing or unreadable."""
    try:
        return read_record(RunFolder(run)).totals
    except BioresearcherError:
        return Totals()


def _runner(job: BatchJob, folder: RunFolder, listener: Callable[[Event], None]) -> Runner:
    budget = BatchBudget(Spent(job.batch / SPENT), job.together, job.until, job.run.name)
    return Runner(
        folder,
        RunInputs(job.objective, job.papers, job.data),
        Settings.model_validate(job.settings),
        listener=listener,
        command=job.command,
        backend_reason=job.backend_reason,
        make_meter=budget.meter,
    )


async def _with_signals(runner: Runner) -> RunRecord:
    """Run; the first SIGTERM stops it after the running steps, the second at once."""
    loop, task, asked = asyncio.get_running_loop(), asyncio.ensure_future(runner.run()), asyncio.Event()

    def on_signal() -> None:
        if asked.is_set():
            task.cancel()
        asked.set()
        runner.stop("the batch was stopped")

    for sign in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(sign, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return await task


async def _wait_for(lock: Path) -> None:
    """Wait a while for a lock whose owner is being killed; a longer holder makes taking it fail later."""
    end = time.monotonic() + _PATIENCE_S
    while lock.exists() and time.monotonic() < end:
        held = take_lock(lock)
        if held is not None:
            held.close()
            return
        await asyncio.sleep(0.1)


def _peak_mb() -> float:
    """Return the largest resident memory of this process, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


class ProgressReporter:
    """Makes the progress of a run from its events and passes it on when it changes."""

    def __init__(self, folder: RunFolder, tell: Callable[[JobProgress], None]) -> None:
        self._folder = folder
        self._tell = tell
        before = totals_of(folder.root)
        self._now = JobProgress(
            tasks=before.tasks,
            verified=before.verified,
            tokens=before.input_tokens + before.output_tokens,
            cost_usd=before.cost_usd,
        )

    def event(self, event: Event) -> None:
        """Update the progress."""
        change: dict[str, object] = {}
        if event.kind == "step" and event.state == "start":
            change["stage"] = event.stage
        elif event.kind == "call" and not event.data.get("replayed"):
            change = self._spent(event)
        if event.state == "done" and (event.kind == "task" or event.stage == "extract_tasks"):
            change |= self._tasks()
        changed = self._now.model_copy(update=change)
        if changed != self._now:
            self._now = changed
            self._tell(changed)

    def _spent(self, event: Event) -> dict[str, object]:
        numbers = [event.data.get(name) for name in ("input_tokens", "output_tokens")]
        cost, before = event.data.get("cost_usd"), self._now.cost_usd
        total = before + cost if before is not None and isinstance(cost, int | float) else None
        return {
            "tokens": self._now.tokens + sum(int(n) for n in numbers if isinstance(n, int | float)),
            "cost_usd": total,
        }

    def _tasks(self) -> dict[str, object]:
        tasks = self._folder.read_list(DryLabTask, "tasks.json")
        done = [
            self._folder.read(TaskRecord, "tasks", task.id, "record.json")
            for task in tasks
            if self._folder.has("tasks", task.id, "record.json")
        ]
        return {"tasks": len(tasks), "verified": sum(record.verified for record in done)}
