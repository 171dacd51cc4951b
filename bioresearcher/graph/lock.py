"""Lock of a run folder for one process, which the kernel frees when its owner dies."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from bioresearcher.errors import RunFolderError, WorkspaceError
from bioresearcher.limits.file_lock import take_lock
from bioresearcher.runfolder import RunFolder


class RunLock:
    """Context manager that holds the file `lock` of a run folder; it contains the owner's process id."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.path("lock")
        self._held = ExitStack()

    def __enter__(self) -> RunLock:
        """Take the lock.

        Raises:
            RunFolderError: Another process has it.
            WorkspaceError: The folder cannot be written.
        """
        try:
            held = take_lock(self._path)
            if held is not None:
                self._held = held
                self._path.write_text(f"{os.getpid()}\n", encoding="ascii")
                return self
            owner = self._path.read_bytes()[:20].decode("ascii", "replace").strip() or "unknown"
        except OSError as error:
            raise WorkspaceError(f"cannot write {self._path}: {error.strerror}.") from error
        raise RunFolderError(
            f"{self._path.parent} is in use by process {owner}.", hint="Wait for it, or stop it first."
        )

    def __exit__(self, *_: object) -> None:
        """Release the lock; the file stays."""
        self._held.close()


def working_process(folder: RunFolder) -> int | None:
    """Return the process that works on a run, without touching its lock; None when none does.

    The file keeps the id of its last owner: a process of that id must live, and the kernel must list the lock as held.
    """
    path = folder.path("lock")
    try:
        pid, inode = int(path.read_bytes()[:20]), path.stat().st_ino
        if not Path(f"/proc/{pid}").exists():
            return None
    except (OSError, ValueError):
        return None
    try:
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return pid
    return pid if any(line.rsplit(":", 1)[-1].split()[:1] == [str(inode)] for line in held) else None
