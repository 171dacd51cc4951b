"""Where a batch's runs are carried out: on this machine, or on the workers of a Dask scheduler."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from distributed import Security

    from bioresearcher.batch.dask_worker import Ask
    from bioresearcher.batch.executor import Executor


def add_where_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("beyond one machine", "See docs/batch.md. Workers need this package and see DIR.")
    group.add_argument(
        "--executor", choices=("local", "dask"), default="local", help="where runs are carried out (local)"
    )
    group.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler, e.g. tcp://node1:8786")
    group.add_argument("--cluster", type=Path, metavar="FILE", help="a SLURM, PBS, LSF or SGE cluster to start (TOML)")
    for name in ("ca", "cert", "key"):
        group.add_argument(f"--tls-{name}", type=Path, metavar="FILE", help=argparse.SUPPRESS)


@dataclass(frozen=True)
class Where:
    """How many runs go side by side, tasks inside of each, and what makes the executor."""

    slots: int | None
    inside: int | None
    make: Callable[[int], Executor]


def where(args: argparse.Namespace, workspace: Path) -> Where:
    """Where the runs of a batch go, after it was made sure that they can. Nothing is written before that is sure.

    Raises:
        InputError: Options do not fit, the cluster's file is wrong, or a package is missing.
        OutsideError: The scheduler does not answer within seconds, or its workers cannot do the work.
        WorkspaceError: The workspace cannot be written.
    """
    named = [name for name in ("scheduler", "cluster") if getattr(args, name)]
    if args.executor == "local":
        if named:
            raise InputError(f"--{named[0]} goes with --executor dask.")
        from bioresearcher.batch.local import LocalExecutor

        return Where(None, None, LocalExecutor)
    if len(named) != 1:
        raise InputError("--executor dask needs one of --scheduler ADDRESS and --cluster FILE.")
    return _dask(args, workspace / "batches")


def _dask(args: argparse.Namespace, folder: Path) -> Where:
    import asyncio

    from bioresearcher.batch.cluster import check_here, read_cluster, start_cluster
    from bioresearcher.batch.dask_connect import Tls, check_address, need, probe_in
    from bioresearcher.batch.dask_executor import DaskExecutor

    need("distributed", "dask")
    security = Tls(args.tls_ca, args.tls_cert, args.tls_key).security()
    cluster = None
    if args.scheduler:
        check_address(args.scheduler)
    else:
        need("dask_jobqueue", "cluster")
        cluster = read_cluster(args.cluster)
        check_here(cluster)
    if cluster is not None:
        begun, ask = cluster, probe_in(folder)
        return Where(
            begun.slots, begun.tasks_inside,
            lambda slots: DaskExecutor(lambda: start_cluster(begun, security), slots, ask, security=security),
        )  # fmt: skip
    threads, seen = asyncio.run(_threads(args.scheduler, security, folder))
    return Where(threads, 1, lambda slots: DaskExecutor(args.scheduler, slots, seen, security=security))


async def _threads(address: str, security: Security | None, folder: Path) -> tuple[int, Ask]:
    """How many threads a scheduler's workers have, and what they were asked."""
    from bioresearcher.batch.dask_connect import connected, fit, probe_in

    async with connected(address, security) as client:
        ask = probe_in(folder)
        return await fit(client, ask), ask
