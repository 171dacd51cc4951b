"""The literature and data services of a run: made from settings, asked through one door.

Who answers in a run: the model or the rules, the rules behind a model, and what may be spent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.backend import Backend
from bioresearcher.llm.budget import Budget, Meter, load_prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.offline.backend import offline_backend
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Card
from bioresearcher.retrieval.index import Library
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.model import ROLES, ServiceSettings
from bioresearcher.settings import Settings, models_by_role
from bioresearcher.sources.geo.client import GeoAddresses, GeoSource
from bioresearcher.sources.http import Http
from bioresearcher.sources.http_cache import AnswerStore
from bioresearcher.sources.literature.crossref import Crossref
from bioresearcher.sources.literature.europepmc import EuropePmc
from bioresearcher.sources.literature.pmc import Pmc
from bioresearcher.sources.literature.pubmed import PubMed
from bioresearcher.sources.protocols import DatasetSource, LiteratureSource, StatusSource

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


MakeBackend = Callable[[Library], Backend]
Wrap = Callable[[Backend], Backend]
MakeMeter = Callable[[Budget, Usage, float], Meter]
"""Makes the run's meter from its budget, what was spent before, and the seconds it ran before."""


def budget_of(settings: Settings) -> Budget:
    """What a run may spend."""
    return Budget(max_usd=settings.max_usd, max_tokens=settings.max_tokens, max_minutes=settings.max_minutes)


def make_caller(
    settings: Settings,
    library: Library,
    ledger: Ledger,
    prompts: PromptBook,
    cards: Mapping[str, Card],
    events: EventLog,
    *,
    make_backend: MakeBackend | None = None,
    elapsed_s: float = 0,
    wrap: Wrap | None = None,
    make_meter: MakeMeter = Meter,
) -> ModelClient:
    """The caller of a run whose backend is settled: `offline` or `chat`.

    `wrap` puts a replay before every backend, the rules among them.
    `elapsed_s` is what earlier processes spent on the run; what they paid is in the ledger.

    Raises:
        InputError: A price file is wrong, or `max_usd` was asked for with a model of unknown price.
    """
    rules: Backend = offline_backend(library.similarities)
    budget = budget_of(settings)
    backend: Backend = rules
    if make_backend is not None:
        backend = make_backend(library)
    elif settings.backend == "chat":
        models, prices = models_by_role(settings), load_prices(settings.prices)
        budget.check_possible(models, prices)
        backend = ChatBackend(
            models,
            prices,
            limits=settings.workspace / "limits",
            on_event=lambda said: events.emit("note", "model", "info", said),
        )
    if wrap is not None:
        backend, rules = wrap(backend), wrap(rules)
    return ModelClient(
        backend=backend,
        ledger=ledger,
        prompts=prompts,
        cards=cards,
        events=events,
        rules=rules if backend.origin == "model" else None,
        meter=make_meter(budget, ledger.usage(), elapsed_s),
    )


def describe_backend(settings: Settings, name: str) -> str:
    """The backend as runs and reports show it: `offline`, or the models with their roles."""
    if settings.backend != "chat" or not settings.models:
        return name
    labels = {role: model.label for role, model in models_by_role(settings).items()}
    if len(set(labels.values())) == 1:
        return labels[ROLES[0]]
    return ", ".join(f"{role} {label}" for role, label in labels.items())
