"""PubMed through NCBI's E-utilities: esearch with the history server, efetch in batches, esummary, elink, espell.

E-utilities are described in "Entrez Programming Utilities Help" (NCBI Bookshelf, NBK25501).
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.identifiers import Identifiers, record_document
from bioresearcher.papers.notices import as_recorded
from bioresearcher.schemas.paper import Document, Paper
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.literature.eutils import (
    DocumentSummary,
    History,
    SearchAnswer,
    read_links,
    read_search,
    read_spelling,
    read_summaries,
    xml_problem,
)
from bioresearcher.sources.literature.pmc import Pmc
from bioresearcher.sources.protocols import Hits
from bioresearcher.sources.pubmed_offline.records import read_record, records_of

BATCH: Final = 200
"""Records per request; E-utilities want more than 200 ids by POST."""
PAGE: Final = 1_000
"""Ids per request of a search; PubMed gives at most 9,999 in all."""
MOST_IDS: Final = 9_999
LONG_QUERY: Final = 1_500
_SEARCH_BYTES: Final = 4 << 20
_RECORD_BYTES: Final = 64 << 20
_WAYS: Final = 2
"""Batches in flight; the limiter of the host spaces them."""


class PubMed:
    """Source of papers; `parameters` are part of every request (`tool`, `email`, `api_key`)."""

    name: Final = "pubmed"

    def __init__(self, http: Http, eutils: str, parameters: Mapping[str, str], pmc: Pmc | None = None) -> None:
        self._http = http
        self._eutils = eutils.rstrip("/")
        self._parameters = dict(parameters)
        self._pmc = pmc or Pmc(http, eutils, parameters)
        self._known: dict[str, Paper] = {}
        self._ways = asyncio.Semaphore(_WAYS)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host that is asked."""
        return (urlsplit(self._eutils).netloc,)

    async def search(self, query: str, limit: int) -> Hits:
        """Find the papers that match a query by PubMed's own relevance, with the translation of the query.

        Raises:
            OutsideError: PubMed cannot be reached or its answer cannot be used.
        """
        found = await self._found(query, min(max(0, limit), MOST_IDS))
        if found.history is not None:
            with suppress(ServiceError):  # records that it does not give are fetched by id below
                await self._from_history(found.history, len(found.ids))
        papers = await self.papers(found.ids)
        warnings = list(found.warnings)
        if unread := [p for p in found.ids if p not in papers]:
            warnings.append(f"{len(unread)} records could not be read: {', '.join(unread[:10])}")
        if found.total == 0 and found.missing:
            with suppress(ServiceError):
                warnings += [f"PubMed would write “{w}”" for w in [await self.spelled(query)] if w]
        hits = tuple(papers[p] for p in found.ids if p in papers)
        return Hits(hits, found.total, found.translation, tuple(warnings), found.missing)

    async def _found(self, query: str, limit: int) -> SearchAnswer:
        """List the first `limit` ids of a search, page by page, each once; a total that changes is a warning."""
        first = await self._page(query, 0, min(PAGE, limit), history=limit > BATCH)
        ids, warnings = list(first.ids), list(first.warnings)
        start = PAGE
        while start < min(limit, first.total):
            page = await self._page(query, start, min(PAGE, limit - start))
            if page.total != first.total:
                warnings.append(f"hits changed from {first.total:,} to {page.total:,} while they were listed")
            if not page.ids:
                break
            ids += page.ids
            start += PAGE
        unique = tuple(dict.fromkeys(ids))[:limit]
        history = first.history if len(unique) > BATCH else None
        return replace(first, ids=unique, warnings=tuple(dict.fromkeys(warnings)), history=history)

    async def _page(self, query: str, start: int, size: int, *, history: bool = False) -> SearchAnswer:
        asked = {"db": "pubmed", "term": query, "retmax": str(size), "retmode": "xml", "sort": "relevance"}
        asked |= ({"retstart": str(start)} if start else {}) | ({"usehistory": "y"} if history else {})
        try:
            return read_search(await self._asked("esearch", asked, kind="search", most=_SEARCH_BYTES))
        except ServiceError as error:
            if error.status is not None or "PubMed" not in error.message:
                raise
            raise ServiceError(f"{error.message.rstrip('.')} (searched for {query[:80]!r}).") from error

    async def _from_history(self, history: History, number: int) -> None:
        """Fetch the records of a search from the history server, without sending ids."""

        async def batch(start: int) -> None:
            asked = {"db": "pubmed", "WebEnv": history.web_env, "query_key": history.query_key, "retmode": "xml"}
            asked |= {"retstart": str(start), "retmax": str(min(BATCH, number - start))}
            async with self._ways:
                body = await self._asked("efetch", asked, kind="record", most=_RECORD_BYTES)
            self._known |= {p.pmid or "": p for p in _records(body)}

        await asyncio.gather(*(batch(start) for start in range(0, number, BATCH)))

    async def summaries(self, pmids: Iterable[str]) -> tuple[list[DocumentSummary], dict[str, str]]:
        """Fetch short summaries of papers (title, date, journal, ids), and PMID → error of those without one.

        Raises:
            OutsideError: PubMed cannot be reached or its answer cannot be used.
        """
        wanted = _pmids(pmids)
        found: list[DocumentSummary] = []
        wrong: dict[str, str] = {}
        for start in range(0, len(wanted), BATCH):
            asked = {"db": "pubmed", "id": ",".join(wanted[start : start + BATCH]), "retmode": "xml"}
            some, errors = read_summaries(await self._asked("esummary", asked, kind="record", most=_RECORD_BYTES))
            found += some
            wrong |= errors
        return found, wrong

    async def linked(self, pmid: str, name: str = "pubmed_pubmed") -> tuple[str, ...]:
        """List ids linked to a paper, closest first: `pubmed_pubmed` similar papers, `pubmed_pmc` its article in PMC.

        Raises:
            OutsideError: PubMed cannot be reached or its answer cannot be used.
        """
        asked = {"dbfrom": "pubmed", "db": name.partition("_")[2], "linkname": name, "id": pmid, "retmode": "xml"}
        links = read_links(await self._asked("elink", asked, kind="record", most=_SEARCH_BYTES))
        return tuple(i for i in links.get(name, ()) if i != pmid)

    async def spelled(self, query: str) -> str:
        """Ask for PubMed's spelling of a query; empty if it is the same.

        Raises:
            OutsideError: PubMed cannot be reached or its answer cannot be used.
        """
        body = await self._asked("espell", {"db": "pubmed", "term": query}, kind="search", most=_SEARCH_BYTES)
        spelling = read_spelling(body)
        return "" if spelling.casefold() == query.casefold() else spelling

    async def papers(self, pmids: Iterable[str], *, kind: str = "record") -> dict[str, Paper]:
        """Fetch the records that PubMed has, by PMID."""
        wanted = _pmids(pmids)
        found = {p: self._known[p] for p in wanted if p in self._known and kind == "record"}
        missing = [p for p in wanted if p not in found]

        async def batch(some: Sequence[str]) -> None:
            asked = {"db": "pubmed", "id": ",".join(some), "retmode": "xml"}
            async with self._ways:
                body = await self._asked("efetch", asked, kind=kind, most=_RECORD_BYTES)
            for paper in _records(body):
                found[paper.pmid or ""] = self._known[paper.pmid or ""] = paper

        await asyncio.gather(*(batch(missing[n : n + BATCH]) for n in range(0, len(missing), BATCH)))
        return found

    async def recheck(self, papers: Sequence[Paper]) -> list[Paper]:
        """Return the papers PubMed has by PMID, with their current status and notices.

        Raises:
            OutsideError: PubMed cannot be reached.
        """
        known = await self.papers((p.pmid for p in papers if p.pmid), kind="status")
        return [as_recorded(p, known[p.pmid]) for p in papers if p.pmid in known]

    async def full_text(self, paper: Paper) -> Document | None:
        """Fetch the article's JATS from PubMed Central's open-access part; None if it has none.

        Raises:
            OutsideError: It cannot be reached.
        """
        return await self._pmc.full_text(paper)

    async def fetch(self, paper_id: str) -> Document:
        """Fetch full text if PubMed Central has it, else title and abstract.

        Raises:
            UnreadablePaper: PubMed has no such paper, or nothing of it can be read.
            OutsideError: It cannot be reached.
        """
        pmid = paper_id.removeprefix("PMID").lstrip(": ")
        if Identifiers.of(doi=pmid).doi:
            raise UnreadablePaper(
                f"{clean(paper_id)[:80]} is a DOI, not a PMID.", hint="Search for it with [doi] behind it."
            )
        paper = (await self.papers([pmid])).get(pmid)
        if paper is None:
            raise UnreadablePaper(f"PubMed has no {clean(paper_id)[:80]}.", hint="Check the PMID.")
        return await self.full_text(paper) or record_document(paper)

    async def _asked(self, tool: str, asked: Mapping[str, str], *, kind: str, most: int) -> bytes:
        url = f"{self._eutils}/{tool}.fcgi"
        full = {**self._parameters, **asked}
        if sum(map(len, asked.values())) > LONG_QUERY:
            answer = await self._http.post(url, full, kind=kind, max_bytes=most, problem_of=xml_problem)
        else:
            answer = await self._http.get(url, full, kind=kind, max_bytes=most, problem_of=xml_problem)
        return answer.body


def _pmids(texts: Iterable[str]) -> list[str]:
    return [p for p in dict.fromkeys(texts) if re.fullmatch(r"[1-9][0-9]{0,8}", p)]


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
