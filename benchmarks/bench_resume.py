"""`kill -9` at random moments, `resume`, and the same end: digests of the results, and no model call made twice.

A small objective is killed twenty times and the whole example a few times. Kills come in chains: a run is killed,
resumed, killed further on, and so on, and then left to end. The moments are drawn evenly over the time of an
undisturbed run from a fixed seed; which piece of work is then in hand depends on the machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figures import SEED, Figure, counted, environment, none_of, program

from bioresearcher.examples import load_example

OBJECTIVE = """
id = "er-status"
objective = "Which genes differ between oestrogen-receptor-positive and -negative breast tumours?"
requirements = ["Differential expression between the groups with control of the false discovery rate"]
papers = {papers}
data = {data}
"""
NOTES = ("benjamini-hochberg-1995.md", "perou-2000.md")
RESULTS = (
    "protocol.json", "protocol.md", "review.json", "rounds.json", "tasks.json", "reports/*.json", "analyses/*.json",
    "tasks/*/code.py", "tasks/*/outputs/*",
)  # fmt: skip
"""What must not depend on interruptions."""
PHASES = {
    "search": ("plan_queries", "search_papers", "screen_papers", "search_datasets", "check_datasets"),
    "reading": ("audit_data", "read_paper", "analyse_reports"),
    "design": ("explore_data", "plan_protocol", "fit_outlines", "write_steps", "review_protocol", "assemble_protocol"),
    "tasks": ("extract_tasks", "program_task", "collect_tasks", "index_papers"),
    "review": ("score_protocol",),
}
LONGEST_S = 900.0


@dataclass(frozen=True)
class End:
    """How a run ended: digests of its results, its outcomes, and the keys in its ledger with their answers."""

    results: dict[str, str]
    outcomes: dict[str, int]
    calls: dict[str, str]

    def differs_from(self, other: End) -> set[str]:
        """The results that differ, by their paths, and `outcomes` and `calls`."""
        names = self.results.keys() | other.results.keys()
        found = {name for name in names if self.results.get(name) != other.results.get(name)}
        found |= {"outcomes"} if self.outcomes != other.outcomes else set()
        return found | ({"calls"} if self.calls != other.calls else set())


@dataclass
class Tally:
    """What was seen over all chains."""

    kills: Counter[str] = field(default_factory=Counter)
    chains: int = 0
    equal: int = 0
    repeated: int = 0
    lost: int = 0
    different: set[str] = field(default_factory=set)


def measure(quick: bool) -> list[Figure]:
    """Both objectives."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        small = _chains(place / "small", [str(_small_objective(place))], kills=8 if quick else 20, per_chain=4)
        figures = _figures("small objective", small)
        if not quick:
            whole = _chains(place / "whole", ["--example", "breast-cancer"], kills=5, per_chain=5)
            figures += _figures("whole example", whole)
        return figures


def _figures(name: str, tally: Tally) -> list[Figure]:
    struck = ", ".join(f"{phase} {n}" for phase, n in sorted(tally.kills.items()))
    if tally.different:
        struck += f"; different: {', '.join(sorted(tally.different)[:8])}"
    return [
        counted(f"{name}: kills after which the run ended the same", tally.equal, tally.kills.total(), note=struck),
        none_of(f"{name}: model calls made again", tally.repeated),
        none_of(f"{name}: recorded answers lost or changed", tally.lost),
    ]


def _small_objective(place: Path) -> Path:
    """Two method notes and one cohort, as in the pipeline tests."""
    inputs = load_example("breast-cancer")
    path = place / "objective.toml"
    papers = [str(inputs.papers[0] / name) for name in NOTES]
    path.write_text(OBJECTIVE.format(papers=papers, data=[str(inputs.data[0])]), encoding="utf-8")
    return path


def _chains(place: Path, inputs: Sequence[str], *, kills: int, per_chain: int) -> Tally:
    """Chains of kills until there were enough: a moment at which the run had already ended is no kill."""
    rng = random.Random(SEED)
    undisturbed = Chain(place / "undisturbed", inputs)
    length_s = undisturbed.finish()
    expected = undisturbed.end()
    tally = Tally()
    while tally.kills.total() < kills and tally.chains < 2 * kills:
        moments = sorted(rng.uniform(0, length_s) for _ in range(min(per_chain, kills - tally.kills.total())))
        chain = Chain(place / f"chain{tally.chains}", inputs)
        struck = chain.suffer(moments)
        chain.finish()
        found = chain.end()
        tally.chains += 1
        tally.kills.update(struck)
        tally.equal += len(struck) * (found == expected)
        tally.different |= found.differs_from(expected)
        tally.repeated += chain.repeated_calls()
        tally.lost += chain.lost
    return tally


class Chain:
    """One run in a workspace of its own, from its start over some kills to its end."""

    def __init__(self, workspace: Path, inputs: Sequence[str]) -> None:
        self._workspace = workspace
        self._inputs = inputs
        self.lost = 0

    def suffer(self, moments: Sequence[float]) -> list[str]:
        """Kill the run at moments counted in seconds of work; the phases in which it was struck."""
        struck: list[str] = []
        done_s = 0.0
        for moment_s in moments:
            before = self._calls()
            process, resumed = self._start(), self.folder() is not None
            if resumed:
                self._wait_until_at_work(process)
            else:
                done_s = 0.0  # it was killed before there was anything to go on with
            if _ends_within(process, moment_s - done_s):
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            struck.append(self._phase())
            after = self._calls()
            self.lost += sum(after.get(key) != answer for key, answer in before.items())
            done_s = moment_s
        return struck

    def finish(self) -> float:
        """Run or resume to the end; seconds it took."""
        started = time.monotonic()
        before = self._calls()
        process = self._start()
        if not _ends_within(process, LONGEST_S):
            process.kill()
        code = process.wait()
        if code:
            said = process.stderr.read().decode()[-500:] if process.stderr else ""
            raise RuntimeError(f"the run ended with exit code {code}: {said}")
        after = self._calls()
        self.lost += sum(after.get(key) != answer for key, answer in before.items())
        return time.monotonic() - started

    def folder(self) -> Path | None:
        """The run folder, once the run has written its manifest; before that there is nothing to resume."""
        found = sorted(self._workspace.glob("runs/*/run.json"))
        return found[-1].parent if found else None

    def end(self) -> End:
        """What the run came to."""
        folder = self.folder()
        if folder is None:
            raise RuntimeError("the run left no manifest")
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if record["status"] != "done":
            raise RuntimeError(f"the run ended as {record['status']}")
        files = sorted(path for pattern in RESULTS for path in folder.glob(pattern))
        digests = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
        return End(digests, record["totals"]["outcomes"], self._calls())

    def repeated_calls(self) -> int:
        """Calls answered anew although the run had their answer already."""
        fresh = Counter(
            e["data"]["key"] for e in self._events() if e["kind"] == "call" and not e["data"].get("replayed")
        )
        return sum(n - 1 for n in fresh.values())

    def _start(self) -> subprocess.Popen[bytes]:
        folder = self.folder()
        command = ["run", *self._inputs] if folder is None else ["resume", str(folder)]
        return subprocess.Popen(
            program(*command, "--yes", "--quiet"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**environment(), "BIORESEARCHER_WORKSPACE": str(self._workspace)},
            start_new_session=True,
        )

    def _wait_until_at_work(self, process: subprocess.Popen[bytes]) -> None:
        """Until a resumed run has begun: loading the program again is no progress."""
        begun = self._begun()
        while self._begun() == begun and process.poll() is None:
            time.sleep(0.01)

    def _begun(self) -> int:
        return sum(e["kind"] == "run" and e["state"] == "start" for e in self._events())

    def _events(self) -> list[dict[str, Any]]:
        folder = self.folder()
        path = folder / "events.jsonl" if folder else None
        if path is None or not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def _phase(self) -> str:
        """The phase of the last thing that had begun: `start` before the first step, `end` when all was written."""
        last = next((e for e in reversed(self._events()) if e["kind"] in {"step", "run"}), None)
        if last is None or last["kind"] == "run":
            return "start" if last is None or last["state"] == "start" else "end"
        return next((phase for phase, stages in PHASES.items() if last["stage"] in stages), "other")

    def _calls(self) -> dict[str, str]:
        """Key -> digest of the answer, for every call in the ledger."""
        folder = self.folder()
        if folder is None or not os.access(folder / "ledger.sqlite", os.R_OK):
            return {}
        with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
            rows = ledger.execute("SELECT key, prompt, model, reply, usage FROM calls").fetchall()
        return {row[0]: hashlib.sha256(json.dumps(row).encode()).hexdigest() for row in rows}


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True
