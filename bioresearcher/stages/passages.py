"""Passages of papers: those a reader may see, and those most relevant to a part of a paper report or a question.

Relevance is BM25 over the passages, fused with similarity in meaning where words alone do not decide. Fused scores are
rounded, so that another machine chooses the same passages and recorded answers are found again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bioresearcher.papers.injection import redacted_passage, suspicion
from bioresearcher.papers.quotes import locate, split_passages
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.retrieval.index import fuse
from bioresearcher.schemas.ask_literature import OutlinedPart
from bioresearcher.schemas.paper import Document, Evidence, Passage
from bioresearcher.text.words import Similarity

Spans = Sequence[tuple[int, int]]
"""Start and end of the stretches of a document that are withheld from readers."""

PASSAGES_PER_PART: Final = 24
CHARACTERS_PER_PART: Final = 20_000
"""About 5,000 tokens, whatever the passages are."""

CHARACTERS_PER_PAPER: Final = 100_000
"""Shared by all parts of a paper: about 25,000 tokens, so that a report takes less than 40,000 with all its prompts."""

BESIDE: Final = 6
"""Largest number of passages from other sections."""

_NEAR: Final = 0.5
"""Share of the best score from which a passage of another section belongs to the part."""

_NUMBER_FIRST: Final = re.compile(r"^[\[(]?\d{1,3}[.\])]*\s+")
_NAMES_FIRST: Final = re.compile(
    r"[^\W\d_a-z][\w’'-]+(?:[ -][^\W\d_a-z][\w’'-]+)?,? (?:[A-Z]\.?[ -]?){1,3}(?:[,;:.&]|\(|et al|and )"
)
_PRINTED: Final = re.compile(
    r"\b(?:19|20)\d\d[a-z]?\b.{0,80}?\b\d+\s?(?:\([\d–-]+\))?\s?[:,]\s?[A-Za-z]?\d+|\b(?:19|20)\d\d\b\W*$|\bdoi:?\s?10\."
    r"|\d+\s?(?:\(\d+\))?\s?:\s?\d+\s?[–-]\s?\d+",
    re.IGNORECASE,
)
_MOST_ENTRY: Final = 600
"""Letters of the longest entry; a paragraph that begins with names is longer."""

_TELLING: Final = frozenset({"methods", "results", "legend", "table", "data_availability", "supplementary"})


def readable(document: Document, hidden: Spans) -> tuple[list[Passage], list[str]]:
    """Return the passages a reader may see, without reference lists, and the ids of those with withheld text.

    Entries of a reference list are left out also where they stand outside of one.
    """
    odd = {s.title for s in document.sections if suspicion(s.title)}
    whole = [p for p in split_passages(document) if p.kind != "references" and not is_reference_entry(p.text)]
    named = [p.model_copy(update={"section": ""}) if p.section in odd else p for p in whole]
    shown = [(p, redacted_passage(p, hidden)) for p in named]
    return [s for _, s in shown if s is not None], [p.id for p, s in shown if s is not p]


def is_reference_entry(text: str) -> bool:
    """Return True for an entry of a reference list: names with initials first, then a year with volume and pages."""
    head = _NUMBER_FIRST.sub("", text.strip())
    return bool(_NAMES_FIRST.match(head) and _PRINTED.search(head)) and len(head) < _MOST_ENTRY


def find_quote(document: Document, quote: str, hidden: Spans) -> Evidence | None:
    """Locate a quote in a document; None when it is not there, or was withheld."""
    found = locate(document, quote)
    if (
        found is None
        or is_reference_entry(found.text)
        or any(start < found.end and found.start < end for start, end in hidden)
    ):
        return None
    return found


def fused_scores(
    query: str,
    passages: Sequence[Passage],
    lexical: list[float],
    candidates: Sequence[int],
    similarity: Similarity | None,
) -> list[float]:
    """Return the lexical scores, those of the candidates fused with similarity in meaning, 0 to 1."""
    if similarity is None or len(candidates) < 2:
        return lexical
    dense = similarity([query], [passages[n].text for n in candidates])[0]
    scores, fused = list(lexical), fuse([float(d) for d in dense], [lexical[n] for n in candidates])
    for number, score in zip(candidates, fused, strict=True):
        scores[number] = round(score, 2)
    return scores


def fitting(passages: Sequence[Passage], order: Sequence[int], limit: int, room: int) -> list[int]:
    """Return as many of the first positions as fit into `limit` passages and `room` characters."""
    kept: list[int] = []
    for number in order:
        length = len(passages[number].text)
        if len(kept) < limit and length <= room:
            kept.append(number)
            room -= length
    return kept


class Relevance:
    """Chooses passages of one paper; made once, asked for every part."""

    def __init__(self, document: Document, passages: Sequence[Passage], similarity: Similarity | None = None) -> None:
        self._document = document
        self._similarity = similarity
        self._passages = list(passages)
        self._lexical = Bm25([f"{p.section} {p.text}" for p in passages])

    def passages_for(self, part: OutlinedPart, *, parts: int = 1) -> tuple[Passage, ...]:
        """Return the passages a part is read from, in the order of the text; the paper has `parts` parts.

        These are the part's sections, shortened to their most relevant passages when they are long, and up to six
        passages of other sections on the same subject while there is room. A part that names no section is read from
        the whole paper, methods first. No call waits for an embedding where the named sections fit.
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
        kinds_inside = {self._passages[n].kind for n in named}  # other methods belong to other parts
        kinds = _TELLING - ({"methods"} & kinds_inside)
        beside = [n for n in rest if scores[n] >= least and self._passages[n].kind in kinds]
        beside = sorted(beside, key=lambda n: (-scores[n], n))[:BESIDE]
        return self._fitting([inside[0], *beside, *inside[1:]], room)

    def _fused(self, query: str, lexical: list[float], candidates: Sequence[int]) -> list[float]:
        return fused_scores(query, self._passages, lexical, candidates, self._similarity)

    def _named(self, part: OutlinedPart) -> set[int]:
        sections = self._document.sections
        spans = [sections[n] for n in part.sections if 0 <= n < len(sections)]
        return {n for n, p in enumerate(self._passages) if any(s.start <= p.start and p.end <= s.end for s in spans)}

    def _fitting(self, order: Sequence[int], room: int) -> tuple[Passage, ...]:
        return tuple(self._passages[n] for n in sorted(fitting(self._passages, order, PASSAGES_PER_PART, room)))
