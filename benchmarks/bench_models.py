"""Asking models: waiting side by side, what `ask` adds to a call, kills in the middle, and the end of a budget.

The model is the tests' server in a process of its own: real HTTP through the real client, and an answer that takes as
long as it is told to.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench_model_resume import Answer, ModelServer, Seen, Tokens, marked_answer, small_objective
from figures import ROOT, SEED, Figure, environment, measured, program
from scripted_backend import ScriptedBackend

from bioresearcher.errors import BudgetError
from bioresearcher.events import EventLog
from bioresearcher.examples import load_example
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.backend import Backend
from bioresearcher.llm.budget import Budget, Meter, load_prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.papers.quotes import split_passages
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.prompts import Prompt, PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.schemas.ask_literature import (
    OutlinedPart,
    PartDraft,
    PlanQueriesInput,
    ReportPartInput,
    ReportStepDraft,
)
from bioresearcher.schemas.base import Objective, Usage, Value
from bioresearcher.schemas.model import ROLES, ModelSettings
from bioresearcher.schemas.paper import QueryPlan, SearchQuery
from bioresearcher.stages.passages import PASSAGES_PER_PART
from bioresearcher.stages.prompts import PLAN_QUERIES, REPORT_PART

LATENCY_S = 0.3
CALLS = 12
CONCURRENCY = 4
CRITICAL_PATH_S = LATENCY_S * CALLS / CONCURRENCY


class CALL:
    """Tokens of every call where a budget is measured."""

    prompt, completion = 900, 100
    total = prompt + completion


def measure(quick: bool) -> list[Figure]:
    """All figures of this benchmark."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        return [
            *_side_by_side(place, 3 if quick else 10),
            *_overhead(place, 100 if quick else 400),
            *_overshoot(place, 5 if quick else 25),
        ]


def _side_by_side(place: Path, repeats: int) -> list[Figure]:
    """Wall time of independent calls over the time that the server makes necessary.

    Each repeat has a backend and a ledger of its own, and asks once before: importing the client and opening the first
    connection are measured apart.
    """
    with _server(LATENCY_S) as url:
        times = [asyncio.run(_independent_calls(place / f"calls{n}.sqlite", url)) for n in range(repeats)]
    first, rest = times[0][0], [first for first, _ in times[1:]]
    name = f"{CALLS} independent calls of {LATENCY_S * 1000:.0f} ms at concurrency {CONCURRENCY}"
    return [
        measured(f"{name}: wall over critical path", [w / CRITICAL_PATH_S for _, w in times], "×", at_most=1.15),
        measured("first call of a process, beside the answer (imports)", [first - LATENCY_S], "s"),
        measured("first call of a backend, beside the answer", [(t - LATENCY_S) * 1000 for t in rest], "ms"),
    ]


async def _independent_calls(path: Path, url: str) -> tuple[float, float]:
    """Seconds of one call, and then of all of them together."""
    settings = ModelSettings(provider="compatible", model="test-model", base_url=url, concurrency=CONCURRENCY)
    backend = ChatBackend(dict.fromkeys(ROLES, settings), load_prices(None))
    caller = _caller(path, backend)
    started = time.perf_counter()
    await ask(caller, PLAN_QUERIES, _question(0))
    between = time.perf_counter()
    await asyncio.gather(*(ask(caller, PLAN_QUERIES, _question(n + 1)) for n in range(CALLS)))
    ended = time.perf_counter()
    await backend.aclose()
    caller.ledger.close()
    return between - started, ended - between


def _overhead(place: Path, calls: int) -> list[Figure]:
    """What `ask` takes where the answer takes nothing: rendering, the ledger with its fsync, and validation."""
    plan = QueryPlan(literature=(SearchQuery(query="a AND b", purpose="p"),))
    short = asyncio.run(_asked(place / "short.sqlite", PLAN_QUERIES, [_question(n) for n in range(calls)], plan))
    parts, draft = _parts_of_papers(calls)
    long = asyncio.run(_asked(place / "long.sqlite", REPORT_PART, parts, draft))
    size = sum(len(p.text) for p in parts[0].passages) / 1000
    return [
        measured("ask(): overhead per call, short prompt", short[0], "ms", at_most=5),
        measured(f"ask(): overhead per call, part of a paper ({size:.0f},000 characters)", long[0], "ms", at_most=5),
        measured("the same, CPU only", long[1], "ms"),
    ]


async def _asked(
    path: Path, prompt: Prompt[Any, Any], questions: Sequence[Value], answer: Value
) -> tuple[list[float], list[float]]:
    """Milliseconds and CPU milliseconds of each call, one after the other; the first loads the prompt and is left out.

    Between the two are mostly the waits for the disk: an answer is durable before it is used.
    """
    caller = _caller(path, ScriptedBackend([answer.model_dump_json()] * len(questions)))
    wall, cpu = [], []
    for question in questions:
        started, worked = time.perf_counter(), time.process_time()
        await ask(caller, prompt, question)
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
    caller.ledger.close()
    return wall[1:], cpu[1:]


def _caller(path: Path, backend: Backend) -> ModelClient:
    """What a run has to ask with, with events written to a file beside the ledger as in a run."""
    resources = Resources()
    events = EventLog(path.with_suffix(".jsonl"))
    return ModelClient(backend, Ledger(path), PromptBook(resources), load_cards(resources), events)


def _question(number: int) -> PlanQueriesInput:
    """A short question, different for each number."""
    objective = Objective(id="o", text=f"Which genes differ between the subtypes of breast cancer in cohort {number}?")
    return PlanQueriesInput(objective=objective, round=1, previous=(), known_titles=())


def _parts_of_papers(number: int) -> tuple[list[ReportPartInput], PartDraft]:
    """As much of real papers as one part is given at most, and an answer of five steps with quotes from it."""
    papers = sorted(p for p in load_example("breast-cancer").papers[0].iterdir() if p.suffix == ".md")
    all_passages = (p for path in papers for p in split_passages(load_paper(path)[1]))
    passages = tuple(sorted(all_passages, key=lambda p: -len(p.text))[:PASSAGES_PER_PART])
    steps = tuple(
        ReportStepDraft(action="Do what is said", details=p.text[:300], quotes=(p.text[:120],)) for p in passages[:5]
    )
    inputs = [
        ReportPartInput(
            objective=_question(n).objective,
            paper_title="A paper",
            part=OutlinedPart(title="Analysis", purpose="To see", sections=(1, 2)),
            passages=passages,
        )
        for n in range(number)
    ]
    return inputs, PartDraft(steps=steps)


def _overshoot(place: Path, repeats: int) -> list[Figure]:
    """Calls beyond the one that uses a token budget up, many being ready to go; and the same in a real run."""
    rng = random.Random(SEED)
    limits = [rng.randint(1, 20 * CALL.total) for _ in range(repeats)]
    with ModelServer(_costing, latency_s=0.02) as server:
        beyond = [asyncio.run(_calls_beyond(place / f"budget{n}.sqlite", server, m)) for n, m in enumerate(limits)]
        run_limit = 9 * CALL.total
        ended = _run_with_budget(place, server, run_limit)
    asked = f"{repeats} budgets, 40 calls ready at concurrency {CONCURRENCY}"
    most = CONCURRENCY - 1
    return [
        Figure("budget: most calls beyond it", f"{max(beyond)} ({asked})", f"≤ {most}", max(beyond) <= most),
        Figure(
            "budget: calls beyond it in a run", f"{ended.beyond} (of {ended.calls})", f"≤ {most}", ended.beyond <= most
        ),
        Figure(
            "budget: exit code of that run, and resumed with more", ended.codes, "3, then 0", ended.codes == "3, then 0"
        ),
    ]


async def _calls_beyond(path: Path, server: ModelServer, max_tokens: int) -> int:
    before = len(server.calls)
    settings = ModelSettings(provider="compatible", model="test-model", base_url=server.url, concurrency=CONCURRENCY)
    backend = ChatBackend(dict.fromkeys(ROLES, settings), load_prices(None))
    caller = replace(_caller(path, backend), meter=Meter(Budget(max_tokens=max_tokens), Usage(), 0))
    ended = await asyncio.gather(*(ask(caller, PLAN_QUERIES, _question(n)) for n in range(40)), return_exceptions=True)
    await caller.close(wait=True)
    await backend.aclose()
    caller.ledger.close()
    wrong = [e for e in ended if isinstance(e, BaseException) and not isinstance(e, BudgetError)]
    if wrong:
        raise wrong[0]
    return _beyond(len(server.calls) - before, max_tokens)


def _beyond(calls: int, max_tokens: int) -> int:
    """Calls beyond the one with which the budget was used up."""
    return calls - -(-max_tokens // CALL.total)


@dataclass(frozen=True)
class Ended:
    """How a run with a budget ended."""

    calls: int
    beyond: int
    codes: str


def _run_with_budget(place: Path, server: ModelServer, max_tokens: int) -> Ended:
    """A run that cannot be paid for, and the same resumed with enough."""
    before = len(server.calls)
    objective = small_objective(place)
    model = ["--backend", "chat", "--model", "compatible:test-model", "--base-url", server.url]
    first = _exit_code(place, "run", str(objective), *model, "--max-tokens", str(max_tokens))
    calls = len(server.calls) - before
    (folder,) = (place / "workspace" / "runs").iterdir()
    second = _exit_code(place, "resume", str(folder), "--max-tokens", str(1000 * CALL.total))
    return Ended(calls, _beyond(calls, max_tokens), f"{first}, then {second}")


def _exit_code(place: Path, *args: str) -> int:
    env = {**environment(), "BIORESEARCHER_WORKSPACE": str(place / "workspace")}
    command = program(*args, "--yes", "--quiet")
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=env, check=False).returncode


def _costing(seen: Seen) -> Answer:
    """A valid answer that says it used a fixed number of tokens."""
    return Answer(text=json.dumps(marked_answer(seen)), usage=Tokens(CALL.prompt, CALL.completion))


@contextmanager
def _server(latency_s: float) -> Iterator[str]:
    """The base URL of the tests' server in a process of its own."""
    command = [sys.executable, str(ROOT / "tests" / "support" / "model_server.py"), "--latency", str(latency_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
