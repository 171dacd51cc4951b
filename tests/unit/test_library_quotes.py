"""Quotes are found when the paper says so, and only then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.papers.canonical import DocumentBuilder
from bioresearcher.papers.quotes import locate
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.paper import Document

SENTENCE = (
    "The expression of the “ESR1” gene was down-regulated by 2.5-fold in 46 liposarcoma samples (p < 0.001), "
    "but it was not associated with overall survival of the patients in the first cohort."
)


def document(*texts: str) -> Document:
    builder = DocumentBuilder()
    builder.section("Results", "results", 1)
    for text in texts or (SENTENCE,):
        builder.paragraph(text)
    builder.section("Methods", "methods", 1)
    builder.paragraph("Samples were sequenced on two lanes of an instrument.")
    builder.section("References", "references", 1)
    builder.paragraph("Lee K. A landmark study of everything that matters. Cell 2001.")
    return builder.build("own-x", "note")


@pytest.mark.parametrize(
    "quote",
    [
        SENTENCE,
        SENTENCE.upper(),
        SENTENCE.replace("“", '"').replace("”", '"').replace("-", "‑"),
        SENTENCE.replace(" < ", "<").replace("2.5-fold", "2.5 -fold"),
        f'"{SENTENCE}"',
        SENTENCE.replace("liposarcoma", "liposar­coma"),
        SENTENCE.replace("down-regulated", "downregulated"),
        SENTENCE.replace("associated", "asociated").replace("expression", "expresion"),
        SENTENCE.replace("the patients", "patients"),
    ],
    ids=["exact", "case", "dashes", "spaces", "marks", "soft hyphen", "hyphen", "letters", "word"],
)
def test_small_differences_are_repaired_to_the_papers_own_words(quote: str) -> None:
    found = locate(document(), quote)
    assert found is not None
    assert found.text == SENTENCE
    assert (found.document, found.section, found.page) == ("own-x", "Results", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("46", "48"),
        ("46", "4 6"),
        ("2.5", "25"),
        ("0.001", "0.01"),
        ("<", ">"),
        ("was not associated", "was associated"),
        ("down-regulated", "up-regulated"),
        ("ESR1", "ESR2"),
        ("ESR1", "PGR1"),
        ("first", "second"),
        ("but", "x" * 40),
    ],
)
def test_another_statement_is_not_found(old: str, new: str) -> None:
    assert locate(document(), SENTENCE.replace(old, new)) is None


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "p < 0.001",
        "A landmark study of everything that matters.",
        "Samples were sequenced on a single lane of some other instrument.",
        SENTENCE + " Samples were sequenced on two lanes of an instrument.",
        "x" * 5_000,
    ],
    ids=["empty", "short", "reference", "invented", "two sections", "long"],
)
def test_what_is_not_said_in_the_text_is_not_found(quote: str) -> None:
    assert locate(document(), quote) is None


def test_a_number_is_never_cut() -> None:
    text = "In this cohort the hazard ratio of the score was 1.508 in all patients."
    assert locate(document(text), "the hazard ratio of the score was 1.5") is None
    assert locate(document(text), "the hazard ratio of the score was 1") is None
    assert locate(document("The change of the score was -0.52 in all patients."), "0.52 in all patients.") is None
    found = locate(document(text), "the hazard ratio of the score was 1.508")
    assert found is not None
    assert found.text.endswith("1.508")


def test_powers_and_ligatures() -> None:
    text = "About 2 × 10^6 cells were ﬁxed in each of the wells overnight."
    assert locate(document(text), "About 2 × 10⁶ cells were fixed in each of the wells") is not None
    assert locate(document(text), "About 2 × 106 cells were fixed in each of the wells") is None


def test_the_first_allowed_place_is_taken_when_a_reference_says_the_same() -> None:
    builder = DocumentBuilder()
    builder.section("References", "references", 1)
    builder.paragraph("A common phrase about signalling in cells.")
    builder.section("Results", "results", 1)
    builder.paragraph("A common phrase about signalling in cells.")
    found = locate(builder.build("own-x", "note"), "A common phrase about signalling in cells.")
    assert found is not None
    assert found.section == "Results"


@settings(deadline=None)
@given(st.data())
def test_every_stretch_of_whole_words_is_found_where_it_stands(data: st.DataObject) -> None:
    text = document().text
    starts = [0, *(i + 1 for i, c in enumerate(text[:-1]) if c == " ")]
    start = data.draw(st.sampled_from([s for s in starts if s < len(SENTENCE)]))
    end = data.draw(st.integers(start + 20, start + 300))
    found = locate(document(), text[start:end])
    if found is not None:
        assert document().text[found.start : found.end] == found.text


@settings(deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_answered_and_a_find_is_a_slice(quote: str) -> None:
    whole = document()
    found = locate(whole, quote)
    assert found is None or whole.text[found.start : found.end] == found.text


def test_misspelt_quotes_from_real_papers_are_located(shared_data: Path) -> None:
    located = total = 0
    for path in sorted((shared_data / "fulltext" / "jats").iterdir())[:4]:
        _, paper = load_paper(path)
        for section in paper.sections:
            text = paper.text[section.start : section.end].split("\n\n")[-1][:500].rsplit(" ", 1)[0]
            if section.kind not in ("methods", "discussion") or len(text) < 200:
                continue
            misspelt = re.sub(r"\b((?:m|t|s|c|g)[a-z]{5})([a-z]{2,})\b", r"\1q\2", text, count=4)
            if misspelt == text:
                continue
            total += 1
            found = locate(paper, misspelt)
            if found is not None:
                located += 1
                assert text.startswith(found.text)
    assert total >= 20
    assert located >= 0.9 * total
