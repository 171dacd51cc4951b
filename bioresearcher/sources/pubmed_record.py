"""One PubMed record: the paper it describes, and the words by which it is found, field by field.

Elements are described in NLM's "MEDLINE/PubMed XML Data Elements".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bioresearcher.library.canonical import UnreadablePaper, clean
from bioresearcher.library.identifiers import Identifiers, paper_id
from bioresearcher.schemas.paper import Notice, Paper

if TYPE_CHECKING:
    from lxml.etree import _Element

Status = Literal["ok", "retracted", "concern", "corrected", "unknown"]

_YEAR: Final = re.compile(r"\b(1[6-9]\d\d|20\d\d)\b")
_STATUS: Final[tuple[tuple[Status, str, str], ...]] = (
    ("retracted", "RetractionIn", "Retracted Publication"),
    ("concern", "ExpressionOfConcernIn", ""),
    ("corrected", "ErratumIn", ""),
)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is indexed; the fields hold plain words, several values joined by ` | `."""

    pmid: int
    version: int
    paper: Paper
    mesh: str
    major: str
    keywords: str
    substances: str
    authors: str
    journal: str
    types: str
    language: str
    year: str


def deleted(element: _Element) -> list[int]:
    """The PMIDs that a `DeleteCitation` withdraws."""
    return [int(text) for e in element.iter("PMID") if (text := (e.text or "").strip()).isascii() and text.isdigit()]


def read_record(element: _Element, *, source: str, path: str, sha256: str) -> Record:
    """A `PubmedArticle` or `MedlineCitation` element.

    Raises:
        UnreadablePaper: It has no PMID or no title.
    """
    citation = element if element.tag == "MedlineCitation" else element.find("MedlineCitation")
    article = citation.find("Article") if citation is not None else None
    identifier = citation.find("PMID") if citation is not None else None
    pmid = (identifier.text or "").strip() if identifier is not None else ""
    if citation is None or article is None or identifier is None or not re.fullmatch(r"[1-9][0-9]{0,8}", pmid):
        raise UnreadablePaper("a record without PMID or article.")
    title = _text(article, "ArticleTitle").strip("[]") or _text(article, "VernacularTitle")
    if not title:
        raise UnreadablePaper(f"PMID {pmid}: a record without title.")
    found = _identifiers(element, article, pmid)
    types = [_all(e) for e in article.iterfind("PublicationTypeList/PublicationType")]
    year = _year(article)
    paper = Paper(
        id=paper_id(found, ""),
        title=title,
        authors=tuple(filter(None, map(_author, article.iterfind("AuthorList/Author")))),
        year=int(year) if year else None,
        journal=_text(article, "Journal/Title") or None,
        pmid=found.pmid,
        pmcid=found.pmcid,
        doi=found.doi,
        abstract="\n".join(_abstract(article)),
        source=source,
        kind="record",
        path=path,
        sha256=sha256,
        publication_types=tuple(types),
        languages=tuple(filter(None, map(_all, article.iterfind("Language")))),
        status=_status(citation, types),
        notices=tuple(_notices(citation, source)),
    )
    headings = list(citation.iterfind("MeshHeadingList/MeshHeading"))
    return Record(
        pmid=int(pmid),
        version=int(identifier.get("Version", "1")) if identifier.get("Version", "1").isdecimal() else 1,
        paper=paper,
        mesh=_joined(e for h in headings for e in h),
        major=_joined(h for heading in headings for h in heading if h.get("MajorTopicYN") == "Y"),
        keywords=_joined(citation.iterfind("KeywordList/Keyword")),
        substances=_joined(citation.iterfind("ChemicalList/Chemical/NameOfSubstance")),
        authors=" | ".join(map(_indexed_name, article.iterfind("AuthorList/Author"))),
        journal=_joined(e for p in ("Journal/Title", "Journal/ISOAbbreviation") for e in article.iterfind(p))
        + " | "
        + _text(citation, "MedlineJournalInfo/MedlineTA"),
        types=" | ".join(types),
        language=_joined(article.iterfind("Language")),
        year=year,
    )


def _all(element: _Element) -> str:
    return clean("".join(str(t) for t in element.itertext()))


def _text(element: _Element, path: str) -> str:
    found = element.find(path)
    return _all(found) if found is not None else ""


def _joined(elements: Iterator[_Element]) -> str:
    return " | ".join(filter(None, map(_all, elements)))


def _identifiers(element: _Element, article: _Element, pmid: str) -> Identifiers:
    listed = {e.get("IdType", ""): e.text or "" for e in element.iterfind("PubmedData/ArticleIdList/ArticleId")}
    located = [e.text or "" for e in article.iterfind("ELocationID") if e.get("EIdType") == "doi"]
    return Identifiers.of(pmid=pmid, pmcid=listed.get("pmc"), doi=listed.get("doi") or next(iter(located), None))


def _author(author: _Element) -> str:
    collective = _text(author, "CollectiveName")
    parts = (_text(author, "ForeName") or _text(author, "Initials"), _text(author, "LastName"), _text(author, "Suffix"))
    return collective or " ".join(filter(None, parts))


def _indexed_name(author: _Element) -> str:
    """`Last Initials | Last Fore`, as PubMed's author field is asked."""
    last = _text(author, "LastName")
    if not last:
        return _text(author, "CollectiveName")
    return f"{last} {_text(author, 'Initials')} | {last} {_text(author, 'ForeName')}"


def _year(article: _Element) -> str:
    for path in ("Journal/JournalIssue/PubDate/Year", "Journal/JournalIssue/PubDate/MedlineDate", "ArticleDate/Year"):
        found = _YEAR.search(_text(article, path))
        if found:
            return found[1]
    return ""


def _abstract(article: _Element) -> Iterator[str]:
    """A paragraph for each part, `LABEL: text` where it has a label."""
    for part in article.iterfind("Abstract/AbstractText"):
        text, label = _all(part), clean(part.get("Label", ""))
        if text:
            yield f"{label}: {text}" if label and label != "UNLABELLED" else text


def _notices(citation: _Element, source: str) -> Iterator[Notice]:
    """What was published about the paper, each with the notice's PMID where it is given."""
    whats = {"RetractionIn": "retraction", "ExpressionOfConcernIn": "concern", "ErratumIn": "correction"}
    for element in citation.iterfind("CommentsCorrectionsList/CommentsCorrections"):
        what = whats.get(element.get("RefType", ""))
        if what:
            pmid = Identifiers.of(pmid=_text(element, "PMID")).pmid
            date = _YEAR.search(_text(element, "RefSource"))
            yield Notice.model_validate(
                {"what": what, "pmid": pmid, "date": date[1] if date else None, "source": source}
            )


def _status(citation: _Element, types: list[str]) -> Status:
    said = {e.get("RefType", "") for e in citation.iterfind("CommentsCorrectionsList/CommentsCorrections")}
    for status, reference, kind in _STATUS:
        if reference in said or (kind and kind in types):
            return status
    return "unknown"  # a file says nothing of what happened after it was written
