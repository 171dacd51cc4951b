"""A process that dies between two steps, when the first is recorded and the next has not begun."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

MORTAL = """
import asyncio, os, signal, sys
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from bioresearcher.cli.app import main

save, saved = AsyncSqliteSaver.aput, 0

async def dying(self, *args):
    global saved
    saved += 1
    if saved > 3:
        await asyncio.sleep(0.2)  # until what the last step gave is on the disk
        os.kill(os.getpid(), signal.SIGKILL)
    return await save(self, *args)

AsyncSqliteSaver.aput = dying
sys.exit(main())
"""


def test_a_run_that_dies_at_every_third_border_ends_the_same(
    program: Any, small_objective: Path, results: Callable[[Path], dict[str, str]], tmp_path: Path
) -> None:
    text = small_objective.read_text(encoding="utf-8")
    small_objective.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("data")))
    undisturbed = type(program)(tmp_path / "undisturbed")
    assert undisturbed.run("run", str(small_objective), "--yes", "--quiet").returncode == 0

    command, deaths = ["run", str(small_objective)], 0
    while True:
        done = subprocess.run(
            [sys.executable, "-c", MORTAL, *command, "--yes", "--quiet"],
            capture_output=True,
            text=True,
            timeout=120,
            env=program.environment(),
            check=False,
        )
        command = ["resume", str(program.folder())]
        if done.returncode != -signal.SIGKILL:
            break
        deaths += 1
        assert deaths < 20

    assert done.returncode == 0, done.stderr
    assert deaths >= 4
    assert json.loads((program.folder() / "run.json").read_text(encoding="utf-8"))["status"] == "done"
    assert results(program.folder()) == results(undisturbed.folder())
