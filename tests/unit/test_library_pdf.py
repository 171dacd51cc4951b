"""PDF papers: structure recovered, limits kept, damage reported."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, EncodedStreamObject, NameObject

from bioresearcher.papers.canonical import UnreadablePaper, page_of, paragraphs
from bioresearcher.papers.pdf import read_pdf
from bioresearcher.papers.pdf_layout import Line, join, tidy, unglued
from bioresearcher.papers.pdf_page import _marked
from bioresearcher.papers.quotes import locate
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.paper import Document
from bioresearcher.text.words import sentences


def read(data: bytes) -> Document:
    return read_pdf(data, sha256=hashlib.sha256(data).hexdigest())[1]


def page_with(content: bytes, pages: int = 1) -> bytes:
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for _ in range(pages):
        page = writer.add_blank_page(600, 800)
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = EncodedStreamObject()
        stream._data = zlib.compress(content, 9)
        stream[NameObject("/Filter")] = NameObject("/FlateDecode")
        page[NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def lines_of(*texts: str, size: int = 10) -> bytes:
    shown = b"".join(f"({t}) Tj 0 -12 Td ".encode() for t in texts)
    return b"BT /F1 %d Tf 50 750 Td " % size + shown + b"ET"


@pytest.mark.parametrize(
    ("name", "identifier", "title", "year"),
    [
        ("PMC4521097", "PMC4521097", "Conspecific recognition and aggression reduction", 2015),
        ("PMC5481278", "PMC5481278", "Identification of key genes and molecular mechanisms", 2017),
        ("pone.0115884", "doi-10.1371-journal.pone.0115884", "A Novel Reproductive Mode in Frogs", 2014),
        ("s13054-014-0721-8", "doi-10.1186-s13054-014-0721-8", "Diminished adrenal sensitivity", 2015),
    ],
)
def test_real_papers_have_structure(shared_data: Path, name: str, identifier: str, title: str, year: int) -> None:
    path = shared_data / "fulltext" / "pdf" / f"{name}.pdf"
    paper, document = load_paper(path)
    kinds = [s.kind for s in document.sections]
    wanted = ["title", "abstract", "introduction", "methods", "results", "discussion", "references"]
    assert [kinds.index(k) for k in wanted] == sorted(kinds.index(k) for k in wanted)
    assert {"legend", "table"} <= set(kinds)
    assert paper.id == identifier
    assert paper.title.startswith(title)
    assert paper.year == year
    assert len(paper.abstract) > 500
    assert len(document.pages) == len(PdfReader(path).pages)
    assert list(document.pages) == sorted(document.pages)
    assert document.pages[0] == 0
    assert not re.search("[ﬀ-ﬆ]", document.text)


def test_nearly_every_sentence_of_the_xml_is_found_in_the_pdf(shared_data: Path) -> None:
    folder = shared_data / "fulltext"
    for name, least in (("PMC4521097", 0.99), ("pone.0115884", 0.99)):
        _, xml = load_paper(folder / "jats" / f"{name}.xml")
        _, pdf = load_paper(folder / "pdf" / f"{name}.pdf")
        places = []
        total = 0
        for section in xml.sections:
            if section.kind in ("introduction", "methods", "results", "discussion"):
                for start, end in paragraphs(xml, section):
                    for first, last in sentences(xml.text, start, end):
                        if last - first >= 30:
                            total += 1
                            found = locate(pdf, xml.text[first:last])
                            places += [found.start] if found else []
        assert len(places) >= least * total
        in_order = sum(a <= b for a, b in itertools.pairwise(places))
        assert in_order >= 0.97 * (len(places) - 1)


def test_pages_of_real_quotes(shared_data: Path) -> None:
    _, document = load_paper(shared_data / "fulltext" / "pdf" / "PMC5481278.pdf")
    found = locate(document, "we downloaded microarray profiles of 46 DDLPS samples and nine non-cancerous fat")
    assert found is not None
    assert found.page == 2
    assert page_of(document, document.text.index("Table 2")) == 5
    # the file's text says "P-value ,0.001", print "<0.001"; the glyph tells
    assert "adjusted P-value <0.001" in document.text
    assert "interaction degree ≥10" in document.text
    assert any("signs (< > ≥) were read from the shapes" in w for w in document.warnings)


def test_a_small_pdf_is_read_with_running_heads_removed() -> None:
    text = [f"This is sentence {n} about the tumour samples and their genes." for n in range(20)]
    document = read(page_with(lines_of("Journal of Things 12", "First line.", *text, "17"), pages=3))
    assert "Journal of Things" not in document.text
    assert "17" not in [line.strip() for line in document.text.splitlines()]
    assert "their genes. This is sentence 8 about" in document.text
    assert len(document.pages) == 3


def test_a_bomb_is_not_parsed() -> None:
    bomb = b"BT /F1 12 Tf " + b"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaa) Tj " * 400_000
    with pytest.raises(UnreadablePaper, match="hardly any text"):
        read(page_with(bomb))


def test_a_damaged_page_does_not_lose_the_others() -> None:
    writer = PdfWriter(clone_from=io.BytesIO(page_with(lines_of(*["Readable words stand here."] * 30), pages=2)))
    broken = EncodedStreamObject()
    broken._data = b"\x00not zlib"
    broken[NameObject("/Filter")] = NameObject("/NoSuchFilter")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(broken)
    out = io.BytesIO()
    writer.write(out)
    document = read(out.getvalue())
    assert "Readable words" in document.text
    assert any("page 1 is damaged" in w for w in document.warnings)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("scanned", "scanned"),
        ("long", "301 pages"),
        ("encrypted", "encrypted"),
        ("cut", "damaged"),
        ("junk", "damaged"),
    ],
)
def test_unreadable_files_say_what_they_are(kind: str, message: str) -> None:
    writer = PdfWriter()
    for _ in range(301 if kind == "long" else 2):
        writer.add_blank_page(200, 200)
    if kind == "encrypted":
        writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    data = {"cut": out.getvalue()[:200], "junk": b"%PDF-1.4\n" + bytes(range(256)) * 20}.get(kind, out.getvalue())
    with pytest.raises(UnreadablePaper, match=message) as caught:
        read(data)
    assert caught.value.hint


SAMPLE = page_with(lines_of(*["Some words of a paper stand in this line."] * 20))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=30))
def test_flipped_bytes_are_a_document_or_an_unreadable_paper(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place] = value
    try:
        document = read(bytes(data))
    except UnreadablePaper:
        return
    assert document.text


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=2_000))
def test_garbage_is_an_unreadable_paper(garbage: bytes) -> None:
    with pytest.raises(UnreadablePaper):
        read(b"%PDF-1.7\n" + garbage)


@pytest.mark.parametrize(
    ("left", "right", "whole"),
    [
        ("a con-", "cern of", "a concern of"),
        ("down-", "regulated genes", "down-regulated genes"),
        ("the one-", "way test", "the one-way test"),
        ("IL-", "6 rose", "IL-6 rose"),
        ("in 10–", "12 days", "in 10–12 days"),
        ("two", "words", "two words"),
    ],
)
def test_divided_words_are_made_whole(left: str, right: str, whole: str) -> None:
    assert join(left, right, {"down-regulated", "down", "one", "way", "a", "of"}) == whole


def test_words_that_tight_setting_ran_together_are_parted() -> None:
    words = Counter(dict.fromkeys("study animals had weaned within days of each other all the".split(), 3))
    glued = "All the studyanimalshadweanedwithin4daysofeachother. (Halletal. 2001)"
    assert unglued(glued, words) == "All the study animals had weaned within 4 days of each other. (Hall et al. 2001)"
    for whole in ("phosphatidylethanolamine", "studyanimalsofunknownorigins", "http-studyanimalshadweaned"):
        assert unglued(whole, words) == whole


def test_line_numbers_doubled_pages_and_glyph_numbers_go() -> None:
    prose = [Line(f"{n} words of the manuscript number", 1, "F", 10.0) for n in range(1, 21)]
    assert tidy([prose])[0][0].text == "words of the manuscript number"
    once = [Line(f"line {c} of a page with text", 1, "F", 10.0) for c in "abcdefgh"]
    assert len(tidy([once + once])[0]) == 8
    glyphs = [Line("+HLJKWDX &OXVWHU GHQGURJUDP %XXKK", 1, "G", 10.0)] * 3
    assert not [x for x in tidy([once + glyphs])[0] if x.font == "G"]


@pytest.mark.parametrize(
    ("before", "raised", "shown"),
    [
        ("5 × 10", "6", "^6"),
        ("a P value of 10", "−50", "^−50"),
        ("at 30 frames s", "−1", "^−1"),
        ("a body mass index above 30 kg/m", "2", "^2"),
        ("isotropic voxels of 1.5 mm", "3", "^3"),
        ("the gene H", "2", "2"),
        ("as was shown.", "12", " [12]"),
        ("with the Cochrane tool", "6,25–27,29", " [6,25–27,29]"),
        ("a flow of 2 mol L ", " −1", "^−1"),
        ("kept at 80", " 0", " ^0"),
    ],
)
def test_small_raised_digits_are_powers_behind_numbers_and_units(before: str, raised: str, shown: str) -> None:
    assert _marked(raised, before) == shown


def test_a_file_whose_fonts_have_no_map_is_refused_with_a_reason() -> None:
    with pytest.raises(UnreadablePaper, match="no map from glyphs"):
        read(page_with(lines_of(*["gkwzv gbkzv xqjgk"] * 30)))
