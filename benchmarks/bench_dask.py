"""What Dask adds to an objective: from giving a job to the executor to its outcome, for a job of no length.

A scheduler and a worker run in processes of their own on loopback; on the worker the job ends at once instead of
starting a process, so that all that is measured is Dask and what the program does around it (looking at the worker,
sending the job, progress, the outcome). The first job also pays for the connection and for the worker's imports, and
is given by itself.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from figures import ROOT, Figure, environment, measured

from bioresearcher.batch.dask_cluster import DaskExecutor, probe_in
from bioresearcher.batch.schema import BatchEntry, BatchJob
from bioresearcher.schemas.base import Objective

sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "unit")]

JOBS = 60


def measure(quick: bool) -> list[Figure]:
    """The first job, and those after it."""
    from dask_support import dask

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        with dask(root, environment()) as cluster:
            cluster.workers(1)
            first, *rest = asyncio.run(_timed(cluster.address, root, 20 if quick else JOBS))
    return [
        measured("Dask: added to an objective", rest, "s", at_most=2),
        measured("Dask: added to the first objective (connection, imports of the worker)", [first], "s"),
    ]


async def _timed(address: str, root: Path, number: int) -> list[float]:
    executor = DaskExecutor(address, 1, probe_in(root))
    seconds = []
    for n in range(number):
        started = time.monotonic()
        outcome = await executor.run(_job(root, f"quick-{n}"), lambda _: None)
        seconds.append(time.monotonic() - started)
        if outcome.status != "done":
            raise RuntimeError(outcome.reason)
    await executor.close()
    return seconds


def _job(root: Path, name: str) -> BatchJob:
    entry = BatchEntry(id=name, line=1, objective="Nothing.")
    objective = Objective(id=name, text="Nothing.")
    return BatchJob(
        id=name, repeat=1, digest=entry.digest, batch=root, run=root / "runs" / name, objective=objective, settings={}
    )
