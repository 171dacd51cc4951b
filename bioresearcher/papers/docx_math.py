"""Formulas of Word (OMML) as MathML, so that they become text by the rules for papers' formulas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bioresearcher.library.jats_text import math_text, tag_of
from bioresearcher.papers.docx_styles import attribute, inner

if TYPE_CHECKING:
    from lxml.etree import _Element

_ALIKE: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "f": ("mfrac", ("num", "den")),
    "sSup": ("msup", ("e", "sup")),
    "sSub": ("msub", ("e", "sub")),
    "sSubSup": ("msubsup", ("e", "sub", "sup")),
    "rad": ("mroot", ("e", "deg")),
    "limLow": ("msub", ("e", "lim")),
    "limUpp": ("msup", ("e", "lim")),
}
"""Elements with the MathML element that says the same, and the parts that are its children, in order."""

_ROWS: Final = {"d": ("(", "|", ")"), "eqArr": ("", ";", ""), "m": ("[", ";", "]"), "mr": ("", ",", "")}
"""What begins, parts and ends the rows of an element."""

_SMALL: Final = frozenset(["sub", "sup", "lim"])
_OPERATORS: Final = re.compile(r"([=+−<>≤≥≈≠±×→∈~≡∼-])")


def mathml(formula: _Element) -> _Element:
    """A formula (`m:oMath`) as MathML, as far as a line of text needs it."""
    return _made("math", _children(formula))


def _made(tag: str, children: Sequence[_Element] = (), text: str = "") -> _Element:
    from lxml import etree

    element = etree.Element(tag)
    element.text = text
    element.extend(children)
    return element


def _children(node: _Element | None) -> list[_Element]:
    return [made for element in (node if node is not None else ()) for made in _translated(element)]


def _translated(element: _Element) -> list[_Element]:
    name = tag_of(element)
    properties = inner(element, f"{name}Pr")
    if name == "t":
        return _tokens(element.text or "")
    if name in _ALIKE:
        tag, names = _ALIKE[name]
        parts = [_part(element, part) for part in names]
        if name == "rad" and not math_text(parts[1]).strip():
            return [_made("msqrt", parts[:1])]
        if attribute(inner(properties, "type")) == "noBar":  # a binomial coefficient
            parts.insert(1, _made("mo", text="over"))
            tag = "mrow"
        return [_made(tag, parts)]
    if name == "nary":
        limits = {part: _part(element, part) for part in ("sub", "sup")}
        limits = {part: row for part, row in limits.items() if math_text(row)}
        tag = {0: "mrow", 1: f"m{next(iter(limits), '')}", 2: "msubsup"}[len(limits)]
        return [_made(tag, [_mi(_sign(properties, "chr", "∫")), *limits.values()]), *_bracketed(inner(element, "e"))]
    if name == "sPre":
        return [_mi("_"), _part(element, "sub"), _mi("^"), _part(element, "sup"), *_bracketed(inner(element, "e"))]
    if name in ("acc", "bar"):
        accent = _sign(properties, "chr", "\u0302" if name == "acc" else "\u0305")
        return [*_children(inner(element, "e")), _mi(accent)]
    if name == "func":
        return [*_children(inner(element, "fName")), *_bracketed(inner(element, "e"))]
    if name in _ROWS:
        signs: list[str] = list(_ROWS[name])
        if name == "d":
            keys = ("begChr", "sepChr", "endChr")
            signs = [_sign(properties, key, default) for key, default in zip(keys, signs, strict=True)]
        rows = [
            _made("mrow", (_translated if tag_of(x) == "mr" else _children)(x))
            for x in element
            if tag_of(x) in ("e", "mr")
        ]
        return [_mi(signs[0]), *[x for row in rows for x in (row, _mi(signs[1]))][:-1], _mi(signs[2])]
    return [] if name.endswith("Pr") or name in ("del", "moveFrom") else _children(element)


def _bracketed(node: _Element | None) -> list[_Element]:
    """What a function or a sum is taken of, in brackets unless it has its own."""
    row = _made("mrow", _children(node))
    text = math_text(row)
    return [row] if text.startswith(("(", "[", "{")) or not text else [_mi("("), row, _mi(")")]


def _part(element: _Element, name: str) -> _Element:
    """A part as one element; an exponent or index of several signs is put in brackets."""
    row = _made("mrow", _children(inner(element, name)))
    if name in _SMALL and not re.fullmatch(r"\s*[-−+]?\s*[\w.]*|.", math_text(row)):
        return _made("mrow", [_mi("("), row, _mi(")")])
    return row


def _sign(properties: _Element | None, name: str, default: str) -> str:
    """A sign that the properties state; the default when they do not, and nothing when they state an empty one."""
    stated = inner(properties, name)
    return attribute(stated) if stated is not None else default


def _mi(text: str) -> _Element:
    return _made("mi", text=text)


def _tokens(text: str) -> list[_Element]:
    if re.fullmatch(r"[-−+]?[\d.,]+", text):
        return [_mi(text)]
    pieces = [piece for piece in _OPERATORS.split(text) if piece]
    return [_made("mo" if _OPERATORS.fullmatch(x) or x != x.strip() else "mi", text=x) for x in pieces]
