"""The limits of a job: what the kernel enforces by itself, and the watchdog for what it does not.

The kernel limits single processes (address space, CPU time, file size) and the number of processes of the sandbox's
user; the watchdog adds up the whole tree, the writable folder and the clock. Each limit ends a job under its own name:
wall_time, cpu_time, memory, processes, disk, files, file_size, output.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path

from bioresearcher.sandbox.folders import measure
from bioresearcher.sandbox.processes import Process, hidden_bytes, proportional_bytes, socket_bytes, tree
from bioresearcher.schemas.execution import Limits

SAMPLE_S = 0.05
"""Seconds between looks at the processes."""

_FOLDER_S = 0.2
_CROWDED_S = 1.0
_SECRETIVE_LOOKS = 4
_MAX_SHARE = 10  # a look that takes long is repeated at most after ten times as long
_MB = 1024 * 1024
_OPEN_FILES = 1024
_OWN_PROCESSES = 2
_SPARE_PROCESSES = 8

LIMIT_NAMES = ("wall_time", "cpu_time", "memory", "processes", "disk", "files", "file_size", "output")

# The last line of a Python error when the kernel refused something, per limit.
_REFUSALS = {
    "MemoryError": "memory",
    "numpy._core._exceptions._ArrayMemoryError": "memory",
    "OSError: [Errno 12]": "memory",
    "OSError: [Errno 27]": "file_size",
    "OSError: [Errno 28]": "disk",
    "BlockingIOError: [Errno 11]": "processes",
    "RuntimeError: can't start new thread": "processes",
}


def kernel_limits(limits: Limits, *, own_user_namespace: bool) -> dict[str, int]:
    """Names and values for setrlimit, set on the job's first process.

    Args:
        limits: What the job may use.
        own_user_namespace: Whether processes are counted for this job alone; else their number is only watched.
    """
    values = {
        # libraries reserve far more address space than they use; the watchdog counts what is used
        "AS": (2 * limits.memory_mb + 1024) * _MB,
        "CPU": math.ceil(limits.cpu_s) + 1,
        "FSIZE": limits.file_mb * _MB,
        # 1, not 0: with 0 the kernel still hands a core dump to the host's collector program
        "CORE": 1,
        "NOFILE": _OPEN_FILES,
        "MEMLOCK": 8 * _MB,
        "SIGPENDING": 1024,
        "MSGQUEUE": 0,
    }
    if own_user_namespace:
        values["NPROC"] = limits.processes + _OWN_PROCESSES + _SPARE_PROCESSES
    return values


class Watchdog:
    """Looks at a running job from outside and says which limit it has passed.

    Attributes:
        peak_memory_mb: The most memory seen.
        cpu_s: CPU seconds of the tree, ended processes included as far as they were seen or waited for.
        last_seen: The tree's processes at the last look.
    """

    def __init__(self, limits: Limits, work: Path, *, started_s: float, isolated: bool) -> None:
        """Start watching.

        Args:
            limits: What the job may use.
            work: Its writable folder on this side.
            started_s: When it started, on the clock that `check` is called with.
            isolated: Whether the tree has its own network and mount namespaces.
        """
        self.peak_memory_mb = 0.0
        self.cpu_s = 0.0
        self.last_seen: list[Process] = []
        self._limits = limits
        self._work = work
        self._started_s = started_s
        self._isolated = isolated
        self._cpu_of: dict[tuple[int, int], float] = {}
        self._secretive_looks = 0
        self._crowded_s: float | None = None
        self._next_exact_s = 0.0
        self._next_folder_s = 0.0
        self._device = work.stat().st_dev

    def check(self, root: int | None, now_s: float, *, set_up: bool = True) -> str | None:
        """The name of a limit that is passed, or None.

        `root` is the tree's first process on this side; None when its processes are limited and counted elsewhere.
        """
        if now_s - self._started_s > self._limits.wall_s:
            return "wall_time"
        processes = self.last_seen = [] if root is None else tree(root)
        if self._add_cpu(processes) > self._limits.cpu_s:
            return "cpu_time"
        if self._processes_passed(processes, now_s):
            return "processes"
        if root is not None and self._memory_passed(root, processes, now_s):
            return "memory"
        if now_s < self._next_folder_s:
            return None
        before = time.perf_counter()
        passed = self._folders_passed(root if set_up else None, processes)
        self._next_folder_s = now_s + max(_FOLDER_S, _MAX_SHARE * (time.perf_counter() - before))
        return passed

    def last_check(self) -> str | None:
        """The same for what is left in the folder after the job has ended."""
        return self._folders_passed(None, [])

    def _add_cpu(self, processes: list[Process]) -> float:
        for process in processes:
            self._cpu_of[process.pid, process.started] = process.own_cpu_s
        alive = sum(process.own_cpu_s + process.children_cpu_s for process in processes)
        # children that nobody waited for are missing in the first sum, short-lived ones in the second
        self.cpu_s = max(self.cpu_s, alive, sum(self._cpu_of.values()))
        return self.cpu_s

    def _processes_passed(self, processes: list[Process], now_s: float) -> bool:
        """The kernel refuses more at once; a job that cannot take that no for an answer is ended after a while."""
        if sum(process.threads for process in processes) <= self._limits.processes + _OWN_PROCESSES:
            self._crowded_s = None
            return False
        self._crowded_s = now_s if self._crowded_s is None else self._crowded_s
        return not self._isolated or now_s - self._crowded_s > _CROWDED_S

    def _memory_passed(self, root: int, processes: list[Process], now_s: float) -> bool:
        limit = self._limits.memory_mb * _MB
        hidden = socket_bytes(root) if self._isolated else 0
        resident = sum(process.resident_bytes for process in processes) + hidden
        if resident <= limit:
            self.peak_memory_mb = max(self.peak_memory_mb, resident / _MB)
            return False
        if now_s < self._next_exact_s:
            return False
        before = time.perf_counter()
        exact = proportional_bytes(processes) + hidden
        self._next_exact_s = now_s + _MAX_SHARE / 2 * (time.perf_counter() - before)
        self.peak_memory_mb = max(self.peak_memory_mb, exact / _MB)
        return exact > limit

    def _folders_passed(self, root: int | None, processes: list[Process]) -> str | None:
        limits = self._limits
        use = measure(self._work, max_entries=limits.files)
        if use.too_deep or use.entries > limits.files:
            return "files"
        # a file of exactly the limit is one that the kernel has cut off
        if use.largest_bytes >= limits.file_mb * _MB:
            return "file_size"
        if use.allocated_bytes > limits.disk_mb * _MB:
            return "disk"
        return self._hidden_passed(root, processes, use.allocated_bytes) if root is not None else None

    def _hidden_passed(self, root: int, processes: list[Process], visible_bytes: int) -> str | None:
        limits = self._limits
        # the first process is ours, keeps the job from looking into it, and has no files
        others = [process for process in processes if process.pid != root and not process.ended]
        hidden, secretive = hidden_bytes(others, self._device, limits.file_mb * _MB)
        self._secretive_looks = self._secretive_looks + 1 if secretive else 0
        if visible_bytes + hidden > limits.disk_mb * _MB or self._secretive_looks >= _SECRETIVE_LOOKS:
            return "disk"
        if self._isolated and _temporary_entries(root) > 2 * limits.files:
            return "files"
        return None


def _temporary_entries(root: int) -> int:
    """Files in the job's private temporary folders: each costs kernel memory that no other number shows."""
    total = 0
    for folder in ("tmp", "dev/shm"):
        with suppress(OSError):
            status = os.statvfs(f"/proc/{root}/root/{folder}")
            total += status.f_files - status.f_ffree
    return total


def refused_by_kernel(exit_code: int, stderr: str) -> str | None:
    """The limit that made a job fail by itself, judged by its exit code and last line of error; None if none did."""
    if exit_code == 0:
        return None
    if exit_code == 128 + 24:  # SIGXCPU
        return "cpu_time"
    if exit_code == 128 + 25:  # SIGXFSZ
        return "file_size"
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    return next((name for start, name in _REFUSALS.items() if last.startswith(start)), None)


def explain(name: str, limits: Limits) -> str:
    """One line for people: which limit ended the job, its value and the option that changes it."""
    texts = {
        "wall_time": f"it ran longer than {limits.wall_s:g} s",
        "cpu_time": f"it used more than {limits.cpu_s:g} s of CPU time",
        "memory": f"it needed more than {limits.memory_mb} MB of memory",
        "processes": f"it started more than {limits.processes} processes and threads",
        "disk": f"it wrote more than {limits.disk_mb} MB (or {limits.tmp_mb} MB to the temporary folder)",
        "files": f"it made more than {limits.files} files and folders, or nested them too deep",
        "file_size": f"it wrote a file of more than {limits.file_mb} MB",
        "output": f"it printed more than {limits.output_bytes:,} bytes",
    }
    return f"ended by the limit {name}: {texts.get(name, 'a limit was passed')}."
