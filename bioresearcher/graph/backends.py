"""Who answers in a run: the model or the rules, the rules behind a model, and what may be spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bioresearcher.cards import Card
from bioresearcher.events import EventLog
from bioresearcher.library.index import Library
from bioresearcher.llm.ask import Caller
from bioresearcher.llm.backend import Backend
from bioresearcher.llm.budget import Budget, Meter
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.offline.handlers import offline_backend
from bioresearcher.llm.prices import load_prices
from bioresearcher.prompts import PromptBook
from bioresearcher.schemas.model import ROLES
from bioresearcher.schemas.usage import Usage
from bioresearcher.settings import Settings, models_by_role

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
) -> Caller:
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
    return Caller(
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
