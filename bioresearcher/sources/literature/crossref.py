"""Crossref: retractions, concerns and corrections of papers by DOI, from publishers and Retraction Watch.

Works name what updates them (`updated-by`), and notices name what they update (`update-to`); both are asked, because
older notices are only linked from their side. See Crossref's REST API, `/works`, filters `doi` and `updates`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from bioresearcher.papers.canonical import clean
from bioresearcher.papers.identifiers import Identifiers
from bioresearcher.papers.markup import markup_line
from bioresearcher.papers.notices import STATUS_BY
from bioresearcher.schemas.paper import Notice, Paper, Status
from bioresearcher.sources.http import Http

BATCH: Final = 20
_ROWS: Final = 200
_BYTES: Final = 16 << 20
_NOTICES: Final = {
    **dict.fromkeys(("retraction", "partial_retraction", "withdrawal", "removal"), "retraction"),
    **dict.fromkeys(("correction", "corrigendum", "erratum"), "correction"),
    "expression_of_concern": "concern",
}
"""Crossref's types of updates that bear on a paper's reliability; others (new edition, addendum) do not."""
_WORST: Final[tuple[Status, ...]] = ("retracted", "concern", "corrected", "ok")


class Crossref:
    """Source of the status of papers; not of papers themselves."""

    name: Final = "crossref"

    def __init__(self, http: Http, base_url: str, email: str = "") -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._email = {"mailto": email} if email else {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host that is asked."""
        return (urlsplit(self._base).netloc,)

    async def recheck(self, papers: Sequence[Paper]) -> list[Paper]:
        """Return the papers it has by DOI, with its notices and the status that follows from them.

        Raises:
            OutsideError: The service cannot be reached or its answer cannot be used.
        """
        by_doi = {d: p for p in papers if (d := Identifiers.of(doi=p.doi).doi) and "," not in d}
        found: list[Paper] = []
        wanted = list(by_doi)
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            known = await self._works("doi", some)
            notices = await self._works("updates", some)
            present = {d: work for work in known if (d := _doi(work.get("DOI")))}
            by_paper: dict[str, list[Notice]] = {d: [] for d in some}
            for doi, notice in (*_updates_of(known), *_updated_by(notices)):
                if doi in by_paper and notice not in by_paper[doi]:
                    by_paper[doi].append(notice)
            for doi in some:
                if doi in present or by_paper[doi]:
                    paper = _as_named(by_doi[doi], present.get(doi, {}))
                    found.append(_with_status(paper, _unique(by_paper[doi])))
        return found

    async def _works(self, name: str, dois: Sequence[str]) -> list[dict[str, Any]]:
        asked = {"filter": ",".join(f"{name}:{d}" for d in dois), "rows": str(_ROWS), **self._email}
        answer = await self._http.get(
            f"{self._base}/works", asked, kind="status", max_bytes=_BYTES, problem_of=works_problem
        )
        items = json.loads(answer.body)["message"]["items"]
        return [item for item in items if isinstance(item, dict)]


def works_problem(body: bytes) -> str:
    """Explain why a body is no list of works; empty if it is one."""
    try:
        message = json.loads(body).get("message")
    except (ValueError, AttributeError):
        web = body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))
        return "the answer is a web page, not JSON" if web else "the answer is cut off or no JSON"
    return "" if isinstance(message, dict) and isinstance(message.get("items"), list) else "the answer lists no works"


def status_from(notices: Sequence[Notice]) -> Status:
    """Return the worst status that notices give a paper; `ok` without any."""
    return min((STATUS_BY[n.what] for n in notices), key=_WORST.index, default="ok")


def _updates_of(works: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Notice]]:
    """Yield (DOI, notice) of the updates that works name for themselves."""
    for work in works:
        doi = _doi(work.get("DOI"))
        for update in _list(work.get("updated-by")):
            notice = _notice(update, _doi(update.get("DOI")))
            if doi and notice:
                yield doi, notice


def _updated_by(works: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Notice]]:
    """Yield (DOI, notice) of the works that notices name as updated."""
    for work in works:
        for update in _list(work.get("update-to")):
            doi, notice = _doi(update.get("DOI")), _notice(update, _doi(work.get("DOI")))
            if doi and notice:
                yield doi, notice


def _notice(update: dict[str, Any], doi: str | None) -> Notice | None:
    what = _NOTICES.get(re.sub(r"[\s-]+", "_", str(update.get("type", "")).strip().lower()))
    if what is None:
        return None
    source = "retraction watch" if update.get("source") == "retraction-watch" else Crossref.name
    return Notice.model_validate({"what": what, "doi": doi, "date": _date(update.get("updated")), "source": source})


def _date(value: object) -> str | None:
    """Format Crossref's date parts as `2020-01-31`, as far as they go."""
    parts = value.get("date-parts") if isinstance(value, dict) else None
    first = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], list) else []
    numbers = [n for n in first[:3] if isinstance(n, int)]
    return "-".join(f"{n:02d}" for n in numbers) or None


def _unique(notices: Sequence[Notice]) -> list[Notice]:
    """Drop repeats of a notice that both a publisher and Retraction Watch give."""
    return list({(n.what, n.doi): n for n in reversed(notices)}.values())[::-1]


def _as_named(paper: Paper, work: dict[str, Any]) -> Paper:
    """The paper with the title and authors that a work states, as far as it does."""
    title = next((t for t in work.get("title") or [] if isinstance(t, str)), "")
    people = (" ".join(str(a.get(n) or "") for n in ("given", "family", "name")) for a in _list(work.get("author")))
    stated = {"title": clean(markup_line(title)), "authors": tuple(filter(None, map(clean, people)))}
    return paper.model_copy(update={name: value for name, value in stated.items() if value})


def _with_status(paper: Paper, notices: Sequence[Notice]) -> Paper:
    return paper.model_copy(update={"status": status_from(notices), "notices": tuple(notices)})


def _list(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _doi(value: object) -> str | None:
    return Identifiers.of(doi=clean(value)).doi if isinstance(value, str) else None
