"""A self-test of the boundary: a payload that tries to get out, run through the sandbox as any job would be.

It tests what the sandbox does, not whether its parts are installed; takes about a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.errors import BioresearcherError
from bioresearcher.sandbox import canary
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.environment import variables
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.schemas.execution import ExecResult, Limits

_SET_BY_BUBBLEWRAP = {"PWD"}
_HOG = "blocks = []\nwhile True:\n    blocks.append(b'x' * 8_000_000)\n"
_LIMITS = Limits(wall_s=6, cpu_s=5, memory_mb=200, processes=16, file_mb=16, disk_mb=32, tmp_mb=16, shm_mb=16)
_EXPECTED = {
    "read_secret": "cannot read a private file of this machine",
    "write_outside": "cannot write outside its folder",
    "write_system": "cannot write to the system",
    "write_code": "cannot change its own code",
    "network": "cannot reach the network",
    "socket": "cannot open sockets",
    "environment": "does not see this program's environment",
}


@dataclass(frozen=True)
class Check:
    """One property of the boundary and whether it holds."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class ProbeResult:
    """The outcome of the self-test; `ok` when every check held. `seconds` is wall time."""

    ok: bool
    checks: tuple[Check, ...]
    seconds: float


async def probe(sandbox: Sandbox) -> ProbeResult:
    """Test a sandbox; one that cannot even start gives a single failed check, not an exception."""
    started = time.monotonic()
    folder = temporary_folder()
    try:
        checks = await _checks(sandbox, folder)
    except BioresearcherError as error:
        checks = (Check("jobs run", ok=False, detail=str(error)),)
    finally:
        remove_tree(folder)
    return ProbeResult(all(check.ok for check in checks), checks, round(time.monotonic() - started, 2))


async def _checks(sandbox: Sandbox, folder: Path) -> tuple[Check, ...]:
    for name in ("code", "work", "hog", "outside"):
        (folder / name).mkdir()
    (folder / "outside").chmod(0o777)
    secret = folder / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    secret.chmod(0o644)  # even a file that everybody may read stays out of reach
    shutil.copyfile(canary.__file__, folder / "code" / "canary.py")
    (folder / "code" / "hog.py").write_text(_HOG, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        args = (str(secret), str(folder / "outside"), str(port), json.dumps(_foreign_names()))
        canary_job = Job(folder / "code", "canary.py", folder / "work", args, limits=_LIMITS)
        hog_job = Job(folder / "code", "hog.py", folder / "hog", limits=_LIMITS)
        tried, hogged = await asyncio.gather(sandbox.run(canary_job), sandbox.run(hog_job))
    memory = Check("is ended when it needs too much memory", hogged.killed == "memory", _how(hogged))
    return (*_judge(tried), memory)


def _foreign_names() -> list[str]:
    """Names of our environment variables that a job must not see."""
    own = variables(Path(sys.executable), "", {})
    return [name for name in os.environ if name not in own and name not in _SET_BY_BUBBLEWRAP][:500]


def _judge(result: ExecResult) -> tuple[Check, ...]:
    try:
        found = json.loads(result.stdout)
    except ValueError:
        return (Check("jobs run", ok=False, detail=_how(result)),)
    checks = [Check(text, ok=found.get(key) is False) for key, text in _EXPECTED.items()]
    return (*checks, Check("can write to its own folder", ok=found.get("write_work") is True))


def _how(result: ExecResult) -> str:
    if result.killed:
        return f"ended by the limit {result.killed} at {result.use.peak_memory_mb:.0f} MB"
    lines = result.stderr.strip().splitlines()
    return f"exit code {result.exit_code}{f': {lines[-1]}' if lines else ''}"
