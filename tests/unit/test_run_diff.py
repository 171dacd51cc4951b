"""Two runs are compared: questions, data, protocol, answers, numbers, versions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from report_support import build_run

from bioresearcher.cli.app import main
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import AnswerLine, Answers, QuestionAnswer
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Finding, TaskRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.run import RunRecord
from bioresearcher.stages.run_diff import compare_runs


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    """A run and a copy of it."""
    first = build_run(tmp_path / "first")
    places = sorted(first.path("tasks").glob("*/task.json"))
    first.write_list([first.read(DryLabTask, *p.relative_to(first.root).parts) for p in places], "tasks.json")
    record = first.read(TaskRecord, "tasks", "T1", "record.json")
    finding = Finding(statement="HR 1.5", values={"hr": 1.5, "set": "E2F"})
    first.write(record.model_copy(update={"findings": (finding,)}), "tasks", "T1", "record.json")
    sentence = AnswerLine(text="It is (HR 1.5).", findings=("T1.1",))
    first.write(
        Answers(questions=(QuestionAnswer(id="A1", text="Is it?", state="answered", sentences=(sentence,)),)),
        "answer.json",
    )
    shutil.copytree(first.root, tmp_path / "second")
    return first, RunFolder(tmp_path / "second")


def test_a_run_and_its_copy_are_the_same(runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_runs(*runs).same
    assert main(["diff", str(runs[0].root), str(runs[1].root)]) == 0
    assert "are the same" in capsys.readouterr().out


def test_what_changed_is_told_part_by_part(
    runs: tuple[RunFolder, RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    _, second = runs
    record = second.read(TaskRecord, "tasks", "T1", "record.json")
    finding = record.findings[0].model_copy(update={"values": {"hr": 1.6, "set": "E2F"}})
    second.write(record.model_copy(update={"findings": (finding,)}), "tasks", "T1", "record.json")
    protocol = second.read(Protocol, "protocol.json")
    last = protocol.parts[-1].model_copy(update={"steps": protocol.parts[-1].steps[:-1]})
    second.write(protocol.model_copy(update={"parts": (*protocol.parts[:-1], last)}), "protocol.json")
    run = second.read(RunRecord, "run.json")
    second.write(run.model_copy(update={"versions": {**run.versions, "numpy": "9.9"}}), "run.json")
    data = sorted(second.path("datasets").glob("*.json"))[0]
    dataset = second.read(Dataset, "datasets", data.name)
    file = dataset.files[0].model_copy(update={"sha256": "0" * 64})
    second.write(dataset.model_copy(update={"files": (file, *dataset.files[1:])}), "datasets", data.name)
    answers = second.read(Answers, "answer.json")
    question = answers.questions[0].model_copy(update={"state": "partly answered"})
    second.write(Answers(questions=(question,)), "answer.json")
    found = compare_runs(*runs)
    by_part = {d.part: d for d in found.differences}
    assert {"numbers", "protocol", "versions", "data", "answers"} == set(by_part)
    assert (by_part["numbers"].before, by_part["numbers"].after) == ("1.5", "1.6")
    assert by_part["protocol"].after == ""
    assert by_part["answers"].after == "partly answered"
    assert main(["diff", str(runs[0].root), str(second.root), "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["differences"]) == len(found.differences)
    assert main(["diff", str(runs[0].root), str(second.root)]) == 0
    assert "1.5 → 1.6" in capsys.readouterr().out


def test_an_unfinished_run_and_a_folder_that_is_no_run(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = RunFolder(tmp_path / "half")
    half.write(runs[0].read(RunRecord, "run.json"), "run.json")
    assert main(["diff", str(runs[0].root), str(half.root)]) == 0
    assert "only in the first run" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert main(["diff", str(runs[0].root), str(tmp_path / "empty")]) == 2
