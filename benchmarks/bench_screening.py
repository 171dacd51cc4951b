"""How well papers are ranked for an objective: nDCG@10 against real judgements, beside BM25 and similarity alone.

One objective (`br-16317`) with 55 judged papers of which 9 got 4 or more of 5: enough to see a broken ranking, not to
tell two good ones apart. Ranked among the judged papers, and among all 720 records of the test data, where a paper that
nobody judged counts as not relevant, although some are.
"""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from figures import Figure, test_data

from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.ledger import Ledger
from bioresearcher.offline.backend import offline_backend
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.retrieval.index import Library
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import Paper
from bioresearcher.stages.screen import ScreeningRules, screen_papers

OBJECTIVE = "br-16317"
RELEVANT = 4
"""Least judgement, of 5, of a paper that ought to be found: those that the judges' own system kept."""
DENSE_SHARE = 0.6


def measure(quick: bool) -> list[Figure]:
    """Four rankings of two pools; without the test data there is nothing to measure."""
    data = test_data()
    if data is None:
        return [Figure("screening", "not measured: set BIORESEARCHER_TEST_DATA")]
    objective = _objective(data)
    papers, judgements = _papers(data)
    relevant = {i for i, score in judgements.items() if score >= RELEVANT}
    figures = []
    for name, pool in (("judged", [p for p in papers if p.id in judgements]), ("all records", papers)):
        with _tools() as (library, caller):
            texts = [f"{p.title}. {p.abstract}".strip() for p in pool]
            dense = library.rank(texts, objective.text)
            lexical = Bm25(texts).scores(objective.text)
            most = max(lexical) or 1.0
            mixed = [DENSE_SHARE * d + (1 - DENSE_SHARE) * b / most for d, b in zip(dense, lexical, strict=True)]
            rules = ScreeningRules(judged=len(pool), limit=len(pool))
            screened = asyncio.run(screen_papers(caller, objective, pool, dense, rules))
            kept = {s.paper_id for s in screened if s.kept}
            rankings = {
                "BM25 alone": _by(pool, lexical),
                "similarity alone": _by(pool, dense),
                f"both, {DENSE_SHARE} similarity": _by(pool, mixed),
                "offline screening": [s.paper_id for s in screened],
            }
            for method, order in rankings.items():
                found = len({*order[:20]} & relevant)
                value = f"{ndcg(order, relevant, 10):.3f}; {found} of {len(relevant)}"
                figures.append(Figure(f"{name} ({len(pool)}): {method}: nDCG@10; relevant among the first 20", value))
            said = f"{len(kept & relevant)} of {len(relevant)} relevant, {len(kept)} kept of {len(pool)}"
            figures.append(Figure(f"{name} ({len(pool)}): worth reading by the offline rules", said))
    return figures


def ndcg(order: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """Normalised discounted cumulative gain with gains of 0 and 1 (Järvelin and Kekäläinen 2002)."""
    gain = sum(1 / math.log2(rank + 2) for rank, item in enumerate(order[:depth]) if item in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(depth, len(relevant))))


def _by(pool: Sequence[Paper], scores: Sequence[float]) -> list[str]:
    return [p.id for _, p in sorted(zip(scores, pool, strict=True), key=lambda item: (-item[0], item[1].id))]


@contextmanager
def _tools() -> Iterator[tuple[Library, ModelClient]]:
    resources = Resources()
    with tempfile.TemporaryDirectory() as scratch, Library(Path(scratch, "library")) as library:
        ledger = Ledger(Path(scratch, "ledger.sqlite"))
        backend = offline_backend(library.similarities)
        yield library, ModelClient(backend, ledger, PromptBook(resources), load_cards(resources), EventLog(None, None))
        ledger.close()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:  # not splitlines(): abstracts hold other line separators
        yield from map(json.loads, lines)


def _objective(data: Path) -> Objective:
    for row in _rows(data / "objectives.jsonl"):
        if row["id"] == OBJECTIVE:
            return Objective(id=OBJECTIVE, text=row["objective"], conditions=(row["conditions"],))
    raise RuntimeError(f"there is no objective {OBJECTIVE}")


def _papers(data: Path) -> tuple[list[Paper], dict[str, int]]:
    """All records, and the judgements of those that were judged for the objective."""
    papers, judgements = [], {}
    for number, row in enumerate(_rows(data / "pubmed" / "records.jsonl")):
        paper = Paper(id=f"r{number:03}", title=row["title"], abstract=row["abstract"] or "", source="pubmed")
        papers.append(paper)
        scores = [j["score"] for j in row.get("relevance") or () if j["objective_id"] == OBJECTIVE]
        if scores:
            judgements[paper.id] = max(scores)
    return papers, judgements
