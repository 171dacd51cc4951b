"""A comment on a finished run whose outcome is declined leaves the finished run as it was."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.cli.app import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEPT = Path(__file__).resolve().parents[1] / "fixtures" / "last_version" / "lab.tar.xz"
RUN = "2026-11-30-er-status"
UNCHANGED = ("protocol.json", "protocol.md", "review.json", "tasks.json", "rounds.json", "tasks/T1/record.json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run, with the folder it was made in as the current one."""
    with tarfile.open(KEPT) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "workspace" / "runs" / RUN


def talk(tmp: Path, *lines: str) -> int:
    (tmp / "script.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return main(["session", "--script", "script.txt", "--plain", "--backend", "offline"])


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def test_no_to_a_change_leaves_the_finished_run_and_a_later_comment_still_works(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (folder / name).read_bytes() for name in UNCHANGED}
    talk(tmp_path, f"/resume {RUN}", "/feedback set fdr to 0.01", "no I prefer the old one", "/resume", "/quit")
    said = capsys.readouterr().out
    assert "the finished run is as it was before the comment" in said
    assert f"{RUN} is finished" in said.rpartition("> /resume")[2]
    assert {name: (folder / name).read_bytes() for name in UNCHANGED} == before
    record = manifest(folder)
    assert record["status"] == "done"
    last = record["decisions"][-1]
    assert (last["gate"], last["approved"], last["changed"]) == ("revise_protocol", False, False)
    assert [p.name for p in (folder / "revisions").iterdir()] == ["declined-1"]
    assert "Run complete" in (folder / "report.md").read_text()

    assert main(["run", "--feedback", "set fdr to 0.01", RUN, "--yes", "--quiet"]) == 0
    record = manifest(folder)
    assert record["status"] == "done"
    assert sorted(p.name for p in (folder / "revisions").iterdir()) == ["1", "declined-1"]
    assert "0.01" in (folder / "protocol.md").read_text()


def test_a_comment_that_changes_nothing_leaves_nothing_behind(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk(tmp_path, f"/resume {RUN}", "/feedback add gene set", "/quit")
    said = capsys.readouterr().out
    assert "nothing was changed" in said
    assert "The finished run is as it was." in said
    assert manifest(folder)["status"] == "done"
    assert not (folder / "revisions" / "finished").exists()


def test_a_change_that_is_left_open_can_be_declined_later(folder: Path, tmp_path: Path) -> None:
    talk(tmp_path, f"/resume {RUN}", "/feedback set fdr to 0.01", "/quit")
    assert manifest(folder)["status"] == "stopped"
    assert (folder / "revisions" / "finished").is_dir()
    talk(tmp_path, f"/resume {RUN}", "no", "/quit")
    assert manifest(folder)["status"] == "done"
    assert not (folder / "revisions" / "finished").exists()
