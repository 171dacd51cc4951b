"""How a page's text is drawn: invisibly, in white, or for people to see."""

from __future__ import annotations

from typing import Any, Final

_SHOWN: Final = {b"Tj": 0, b"TJ": 0, b"'": 0, b'"': 2}
"""Operators that show text, with the place of the text among their operands (PDF 32000-1, 9.4.3)."""
_INVISIBLE: Final = frozenset({3, 7})
"""Text rendering modes that paint nothing (PDF 32000-1, table 106)."""
_WHITE: Final[dict[bytes, tuple[float, ...]]] = {b"g": (1.0,), b"rg": (1.0, 1.0, 1.0), b"k": (0.0, 0.0, 0.0, 0.0)}
_ANY_SPACE: Final = {b"sc", b"scn"}
_SPACES: Final = {1: b"g", 3: b"rg", 4: b"k"}
"""A colour of so many numbers is taken for one of gray, red-green-blue, or the four printing inks."""


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

    def before(self, operator: bytes, operands: Any, cm: Any, tm: Any) -> None:  # noqa: ANN401 - pypdf's values
        """See an operator before it takes effect."""
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

    def after(self, operator: bytes, operands: Any, cm: Any, tm: Any) -> None:  # noqa: ANN401 - pypdf's values
        """See an operator after it took effect."""
        if operator == b"Do":
            self._restore()

    def _restore(self) -> None:
        if self._kept:
            self._mode, self._is_white = self._kept.pop()

    def _show(self, operands: Any, place: int) -> None:  # noqa: ANN401 - pypdf's values
        text = operands[place]
        letters = sum(len(t) for t in (text if isinstance(text, list) else [text]) if isinstance(t, str | bytes))
        self.shown += letters
        if self._mode in _INVISIBLE:
            self.invisible += letters
            if self._visible_only:
                operands[place] = type(text)()  # pypdf reads the operands after this
        elif self._is_white:
            self.white += letters


def _is_white(operator: bytes, operands: Any) -> bool:  # noqa: ANN401 - pypdf's values
    numbers = tuple(float(n) for n in operands if isinstance(n, int | float))
    space = _SPACES.get(len(numbers)) if operator in _ANY_SPACE else operator
    return space is not None and numbers == _WHITE[space]
