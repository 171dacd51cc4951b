"""Europe PMC: papers and preprints found by query, and open full text as JATS (Europe PMC RESTful Web Service 6.9)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.identifiers import Identifiers, paper_id, record_document
from bioresearcher.papers.markup import markup_line, markup_lines
from bioresearcher.papers.notices import as_recorded, targets_of
from bioresearcher.schemas.paper import Document, Notice, NoticeKind, NoticeTarget, Paper
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.literature.crossref import status_from
from bioresearcher.sources.literature.eutils import xml_problem
from bioresearcher.sources.literature.pmc import jats_document
from bioresearcher.sources.protocols import Hits

PAGE: Final = 100
_SEARCH_BYTES: Final = 32 << 20
_FULLTEXT_BYTES: Final = 48 << 20
_FIELDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("title", "ti"), "TITLE"),
    **dict.fromkeys(("title/abstract", "tiab"), "TITLE_ABS"),
    **dict.fromkeys(("publication type", "pt"), "PUB_TYPE"),
    **dict.fromkeys(("author", "au"), "AUTH"),
    **dict.fromkeys(("pmid", "uid"), "EXT_ID"),
    **dict.fromkeys(("doi", "aid"), "DOI"),
    "abstract": "ABSTRACT",
    "journal": "JOURNAL",
    "pmcid": "PMCID",
    "language": "LANG",
}
"""PubMed's tags and the same fields here; terms with other tags, as headings, are searched in all fields."""
_TERM: Final = re.compile(r'("[^"]*"|[^\s()\[\]"]+)\s*\[([^\]]*)\]')
_NOTICE_OF: Final[dict[str, NoticeKind]] = {
    "retraction of publication": "retraction",
    "retraction notice": "retraction",
    "expression of concern": "concern",
    "published erratum": "correction",
    "correction": "correction",
}
_OF: Final = ("retraction of", "erratum for", "expression of concern for", "correction for")
_NOTICES: Final = {"retraction in": "retraction", "expression of concern in": "concern", "erratum in": "correction"}


class EuropePmc:
    """Source of papers, preprints, their status and open full text."""

    name: Final = "europepmc"

    def __init__(self, http: Http, base_url: str, email: str = "") -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._email = {"email": email} if email else {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host that is asked."""
        return (urlsplit(self._base).netloc,)

    async def search(self, query: str, limit: int) -> Hits:
        """Find the papers and preprints that match a query with PubMed's tags, by the service's own relevance.

        Raises:
            OutsideError: The service cannot be reached or its answer cannot be used.
        """
        asked = europepmc_query(query)
        papers: list[Paper] = []
        cursor, total = "*", 0
        while len(papers) < limit or cursor == "*":
            page = await self._page(asked, cursor, min(PAGE, max(1, limit)))
            total = int(page.get("hitCount") or 0)
            rows = _rows(page)
            papers += [p for p in map(_paper, rows) if p is not None]
            following = page.get("nextCursorMark")
            if not rows or not following or following == cursor:
                break
            cursor = str(following)
        warnings = () if asked == query else ("headings are looked for as words",)
        return Hits(tuple(papers[: max(0, limit)]), total, asked, warnings if "[mesh" in query.lower() else ())

    async def recheck(self, papers: Sequence[Paper]) -> list[Paper]:
        """Return the papers it has by PMID or DOI, with their current status and notices.

        Raises:
            OutsideError: The service cannot be reached.
        """
        found = []
        for start in range(0, len(papers), 20):
            some = [p for p in papers[start : start + 20] if p.pmid or p.doi]
            named = [f"(EXT_ID:{p.pmid} AND SRC:MED)" if p.pmid else f'DOI:"{p.doi}"' for p in some]
            if not named:
                continue
            page = await self._page(" OR ".join(named), "*", PAGE, kind="status")
            rows = [p for p in map(_paper, _rows(page)) if p is not None]
            for paper in some:
                known = next(
                    (r for r in rows if (r.pmid and r.pmid == paper.pmid) or (r.doi and r.doi == paper.doi)), None
                )
                if known is not None:
                    found.append(as_recorded(paper, known))
        return found

    async def full_text(self, paper: Paper) -> Document | None:
        """Fetch the article's JATS; None if it is not open.

        Raises:
            OutsideError: The service cannot be reached.
        """
        if not paper.pmcid:
            return None
        url = f"{self._base}/{paper.pmcid}/fullTextXML"
        try:
            answer = await self._http.get(
                url, self._email, kind="fulltext", max_bytes=_FULLTEXT_BYTES, problem_of=xml_problem
            )
        except ServiceError as error:
            if error.status == 404:
                return None
            raise
        return jats_document(answer.body, paper)

    async def fetch(self, paper_id: str) -> Document:
        """Fetch open full text, else title and abstract, of a paper named by PMID or PMC id.

        Raises:
            UnreadablePaper: There is no such paper, or nothing of it can be read.
            OutsideError: The service cannot be reached.
        """
        known = Identifiers.of(
            pmid=paper_id if paper_id.startswith("PMID") else None,
            pmcid=paper_id if paper_id.startswith("PMC") else None,
        )
        query = f"EXT_ID:{known.pmid}" if known.pmid else f"PMCID:{known.pmcid}" if known.pmcid else ""
        rows = (await self.search(query, 1)).papers if query else ()
        if not rows:
            raise UnreadablePaper(f"Europe PMC has no {clean(paper_id)[:80]}.")
        return await self.full_text(rows[0]) or record_document(rows[0])

    async def _page(self, query: str, cursor: str, size: int, kind: str = "search") -> dict[str, Any]:
        asked = {"query": query, "format": "json", "resultType": "core", "pageSize": str(size), "cursorMark": cursor}
        url = f"{self._base}/search"
        full = {**asked, **self._email}
        answer = await self._http.get(url, full, kind=kind, max_bytes=_SEARCH_BYTES, problem_of=_page_problem)
        page: dict[str, Any] = json.loads(answer.body)
        return page


def europepmc_query(query: str) -> str:
    """Translate a query with PubMed's tags to Europe PMC's syntax."""

    def field(match: re.Match[str]) -> str:
        term, tag = match[1], match[2].strip().lower()
        known = _FIELDS.get(tag)
        return f"{known}:{term}" if known else term

    return _TERM.sub(field, query)


def _rows(page: dict[str, Any]) -> list[dict[str, Any]]:
    return (page.get("resultList") or {}).get("result") or []


def _page_problem(body: bytes) -> str:
    try:
        page = json.loads(body)
    except ValueError:
        web = body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))
        return "the answer is a web page, not JSON" if web else "the answer is cut off or no JSON"
    return "" if isinstance(page, dict) and "hitCount" in page else "the answer holds no number of hits"


def _paper(row: dict[str, Any]) -> Paper | None:
    """Read a core result as a paper; None without title or identifier."""
    found = Identifiers.of(pmid=row.get("pmid"), pmcid=row.get("pmcid"), doi=row.get("doi"))
    title = _plain(row.get("title"))
    if not title or not found.keys():
        return None
    types = [_plain(t) for t in (row.get("pubTypeList") or {}).get("pubType") or []]
    notices = tuple(_notices(row))
    journal = ((row.get("journalInfo") or {}).get("journal") or {}).get("title")
    publisher = (row.get("bookOrReportDetails") or {}).get("publisher")
    year = str(row.get("pubYear") or "")
    return Paper(
        id=paper_id(found, ""),
        title=title,
        authors=tuple(a.strip() for a in _plain(row.get("authorString")).rstrip(".").split(",") if a.strip()),
        year=int(year) if re.fullmatch(r"[12]\d{3}", year) else None,
        journal=_plain(journal or publisher) or None,
        pmid=found.pmid,
        pmcid=found.pmcid,
        doi=found.doi,
        abstract=_lines(row.get("abstractText")),
        source=EuropePmc.name,
        licence=_plain(row.get("license")) or None,
        publication_types=tuple(
            [*types, "Preprint"] if row.get("source") == "PPR" and "Preprint" not in types else types
        ),
        languages=(str(row["language"]),) if row.get("language") else (),
        status="retracted" if "Retracted Publication" in types else status_from(notices),
        notices=notices,
        notice_of=_notice_of(row, types),
    )


def _notices(row: dict[str, Any]) -> list[Notice]:
    found = []
    for item in (row.get("commentCorrectionList") or {}).get("commentCorrection") or []:
        what = _NOTICES.get(str(item.get("type", "")).lower())
        if what:
            pmid = Identifiers.of(pmid=str(item.get("id") or "")).pmid
            found.append(Notice.model_validate({"what": what, "pmid": pmid, "source": EuropePmc.name}))
    return found


def _notice_of(row: dict[str, Any], types: list[str]) -> tuple[NoticeTarget, ...]:
    """The papers that a record retracts, doubts or corrects, if it is such a notice."""
    kind = next((_NOTICE_OF[t.lower()] for t in types if t.lower() in _NOTICE_OF), None)
    if kind is None:
        return ()
    items = (row.get("commentCorrectionList") or {}).get("commentCorrection") or []
    named = [item for item in items if str(item.get("type", "")).lower() in _OF]
    return targets_of(kind, [Identifiers.of(pmid=str(item.get("id") or "")) for item in named])


def _plain(value: object) -> str:
    """Return text without markup, on one line."""
    return clean(markup_line(value)) if isinstance(value, str) else ""


def _lines(value: object) -> str:
    """Return an abstract with a line for each paragraph, `Methods: …` where it has a heading."""
    return "\n".join(markup_lines(value)) if isinstance(value, str) else ""
