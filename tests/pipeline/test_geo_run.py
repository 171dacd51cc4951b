"""A whole run that finds a data set in a paper, fetches it from GEO, and computes from it; a repeat asks nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pubmed_xml as px
import pytest
from geo_server import real_world
from services_server import ServicesServer, World

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.usefixtures("no_sandbox_skip")]

NOTE = """---
title: Gene expression of renal clear cell carcinoma and normal kidney
authors: [Lenburg M]
year: 2003
pmid: "14641932"
---
# Methods

RNA of renal clear cell carcinoma and of adjacent normal kidney was hybridised to arrays; the data are in GEO under
GSE781, and under GSE999999. Differential expression between tumour and normal tissue was tested with a moderated t-test
and the false discovery rate was controlled. TCGA-KIRC was used for validation.
"""
QUESTION = "Which genes differ between renal cell carcinoma and normal kidney in patients?"


def _record(data: Path) -> dict[str, Any]:
    with (data / "pubmed/records.jsonl").open(encoding="utf-8") as lines:
        return json.loads(next(lines))


def run(place: Path, *options: str, code: int = 0) -> tuple[Path, dict[str, Any]]:
    before = set((place / "ws/runs").glob("*"))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BIORESEARCHER_")}
    command = [sys.executable, "-m", "bioresearcher", "run", "--objective", QUESTION, "--papers", "notes"]
    done = subprocess.run(
        [*command, "--config", "services.toml", "--max-parts", "1", "--workspace", "ws", *options],
        cwd=place, env=kept, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    (folder,) = set((place / "ws/runs").glob("*")) - before
    return folder, json.loads((folder / "run.json").read_text("utf-8"))


def test_a_paper_names_a_series_and_the_run_computes_from_it(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "lenburg.md").write_text(NOTE, encoding="utf-8")
    world = World(tmp_path, [px.article(_record(shared_data), 1)])
    world.geo = real_world(shared_data)
    with ServicesServer(world) as server:
        server.settings(tmp_path, europepmc="")
        folder, record = run(
            tmp_path, "--yes", code=1
        )  # no level is called as the question's sides, so nothing is answered
        asked = len(server.requests)
        assert sum("series_matrix" in r for r in server.requests) == 1
        again, _ = run(tmp_path, code=3)  # up to the gate: nobody is there to answer
        assert server.requests[asked:] == [], "a warm repeat asks nothing"
    assert record["totals"]["datasets_used"] == 1
    assert record["totals"]["verified"] == record["totals"]["tasks"] > 0
    failures = {f["item"]: f["message"] for f in record["failures"]}
    assert failures["GSE999999"].startswith("GEO has no GSE999999")
    assert failures["TCGA-KIRC"].startswith("TCGA-KIRC was not looked up")
    dataset = json.loads((folder / "datasets/GSE781.json").read_text("utf-8"))
    assert dataset["n_features"] == 12632
    assert dataset["remote"]["found_by"][0].startswith("named in PMID14641932: “…")
    checks = {c["dataset_id"]: c for c in json.loads((folder / "checks.json").read_text("utf-8"))}
    assert checks["GSE781"]["verdict"] == "usable with work"
    assert any("Labels contradict each other in 3 of 17" in r for r in checks["GSE781"]["reasons"])
    before = json.loads((again / "checks.json").read_text("utf-8"))
    assert {c["dataset_id"] for c in before} == set(checks)
    assert dataset["files"]
    assert not json.loads((again / "datasets/GSE781.json").read_text("utf-8"))["files"]
