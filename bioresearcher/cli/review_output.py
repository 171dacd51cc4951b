"""Where what `review` has to say goes: a file or the terminal.

Scores of a model in `bioresearcher review`, when one is configured or named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.review.check import CheckContext
    from bioresearcher.schemas.base import Usage
    from bioresearcher.schemas.protocol import Protocol
    from bioresearcher.schemas.review import Review
    from bioresearcher.settings import Settings


def put(text: str, output: Path | None) -> None:
    """Write to the file and name it, or print; letters the terminal does not know become question marks.

    Raises:
        InputError: The file cannot be written.
    """
    if output is not None:
        from bioresearcher.runfolder import write_text

        try:
            write_text(output, text)
        except OSError as error:
            raise InputError(f"--output {output} cannot be written: {error.strerror}.") from error
        print(output)
        return
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))


def draw(markdown: str, output: Path | None) -> None:
    """Draw Markdown in the terminal; into a file or a pipe it goes as plain lines.

    Raises:
        InputError: The file cannot be written.
    """
    from rich.console import Console

    from bioresearcher.cli.session.layout import Sheet

    sheet = Sheet(markdown)
    if output is None and sys.stdout.isatty():
        Console(highlight=False).print(sheet)
    else:
        put("\n".join([*sheet.lines(), ""]), output)


def settings_with_model(args: argparse.Namespace) -> Settings | None:
    """The settings when a model reviews; None when the rules do.

    Raises:
        InputError: The model is not configured rightly.
        ModelUnavailableError: Its server does not answer.
    """
    from bioresearcher.llm.select_backend import choose_backend
    from bioresearcher.settings import load_settings

    settings = load_settings(vars(args))
    reviewer = settings.models.get("reviewer") or settings.models.get("default")
    if reviewer is not None:  # no other role is asked here, and none of their servers is probed
        settings = settings.model_copy(update={"models": {"default": reviewer}})
    import asyncio

    choice = asyncio.run(choose_backend(settings))
    if choice.kind == "offline":
        return None
    print(f"bioresearcher: {choice.reason} --backend offline keeps to the rules.", file=sys.stderr)
    return choice.applied(settings)


def scored(asked: Sequence[tuple[Protocol, CheckContext]], settings: Settings) -> list[Review]:
    """The reviews of protocols with the model's scores, one after the other.

    Answers are kept in the workspace, so that the same protocol is not paid for twice.

    Raises:
        BudgetError: The budget is used up.
        ModelRefusedError: The server does not accept the key, or has no such model.
        ModelUnavailableError: The server does not answer.
    """
    import asyncio

    return asyncio.run(_scored(asked, settings))


def _spent(usage: Usage) -> str:
    cost = "" if usage.cost_usd is None else f", {usage.cost_usd:.4f} USD"
    calls = f"{usage.calls} model call{'' if usage.calls == 1 else 's'}"
    return f"{calls}, {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out{cost}."


async def _scored(asked: Sequence[tuple[Protocol, CheckContext]], settings: Settings) -> list[Review]:
    from bioresearcher.events import Event, EventLog
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.graph.services import budget_of, make_caller
    from bioresearcher.llm.budget import Meter
    from bioresearcher.llm.ledger import Ledger
    from bioresearcher.prompts import PromptBook
    from bioresearcher.resources import load_cards
    from bioresearcher.retrieval.index import Library
    from bioresearcher.schemas.base import Usage
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
