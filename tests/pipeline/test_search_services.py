"""Whole runs that ask literature and data services, against a server on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pubmed_xml as px
import pytest
from services_server import Reply, ServicesServer, World

from bioresearcher.examples import load_example

pytestmark = pytest.mark.slow

OBJECTIVE = "How are breast tumours grouped by gene expression and proliferation?"
RETRACTED, OPEN = "24783217", "25311479"
"""Two real papers; that one is retracted and the other open is made up here."""
NOTICED, NOTICED_DOI = "14692023", "10.1000/noticed"
"""A real paper; its DOI, and that Crossref knows of a retraction which PubMed does not, are made up here."""
PREPRINT = {
    "id": "PPR1", "source": "PPR", "doi": "10.1101/2020.01.01.123456", "pubYear": "2019", "language": "eng",
    "title": "Proliferative index obtained by DNA image cytometry. Does it add prognostic information in Auer IV "
    "breast cancer?", "abstractText": "A preprint on breast tumours and proliferation.",
}  # fmt: skip


def _articles(data: Path) -> list[str]:
    lines = (data / "pubmed/records.jsonl").read_text("utf-8").strip().split("\n")
    records = [r for r in map(json.loads, lines) if r["topic"] == "breast cancer" and r["pmid"]]
    notice = '<CommentsCorrections RefType="RetractionIn"><RefSource>J</RefSource><PMID>39999999</PMID>'
    listed = f"<CommentsCorrectionsList>{notice}</CommentsCorrections></CommentsCorrectionsList><MeshHeadingList>"
    found = []
    for record in records:
        doi = NOTICED_DOI if record["pmid"] == NOTICED else record.get("doi")
        article = px.article({**record, "doi": doi}, int(record["pmid"]))
        if record["pmid"] == RETRACTED:
            article = article.replace("<MeshHeadingList>", listed, 1)
        found.append(article)
    return found


class Lab:
    """A workspace, two own notes, and services on this machine."""

    def __init__(self, root: Path, server: ServicesServer) -> None:
        self.root, self.server = root, server
        (root / "notes").mkdir()
        for name in ("benjamini-hochberg-1995.md", "perou-2000.md"):
            shutil.copy(load_example("breast-cancer").papers[0] / name, root / "notes")

    def run(self, *args: str, **services: str) -> tuple[subprocess.CompletedProcess[str], Path]:
        before = {*self.root.glob("workspace/runs/*")}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BIORESEARCHER_", "NCBI_"))}
        command = [sys.executable, "-m", "bioresearcher", "run", *args, "--workspace", str(self.root / "workspace")]
        if "--replay" not in args:
            command += ["--config", str(self.server.settings(self.root, **services)), "--max-papers", "4"]
            command += ["--objective", OBJECTIVE, "--papers", str(self.root / "notes"), "--max-parts", "1", "--yes"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            env={**kept, "COLUMNS": "80", "NO_PROXY": "*"},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        # data were searched and none was found, so no question is answered; a replay that is identical ends well
        assert done.returncode == (0 if "--replay" in args else 1), done.stderr
        (new,) = {*self.root.glob("workspace/runs/*")} - before
        return done, new


def values(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("lab")
    world = World(root / "world", _articles(shared_data))
    world.preprints.append(PREPRINT)
    update = {"DOI": NOTICED_DOI, "type": "retraction", "updated": {"date-parts": [[2021, 5, 4]]}}
    world.works.append({"DOI": "10.1000/notice", "update-to": [update]})
    with ServicesServer(world) as server:
        yield Lab(root, server)


def test_a_run_asks_services_then_repeats_and_replays_without_a_request(lab: Lab) -> None:
    lab.server.fault = lambda _, number: Reply(b"", status=429, headers={"Retry-After": "0"}) if number == 2 else None
    done, folder = lab.run()
    lab.server.fault = None
    host = lab.server.root.removeprefix("http://")
    assert f"services: {host} will be asked" in done.stdout
    rows = [row for r in values(folder, "search.json") for row in r["trail"]]
    assert {row["source"] for row in rows} == {"own", "pubmed", "europepmc"}
    assert any(row["found"] and row["translation"] for row in rows if row["source"] == "pubmed")
    screening = {r["paper_id"]: r for r in values(folder, "screening.json")}
    assert screening[f"PMID{RETRACTED}"]["decided_by"] == "retraction"
    assert screening[f"PMID{NOTICED}"]["decided_by"] == "retraction"
    (notice,) = values(folder, f"papers/PMID{NOTICED}.json")["notices"]
    assert (notice["doi"], notice["date"], notice["source"]) == ("10.1000/notice", "2021-05-04", "crossref")
    preprint = screening["doi-10.1101-2020.01.01.123456"]
    assert (preprint["kept"], preprint["decided_by"]) == (False, "preprint")
    record = values(folder, "run.json")
    assert record["failures"] == []
    assert not any("no literature service was asked" in d for d in record["not_verified"])
    checks = values(folder, "status.json")
    assert {row["paper_id"] for row in checks if row["sources"]} >= {p for p in screening if screening[p]["kept"]} - {
        "doi-10.1111-j.2517-6161.1995.tb02031.x", "PMID10963602"
    }  # fmt: skip

    asked = len(lab.server.requests)
    assert asked > 5
    _, again = lab.run()
    assert len(lab.server.requests) == asked, "a warm repeat asks nothing"
    for name in ("search.json", "screening.json"):
        assert values(again, name) == values(folder, name)
    replayed, _ = lab.run("--replay", str(folder), "--yes")
    assert "identical: " in replayed.stdout
    assert len(lab.server.requests) == asked


def test_a_service_that_is_not_there_is_one_line_and_the_run_goes_on(lab: Lab) -> None:
    done, folder = lab.run("--include", f"PMID:{OPEN}", europepmc="http://127.0.0.1:9/rest")
    failures = [f for f in values(folder, "run.json")["failures"] if f["item"] == "europepmc"]
    assert [f["stage"] for f in failures] == ["search_papers"], "one line, however often it would have been asked"
    assert "127.0.0.1:9 cannot be reached" in failures[0]["message"]
    assert (folder / "reports" / f"PMID{OPEN}.json").exists()
    assert "Traceback" not in done.stdout + done.stderr
