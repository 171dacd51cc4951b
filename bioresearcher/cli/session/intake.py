"""Asking for what a run needs: objective, conditions, requirements, papers, data; and whether it was understood."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bioresearcher.cli.given import given_items, given_paths, given_text
from bioresearcher.cli.session.draft import Draft, Found, understood
from bioresearcher.cli.session.loading import loaded
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.errors import BioresearcherError, InputError
from bioresearcher.text.format import count_of

if TYPE_CHECKING:
    from bioresearcher.llm.choose import Choice
    from bioresearcher.settings import Settings

ENTRIES = ("objective", "conditions", "requirements", "papers", "data")
_ASKED = {
    "conditions": "condition (what is at hand; Enter: no more)>",
    "requirements": "requirement (what must be in the design; Enter: no more)>",
    "papers": "papers (a file or folder; Enter: no more)>",
    "data": "data (a table, or a folder with tables; Enter: no more)>",
}
_DROP = re.compile(r"drop\s+R?(\d+)", re.IGNORECASE)
_START = {"start", "s", "yes", "y"}
_NONE = {"", "none", "no", "-"}


class Asking(Protocol):
    """Asks a question; None when the intake is to be left. Lines with slash commands do not come back."""

    def __call__(self, prompt: str, *, words: tuple[str, ...] = (), multiline: bool = False) -> Awaitable[str | None]:
        """Ask."""


@dataclass(frozen=True)
class Agreed:
    """What a run is started with, as the person agreed to it."""

    draft: Draft
    settings: Settings
    reason: str
    forecast: tuple[str, ...]


class Intake:
    """The conversation before a run."""

    def __init__(self, terminal: Terminal, ask: Asking, settings: Callable[[], Settings]) -> None:
        self._terminal = terminal
        self._ask = ask
        self._settings = settings
        self._draft = Draft()

    async def talk(self) -> Agreed | None:
        """What to start with; None when it was left."""
        if not await self._objective():
            return None
        if not self._draft.id:
            for name in ENTRIES[1:]:
                if not await self._list(name):
                    return None
        return await self._agree()

    async def _objective(self) -> bool:
        """The objective, or a whole objective file, or the packaged example; False when the intake was left."""
        from bioresearcher.examples import list_examples, load_example, load_objective_file, objective_from_text

        examples = list_examples()
        while True:
            line = await self._ask("objective>", words=("example", *examples), multiline=True)
            if line is None:
                return False
            name = line.strip()
            try:
                if name.lower() in {"example", *examples}:
                    self._draft.take(load_example(name if name in examples else examples[0]))
                elif name.startswith("@") and name.lower().endswith(".toml"):
                    self._draft.take(load_objective_file(Path(name[1:].strip()).expanduser()))
                else:
                    self._draft.objective, self._draft.id = given_text(line, "objective"), ""
                    objective_from_text(self._draft.objective)
            except InputError as error:
                self._terminal.say(str(error))
                continue
            return True

    async def _list(self, name: str) -> bool:
        """Entries of a list until no more are given; False when the intake was left."""
        entries: list[str] | list[Path] = getattr(self._draft, name)
        while True:
            line = await self._ask(_ASKED[name])
            if line is None:
                return False
            if line.strip().lower() in _NONE:
                return True
            dropped = _DROP.fullmatch(line.strip())
            try:
                if dropped:
                    self._drop(entries, int(dropped[1]))
                elif name in {"papers", "data"}:
                    entries.extend(given_paths(line, name))  # type: ignore[arg-type] # of the kind its name says
                else:
                    added = given_items(line, name)
                    entries.extend(added)  # type: ignore[arg-type] # of the kind its name says
                    if len(added) > 1:
                        self._terminal.say(f"{len(added)} taken, {count_of(len(entries), 'entry', 'entries')} in all")
            except InputError as error:
                self._terminal.say(str(error))

    def _drop(self, entries: list[str] | list[Path], number: int) -> None:
        if not 1 <= number <= len(entries):
            raise InputError(f"there is no entry {number}.", hint=f"There are {len(entries)}.")
        self._terminal.say(f"dropped: {entries.pop(number - 1)}")

    async def _change(self, name: str) -> bool:
        """One entry anew, or more of a list."""
        if name == "objective":
            return await self._objective()
        entries = getattr(self._draft, name)
        for n, entry in enumerate(entries, start=1):
            self._terminal.say(f"{n} {entry}")
        if entries:
            self._terminal.say("`drop N` takes one out; others are added.")
        return await self._list(name)

    async def _agree(self) -> Agreed | None:
        """Show what was understood until it is right; None when the intake was left."""
        agreed = await self._shown()
        while True:
            words = ("start", *ENTRIES) if agreed else ENTRIES
            line = await self._ask("start, or what to change>" if agreed else "what to change>", words=words)
            if line is None:
                return None
            said = line.strip().lower()
            named = [name for name in ENTRIES if said and name.startswith(said.rstrip("s"))]
            if agreed and said in _START:
                return self._as_now(agreed)
            if len(named) != 1:
                self._terminal.say(f"Say {', '.join(words)}; /quit leaves without starting.")
            elif not await self._change(named[0]):
                return None
            else:
                agreed = await self._shown()

    def _as_now(self, agreed: Agreed) -> Agreed:
        """What was agreed to, with the limits as they are now."""
        now = self._settings()
        from bioresearcher.settings import BUDGET

        limits = {name: getattr(now, name) for name in BUDGET}
        return replace(agreed, settings=agreed.settings.model_copy(update=limits))

    async def _shown(self) -> Agreed | None:
        """Show what was understood and what it will cost; None when it cannot be started so."""
        await loaded()
        from bioresearcher.llm.choose import choose_backend

        draft = self._draft
        settings = self._settings()  # as they are now: `/budget` may have changed them
        settings = settings.model_copy(update={"only_own": settings.only_own or draft.only_own})
        try:
            choice = await choose_backend(settings)
            settings = choice.applied(settings)
            found, forecast = await asyncio.to_thread(_look, draft, settings, choice)
        except BioresearcherError as error:
            self._terminal.say(f"This cannot be started: {error}")
            return None
        self._terminal.say(understood(draft, found, _around(settings, choice, forecast)))
        return Agreed(draft, settings, choice.reason, forecast)


def _look(draft: Draft, settings: Settings, choice: Choice) -> tuple[Found, tuple[str, ...]]:
    """What lies in the papers and data, and what models will be asked.

    Raises:
        InputError: There is nothing to work with, a file is no paper, or the budget cannot be kept.
    """
    from bioresearcher.graph.backends import budget_of
    from bioresearcher.graph.expect import forecast_of
    from bioresearcher.graph.inputs import check_inputs, check_names, check_sources
    from bioresearcher.llm.prices import load_prices
    from bioresearcher.sources.datasets import load_datasets
    from bioresearcher.sources.papers import OwnPapers

    inputs = draft.inputs()
    check_names(settings)
    check_inputs(inputs, settings)
    check_sources(settings)
    loaded, unread = OwnPapers(inputs.papers).load() if inputs.papers else ([], [])
    tables = settings.workspace / "library" / "tables"
    datasets, unusable = load_datasets(inputs.data, tables) if inputs.data else ([], [])
    found = Found(tuple(paper for paper, _ in loaded), tuple(datasets), (*unread, *unusable))
    if choice.kind == "offline":
        return found, ()
    budget_of(settings).check_possible(choice.models, load_prices(settings.prices))
    return found, tuple(forecast_of(inputs, settings).lines)


def _around(settings: Settings, choice: Choice, forecast: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Who answers, who is asked over the network, and what it costs."""
    from bioresearcher.graph.backends import budget_of, describe_backend
    from bioresearcher.graph.services import hosts_of

    hosts = hosts_of(settings)
    asked = f"{', '.join(hosts)} will be asked" if hosts else "no literature or data service is asked"
    budget = budget_of(settings)
    limits = [f"at most {limit:g} {unit}" for limit, unit in (
        (budget.max_usd, "USD"), (budget.max_tokens, "tokens"), (budget.max_minutes, "minutes")) if limit]  # fmt: skip
    return [
        ("model", [f"{describe_backend(settings, choice.kind)} ({choice.reason.rstrip('.')})", *choice.notes]),
        ("services", [asked]),
        ("cost", [*(forecast or ["nothing: no model is asked"]), *limits]),
    ]
