"""Sections, titles and authors of PDFs: from numbers, places and styles; what is doubted, and what is refused."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, EncodedStreamObject, NameObject

from bioresearcher.papers.canonical import UnreadablePaper, section_kind
from bioresearcher.papers.pdf import read_pdf
from bioresearcher.papers.pdf_first_page import names_in
from bioresearcher.papers.pdf_layout import Line
from bioresearcher.papers.pdf_structure import UNPARTED
from bioresearcher.papers.pdf_typography import SENTENCE_END, continues_number, led_heading, number_of
from bioresearcher.schemas.paper import Document, Paper

Drawn = tuple[str, str, float]
"""Text, font (R, B or I) and size of a line."""

FONTS = {"R": "/Times-Roman", "B": "/Times-Bold", "I": "/Times-Italic"}
TITLE: Drawn = ("Early detection of an invented sepsis with a recurrent network", "B", 16)
NAMES: Drawn = ("Ann Alpha 1, Ben B. Beta 1,2, and Gus van der Gamma 2", "R", 11)
PLACE: Drawn = ("1 Institute of Samples, Town. 2 Hospital of Invention, City", "R", 8)


def pdf_of(*pages: Sequence[Drawn], late: int = 0) -> bytes:
    """A PDF whose lines are drawn from top to foot; the first `late` lines of a page are drawn last."""
    writer = PdfWriter()
    fonts = DictionaryObject()
    for key, name in FONTS.items():
        parts = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": name, "/Encoding": "/WinAnsiEncoding"}
        fonts[NameObject(f"/{key}")] = DictionaryObject({NameObject(k): NameObject(v) for k, v in parts.items()})
    for lines in pages:
        page = writer.add_blank_page(600, 2_400)
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        placed = [(50, 2_300 - 14 * n, line) for n, line in enumerate(lines)]
        placed = placed[late:] + placed[:late]
        said = []
        for x, y, (text, font, size) in placed:
            shown = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            said.append(f"BT /{font} {size} Tf 1 0 0 1 {x} {y} Tm ({shown}) Tj ET")
        stream = EncodedStreamObject()
        stream._data = zlib.compress("\n".join(said).encode("cp1252"))
        stream[NameObject("/Filter")] = NameObject("/FlateDecode")
        page[NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def read(data: bytes) -> tuple[Paper, Document]:
    return read_pdf(data, sha256="a" * 64, name="file")


def text(about: str, lines: int = 6, size: float = 10, font: str = "R") -> list[Drawn]:
    """A paragraph about something."""
    said = [
        (f"On day {n} of the study the {about} of all animals was recorded by two of us at noon, and", font, size)
        for n in range(1, lines)
    ]
    return [*said, (f"on the last day of the trial the {about} was compared.", font, size)]


def kinds_of(document: Document) -> dict[str, str]:
    return {s.title: s.kind for s in document.sections}


def entries(count: int, size: float = 7) -> list[Drawn]:
    return [
        (
            f"{n}. Olesen J, Alpha L: The invented hypothesis of migraine number {n}. J Inv 200{n % 10}, {n}:1-9.",
            "R",
            size,
        )
        for n in range(1, count + 1)
    ]


def head(text: str, size: float = 12) -> Drawn:
    return (text, "B", size)


FRONT = [TITLE, NAMES, PLACE, head("Abstract"), *text("weight", 4)]


def test_numbered_parts_of_the_methods_are_methods_also_over_a_page_end() -> None:
    first = [*FRONT, head("1. Introduction"), *text("aim"), head("5. Methods"), head("5.1. Mice", 10), *text("cage")]
    second = [head("5.2. Siting", 10), *text("site"), head("6. Results"), head("6.1. Statistics", 10), *text("mean")]
    _, document = read(pdf_of(first, second))
    kinds = kinds_of(document)
    assert [kinds[t] for t in ("5.1. Mice", "5.2. Siting", "6.1. Statistics")] == ["methods", "methods", "results"]
    assert {s.title: s.level for s in document.sections}["5.1. Mice"] == 2


def test_bold_headings_right_below_the_methods_are_a_part_of_them() -> None:
    lines = [*FRONT, head("INTRODUCTION", 10), *text("aim"), head("METHODS", 10), head("Search strategy", 10)]
    lines += [*text("search"), head("Data extraction", 10), *text("form"), head("RESULTS", 10), *text("mean")]
    kinds = kinds_of(read(pdf_of(lines))[1])
    assert kinds["Search strategy"] == kinds["Data extraction"] == "methods"
    assert kinds["RESULTS"] == "results"


def test_more_letters_in_the_references_than_in_the_text_do_not_make_the_text_notes() -> None:
    lines = [*FRONT, head("Introduction"), *text("aim"), head("Methods"), *text("search"), head("Results")]
    lines += [*text("mean"), head("References"), *entries(90)]
    _, document = read(pdf_of(lines))
    sizes = {s.kind: s.end - s.start for s in document.sections}
    assert sizes["methods"] > 300
    assert sizes["results"] > 300
    assert "legend" not in sizes


def test_a_list_of_references_without_a_heading_is_one() -> None:
    lines = [*FRONT, head("Methods"), *text("search"), head("Results"), *text("mean"), *entries(12)]
    _, document = read(pdf_of(lines))
    listed = next(s for s in document.sections if s.kind == "references")
    assert document.text[listed.start : listed.end].count("J Inv") == 12


def test_the_title_is_no_stamp_and_the_authors_are_those_below_it() -> None:
    stamp = ("arXiv:1708.99999v1 [stat.ML] 19 Aug 2017, a very large stamp", "R", 20)
    paper, _ = read(pdf_of([stamp, *FRONT, head("Methods"), *text("search")]))
    assert paper.title == TITLE[0]
    assert paper.authors == ("Ann Alpha", "Ben B. Beta", "Gus van der Gamma")


def test_a_title_that_ends_in_literature_opens_no_list_of_references() -> None:
    title = [("Mining invented associations on biomedical", "B", 16), ("Literature", "B", 16)]
    paper, document = read(pdf_of([*title, NAMES, PLACE, *FRONT[3:], head("Methods"), *text("search")]))
    assert paper.title == "Mining invented associations on biomedical Literature"
    assert "references" not in {s.kind for s in document.sections}


def test_text_without_headings_is_text() -> None:
    keys = ("Keywords: invented drug, amitriptyline, neuropathy", "R", 10)
    _, document = read(pdf_of([TITLE, NAMES, PLACE, head("Abstract"), *text("weight", 3), keys, *text("dose", 40)]))
    longest = max(document.sections, key=lambda s: s.end - s.start)
    assert longest.kind == "other"


def test_an_unlikely_reading_is_made_again_by_position_and_says_so() -> None:
    lines = [*FRONT, *text("aim", 40), head("Results"), *text("dose", 20)]
    usual, again = read(pdf_of(lines))[1], read(pdf_of(lines, late=len(FRONT)))[1]
    assert not any("lines were read" in w for w in usual.warnings)
    assert any("lines were read by position" in w for w in again.warnings)
    assert [s.kind for s in again.sections] == [s.kind for s in usual.sections]


def test_cells_of_a_table_are_told_apart_where_gaps_part_them() -> None:
    rows = [("Table 1. Doses of the invented drug", "B", 8)]
    rows += [(f"Group {n}          {n}.5 mg          {n}0 animals", "R", 8) for n in range(1, 4)]
    _, document = read(
        pdf_of([*FRONT, head("Methods"), *text("dose"), *rows, *text("dose"), head("Results"), *text("x")])
    )
    assert "Group 1 | 1.5 mg | 10 animals" in document.text
    assert UNPARTED not in document.text


def test_a_table_whose_cells_are_not_told_apart_is_marked() -> None:
    rows = [("Table 1. Doses of the invented drug", "B", 8), *((f"Group {n} {n}.5 mg", "R", 8) for n in range(1, 4))]
    _, document = read(pdf_of([*FRONT, head("Methods"), *text("dose"), *rows, *text("dose")]))
    assert UNPARTED in document.text


def test_a_line_of_text_that_begins_with_a_table_is_no_caption() -> None:
    lines = [*text("dose"), ("Virus presence was assessed by PCR with the primers that are all reported in", "R", 10)]
    lines += [("Table 1. The quantification of genome copies was done by another method in all of the bees.", "R", 10)]
    _, document = read(pdf_of([*FRONT, head("Methods"), *lines, *text("cage")]))
    assert "that are all reported in Table 1. The quantification" in document.text


@pytest.mark.parametrize(
    "title",
    "STAR★Methods|Online Methods|Research Design and Methods|Concise Methods|System and methods|Design and Methods"
    "|Detailed Methods|Patients|Study population|Trial design|Experimental|Computational methods|Proposed Method"
    "|Experimental model and subject details|Experimental Procedures|Patients and controls|Materials".split("|"),
)
def test_methods_have_many_names(title: str) -> None:
    assert section_kind(title) == "methods"


@pytest.mark.parametrize("title", ["Additional analyses", "Additional experiments", "Supporting evidence from mice"])
def test_more_experiments_are_no_supplement(title: str) -> None:
    assert section_kind(title) is None


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (
            "Anna Sundström,1 Michael Rönnlund,2 and Lars-Göran Nilsson4",
            ["Anna Sundström", "Michael Rönnlund", "Lars-Göran Nilsson"],
        ),
        ("Maria J O’Brien*, Chad G Ball1", ["Maria J O’Brien", "Chad G Ball"]),
        ("Department of Samples, University of Town", []),
        ("the quick brown fox", []),
    ],
)
def test_names_below_a_title(line: str, names: list[str]) -> None:
    assert names_in(line) == names


@given(st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_the_number_of_a_heading_is_read_and_followed(parts: list[int]) -> None:
    number = tuple(parts)
    assert number_of(f"{'.'.join(map(str, parts))}. Mice") == number
    assert continues_number((*number[:-1], number[-1] + 1), number)
    assert continues_number((*number, 1), number)
    assert not continues_number(number, number)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Methods",
                    "1. Mice",
                    "Figure 1. A",
                    "References",
                    "12. Olesen J, A B: C. 2001, 1:2-9.",
                    "some running text about mice",
                ]
            ),
            st.sampled_from("RBI"),
            st.sampled_from([6.0, 10.0, 14.0]),
        ),
        min_size=30,
        max_size=60,
    )
)
def test_no_order_of_lines_loses_a_letter(lines: list[Drawn]) -> None:
    filler = text("weight", 8)
    _, document = read(pdf_of([*filler, *lines]))
    for word in ("Methods", "Mice", "Figure 1", "Olesen", "running"):
        assert any(word in line[0] for line in lines) <= (word in document.text)


def test_nine_hundred_pages_are_refused_with_a_reason() -> None:
    writer = PdfWriter()
    for _ in range(900):
        writer.add_blank_page(100, 100)
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(UnreadablePaper, match="900 pages"):
        read(out.getvalue())


def test_a_file_with_a_password_is_refused_with_a_reason() -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(UnreadablePaper, match="password"):
        read(out.getvalue())


METHODS = [*FRONT, head("Introduction"), *text("aim"), head("Methods")]


def test_a_stamp_in_the_middle_of_a_sentence_is_no_part_of_it() -> None:
    first = [("OPEN", "I", 10), *METHODS, *text("search")[:-1]]
    _, document = read(pdf_of(first, [*text("site"), head("Results"), *text("mean")], late=1))
    methods = "".join(document.text[s.start : s.end] for s in document.sections if s.kind == "methods")
    assert "OPEN" not in methods
    assert "search of all animals was recorded by two of us at noon, and On day 2 of the study the site" in methods


def test_the_notice_of_rights_below_the_methods_is_no_part_of_them() -> None:
    notice = ("\u00a9 The Author(s). 2019 Open Access This article is distributed under the terms of a licence", "R", 7)
    goes_on = ("which permits use, distribution and reproduction, and indicates if changes were made.", "R", 7)
    first = [*METHODS, *text("search"), notice, goes_on]
    second = [*text("site", 40), head("Results"), *text("mean"), head("Annex"), *text("small print", 30, 7.5)]
    _, document = read(pdf_of(first, second))
    methods = "".join(document.text[s.start : s.end] for s in document.sections if s.kind == "methods")
    assert "The Author(s)" not in methods
    assert "reproduction" not in methods


def test_a_legend_in_the_size_of_the_text_ends_with_its_page() -> None:
    first = [*METHODS, *text("search"), ("Figure 1. The flow of the studies.", "R", 10)]
    _, document = read(pdf_of(first, [*text("site"), head("Results"), *text("mean")]))
    (legend,) = (s for s in document.sections if s.kind == "legend")
    assert document.text[legend.start : legend.end].endswith("The flow of the studies.")
    assert len(document.pages) == 2


def test_bold_headings_smaller_than_the_text_are_headings_where_several_are() -> None:
    lines = [*METHODS, head("Ethical approval", 8), *text("cage", 6, 11), head("Blood collection", 8)]
    lines += [*text("blood", 6, 11), head("Weighing", 8), *text("scale", 6, 11), head("Results"), *text("mean", 6, 11)]
    kinds = kinds_of(read(pdf_of(lines))[1])
    assert [kinds.get(t) for t in ("Ethical approval", "Blood collection", "Weighing")] == ["methods"] * 3


@pytest.mark.parametrize(
    ("text_of", "known", "length"),
    [
        ("Plants, surfaces and isolation. Healthy plants were cut.", True, 31),
        ("Plants, surfaces and isolation. Healthy plants were cut.", False, 0),
        ("Fig. 2. Healthy plants were cut.", True, 0),
    ],
)
def test_a_heading_in_the_line_may_hold_a_comma_where_its_font_is_known(text_of: str, known: bool, length: int) -> None:
    lead = text_of[: text_of.index("Healthy")].rstrip()
    line = Line(text_of, 1, "/Times", 10, lead=lead, lead_font="/Times-Bold")
    assert led_heading(line, known=known) == length


def test_a_sentence_ends_with_the_citations_behind_it() -> None:
    assert all(SENTENCE_END.search(t) for t in ("as was shown.", "as was shown. [12,13]", "as was shown.^52", "(so.)"))
    assert not any(SENTENCE_END.search(t) for t in ("as was shown [12]", "of 5 × 10^6", "and"))


def test_the_year_is_not_that_of_a_search() -> None:
    lines = [*FRONT, ("MEDLINE was searched for trials published before May 2009.", "R", 10), head("Methods")]
    assert read(pdf_of([*lines, *text("search")]))[0].year is None
    assert read(pdf_of([("Published: 3 May 2013", "R", 8), *lines, *text("search")]))[0].year == 2013


def test_accents_that_stand_before_their_letters_are_put_on_them() -> None:
    lines = [
        *METHODS,
        ("The plants came from Bel\u00b4em and from La\u02c6ayayta, and the 5\u00b4end was cut.", "R", 10),
    ]
    said = read(pdf_of([*lines, *text("search")]))[1].text
    assert "Bel\u00e9m and from La\u00e2yayta, and the 5\u00b4end" in said
