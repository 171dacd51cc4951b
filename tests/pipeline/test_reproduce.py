"""`bioresearcher reproduce`: a run's tasks again, from its folder alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.cli.app import main

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


@pytest.fixture
def moved(finished: Path, tmp_path: Path) -> Path:
    """The run's folder elsewhere, without the data files that it was made from."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(finished, folder)
    for path in folder.glob("datasets/*.json"):
        described = json.loads(path.read_text())
        path.write_text(json.dumps({**described, "root": str(tmp_path / "gone")}))
    return folder


def reproduced(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["reproduce", str(folder), "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def verdicts(result: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for check in result["checks"]:
        found.setdefault(check["task_id"], set()).add(check["verdict"])
    return found


def test_a_folder_alone_is_enough_to_make_every_output_again(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.read_bytes() for p in moved.rglob("*") if p.is_file()}
    code, result = reproduced(moved, capsys)
    assert code == 0
    assert {v for found in verdicts(result).values() for v in found} == {"same"}
    assert {f"{c['task_id']}/{c['file']}" for c in result["checks"]} == {
        f"{p.parent.parent.name}/{p.name}" for p in moved.glob("tasks/*/outputs/*")
    }
    assert result["changed"] == {}
    assert {p: p.read_bytes() for p in moved.rglob("*") if p.is_file()} == before, "nothing is written"


def test_what_was_tampered_with_is_told_from_what_comes_out_differently(
    moved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (table,) = moved.glob("tasks/T2/outputs/*.tsv")
    table.write_text(table.read_text() + "x\n")
    code = moved / "tasks" / "T3" / "code.py"
    code.write_text(code.read_text() + "\nimport pathlib, sys, json\n"
                    "for out in json.loads(pathlib.Path(sys.argv[1]).read_text())['outputs'].values():\n"
                    "    pathlib.Path(out).unlink()\n")  # fmt: skip
    status, result = reproduced(moved, capsys)
    found = verdicts(result)
    assert status == 1
    assert found["T3"] == {"differs"}
    assert found["T1"] == {"same"}
    (tampered,) = (check for check in result["checks"] if check["file"] == table.name)
    assert tampered["verdict"] == "differs"
    assert "not the one that the run recorded; the code gives the recorded one again" in tampered["detail"]
    status, result = reproduced(moved, capsys, "--task", "T3")
    assert (status, list(verdicts(result))) == (1, ["T3"])


def test_a_task_whose_data_are_gone_cannot_be_repeated(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept,) = moved.glob("inputs/*/clinical.tsv")
    kept.write_text("sample\n")
    status, result = reproduced(moved, capsys, "--task", "T1")
    assert status == 1
    assert verdicts(result) == {"T1": {"cannot"}}
    assert all("neither kept nor unchanged" in check["detail"] for check in result["checks"])


def test_an_unknown_task_and_a_folder_without_a_run_are_said(
    moved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", str(moved), "--task", "T99"]) == 2
    assert "has no task 'T99'" in capsys.readouterr().err
    assert main(["reproduce", str(tmp_path / "nowhere")]) == 2
    assert "there is no run folder" in capsys.readouterr().err
