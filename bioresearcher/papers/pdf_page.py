"""Reads one page of a PDF as lines: upright, without invisible text, with raised digits marked as powers.

The page is hostile input: its decoded bytes and its characters are bounded before and while it is parsed.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.papers.canonical import DocumentBuilder, clean
from bioresearcher.papers.pdf_layout import BOLD, Line
from bioresearcher.papers.pdf_raised import PLAIN, RAISED, RaisedDigits
from bioresearcher.papers.pdf_signs import Signs
from bioresearcher.text.visible import LOST

if TYPE_CHECKING:
    from pypdf import PageObject

PdfValue = Any
"""A value of pypdf's untyped object model."""

_POWER_OF_TEN: Final = re.compile(r"(?<![\d.,])10$")
_POWER: Final = re.compile(r"\^[–−-]\d")
_LENGTH: Final = re.compile(r"(?:\d\s?|[/·×]\s?|\b(?:per|in|kg|mg|g)\s)[cdkmnμµ]?m$")
"""A unit of length behind a number, a stroke or another unit: what stands raised behind it is its power."""
_GROUP: Final = re.compile(r"\((?:[A-Z][a-z]?\d*){1,4}\)$")
"""A chemical group, which digits behind it count: `Ca(OH)2`."""
_WORD: Final = re.compile(r"(?<![^\W\d_])[A-Z]?[a-z]{4,}$")
"""A word that is no unit: digits raised behind it cite."""
BUILT_UP: Final = f"[formula {LOST}]"
"""The mark in a formula where its parts are drawn in another order than they are read."""
_BACK: Final = 0.4
_STACKED: Final = 0.25
"""Letter sizes to the left, and up or down, from which a letter of full size belongs to a formula."""
_ONE_FORMULA: Final = 20
"""Letters between two such places at most that belong to one formula."""
_OPERATOR: Final = re.compile(r"[=+−×∗√∑∫∏′⋅]")
_RIGHT_TO_LEFT: Final = re.compile("[\u0590-\u08ff]")
_RING: Final = ("o", "O", "º", "˚")
"""Letters that stand raised for a degree."""
_SMALL: Final = 0.76
"""Size of raised and lowered digits at most, as a share of that of the line."""
_LOWERED: Final = 0.05
"""Share of the line's size by which lowered digits stand below its base at least."""
_DIVIDED_UNIT: Final = ("/", "·", "×")
"""Ends of a line that divide a unit: what begins the next one is read with it."""

_UNMAPPED: Final = "\uffff"
"""Character by which fonts write a glyph that they give no name."""
_MAX_PAGE_BYTES: Final = 4_000_000  # pypdf parses about half a megabyte a second
_MAX_PAGE_CHARACTERS: Final = 200_000
_MINUS: Final = ("−", "–", "-")
_SMALL_NUMBER: Final = re.compile(r" ?\d{1,2}\s*")
_TABLE: Final = re.compile(r"(?:supplement\w+ )?t ?a ?b ?l ?e ?S?\d", re.IGNORECASE)
_GAP: Final = re.compile(r"\s{2,}")
_MAX_CELLS: Final = 16
_MANY: Final = 600
"""Letters of sideways text from which a caveat is given; axis labels have fewer."""
_SAME_SIZE: Final = 0.1
"""Share by which letters of one size differ at most."""
_SENTENCE: Final = 60
"""Letters of white text from which a caveat is given; headings of tables have fewer."""


def pdf_errors() -> tuple[type[Exception], ...]:
    """The exceptions that pypdf raises for damaged or malicious files; its own errors are only a part of them."""
    from pypdf.errors import PyPdfError

    names = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError)
    return (PyPdfError, *names, StopIteration, TypeError, ValueError, struct.error, zlib.error)


def bare_letters(text: str) -> str:
    """The letters and digits of a text alone, in small letters."""
    return re.sub(r"[\W_]+", "", text).casefold()


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of text as it is drawn: font name, size in points, place on the page, and if it runs sideways."""

    text: str
    font: str = ""
    size: float = 0.0
    x: float = 0.0
    y: float = 0.0
    turned: bool = False


def read_page(
    page: PageObject, builder: DocumentBuilder, number: int, signs: Signs, raised: RaisedDigits
) -> list[Line]:
    """Read a page as lines, each with the font and size of most of its letters.

    A page that is drawn sideways is turned first, because pypdf loses words of it (1 to 6 % of real papers' words).
    Invisible text is left out unless it is most of the page: then it is the recognised text of a scan. Both give
    caveats.
    """
    try:
        if _decoded_bytes(page, set(), 0) > _MAX_PAGE_BYTES:
            builder.warn(f"page {number} was left out: its drawing is too large to be text.")
            return []
        raised.mark(page)
        _part_by_size(page)
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
        return _with_cells(list(_split(read.pieces, number)), read.page)
    except pdf_errors() as error:
        builder.warn(f"page {number} is damaged ({type(error).__name__}); what could not be read is left out.")
        return []


def _part_by_size(page: PageObject) -> None:
    """Name the font again where a text matrix changes the letters' size, because pypdf parts text at fonts alone."""
    from pypdf.generic import ContentStream, NameObject

    drawn = page.get("/Contents")
    if drawn is None:
        return
    contents = ContentStream(drawn.get_object(), page.pdf, "bytes")  # as pypdf's reader of text takes it
    parted: list[PdfValue] = []
    font: list[PdfValue] = []
    scale, kept, found = 0.0, list[tuple[list[PdfValue], float]](), False
    for operands, operator in contents.operations:
        parted.append((operands, operator))
        if operator == b"Tf":
            font = list(operands)
        elif operator == b"q":
            kept.append((font, scale))
        elif operator == b"Q" and kept:
            font, scale = kept.pop()
        elif operator == b"BT":
            scale = 1.0
        elif operator == b"Tm" and len(operands) == 6 and all(isinstance(n, int | float) for n in operands):
            now = math.hypot(operands[2], operands[3])
            if font and abs(now - scale) > _SAME_SIZE * scale:
                parted.append((list(font), b"Tf"))
                found = True
            scale = now
    if found:
        contents.operations = parted
    page[NameObject("/Contents")] = contents  # parsed once, for all that follows


def _with_cells(lines: list[Line], page: PageObject) -> list[Line]:
    """The lines of a page with their cells, where the page names a table and gaps part the cells.

    No letter changes: a line has cells when it is a row of pypdf's layout mode, whole or its part in one column.
    """
    if not any(_TABLE.match(line.text) for line in lines):
        return lines
    try:
        drawn = str(page.extract_text(extraction_mode="layout"))
    except pdf_errors():
        return lines
    rows: dict[str, str] = {}
    for row in drawn[:_MAX_PAGE_CHARACTERS].translate(PLAIN).split("\n"):
        cells = [clean(c) for c in _GAP.split(row.strip()) if c.strip()][:_MAX_CELLS]
        for start in range(len(cells) - 1):
            for end in range(start + 2, len(cells) + 1):
                rows.setdefault(bare_letters("".join(cells[start:end])), " | ".join(cells[start:end]))
    return [replace(line, cells=rows.get(bare_letters(line.text), "")) for line in lines]


class _Read:
    """The text of a page, from one pass over it.

    Attributes:
        pieces: Text with font and size, in the order it is drawn.
        letters: Letters in them.
        ink: Counts of invisible and white letters.
        error: Name of the error that ended the pass; empty when it came to the page's end.
    """

    def __init__(self, page: PageObject, signs: Signs, *, visible_only: bool = False) -> None:
        self.page = page
        self.pieces: list[_Piece] = []
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
        """Letters that are not upright."""
        return sum(n for turn, n in self._by_turn.items() if turn)

    @property
    def turned(self) -> int:
        """Degrees, counterclockwise, by which most of the text that is not upright is turned; 0 when all is upright."""
        sideways = {turn: n for turn, n in self._by_turn.items() if turn}
        return max(sideways, key=lambda turn: sideways[turn]) if sideways else 0

    def _text(self, text: str, cm: list[float], tm: list[float], font: PdfValue, size: float) -> None:
        if not text or self.letters >= _MAX_PAGE_CHARACTERS:
            return
        self.letters += len(text)
        turn = _turn(cm, tm)
        self._by_turn[turn] = self._by_turn.get(turn, 0) + len(text.strip())
        name = str(font.get("/BaseFont", "")) if font else ""
        read = self._signs.read(text, font)[:_MAX_PAGE_CHARACTERS].replace(_UNMAPPED, LOST)
        x, y = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        self.pieces.append(
            _Piece(read, name, round(abs(size) * _height(cm, tm), 1), round(x, 1), round(y, 1), turn != 0)
        )


def _turn(cm: list[float], tm: list[float]) -> int:
    """Direction of a line of text in degrees, counterclockwise: 0, 90, 180 or 270."""
    right, up = tm[0] * cm[0] + tm[1] * cm[2], tm[0] * cm[1] + tm[1] * cm[3]
    if abs(up) > abs(right):
        return 90 if up > 0 else 270
    return 180 if right < 0 else 0


def _height(cm: list[float], tm: list[float]) -> float:
    """Factor by which the matrices enlarge the font size; 1 where they are empty."""
    return math.hypot(tm[2] * cm[0] + tm[3] * cm[2], tm[2] * cm[1] + tm[3] * cm[3]) or 1.0


def _upright(page: PageObject, turned: int) -> PageObject:
    """A copy of the page turned back by so many degrees."""
    from pypdf import PdfReader, PdfWriter, Transformation

    writer = PdfWriter()
    writer.add_page(page).add_transformation(Transformation().rotate(-turned))
    written = io.BytesIO()  # read anew: a page that was changed in memory gives other letters (pypdf 7.1)
    writer.write(written)
    return PdfReader(written).pages[0]


def _split(pieces: list[_Piece], number: int) -> Iterator[Line]:
    text = ""
    weights: dict[tuple[str, float], int] = {}
    last_size, base, right, above, lead = 0.0, 0.0, 0.0, "", ""
    built: list[int] = []
    first = _Piece("")
    for piece in [*_with_minus(_rejoined(pieces)), _Piece("\n")]:
        for i, part in enumerate(piece.text.split("\n")):
            if i:
                if text.strip():
                    font, size = max(weights, key=lambda s: weights[s]) if weights else ("", 0.0)
                    even = _is_even(weights, font)
                    other = (lead, first.font) if lead else ("", "")
                    if built and _OPERATOR.search(text) and not _RIGHT_TO_LEFT.search(text):
                        text = _with_marks(text, built)
                    yield Line(text.strip(), number, font, size, first.x, first.y, even, first.turned, "", *other)
                    above = text.strip()
                text, weights, last_size, lead, built = "", {}, 0.0, "", []
            if part.strip():
                first = piece if not weights else first
                if not lead and not _is_alike(piece.font, first.font) and piece.size >= 0.8 * first.size:
                    lead = text.strip()
                weights[piece.font, piece.size] = weights.get((piece.font, piece.size), 0) + len(part.strip())
                before = f"{above}{text}" if text and above.endswith(_DIVIDED_UNIT) else text
                part = _with_raised(part, before)
                if piece.size >= last_size * 0.8:
                    if last_size and _is_built_up(piece, right, base):
                        built.append(len(text))
                    last_size, base, right = piece.size, piece.y, piece.x
                elif 0 < piece.size <= _SMALL * last_size and piece.y > base - _LOWERED * last_size:
                    part = _marked(part, before)
            power = _POWER.match(part) or (part.startswith("^") and text.endswith("10 "))
            text = f"{text.rstrip(' ')}{part}" if power else text + part


def _is_built_up(piece: _Piece, x: float, base: float) -> bool:
    """Return True for letters of full size that stand to the left of those before them, or on another base line."""
    return piece.x < x - _BACK * piece.size or abs(piece.y - base) > _STACKED * piece.size


def _with_marks(text: str, places: list[int]) -> str:
    """Put a mark where each formula is out of order; the places within one formula share it."""
    apart = [p for i, p in enumerate(places) if not i or p - places[i - 1] > _ONE_FORMULA]
    for place in reversed(apart):
        text = f"{text[:place].rstrip()} {BUILT_UP} {text[place:].lstrip()}"
    return text


def _rejoined(pieces: list[_Piece]) -> list[_Piece]:
    """Put small letters that stand so high that pypdf parts the line there back into it: the degree in `95 °C`."""
    joined: list[_Piece] = []
    for piece in pieces:
        if piece.text == "\n" and joined and not joined[-1].text.endswith("\n"):
            joined[-1] = replace(joined[-1], text=f"{joined[-1].text}\n")
        elif piece.text:
            joined.append(piece)
    for i in range(len(joined) - 2):
        left, small, right = joined[i : i + 3]
        word = small.text.strip()
        above = 0.2 * left.size < small.y - left.y < left.size and 0 < small.size <= _SMALL * left.size
        if not (above and 0 < len(word) <= 4 and abs(right.y - left.y) < 1 and left.x <= small.x <= right.x):
            continue
        if left.text.endswith("\n") and small.text.endswith("\n"):
            joined[i], small = replace(left, text=left.text.rstrip("\n")), replace(small, text=word)
        if word in _RING and left.text.strip()[-1:].isdigit() and right.text.lstrip()[:1] in ("C", "F"):
            small = replace(small, text="°")
        joined[i + 1] = small
    return joined


def _with_minus(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """Join a minus from a font of its own with the small digits that follow it: together they are a power."""
    held: _Piece | None = None
    for piece in pieces:
        if held is not None:
            alike = abs(piece.size - held.size) <= _SAME_SIZE * held.size and abs(piece.y - held.y) < 1
            if alike and _SMALL_NUMBER.fullmatch(piece.text):
                piece = replace(piece, text=held.text.rstrip(" ") + piece.text.lstrip(" "))
            else:
                yield held
            held = None
        if piece.text.strip(" ") in _MINUS:
            held = piece
        else:
            yield piece
    if held is not None:
        yield held


def _is_even(weights: dict[tuple[str, float], int], font: str) -> bool:
    """Return True if nine of ten letters have this font, or all fonts are bold (a species' name in a bold heading)."""
    alike = [n for (name, _), n in weights.items() if _is_alike(name, font)]
    return sum(alike) >= 0.9 * sum(weights.values())


def _is_alike(name: str, font: str) -> bool:
    """Return True for one font, and for two bold ones."""
    return name == font or bool(BOLD.search(name) and BOLD.search(font))


def _with_raised(part: str, before: str) -> str:
    """Mark the digits in a text that their font draws raised; those of a fraction stay plain."""

    def marked(found: re.Match[str]) -> str:
        digits = found[0].translate(PLAIN)
        return digits if part[found.end() :].startswith("⁄") else _marked(digits, before + part[: found.start()])

    return RAISED.sub(marked, part)


def _marked(part: str, before: str) -> str:
    """Mark small digits after a number as a power or note (`^2`), after punctuation or a word as a citation (` [2]`).

    After a unit of length they are a power, too, and after any unit where a minus stands before them (`s^−1`); a minus
    of a font of its own comes alone, and the number after it.
    """
    digits = part.strip()
    if not before or not re.fullmatch(r"[\d,–−-]{1,40}", digits) or _GROUP.search(before):
        return part
    if digits[0] in "–−-":
        part, before = part.lstrip(" "), before.rstrip(" ")
    if _POWER_OF_TEN.search(before.rstrip(" ")) and re.fullmatch(r"[–−-]|[–−-]?\d{1,2}", digits):
        return f"^{part.lstrip(' ')}"
    if before[-1].isdigit() and re.fullmatch(r"[–−-]?\d{1,3}", digits):
        return f" ^{part.lstrip(' ')}" if part.startswith(" ") else f"^{part}"
    if before[-1].isalpha() and re.fullmatch(r"[–−-]\d{1,2}", digits):
        return f"^{part}"
    if digits in ("2", "3") and _LENGTH.search(before):
        return f"^{part}"
    if (before[-1] in ".,;)”" or _WORD.search(before)) and digits[0].isdigit():
        return f" [{digits}]"
    return part


def _decoded_bytes(holder: PdfValue, seen: set[int], depth: int) -> int:
    """Size in bytes of a page's decoded content with its nested forms, so that bombs are not parsed."""
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


_SHOWN: Final = {b"Tj": 0, b"TJ": 0, b"'": 0, b'"': 2}
"""Operators that draw text, with the place of the text among their operands (PDF 32000-1, 9.4.3)."""
_INVISIBLE: Final = frozenset({3, 7})
"""Text rendering modes that paint nothing (PDF 32000-1, table 106)."""
_WHITE: Final[dict[bytes, tuple[float, ...]]] = {b"g": (1.0,), b"rg": (1.0, 1.0, 1.0), b"k": (0.0, 0.0, 0.0, 0.0)}
_ANY_SPACE: Final = {b"sc", b"scn"}
_SPACES: Final = {1: b"g", 3: b"rg", 4: b"k"}
"""Colour space by the number of a colour's components: gray, red-green-blue, or the four printing inks."""


class Ink:
    """Follows the operators of a page and counts letters by how they are drawn.

    Its two methods are pypdf's `visitor_operand_before` and `visitor_operand_after`.

    Args:
        visible_only: Take invisible text out of the page before it is read.

    Attributes:
        shown: Letters in all.
        invisible: Letters drawn in a mode that paints nothing.
        white: Letters drawn in white; on a dark ground they are visible.
    """

    def __init__(self, *, visible_only: bool = False) -> None:
        self.shown = self.invisible = self.white = 0
        self._visible_only = visible_only
        self._mode, self._is_white = 0, False
        self._kept: list[tuple[int, bool]] = []

    def before(self, operator: bytes, operands: PdfValue, cm: PdfValue, tm: PdfValue) -> None:
        """Take note of an operator before it takes effect."""
        if operator in (b"q", b"Do"):  # a form is drawn in a state of its own
            self._kept.append((self._mode, self._is_white))
        elif operator == b"Q":
            self._restore()
        elif operator == b"Tr":
            self._mode = int(operands[0]) if operands and isinstance(operands[0], int | float) else 0
        elif operator in _WHITE or operator in _ANY_SPACE:
            self._is_white = _is_white(operator, operands)
        elif operator in _SHOWN and len(operands) > _SHOWN[operator]:
            self._show(operands, _SHOWN[operator])

    def after(self, operator: bytes, operands: PdfValue, cm: PdfValue, tm: PdfValue) -> None:
        """Take note of an operator after it took effect."""
        if operator == b"Do":
            self._restore()

    def _restore(self) -> None:
        if self._kept:
            self._mode, self._is_white = self._kept.pop()

    def _show(self, operands: PdfValue, place: int) -> None:
        text = operands[place]
        letters = sum(len(t) for t in (text if isinstance(text, list) else [text]) if isinstance(t, str | bytes))
        self.shown += letters
        if self._mode in _INVISIBLE:
            self.invisible += letters
            if self._visible_only:
                operands[place] = type(text)()  # pypdf reads the operands after this
        elif self._is_white:
            self.white += letters


def _is_white(operator: bytes, operands: PdfValue) -> bool:
    numbers = tuple(float(n) for n in operands if isinstance(n, int | float))
    space = _SPACES.get(len(numbers)) if operator in _ANY_SPACE else operator
    return space is not None and numbers == _WHITE[space]
