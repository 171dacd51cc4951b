"""The limits of a job: those that the kernel enforces by itself, and the watchdog for the others.

The kernel limits single processes (address space, CPU time, file size) and the number of processes of the sandbox's
user; the watchdog adds up the whole tree, the writable folder and the clock. Each limit ends a job under its own name:
wall_time, cpu_time, memory, processes, disk, files, file_size, output.
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from bioresearcher.sandbox.folders import measure
from bioresearcher.sandbox.hidden import Search, socket_bytes, temporary_entries
from bioresearcher.sandbox.processes import Process, proportional_bytes, share_of_processor, tree
from bioresearcher.schemas.execution import Limits

SAMPLE_S = 0.05
"""Seconds between looks at the processes."""

_FOLDER_S = 0.2
_CROWDED_S = 1.0
_SEARCH_S = 0.01
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
    """Return names and values for setrlimit, set on the job's first process.

    Args:
        limits: What the job may use.
        own_user_namespace: True if processes are counted for this job alone; else their number is only watched.
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
    """Watches a running job from outside and names the limit it has passed.

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
            isolated: True if the tree has its own network and mount namespaces.
        """
        self.peak_memory_mb = 0.0
        self.cpu_s = 0.0
        self.last_seen: list[Process] = []
        self._limits = limits
        self._work = work
        self._started_s = started_s
        self._isolated = isolated
        self._cpu_of: dict[tuple[int, int], float] = {}
        self._short_lived_cpu_s = 0.0
        self._last_look_s = started_s
        self._secretive_looks = 0
        self._crowded_s: float | None = None
        self._exact_bytes = 0
        self._exact_of: dict[tuple[int, int], int] = {}
        self._next_exact_s = 0.0
        self._next_folder_s = 0.0
        self._soonest_folder_s = 0.0
        self._free = self._free_space()
        self._next_search_s = 0.0
        self._visible_bytes = 0
        self._kernel_bytes = 0
        self._search = Search(work.stat().st_dev)

    def check(self, root: int | None, now_s: float, *, set_up: bool = True) -> str | None:
        """Return the name of a limit that is passed, or None.

        `root` is the tree's first process on this side; None when its processes are limited and counted elsewhere.
        """
        if now_s - self._started_s > self._limits.wall_s:
            return "wall_time"
        before = self.last_seen
        processes = self.last_seen = [] if root is None else tree(root)
        if self._add_cpu(processes, before, now_s) > self._limits.cpu_s:
            return "cpu_time"
        if self._processes_passed(processes, now_s):
            return "processes"
        if root is not None and self._memory_passed(root, processes, now_s):
            return "memory"
        if root is not None and set_up and (passed := self._hidden_passed(root, processes, now_s)):
            return passed
        if now_s < self._next_folder_s and not self._filling(now_s):
            return None
        started = time.perf_counter()
        passed = self._folder_passed()
        took_s = time.perf_counter() - started
        self._soonest_folder_s = now_s + 2 * took_s
        self._next_folder_s = now_s + max(_FOLDER_S, _MAX_SHARE * took_s)
        self._free = self._free_space()
        return passed

    def _free_space(self) -> tuple[int, int]:
        """Return free bytes and file entries of the file system with the job's folder, whoever else writes to it."""
        status = os.statvfs(self._work)
        return status.f_bfree * status.f_frsize, status.f_ffree

    def _filling(self, now_s: float) -> bool:
        """Return True if the file system fills so fast that the next look at the folder should not wait."""
        if now_s < self._soonest_folder_s:
            return False
        space, entries = (before - now for before, now in zip(self._free, self._free_space(), strict=True))
        return space > self._limits.disk_mb * _MB // 8 or entries > self._limits.files // 8

    def last_check(self) -> str | None:
        """Return the name of a limit that the folder passes after the job has ended, or None."""
        return self._folder_passed()

    def _add_cpu(self, processes: list[Process], before: list[Process], now_s: float) -> float:
        """Return the CPU seconds so far: the largest of three sums, each of which misses something.

        The first misses children that nobody waited for, the second those that live between two looks, and the third
        guesses these: a running process that was not there at the last look stands for one that ran all the time since.
        """
        since_s, self._last_look_s = now_s - self._last_look_s, now_s
        known = {(process.pid, process.started) for process in before}
        for process in processes:
            if process.running and (process.pid, process.started) not in known:
                self._short_lived_cpu_s += since_s * share_of_processor(process.pid)
            self._cpu_of[process.pid, process.started] = process.own_cpu_s
        alive = sum(process.own_cpu_s + process.children_cpu_s for process in processes)
        lasting = sum(self._cpu_of[process.pid, process.started] for process in processes)
        self.cpu_s = max(self.cpu_s, alive, sum(self._cpu_of.values()), lasting + self._short_lived_cpu_s)
        return self.cpu_s

    def _processes_passed(self, processes: list[Process], now_s: float) -> bool:
        """Return True if there have been too many processes for a while; the kernel itself refuses more at once."""
        if sum(process.threads for process in processes) <= self._limits.processes + _OWN_PROCESSES:
            self._crowded_s = None
            return False
        self._crowded_s = now_s if self._crowded_s is None else self._crowded_s
        return not self._isolated or now_s - self._crowded_s > _CROWDED_S

    def _memory_passed(self, root: int, processes: list[Process], now_s: float) -> bool:
        limit = self._limits.memory_mb * _MB
        hidden = self._kernel_bytes + (socket_bytes(root) if self._isolated else 0)
        resident = sum(process.resident_bytes for process in processes) + hidden
        if resident <= limit:
            self.peak_memory_mb = max(self.peak_memory_mb, resident / _MB)
            return False
        grown = {p: p.resident_bytes - self._exact_of.get((p.pid, p.started), 0) for p in processes}
        # since the last exact look, the whole cannot have grown by more than its parts
        most = self._exact_bytes + sum(more for more in grown.values() if more > 0) + hidden
        if (self._exact_of and most <= limit) or now_s < self._next_exact_s:
            return False
        started = time.perf_counter()
        grown_most = sorted(processes, key=lambda p: -grown[p])
        exact = proportional_bytes(grown_most, limit - hidden)
        self._next_exact_s = now_s + 2 * (time.perf_counter() - started)
        self._exact_bytes, self._exact_of = exact, {(p.pid, p.started): p.resident_bytes for p in processes}
        self.peak_memory_mb = max(self.peak_memory_mb, (exact + hidden) / _MB)
        return exact + hidden > limit

    def _folder_passed(self) -> str | None:
        limits = self._limits
        use = measure(self._work, max_entries=limits.files)
        self._visible_bytes = use.allocated_bytes
        if use.too_deep or use.entries > limits.files:
            return "files"
        # a file of exactly the limit is one that the kernel has cut off
        if use.largest_bytes >= limits.file_mb * _MB:
            return "file_size"
        return "disk" if use.allocated_bytes > limits.disk_mb * _MB else None

    def _hidden_passed(self, root: int, processes: list[Process], now_s: float) -> str | None:
        if now_s < self._next_search_s:
            return None
        limits = self._limits
        started = time.perf_counter()
        # the first process is ours, keeps the job from looking into it, and has no files
        found = self._search.go_on([process for process in processes if process.pid != root], _SEARCH_S)
        if found is None:
            self._kernel_bytes = max(self._kernel_bytes, self._search.so_far.memory_bytes)
            return None
        self._next_search_s = now_s + max(_FOLDER_S, _MAX_SHARE * (time.perf_counter() - started))
        self._kernel_bytes = found.memory_bytes
        self._secretive_looks = self._secretive_looks + 1 if found.secretive else 0
        hidden = found.disk_bytes(limits.file_mb * _MB)
        if self._visible_bytes + hidden > limits.disk_mb * _MB or self._secretive_looks >= _SECRETIVE_LOOKS:
            return "disk"
        return "files" if self._isolated and temporary_entries(root) > 2 * limits.files else None


def refused_by_kernel(exit_code: int, stderr: str) -> str | None:
    """Return the limit that made a job fail by itself, by its exit code and last line of error; None if none did."""
    if exit_code == 0:
        return None
    if exit_code == 128 + 24:  # SIGXCPU
        return "cpu_time"
    if exit_code == 128 + 25:  # SIGXFSZ
        return "file_size"
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    return next((name for start, name in _REFUSALS.items() if last.startswith(start)), None)


def explain(name: str, limits: Limits) -> str:
    """Return one line for people: the limit that ended the job, and its value."""
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
