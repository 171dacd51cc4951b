"""Start, pages, memory and live events of `bioresearcher view`, on a workspace of 1,000 runs with one in progress."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from figures import Figure, measured

from bioresearcher.graph.lock import RunLock
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers, QuestionAnswer
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.run import RunRecord, Totals

RUNS = 1_000
FINDING = "In the cohort, 1708 of 4695 tested genes differ between the groups at FDR < 0.05 (Welch's t test). " * 4


def made(base: Path) -> RunFolder:
    """Make runs with a manifest of 20 kB and 180 events each; return the one that is in progress."""
    told = tuple(
        QuestionAnswer(id=f"A{n}", text="Which genes differ?", state="answered", findings=(FINDING,) * 6)
        for n in range(1, 7)
    )
    record = RunRecord(
        run_id="run",
        status="done",
        started="2026-01-01T00:00:00+00:00",
        settings={},
        backend="offline",
        versions={},
        objective=Objective(id="x", text="Which genes differ between the groups?"),
        answers=Answers(questions=told),
        totals=Totals(tasks=20, verified=20, questions=6, answered=6, wall_s=393),
    ).model_dump(mode="json")
    events = [
        {"time": "2026-01-01T00:00:00+00:00", "kind": "step", "stage": "read_paper", "state": state, "message": f"P{n}"}
        for n in range(90)
        for state in ("start", "done")
    ]
    lines = "".join(f"{json.dumps(event)}\n" for event in events)
    for number in range(RUNS):
        folder = base / "runs" / f"run-{number:04d}"
        folder.mkdir(parents=True)
        state = "running" if number == 0 else ("done", "stopped", "failed")[number % 3]
        objective = {**record["objective"], "text": f"Question {number}: which genes differ?"}
        (folder / "run.json").write_text(json.dumps({**record, "status": state, "objective": objective}, indent=2))
        (folder / "events.jsonl").write_text(lines)
    return RunFolder(base / "runs" / "run-0000")


def timed(client: httpx.Client, path: str) -> float:
    """Seconds of a page, read to its end."""
    begun = time.perf_counter()
    assert client.get(path).status_code == 200, path
    return time.perf_counter() - begun


def memory(pid: int) -> float:
    """Largest resident memory of a process so far, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) / 1_000


def once(workspace: Path, working: RunFolder) -> dict[str, float]:
    """Start the server, ask for pages, follow a run, stop it."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "bioresearcher", "view", str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = ""
    while "token" not in address:
        address = process.stdout.readline()
    found = {"start, until the address": time.perf_counter() - begun}
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=60) as client:
        client.get(address.strip())
        found["start, until the first page"] = time.perf_counter() - begun
        base = address.split("/?")[0]
        found["list of runs"] = timed(client, f"{base}/")
        found["words among all runs, first"] = timed(client, f"{base}/?q=question+77")
        found["words among all runs, again"] = timed(client, f"{base}/?q=question+78")
        found["page of the working run"] = timed(client, f"{base}/runs/run-0000")
        found["live event, until the browser"] = live(client, f"{base}/runs/run-0000/events", working)
        found["memory"] = memory(process.pid)
    stopped = time.perf_counter()
    process.terminate()
    process.wait()
    found["stop"] = time.perf_counter() - stopped
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["CPU in all"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found


def live(client: httpx.Client, address: str, working: RunFolder) -> float:
    """Seconds from the writing of an event to its arrival; the server looks each half second."""
    path = working.path("events.jsonl")
    with client.stream("GET", address, params={"after": path.stat().st_size}) as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("event: state"))
        begun = time.perf_counter()
        with path.open("ab") as file:
            file.write(b'{"time": "2026-01-01T00:00:00+00:00", "kind": "note", "message": "now"}\n')
        next(line for line in lines if line.startswith("event: line"))
        return time.perf_counter() - begun


def measure(quick: bool) -> list[Figure]:
    """Start the server a few times, and ask each time for the same pages."""
    with tempfile.TemporaryDirectory() as folder:
        working = made(Path(folder))
        with RunLock(working):
            rows = [once(Path(folder), working) for _ in range(2 if quick else 5)]
    targets = {"start, until the address": 1.0, "list of runs": 0.2, "memory": 150.0}
    return [
        measured(
            f"view, {RUNS:,} runs: {name}",
            [row[name] for row in rows],
            "MB" if name == "memory" else "s",
            at_most=targets.get(name),
        )
        for name in rows[0]
    ]
