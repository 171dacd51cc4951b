"""On real papers: every sentence bears itself out, so that what is quoted word for word is never left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.papers.canonical import paragraphs
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.stages.quote_checks import new_words, why_not_supported
from bioresearcher.text.words import sentences


@pytest.mark.parametrize("name", ["PMC2599765.nxml", "PMC3585041.nxml", "PMC1289294.xml"])
def test_every_sentence_of_a_paper_bears_itself_out(shared_data: Path, name: str) -> None:
    _, document = load_paper(shared_data / "fulltext" / "jats" / name)
    spans = [s for x in document.sections for p in paragraphs(document, x) for s in sentences(document.text, *p)]
    texts = [document.text[a:b] for a, b in spans if b - a >= 30]
    assert len(texts) > 100
    assert [t for t in texts if why_not_supported(t, [t]) or new_words(t, [t])] == []
