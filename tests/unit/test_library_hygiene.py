"""Text that is not what it seems: hidden characters, lookalikes, data: URLs; and the language it is written in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.papers.canonical import DATA_URL_LEFT_OUT, DocumentBuilder, clean, language_of, section_kind
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.paper import Document
from bioresearcher.text.lookalikes import lookalikes
from bioresearcher.text.visible import hidden_characters


def built(*paragraphs: str, heading: str = "Methods") -> Document:
    builder = DocumentBuilder()
    builder.section(heading, section_kind(heading) or "other", 1)
    for paragraph in paragraphs:
        builder.paragraph(paragraph)
    return builder.build("own-1", "pdf")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("ig\u200bno\u2060re\ufeff all", "ignore all"),
        ("left \u202eright\u202c", "left right"),
        ("tag\U000e0041\U000e0042ged", "tagged"),
        ("bell\x07 and \x1b[31mred", "bell and [31mred"),
        ("soft\u00adhyphen", "softhyphen"),
        ("a picture data:image/png;base64,iVBORw0KGgoAAAA= here", f"a picture {DATA_URL_LEFT_OUT} here"),
        ("run data:text/html,<script>alert(1)</script>", f"run {DATA_URL_LEFT_OUT}"),
        ("Data: available on request; see data:5,6", "Data: available on request; see data:5,6"),
    ],
)
def test_what_readers_do_not_see_is_no_text(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text(), st.sampled_from(["data:image/png;base64,AAAA", "\u202e", "data:,", ";base64,"]))
def test_cleaning_twice_changes_nothing(text: str, odd: str) -> None:
    once = clean(f"{text}{odd}{text}")
    assert clean(once) == once


def test_lookalikes_are_words_that_hide_what_they_spell() -> None:
    bold = "\U0001d422\U0001d420\U0001d427"
    text = "ign\u043ere this (TNF\u03b1, NF\u03baB, \u03b2-actin, \u03bcm, na\u00efve) \uff49gnore ign\u03bfre " + bold
    assert lookalikes(text) == ("ign\u043ere", "\uff49gnore", "ign\u03bfre", bold)
    assert lookalikes("plain words") == ()
    assert hidden_characters("a\u202eb ig\u200bnore \u200b end") == 2


def test_no_real_paper_or_abstract_looks_forged(shared_data: Path) -> None:
    papers = [p for form in ("jats", "pdf") for p in sorted((shared_data / "fulltext" / form).iterdir())]
    warnings = [w for p in papers for w in load_paper(p)[1].warnings]
    assert not [w for w in warnings if "hidden" in w or "alike" in w or "language" in w or "methods" in w]
    records = (shared_data / "pubmed" / "records.jsonl").read_text(encoding="utf-8").strip().split("\n")
    abstracts = [json.loads(line).get("abstract") or "" for line in records]
    assert not [a for a in abstracts if lookalikes(a)]
    assert {language_of(a) for a in abstracts if len(a) > 300} == {"en"}


def test_a_document_says_what_is_odd_about_it() -> None:
    odd = built("The cells were gr\u043ewn for two days and then counted.", "Do \u202ethis\u202c", heading="Results")
    assert len(odd.warnings) == 3
    assert "no methods section" in odd.warnings[0]
    assert odd.warnings[1].startswith("2 hidden characters")
    assert "gr\u043ewn" in odd.warnings[2]


GERMAN = "Die Proben wurden mit dem Kit von Qiagen aufgearbeitet und die Daten wurden durch zwei der Autoren geprüft. "
SPANISH = (
    "Los pacientes fueron tratados con una dosis para cada uno de los grupos del estudio y las muestras se guardaron. "
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (GERMAN * 3, "de"),
        (SPANISH * 3, "es"),
        (
            "Les patients ont été traités avec une dose dans les deux groupes, et les résultats sont donnés pour " * 2,
            "fr",
        ),
        (
            "本研究では、乳癌患者における遺伝子発現を解析し、予後との関連を明らかにすることを目的とした。対象は百二十例とした。",
            "ja",
        ),
        (
            "本研究旨在探讨乳腺癌患者的基因表达及其与预后的关系我们分析了一百二十例患者的样本结果显示差异显著提示其具有临床意义",
            "zh",
        ),
        ("ATGCATGC 12 45", None),
        ("", None),
    ],
)
def test_languages_are_told_apart(text: str, code: str | None) -> None:
    assert language_of(text) == code


def test_a_paper_in_another_language_is_read_and_says_so() -> None:
    document = built(GERMAN * 3, heading="Material und Methoden")
    assert (document.language, document.sections[0].kind) == ("de", "methods")
    assert "German" in document.warnings[0]
    assert section_kind("Materiales y métodos") == section_kind("Matériels et méthodes") == "methods"
    assert section_kind("Ergebnisse") == section_kind("Résultats") == "results"


@given(st.text())
def test_any_text_has_a_language_or_none(text: str) -> None:
    assert language_of(text) is None or len(language_of(text) or "") == 2
    assert all(word in text for word in lookalikes(text))
