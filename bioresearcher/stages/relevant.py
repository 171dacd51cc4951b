"""Which passages of a paper a part is read from: those of its sections, and the best of the others.

Relevance is BM25 over the paper's own passages. Where a part's sections are too long to be shown whole, or it names
none, BM25 is fused with the similarity in meaning, which finds more of what belongs to a heading; elsewhere no call
waits for an embedding. Fused scores are rounded, so that another machine chooses the same and answers are found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bioresearcher.library.index import fuse
from bioresearcher.library.lexical import Lexical
from bioresearcher.schemas.ask_read import OutlinedPart
from bioresearcher.schemas.passage import Document, Passage
from bioresearcher.text.words import Similarity

PASSAGES_PER_PART: Final = 24
CHARACTERS_PER_PART: Final = 20_000
"""About 5,000 tokens, whatever the passages are."""

CHARACTERS_PER_PAPER: Final = 100_000
"""Shared by all parts of a paper: about 25,000 tokens, so that a report takes less than 40,000 with all its prompts."""

BESIDE: Final = 6
"""Passages from other sections at most."""

_NEAR: Final = 0.5
"""Share of the best score from which a passage of another section belongs to the part."""

_TELLING: Final = frozenset({"methods", "results", "legend", "table", "data_availability", "supplementary"})


class Relevance:
    """Chooses passages of one paper; made once, asked for every part."""

    def __init__(self, document: Document, passages: Sequence[Passage], similarity: Similarity | None = None) -> None:
        self._document = document
        self._similarity = similarity
        self._passages = list(passages)
        self._lexical = Lexical([f"{p.section} {p.text}" for p in passages])

    def passages_for(self, part: OutlinedPart, *, parts: int = 1) -> tuple[Passage, ...]:
        """What a part is read from, when the paper has so many parts.

        In the order of the text: the part's sections, shortened to what is most relevant when they are long.

        Up to six passages of other sections that speak of the same are added while there is room. A part that names no
        section is read from the whole paper, methods first.
        """
        room = min(CHARACTERS_PER_PART, CHARACTERS_PER_PAPER // max(parts, 1))
        query = f"{part.title} {part.purpose}"
        scores = self._lexical.scores(query)
        named = self._named(part)
        rest = [n for n in range(len(self._passages)) if n not in named]
        if not named:
            scores = self._fused(query, scores, rest)
            rest.sort(key=lambda n: (self._passages[n].kind != "methods", -scores[n], n))
            return self._fitting(rest, room)
        long = len(named) > PASSAGES_PER_PART or sum(len(self._passages[n].text) for n in named) > room
        near = self._fused(query, scores, sorted(named)) if long else scores
        inside = sorted(named, key=lambda n: (-near[n], n))
        least = max(_NEAR * max(scores), 1e-9)
        told = {self._passages[n].kind for n in named}  # other methods belong to other parts
        kinds = _TELLING - ({"methods"} & told)
        beside = [n for n in rest if scores[n] >= least and self._passages[n].kind in kinds]
        beside = sorted(beside, key=lambda n: (-scores[n], n))[:BESIDE]
        return self._fitting([inside[0], *beside, *inside[1:]], room)

    def _fused(self, query: str, lexical: list[float], candidates: Sequence[int]) -> list[float]:
        """The lexical scores with those of the candidates fused with similarity in meaning, 0 to 1."""
        if self._similarity is None or len(candidates) < 2:
            return lexical
        dense = self._similarity([query], [self._passages[n].text for n in candidates])[0]
        fused = fuse([float(d) for d in dense], [lexical[n] for n in candidates])
        scores = list(lexical)
        for number, score in zip(candidates, fused, strict=True):
            scores[number] = round(score, 2)
        return scores

    def _named(self, part: OutlinedPart) -> set[int]:
        sections = self._document.sections
        spans = [sections[n] for n in part.sections if 0 <= n < len(sections)]
        return {n for n, p in enumerate(self._passages) if any(s.start <= p.start and p.end <= s.end for s in spans)}

    def _fitting(self, order: Sequence[int], room: int) -> tuple[Passage, ...]:
        """As many of the first as there is room for, in the order of the text."""
        kept: list[int] = []
        for number in order:
            length = len(self._passages[number].text)
            if len(kept) < PASSAGES_PER_PART and length <= room:
                kept.append(number)
                room -= length
        return tuple(self._passages[n] for n in sorted(kept))
