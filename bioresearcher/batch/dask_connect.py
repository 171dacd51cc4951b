"""Reaching a Dask scheduler and looking whether its workers can do the work; every trouble is one line."""

from __future__ import annotations

import asyncio
import re
import secrets
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.batch.dask_worker import Ask, Told, about, versions
from bioresearcher.errors import InputError, OutsideError, WorkspaceError
from bioresearcher.runfolder import write_text

if TYPE_CHECKING:
    from distributed import Client, Security

WAIT_S: Final = 8
"""Seconds that a scheduler may take to answer, and to have a first worker."""
_INSTALL: Final = "Install it here and on the workers: pip install 'bioresearcher[{extra}]'."


@dataclass(frozen=True)
class Tls:
    """Files for encrypted connections; with none of them they are open."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def given(self) -> bool:
        """Whether any file was named."""
        return any((self.ca, self.cert, self.key))

    def security(self) -> Security | None:
        """Dask's value for it; None for open connections.

        Raises:
            InputError: A file is missing, or not all three are named.
        """
        if not self.given:
            return None
        files = {"ca": self.ca, "cert": self.cert, "key": self.key}
        for name, path in files.items():
            if path is None or not path.is_file():
                raise InputError(
                    f"--tls-{name}: {path or 'not given'}.", hint="TLS needs --tls-ca, --tls-cert and --tls-key."
                )
        from distributed import Security

        return Security(
            tls_ca_file=str(self.ca), tls_client_cert=str(self.cert), tls_client_key=str(self.key),
            tls_scheduler_cert=str(self.cert), tls_scheduler_key=str(self.key), tls_worker_cert=str(self.cert),
            tls_worker_key=str(self.key), require_encryption=True,
        )  # fmt: skip


def need(package: str, extra: str) -> None:
    """Make sure a package is there.

    Raises:
        InputError: It is not installed; the hint says how.
    """
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise InputError(f"--executor dask needs the package {package}.", hint=_INSTALL.format(extra=extra))


def check_address(address: str) -> None:
    """Make sure that an address has the form that Dask takes.

    Raises:
        InputError: It has not.
    """
    if not re.fullmatch(r"(tcp|tls|wss?)://[^\s/]+:\d{1,5}", address):
        raise InputError(
            f"--scheduler: {address!r} is no address of a scheduler.", hint="For example: tcp://node1:8786."
        )


@asynccontextmanager
async def connected(at: Any, security: Security | None) -> AsyncIterator[Client]:  # noqa: ANN401 - an address or one of Dask's clusters
    """A client of a scheduler.

    Raises:
        OutsideError: It does not answer, or not as a Dask scheduler does.
    """
    from distributed import Client

    where = at if isinstance(at, str) else at.scheduler_address
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that differ: `fit` says it in a line
        client = Client(
            at, asynchronous=True, set_as_default=False, timeout=WAIT_S, security=security, name="bioresearcher"
        )
        try:
            async with asyncio.timeout(WAIT_S + 1):  # also where something else than a scheduler listens
                await client
        except (OSError, TimeoutError, ValueError, RuntimeError, TypeError) as error:
            await _close(client)
            said = " ".join(str(error).split())[:160] or "it says nothing that one could understand"
            raise OutsideError(
                f"no Dask scheduler answers at {where}: {said.rstrip('.')}.",
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


def probe_in(folder: Path) -> Ask:
    """What workers are asked; a file is put into the folder, which they must see at the same path.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    path = folder.absolute() / ".seen-by-workers"
    if not path.is_file():
        write_text(path, secrets.token_hex(8))
    try:
        return Ask(version=versions(), probe=path, token=path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read: {error.strerror}.") from error


async def fit(client: Client, ask: Ask) -> int:
    """How many threads the scheduler's workers have, after all of them were looked at.

    Raises:
        OutsideError: There is no worker, or one cannot work for this batch.
    """
    asked: Any = client  # its types know the waiting form only
    try:
        await asked.wait_for_workers(1, timeout=WAIT_S)
    except TimeoutError as error:
        raise OutsideError(
            f"the Dask scheduler {_address(client)} has no worker.", hint="Start some with `dask worker ADDRESS`."
        ) from error
    said: dict[str, Any] = await asked.run(about, ask.model_dump_json(), on_error="return")
    for address, answer in sorted(said.items()):
        unfit = Told.model_validate_json(answer).unfit if isinstance(answer, str) else _why(answer)
        if unfit:
            raise OutsideError(f"the Dask worker {address} cannot work for this batch: {unfit}")
    threads: dict[str, int] = await asked.nthreads()
    return max(1, sum(threads.values()))


def _why(error: object) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"it has no package {error.name}: install bioresearcher there."
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _address(client: Client) -> str:
    scheduler: Any = client.scheduler
    return str(scheduler.address)
