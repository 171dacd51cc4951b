"""The letters and digits of a source, taken by other means than the converters use: node by node, no markup read."""

from __future__ import annotations

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
