"""Jobs on the workers of a Dask scheduler, on whatever machines they are."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from bioresearcher.batch.dask_connect import connected, fit
from bioresearcher.batch.dask_worker import Ask, Told, carry_out, stop
from bioresearcher.batch.executor import Tell
from bioresearcher.batch.schema import Job, Outcome, Progress
from bioresearcher.batch.worker import outcome_of
from bioresearcher.errors import OutsideError
from bioresearcher.events import now

if TYPE_CHECKING:
    from distributed import Client, Future, Security


_AGAIN_S = 2.0
"""How often workers are told again which jobs are to stop."""


class DaskExecutor:
    """Jobs on a scheduler's workers, `slots` at a time.

    A worker that dies costs a job nothing but the calls in flight: the scheduler gives it to another worker, which
    goes on in the run folder. After as many deaths as the scheduler allows (`distributed.scheduler.allowed-failures`,
    3) the job has failed.

    Args:
        at: The scheduler's address, or a function that starts one of Dask's clusters; it is closed with the executor.
        slots: Jobs side by side.
        ask: What workers are asked about the batch.
        security: For encrypted connections.
    """

    def __init__(self, at: str | Callable[[], Any], slots: int, ask: Ask, *, security: Security | None = None) -> None:
        self._at, self._slots, self._ask, self._security = at, slots, ask, security
        self._open = AsyncExitStack()
        self._connecting = asyncio.Lock()
        self._client: Client | None = None
        self._futures: dict[str, Future[Any]] = {}
        self._stopping = ""
        self._killed = False
        self._asked: set[asyncio.Task[None]] = set()

    @property
    def slots(self) -> int:
        """How many jobs are given to the scheduler at a time."""
        return self._slots

    async def run(self, job: Job, tell: Tell) -> Outcome:
        """Carry out a job on a worker.

        Raises:
            OutsideError: The scheduler is lost, or a worker cannot work for this batch.
        """
        client, started = await self._connected(), now()
        if self._stopping:
            return outcome_of(job, "stopped", 3, self._stopping, started)
        key = topic = f"bioresearcher-{job.run.name}-{secrets.token_hex(4)}"
        client.subscribe_topic(topic, lambda event: tell(Progress.model_validate_json(event[1])))
        ask = self._ask.model_copy(update={"job": job, "topic": topic})
        future = client.submit(carry_out, ask.model_dump_json(), key=key, pure=False)
        self._futures[key] = future
        try:
            return await self._result(future, job, started)
        finally:
            self._futures.pop(key, None)
            future.release()
            with suppress(ValueError, OSError):
                client.unsubscribe_topic(topic)

    async def _result(self, future: Future[Any], job: Job, started: str) -> Outcome:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            told = Told.model_validate_json(await future)
        except KilledWorker as error:
            times = error.allowed_failures + 1
            return outcome_of(job, "failed", 4, f"the Dask workers it ran on died, {times} times.", started)
        except FutureCancelledError as error:
            if self._stopping or self._killed:
                return outcome_of(job, "stopped", 3, "stopped at once" if self._killed else self._stopping, started)
            raise OutsideError(
                f"the Dask scheduler was lost ({error.reason}).", hint="The same command goes on when it is back."
            ) from error
        except Exception as error:  # noqa: BLE001 - what a foreign worker raises is no reason to lose the others
            said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return outcome_of(job, "failed", 4, f"the Dask worker could not carry it out: {said}", started)
        if told.unfit:
            raise OutsideError(f"a Dask worker cannot work for this batch: {told.unfit}")
        return Outcome.model_validate_json(told.outcome)

    def stop(self, reason: str) -> None:
        """Ask running jobs to stop at their next step border, and take back what no worker has begun."""
        self._stopping = reason
        if self._client is not None:
            task = asyncio.ensure_future(self._stop_all(self._client, reason))
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    async def _stop_all(self, client: Client, reason: str) -> None:
        """Until all have ended: also those that come to another worker meanwhile."""
        while self._futures and not self._killed:
            keys = list(self._futures)
            text = json.dumps({"keys": keys, "reason": reason})
            await client.run(stop, text, on_error="ignore")
            begun = {str(k) for some in (await client.processing()).values() for k in some}
            await client.cancel([self._futures[k] for k in keys if k not in begun and k in self._futures])
            await asyncio.sleep(_AGAIN_S)

    def kill(self) -> None:
        """Take all jobs back; workers end their processes within a second."""
        self._stopping, self._killed = self._stopping or "killed", True
        if self._client is not None and self._futures:
            task = asyncio.ensure_future(self._cancel_all(self._client))
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    async def _cancel_all(self, client: Client) -> None:
        await client.cancel(list(self._futures.values()))

    async def close(self) -> None:
        """Take back what still runs, and leave the scheduler; a cluster that was started here is ended."""
        self.kill()
        for task in list(self._asked):
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await task
        self._client = None
        await self._open.aclose()

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                if isinstance(self._at, str):
                    self._client = await self._open.enter_async_context(connected(self._at, self._security))
                    await fit(self._client, self._ask)
                else:
                    cluster = await self._open.enter_async_context(self._at())
                    self._client = await self._open.enter_async_context(connected(cluster, self._security))
            return self._client
