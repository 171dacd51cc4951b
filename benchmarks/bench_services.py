"""Fetching from literature services: 200 records from a server that takes 100 ms for every answer, and once more."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from figures import ROOT, Figure, measured, none_of, test_data

from bioresearcher.sources.http import Http
from bioresearcher.sources.http_cache import AnswerStore
from bioresearcher.sources.literature.pubmed import PubMed

LATENCY_S, RECORDS = 0.1, 200


def measure(quick: bool) -> list[Figure]:
    """A search and its records, at NCBI's rate without a key (3 requests per second); then from what was kept."""
    data = test_data()
    if data is None:
        return [Figure("services", "not measured: set BIORESEARCHER_TEST_DATA")]
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    import pubmed_xml as px
    from services_server import ServicesServer, World

    lines = (data / "pubmed/records.jsonl").read_text("utf-8").strip().split("\n")
    records = [r for r in map(json.loads, lines) if r["pmid"]][: 2 * RECORDS]

    def slow(_: str, __: int) -> None:
        time.sleep(LATENCY_S)

    walls, repeats = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        world = World(Path(scratch) / "world", [px.article(r, int(r["pmid"])) for r in records])
        with ServicesServer(world, slow) as server:
            for number in range(2 if quick else 5):
                store = Path(scratch) / f"{number}.sqlite"
                wall_s, _ = asyncio.run(_fetch(server.root, store))
                walls.append(wall_s)
                repeats += asyncio.run(_fetch(server.root, store))[1]
    return [
        measured(f"{RECORDS} records, 100 ms per answer, 3 requests per second", walls, "s", at_most=3),
        none_of("requests of a warm repeat", repeats),
    ]


async def _fetch(root: str, store: Path) -> tuple[float, int]:
    """Seconds for a search with its records, and how many requests went out."""
    http = Http(shared=AnswerStore(store), per_second={"": 3.0})
    before = time.monotonic()
    hits = await PubMed(http, f"{root}/entrez/eutils", {}).search("cancer OR patients OR cells", RECORDS)
    wall_s = time.monotonic() - before
    await http.close()
    if len(hits.papers) != RECORDS:
        raise RuntimeError(f"{len(hits.papers)} records instead of {RECORDS}")
    return wall_s, http.requests
