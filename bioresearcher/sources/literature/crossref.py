"""Crossref: what publishers and Retraction Watch say was published about a paper after it, by DOI.

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
from bioresearcher.schemas.paper import Notice, Paper, Status
from bioresearcher.sources.http import Http

BATCH: Final = 20
_ROWS: Final = 200
_BYTES: Final = 16 << 20
_WHAT: Final = {
    "retraction": "retraction", "partial_retraction": "retraction", "withdrawal": "retraction", "removal": "retraction",
    "expression_of_concern": "concern", "correction": "correction", "corrigendum": "correction",
    "erratum": "correction",
}  # fmt: skip
"""Crossref's types of updates that say something about a paper's worth; others (new edition, addendum) do not."""
_STATUS: Final[dict[str, Status]] = {"retraction": "retracted", "concern": "concern", "correction": "corrected"}
_WORST: Final[tuple[Status, ...]] = ("retracted", "concern", "corrected", "ok")


class Crossref:
    """Crossref; only asked whether papers were retracted, doubted or corrected."""

    name: Final = "crossref"

    def __init__(self, http: Http, base_url: str, email: str = "") -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._email = {"mailto": email} if email else {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host that is asked."""
        return (urlsplit(self._base).netloc,)

    async def recheck(self, papers: Sequence[Paper]) -> list[Paper]:
        """The papers it has by DOI, with the notices it knows and the status they give.

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
            present = {d for work in known if (d := _doi(work.get("DOI")))}
            said: dict[str, list[Notice]] = {d: [] for d in some}
            for doi, notice in (*_named(known), *_naming(notices)):
                if doi in said and notice not in said[doi]:
                    said[doi].append(notice)
            for doi in some:
                if doi in present or said[doi]:
                    found.append(_with(by_doi[doi], _unique(said[doi])))
        return found

    async def _works(self, name: str, dois: Sequence[str]) -> list[dict[str, Any]]:
        asked = {"filter": ",".join(f"{name}:{d}" for d in dois), "rows": str(_ROWS), **self._email}
        answer = await self._http.get(f"{self._base}/works", asked, kind="status", max_bytes=_BYTES, wrong=no_works)
        items = json.loads(answer.body)["message"]["items"]
        return [item for item in items if isinstance(item, dict)]


def no_works(body: bytes) -> str:
    """What makes a body useless as a list of works; empty when nothing does."""
    try:
        message = json.loads(body).get("message")
    except (ValueError, AttributeError):
        web = body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))
        return "the answer is a web page, not JSON" if web else "the answer is cut off or no JSON"
    return "" if isinstance(message, dict) and isinstance(message.get("items"), list) else "the answer lists no works"


def _named(works: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Notice]]:
    """What works say that updates them."""
    for work in works:
        doi = _doi(work.get("DOI"))
        for update in _list(work.get("updated-by")):
            notice = _notice(update, _doi(update.get("DOI")))
            if doi and notice:
                yield doi, notice


def _naming(works: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Notice]]:
    """What notices say that they update."""
    for work in works:
        for update in _list(work.get("update-to")):
            doi, notice = _doi(update.get("DOI")), _notice(update, _doi(work.get("DOI")))
            if doi and notice:
                yield doi, notice


def _notice(update: dict[str, Any], doi: str | None) -> Notice | None:
    what = _WHAT.get(re.sub(r"[\s-]+", "_", str(update.get("type", "")).strip().lower()))
    if what is None:
        return None
    source = "retraction watch" if update.get("source") == "retraction-watch" else Crossref.name
    return Notice.model_validate({"what": what, "doi": doi, "date": _date(update.get("updated")), "source": source})


def _date(value: object) -> str | None:
    """`2020-01-31` of Crossref's date parts, as far as they go."""
    parts = value.get("date-parts") if isinstance(value, dict) else None
    first = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], list) else []
    numbers = [n for n in first[:3] if isinstance(n, int)]
    return "-".join(f"{n:02d}" for n in numbers) or None


def _unique(notices: Sequence[Notice]) -> list[Notice]:
    """A notice once, though a publisher and Retraction Watch both tell it."""
    return list({(n.what, n.doi): n for n in reversed(notices)}.values())[::-1]


def _with(paper: Paper, notices: Sequence[Notice]) -> Paper:
    status = min((_STATUS[n.what] for n in notices), key=_WORST.index, default="ok")
    return paper.model_copy(update={"status": status, "notices": tuple(notices)})


def _list(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _doi(value: object) -> str | None:
    return Identifiers.of(doi=clean(value)).doi if isinstance(value, str) else None
