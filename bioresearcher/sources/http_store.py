"""Answers of web servers kept in SQLite: one file shared by runs, with expiry, and each run's own, without."""

from __future__ import annotations

import sqlite3
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.errors import WorkspaceError

_TABLE = (
    "CREATE TABLE IF NOT EXISTS http (key TEXT PRIMARY KEY, url TEXT NOT NULL, kind TEXT NOT NULL,"
    " status INTEGER NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL, failure TEXT NOT NULL DEFAULT '',"
    " hint TEXT NOT NULL DEFAULT '', fetched REAL NOT NULL)"
)
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer, or why there was none (`failure`); `fetched` is in seconds since 1970, `url` holds no secret."""

    key: str
    url: str
    kind: str
    status: int
    content_type: str
    body: bytes
    failure: str = ""
    hint: str = ""
    fetched: float = 0


class AnswerStore:
    """Answers by key; one file may also hold other tables, and is used by several threads and processes."""

    def __init__(self, path: Path, *, disposable: bool = False) -> None:
        """Open or create the file; a damaged one that is `disposable` is begun anew.

        Raises:
            WorkspaceError: It cannot be opened.
        """
        self._guard = threading.Lock()
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = _opened(path)
            except sqlite3.DatabaseError as error:
                if not disposable or getattr(error, "sqlite_errorcode", None) not in _DAMAGED:
                    raise
                for tail in ("", "-wal", "-shm"):
                    path.with_name(path.name + tail).unlink(missing_ok=True)
                self._db = _opened(path)
        except (OSError, sqlite3.DatabaseError) as error:
            raise WorkspaceError(f"{path} cannot be used: {error}.", hint="It may be deleted.") from error

    def find(self, key: str, max_age_s: float | None = None) -> Stored | None:
        """The stored answer, when it is not older than `max_age_s`."""
        columns = "key, url, kind, status, content_type, body, failure, hint, fetched"
        try:
            with self._guard:
                row = self._db.execute(f"SELECT {columns} FROM http WHERE key = ?", (key,)).fetchone()  # noqa: S608 - constants
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"{self._path} cannot be read: {error}.", hint="It may be deleted.") from error
        if row is None or (max_age_s is not None and time.time() - row[8] > max_age_s):
            return None
        found = dict(zip(columns.split(", "), row, strict=True))
        return Stored(**{**found, "body": zlib.decompress(found["body"])})

    def record(self, answer: Stored) -> None:
        """Store an answer in the place of an older one; it is durable when this returns.

        Raises:
            WorkspaceError: The disk is full or the file became unwritable.
        """
        row = (
            answer.key, answer.url, answer.kind, answer.status, answer.content_type, zlib.compress(answer.body),
            answer.failure, answer.hint, answer.fetched,
        )  # fmt: skip
        try:
            with self._guard:
                self._db.execute("INSERT OR REPLACE INTO http VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"{self._path} cannot be written: {error}.", hint="Is the disk full?") from error

    def asking(self, key: str) -> Path:
        """The lock file of whoever asks for an answer that is not there yet."""
        return self._path.with_name(f"{self._path.stem}.asking") / f"{key[:32]}.lock"

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            self._db.close()


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(_TABLE)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
