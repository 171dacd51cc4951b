"""The half of `bioresearcher review` that asks models: one reviewer, or a panel."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.llm.ask import ModelClient
    from bioresearcher.llm.budget import Meter
    from bioresearcher.review.check import CheckContext
    from bioresearcher.schemas.protocol import Protocol
    from bioresearcher.schemas.review import Review
    from bioresearcher.settings import Settings
    from bioresearcher.stages.judge import JudgeOptions
    from bioresearcher.stages.panel import Reviewer


@dataclass(frozen=True)
class Document:
    """A protocol to review, with its own words, and what is known of its run."""

    protocol: Protocol
    text: str
    context: CheckContext


def settings_with_model(args: argparse.Namespace, model: str | None = None) -> Settings | None:
    """Return the settings when a model reviews; None when the deterministic rules do.

    Args:
        args: The command's flags.
        model: Name of a model to use instead of the configured one, as in `--model`.

    Raises:
        InputError: The model is not configured rightly.
        ModelUnavailableError: Its server does not answer.
    """
    from bioresearcher.llm.select_backend import choose_backend
    from bioresearcher.settings import load_settings

    flags = vars(args) | ({"model": [model]} if model else {})
    settings = load_settings(flags)
    reviewer = settings.models.get("reviewer") or settings.models.get("default")
    if reviewer is not None:  # no other role is asked here, and none of their servers is probed
        settings = settings.model_copy(update={"models": {"default": reviewer}})
    choice = asyncio.run(choose_backend(settings))
    if choice.kind == "offline":
        return None
    print(f"bioresearcher: {choice.reason} --backend offline keeps to the rules.", file=sys.stderr)
    return choice.applied(settings)


def options_of(args: argparse.Namespace) -> JudgeOptions:
    """Return the options of judging documents."""
    from bioresearcher.stages.judge import JudgeOptions

    return JudgeOptions(kind=args.kind, checklists=tuple(args.checklist), passes=args.passes)


def review_with_models(documents: Sequence[Document], args: argparse.Namespace) -> list[Review] | None:
    """Review documents with the configured model or the panel; None when no model is configured.

    Raises:
        BudgetError: The budget is used up.
        InputError: A model, the panel or its calibration is not configured rightly.
        ModelRefusedError: A server does not accept the key, or has no such model.
        ModelUnavailableError: A server does not answer.
    """
    names = panel_names(args.panel)
    if names:
        from bioresearcher.stages.panel import load_calibration, review_by_panel

        calibration = load_calibration(args.calibration) if args.calibration else None
        settings = [settings_with_model(args, name) for name in names]
        if any(s is None for s in settings):
            raise InputError("--panel asks models, and --backend offline asks none.", hint="Leave one of them out.")
        chosen = [s for s in settings if s is not None]

        async def by_panel() -> list[Review]:
            async with reviewers_of(names, chosen, options_of(args)) as reviewers:
                return await review_by_panel(
                    reviewers, [(d.protocol, d.text, d.context) for d in documents], calibration
                )

        return asyncio.run(by_panel())
    one = settings_with_model(args)
    return asyncio.run(_by_one(documents, one, options_of(args))) if one is not None else None


def panel_names(text: str | None) -> tuple[str, ...]:
    """Split `--panel a,b,c`.

    Raises:
        InputError: A name is empty or stands twice, or there is only one.
    """
    if text is None:
        return ()
    names = tuple(x.strip() for x in text.split(","))
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise InputError(
            f"--panel {text}: two or more different models are needed.", hint="Name them, the cheapest first: a,b,c."
        )
    return names


async def _by_one(documents: Sequence[Document], settings: Settings, options: JudgeOptions) -> list[Review]:
    from bioresearcher.stages.judge import judge_document
    from bioresearcher.stages.score import score_protocol

    async with client_of(settings) as caller:
        found = []
        for d in documents:
            if d.protocol.origin == "source":
                found.append(await judge_document(caller, d.protocol, d.text, d.context, options))
            else:
                found.append(await score_protocol(caller, d.context.objective, d.protocol, d.context))
        return found


@asynccontextmanager
async def client_of(settings: Settings, shared: Meter | None = None) -> AsyncIterator[ModelClient]:
    """Open a model client whose answers are kept in the workspace, so that no document is paid for twice.

    Args:
        settings: Those of its model.
        shared: Meter of a panel; None: this client counts for itself and prints what was spent.
    """
    import tempfile

    from bioresearcher.cli.output import usage_text
    from bioresearcher.events import Event, EventLog
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.graph.services import budget_of, make_caller
    from bioresearcher.llm.budget import Meter
    from bioresearcher.llm.ledger import Ledger
    from bioresearcher.prompts import PromptBook
    from bioresearcher.resources import load_cards
    from bioresearcher.retrieval.index import Library
    from bioresearcher.schemas.base import Usage

    def print_note(event: Event) -> None:
        if event.kind == "note":
            print(f"bioresearcher: {event.message}", file=sys.stderr)

    resources = resources_of(settings)
    folder = settings.workspace / "reviews"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Library(Path(scratch) / "library") as library:
        ledger = Ledger(folder / "ledger.sqlite")
        try:
            caller = make_caller(
                settings, library, ledger, PromptBook(resources), load_cards(resources), EventLog(None, print_note)
            )
            # the ledger also holds what earlier reviews cost; a budget is for this command
            meter = shared or Meter(budget_of(settings), Usage(), 0)
            caller = replace(caller, meter=meter)
            try:
                yield caller
            finally:
                if shared is None:
                    print(f"bioresearcher: {usage_text(meter.spent)}.", file=sys.stderr)
                await caller.close(wait=False)
        finally:
            ledger.close()


@asynccontextmanager
async def reviewers_of(
    names: Sequence[str], settings: Sequence[Settings], options: JudgeOptions
) -> AsyncIterator[list[Reviewer]]:
    """Open the clients of a panel; all count against one budget."""
    from bioresearcher.cli.output import usage_text
    from bioresearcher.graph.services import budget_of
    from bioresearcher.llm.budget import Meter
    from bioresearcher.schemas.base import Usage
    from bioresearcher.stages.panel import Reviewer

    meter = Meter(budget_of(settings[0]), Usage(), 0)
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(client_of(s, meter)) for s in settings]
        yield [Reviewer(name, caller, options) for name, caller in zip(names, callers, strict=True)]
        print(f"bioresearcher: {usage_text(meter.spent)}.", file=sys.stderr)
