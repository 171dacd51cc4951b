"""`bioresearcher review`: SARIF, HTML, comparisons, scores of a model, and files that hold no whole protocol."""

from __future__ import annotations

import json
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
import review_support as S
from model_server import MODEL, ModelServer

from bioresearcher.cli.app import main
from bioresearcher.review.metrics import review_by_rule
from bioresearcher.review.render import compare
from bioresearcher.schemas.review import METRICS

CLEAN = S.CLEAN_WET
BROKEN = (
    CLEAN.replace("(two independent sequences) or non-targeting control siRNA", "<b>TODO</b> siRNA")
    .replace("37 °C and", "-400 °C and")
    .replace("### Step 2.1", "### Step 2.1: x\n\nWe found that growth falls.\n\n### Step 2.2", 1)
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old version.md"
    path.write_text(BROKEN, encoding="utf-8")
    return path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.md"
    path.write_text(CLEAN, encoding="utf-8")
    return path


def output(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main(["review", *map(str, arguments)]) == code
    return capsys.readouterr().out


def check_sarif(text: str) -> dict:
    """The fields that SARIF 2.1.0 requires, and the constraints of its schema on the fields used here."""
    log = json.loads(text)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    assert set(log) <= {"$schema", "version", "runs"}
    for run in log["runs"]:
        assert set(run) <= {"tool", "results", "invocations", "columnKind"}
        driver = run["tool"]["driver"]
        assert driver["name"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(ids) == len(set(ids))
        for rule in driver["rules"]:
            assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
            assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
        for invocation in run["invocations"]:
            assert isinstance(invocation["executionSuccessful"], bool)
            assert all(n["message"]["text"] for n in invocation["toolExecutionNotifications"])
        for result in run["results"]:
            assert result["message"]["text"]
            assert result["level"] in {"none", "note", "warning", "error"}
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["partialFingerprints"]["primaryLocationLineHash"]
            assert result.get("baselineState", "new") in {"new", "unchanged", "updated", "absent"}
            for location in result["locations"]:
                physical = location["physicalLocation"]
                assert not set(physical["artifactLocation"]["uri"]) & set(' \\"<>')
                region = physical["region"]
                assert 1 <= region["startLine"] <= region["endLine"]
                assert 1 <= region["startColumn"] <= region["endColumn"] or region["startLine"] < region["endLine"]
                assert all(x["name"] for x in location["logicalLocations"])
    return log


def test_sarif_is_well_formed_and_points_at_the_lines(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = check_sarif(output(capsys, old, "--format", "sarif"))
    results = log["runs"][0]["results"]
    assert {"G-VAG-01", "G-VAL-01"} <= {r["ruleId"] for r in results}
    assert [r["rank"] for r in results] == sorted((r["rank"] for r in results), reverse=True)
    todo = next(r for r in results if r["ruleId"] == "G-VAG-01")
    line = todo["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert "TODO" in BROKEN.split("\n")[line - 1]
    assert "%20" in todo["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


def test_sarif_says_what_could_not_be_read(new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = check_sarif(output(capsys, new, tmp_path / "no.md", "--format", "sarif", code=2))
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_a_comparison_says_what_got_better(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(output(capsys, "--diff", old, new, "--json"))
    assert found["mean_score"] == {"old": None, "new": None}
    assert {"G-VAG-01", "G-VAL-01"} <= {f["gate"] for f in found["findings_gone"]}
    assert found["findings_new"] == []
    text = output(capsys, "--diff", old, new)
    assert "not judged: 0 findings new" in text
    assert "\nGone\nerror: check " in text
    assert "## Gone" in output(capsys, "--diff", old, new, "--format", "markdown")
    log = check_sarif(output(capsys, "--diff", new, old, "--format", "sarif"))
    assert {r["baselineState"] for r in log["runs"][0]["results"]} >= {"new"}


def test_only_new_findings_of_the_new_version_fail_a_comparison(old: Path, new: Path, capsys) -> None:
    output(capsys, "--diff", old, new, "--fail-on", "note")
    output(capsys, "--diff", old, old, "--fail-on", "error")
    output(capsys, old, "--fail-on", "error", code=1)
    output(capsys, "--diff", new, old, "--fail-on", "error", code=1)
    output(capsys, "--diff", new, old, new, code=2)
    output(capsys, "--diff", new, "no.md", code=2)


def test_a_finding_that_moved_is_the_same_finding() -> None:
    p = S.clean_protocol()
    bad = p.steps[0].model_copy(update={"acceptance": "", "action": p.steps[0].action + " TODO"})
    parts = (p.parts[0].model_copy(update={"steps": (bad, p.parts[0].steps[1])}), *p.parts[1:])
    moved = (p.parts[0].model_copy(update={"steps": (p.parts[0].steps[1], bad)}), *p.parts[1:])
    one, two = (review_by_rule(p.model_copy(update={"parts": x})) for x in (parts, moved))
    change = compare("a", one, "b", two)
    assert not [f for f in change.new if f.gate in {"G-VAG-01", "G-STR-07"}]
    assert compare("a", one, "b", one).kept == len(one.findings)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_escaped_and_without_script(old: Path, new: Path, capsys) -> None:
    for arguments in ((old,), (old, new), ("--diff", old, new)):
        text = output(capsys, *arguments, "--format", "html")
        page = _Page()
        page.feed(text)
        assert page.open == []
        assert not {"script", "b", "img", "iframe"} & set(page.tags)
        assert "Content-Security-Policy" in text
    assert "&lt;b&gt;TODO" in text
    assert "What changed" in text


def scores(server_score: float = 3.5) -> dict[str, object]:
    """A reviewer's answer on a document from elsewhere."""
    words = "Transfect 20 nM siRNA against GATA3"
    finding = {
        "location": "step 1.2",
        "quote": words,
        "problem": "No reason for 20 nM.",
        "why": "It decides the knock-down.",
        "consequence": "changes the result",
        "mend": "Say why 20 nM.",
        "confidence": "likely",
    }
    metrics = [{"metric": m, "score": server_score, "quote": words, "reason": "As it says."} for m in METRICS]
    return {
        "kind": "bench protocol",
        "findings": [finding],
        "most_serious": 1,
        "scores": metrics,
        "summary": "Say why.",
    }


def test_a_model_adds_the_scores_and_is_not_asked_twice(
    new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with ModelServer(answer=lambda _: scores()) as server:
        options = (
            new,
            "--model",
            f"reviewer=compatible:{MODEL}",
            "--base-url",
            server.url,
            "--context",
            "32000",
            "--json",
        )
        row = json.loads(output(capsys, *options))
        asked = len(server.calls)
        assert json.loads(output(capsys, *options)) == row
        assert len(server.calls) == asked
    assert row["origin"] == "model"
    assert {m["score"] for m in row["metrics"].values()} == {3.5}
    assert {place for m in row["metrics"].values() for place in m["places"]} == {"step 1.2"}
    assert [(f["gate"], f["location"]) for f in row["findings"] if f["gate"] == "REVIEWER"] == [
        ("REVIEWER", "step 1.2")
    ]
    offline = json.loads(output(capsys, new, "--backend", "offline", "--json"))
    assert offline["origin"] == "offline"


def test_a_server_that_does_not_answer_is_trouble_outside(new: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    with ModelServer(answer=lambda _: scores()) as server:
        url = server.url
    output(capsys, new, "--model", f"compatible:{MODEL}", "--base-url", url, code=4)


@pytest.mark.parametrize("form", ["table", "json", "html", "sarif", "markdown"])
def test_headings_without_steps_are_reviewed_and_end_with_two(form: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "headings.md"
    path.write_text("# Title\n\n## Data\n\n## Results\n", encoding="utf-8")
    assert main(["review", str(path), "--format", form]) == 2
    shown = capsys.readouterr()
    assert "G-STR-03" in shown.out
    assert "no steps; only its headings were reviewed" in shown.err


def test_a_chinese_protocol_and_a_word_file_with_macros_are_reviewed(tmp_path: Path, capsys) -> None:
    chinese = tmp_path / "方案.md"
    chinese.write_text(
        "# 方案\n\n## 第一部分 数据\n\n1. 下载GSE1992的表达数据，共124个样本。\n2. 使用适当的方法。\n", encoding="utf-8"
    )
    row = json.loads(output(capsys, chinese, "--json"))
    assert "G-STR-13" in {f["gate"] for f in row["findings"]}
    word = tmp_path / "x.docm"
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = "".join(f"<w:p><w:r><w:t>{t}</w:t></w:r></w:p>" for t in ("Title", "1. Wash 5 ml of it.", "2. TODO"))
    with zipfile.ZipFile(word, "w") as archive:
        archive.writestr("word/document.xml", f"<w:document {space}><w:body>{body}</w:body></w:document>")
        archive.writestr("word/vbaProject.bin", b"\xd0\xcf\x11\xe0")
    row = json.loads(output(capsys, word, "--json"))
    assert "holds macros; they were ignored" in row["reading"]
    assert any(f["gate"] == "G-VAG-01" for f in row["findings"])


def test_a_budget_is_for_one_command_not_for_all_reviews_before(
    old: Path, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with ModelServer(answer=lambda _: scores()) as server:
        options = ("--model", f"compatible:{MODEL}", "--base-url", server.url, "--context", "32000", "--json")
        output(capsys, new, *options)
        assert json.loads(output(capsys, old, *options, "--max-tokens", "2000"))["origin"] == "model"
        output(capsys, old, new, *options, "--max-tokens", "1", "--temperature", "0.5", code=3)
