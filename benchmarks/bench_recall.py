"""How often the right passage is among the first five: by search as it is, by words alone, and by meaning alone.

`questions.py` says where the questions come from. All are asked of all papers at once, and those about the one report
whose paper is there also of this paper alone. Settings of the search were chosen on the questions of half 0; those of
half 1 tell how good it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from figures import Figure, test_data
from numpy.typing import NDArray
from questions import REPORTED, Question, papers, questions, searched

from bioresearcher.papers.quotes import split_passages
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.retrieval.embedding import MiniLM
from bioresearcher.retrieval.index import EVIDENCE_KINDS, Library
from bioresearcher.schemas.paper import Document, Passage

FIRST, DEPTH = 5, 10
Search = Callable[[Question, bool], list[str]]
"""The ids of the first passages for a question, in all papers or (True) in its own."""


def measure(quick: bool) -> list[Figure]:
    """Recall at 5 and mean reciprocal rank of each way to search."""
    data = test_data()
    if data is None:
        return [Figure("finding passages", "not measured: set BIORESEARCHER_TEST_DATA")]
    documents = papers(data)
    asked = questions(data, documents)
    asked = asked[::5] if quick else asked
    passages = [p for d in documents for p in split_passages(d) if p.kind in EVIDENCE_KINDS]
    with tempfile.TemporaryDirectory() as scratch:
        ways = {
            "hybrid (the search)": _hybrid(documents, Path(scratch)),
            "BM25 alone": _by_words(passages),
            "MiniLM alone": _by_meaning(passages, asked),
        }
        found = {name: [(q, _rank(q, way(q, False))) for q in asked] for name, way in ways.items()}
        own = [q for q in asked if q.kind == "report" and q.document in REPORTED]
        alone = {name: [(q, _rank(q, way(q, True))) for q in own] for name, way in ways.items()}
    figures = [Figure("passages searched; questions", f"{len(passages)}; {len(asked)}")]
    for name, ranks in found.items():
        figures += [_figure(f"{name}: {kind}", _of(ranks, kind)) for kind in ("report", "heading", "legend")]
        figures += [_figure(f"{name}: all, half {half}", [r for r in ranks if r[0].half == half]) for half in (0, 1)]
        figures.append(_figure(f"{name}: the report of {REPORTED}, all papers", [r for r in ranks if r[0] in own]))
        figures.append(_figure(f"{name}: the same, this paper alone", alone[name]))
    words, hybrid = (_recall([r for r in found[n] if r[0].half == 1]) for n in ("BM25 alone", "hybrid (the search)"))
    said = f"{hybrid:.3f} and {words:.3f}"
    return [*figures, Figure("recall@5 of half 1: hybrid and BM25 alone", said, "not less", hybrid >= words)]


def _hybrid(documents: Sequence[Document], root: Path) -> Search:
    library = Library(root)
    for document in documents:
        library.put(document)
    library.index()

    def search(question: Question, own: bool) -> list[str]:
        hits = library.search(
            question.text, documents=[question.document] if own else None, kinds=searched(question), limit=DEPTH
        )
        return [h.passage.id for h in hits]

    return search


def _by_words(passages: Sequence[Passage]) -> Search:
    def search(question: Question, own: bool) -> list[str]:
        some = _searched(passages, question, own)
        return _best(some, np.array(Bm25([p.text for p in some]).scores(question.text)))

    return search


def _by_meaning(passages: Sequence[Passage], asked: Sequence[Question]) -> Search:
    model = MiniLM()
    vectors = dict(zip((p.id for p in passages), model.embed([p.text for p in passages]), strict=True))
    queries = dict(zip(asked, model.embed([q.text for q in asked]), strict=True))

    def search(question: Question, own: bool) -> list[str]:
        some = _searched(passages, question, own)
        return _best(some, np.stack([vectors[p.id] for p in some]) @ queries[question])

    return search


def _searched(passages: Sequence[Passage], question: Question, own: bool) -> list[Passage]:
    kinds = searched(question)
    return [p for p in passages if p.kind in kinds and (not own or p.document == question.document)]


def _best(passages: Sequence[Passage], scores: NDArray[np.floating]) -> list[str]:
    return [passages[i].id for i in np.argsort(-scores, kind="stable")[:DEPTH] if scores[i] > 0]


def _rank(question: Question, found: Sequence[str]) -> int:
    """The place of the first right passage, from 1; 0: it is not among the first ten."""
    return next((n for n, identifier in enumerate(found, 1) if identifier in question.answers), 0)


Ranks = list[tuple[Question, int]]


def _of(ranks: Ranks, kind: str) -> Ranks:
    return [r for r in ranks if r[0].kind == kind]


def _recall(ranks: Ranks) -> float:
    return sum(0 < rank <= FIRST for _, rank in ranks) / max(1, len(ranks))


def _figure(name: str, ranks: Ranks) -> Figure:
    right = sum(0 < rank <= FIRST for _, rank in ranks)
    reciprocal = sum(1 / rank for _, rank in ranks if rank) / max(1, len(ranks))
    return Figure(f"{name}: recall@5; MRR@10", f"{right} of {len(ranks)} ({_recall(ranks):.3f}); {reciprocal:.3f}")
