"""What the last version left can still be opened: runs, checkpoints, ledgers, the library, the settings file."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.cli.app import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("last version")]

KEPT = Path(__file__).resolve().parents[1] / "fixtures" / "last_version"
FINISHED, WAITING, ASKED_A_MODEL = (
    Path("workspace", "runs", f"2026-11-30-{name}") for name in ("er-status", "waiting", "grouping")
)
NOTE, MORE = "doi-10.1234-note.2020.1", "doi-10.1234-note.2021.2"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the last version worked, as the current one."""
    with tarfile.open(KEPT / "lab.tar.xz") as archive:
        archive.extractall(tmp_path / "lab", filter="data")
    monkeypatch.chdir(tmp_path / "lab")
    return tmp_path / "lab"


@pytest.fixture
def start(program: Any, lab: Path) -> Any:
    """The command line in that folder."""

    def run(*args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = program.run(*args, "--quiet")
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def as_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def contents(folder: Path, *patterns: str) -> dict[str, bytes]:
    found = {str(p.relative_to(folder)): p.read_bytes() for pattern in patterns for p in folder.glob(pattern)}
    assert found
    return found


def ended(folder: Path, kind: str, since: int) -> set[str]:
    """The steps or tasks that ended after so many lines of the events."""
    lines = map(json.loads, (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()[since:])
    return {str(e["data"].get("task", e["stage"])) for e in lines if e["kind"] == kind and e["state"] == "done"}


def lines_of_events(folder: Path) -> int:
    return len((folder / "events.jsonl").read_text(encoding="utf-8").splitlines())


def test_the_report_of_a_finished_run_is_written_again(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("report.md", "report.html", "notebook.ipynb"):
        (FINISHED / name).unlink()
    assert main(["report", str(FINISHED)]) == 0
    report = "".join(
        (FINISHED / "report" / f"{name}.md").read_text(encoding="utf-8")
        for name in ("tasks", "evidence", "record", "review")
    )
    for task in ("T1", "T4"):
        for finding in as_json(FINISHED / "tasks" / task / "outputs" / "findings.json"):
            assert finding["statement"] in report
    assert "A note on differential expression and the step-up rule" in report
    assert "broken.pdf: the PDF is damaged" in report
    assert "<html" in (FINISHED / "report.html").read_text(encoding="utf-8")
    assert as_json(FINISHED / "notebook.ipynb")["cells"]
    assert main(["report", str(FINISHED), "--without", NOTE]) == 1, "a step falls"
    assert "2.1" in capsys.readouterr().out


def test_a_finished_run_is_traced_compared_and_taken_away(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = as_json(FINISHED / "tasks" / "T1" / "outputs" / "findings.json")[0]["statement"]
    asked = next(word for word in number.split() if word.isdecimal())
    assert main(["trace", str(FINISHED), asked]) == 0
    assert "finding T1.1" in capsys.readouterr().out
    assert main(["diff", str(FINISHED), str(FINISHED)]) == 0
    assert "are the same" in capsys.readouterr().out
    for folder in (FINISHED, WAITING, ASKED_A_MODEL):
        target = lab / f"{folder.name}.zip"
        assert main(["export", str(folder), "--crate", str(target), "--docx", str(target.with_suffix(".docx"))]) == 0


def test_an_unfinished_and_a_models_run_are_reported_too(lab: Path) -> None:
    for folder in (WAITING, ASKED_A_MODEL):
        (folder / "report.md").unlink()
        assert main(["report", str(folder)]) == 0
        assert as_json(folder / "run.json")["objective"]["text"] in (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
def test_every_output_of_a_finished_run_is_made_again(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree("data")
    assert main(["reproduce", str(FINISHED), "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {c["verdict"] for c in checks} == {"same"}
    assert {f"{c['task_id']}/{c['file']}" for c in checks} == {
        f"{p.parent.parent.name}/{p.name}" for p in FINISHED.glob("tasks/*/outputs/*")
    }


def test_a_finished_run_that_is_resumed_does_nothing_again(start: Any) -> None:
    before, since = as_json(FINISHED / "run.json"), lines_of_events(FINISHED)
    kept = contents(FINISHED, "tasks/*/outputs/*", "protocol.*", "reports/*", "review.json")
    assert start("resume", str(FINISHED), "--yes").stderr == ""
    after = as_json(FINISHED / "run.json")
    assert ended(FINISHED, "step", since) == ended(FINISHED, "task", since) == set()
    assert contents(FINISHED, "tasks/*/outputs/*", "protocol.*", "reports/*", "review.json") == kept
    for name in ("status", "objective", "inputs", "decisions", "failures", "usage", "backend"):
        assert after[name] == before[name], name
    assert len(after["not_verified"]) == len(before["not_verified"])
    rest = [said.replace("what was read or found in the data", "what was read") for said in after["not_verified"][1:]]
    assert rest == before["not_verified"][1:], "only the first caveat and that on support have other words now"
    assert {n: after["totals"][n] for n in before["totals"] if n != "wall_s"} == {
        n: figure for n, figure in before["totals"].items() if n != "wall_s"
    }
    new = {n: figure for n, figure in after["totals"].items() if n not in before["totals"]}
    assert new == {"questions": 0, "answered": 0, "partly_answered": 0}, "that version bound no questions to data"


def test_a_finished_run_is_changed_by_a_comment(start: Any) -> None:
    since = lines_of_events(FINISHED)
    outputs = contents(FINISHED, "tasks/T[123]/outputs/*")
    start("run", "--feedback", "drop part 2", str(FINISHED), "--yes")
    record = as_json(FINISHED / "run.json")
    assert [d["gate"] for d in record["decisions"]] == [
        "approve_selection", "approve_protocol", "revise_protocol", "approve_protocol",
    ]  # fmt: skip
    assert [t["id"] for t in as_json(FINISHED / "tasks.json")] == ["T1", "T2", "T3"]
    assert record["totals"]["verified"] == 3
    assert ended(FINISHED, "task", since) == set(), "what the comment does not concern is not run again"
    assert contents(FINISHED, "tasks/T[123]/outputs/*") == outputs


def test_questions_are_answered_from_the_papers_of_a_run(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (FINISHED, WAITING):
        assert main(["ask", str(folder), "What is the false discovery rate?"]) == 0
        assert "the expected share of false positives among the rejected hypotheses" in capsys.readouterr().out
    assert main(["ask", str(FINISHED), "How long do elephants sleep?"]) == 1


def test_a_replay_of_a_models_run_whose_prompts_were_other_ones_says_so_in_a_line_and_changes_nothing(
    start: Any,
) -> None:
    before = contents(ASKED_A_MODEL, "**/*.json")
    said = start("run", "--replay", str(ASKED_A_MODEL), "--workspace", "workspace", code=4).stderr.splitlines()
    assert [line for line in said if "no recorded answer" in line] == said[-1:]
    assert "The first thing that is not as it was: version of source" in said[-1]
    assert contents(ASKED_A_MODEL, "**/*.json") == before


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
def test_a_run_that_waits_for_an_approval_goes_on_to_its_end(start: Any) -> None:
    stopped, since = as_json(WAITING / "run.json"), lines_of_events(WAITING)
    kept = contents(WAITING, "search.json", "screening.json", "reports/*", "protocol.json", "revisions/*/*")
    assert start("resume", str(WAITING), "--yes").stderr == ""
    record = as_json(WAITING / "run.json")
    assert record["status"] == "done"
    assert record["decisions"][:-1] == stopped["decisions"]
    assert (record["decisions"][-1]["gate"], record["decisions"][-1]["by"]) == ("approve_protocol", "--yes")
    assert record["failures"] == stopped["failures"] != []
    assert record["inputs"] == stopped["inputs"]
    assert {"read_paper", "plan_protocol", "write_steps", "approve_selection"} & ended(WAITING, "step", since) == set()
    assert ended(WAITING, "task", since) == {"T1", "T2", "T3"}
    assert (record["totals"]["tasks"], record["totals"]["verified"]) == (3, 3)
    assert as_json(WAITING / "tasks" / "T1" / "task.json")["parameters"]["top_features"] == 30
    assert contents(WAITING, "search.json", "screening.json", "reports/*", "protocol.json", "revisions/*/*") == kept
    assert as_json(WAITING / "review.json")["metrics"]


def test_the_library_lists_searches_and_shows(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*args: str) -> Any:
        assert main(["library", *args, "--workspace", "workspace", "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert {p["paper"]["id"] for p in said("list")} == {NOTE, MORE}
    found = said("search", "batch as a covariate in the linear model")
    assert found[0]["paper"] == MORE
    assert "Include the batch as a covariate" in found[0]["text"]
    assert said("show", NOTE)["paper"]["doi"] == "10.1234/note.2020.1"
    said("add", "notes/step-up-rule.md")
    assert {p["paper"]["id"] for p in said("list")} == {NOTE, MORE}
    said("remove", MORE)
    assert {p["paper"]["id"] for p in said("list")} == {NOTE}


def test_the_settings_file_gives_the_same_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(KEPT / "bioresearcher.toml", tmp_path)
    monkeypatch.delenv("BIORESEARCHER_ONLY_OWN")
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--settings", "--json", "--config", "bioresearcher.toml"]) == 0
    rows = {r["name"]: r["value"] for r in json.loads(capsys.readouterr().out)["settings"]}
    text = (KEPT / "settings.json").read_text(encoding="utf-8").replace("HERE", str(tmp_path))
    expected = json.loads(text)
    assert {name: rows.get(name) for name in expected} == expected


@pytest.mark.parametrize("command", ["resume", "report", "reproduce", "ask"])
def test_a_run_of_a_version_to_come_is_refused_in_one_line(
    lab: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    record = as_json(WAITING / "run.json")
    (WAITING / "run.json").write_text(json.dumps({**record, "format": record["format"] + 1}))
    assert main([command, str(WAITING), *(["What is it?"] if command == "ask" else [])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was written by a newer version" in line
    assert line.endswith("Upgrade bioresearcher to work on it.")


def newer_ledger(lab: Path) -> None:
    with closing(sqlite3.connect(WAITING / "ledger.sqlite")) as ledger:
        ledger.execute("PRAGMA user_version = 99")


def no_checkpoints(lab: Path) -> None:
    (WAITING / "checkpoints.sqlite").write_bytes(b"no database" * 1000)


def no_data(lab: Path) -> None:
    shutil.rmtree("data")


@pytest.mark.parametrize(
    ("break_it", "code", "what", "to_do"),
    [
        (newer_ledger, 2, "ledger.sqlite was written by a newer version", "Upgrade bioresearcher."),
        (no_checkpoints, 4, "file is not a database", "A damaged checkpoints.sqlite may be deleted"),
        (no_data, 2, "data/cohort: no such file or folder", "Give a folder with dataset.toml"),
    ],
)
def test_what_cannot_be_opened_is_one_line_with_what_to_do(
    lab: Path, capsys: pytest.CaptureFixture[str], break_it: Any, code: int, what: str, to_do: str
) -> None:
    break_it(lab)
    assert main(["resume", str(WAITING), "--yes", "--quiet"]) == code
    said = capsys.readouterr().err.splitlines()
    (line,) = (s for s in said if s.startswith("bioresearcher: error: "))
    assert what in line
    assert to_do in line
    assert {*said} - {line} <= {f"go on with: bioresearcher resume {WAITING}"}
