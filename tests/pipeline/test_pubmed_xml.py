"""A run that searches PubMed's XML files and nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pubmed_xml as px
import pytest

QUESTION = "Identify gene expression signatures that predict survival in soft tissue sarcoma and liposarcoma"


@pytest.mark.slow
def test_a_run_on_pubmed_files_alone_goes_from_the_query_to_located_quotes(
    program: Any, tmp_path: Path, shared_data: Path
) -> None:
    files = tmp_path / "pubmed"
    files.mkdir()
    articles = [a for a in px.all_articles(shared_data) if "sarcoma" in a.lower()][:25]
    named = px.write_file(files / "pubmed26n0001.xml.gz", articles)
    (files / "pubmed26n0002.xml.gz").write_bytes(gzip.compress(named.read_bytes())[:5_000])
    done = program.run(
        "run", "--objective", QUESTION, "--pubmed-xml", str(files), "--yes", "--max-papers", "5", "--max-parts", "3"
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    folder = program.folder()
    record = json.loads((folder / "run.json").read_text())
    assert record["totals"]["papers_read"] == 5
    assert record["totals"]["quotes"] == record["totals"]["quotes_located"] > 0
    assert list(record["inputs"]) == [str(named), str(files / "pubmed26n0002.xml.gz")]
    assert [f["item"] for f in record["failures"]] == ["pubmed26n0002.xml.gz"]
    assert any("PubMed files" in d and "no literature service" in d for d in record["not_verified"])
    rounds = json.loads((folder / "search.json").read_text())
    trail = [row for r in rounds for row in r["trail"]]
    assert {row["source"] for row in trail} == {"pubmed-xml"}
    assert sum(row["kept"] for row in trail) > 0
    paper = json.loads(next((folder / "papers").glob("*.json")).read_text())
    assert (paper["source"], paper["path"]) == ("pubmed-xml", str(named))
