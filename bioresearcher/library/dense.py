"""The dense index of the library: Chroma, kept in step with the store by whoever holds its lock.

Two processes that write to one Chroma folder lose vectors without a word, so the folder has an exclusive lock.
This module is imported only when a library is searched: `chromadb` takes a second to load.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, cast

import chromadb
import numpy as np
from chromadb.api.types import Documents, EmbeddingFunction, Embeddings
from chromadb.config import Settings
from chromadb.errors import ChromaError
from chromadb.utils.embedding_functions import register_embedding_function
from numpy.typing import NDArray

from bioresearcher.errors import BioresearcherError, WorkspaceError
from bioresearcher.library.embedding import Embedder
from bioresearcher.limits.file_lock import take_lock

COLLECTION: Final = "passages"
_BATCH: Final = 1_000
BROKEN: Final = (ChromaError, AttributeError, ValueError, KeyError, RuntimeError, OSError, sqlite3.Error)


class PassageEmbedding(EmbeddingFunction[Documents]):
    """What the collection records about its vectors; Chroma compares the name when it is opened again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, input: Documents) -> Embeddings:
        """Vectors for texts that Chroma is given without any."""
        return cast(Embeddings, list(self._embedder.embed(list(input))))

    def default_space(self) -> Any:  # noqa: ANN401
        """The distance vectors are compared by."""
        return "cosine"

    def get_config(self) -> dict[str, Any]:
        """Nothing beyond the name."""
        return {}


def embedding_function(embedder: Embedder) -> PassageEmbedding:
    """An embedding function registered under the embedder's name, which states model and length limit."""
    label = f"bioresearcher-{embedder.name}"

    class Named(PassageEmbedding):
        @staticmethod
        def name() -> str:
            return label

        @staticmethod
        def build_from_config(config: dict[str, Any]) -> EmbeddingFunction[Documents]:
            return Named(embedder)

    cast(Any, register_embedding_function)(Named)
    return Named(embedder)


class ChromaIndex:
    """The passages' vectors in a Chroma folder of its own; made by `open_index`."""

    lost: tuple[type[Exception], ...] = BROKEN
    """What Chroma raises when the index cannot be used."""

    def __init__(self, root: Path, lock: ExitStack, embedder: Embedder) -> None:
        self._root = root
        self._folder = root / f"chroma-{_generation(root) or 1}"
        self._lock = lock
        self._function = embedding_function(embedder)
        self._open()

    def _open(self) -> None:
        logging.getLogger("chromadb").setLevel(logging.ERROR)
        try:
            self._connect()
        except BROKEN:
            self._rebuild()

    def _connect(self) -> None:
        settings = Settings(anonymized_telemetry=False, allow_reset=False)
        # `close` is missing from the declared type, not from the client
        self._client: Any = chromadb.PersistentClient(str(self._folder), settings=settings)
        # refused when the vectors there were made by another embedding
        self._collection = self._client.get_or_create_collection(
            COLLECTION, embedding_function=cast(Any, self._function)
        )
        self.ids: set[str] = set(self._collection.get(include=[])["ids"])

    def _rebuild(self) -> None:
        """A folder that Chroma cannot read, or of another embedding, is made anew from the store."""
        with suppress(*BROKEN):
            self._client.close()
        # under a new name, because Chroma remembers a path that failed for as long as the process lives
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._root / f"chroma-{int(self._folder.name.rpartition('-')[2]) + 1}"
        try:
            self._connect()
        except BROKEN as error:
            raise WorkspaceError(
                f"the vector index {self._folder} cannot be opened: {error}.",
                hint="Check space and permissions, or delete this folder; it is made again.",
            ) from error

    def keep(
        self,
        rows: Sequence[tuple[str, str, str, str]],
        vectors: Callable[[Sequence[str]], NDArray[np.float32]],
        *,
        scope: Collection[str] | None,
    ) -> None:
        """Bring the index in step with the store for some documents (None: all).

        Args:
            rows: All that the store has of them: (passage, document, kind, vector key).
            vectors: Gives the stored vectors of keys.
            scope: The documents; what else the index holds of them is removed.

        Raises:
            WorkspaceError: The index cannot be written.
            VectorServerError: The server that keeps it is lost.
        """
        missing = [row for row in rows if row[0] not in self.ids]
        held = self.ids if scope is None else {i for i in self.ids if i.rpartition(":")[0] in scope}
        stale = held - {row[0] for row in rows}
        try:
            for i in range(0, len(missing), _BATCH):
                batch = missing[i : i + _BATCH]
                self._collection.upsert(
                    ids=[row[0] for row in batch],
                    embeddings=cast(Any, vectors([row[3] for row in batch])),
                    metadatas=[{"document": row[1], "kind": row[2]} for row in batch],
                )
                self.ids.update(row[0] for row in batch)
            for some in (sorted(stale)[i : i + _BATCH] for i in range(0, len(stale), _BATCH)):
                self._collection.delete(ids=some)
            self.ids -= stale
        except self.lost as error:
            raise self._trouble("written", error) from error

    def nearest(self, vector: NDArray[np.float32], limit: int) -> list[str]:
        """The ids of the nearest passages, nearest first.

        Raises:
            WorkspaceError: The index cannot be read.
            VectorServerError: The server that keeps it is lost.
        """
        if not self.ids:
            return []
        try:
            found = self._collection.query(
                query_embeddings=cast(Any, vector[None, :]), n_results=min(limit, len(self.ids)), include=[]
            )
        except self.lost as error:
            raise self._trouble("read", error) from error
        return list(found["ids"][0])

    def _trouble(self, verb: str, error: Exception) -> BioresearcherError:
        """What is said of an index that fails while it is in use."""
        return WorkspaceError(
            f"the vector index {self._folder} cannot be {verb}: {error}.",
            hint="Check space and permissions, or delete this folder; it is made again.",
        )

    def close(self) -> None:
        """Close the client and give the lock back."""
        with suppress(*BROKEN):
            self._client.close()
        self._lock.close()


def _generation(root: Path) -> int:
    """The number of the newest Chroma folder; 0 when there is none."""
    numbers = (path.name.rpartition("-")[2] for path in root.glob("chroma-*") if path.is_dir())
    return max((int(n) for n in numbers if n.isascii() and n.isdigit()), default=0)


def open_index(root: Path, embedder: Embedder) -> ChromaIndex | None:
    """The Chroma index of a library folder, or None while another process holds it."""
    path = root / "chroma.lock"
    try:
        lock = take_lock(path)
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be opened: {error.strerror}.",
            hint="Check permissions, or choose another folder with --workspace DIR.",
        ) from error
    if lock is None:
        return None
    try:
        return ChromaIndex(root, lock, embedder)
    except BaseException:
        lock.close()
        raise
