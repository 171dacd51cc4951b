"""A Dask scheduler or worker as a process of its own, on loopback: `python dask_process.py scheduler|worker …`.

`scheduler` prints its address. `worker ADDRESS [VERSION]` pretends to have that version of the program. With
`PRETEND=1` jobs are not carried out by processes but end as their id says: `quick`, `dies` (with its worker), `waits`
(until it is stopped or killed, which it writes into its run folder).
"""

import asyncio
import os
import signal
import sys


async def scheduler() -> None:
    from distributed import Scheduler

    async with Scheduler(host="127.0.0.1", port=0, dashboard_address=None) as made:
        print(made.address, flush=True)
        await made.finished()


def pretend() -> None:
    from bioresearcher.batch.local import LocalExecutor
    from bioresearcher.batch.schema import JobProgress
    from bioresearcher.batch.worker import outcome_of

    async def run(self, job, tell):
        job.run.mkdir(parents=True, exist_ok=True)
        tell(JobProgress(stage=f"begun {job.id}"))
        if job.id.startswith("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        while job.id.startswith("waits") and not self._stopping:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        if self._stopping:
            (job.run / "ended").write_text(self._stopping)
            return outcome_of(job, "stopped", 3, self._stopping, "")
        return outcome_of(job, "done", 0, "", "")

    LocalExecutor.run = run


async def worker(address: str) -> None:
    from distributed import Worker

    async with Worker(address, nthreads=1, dashboard_address=None) as made:
        print(made.address, flush=True)
        await made.finished()


if __name__ == "__main__":
    if sys.argv[1] == "scheduler":
        asyncio.run(scheduler())
    else:
        import bioresearcher

        if len(sys.argv) > 3:
            bioresearcher.__version__ = sys.argv[3]
        if os.environ.get("PRETEND"):
            pretend()
        asyncio.run(worker(sys.argv[2]))
