"""A library of 50,000 passages: put, indexed with its vectors in Chroma, opened again and searched.

Filling and searching are processes of their own. Documents are shuffled real sentences of the test data's papers and
the packaged notes, so that words are as frequent as in papers. Vectors are the real ones, of passages and of questions.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_retrieval import SENTENCES, _document, _sentences
from figures import SEED, Figure, environment, measured
from launch import peak_memory_mb

from bioresearcher.graph.run import limit_memory
from bioresearcher.retrieval.index import Library

PASSAGES, QUICK = 50_000, 5_000
QUERIES = "queries.json"
"""Written where the papers are read, so that reading them is not in the memory of searching."""
PER_DOCUMENT = 54
"""Passages of one document, about."""


def measure(quick: bool) -> list[Figure]:
    """What the process says of itself: rates, seconds and its peak memory; disk as it lies there afterwards."""
    wanted = QUICK if quick else PASSAGES
    with tempfile.TemporaryDirectory() as scratch:
        filled, opened = (_told(part, scratch, wanted) for part in ("fill", "search"))
        disk = sum(p.stat().st_size for p in Path(scratch).rglob("*") if p.is_file()) / 1e6
    name = f"{filled['passages']:,.0f} passages"
    return [
        measured(f"{name}: put and indexed with their vectors, wall", [filled["rate"]], "passages/s", at_least=300),
        measured("the same, CPU", [filled["cpu_rate"]], "passages/CPU-s"),
        measured("the same, put alone, wall", [filled["put_rate"]], "passages/s"),
        measured("peak memory while filling", [filled["peak"]], "MB", at_most=600),
        measured("disk", [disk], "MB"),
        measured(f"{name}, opened again: first search (counts words), wall", [opened["first"]], "s"),
        measured("the same, CPU", [opened["first_cpu"]], "s"),
        measured("the same, searches with new words, wall", opened["searches"], "s", at_most=1),
        measured("the same, CPU", opened["searches_cpu"], "s"),
        measured("the same, in a tenth of the documents, wall", opened["some"], "s", at_most=1),
        measured("the same, a search asked again, wall", opened["again"], "s"),
        measured("peak memory while searching", [opened["peak"]], "MB", at_most=600),
    ]


def _told(part: str, root: str, wanted: int) -> dict[str, float]:
    command = [sys.executable, __file__, part, root, str(wanted)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _fill(root: Path, wanted: int) -> dict[str, float]:
    pool, rng = _sentences(), random.Random(SEED)
    queries = random.Random(SEED + 1).sample([s for s in pool if 60 <= len(s) <= 200], 21)
    (root / QUERIES).write_text(json.dumps(queries), encoding="utf-8")
    put = number = 0
    with Library(root) as library:
        cpu, wall = time.process_time(), time.monotonic()
        while put < wanted:
            put += library.put(_document(number, rng.choices(pool, k=SENTENCES)))
            number += 1
        put_s = time.monotonic() - wall
        library.index()
        wall_s, cpu_s = time.monotonic() - wall, time.process_time() - cpu
    return {
        "passages": put,
        "rate": put / wall_s,
        "cpu_rate": put / cpu_s,
        "put_rate": put / put_s,
        "peak": peak_memory_mb(),
    }


def _search(root: Path) -> dict[str, float | list[float]]:
    queries = json.loads((root / QUERIES).read_text(encoding="utf-8"))
    with Library(root) as library:
        some = library.documents()[::10]
        (first, first_cpu), *searches = [_asked(library, query, None) for query in queries[:11]]
        again = [_asked(library, query, None) for query in queries[1:11]]
        in_some = [_asked(library, query, some) for query in queries[10:]][1:]
    return {
        "first": first,
        "first_cpu": first_cpu,
        "searches": [wall for wall, _ in searches],
        "searches_cpu": [cpu for _, cpu in searches],
        "again": [wall for wall, _ in again],
        "some": [wall for wall, _ in in_some],
        "peak": peak_memory_mb(),
    }


def _asked(library: Library, query: str, documents: tuple[str, ...] | None) -> tuple[float, float]:
    """Wall and CPU seconds of a search."""
    wall, cpu = time.monotonic(), time.process_time()
    if not library.search(query, documents=documents):
        raise RuntimeError(f"nothing was found for {query!r}")
    return time.monotonic() - wall, time.process_time() - cpu


if __name__ == "__main__":
    limit_memory()
    print(
        json.dumps(_fill(Path(sys.argv[2]), int(sys.argv[3])) if sys.argv[1] == "fill" else _search(Path(sys.argv[2])))
    )
