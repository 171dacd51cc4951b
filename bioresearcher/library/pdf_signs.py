"""Mathematical signs that a PDF's fonts call by the names of digits and commas, read from the letters' shapes.

Typesetters' sign fonts put `=` where other fonts have `5`, `<` where they have the comma, and so on (the layout of the
font Mathematical Pi 1). Text taken from such a file says "P,0.05" where the paper prints "P<0.05". The outline tells:
a "5" of two rectangles is an equals sign.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PI_FONT: Final = "MathematicalPi-One"
_PI_LAYOUT: Final = str.maketrans(
    {
        ",": "<", ".": ">", "5": "=", "2": "−", "1": "+", "6": "±", "3": "×", "9": "′",
        "#": "≤", "$": "≥", "\ue023": "≤", "\ue024": "≥", "\ufffd": "\ufffd",
    }
)  # fmt: skip
_MAX_FONT_BYTES: Final = 2_000_000
_MAX_GLYPHS: Final = 40


@dataclass(frozen=True, slots=True)
class _Shape:
    """An outline: contours, curved segments, and its box in thousandths of the letter size."""

    contours: int
    curves: int
    low: float
    width: float
    height: float


def _is_flat(shape: _Shape, contours: int) -> bool:
    return shape.curves == 0 and shape.contours == contours


_SIGNS: Final[tuple[tuple[str, str, str, Callable[[_Shape], bool]], ...]] = (
    ("comma", ",", "<", lambda s: _is_flat(s, 1) and s.height > 350 and s.low >= -20),
    ("comma", ",", "∼", lambda s: s.contours == 1 and s.curves > 3 and s.low > 150 and s.width > 3 * s.height),
    ("period", ".", ">", lambda s: _is_flat(s, 1) and s.height > 350),
    ("five", "5", "=", lambda s: _is_flat(s, 2) and s.height < 400),
    ("two", "2", "−", lambda s: _is_flat(s, 1) and s.height < 120),
    ("one", "1", "+", lambda s: _is_flat(s, 1) and 0.85 < s.width / s.height < 1.15),
    ("three", "3", "×", lambda s: _is_flat(s, 1) and 0.85 < s.width / s.height < 1.15),
    ("six", "6", "±", lambda s: _is_flat(s, 2) and 0.75 < s.width / s.height < 1.25),
    ("nine", "9", "′", lambda s: s.contours == 1 and s.low > 300 and s.width < s.height),
    ("numbersign", "#", "≤", lambda s: _is_flat(s, 2) and s.width > 1.15 * s.height),
    ("dollar", "$", "≥", lambda s: _is_flat(s, 2) and s.width > 1.15 * s.height),
)
"""Glyph name → the character it passes for, the sign it may be, and the shape that decides."""


class Signs:
    """The sign fonts of one PDF; each font is looked at once."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[int, Any]] = {}
        self.found: set[str] = set()

    def read(self, text: str, font: Any) -> str:  # noqa: ANN401
        """The text of a piece drawn in a font, signs put right; unchanged for fonts of letters."""
        name = str(font.get("/BaseFont", "")) if font else ""
        if not name:
            return text
        if name not in self._known:
            self._known[name] = _PI_LAYOUT if _PI_FONT in name else _by_shape(font)
        table = self._known[name]
        if not table:
            return text
        right = text.translate(table)
        if right != text:
            self.found.update(set(right) - set(text))
        return right


def _by_shape(font: Any) -> dict[int, str]:  # noqa: ANN401
    """Character → sign for a font that has no letter, from the outlines in the file; empty for any other."""
    descriptor = font.get("/FontDescriptor")
    descriptor = descriptor.get_object() if descriptor is not None else {}
    named = str(descriptor.get("/CharSet", "")).split("/")
    program = descriptor.get("/FontFile3")
    # most fonts name their letters, and need not be opened
    if program is None or len(named) > _MAX_GLYPHS or any(len(name) == 1 for name in named):
        return {}
    data = program.get_object().get_data()
    shapes = _shapes(data) if len(data) <= _MAX_FONT_BYTES else {}
    return {
        ord(character): sign
        for name, character, sign, fits in _SIGNS
        if name in shapes and shapes[name].height > 0 and fits(shapes[name])
    }


def _shapes(data: bytes) -> dict[str, _Shape]:
    """The outlines of a compact font's glyphs; empty when it has letters or cannot be read."""
    from fontTools.cffLib import CFFFontSet
    from fontTools.pens.boundsPen import BoundsPen
    from fontTools.pens.recordingPen import RecordingPen

    try:
        fonts = CFFFontSet()
        fonts.decompile(io.BytesIO(data), None)
        glyphs = fonts[0].CharStrings
        names = list(glyphs.keys())
        if len(names) > _MAX_GLYPHS or any(len(name) == 1 for name in names):
            return {}
        shapes = {}
        for name in set(names) & {name for name, *_ in _SIGNS}:
            box, drawn = BoundsPen(None), RecordingPen()
            glyphs[name].draw(box)
            glyphs[name].draw(drawn)
            operators = [operator for operator, _ in drawn.value]
            left, low, right, high = box.bounds or (0, 0, 0, 0)
            contours, curves = operators.count("moveTo"), operators.count("curveTo")
            shapes[name] = _Shape(contours, curves, low, right - left, high - low)
        return shapes
    except Exception:  # noqa: BLE001 - a damaged font may fail in any way in there; its signs then stay as they are
        return {}
