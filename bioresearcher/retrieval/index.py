"""The library: papers' passages stored once, found again by meaning and by words.

Search is hybrid. Candidates are the best by words (BM25) and the nearest by static vectors, which cost so little that
every passage has one (Chroma). The embedding model, a hundred times slower, only compares the candidates with the
question; its cosine and BM25, each scaled to 0–1 over the candidates, are added with weights 0.6 and 0.4. One process
at a time keeps the Chroma index; others that use the same library meanwhile compare vectors directly.

The passages that one kind of search is over, with their words counted; the few used last are kept in memory.
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
from bioresearcher.papers.quotes import split
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.retrieval.embedding import Embedder, MiniLM, StaticMiniLM
from bioresearcher.retrieval.store import Store, Vectors
from bioresearcher.schemas.library import LibraryEntry
from bioresearcher.schemas.paper import Document, Paper, Passage, SectionKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bioresearcher.retrieval.chroma import ChromaIndex


KEPT_ON_DISK: Final = 5_000
"""Passages from which on the words of the whole library are kept in its folder: counting them takes seconds."""

_CACHED_CORPORA: Final = 8
_CACHED_PASSAGES: Final = 100_000


@dataclass
class Corpus:
    """Passages in the order of document and place: ids, vector keys, BM25, and their vectors once they were needed."""

    ids: tuple[str, ...]
    keys: tuple[str, ...]
    lexical: Bm25
    vectors: NDArray[np.float32] | None = None

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each id."""
        return {identifier: n for n, identifier in enumerate(self.ids)}


class CorpusCache:
    """Corpora made when asked for; not safe for several threads without a lock of the caller's."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._known: OrderedDict[tuple[frozenset[str] | None, frozenset[str]], Corpus] = OrderedDict()

    def clear(self) -> None:
        """Forget everything: the store has changed."""
        self._known.clear()

    def get(self, documents: frozenset[str] | None, kinds: frozenset[str]) -> Corpus:
        """The passages of these documents (None: all) in sections of these kinds."""
        key = (documents, kinds)
        if key not in self._known:
            self._known[key] = self._made(documents, kinds)
        self._known.move_to_end(key)
        while len(self._known) > 1 and (
            len(self._known) > _CACHED_CORPORA or sum(len(c.ids) for c in self._known.values()) > _CACHED_PASSAGES
        ):
            self._known.popitem(last=False)
        return self._known[key]

    def _made(self, documents: frozenset[str] | None, kinds: frozenset[str]) -> Corpus:
        rows = self._store.rows(documents, kinds)
        ids = tuple(row[0] for row in rows)
        texts = self._store.texts(ids)
        if documents is None and len(ids) >= KEPT_ON_DISK:
            lexical = Bm25.kept(self._folder, texts, mark=ids)
        else:
            lexical = Bm25(texts)
        return Corpus(ids, tuple(row[3] for row in rows), lexical)


DENSE_WEIGHT: Final = 0.6
EVIDENCE_KINDS: Final[frozenset[SectionKind]] = frozenset(get_args(SectionKind)) - {"references"}
"""Where evidence is looked for: everywhere but in the reference list."""

_BY_WORDS: Final = 14
_CANDIDATES: Final = 16
"""Passages that the model compares with a question (0.3 s of CPU); those after the best by words are near in meaning.

Chosen on one half of the questions of `tests/benchmarks/bench_recall.py`, where more find one more of 143 at most.
"""

_COARSE_WEIGHT: Final = 0.2
_INDEX_STEP: Final = 64
_INDEX_AT_ONCE: Final = 5_000
"""Passages without a vector that a search indexes first (seconds); with more, words alone find the candidates."""


@dataclass(frozen=True, slots=True)
class PassageHit:
    """A passage found: `score` orders the hits (0 to 1); `dense` is a cosine, `lexical` a BM25 score."""

    passage: Passage
    score: float
    dense: float
    lexical: float


class Library:
    """Documents, passages and their indexes in one folder; safe to use from several threads.

    Nothing is opened before it is needed: Chroma at the first `add`, `index` or `search`, the embedding model at the
    first `search`, `rank` or `similarities`.
    """

    def __init__(
        self,
        root: Path,
        *,
        embedder: Embedder | None = None,
        indexer: Embedder | None = None,
        chroma_url: str | None = None,
    ) -> None:
        """Open or make the library in a folder; with `chroma_url` its vectors are indexed by that Chroma server.

        Args:
            root: The folder.
            embedder: Compares texts; the embedded model when none is given.
            indexer: Gives every passage its vector; when none is given the embedder, or beside the embedded model the
                static embedding.
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
            self._complete({document.id})
            self._sync({document.id})
            return new

    def put(self, document: Document, paper: Paper | None = None) -> int:
        """Store a document's passages, and what is known of its paper; `index` or the first search makes the vectors.

        Returns how many passages are new.
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
    ) -> list[PassageHit]:
        """The passages that answer a query best, best first.

        Args:
            query: Words or a sentence; an empty query finds nothing.
            documents: Only these documents; None means all. BM25 statistics are taken over the same set, so
                that a run finds the same in a full library as in a new one.
            kinds: Only these kinds of sections; None means all but the reference list.
            limit: At most so many hits.

        The model is asked about at most 16 passages, so that a search ends soon whatever the library holds; `limit`
        may be more, and further hits follow as candidates were found, their `dense` being the static embedding's.

        While more than 5,000 passages wait for their vectors, candidates are found by words alone; `index` makes up
        for it.
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
        """The candidates in their order: first those that the model has compared."""
        hits: list[PassageHit] = []
        floor = 1.0
        for vectors, weight, places in (
            (self._vectors, DENSE_WEIGHT, pool[:_CANDIDATES]),
            (self._coarse, _COARSE_WEIGHT, pool[_CANDIDATES:]),
        ):
            passages = self._store.passages([corpus.ids[n] for n in places])
            if not passages:
                continue
            dense = (vectors.of([p.text for p in passages]) @ vectors.of([query], passing=True)[0]).tolist()
            words = [lexical[corpus.places[p.id]] for p in passages]
            scores = [floor * score for score in fuse(dense, words, weight)]
            found = [PassageHit(*values) for values in zip(passages, scores, dense, words, strict=True)]
            hits += sorted(found, key=lambda hit: (-hit.score, hit.passage.id))
            floor = hits[-1].score
        return hits

    def _near(self, corpus: Corpus, query: str, depth: int, *, everything: bool) -> list[int]:
        """Places of the nearest passages, nearest first: by Chroma, or directly in a part of the library.

        Also directly while another process has Chroma. None while very many passages wait for their vectors.
        """
        import numpy as np

        vector = self._coarse.of([query], passing=True)[0]
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
        """How close each text (an abstract) is in meaning to the query, 0 to 1, in the order given."""
        row = self.similarities([query], texts)
        return [min(1.0, max(0.0, float(value))) for value in row[0]] if texts else []

    def similarities(self, a: Sequence[str], b: Sequence[str]) -> NDArray[np.float32]:
        """The cosine similarity of each text of `a` (rows) with each of `b` (columns).

        Vectors are kept, in memory and in the library, so that a text is embedded once.
        """
        with self._guard:
            left, right = self._vectors.of(a), self._vectors.of(b)
        result: NDArray[np.float32] = left @ right.T
        return result

    def _notice_others(self) -> None:
        """Forget what is cached when another process has written."""
        version = self._store.version()
        if version != self._version:
            self._version = version
            self._corpora.clear()
            self._synced = False

    def _complete(self, documents: Collection[str] | None) -> None:
        """Make vectors that are missing: of new passages, left by a crash, or made by another embedding."""
        if documents is None:
            missing = [i for i, kind in self._store.without_vector(self._coarse.name) if kind in EVIDENCE_KINDS]
        else:
            rows = self._store.rows(documents, EVIDENCE_KINDS)
            missing = [rows[n][0] for n in self._coarse.missing([row[3] for row in rows])]
        for n in range(0, len(missing), _INDEX_STEP):
            self._coarse.store([p.text for p in self._store.passages(missing[n : n + _INDEX_STEP])])

    def _ready_index(self) -> ChromaIndex | None:
        """Chroma in step with the store; None while another process has it, or too much is missing to wait for."""
        if self._index_tried and self._index is None:
            return None
        if not self._synced:
            waiting = sum(kind in EVIDENCE_KINDS for _, kind in self._store.without_vector(self._coarse.name))
            if waiting > _INDEX_AT_ONCE:
                return None
        return self._sync()

    def _without_server(self, error: VectorServerError) -> None:
        """Go on without a server that is lost: vectors are compared directly."""
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
        self._complete(scope)
        rows = self._store.rows(scope, EVIDENCE_KINDS)
        try:
            self._index.keep(rows, self._coarse.stored, scope=scope)
        except VectorServerError as error:
            self._without_server(error)
        self._synced = True
        return self._index

    def _opened(self) -> ChromaIndex | None:
        """The index on the server, when one was named, else in the folder; None while another process has that."""
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
    """Two lists of scores as one: each scaled to 0–1 by its least and greatest value, then added by weight."""
    return [weight * d + (1 - weight) * w for d, w in zip(_scaled(dense), _scaled(lexical), strict=True)]


def _scaled(scores: Sequence[float]) -> list[float]:
    if not scores:
        return []
    low, high = min(scores), max(scores)
    return [(s - low) / (high - low) for s in scores] if high > low else [0.0] * len(scores)
