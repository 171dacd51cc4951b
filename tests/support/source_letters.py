"""The letters and digits of a source, taken by other means than the converters use: node by node, no markup read."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

READ = frozenset(
    "abstract trans-abstract kwd-group body back floats-group floats-wrap notes author-notes funding-statement".split()
)
"""The parts of an article that are its text; the rest is metadata: addresses, dates, identifiers, licences."""
NO_TEXT = frozenset(
    "object-id alt-text long-desc permissions annotation annotation-xml corresp email sub-article response".split()
)


def name(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def told(element: Any, inside: bool = False) -> Iterator[str]:
    """The text nodes of an article's text; of a formula that is there twice, its MathML."""
    tag = name(element)
    if tag in NO_TEXT:
        return
    parent = name(element.getparent()) if element.getparent() is not None else ""
    inside = inside or tag in READ or (tag in ("article-title", "subtitle") and parent == "title-group")
    if tag == "tex-math":
        formula = next((a for a in element.iterancestors() if name(a) in ("inline-formula", "disp-formula")), None)
        if formula is not None and any(name(e) == "math" for e in formula.iter()):
            return
        yield element.text.partition("\\begin{document}")[2].partition("\\end{document}")[0] or element.text
        return
    if inside and element.text:
        yield element.text
    for part in element:
        yield from told(part, inside)
        if inside and part.tail:
            yield part.tail


def letters(text: str) -> str:
    """The letters and digits without their accents, which may stand as signs of their own in a formula."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isalnum())


def lost(source: list[str], text: str) -> tuple[list[str], int]:
    """The nodes whose letters and digits do not stand in a text as they are, and the number it has too few."""
    plain = letters(text)
    nodes = [n for n in map(letters, source) if n]
    few = Counter("".join(nodes)) - Counter(plain)
    return [n for n in nodes if n not in plain], few.total()


def article_of(path: Path) -> Any:
    """The first `article` element of a file."""
    parser = etree.XMLParser(resolve_entities=False, remove_comments=True, remove_pis=True)
    root = etree.fromstring(path.read_bytes(), parser)
    return root if name(root) == "article" else next(e for e in root.iter() if name(e) == "article")


_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹣－", "-") | {"∼": "~", "⩽": "≤", "⩾": "≥", "µ": "μ"})
_RAISED = str.maketrans({c: f"^{n}" for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {"⁻": "^-"})
_UNIT = "|".join(rf"(?<=[\s/·]{unit})" for unit in ("m", "cm", "mm", "km", "nm", "s", "h", "L", "mL", "kg", "g", "min"))
_SIGNED = re.compile(
    rf"[^\W_]|(?:(?<=[\d)])|{_UNIT})\^(?=-?\d)|(?<=[^\W\d_])\^(?=-\d)|(?<![\w)\]])-(?=\s?[\d.])|[<>≤≥×±%=≈~]"
)
_EXPONENT = re.compile(r"[-+]?\d+")


def signed(text: str) -> str:
    """The letters and digits in small letters, with the signs that change a number: `^<>≤≥×±%=≈~` and a minus.

    A caret counts between a digit or a unit and a number and between a letter and a minus, a dash before a number and
    not between two words or numbers. The ring of a degree does not, which some write as a raised letter.
    """
    text = re.sub(r"(?<=\d)\s*[oº˚°](?=\s*C\b)", "", text.replace("℃", "°C"))
    plain = re.sub(r"\^{2,}", "^", text.translate(_RAISED).translate(_DASHES).replace("^ ", "^"))
    kept = unicodedata.normalize("NFKD", "".join(_SIGNED.findall(plain)))
    return "".join(c for c in kept if not unicodedata.combining(c)).casefold()


def exponent(text: str) -> bool:
    """Return True for what stands raised as a power: a whole number with or without a sign."""
    return _EXPONENT.fullmatch(text.strip().translate(_DASHES)) is not None


def mark_exponents(article: Any) -> Any:
    """Put a caret before every raised whole number of an article, in place, so that `told` yields it; return it."""
    for element in article.iter():
        raised = element if name(element) == "sup" else None
        if name(element) == "msup" and len(element) == 2:
            raised = next((e for e in element[1].iter() if (e.text or "").strip()), None)
        if raised is not None and exponent("".join(raised.itertext())):
            raised.text = f"^{raised.text or ''}"
    return article
