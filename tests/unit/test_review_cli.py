"""`bioresearcher review`: what it prints, and the exit codes a build server relies on."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest
import review_support as S
from rich.console import Console

from bioresearcher.cli import review as command
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.errors import InputError
from bioresearcher.review.checks import CHECKS
from bioresearcher.review.reading.kind import KINDS
from bioresearcher.review.render import as_markdown
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.facts import Audit, Fact, LookRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.schemas.run import RunRecord


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["review", *map(str, arguments)])
    return args.run(args)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.json"
    path.write_text(S.clean_protocol().model_dump_json(), encoding="utf-8")
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.md"
    path.write_text(
        "## A\n\n1. TODO normalise [red]with[/red] TCGA-LUS\x1b[31m.\n2. We found that it works.\n", encoding="utf-8"
    )
    return path


def test_one_file_as_json_has_the_documented_shape(good: Path, capsys: pytest.CaptureFixture[str]):
    assert run(good, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert {"file", "metrics", "findings", "verdict", "origin", "gates", "mean_score"} <= set(row)
    assert set(row["metrics"]) == set(METRICS)
    assert all({"score", "evidence", "reason", "places"} == set(m) for m in row["metrics"].values())
    assert row["origin"] == "offline"
    Review.model_validate({k: row[k] for k in Review.model_fields})


def test_findings_in_json_name_check_severity_place_and_suggestion(bad: Path, capsys: pytest.CaptureFixture[str]):
    assert run(bad, "--format", "json") == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {"G-VAG-01", "G-REF-06"} <= {f["gate"] for f in findings}
    assert all(set(f) == {"gate", "severity", "location", "message", "suggestion"} for f in findings)


def test_several_files_are_compared(good: Path, bad: Path, capsys: pytest.CaptureFixture[str]):
    assert run(good, bad, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["mean_score"] > 4
    assert rows[1]["mean_score"] is None
    assert run(good, bad) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Comparison"
    assert [line.rpartition("; ")[2] for line in lines[2:4]] == ["verdict pass", "verdict not judged"]


def test_an_unreadable_file_among_several_is_reported_and_the_others_reviewed(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(tmp_path / "no.md", good, "--json") == 2
    out = capsys.readouterr()
    rows = json.loads(out.out)
    assert "is not there" in rows[0]["error"]
    assert rows[1]["verdict"] == "pass"
    assert "no.md is not there" in out.err
    assert run(tmp_path / "no.md", good) == 2
    assert "no.md: verdict not reviewed" in capsys.readouterr().out


def test_an_unreadable_file_alone_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="is not there"):
        run(tmp_path / "no.md")
    with pytest.raises(InputError, match="no file was given"):
        run()


def test_exit_codes_follow_the_asked_quality(good: Path, bad: Path, capsys: pytest.CaptureFixture[str]):
    assert run(good, "--min-score", "4", "--fail-on", "warning") == 0
    assert run(bad, "--fail-on", "error") == 0
    assert run(good, bad, "--fail-on", "note") == 1
    wrong = bad.with_name("wrong.md")
    wrong.write_text("# T\n\n1. Incubate the cells at 370 °C overnight.\n2. Wash them.\n", encoding="utf-8")
    assert run(wrong, "--fail-on", "error") == 1


def test_a_document_from_elsewhere_is_not_judged_without_a_model(bad: Path, capsys: pytest.CaptureFixture[str]):
    assert run(bad, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["verdict"], row["metrics"], row["mean_score"]) == ("not judged", {}, None)
    assert run(bad) == 0
    text = capsys.readouterr().out
    assert "not judged" in text
    assert "of 5" not in text
    with pytest.raises(InputError, match="without a model a document from elsewhere is not judged"):
        run(bad, "--min-score", "1")


def test_a_bar_of_scores_applies_to_own_protocols_and_to_the_new_version_alone(
    good: Path, bad: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(good, "--min-score", "4.9") == 1
    assert run("--diff", bad, good, "--min-score", "4") == 0
    assert run("--diff", bad, good, "--min-score", "4.9") == 1
    with pytest.raises(InputError, match="not judged"):
        run("--diff", good, bad, "--min-score", "1")
    with pytest.raises(InputError, match="not judged"):
        run(good, bad, "--min-score", "1")


def test_the_kind_is_said_with_the_reason_and_can_be_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "p.txt"
    path.write_text(
        "Wash\n\n1. Add 5 ml PBS.\n2. Spin the cells at 300 x g.\n3. Incubate at 37 °C.\n", encoding="utf-8"
    )
    assert run(path, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["kind"] == "bench protocol"
    assert "“" in row["kind_reason"]
    assert run(path, "--json", "--kind", "animal study") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["kind_reason"]) == ("animal study", "as asked for")
    assert tuple(command._KINDS) == KINDS


@pytest.mark.parametrize("value", ["0", "6", "x", "nan"])
def test_a_score_outside_the_scale_is_refused(good: Path, value: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        run(good, "--min-score", value)
    assert caught.value.code == 2


def run_folder(root: Path, protocol: Protocol) -> RunFolder:
    folder = RunFolder(root)
    known = S.context()
    record = RunRecord(
        run_id="r",
        status="done",
        started="2025-01-01",
        objective=S.OBJECTIVE,
        settings={},
        backend="offline",
        versions={},
    )
    folder.write(record, "run.json")
    folder.write(protocol, "protocol.json")
    folder.write(S.report(), "reports", "PMID16643655.json")
    for d in known.datasets.values():
        folder.write(d, "datasets", f"{d.id}.json")
    return folder


def test_a_run_folder_is_checked_against_its_own_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = run_folder(tmp_path / "run", S.clean_protocol())
    unknown = {"G-REF-01", "G-REF-05", "G-REF-09", "G-DAT-12"}
    assert run(folder.root, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["form"] == "run folder"
    assert "G-DAT-04" in row["gates"]["applied"]
    assert {s["gate"] for s in row["gates"]["skipped"]} == {*unknown, "G-NUM-01"}
    folder.write(Audit(), "facts.json")
    assert run(folder.root, "--json") == 0
    assert {s["gate"] for s in json.loads(capsys.readouterr().out)["gates"]["skipped"]} == unknown


def test_numbers_about_data_are_looked_for_in_what_the_run_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def unseen() -> set[str]:
        assert run(folder.root, "--json") == 0
        found = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["gate"] == "G-NUM-01"]
        return {n for n in ("73", "41") for f in found if f["location"] == "summary" and n in f["message"]}

    protocol = S.clean_protocol().model_copy(
        update={"summary": "In GSE1992 73 patients died. There 41 probes are empty."}
    )
    folder = run_folder(tmp_path / "run", protocol)
    folder.write(Audit(), "facts.json")
    assert unseen() == {"73", "41"}
    fact = Fact(id="F1", kind="outcome", dataset="GSE1992", statement="73 of the patients died.", shown_by="outcome")
    folder.write(Audit(facts=(fact,)), "facts.json")
    assert unseen() == {"41"}
    look = LookRecord(id="L1", by="designer", round=1, why="empty?", view="GSE1992/open", code="n()", shown="41")
    folder.write_list([look], "looks.json")
    assert unseen() == set()


def test_an_objective_adds_the_checks_on_requirements(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    toml = tmp_path / "o.toml"
    toml.write_text('objective = "Breast tumours"\nrequirements = ["a", "b", "c", "Sequence honeybee microbiomes"]\n')
    assert run(good, "--objective", toml, "--json") == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert any(f["gate"] == "G-COV-01" and "R4" in f["message"] for f in findings)
    with pytest.raises(InputError):
        run(good, "--objective", tmp_path / "no.toml")


def test_the_checks_are_listed(capsys: pytest.CaptureFixture[str]):
    assert run("--list-gates") == 0
    text = capsys.readouterr().out
    assert all(g.id in text and g.title in text for g in CHECKS)
    assert run("--list-gates", "--format", "markdown") == 0
    assert capsys.readouterr().out.count("\n| G-") == len(CHECKS)
    assert run("--list-gates", "--json") == 0
    assert [g["id"] for g in json.loads(capsys.readouterr().out)] == [g.id for g in CHECKS]


@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_output_goes_to_a_file(bad: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "deep" / "review.out"
    assert run(bad, "--format", form, "--output", out) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "G-REF-06" in out.read_text(encoding="utf-8")


def test_markdown_escapes_what_the_protocol_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "x.md"
    path.write_text("## A\n\n1. TODO <img src=x onerror=alert(1)> | [a](javascript:1) **b**\n", encoding="utf-8")
    run(path, "--format", "markdown")
    text = capsys.readouterr().out
    assert "<img" not in text
    assert "](javascript" not in text
    rows = [line for line in text.split("\n") if line.startswith("| note")]
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)


def test_a_terminal_gets_tables_and_no_escape_sequence_of_the_protocol(bad: Path, good: Path):
    args = argparse.Namespace(backend="offline", min_score=None, panel=None, diff=None)
    results = command._reviewed([command._load(path, None, "") for path in (bad, good, Path("no.md"))], args)
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=100, color_system=None).print(Sheet(as_markdown(results)))
    text = stream.getvalue()
    assert "Completeness" in text
    assert "Comparison" in text
    assert "verdict: not reviewed" in text
    assert "[red]with[/red]" in text.replace("\n", " ")
    assert "\x1b[31m" not in text


def test_plain_output_has_no_control_characters(bad: Path, capsys: pytest.CaptureFixture[str]):
    run(bad)
    assert not any(ord(c) < 32 and c != "\n" for c in capsys.readouterr().out)
