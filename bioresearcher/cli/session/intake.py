"""The intake of a session: asks for objective, conditions, requirements, papers and data, and shows what it understood.

The pipeline is imported meanwhile, in a thread: that takes seconds, which nobody at the prompt has to wait for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from bioresearcher.cli.options import given_items, given_paths, given_text
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.errors import BioresearcherError, InputError
from bioresearcher.text.format import count_of, md
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.cli.session.describe_data import DataDescription
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
    """The entries of an intake so far.

    `id` is set when the objective came with one, `kept` when the entries are those of an objective before.
    """

    objective: str = ""
    conditions: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    papers: list[Path] = field(default_factory=list)
    data: list[Path] = field(default_factory=list)
    only_own: bool = False
    id: str = ""
    kept: bool = False

    def again(self) -> Draft:
        """Return a copy for another objective, with all that was given for the last one."""
        return replace(
            self,
            conditions=[*self.conditions],
            requirements=[*self.requirements],
            papers=[*self.papers],
            data=[*self.data],
            kept=bool(self.objective),
        )

    def take(self, loaded: ExampleInputs) -> None:
        """Take over an objective file or an example."""
        objective = loaded.objective
        self.objective, self.id, self.only_own = objective.text, objective.id, loaded.only_own
        self.conditions, self.requirements = [*objective.conditions], [r.text for r in objective.requirements]
        self.papers, self.data = [*loaded.papers], [*loaded.data]

    def inputs(self) -> RunInputs:
        """Return the inputs of a run.

        Raises:
            InputError: The objective is empty or too short.
        """
        from bioresearcher.graph.prepare import RunInputs, inputs_from_text, with_additions

        base = inputs_from_text(self.objective)
        if self.id:
            base = RunInputs(base.objective.model_copy(update={"id": self.id}))
        return with_additions(
            base, conditions=self.conditions, requirements=self.requirements, papers=self.papers, data=self.data
        )


@dataclass(frozen=True)
class OwnMaterial:
    """The papers and data sets found in the given files, and what could not be read."""

    papers: tuple[Paper, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    failures: tuple[Failure, ...] = ()


_PIPELINE: Final = (
    "bioresearcher.cli.approvals",
    "bioresearcher.cli.run_messages",
    "bioresearcher.cli.session.paper_questions",
    "bioresearcher.cli.session.views",
    "bioresearcher.graph.prepare",
    "bioresearcher.graph.run",
    "bioresearcher.sources.literature.own_papers",
)
"""Modules of a run and of the commands on it."""


def load_pipeline() -> None:
    """Import what a run and the commands on it need."""
    for name in _PIPELINE:
        import_module(name)


async def pipeline_loaded() -> None:
    """Wait until the pipeline is imported, without blocking the event loop."""
    await asyncio.to_thread(load_pipeline)


def understood(draft: Draft, found: OwnMaterial, around: list[tuple[str, list[str]]]) -> Sheet:
    """Return a list of the entries as understood; `around` adds rows of a name and lines."""
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


def _papers(found: OwnMaterial) -> Iterator[str]:
    yield f"{count_of(len(found.papers), 'paper')} found"
    for paper in found.papers:
        yield one_line(f"{paper.id}: {paper.title or 'without title'} ({paper.year or 'n.d.'})", 160)


def _datasets(found: OwnMaterial) -> Iterator[str]:
    if not found.datasets:
        yield "no data set found"
    for dataset in found.datasets:
        samples = count_of(dataset.n_samples, "sample") if dataset.n_samples else "samples not known"
        features = f", {count_of(dataset.n_features, 'feature')}" if dataset.n_features else ""
        files = count_of(len(dataset.files), "file")
        yield one_line(f"{dataset.id}: {dataset.title} ({samples}{features}, {files})", 200)
        yield from (one_line(note, 300) for note in dataset.notes if _SHAPE.search(note))


_SHAPE = re.compile(r"\bturned\b|columns hold numbers|samples in (?:its|the) rows")
"""Notes on tables whose rows are samples where a matrix has them in its columns."""
_PATHS = ("papers", "data")
ENTRIES = ("objective", "conditions", "requirements", "papers", "data")
_ASKED = {
    "conditions": "condition (what is at hand; Enter: no more)>",
    "requirements": "requirement (what must be in the design; Enter: no more)>",
    "papers": "papers (a file or folder; Enter: no more)>",
    "data": "data (a table, or a folder with tables; Enter: no more)>",
}
_DROP = re.compile(r"drop\s+(r?\d{1,4}(?:[\s,]+r?\d{1,4})*)")
_HELP = (
    "One entry a line; `drop N` takes one out, `back` returns to the question before, `quit` leaves, "
    "Enter ends the list."
)
_ABOUT = {
    "objective": "The question to be answered, in a sentence, such as: Which genes differ between men and women?",
    "conditions": "What is at hand, such as: 40 frozen tumours; two public cohorts; one computer.",
    "requirements": "What must be in the design, such as: control of the false discovery rate.",
    "papers": "Papers to read (JATS, PDF, Markdown, BibTeX, RIS …); others are searched for unless `services off`.",
    "data": "Tables with a row a feature or a sample, or a folder of them; what is understood is shown next.",
}
"""Subject of each question, with an example."""
_RESERVED = {"help", "?", "back", "quit", "exit"}
"""Words that are meant for the program and never become an entry."""
_TO_THE_PROGRAM = re.compile(
    r"(?:(?:what|how|why|where|which|who|can|could|do|does)\b[^?]{0,30}"
    r"\b(?:you|me|(?:do|should|can|could|must|may|shall) i)\b[^?]{0,40}"
    r"|what(?: is|'s) this|how does (?:this|it) work|huh|what|sorry|pardon)\s*\?+",
    re.IGNORECASE,
)
"""A question about what to type; none about tumours asks `you`."""
_NAMED = re.compile(r"(objective|conditions?|requirements?|papers?|data)\s*[:=]?\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_SERVICES = re.compile(r"services?\s+(on|off)", re.IGNORECASE)
_START = {"start", "s", "yes", "y"}
_NONE = {"", "none", "no", "-"}


class Ask(Protocol):
    """Asks a question; returns None when the intake is to be left. Slash commands are carried out, not returned."""

    def __call__(self, prompt: str, *, words: tuple[str, ...] = (), multiline: bool = False) -> Awaitable[str | None]:
        """Ask."""


@dataclass(frozen=True)
class AgreedInputs:
    """The inputs, settings and forecast that the person agreed to start a run with."""

    draft: Draft
    settings: Settings
    reason: str
    forecast: tuple[str, ...]


class Intake:
    """The conversation before a run."""

    def __init__(
        self, terminal: Terminal, ask: Ask, settings: Callable[[], Settings], draft: Draft | None = None
    ) -> None:
        self._terminal = terminal
        self._ask = ask
        self._settings = settings
        self._draft = draft or Draft()
        self._data: DataDescription | None = None

    async def talk(self) -> AgreedInputs | None:
        """Hold the conversation; return None when it was left."""
        place = 0
        if self._draft.kept:
            self._terminal.say("Kept from before: conditions, requirements, papers and data; each can be changed.")
            if await self._objective() is None:
                return None
            return await self._agree()
        while place < len(ENTRIES):
            step = await self._entry(ENTRIES[place])
            if step is None:
                return None
            place = len(ENTRIES) if self._draft.id else max(0, place + step)
        return await self._agree()

    async def _entry(self, name: str) -> int | None:
        """Take one entry; return 1 to go on, -1 to go back to the entry before, None when the intake was left."""
        return await (self._objective() if name == "objective" else self._list(name))

    async def _objective(self) -> int | None:
        """Take the objective, a whole objective file, or the packaged example."""
        from bioresearcher.examples import list_examples, load_example, load_objective_file, objective_from_text

        examples = list_examples()
        while True:
            kept = self._draft.objective if self._draft.kept else ""
            prompt = "objective (Enter: as before)>" if kept else "objective>"
            line = await self._ask(prompt, words=("example", *examples), multiline=True)
            if line is None:
                return None
            name = line.strip()
            if not name and kept:
                return 1
            if name.lower() in _RESERVED or _TO_THE_PROGRAM.fullmatch(name):
                self._terminal.say(_ABOUT["objective"])
                self._terminal.say(
                    "Type or paste it, @FILE for one in a file, or `example`; `quit` leaves, /help lists the commands."
                )
                continue
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
            return 1

    async def _list(self, name: str) -> int | None:
        """Take entries of a list until no more are given."""
        entries: list[Any] = getattr(self._draft, name)
        while True:
            line = await self._ask(_ASKED[name])
            if line is None:
                return None
            word = line.strip().lower()
            if word == "back":
                return -1
            if word in _NONE:
                return 1
            try:
                if word in _RESERVED or _TO_THE_PROGRAM.fullmatch(word):
                    self._terminal.say(_ABOUT[name])
                    self._terminal.say(f"{_HELP} /help lists the commands, /quit leaves.")
                elif self._services(word):
                    continue
                elif dropped := _DROP.fullmatch(word):
                    self._drop(entries, {int(n) for n in re.findall(r"\d+", dropped[1])})
                else:
                    await self._add(*self._meant(name, line))
            except InputError as error:
                self._terminal.say(str(error))

    def _meant(self, name: str, line: str) -> tuple[str, str]:
        """Return list and entry of a line that may begin with the name of a list: `papers: notes`.

        At another question it names a list only if a path follows, as a condition may begin with any word.
        """
        found = _NAMED.fullmatch(line.strip())
        named = _entry_name(found[1]) if found else ""
        if not found or not named or (named != name and named not in _PATHS) or named == "objective":
            return name, line
        there = named in _PATHS and _is_there(found[2])
        plain = name in _PATHS and _is_there(line)
        return (named, found[2]) if not plain and (named == name or there) else (name, line)

    async def _add(self, name: str, line: str) -> None:
        """Add entries to a list; files are looked at first, so that nobody learns of a wrong one at the end.

        Raises:
            InputError: A path is not there, or holds nothing of that kind.
        """
        entries: list[Any] = getattr(self._draft, name)
        added: list[Any]
        if name in _PATHS:
            added = [path for path in given_paths(line, name) if path not in entries]
            if not added:
                raise InputError(f"{name}: that is in the list already.")
            await pipeline_loaded()
            await asyncio.to_thread(_check_paths, name, added)
        else:
            added = given_items(line, name)
        echo = [f"{name} {n}: {entry}" for n, entry in enumerate(added, start=len(entries) + 1)]
        entries += added
        if len(added) > 1:
            echo = [*_cut(echo), f"{len(added)} taken, {count_of(len(entries), 'entry', 'entries')} in all"]
        self._terminal.say("\n".join(echo))

    def _services(self, line: str) -> bool:
        """Carry out `services off` and `services on`; False when the line is neither."""
        found = _SERVICES.fullmatch(line.strip())
        if not found:
            return False
        self._draft.only_own = found[1].lower() == "off"
        given = not self._draft.only_own and self._settings().only_own
        said = "no literature or data service will be asked" if self._draft.only_own or given else "services are asked"
        self._terminal.say(f"{said}{' (--only-own, or only_own in the settings)' if given else ''}.")
        return True

    def _drop(self, entries: list[Any], numbers: set[int]) -> None:
        for number in numbers:
            if not 1 <= number <= len(entries):
                raise InputError(f"there is no entry {number}.", hint=f"There are {len(entries)}.")
        for number in sorted(numbers, reverse=True):
            self._terminal.say(f"dropped: {entries.pop(number - 1)}")

    async def _change(self, name: str) -> bool:
        """Take the objective anew, or change a list; False when the intake was left."""
        entries = [] if name == "objective" else getattr(self._draft, name)
        for n, entry in enumerate(entries, start=1):
            self._terminal.say(f"{n} {entry}")
        if entries:
            self._terminal.say(_HELP)
        return await self._entry(name) is not None

    async def _agree(self) -> AgreedInputs | None:
        """Show the entries until the person agrees; None when the intake was left."""
        agreed = await self._shown()
        while True:
            words = ("start", *ENTRIES) if agreed else ENTRIES
            words = (*words, "describe") if self._draft.data else words
            line = await self._ask("start, or what to change>" if agreed else "what to change>", words=words)
            if line is None:
                return None
            word = line.strip().lower()
            named = [name for name in ENTRIES if word and name.startswith(word.rstrip("s"))]
            if agreed and word in _START:
                return self._as_now(agreed)
            if word == "back":
                named = [ENTRIES[-1]]
            entry = _NAMED.fullmatch(line.strip())
            if self._services(word):
                agreed = await self._shown()
                continue
            if entry and await self._given(_entry_name(entry[1]), entry[2]):
                agreed = await self._shown()
                continue
            if word in {"describe", "transpose"} and self._data is not None:
                if not await self._data.correct(self._read_data, word):
                    return None
                agreed = await self._shown()
                continue
            if len(named) != 1:
                self._terminal.say(
                    f"Say {', '.join(words)}; `papers PATH` or `data PATH` adds one, `services off` asks no service, "
                    "`back` goes to the data; /quit leaves without starting."
                )
            elif not await self._change(named[0]):
                return None
            else:
                agreed = await self._shown()

    async def _given(self, name: str, text: str) -> bool:
        """Take an entry that was given with the name of its list; False when it cannot be taken."""
        try:
            if name == "objective":
                from bioresearcher.examples import objective_from_text

                objective_from_text(text)
                self._draft.objective, self._draft.id = text.strip(), ""
            elif name:
                await self._add(name, text)
        except InputError as error:
            self._terminal.say(str(error))
            return False
        return bool(name)

    def _as_now(self, agreed: AgreedInputs) -> AgreedInputs:
        """Return the agreed inputs with the budget as it is now."""
        from bioresearcher.settings import BUDGET

        now = self._settings()
        limits = {name: getattr(now, name) for name in BUDGET}
        return replace(agreed, settings=agreed.settings.model_copy(update=limits))

    async def _shown(self) -> AgreedInputs | None:
        """Print the entries and the forecast; None when a run cannot be started with them."""
        await pipeline_loaded()
        from bioresearcher.llm.select_backend import choose_backend

        draft = self._draft
        settings = self._settings()  # as they are now: `/budget` may have changed them
        settings = settings.model_copy(update={"only_own": settings.only_own or draft.only_own})
        try:
            choice = await choose_backend(settings)
            settings = choice.applied(settings)
            found, forecast = await asyncio.to_thread(_read, draft, settings, choice)
            while found.datasets and await self._described(found.datasets):
                found, forecast = await asyncio.to_thread(_read, draft, settings, choice)
        except BioresearcherError as error:
            self._terminal.say(f"This cannot be started: {error}")
            return None
        self._terminal.say(understood(draft, found, _around(settings, choice, forecast)))
        if found.datasets:
            wide = any("columns hold numbers" in note for d in found.datasets for note in d.notes)
            turn = "; `transpose` makes a copy of a table of patients with features in rows" if wide else ""
            self._terminal.say(f"`describe` corrects how the data are read{turn}.")
        return AgreedInputs(draft, settings, choice.reason, forecast)

    async def _described(self, datasets: tuple[Dataset, ...]) -> bool:
        """Show the description of the data and ask for what is open; True when something of it was settled."""
        from bioresearcher.cli.session.describe_data import DataDescription

        if self._data is None:
            workspace = self._settings().workspace
            self._data = DataDescription(self._terminal, self._ask, self._draft.data, workspace)
        return bool(await self._data.settle(datasets))

    def _read_data(self) -> tuple[Dataset, ...]:
        """Read the given data anew."""
        from bioresearcher.sources.datasets.load import load_datasets

        return tuple(load_datasets(self._draft.data, self._settings().workspace / "library" / "tables")[0])


def _entry_name(word: str) -> str:
    """Return the name of the list that a word means."""
    return next((name for name in ENTRIES if name.startswith(word.lower().rstrip("s"))), "")


def _is_there(name: str) -> bool:
    try:
        return bool(name.strip()) and Path(name.strip().strip("'\"")).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _check_paths(name: str, paths: list[Path]) -> None:
    """Refuse files and folders without papers, or without data.

    Raises:
        InputError: One holds nothing of that kind; the hint says where it fits, if it does.
    """
    from bioresearcher.papers.documents import SUFFIXES
    from bioresearcher.sources.datasets.load import check_is_data
    from bioresearcher.sources.literature.own_papers import HINT, OwnPapers, lists_papers

    def check_is_papers(path: Path) -> None:
        """A file is read as a paper whatever it is called; one that is plainly something else is refused here."""
        OwnPapers([path])
        if path.is_file() and path.suffix.lower() not in SUFFIXES and not lists_papers(path):
            raise InputError(f"{path} is no paper.", hint=HINT)

    checks: dict[str, Callable[[Path], object]] = {"papers": check_is_papers, "data": check_is_data}
    other = "data" if name == "papers" else "papers"
    for path in paths:
        try:
            checks[name](path)
        except InputError as error:
            try:
                checks[other](path)
            except InputError:
                raise error from None
            raise InputError(
                f"{path} holds {other}, not {name}.", hint=f"`{other} {path}` takes it as {other}."
            ) from None


def _read(draft: Draft, settings: Settings, choice: SelectedBackend) -> tuple[OwnMaterial, tuple[str, ...]]:
    """Read the given papers and data; return them with the forecast.

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
    found = OwnMaterial(tuple(paper for paper, _ in loaded), tuple(datasets), (*unread, *unusable))
    if choice.kind == "offline":
        return found, ()
    budget_of(settings).check_possible(choice.models, load_prices(settings.prices))
    return found, tuple(forecast_of(inputs, settings).lines)


def _around(settings: Settings, choice: SelectedBackend, forecast: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Return rows on the backend, the services that are asked, and the cost."""
    from bioresearcher.graph.services import budget_of, describe_backend, hosts_of

    hosts = hosts_of(settings)
    asked = f"{', '.join(hosts)} will be asked" if hosts else "no literature or data service is asked"
    budget = budget_of(settings)
    units = {"max_usd": "USD", "max_tokens": "tokens", "max_minutes": "minutes"}
    limits = [f"at most {limit:g} {unit}" for name, unit in units.items() if (limit := getattr(budget, name))]
    return [
        ("model", [f"{describe_backend(settings, choice.kind)} ({choice.reason.rstrip('.')})", *choice.notes]),
        ("services", [asked]),
        ("cost", [*(forecast or ["nothing: no model is asked"]), *limits]),
    ]
