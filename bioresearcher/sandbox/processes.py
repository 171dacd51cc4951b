"""Current resource use of a process tree, read from /proc.

Memory is the sum of resident sets, which counts shared pages once per process; `proportional_bytes` shares them out
exactly but costs a walk over the page tables, so it only confirms a suspicion. What these numbers do not show is in
`hidden.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One process: identity (a number may be reused, with another start time), state and use."""

    pid: int
    ended: bool
    running: bool
    started: int
    threads: int
    resident_bytes: int
    own_cpu_s: float
    children_cpu_s: float


def tree(root: int) -> list[Process]:
    """Return the process and all its descendants, also those that have ended and were not waited for."""
    found: list[Process] = []
    seen = {root}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if process := _read(pid):
            found.append(process)
        for child in _children(pid):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
    return found


def _read(pid: int) -> Process | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rfind(")") + 2 :].split()
    return Process(
        pid=pid,
        ended=fields[0] in "ZX",
        running=fields[0] == "R",
        started=int(fields[19]),
        threads=int(fields[17]),
        resident_bytes=int(fields[21]) * _PAGE,
        own_cpu_s=(int(fields[11]) + int(fields[12])) / _TICK,
        children_cpu_s=(int(fields[13]) + int(fields[14])) / _TICK,
    )


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        with os.scandir(f"/proc/{pid}/task") as entries:
            threads = [entry.name for entry in entries]
    except OSError:
        return found
    for thread in threads:
        with suppress(OSError):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii").split())
    return found


def proportional_bytes(processes: Iterable[Process], enough: int) -> int:
    """Return resident memory with shared pages shared out; without that number, the resident set.

    Looking at a process with a lot of memory takes milliseconds, so it stops soon after `enough` bytes were found.
    """
    total = 0
    for process in processes:
        size = process.resident_bytes
        with suppress(OSError, ValueError, IndexError):
            for line in (_PROC / str(process.pid) / "smaps_rollup").read_text(encoding="utf-8").splitlines():
                if line.startswith("Pss:"):
                    size = int(line.split()[1]) * 1024
        total += size
        if total > enough:
            break
    return total


def share_of_processor(pid: int) -> float:
    """Return the share of its runnable time in which a process ran, 0 to 1; 1 if the kernel does not report it."""
    with suppress(OSError, ValueError, IndexError):
        ran, waited = map(int, (_PROC / str(pid) / "schedstat").read_text(encoding="ascii").split()[:2])
        return ran / (ran + waited) if ran + waited else 0.0
    return 1.0
