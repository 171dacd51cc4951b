"""`bioresearcher doctor --model`: checks that the configured models can do their roles' work, with speed and cost."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel

from bioresearcher.cli.output import cost_text, print_json, usage_text
from bioresearcher.errors import BioresearcherError, InputError, SandboxUnavailableError
from bioresearcher.events import EventLog
from bioresearcher.graph.prepare import resources_of
from bioresearcher.graph.services import budget_of
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.budget import Meter, load_prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.forecast import Forecast, forecast, load_forecast_table, measure_objective
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.providers import connect
from bioresearcher.llm.select_backend import SelectedBackend, choose_backend
from bioresearcher.llm.structured_output import Mode, answer_schema
from bioresearcher.prompts import Prompt, PromptBook
from bioresearcher.resources import load_cards
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.settings import Settings
from bioresearcher.skills import load_skills
from bioresearcher.stages.conformance.material import EXAMPLE, load_material
from bioresearcher.stages.conformance.run import TIME_LIMIT_S, CheckResult, CheckState, ConformanceKit, ConformanceRound
from bioresearcher.stages.prompts import ALL
from bioresearcher.text.visible import one_line

_WIDTH: Final = 300
_MOST_NOTES: Final = 8

_FORMS: Final[Mapping[Mode, str]] = {"schema": "JSON schema", "text": "JSON in text"}


@dataclass(frozen=True)
class Outcome:
    """The results of a round of checks.

    Attributes:
        models: Role → model, with its context length where the server tells it.
        results: One per role.
        notes: Messages about the models.
        seconds: Wall time.
        forecast: Forecast of a run of the packaged example with these models.
    """

    models: dict[Role, ModelSettings]
    results: tuple[CheckResult, ...]
    notes: tuple[str, ...]
    seconds: float
    forecast: Forecast

    @property
    def roles(self) -> dict[str, CheckState]:
        """Role → state of its check."""
        return {result.role: result.state for result in self.results}

    @property
    def ok(self) -> bool:
        """True when every configured role works, with or without repair."""
        return bool(self.results) and all(result.works for result in self.results)


def check_models(settings: Settings, *, as_json: bool = False, limit_s: float | None = None) -> int:
    """Check the configured models and print the results; return 0 when all roles work, else 4.

    Args:
        settings: With at least one model; roles without one are left out.
        as_json: Print JSON instead of a table.
        limit_s: Seconds after which no answer is waited for; None takes `max_minutes`, else two minutes.

    Raises:
        InputError: No model is configured, or prompts, cards, skills or the price file are wrong.
    """
    minutes = settings.max_minutes
    limit_s = limit_s or (TIME_LIMIT_S if minutes is None else minutes * 60)
    outcome = asyncio.run(_checked(settings, limit_s, quiet=as_json or not sys.stderr.isatty()))
    if as_json:
        print_json(json_of(outcome))
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
    models, unfit, notes = await _usable_models(settings)
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
        checks = ConformanceRound(
            caller=ModelClient(backend, ledger, book, cards, EventLog(None), meter=Meter(budget, Usage(), 0)),
            kit=ConformanceKit(material, folder, sandbox, skills),
            models={str(role): model for role, model in models.items()},
            unfit=unfit,
            structured=lambda role, prompt: _form_of_answer(backend, role, prompt),
        )
        left = max(0.0, limit_s - (time.monotonic() - started))
        results = await checks.run(limit_s=left, on_result=lambda result: None if quiet else _print_state(result))
    finally:
        await backend.aclose()
        ledger.close()
        with suppress(OSError):  # what is left is in the system's temporary folder
            await asyncio.to_thread(remove_tree, folder)
    papers = list(material.notes.values())
    size = measure_objective(papers, material.datasets, max_papers=settings.max_papers, max_parts=settings.max_parts)
    ahead = forecast(size, models, prices, cards)
    last = {re.sub(r"waiting [\d.]+ s", "", note): note for note in notes}  # of several waits, the last
    return Outcome(models, results, tuple(last.values()), time.monotonic() - started, ahead)


async def _usable_models(
    settings: Settings,
) -> tuple[dict[Role, ModelSettings], dict[str, tuple[str, str]], list[str]]:
    """Return the models as a run would use them; role → reason and hint of an unusable one; notes.

    The others are checked all the same.

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


async def _look(settings: Settings, role: Role, model: ModelSettings) -> SelectedBackend | BioresearcherError:
    """Return one model with the context length of its server, or the error for which it cannot be used."""
    try:
        choice = await choose_backend(settings.model_copy(update={"backend": "chat", "models": {"default": model}}))
        # Importing the client takes a second or more, which is no time of the model's.
        connection = await asyncio.to_thread(connect, choice.models[role], role=role, environ=os.environ)
    except BioresearcherError as error:
        return error
    await connection.aclose()
    return choice


def _form_of_answer(backend: ChatBackend, role: str, prompt: Prompt[Any, Any]) -> str:
    """Return how the role's model is made to answer this prompt in its schema."""
    output: type[BaseModel] = prompt.output
    return _FORMS[backend._ways_left(backend._models[role], answer_schema(output, limits=True))[0]]


def _print_state(result: CheckResult) -> None:
    """Print a result on a terminal while the others are waited for."""
    print(f"{result.role}: {result.check}: {result.state}", file=sys.stderr, flush=True)


def table_lines(outcome: Outcome) -> list[str]:
    """Return the table for people: two lines per role, then notes, totals and the forecast of a run."""
    models = {role: _model_text(outcome.models, role) for role in outcome.roles}
    same = len(set(models.values())) == 1
    lines = [f"model: {models[role]}" for role in list(models)[:1] if same]
    for _, group in groupby(outcome.results, key=_reason):
        first, *others = group
        lines.append(f"{', '.join(r.role for r in (first, *others)):9} {first.state:19} {_measured(first)}".rstrip())
        if not same:
            lines.append(f"  {models[first.role]}")
        detail = first.detail if first.detail.endswith((".", "!", "?", "…")) else f"{first.detail}."
        lines.append(f"  {one_line(f'{detail} {first.hint}'.strip(), _WIDTH)}")
    states = " · ".join(f"{role} {state}" for role, state in outcome.roles.items())
    total = sum((result.usage for result in outcome.results), Usage())
    spent = usage_text(total) if total.calls else "no answer"
    notes = [f"! {one_line(note, _WIDTH)}" for note in outcome.notes[:_MOST_NOTES]]
    return [*lines, *notes, f"{states} ({outcome.seconds:.0f} s, {spent})", *_forecast_lines(outcome)]


def _reason(result: CheckResult) -> tuple[str, ...]:
    """Return a key that is equal for roles whose one model could not be asked at all; they are shown together."""
    return (result.model, result.state, result.detail, "" if not result.usage.calls else result.role)


def _forecast_lines(outcome: Outcome) -> list[str]:
    """Return the forecast of a run of the packaged example; nothing when no model gave an answer."""
    if not any(result.usage.calls for result in outcome.results):
        return []
    models = outcome.models
    only = "" if len(models) == len(ROLES) else f", {' and '.join(models)} only"
    lines = [
        *outcome.forecast.lines,
        f"time: {_writing_time(outcome) or 'not known, as not every role gave an answer'}",
    ]
    return [f"a run of the packaged example ({EXAMPLE}){only}", *(f"  {line}" for line in lines)]


def _writing_time(outcome: Outcome) -> str:
    """Return the time that the models would write at the measured speeds; empty when one is missing."""
    speeds = {result.role: result.tokens_per_second for result in outcome.results}
    whole = 0.0
    for role in outcome.models:
        speed = speeds.get(role)
        if not speed:
            return ""
        whole += outcome.forecast.of_role(role).output_tokens / speed
    low, likely, high = (
        f"{s / 60:.0f} min"
        for s in (whole * load_forecast_table().factor[0], whole, whole * load_forecast_table().factor[1])
    )
    return f"about {likely}, likely {low}–{high}, at the speed seen here, less where answers come side by side"


def _model_text(models: Mapping[Role, ModelSettings], role: str) -> str:
    model = next(model for name, model in models.items() if name == role)
    where = f" at {model.base_url}" if model.base_url else ""
    context = f", context {model.context:,}" if model.context else ""
    return f"{model.label}{where}{context}"


def _measured(result: CheckResult) -> str:
    """Return seconds, speed, tokens, cost, and the form of the answer; nothing when there was no answer."""
    if not result.usage.calls:
        return ""
    speed = f", {result.tokens_per_second:.0f} tokens/s" if result.tokens_per_second else ""
    reasoning = f" ({result.usage.reasoning_tokens:,} reasoning)" if result.usage.reasoning_tokens else ""
    tokens = f"{result.usage.input_tokens:,} tokens in, {result.usage.output_tokens:,} out{reasoning}"
    return f"{result.seconds:.1f} s{speed} · {tokens} · {cost_text(result.usage)} · {result.structured}"


def json_of(outcome: Outcome) -> dict[str, Any]:
    """Return the results and the whole forecast as a JSON value."""
    return {
        "ok": outcome.ok,
        "seconds": round(outcome.seconds, 3),
        "roles": {
            role: {"model": _model_text(outcome.models, role), "state": state} for role, state in outcome.roles.items()
        },
        "checks": [
            {**result.model_dump(mode="json"), "tokens_per_second": result.tokens_per_second}
            for result in outcome.results
        ],
        "notes": list(outcome.notes),
        "forecast": {"example": EXAMPLE, **outcome.forecast.model_dump(mode="json")},
    }
