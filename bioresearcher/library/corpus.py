"""The passages that one kind of search is over, with their words counted; the few used last are kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bioresearcher.library.lexical import Lexical
from bioresearcher.library.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT_ON_DISK: Final = 5_000
"""Passages from which on the words of the whole library are kept in its folder: counting them takes seconds."""

_CACHED_CORPORA: Final = 8
_CACHED_PASSAGES: Final = 100_000


@dataclass
class Corpus:
    """Passages in the order of document and place: ids, vector keys, BM25, and their vectors once they were needed."""

    ids: tuple[str, ...]
    keys: tuple[str, ...]
    lexical: Lexical
    vectors: NDArray[np.float32] | None = None

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each id."""
        return {identifier: n for n, identifier in enumerate(self.ids)}


class Corpora:
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
            lexical = Lexical.kept(self._folder, texts, mark=ids)
        else:
            lexical = Lexical(texts)
        return Corpus(ids, tuple(row[3] for row in rows), lexical)
