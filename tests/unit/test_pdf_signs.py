"""Signs and Greek letters that a PDF calls by other characters: told by their outlines, or said to be lost."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject, NumberObject
from test_library_pdf import lines_of, page_with, read
from test_pdf_structure import NAMES, PLACE, TITLE, pdf_of, text
from test_pdf_structure import read as read_both

VISIBLE = [f"Sentence {n} of the paper says what was measured in cohort {n} and how." for n in range(20)]
Contour = Sequence[tuple[float, float]]


def box(left: float, low: float, right: float, high: float) -> Contour:
    return ((left, low), (right, low), (right, high), (left, high))


MINUS = [box(50, 230, 650, 270)]
EQUALS = [box(50, 130, 700, 180), box(50, 320, 700, 370)]
CROSS = [((0, 50), (50, 0), (250, 200), (450, 0), (500, 50), (300, 250), (500, 450), (450, 500), (250, 300), (50, 500))]
LESS = [((50, 250), (600, 0), (600, 60), (150, 250), (600, 440), (600, 500))]
GREATER = [tuple((650 - x, y) for x, y in LESS[0])]
ON_THE_LINE = [box(20, 0, 700, 450)]
DESCENDING = [box(20, -210, 500, 450)]
TALL = [box(20, 0, 100, 700)]


def drawn(glyphs: Mapping[str, Sequence[Contour]], content: str, *, cut: int | None = None) -> bytes:
    """A page whose second font, `/F2`, has these glyphs at the codes 1, 2, 3 … in a compact font of its own."""
    names = [".notdef", *glyphs]
    builder = FontBuilder(1000, isTTF=False)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({})
    shapes = {}
    for name in names:
        pen = T2CharStringPen(700, None)
        for contour in glyphs.get(name, ()):
            pen.moveTo(contour[0])
            for place in contour[1:]:
                pen.lineTo(place)
            pen.closePath()
        shapes[name] = pen.getCharString()
    builder.setupCFF("Signs", {}, shapes, {})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (700, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupPost()
    file = io.BytesIO()
    builder.save(file)
    program = DecodedStreamObject()
    program.set_data(builder.font.getTableData("CFF ")[:cut])
    program[NameObject("/Subtype")] = NameObject("/Type1C")
    writer = PdfWriter(clone_from=io.BytesIO(page_with(lines_of(*VISIBLE) + content.encode("latin-1"))))
    descriptor = DictionaryObject({NameObject("/Type"): NameObject("/FontDescriptor")})
    descriptor[NameObject("/FontFile3")] = writer._add_object(program)
    encoding = DictionaryObject({NameObject("/Type"): NameObject("/Encoding")})
    encoding[NameObject("/Differences")] = ArrayObject([NumberObject(1), *(NameObject(f"/{n}") for n in glyphs)])
    font = DictionaryObject({NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")})
    font[NameObject("/BaseFont")] = NameObject("/ABCDEF+AdvSigns")
    font[NameObject("/Encoding")] = encoding
    font[NameObject("/FontDescriptor")] = descriptor
    resources: Any = writer.pages[0]["/Resources"]
    resources["/Font"][NameObject("/F2")] = font
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def between(before: str, after: str) -> str:
    """Drawing of a line with the first sign of the second font between two texts."""
    return f"BT /F1 10 Tf 50 200 Td ({before}) Tj /F2 10 Tf <01> Tj /F1 10 Tf ({after}) Tj ET"


@pytest.mark.parametrize(
    ("name", "outline", "sign"),
    [
        ("C0", MINUS, "−"),
        ("C2", CROSS, "×"),
        ("onequarter", EQUALS, "="),
        ("five", EQUALS, "="),
        ("five", LESS, "<"),
        ("five", GREATER, ">"),
        ("C2", MINUS, "\ufffd"),
        ("C99", CROSS, "\ufffd"),
        ("onequarter", MINUS, "¼"),
    ],
)
def test_a_sign_is_read_by_its_outline_and_its_name_or_is_lost(
    name: str, outline: Sequence[Contour], sign: str
) -> None:
    found = read(drawn({name: outline}, between("a value of 3", "5 was found in all.")))
    assert f"a value of 3{sign}5 was found" in found.text.replace(f" {sign} ", sign)
    assert [w for w in found.warnings if "sign" in w] != [] or sign == "¼"


@pytest.mark.parametrize(
    ("glyphs", "read_as"),
    [
        ({"m": DESCENDING}, "20 μl of it"),
        ({"m": ON_THE_LINE}, "20 ml of it"),
        ({"l": DESCENDING, "a": ON_THE_LINE}, "20 μl of it"),
        ({"l": TALL}, "20 ll of it"),
        ({"c": DESCENDING, "b": DESCENDING}, "20 \ufffdl of it"),
        ({"c": DESCENDING, "b": DESCENDING, "m": DESCENDING}, "20 χl of it"),
        ({"c": DESCENDING, "b": DESCENDING, "m": ON_THE_LINE}, "20 cl of it"),
    ],
)
def test_a_greek_letter_is_told_from_a_latin_one_by_its_outline(
    glyphs: Mapping[str, Sequence[Contour]], read_as: str
) -> None:
    assert read_as in read(drawn(glyphs, between("They took 20 ", "l of it."))).text


def test_signs_of_a_damaged_font_stay_as_they_are() -> None:
    found = read(drawn({"m": DESCENDING}, between("They took 20 ", "l of it."), cut=40))
    assert "20 ml of it" in found.text


def test_a_minus_of_a_sign_font_and_a_small_number_are_one_power() -> None:
    content = (
        "BT /F1 10 Tf 1 0 0 1 50 200 Tm (at a flow of 1 ml min) Tj /F2 6 Tf 1 0 0 1 150 204 Tm <01> Tj "
        "/F1 6 Tf 1 0 0 1 154 204 Tm (1) Tj /F1 10 Tf 1 0 0 1 158 200 Tm ( of helium.) Tj ET"
    )
    assert "1 ml min^−1 of helium" in read(drawn({"C0": MINUS}, content)).text


def test_a_power_whose_size_is_in_the_text_matrix_alone() -> None:
    content = (
        "BT /F1 1 Tf 10 0 0 10 50 200 Tm (diluted to 10) Tj 6 0 0 6 113 204 Tm (6) Tj "
        "10 0 0 10 117 200 Tm ( spores per ml.) Tj ET"
    )
    assert "diluted to 10^6 spores per ml" in read(page_with(lines_of(*VISIBLE) + content.encode())).text


def test_a_heading_alone_in_small_italics_heads_a_section() -> None:
    named = [("Animals", "I", 9.5), ("Induction of pain", "I", 9.5), ("Tail immersion", "I", 9.5)]
    methods = [x for n, head in enumerate(named) for x in (head, *text(f"weight {n}"))]
    lines = [TITLE, NAMES, PLACE, ("Abstract", "B", 12), *text("blood"), ("Introduction", "B", 12), *text("blood")]
    lines += [("Materials and methods", "B", 12), *methods, ("Results", "B", 12), *text("blood")]
    _, document = read_both(pdf_of(lines))
    kinds = {s.title: s.kind for s in document.sections}
    assert [kinds.get(head) for head, _, _ in named] == ["methods"] * 3


def led(lines: Sequence[tuple[str, str, float]]) -> bytes:
    """The PDF of these lines, in which `@@` changes the font to that of the running text."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf_of(lines)))
    for page in writer.pages:
        contents: Any = page["/Contents"]
        stream = DecodedStreamObject()
        stream.set_data(contents.get_data().replace(b"@@", b") Tj /R 10 Tf ("))
        page[NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("font", ["B", "I"])
def test_a_heading_that_begins_a_paragraph_in_its_line_heads_a_section(font: str) -> None:
    heads = ["Animals", "2.2. Induction of pain", "Tail immersion"]
    methods = [x for n, head in enumerate(heads) for x in ((f"{head}. @@The rats of", font, 10.0), *text(f"tail {n}"))]
    lines = [TITLE, NAMES, PLACE, ("Abstract", "B", 12), *text("blood"), ("Introduction", "B", 12), *text("blood")]
    lines += [("Materials and methods", "B", 12), *methods, ("Results", "B", 12), *text("blood")]
    _, document = read_both(led(lines))
    kinds = {s.title: s.kind for s in document.sections}
    assert [kinds.get(head) for head in heads] == ["methods"] * 3
    assert "The rats of On day 1" in document.text


def test_a_species_at_the_start_of_a_line_is_no_heading() -> None:
    species = [x for n in range(4) for x in (("Escherichia coli@@ was grown in", "I", 10.0), *text(f"tail {n}"))]
    lines = [TITLE, NAMES, PLACE, ("Abstract", "B", 12), *text("blood"), ("Introduction", "B", 12), *text("blood")]
    lines += [("Materials and methods", "B", 12), *species, ("Results", "B", 12), *text("blood")]
    _, document = read_both(led(lines))
    assert not [s for s in document.sections if "coli" in s.title]


def test_a_wave_that_is_drawn_as_a_polygon_is_told_from_an_asterisk() -> None:
    wave = [(50 + 20 * n, 250 + round(60 * math.sin(n / 5))) for n in range(31)]
    glyphs = {"asterisk": [(*wave, *((x, y - 60) for x, y in reversed(wave)))], "m": DESCENDING, "O": ON_THE_LINE}
    assert "ie, ∼15 minutes" in read(drawn(glyphs, between("It was steady, ie, ", "15 minutes later."))).text


@pytest.mark.parametrize(("name", "read_as"), [("_0053", "\ufffd"), ("two.fitted", "2")])
def test_a_glyph_whose_name_says_no_letter_is_lost(name: str, read_as: str) -> None:
    found = read(drawn({name: CROSS}, between("They used SPSS", " for all of it.")))
    assert f"They used SPSS{read_as} for all of it." in found.text


def test_a_name_whose_signs_the_font_maps_as_codes_is_read_as_its_letters() -> None:
    """The map knows `/`, `T`, `_` and `h` as codes of other letters, and says nothing of the ligature's own code."""
    mapped = b"4 beginbfchar\n<2F> <006A>\n<54> <00B4>\n<5F> <005F>\n<68> <0068>\nendbfchar\nendcmap"
    writer = PdfWriter(clone_from=io.BytesIO(drawn({"T_h": CROSS}, between("", "is is an open article."))))
    table = DecodedStreamObject()
    table.set_data(b"begincmap\n1 begincodespacerange\n<00> <FF>\nendcodespacerange\n" + mapped)
    resources: Any = writer.pages[0]["/Resources"]
    resources["/Font"]["/F2"][NameObject("/ToUnicode")] = writer._add_object(table)
    out = io.BytesIO()
    writer.write(out)
    assert "This is an open article." in read(out.getvalue()).text


def test_a_ring_that_is_raised_out_of_its_line_is_a_degree() -> None:
    content = (
        "BT /F1 10 Tf 1 0 0 1 50 200 Tm (This was denatured at 95) Tj /F1 5 Tf 1 0 0 1 160 204.9 Tm (o) Tj "
        "/F1 10 Tf 1 0 0 1 163 200 Tm (C for 3 min and kept.) Tj ET"
    )
    assert "denatured at 95°C for 3 min" in read(page_with(lines_of(*VISIBLE) + content.encode())).text


def test_lowered_digits_behind_a_bracket_are_no_citation() -> None:
    content = (
        "BT /F1 10 Tf 1 0 0 1 50 200 Tm (washed with Ca\\(OH\\)) Tj /F1 6 Tf 1 0 0 1 137 198 Tm (2) Tj "
        "/F1 10 Tf 1 0 0 1 141 200 Tm ( for an hour.) Tj ET"
    )
    assert "Ca(OH)2 for an hour" in read(page_with(lines_of(*VISIBLE) + content.encode())).text


@pytest.mark.parametrize(
    "formula",
    [
        "/F1 10 Tf 1 0 0 1 160 200 Tm (= kD) Tj /F1 10 Tf 1 0 0 1 140 200 Tm (cos) Tj",  # drawn from right to left
        "/F1 10 Tf 1 0 0 1 160 206 Tm (= A - B) Tj /F1 10 Tf 1 0 0 1 165 200 Tm (C) Tj",  # a fraction
    ],
)
def test_a_formula_whose_parts_are_drawn_in_another_order_holds_a_mark(formula: str) -> None:
    content = f"BT /F1 10 Tf 1 0 0 1 50 200 Tm (The size was D) Tj {formula} ET"
    assert "[formula \ufffd]" in read(page_with(lines_of(*VISIBLE) + content.encode())).text


def test_words_of_a_font_without_a_space_do_not_run_together() -> None:
    letters = sorted(set("Micewrghdvya."))
    codes = [*range(65, 65 + len(letters))]
    font = DictionaryObject({NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")})
    font[NameObject("/BaseFont")] = NameObject("/ABCDEF+MinionPro-Regular")
    font[NameObject("/FirstChar")] = NumberObject(1)
    font[NameObject("/Widths")] = ArrayObject([NumberObject(500)] * 120)  # the filler stands for a space, too
    names = [NameObject("/period" if letter == "." else f"/{letter}") for letter in letters]
    encoding = DictionaryObject({NameObject("/Type"): NameObject("/Encoding")})
    encoding[NameObject("/Differences")] = ArrayObject([NumberObject(65), *names])
    font[NameObject("/Encoding")] = encoding
    shown = " -190 ".join(
        f"<{''.join(f'{codes[letters.index(x)]:02X}' for x in word)}>"
        for word in "Mice were weighed every day.".split()
    )
    content = f"BT /F2 10 Tf 50 200 Td [{shown}] TJ ET"
    writer = PdfWriter(clone_from=io.BytesIO(page_with(lines_of(*VISIBLE) + content.encode())))
    resources: Any = writer.pages[0]["/Resources"]
    resources["/Font"][NameObject("/F2")] = font
    out = io.BytesIO()
    writer.write(out)
    assert "Mice were weighed every day." in read(out.getvalue()).text
