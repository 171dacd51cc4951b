"""Tokens that the design of one protocol sends, from three papers and the example's data, and what a cache saves of it.

The whole pipeline runs to the approval of the protocol. The author looks and reads in rounds written beforehand, the
reviewer makes one finding, and the offline rules answer everything else; each question is counted as it is rendered.
The last call of a conversation begins with the calls before it: what is not such a prefix is what a provider's cache
cannot save. Tokens are counted as in `bench_reading`; an answer's JSON schema is counted as part of its question.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_reading import _tokenizer
from figures import ROOT, Figure, test_data

from bioresearcher.examples import load_example
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.run import Runner, new_run_folder
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.offline.backend import offline_backend
from bioresearcher.schemas.ask_design import ExploreDataInput
from bioresearcher.schemas.ask_review import ExamineStatementsInput, RankedReview
from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.conversation import Action, ActionTurn, LookAction, ReadAction
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import RankedFinding
from bioresearcher.schemas.run import Decision
from bioresearcher.settings import Settings

sys.path.insert(0, str(ROOT / "tests" / "support"))
from model_answers import as_the_rules

PAPERS = ("jats/PMC1702562.xml", "jats/PMC2599765.nxml", "jats/PMC1289294.xml")
ROUNDS = 4
SENT, NOT_CACHED = 160_000, 70_000
LOOK = "sheet = table('samples')\nprint(sheet.iloc[:2].to_string())\nshow(sheet.describe())\n"
QUERIES = ("normalisation of arrays", "differential expression", "survival analysis", "validation in another cohort")


@dataclass(frozen=True)
class Sent:
    """A question of the author or the reviewer as it was sent."""

    prompt: str
    text: str
    schema: str

    @property
    def conversation(self) -> str:
        """Name of the conversation it goes on with; one that goes on with none is on its own."""
        alone = self.prompt in {"reviewer/recheck_findings", "reviewer/judge_claims"}
        return self.prompt if alone else self.prompt.partition("/")[0]


class Scripted:
    """Answers as the rules do; looks, reads and finds what is written beforehand. Keeps what a design sends."""

    name = "scripted"
    origin: Origin = "model"

    def __init__(self, rules: Backend) -> None:
        self._rules = rules
        self.sent: list[Sent] = []

    def identity(self, request: Request) -> str:
        return "scripted/1"

    def room(self, request: Request) -> int | None:
        return None

    async def aclose(self) -> None:
        await self._rules.aclose()

    async def complete(self, request: Request) -> Reply:
        if request.prompt.startswith(("designer/", "reviewer/")):
            text = "\n\n".join(m.content for m in request.messages)
            self.sent.append(Sent(request.prompt, text, json.dumps(request.output.model_json_schema())))
        answer = _scripted(request.prompt, request.values)
        return Reply(answer.model_dump_json()) if answer else await as_the_rules(self._rules, request)


def _scripted(prompt: str, values: Value) -> Value | None:
    if isinstance(values, ExploreDataInput | ExamineStatementsInput):
        rounds = ROUNDS if prompt == "designer/explore_data" else 1
        return ActionTurn(do=_actions(values), finish=values.round >= rounds)
    if prompt == "reviewer/review_protocol":
        problem = "It does not say what happens when a sample has no value."
        finding = RankedFinding(
            id="A1", location="protocol", problem=problem, consequence="weakens it", do="State the rule."
        )
        return RankedReview(findings=(finding,))
    return None


def _actions(values: ExploreDataInput | ExamineStatementsInput) -> tuple[Action, ...]:
    looks = [LookAction(kind="look", why="to see the table", view=v.id, code=LOOK) for v in values.views[:3]]
    if isinstance(values, ExamineStatementsInput):
        return tuple(looks)
    return (*looks, ReadAction(kind="read", why="to see what was done", query=QUERIES[values.round % len(QUERIES)]))


def measure(quick: bool) -> list[Figure]:
    """The figures of one design."""
    data = test_data()
    if data is None:
        return [Figure("designing a protocol", "not measured: set BIORESEARCHER_TEST_DATA")]
    with tempfile.TemporaryDirectory() as scratch:
        sent, protocol = asyncio.run(_design(Path(scratch), [data / "fulltext" / p for p in PAPERS]))
    name, count = _tokenizer()
    whole, fresh = tokens(sent, count)
    what = f"of one design, {len(PAPERS)} papers"
    said = f"{whole:,} in {len(sent)} calls for {len(protocol.parts)} parts, {len(protocol.steps)} steps ({name})"
    return [
        Figure(f"input tokens {what}", said, f"≤ {SENT:,}", whole <= SENT),
        Figure(f"input tokens {what}, not cached", f"{fresh:,}", f"≤ {NOT_CACHED:,}", fresh <= NOT_CACHED),
    ]


def tokens(sent: list[Sent], count: Callable[[str], int]) -> tuple[int, int]:
    """Count what was sent, and what of it no earlier call of the same conversation begins with."""
    whole = fresh = 0
    last: dict[str, str] = {}
    for one in sent:
        cached = _shared(last.get(one.conversation, ""), one.text)
        last[one.conversation] = one.text
        whole += count(one.text) + count(one.schema)
        fresh += count(one.text[cached:]) + count(one.schema)
    return whole, fresh


def _shared(before: str, now: str) -> int:
    """Count the characters with which both begin."""
    return next((n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))


async def _design(place: Path, papers: list[Path]) -> tuple[list[Sent], Protocol]:
    """Run to the approval of the protocol, and decline it."""
    example = load_example("breast-cancer")
    made: list[Scripted] = []

    def backend(library: Any) -> Backend:
        made.append(Scripted(offline_backend(library.similarities)))
        return made[-1]

    async def decline(question: dict[str, Any], context: RunContext) -> Decision:
        return Decision(gate=question["gate"], approved=False, by="human")

    inputs = RunInputs(example.objective, tuple(papers), tuple(example.data))
    settings = Settings(workspace=place, backend="offline", only_own=True, gates=("protocol",))
    folder = new_run_folder(place, example.objective.id)
    await Runner(folder, inputs, settings, answer=decline, make_backend=backend).run()
    return made[-1].sent, folder.read(Protocol, "protocol.json")
