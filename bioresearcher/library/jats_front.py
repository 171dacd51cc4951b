"""What a JATS article says about itself: title, authors, identifiers, licence, abstract, retraction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from bioresearcher.library.canonical import clean
from bioresearcher.library.identifiers import Identifiers
from bioresearcher.library.jats_text import child, child_text, children, inline, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

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
    """Each abstract with whether it is the main one (not a summary for editors, a teaser or a picture)."""
    main_seen = False
    for element in children(meta, "abstract"):
        kind = element.get("abstract-type", "")
        main = not main_seen and kind in ("", "structured", "abstract", "section", "web-only")
        main_seen = main_seen or main
        yield element, main


def notices_of(article: _Element, meta: _Element, title: str) -> tuple[Status, tuple[str, ...]]:
    """The status that the article itself declares, and caveats in words.

    Only what the file says is read; a paper without a notice is `unknown`, not `ok`, because a file on disk
    does not learn of later retractions.
    """
    related = {
        e.get("related-article-type", "").lower()
        for e in meta.iter()
        if tag_of(e) in ("related-article", "related-object")
    }
    caveats = []
    kind = article.get("article-type", "").lower()
    if kind in _NOTICES:
        caveats.append(f"this file is {_NOTICES[kind]}, not the paper itself.")
        return "unknown", tuple(caveats)
    if related & {"retraction-forward", "retraction"} or re.match(r"\W*(retracted|withdrawn)\b", title.lower()):
        return "retracted", ("the file declares that this paper was retracted.",)
    if related & {"concern-forward", "expression-of-concern", "expression-of-concern-forward"}:
        return "concern", ("the file declares an expression of concern.",)
    if related & {"correction-forward", "correction", "erratum"}:
        return "corrected", ("the file declares a later correction.",)
    return "unknown", ()
