"""Signs and Greek letters of typesetters' fonts, which a PDF calls by other characters.

A sign font puts `=` where other fonts have `5` (Mathematical Pi 1) or `¼` (MathType), `°` under the name `C14` (its
place in TeX's font of signs), and `μ` where others have `m` or `l`. Text taken from such a file reads "P,0.05",
"80/C14C" or "20 ml" where the paper prints "P<0.05", "80°C" and "20 μl". Names alone prove nothing: the outlines in the
file tell. A sign whose outline is not known becomes U+FFFD, never another letter.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bioresearcher.papers.symbol_font import SYMBOL
from bioresearcher.text.visible import LOST

PdfFont = Any
"""A font dictionary of pypdf's untyped object model."""

_PI_FONT: Final = "MathematicalPi-One"
_PI_LAYOUT: Final = dict(zip(",.521639#$", "<>=−+±×′≤≥", strict=True)) | {"\ue023": "≤", "\ue024": "≥"}
_MAX_FONT_BYTES: Final = 2_000_000
_MAX_GLYPHS: Final = 40
_PRIVATE_SYMBOL: Final = {chr(code): sign for code, sign in SYMBOL.items() if code > 0xF000}
_SHORT_NAME: Final = 2
"""Letters of a glyph's name, its stroke with them, up to which it may be text: `and/C`."""
_PLACE_NAME: Final = re.compile(r"C\d{1,3}")


@dataclass(frozen=True, slots=True)
class _Shape:
    """The outline of a glyph: contours, curved segments, and its box in thousandths of the letter size.

    Attributes:
        tip: Where it comes to a point: `<` and `>` at half its height, `^` at half its width; else empty.
    """

    contours: int
    curves: int
    low: float
    width: float
    height: float
    tip: str = ""


def _is_flat(shape: _Shape, contours: int) -> bool:
    return shape.curves == 0 and shape.contours == contours


def _is_square(shape: _Shape) -> bool:
    return 0.85 < shape.width / shape.height < 1.15


def _is_wide(shape: _Shape, contours: int) -> bool:
    return shape.contours == contours and shape.width > 1.5 * shape.height


def _is_tall(shape: _Shape) -> bool:
    return shape.contours == 1 and shape.height > 2.5 * shape.width


_SIGNS: Final[tuple[tuple[str, str, str, Callable[[_Shape], bool]], ...]] = (
    ("comma", ",", "<", lambda s: _is_flat(s, 1) and s.height > 350 and s.low >= -20),
    ("comma", ",", "∼", lambda s: s.contours == 1 and s.curves > 3 and s.low > 150 and s.width > 3 * s.height),
    ("asterisk", "*", "∼", lambda s: s.contours == 1 and s.curves > 3 and s.width > 2.5 * s.height),
    ("period", ".", ">", lambda s: _is_flat(s, 1) and s.height > 350),
    ("five", "5", "=", lambda s: _is_flat(s, 2) and s.height < 400),
    ("five", "5", "<", lambda s: _is_flat(s, 1) and s.tip == "<" and s.width > 0.8 * s.height),
    ("five", "5", ">", lambda s: _is_flat(s, 1) and s.tip == ">" and s.width > 0.8 * s.height),
    ("two", "2", "−", lambda s: _is_flat(s, 1) and s.height < 120),
    ("one", "1", "+", lambda s: _is_flat(s, 1) and _is_square(s)),
    ("three", "3", "×", lambda s: _is_flat(s, 1) and _is_square(s)),
    ("six", "6", "±", lambda s: _is_flat(s, 2) and 0.75 < s.width / s.height < 1.25),
    ("nine", "9", "′", lambda s: s.contours == 1 and s.low > 300 and s.width < s.height),
    ("numbersign", "#", "≤", lambda s: _is_flat(s, 2) and s.width > 1.15 * s.height),
    ("dollar", "$", "≥", lambda s: _is_flat(s, 2) and s.width > 1.15 * s.height),
    ("onequarter", "¼", "=", lambda s: _is_wide(s, 2)),
    ("thorn", "þ", "+", lambda s: s.contours == 1 and _is_square(s)),
    ("eth", "ð", "(", _is_tall),
    ("Thorn", "Þ", ")", _is_tall),
    ("onehalf", "½", "[", _is_tall),
    ("C0", "/C0", "−", lambda s: s.contours == 1 and s.width > 3 * s.height),
    ("C1", "/C1", "·", lambda s: s.contours == 1 and s.height < 250 and _is_square(s)),
    ("C2", "/C2", "×", lambda s: s.contours == 1 and s.height > 350 and 0.8 < s.width / s.height < 1.25),
    ("C3", "/C3", "*", lambda s: s.contours == 1 and s.height > 250 and 0.7 < s.width / s.height < 1.3),
    ("C6", "/C6", "±", lambda s: s.contours <= 2 and 0.75 < s.width / s.height < 1.25),
    ("C14", "/C14", "°", lambda s: s.contours == 2 and s.curves > 3 and _is_square(s)),
    ("C15", "/C15", "•", lambda s: s.contours == 1 and s.curves > 3 and _is_square(s)),
    ("C20", "/C20", "≤", lambda s: s.contours == 2 and s.height > 400 and 0.6 < s.width / s.height < 1.3),
    ("C21", "/C21", "≥", lambda s: s.contours == 2 and s.height > 400 and 0.6 < s.width / s.height < 1.3),
    ("C24", "/C24", "∼", lambda s: _is_wide(s, 1) and s.curves > 3),
    ("C25", "/C25", "≈", lambda s: s.contours == 2 and s.curves > 3 and s.width > s.height),
    ("C33", "/C33", "→", lambda s: _is_wide(s, 1)),
    ("C138", "/C138", "]", _is_tall),
)
"""Glyph name, the characters it is read as, the sign it may be, and the test of its shape."""

_IN_SYMBOL: Final = dict(zip("abcdefghiklmnopqrstuwxyzDFGLOPQSWXY", "αβχδεφγηικλμνοπθρστυωξψζΔΦΓΛΩΠΘΣΩΞΨ", strict=True))
"""Greek by the keys of the font Symbol; an O of one contour is an Ω."""
_IN_ORDER: Final = dict(zip("abcdefghijklmnopqrstuvwx", "αβγδεζηθικλμνξοπρστυφχψω", strict=True)) | {"D": "Δ"}
"""Greek by the order of the alphabet."""
_DESCENDS: Final = -120
_MOST_EDGES: Final = 24
"""Straight edges of a sign at most; an outline with more is a curve drawn as a polygon."""
_GREEK: Final[tuple[tuple[str, str, Callable[[_Shape], bool]], ...]] = (
    ("m", "symbol", lambda s: s.low < _DESCENDS),
    ("l", "order", lambda s: s.low < _DESCENDS and s.width > 0.5 * s.height),
    ("b", "", lambda s: s.low < _DESCENDS),
    ("c", "", lambda s: s.low < _DESCENDS),
    ("D", "", lambda s: _is_flat(s, 2) and s.tip == "^"),
    ("O", "symbol", lambda s: s.contours == 1),
    ("p", "symbol", lambda s: s.contours == 1 and s.low > _DESCENDS),
    ("s", "symbol", lambda s: s.contours == 2),
)
"""A letter's name, the layout that its outline proves, or no certain one, and the test."""
_LATIN: Final[tuple[tuple[str, Callable[[_Shape], bool]], ...]] = (
    ("m", lambda s: s.low > _DESCENDS),
    ("l", lambda s: s.width < 0.5 * s.height and s.low > _DESCENDS),
    ("b", lambda s: s.low > _DESCENDS),
    ("D", lambda s: s.tip != "^"),
)
"""Letters whose outlines show a font of Latin letters."""


class Signs:
    """The sign fonts of one PDF; each font is examined once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Mapping[str, str], re.Pattern[str] | None]] = {}
        self.found: set[str] = set()

    def read(self, text: str, font: PdfFont) -> str:
        """Correct the signs in a text drawn in a font; unchanged for fonts of letters."""
        name = str(font.get("/BaseFont", "")) if font else ""
        if not name:
            return text
        if name not in self._known:
            signs: Mapping[str, str] = {**_unknown_names(font), **sign_table(font)}
            longest_first = "|".join(re.escape(k) for k in sorted(signs, key=len, reverse=True))
            self._known[name] = signs, re.compile(longest_first) if signs else None
        table, pattern = self._known[name]
        if pattern is None:
            return text
        right = pattern.sub(lambda m: table[m[0]], text)
        if right != text:
            self.found.update(set(right) - set(text) - {LOST})
        return right


def _unknown_names(font: PdfFont) -> dict[str, str]:
    """Names of glyphs that pypdf does not know and writes out (`/_0053`) → the letters they stand for, else U+FFFD.

    Where the font maps its codes to letters, pypdf reads the signs of such a name as codes (`/T_h` as `j´_h`).
    """
    from fontTools.agl import toUnicode
    from pypdf._cmap import get_encoding
    from pypdf._codecs import adobe_glyphs

    encoding = font.get("/Encoding")
    encoding = encoding.get_object() if encoding is not None else None
    listed = encoding.get("/Differences") if isinstance(encoding, dict) else None
    listed = listed.get_object() if listed is not None else ()
    names = [str(x) for x in listed if isinstance(x, str) and str(x) not in adobe_glyphs]
    meant = {name: toUnicode(name.lstrip("/")) or LOST for name in names if len(name) > _SHORT_NAME}
    mapped = get_encoding(font)[1] if meant else {}
    return meant | {"".join(str(mapped.get(sign, sign)) for sign in name): text for name, text in meant.items()}


def sign_table(font: PdfFont) -> Mapping[str, str]:
    """Characters → sign for a font of signs or Greek, from its outlines in the file; empty for any other."""
    name = str(font.get("/BaseFont", ""))
    if _PI_FONT in name:
        return _PI_LAYOUT
    private = _PRIVATE_SYMBOL if "Symbol" in name else {}
    descriptor = font.get("/FontDescriptor")
    descriptor = descriptor.get_object() if descriptor is not None else {}
    named = str(descriptor.get("/CharSet", "")).split("/")
    program = descriptor.get("/FontFile3")
    if program is None or len(named) > _MAX_GLYPHS:
        return private
    data = program.get_object().get_data()
    shapes = _shapes(data) if len(data) <= _MAX_FONT_BYTES else {}
    greek = _greek(shapes)
    return private | _signs(shapes, beside_greek=bool(greek)) | greek


def _signs(shapes: Mapping[str, _Shape], *, beside_greek: bool) -> dict[str, str]:
    """The signs of a font without Latin letters; those named by their place that are not known are lost.

    So is a letter beside a sign: it is a sign of a kind that is not known.
    """
    if sum(len(name) == 1 for name in shapes) > 1 and not beside_greek:
        return {}
    known = {
        read: sign
        for name, read, sign, fits in _SIGNS
        if name in shapes and shapes[name].height > 0 and shapes[name].width > 0 and fits(shapes[name])
    }
    unknown = {f"/{name}": LOST for name in shapes if _PLACE_NAME.fullmatch(name)}
    if known:
        unknown |= {name: LOST for name in shapes if len(name) == 1}
    return unknown | known


def _greek(shapes: Mapping[str, _Shape]) -> dict[str, str]:
    """The Greek letters of a font in which at least one outline is Greek and none is Latin.

    Where the outlines leave open which layout it has, letters in which the two differ are lost.
    """
    if any(name in shapes and is_latin(shapes[name]) for name, is_latin in _LATIN):
        return {}
    proved = [layout for name, layout, is_greek in _GREEK if name in shapes and is_greek(shapes[name])]
    if not proved:
        return {}
    letters = [name for name in shapes if len(name) == 1 and name.isalpha()]
    if "symbol" in proved and "order" in proved:
        return dict.fromkeys(letters, LOST)
    if "symbol" in proved:
        return {x: _IN_SYMBOL.get(x, LOST) for x in letters}
    if "order" in proved:
        return {x: _IN_ORDER.get(x, LOST) for x in letters}
    return {x: _IN_SYMBOL[x] if _IN_SYMBOL.get(x) == _IN_ORDER.get(x, _IN_SYMBOL.get(x)) else LOST for x in letters}


def _shapes(data: bytes) -> dict[str, _Shape]:
    """The outlines of a compact font's glyphs; empty when it has many, as fonts of letters, or cannot be read."""
    from fontTools.cffLib import CFFFontSet
    from fontTools.pens.boundsPen import BoundsPen
    from fontTools.pens.recordingPen import RecordingPen

    try:
        fonts = CFFFontSet()
        fonts.decompile(io.BytesIO(data), None)
        glyphs = fonts[0].CharStrings
        names = list(glyphs.keys())
        if len(names) > _MAX_GLYPHS:
            return {}
        shapes = {}
        for name in names:
            box, drawn = BoundsPen(None), RecordingPen()
            glyphs[name].draw(box)
            glyphs[name].draw(drawn)
            operators = [operator for operator, _ in drawn.value]
            left, low, right, high = box.bounds or (0, 0, 0, 0)
            contours, curves, edges = (operators.count(x) for x in ("moveTo", "curveTo", "lineTo"))
            curves += edges if edges > _MOST_EDGES else 0
            tip = _tip([p for _, points in drawn.value for p in points], low, high)
            shapes[name] = _Shape(contours, curves, low, right - left, high - low, tip)
        return shapes
    except font_errors():  # a damaged font: its signs stay as they are
        return {}


def _tip(points: Iterable[tuple[float, float]], low: float, high: float) -> str:
    """The place at which an outline comes to a point: left or right at half its height, on top at half its width."""
    placed = sorted(points)
    if len(placed) < 4 or high <= low:
        return ""
    width, top = placed[-1][0] - placed[0][0], [x for x, y in placed if y >= high - 0.03 * (high - low)]
    if top[-1:] and abs((top[0] + top[-1]) / 2 - placed[0][0] - width / 2) < 0.2 * width > top[-1] - top[0]:
        return "^"
    middle, near = (low + high) / 2, 0.25 * (high - low)
    left, right = (abs(placed[0][1] - middle) < near), (abs(placed[-1][1] - middle) < near)
    return "<" if left and not right else ">" if right and not left else ""


def font_errors() -> tuple[type[Exception], ...]:
    """The exceptions that fontTools raises for damaged or malicious fonts; its own errors are only a part of them."""
    from fontTools.ttLib import TTLibError

    names = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError)
    return (TTLibError, *names, OSError, RuntimeError, StopIteration, TypeError, ValueError, struct.error, zlib.error)
