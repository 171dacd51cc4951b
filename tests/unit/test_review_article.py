"""Published articles in JATS XML reviewed: sections as steps with their own numbers, kind, and what is no article."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bioresearcher.cli.app import main
from bioresearcher.errors import InputError
from bioresearcher.review.reading.protocol import read_protocol

FRONT = (
    "<front><article-meta><title-group><article-title>Cold and growth</article-title></title-group></article-meta>"
    "</front>"
)
BACK = (
    "<back><ref-list><title>References</title><ref><label>1</label><mixed-citation>Doe 2019.</mixed-citation></ref>"
    "</ref-list></back>"
)


def section(title: str, words: str, label: str = "", inner: str = "") -> str:
    number = f"<label>{label}</label>" if label else ""
    return f"<sec>{number}<title>{title}</title>" + (f"<p>{words}</p>" if words else "") + f"{inner}</sec>"


def article(path: Path, *sections: str) -> Path:
    path.write_text(f"<article>{FRONT}<body>{''.join(sections)}</body>{BACK}</article>", encoding="utf-8")
    return path


NUMBERED = (
    section("Introduction", "Cold slows growth.", "1"),
    section(
        "Methods", "", "2", section("Cells", "Cells were kept at 4 °C.", "2.1") + section("Assay", "Counted.", "2.2")
    ),
    section("Results", "", "3", section("Growth", "Growth fell in 12 of 48 (52%) wells.", "3.1")),
    section("Discussion", "Cold slows growth.", "4"),
)


def test_an_article_is_a_finished_study_with_the_numbers_of_its_sections(tmp_path: Path):
    read = read_protocol(article(tmp_path / "a.xml", *NUMBERED))
    assert read.form == "jats"
    assert read.kind.name == "finished study"
    assert "Results" in read.kind.reason
    assert [p.id for p in read.protocol.parts] == ["2", "3", "4"]
    assert [s.id for s in read.protocol.steps] == ["2.1", "2.2", "3.1", "4"]
    assert "### 3.1 Growth" in read.text
    assert "Doe 2019" not in read.text


def test_a_finding_in_an_article_names_its_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["review", str(article(tmp_path / "a.nxml", *NUMBERED)), "--backend", "offline", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [(f["gate"], f["location"]) for f in findings] == [("G-CNT-02", "step 3.1")]


def test_sections_without_numbers_are_counted(tmp_path: Path):
    read = read_protocol(
        article(
            tmp_path / "a.xml",
            section("Methods", "Counted.", "", section("Cells", "Kept cold.")),
            section("Results", "Fell."),
        )
    )
    assert [s.id for s in read.protocol.steps] == ["1.1", "1.2", "2.1"]


def test_an_article_without_methods_is_no_protocol_of_any_kind(tmp_path: Path):
    read = read_protocol(
        article(tmp_path / "a.xml", section("The Rise of Cultures", "Add culture to the medium, they said."))
    )
    assert read.kind.name == "other text"


@pytest.mark.parametrize("text", ["<article/>", "<html><body>Log in</body></html>", "<article><body>", "<a>b</a>"])
def test_xml_that_is_no_article_is_refused_with_a_reason(tmp_path: Path, text: str):
    path = tmp_path / "a.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.xml"):
        read_protocol(path)
