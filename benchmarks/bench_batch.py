"""Batches: how much of the processors they use, whether memory stays flat, and `kill -9` of workers and of the parent.

Forty copies of a small offline objective (two method notes, read, screened and made a protocol of; no data, so that no
task runs) are carried out with a job per processor. The wall time is compared with the CPU time that a run takes by
itself, times forty over the processors. On a machine that does other things at the same time the wall time says
little; the CPU time of the batch per run, beside that of a run by itself, is therefore given too.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from figures import SEED, Figure, counted, environment, measured, none_of, program, timed

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.examples import load_example

OBJECTIVE = "How are tumours grouped by expression?"
NOTES = ("benjamini-hochberg-1995.md", "perou-2000.md")
RESULTS = ("protocol.md", "review.json", "rounds.json", "reports/*.json", "analyses/*.json")
"""What must not depend on kills; `protocol.json` names the objective's id."""
COPIES, KILLS, PER_BATCH = 40, 20, 6
TEN = 10


def measure(quick: bool) -> list[Figure]:
    """Throughput and memory of a long batch, and kills of short ones."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        notes = place / "notes"
        notes.mkdir()
        for name in NOTES:
            shutil.copy(load_example("breast-cancer").papers[0] / name, notes)
        return [*_long(place, 12 if quick else COPIES), *_kills(place, 6 if quick else KILLS)]


def _write(place: Path, copies: int, name: str) -> Path:
    path = place / f"{name}.jsonl"
    entries = [{"id": f"copy-{n}", "objective": OBJECTIVE, "papers": ["notes"]} for n in range(1, copies + 1)]
    path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    return path


def _start(place: Path, file: Path, workspace: str, jobs: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program("batch", str(file), "--jobs", str(jobs), "--quiet"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**environment(), "BIORESEARCHER_WORKSPACE": str(place / workspace)},
        start_new_session=True,
    )


def _long(place: Path, copies: int) -> list[Figure]:
    """Wall and CPU time of a batch beside runs by themselves, and the memory of its first and last runs."""
    alone = []
    for n in range(3):
        command = program("run", "--objective", OBJECTIVE, "--papers", str(place / "notes"), "--yes", "--quiet")
        alone.append(timed([*command, "--workspace", str(place / f"alone{n}")]))
    single = statistics.median(run.cpu_s for run in alone)
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = _start(place, _write(place, copies, "long"), "long", cores)
    folder = BatchFolder(place / "long" / "batches" / "long")
    parent: dict[int, float] = {}
    while process.poll() is None:
        time.sleep(0.2)
        parent[len(_lines(folder))] = _resident_mb(process.pid)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peaks = [json.loads(line)["peak_mb"] for line in _lines(folder)]
    held = [parent[n] for n in sorted(parent) if n and parent[n]]
    note = f"{wall:.0f} s; a run alone {single:.1f} s of CPU; load {load:.1f} before"
    ratio = wall / (copies * single / cores)
    return [
        counted(f"batch of {copies}: runs done", sum(o.status == "done" for o in folder.outcomes().values()), copies),
        measured(f"batch: wall over the runs' CPU alone, over {cores} ({note})", [ratio], "", at_most=1.15),
        measured("batch: CPU of a run in it over that of a run alone", [cpu / copies / single], "", at_most=1.15),
        _flat("batch: memory of the last ten runs over that of the first ten", peaks),
        _flat("batch: memory of the parent at the last ten ends over that at the first ten", held),
    ]


def _flat(name: str, values: list[float]) -> Figure:
    """The mean of the last ten over that of the first ten; 5 % are allowed."""
    ten = min(TEN, len(values) // 2)
    first, last = statistics.mean(values[:ten]), statistics.mean(values[-ten:])
    return measured(f"{name} ({first:.0f} → {last:.0f} MB)", [last / first], "", at_most=1.05)


def _lines(folder: BatchFolder) -> list[str]:
    path = folder.path("outcomes.jsonl")
    return path.read_text("utf-8").splitlines() if path.is_file() else []


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e6


@dataclass
class Tally:
    """What was seen over all batches that were killed at."""

    kills: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    lost: int = 0
    twice: int = 0
    left: int = 0
    results: set[str] = field(default_factory=set)
    runs: int = 0


def _kills(place: Path, kills: int) -> list[Figure]:
    """`kill -9` of a worker or of the parent at random moments, the same command again, until each batch is done."""
    rng, tally = random.Random(SEED), Tally()
    file = _write(place, PER_BATCH, "killed")
    started = time.monotonic()
    process = _start(place, file, "undisturbed", 2)
    process.wait()
    length = time.monotonic() - started
    undisturbed = _digests(BatchFolder(place / "undisturbed" / "batches" / "killed"))
    while tally.kills.total() < kills:
        workspace = f"killed{tally.batches}"
        folder = BatchFolder(place / workspace / "batches" / "killed")
        tally.batches += 1
        while not _all_done(folder):
            process = _start(place, file, workspace, 2)
            if tally.kills.total() < kills:
                _strike(process, rng, length, tally)
            process.wait()
            tally.left += _left_behind(workspace)
        done = Counter((o["id"], o["repeat"]) for o in map(json.loads, _lines(folder)) if o["status"] == "done")
        tally.lost += PER_BATCH - len(done)
        tally.twice += sum(n - 1 for n in done.values()) + len(list(folder.path("runs").iterdir())) - len(done)
        tally.results |= _digests(folder)
        tally.runs += PER_BATCH
    note = ", ".join(f"{name} {n}" for name, n in sorted(tally.kills.items()))
    return [
        Figure("batch: kill -9 at random moments", f"{tally.kills.total()} ({note}) in {tally.batches} batches"),
        none_of("batch: runs lost", tally.lost, note=f"of {tally.runs}"),
        none_of("batch: runs done or begun twice", tally.twice),
        none_of("batch: workers alive after their parent was killed", tally.left),
        none_of("batch: runs that ended otherwise than undisturbed", len(tally.results - undisturbed)),
    ]


def _strike(process: subprocess.Popen[bytes], rng: random.Random, length: float, tally: Tally) -> None:
    """Kill a worker or the parent, if it still runs then."""
    end = time.monotonic() + rng.uniform(0, length)
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    if process.poll() is not None:
        return
    workers = list(_children(process.pid))
    if workers and rng.random() < 0.5:
        os.kill(rng.choice(workers), signal.SIGKILL)
        tally.kills["worker"] += 1
        return
    process.kill()
    process.wait()
    tally.kills["parent"] += 1


def _children(pid: int) -> Iterator[int]:
    """The processes a process has started and not yet heard the end of."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == pid and state != "Z":
            yield int(path.parent.name)


def _left_behind(workspace: str) -> int:
    """Workers that outlive their parent by more than the kernel needs to end them on a busy machine."""
    end = time.monotonic() + 10
    while any(_workers(workspace)) and time.monotonic() < end:
        time.sleep(0.05)
    return len(list(_workers(workspace)))


def _workers(workspace: str) -> Iterator[int]:
    """Workers that have a file open in a workspace."""
    for path in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(f"/{workspace}/" in os.readlink(link) for link in path.iterdir()):
                yield int(path.parent.name)
        except OSError:
            continue


def _all_done(folder: BatchFolder) -> bool:
    outcomes = folder.outcomes()
    return len(outcomes) == PER_BATCH and all(o.status == "done" for o in outcomes.values())


def _digests(folder: BatchFolder) -> set[str]:
    """A digest of the results of each run, which are all the same when nothing went wrong."""
    found = set()
    for run in folder.path("runs").iterdir():
        files = sorted(path for pattern in RESULTS for path in run.glob(pattern))
        text = b"".join(path.relative_to(run).as_posix().encode() + path.read_bytes() for path in files)
        for outcome in folder.outcomes().values():
            text = text.replace(outcome.id.encode(), b"")
        found.add(hashlib.sha256(text).hexdigest())
    return found
