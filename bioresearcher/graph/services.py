"""The literature and data services of a run: made from settings, asked through one door."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.services import ServiceSettings
from bioresearcher.settings import Settings
from bioresearcher.sources.base import DatasetSource, LiteratureSource, StatusSource
from bioresearcher.sources.crossref import Crossref
from bioresearcher.sources.europepmc import EuropePmc
from bioresearcher.sources.geo import GeoAddresses, GeoSource
from bioresearcher.sources.http import Http
from bioresearcher.sources.http_store import AnswerStore
from bioresearcher.sources.pmc import Pmc
from bioresearcher.sources.pubmed import PubMed

TOOL = "bioresearcher"
_ELSEWHERE, _NCBI, _NCBI_WITH_KEY = 5.0, 3.0, 10.0
"""Requests per second: what NCBI allows, and what is polite where nothing is stated."""


@dataclass(frozen=True)
class Services:
    """What may be asked over the network, and the door that all of it goes through; `http` is to be closed.

    `notices` are services that only say what became of papers.
    """

    literature: tuple[LiteratureSource, ...]
    datasets: tuple[DatasetSource, ...]
    notices: tuple[StatusSource, ...]
    http: Http | None


def open_services(settings: Settings, folder: RunFolder | None, *, replay: bool = False) -> Services:
    """The services of a run, or of a command that is none; none when it searches only what the researcher gave.

    Args:
        settings: Says whether and where services are asked.
        folder: The run's: every answer is kept in its ledger. None outside of runs.
        replay: Answer from that ledger only.

    Raises:
        WorkspaceError: Answers cannot be kept.
    """
    if settings.only_own:
        return Services((), (), (), None)
    at = settings.services
    key = os.environ.get(at.ncbi_key_env, "").strip()
    parameters = {"tool": TOOL} | ({"email": at.email} if at.email else {}) | ({"api_key": key} if key else {})
    http = Http(
        shared=None if replay else AnswerStore(settings.workspace / "library" / "http.sqlite", disposable=True),
        ledger=AnswerStore(folder.path("ledger.sqlite")) if folder else None,
        per_second=_rates(at, with_key=bool(key)),
        limits=settings.workspace / "limits",
        replay=replay,
    )
    literature: list[LiteratureSource] = [
        PubMed(http, at.eutils, parameters, Pmc(http, at.eutils, parameters, at.pmc_oa))
    ]
    if at.europepmc:
        literature.append(EuropePmc(http, at.europepmc, at.email))
    places = GeoAddresses(eutils=at.eutils, page=at.geo_page, files=at.geo_files, parameters=parameters)
    store = settings.workspace / "library" / "geo"
    geo = GeoSource(http, store, places, max_bytes=settings.max_data_mb << 20)
    notices = (Crossref(http, at.crossref, at.email),) if at.crossref else ()
    return Services(tuple(literature), (geo,), notices, http)


def hosts_of(settings: Settings) -> tuple[str, ...]:
    """The hosts that a run may ask, each once; none when it asks no service."""
    at = settings.services
    urls = () if settings.only_own else (at.eutils, at.europepmc, at.crossref, at.pmc_oa, at.geo_page, at.geo_files)
    return tuple(dict.fromkeys(urlsplit(url).netloc for url in urls if url))


def _rates(at: ServiceSettings, *, with_key: bool) -> Mapping[str, float]:
    if at.per_second is not None:
        return {"": at.per_second}
    return {"": _ELSEWHERE, urlsplit(at.eutils).hostname or "": _NCBI_WITH_KEY if with_key else _NCBI}
