"""Views of a session on runs: the list with numbers, results in short, what is not there yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_support import build_run

from bioresearcher.cli.session.views import find_run, list_runs, view
from bioresearcher.errors import InputError, RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers, QuestionAnswer
from bioresearcher.schemas.run import RunRecord


def test_runs_are_listed_with_numbers_by_which_they_can_be_opened(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_run(tmp_path / "runs" / name)
    first = list_runs(tmp_path).splitlines()[0]
    number, name = first.split()[:2]
    assert number == "1"
    assert find_run(tmp_path, "1").root.name == name
    assert {find_run(tmp_path, n).root.name for n in ("1", "2")} == {"one", "two"}
    for wrong in ("0", "3", "x"):
        with pytest.raises(RunFolderError, match="there is no run"):
            find_run(tmp_path, wrong)


def test_results_are_short_and_whole_when_asked_for(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "runs" / "one")
    answers = Answers(
        questions=(
            QuestionAnswer(id="A1", text="Which differ?", state="answered", findings=("40 of 90 differ.", "More.")),
            QuestionAnswer(id="A2", text="Who lives longer?", state="not answered", why="no events are known"),
        )
    )
    record = folder.read(RunRecord, "run.json").model_copy(update={"answers": answers})
    folder.write(record, "run.json")
    short = view(folder, "results").lines()
    assert short[0] == "1 of 2 questions answered"
    assert [line for line in short if "40 of 90" in line or "no events" in line]
    assert not any("More." in line for line in short)
    assert len(short) < len(view(folder, "results", "all").lines())
    assert any("More." in line for line in view(folder, "results", "A1").lines())


def test_before_the_review_there_is_no_score_and_what_is_not_met_is_said(tmp_path: Path) -> None:
    folder = build_run(tmp_path / "runs" / "one")
    folder.path("review.json").unlink()
    lines = "\n".join(view(folder, "review").lines())
    assert "until then there is no score" in lines
    assert "is not met" in lines


def test_a_list_of_one_is_not_1_to_1(tmp_path: Path) -> None:
    folder = RunFolder(build_run(tmp_path / "runs" / "one").root)
    record = folder.read(RunRecord, "run.json")
    one = Answers(questions=(QuestionAnswer(id="A1", text="x", state="answered"),))
    folder.write(record.model_copy(update={"answers": one}), "run.json")
    with pytest.raises(InputError) as error:
        view(folder, "results", "7")
    assert error.value.hint == "Say 1, or an id such as A1."
