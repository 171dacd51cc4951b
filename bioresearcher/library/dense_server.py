"""The dense index on a Chroma server, for those who have one: the same collection, reached over HTTP.

The server is the only owner of its files, so no lock is needed and several programs may use one library. Every library
has a collection of its own, named after an id that lies beside its store and after the embedding, so that neither
libraries nor embeddings ever mix.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import chromadb
import httpx
from chromadb.config import Settings

from bioresearcher.errors import InputError, VectorServerError, WorkspaceError
from bioresearcher.library.dense import BROKEN, ChromaIndex, embedding_function
from bioresearcher.library.embedding import Embedder

_ID_FILE: Final = "library.id"
_FIRST_S: Final = 10.0
_PATIENCE_S: Final = 120.0
LOST: Final = (*BROKEN, httpx.HTTPError)
"""What a request to a server that is gone, ill or another program's may raise."""


def connect(url: str) -> Any:  # noqa: ANN401 - the client's declared type lacks `close`
    """A client of a server that answers.

    Raises:
        InputError: The address is none, or holds more than host and port.
        VectorServerError: Nobody answers there, or something that is no Chroma server.
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
        end(client)
        raise VectorServerError(
            f"the Chroma server at {where} does not answer: {_said(error)}.",
            hint="Start it (`chroma run --path DIR`), or leave --chroma-url out to keep vectors in the workspace.",
        ) from error
    return client


def end(client: Any) -> None:  # noqa: ANN401 - as above
    """Close a client and its connections; None is fine."""
    if client is not None:
        sessions = _sessions(client)
        with suppress(*LOST):
            client.close()
        for session in sessions:  # Chroma leaves its connections open
            session.close()


def _sessions(client: Any) -> list[httpx.Client]:  # noqa: ANN401 - as above
    """The HTTP clients inside Chroma's, to which it offers no door; those that are not found are left alone."""
    owners = (client, getattr(client, "_admin_client", None))
    found = [getattr(getattr(owner, "_server", None), "_session", None) for owner in owners]
    return [session for session in found if isinstance(session, httpx.Client)]


def _said(error: BaseException) -> str:
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
    """The passages' vectors in a collection of a Chroma server."""

    lost = LOST

    def __init__(self, root: Path, url: str, embedder: Embedder) -> None:
        """Open or make the library's collection.

        Raises:
            InputError: The address is none.
            VectorServerError: The server does not answer or cannot be used.
        """
        self._function = embedding_function(embedder)
        self._client = connect(url)
        mine = f"bioresearcher-{library_id(root)}-"
        name = mine + hashlib.sha256(embedder.name.encode()).hexdigest()[:12]
        try:
            self._collection = self._client.get_or_create_collection(name, embedding_function=cast(Any, self._function))
            self.ids = set(self._collection.get(include=[])["ids"])
            for other in self._client.list_collections():  # of an embedding that this library had before
                if other.name.startswith(mine) and other.name != name:
                    self._client.delete_collection(other.name)
        except LOST as error:
            end(self._client)
            raise VectorServerError(f"the Chroma server cannot be used: {_said(error)}.") from error

    def _trouble(self, verb: str, error: Exception) -> VectorServerError:
        return VectorServerError(f"the Chroma server was lost: {_said(error)}.")

    def close(self) -> None:
        """Close the client; the server keeps what it has."""
        end(self._client)
