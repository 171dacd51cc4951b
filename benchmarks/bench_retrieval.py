"""Hybrid search in a library of more than 5,000 passages: the time it takes, with the real vectors.

How good the hits are is measured by `bench_recall.py`, 50,000 passages by `bench_large_library.py`.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from figures import SEED, Figure, measured, test_data

from bioresearcher.examples import load_example
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.retrieval.index import Library
from bioresearcher.schemas.paper import Document, Section
from bioresearcher.text.words import sentences

DOCUMENTS, SENTENCES = 110, 240


def measure(quick: bool) -> list[Figure]:
    """Documents of shuffled real sentences; as many queries as repeats, each asked once."""
    pool = _sentences()
    rng = random.Random(SEED)
    documents = [_document(i, rng.choices(pool, k=SENTENCES)) for i in range(DOCUMENTS)]
    queries = rng.sample([s for s in pool if 60 <= len(s) <= 200], 16 if quick else 51)
    some = [d.id for d in documents[:12]]
    with tempfile.TemporaryDirectory() as scratch, Library(Path(scratch) / "library") as library:
        cpu = time.process_time()
        put = sum(library.put(document) for document in documents)
        library.index()
        put_s = time.process_time() - cpu
        count = sum(len(library.passages(d.id)) for d in documents)
        first_ms = _ask(library, queries[0], None)
        all_ms = [_ask(library, query, None) for query in queries[1:]]
        again_ms = [_ask(library, query, None) for query in queries[1:]]
        _ask(library, queries[0], some)
        some_ms = [_ask(library, f"{query} again", some) for query in queries[1:]]
    if count < 5_000:
        raise RuntimeError(f"only {count} passages were made")
    return [
        measured("library, passages", [count], "passages"),
        measured("passages put and indexed with their vectors", [put / put_s], "passages/CPU-s", at_least=300),
        measured("first search after opening (builds BM25, loads the model)", [first_ms], "ms"),
        measured("search in all passages, 16 of them embedded by the model, wall", all_ms, "ms"),
        measured("the same again, wall", again_ms, "ms"),
        measured("search in 12 of the documents, wall", some_ms, "ms"),
    ]


def _ask(library: Library, query: str, documents: list[str] | None) -> float:
    before = time.monotonic()
    if not library.search(query, documents=documents):
        raise RuntimeError(f"nothing was found for {query!r}")
    return 1000 * (time.monotonic() - before)


def _sentences() -> list[str]:
    """Sentences of the packaged notes and, where there are test data, of full articles."""
    paths = [p for folder in load_example("breast-cancer").papers for p in sorted(folder.glob("*.md"))]
    data = test_data()
    if data is not None:
        paths += sorted(p for p in (data / "fulltext" / "jats").iterdir() if p.suffix in {".xml", ".nxml"})
    texts = [load_paper(path)[1].text for path in paths]
    found = (text[a:b] for text in texts for a, b in sentences(text, 0, len(text)))
    return sorted({" ".join(s.split()) for s in found if 40 <= len(s) <= 400})


def _document(number: int, chosen: Sequence[str]) -> Document:
    text = " ".join(chosen)
    return Document(
        id=f"doc{number}",
        text=text,
        sections=(Section(title="Text", kind="results", level=1, start=0, end=len(text)),),
        kind="note",
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
