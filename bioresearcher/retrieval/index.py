"""The library: stores the passages of papers and searches them by meaning and by words.

Search is hybrid. Candidates are the best by words (BM25) and the nearest by static vectors, which cost so little that
every passage has one (Chroma). The embedding model, a hundred times slower, only compares the candidates with the
question; its cosine and BM25, each scaled to 0–1 over the candidates, are added with weights 0.6 and 0.4. One process
at a time holds the Chroma index; others that use the same library meanwhile compare vectors directly.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, get_args

from bioresearcher.errors import VectorServerError
from bioresearcher.papers.quotes import split_passages
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.retrieval.embedding import Embedder, MiniLM, StaticMiniLM
from bioresearcher.retrieval.store import Store, Vectors
from bioresearcher.schemas.library import LibraryEntry
from bioresearcher.schemas.paper import Document, Paper, Passage, SectionKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bioresearcher.retrieval.chroma import ChromaIndex


SAVED_FROM: Final = 5_000
"""Passages of a whole library from which its BM25 index is saved in its folder: building it takes seconds."""

_CACHED_CORPORA: Final = 8
_CACHED_PASSAGES: Final = 100_000


@dataclass
class Corpus:
    """The passages that a search is over, in order of document and place, with vector keys, BM25 index and vectors.

    The vectors are read when they are first needed.
    """

    ids: tuple[str, ...]
    keys: tuple[str, ...]
    lexical: Bm25
    vectors: NDArray[np.float32] | None = None

    @cached_property
    def places(self) -> dict[str, int]:
        """Id → position."""
        return {identifier: n for n, identifier in enumerate(self.ids)}


class CorpusCache:
    """Builds corpora and caches those used last; needs a lock of the caller's for several threads."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._known: OrderedDict[tuple[frozenset[str] | None, frozenset[str]], Corpus] = OrderedDict()

    def clear(self) -> None:
        """Empty the cache, when the store has changed."""
        self._known.clear()

    def get(self, documents: frozenset[str] | None, kinds: frozenset[str]) -> Corpus:
        """The passages of these documents (None: all) in sections of these kinds."""
        key = (documents, kinds)
        if key not in self._known:
            self._known[key] = self._build(documents, kinds)
        self._known.move_to_end(key)
        while len(self._known) > 1 and (
            len(self._known) > _CACHED_CORPORA or sum(len(c.ids) for c in self._known.values()) > _CACHED_PASSAGES
        ):
            self._known.popitem(last=False)
        return self._known[key]

    def _build(self, documents: frozenset[str] | None, kinds: frozenset[str]) -> Corpus:
        rows = self._store.rows(documents, kinds)
        ids = tuple(row[0] for row in rows)
        texts = self._store.texts(ids)
        if documents is None and len(ids) >= SAVED_FROM:
            lexical = Bm25.load_or_build(self._folder, texts, ids=ids)
        else:
            lexical = Bm25(texts)
        return Corpus(ids, tuple(row[3] for row in rows), lexical)


DENSE_WEIGHT: Final = 0.6
EVIDENCE_KINDS: Final[frozenset[SectionKind]] = frozenset(get_args(SectionKind)) - {"references"}
"""Kinds of sections in which evidence is searched: all but the reference list."""

_BY_WORDS: Final = 14
_CANDIDATES: Final = 16
"""Passages that the model compares with a question (0.3 s of CPU): the best by words, then the nearest in meaning.

Chosen on one half of the questions of `benchmarks/bench_recall.py`; more find at most one more of 143.
"""

_COARSE_WEIGHT: Final = 0.2
_INDEX_STEP: Final = 64
_INDEX_AT_ONCE: Final = 5_000
"""Most passages without a vector that a search indexes first (seconds); with more, candidates are found by words."""


@dataclass(frozen=True, slots=True)
class PassageHit:
    """A passage that a search found: `score` orders the hits (0 to 1); `dense` is a cosine, `lexical` a BM25 score."""

    passage: Passage
    score: float
    dense: float
    lexical: float


class Library:
    """Documents, passages and their indexes in one folder; safe to use from several threads.

    Chroma is opened at the first `add`, `index` or `search`, the embedding model at the first `search`, `rank` or
    `similarities`.
    """

    def __init__(
        self,
        root: Path,
        *,
        embedder: Embedder | None = None,
        indexer: Embedder | None = None,
        chroma_url: str | None = None,
    ) -> None:
        """Open or create the library in a folder; with `chroma_url` its vectors are indexed by that Chroma server.

        Args:
            root: The folder.
            embedder: Embedding that compares texts; `MiniLM` by default.
            indexer: Embedding of every passage; by default the embedder, or the static one if that is the default too.
            chroma_url: Address of a Chroma server.

        Raises:
            WorkspaceError: The folder cannot be written, or was written by a newer version.
        """
        self.root = root
        self.note = ""
        self._chroma_url = chroma_url
        self._store = Store(root / "library.sqlite")
        self._indexer: Embedder = indexer or embedder or StaticMiniLM()
        self._vectors = Vectors(self._store, embedder or MiniLM())
        same = self._indexer is embedder
        self._coarse = self._vectors if same else Vectors(self._store, self._indexer, halved=True)
        self._guard = threading.RLock()
        self._index: ChromaIndex | None = None
        self._index_tried = False
        self._synced = False
        self._closing = False
        self._version = self._store.version()
        self._corpora = CorpusCache(self._store, root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and release the Chroma lock; an `index` under way ends soon."""
        self._closing = True
        with self._guard:
            if self._index is not None:
                self._index.close()
                self._index = None
            self._store.close()

    def add(self, document: Document) -> int:
        """Store a document's passages and their vectors; returns the number of new passages.

        Repeating it costs nothing, also after a crash in the middle: stored vectors are not computed again. A
        changed text of the same paper replaces the old one.
        """
        with self._guard:
            new, _ = self._put(document)
            self._complete({document.id})
            self._sync({document.id})
            return new

    def put(self, document: Document, paper: Paper | None = None) -> int:
        """Store a document's passages, and its paper; `index` or the first search computes the vectors.

        Returns the number of new passages.
        """
        with self._guard:
            new, changed = self._put(document)
            if paper is not None:
                self._store.put_paper(paper)
            self._synced = self._synced and not changed
            return new

    def remove(self, identifier: str) -> bool:
        """Remove a document; False if it was not there. Chroma is brought in step before the next search."""
        with self._guard:
            known = self._store.remove(identifier)
            self._synced = self._synced and not known
            self._corpora.clear()
            return known

    def entries(self) -> list[LibraryEntry]:
        """The paper and size of every stored document, by id."""
        with self._guard:
            return self._store.entries()

    def index(self) -> None:
        """Compute missing vectors and bring Chroma in step, releasing the lock in between.

        It only saves time in the next search. It ends early when the library is closed.
        """
        with self._guard:
            missing = self._store.without_vector(self._coarse.name)
        wanted = [identifier for identifier, kind in missing if kind in EVIDENCE_KINDS]
        for n in range(0, len(wanted), _INDEX_STEP):
            with self._guard:
                if self._closing:
                    return
                self._coarse.store([p.text for p in self._store.passages(wanted[n : n + _INDEX_STEP])])
        with self._guard:
            if not self._closing:
                self._sync()

    def _put(self, document: Document) -> tuple[int, bool]:
        new, changed = self._store.put_document(document, split_passages(document))
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
    ) -> list[PassageHit]:
        """Search the passages that answer a query best, best first.

        Args:
            query: Words or a sentence; an empty query finds nothing.
            documents: Only these documents; None means all. BM25 statistics are taken over the same set, so
                that a run finds the same in a full library as in a new one.
            kinds: Only these kinds of sections; None means all but the reference list.
            limit: Most hits.

        The model compares at most 16 passages, so that a search ends soon whatever the size of the library; `limit`
        may be more, and further hits follow in the order of the candidates, their `dense` by the static embedding.
        While more than 5,000 passages have no vector, candidates are found by words alone, until `index` has run.
        """
        if not query.strip() or limit < 1 or (documents is not None and not documents):
            return []
        wanted = frozenset(EVIDENCE_KINDS if kinds is None else kinds)
        chosen = None if documents is None else frozenset(documents)
        with self._guard:
            self._notice_others()
            corpus = self._corpora.get(chosen, wanted)
            if not corpus.ids:
                return []
            lexical = corpus.lexical.scores(query)
            depth = max(_CANDIDATES, limit)
            order = sorted(range(len(lexical)), key=lambda n: -lexical[n])[:depth]
            best = [n for n in order if lexical[n] > 0]
            near = self._near(corpus, query, depth, everything=chosen is None and wanted == EVIDENCE_KINDS)
            pool = list(dict.fromkeys([*best[:_BY_WORDS], *near, *best[_BY_WORDS:]]))[:depth]
            return self._hits(query, corpus, lexical, pool)[:limit]

    def _hits(self, query: str, corpus: Corpus, lexical: Sequence[float], pool: Sequence[int]) -> list[PassageHit]:
        """The candidates as hits: first those that the model compares, then the others."""
        hits: list[PassageHit] = []
        floor = 1.0
        for vectors, weight, places in (
            (self._vectors, DENSE_WEIGHT, pool[:_CANDIDATES]),
            (self._coarse, _COARSE_WEIGHT, pool[_CANDIDATES:]),
        ):
            passages = self._store.passages([corpus.ids[n] for n in places])
            if not passages:
                continue
            dense = (vectors.of([p.text for p in passages]) @ vectors.of([query], store=False)[0]).tolist()
            words = [lexical[corpus.places[p.id]] for p in passages]
            scores = [floor * score for score in fuse(dense, words, weight)]
            found = [PassageHit(*values) for values in zip(passages, scores, dense, words, strict=True)]
            hits += sorted(found, key=lambda hit: (-hit.score, hit.passage.id))
            floor = hits[-1].score
        return hits

    def _near(self, corpus: Corpus, query: str, depth: int, *, everything: bool) -> list[int]:
        """Positions of the nearest passages, nearest first: by Chroma, or by comparing vectors directly.

        Directly in a part of the library, and while another process holds Chroma. None while very many passages have
        no vector.
        """
        import numpy as np

        vector = self._coarse.of([query], store=False)[0]
        index = self._ready_index() if everything else None
        if index is not None:
            try:
                return [corpus.places[i] for i in index.nearest(vector, depth) if i in corpus.places]
            except VectorServerError as error:
                self._without_server(error)
        if corpus.vectors is None:
            missing = [corpus.ids[n] for n in self._coarse.missing(corpus.keys)]
            if len(missing) > _INDEX_AT_ONCE:
                return []
            self._coarse.store([p.text for p in self._store.passages(missing)])
            corpus.vectors = self._coarse.stored(corpus.keys)
        near: list[int] = np.argsort(-(corpus.vectors @ vector), kind="stable")[:depth].tolist()
        return near

    def rank(self, texts: Sequence[str], query: str) -> list[float]:
        """Closeness in meaning of each text (an abstract) to the query, 0 to 1, in the order given."""
        row = self.similarities([query], texts)
        return [min(1.0, max(0.0, float(value))) for value in row[0]] if texts else []

    def similarities(self, a: Sequence[str], b: Sequence[str]) -> NDArray[np.float32]:
        """The cosine similarity of each text of `a` (rows) with each of `b` (columns); their vectors are stored."""
        with self._guard:
            left, right = self._vectors.of(a), self._vectors.of(b)
        result: NDArray[np.float32] = left @ right.T
        return result

    def _notice_others(self) -> None:
        """Empty the cache when another process has written."""
        version = self._store.version()
        if version != self._version:
            self._version = version
            self._corpora.clear()
            self._synced = False

    def _complete(self, documents: Collection[str] | None) -> None:
        """Compute missing vectors: of new passages, left by a crash, or made by another embedding."""
        if documents is None:
            missing = [i for i, kind in self._store.without_vector(self._coarse.name) if kind in EVIDENCE_KINDS]
        else:
            rows = self._store.rows(documents, EVIDENCE_KINDS)
            missing = [rows[n][0] for n in self._coarse.missing([row[3] for row in rows])]
        for n in range(0, len(missing), _INDEX_STEP):
            self._coarse.store([p.text for p in self._store.passages(missing[n : n + _INDEX_STEP])])

    def _ready_index(self) -> ChromaIndex | None:
        """Chroma in step with the store; None while another process holds it, or too many vectors are missing."""
        if self._index_tried and self._index is None:
            return None
        if not self._synced:
            waiting = sum(kind in EVIDENCE_KINDS for _, kind in self._store.without_vector(self._coarse.name))
            if waiting > _INDEX_AT_ONCE:
                return None
        return self._sync()

    def _without_server(self, error: VectorServerError) -> None:
        """Close the index of a server that is lost; vectors are then compared directly."""
        self.note = f"{error.message.rstrip('.')}: vectors are compared directly"
        if self._index is not None:
            self._index.close()
            self._index = None

    def _sync(self, changed: Collection[str] = ()) -> ChromaIndex | None:
        """Bring the Chroma index in step with the store; None while another process holds it.

        At first, and after another process has written, all documents are compared; later only the changed ones.
        """
        if not self._index_tried:
            self._index_tried = True
            self._index = self._open_index()
        if self._index is None or (self._synced and not changed):
            return self._index
        scope = changed if self._synced else None
        self._complete(scope)
        rows = self._store.rows(scope, EVIDENCE_KINDS)
        try:
            self._index.sync(rows, self._coarse.stored, scope=scope)
        except VectorServerError as error:
            self._without_server(error)
        self._synced = True
        return self._index

    def _open_index(self) -> ChromaIndex | None:
        """Open the index on the server, if there is one, else in the folder; None while another process holds that."""
        if self._chroma_url is None:
            from bioresearcher.retrieval.chroma import open_index

            return open_index(self.root, self._indexer)
        from bioresearcher.retrieval.chroma import ServerIndex

        try:
            return ServerIndex(self.root, self._chroma_url, self._indexer)
        except VectorServerError as error:
            self._without_server(error)
            return None


def fuse(dense: Sequence[float], lexical: Sequence[float], weight: float = DENSE_WEIGHT) -> list[float]:
    """Fuse two lists of scores: each scaled to 0–1 by its least and greatest value, then added by weight."""
    return [weight * d + (1 - weight) * w for d, w in zip(_scaled(dense), _scaled(lexical), strict=True)]


def _scaled(scores: Sequence[float]) -> list[float]:
    if not scores:
        return []
    low, high = min(scores), max(scores)
    return [(s - low) / (high - low) for s in scores] if high > low else [0.0] * len(scores)
