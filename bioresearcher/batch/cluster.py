"""A cluster that a batch starts for itself, described in a TOML file: SLURM, PBS, LSF or SGE, through dask-jobqueue."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.schemas.base import Value

if TYPE_CHECKING:
    from distributed import Security

System = Literal["slurm", "pbs", "lsf", "sge"]
SUBMIT: Final = {"slurm": "sbatch", "pbs": "qsub", "lsf": "bsub", "sge": "qsub"}
Line = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\r\n\x00]+$")]
"""One line of a job script: it is the person's own, but never more than one."""


class Cluster(Value):
    """What is asked of the batch system for each of its jobs; a job carries out `objectives` at a time."""

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
    """The cluster that a file describes.

    Raises:
        InputError: The file cannot be read, is no TOML, or has an unknown or wrong field; the message names it.
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
        OutsideError: The batch system's command is not there.
    """
    command = SUBMIT[cluster.system]
    if shutil.which(command) is None:
        raise OutsideError(
            f"{command} is not on this machine, so no {cluster.system.upper()} job can be submitted.",
            hint="Start the batch on a login node.",
        )


def options(cluster: Cluster) -> dict[str, Any]:
    """What dask-jobqueue is given."""
    account = {"pbs": "account", "slurm": "account", "lsf": "project", "sge": "project"}[cluster.system]
    walltime = cluster.walltime
    if cluster.system == "lsf":  # it counts hours and minutes only
        walltime = re.sub(r":\d{2}$", "", walltime)
    given: dict[str, Any] = {
        "queue": cluster.queue, account: cluster.account, "interface": cluster.interface,
        "local_directory": cluster.local_directory, "log_directory": cluster.log_directory, "python": cluster.python,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None} | {
        "cores": cluster.cores,
        "memory": cluster.memory,
        "walltime": walltime,
        "processes": 1,
        "job_extra_directives": list(cluster.directives),
        "job_script_prologue": list(cluster.prologue),
        "worker_extra_args": ["--nthreads", str(cluster.objectives), "--no-dashboard"],
        "job_name": "bioresearcher",
    }


def start_cluster(cluster: Cluster, security: Security | None = None) -> Any:  # noqa: ANN401 - of an optional package
    """dask-jobqueue's cluster, to be entered in an event loop: its scheduler runs here, and jobs are then submitted."""
    import dask_jobqueue

    kinds = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
    kind: Any = getattr(dask_jobqueue, kinds[cluster.system])
    more = {"security": security, "protocol": "tls://"} if security is not None else {}
    return kind(
        n_workers=cluster.jobs, asynchronous=True, scheduler_options={"dashboard_address": None}, **more,
        **options(cluster),
    )  # fmt: skip
