"""The packaged example from the command line to its report: wall time, own overhead, memory."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, counted, measured, timed

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        wall_s: From the start of the process to its end.
        alone_s: The part of it in which no sandboxed process ran: what the program itself made the researcher wait.
        cpu_s: CPU seconds of the program's own process, also those spent while sandboxed processes ran.
        all_cpu_s: The same with everything that ran in the sandbox.
        peak_memory_mb: Most resident memory of the program's own process.
        tasks: How many tasks there were, and how many of them were verified.
    """

    wall_s: float
    alone_s: float
    cpu_s: float
    all_cpu_s: float
    peak_memory_mb: float
    tasks: int
    verified: int


def measure(quick: bool) -> list[Figure]:
    """Runs in fresh workspaces, so that every paper is read and embedded."""
    runs = [_run() for _ in range(1 if quick else 3)]
    verified = sum(r.verified for r in runs)
    return [
        measured("example run, wall", [r.wall_s for r in runs], "s", at_most=90),
        measured("example run, own overhead (wall without a task running)", [r.alone_s for r in runs], "s", at_most=10),
        measured("example run, CPU of the own process", [r.cpu_s for r in runs], "s"),
        measured("example run, CPU with the sandboxed tasks", [r.all_cpu_s for r in runs], "s"),
        measured("example run, peak memory of the own process", [r.peak_memory_mb for r in runs], "MB", at_most=600),
        counted("example run, verified tasks", verified, sum(r.tasks for r in runs)),
    ]


def _run() -> Run:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        numbers = place / "numbers.json"
        command = ["run", "--example", "breast-cancer", "--yes", "--quiet", "--workspace", str(place / "workspace")]
        started_s = time.monotonic()
        process = timed([sys.executable, str(LAUNCH), str(numbers), *command])
        own = json.loads(numbers.read_text(encoding="utf-8"))
        (manifest,) = place.glob("workspace/runs/*/run.json")
        totals = json.loads(manifest.read_text(encoding="utf-8"))["totals"]
    busy_s = covered((max(a, started_s), b) for a, b in own["jobs"])
    return Run(
        wall_s=process.wall_s,
        alone_s=process.wall_s - busy_s,
        cpu_s=own["cpu_s"],
        all_cpu_s=process.cpu_s,
        peak_memory_mb=own["peak_memory_mb"],
        tasks=totals["tasks"],
        verified=totals["verified"],
    )


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds in which at least one of the spans goes on."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total
