"""Runs on what users really bring: unusable tables, full disks, damaged folders, objectives in any form."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.cli import drive
from bioresearcher.cli.app import main
from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.graph import prepare
from bioresearcher.resources import Resources
from bioresearcher.runfolder import RunFolder
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.sandbox.probe import BoundaryTest, ProbeResult
from bioresearcher.schemas.base import Objective
from bioresearcher.settings import Settings
from bioresearcher.skills import load_skills
from bioresearcher.stages.code_material import WHOLE_CHARS

QUESTION = "Which genes differ between tumour and normal samples?"


def tables(folder: Path, samples: int = 12, separator: str = ",", *, broken: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"S{n:02d}" for n in range(samples)]
    lines = [separator.join(["gene", *names])]
    for gene in range(30):
        values = [f"{7 + ((gene * 7 + n * 13) % 11) / 10 + (gene < 5) * (n % 2):.2f}" for n in range(samples)]
        lines.append(separator.join([f"G{gene}", *values]))
    (folder / "expr.csv").write_text("\n".join(lines) + "\n")
    rows = [separator.join([n, "tumour" if i % 2 else "normal"]) for i, n in enumerate(names)]
    (folder / "samples.csv").write_text("\n".join([separator.join(["sample", "status"]), *rows]) + "\n")
    if broken:
        (folder / "expr.csv").unlink()
        (folder / "expr.csv.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"no gzip follows" * 20)
    return folder


def started(program: Any, data: Path, *more: str, objective: str = QUESTION) -> Any:
    return program.run("run", "--objective", objective, "--data", str(data), "--yes", *more)


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
def test_a_vetted_analysis_too_long_for_the_examples_runs_whole_and_the_datas_own_message_is_heard(
    program: Any, tmp_path: Path
) -> None:
    wanted = ("--requirement", "A classifier with nested cross-validation", "--quiet")
    done = started(program, tables(tmp_path / "few"), *wanted, objective="Can a penalised model tell the status?")
    assert done.returncode == 1, done.stderr  # the task is blocked, so nothing is answered
    (task,) = (
        folder for folder in program.folder().glob("tasks/*")
        if json.loads((folder / "task.json").read_text())["skill"] == "penalised-model"
    )  # fmt: skip
    record = json.loads((task / "record.json").read_text())
    assert [a["outcome"] for a in record["attempts"]] == ["blocked"]
    assert "only 12 samples are in both" in record["message"]
    assert "at least 20 are needed" in record["message"]
    vetted = load_skills(Resources())["penalised-model"]
    assert len(vetted.instructions) + len(vetted.code) > WHOLE_CHARS
    assert (task / "code.py").read_text() == vetted.code


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("three", {"samples": 3}, "3 samples can be analysed; at least 6 are needed"),
        ("broken", {"broken": True}, "could not be loaded"),
    ],
)
def test_data_that_cannot_be_used_end_the_run_with_the_reason(
    program: Any, tmp_path: Path, name: str, options: dict[str, Any], said: str
) -> None:
    done = started(program, tables(tmp_path / name, **options))
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "no protocol can be designed" in done.stderr
    assert said in done.stderr
    assert "resume" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    record = json.loads((program.folder() / "run.json").read_text())
    assert record["status"] == "failed"
    assert any(said in d for d in [record["stopped_by"], *record["not_verified"]])
    assert (program.folder() / "report.md").is_file()


@pytest.mark.slow
def test_without_a_sandbox_the_protocol_and_report_are_made_and_the_tasks_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none_works(level: str) -> None:
        raise SandboxUnavailableError("no sandbox works on this machine: none was found.")

    monkeypatch.setattr(prepare, "choose_sandbox", none_works)
    # the process's own limits on threads stay as they are in a test
    monkeypatch.setattr(drive, "keep_lean", lambda: None, raising=False)
    data = tables(tmp_path / "data")
    workspace = tmp_path / "w"
    code = main(["run", "--objective", QUESTION, "--data", str(data), "--workspace", str(workspace), "--yes"])
    assert code == 1, "nothing was answered"
    (folder,) = (workspace / "runs").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["totals"]["tasks"] > 0
    assert record["totals"]["outcomes"] == {"not_run": record["totals"]["tasks"]}
    assert "no sandbox works" in capsys.readouterr().out
    assert "No sandbox was used: no code was run" in (folder / "report.md").read_text()
    assert (folder / "protocol.md").is_file()


async def test_a_sandbox_that_fails_its_self_test_is_not_used_and_a_sound_one_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = prepare.RunInputs(Objective(id="o", text=QUESTION), (), (tables(tmp_path / "data"),))
    settings = Settings(workspace=tmp_path / "w")
    (tmp_path / "w" / "runs" / "r").mkdir(parents=True)
    async with prepare.open_context(RunFolder(tmp_path / "w" / "runs" / "r"), inputs, settings, None) as context:
        assert context.sandbox is not None
        assert "held: cannot reach the network" in context.sandbox_test

    async def leaks(_: Sandbox) -> ProbeResult:
        return ProbeResult(False, (BoundaryTest("cannot reach the network", ok=False),), 0.1)

    monkeypatch.setattr(prepare, "probe", leaks)
    async with prepare.open_context(RunFolder(tmp_path / "w" / "runs" / "r"), inputs, settings, None) as context:
        assert context.sandbox is None
        assert "failed its self-test, so no code was run: NOT HELD: cannot reach the network" in context.sandbox_note
        assert context.sandbox_test == ("NOT HELD: cannot reach the network",)


@pytest.mark.slow
def test_odd_objectives_are_text_and_a_damaged_checkpoint_is_said(program: Any, tmp_path: Path) -> None:
    text = "Welche Gene \x1b[31m <script>alert(1)</script> {{ 7*7 }} {title} | unterscheiden Tumor und Normal? " * 40
    (tmp_path / "objective.txt").write_text(text)
    done = started(program, tables(tmp_path / "Daten für Größe"), objective=f"@{tmp_path / 'objective.txt'}")
    assert done.returncode == 1, (done.stdout, done.stderr)  # no column is called so
    folder = program.folder()
    page, protocol = (folder / "report.html").read_text(), (folder / "protocol.md").read_text()
    assert "<script>alert(1)" not in page + protocol
    assert "\x1b" not in page + protocol + done.stdout
    assert "49" not in protocol.splitlines()[0]
    assert "A plan for the objective" in protocol
    assert "No analysis that the objective names can be planned" in protocol
    assert "No papers were given, so no step rests on literature." in (folder / "report" / "review.md").read_text()

    (folder / "checkpoints.sqlite").write_bytes(b"garbage" * 400)
    for name in ("checkpoints.sqlite-wal", "checkpoints.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    again = program.run("resume", str(folder), "--yes")
    if again.returncode != 0:  # a run that is shown again without its checkpoints is as good
        assert again.returncode == 4, (again.stdout, again.stderr)
        assert "this is a bug" not in again.stderr
        assert "may be deleted" in again.stderr


def test_a_full_disk_is_outside_trouble_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(drive, "_run", full)
    monkeypatch.setattr(drive, "keep_lean", lambda: None, raising=False)
    data, workspace = tables(tmp_path / "data"), tmp_path / "w"
    code = main(["run", "--objective", QUESTION, "--data", str(data), "--workspace", str(workspace), "--yes"])
    assert code == 4
    said = capsys.readouterr().err
    assert "database or disk is full" in said
    assert "bug" not in said
    assert not list((workspace / "runs").iterdir())


@pytest.mark.slow
def test_a_limit_of_tasks_changes_what_is_promised_before_the_approval(program: Any, tmp_path: Path) -> None:
    asked = f"{QUESTION} Describe the samples."
    done = started(program, tables(tmp_path / "data"), "--max-tasks", "1", objective=asked)
    assert done.returncode in (0, 1), done.stderr
    promised, _, after = done.stdout.partition("approve_selection")
    assert "A1 Difference of all features" in promised.partition("This cannot be answered:")[2]
    assert "because --max-tasks 1 leaves no task for it — to settle it: a larger --max-tasks, or none" in promised
    assert "A2 Description of the samples" in promised.partition("This cannot be answered:")[0]
    before, _, _ = after.partition("approve_protocol")
    assert "Not carried out, as --max-tasks allows 1 of " in before
    protocol = json.loads((program.folder() / "protocol.json").read_text(encoding="utf-8"))
    assert any("as --max-tasks allows 1 of" in text for text in protocol["limitations"])
