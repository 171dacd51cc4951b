"""Words, phrases and sentences for the rules."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STOP = frozenset(
    """a about above across after against all also an and any are as at be because been before being below between both
    but by can could did do does during each every few for from further had has have having here how i if in into is it
    its itself least less more most must no nor not of off on once one only or other our out over own per same shall
    should so some such than that the their them then there these they this those through to too two under until up use
    used uses using very was we were what when where whether which while who whom why will with within without would
    you your study studies analysis analyse analyze identify identification test tests whether characterise characterize
    investigate determine assess compare evaluate find given available based new key""".split()
)
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*", re.UNICODE)
_SENTENCE = re.compile(r"(?<=[.!?])(?:\s*\[\d[\d,\s–-]*\])?\s+(?=[A-Z0-9\"'(])|\n{2,}")
_CITATION = re.compile(r"^\[\d[\d,\s–-]*\]\s*")
_NOT_END = re.compile(r"\b(?:e\.g|i\.e|et al|vs|cf|Fig|Figs|no|approx|ca|Dr|St|resp)\.$", re.I)
_SPELLING = (("oestr", "estr"), ("tumour", "tumor"), ("haem", "hem"), ("leukaem", "leukem"), ("isation", "ization"))


Similarity = Callable[[Sequence[str], Sequence[str]], "NDArray[np.float32]"]
"""Cosine similarity of every text of one list with every text of another: one row per left text."""


def normal(text: str) -> str:
    """Lower case, American spelling of a few frequent words, hyphens and punctuation as spaces: for matching."""
    low = text.casefold()
    for british, american in _SPELLING:
        low = low.replace(british, american)
    return f" {' '.join(re.sub(r'[^a-z0-9]+', ' ', low).split())} "


def words(text: str) -> list[str]:
    """Content words in order, normalised."""
    return [w for w in normal(text).split() if w not in STOP and (len(w) > 2 or w.isdigit() or w in {"er", "ki"})]


def phrases(texts: Iterable[str], limit: int = 12) -> list[str]:
    """Key phrases: runs of content words between stop words, scored by length and frequency.

    After rapid automatic keyword extraction (Rose et al. 2010).
    """
    counts: Counter[str] = Counter()
    for text in texts:
        run: list[str] = []
        for token in [*re.findall(r"[^\W_]+(?:[-'][^\W_]+)*|[.,;:()]", text.casefold()), "."]:
            if _WORD.fullmatch(token) and token not in STOP:
                run.append(token)
                continue
            if run:
                counts[" ".join(run[:4])] += 1
            run = []
    scored = sorted(counts, key=lambda p: (-counts[p] * min(len(p.split()), 3), p))
    return scored[:limit]


def sentences(text: str) -> list[str]:
    """Sentences in order; abbreviations do not end one."""
    out: list[str] = []
    for piece in _SENTENCE.split(text):
        piece = _CITATION.sub("", piece.strip())
        if not piece:
            continue
        if out and _NOT_END.search(out[-1]):
            out[-1] = f"{out[-1]} {piece}"
        else:
            out.append(piece)
    return out


def overlap(left: Iterable[str], right: Iterable[str]) -> float:
    """Share of the left words that are also right words, 0 to 1."""
    wanted = set(left)
    return len(wanted & set(right)) / len(wanted) if wanted else 0.0


def weighted_overlap(texts: Sequence[str], target: str, stem: int = 6) -> list[float]:
    """For each text the share of its content words that stand in the target, rare words counting more, 0 to 1.

    Words are cut to their first `stem` letters; a word's weight is its inverse document frequency over the texts.
    """
    bags = [{w[:stem] for w in words(t)} for t in texts]
    counts = Counter(w for bag in bags for w in bag)
    weight = {w: math.log(1 + len(bags) / n) for w, n in counts.items()}
    wanted = {w[:stem] for w in words(target)}
    totals = [sum(weight[w] for w in bag) for bag in bags]
    return [sum(weight[w] for w in bag & wanted) / t if t else 0.0 for bag, t in zip(bags, totals, strict=True)]


def clip(text: str, length: int) -> str:
    """The text cut at a word border, with an ellipsis when it was cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rsplit(" ", 1)[0] + "…"
