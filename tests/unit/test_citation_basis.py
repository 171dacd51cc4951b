"""What a citation says was read, and what is never quoted: entries of reference lists, notices about papers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bioresearcher.papers.canonical import DocumentBuilder
from bioresearcher.papers.notes import read_note
from bioresearcher.report.protocol_markdown import titles_of
from bioresearcher.schemas.paper import Document, NoticeTarget, Paper
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.passages import find_quote, is_reference_entry

ENTRY = "7. Olesen J, Alpha L: The nitric oxide hypothesis of migraine and headaches. Trends Inv 1994, 15:149-153."


def document(*texts: str) -> Document:
    builder = DocumentBuilder()
    builder.section("Discussion", "discussion", 1)
    for text in texts:
        builder.paragraph(text)
    return builder.build("d1", "pdf")


@pytest.mark.parametrize(
    ("kind", "source", "said"),
    [
        ("jats", "pmc", "full text"),
        ("pdf", "own", "full text (PDF), own file"),
        ("record", "pubmed", "title and abstract only"),
        ("note", "own", "a note about this work, not its own text"),
    ],
)
def test_a_reference_says_what_was_read(kind: str, source: str, said: str) -> None:
    paper = Paper.model_validate({"id": "p", "title": "A title", "source": source, "kind": kind})
    assert paper.basis == said
    assert titles_of([paper])["p"].endswith(f"Read: {said}.")


def test_the_examples_notes_say_that_their_advice_is_their_own() -> None:
    import bioresearcher

    folder = Path(bioresearcher.__file__).parent / "_examples" / "breast-cancer" / "papers"
    for path in folder.glob("*.md"):
        data = path.read_bytes()
        paper, text = read_note(data, sha256=hashlib.sha256(data).hexdigest())
        assert "by this project" in paper.basis
        assert "not its own text" in paper.basis
        assert not any("front matter" in w for w in text.warnings)


def test_no_quote_is_an_entry_of_a_reference_list_wherever_it_stands() -> None:
    found = document("Nitric oxide was measured in all patients by the same method.", ENTRY)
    assert find_quote(found, "Nitric oxide was measured in all patients", ()) is not None
    assert find_quote(found, ENTRY, ()) is None
    asked = PaperCorpus([], [found]).passages_for("What is the nitric oxide hypothesis of migraine?", None)
    assert not any("Olesen" in p.text for p in asked if is_reference_entry(p.text))


@pytest.mark.parametrize(
    "sentence",
    ["Smith and Jones measured nitric oxide in 1994 in 15 patients.", "CD8 T cells (2 × 10^6) were injected in 2004."],
)
def test_a_sentence_with_names_and_a_year_is_no_entry(sentence: str) -> None:
    assert not is_reference_entry(sentence)


def test_a_notice_about_a_paper_answers_nothing() -> None:
    paper = Paper(id="d1", title="Retraction: A title", source="own", notice_of=(NoticeTarget(what="retraction"),))
    text = document("The figures of the paper were manipulated.")
    assert PaperCorpus([paper], [text]).papers == ()
    assert PaperCorpus([paper.model_copy(update={"notice_of": ()})], [text]).papers != ()
