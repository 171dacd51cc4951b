"""Services of a run, made from its settings: literature and data sources, and the model client with its budget."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from bioresearcher.events import Event, EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.backend import Backend
from bioresearcher.llm.budget import Budget, Meter, load_prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.offline.backend import offline_backend
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Card, Resources, load_cards
from bioresearcher.retrieval.index import Library
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.model import ROLES, ServiceSettings
from bioresearcher.schemas.run import RunRecord
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
"""Requests per second: the limits of NCBI, and a polite one where nothing is stated."""


@dataclass(frozen=True)
class Services:
    """Services that may be asked over the network, and the client that all requests go through.

    Attributes:
        notices: Services that only know of retractions and corrections.
        http: The client, to be closed; None when nothing may be asked.
    """

    literature: tuple[LiteratureSource, ...] = ()
    datasets: tuple[DatasetSource, ...] = ()
    notices: tuple[StatusSource, ...] = ()
    http: Http | None = None


def open_services(settings: Settings, folder: RunFolder | None, *, replay: bool = False) -> Services:
    """Open the services of a run or a command; none when only the researcher's own files are searched.

    Args:
        settings: Settings with the services' addresses.
        folder: Run folder whose ledger stores every answer; None outside of runs.
        replay: Answer from that ledger only.

    Raises:
        WorkspaceError: Answers cannot be stored.
    """
    if settings.only_own:
        return Services()
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
    """Return the hosts that a run may ask, each once; none when it asks no service."""
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
"""Makes the run's meter from its budget, the usage before, and the seconds it ran before."""


@dataclass(frozen=True)
class ModelOptions:
    """Settings of a model client that a program gives, not the researcher.

    Attributes:
        make_backend: Makes the backend in place of the one that the settings name.
        elapsed_s: Seconds that earlier processes spent on the run; what they paid is in the ledger.
        wrap: Puts a replay before every backend, the rules among them.
        make_meter: Makes the meter.
    """

    make_backend: MakeBackend | None = None
    elapsed_s: float = 0
    wrap: Wrap | None = None
    make_meter: MakeMeter = Meter


DEFAULT_OPTIONS = ModelOptions()


def budget_of(settings: Settings) -> Budget:
    """Return the budget of a run."""
    return Budget(max_usd=settings.max_usd, max_tokens=settings.max_tokens, max_minutes=settings.max_minutes)


def make_caller(
    settings: Settings,
    library: Library,
    ledger: Ledger,
    prompts: PromptBook,
    cards: Mapping[str, Card],
    events: EventLog,
    options: ModelOptions = DEFAULT_OPTIONS,
) -> ModelClient:
    """Make the model client of a run whose backend is chosen: `offline` or `chat`.

    Raises:
        InputError: A price file is wrong, or `max_usd` was set with a model of unknown price.
    """
    rules: Backend = offline_backend(library.similarities)
    budget = budget_of(settings)
    backend: Backend = rules
    if options.make_backend is not None:
        backend = options.make_backend(library)
    elif settings.backend == "chat":
        models, prices = models_by_role(settings), load_prices(settings.prices)
        budget.check_possible(models, prices)
        backend = ChatBackend(
            models,
            prices,
            limits=settings.workspace / "limits",
            on_event=lambda message: events.emit("note", "model", "info", message),
        )
    if options.wrap is not None:
        backend, rules = options.wrap(backend), options.wrap(rules)
    return ModelClient(
        backend=backend,
        ledger=ledger,
        prompts=prompts,
        cards=cards,
        events=events,
        rules=rules if backend.origin == "model" else None,
        meter=options.make_meter(budget, ledger.usage(), options.elapsed_s),
    )


@asynccontextmanager
async def open_caller(
    folder: RunFolder,
    settings: Settings,
    resources: Resources,
    listener: Callable[[Event], None] | None,
    options: ModelOptions,
) -> AsyncIterator[tuple[ModelClient, Library]]:
    """Open a run's library, ledger and event log; yield its model client and the library.

    Raises:
        InputError: Cards, prompts or prices are wrong, or no model may be asked within the budget.
    """
    cards, book = load_cards(resources), PromptBook(resources)
    library = Library(settings.workspace / "library", chroma_url=settings.chroma_url)
    ledger = Ledger(folder.path("ledger.sqlite"))
    events = EventLog(folder.path("events.jsonl"), listener)
    caller = None
    try:
        if ledger.note and folder.has("run.json"):
            ledger.carry_over(folder.read(RunRecord, "run.json").usage)
        caller = make_caller(settings, library, ledger, book, cards, events, options)
        if ledger.note:
            events.emit("note", "ledger", "info", ledger.note)
        yield caller, library
    finally:
        if caller is not None:
            await caller.close(wait=False)  # nothing is under way any more, unless the run was broken off
        ledger.close()
        library.close()


def describe_backend(settings: Settings, name: str) -> str:
    """Return the backend as runs and reports name it: `offline`, or the models with their roles."""
    if settings.backend != "chat" or not settings.models:
        return name
    labels = {role: model.label for role, model in models_by_role(settings).items()}
    if len(set(labels.values())) == 1:
        return labels[ROLES[0]]
    return ", ".join(f"{role} {label}" for role, label in labels.items())
