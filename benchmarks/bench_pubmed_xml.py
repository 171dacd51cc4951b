"""PubMed XML files: how quickly one of 30,000 records is indexed, with how much memory, and how quickly it answers.

The file is made of the real records in the test data, repeated under new numbers. Each indexing is a process of its
own, so that its peak memory is its own: `python bench_pubmed_xml.py FILE INDEX` prints it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import ROOT, Figure, environment, measured, test_data

sys.path.insert(0, str(ROOT / "tests" / "support"))

RECORDS = 30_000
MOST_MEMORY_MB = 400
QUERIES = (
    '"breast cancer"[tiab] AND prognosis',
    "(liposarcoma OR sarcoma[mh]) AND (immune OR microenvironment)[tiab]",
    '"gene expression"[tiab] OR tumor* NOT review[pt]',
    "Humans[mh] AND 2010:2015[dp]",
    "inflammat*[tiab] AND (survival OR mortality)[ti]",
)


def measure(quick: bool) -> list[Figure]:
    """Indexing, memory and queries; without the test data there is nothing to measure."""
    import pubmed_xml

    data = test_data()
    if data is None:
        return [Figure("indexing PubMed XML", "not measured: set BIORESEARCHER_TEST_DATA")]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "pubmed26n0001.xml.gz")
        pubmed_xml.write_file(file, pubmed_xml.repeated(pubmed_xml.all_articles(data), RECORDS))
        runs = [_indexed(file, Path(scratch, f"index{n}")) for n in range(1 if quick else 3)]
        size = sum(p.stat().st_size for p in Path(scratch, "index0").iterdir()) / 1e6
        answers = _answered(file, Path(scratch, "index0"), 2 if quick else 10)
    name = f"{RECORDS:,} PubMed records"
    if any(r["records"] != RECORDS for r in runs):
        return [Figure(name, f"{runs[0]['records']} indexed", f"{RECORDS:,}", False)]
    return [
        measured(f"{name}: indexed, wall", [RECORDS / r["wall_s"] for r in runs], "records/s"),
        measured(f"{name}: indexed, CPU", [RECORDS / r["cpu_s"] for r in runs], "records/CPU-s"),
        measured(f"{name}: peak memory", [r["peak_mb"] for r in runs], "MB", at_most=MOST_MEMORY_MB),
        measured(f"{name}: size of the index", [size], "MB"),
        measured(f"{name}: a Boolean query and its 50 best, wall", answers, "ms"),
    ]


def _indexed(file: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, str(file), str(folder)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _answered(file: Path, folder: Path, rounds: int) -> list[float]:
    """Milliseconds of each query, after one that opens the index."""
    from bioresearcher.sources.pubmed_offline.source import PubmedFiles

    papers = PubmedFiles([file], folder)
    asyncio.run(papers.search("warm", 1))
    times = []
    for query in QUERIES * rounds:
        started = time.monotonic()
        hits = asyncio.run(papers.search(query, 50))
        times.append((time.monotonic() - started) * 1000)
        assert hits.total, query
    return times


def _index(file: Path, folder: Path) -> None:
    from launch import peak_memory_mb

    from bioresearcher.sources.pubmed_offline.source import PubmedFiles

    started = time.monotonic()
    papers = PubmedFiles([file], folder)
    papers.load()
    wall, cpu = time.monotonic() - started, time.process_time()
    records = asyncio.run(papers.search("NOT nothing", 0)).total
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_mb": peak_memory_mb(), "records": records}))


if __name__ == "__main__":
    _index(Path(sys.argv[1]), Path(sys.argv[2]))
