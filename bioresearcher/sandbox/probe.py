"""A self-test of the boundary: payloads that try to get out or use too much, run as any job would be.

It tests what the sandbox does, not whether its parts are installed. The quick one, before every run, takes about a
second; the thorough one of `bioresearcher doctor` passes every limit once and takes some ten.
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
from bioresearcher.sandbox import escape_probe
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.environment import variables
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.schemas.execution import ExecResult, Limits

_SET_BY_BUBBLEWRAP = {"PWD"}
_PASSING: dict[str, tuple[str, str]] = {
    "memory": ("needs too much memory", "blocks = []\nwhile True:\n    blocks.append(b'x' * 8_000_000)\n"),
    "wall_time": ("runs too long", "import time\ntime.sleep(60)\n"),
    "cpu_time": ("uses too much CPU time", "while True:\n    pass\n"),
    "processes": (
        "starts too many processes",
        "import os, time\nfor _ in range(40):\n    if os.fork() == 0:\n        time.sleep(30)\ntime.sleep(30)\n",
    ),
    "disk": (
        "writes too much",
        "for n in range(90):\n    with open(str(n), 'wb') as file:\n        file.write(b'x' * 1_000_000)\n",
    ),
    "file_size": (
        "writes a file that is too large",
        "with open('f', 'wb') as file:\n    file.write(b'x' * 40_000_000)\n",
    ),
    "files": ("makes too many files", "for n in range(3000):\n    open(str(n), 'w').close()\n"),
    "output": ("prints too much", "while True:\n    print('x' * 1000)\n"),
}
"""Limit -> a job that passes it, in words and as a script."""
_LIMITS = Limits(
    wall_s=6,
    cpu_s=5,
    memory_mb=200,
    processes=16,
    file_mb=16,
    disk_mb=32,
    files=500,
    tmp_mb=16,
    shm_mb=16,
    output_bytes=500_000,
)
_TIGHT = {"wall_time": {"wall_s": 1.0}, "cpu_time": {"cpu_s": 1.0}}
_SIDE_BY_SIDE = 4
_EXPECTED = {
    "read_secret": "cannot read a private file of this machine",
    "write_outside": "cannot write outside its folder",
    "write_system": "cannot write to the system",
    "write_code": "cannot change its own code",
    "network": "cannot reach the network",
    "socket": "cannot open sockets",
    "host_processes": "cannot see the processes of this machine",
    "namespaces": "cannot make namespaces",
    "environment": "does not see this program's environment",
}


@dataclass(frozen=True)
class BoundaryTest:
    """A property of the boundary; `ok` if it holds."""

    name: str
    ok: bool
    detail: str = ""

    @property
    def line(self) -> str:
        """One line for people and for a run's record."""
        return f"held: {self.name}" if self.ok else f"NOT HELD: {self.name}{f' ({self.detail})' if self.detail else ''}"


@dataclass(frozen=True)
class ProbeResult:
    """Result of the self-test; `ok` if every property held. `seconds` is wall time."""

    ok: bool
    checks: tuple[BoundaryTest, ...]
    seconds: float


async def probe(sandbox: Sandbox, *, thorough: bool = False) -> ProbeResult:
    """Test a sandbox; one that cannot even start gives a single failed property, not an exception.

    Args:
        sandbox: The sandbox to test.
        thorough: Pass every limit once, not the one on memory only.
    """
    started = time.monotonic()
    folder = temporary_folder()
    try:
        checks = await _checks(sandbox, folder, tuple(_PASSING) if thorough else ("memory",))
    except BioresearcherError as error:
        checks = (BoundaryTest("jobs run", ok=False, detail=str(error)),)
    finally:
        remove_tree(folder)
    return ProbeResult(all(check.ok for check in checks), checks, round(time.monotonic() - started, 2))


async def _checks(sandbox: Sandbox, folder: Path, limits: tuple[str, ...]) -> tuple[BoundaryTest, ...]:
    for name in ("code", "work", "outside"):
        (folder / name).mkdir()
    (folder / "outside").chmod(0o777)
    secret = folder / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    secret.chmod(0o644)  # even a file that everybody may read stays out of reach
    shutil.copyfile(escape_probe.__file__, folder / "code" / "canary.py")
    own = Path("/proc/self/comm").read_text(encoding="utf-8").strip() if Path("/proc/self/comm").exists() else "python"
    slots = asyncio.Semaphore(_SIDE_BY_SIDE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        args = (str(secret), str(folder / "outside"), str(port), json.dumps(_foreign_names()), str(os.getpid()), own)
        canary_job = Job(folder / "code", "canary.py", folder / "work", args, limits=_LIMITS)
        held = asyncio.gather(*(_limit_holds(sandbox, folder, name, slots) for name in limits))
        tried, passed = await asyncio.gather(sandbox.run(canary_job), held)
    return (*_judge(tried), *passed)


async def _limit_holds(sandbox: Sandbox, folder: Path, name: str, slots: asyncio.Semaphore) -> BoundaryTest:
    words, script = _PASSING[name]
    place = folder / name
    for part in ("code", "work"):
        (place / part).mkdir(parents=True)
    (place / "code" / "hog.py").write_text(script, encoding="utf-8")
    limits = _LIMITS.model_copy(update=_TIGHT.get(name, {}))
    async with slots:
        ended = await sandbox.run(Job(place / "code", "hog.py", place / "work", limits=limits))
    return BoundaryTest(f"is ended when it {words}", ended.killed == name, _how(ended))


def _foreign_names() -> list[str]:
    """Return the names of our environment variables that a job must not see."""
    own = variables(Path(sys.executable), "", {})
    return [name for name in os.environ if name not in own and name not in _SET_BY_BUBBLEWRAP][:500]


def _judge(result: ExecResult) -> tuple[BoundaryTest, ...]:
    try:
        found = json.loads(result.stdout)
    except ValueError:
        return (BoundaryTest("jobs run", ok=False, detail=_how(result)),)
    checks = [BoundaryTest(text, ok=found.get(key) is False) for key, text in _EXPECTED.items()]
    return (*checks, BoundaryTest("can write to its own folder", ok=found.get("write_work") is True))


def _how(result: ExecResult) -> str:
    if result.killed:
        return f"ended by the limit {result.killed} at {result.use.peak_memory_mb:.0f} MB"
    lines = result.stderr.strip().splitlines()
    return f"exit code {result.exit_code}{f': {lines[-1]}' if lines else ''}"
