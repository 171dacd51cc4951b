"""Words of biomedical text for searching, and BM25 over them (Robertson and Zaragoza 2009; Lucene's variant)."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Self

VERSION: Final = "1"
"""Version of the tokenizer; a change invalidates stored indexes."""

_UNUSABLE: Final = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError)

_WORD: Final = re.compile(r"[^\W_]+(?:[-/.'’][^\W_]+)*")
_PART: Final = re.compile(r"[^\W_]+")
_STOP: Final = frozenset(
    "a an and are as at be been but by can did do does for from had has have how if in into is it its may more no "
    "nor not of on or our per such than that the their them then there these they this those to was we were what "
    "when where which while who whom why will with within would".split()
)
_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))


Stemmer = Any
"""A stemmer of the package PyStemmer, which has no types."""


@cache
def _stemmer() -> Stemmer:
    import Stemmer

    return Stemmer.Stemmer("english")


def search_words(text: str) -> list[str]:
    """The words of a text in order and lower case, with repeats, without function words.

    A compound such as `IL-6` or `co-expression` counts as its parts and as one word (`il6`), so that either
    spelling finds the other.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_DASHES)
    return [part for word in _WORD.findall(plain) for part in _parts(word)]


@lru_cache(maxsize=65_536)  # most words of a text are known: counting a large library takes a third of the time
def _parts(word: str) -> tuple[str, ...]:
    parts = _PART.findall(word)
    kept = [p for p in parts if p not in _STOP and (len(p) > 1 or p.isdigit() or len(parts) > 1)]
    if 1 < len(parts) <= 4:
        kept.append("".join(parts))
    return tuple(kept)


def stemmed(found: Sequence[str]) -> list[str]:
    """The stems of words, one for each."""
    return list(_stemmer().stemWords(found))


def terms(text: str) -> list[str]:
    """The stems of a text's words, as `search_words` gives them."""
    return stemmed(search_words(text))


class Bm25:
    """BM25 index of a fixed list of texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Index texts, which are taken one by one and not kept in memory."""
        vocabulary: dict[str, int] = {}
        found = [array("i", [vocabulary.setdefault(t, len(vocabulary)) for t in terms(text)]) for text in texts]
        self._size = len(found)
        self._index: Any = None
        if vocabulary:
            import bm25s

            self._index = bm25s.BM25()
            self._index.index((found, vocabulary), show_progress=False)

    @classmethod
    def load_or_build(cls, root: Path, texts: Iterable[str], *, ids: Sequence[str]) -> Self:
        """Load the index of texts from a folder; if it is not there, build and save it.

        Args:
            root: The parent of the index's folder; indexes of other texts in it are removed.
            texts: Read only when there is no usable index.
            ids: Ids that change with the texts, one for each.
        """
        import bm25s

        version = "\n".join((VERSION, str(bm25s.__version__), *ids))
        folder = root / f"words-{hashlib.sha256(version.encode()).hexdigest()[:16]}"
        with suppress(*_UNUSABLE):
            index = bm25s.BM25.load(folder, mmap=True, show_progress=False)
            if index.scores["num_docs"] == len(ids):
                old = cls(())
                old._size, old._index = len(ids), index
                return old
        new = cls(texts)
        if new._index is not None:
            with suppress(OSError):  # it is built again next time
                new._save(folder)
        return new

    def _save(self, folder: Path) -> None:
        for other in folder.parent.glob("words-*"):
            shutil.rmtree(other, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix="words-", dir=folder.parent))
        self._index.save(part, show_progress=False)
        part.rename(folder)

    def scores(self, query: str) -> list[float]:
        """The BM25 score of each text, 0 for a text without a word of the query."""
        stems = terms(query)
        if self._index is None or not stems:
            return [0.0] * self._size
        return list(self._index.get_scores(stems).tolist())
