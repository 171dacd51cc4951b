"""Tables of JATS as rows, and the metadata of an article: title, authors, identifiers, licence, notices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.canonical import clean
from bioresearcher.papers.identifiers import Identifiers
from bioresearcher.papers.markup import BLOCKS, inline, tag_of
from bioresearcher.papers.notices import NOTICE_WORDS, notice_title
from bioresearcher.schemas.paper import NoticeKind, NoticeTarget, Status

if TYPE_CHECKING:
    from lxml.etree import _Element


_WIDEST: Final = 200
"""Most columns of a table; the rest of a row is left out."""


def rows(table: _Element) -> Iterator[str]:
    """The rows of a table in order, cells separated by ` | `; empty rows are left out.

    Tables are HTML's (`tr`, `td`) or of the OASIS exchange model (`row`, `entry`). A cell that spans several rows is
    repeated in each of them, and one that spans columns is followed by empty cells, so that each row can be read by
    itself and columns stay columns.
    """
    below: dict[int, tuple[int, str]] = {}
    for row in _own_rows(table):
        if tag_of(row) not in ("tr", "row"):
            below = {}
            continue
        cells, below = _cells(row, below, _columns(row) if tag_of(row) == "row" else {})
        if any(cells):
            while cells[-1] == "":
                cells.pop()
            yield " | ".join(cells)


def _own_rows(element: _Element) -> Iterator[_Element]:
    """The rows and groups of rows of a table, not those of a table in one of its cells."""
    for part in element:
        name = tag_of(part)
        if name in ("tr", "row"):
            yield part
        elif name not in ("td", "th", "entry", "caption", ""):
            if name in ("thead", "tbody", "tfoot"):
                yield part
            yield from _own_rows(part)


def _columns(row: _Element) -> dict[str, int]:
    """The names of the columns of an OASIS table, with their numbers from 1."""
    group = next((e for e in row.iterancestors() if tag_of(e) == "tgroup"), None)
    specs = children(group, "colspec") if group is not None else []
    return {spec.get("colname", ""): n for n, spec in enumerate(specs, 1)}


def _cells(
    row: _Element, above: dict[int, tuple[int, str]], columns: dict[str, int]
) -> tuple[list[str], dict[int, tuple[int, str]]]:
    """A row's cells, with those that span rows from above, and the cells that span into the next row by column."""
    cells: list[str] = []
    below: dict[int, tuple[int, str]] = {}

    def place(text: str, more: int) -> None:
        if more > 0 and text:
            below[len(cells)] = (more, text)
        cells.append(text)

    for cell in row:
        if tag_of(cell) not in ("td", "th", "entry"):
            continue
        while len(cells) in above:
            more, text = above[len(cells)]
            place(text, more - 1)
        text, down, across = _cell(cell, columns)
        if len(cells) >= _WIDEST:
            cells[-1] = f"{cells[-1]} {text}".strip()
            continue
        place(text, down)
        cells += [""] * min(across, _WIDEST - len(cells))
    while len(cells) in above and len(cells) < _WIDEST:
        more, text = above[len(cells)]
        place(text, more - 1)
    return cells, below


def _cell(cell: _Element, columns: dict[str, int]) -> tuple[str, int, int]:
    """A cell's text, and how many further rows and columns it spans."""
    text = " ".join(inline(cell, skip=frozenset()).split())
    if tag_of(cell) != "entry":
        return text, _span(cell, "rowspan") - 1, _span(cell, "colspan") - 1
    first, last = (columns.get(cell.get(name, ""), 0) for name in ("namest", "nameend"))
    return text, _span(cell, "morerows", 0), max(0, last - first) if first and last else 0


def _span(cell: _Element, name: str, least: int = 1) -> int:
    stated = cell.get(name, str(least))
    known = stated.isascii() and stated.isdigit() and len(stated) <= 4
    return max(least, int(stated)) if known else least


def child(element: _Element, *names: str) -> _Element | None:
    """The first child with one of the names, whatever its namespace."""
    return next((c for c in element if tag_of(c) in names), None)


def children(element: _Element, *names: str) -> list[_Element]:
    """All children with one of the names, whatever their namespace."""
    return [c for c in element if tag_of(c) in names]


def child_text(element: _Element, *names: str) -> str:
    """The text of the first such child; empty when there is none. Notes in a title are no part of it."""
    found = child(element, *names)
    return " ".join(inline(found, skip=BLOCKS | {"fn"}).split()) if found is not None else ""


HREF: Final = "{http://www.w3.org/1999/xlink}href"
"""The attribute that holds a link's target."""

_DOI_IN: Final = re.compile(r"10\.[0-9]{4,9}/\S+")
_CC: Final = re.compile(r"creativecommons\.org/licen[cs]es/(by(?:-[a-z]{2})*)(?:/(\d\.\d))?", re.IGNORECASE)
_CC_WORDS: Final = re.compile(
    r"Creative Commons Attribution([- –]+Non[- ]?Commercial)?([- –]+(?:No[- ]?Deriv\w+|Share[- ]?Alike))?"
    r"(?: (\d\.\d))?",
    re.IGNORECASE,
)
_LONGEST_NAME: Final = 300
"""Longest name of an author in characters; what is longer is a list of people or an attack."""

_MADE_OF: Final = frozenset(
    ["contrib-group", "contrib", "aff", "email", "xref", "fn", "name", "string-name", "address"]
)
"""Elements inside a group author's name that are not its name."""


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
    """Author names as `Given Surname`, or the name of a group, without its members."""
    names: list[str] = []
    for group in children(meta, "contrib-group"):
        for contrib in children(group, "contrib"):
            if contrib.get("contrib-type", "author") == "author":
                names.append(_name(contrib))
        names += [_shortened(clean(inline(c, skip=_MADE_OF))) for c in children(group, "collab")]
    return tuple(n for n in names if n)


def members_of(meta: _Element) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The groups among the authors whose members are listed, with the members' names."""
    for collab in (e for group in children(meta, "contrib-group") for e in group.iter() if tag_of(e) == "collab"):
        people = [e for e in collab.iter() if tag_of(e) in ("name", "string-name")]
        if people:
            yield _shortened(clean(inline(collab, skip=_MADE_OF))), tuple(filter(None, map(_person, people)))


def _name(contrib: _Element) -> str:
    name = child(contrib, "name")
    if name is None:
        alternatives = child(contrib, "name-alternatives", "collab-alternatives")
        name = child(alternatives, "name", "collab") if alternatives is not None else None
    if name is None:
        name = child(contrib, "collab", "string-name", "on-behalf-of")
    if name is None:
        return ""
    return _shortened(clean(inline(name, skip=_MADE_OF)) if tag_of(name) == "collab" else _person(name))


def _person(name: _Element) -> str:
    if tag_of(name) != "name" and child(name, "surname") is None:
        return clean(inline(name))
    parts = (child_text(name, part) for part in ("prefix", "given-names", "surname", "suffix"))
    return clean(" ".join(parts))


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


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


_NOTICE_TYPES: Final[dict[str, NoticeKind]] = {
    **dict.fromkeys(("retraction", "partial-retraction", "removal", "withdrawal"), "retraction"),
    **dict.fromkeys(("correction", "corrected-article", "erratum", "corrigendum"), "correction"),
    "expression-of-concern": "concern",
}
"""Article types of notices (JATS and JATS4R)."""
_OF: Final[dict[str, NoticeKind]] = {
    "retracted-article": "retraction",
    "corrected-article": "correction",
    "object-of-concern": "concern",
}
"""Types of related articles by which a notice names its paper."""
_FORWARD: Final[tuple[tuple[Status, frozenset[str], str], ...]] = (
    ("retracted", frozenset(["retraction-forward", "retraction"]), "the file declares that this paper was retracted."),
    (
        "concern",
        frozenset(["concern-forward", "expression-of-concern", "expression-of-concern-forward"]),
        "the file declares an expression of concern.",
    ),
    (
        "corrected",
        frozenset(["correction-forward", "correction", "erratum", "corrigendum", "addended-article"]),
        "the file declares a later correction.",
    ),
)


def notice_of(article: _Element, meta: _Element, title: str) -> tuple[NoticeTarget, ...]:
    """The papers that this one retracts, corrects or doubts; empty unless it is such a notice.

    A notice is known by the article's type, by a related article that is named as its object, or by a title such as
    `Retraction: …`. One that names no paper has a target without identifiers.
    """
    kind = _NOTICE_TYPES.get(article.get("article-type", "").lower())
    related = [e for e in meta.iter() if tag_of(e) in ("related-article", "related-object")]
    named = [(e, e.get("related-article-type", "").lower()) for e in related]
    stated = next((_OF[t] for _, t in named if t in _OF), None) if kind is None else None
    kind = notice_title(title)[0] or kind or stated
    if kind is None:
        return ()
    objects = [e for e, t in named if t in _OF] or [e for e, t in named if "forward" not in t and t != "companion"]
    targets = (_target(e, _OF.get(e.get("related-article-type", "").lower(), kind)) for e in objects or related)
    return tuple(t for t in dict.fromkeys(targets) if t.doi or t.pmid or t.pmcid) or (NoticeTarget(what=kind),)


def _target(related: _Element, what: NoticeKind) -> NoticeTarget:
    link = related.get(HREF) or clean(inline(related))
    kind = related.get("ext-link-type", "").lower()
    doi = _DOI_IN.search(link) if kind not in ("pmid", "pubmed", "pmcid", "pmc") else None
    found = Identifiers.of(
        doi=doi[0] if doi else None,
        pmid=link if kind in ("pmid", "pubmed") else None,
        pmcid=link if kind in ("pmcid", "pmc") else None,
    )
    return NoticeTarget(what=what, doi=found.doi, pmid=found.pmid, pmcid=found.pmcid)


def status_of(article: _Element, meta: _Element, title: str, notice: Sequence[NoticeTarget]) -> tuple[Status, str]:
    """The status that the article itself declares (retracted, corrected …), and a caveat in words.

    A paper without a notice is `unknown`, not `ok`, because a file on disk does not learn of later retractions.
    """
    if notice:
        return "unknown", f"this file is {NOTICE_WORDS[notice[0].what]}, not the paper itself."
    related = {
        e.get("related-article-type", "").lower()
        for e in meta.iter()
        if tag_of(e) in ("related-article", "related-object")
    }
    marked = article.get("article-type", "").lower() == "retracted-article"
    if marked or re.match(r"\W*(retracted|withdrawn)\b", title.lower()):
        return _FORWARD[0][0], _FORWARD[0][2]
    return next(((status, said) for status, types, said in _FORWARD if related & types), ("unknown", ""))
