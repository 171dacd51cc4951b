"""Bad input: a clear line, the right exit code, nothing started, no traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

LONG = "Which genes differ between the two groups?"


def refused(program: Any, code: int, said: str, *args: str) -> str:
    done = program.run(*args)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    return str(done.stderr)


def test_no_objective(program: Any) -> None:
    refused(program, 2, "name one objective", "run")


def test_two_objectives(program: Any) -> None:
    refused(program, 2, "several were given", "run", "--example", "breast-cancer", "--objective", LONG)


def test_an_empty_objective(program: Any) -> None:
    refused(program, 2, "empty or too short", "run", "--objective", "  ")


def test_an_unknown_example_names_the_known_ones(program: Any) -> None:
    refused(program, 2, "breast-cancer", "run", "--example", "lung")


def test_nothing_to_work_with(program: Any) -> None:
    refused(program, 2, "neither papers nor data", "run", "--objective", LONG)


def test_a_folder_that_is_not_there(program: Any) -> None:
    refused(program, 2, "is not there", "run", "--objective", LONG, "--papers", "/no/such/folder")


@pytest.mark.parametrize("option", ["--papers", "--data"])
def test_an_empty_folder_starts_nothing(program: Any, tmp_path: Path, option: str) -> None:
    (tmp_path / "empty").mkdir()
    refused(program, 2, "empty", "run", "--objective", LONG, option, str(tmp_path / "empty"), "--yes")
    assert not list(program.workspace.glob("runs/*"))


def test_a_workspace_that_cannot_be_written(program: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file is in the way")
    refused(program, 4, "cannot create a run folder", "run", "--example", "breast-cancer", "--workspace", str(blocked))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workspace(program: Any, tmp_path: Path) -> None:
    (tmp_path / "read-only").mkdir(mode=0o555)
    refused(
        program, 4, "cannot create a run folder", "run", "--example", "breast-cancer",
        "--workspace", str(tmp_path / "read-only"),
    )  # fmt: skip


def test_a_full_workspace(program: Any, small_objective: Path) -> None:
    """A device that is always full stands for a full disk."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    from bioresearcher.errors import WorkspaceError
    from bioresearcher.events import EventLog

    with pytest.raises(WorkspaceError, match="No space left"):
        EventLog(Path("/dev/full")).emit("note", message="x")


def test_resuming_what_is_no_run(program: Any, tmp_path: Path) -> None:
    refused(program, 2, "no run folder", "resume", str(tmp_path / "nothing"))
    refused(program, 2, "has no run.json", "resume", str(tmp_path))


def test_a_run_folder_from_a_future_version(program: Any, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 99}))
    for command in ("resume", "report"):
        refused(program, 2, "newer version", command, str(tmp_path))


def test_a_wrong_number_names_its_option(program: Any) -> None:
    refused(program, 2, "--max-papers", "run", "--example", "breast-cancer", "--max-papers", "-3")


def test_a_wrong_environment_variable_is_named(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**program.environment(), "BIORESEARCHER_JOBS": "many"}
    monkeypatch.setattr(type(program), "environment", lambda self: environment)
    refused(program, 2, "BIORESEARCHER_JOBS", "run", "--example", "breast-cancer")


def test_an_override_that_does_not_fit_stops_before_the_run(program: Any, tmp_path: Path) -> None:
    assert program.run("prompts", "eject", str(tmp_path / "mine")).returncode == 0
    path = tmp_path / "mine" / "prompts" / "search" / "plan_queries.md"
    path.write_text(path.read_text(encoding="utf-8").replace("{{ round }}", "one"), encoding="utf-8")
    refused(program, 2, "plan_queries.md", "run", "--example", "breast-cancer", "--project", str(tmp_path / "mine"))
    refused(program, 2, "nothing was copied", "prompts", "eject", str(tmp_path / "mine"))


def test_help_and_version(program: Any) -> None:
    for args in (["--help"], ["run", "--help"], ["resume", "--help"], ["review", "--help"], ["doctor", "--help"], []):
        done = program.run(*args)
        assert done.returncode == 0
        assert "usage: bioresearcher" in done.stdout
    assert program.run("--version").stdout.startswith("bioresearcher ")
