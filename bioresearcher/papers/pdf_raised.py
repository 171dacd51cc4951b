"""Digits that a font itself draws raised (its glyphs for superscripts), which a PDF calls by the plain digit.

Typesetters use a font's own superscript glyphs at full size, and the file's map from glyphs to letters then says `6`
for the raised and for the plain six alike: `5 × 10⁶` is read as `5 × 106`. The outline tells them apart: a raised digit
begins well above the base line. Such codes are mapped to characters of their own before pypdf reads the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.papers.pdf_signs import font_errors, sign_table

if TYPE_CHECKING:
    from pypdf import PageObject

PdfValue = Any
"""A value of pypdf's untyped object model."""

RAISED_FIRST: Final = 0xF8D0
"""Private character of a raised 0; those of 1 to 9 and of the minus follow. None leaves the reader."""
RAISED: Final = re.compile(f"[{chr(RAISED_FIRST)}-{chr(RAISED_FIRST + 10)}]+")
PLAIN: Final = {RAISED_FIRST + n: c for n, c in enumerate("0123456789−")}
"""Private characters and what stands there when they are not raised, for `str.translate`."""

_LEAST_LOW: Final = 0.2
"""Height over the base line, in letter sizes, from which a digit is raised; plain digits begin at 0 or below."""
_LEAST_HEIGHT: Final = 0.3
"""Height of a raised digit at least; signs and primes that a sign font calls digits are lower."""
_LEAST_LOW_MINUS: Final = 0.42
"""The same for a minus, which is drawn at about 0.3 on the line."""
_MAX_FONT_BYTES: Final = 4_000_000
_MAX_MAP_BYTES: Final = 200_000
_MAX_DEPTH: Final = 3
_SPACE: Final = 32

_BLOCK: Final = re.compile(rb"begin(bfchar|bfrange)(.*?)end\1", re.DOTALL)
_PAIR: Final = re.compile(rb"<([0-9A-Fa-f]{2,4})>\s*<([0-9A-Fa-f]{4})>")
_RANGE: Final = re.compile(rb"<([0-9A-Fa-f]{2,4})>\s*<([0-9A-Fa-f]{2,4})>\s*(?:<([0-9A-Fa-f]{4})>|\[([^\]]*)\])")
_TARGET: Final = re.compile(rb"<([0-9A-Fa-f]+)>")
_MARKED: Final = {ord(c): RAISED_FIRST + n for n, c in enumerate("0123456789")} | {
    ord(c): RAISED_FIRST + 10 for c in "-−–"
}


class RaisedDigits:
    """The fonts of one PDF; each is examined once, where a page uses it."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._kept: list[PdfValue] = []  # so that no other object gets the number of one that was seen

    def mark(self, page: PageObject) -> None:
        """Map the raised digits of a page's fonts to `RAISED_FIRST` and the characters behind it.

        Raises:
            Exception: One of `pdf.pdf_errors`, for a damaged font dictionary.
        """
        for font in self._fonts(page.get("/Resources"), 0):
            if id(font) not in self._seen:
                self._seen.add(id(font))
                self._kept.append(font)
                _forget_space(font)
                if not sign_table(font):
                    _mark_font(font)

    def _fonts(self, resources: PdfValue, depth: int) -> Iterator[PdfValue]:
        resources = resources.get_object() if resources is not None else None
        if not isinstance(resources, dict) or depth > _MAX_DEPTH:
            return
        for kind in ("/Font", "/XObject"):
            held = resources.get(kind)
            held = held.get_object() if held is not None else None
            for value in held.values() if isinstance(held, dict) else ():
                found = value.get_object()
                if isinstance(found, dict) and kind == "/Font":
                    yield found
                elif isinstance(found, dict) and found.get("/Subtype") == "/Form":
                    yield from self._fonts(found.get("/Resources"), depth + 1)


def _forget_space(font: PdfValue) -> None:
    """Take the width of a space from a font that draws none: it is a filler, and words would run together.

    pypdf then takes its usual width. Typesetters name all glyphs that a subset of a font draws.
    """
    from pypdf.generic import ArrayObject, NameObject, NumberObject

    encoding, widths = (x.get_object() if x is not None else None for x in (font.get("/Encoding"), font.get("/Widths")))
    listed = encoding.get("/Differences") if isinstance(encoding, dict) else None
    first = font.get("/FirstChar", 0)
    if not isinstance(encoding, dict) or "/BaseEncoding" in encoding or not isinstance(first, int):
        return
    if listed is None or not isinstance(widths, list):
        return
    place = _SPACE - first
    if "/space" not in listed.get_object() and "+" in str(font.get("/BaseFont", "")) and 0 <= place < len(widths):
        font[NameObject("/Widths")] = ArrayObject([*widths[:place], NumberObject(0), *widths[place + 1 :]])


def _mark_font(font: PdfValue) -> None:
    from pypdf.generic import DecodedStreamObject, NameObject

    stream = font.get("/ToUnicode")
    stream = stream.get_object() if stream is not None else None
    if stream is None or not hasattr(stream, "get_data"):
        return
    table = stream.get_data()
    if len(table) > _MAX_MAP_BYTES:
        return
    width, digits = _digit_codes(table)
    raised = _raised_codes(font, digits) if digits else {}
    if not raised:
        return
    lines = "".join(f"<{code:0{width}X}> <{_MARKED[digits[code]]:04X}>\n" for code in sorted(raised))
    marked = DecodedStreamObject()
    marked.set_data(table + f"\n{len(raised)} beginbfchar\n{lines}endbfchar\n".encode())
    font[NameObject("/ToUnicode")] = marked


def _digit_codes(table: bytes) -> tuple[int, dict[int, int]]:
    """Hexadecimal digits of a code, and codes → the digit or minus they are read as, of a map from codes to letters."""
    width, found = 4, {}
    for block in _BLOCK.finditer(table):
        if block[1] == b"bfchar":
            for code, target in _PAIR.findall(block[2]):
                width = len(code)
                found[int(code, 16)] = int(target, 16)
            continue
        for first, last, target, listed in _RANGE.findall(block[2]):
            width, start = len(first), int(first, 16)
            targets = [int(t, 16) for t in _TARGET.findall(listed)] if listed else None
            for n in range(min(int(last, 16) - start + 1, 0x10000)):
                if targets is None:
                    found[start + n] = int(target, 16) + n
                elif n < len(targets):
                    found[start + n] = targets[n]
    return width, {code: letter for code, letter in found.items() if letter in _MARKED}


def _raised_codes(font: PdfValue, digits: dict[int, int]) -> set[int]:
    """The codes whose glyphs are drawn raised; empty where the font is not embedded or cannot be read."""
    descendants = font.get("/DescendantFonts")
    held = descendants.get_object()[0].get_object() if descendants is not None else font
    descriptor = held.get("/FontDescriptor")
    descriptor = descriptor.get_object() if descriptor is not None else {}
    program = next((descriptor[k].get_object() for k in ("/FontFile3", "/FontFile2") if k in descriptor), None)
    if program is None or (descendants is not None and font.get("/Encoding") != "/Identity-H"):
        return set()
    data = program.get_data()
    if len(data) > _MAX_FONT_BYTES:
        return set()
    return _read_outlines(data, _glyphs(font, held, digits, composite=descendants is not None), digits)


def _glyphs(font: PdfValue, held: PdfValue, digits: dict[int, int], *, composite: bool) -> dict[int, int | str]:
    """Codes → number or name of their glyphs."""
    if composite:
        numbers = held.get("/CIDToGIDMap")
        numbers = numbers.get_object() if numbers is not None else None
        if numbers is None or not hasattr(numbers, "get_data"):
            return {code: code for code in digits}
        table = numbers.get_data()
        return {c: int.from_bytes(table[2 * c : 2 * c + 2], "big") for c in digits if 2 * c + 1 < len(table)}
    encoding = font.get("/Encoding")
    encoding = encoding.get_object() if encoding is not None else None
    names: dict[int, int | str] = {}
    place = 0
    for entry in encoding.get("/Differences", ()) if isinstance(encoding, dict) else ():
        if isinstance(entry, int):
            place = int(entry)
        else:
            if place in digits:
                names[place] = str(entry).lstrip("/")
            place += 1
    return names


def _is_raised(letter: str, box: tuple[float, ...]) -> bool:
    """Return True for the shape of a raised digit or minus; the box is left, low, right, high in letter sizes."""
    left, low, right, high = box
    if not letter.isdigit():
        return low >= _LEAST_LOW_MINUS and right - left > high - low
    return low >= _LEAST_LOW and high - low >= max(_LEAST_HEIGHT, right - left)


def _read_outlines(data: bytes, glyphs: dict[int, int | str], digits: dict[int, int]) -> set[int]:
    from fontTools.cffLib import CFFFontSet
    from fontTools.pens.boundsPen import BoundsPen
    from fontTools.ttLib import TTFont

    try:
        if data[:4] in (b"\x00\x01\x00\x00", b"true", b"OTTO"):
            file = TTFont(io.BytesIO(data), lazy=True)
            size, shapes, order = file["head"].unitsPerEm, file.getGlyphSet(), file.getGlyphOrder()
        else:
            fonts = CFFFontSet()
            fonts.decompile(io.BytesIO(data), None)
            top = fonts[0]
            size, shapes, order = (
                round(1 / (getattr(top, "FontMatrix", None) or [0.001])[0]),
                top.CharStrings,
                top.charset,
            )
            if hasattr(top, "ROS"):  # keyed by character: the number in the page is part of the glyph's name
                glyphs = {c: f"cid{g:05d}" if isinstance(g, int) else g for c, g in glyphs.items()}
        raised = set()
        for code, glyph in glyphs.items():
            name = glyph if isinstance(glyph, str) else order[glyph] if glyph < len(order) else ""
            if name not in shapes:
                continue
            box = BoundsPen(shapes)
            shapes[name].draw(box)
            if box.bounds and _is_raised(chr(digits[code]), tuple(b / size for b in box.bounds)):
                raised.add(code)
        return raised
    except font_errors():  # a damaged font: its digits stay as they are
        return set()
