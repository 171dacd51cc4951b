"""Stores of web answers in SQLite (shared by runs, with expiry, or of one run), and resumable downloads.

A download continues where it broke off if the server's file is still the same by its ETag or date.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import WorkspaceError

if TYPE_CHECKING:
    import httpx

_TABLE = (
    "CREATE TABLE IF NOT EXISTS http (key TEXT PRIMARY KEY, url TEXT NOT NULL, kind TEXT NOT NULL,"
    " status INTEGER NOT NULL, content_type TEXT NOT NULL, body BLOB NOT NULL, failure TEXT NOT NULL DEFAULT '',"
    " hint TEXT NOT NULL DEFAULT '', fetched REAL NOT NULL)"
)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True)
class Stored:
    """Stored answer, or the `failure` to get one; `fetched` is in seconds since 1970, `url` holds no secret."""

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
    """Answers by key; the file may hold other tables too, and several threads and processes may use it."""

    def __init__(self, path: Path, *, disposable: bool = False) -> None:
        """Open or create the file; a damaged one is replaced if it is `disposable`.

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
        """Find a stored answer that is not older than `max_age_s`."""
        try:
            with self._guard:
                row = self._db.execute("SELECT * FROM http WHERE key = ?", (key,)).fetchone()
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"{self._path} cannot be read: {error}.", hint="It may be deleted.") from error
        if row is None:
            return None
        found = Stored(*row)
        if max_age_s is not None and time.time() - found.fetched > max_age_s:
            return None
        return replace(found, body=zlib.decompress(found.body))

    def record(self, answer: Stored) -> None:
        """Store an answer in place of an older one; it is durable when this returns.

        Raises:
            WorkspaceError: The disk is full or the file became unwritable.
        """
        row = astuple(replace(answer, body=zlib.compress(answer.body)))
        try:
            with self._guard:
                self._db.execute("INSERT OR REPLACE INTO http VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"{self._path} cannot be written: {error}.", hint="Is the disk full?") from error

    def request_lock(self, key: str) -> Path:
        """Return the path of the lock of the process that requests an answer not stored yet."""
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


class TooLarge(Exception):
    """The file is larger than the limit; `bytes` is its size as far as is known."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.bytes = size


def resume_headers(part: Path) -> dict[str, str]:
    """Build the headers that request the rest of an unchanged file; empty if it must be begun anew.

    Without an ETag or date nobody could tell whether the rest belongs to what is there.
    """
    try:
        have, same = part.stat().st_size, _note(part).read_text(encoding="ascii")
    except (OSError, ValueError):
        return {}
    return {"Range": f"bytes={have}-", "If-Range": same} if have and same else {}


def forget(part: Path) -> None:
    """Remove a partly downloaded file."""
    for path in (part, _note(part)):
        with suppress(OSError):
            path.unlink()


def finish(part: Path, dest: Path) -> None:
    """Rename a completely downloaded file to its final name.

    Raises:
        OSError: It cannot be renamed.
    """
    part.replace(dest)
    forget(part)


async def save(answer: httpx.Response, part: Path, most: int) -> None:
    """Append an answer's bytes to the part if they continue it, else replace the part.

    Raises:
        TooLarge: The file has more than `most` bytes; nothing is kept.
        OSError: It cannot be written.
    """
    found = _RANGE.fullmatch(answer.headers.get("content-range", "")) if answer.status_code == 206 else None
    have = part.stat().st_size if found and part.exists() else 0
    rest = found is not None and int(found[1]) == have
    total = _length(answer) + (have if rest else 0)
    if total > most:
        forget(part)
        raise TooLarge(total)
    if not rest:
        forget(part)
        same = answer.headers.get("etag", "")
        same = answer.headers.get("last-modified", "") if not same or same.startswith("W/") else same
        _note(part).write_text(same.encode("ascii", "ignore").decode(), encoding="ascii")
    with part.open("ab" if rest else "wb") as file:
        async for piece in answer.aiter_raw():
            file.write(piece)
            if file.tell() > most:
                break
        size = file.tell()
    if size > most:
        forget(part)
        raise TooLarge(size)


def _note(part: Path) -> Path:
    """Return the path of the ETag or date that belongs to the part."""
    return part.with_name(f"{part.name}.etag.part")


def _length(answer: httpx.Response) -> int:
    length = answer.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdecimal() else 0
