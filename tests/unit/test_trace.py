"""A number is followed from the answer to the files that were read, however it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from report_support import build_run

from bioresearcher.cli.app import main
from bioresearcher.errors import InputError
from bioresearcher.runfolder import RunFolder, file_sha256, write_text
from bioresearcher.schemas.answer import AnswerLine, Answers, QuestionAnswer
from bioresearcher.schemas.execution import Artifact, DryLabTask, Finding, Outcome, TaskRecord
from bioresearcher.stages.trace import trace_number, wanted_numbers

STATEMENT = "The score is associated (HR 1.51, 95 % CI 1.11 to 2.06, p = 0.0083; n = 124), down by -0.7 and 23.9%."
TABLE = "\n".join(
    "\t".join(row.split())
    for row in (
        "term group hr hr_low hr_high p shift share",
        "score all 1.51236 1.11234 2.05622 0.00830899 -0.699651 0.2389",
        "age all 0.68 0.47 0.98 0.0403 4.4e-31 0.5",
        "",
    )
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run whose task T1 states an effect that its table has before rounding."""
    folder = build_run(tmp_path / "run")
    record = folder.read(TaskRecord, "tasks", "T1", "record.json")
    path = folder.path("tasks", "T1", "outputs", "cox.tsv")
    write_text(path, TABLE)
    write_text(
        folder.path("tasks", "T1", "code.py"),
        'rows["p"] = fit.p\nwrite_table(rows, task.outputs["cox"], "cox.tsv")\nprint("nothing")\n',
    )
    artifact = Artifact(
        name="cox", path="outputs/cox.tsv", kind="table", sha256=file_sha256(path), bytes=path.stat().st_size
    )
    values: dict[str, Any] = {"hr": 1.51, "hr_low": 1.11, "hr_high": 2.06, "p": 0.0083, "shift": -0.7, "share": 23.9}
    finding = Finding(statement=STATEMENT, values=values)
    changed = record.model_copy(
        update={"outcome": Outcome.VERIFIED, "findings": (finding,), "artifacts": (*record.artifacts, artifact)}
    )
    folder.write(changed, "tasks", "T1", "record.json")
    said = AnswerLine(text="The score is associated with the hazard (HR 1.5, p = 0.0083).", findings=("T1.1",))
    other = AnswerLine(text="Nothing else has p = 0.0083.", findings=("T9.1",))
    question = QuestionAnswer(id="A1", text="Is it?", state="answered", sentences=(said, other))
    folder.write(Answers(questions=(question,)), "answer.json")
    places = sorted(folder.path("tasks").glob("*/task.json"))
    folder.write_list([folder.read(DryLabTask, *p.relative_to(folder.root).parts) for p in places], "tasks.json")
    return folder


def test_the_way_of_a_number_leads_from_the_sentence_to_the_input(run: RunFolder) -> None:
    (place, *_) = trace_number(run, "0.0083").places
    assert place.finding == "T1.1"
    assert [s.text for s in place.sentences] == ["The score is associated with the hazard (HR 1.5, p = 0.0083)."]
    (cell,) = place.cells
    assert (cell.file, cell.row, cell.column, cell.value) == ("tasks/T1/outputs/cox.tsv", 1, "p", "0.00830899")
    assert cell.row_name == "score, all"
    assert {(n.line, n.why.split(".")[0]) for n in place.lines} == {(1, "names p"), (2, "writes cox")}
    assert place.inputs
    assert all(len(i.sha256) == 64 for i in place.inputs)


@pytest.mark.parametrize(
    ("asked", "column"),
    [
        *((text, "p") for text in ("0.0083", "8.3e-3", "8.3 × 10^-3", "8.3·10⁻³", "0.00830899", " .0083 ")),
        *((text, "hr") for text in ("1.51", "+1.51")),
        *((text, "shift") for text in ("-0.7", "−0.7", "-0.70")),
        *((text, "share") for text in ("23.9%", "23.9 %", "23.89%")),
        *((text, "hr_low") for text in ("1.11 to 2.06", "1.11–2.06", "[1.11, 2.06]", "(1.11; 2.06)", "1.11-2.06")),
    ],
)
def test_a_number_is_found_as_it_may_be_written(run: RunFolder, asked: str, column: str) -> None:
    places = [p for p in trace_number(run, asked).places if p.finding == "T1.1"]
    assert len(places) == 1
    assert column in {c.column for c in places[0].cells}


def test_a_number_that_no_finding_states_is_found_in_tables(run: RunFolder) -> None:
    (place,) = trace_number(run, "4.4e-31").places
    assert (place.finding, place.cells[0].column) == ("", "shift")


@pytest.mark.parametrize(
    ("asked", "words"),
    [("0.6997", "the other sign"), ("0.083", "the decimal point is 1 place away"), ("1.58", "differs")],
)
def test_nearest_numbers_are_told_where_there_is_none(run: RunFolder, asked: str, words: str) -> None:
    found = trace_number(run, asked)
    assert found.places == ()
    assert any(words in n.difference for n in found.near)


@pytest.mark.parametrize("asked", ["", "many", "GSE1992", "1 2 3 4 5", "9e999", "\x00", "x" * 5000])
def test_what_is_no_number_is_refused(asked: str) -> None:
    with pytest.raises(InputError):
        wanted_numbers(asked)


def test_a_table_that_a_link_leads_to_is_not_read(run: RunFolder, tmp_path: Path) -> None:
    table = run.path("tasks", "T1", "outputs", "cox.tsv")
    outside = tmp_path / "elsewhere.tsv"
    table.rename(outside)
    os.symlink(outside, table)
    assert all(not p.cells for p in trace_number(run, "0.0083").places)


def test_the_command_prints_text_and_json_and_says_what_is_not_there(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", str(run.root), "0.0083"]) == 0
    said = capsys.readouterr().out
    assert "tasks/T1/outputs/cox.tsv, row 1 (score, all), column p: 0.00830899" in said
    assert main(["trace", str(run.root), "0.0083", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["places"][0]["finding"] == "T1.1"
    assert main(["trace", str(run.root), "--", "-0.083"]) == 1
    assert "in no finding, table or analysis set" in capsys.readouterr().out
    assert main(["trace", str(run.root), "abc"]) == 2
    assert main(["trace", str(run.root.parent / "nothing"), "1"]) == 2
