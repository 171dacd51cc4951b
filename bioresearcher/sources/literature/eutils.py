"""Readers of E-utilities' XML answers: esearch, epost, esummary, elink and espell, by their DTDs.

An error answer, or anything else that is none of these, is a `ServiceError` with the service's own words. JSON answers
are not requested and are refused like anything else that is no XML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.canonical import clean
from bioresearcher.sources.http import ServiceError

if TYPE_CHECKING:
    from lxml.etree import _Element

_LOST: Final = ("ErrorList/PhraseNotFound", "WarningList/QuotedPhraseNotFound", "WarningList/PhraseNotFound")


@dataclass(frozen=True, slots=True)
class History:
    """Place of a list of ids on the history server."""

    web_env: str
    query_key: str


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Answer of esearch: number of ids in all, some of them, and the translation of the query."""

    total: int
    ids: tuple[str, ...]
    translation: str
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    history: History | None


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """Summary of a document; fields are those of version 1 (`Title`, `PubDate`, …), lists joined by `; `."""

    id: str
    fields: dict[str, str]


def xml_of(body: bytes) -> _Element:
    """Parse an answer without entities, DTD or network.

    Raises:
        ServiceError: It is not well-formed.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        first = clean(str(error).splitlines()[0] if str(error) else "syntax error")[:120]
        raise ServiceError(f"the answer is cut off or not well-formed XML: {first}.") from error


def xml_problem(body: bytes) -> str:
    """Explain why a body is no XML; empty if it is."""
    start = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "the answer is empty"
    if start.startswith((b"<!doctype html", b"<html")):
        return "the answer is a web page, not XML"
    if not start.startswith(b"<"):
        return f"the answer is not XML: {clean(start[:80].decode('utf-8', 'replace'))}"
    try:
        xml_of(body)
    except ServiceError as error:
        return error.message.rstrip(".")
    return ""


def read_search(body: bytes) -> SearchAnswer:
    """Read an answer of esearch.

    Raises:
        ServiceError: It is an error or no such answer.
    """
    root = _root(body, "eSearchResult")
    count = root.findtext("Count") or ""
    if not (count.isascii() and count.isdecimal()):
        raise ServiceError("PubMed's answer to a search holds no number of hits.")
    lost = [clean(e.text or "").strip('"') for path in _LOST for e in root.iterfind(path) if (e.text or "").strip()]
    warnings = [f"field {clean(e.text or '')} is not known" for e in root.iterfind("ErrorList/FieldNotFound")]
    warnings += [f"“{clean(e.text or '')}” was ignored" for e in root.iterfind("WarningList/PhraseIgnored")]
    warnings += [clean(e.text or "") for e in root.iterfind("WarningList/OutputMessage")]
    return SearchAnswer(
        total=int(count),
        ids=tuple(clean(e.text or "") for e in root.iterfind("IdList/Id")),
        translation=clean(root.findtext("QueryTranslation") or ""),
        missing=tuple(dict.fromkeys(lost)),
        warnings=tuple(warnings),
        history=_history(root),
    )


def read_post(body: bytes) -> History:
    """Read an answer of epost.

    Raises:
        ServiceError: It is an error or no such answer.
    """
    history = _history(_root(body, "ePostResult"))
    if history is None:
        raise ServiceError("PubMed's answer to a list of ids names no place on its history server.")
    return history


def read_summaries(body: bytes) -> tuple[list[DocumentSummary], dict[str, str]]:
    """Read the summaries of an answer of esummary, and id → error of the documents without one.

    Raises:
        ServiceError: It is an error as a whole or no such answer.
    """
    root = _root(body, "eSummaryResult")
    found, wrong = [], {}
    for element in root.iterfind("DocSum"):
        fields = {e.get("Name", ""): _item(e) for e in element.iterfind("Item")}
        found.append(DocumentSummary(clean(element.findtext("Id") or ""), fields))
    for element in root.iterfind("DocumentSummarySet/DocumentSummary"):
        identifier, error = element.get("uid", ""), element.findtext("error")
        if error:
            wrong[identifier] = clean(error)
        else:
            found.append(
                DocumentSummary(identifier, {str(e.tag): clean(" ".join(map(str, e.itertext()))) for e in element})
            )
    return found, wrong


def read_links(body: bytes) -> dict[str, tuple[str, ...]]:
    """Read an answer of elink: name of a kind of link (`pubmed_pubmed`) → linked ids, in the answer's order.

    Raises:
        ServiceError: It is an error or no such answer.
    """
    root = _root(body, "eLinkResult")
    error = root.findtext("LinkSet/ERROR")
    if error:
        raise ServiceError(f"PubMed gives no links: {clean(error)[:160]}.")
    found: dict[str, tuple[str, ...]] = {}
    for group in root.iterfind("LinkSet/LinkSetDb"):
        name = clean(group.findtext("LinkName") or "")
        ids = tuple(clean(e.text or "") for e in group.iterfind("Link/Id"))
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *ids)))
    return found


def read_spelling(body: bytes) -> str:
    """Read espell's spelling of a query; empty if it has no suggestion.

    Raises:
        ServiceError: It is an error or no such answer.
    """
    return clean(_root(body, "eSpellResult").findtext("CorrectedQuery") or "")


def _root(body: bytes, name: str) -> _Element:
    if problem := xml_problem(body):
        raise ServiceError(f"PubMed gave no usable answer: {problem}.")
    root = xml_of(body)
    if root.tag != name:
        raise ServiceError(f"PubMed answered with <{clean(str(root.tag))[:40]}> in the place of <{name}>.")
    error = clean(root.findtext("ERROR") or "")
    if error:
        raise ServiceError(f"PubMed answers with an error: {error[:160]}.")
    return root


def _history(root: _Element) -> History | None:
    place, key = clean(root.findtext("WebEnv") or ""), clean(root.findtext("QueryKey") or "")
    return History(place, key) if place and key else None


def _item(element: _Element) -> str:
    inner = [_item(e) for e in element.iterfind("Item")]
    return "; ".join(filter(None, inner)) if inner else clean(element.text or "")
