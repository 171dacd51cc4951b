"""PubMed's XML, read record by record: the papers, and the words by which each is found, field by field.

The files are NLM's baseline and update files, answers of efetch, and what PubMed saves as XML; plain or gzipped.
Elements are described in NLM's "MEDLINE/PubMed XML Data Elements". The input is hostile: no DTD is loaded, a file that
declares entities is refused, nothing is fetched, the unpacked size is bounded, and memory does not grow with the file.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.identifiers import Identifiers, paper_id
from bioresearcher.papers.markup import inline, unescaped
from bioresearcher.papers.notices import targets_of
from bioresearcher.schemas.paper import Notice, NoticeKind, NoticeTarget, Paper, Status

if TYPE_CHECKING:
    from lxml.etree import _Element


MAX_UNPACKED: Final = 8_000_000_000
MAX_RECORD: Final = 32_000_000
"""Most bytes of a record; the largest real ones (thousands of authors) have about 3 MB."""
ROOTS: Final = frozenset(["PubmedArticleSet", "MedlineCitationSet"])
RECORDS: Final = ("PubmedArticle", "MedlineCitation", "DeleteCitation", "PubmedBookArticle")
_DOWNLOAD: Final = "Download it again; nothing of it is used."
_YEAR: Final = re.compile(r"\b(1[6-9]\d\d|20\d\d)\b")
_DOI: Final = re.compile(r"10\.[0-9]{4,9}/\S+")
_NOTICES: Final = {"RetractionIn": "retraction", "ExpressionOfConcernIn": "concern", "ErratumIn": "correction"}
_NOTICE_OF: Final[dict[str, tuple[NoticeKind, str]]] = {
    "Retraction Notice": ("retraction", "RetractionOf"),
    "Retraction of Publication": ("retraction", "RetractionOf"),
    "Expression of Concern": ("concern", "ExpressionOfConcernFor"),
    "Published Erratum": ("correction", "ErratumFor"),
}
"""Publication types of notices, with the kind of reference by which they name their paper."""
_STATUS: Final[tuple[tuple[Status, str, str], ...]] = (
    ("retracted", "RetractionIn", "Retracted Publication"),
    ("concern", "ExpressionOfConcernIn", ""),
    ("corrected", "ErratumIn", ""),
)


@dataclass(frozen=True, slots=True)
class Record:
    """Record for the index; the fields hold plain words, several values joined by ` | `."""

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
    """List the PMIDs that a `DeleteCitation` withdraws."""
    return [int(text) for e in element.iter("PMID") if (text := (e.text or "").strip()).isascii() and text.isdigit()]


def read_record(element: _Element, *, source: str, path: str, sha256: str) -> Record:
    """Read a `PubmedArticle` or `MedlineCitation` element.

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
        notice_of=_notice_of(citation, types),
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
    """The text of an element with its markup made readable; entities that were escaped twice are resolved."""
    return clean(unescaped(inline(element, skip=frozenset())))


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
    """Format a name for PubMed's author field: `Last Initials | Last Fore`."""
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
    """Yield a paragraph for each part, `LABEL: text` if it has a label."""
    for part in article.iterfind("Abstract/AbstractText"):
        text, label = _all(part), clean(part.get("Label", ""))
        if text:
            yield f"{label}: {text}" if label and label != "UNLABELLED" else text


def _notices(citation: _Element, source: str) -> Iterator[Notice]:
    """Yield the retractions, concerns and corrections of a paper, with the notice's PMID if it is given."""
    for element in citation.iterfind("CommentsCorrectionsList/CommentsCorrections"):
        what = _NOTICES.get(element.get("RefType", ""))
        if what:
            pmid = Identifiers.of(pmid=_text(element, "PMID")).pmid
            date = _YEAR.search(_text(element, "RefSource"))
            yield Notice.model_validate(
                {"what": what, "pmid": pmid, "date": date[1] if date else None, "source": source}
            )


def _notice_of(citation: _Element, types: list[str]) -> tuple[NoticeTarget, ...]:
    """The papers that a record retracts, doubts or corrects, if it is such a notice."""
    kind, reference = next((_NOTICE_OF[t] for t in types if t in _NOTICE_OF), (None, ""))
    if kind is None:
        return ()
    path = "CommentsCorrectionsList/CommentsCorrections"
    named = [e for e in citation.iterfind(path) if e.get("RefType") == reference]
    found = (
        Identifiers.of(pmid=_text(e, "PMID"), doi=doi[0] if (doi := _DOI.search(_text(e, "RefSource"))) else None)
        for e in named
    )
    return targets_of(kind, list(found))


def _status(citation: _Element, types: list[str]) -> Status:
    kinds = {e.get("RefType", "") for e in citation.iterfind("CommentsCorrectionsList/CommentsCorrections")}
    for status, reference, kind in _STATUS:
        if reference in kinds or (kind and kind in types):
            return status
    return "unknown"  # a file does not know what happened after it was written


class _Reader:
    """Reader of the unpacked bytes that counts them, so that no record can fill the memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.total = 0
        self.since_record = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(1 << 16 if size < 0 else size)
        self.total += len(data)
        self.since_record += len(data)
        if self.total > MAX_UNPACKED:
            raise UnreadablePaper(f"unpacked it has more than {MAX_UNPACKED / 1e9:.0f} GB.")
        if self.since_record > MAX_RECORD:
            raise UnreadablePaper(f"a single record in it has more than {MAX_RECORD / 1e6:.0f} MB.")
        return data


def read_records(path: Path) -> Iterator[_Element]:
    """Yield the file's records in their order: `PubmedArticle`, `PubmedBookArticle` and `DeleteCitation` elements.

    An element is emptied when the next one is asked for, so take what is needed from it first. A bare
    `MedlineCitation` counts as a record in files whose root is `MedlineCitationSet`.

    Raises:
        UnreadablePaper: It is no PubMed XML, is cut off, damaged, or larger than the limits. Records were given before
            that was noticed: what was made of them must be thrown away.
    """
    with _errors(), _opened(path) as file:
        _check_beginning(file)
        yield from _elements(_Reader(file))


def records_of(file: IO[bytes]) -> Iterator[_Element]:
    """Yield the records of an open file or an answer in memory, like `read_records`.

    Raises:
        UnreadablePaper: As there.
    """
    with _errors():
        _check_beginning(file)
        yield from _elements(_Reader(file))


def file_digest(path: Path) -> str:
    """Return the sha256 of the file as it is (packed), in hex.

    Raises:
        UnreadablePaper: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadablePaper(f"it cannot be opened: {error.strerror or error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if packed:
            with cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) as file:  # reads bytes as any binary file does
                yield file
        else:
            yield raw


@contextmanager
def _errors() -> Iterator[None]:
    """Turn errors of reading into `UnreadablePaper` with one line."""
    from lxml import etree

    try:
        yield
    except EOFError as error:
        raise UnreadablePaper("it is cut off: the compressed data end too early.", hint=_DOWNLOAD) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadablePaper("its compressed data are damaged.", hint=_DOWNLOAD) from error
    except etree.XMLSyntaxError as error:
        first = clean(str(error).splitlines()[0] if str(error) else "syntax error")[:160]
        raise UnreadablePaper(f"it is cut off or not well-formed XML: {first}.", hint=_DOWNLOAD) from error
    except OSError as error:
        raise UnreadablePaper(f"it cannot be read: {error.strerror or error}.") from error


def _check_beginning(file: IO[bytes]) -> None:
    head = file.read(2_048)
    file.seek(0)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise UnreadablePaper("the file is empty.", hint=_DOWNLOAD)
    if b"<html" in head.lower() or start[:14].lower().startswith(b"<!doctype html"):
        raise UnreadablePaper("it is a web page, not PubMed XML.", hint="Download the file itself.")
    if not start.startswith(b"<"):
        raise UnreadablePaper("it is not XML.", hint="Give PubMed's XML (.xml or .xml.gz).")


def _elements(reader: _Reader) -> Iterator[_Element]:
    from lxml import etree

    context = etree.iterparse(
        reader,
        events=("start", "end"),
        tag=(*ROOTS, *RECORDS),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    seen = False
    for event, element in context:
        if event == "start":
            if element.getparent() is None:
                _refuse_entities(element)
                seen = True
            continue
        if element.tag in RECORDS and element.getparent() is not None and element.getparent().tag in ROOTS:
            yield element
            reader.since_record = 0
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    if not seen:
        root = context.root
        name = str(root.tag)[:40] if root is not None else "nothing"
        raise UnreadablePaper(f"its root element is <{name}>, which is no PubMed XML.", hint="Give PubMed's XML.")


def _refuse_entities(root: _Element) -> None:
    declared: Any = root.getroottree().docinfo.internalDTD  # its declared type lacks `iterentities`
    if declared is not None and next(declared.iterentities(), None) is not None:
        raise UnreadablePaper("it declares entities of its own, which no file of PubMed does.")
