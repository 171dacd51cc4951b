"""The Dask executor with a real scheduler and real workers, in processes of their own on loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import conftest_batch as made
import pytest
from conftest_dask import ALLOWED_DEATHS, Dask, dask

from bioresearcher.batch.dask_connect import check_address, connected, fit, probe_in
from bioresearcher.batch.dask_executor import DaskExecutor
from bioresearcher.batch.schema import Job, Outcome, Progress
from bioresearcher.errors import InputError, OutsideError
from bioresearcher.schemas.objective import Objective

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Dask]:
    with dask(tmp_path, os.environ) as one:
        yield one


def job(root: Path, name: str) -> Job:
    entry = made.entry(name)
    return Job(
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
    for _ in range(1200):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("did not happen")


async def test_jobs_run_on_workers_tell_how_far_they_are_and_may_be_stopped(cluster: Dask, tmp_path: Path) -> None:
    cluster.worker(pretend=True)
    cluster.worker(pretend=True)
    told: list[str] = []

    def tell(progress: Progress) -> None:
        told.append(progress.stage)

    async with executor(cluster, tmp_path) as one:
        quick = await asyncio.gather(*(one.run(job(tmp_path, f"quick{n}"), tell) for n in range(3)))
        assert {(o.status, o.run.name) for o in quick} == {("done", f"quick{n}") for n in range(3)}
        await until(lambda: len(told) == 3)
        running = [asyncio.ensure_future(one.run(job(tmp_path, f"waits{n}"), tell)) for n in range(3)]
        await until(lambda: len(told) == 5)  # two workers: the third waits at the scheduler
        one.stop("the person said so")
        ended: list[Outcome] = await asyncio.gather(*running)
        assert [(o.status, o.exit_code, o.reason) for o in ended] == [("stopped", 3, "the person said so")] * 3
        assert (await one.run(job(tmp_path, "later"), tell)).status == "stopped"


async def test_a_job_whose_workers_die_has_failed_and_the_others_go_on(cluster: Dask, tmp_path: Path) -> None:
    for _ in range(ALLOWED_DEATHS + 2):
        cluster.worker(pretend=True)
    async with executor(cluster, tmp_path, slots=1) as one:
        dead = await one.run(job(tmp_path, "dies"), lambda _: None)
        assert (dead.status, dead.exit_code) == ("failed", 4)
        assert dead.reason == f"the Dask workers it ran on died, {ALLOWED_DEATHS + 1} times."
        assert (await one.run(job(tmp_path, "quick"), lambda _: None)).status == "done"


async def test_a_job_that_nobody_waits_for_is_ended_on_its_worker(cluster: Dask, tmp_path: Path) -> None:
    cluster.worker(pretend=True)
    async with executor(cluster, tmp_path) as one:
        running = asyncio.ensure_future(one.run(job(tmp_path, "waits"), lambda _: None))
        await until((tmp_path / "runs" / "waits").is_dir)
        one.kill()
        assert ((await running).status, (await running).reason) == ("stopped", "stopped at once")
    await until((tmp_path / "runs" / "waits" / "ended").is_file)


async def test_a_scheduler_that_is_lost_ends_the_batch_resumably(cluster: Dask, tmp_path: Path) -> None:
    cluster.worker(pretend=True)
    async with executor(cluster, tmp_path) as one:
        running = asyncio.ensure_future(one.run(job(tmp_path, "waits"), lambda _: None))
        await until((tmp_path / "runs" / "waits").is_dir)
        cluster.processes[0].kill()
        with pytest.raises(OutsideError, match=r"the Dask scheduler was lost") as caught:
            await running
        assert "goes on" in caught.value.hint


async def test_workers_that_do_not_fit_are_said_in_a_line(cluster: Dask, tmp_path: Path) -> None:
    async def said() -> str:
        async with connected(cluster.address, None) as client:
            with pytest.raises(OutsideError) as caught:
                await fit(client, probe_in(tmp_path / "batches"))
        return str(caught.value)

    cluster.worker("0.0.0-other")
    line = await said()
    assert "\n" not in line
    assert "cannot work for this batch: it has bioresearcher 0.0.0-other on Python" in line
    cluster.processes.pop().kill()


async def test_a_workspace_that_workers_do_not_see_is_said(cluster: Dask, tmp_path: Path) -> None:
    cluster.worker(pretend=True)
    ask = probe_in(tmp_path / "batches")
    assert probe_in(tmp_path / "batches").token == ask.token
    async with connected(cluster.address, None) as client:
        assert await fit(client, ask) == 1
        ask.probe.unlink()
        with pytest.raises(OutsideError, match="workers need the same workspace at the same path"):
            await fit(client, ask)
    async with executor(cluster, tmp_path) as one:
        (tmp_path / ".seen-by-workers").write_text("of another file system")
        with pytest.raises(OutsideError, match="does not see"):
            await one.run(job(tmp_path, "quick"), lambda _: None)


async def test_a_scheduler_without_workers_or_none_at_all_is_said(
    cluster: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bioresearcher.batch.dask_connect.WAIT_S", 0.5)
    async with connected(cluster.address, None) as client:
        with pytest.raises(OutsideError, match="has no worker"):
            await fit(client, probe_in(tmp_path))
    with pytest.raises(OutsideError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1: "):
        async with connected("tcp://127.0.0.1:1", None):
            pass


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://h", "tcp://h:1 --x", "http://h:1", ""])
def test_what_is_no_address_is_wrong_use(address: str) -> None:
    with pytest.raises(InputError, match="no address of a scheduler"):
        check_address(address)
