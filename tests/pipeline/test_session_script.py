"""A session driven by a script: the real program from the objective to the end of a run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bioresearcher.examples import load_example

pytestmark = pytest.mark.slow
GATES = "yes\nyes\nyes\n!/budget 60 minutes\n/budget 5,000 tokens\napprove all\n"
INTAKE = """\
# what is asked for before anything runs
How are tumours grouped by expression?
""
""
{notes}
""
""
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with one method note."""
    folder = tmp_path / "notes"
    folder.mkdir()
    source = load_example("breast-cancer").papers[0] / "perou-2000.md"
    (folder / source.name).write_bytes(source.read_bytes())
    return folder


def talk(program: Any, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    path = program.workspace.parent / "script.txt"
    path.write_text(script, encoding="utf-8")
    return program.run("--script", str(path), *options)


def test_a_script_ends_early_and_another_goes_on_to_the_end(program: Any, notes: Path) -> None:
    first = talk(program, INTAKE.format(notes=notes) + "start\n")
    assert first.returncode == 3, first.stdout + first.stderr
    assert "1 paper found" in first.stdout
    assert "(the script has ended)" in first.stdout
    name = program.folder().name
    assert json.loads((program.folder() / "run.json").read_text())["status"] == "stopped"

    second = talk(program, f"/resume\n/resume {name}\n/hlep\n{GATES}/stauts\n/quit\n")
    assert second.returncode == 0, second.stdout + second.stderr
    assert f"{name}  stopped" in second.stdout
    assert "Did you mean /help?" in second.stdout
    assert "Did you mean /status?" in second.stdout
    assert "1 paper read" in second.stdout
    record = json.loads((program.folder() / "run.json").read_text())
    assert record["status"] == "done"
    assert (record["settings"]["max_minutes"], record["settings"]["max_tokens"]) == (60, 5_000)
    gates = [d["gate"] for d in record["decisions"]]
    assert {"approve_selection", "approve_headings", "approve_outlines", "approve_protocol"} < {*gates}
    assert gates.count("budget") == 2
    assert record["totals"]["human_interventions"] == sum(d["changed"] for d in record["decisions"])


def test_a_line_that_nothing_asked_for_is_an_error_with_its_number(program: Any) -> None:
    done = talk(program, "/quit\n\n# more\nyes\n")
    assert done.returncode == 2
    assert "script.txt:4: nothing asked for this line: 'yes'" in done.stderr


def test_bad_entries_are_a_line_each_and_asked_again(program: Any, notes: Path, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x00\x01\xff\xfe" * 10)
    (tmp_path / "nul").write_bytes(b"text\x00text")
    (tmp_path / "empty").touch()
    (tmp_path / "nothing").mkdir()
    bad = [f"@{tmp_path}/not-there", f"@{tmp_path}", f"@{tmp_path}/binary", f"@{tmp_path}/nul", f"@{tmp_path}/empty"]
    script = "\n".join([*bad, "short", "x" * 30_000, "How are tumours grouped by expression?"])
    script += f'\n<<END\n- one\n2. two\nEND\n""\n""\n{tmp_path}/nothing\n{tmp_path}/not-there\n""\n""\n'
    script += f'bogus\npapers\n{notes}\n""\nconditions\ndrop 1\ndrop 7\n""\n/quit\n'
    done = talk(program, script)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "not-there cannot be read as text: No such file", "is a folder. Name a text file", "it is not UTF-8 text",
        "it is binary", "empty is empty", "too short to work with", "30,000 characters; at most 20,000",
        "conditions 2: two", "2 taken, 2 entries in all",
        "nothing is empty", "not-there is not there", "there are neither papers nor data",
        "dropped: one", "there is no entry 7", "1 paper found",
    ):  # fmt: skip
        assert said in done.stdout, said
    assert not (program.workspace / "runs").exists()


def test_without_a_terminal_the_help_is_printed_as_before(program: Any) -> None:
    done = program.run()
    assert done.returncode == 0
    assert done.stdout.startswith("usage: bioresearcher")
    assert program.run("session").returncode == 2


def test_questions_are_made_clearer_and_dropped_at_the_selection(program: Any, tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    folder.mkdir()
    rows = [f"s{n},{'relapse' if n % 2 else 'remission'},{'F' if n % 3 else 'M'},{10 + n},{n % 2}" for n in range(24)]
    (folder / "samples.csv").write_text("\n".join(["sample,state,sex,os_months,os_event", *rows]) + "\n")
    cells = [",".join([f"G{g}", *(f"{5 + g % 3 + (g * n) % 7 / 10:.2f}" for n in range(24))]) for g in range(30)]
    (folder / "expression.csv").write_text(
        "\n".join([",".join(["gene", *(f"s{n}" for n in range(24))]), *cells]) + "\n"
    )
    asked = "Which genes differ between relapse and remission? Is G3 associated with overall survival?"
    script = f'{asked}\n""\n""\n""\n{folder}\n""\nstart\n'
    script += "questions\nclarify only in women (sex F)\ndrop A2\nquestions\nno\n/quit\n"
    done = talk(program, script)
    said = done.stdout
    before, _, after = said.partition("A2: not asked.")
    assert "A2" in before, said + done.stderr
    assert "sex = F" in before
    assert "A1" in after, said
    assert "G3" not in after.partition("Run stopped")[0].split("will be answered")[-1]
