"""Ledger: every model call of a run by its content key, recorded before its answer is used.

A repeated question is answered from the ledger and costs nothing, which makes `resume` and replay exact. Unusable
answers are recorded as well: they were paid for, and asking again would give the same. So are the results of tools that
a conversation used, as running them again may show something else. `ReplayBackend` answers from the ledger alone.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, ValidationError

from bioresearcher import errors
from bioresearcher.errors import AnswerError, BackendError, RunFolderError, WorkspaceError
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.schemas.base import Origin, Usage, UsageRow

LEDGER_FORMAT = 3
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_COLUMNS_OF_1 = (
    "key TEXT PRIMARY KEY, prompt TEXT NOT NULL, model TEXT NOT NULL, reply TEXT NOT NULL, usage TEXT NOT NULL"
)
_COLUMNS_SINCE_2 = (
    "role TEXT NOT NULL DEFAULT ''",
    "origin TEXT NOT NULL DEFAULT ''",
    "answered_by TEXT NOT NULL DEFAULT ''",
    "failure TEXT NOT NULL DEFAULT ''",
    "hint TEXT NOT NULL DEFAULT ''",
    "repaired INTEGER NOT NULL DEFAULT 0",
    "seconds REAL NOT NULL DEFAULT 0",
)
_TABLE = f"CREATE TABLE IF NOT EXISTS calls ({', '.join((_COLUMNS_OF_1, *_COLUMNS_SINCE_2))})"
_TABLE_SINCE_3 = (
    "CREATE TABLE IF NOT EXISTS tools (key TEXT NOT NULL, conversation TEXT NOT NULL, round INTEGER NOT NULL,"
    " place INTEGER NOT NULL, tool TEXT NOT NULL, args TEXT NOT NULL, result TEXT NOT NULL, meta TEXT NOT NULL,"
    " PRIMARY KEY (conversation, tool, key))"
)


@dataclass(frozen=True)
class LedgerEntry:
    """One recorded call.

    Attributes:
        key: The call's content key.
        prompt: The prompt's name.
        role: The model role that was asked.
        identity: Model and sampling parameters, as in the key.
        origin: The rules or a model.
        reply: The answer, usable or not.
        failure: Class and message of the error when the answer could not be used; else empty.
        hint: The error's hint.
        repaired: Whether a repair turn was needed.
        seconds: Duration of the call.
    """

    key: str
    prompt: str
    role: str
    identity: str
    origin: Origin
    reply: Reply
    failure: str = ""
    hint: str = ""
    repaired: bool = False
    seconds: float = 0

    def answer(self) -> Reply:
        """Return the answer.

        Raises:
            AnswerError: The recorded answer could not be used.
        """
        if not self.failure:
            return self.reply
        name, _, message = self.failure.partition(": ")
        kind = getattr(errors, name, AnswerError)
        raise kind(message, hint=self.hint, usage=self.reply.usage, text=self.reply.text)


@dataclass(frozen=True)
class ToolEntry:
    """One recorded result of a tool.

    Attributes:
        key: Digest of all that the result depends on.
        conversation: Name of the conversation within the run.
        round: Number of the round in which it was run, from 1.
        place: Number of the action in that round, from 1.
        tool: Kind of the action.
        args: The action as JSON.
        result: Exactly what the model was shown.
        meta: What the tool gave beside it.
    """

    key: str
    conversation: str
    round: int
    place: int
    tool: str
    args: str
    result: str
    meta: Mapping[str, JsonValue]


class Ledger:
    """One SQLite file; an entry is durable when `record` or `record_tool` returns.

    Attributes:
        note: Damage found when the file was opened, and what was done about it; empty when there was none.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file. A damaged one is moved aside and replaced by an empty one; `note` says so.

        Raises:
            RunFolderError: It was written by a newer version.
            WorkspaceError: It cannot be opened.
        """
        self._path = path
        self.note = ""
        try:
            self._db = _opened(path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise WorkspaceError(f"{path} cannot be used: {error}.") from error
            aside = _move_aside(path)
            self.note = (
                f"{path.name} was damaged ({error}) and is now {aside.name}: finished calls that a step still needs "
                "are made again."
            )
            self._db = _opened(path)

    def find(self, key: str) -> LedgerEntry | None:
        """Return the recorded call, or None."""
        row = self._db.execute(f"{_SELECT} WHERE key = ?", (key,)).fetchone()
        return _entry(row) if row else None

    def record(self, entry: LedgerEntry) -> None:
        """Store a call; a key that is already stored keeps its entry.

        Raises:
            WorkspaceError: The disk is full or the file became unwritable.
        """
        first = (entry.key, entry.prompt, entry.identity, entry.reply.text, entry.reply.usage.model_dump_json())
        since_2 = (
            entry.role,
            entry.origin,
            entry.reply.model,
            entry.failure,
            entry.hint,
            entry.repaired,
            entry.seconds,
        )
        self._write("INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", first + since_2)

    def _write(self, statement: str, row: tuple[object, ...]) -> None:
        try:
            self._db.execute(statement, row)
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"cannot write {self._path}: {error}.", hint="Is the disk full?") from error

    def find_tool(self, conversation: str, tool: str, key: str) -> ToolEntry | None:
        """Return the recorded result of a tool in a conversation, or None."""
        row = self._db.execute(_FIND_TOOL, (conversation, tool, key)).fetchone()
        return _tool_entry(row) if row else None

    def record_tool(self, entry: ToolEntry) -> ToolEntry:
        """Store the result of a tool and return it as stored.

        A key that is already stored for the tool in the conversation keeps its result.

        Raises:
            WorkspaceError: The disk is full or the file became unwritable.
        """
        meta = json.dumps(dict(entry.meta), sort_keys=True)
        row = (entry.key, entry.conversation, entry.round, entry.place, entry.tool, entry.args, entry.result, meta)
        self._write("INSERT OR IGNORE INTO tools VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        return self.find_tool(entry.conversation, entry.tool, entry.key) or entry

    def tool_entries(self) -> Iterator[ToolEntry]:
        """Iterate over all results of tools in the order in which they were recorded."""
        for row in self._db.execute("SELECT * FROM tools ORDER BY rowid"):
            yield _tool_entry(row)

    def entries(self) -> Iterable[LedgerEntry]:
        """Iterate over all calls in the order in which they were recorded."""
        for row in self._db.execute(f"{_SELECT} ORDER BY rowid"):
            yield _entry(row)

    def usage(self) -> Usage:
        """Sum over all calls of the run."""
        total = Usage()
        for (text,) in self._db.execute("SELECT usage FROM calls ORDER BY rowid"):
            total = total + Usage.model_validate_json(text)
        return total

    def rows(self) -> tuple[UsageRow, ...]:
        """Sum the use of models by step, role and model; an answer by rule counts for the model it replaced."""
        return _rows(self.entries())

    def carry_over(self, rows: Iterable[UsageRow]) -> None:
        """Record the use of models that the manifest states, after the ledger was damaged."""
        for row in rows:
            name = f"{row.step} {row.role} {row.model}"
            reply = Reply("", row.usage, row.model)
            self.record(LedgerEntry(f"before the damage: {name}", row.step, row.role, row.model, "model", reply))

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._db.close()


def usage_rows(path: Path) -> tuple[UsageRow, ...] | None:
    """Compute `Ledger.rows` of a file, also while a run writes it; None when it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return _rows(_entry(row) for row in db.execute(f"{_SELECT} ORDER BY rowid"))
    except (sqlite3.DatabaseError, ValidationError):
        return None


def _rows(entries: Iterable[LedgerEntry]) -> tuple[UsageRow, ...]:
    rows: dict[tuple[str, str, str], UsageRow] = {}
    by_rule: Counter[str] = Counter()
    for entry in entries:
        if entry.origin == "offline":
            by_rule[entry.prompt] += 1
            continue
        name = (entry.prompt, entry.role, entry.reply.model or entry.identity)
        row = rows.get(name) or UsageRow(step=name[0], role=name[1], model=name[2])
        rows[name] = row.model_copy(
            update={
                "usage": row.usage + entry.reply.usage,
                "repaired": row.repaired + (entry.repaired and not entry.failure),
            }
        )
    # pop: if several models answered for a step, its answers by rule are counted with the first of them
    return tuple(rows[n].model_copy(update={"by_rule": by_rule.pop(n[0], 0)}) for n in sorted(rows))


_SELECT = (
    "SELECT key, prompt, role, model, origin, reply, usage, answered_by, failure, hint, repaired, seconds FROM calls"
)


_FIND_TOOL = "SELECT * FROM tools WHERE conversation = ? AND tool = ? AND key = ?"


def _tool_entry(row: tuple[str, str, int, int, str, str, str, str]) -> ToolEntry:
    key, conversation, number, place, tool, args, result, meta = row
    return ToolEntry(key, conversation, number, place, tool, args, result, json.loads(meta))


def _entry(row: tuple[str, str, str, str, Origin, str, str, str, str, str, int, float]) -> LedgerEntry:
    key, prompt, role, identity, origin, text, usage, model, failure, hint, repaired, seconds = row
    reply = Reply(text, Usage.model_validate_json(usage), model)
    return LedgerEntry(key, prompt, role, identity, origin, reply, failure, hint, bool(repaired), seconds)


def _opened(path: Path) -> sqlite3.Connection:
    """Open a ledger, check it, and bring it to the current format."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        version = known_format(db, path)
        (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise _Damaged(state)
        db.execute("BEGIN IMMEDIATE")
        db.execute(_TABLE)
        db.execute(_TABLE_SINCE_3)
        if version == 1:
            for column in _COLUMNS_SINCE_2:
                db.execute(f"ALTER TABLE calls ADD COLUMN {column}")
            db.execute("UPDATE calls SET origin = 'offline' WHERE model LIKE 'offline/%'")
        db.execute(f"PRAGMA user_version={LEDGER_FORMAT}")
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def known_format(db: sqlite3.Connection, path: Path) -> int:
    """Return the format of an open ledger; 0 for a new file.

    Raises:
        RunFolderError: It was written by a newer version.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > LEDGER_FORMAT:
        raise RunFolderError(
            f"{path} was written by a newer version (format {version}, this version knows {LEDGER_FORMAT}).",
            hint="Upgrade bioresearcher.",
        )
    return int(version)


class _Damaged(sqlite3.DatabaseError):
    """SQLite's own check of the file failed."""


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _Damaged) or (code is not None and code & 0xFF in _DAMAGED)


def _move_aside(path: Path) -> Path:
    """Rename a damaged file and its write-ahead log to a free name."""
    number = next(n for n in range(1, 10_000) if not path.with_name(f"{path.name}.damaged-{n}").exists())
    aside = path.with_name(f"{path.name}.damaged-{number}")
    try:
        path.rename(aside)
        for tail in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))
    except OSError as error:
        raise WorkspaceError(f"{path} is damaged and cannot be moved aside: {error.strerror}.") from error
    return aside


class ReplayBackend:
    """Backend of a replay: it never answers, as every answer must come from the ledger.

    It gives questions the same content keys as the recorded run's backend, so that `ask` finds every answer in the
    ledger. Only the inner backend's name, origin, identity and room are used: no key and no network.
    """

    def __init__(self, inner: Backend, explain: Callable[[], str]) -> None:
        """Wrap `inner`; `explain` gives the reason why an answer may be missing, in a sentence."""
        self.name: str = inner.name
        self.origin: Origin = inner.origin
        self._inner = inner
        self._explain = explain

    def identity(self, request: Request) -> str:
        """Identify the recorded run's model and sampling parameters."""
        return self._inner.identity(request)

    def room(self, request: Request) -> int | None:
        """Return the room of the recorded run's backend, so that prompts are shortened alike."""
        return self._inner.room(request)

    async def aclose(self) -> None:
        """Close the recorded run's backend."""
        await self._inner.aclose()

    async def complete(self, request: Request) -> Reply:
        """Fail: the ledger was asked before and has no answer.

        Raises:
            BackendError: Always; it names the prompt and the differences from the recorded run.
        """
        raise self.missing(f"{request.prompt}: answer to this question")

    def missing(self, what: str) -> BackendError:
        """Make the error for something that was not recorded, with the differences from the recorded run.

        Args:
            what: Place and thing, e.g. `designer/explore_data: result of action 1`.
        """
        place, _, thing = what.partition(": ")
        return BackendError(f"{place}: the replayed run has no recorded {thing}.", hint=self._explain())
