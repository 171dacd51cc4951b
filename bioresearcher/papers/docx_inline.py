"""Running text of a Word paragraph: superscripts and formulas by the rules for papers, signs of symbol fonts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Final

from bioresearcher.library.jats_text import inline

if TYPE_CHECKING:
    from lxml.etree import _Element

Shown = tuple[str, bool]
"""Text, and that it is a superscript."""

_SYMBOL: Final = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧ∆ΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
    + "\ufffd" * 33
    + "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\ufffd〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭\ufffd"
)
_SYMBOL_SIGNS: Final = {code: letter for code, letter in enumerate(_SYMBOL, 32) if letter != "\ufffd"}
"""The characters of the font Symbol by their codes."""

_WINGDINGS: Final = dict(zip(bytes.fromhex("6C6E6F7176A7A8D8DFE0E8F0FBFCFDFE"), "●■☐❑❖▪☐➢←→➔⇨✗✓☒☑", strict=True))


def running_text(shown: Iterable[Shown | _Element]) -> str:
    """A paragraph's text from what it shows, formulas (MathML elements) included."""
    from lxml import etree

    p = etree.Element("p")
    for raised, group in groupby(shown, lambda x: x[1] if isinstance(x, tuple) else None):
        found = list(group)
        text = "".join(x[0] for x in found if isinstance(x, tuple))
        if raised:
            etree.SubElement(p, "sup").text = text
        elif raised is None:
            p.extend([x for x in found if not isinstance(x, tuple)])
        elif len(p):
            p[-1].tail = text
        else:
            p.text = text
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in inline(p).split("\n"))
    return "\n".join(lines).strip()


def from_symbol(text: str) -> str:
    """Text that is drawn in the font Symbol, in the characters that a reader sees: `m` is µ."""
    return "".join(_sign(ord(letter), _SYMBOL_SIGNS) or letter for letter in text)


def sign(font: str, code: str) -> str:
    """The character of a symbol (`w:sym`), from its font and its hexadecimal code; U+FFFD when it is not known."""
    if not re.fullmatch(r"[0-9A-Fa-f]{1,5}", code):
        return "\ufffd"
    number = int(code, 16)
    if font == "Symbol":
        return _sign(number, _SYMBOL_SIGNS) or "\ufffd"
    if font.startswith("Wingdings"):
        return _sign(number, _WINGDINGS if font == "Wingdings" else {}) or "\ufffd"
    return chr(number) if number > 31 and not 0xD800 <= number < 0xF900 else "\ufffd"


def _sign(code: int, table: dict[int, str]) -> str:
    """A font's own characters lie at F000 and on, or at their plain codes."""
    return table.get(code - 0xF000 if 0xF000 <= code <= 0xF0FF else code, "")
