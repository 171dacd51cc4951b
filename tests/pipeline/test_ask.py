"""`bioresearcher ask` on a run: answers, exit codes, and what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from model_server import ModelServer

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


def test_a_model_answers_within_the_runs_budget_and_is_paid_once(program: Any, run: Path) -> None:
    documents = [json.loads(p.read_text(encoding="utf-8")) for p in (run / "documents").glob("*.json")]
    stated = "call genes significant at a false discovery rate below 0.05."
    assert any(stated in d["text"] for d in documents)
    said = {
        "in_library": True,
        "sentences": [
            {"text": "Genes are significant at a false discovery rate below 0.05.", "quotes": [stated]},
            {"text": "Genes are significant at a false discovery rate below 0.01.", "quotes": [stated]},
        ],
    }
    with ModelServer(lambda seen: said, models=("test-model",)) as server:
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        model = {"provider": "compatible", "model": "test-model", "base_url": server.url}
        record["settings"] |= {"backend": "chat", "models": {"default": model}}
        (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
        first, again = (program.run("ask", str(run), FDR, "--json") for _ in range(2))
        calls = len(server.calls)
        refused = program.run("ask", str(run), "Is another question paid for?", "--max-tokens", "5")
        assert len(server.calls) == calls >= 1
    assert (first.returncode, again.returncode, refused.returncode) == (0, 0, 3), first.stderr + refused.stderr
    answer = json.loads(first.stdout)
    assert [s["text"] for s in answer["sentences"]] == [said["sentences"][0]["text"]]
    assert answer["left_out"][0]["reason"] == "its quotes do not hold 0.01"
    assert (answer["answered_by"], answer["usage"]["calls"]) == ("compatible:test-model", calls)
    assert json.loads(again.stdout)["usage"]["calls"] == 0
    assert "used up" in refused.stderr


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
        "Taken over", "/papers: '99' is not in the list", "No model was asked", "There is no limit", "below 0.05. [1]",
        "Quotes, as they stand in the papers", f"report: {(program.workspace / 'runs').resolve()}", "written: ",
    ):  # fmt: skip
        assert said in done.stdout, said
    assert "bug" not in done.stdout + done.stderr
    assert (tmp_path / "copy.zip").is_file()
