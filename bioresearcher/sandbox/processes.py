"""What a tree of processes uses right now, read from /proc.

Memory is the sum of resident sets, which counts shared pages once per process; `proportional_bytes` shares them out
exactly but costs a walk over the page tables, so it only confirms a suspicion.
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
_SOCKET_BYTES = 200 * 1024
_FREE_SOCKETS = 100


@dataclass(frozen=True)
class Process:
    """One process: identity (a number may be reused, with another start time) and use."""

    pid: int
    ended: bool
    started: int
    threads: int
    resident_bytes: int
    own_cpu_s: float
    children_cpu_s: float


def tree(root: int) -> list[Process]:
    """The process and all its descendants, also those that have ended and were not waited for."""
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
        started=int(fields[19]),
        threads=int(fields[17]),
        resident_bytes=int(fields[21]) * _PAGE,
        own_cpu_s=(int(fields[11]) + int(fields[12])) / _TICK,
        children_cpu_s=(int(fields[13]) + int(fields[14])) / _TICK,
    )


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - 20 times a second
    except OSError:
        return found
    for thread in threads:
        with suppress(OSError):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii").split())
    return found


def proportional_bytes(processes: Iterable[Process]) -> int:
    """Resident memory with shared pages shared out; where the kernel does not tell, the resident set."""
    total = 0
    for process in processes:
        size = process.resident_bytes
        with suppress(OSError, ValueError, IndexError):
            for line in (_PROC / str(process.pid) / "smaps_rollup").read_text(encoding="utf-8").splitlines():
                if line.startswith("Pss:"):
                    size = int(line.split()[1]) * 1024
        total += size
    return total


def socket_bytes(root: int) -> int:
    """The most that socket buffers of the tree's own network namespace can hold; a handful counts as nothing."""
    try:
        first = (_PROC / str(root) / "net/sockstat").read_text(encoding="ascii").split("\n", 1)[0]
        used = int(first.split()[2])
    except (OSError, ValueError, IndexError):
        return 0
    return max(0, used - _FREE_SOCKETS) * _SOCKET_BYTES


def hidden_bytes(processes: Iterable[Process], device: int, largest_file: int) -> tuple[int, bool]:
    """Disk space held by files that were deleted but are still open or mapped, on one device.

    A mapped file that is not open shows no size; it is taken for as large as a file may be.

    Returns:
        The bytes, and whether some process did not let us look. That is normal only while it is being started.
    """
    sizes: dict[int, int] = {}
    mapped: set[int] = set()
    secretive = False
    for process in processes:
        try:
            sizes.update(_deleted_open(process.pid, device))
            mapped |= _deleted_mapped(process.pid, device)
        except PermissionError:
            secretive = True
    return sum(sizes.values()) + largest_file * len(mapped - set(sizes)), secretive


def _deleted_open(pid: int, device: int) -> dict[int, int]:
    sizes: dict[int, int] = {}
    with suppress(FileNotFoundError, ProcessLookupError):
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            path = f"/proc/{pid}/fd/{name}"
            with suppress(OSError):
                if os.readlink(path).endswith(" (deleted)"):  # noqa: PTH115 - not a path that exists
                    status = os.stat(path)  # noqa: PTH116
                    if status.st_dev == device and not status.st_nlink:
                        sizes[status.st_ino] = status.st_blocks * 512
    return sizes


def _deleted_mapped(pid: int, device: int) -> set[int]:
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}"
    found: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        for line in (_PROC / str(pid) / "maps").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.endswith(" (deleted)"):
                fields = line.split(maxsplit=5)
                if fields[3] == wanted:
                    found.add(int(fields[4]))
    return found
