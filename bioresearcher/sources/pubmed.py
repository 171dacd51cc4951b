"""PubMed through NCBI's E-utilities, and full text from PubMed Central: esearch, efetch.

E-utilities are described in "Entrez Programming Utilities Help" (NCBI Bookshelf, NBK25501).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bioresearcher.library.canonical import UnreadablePaper, clean
from bioresearcher.library.jats import read_jats
from bioresearcher.library.records import record_document
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document
from bioresearcher.sources.base import Hits
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.pubmed_record import read_record
from bioresearcher.sources.pubmed_stream import records_of

if TYPE_CHECKING:
    from lxml.etree import _Element

BATCH: Final = 200
"""Records asked for at once; E-utilities want more than 200 ids by POST."""
LONG_QUERY: Final = 1_500
_SEARCH_BYTES: Final = 4 << 20
_RECORD_BYTES: Final = 64 << 20
_FULLTEXT_BYTES: Final = 48 << 20


class PubMed:
    """PubMed; `parameters` go along with every request (`tool`, `email`, `api_key`)."""

    name: Final = "pubmed"

    def __init__(self, http: Http, eutils: str, parameters: Mapping[str, str]) -> None:
        self._http = http
        self._eutils = eutils.rstrip("/")
        self._parameters = dict(parameters)
        self._known: dict[str, Paper] = {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host that is asked."""
        return (urlsplit(self._eutils).netloc,)

    async def search(self, query: str, limit: int) -> Hits:
        """The papers that answer a query, by PubMed's own relevance, and how it was understood.

        Raises:
            OutsideError: PubMed cannot be reached or its answer cannot be used.
        """
        asked = {"db": "pubmed", "term": query, "retmax": str(max(0, limit)), "retmode": "xml", "sort": "relevance"}
        root = _xml(await self._asked("esearch", asked, kind="search", most=_SEARCH_BYTES))
        count = root.findtext("Count")
        error = root.findtext("ERROR")
        if error or count is None or not count.isdecimal():
            raise ServiceError(f"PubMed could not search for {query[:80]!r}: {clean(error or 'no count')[:160]}.")
        pmids = [e.text or "" for e in root.iterfind("IdList/Id")][: max(0, limit)]
        papers = await self.papers(pmids)
        return Hits(
            tuple(papers[p] for p in pmids if p in papers),
            int(count),
            clean(root.findtext("QueryTranslation") or ""),
            tuple(_warnings(root)),
            tuple(dict.fromkeys(_missing(root))),
        )

    async def papers(self, pmids: Iterable[str], *, kind: str = "record") -> dict[str, Paper]:
        """PMID → record of those that PubMed has."""
        wanted = [p for p in dict.fromkeys(pmids) if re.fullmatch(r"[1-9]\d{0,8}", p)]
        found = {p: self._known[p] for p in wanted if p in self._known and kind == "record"}
        missing = [p for p in wanted if p not in found]
        for start in range(0, len(missing), BATCH):
            asked = {"db": "pubmed", "id": ",".join(missing[start : start + BATCH]), "retmode": "xml"}
            body = await self._asked("efetch", asked, kind=kind, most=_RECORD_BYTES)
            for paper in _records(body):
                found[paper.pmid or ""] = self._known[paper.pmid or ""] = paper
        return found

    async def recheck(self, papers: Sequence[Paper]) -> list[Paper]:
        """The papers PubMed has by PMID, with what it says of retraction now.

        Raises:
            OutsideError: PubMed cannot be reached.
        """
        known = await self.papers((p.pmid for p in papers if p.pmid), kind="status")
        return [
            p.model_copy(update={"status": known[p.pmid].status, "notices": known[p.pmid].notices})
            for p in papers
            if p.pmid in known
        ]

    async def full_text(self, paper: Paper) -> Document | None:
        """The article's JATS from PubMed Central's open-access part; None when it has none.

        Raises:
            OutsideError: It cannot be reached.
        """
        if not paper.pmcid:
            return None
        asked = {"db": "pmc", "id": paper.pmcid.removeprefix("PMC"), "retmode": "xml"}
        body = await self._asked("efetch", asked, kind="fulltext", most=_FULLTEXT_BYTES)
        return jats_document(body, paper)

    async def fetch(self, paper_id: str) -> Document:
        """Full text where PubMed Central has it, else title and abstract.

        Raises:
            UnreadablePaper: PubMed has no such paper, or nothing of it can be read.
            OutsideError: It cannot be reached.
        """
        pmid = paper_id.removeprefix("PMID")
        paper = (await self.papers([pmid])).get(pmid)
        if paper is None:
            raise UnreadablePaper(f"PubMed has no {clean(paper_id)[:80]}.")
        return await self.full_text(paper) or record_document(paper)

    async def _asked(self, tool: str, asked: Mapping[str, str], *, kind: str, most: int) -> bytes:
        url = f"{self._eutils}/{tool}.fcgi"
        full = {**self._parameters, **asked}
        if sum(map(len, asked.values())) > LONG_QUERY:
            answer = await self._http.post(url, full, kind=kind, max_bytes=most, wrong=no_xml)
        else:
            answer = await self._http.get(url, full, kind=kind, max_bytes=most, wrong=no_xml)
        return answer.body


def no_xml(body: bytes) -> str:
    """What makes a body useless as XML; empty when nothing does."""
    start = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "the answer is empty"
    if start.startswith((b"<!doctype html", b"<html")):
        return "the answer is a web page, not XML"
    if not start.startswith(b"<"):
        return f"the answer is not XML: {clean(start[:80].decode('utf-8', 'replace'))}"
    try:
        _xml(body)
    except ServiceError as error:
        return error.message.rstrip(".")
    return ""


def jats_document(body: bytes, paper: Paper) -> Document | None:
    """The article as a document of this paper; None where the answer holds no text of it, as for a closed article."""
    try:
        _, document = read_jats(body, sha256=hashlib.sha256(body).hexdigest(), source=paper.source)
    except UnreadablePaper:
        return None
    has_body = any(s.kind not in ("title", "abstract", "front", "references") for s in document.sections)
    return document.model_copy(update={"id": paper.id}) if has_body else None


def _xml(body: bytes) -> _Element:
    """The root of an answer, parsed without entities, DTD or network.

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


def _records(body: bytes) -> list[Paper]:
    found = []
    try:
        for element in records_of(io.BytesIO(body)):
            try:
                paper = read_record(element, source=PubMed.name, path="", sha256="").paper
            except UnreadablePaper:
                continue  # a book chapter, or a record without title: nothing to read
            status = "ok" if paper.status == "unknown" else paper.status
            found.append(paper.model_copy(update={"path": None, "sha256": None, "status": status}))
    except UnreadablePaper as error:
        raise ServiceError(f"PubMed's records cannot be read: {error.message}") from error
    return found


def _missing(root: _Element) -> list[str]:
    lists = ("ErrorList/PhraseNotFound", "WarningList/QuotedPhraseNotFound", "WarningList/PhraseNotFound")
    return [clean(e.text or "").strip('"') for path in lists for e in root.iterfind(path) if (e.text or "").strip()]


def _warnings(root: _Element) -> list[str]:
    said = [f"field {clean(e.text or '')} is not known" for e in root.iterfind("ErrorList/FieldNotFound")]
    said += [f"“{clean(e.text or '')}” was ignored" for e in root.iterfind("WarningList/PhraseIgnored")]
    return said + [clean(e.text or "") for e in root.iterfind("WarningList/OutputMessage")]
