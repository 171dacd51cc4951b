"""Records without full text as documents."""

from __future__ import annotations

import pytest

from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.identifiers import ABSTRACT_ONLY, record_document
from bioresearcher.papers.quotes import split_passages
from bioresearcher.schemas.paper import Paper

PAPER = Paper(
    id="PMID1", title="Oxytocin in seals", source="pubmed", abstract="Plasma was taken.\nMETHODS: We used ELISA."
)


def test_title_and_abstract_are_the_text_and_the_document_says_that_there_is_no_more() -> None:
    document = record_document(PAPER)
    assert (document.id, document.kind, document.warnings) == ("PMID1", "record", (ABSTRACT_ONLY,))
    assert document.text == "Oxytocin in seals\n\nAbstract\n\nPlasma was taken.\n\nMethods\n\nWe used ELISA."
    assert [p.kind for p in split_passages(document)] == ["title", "abstract", "methods"]


def test_a_label_that_names_no_section_stays_in_the_text() -> None:
    document = record_document(PAPER.model_copy(update={"abstract": "Keywords here: none. IL-6: high."}))
    assert [s.kind for s in document.sections] == ["title", "abstract"]
    assert document.text.endswith("Keywords here: none. IL-6: high.")


def test_a_structured_abstract_on_one_line_is_divided_at_its_labels() -> None:
    text = "BACKGROUND: Seals dive (IL: x). MATERIALS AND METHODS: We used ELISA. NOTE: none. RESULTS: They do."
    document = record_document(PAPER.model_copy(update={"abstract": text}))
    assert [(s.title, s.kind) for s in document.sections[2:]] == [
        ("Background", "introduction"), ("Materials and methods", "methods"), ("Results", "results"),
    ]  # fmt: skip
    assert "Materials and methods\n\nWe used ELISA. NOTE: none.\n\nResults\n\nThey do." in document.text


def test_a_record_without_abstract_cannot_be_read() -> None:
    with pytest.raises(UnreadablePaper, match="PMID1: the record has neither full text nor abstract"):
        record_document(PAPER.model_copy(update={"abstract": " \n"}))
