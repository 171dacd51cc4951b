"""Scores of a model in `bioresearcher review`, when one is configured or named."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bioresearcher.review.gates import GateContext
    from bioresearcher.schemas.protocol import Protocol
    from bioresearcher.schemas.review import Review
    from bioresearcher.schemas.usage import Usage
    from bioresearcher.settings import Settings


def settings_with_model(args: argparse.Namespace) -> Settings | None:
    """The settings when a model reviews; None when the rules do.

    Raises:
        InputError: The model is not configured rightly.
        ModelUnavailableError: Its server does not answer.
    """
    from bioresearcher.llm.choose import choose_backend
    from bioresearcher.settings import load_settings

    settings = load_settings(vars(args))
    reviewer = settings.models.get("reviewer") or settings.models.get("default")
    if reviewer is not None:  # no other role is asked here, and none of their servers is probed
        settings = settings.model_copy(update={"models": {"default": reviewer}})
    choice = asyncio.run(choose_backend(settings))
    if choice.kind == "offline":
        return None
    print(f"bioresearcher: {choice.reason} --backend offline keeps to the rules.", file=sys.stderr)
    return choice.applied(settings)


def scored(asked: Sequence[tuple[Protocol, GateContext]], settings: Settings) -> list[Review]:
    """The reviews of protocols with the model's scores, one after the other.

    Answers are kept in the workspace, so that the same protocol is not paid for twice.

    Raises:
        BudgetError: The budget is used up.
        ModelRefusedError: The server does not accept the key, or has no such model.
        ModelUnavailableError: The server does not answer.
    """
    return asyncio.run(_scored(asked, settings))


def _spent(usage: Usage) -> str:
    cost = "" if usage.cost_usd is None else f", {usage.cost_usd:.4f} USD"
    calls = f"{usage.calls} model call{'' if usage.calls == 1 else 's'}"
    return f"{calls}, {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out{cost}."


async def _scored(asked: Sequence[tuple[Protocol, GateContext]], settings: Settings) -> list[Review]:
    from bioresearcher.cards import load_cards
    from bioresearcher.events import Event, EventLog
    from bioresearcher.graph.backends import budget_of, make_caller
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.library.index import Library
    from bioresearcher.llm.budget import Meter
    from bioresearcher.llm.ledger import Ledger
    from bioresearcher.prompts import PromptBook
    from bioresearcher.schemas.usage import Usage
    from bioresearcher.stages.score import score_protocol

    def told(event: Event) -> None:
        if event.kind == "note":
            print(f"bioresearcher: {event.message}", file=sys.stderr)

    resources = resources_of(settings)
    folder = settings.workspace / "reviews"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as passing, Library(Path(passing) / "library") as library:
        ledger = Ledger(folder / "ledger.sqlite")
        try:
            caller = make_caller(
                settings, library, ledger, PromptBook(resources), load_cards(resources), EventLog(None, told)
            )
            # the ledger also holds what earlier reviews cost; a budget is for this command
            meter = Meter(budget_of(settings), Usage(), 0)
            caller = replace(caller, meter=meter)
            try:
                return [await score_protocol(caller, c.objective, p, c) for p, c in asked]
            finally:
                print(f"bioresearcher: {_spent(meter.spent)}", file=sys.stderr)
                await caller.close(wait=False)
        finally:
            ledger.close()
