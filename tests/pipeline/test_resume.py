"""Nothing is lost: kills, Ctrl-C, open gates and changed inputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.examples import load_example

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("resume")]
Results = Callable[[Path], dict[str, str]]


def wait_for(folder: Path, text: str, process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Until an event line holds the text."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for events in folder.glob("runs/*/events.jsonl"):
            if text in events.read_text(encoding="utf-8"):
                return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    raise AssertionError(f"no event with {text!r}")


def record(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return data


def test_a_run_killed_again_and_again_ends_the_same(
    program: Any, small_objective: Path, results: Results, reference: dict[str, str]
) -> None:
    moments = ['"stage": "screen_papers", "state": "done"', '"stage": "write_steps", "state": "start"', '"task": "T2"']
    first = program.start("run", str(small_objective), "--yes", "--quiet")
    wait_for(program.workspace, moments[0], first)
    program.kill(first)
    folder = program.folder()
    for moment in moments[1:]:
        process = program.start("resume", str(folder), "--yes", "--quiet")
        wait_for(program.workspace, moment, process)
        program.kill(process)
    done = program.run("resume", str(folder), "--yes", "--quiet")
    assert done.returncode == 0, done.stderr
    assert record(folder)["status"] == "done"
    assert results(folder) == reference


def test_ctrl_c_stops_in_order_and_resume_goes_on(
    program: Any, small_objective: Path, results: Results, reference: dict[str, str]
) -> None:
    process = program.start("run", str(small_objective), "--yes")
    wait_for(program.workspace, '"stage": "plan_protocol", "state": "start"', process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "resume" in error
    assert "Traceback" not in error
    folder = program.folder()
    assert record(folder)["status"] == "stopped"
    assert record(folder)["stopped_by"] == "Ctrl-C"
    done = program.run("resume", str(folder), "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"
    assert results(folder) == reference


def test_ctrl_c_twice_leaves_at_once_and_loses_nothing(
    program: Any, small_objective: Path, results: Results, reference: dict[str, str]
) -> None:
    process = program.start("run", str(small_objective), "--yes")
    wait_for(program.workspace, '"kind": "task"', process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "Traceback" not in error
    assert program.run("resume", str(program.folder()), "--yes").returncode == 0
    assert results(program.folder()) == reference


def test_without_a_terminal_a_gate_stops_the_run_until_it_is_answered(program: Any, small_objective: Path) -> None:
    stopped = program.run("run", str(small_objective))
    assert stopped.returncode == 3
    assert "approve_selection" in stopped.stderr
    again = program.run("resume", str(program.folder()))
    assert again.returncode == 3
    done = program.run("resume", str(program.folder()), "--yes", "--json")
    assert done.returncode == 0, done.stderr
    decisions = json.loads(done.stdout)["decisions"]
    assert [(d["gate"], d["by"]) for d in decisions] == [("approve_selection", "--yes"), ("approve_protocol", "--yes")]
    finished = program.run("resume", str(program.folder()), "--yes")
    assert finished.returncode == 0


def test_a_resumed_run_shows_what_was_finished_and_says_nothing_of_its_checkpoints(
    program: Any, tmp_path: Path
) -> None:
    note = load_example("breast-cancer").papers[0] / "perou-2000.md"
    asked = ("--objective", "How are tumours grouped by expression?", "--papers", str(note))
    assert program.run("run", *asked, "--quiet").returncode == 3
    stopped = program.run("resume", str(program.folder()), "--quiet")
    assert stopped.stderr.splitlines() == [
        "stopped: the approval approve_selection is open",
        "answer it in a terminal, or add --yes",
        f"go on with: bioresearcher resume {program.folder()}",
    ]
    screen, terminal = os.openpty()
    environment = {**program.environment(), "TERM": "xterm", "COLUMNS": "120", "LINES": "40", "NO_COLOR": "1"}
    command = program.command("resume", str(program.folder()), "--yes")
    process = subprocess.Popen(command, stdout=terminal, stderr=subprocess.PIPE, stdin=terminal, env=environment)
    os.close(terminal)
    seen = b""
    with suppress(OSError):  # how the end of a terminal is told
        while read := os.read(screen, 65_536):
            seen += read
    os.close(screen)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, b"")
    shown = seen.decode()
    assert "✓ search" in shown
    assert "· search" not in shown
    assert "· review" in shown
    decisions = record(program.folder())["decisions"]
    assert [d["gate"] for d in decisions] == ["approve_selection", "approve_protocol"]


def test_inputs_that_changed_are_refused_on_resume(program: Any, small_objective: Path, tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    source = Path(named_papers(small_objective)[0])
    note.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    small_objective.write_text(small_objective.read_text(encoding="utf-8").replace(str(source), str(note)))
    assert program.run("run", str(small_objective)).returncode == 3
    note.write_text(note.read_text(encoding="utf-8") + "\nOne more line that was not there before.\n")
    done = program.run("resume", str(program.folder()), "--yes")
    assert done.returncode == 2
    assert "note.md changed since the run started" in done.stderr


def named_papers(path: Path) -> list[str]:
    """The papers named in an objective file."""
    import tomllib

    return list(tomllib.loads(path.read_text(encoding="utf-8"))["papers"])


def test_two_processes_on_one_run_folder(program: Any, small_objective: Path) -> None:
    process = program.start("run", str(small_objective), "--yes")
    wait_for(program.workspace, '"state": "start"', process)
    second = program.run("resume", str(program.folder()), "--yes")
    assert second.returncode == 2
    assert f"in use by process {process.pid}" in second.stderr
    program.kill(process)


def test_a_finished_run_is_shown_again_until_something_changes(program: Any, small_objective: Path) -> None:
    first = program.run("run", str(small_objective), "--yes", "--quiet", "--reuse")
    assert first.returncode == 0, first.stderr
    again = program.run("run", str(small_objective), "--yes", "--quiet", "--reuse")
    assert again.stdout == first.stdout
    assert "nothing changed" in again.stderr
    assert len(list((program.workspace / "runs").iterdir())) == 1
    other = program.run("run", str(small_objective), "--reuse", "--requirement", "A heat map of the leading genes")
    assert other.returncode == 3  # another objective: a new run, which stops at its gate
    assert len(list((program.workspace / "runs").iterdir())) == 2
