"""The library's store: documents, passages and vectors in one SQLite file, and a cache of vectors over it.

Committed data are safe against `kill -9`; every other index of the library is made from the store. Several processes
may use it at the same time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.errors import WorkspaceError
from bioresearcher.schemas.library import LibraryEntry
from bioresearcher.schemas.paper import Document, Paper, Passage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bioresearcher.retrieval.embedding import Embedder


VERSION: Final = 2

_SCHEMA: Final = """
CREATE TABLE documents (id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE passages (
    id TEXT PRIMARY KEY, document TEXT NOT NULL, ordinal INTEGER NOT NULL, kind TEXT NOT NULL,
    key TEXT NOT NULL, value TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX passages_document ON passages (document, ordinal);
CREATE TABLE vectors (model TEXT NOT NULL, key TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (model, key))
    WITHOUT ROWID;
"""
_SINCE_2: Final = "CREATE TABLE papers (id TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
_CHUNK: Final = 500


def text_key(text: str) -> str:
    """The key under which a text's vector is stored."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Store:
    """Typed access to the SQLite file; not safe for several threads without a lock of the caller's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise WorkspaceError(
                    f"the library folder {path.parent} cannot be made: {error.strerror}.",
                    hint="Check permissions, or choose another folder with --workspace DIR.",
                ) from error
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self._transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version < VERSION:
                for statement in (_SCHEMA if version == 0 else "").split(";"):
                    if statement.strip():
                        self._db.execute(statement)
                self._db.execute(_SINCE_2)
                self._db.execute(f"PRAGMA user_version={VERSION}")
        if version > VERSION:
            raise WorkspaceError(
                f"the library in {self.path.parent} was written by a newer version of the program.",
                hint="Update bioresearcher, or choose another folder with --workspace DIR.",
            )

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._db.close()

    def version(self) -> int:
        """A number that changes when another process has written to the store."""
        with self._errors():
            (number,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(number)

    def put_document(self, document: Document, passages: Sequence[Passage]) -> tuple[int, bool]:
        """Store a document with its passages in one step; an older text of the same paper is replaced.

        Returns how many passages are new and whether anything was written.
        """
        with self._errors(), self._transaction():
            row = self._db.execute("SELECT sha256 FROM documents WHERE id=?", (document.id,)).fetchone()
            if row and row[0] == document.sha256:
                return 0, False
            old = {i for (i,) in self._db.execute("SELECT id FROM passages WHERE document=?", (document.id,))}
            self._db.execute("DELETE FROM passages WHERE document=?", (document.id,))
            self._db.executemany(
                "INSERT INTO passages VALUES (?,?,?,?,?,?)",
                [(p.id, p.document, n, p.kind, text_key(p.text), p.model_dump_json()) for n, p in enumerate(passages)],
            )
            self._db.execute(
                "INSERT OR REPLACE INTO documents VALUES (?,?,?)",
                (document.id, document.sha256, document.model_dump_json()),
            )
        return len({p.id for p in passages} - old), True

    def document(self, identifier: str) -> Document | None:
        """A stored document."""
        with self._errors():
            row = self._db.execute("SELECT value FROM documents WHERE id=?", (identifier,)).fetchone()
        return Document.model_validate_json(row[0]) if row else None

    def document_ids(self) -> tuple[str, ...]:
        """The ids of all stored documents, sorted."""
        with self._errors():
            return tuple(i for (i,) in self._db.execute("SELECT id FROM documents ORDER BY id"))

    def put_paper(self, paper: Paper) -> None:
        """Store the record of a paper in place of an older one."""
        with self._errors(), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO papers VALUES (?,?)", (paper.id, paper.model_dump_json()))

    def entries(self) -> list[LibraryEntry]:
        """The paper and size of every stored document, by id; a document stored without paper gives its title only."""
        query = (
            "SELECT d.id, p.value, json_extract(d.value, '$.kind'), length(json_extract(d.value, '$.text')),"
            " json_array_length(d.value, '$.pages'), substr(json_extract(d.value, '$.text'), 1, 400),"
            " (SELECT count(*) FROM passages s WHERE s.document = d.id)"
            " FROM documents d LEFT JOIN papers p ON p.id = d.id ORDER BY d.id"
        )
        found = []
        with self._errors():
            for identifier, value, kind, characters, pages, text, passages in self._db.execute(query):
                known = Paper(id=identifier, title=text.partition("\n\n")[0], source="unknown", kind=kind)
                paper = Paper.model_validate_json(value) if value else known
                found.append(
                    LibraryEntry(paper=paper, kind=kind, characters=characters, pages=pages or None, passages=passages)
                )
        return found

    def remove(self, identifier: str) -> bool:
        """Remove a document with its passages, its paper, and vectors that no other passage has; False: not there."""
        with self._errors(), self._transaction():
            known = self._db.execute("DELETE FROM documents WHERE id=?", (identifier,)).rowcount > 0
            keys = self._db.execute("SELECT DISTINCT key FROM passages WHERE document=?", (identifier,)).fetchall()
            self._db.execute("DELETE FROM passages WHERE document=?", (identifier,))
            self._db.execute("DELETE FROM papers WHERE id=?", (identifier,))
            self._db.executemany(
                "DELETE FROM vectors WHERE key=? AND NOT EXISTS (SELECT 1 FROM passages p WHERE p.key = vectors.key)",
                keys,
            )
        return known

    def rows(self, documents: Collection[str] | None, kinds: Collection[str] | None) -> list[tuple[str, str, str, str]]:
        """(passage id, document, kind, vector key) of passages in the order of document and place."""
        select = "SELECT id, document, kind, key FROM passages"
        with self._errors():
            if documents is None:
                found = self._db.execute(f"{select} ORDER BY document, ordinal").fetchall()
            else:
                found = self._select_in(
                    f"{select} WHERE document IN", sorted(set(documents)), "ORDER BY document, ordinal"
                )
        return [row for row in found if kinds is None or row[2] in kinds]

    def texts(self, identifiers: Sequence[str]) -> Iterator[str]:
        """The texts of stored passages in the order asked for, a few read at a time."""
        for chunk in _chunks(identifiers):
            yield from (passage.text for passage in self.passages(chunk))

    def passages(self, identifiers: Sequence[str]) -> list[Passage]:
        """Stored passages in the order asked for; unknown ids are left out."""
        with self._errors():
            found = dict(self._select_in("SELECT id, value FROM passages WHERE id IN", identifiers))
        return [Passage.model_validate_json(found[i]) for i in identifiers if i in found]

    def vectors(self, model: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The stored vectors of keys, as little-endian bytes."""
        select = "SELECT key, vector FROM vectors WHERE model=? AND key IN"
        with self._errors():
            return dict(self._select_in(select, sorted(set(keys)), first=(model,)))

    def with_vector(self, model: str, keys: Sequence[str]) -> set[str]:
        """The keys for which this model's vector is stored."""
        select = "SELECT key FROM vectors WHERE model=? AND key IN"
        with self._errors():
            return {key for (key,) in self._select_in(select, keys, first=(model,))}

    def without_vector(self, model: str) -> list[tuple[str, str]]:
        """The passages without a vector of this model, as (passage id, kind)."""
        select = (
            "SELECT p.id, p.kind FROM passages p LEFT JOIN vectors v ON v.model=? AND v.key=p.key "
            "WHERE v.key IS NULL ORDER BY p.document, p.ordinal"
        )
        with self._errors():
            return self._db.execute(select, (model,)).fetchall()

    def put_vectors(self, model: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Store vectors; those that are already stored stay."""
        with self._errors(), self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?,?,?)", [(model, key, vector) for key, vector in rows]
            )

    def _select_in(
        self, select: str, items: Sequence[str], order: str = "", *, first: tuple[str, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """Rows of a statement that ends in `IN`, for all items, some of them at a time."""
        found: list[tuple[Any, ...]] = []
        for chunk in _chunks(items):
            found += self._db.execute(f"{select} ({','.join('?' * len(chunk))}) {order}", [*first, *chunk]).fetchall()
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise WorkspaceError(
                f"the library {self.path} cannot be used: {error}.",
                hint="Check space and permissions. It can be deleted: papers are then read again.",
            ) from error


def _chunks(items: Sequence[str]) -> Iterator[list[str]]:
    for i in range(0, len(items), _CHUNK):
        yield list(items[i : i + _CHUNK])


_CACHED: Final = 8_192
_STEP: Final = 32
"""Texts that are embedded before their vectors are stored; a crash loses at most so many."""


class Vectors:
    """The vectors of texts by one embedding, each computed once; needs a lock of the caller's for several threads."""

    def __init__(self, store: Store, embedder: Embedder, *, halved: bool = False) -> None:
        """Use the vectors in a store; `halved` stores 16 bits a number, which changes a cosine by less than 0.001."""
        self.name = f"{embedder.name}-half" if halved else embedder.name
        self._store = store
        self._embedder = embedder
        self._type = "<f2" if halved else "<f4"
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def of(self, texts: Sequence[str], *, store: bool = True) -> NDArray[np.float32]:
        """The vectors of texts, a row each: from memory, from the store, or computed, a few at a time.

        With `store` those that were computed are stored; a question need not be.
        """
        import numpy as np

        keys = [text_key(text) for text in texts]
        missing = dict(zip(keys, texts, strict=True))
        known = {key: self._cache[key] for key in missing if key in self._cache}
        known |= self._stored([key for key in missing if key not in known])
        rest = [(key, text) for key, text in missing.items() if key not in known]
        known |= self._compute(rest, store=store)
        for key in missing:
            self._cache[key] = known[key]
            self._cache.move_to_end(key)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        if not keys:
            return np.zeros((0, self._embedder.dimension), dtype=np.float32)
        return np.stack([known[key] for key in keys])

    def store(self, texts: Sequence[str]) -> None:
        """Compute and store the vectors that are missing, without keeping them in memory."""
        missing = {text_key(text): text for text in texts}
        known = self._store.with_vector(self.name, list(missing))
        self._compute([(key, text) for key, text in missing.items() if key not in known])

    def stored(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """The stored vectors of keys, of which none may be missing."""
        import numpy as np

        found = self._store.vectors(self.name, keys)
        return np.frombuffer(b"".join(found[key] for key in keys), dtype=self._type).reshape(len(keys), -1).astype("f4")

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Positions of the keys without a stored vector."""
        found = self._store.with_vector(self.name, keys)
        return [n for n, key in enumerate(keys) if key not in found]

    def _stored(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        found = self._store.vectors(self.name, keys)
        return {key: np.frombuffer(blob, dtype=self._type).astype("f4") for key, blob in found.items()}

    def _compute(self, rest: Sequence[tuple[str, str]], *, store: bool = True) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        computed: dict[str, NDArray[np.float32]] = {}
        for i in range(0, len(rest), _STEP):
            step = rest[i : i + _STEP]
            rows = self._embedder.embed([text for _, text in step]).astype(self._type)
            if store:
                self._store.put_vectors(
                    self.name, [(key, row.tobytes()) for (key, _), row in zip(step, rows, strict=True)]
                )
            computed.update((key, row) for (key, _), row in zip(step, np.asarray(rows, dtype="f4"), strict=True))
        return computed
