"""The Dask executor with a real scheduler and real workers, in processes of their own on loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import batch_support as made
import pytest
from dask_support import ALLOWED_DEATHS, Dask, dask

from bioresearcher.batch.dask_cluster import DaskExecutor, check_address, connected, fit, probe_in
from bioresearcher.batch.local import Tell
from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress
from bioresearcher.errors import InputError, OutsideError
from bioresearcher.schemas.base import Objective

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def job(root: Path, name: str) -> BatchJob:
    entry = made.entry(name)
    return BatchJob(
        id=name, repeat=1, digest=entry.digest, batch=root, run=root / "runs" / name, settings={},
        objective=Objective(id=name, text="Anything at all."),
    )  # fmt: skip


@asynccontextmanager
async def executor(cluster: Dask, root: Path, slots: int = 2) -> AsyncIterator[DaskExecutor]:
    one = DaskExecutor(cluster.address, slots, probe_in(root))
    try:
        yield one
    finally:
        await one.close()


async def until(true) -> None:
    for _ in range(4000):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("did not happen")


def told_by(told: list[str]) -> Tell:
    return lambda progress: told.append(progress.stage)


def nothing(_: JobProgress) -> None:
    return


async def test_the_life_of_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other on one scheduler, because its processes take seconds to begin."""
    with dask(tmp_path, os.environ) as cluster:
        cluster.workers(2)
        await jobs_run_and_tell_how_far_they_are(cluster, tmp_path)
        await a_job_that_nobody_waits_for_is_ended_on_its_worker(cluster, tmp_path)
        await jobs_stop_in_order_also_those_that_no_worker_has_begun(cluster, tmp_path)
        await a_workspace_that_workers_do_not_see_is_said(cluster, tmp_path)
        await a_job_whose_workers_die_has_failed(cluster, tmp_path)
        cluster.workers(1, "0.0.0-other")
        await workers_in_other_versions_are_said(cluster, tmp_path)
        await a_scheduler_that_is_lost_ends_the_batch_resumably(cluster, tmp_path)
        monkeypatch.setattr("bioresearcher.batch.dask_cluster.WAIT_S", 0.5)
        with pytest.raises(OutsideError, match=f"no Dask scheduler answers at {cluster.address}: "):
            async with connected(cluster.address, None):
                pass


async def jobs_run_and_tell_how_far_they_are(cluster: Dask, root: Path) -> None:
    told: list[str] = []
    async with executor(cluster, root) as one:
        ended = await asyncio.gather(*(one.run(job(root, f"quick{n}"), told_by(told)) for n in range(3)))
        await until(lambda: len(told) == 3)
    assert {(o.status, o.run.name) for o in ended} == {("done", f"quick{n}") for n in range(3)}


async def a_job_that_nobody_waits_for_is_ended_on_its_worker(cluster: Dask, root: Path) -> None:
    place = root / "runs" / "waits-killed"
    async with executor(cluster, root) as one:
        running = asyncio.ensure_future(one.run(job(root, place.name), nothing))
        await until(place.is_dir)
        one.kill()
        assert ((await running).status, (await running).reason) == ("stopped", "stopped at once")
    await until((place / "ended").is_file)


async def jobs_stop_in_order_also_those_that_no_worker_has_begun(cluster: Dask, root: Path) -> None:
    told: list[str] = []
    async with executor(cluster, root) as one:
        running = [asyncio.ensure_future(one.run(job(root, f"waits{n}"), told_by(told))) for n in range(3)]
        await until(lambda: len(told) == 2)  # two workers: the third waits at the scheduler
        one.stop("the person said so")
        ended: list[JobOutcome] = await asyncio.gather(*running)
        assert [(o.status, o.exit_code, o.reason) for o in ended] == [("stopped", 3, "the person said so")] * 3
        assert (await one.run(job(root, "later"), nothing)).status == "stopped"


async def a_workspace_that_workers_do_not_see_is_said(cluster: Dask, root: Path) -> None:
    ask = probe_in(root / "batches")
    assert probe_in(root / "batches").token == ask.token
    async with connected(cluster.address, None) as client:
        assert await fit(client, ask) == 2
        ask.probe.write_text("of another file system")
        with pytest.raises(OutsideError, match="workers need the same workspace at the same path"):
            await fit(client, ask)


async def a_job_whose_workers_die_has_failed(cluster: Dask, root: Path) -> None:
    async with executor(cluster, root) as one:
        dead = await one.run(job(root, "dies"), nothing)
    assert (dead.status, dead.exit_code) == ("failed", 4)
    assert dead.reason == f"the Dask workers it ran on died, {ALLOWED_DEATHS + 1} times."


async def workers_in_other_versions_are_said(cluster: Dask, root: Path) -> None:
    async with connected(cluster.address, None) as client:
        with pytest.raises(OutsideError) as caught:
            await fit(client, probe_in(root))
    assert "cannot work for this batch: it has bioresearcher 0.0.0-other on Python" in str(caught.value)
    assert "\n" not in str(caught.value)


async def a_scheduler_that_is_lost_ends_the_batch_resumably(cluster: Dask, root: Path) -> None:
    cluster.processes.pop().kill()
    async with connected(cluster.address, None) as client:
        one = DaskExecutor(cluster.address, 1, probe_in(root))
        one._client = client  # there is no worker left to be looked at
        running = asyncio.ensure_future(one.run(job(root, "never"), nothing))
        await asyncio.sleep(0.5)
        cluster.processes[0].kill()
        with pytest.raises(OutsideError, match=r"the Dask scheduler was lost") as caught:
            await running
    assert "goes on" in caught.value.hint


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://h", "tcp://h:1 --x", "http://h:1", ""])
def test_what_is_no_address_is_wrong_use(address: str) -> None:
    with pytest.raises(InputError, match="no address of a scheduler"):
        check_address(address)
