"""The search agent in whole runs: real records found, screened, chosen, used and reported; the same in a replay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pubmed_xml as px
import pytest

from bioresearcher.examples import load_example

pytestmark = pytest.mark.slow

OBJECTIVE = "How are breast tumours grouped by gene expression and proliferation?"
RETRACTED, NOTICE = "24783217", "39999999"
"""A real paper on Ki-67 in breast cancer; that it is retracted is made up here."""


@dataclass(frozen=True)
class Done:
    """A run that ended: what it printed, and its folder."""

    process: subprocess.CompletedProcess[str]
    folder: Path

    def values(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text("utf-8"))

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")


class Place:
    """A workspace with two own notes and a PubMed file of real records, one of them marked as retracted."""

    def __init__(self, root: Path, data: Path) -> None:
        self.root = root
        (root / "notes").mkdir()
        source = load_example("breast-cancer").papers[0]
        for name in ("benjamini-hochberg-1995.md", "perou-2000.md"):
            shutil.copy(source / name, root / "notes")
        lines = (data / "pubmed/records.jsonl").read_text("utf-8").strip().split("\n")
        records = [r for r in map(json.loads, lines) if r["topic"] == "breast cancer" and r["pmid"]]
        editorial = {
            **records[0],
            "title": "Breast tumours grouped by gene expression",
            "publication_types": ["Editorial"],
        }
        again = {
            "title": "Molecular portraits of human breast tumours",
            "abstract": "Human breast tumours are diverse.",
        }
        articles = [px.article(r, int(r["pmid"])) for r in records]
        articles = [_retracted(a) if f">{RETRACTED}<" in a else a for a in articles]
        articles += [px.article(editorial, 90000001), px.article({**records[1], **again, "doi": ""}, 10963602)]
        px.write_file(root / "pubmed.xml", articles)

    def run(self, *args: str) -> Done:
        before = set((self.root / "workspace" / "runs").glob("*"))
        kept = {k: v for k, v in os.environ.items() if not k.startswith("BIORESEARCHER_")}
        command = [sys.executable, "-m", "bioresearcher", "run", *args, "--workspace", str(self.root / "workspace")]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            env={**kept, "BIORESEARCHER_ONLY_OWN": "1", "COLUMNS": "80", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (new,) = set((self.root / "workspace" / "runs").glob("*")) - before
        return Done(done, new)

    def search(self, *args: str) -> Done:
        own = ("--papers", str(self.root / "notes"), "--pubmed-xml", str(self.root / "pubmed.xml"))
        return self.run("--objective", OBJECTIVE, *own, "--max-papers", "4", "--max-parts", "1", "--yes", *args)


def _retracted(article: str) -> str:
    notice = f'<CommentsCorrections RefType="RetractionIn"><RefSource>J. 2020</RefSource><PMID>{NOTICE}</PMID>'
    listed = f"<CommentsCorrectionsList>{notice}</CommentsCorrections></CommentsCorrectionsList>"
    return article.replace("<MeshHeadingList>", f"{listed}<MeshHeadingList>", 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Place:
    return Place(tmp_path_factory.mktemp("search"), shared_data)


@pytest.fixture(scope="module")
def plain(place: Place) -> Done:
    return place.search()


@pytest.fixture(scope="module")
def chosen(place: Place, plain: Done) -> Done:
    """The retracted paper taken in, an own one left out, and an id that is nobody's."""
    return place.search("--include", f"PMID:{RETRACTED}", "--exclude", "PMID:10963602", "--include", "PMC99999999")


def test_every_query_is_in_the_record_with_what_became_of_it(plain: Done) -> None:
    rounds = plain.values("search.json")
    rows = [row for r in rounds for row in r["trail"]]
    assert {row["source"] for row in rows} == {"own", "pubmed-xml"}
    assert rounds[-1]["stop_reason"]
    asked = [(row["source"], row["query"]) for row in rows]
    assert len(asked) == len({*asked})
    literal = [row for row in rows if row["source"] == "pubmed-xml"]
    assert all(row["translation"] for row in literal)
    relaxed = [row for row in literal if row["rule"].startswith("relaxed")]
    assert relaxed
    assert all(row["adjusts"] in {r["query"] for r in literal if not r["hits"]} for row in relaxed)
    kept = {r["paper_id"] for r in plain.values("screening.json") if r["kept"]}
    assert all(row["kept"] == len(kept & {*row["found"]}) for row in rows)
    found = {p for row in rows for p in row["found"]}
    assert plain.values("run.json")["totals"]["papers_found"] == len(found | {p.stem for p in _papers(plain)})
    assert found <= {p.stem for p in _papers(plain)}


def _papers(done: Done) -> list[Path]:
    return list((done.folder / "papers").glob("*.json"))


def test_a_paper_found_twice_is_one_and_keeps_its_own_text(plain: Done) -> None:
    paper = plain.values("papers/PMID10963602.json")
    assert (paper["source"], paper["kind"]) == ("own", "note")
    assert plain.values("reports/PMID10963602.json")["quotes_located"] > 0


def test_retracted_papers_and_editorials_are_left_out_with_the_reason(plain: Done) -> None:
    rows = {r["paper_id"]: r for r in plain.values("screening.json")}
    assert rows[f"PMID{RETRACTED}"]["reason"].startswith(f"It is retracted (PMID {NOTICE}): not used.")
    assert (rows["PMID90000001"]["kept"], rows["PMID90000001"]["decided_by"]) == (False, "type")
    assert not (plain.folder / "reports" / f"PMID{RETRACTED}.json").exists()
    for report in ("report/evidence.md", "report/evidence.html"):
        assert "1 retracted" in plain.text(report)
        assert "Searching ended" in plain.text(report) or "Ended:" in plain.text(report)


def test_the_terminal_shows_what_will_be_used_at_80_columns(plain: Done) -> None:
    lines = plain.process.stdout.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Papers to read: 4"))
    last = next(n for n, line in enumerate(lines) if "papers not read:" in line)
    assert last - first > 10
    assert max(map(len, lines[first:last])) <= 80
    assert "\x1b" not in plain.process.stdout
    for words in ("Papers to read: ", "not read:", f"PMID{RETRACTED}", "hits →", "PMID10963602"):
        assert words in plain.process.stdout


def test_what_is_included_and_excluded_counts_and_is_recorded(chosen: Done) -> None:
    record = chosen.values("run.json")
    decision = next(d for d in record["decisions"] if d["gate"] == "approve_selection")
    assert (decision["add"], decision["drop"]) == ([f"PMID{RETRACTED}"], ["PMID10963602"])
    assert f"PMID{RETRACTED}" in decision["papers"]
    assert "PMID10963602" not in decision["papers"]
    assert {p.stem for p in (chosen.folder / "reports").glob("*.json")} <= {*decision["papers"]}
    unknown = [f for f in record["failures"] if f["stage"] == "approve_selection"]
    assert [f["item"] for f in unknown] == ["PMC99999999"]
    assert sum("PMC99999999: no paper" in line for line in chosen.process.stdout.splitlines()) == 1


def test_a_retracted_paper_that_is_used_is_stamped_everywhere(chosen: Done) -> None:
    assert "1 retracted paper in use" in chosen.text("report.html")
    assert "Retracted, and in use: " in chosen.text("report.md")
    for name in ("report/evidence.md", "report/evidence.html"):
        assert "RETRACTED: " in chosen.text(name)
    assert any("RETRACTED" in d for d in chosen.values("run.json")["not_verified"])
    assert f"! PMID{RETRACTED} is RETRACTED" in chosen.process.stdout


def test_a_replay_searches_and_chooses_the_same(place: Place, chosen: Done) -> None:
    again = place.run("--replay", str(chosen.folder), "--yes")
    assert "identical: " in again.process.stdout
    for name in ("search.json", "screening.json"):
        assert again.values(name) == chosen.values(name)
