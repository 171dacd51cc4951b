"""The Python interface: ten names that cost nothing until they are used, runs as data frames, and magics."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab import FINISHED, WAITING, unpack_lab

import bioresearcher
from bioresearcher import BioresearcherError, list_runs, open_run
from bioresearcher.doors.notebook import load_ipython_extension
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import RunRecord

PROTOCOL = """# Staining

## Part one

1. Fix the sections in 4 % formaldehyde for 10 min.
2. Wash three times with PBS.
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = unpack_lab(tmp_path)
    monkeypatch.chdir(place)
    return place


def test_importing_the_package_loads_none_of_its_modules() -> None:
    loaded = "[m for m in sys.modules if m.startswith('bioresearcher.')], 'pandas' in sys.modules"
    code = f"import sys, bioresearcher; print({loaded})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[] False"


def test_the_interface_is_ten_names_which_all_exist() -> None:
    assert len(bioresearcher.__all__) == 10
    assert all(callable(getattr(bioresearcher, name)) for name in bioresearcher.__all__)
    assert set(bioresearcher.__all__) <= set(dir(bioresearcher))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vars(bioresearcher)["__getattr__"]("nonsense")


def test_a_finished_run_gives_data_frames_of_findings_tasks_and_evidence(lab: Path) -> None:
    run = open_run(FINISHED)
    record = RunFolder(run.root).read(RunRecord, "run.json")
    assert (run.state, run.record, run.answers) == ("done", record, record.answers)
    tasks = run.tasks
    assert len(tasks) == record.totals.tasks
    assert int(tasks["verified"].sum()) == record.totals.verified
    findings = run.findings
    assert len(findings) > 0
    assert set(findings["task"]) <= set(tasks["task"])
    evidence = run.evidence
    assert len(evidence) > 0
    assert evidence["quote"].str.len().min() > 0
    texts = [p.read_text(encoding="utf-8") for p in (run.root / "documents").glob("*.json")]
    assert all(any(quote.split("\n")[0].replace('"', '\\"') in text for text in texts) for quote in evidence["quote"])


def test_a_run_that_waits_has_frames_without_rows_or_with_fewer_and_says_what_it_is(lab: Path) -> None:
    run = open_run(lab / "workspace" / "runs" / WAITING)
    assert run.state == "stopped"
    assert len(run.findings) == 0
    assert list(run.findings.columns) == list(open_run(FINISHED).findings.columns)
    assert "Not finished: stopped" in run._repr_html_()


def test_runs_are_listed_the_latest_first_and_others_are_left_out(lab: Path) -> None:
    (lab / "workspace" / "runs" / "no run").mkdir()
    names = [run.name for run in list_runs()]
    assert FINISHED in names
    assert "no run" not in names
    assert len(list_runs(most=1)) == 1
    assert list_runs(lab / "nowhere") == ()


def test_a_run_is_drawn_with_its_answers_and_nothing_of_it_becomes_markup(lab: Path) -> None:
    run = open_run(FINISHED)
    path = run.root / "run.json"
    path.write_text(path.read_text("utf-8").replace(run.record.objective.text, "<script>x</script> $a$ \\u200bhidden"))
    html = open_run(FINISHED)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\u200b" not in html
    assert "$" not in html
    assert run.answers.headline in html


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', ""])
def test_a_broken_manifest_is_shown_as_one_and_read_as_an_error(lab: Path, text: str) -> None:
    run = open_run(FINISHED)
    (run.root / "run.json").write_text(text)
    assert run.state == "failed"
    assert "run.json" in run._repr_html_()
    with pytest.raises(BioresearcherError, match=r"run\.json"):
        _ = run.record


def test_a_run_whose_process_died_is_broken_off(lab: Path) -> None:
    run = open_run(FINISHED)
    path = run.root / "run.json"
    path.write_text(path.read_text("utf-8").replace('"status": "done"', '"status": "running"'))
    assert run.state == "broken off"


@pytest.mark.parametrize("name", ["nowhere", "/etc/passwd", "workspace"])
def test_what_is_no_run_is_said(lab: Path, name: str) -> None:
    with pytest.raises(BioresearcherError, match=r"no run folder|is not a run folder"):
        open_run(name)


def test_magics_ask_and_review_and_show_what_they_got(lab: Path) -> None:
    shell = FakeShell()
    load_ipython_extension(shell)
    asked = shell.magics["ask"](f"--run {FINISHED} What is the false discovery rate?")
    assert asked.value.question == "What is the false discovery rate?"
    assert ("Not in the library" in asked._repr_html_()) is not asked.value.in_library
    reviewed = shell.magics["review"]("", PROTOCOL)
    assert reviewed.value.verdict == "not judged"
    assert reviewed.value.verdict in reviewed._repr_html_()
    with pytest.raises(BioresearcherError, match="the cell"):
        shell.magics["review"]("", "# Only a heading")
    with pytest.raises(BioresearcherError, match="there is no question"):
        shell.magics["ask"](f"--run {FINISHED}")


def test_ask_without_a_run_takes_the_latest_finished_one_or_says_that_there_is_none(lab: Path) -> None:
    shell = FakeShell()
    load_ipython_extension(shell)
    shutil.rmtree(lab / "workspace" / "runs")
    with pytest.raises(BioresearcherError, match="no finished run"):
        shell.magics["ask"]("What?")


class FakeShell:
    """As much of IPython as the extension uses."""

    def __init__(self) -> None:
        self.magics: dict[str, object] = {}
        self.input_transformers_cleanup: list[object] = []

    def register_magic_function(self, func: object, magic_kind: str, magic_name: str) -> None:
        self.magics[magic_name] = func


@pytest.mark.slow
def test_the_interface_is_typed_as_documented() -> None:
    root = Path(__file__).resolve().parents[2]
    checked = root / "tests" / "support" / "public_api_types.py"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(checked)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
