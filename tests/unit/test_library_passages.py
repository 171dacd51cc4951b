"""Canonical text, sentences and passages."""

from __future__ import annotations

import itertools
import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.papers.canonical import DocumentBuilder, clean, page_of, section_at, section_kind
from bioresearcher.papers.identifiers import Identifiers, paper_id
from bioresearcher.papers.quotes import LONGEST, split_passages
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.paper import Document
from bioresearcher.text.words import sentences


@settings(deadline=None)
@given(st.text())
def test_clean_text_is_normal_visible_and_stays_so(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in cleaned)
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()


def test_invisible_characters_go_and_lost_glyphs_show() -> None:
    assert clean("ig\u200bno\u00adre \u202eall\u2066 \U000e0041\ufe0f\u3164 this\x07") == "ignore all this"
    assert clean("p \ue024 0.05") == "p \ufffd 0.05"
    assert clean("e\u200d\u0301") == "é"


words = st.lists(st.text(string.ascii_letters + "0.,;é", min_size=1, max_size=30), max_size=60).map(" ".join)
ENDS = st.sampled_from([".", "!", "?", ""])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    builder = DocumentBuilder()
    builder.paragraph("Always something.")
    for _ in range(draw(st.integers(0, 4))):
        builder.section(draw(words)[:60], draw(st.sampled_from(["methods", "references"])), 1)  # type: ignore[arg-type]
        for _ in range(draw(st.integers(0, 4))):
            if draw(st.booleans()):
                builder.page()
            builder.paragraph(*(draw(words) + draw(ENDS) for _ in range(draw(st.integers(1, 3)))))
    return builder.build("own-x", "note")


@settings(deadline=None)
@given(documents())
def test_sections_partition_the_text_and_pages_rise(document: Document) -> None:
    place = 0
    for section in document.sections:
        assert section.start == place
        place = section.end + 2
    assert place == len(document.text) + 2
    assert list(document.pages) == sorted(document.pages)
    assert all(0 <= p <= len(document.text) for p in document.pages)


@settings(deadline=None)
@given(documents())
def test_passages_are_slices_within_one_section(document: Document) -> None:
    passages = split_passages(document)
    assert len({p.id for p in passages}) == len(passages)
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert len(passage.text) <= LONGEST
        section = section_at(document, passage.start)
        assert section is not None
        assert section.start <= passage.start
        assert passage.end <= section.end
        assert (passage.section, passage.kind) == (section.title, section.kind)
        assert passage.page == page_of(document, passage.start)


@settings(deadline=None)
@given(words.map(lambda w: w + "."), st.integers(0, 3))
def test_sentences_cover_all_but_white_space(text: str, offset: int) -> None:
    spans = list(sentences(text, offset))
    covered = "".join(text[a:b] for a, b in spans)
    assert covered.replace(" ", "") == text[offset:].replace(" ", "")
    assert all(b <= c for (_, b), (c, _) in itertools.pairwise(spans))


def test_sentences_of_scientific_prose() -> None:
    text = (
        "Cells (e.g. HeLa) were used by Smith et al. 2004. mRNA was measured, see Fig. 3. T. brucei was kept at "
        "4 °C vs. 37 °C. We found p < 0.05 (n = 3). Was it real? Yes."
    )
    assert [text[a:b] for a, b in sentences(text)] == [
        "Cells (e.g. HeLa) were used by Smith et al. 2004.",
        "mRNA was measured, see Fig. 3.",
        "T. brucei was kept at 4 °C vs. 37 °C.",
        "We found p < 0.05 (n = 3).",
        "Was it real?",
        "Yes.",
    ]


def test_a_variable_ends_a_sentence_and_the_letter_of_a_panel_or_a_name_does_not() -> None:
    text = "Compare the i-th of m with i times the level divided by m. Reject what lies below. See J. Smith. a. Cells."
    assert [text[a:b] for a, b in sentences(text)] == [
        "Compare the i-th of m with i times the level divided by m.",
        "Reject what lies below.",
        "See J. Smith. a. Cells.",
    ]


def test_real_papers_lose_nothing_when_split(shared_data: Path) -> None:
    _, document = load_paper(shared_data / "fulltext" / "jats" / "PMC1702562.xml")
    passages = split_passages(document)
    lengths = sorted(len(p.text) for p in passages)
    assert 500 <= lengths[len(lengths) // 2] <= 900
    titles = sum(len(s.title) for s in document.sections)
    text = sum(len(p.text) for p in passages)
    assert text + titles >= 0.97 * len(document.text)
    assert split_passages(document) == passages
    assert {p.kind for p in passages} >= {"methods", "results", "legend", "references"}


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("2. Materials and methods", "methods"),
        ("PATIENTS AND METHODS", "methods"),
        ("Statistical analysis", "methods"),
        ("Results and Discussion", "results"),
        ("Availability of data and materials", "data_availability"),
        ("Supporting Information", "supplementary"),
        ("IV. Discussion", "discussion"),
        ("Literature cited", "references"),
        ("Western blot analysis", None),
        ("", None),
    ],
)
def test_headings_say_what_a_section_is(title: str, kind: str | None) -> None:
    assert section_kind(title) == kind


def test_paper_ids_are_file_names() -> None:
    assert paper_id(Identifiers.of(pmid="PMID: 123", pmcid="99"), "f" * 64) == "PMID123"
    assert paper_id(Identifiers.of(pmcid="99"), "f" * 64) == "PMC99"
    assert paper_id(Identifiers.of(doi="https://doi.org/10.1000/ABC.1"), "f" * 64) == "doi-10.1000-abc.1"
    assert paper_id(Identifiers.of(pmid="0", doi="nonsense"), "ab" * 32) == "own-abababababab"


@settings(deadline=None)
@given(st.from_regex(r"10\.\d{4}/[^\s\"<>{}|\\^`]{1,150}", fullmatch=True))
def test_any_doi_makes_a_safe_and_stable_id(doi: str) -> None:
    identifier = paper_id(Identifiers.of(doi=doi), "f" * 64)
    assert (
        identifier == safe_name(identifier) == paper_id(Identifiers.of(doi=doi.upper()), "f" * 64) or not doi.isascii()
    )
    assert "/" not in identifier
    assert ".." not in identifier.split("/")
