"""Removes invisible characters from text; the only definition of which characters are invisible.

They can hide instructions from a person and hand them to a model, so they are removed wherever text of untrusted
origin is displayed, stored or put into a prompt.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159") | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
"""Invisible letters, marks, symbols and variation selectors, which cannot be known by their Unicode category."""

LOST: Final = "\ufffd"
"""Replacement of a private-use character (a font's unmapped glyph)."""

_LINE_ENDS: Final = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_STEERING: Final = re.compile(
    "[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff]|(?<=[^\\W\\d_])[\u200b-\u200d\u2060\ufeff](?=[^\\W\\d_])"
)


class _Table(dict[int, int | str | None]):
    """Translation table that is filled on demand."""

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        category = unicodedata.category(character)
        shown: int | str | None = code
        if category == "Co":
            shown = LOST
        elif category == "Cc" and character.isspace():
            shown = character if character in "\n\t" else " "
        elif category in ("Cc", "Cf", "Cs", "Cn") or character in UNSEEN:
            shown = None
        self[code] = shown
        return shown


_TABLE: Final = _Table()


def visible(text: str) -> str:
    """Remove invisible characters and those that reorder others; line ends and tabs are kept; idempotent.

    Control, format (direction, zero width, tags), surrogate and unassigned characters and `UNSEEN` are removed;
    every kind of line end becomes a newline, a private-use character `LOST`.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return _LINE_ENDS.sub("\n", text).translate(_TABLE)


def one_line(text: str, limit: int | None = None) -> str:
    """The visible text with all white space folded, cut to `limit` characters with an ellipsis."""
    flat = " ".join(visible(text).split())
    return flat if limit is None or len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def clip(text: str, limit: int) -> str:
    """Like `one_line`, but cut at a word border."""
    flat = one_line(text)
    return flat if len(flat) <= limit else flat[: limit - 1].rsplit(" ", 1)[0] + "…"


def tail(text: str, limit: int = 1500) -> str:
    """The last `limit` characters, from a line start where there is one; a first line marks omitted text."""
    whole = visible(text).strip("\n")
    if len(whole) <= limit:
        return whole
    end = whole[-limit:]
    return "[… earlier output left out]\n" + end[end.find("\n") + 1 :]


def hidden_characters(text: str) -> int:
    """Number of characters of a raw text that steer its direction, are tags, or hide inside words.

    `visible` removes them all; a number above 0 is a sign that somebody meant to hide something.
    """
    return 0 if text.isascii() else len(_STEERING.findall(text))
