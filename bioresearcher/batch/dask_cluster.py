"""The executor of a Dask cluster: a running scheduler, or a SLURM, PBS, LSF or SGE cluster described in a TOML file.

Schedulers and workers are probed before anything is started; every error is one line. Clusters are started through
dask-jobqueue.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import tomllib
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from bioresearcher.batch.dask_worker import WorkerReply, WorkerRequest, about, carry_out, stop, versions
from bioresearcher.batch.local import Tell
from bioresearcher.batch.schema import BatchJob, JobOutcome, JobProgress
from bioresearcher.batch.worker import outcome_of
from bioresearcher.errors import InputError, OutsideError, WorkspaceError
from bioresearcher.events import now
from bioresearcher.runfolder import write_text
from bioresearcher.schemas.base import Value

if TYPE_CHECKING:
    from distributed import Client, Future, Security


DaskObject = Any
"""An object of the optional packages distributed and dask-jobqueue, which have no usable types."""
WAIT_S: Final = 8
"""Seconds for a scheduler to answer, and to have a first worker."""
_INSTALL: Final = "Install it here and on the workers: pip install 'bioresearcher[{extra}]'."


@dataclass(frozen=True)
class Tls:
    """Files for encrypted connections; without files connections are open."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def security(self) -> Security | None:
        """Return Dask's value; None for open connections.

        Raises:
            InputError: A file is missing, or not all three are named.
        """
        files = {"ca": self.ca, "cert": self.cert, "key": self.key}
        if not any(files.values()):
            return None
        for name, path in files.items():
            if path is None or not path.is_file():
                raise InputError(
                    f"--tls-{name}: {path or 'not given'}.", hint="TLS needs --tls-ca, --tls-cert and --tls-key."
                )
        from distributed import Security

        sides = ("client", "scheduler", "worker")
        certificates = {f"tls_{side}_cert": str(self.cert) for side in sides}
        keys = {f"tls_{side}_key": str(self.key) for side in sides}
        return Security(tls_ca_file=str(self.ca), require_encryption=True, **certificates, **keys)


def need(package: str, extra: str) -> None:
    """Make sure a package is installed.

    Raises:
        InputError: It is not installed; the hint says how.
    """
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise InputError(f"--executor dask needs the package {package}.", hint=_INSTALL.format(extra=extra))


def check_address(address: str) -> None:
    """Make sure that an address has the form of a Dask scheduler's.

    Raises:
        InputError: It has another form.
    """
    if not re.fullmatch(r"(tcp|tls|wss?)://[^\s/]+:\d{1,5}", address):
        raise InputError(
            f"--scheduler: {address!r} is no address of a scheduler.", hint="For example: tcp://node1:8786."
        )


@asynccontextmanager
async def connected(at: str | DaskObject, security: Security | None) -> AsyncIterator[Client]:
    """Connect to a scheduler, by its address or its cluster.

    Raises:
        OutsideError: It does not answer, or not as a Dask scheduler does.
    """
    from distributed import Client

    where = at if isinstance(at, str) else at.scheduler_address
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that differ: `fit` reports it in a line
        client = Client(
            at, asynchronous=True, set_as_default=False, timeout=WAIT_S, security=security, name="bioresearcher"
        )
        try:
            async with asyncio.timeout(WAIT_S + 1):  # also where something else than a scheduler listens
                await client
        except (OSError, TimeoutError, ValueError, RuntimeError, TypeError) as error:
            await _close(client)
            reason = " ".join(str(error).split())[:160] or "no reason was given"
            raise OutsideError(
                f"no Dask scheduler answers at {where}: {reason.rstrip('.')}.",
                hint="Start one with `dask scheduler`, or correct --scheduler.",
            ) from error
    try:
        yield client
    finally:
        await _close(client)


async def _close(client: Client) -> None:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(3):
            await client.close(timeout=2)


def probe_in(folder: Path) -> WorkerRequest:
    """Return the probe of workers: they must see a file in the folder, which is put there, at the same path.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    path = folder.absolute() / ".seen-by-workers"
    if not path.is_file():
        write_text(path, secrets.token_hex(8))
    try:
        return WorkerRequest(version=versions(), probe=path, token=path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read: {error.strerror}.") from error


async def fit(client: Client, ask: WorkerRequest) -> int:
    """Probe all workers of a scheduler and return the number of their threads.

    Raises:
        OutsideError: There is no worker, or one cannot work for this batch.
    """
    asynchronous: DaskObject = client  # its types know the waiting form only
    try:
        await asynchronous.wait_for_workers(1, timeout=WAIT_S)
    except TimeoutError as error:
        raise OutsideError(
            f"the Dask scheduler {asynchronous.scheduler.address} has no worker.",
            hint="Start some with `dask worker ADDRESS`.",
        ) from error
    replies: dict[str, object] = await asynchronous.run(about, ask.model_dump_json(), on_error="return")
    for address, reply in sorted(replies.items()):
        unfit = WorkerReply.model_validate_json(reply).unfit if isinstance(reply, str) else _reason(reply)
        if unfit:
            raise OutsideError(f"the Dask worker {address} cannot work for this batch: {unfit}")
    threads: dict[str, int] = await asynchronous.nthreads()
    return max(1, sum(threads.values()))


def _reason(error: object) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"it has no package {error.name}: install bioresearcher there."
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


_AGAIN_S = 2.0
"""Seconds after which workers are asked again to stop jobs."""


class DaskExecutor:
    """Carries out jobs on a scheduler's workers, `slots` at a time.

    A worker that dies costs a job nothing but the calls in flight: the scheduler gives it to another worker, which
    goes on in the run folder. After as many deaths as the scheduler allows (`distributed.scheduler.allowed-failures`,
    3) the job has failed.

    Args:
        at: The scheduler's address, or a function that starts one of Dask's clusters; it is closed with the executor.
        slots: Jobs side by side.
        ask: The probe of the batch's folder and version.
        security: Keys of encrypted connections.
    """

    def __init__(
        self, at: str | Callable[[], DaskObject], slots: int, ask: WorkerRequest, *, security: Security | None = None
    ) -> None:
        self.slots = slots
        self._at, self._ask, self._security = at, ask, security
        self._open = AsyncExitStack()
        self._connecting = asyncio.Lock()
        self._client: Client | None = None
        self._futures: dict[str, Future[Any]] = {}
        self._stopping = ""
        self._killed = False
        self._requests: set[asyncio.Task[None]] = set()

    async def run(self, job: BatchJob, tell: Tell) -> JobOutcome:
        """Carry out a job on a worker.

        Raises:
            OutsideError: The scheduler is lost, or a worker cannot work for this batch.
        """
        client, started = await self._connected(), now()
        if self._stopping:
            return outcome_of(job, "stopped", 3, self._stopping, started)
        key = topic = f"bioresearcher-{job.run.name}-{secrets.token_hex(4)}"
        client.subscribe_topic(topic, lambda event: tell(JobProgress.model_validate_json(event[1])))
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

    async def _result(self, future: Future[Any], job: BatchJob, started: str) -> JobOutcome:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            reply = WorkerReply.model_validate_json(await future)
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
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return outcome_of(job, "failed", 4, f"the Dask worker could not carry it out: {reason}", started)
        if reply.unfit:
            raise OutsideError(f"a Dask worker cannot work for this batch: {reply.unfit}")
        return JobOutcome.model_validate_json(reply.outcome)

    def stop(self, reason: str) -> None:
        """Ask running jobs to stop after their running steps, and cancel those that no worker has begun."""
        self._stopping = reason
        if self._client is not None:
            self._in_background(self._stop_all(self._client, reason))

    async def _stop_all(self, client: Client, reason: str) -> None:
        """Ask until all have ended, also those that come to another worker meanwhile."""
        while self._futures and not self._killed:
            keys = list(self._futures)
            text = json.dumps({"keys": keys, "reason": reason})
            await client.run(stop, text, on_error="ignore")
            begun = {str(k) for some in (await client.processing()).values() for k in some}
            await client.cancel([self._futures[k] for k in keys if k not in begun and k in self._futures])
            await asyncio.sleep(_AGAIN_S)

    def kill(self) -> None:
        """Cancel all jobs; workers end their processes within a second."""
        self._stopping, self._killed = self._stopping or "killed", True
        if self._client is not None and self._futures:
            self._in_background(self._cancel_all(self._client))

    async def _cancel_all(self, client: Client) -> None:
        await client.cancel(list(self._futures.values()))

    def _in_background(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def close(self) -> None:
        """Cancel running jobs and leave the scheduler; a cluster that was started here is ended."""
        self.kill()
        for task in list(self._requests):
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


System = Literal["slurm", "pbs", "lsf", "sge"]
SUBMIT: Final = {"slurm": "sbatch", "pbs": "qsub", "lsf": "bsub", "sge": "qsub"}
Line = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\r\n\x00]+$")]
"""One line of a job script, written by the person; never more than one."""


class Cluster(Value):
    """The resources of each job of a batch system; a job carries out `objectives` at a time."""

    system: System
    jobs: int = Field(ge=1, le=10_000, description="jobs of the batch system, side by side")
    cores: int = Field(ge=1, le=4096, description="of a job")
    memory: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$")] = Field(description="of a job: 16GB")
    walltime: Annotated[str, StringConstraints(pattern=r"^\d{1,3}:\d{2}:\d{2}$")] = Field(description="of a job: H:M:S")
    objectives: int = Field(default=1, ge=1, le=1024, description="of a job at a time")
    queue: Line | None = None
    account: Line | None = Field(default=None, description="account (SLURM, PBS) or project (LSF, SGE)")
    interface: Line | None = Field(default=None, description="network interface that workers and scheduler share: ib0")
    local_directory: Line | None = Field(default=None, description="for workers' own files: the nodes' scratch")
    log_directory: Line | None = None
    python: Line | None = Field(default=None, description="the interpreter on the nodes (the one that runs here)")
    directives: tuple[Line, ...] = Field(default=(), description="more directives, without #SBATCH and the like")
    prologue: tuple[Line, ...] = Field(default=(), description="lines of the script before the worker: modules, keys")

    @property
    def slots(self) -> int:
        """Objectives side by side in all."""
        return self.jobs * self.objectives

    @property
    def tasks_inside(self) -> int:
        """Tasks side by side inside a run."""
        return max(1, self.cores // self.objectives)


def read_cluster(path: Path) -> Cluster:
    """Read the description of a cluster.

    Raises:
        InputError: The file cannot be read, is no TOML, or has an unknown or wrong field, which is named.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid TOML: {error}.") from error
    try:
        return Cluster.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(Cluster.model_fields)
        hint = f"Known fields: {known}." if first["type"] == "extra_forbidden" else ""
        raise InputError(f"{path}: {where}: {first['msg']}.", hint=hint) from error


def check_here(cluster: Cluster) -> None:
    """Make sure that jobs can be submitted from this machine.

    Raises:
        OutsideError: The batch system's command is missing.
    """
    command = SUBMIT[cluster.system]
    if shutil.which(command) is None:
        raise OutsideError(
            f"{command} is not on this machine, so no {cluster.system.upper()} job can be submitted.",
            hint="Start the batch on a login node.",
        )


def options(cluster: Cluster) -> dict[str, Any]:
    """Return the options of dask-jobqueue."""
    account = {"pbs": "account", "slurm": "account", "lsf": "project", "sge": "project"}[cluster.system]
    walltime = cluster.walltime
    if cluster.system == "lsf":  # it counts hours and minutes only
        walltime = re.sub(r":\d{2}$", "", walltime)
    names = {"queue", "interface", "local_directory", "log_directory", "python"}
    given = cluster.model_dump(include=names, exclude_none=True)
    given |= {account: cluster.account} if cluster.account is not None else {}
    return given | {
        "cores": cluster.cores,
        "memory": cluster.memory,
        "walltime": walltime,
        "processes": 1,
        "job_extra_directives": list(cluster.directives),
        "job_script_prologue": list(cluster.prologue),
        "worker_extra_args": ["--nthreads", str(cluster.objectives), "--no-dashboard"],
        "job_name": "bioresearcher",
    }


def start_cluster(cluster: Cluster, security: Security | None = None) -> DaskObject:
    """Return dask-jobqueue's cluster, to be entered in an event loop: its scheduler runs here and submits jobs."""
    import dask_jobqueue

    kinds = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
    kind: Any = getattr(dask_jobqueue, kinds[cluster.system])
    more: dict[str, Any] = {"security": security, "protocol": "tls://"} if security is not None else {}
    more |= options(cluster)
    return kind(n_workers=cluster.jobs, asynchronous=True, scheduler_options={"dashboard_address": None}, **more)
