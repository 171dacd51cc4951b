"""`bioresearcher ask` on a run: answers, exit codes, and what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

FDR = "At which false discovery rate are genes called significant?"


@pytest.fixture
def run(read_only: Path, tmp_path: Path) -> Path:
    """A copy that may be written to."""
    return Path(shutil.copytree(read_only, tmp_path / "run"))


def test_a_question_is_answered_with_its_quote_or_not_at_all(program: Any, run: Path) -> None:
    done = program.run("ask", str(run), FDR, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    citation, *_ = answer["citations"]
    document = json.loads((run / "documents" / f"{citation['paper_id']}.json").read_text(encoding="utf-8"))
    evidence = citation["evidence"]
    assert document["text"][evidence["start"] : evidence["end"]] == evidence["text"]
    assert "below 0.05" in answer["sentences"][0]["text"]

    done = program.run("ask", str(run), "Which dose of atorvastatin lowers cholesterol?")
    assert done.returncode == 1
    assert done.stdout.startswith("Not in the library")
    kept = [json.loads(line) for line in (run / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(k["number"], k["in_library"]) for k in kept] == [(1, True), (2, False)]


@pytest.mark.parametrize("question", ["", "why " * 2_500, "@nowhere.txt"])
def test_what_is_no_question_is_one_line(program: Any, run: Path, question: str) -> None:
    done = program.run("ask", str(run), question)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert not (run / "questions.jsonl").exists()


@pytest.mark.slow
def test_a_session_shows_asks_and_exports(program: Any, read_only: Path, tmp_path: Path) -> None:
    shutil.copytree(read_only, program.workspace / "runs" / "earlier")
    commands = (
        "papers 1",
        "papers 99",
        "protocol 1",
        "tasks",
        "review",
        "cost",
        "budget",
        "status",
        f"ask {FDR}",
        "open",
    )
    lines = ["/resume earlier", *(f"/{c}" for c in commands), f"/export {tmp_path / 'copy.zip'}", "/quit"]
    script = tmp_path / "script.txt"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = program.run("--script", str(script))
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "taken over", "/papers: '99' is not in the list", "No model was asked", "There is no limit", "below 0.05. [1]",
        "Quotes, as they stand in the papers", f"report: {(program.workspace / 'runs').resolve()}", "written: ",
    ):  # fmt: skip
        assert said in done.stdout, said
    assert "bug" not in done.stdout + done.stderr
    assert (tmp_path / "copy.zip").is_file()
