"""Elements of JATS as text, and the metadata of an article: title, authors, identifiers, licence, retraction.

Markup that changes the meaning of a number is kept visible: `10<sup>6</sup>` becomes `10^6`, not `106`, and a
superscript citation becomes `[12]`, not two more digits.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Literal

from bioresearcher.papers.canonical import clean
from bioresearcher.papers.identifiers import Identifiers

if TYPE_CHECKING:
    from lxml.etree import _Element


BLOCKS: Final = frozenset(
    ["fig", "fig-group", "table-wrap", "table-wrap-group", "supplementary-material", "boxed-text", "sec"]
)
"""Elements inside paragraphs that become sections of their own."""

_SKIPPED: Final = frozenset(["object-id", "graphic", "inline-graphic", "tex-math", "email", "alt-text", "permissions"])
_BROKEN: Final = frozenset(["break", "p", "title", "list-item", "def-item", "disp-quote", "disp-formula", "td", "th"])
_POWER: Final = re.compile(r"[-−–+]?\d+(?:[.,]\d+)?")
_WIDEST: Final = 200
"""Most columns of a table; the rest of a row is left out."""

_MARK: Final = re.compile(r"(?!st|nd|rd|th)[a-z](,?[a-z]){0,3}")


def parse_xml(data: bytes) -> _Element:
    """Parse XML of untrusted origin: no DTD, entity or network; without comments and processing instructions.

    Raises:
        SyntaxError: It is not well formed (lxml's `XMLSyntaxError`).
        ValueError: It cannot be XML.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(data, parser)


def tag_of(element: _Element) -> str:
    """The element's name without its namespace; empty for comments, instructions and entities."""
    name: object = element.tag
    return name.rpartition("}")[2] if isinstance(name, str) else ""


def inline(element: _Element, *, skip: frozenset[str] = BLOCKS) -> str:
    """The text of an element with its inline markup made readable; elements named in `skip` are left out."""
    out: list[str] = []
    _walk(element, out, skip, 0)
    return "".join(out)


def _walk(element: _Element, out: list[str], skip: frozenset[str], depth: int) -> None:
    if depth > 200:
        return
    out.append(element.text or "")
    for child in element:
        name = tag_of(child)
        if not name:
            out.append(_entity(child))
        elif name not in skip and name not in _SKIPPED:
            _child(child, name, out, skip, depth)
        out.append(child.tail or "")


def _child(child: _Element, name: str, out: list[str], skip: frozenset[str], depth: int) -> None:
    if name == "math":
        out.append(math_text(child))
        return
    part: list[str] = []
    _walk(child, part, skip, depth + 1)
    text = "".join(part)
    before = _last(out)
    if name == "sup":
        text = superscript(text, before, (child.tail or "")[:1], cites=_cites(child))
    elif name == "xref" and child.get("ref-type") in ("table-fn", "fn"):
        text = superscript(text, before, (child.tail or "")[:1], cites=False)
    elif name == "xref" and child.get("ref-type") == "bibr":
        text = _citation(text, before, "".join(out[-12:])[-60:], child)
    elif name in _BROKEN:
        text = f" {text} "
    out.append(text)


def _entity(node: _Element) -> str:
    """The character of a named entity such as `&alpha;`; entities that the file defines are never looked up."""
    name = node.text or ""
    if not re.fullmatch(r"&[A-Za-z0-9]{1,32};", name):
        return ""
    character = html.unescape(name)
    return "" if character == name else character


def _last(out: list[str]) -> str:
    return next((piece[-1] for piece in reversed(out) if piece), "")


def _cites(element: _Element) -> bool:
    return any(x.get("ref-type") == "bibr" for x in element.iter("xref"))


def superscript(text: str, before: str, after: str, *, cites: bool) -> str:
    """A superscript as text between the characters `before` and `after` it: a power as `^6`, a citation as ` [12]`."""
    stripped = text.strip()
    if cites:
        return stripped if stripped.startswith("[") else f" [{stripped}]"
    power = _POWER.fullmatch(stripped) and (before.isalnum() or before == ")")
    mark = before.isdigit() and _MARK.fullmatch(stripped)
    if power or mark:
        return f"^({stripped})" if after.isalnum() else f"^{stripped}"
    return text


def _citation(text: str, before: str, recent: str, element: _Element) -> str:
    """Put a bare citation number behind a word in brackets; `(Smith 2004)` and `[3]` stay."""
    parent = element.getparent()
    if parent is not None and tag_of(parent) == "sup":
        return text
    if recent.rfind("[") > recent.rfind("]") or recent.rfind("(") > recent.rfind(")"):
        return text
    if text.strip().isdigit() and (before.isalpha() or before in ".,;:)%"):
        return f" [{text.strip()}]"
    return text


_JOIN: Final[dict[str, Callable[[list[str]], str]]] = {
    "mfrac": lambda p: f"({p[0]})/({p[1]})" if len(p) == 2 else " ".join(p),
    "msup": lambda p: f"{p[0]}^{p[1]}" if len(p) == 2 else "".join(p),
    "msub": lambda p: f"{p[0]}_{p[1]}" if len(p) == 2 else "".join(p),
    "msubsup": lambda p: f"{p[0]}_{p[1]}^{p[2]}" if len(p) == 3 else "".join(p),
    "msqrt": lambda p: f"sqrt({''.join(p)})",
    "mroot": lambda p: f"root({', '.join(p)})",
    "munderover": lambda p: f"{p[0]}_({p[1]})^({p[2]})" if len(p) == 3 else "".join(p),
}


def math_text(element: _Element, depth: int = 0) -> str:
    """A MathML formula on one line: `(a)/(b)`, `x^2`, `x_i`, `sqrt(x)`."""
    if depth > 60:
        return ""
    name = tag_of(element)
    if name in ("annotation", "annotation-xml") or not name:
        return ""
    own = " ".join((element.text or "").split())
    if name == "mo" and own:
        return own if own in "()[]{},|" else f" {own} "
    parts = [part for part in (math_text(child, depth + 1) for child in element) if part]
    return own + _JOIN.get(name, "".join)(parts)


def rows(table: _Element) -> Iterator[str]:
    """The rows of a table in order, cells separated by ` | `; empty rows are left out.

    A cell that spans several rows is repeated in each of them, and one that spans columns is followed by empty
    cells, so that each row can be read by itself and columns stay columns.
    """
    below: dict[int, tuple[int, str]] = {}
    for row in table.iter():
        if tag_of(row) != "tr":
            if tag_of(row) in ("thead", "tbody", "tfoot"):
                below = {}
            continue
        cells, below = _cells(row, below)
        if any(cells):
            while cells[-1] == "":
                cells.pop()
            yield " | ".join(cells)


def _cells(row: _Element, above: dict[int, tuple[int, str]]) -> tuple[list[str], dict[int, tuple[int, str]]]:
    """A row's cells, with those that span rows from above, and the cells that span into the next row by column."""
    cells: list[str] = []
    below: dict[int, tuple[int, str]] = {}

    def place(text: str, more: int) -> None:
        if more > 0 and text:
            below[len(cells)] = (more, text)
        cells.append(text)

    for cell in row:
        if tag_of(cell) not in ("td", "th"):
            continue
        while len(cells) in above:
            more, text = above[len(cells)]
            place(text, more - 1)
        place(" ".join(inline(cell).split()), _span(cell, "rowspan") - 1)
        cells += [""] * min(_span(cell, "colspan") - 1, _WIDEST - len(cells))
        if len(cells) >= _WIDEST:
            break
    while len(cells) in above:
        more, text = above[len(cells)]
        place(text, more - 1)
    return cells, below


def _span(cell: _Element, name: str) -> int:
    stated = cell.get(name, "1")
    return int(stated) if stated.isascii() and stated.isdigit() and 1 <= len(stated) <= 4 and int(stated) else 1


def child(element: _Element, *names: str) -> _Element | None:
    """The first child with one of the names, whatever its namespace."""
    return next((c for c in element if tag_of(c) in names), None)


def children(element: _Element, *names: str) -> list[_Element]:
    """All children with one of the names, whatever their namespace."""
    return [c for c in element if tag_of(c) in names]


def child_text(element: _Element, *names: str) -> str:
    """The text of the first such child; empty when there is none."""
    found = child(element, *names)
    return " ".join(inline(found).split()) if found is not None else ""


Status = Literal["ok", "retracted", "concern", "corrected", "unknown"]

HREF: Final = "{http://www.w3.org/1999/xlink}href"
"""The attribute that holds a link's target."""

_CC: Final = re.compile(r"creativecommons\.org/licen[cs]es/(by(?:-[a-z]{2})*)(?:/(\d\.\d))?", re.IGNORECASE)
_CC_WORDS: Final = re.compile(
    r"Creative Commons Attribution([- –]+Non[- ]?Commercial)?([- –]+(?:No[- ]?Deriv\w+|Share[- ]?Alike))?"
    r"(?: (\d\.\d))?",
    re.IGNORECASE,
)
_NOTICES: Final = {
    "retraction": "a retraction notice",
    "correction": "a correction notice",
    "expression-of-concern": "an expression of concern",
}


def article_meta(article: _Element) -> _Element | None:
    """The `article-meta` element."""
    front = child(article, "front", "front-stub")
    return child(front, "article-meta") if front is not None else None


def title_of(meta: _Element) -> str:
    """The article's title with its subtitle."""
    group = child(meta, "title-group")
    if group is None:
        return ""
    parts = [clean(child_text(group, "article-title")), clean(child_text(group, "subtitle"))]
    return ": ".join(p for p in parts if p)


def identifiers_of(meta: _Element) -> Identifiers:
    """PMID, PMC id and DOI, each None unless well formed."""
    found = {e.get("pub-id-type", ""): (e.text or "") for e in children(meta, "article-id")}
    return Identifiers.of(
        pmid=found.get("pmid"),
        pmcid=found.get("pmc") or found.get("pmcid") or found.get("pmcaid"),
        doi=found.get("doi"),
    )


def authors_of(meta: _Element) -> tuple[str, ...]:
    """Author names as `Given Surname`, or the name of a group."""
    names: list[str] = []
    for group in children(meta, "contrib-group"):
        for contrib in children(group, "contrib"):
            if contrib.get("contrib-type", "author") == "author":
                names.append(_name(contrib))
    return tuple(n for n in names if n)


def _name(contrib: _Element) -> str:
    name = child(contrib, "name")
    if name is None:
        alternatives = child(contrib, "name-alternatives")
        name = child(alternatives, "name") if alternatives is not None else None
    if name is None:
        return clean(child_text(contrib, "collab", "string-name"))
    parts = (child_text(name, "given-names"), child_text(name, "surname"), child_text(name, "suffix"))
    return clean(" ".join(parts))


def year_of(meta: _Element) -> int | None:
    """The earliest year among the publication dates."""
    years = [child_text(d, "year") for d in children(meta, "pub-date")]
    valid = [int(y) for y in years if re.fullmatch(r"(1[6-9]|20)\d\d", y)]
    return min(valid, default=None)


def journal_of(article: _Element) -> str | None:
    """The journal's full title."""
    front = child(article, "front")
    meta = child(front, "journal-meta") if front is not None else None
    if meta is None:
        return None
    group = child(meta, "journal-title-group")
    title = child_text(group if group is not None else meta, "journal-title")
    return clean(title) or None


def licence_of(meta: _Element) -> str | None:
    """A short licence name such as `CC BY 4.0`, else the licence's own first words; None when not stated."""
    permissions = child(meta, "permissions")
    scope = permissions if permissions is not None else meta
    licence = child(scope, "license")
    statement = " ".join(inline(e) for e in scope if tag_of(e) in ("license", "copyright-statement"))
    links = [e.get(HREF) or (e.text or "") for e in scope.iter() if tag_of(e)]
    return licence_name(" ".join(links), statement) or (
        clean(inline(licence))[:160] or None if licence is not None else None
    )


def licence_name(links: str, statement: str) -> str | None:
    """The Creative Commons licence that links or the wording of a statement name, or None."""
    both = f"{links} {statement}"
    named = _CC.search(both)
    if named:
        return " ".join(filter(None, ("CC", named[1].upper(), named[2])))
    if re.search(r"creativecommons\.org/publicdomain/zero", both):
        return "CC0 1.0"
    if re.search(r"creativecommons\.org/publicdomain/mark|lies in the public domain", both):
        return "public domain"
    worded = _CC_WORDS.search(statement)
    if not worded:
        return None
    suffix = "-NC" if worded[1] else ""
    if worded[2]:
        suffix += "-ND" if "eriv" in worded[2] else "-SA"
    return " ".join(filter(None, (f"CC BY{suffix}", worded[3])))


def abstracts_of(meta: _Element) -> Iterator[tuple[_Element, bool]]:
    """Each abstract, with True for the main one (not a summary for editors, a teaser or a picture)."""
    main_seen = False
    for element in children(meta, "abstract"):
        kind = element.get("abstract-type", "")
        main = not main_seen and kind in ("", "structured", "abstract", "section", "web-only")
        main_seen = main_seen or main
        yield element, main


def notices_of(article: _Element, meta: _Element, title: str) -> tuple[Status, tuple[str, ...]]:
    """The status that the article itself declares (retracted, corrected …), and caveats in words.

    A paper without a notice is `unknown`, not `ok`, because a file on disk does not learn of later retractions.
    """
    related = {
        e.get("related-article-type", "").lower()
        for e in meta.iter()
        if tag_of(e) in ("related-article", "related-object")
    }
    kind = article.get("article-type", "").lower()
    if kind in _NOTICES:
        return "unknown", (f"this file is {_NOTICES[kind]}, not the paper itself.",)
    if related & {"retraction-forward", "retraction"} or re.match(r"\W*(retracted|withdrawn)\b", title.lower()):
        return "retracted", ("the file declares that this paper was retracted.",)
    if related & {"concern-forward", "expression-of-concern", "expression-of-concern-forward"}:
        return "concern", ("the file declares an expression of concern.",)
    if related & {"correction-forward", "correction", "erratum"}:
        return "corrected", ("the file declares a later correction.",)
    return "unknown", ()
