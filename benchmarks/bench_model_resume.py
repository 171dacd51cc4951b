"""`kill -9` of a run with a language model, `resume`, and no paid answer asked for again.

The model is the tests' server, which lives on through the kills and sees every request. Each of its answers carries a
mark of the request it answers, so that a row of the ledger names the request it was paid for:

- *recorded* at a kill: requests whose answer is in the ledger once the process is dead. A request of the same body that
  comes later is a **repeated call**. There must be none.
- *not recorded*: requests in flight, and those answered in the moment before the row was written. They are asked
  again; that is what a kill costs, and it is counted apart.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_resume import NOTES, OBJECTIVE, Chain
from figures import ROOT, SEED, Figure, counted, none_of

from bioresearcher.examples import load_example

sys.path.insert(0, str(ROOT / "tests" / "support"))
from model_server import Answer, ModelServer, Seen, Tokens, valid_answer

__all__ = ["Answer", "ModelServer", "Seen", "Tokens", "marked_answer", "small_objective"]

LATENCY_S = 0.3
PER_CHAIN = 4
ITEMS = 3
"""Elements of the lists in an answer: so many parts, steps, and so on."""
_MARK = re.compile(r"\[([0-9a-f]{16})\]")


@dataclass
class Tally:
    """What was seen over all chains."""

    alone: int
    kills: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    recorded: int = 0
    repeated: int = 0
    asked_again: int = 0
    lost: int = 0
    equal: int = 0
    different: set[str] = field(default_factory=set)


def measure(quick: bool) -> list[Figure]:
    """Chains of kills over one small objective."""
    kills = 6 if quick else 20
    with tempfile.TemporaryDirectory() as scratch, ModelServer(marked_answer, LATENCY_S, context=32_768) as server:
        tally = _chains(Path(scratch), server, kills)
    struck = ", ".join(f"{phase} {n}" for phase, n in sorted(tally.kills.items()))
    if tally.different:
        struck += f"; different: {', '.join(sorted(tally.different)[:8])}"
    counts = f"{tally.calls} calls, {tally.alone} in an undisturbed run; {tally.recorded} recorded, summed over kills"
    unfinished = f"{tally.asked_again} in flight at {tally.kills.total()} kills"
    return [
        counted("model run: kills after which it ended the same", tally.equal, tally.kills.total(), note=struck),
        none_of("model run: recorded calls repeated after a kill", tally.repeated, note=counts),
        none_of("model run: recorded answers lost", tally.lost),
        Figure("model run: calls made again as they were not finished", unfinished),
    ]


def marked_answer(seen: Seen) -> dict[str, Any]:
    """A valid answer whose texts carry the request's mark, and whose ids and files can be used."""
    return _marked(valid_answer(seen.body, items=ITEMS), _mark(seen), "", 0)


def _marked(value: Any, mark: str, name: str, number: int) -> Any:
    if isinstance(value, dict):
        return {k: _marked(v, mark, k, number) for k, v in value.items()}
    if isinstance(value, list):
        if name == "inputs" and any("file" in v for v in value):
            return []  # a task that names no data set can be run: it comes to nothing and is repaired, by more calls
        return [_marked(v, mark, name, i) for i, v in enumerate(value)]
    if name in {"id", "part_id"}:
        return str(number + 1)
    if name == "step_ids":
        return f"{number + 1}.1"
    if name == "file":
        return f"table{number + 1}.tsv"
    return f"{value} {number + 1} [{mark}]" if value == f"a {name.replace('_', ' ')}" else value


def _mark(seen: Seen) -> str:
    return hashlib.sha256(json.dumps(seen.body, sort_keys=True).encode()).hexdigest()[:16]


class CountedChain(Chain):
    """A run that is killed when it has asked so many questions; time tells little where a start takes seconds."""

    def __init__(self, workspace: Path, inputs: list[str], server: ModelServer) -> None:
        super().__init__(workspace, inputs)
        self._server = server
        self._begun = len(server.calls)
        self.recorded: list[tuple[float, set[str]]] = []

    def calls(self) -> list[Seen]:
        """What was asked since the chain began."""
        return self._server.calls[self._begun :]

    def questions(self) -> set[str]:
        """The marks of what was asked."""
        return {_mark(seen) for seen in self.calls()}

    def suffer_after(self, questions: int, delay_s: float) -> str | None:
        """Kill the run so long after a question; the phase that was struck, or None when the run ended before."""
        process = self._start()
        while len(self.questions()) < questions and process.poll() is None:
            time.sleep(0.01)
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay_s)
            return None
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.recorded.append((time.monotonic(), _recorded(self.folder())))
        return self._phase()


def _chains(place: Path, server: ModelServer, kills: int) -> Tally:
    """Chains of kills at questions drawn evenly from all of the run, until there were enough."""
    rng = random.Random(SEED)
    inputs = [
        str(small_objective(place)),
        "--backend",
        "chat",
        "--model",
        "compatible:test-model",
        "--base-url",
        server.url,
    ]
    undisturbed = CountedChain(place / "undisturbed", inputs, server)
    undisturbed.finish()
    expected, questions = undisturbed.end(), undisturbed.questions()
    tally, number = Tally(alone=len(undisturbed.calls())), 0
    while tally.kills.total() < kills and number < 2 * kills:
        chain = CountedChain(place / f"chain{number}", inputs, server)
        points = sorted(rng.sample(range(1, len(questions) + 1), min(PER_CHAIN, kills - tally.kills.total())))
        struck = [chain.suffer_after(point, rng.uniform(0, 2 * LATENCY_S)) for point in points]
        chain.finish()
        _count(tally, chain)
        different = chain.end().differs_from(expected)
        different |= {"questions"} if chain.questions() != questions else set()
        tally.kills.update(phase for phase in struck if phase)
        tally.equal += sum(phase is not None for phase in struck) * (not different)
        tally.different |= different
        number += 1
    return tally


def _recorded(folder: Path | None) -> set[str]:
    """The marks of the requests whose answers are in the ledger."""
    if folder is None or not (folder / "ledger.sqlite").is_file():
        return set()
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
        tables = ledger.execute("SELECT name FROM sqlite_master WHERE name = 'calls'").fetchall()
        rows = ledger.execute("SELECT reply FROM calls").fetchall() if tables else []
    return {mark for (reply,) in rows for mark in _MARK.findall(reply)}


def _count(tally: Tally, chain: CountedChain) -> None:
    """Add a chain's calls. What led to a recorded repair turn is recorded with it: it is part of its messages."""
    calls = chain.calls()
    messages = {_mark(seen): seen.body["messages"] for seen in calls}
    known = [(at, marks | _led_to(marks, messages)) for at, marks in chain.recorded]
    repeated = sum(any(seen.at > at and _mark(seen) in marks for at, marks in known) for seen in calls)
    end = _recorded(chain.folder())
    tally.calls += len(calls)
    tally.recorded += sum(len(marks) for _, marks in chain.recorded)
    tally.repeated += repeated
    tally.asked_again += len(calls) - len(messages) - repeated
    tally.lost += sum(len(marks - end) for _, marks in chain.recorded)


def _led_to(marks: set[str], messages: dict[str, list[Any]]) -> set[str]:
    """The requests that a recorded one goes on from."""
    ends = [messages[mark] for mark in marks if mark in messages]
    return {m for m, begun in messages.items() if any(begun == end[: len(begun)] for end in ends)}


def small_objective(place: Path) -> Path:
    """Two method notes and one cohort, as in `bench_resume`."""
    inputs = load_example("breast-cancer")
    path = place / "objective.toml"
    papers = [str(inputs.papers[0] / name) for name in NOTES]
    path.write_text(OBJECTIVE.format(papers=papers, data=[str(inputs.data[0])]), encoding="utf-8")
    return path
