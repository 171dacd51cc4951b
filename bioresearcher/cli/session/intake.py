"""Asking for what a run needs: objective, conditions, requirements, papers, data; and whether it was understood.

What a run will be started with, as far as it has been said; and how it was understood.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bioresearcher.cli.options import given_items, given_paths, given_text
from bioresearcher.cli.session.loading import loaded
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.errors import BioresearcherError, InputError
from bioresearcher.text.format import count_of, md
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.cli.session.layout import Sheet
    from bioresearcher.examples import ExampleInputs
    from bioresearcher.graph.prepare import RunInputs
    from bioresearcher.llm.select_backend import SelectedBackend
    from bioresearcher.schemas.dataset import Dataset
    from bioresearcher.schemas.paper import Failure, Paper
    from bioresearcher.settings import Settings


MOST_SHOWN = 12
"""Papers, data sets and failures that are named one by one."""


@dataclass
class Draft:
    """The entries so far. `id` is set when the objective came with one."""

    objective: str = ""
    conditions: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    papers: list[Path] = field(default_factory=list)
    data: list[Path] = field(default_factory=list)
    only_own: bool = False
    id: str = ""

    def take(self, loaded: ExampleInputs) -> None:
        """Take over what an objective file or an example says."""
        given = loaded.objective
        self.objective, self.id, self.only_own = given.text, given.id, loaded.only_own
        self.conditions, self.requirements = [*given.conditions], [r.text for r in given.requirements]
        self.papers, self.data = [*loaded.papers], [*loaded.data]

    def inputs(self) -> RunInputs:
        """The inputs of a run.

        Raises:
            InputError: The objective is none.
        """
        from bioresearcher.graph.prepare import RunInputs, inputs_from_text, with_more

        base = inputs_from_text(self.objective)
        if self.id:
            base = RunInputs(base.objective.model_copy(update={"id": self.id}))
        return with_more(
            base, conditions=self.conditions, requirements=self.requirements, papers=self.papers, data=self.data
        )


@dataclass(frozen=True)
class GivenMaterial:
    """What lies in the papers and data that were given."""

    papers: tuple[Paper, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    failures: tuple[Failure, ...] = ()


def understood(draft: Draft, found: GivenMaterial, around: list[tuple[str, list[str]]]) -> Sheet:
    """A list of what was understood; `around` is more of it: a name and lines each."""
    from bioresearcher.cli.session.layout import Sheet

    failures = [f"! {one_line(f'{f.item}: {f.message}', 200)}" for f in found.failures]
    rows = [
        ("objective", [draft.objective]),
        ("conditions", draft.conditions or ["none"]),
        ("requirements", [f"R{n} {text}" for n, text in enumerate(draft.requirements, start=1)] or ["none"]),
        ("papers", [*_papers(found), *_cut(failures)] if draft.papers else ["none given"]),
        ("data", [*_datasets(found)] if draft.data else ["none given"]),
        *around,
    ]
    listed = [f"- **{name}**: " + "\n  - ".join(map(md, _cut(lines))) for name, lines in rows]
    return Sheet("\n".join(listed))


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_SHOWN
    return lines if more <= 0 else [*lines[:MOST_SHOWN], f"… and {more} more"]


def _papers(found: GivenMaterial) -> Iterator[str]:
    yield f"{count_of(len(found.papers), 'paper')} found"
    for paper in found.papers:
        yield one_line(f"{paper.id}: {paper.title or 'without title'} ({paper.year or 'n.d.'})", 160)


def _datasets(found: GivenMaterial) -> Iterator[str]:
    if not found.datasets:
        yield "no data set found"
    for dataset in found.datasets:
        samples = count_of(dataset.n_samples, "sample") if dataset.n_samples else "samples not known"
        files = count_of(len(dataset.files), "file")
        yield one_line(f"{dataset.id}: {dataset.title} ({samples}, {files})", 200)


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
class AgreedInputs:
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

    async def talk(self) -> AgreedInputs | None:
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

    async def _agree(self) -> AgreedInputs | None:
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

    def _as_now(self, agreed: AgreedInputs) -> AgreedInputs:
        """What was agreed to, with the limits as they are now."""
        now = self._settings()
        from bioresearcher.settings import BUDGET

        limits = {name: getattr(now, name) for name in BUDGET}
        return replace(agreed, settings=agreed.settings.model_copy(update=limits))

    async def _shown(self) -> AgreedInputs | None:
        """Show what was understood and what it will cost; None when it cannot be started so."""
        await loaded()
        from bioresearcher.llm.select_backend import choose_backend

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
        return AgreedInputs(draft, settings, choice.reason, forecast)


def _look(draft: Draft, settings: Settings, choice: SelectedBackend) -> tuple[GivenMaterial, tuple[str, ...]]:
    """What lies in the papers and data, and what models will be asked.

    Raises:
        InputError: There is nothing to work with, a file is no paper, or the budget cannot be kept.
    """
    from bioresearcher.graph.prepare import check_inputs, check_names, check_sources, forecast_of
    from bioresearcher.graph.services import budget_of
    from bioresearcher.llm.budget import load_prices
    from bioresearcher.sources.datasets.load import load_datasets
    from bioresearcher.sources.literature.own_papers import OwnPapers

    inputs = draft.inputs()
    check_names(settings)
    check_inputs(inputs, settings)
    check_sources(settings)
    loaded, unread = OwnPapers(inputs.papers).load() if inputs.papers else ([], [])
    tables = settings.workspace / "library" / "tables"
    datasets, unusable = load_datasets(inputs.data, tables) if inputs.data else ([], [])
    found = GivenMaterial(tuple(paper for paper, _ in loaded), tuple(datasets), (*unread, *unusable))
    if choice.kind == "offline":
        return found, ()
    budget_of(settings).check_possible(choice.models, load_prices(settings.prices))
    return found, tuple(forecast_of(inputs, settings).lines)


def _around(settings: Settings, choice: SelectedBackend, forecast: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Who answers, who is asked over the network, and what it costs."""
    from bioresearcher.graph.services import budget_of, describe_backend, hosts_of

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
