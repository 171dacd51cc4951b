"""A page of a PDF as lines: drawn upright, without what a reader of the page cannot see."""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.library.canonical import DocumentBuilder
from bioresearcher.library.pdf_ink import Ink
from bioresearcher.library.pdf_layout import Line
from bioresearcher.library.pdf_signs import Signs

if TYPE_CHECKING:
    from pypdf import PageObject

_MAX_PAGE_BYTES: Final = 4_000_000  # pypdf parses about half a megabyte a second
_MAX_PAGE_CHARACTERS: Final = 200_000
_MANY: Final = 600
"""Letters from which text in another direction is worth a word; axis labels have fewer."""
_SENTENCE: Final = 60
"""Letters from which white text is worth a word; headings of tables have fewer."""

Piece = tuple[str, str, float]
"""Text, font name, size in points."""


def read_page(page: PageObject, builder: DocumentBuilder, number: int, signs: Signs) -> list[Line]:
    """The page's lines, each with the font and size that most of its letters have.

    A page that is drawn sideways is turned first: pypdf loses words of it (1 to 6 % of real papers' words). Invisible
    text is left out, unless it is the page's text: then it is what a scan was recognised as. Both are said.
    """
    try:
        if _decoded_bytes(page, set(), 0) > _MAX_PAGE_BYTES:
            builder.warn(f"page {number} was left out: its drawing is too large to be text.")
            return []
        read = _Read(page, signs)
        if read.turned and read.turned_letters > read.letters / 2:
            read = _Read(_upright(page, read.turned), signs)
        if read.ink.invisible > read.ink.shown / 2:
            builder.warn("its text was recognised in a scan: it may hold errors of recognition.")
        elif read.ink.invisible:
            builder.warn(f"page {number} holds {read.ink.invisible} invisible letters, which were left out.")
            read = _Read(read.page, signs, visible_only=True)
        if read.turned_letters >= _MANY:
            builder.warn(f"page {number} holds text that is drawn sideways: its order may be wrong, words may lack.")
        if read.ink.white >= _SENTENCE:
            builder.warn(f"page {number} holds {read.ink.white} white letters: they may be invisible to a reader.")
        if read.error:
            builder.warn(f"page {number} is damaged ({read.error}); what could not be read is left out.")
        if read.letters >= _MAX_PAGE_CHARACTERS:
            builder.warn(f"page {number} holds more text than a page can; the rest of it was left out.")
        return list(_split(read.pieces, number))
    except pdf_errors() as error:
        builder.warn(f"page {number} is damaged ({type(error).__name__}); what could not be read is left out.")
        return []


class _Read:
    """What one pass over a page gives.

    Attributes:
        pieces: Text with font and size, in the order it is drawn.
        letters: Letters in them.
        turned: Degrees, counterclockwise, by which most of the text that is not upright is turned; 0 when all is.
        turned_letters: Letters that are not upright.
        error: Name of the error that ended the pass; empty when it came to the page's end.
    """

    def __init__(self, page: PageObject, signs: Signs, *, visible_only: bool = False) -> None:
        self.page = page
        self.pieces: list[Piece] = []
        self.letters = 0
        self.error = ""
        self.ink = Ink(visible_only=visible_only)
        self._by_turn: dict[int, int] = {}
        self._signs = signs
        try:
            page.extract_text(
                visitor_text=self._text,
                visitor_operand_before=self.ink.before,
                visitor_operand_after=self.ink.after,
            )
        except pdf_errors() as error:
            self.error = type(error).__name__

    @property
    def turned_letters(self) -> int:
        return sum(n for turn, n in self._by_turn.items() if turn)

    @property
    def turned(self) -> int:
        sideways = {turn: n for turn, n in self._by_turn.items() if turn}
        return max(sideways, key=lambda turn: sideways[turn]) if sideways else 0

    def _text(self, text: str, cm: list[float], tm: list[float], font: Any, size: float) -> None:  # noqa: ANN401
        if not text or self.letters >= _MAX_PAGE_CHARACTERS:
            return
        self.letters += len(text)
        turn = _turn(cm, tm)
        self._by_turn[turn] = self._by_turn.get(turn, 0) + len(text.strip())
        name = str(font.get("/BaseFont", "")) if font else ""
        read = self._signs.read(text, font)[:_MAX_PAGE_CHARACTERS]
        self.pieces.append((read, name, round(abs(size) * _height(cm, tm), 1)))


def _turn(cm: list[float], tm: list[float]) -> int:
    """Degrees (0, 90, 180, 270), counterclockwise, in which a text's line runs."""
    right, up = tm[0] * cm[0] + tm[1] * cm[2], tm[0] * cm[1] + tm[1] * cm[3]
    if abs(up) > abs(right):
        return 90 if up > 0 else 270
    return 180 if right < 0 else 0


def _height(cm: list[float], tm: list[float]) -> float:
    """How much higher text is drawn than its font's size says; 1 where the matrices say nothing."""
    return math.hypot(tm[2] * cm[0] + tm[3] * cm[2], tm[2] * cm[1] + tm[3] * cm[3]) or 1.0


def _upright(page: PageObject, turned: int) -> PageObject:
    """A copy of the page turned back by so many degrees."""
    from pypdf import PdfReader, PdfWriter, Transformation

    writer = PdfWriter()
    writer.add_page(page).add_transformation(Transformation().rotate(-turned))
    written = io.BytesIO()  # read anew: a page that was changed in memory gives other letters (pypdf 7.1)
    writer.write(written)
    return PdfReader(written).pages[0]


def _split(pieces: list[tuple[str, str, float]], number: int) -> Iterator[Line]:
    text = ""
    weights: dict[tuple[str, float], int] = {}
    last_size = 0.0
    for piece, font, size in [*pieces, ("\n", "", 0.0)]:
        for i, part in enumerate(piece.split("\n")):
            if i:
                if text.strip():
                    style = max(weights, key=lambda s: weights[s]) if weights else ("", 0.0)
                    yield Line(text.strip(), number, *style)
                text, weights, last_size = "", {}, 0.0
            if part.strip():
                weights[font, size] = weights.get((font, size), 0) + len(part.strip())
                part = _raised(part, text, size, last_size)
                last_size = size if size >= last_size * 0.8 else last_size
            text += part


def _raised(part: str, before: str, size: float, last_size: float) -> str:
    """Small digits after a number are a power or a note, after punctuation a citation: keep them apart."""
    digits = part.strip()
    if not before or size <= 0 or size > 0.76 * last_size or not re.fullmatch(r"[\d,–-]{1,9}", digits):
        return part
    if before[-1].isdigit() and re.fullmatch(r"[-–]?\d{1,3}", digits):
        return f"^{part}"
    if before[-1] in ".,;)”" and digits[0].isdigit():
        return f" [{digits}]"
    return part


def _decoded_bytes(holder: Any, seen: set[int], depth: int) -> int:  # noqa: ANN401
    """Decoded size of what a page draws, its nested forms included, so that bombs are not parsed."""
    total = 0
    contents = holder.get_contents() if depth == 0 else holder
    if contents is not None:
        total = len(contents.get_data())
    resources = holder.get("/Resources") if depth else holder.get("/Resources", {})
    resources = resources.get_object() if resources is not None else None
    forms = resources.get("/XObject") if isinstance(resources, dict) else None
    forms = forms.get_object() if forms is not None else None
    if depth >= 4 or not isinstance(forms, dict):
        return total
    for reference in forms.values():
        form = reference.get_object()
        if id(form) in seen or not isinstance(form, dict) or form.get("/Subtype") != "/Form":
            continue
        seen.add(id(form))
        total += _decoded_bytes(form, seen, depth + 1)
        if total > _MAX_PAGE_BYTES:
            break
    return total


def pdf_errors() -> tuple[type[Exception], ...]:
    """What pypdf raises for damaged or malicious files: its own errors are only a part of it."""
    from pypdf.errors import PyPdfError

    return (
        PyPdfError, ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError,
        OSError, RuntimeError, StopIteration, TypeError, ValueError, struct.error, zlib.error,
    )  # fmt: skip
