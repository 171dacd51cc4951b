"""How quickly papers are read and passages embedded, per CPU second (all threads of the process together)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from figures import SEED, Figure, measured, test_data

from bioresearcher.library.documents import load_paper
from bioresearcher.library.embedding import MiniLM
from bioresearcher.library.passages import split
from bioresearcher.schemas.passage import Document

PASSAGES = 60


def measure(quick: bool) -> list[Figure]:
    """Real open-access papers; without the test data there is nothing to measure."""
    data = test_data()
    if data is None:
        return [Figure("reading papers", "not measured: set BIORESEARCHER_TEST_DATA")]
    jats = sorted(p for p in (data / "fulltext" / "jats").iterdir() if p.suffix in {".xml", ".nxml"})
    pdf = sorted((data / "fulltext" / "pdf").glob("*.pdf"))
    rounds = 2 if quick else 5
    documents = [_read(path) for path in jats]
    pages = sum(len(_read(path).pages) for path in pdf)
    passages = [p.text for d in documents for p in split(d) if p.kind != "references"]
    sample = random.Random(SEED).sample(passages, PASSAGES)
    model = MiniLM()
    model.embed(["The first text loads the model."])
    return [
        *_rates("JATS articles read", "articles", rounds, len(jats), lambda: [_read(p) for p in jats]),
        *_rates("PDF pages read", "pages", 2 if quick else 3, pages, lambda: [_read(p) for p in pdf]),
        *_rates("passages embedded", "passages", 2 if quick else 3, PASSAGES, lambda: model.embed(sample)),
    ]


def _read(path: Path) -> Document:
    return load_paper(path)[1]


def _rates(name: str, unit: str, rounds: int, count: int, work: Callable[[], object]) -> list[Figure]:
    """The rate per CPU second and per second of wall time."""
    per_cpu, per_wall = [], []
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.monotonic()
        work()
        per_cpu.append(count / (time.process_time() - cpu))
        per_wall.append(count / (time.monotonic() - wall))
    return [
        measured(f"{name}, by CPU time", per_cpu, f"{unit}/CPU-s"),
        measured(f"{name}, by wall time", per_wall, f"{unit}/s"),
    ]
