"""Data sets: whether the rule's relevance agrees with others' decisions, and what a large matrix costs to prepare.

33 GEO series carry a language model's decision for one objective (`br-16317`). 588 carry the traits of a benchmark
(GenoTEX): each is judged for all 132 objectives of that benchmark; a series without an objective's trait counts as not
relevant to it, although some are. The rule's list of genes named after diseases and its synonyms of organs were written
after looking at the first set, so the second is the better test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import ROOT, Figure, measured, test_data

from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, Remote
from bioresearcher.sources.datasets.suitability import check_dataset

SAMPLES = 1500
AT_MOST_PER_MILLION_S = {"matrix": 3.0, "sheet of numbers": 10.0, "sheet of labels": 10.0}
"""CPU seconds of loading a made table, for each million cells, on a quiet machine; a second is added for the rest."""
_LOAD = """
import resource, sys
from pathlib import Path
from bioresearcher.sources.datasets.load import load_datasets
before = resource.getrusage(resource.RUSAGE_SELF)
datasets, failures = load_datasets([Path(sys.argv[1])], Path(sys.argv[2]))
assert datasets and not failures
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""
_PREPARE = """
import resource, sys
from pathlib import Path
from bioresearcher.sources.datasets.load import load_datasets
[dataset], failures = load_datasets([Path(sys.argv[1])], Path(sys.argv[2]))
assert dataset.n_features and not failures
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure(quick: bool) -> list[Figure]:
    """Agreement with both sets of decisions; time and memory of preparing a series matrix of 1 GB (quick: 0.1 GB)."""
    data = test_data()
    if data is None:
        return [Figure("data sets", "not measured: set BIORESEARCHER_TEST_DATA")]
    rows = _rows(data / "geo/series.jsonl")
    objectives = _rows(data / "objectives.jsonl")
    decisions = [*_decisions(rows, objectives[0]), *_traits(rows, objectives[1:], quick)]
    return [*decisions, *_loaded(data, quick), *_prepared(quick)]


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _relevant(row: dict[str, Any], objective: str) -> bool:
    dataset = Dataset(
        id=row["accession"], accession=row["accession"], title=row["title"], organism=row["organism"],
        assay=(row.get("type") or "").replace("array", "array; ") or None, source="GEO", root="",
        files=(), n_samples=10, remote=Remote(url="", summary=row["summary"], design=row.get("overall_design") or ""),
    )  # fmt: skip
    return check_dataset(dataset, Objective(id="o", text=objective)).relevant


def _decisions(rows: list[dict[str, Any]], objective: dict[str, Any]) -> list[Figure]:
    pairs = [(_relevant(r, objective["objective"]), d["kept_final"]) for r in rows for d in r["llm_selection"]]
    both = sum(ours and theirs for ours, theirs in pairs)
    kept, ours = sum(theirs for _, theirs in pairs), sum(o for o, _ in pairs)
    agree = sum(o == t for o, t in pairs)
    return [
        Figure("relevance as a model decided, one objective", f"{agree} of {len(pairs)}"),
        Figure("of those the model kept, found relevant by rule", f"{both} of {kept}; {ours - both} others"),
    ]


def _traits(rows: list[dict[str, Any]], objectives: list[dict[str, Any]], quick: bool) -> list[Figure]:
    labelled = [r for r in rows if r.get("benchmark_traits")]
    found = missed = wrong = right = 0
    for objective in objectives[:: 6 if quick else 1]:
        for row in labelled:
            wanted, got = objective["trait"] in row["benchmark_traits"], _relevant(row, objective["objective"])
            found += wanted and got
            missed += wanted and not got
            wrong += got and not wanted
            right += not got and not wanted
    return [
        Figure("series of a trait found relevant to it", f"{found / (found + missed):.1%} of {found + missed}"),
        Figure("series without the trait found relevant", f"{wrong / (wrong + right):.1%} of {wrong + right:,}"),
    ]


def _loaded(data: Path, quick: bool) -> list[Figure]:
    """CPU seconds to load real sets, and a matrix, a sheet of numbers and a sheet of labels that are made here."""
    rows = 2_000 if quick else 20_000
    real = [*sorted((data / "expression").iterdir()), data / "geo" / "soft" / "GDS507.soft.gz"]
    figures = [measured(f"loading {p.name}, CPU", _cpu_seconds(p, 1 if quick else 3), "s") for p in real if p.exists()]
    numbers = [f"{2 + (i * 37 % 1200) / 100:.3f}" for i in range(1200)]
    labels = ("tumour, treated", "normal", "untreated control", "stage 2", "wild type")
    made = {
        "matrix": ("gene", "GSM{}", "G{}", lambda row, at: numbers[(row * 7 + at * 13) % 1200]),
        "sheet of numbers": ("sample", "marker_{}", "S{}", lambda row, at: f"{row + at / 1000:.3f}"),
        "sheet of labels": ("sample", "note_{}", "S{}", lambda row, at: labels[(row * 3 + at * row // 5) % 5]),
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, (first, column, label, cell) in made.items():
            columns = 40 if name.endswith("labels") else 200
            path = Path(scratch, name, "table.tsv")
            path.parent.mkdir()
            with path.open("w", encoding="utf-8") as file:
                file.write("\t".join([first, *(column.format(at) for at in range(columns))]) + "\n")
                for row in range(rows):
                    file.write("\t".join([label.format(row), *(cell(row, at) for at in range(columns))]) + "\n")
            most = 1 + AT_MOST_PER_MILLION_S[name] * rows * columns / 1e6
            seconds = _cpu_seconds(path.parent, 1 if quick else 3)
            said = f"loading a {name} of {rows:,} × {columns}, CPU"
            figures.append(measured(said, seconds, "s", at_most=round(most, 1)))
    return figures


def _cpu_seconds(path: Path, repeats: int) -> list[float]:
    """CPU seconds of loading, each time in a process and with a store of its own."""
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as store:
            command = [sys.executable, "-c", _LOAD, str(path), str(Path(store, "store"))]
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env)
        found.append(float(done.stdout))
    return found


def _prepared(quick: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "GSE7_series_matrix.txt")
        size = _write_matrix(path, 4_400 if quick else 44_000)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", _PREPARE, str(path), str(Path(scratch, "store"))],
            capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        seconds = time.monotonic() - started
    named = f"series matrix of {size / 1e9:.1f} GB to a data set"
    peak = float(done.stdout)
    return [
        measured(f"{named}: peak memory", [peak], "MiB", at_most=600),
        measured(f"{named}: wall time", [seconds], "s"),
    ]


def _write_matrix(path: Path, rows: int) -> int:
    names = "\t".join(f'"GSM{i + 10_000}"' for i in range(SAMPLES))
    titles = "\t".join(f'"tumour {i}"' for i in range(SAMPLES))
    values = "\t".join(f"{2 + (i * 37 % 1200) / 100:.12f}" for i in range(SAMPLES))
    with path.open("w", encoding="utf-8") as file:
        file.write(f'!Series_title\t"x"\n!Series_geo_accession\t"GSE7"\n!Sample_geo_accession\t{names}\n')
        file.write(f'!Sample_title\t{titles}\n!series_matrix_table_begin\n"ID_REF"\t{names}\n')
        for row in range(rows):
            file.write(f'"p{row}"\t{values}\n')
        file.write("!series_matrix_table_end\n")
    return path.stat().st_size
