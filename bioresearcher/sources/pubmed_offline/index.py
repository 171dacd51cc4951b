"""Full-text index of one PubMed XML file: an SQLite file named by the sha256 of the XML.

It is built once, streamed, under a temporary name, and appears under its own only when it is complete. Words are stored
as stems (FTS5 without content); the record itself, compressed, beside them.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from bioresearcher.errors import WorkspaceError
from bioresearcher.limits.file_lock import wait_for_lock
from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.retrieval.bm25 import search_words, stemmed
from bioresearcher.schemas.paper import Paper
from bioresearcher.sources.pubmed_offline.query import COLUMNS, EVERY, MAX_VARIANTS, SEPARATOR, STEMMED, plain_words
from bioresearcher.sources.pubmed_offline.records import Record, deleted, read_record, read_records

FORMAT: Final = 3
SOURCE: Final = "pubmed-xml"
_KNOWN_STEMS: Final = 200_000
_WEIGHTS: Final = {"title": 3.0, "mesh": 2.0, "major": 0.0, "keywords": 2.0, "year": 0.0, "flags": 0.0}
_SCHEMA: Final = f"""
CREATE TABLE papers (row INTEGER PRIMARY KEY, pmid INTEGER NOT NULL, value BLOB NOT NULL);
CREATE TABLE current (pmid INTEGER PRIMARY KEY, row INTEGER, version INTEGER NOT NULL);
CREATE TABLE words (word TEXT PRIMARY KEY, stem TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5 ({", ".join(COLUMNS)}, content='', tokenize="unicode61 remove_diacritics 0");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (text, 'row');
"""
_PUT_CURRENT: Final = """
INSERT INTO current VALUES (?, ?, ?) ON CONFLICT (pmid) DO UPDATE SET row = excluded.row, version = excluded.version
WHERE excluded.version >= current.version OR current.row IS NULL
"""
_PUT_TEXT: Final = f"INSERT INTO text (rowid, {', '.join(COLUMNS)}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"  # noqa: S608 - constants
_FOUND: Final = """
FROM text JOIN papers p ON p.row = text.rowid JOIN current c ON c.pmid = p.pmid AND c.row = p.row WHERE text MATCH ?
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """Counts of an index: records, withdrawn PMIDs, records that could not be read, words in titles and abstracts."""

    records: int
    deleted: int
    unreadable: int
    search_words: int


class PubmedIndex:
    """Finished index; every call opens the file anew, so that any thread may use it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                yield db
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(
                f"the index {self.path} cannot be read: {error}.", hint="Delete it; it is made again."
            ) from error

    def contents(self) -> Contents:
        """Count its contents.

        Raises:
            WorkspaceError: The file is damaged.
        """
        with self._open() as db:
            found = dict(db.execute("SELECT name, value FROM meta"))
            try:
                return Contents(found["records"], found["deleted"], found["unreadable"], found["words"])
            except KeyError as error:
                raise WorkspaceError(f"the index {self.path} is incomplete.", hint="Delete it.") from error

    def pmids(self) -> Iterator[int]:
        """Yield all PMIDs of this file, withdrawn ones too."""
        with self._open() as db:
            for (pmid,) in db.execute("SELECT pmid FROM current"):
                yield pmid

    def years(self) -> set[int]:
        """List the years of its records."""
        with self._open() as db:
            return {y for (y,) in db.execute("SELECT value FROM meta WHERE name GLOB 'year-*'")}

    def variants(self, prefix: str) -> list[str]:
        """List the stems of words that begin with a prefix, one more than a query may use at most."""
        with self._open() as db:
            rows = db.execute(
                "SELECT DISTINCT stem FROM words WHERE word >= ? AND word < ? ORDER BY word LIMIT ?",
                (prefix, prefix + "\U0010ffff", MAX_VARIANTS + 1),
            )
            return [stem for (stem,) in rows]

    def documents(self, stem: str) -> int:
        """Count the records that hold a stem."""
        with self._open() as db:
            row = db.execute("SELECT doc FROM vocabulary WHERE term = ?", (stem,)).fetchone()
        return int(row[0]) if row else 0

    def matching(self, expression: str) -> list[int]:
        """List the PMIDs of the records that match an FTS5 expression."""
        with self._open() as db:
            return [pmid for (pmid,) in db.execute(f"SELECT p.pmid {_FOUND}", (expression,))]

    def count(self, expression: str) -> int:
        """Count the records that match an FTS5 expression."""
        with self._open() as db:
            return int(db.execute(f"SELECT count(*) {_FOUND}", (expression,)).fetchone()[0])

    def best(self, expression: str, limit: int, without: Collection[int] = ()) -> list[Paper]:
        """List the records that match an expression, best first by BM25 within this file, without some PMIDs."""
        weights = ", ".join(str(_WEIGHTS.get(c, 1.0)) for c in COLUMNS)
        order = f"SELECT p.pmid, p.row {_FOUND} ORDER BY bm25(text, {weights}), p.pmid DESC"
        with self._open() as db:
            rows = (row for pmid, row in db.execute(order, (expression,)) if pmid not in without)
            value = "SELECT value FROM papers WHERE row = ?"
            return [_unpacked(db.execute(value, (row,)).fetchone()[0]) for row in islice(rows, limit)]

    def paper(self, pmid: int) -> Paper | None:
        """Find a record by its PMID; None if it is not in this file or was withdrawn."""
        query = "SELECT p.value FROM current c JOIN papers p ON p.row = c.row WHERE c.pmid = ?"
        with self._open() as db:
            row = db.execute(query, (pmid,)).fetchone()
        return _unpacked(row[0]) if row else None

    def mentions(self, pmid: int) -> bool:
        """Return True if this file holds or withdraws a PMID."""
        with self._open() as db:
            return db.execute("SELECT 1 FROM current WHERE pmid = ?", (pmid,)).fetchone() is not None


def _packed(paper: Paper) -> bytes:
    return zlib.compress(paper.model_dump_json(exclude_defaults=True).encode(), 1)


def _unpacked(value: bytes) -> Paper:
    return Paper.model_validate_json(zlib.decompress(value))


def open_index(file: Path, sha256: str, folder: Path, show: Callable[[int], None] | None = None) -> PubmedIndex:
    """Open the index of a file; build it if there is none, or wait for another process that builds it.

    Args:
        file: PubMed XML, plain or gzipped.
        sha256: Of the file.
        folder: Where indexes are kept.
        show: Called after each record with the number indexed; an exception of it ends the indexing.

    Raises:
        UnreadablePaper: The file cannot be read to its end; no index is left.
        WorkspaceError: The folder cannot be written.
    """
    known = find_index(sha256, folder)
    if known is not None:
        return known
    target = _place(sha256, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(target.with_suffix(".lock"), look_s=0.1):
            if not _complete(target):
                _build(file, sha256, target, show)
    except (OSError, sqlite3.Error) as error:
        raise WorkspaceError(
            f"the index of {file.name} cannot be written in {folder}: {error}.",
            hint="Check permissions and free space, or choose another folder with --workspace DIR.",
        ) from error
    return PubmedIndex(target)


def find_index(sha256: str, folder: Path) -> PubmedIndex | None:
    """Find the index of a file with this sha256; None if it is not built yet or is damaged."""
    target = _place(sha256, folder)
    return PubmedIndex(target) if _complete(target) else None


def _place(sha256: str, folder: Path) -> Path:
    return folder / f"pubmed-{FORMAT}-{sha256[:32]}.sqlite"


def _complete(path: Path) -> bool:
    """Return True if an index exists and is whole; a damaged one is removed."""
    if not path.is_file():
        return False
    try:
        PubmedIndex(path).contents()
    except WorkspaceError:
        path.unlink(missing_ok=True)
        return False
    return True


def _build(file: Path, sha256: str, target: Path, show: Callable[[int], None] | None) -> None:
    partial = target.with_suffix(".part")
    partial.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(partial, isolation_level=None)) as db:
            _fill(db, file, sha256, show)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _fill(db: sqlite3.Connection, file: Path, sha256: str, show: Callable[[int], None] | None) -> None:
    # nothing of a half-built file is ever used, so it needs no journal
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32000", "locking_mode=EXCLUSIVE"):
        db.execute(f"PRAGMA {pragma}")
    db.executescript(_SCHEMA)
    db.execute("BEGIN")
    writer = _Writer(db)
    for element in read_records(file):
        if element.tag == "DeleteCitation":
            writer.withdraw(deleted(element))
            continue
        try:
            writer.put(read_record(element, source=SOURCE, path=str(file), sha256=sha256))
        except UnreadablePaper:
            writer.unreadable += 1
        if show is not None:
            show(writer.rows)
    writer.finish()
    db.execute("COMMIT")


class _Writer:
    """Writer of records into the tables of an index under construction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._stems: dict[str, str] = {}
        self._years: set[int] = set()
        self.rows = self.unreadable = self._words = 0

    def put(self, record: Record) -> None:
        self.rows += 1
        self._db.execute("INSERT INTO papers VALUES (?, ?, ?)", (self.rows, record.pmid, _packed(record.paper)))
        self._db.execute(_PUT_CURRENT, (record.pmid, self.rows, record.version))
        texts = self._columns(record)
        self._db.execute(_PUT_TEXT, (self.rows, *texts))
        if record.year:
            self._years.add(int(record.year))

    def withdraw(self, pmids: Sequence[int]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO current VALUES (?, NULL, 0)", [(p,) for p in pmids])

    def finish(self) -> None:
        self._flush()
        count: Any = self._db.execute("SELECT count(row), count(*) - count(row) FROM current").fetchone()
        values = {"records": count[0], "deleted": count[1], "unreadable": self.unreadable, "words": self._words}
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", [(f"year-{y}", y) for y in sorted(self._years)])

    def _columns(self, record: Record) -> list[str]:
        paper = record.paper
        own = {
            "title": paper.title,
            "abstract": paper.abstract,
            "ids": " | ".join(filter(None, (paper.pmid, paper.pmcid, paper.doi))),
            "flags": f"{EVERY} hasabstract" if paper.abstract else EVERY,
        }
        return [self._tokens(own[c] if c in own else getattr(record, c), stem=c in STEMMED) for c in COLUMNS]

    def _tokens(self, text: str, *, stem: bool) -> str:
        tokens: list[str] = []
        for value in text.split(" | "):
            found = search_words(value) if stem else plain_words(value)
            if found and tokens:
                tokens.append(SEPARATOR)
            tokens += self._stemmed(found) if stem else found
        if stem:
            self._words += len(tokens)
        return " ".join(tokens)

    def _stemmed(self, found: list[str]) -> list[str]:
        new = [w for w in dict.fromkeys(found) if w not in self._stems]
        if new:
            if len(self._stems) > _KNOWN_STEMS:
                self._flush()
                new = list(dict.fromkeys(found))
            self._stems.update(zip(new, stemmed(new), strict=True))
        return [self._stems[w] for w in found]

    def _flush(self) -> None:
        self._db.executemany("INSERT OR IGNORE INTO words VALUES (?, ?)", self._stems.items())
        self._stems.clear()
