"""The part of a batch that runs on a Dask worker: it starts the same process as a local batch, and follows it.

Only short JSON texts go in and come out. The functions are named by their module, so that a worker needs nothing but
this package. A worker that dies takes its process with it (the kernel sees to that); the scheduler then gives the job
to another worker, which goes on in the job's run folder.
"""

from __future__ import annotations

import asyncio
import json
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bioresearcher import __version__
from bioresearcher.batch.local import LocalExecutor
from bioresearcher.batch.schema import BatchJob, JobProgress
from bioresearcher.schemas.base import Value

_LOOK_S = 0.5
"""Seconds between two looks whether a job is still wanted."""


class WorkerRequest(Value):
    """A request to a worker.

    `probe` is a file of the batch's folder with `token` in it: a worker that cannot read it does not see the folder.
    """

    version: str
    probe: Path
    token: str
    topic: str = ""
    job: BatchJob | None = None


class WorkerReply(Value):
    """A worker's reply: an outcome as JSON, or the reason why it cannot work for this batch."""

    outcome: str = ""
    unfit: str = ""


class _Jobs:
    """The jobs in this worker's threads, so that they can be stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, tuple[asyncio.AbstractEventLoop, LocalExecutor]] = {}
        self._stopped: dict[str, str] = {}

    def add(self, key: str, loop: asyncio.AbstractEventLoop, executor: LocalExecutor) -> None:
        with self._lock:
            self._jobs[key] = (loop, executor)
            if key in self._stopped:
                executor.stop(self._stopped[key])

    def remove(self, key: str) -> None:
        with self._lock:
            self._jobs.pop(key, None)

    def stop(self, keys: list[str], reason: str) -> None:
        with self._lock:
            for key in keys:
                self._stopped[key] = reason  # for a job on its way to a free thread
                if key in self._jobs:
                    loop, executor = self._jobs[key]
                    loop.call_soon_threadsafe(executor.stop, reason)


_jobs = _Jobs()


def about(text: str) -> str:
    """Check whether this worker can work for a batch: `WorkerRequest` as JSON in, `WorkerReply` as JSON out."""
    try:
        return WorkerReply(unfit=_unfit(WorkerRequest.model_validate_json(text))).model_dump_json()
    except ValidationError:
        return WorkerReply(unfit=_other_version("another")).model_dump_json()


def stop(text: str) -> None:
    """Ask jobs to stop after their running steps: `{"keys": […], "reason": …}`."""
    request = json.loads(text)
    _jobs.stop(list(request["keys"]), str(request["reason"]))


def carry_out(text: str) -> str:
    """Carry out a job: `WorkerRequest` as JSON in, `WorkerReply` as JSON out. It raises nothing."""
    from distributed import get_worker

    try:
        ask = WorkerRequest.model_validate_json(text)
    except ValidationError:
        return WorkerReply(unfit=_other_version("another")).model_dump_json()
    unfit = _unfit(ask)
    if unfit or ask.job is None:
        return WorkerReply(unfit=unfit or "it was given no job.").model_dump_json()
    worker: Any = get_worker()
    key = str(worker.get_current_task())

    def wanted() -> bool:
        known = worker.state.tasks.get(key)
        return known is not None and known.state in ("executing", "long-running")

    def tell(progress: JobProgress) -> None:
        worker.log_event(ask.topic, progress.model_dump_json())

    return asyncio.run(_carried(ask.job, key, tell, wanted))


async def _carried(job: BatchJob, key: str, tell: Callable[[JobProgress], None], wanted: Callable[[], bool]) -> str:
    executor = LocalExecutor(1)
    _jobs.add(key, asyncio.get_running_loop(), executor)
    watching = asyncio.create_task(_watch(executor, wanted))
    try:
        outcome = await executor.run(job, tell)
    finally:
        _jobs.remove(key)
        watching.cancel()
    return WorkerReply(outcome=outcome.model_dump_json()).model_dump_json()


async def _watch(executor: LocalExecutor, wanted: Callable[[], bool]) -> None:
    """Kill the job's process when nobody waits for it any more: it was cancelled, or its batch is gone."""
    while wanted():  # noqa: ASYNC110 - Dask does not notify its tasks
        await asyncio.sleep(_LOOK_S)
    executor.kill()


def _unfit(ask: WorkerRequest) -> str:
    """Return why this worker cannot work for the batch; empty when it can."""
    if ask.version != versions():
        return _other_version(ask.version)
    with suppress(OSError):
        if ask.probe.read_text(encoding="utf-8") == ask.token:
            return ""
    return f"it does not see {ask.probe.parent}: workers need the same workspace at the same path."


def _other_version(wanted: str) -> str:
    return f"it has {versions()}, the batch {wanted}: install the same versions on both."


def versions() -> str:
    """Return the versions that must be the same on both sides."""
    return f"bioresearcher {__version__} on Python {'.'.join(platform.python_version_tuple()[:2])}"
