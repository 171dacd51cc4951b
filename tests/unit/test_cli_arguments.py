"""Arguments that a command does not know: one line that guesses at what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.cli.app import main


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--objektive", "x"], "unrecognized arguments: --objektive; did you mean --objective?"),
        (["batch", "summary", "x", "--formt=csv"], "unrecognized arguments: --formt=csv; did you mean --format?"),
        (["run", "Does", "ER", "status", "matter"], 'quote the objective: --objective "Does ER status matter"\n'),
        (["run", "--objective", "Does", "ER", "matter"], 'quote the objective: --objective "Does ER matter"\n'),
        (["run", "--yes", "--objective", "Does", "ER", "matter"], '--objective "Does ER matter"\n'),
        (["run", "--requirement", "a", "b", "c"], 'quote the text: --requirement "a b c"\n'),
        (["ask", "RUN", "What", "is", "it"], 'quote the text: "What is it"\n'),
        (["rnu", "--yes"], "there is no command 'rnu'; did you mean run?\n"),
        (["reveiw", "x.md"], "there is no command 'reveiw'; did you mean review?\n"),
        (["Does", "ER", "matter"], 'an objective is given as: bioresearcher run --objective "…"\n'),
        (["library", "serach", "x"], "did you mean search?\n"),
        (["--example", "breast-cancer"], "did you mean: bioresearcher run --example …?\n"),
        (["--exmaple", "breast-cancer"], "did you mean: bioresearcher run --example …?\n"),
        (["run", "--sandbox", "nine"], "argument --sandbox: 'nine' is none of auto, bubblewrap, container, none\nhelp"),
        (["run", "--objective"], "argument --objective: expected one argument\nhelp: bioresearcher run --help\n"),
        (["review", "--qqqqqq"], "unrecognized arguments: --qqqqqq\n"),
        (["library", "list", "--jsn", "--wrkspace"], "unrecognized arguments: --jsn --wrkspace\n"),
    ],
)
def test_unknown_arguments_are_refused_with_a_guess(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert expected in capsys.readouterr().err


def test_an_error_is_two_lines_and_not_the_list_of_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--objektive", "x"])
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "Does ER status matter"], 'An objective in words is given as --objective "…".'),
        (["run", "plan.md"], "plan.md is no objective file (TOML). Papers go with --papers"),
        (["run", "notes"], "notes is a folder, not an objective file (TOML). Folders go with --papers and --data."),
        (["run", "workspace/runs/2026-01-05-breast"], "A run goes on with: bioresearcher resume"),
        (["run", "no.toml"], "no.toml: cannot be read (No such file or directory)."),
        (["resume", "breast"], "there is no run folder breast. Did you mean 2026-01-05-breast?"),
        (["report", "2026-01-05-braest"], "Did you mean 2026-01-05-breast?"),
        (["ask", "plan.md", "What?"], "plan.md is a file, not a run folder."),
        (["review", "no.md"], "no.md is not there. Check the name."),
        (["review", "notes"], "notes is a folder without a protocol.json. Give a run folder or a file."),
        (["run", "--objective", "Which genes differ?", "--data", "no"], "no is not there. Check --papers and --data."),
        (["run", "--example", "breast-cancer", "--model", "openai:gpt-5-mini"], "export OPENAI_API_KEY=…"),
        (["run", "--objective", "Which genes?", "--data", "plan.md"], "Use --papers plan.md."),
        (["run", "--objective", "Which genes?", "--papers", "t.csv.gz"], "Use --data t.csv.gz."),
        (["run", "--example", "breast"], "there is no such example. Known examples: breast-cancer."),
    ],
)
def test_the_first_mistakes_are_one_line_with_what_to_do(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "plan.md").write_text("# Plan\n")
    (tmp_path / "t.csv.gz").write_bytes(b"a")
    run = tmp_path / "workspace" / "runs" / "2026-01-05-breast"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bioresearcher: error: ")
    assert expected in line


def test_without_any_run_the_command_that_makes_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["resume", "x"]) == 2
    assert "There is no run in ./workspace/runs; `bioresearcher run` makes one." in capsys.readouterr().err
