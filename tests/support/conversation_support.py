"""A small conversation for tests: its prompts, tools that count what they run, and scripted rounds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.backend import Backend
from bioresearcher.llm.budget import Meter
from bioresearcher.llm.converse import Place, Seen
from bioresearcher.llm.ledger import Ledger
from bioresearcher.prompts import Prompt, PromptBook, untrusted
from bioresearcher.resources import Resources, load_cards
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.conversation import ActionTurn, FactAction, LookAction, ReadAction, Turn

FILES = {
    "opening.md": """+++
version = 1
inputs = "DeskTurn"
purpose = "the desk"
+++

## system
You sit at a desk.

## user
Task: {{ task }}
{% for p in papers %}
Paper: {{ p }}
{% endfor %}
""",
    "explore_desk.md": """+++
version = 1
inputs = "ExploreDeskInput"
output = "ActionTurn"
purpose = "looks"
+++

## user
What is to be looked at? Round {{ round }} of {{ rounds }}.
""",
    "write_desk.md": """+++
version = 1
inputs = "WriteDeskInput"
output = "Written"
purpose = "writes"
+++

## user
Write {{ words }} words.
""",
}


class DeskTurn(Turn):
    """What all turns of the conversation share."""

    droppable: ClassVar[Mapping[str, int]] = {"papers": 0}

    task: str = "find what is on the desk"
    papers: tuple[str, ...] = ()


class ExploreDeskInput(DeskTurn):
    """A round."""

    round: int = 1
    rounds: int = 1


class WriteDeskInput(DeskTurn):
    """The writing turn."""

    words: int = 10


class Written(Value):
    """What was written."""

    text: str


EXPLORE = Prompt("designer/explore_desk", ExploreDeskInput, ActionTurn, "designer/opening")
WRITE = Prompt("designer/write_desk", WriteDeskInput, Written, "designer/opening")


def resources(folder: Path, **changed: str) -> Resources:
    """The prompt files in a folder; `changed` has other texts for some, by their names without `.md`."""
    target = folder / "prompts" / "designer"
    target.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (target / name).write_text(changed.get(name.removesuffix(".md"), text), encoding="utf-8")
    return Resources(project=folder)


def desk(folder: Path, backend: Backend, *, rules: Backend | None = None, meter: Meter | None = None) -> ModelClient:
    """The door to a backend, with its ledger in the folder."""
    files = resources(folder)
    ledger, cards = Ledger(folder / "ledger.sqlite"), load_cards(files)
    return ModelClient(backend, ledger, PromptBook(files), cards, EventLog(None), rules=rules, meter=meter)


@dataclass
class Looks:
    """Runs looks: prints the code back, with a number that differs at each run; fails when told to."""

    prefix: str = "L"
    kind: str = "look"
    repeatable = False
    pure: bool = True
    ran: list[str] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)

    def key(self, action: LookAction) -> str:
        return hashlib.sha256(f"{action.view}\0{action.code}".encode()).hexdigest()

    async def run(self, action: LookAction, place: Place) -> Seen:
        if self.failing:
            raise self.failing.pop()
        self.ran.append(place.id)
        return Seen(f"exit 0\n{untrusted(f'{action.code} as {place.id}', 'output')}", {"runs": len(self.ran)})


@dataclass
class Reads:
    """Answers questions to papers."""

    prefix: str = "Q"
    kind: str = "read"
    repeatable = False
    pure: bool = True
    ran: list[str] = field(default_factory=list)

    def key(self, action: ReadAction) -> str:
        return f"{action.paper} {action.query}"

    async def run(self, action: ReadAction, place: Place) -> Seen:
        self.ran.append(place.id)
        return Seen(untrusted(f"a passage on {action.query}"))


@dataclass
class Facts:
    """Keeps facts about looks that were seen."""

    prefix: str = ""
    kind: str = "fact"
    repeatable = False
    pure: bool = False
    ran: list[str] = field(default_factory=list)

    def key(self, action: FactAction) -> str:
        return f"{action.look} {action.statement}"

    async def run(self, action: FactAction, place: Place) -> Seen:
        self.ran.append(action.statement)
        seen = next((done.text for done in place.before if done.id == action.look), None)
        return Seen("refused: there is no such look" if seen is None else f"kept, from {len(seen)} characters")


@dataclass
class Hands:
    """The three tools together."""

    looks: Looks = field(default_factory=Looks)
    reads: Reads = field(default_factory=Reads)
    facts: Facts = field(default_factory=Facts)

    @property
    def tools(self) -> dict[str, Looks | Reads | Facts]:
        return {tool.kind: tool for tool in (self.looks, self.reads, self.facts)}

    @property
    def ran(self) -> int:
        return sum(len(tool.ran) for tool in self.tools.values())


def look(code: str, view: str = "D1/open", why: str = "to see") -> LookAction:
    return LookAction(kind="look", why=why, view=view, code=code)


def read(query: str) -> ReadAction:
    return ReadAction(kind="read", why="to know", query=query)


def fact(of: str, statement: str) -> FactAction:
    return FactAction(kind="fact", look=of, statement=statement, consequence="none")


def turn(*actions: LookAction | ReadAction | FactAction, finish: bool = False) -> ActionTurn:
    return ActionTurn(do=actions, finish=finish)
