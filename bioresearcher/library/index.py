"""The library: papers' passages stored once, found again by meaning and by words.

Search is hybrid: cosine similarity of embeddings (Chroma) and BM25, each scaled to 0–1 over the candidates and
added with weights 0.6 and 0.4. One process at a time keeps the Chroma index; others that use the
same library meanwhile compare vectors directly, with the same results.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, get_args

from bioresearcher.errors import VectorServerError
from bioresearcher.library.embedding import Embedder, MiniLM
from bioresearcher.library.lexical import Lexical
from bioresearcher.library.passages import split
from bioresearcher.library.store import Store, text_key
from bioresearcher.schemas.library import LibraryEntry
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document, Passage, SectionKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bioresearcher.library.dense import ChromaIndex

DENSE_WEIGHT: Final = 0.6
EVIDENCE_KINDS: Final[frozenset[SectionKind]] = frozenset(get_args(SectionKind)) - {"references"}
"""Where evidence is looked for: everywhere but in the reference list."""

_CANDIDATES: Final = 50
_CACHED_VECTORS: Final = 8_192
_CACHED_CORPORA: Final = 8
_EMBED_STEP: Final = 32
_EMBED_AT_ONCE: Final = 1_000
"""Passages without a vector that a search embeds first (up to a minute); with more, words find the candidates."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found: `score` orders the hits (0 to 1); `dense` is a cosine, `lexical` a BM25 score."""

    passage: Passage
    score: float
    dense: float
    lexical: float


@dataclass(frozen=True, slots=True)
class _Corpus:
    """The passages that one kind of search is over: ids, vector keys, BM25."""

    ids: tuple[str, ...]
    keys: tuple[str, ...]
    lexical: Lexical


class Library:
    """Documents, passages and their indexes in one folder; safe to use from several threads.

    Nothing is opened before it is needed: the embedding model and Chroma load at the first `add`, `search`,
    `rank` or `similarities`.
    """

    def __init__(self, root: Path, *, embedder: Embedder | None = None, chroma_url: str | None = None) -> None:
        """Open or make the library in a folder; with `chroma_url` its vectors are indexed by that Chroma server.

        Raises:
            WorkspaceError: The folder cannot be written, or was written by a newer version.
        """
        self.root = root
        self.note = ""
        self._chroma_url = chroma_url
        self._embedder: Embedder = embedder or MiniLM()
        self._store = Store(root / "library.sqlite")
        self._guard = threading.RLock()
        self._index: ChromaIndex | None = None
        self._index_tried = False
        self._synced = False
        self._closing = False
        self._version = self._store.version()
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._corpora: OrderedDict[tuple[frozenset[str] | None, frozenset[str]], _Corpus] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and give the Chroma lock to whoever comes next; an `index` under way ends soon."""
        self._closing = True
        with self._guard:
            if self._index is not None:
                self._index.close()
                self._index = None
            self._store.close()

    def add(self, document: Document) -> int:
        """Store a document's passages and their vectors; returns how many passages are new.

        Repeating it costs nothing, also after a crash in the middle: what is stored is not computed again. A
        changed text of the same paper replaces the old one.
        """
        with self._guard:
            new, _ = self._put(document)
            self._complete({document.id}, EVIDENCE_KINDS)
            self._sync({document.id})
            return new

    def put(self, document: Document, paper: Paper | None = None) -> int:
        """Store a document's passages, and what is known of its paper; `index` or the first search makes the vectors.

        Vectors take most of the time (about 0.05 s of CPU a passage). Returns how many passages are new.
        """
        with self._guard:
            new, changed = self._put(document)
            if paper is not None:
                self._store.put_paper(paper)
            self._synced = self._synced and not changed
            return new

    def remove(self, identifier: str) -> bool:
        """Take a document out; whether it was there. Chroma is brought in step before the next search."""
        with self._guard:
            known = self._store.remove(identifier)
            self._synced = self._synced and not known
            self._corpora.clear()
            return known

    def entries(self) -> list[LibraryEntry]:
        """What is known of every stored document, by id."""
        with self._guard:
            return self._store.entries()

    def index(self) -> None:
        """Make the vectors that are missing and bring Chroma in step, letting others in between.

        Nothing depends on it but the time of the next search. It ends early when the library is closed.
        """
        with self._guard:
            missing = self._store.without_vector(self._embedder.name, None)
        wanted = [identifier for identifier, kind in missing if kind in EVIDENCE_KINDS]
        for n in range(0, len(wanted), _EMBED_STEP):
            with self._guard:
                if self._closing:
                    return
                self._embed([p.text for p in self._store.passages(wanted[n : n + _EMBED_STEP])], cache=False)
        with self._guard:
            if not self._closing:
                self._sync()

    def _put(self, document: Document) -> tuple[int, bool]:
        new, changed = self._store.put_document(document, split(document))
        if changed:
            self._corpora.clear()
        return new, changed

    def document(self, identifier: str) -> Document | None:
        """A stored document, or None."""
        with self._guard:
            return self._store.document(identifier)

    def documents(self) -> tuple[str, ...]:
        """The ids of all stored documents, sorted."""
        with self._guard:
            return self._store.document_ids()

    def passages(self, document: str, kinds: Collection[SectionKind] | None = None) -> list[Passage]:
        """A document's passages in reading order."""
        with self._guard:
            rows = self._store.rows({document}, kinds)
            return self._store.passages([row[0] for row in rows])

    def search(
        self,
        query: str,
        *,
        documents: Collection[str] | None = None,
        kinds: Collection[SectionKind] | None = None,
        limit: int = 10,
    ) -> list[Hit]:
        """The passages that answer a query best, best first.

        Args:
            query: Words or a sentence; an empty query finds nothing.
            documents: Only these documents; None means all. BM25 statistics are taken over the same set, so
                that a run finds the same in a full library as in a new one.
            kinds: Only these kinds of sections; None means all but the reference list.
            limit: At most so many hits.

        While more than a thousand passages wait for their vectors, candidates are found by words alone, and their
        meaning decides only the order; `index` makes up for it.
        """
        if not query.strip() or limit < 1 or (documents is not None and not documents):
            return []
        wanted = frozenset(EVIDENCE_KINDS if kinds is None else kinds)
        chosen = None if documents is None else frozenset(documents)
        with self._guard:
            corpus = self._corpus(chosen, wanted)
            if not corpus.ids:
                return []
            depth = max(_CANDIDATES, 5 * limit)
            lexical = corpus.lexical.scores(query)
            vector = self._embed([query])[0]
            best = sorted(range(len(lexical)), key=lambda i: -lexical[i])[:depth]
            candidates = {i for i in best if lexical[i] > 0}
            if self._ready(chosen, wanted):
                candidates |= self._nearest(corpus, vector, depth, documents=chosen, kinds=wanted)
            elif candidates:
                self._embed([p.text for p in self._store.passages([corpus.ids[i] for i in sorted(candidates)])])
            places = sorted(candidates)
            if not places:
                return []
            dense = (self._stored([corpus.keys[i] for i in places]) @ vector).tolist()
            words = [lexical[i] for i in places]
            scores = fuse(dense, words)
            order = sorted(range(len(places)), key=lambda n: (-scores[n], corpus.ids[places[n]]))[:limit]
            found = self._store.passages([corpus.ids[places[n]] for n in order])
        return [Hit(passage, scores[n], dense[n], words[n]) for passage, n in zip(found, order, strict=True)]

    def rank(self, texts: Sequence[str], query: str) -> list[float]:
        """How close each text (an abstract) is in meaning to the query, 0 to 1, in the order given."""
        row = self.similarities([query], texts)
        return [min(1.0, max(0.0, float(value))) for value in row[0]] if texts else []

    def similarities(self, a: Sequence[str], b: Sequence[str]) -> NDArray[np.float32]:
        """The cosine similarity of each text of `a` (rows) with each of `b` (columns).

        Vectors are kept, in memory and in the library, so that a text is embedded once.
        """
        with self._guard:
            left, right = self._embed(a), self._embed(b)
        result: NDArray[np.float32] = left @ right.T
        return result

    def _embed(self, texts: Sequence[str], *, cache: bool = True) -> NDArray[np.float32]:
        """Vectors for texts: from memory, from the store, or computed and stored, a few at a time."""
        import numpy as np

        known: dict[str, NDArray[np.float32]] = {}
        keys = [text_key(text) for text in texts]
        open_keys = dict(zip(keys, texts, strict=True))
        for key in list(open_keys):
            if key in self._vectors:
                known[key] = self._vectors[key]
                self._vectors.move_to_end(key)
                del open_keys[key]
        for key, blob in self._store.vectors(self._embedder.name, list(open_keys)).items():
            known[key] = np.frombuffer(blob, dtype="<f4")
            del open_keys[key]
        rest = list(open_keys.items())
        for i in range(0, len(rest), _EMBED_STEP):
            step = rest[i : i + _EMBED_STEP]
            rows = self._embedder.embed([text for _, text in step]).astype("<f4")
            self._store.put_vectors(
                self._embedder.name, [(key, row.tobytes()) for (key, _), row in zip(step, rows, strict=True)]
            )
            known.update((key, row) for (key, _), row in zip(step, rows, strict=True))
        if cache:
            self._vectors.update(known)
            while len(self._vectors) > _CACHED_VECTORS:
                self._vectors.popitem(last=False)
        if not keys:
            return np.zeros((0, self._embedder.dimension), dtype=np.float32)
        return np.stack([known[key] for key in keys])

    def _stored(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of stored passages, which `_complete` has made sure of."""
        import numpy as np

        found = self._store.vectors(self._embedder.name, keys)
        return np.stack([np.frombuffer(found[key], dtype="<f4") for key in keys])

    def _corpus(self, documents: frozenset[str] | None, kinds: frozenset[str]) -> _Corpus:
        self._notice_others()
        key = (documents, kinds)
        if key not in self._corpora:
            rows = self._store.rows(documents, kinds)
            texts = [p.text for p in self._store.passages([row[0] for row in rows])]
            self._corpora[key] = _Corpus(tuple(row[0] for row in rows), tuple(row[3] for row in rows), Lexical(texts))
            while len(self._corpora) > _CACHED_CORPORA:
                self._corpora.popitem(last=False)
        self._corpora.move_to_end(key)
        return self._corpora[key]

    def _ready(self, documents: frozenset[str] | None, kinds: frozenset[str]) -> bool:
        """Whether all passages have vectors, after those of a few were made.

        Where many are missing (thousands just put in, `index` not done yet) a search would wait for minutes: it
        then takes its candidates by words, and embeds only these.
        """
        missing = self._store.without_vector(self._embedder.name, documents)
        few = sum(kind in kinds for _, kind in missing) <= _EMBED_AT_ONCE
        if self._index is not None or not self._index_tried:  # Chroma is kept in step for the whole library
            everything = self._store.without_vector(self._embedder.name, None) if documents is not None else missing
            few = few and sum(kind in EVIDENCE_KINDS for _, kind in everything) <= _EMBED_AT_ONCE
        if few:
            self._complete(documents, kinds)
        return few

    def _notice_others(self) -> None:
        """Forget what is cached when another process has written."""
        version = self._store.version()
        if version != self._version:
            self._version = version
            self._corpora.clear()
            self._synced = False

    def _complete(self, documents: Collection[str] | None, kinds: Collection[str]) -> None:
        """Embed passages without a vector: left by a crash, or made by another embedding."""
        missing = self._store.without_vector(self._embedder.name, documents)
        wanted = [identifier for identifier, kind in missing if kind in kinds]
        for n in range(0, len(wanted), _CACHED_VECTORS):
            self._embed([p.text for p in self._store.passages(wanted[n : n + _CACHED_VECTORS])], cache=False)

    def _nearest(
        self,
        corpus: _Corpus,
        vector: NDArray[np.float32],
        depth: int,
        *,
        documents: frozenset[str] | None,
        kinds: frozenset[str],
    ) -> set[int]:
        """Places in the corpus of the nearest passages: by Chroma, or directly while another process has it."""
        import numpy as np

        places = {identifier: i for i, identifier in enumerate(corpus.ids)}
        index = self._sync()
        found = None
        if index is not None:
            try:
                found = index.nearest(vector, depth, documents=documents, kinds=kinds)
            except VectorServerError as error:
                self._without_server(error)
        if found is None:
            similar = self._stored(corpus.keys) @ vector
            return set(np.argsort(-similar, kind="stable")[:depth].tolist())
        return {places[i] for i in found if i in places}

    def _without_server(self, error: VectorServerError) -> None:
        """Go on without a server that is lost: vectors are compared directly, with the same results."""
        self.note = f"{error.message.rstrip('.')}: vectors are compared directly"
        if self._index is not None:
            self._index.close()
            self._index = None

    def _sync(self, changed: Collection[str] = ()) -> ChromaIndex | None:
        """The Chroma index in step with the store; None while another process has it.

        At first, and after another process has written, everything is compared; later only what `add` names.
        """
        if not self._index_tried:
            self._index_tried = True
            self._index = self._opened()
        if self._index is None or (self._synced and not changed):
            return self._index
        scope = changed if self._synced else None
        self._complete(scope, EVIDENCE_KINDS)
        rows = self._store.rows(scope, EVIDENCE_KINDS)
        try:
            self._index.keep(rows, self._stored, scope=scope)
        except VectorServerError as error:
            self._without_server(error)
        self._synced = True
        return self._index

    def _opened(self) -> ChromaIndex | None:
        """The index on the server, when one was named, else in the folder; None while another process has that."""
        if self._chroma_url is None:
            from bioresearcher.library.dense import open_index

            return open_index(self.root, self._embedder)
        from bioresearcher.library.dense_server import ServerIndex

        try:
            return ServerIndex(self.root, self._chroma_url, self._embedder)
        except VectorServerError as error:
            self._without_server(error)
            return None


def fuse(dense: Sequence[float], lexical: Sequence[float], weight: float = DENSE_WEIGHT) -> list[float]:
    """Two lists of scores as one: each scaled to 0–1 by its least and greatest value, then added by weight."""
    return [weight * d + (1 - weight) * w for d, w in zip(_scaled(dense), _scaled(lexical), strict=True)]


def _scaled(scores: Sequence[float]) -> list[float]:
    if not scores:
        return []
    low, high = min(scores), max(scores)
    return [(s - low) / (high - low) for s in scores] if high > low else [0.0] * len(scores)
