"""`bioresearcher doctor --model`: can the configured models do their roles' work, how quickly, and at what cost?"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from bioresearcher.cards import load_cards
from bioresearcher.cli.doctor_models_table import as_json, table_lines
from bioresearcher.errors import BioresearcherError, InputError, SandboxUnavailableError
from bioresearcher.events import EventLog
from bioresearcher.graph.backends import budget_of
from bioresearcher.graph.prepare import resources_of
from bioresearcher.llm.ask import Caller
from bioresearcher.llm.budget import Meter
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.choose import Choice, choose_backend
from bioresearcher.llm.forecast import Forecast, forecast, size_of
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.prices import load_prices
from bioresearcher.llm.providers import connect
from bioresearcher.llm.structured import Mode, form_of
from bioresearcher.prompts import Prompt, PromptBook
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.schemas.usage import Usage
from bioresearcher.settings import Settings
from bioresearcher.skills import load_skills
from bioresearcher.stages.conformance.checks import Kit
from bioresearcher.stages.conformance.material import load_material
from bioresearcher.stages.conformance.run import TIME_LIMIT_S, CheckResult, Round, State
from bioresearcher.stages.prompts import ALL

_WAYS: Final[Mapping[Mode, str]] = {"schema": "JSON schema", "text": "JSON in text"}


@dataclass(frozen=True)
class Outcome:
    """The outcome of a round of checks.

    Attributes:
        models: The model of each role, with its context where the server tells it.
        results: By role.
        notes: What the user should know of the models.
        seconds: Wall time.
        forecast: Of a run of the packaged example with these models.
    """

    models: dict[Role, ModelSettings]
    results: tuple[CheckResult, ...]
    notes: tuple[str, ...]
    seconds: float
    forecast: Forecast

    @property
    def roles(self) -> dict[str, State]:
        """Role -> the state of its check."""
        return {result.role: result.state for result in self.results}

    @property
    def ok(self) -> bool:
        """Whether every configured role works, with or without repair."""
        return bool(self.results) and all(result.works for result in self.results)


def check_models(settings: Settings, *, json_wanted: bool = False, limit_s: float | None = None) -> int:
    """Check the configured models, and print what was found; 0 when all roles work, else 4.

    Args:
        settings: With at least one model; roles without one are left out.
        json_wanted: Print JSON instead of a table.
        limit_s: Seconds after which no answer is waited for; None: those of `max_minutes`, else two minutes.

    Raises:
        InputError: No model is configured, or prompts, cards, skills or the price file are wrong.
    """
    minutes = settings.max_minutes
    limit_s = limit_s or (TIME_LIMIT_S if minutes is None else minutes * 60)
    outcome = asyncio.run(_checked(settings, limit_s, quiet=json_wanted or not sys.stderr.isatty()))
    if json_wanted:
        print(json.dumps(as_json(outcome), indent=2, ensure_ascii=False))
    else:
        print("\n".join(table_lines(outcome)))
    return 0 if outcome.ok else 4


async def _checked(settings: Settings, limit_s: float, *, quiet: bool) -> Outcome:
    started = time.monotonic()
    resources = resources_of(settings)
    book, cards = PromptBook(resources), load_cards(resources)
    for prompt in ALL:
        book.get(prompt)
    skills, prices, budget = load_skills(resources), load_prices(settings.prices), budget_of(settings)
    models, unfit, notes = await _ready(settings)
    budget.check_possible(models, prices)
    try:
        sandbox = await asyncio.to_thread(choose_sandbox, settings.sandbox)
    except SandboxUnavailableError as error:
        sandbox = None
        notes.append(f"code is not run: {error.message}")
    material = await asyncio.to_thread(load_material)
    folder = temporary_folder()
    ledger = Ledger(folder / "ledger.sqlite")
    backend = ChatBackend(models, prices, on_event=notes.append)
    try:
        checks = Round(
            caller=Caller(backend, ledger, book, cards, EventLog(None), meter=Meter(budget, Usage(), 0)),
            kit=Kit(material, folder, sandbox, skills),
            models={str(role): model for role, model in models.items()},
            unfit=unfit,
            structured=lambda role, prompt: _way(backend, role, prompt),
        )
        left = max(0.0, limit_s - (time.monotonic() - started))
        results = await checks.run(limit_s=left, on_result=lambda result: None if quiet else _tell(result))
    finally:
        await backend.aclose()
        ledger.close()
        with suppress(OSError):  # what is left is in the system's temporary folder
            await asyncio.to_thread(remove_tree, folder)
    papers = list(material.notes.values())
    size = size_of(papers, material.datasets, max_papers=settings.max_papers, max_parts=settings.max_parts)
    ahead = forecast(size, models, prices, cards)
    told = {re.sub(r"waiting [\d.]+ s", "", note): note for note in notes}  # of several waits, the last
    return Outcome(models, results, tuple(told.values()), time.monotonic() - started, ahead)


async def _ready(
    settings: Settings,
) -> tuple[dict[Role, ModelSettings], dict[str, tuple[str, str]], list[str]]:
    """The models as a run would use them; role -> why its model cannot be asked and what to do; notes.

    One that cannot be used is no reason not to check the others.

    Raises:
        InputError: None is configured.
    """
    if settings.backend == "local":
        choice = await choose_backend(settings)
        return dict(choice.models), {}, list(choice.notes)
    named = {role: settings.models.get(role) or settings.models.get("default") for role in ROLES}
    models = {role: model for role, model in named.items() if model is not None}
    if not models:
        raise InputError(
            "no model is configured, so there is none to check.",
            hint="Name one with --model PROVIDER:NAME or --model ROLE=PROVIDER:NAME, or in bioresearcher.toml.",
        )
    each = {model: role for role, model in reversed(models.items())}
    looks = await asyncio.gather(*(_look(settings, role, model) for model, role in each.items()))
    found = dict(zip(each, looks, strict=True))
    unfit: dict[str, tuple[str, str]] = {}
    notes: list[str] = []
    for role, model in models.items():
        look = found[model]
        if isinstance(look, BioresearcherError):
            unfit[str(role)] = (look.message, look.hint)
        else:
            models[role] = look.models[role]
            notes += look.notes
    return models, unfit, list(dict.fromkeys(notes))


async def _look(settings: Settings, role: Role, model: ModelSettings) -> Choice | BioresearcherError:
    """One model with the context its server tells, or why it cannot be used."""
    try:
        choice = await choose_backend(settings.model_copy(update={"backend": "chat", "models": {"default": model}}))
        # Importing the client takes a second or more, which is no time of the model's.
        connection = await asyncio.to_thread(connect, choice.models[role], role=role, environ=os.environ)
    except BioresearcherError as error:
        return error
    await connection.aclose()
    return choice


def _way(backend: ChatBackend, role: str, prompt: Prompt[Any, Any]) -> str:
    """How the role's model was made to answer this prompt in its schema."""
    output: type[BaseModel] = prompt.output
    return _WAYS[backend._ways_left(backend._models[role], form_of(output, limits=True))[0]]


def _tell(result: CheckResult) -> None:
    """On a terminal: that something has been found out, while the rest is waited for."""
    print(f"{result.role}: {result.check}: {result.state}", file=sys.stderr, flush=True)
