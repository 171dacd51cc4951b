"""Words of biomedical text for searching, and BM25 over them (Robertson and Zaragoza 2009; Lucene's variant)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

_WORD: Final = re.compile(r"[^\W_]+(?:[-/.'’][^\W_]+)*")
_PART: Final = re.compile(r"[^\W_]+")
_STOP: Final = frozenset(
    "a an and are as at be been but by can did do does for from had has have how if in into is it its may more no "
    "nor not of on or our per such than that the their them then there these they this those to was we were what "
    "when where which while who whom why will with within would".split()
)
_DASHES: Final = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))


@cache
def _stemmer() -> Any:  # noqa: ANN401
    import Stemmer

    return Stemmer.Stemmer("english")


def words(text: str) -> list[str]:
    """A text's words in order and lower case, repeated ones kept, function words left out.

    A compound such as `IL-6` or `co-expression` counts as its parts and as one word (`il6`), so that either
    spelling finds the other.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_DASHES)
    found: list[str] = []
    for match in _WORD.finditer(plain):
        parts = _PART.findall(match[0])
        kept = [p for p in parts if p not in _STOP and (len(p) > 1 or p.isdigit() or len(parts) > 1)]
        found += kept
        if 1 < len(parts) <= 4:
            found.append("".join(parts))
    return found


def stemmed(found: Sequence[str]) -> list[str]:
    """The stems of words, one for each."""
    stems: list[str] = _stemmer().stemWords(found)
    return stems


def terms(text: str) -> list[str]:
    """The stems of a text's words, as `words` gives them."""
    return stemmed(words(text))


class Lexical:
    """BM25 over a fixed list of texts, in memory."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._size = len(texts)
        self._index: Any = None
        tokens = [terms(text) for text in texts]
        if any(tokens):
            import bm25s

            self._index = bm25s.BM25()
            self._index.index(tokens, show_progress=False)

    def scores(self, query: str) -> list[float]:
        """The score of each text, 0 where none of the query's words stands."""
        words = terms(query)
        if self._index is None or not words:
            return [0.0] * self._size
        scores: list[float] = self._index.get_scores(words).tolist()
        return scores
