"""Disk and memory that a process tree uses without showing it in its resident sets or in its folder.

Disk: files that were deleted but are still open or mapped. Memory: what the kernel keeps for pipes, sockets, epoll
sets, mappings and page tables. The kernel tells that one process at a time, and a hostile one can make its answer long,
so a `Search` takes a few processes per call: whoever watches the resident sets must not be kept from it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.sandbox.processes import Process

_DELETED = b" (deleted)"
_FREE = 100
_SOCKET_BYTES = 200 * 1024
_PIPE_BYTES = 64 * 1024
_EPOLL_BYTES = 200 * 1024  # a watch for each of its process's descriptors
_MAPPING_BYTES = 256


@dataclass
class Hidden:
    """Totals of one round over all processes.

    Attributes:
        open_bytes: Size on disk of each deleted file that is open, by inode.
        mapped: Inodes of deleted files that are mapped; their sizes are not shown.
        pipes: Pipes, by inode.
        epolls: Epoll sets.
        mappings: Mapped regions of memory.
        table_bytes: Page tables.
        secretive: True if a process could not be inspected. That is normal only while it is being started.
    """

    open_bytes: dict[int, int] = field(default_factory=dict)
    mapped: set[int] = field(default_factory=set)
    pipes: set[str] = field(default_factory=set)
    epolls: int = 0
    mappings: int = 0
    table_bytes: int = 0
    secretive: bool = False

    def disk_bytes(self, largest_file: int) -> int:
        """Return the bytes held by deleted files; one that is only mapped is taken for as large as a file may be."""
        return sum(self.open_bytes.values()) + largest_file * len(self.mapped - set(self.open_bytes))

    @property
    def memory_bytes(self) -> int:
        """The most bytes that the kernel may hold for all of this; a handful of pipes and epoll sets counts as 0."""
        counted = _MAPPING_BYTES * self.mappings + self.table_bytes
        return counted + _PIPE_BYTES * max(0, len(self.pipes) - _FREE) + _EPOLL_BYTES * max(0, self.epolls - _FREE)


class Search:
    """Inspects all processes in rounds, for a bounded time per call."""

    def __init__(self, device: int) -> None:
        """Look for deleted files on one device."""
        self._device = device
        self._waiting: list[int] = []
        self._found: Hidden | None = None

    @property
    def so_far(self) -> Hidden:
        """Totals of the round under way so far; they can only grow."""
        return self._found or Hidden()

    def go_on(self, processes: Iterable[Process], seconds: float) -> Hidden | None:
        """Inspect some more processes, at least one; return the totals once all have been inspected, else None."""
        until_s = time.perf_counter() + seconds
        if self._found is None:
            self._found = Hidden()
            self._waiting = [process.pid for process in processes if not process.ended]
        while self._waiting:
            self._look(self._found, self._waiting.pop())
            if time.perf_counter() > until_s:
                break
        if self._waiting:
            return None
        found, self._found = self._found, None
        return found

    def _look(self, found: Hidden, pid: int) -> None:
        try:
            self._descriptors(found, pid)
            self._mappings(found, pid)
            with suppress(FileNotFoundError, ProcessLookupError):
                for line in Path(f"/proc/{pid}/status").read_bytes().split(b"\n"):
                    if line.startswith(b"VmPTE:"):
                        found.table_bytes += int(line.split()[1]) * 1024
        except PermissionError:
            found.secretive = True

    def _descriptors(self, found: Hidden, pid: int) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - looked at often
                path = f"/proc/{pid}/fd/{name}"
                with suppress(OSError):
                    target = os.readlink(path)  # noqa: PTH115 - not a path that exists
                    if target.startswith("pipe:"):
                        found.pipes.add(target)
                    elif target == "anon_inode:[eventpoll]":
                        found.epolls += 1
                    elif target.endswith(" (deleted)"):
                        status = os.stat(path)  # noqa: PTH116 - looked at often
                        if status.st_dev == self._device and not status.st_nlink:
                            found.open_bytes[status.st_ino] = status.st_blocks * 512

    def _mappings(self, found: Hidden, pid: int) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{pid}/maps").read_bytes()
            found.mappings += text.count(b"\n")
            if _DELETED not in text:
                return
            # only a line feed ends a line: the kernel escapes no other character of a file's name
            for line in text.split(b"\n"):
                if line.endswith(_DELETED):
                    fields = line.split(maxsplit=5)
                    major, minor = fields[3].split(b":")
                    if (int(major, 16), int(minor, 16)) == (os.major(self._device), os.minor(self._device)):
                        found.mapped.add(int(fields[4]))


def socket_bytes(root: int) -> int:
    """Return the most bytes that socket buffers of the tree's network namespace can hold; a handful counts as 0."""
    try:
        first = Path(f"/proc/{root}/net/sockstat").read_text(encoding="ascii").split("\n", 1)[0]
        used = int(first.split()[2])
    except (OSError, ValueError, IndexError):
        return 0
    return max(0, used - _FREE) * _SOCKET_BYTES


def temporary_entries(root: int) -> int:
    """Count the files in the job's private temporary folders: each costs kernel memory that no other number shows."""
    total = 0
    for folder in ("tmp", "dev/shm"):
        with suppress(OSError):
            status = os.statvfs(f"/proc/{root}/root/{folder}")
            total += status.f_files - status.f_ffree
    return total
