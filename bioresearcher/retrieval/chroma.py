"""The dense index of a library in Chroma: in a folder of its own, or on a Chroma server.

Two processes that write to one Chroma folder lose vectors silently, so the folder has an exclusive lock, and the
process that holds it keeps the index in step with the store. A server owns its files: no lock is needed, and several
programs may use one library. Every library has a collection of its own there, named after an id beside its store and
after the embedding, so that neither libraries nor embeddings ever mix.

This module is imported only when a library is searched: `chromadb` takes a second to load.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
from chromadb.api.types import Documents, EmbeddingFunction, Embeddings
from chromadb.config import Settings
from chromadb.errors import ChromaError
from chromadb.utils.embedding_functions import register_embedding_function
from numpy.typing import NDArray

from bioresearcher.errors import BioresearcherError, InputError, VectorServerError, WorkspaceError
from bioresearcher.limits.file_lock import take_lock
from bioresearcher.retrieval.embedding import Embedder

COLLECTION: Final = "passages"
_BATCH: Final = 1_000
BROKEN: Final = (ChromaError, AttributeError, ValueError, KeyError, RuntimeError, OSError, sqlite3.Error)


ChromaClient = Any
"""A client of Chroma; its declared type lacks `close`."""


class PassageEmbedding(EmbeddingFunction[Documents]):
    """The embedding function that a collection records; Chroma compares its name when it is opened again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, input: Documents) -> Embeddings:
        """The vectors of texts."""
        return cast(Embeddings, list(self._embedder.embed(list(input))))

    def default_space(self) -> Literal["cosine", "l2", "ip"]:
        """The distance of vectors."""
        return "cosine"

    def get_config(self) -> dict[str, Any]:
        """An empty configuration: the name says all."""
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
    """The vectors of the passages in a Chroma folder of its own; opened by `open_index`."""

    failures: tuple[type[Exception], ...] = BROKEN
    """The exceptions that Chroma raises when the index cannot be used."""

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
        self._client: ChromaClient = chromadb.PersistentClient(str(self._folder), settings=settings)
        # refused when the vectors there were made by another embedding
        self._collection = self._client.get_or_create_collection(
            COLLECTION, embedding_function=cast(Any, self._function)
        )
        self.ids: set[str] = set(self._collection.get(include=[])["ids"])

    def _rebuild(self) -> None:
        """Replace a folder that Chroma cannot read, or of another embedding, by an empty one."""
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

    def sync(
        self,
        rows: Sequence[tuple[str, str, str, str]],
        vectors: Callable[[Sequence[str]], NDArray[np.float32]],
        *,
        scope: Collection[str] | None,
    ) -> None:
        """Bring the index in step with the store for some documents (None: all).

        Args:
            rows: All their passages in the store: (passage, document, kind, vector key).
            vectors: Returns the stored vectors of keys.
            scope: The documents; other passages of them are removed from the index.

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
        except self.failures as error:
            raise self._failure("written", error) from error

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
        except self.failures as error:
            raise self._failure("read", error) from error
        return list(found["ids"][0])

    def _failure(self, verb: str, error: Exception) -> BioresearcherError:
        """The error to raise when the index fails while it is in use."""
        return WorkspaceError(
            f"the vector index {self._folder} cannot be {verb}: {error}.",
            hint="Check space and permissions, or delete this folder; it is made again.",
        )

    def close(self) -> None:
        """Close the client and release the lock."""
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


_ID_FILE: Final = "library.id"
_FIRST_S: Final = 10.0
_PATIENCE_S: Final = 120.0
LOST: Final = (*BROKEN, httpx.HTTPError)
"""The exceptions of a request to a server that is gone, failing, or no Chroma server."""


def connect_server(url: str) -> ChromaClient:
    """Connect to a Chroma server.

    Raises:
        InputError: The address is not valid, or has more than host and port.
        VectorServerError: No server, or no Chroma server, answers there.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 8000)
    except ValueError:
        parts, port = urlsplit(""), 0
    plain = parts.scheme in {"http", "https"} and parts.hostname and parts.path in {"", "/"} and not parts.query
    if not plain or parts.username or parts.password or not parts.hostname:
        raise InputError(
            "the address of the Chroma server must be http:// or https:// with a host and, if need be, a port.",
            hint="For instance --chroma-url http://localhost:8000.",
        )
    where = f"{parts.scheme}://{parts.hostname}:{port}"
    client: Any = None
    try:
        # asked with a limit first: Chroma's own client waits for ever
        httpx.get(f"{where}/api/v2/heartbeat", timeout=_FIRST_S, follow_redirects=False).raise_for_status()
        settings = Settings(anonymized_telemetry=False)
        client = chromadb.HttpClient(host=parts.hostname, port=port, ssl=parts.scheme == "https", settings=settings)
        for session in _sessions(client):
            session.timeout = httpx.Timeout(_PATIENCE_S)
        client.heartbeat()
    except LOST as error:
        close_client(client)
        raise VectorServerError(
            f"the Chroma server at {where} does not answer: {_message(error)}.",
            hint="Start it (`chroma run --path DIR`), or leave --chroma-url out to keep vectors in the workspace.",
        ) from error
    return client


def close_client(client: ChromaClient) -> None:
    """Close a client, unless it is None, and its connections."""
    if client is not None:
        sessions = _sessions(client)
        with suppress(*LOST):
            client.close()
        for session in sessions:  # Chroma leaves its connections open
            session.close()


def _sessions(client: ChromaClient) -> list[httpx.Client]:
    """The HTTP clients inside Chroma's, as far as they are found: there is no public access to them."""
    owners = (client, getattr(client, "_admin_client", None))
    found = [getattr(getattr(owner, "_server", None), "_session", None) for owner in owners]
    return [session for session in found if isinstance(session, httpx.Client)]


def _message(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def library_id(root: Path) -> str:
    """The id of a library folder, made at the first call; two programs that make it at once agree.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    path = root / _ID_FILE
    try:
        if not path.exists():
            part = path.with_name(f"{_ID_FILE}.{uuid.uuid4().hex}")
            part.write_text(uuid.uuid4().hex, encoding="ascii")
            with suppress(FileExistsError):
                os.link(part, path)
            part.unlink()
        text = path.read_text(encoding="ascii").strip()
        return uuid.UUID(hex=text).hex
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"{path} cannot be used: {error}.", hint="Delete it: the vectors are then sent to the server again."
        ) from error


class ServerIndex(ChromaIndex):
    """The vectors of the passages in a collection of a Chroma server."""

    failures = LOST

    def __init__(self, root: Path, url: str, embedder: Embedder) -> None:
        """Open or make the library's collection.

        Raises:
            InputError: The address is not valid.
            VectorServerError: The server does not answer or cannot be used.
        """
        self._function = embedding_function(embedder)
        self._client = connect_server(url)
        mine = f"bioresearcher-{library_id(root)}-"
        name = mine + hashlib.sha256(embedder.name.encode()).hexdigest()[:12]
        try:
            self._collection = self._client.get_or_create_collection(name, embedding_function=cast(Any, self._function))
            self.ids = set(self._collection.get(include=[])["ids"])
            for other in self._client.list_collections():  # of an embedding that this library had before
                if other.name.startswith(mine) and other.name != name:
                    self._client.delete_collection(other.name)
        except LOST as error:
            close_client(self._client)
            raise VectorServerError(f"the Chroma server cannot be used: {_message(error)}.") from error

    def _failure(self, verb: str, error: Exception) -> VectorServerError:
        return VectorServerError(f"the Chroma server was lost: {_message(error)}.")

    def close(self) -> None:
        """Close the client; the server keeps the collection."""
        close_client(self._client)
