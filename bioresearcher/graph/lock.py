"""One process per run folder: a lock that the kernel releases when its owner dies."""

from __future__ import annotations

import fcntl
import os
from types import TracebackType

from bioresearcher.errors import RunFolderError, WorkspaceError
from bioresearcher.runfolder import RunFolder


class RunLock:
    """Holds `lock` in a run folder; the file names the owner's pid."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.path("lock")
        self._handle = -1

    def __enter__(self) -> RunLock:
        """Take the lock.

        Raises:
            RunFolderError: Another process has it.
            WorkspaceError: The folder cannot be written.
        """
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise WorkspaceError(f"cannot write {self._path}: {error.strerror}.") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._handle, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise RunFolderError(
                f"{self._path.parent} is in use by process {owner}.", hint="Wait for it, or stop it first."
            ) from error
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{os.getpid()}\n".encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock; the file stays."""
        os.close(self._handle)
