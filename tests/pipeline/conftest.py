"""Driving the real program in processes of its own."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bioresearcher.examples import load_example

OBJECTIVE = """
id = "er-status"
objective = "Which genes differ between oestrogen-receptor-positive and -negative breast tumours?"
requirements = ["Differential expression between the groups with control of the false discovery rate"]
papers = {papers}
data = {data}
"""


@dataclass(frozen=True)
class Program:
    """The command line, with a workspace of its own."""

    workspace: Path

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "bioresearcher", *args]

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BIORESEARCHER_")}
        return {**kept, "BIORESEARCHER_WORKSPACE": str(self.workspace), "BIORESEARCHER_ONLY_OWN": "1"}

    def run(self, *args: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*args),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self.environment(),
            start_new_session=True,
        )

    @staticmethod
    def kill(process: subprocess.Popen[str]) -> None:
        """`kill -9`, and its pipes closed."""
        process.kill()
        process.communicate()

    def folder(self) -> Path:
        """The workspace's only run folder."""
        (found,) = (self.workspace / "runs").iterdir()
        return found


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "workspace")


def write_objective(folder: Path) -> Path:
    inputs = load_example("breast-cancer")
    notes = [str(inputs.papers[0] / n) for n in ("benjamini-hochberg-1995.md", "perou-2000.md")]
    path = folder / "objective.toml"
    path.write_text(OBJECTIVE.format(papers=notes, data=[str(inputs.data[0])]), encoding="utf-8")
    return path


@pytest.fixture
def small_objective(tmp_path: Path) -> Path:
    """An objective file with two method notes and one cohort: a run of a few tasks."""
    return write_objective(tmp_path)


_REGISTERED = re.compile(rb"^Registered .*\n", re.MULTILINE)
"""Line of `protocol.md` with the time of its approval."""


def digests(folder: Path) -> dict[str, str]:
    """Digests of what must not depend on interruptions: protocol, review, code and outputs of every task."""
    files = [folder / "protocol.json", folder / "protocol.md", folder / "review.json", folder / "rounds.json"]
    files += sorted(folder.glob("tasks/*/outputs/*")) + sorted(folder.glob("tasks/*/code.py"))
    files += sorted(folder.glob("reports/*.json")) + sorted(folder.glob("analyses/*.json"))
    return {str(f.relative_to(folder)): hashlib.sha256(_REGISTERED.sub(b"", f.read_bytes())).hexdigest() for f in files}


@pytest.fixture
def results() -> Callable[[Path], dict[str, str]]:
    return digests


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the small objective when nothing interrupts it; only to be read."""
    place = tmp_path_factory.mktemp("undisturbed")
    undisturbed = Program(place / "workspace")
    done = undisturbed.run("run", str(write_objective(place)), "--yes", "--quiet")
    assert done.returncode == 0, done.stderr
    return undisturbed.folder()


@pytest.fixture(scope="session")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a run that reads two notes, designs, and has no data to compute with; only to be read."""
    place = tmp_path_factory.mktemp("read-only")
    (place / "notes").mkdir()
    source = load_example("breast-cancer").papers[0]
    for name in ("benjamini-hochberg-1995.md", "perou-2000.md"):
        shutil.copy(source / name, place / "notes")
    reading = Program(place / "workspace")
    asked = ("--objective", "How are tumours grouped by expression?", "--papers", str(place / "notes"))
    done = reading.run("run", *asked, "--yes", "--quiet")
    assert done.returncode == 0, done.stderr
    return reading.folder()


@pytest.fixture(scope="session")
def reference(finished: Path) -> dict[str, str]:
    """What that run gave."""
    return digests(finished)
