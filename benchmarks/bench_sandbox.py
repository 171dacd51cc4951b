"""What a start in the sandbox costs over a bare start of the same interpreter with the same script."""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure, measured, timed

from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox

SCRIPT = "print(sum(range(10)))\n"


def measure(quick: bool) -> list[Figure]:
    """Bare and sandboxed starts in turn, so that both see the same machine."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for name in ("code", "work"):
            (place / name).mkdir()
        place.chmod(0o755)
        (place / "code" / "script.py").write_text(SCRIPT, encoding="utf-8")
        job = Job(code_dir=place / "code", script="script.py", work_dir=place / "work")
        try:
            return asyncio.run(_both(job, 15 if quick else 40))
        except SandboxUnavailableError as error:
            return [Figure("sandbox start", f"no sandbox works here: {error}", "≤ 150 ms more than bare", False)]


async def _both(job: Job, repeats: int) -> list[Figure]:
    sandbox = BubblewrapSandbox()
    bare_command = [sys.executable, str(job.code_dir / job.script)]
    bare, inside, more, cpu = [], [], [], []
    for number in range(repeats + 1):
        plain_s = timed(bare_command).wall_s
        cpu_before, before = _cpu_s(), time.monotonic()
        result = await sandbox.run(job)
        took_s = time.monotonic() - before
        if result.exit_code or result.stdout.strip() != "45":
            raise RuntimeError(f"the script failed in the sandbox: {result.stderr[-300:]}")
        if number:  # the first finds out what the machine allows
            bare.append(1000 * plain_s)
            inside.append(1000 * took_s)
            more.append(1000 * (took_s - plain_s))
            cpu.append(1000 * (_cpu_s() - cpu_before))
    return [
        measured("start of bare Python, wall", bare, "ms"),
        measured("start of Python in the sandbox, wall", inside, "ms"),
        measured("start in the sandbox, over bare Python", more, "ms", at_most=150),
        measured("start in the sandbox, CPU of all processes", cpu, "ms"),
    ]


def _cpu_s() -> float:
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)
