"""What of a run's papers a question can be answered from: all but reference lists and what was withheld."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.library.index import fuse
from bioresearcher.library.lexical import Lexical
from bioresearcher.library.passages import split
from bioresearcher.library.quotes import locate
from bioresearcher.library.suspicion import find_suspects, shown, suspicion, withheld
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document, Evidence, Passage
from bioresearcher.text.words import Similarity

PASSAGES: Final = 16
CHARACTERS: Final = 14_000
"""About 3,500 tokens for the passages of a question."""

_COMPARED: Final = 1_500
"""Passages whose meaning is compared with a question's; of more, those that share most words with it."""


@dataclass(frozen=True)
class _Volume:
    """A paper on the shelf."""

    paper: Paper
    document: Document
    hidden: tuple[tuple[int, int], ...]
    passages: tuple[Passage, ...]

    def find(self, quote: str) -> Evidence | None:
        found = locate(self.document, quote)
        if found is None or any(start < found.end and found.start < end for start, end in self.hidden):
            return None
        return found


class Shelf:
    """The papers of a run, to be asked; made once and asked often."""

    def __init__(self, papers: Iterable[Paper], documents: Iterable[Document]) -> None:
        """Take in every document; what is known of its paper is shown without what was written for a model."""
        known = {p.id: shown(p) for p in papers}
        self._volumes = {d.id: _volume(known.get(d.id), d) for d in documents}
        self._passages = [p for v in self._volumes.values() for p in v.passages]
        self._lexical = Lexical([f"{p.section} {p.text}" for p in self._passages])

    @property
    def papers(self) -> tuple[Paper, ...]:
        """What is known of the papers, by id."""
        return tuple(v.paper for _, v in sorted(self._volumes.items()))

    @property
    def languages(self) -> frozenset[str]:
        """The languages the papers are written in, as far as it could be told."""
        return frozenset(v.document.language for v in self._volumes.values() if v.document.language)

    def paper(self, identifier: str) -> Paper:
        """What is known of a paper on the shelf."""
        return self._volumes[identifier].paper

    def passages_for(self, question: str, similarity: Similarity | None) -> tuple[Passage, ...]:
        """At most 16 passages and 14,000 characters that come closest to a question, the closest first.

        BM25 and similarity in meaning, fused; scores are rounded, so that another machine chooses the same.
        """
        words = self._lexical.scores(question)
        order = sorted(range(len(words)), key=lambda n: (-words[n], n))[:_COMPARED]
        scores = {n: words[n] for n in order}
        if similarity is not None and order:
            dense = similarity([question], [self._passages[n].text for n in order])[0]
            fused = fuse([float(d) for d in dense], [words[n] for n in order])
            scores = {n: round(score, 2) for n, score in zip(order, fused, strict=True)}
            order.sort(key=lambda n: (-scores[n], n))
        return self._fitting(order)

    def _fitting(self, order: Sequence[int]) -> tuple[Passage, ...]:
        kept: list[Passage] = []
        room = CHARACTERS
        for passage in (self._passages[n] for n in order):
            if len(kept) < PASSAGES and len(passage.text) <= room:
                kept.append(passage)
                room -= len(passage.text)
        return tuple(kept)

    def find(self, quote: str, near: Iterable[str] = ()) -> Evidence | None:
        """Where a quote stands on the shelf, papers named by `near` first; None when it does not, or was withheld."""
        for identifier in dict.fromkeys((*near, *self._volumes)):
            found = self._volumes[identifier].find(quote)
            if found is not None:
                return found
        return None


def _volume(paper: Paper | None, document: Document) -> _Volume:
    hidden = tuple((start, end) for start, end, _ in find_suspects(document))
    odd = {s.title for s in document.sections if suspicion(s.title)}
    passages = [p for p in split(document) if p.kind != "references"]
    named = [p.model_copy(update={"section": ""}) if p.section in odd else p for p in passages]
    kept = tuple(p for p in (withheld(p, hidden) for p in named) if p is not None)
    return _Volume(paper or Paper(id=document.id, title=document.id, source="unknown"), document, hidden, kept)
