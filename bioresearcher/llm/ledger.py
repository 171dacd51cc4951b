"""The ledger: every model call of a run by its content, recorded before its answer is used.

A repeated key is answered from here and costs nothing; that is what makes `resume` exact.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from bioresearcher.errors import RunFolderError, WorkspaceError
from bioresearcher.llm.backend import Reply
from bioresearcher.schemas.usage import Usage

LEDGER_FORMAT = 1


class Ledger:
    """One SQLite file; a row is durable when `record` returns."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            RunFolderError: It was written by a newer version, or is no ledger.
            WorkspaceError: It cannot be opened.
        """
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > LEDGER_FORMAT:
                raise RunFolderError(f"{path} was written by a newer version.", hint="Upgrade bioresearcher.")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, prompt TEXT NOT NULL, model TEXT NOT NULL,"
                " reply TEXT NOT NULL, usage TEXT NOT NULL)"
            )
            self._db.execute(f"PRAGMA user_version={LEDGER_FORMAT}")
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"{path} cannot be used: {error}.") from error

    def find(self, key: str) -> Reply | None:
        """The recorded answer, or None."""
        row = self._db.execute("SELECT reply, usage FROM calls WHERE key = ?", (key,)).fetchone()
        return Reply(row[0], Usage.model_validate_json(row[1])) if row else None

    def record(self, key: str, *, prompt: str, model: str, reply: Reply) -> None:
        """Store an answer; an already stored key is kept as it is.

        Raises:
            WorkspaceError: The disk is full or the file became unwritable.
        """
        row = (key, prompt, model, reply.text, reply.usage.model_dump_json())
        try:
            self._db.execute("INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"cannot write {self._path}: {error}.", hint="Is the disk full?") from error

    def usage(self) -> Usage:
        """Sum over all calls of the run."""
        total = Usage()
        for (text,) in self._db.execute("SELECT usage FROM calls ORDER BY rowid"):
            total = total + Usage.model_validate_json(text)
        return total

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._db.close()
