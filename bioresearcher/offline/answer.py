"""Offline rule of question answering: the answer is sentences of the passages, or that they hold none.

A sentence answers when it is close to the question in meaning and shares its significant words. Names in the question
(genes, accessions, anything with capitals inside or digits) must be in the passage; a question for a number needs one
in the sentence. The limits were chosen on questions about real papers, see `benchmarks/bench_answers.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.retrieval.bm25 import terms
from bioresearcher.schemas.ask_literature import AnswerDraft, AnswerQuestionInput, SentenceDraft
from bioresearcher.schemas.paper import Passage
from bioresearcher.text.words import Similarity, sentences

MOST: Final = 3
"""Most sentences of an answer."""
LEAST_CHARS, MOST_CHARS = 30, 800
CLOSE: Final = 0.55
"""Score from which a sentence answers: cosine of the embedding and share of the question's words, added by weight."""
BESIDE: Final = 0.08
"""Largest difference in score from the best sentence with which another is part of the answer."""
FOLLOWS: Final = 0.3
"""Score from which the sentence after the best one is part of the answer."""
_DENSE: Final = 0.5
_COMPARED: Final = 48
"""Most sentences that are compared in meaning: those that share most words with the question."""

_ASKING: Final = frozenset(
    terms(
        "which what how who when where why did does many much used use study studies paper papers author authors "
        "report reported found find show shown tell say said mean describe described according please library any "
        "there have has performed carried done measured called kind type number"
    )
)
_NAME: Final = re.compile(r"\b(?=\w*[^\W\d_])(?:\w*[A-Z]\w*[A-Z0-9]\w*|\w*\d\w*)(?:-\w+)*")
_QUANTITY: Final = re.compile(
    r"\bhow\s+(?:many|much|long|old|often|large|big|high|deep|far|heavy)\b|\b(?:what|which)\s+(?:\w+\s+)?(?:number|percentage|share"
    r"|proportion|dose|concentration|temperature|sample\s+size|threshold|cut-?off|year|age|length|duration|prevalence|rate)\b",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(
    r"(?<![\w-])\d+(?:[.,]\d+)*|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|third|quarter|twice"
    r"|once|hundred|thousand)\b|\b\w+(?:fold|teen|ty)\b",
    re.IGNORECASE,
)
"""A number that is not part of a name such as GSE1992."""
_NO_STATEMENT: Final = frozenset({"title", "front", "references"})
_BESIDE_TEXT: Final = frozenset({"legend", "table"})
_LOOSE: Final = frozenset({"Text in a figure"})
"""Titles under which a PDF's labels stand."""


@dataclass(frozen=True)
class _Candidate:
    """A sentence, its share of the question's words, and its place: passage id and number of the sentence in it."""

    text: str
    shared: float
    place: tuple[str, int]


@dataclass(frozen=True)
class Scored:
    """A sentence with its score as an answer, 0 to 1, and its place: passage id and number of the sentence in it."""

    score: float
    text: str
    place: tuple[str, int]


@dataclass(frozen=True)
class OfflineAnswerer:
    """The rule of question answering, which compares texts by `similarity`."""

    similarity: Similarity

    def answer_question(self, values: AnswerQuestionInput) -> AnswerDraft:
        """Answer with up to three sentences of the passages, the closest first.

        The sentence after the closest is part of the answer, too, when it is about the question: papers name a thing
        in one sentence and give its numbers in the next.
        """
        scored = self.scored(values)
        if not scored or scored[0].score < CLOSE:
            return AnswerDraft(in_library=False)
        best = scored[0]
        least = max(CLOSE, best.score - BESIDE)
        after = [s for s in scored if s.place == (best.place[0], best.place[1] + 1) and s.score >= FOLLOWS]
        near = dict.fromkeys(s.text for s in (best, *after, *(s for s in scored if s.score >= least)))
        return AnswerDraft(
            in_library=True, sentences=tuple(SentenceDraft(text=t, quotes=(t,)) for t in list(near)[:MOST])
        )

    def scored(self, values: AnswerQuestionInput) -> list[Scored]:
        """The sentences that may answer with their scores, best first."""
        found = _candidates(values)
        if not found:
            return []
        dense = self.similarity([values.question], [c.text for c in found])[0]
        scores = [round(_DENSE * float(d) + (1 - _DENSE) * c.shared, 3) for d, c in zip(dense, found, strict=True)]
        order = sorted(range(len(found)), key=lambda n: (-scores[n], n))
        return [Scored(scores[n], found[n].text, found[n].place) for n in order]


def _candidates(values: AnswerQuestionInput) -> list[_Candidate]:
    """The sentences that can answer, those that share most words with the question first."""
    wanted = set(terms(values.question)) - _ASKING
    if not wanted:
        return []
    weights = _weights(wanted, values.passages)
    names = [_plain(m[0]) for m in _NAME.finditer(values.question)]
    quantity = bool(_QUANTITY.search(values.question))
    in_question = {m[0].casefold() for m in _NUMBER.finditer(values.question)}
    found: dict[str, _Candidate] = {}
    told = {p.document for p in values.passages if p.kind not in _NO_STATEMENT | _BESIDE_TEXT}
    for passage in (p for p in values.passages if p.kind not in _NO_STATEMENT):
        if passage.kind in _BESIDE_TEXT and (passage.document not in told or passage.section in _LOOSE):
            continue  # a legend of a paper whose text does not speak of it
        beside = _shared(weights, f"{passage.section} {passage.text}")
        if any(n not in _plain(f"{passage.section} {passage.text}") for n in names):
            continue
        for number, (start, end) in enumerate(sentences(passage.text)):
            text = passage.text[start:end]
            if not LEAST_CHARS <= len(text) <= MOST_CHARS or text.endswith("?"):
                continue
            if quantity and not any(m[0].casefold() not in in_question for m in _NUMBER.finditer(text)):
                continue
            shared = 0.75 * _shared(weights, text) + 0.25 * beside
            found.setdefault(text, _Candidate(text, shared, (passage.id, number)))
    return sorted(found.values(), key=lambda c: -c.shared)[:_COMPARED]


def _weights(wanted: set[str], passages: Sequence[Passage]) -> dict[str, float]:
    """Weight of each stem of the question: the rarer in the passages, the higher (inverse document frequency)."""
    bags = [set(terms(p.text)) for p in passages]
    return {w: math.log(1 + len(bags) / (0.5 + sum(w in bag for bag in bags))) for w in sorted(wanted)}


def _shared(weights: dict[str, float], text: str) -> float:
    bag = set(terms(text))
    total = math.fsum(weights.values())
    return math.fsum(weight for word, weight in weights.items() if word in bag) / total if total else 0.0


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
