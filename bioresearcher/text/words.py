"""Splits scientific prose into sentences, content words and key phrases, and compares texts by their words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

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
_PARAGRAPH = re.compile(r"\n{2,}")
_SPELLING = (("oestr", "estr"), ("tumour", "tumor"), ("haem", "hem"), ("leukaem", "leukem"), ("isation", "ization"))
_CITATION: Final = r"\[\d[\d,\s–-]*\]"
_CITED: Final = re.compile(rf"^{_CITATION}\s*|(?<=[.!?])\s*{_CITATION}$")
_END: Final = re.compile(rf"([.!?]+[)\]”’\"']*)(?:{_CITATION})?(?=\s+)")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(\[“‘\"'])(?:e\.?g|i\.?e|et al|cf|vs?|viz|resp|approx|ca|etc|fig|figs|eq|eqs|ref|refs|tab|sec|no|nos|"
    r"vol|pp?|dr|prof|mr|mrs|ms|st|jr|sr|inc|ltd|co|corp|dept|univ|sp|spp|subsp|var|suppl|supp|min|max|temp|"
    r"conc|wt|exp|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|u\.s|u\.k|a\.m|p\.m|i\.v|i\.p|s\.c|s\.d|s\.e|(?-i:[A-Za-h]))\.$",
    re.IGNORECASE,
)
_ALWAYS_GOES_ON: Final = re.compile(r"(?:e\.?g|i\.?e|cf|vs|viz|figs?|eqs?|refs?|nos?|approx|dr|prof)\.$", re.IGNORECASE)

Similarity = Callable[[Sequence[str], Sequence[str]], "NDArray[np.float32]"]
"""Function for the cosine similarity of every text of one list with every text of another: one row per left text."""


def normalised(text: str) -> str:
    """Normalise a text for matching: lower case, American spelling of frequent words, spaces for punctuation."""
    low = text.casefold()
    for british, american in _SPELLING:
        low = low.replace(british, american)
    return f" {' '.join(re.sub(r'[^a-z0-9]+', ' ', low).split())} "


def content_words(text: str) -> list[str]:
    """Content words in order, normalised."""
    return [w for w in normalised(text).split() if w not in STOP and (len(w) > 2 or w.isdigit() or w in {"er", "ki"})]


def any_word(text: str) -> str:
    """A pattern for any of the words of a text; `_` stands for white space, and a word may itself be a pattern."""
    return "(?:" + "|".join(word.replace("_", r"\s+") for word in text.split()) + ")"


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


def sentence_texts(text: str) -> list[str]:
    """The sentences of all paragraphs in order, without the citations at their beginning or end."""
    pieces = (piece[start:end] for piece in _PARAGRAPH.split(text) for start, end in sentences(piece))
    return [kept for kept in (_CITED.sub("", piece) for piece in pieces) if kept]


def first_sentences(text: str, room: int) -> str:
    """The first sentences of a text that fit into so many characters, each whole, and the first in any case."""
    kept: list[str] = []
    for sentence in sentence_texts(text):
        if kept and len(" ".join((*kept, sentence))) > room:
            break
        kept.append(sentence)
    return " ".join(kept)


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """The (start, end) of each sentence of a paragraph, without the space between them.

    A full stop after an abbreviation, an initial or before a lower-case word ends nothing; a paragraph without
    any is one sentence. Together the sentences cover everything but whitespace.
    """
    stop = len(text) if end is None else end
    begin = start
    for match in _END.finditer(text, start, stop):
        after = match.end()
        while after < stop and text[after].isspace():
            after += 1
        if after >= stop or not _ends(text[begin : match.end(1)], text[after : after + 2]):
            continue
        yield begin, match.end()
        begin = after
    while begin < stop and text[begin].isspace():
        begin += 1
    while stop > begin and text[stop - 1].isspace():
        stop -= 1
    if begin < stop:
        yield begin, stop


def _ends(sentence: str, following: str) -> bool:
    first = following[:1]
    if first.islower() and not following[1:2].isupper():  # "mRNA" may begin a sentence, "was" may not
        return False
    tail = sentence[-24:]
    if not tail.endswith("."):
        return True
    if _ALWAYS_GOES_ON.search(tail) and _ABBREVIATION.search(tail):
        return False
    if _ABBREVIATION.search(tail):
        last = tail.rsplit(None, 1)[-1].lstrip("([“‘\"'").lower()
        if last in ("al.", "etc.", "min.", "max.", "sp.", "spp.", "co.", "inc.", "ltd.", "exp.", "dec.", "mar."):
            return first.isupper() and following[1:2].islower()
        return False
    return True


def overlap(left: Iterable[str], right: Iterable[str]) -> float:
    """Share of the words on the left that are also on the right, 0 to 1."""
    wanted = set(left)
    return len(wanted & set(right)) / len(wanted) if wanted else 0.0


def weighted_overlap(texts: Sequence[str], target: str, stem: int = 6) -> list[float]:
    """Share of each text's content words that the target has, 0 to 1, rare words counting more.

    Words are cut to their first `stem` letters; a word's weight is its inverse document frequency over the texts.
    """
    bags = [{w[:stem] for w in content_words(t)} for t in texts]
    counts = Counter(w for bag in bags for w in bag)
    weight = {w: math.log(1 + len(bags) / n) for w, n in counts.items()}
    wanted = {w[:stem] for w in content_words(target)}
    totals = [sum(weight[w] for w in bag) for bag in bags]
    return [sum(weight[w] for w in bag & wanted) / t if t else 0.0 for bag, t in zip(bags, totals, strict=True)]
