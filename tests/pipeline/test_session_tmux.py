"""The session in a real terminal: tmux types, pastes, and is killed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.examples import load_example

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("tmux")]
PATIENCE_S = 120


@dataclass(frozen=True)
class Pane:
    """A terminal with the program in it."""

    folder: Path
    environ: dict[str, str]

    def tmux(self, *args: str, text: str | None = None) -> str:
        command = ["tmux", "-S", str(self.folder / "tmux.sock"), "-f", "/dev/null", *args]
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=self.environ, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, command: list[str], columns: int, rows: int = 30) -> None:
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), f"{shlex.join(command)}; echo code=$?; cat")

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def paste(self, text: str) -> None:
        self.tmux("load-buffer", "-", text=text)
        self.tmux("paste-buffer", "-p")

    def said(self) -> str:
        """Everything on the screen and above it without white space: where lines break depends on the width."""
        return "".join(self.tmux("capture-pane", "-p", "-S", "-5000").split())

    def wait_for(self, text: str, times: int = 1) -> str:
        """Until the text has been said so many times."""
        end = time.monotonic() + PATIENCE_S
        while (shown := self.said()).count("".join(text.split())) < times:
            assert time.monotonic() < end, f"{text!r} did not come:\n{shown}"
            time.sleep(0.2)
        return shown


@pytest.fixture
def pane(tmp_path: Path, program: Any) -> Iterator[Pane]:
    if shutil.which("tmux") is None:
        if os.environ.get("REQUIRE_TMUX"):
            pytest.fail("tmux is not installed")
        pytest.skip("tmux is not installed")
    made = Pane(tmp_path, {**program.environment(), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
    yield made
    subprocess.run(["tmux", "-S", str(tmp_path / "tmux.sock"), "kill-server"], capture_output=True, check=False)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def note(folder: Path) -> Path:
    source = load_example("breast-cancer").papers[0] / "perou-2000.md"
    return Path(shutil.copy(source, folder))


def record(program: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((program.folder() / "run.json").read_text(encoding="utf-8"))
    return found


def test_forty_columns_and_pastes_of_200_kilobytes(pane: Pane, program: Any) -> None:
    path = note(pane.folder)
    pane.start(program.command("session"), columns=40)
    pane.wait_for("objective>")
    pane.paste("ACGTACGT " * 22_500)
    pane.wait_for("[pasted text 1: 202,500 characters")
    pane.press("Enter")
    pane.wait_for("at most 20,000")
    pane.type("/hlep")
    pane.wait_for("Did you mean /help?")
    pane.paste("How are tumours\ngrouped by expression?")
    pane.press("Enter")
    pane.wait_for("condition (")
    pane.press("Enter")
    pane.wait_for("requirement (")
    pane.paste("\n".join(f"- requirement number {n} of a long list" for n in range(5_000)))
    pane.press("Enter")
    pane.wait_for("5000 taken")
    pane.type("")
    pane.wait_for("papers (")
    pane.tmux("send-keys", "-l", str(path)[:-4])
    pane.press("Tab", "Enter")
    pane.wait_for("papers (", 2)
    pane.type("")
    pane.wait_for("data (")
    pane.type("")
    shown = pane.wait_for("or what to change>")
    assert "R1" in shown
    assert "PMID10963602" in shown
    pane.type("/quit")
    shown = pane.wait_for("code=0")
    assert all(len(line) <= 40 for line in pane.tmux("capture-pane", "-p").splitlines())
    assert not (program.workspace / "runs").exists()
    history = program.workspace / "history"
    assert oct(history.stat().st_mode & 0o777) == "0o600"
    assert "ACGT" not in history.read_text(encoding="utf-8")


def test_stopping_going_on_and_losing_the_terminal(pane: Pane, program: Any) -> None:
    pane.start(program.command("session"), columns=80)
    for asked, times, answer in (
        ("objective>", 1, "How are tumours grouped by expression?"), ("condition (", 1, ""), ("requirement (", 1, ""),
        ("papers (", 1, str(note(pane.folder))), ("papers (", 2, ""), ("data (", 1, ""),
        ("or what to change>", 1, "start"),
    ):  # fmt: skip
        pane.wait_for(asked, times)
        pane.type(answer)
    pane.wait_for("selection>")
    pane.press("C-c")
    pane.wait_for("[c]ontinue")
    assert record(program)["status"] == "stopped"
    pane.type("c")
    pane.wait_for("Papers to read", 2)
    owner = int((program.folder() / "lock").read_text())
    pane.tmux("kill-pane")
    wait_until(lambda: record(program)["status"] == "stopped")
    wait_until(lambda: not Path(f"/proc/{owner}").exists())
    assert record(program)["stopped_by"] == "the approval approve_selection is open"
    done = program.run("resume", str(program.folder()), "--yes", "--quiet")
    assert done.returncode == 0, done.stderr
    assert record(program)["status"] == "done"
