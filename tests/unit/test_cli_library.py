"""`bioresearcher library add | list | search | show | remove`."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pubmed_xml as px
import pytest
from services_server import ServicesServer, World

from bioresearcher.cli.app import main
from bioresearcher.retrieval.index import Library

BIB = """@article{hu, title={The molecular portraits of breast tumors}, year=2006, pmid={16643655},
  abstract={Breast tumours were classified by intrinsic genes.}}
@article{broken, title={never
@article{seal, title={Weights of seals}, doi={10.1000/abc}, abstract={Seals were weighed daily on the beach.}}
"""


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> tuple[int, Any, list[str]]:
        code = main(["library", *args, "--workspace", "w", "--json"])
        out = capsys.readouterr()
        return code, json.loads(out.out) if out.out else None, out.err.splitlines()

    return run


def test_papers_are_added_listed_found_shown_and_removed(said: Any, tmp_path: Path, shared_data: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    shutil.copy(shared_data / "fulltext/jats/PMC2329613.nxml", folder)
    (folder / "login.pdf").write_text("<html><form>log in</form></html>")
    (folder / "lib.bib").write_text(BIB)
    (tmp_path / "empty").mkdir()
    code, change, _ = said("add", "papers", "empty", "gone")
    assert code == 0
    assert [e["paper"]["id"] for e in change["added"]] == ["PMID18405359", "PMID16643655", "doi-10.1000-abc"]
    assert [f["item"] for f in change["failures"]] == ["empty", "gone", "lib.bib:3", "login.pdf"]
    assert all(f["message"] and "\n" not in f["message"] for f in change["failures"])

    code, change, _ = said("add", "papers/lib.bib")
    assert (code, change["added"], change["unchanged"]) == (0, [], ["PMID16643655", "doi-10.1000-abc"])

    _, entries, _ = said("list")
    assert [(e["paper"]["id"], e["kind"]) for e in entries] == [
        ("PMID16643655", "record"), ("PMID18405359", "jats"), ("doi-10.1000-abc", "record"),
    ]  # fmt: skip
    assert entries[1]["paper"]["authors"][0] == "Marylee J van der Meulen"
    assert entries[1]["passages"] > 20

    _, hits, _ = said("search", "questionnaire answered again by the same people after two weeks", "--limit", "2")
    assert len(hits) == 2
    assert hits[0]["paper"] == "PMID18405359"
    with Library(tmp_path / "w" / "library") as library:
        document = library.document("PMID18405359")
    assert document is not None
    assert all(document.text[h["start"] : h["end"]] == h["text"] for h in hits)
    _, hits, _ = said("search", "seals", "--paper", "10.1000/ABC", "--kind", "abstract")
    assert [(h["paper"], h["section"], h["page"]) for h in hits] == [("doi-10.1000-abc", "Abstract", None)]

    _, shown, _ = said("show", "PMC2329613")
    assert shown["paper"]["doi"] == "10.1186/1472-6831-8-11"
    assert shown["entry"]["kind"] == "jats"
    assert "Methods" in [s["title"] for s in shown["sections"]]
    assert shown["uses"] == []

    code, _, errors = said("remove", "16643655", "nope")
    assert code == 2
    assert errors == [
        "bioresearcher: error: no paper 'nope' is in the library w/library. `bioresearcher library list` shows what is."
    ]
    assert said("remove", "16643655", "10.1000/abc")[1]["removed"] == ["PMID16643655", "doi-10.1000-abc"]
    assert [e["paper"]["id"] for e in said("list")[1]] == ["PMID18405359"]
    assert {h["paper"] for h in said("search", "seals were weighed")[1]} == {"PMID18405359"}
    database = sqlite3.connect(tmp_path / "w" / "library" / "library.sqlite")
    (orphans,) = database.execute("SELECT count(*) FROM vectors WHERE key NOT IN (SELECT key FROM passages)").fetchone()
    database.close()
    assert orphans == 0


def test_looking_into_a_library_that_is_not_there_makes_none(said: Any, tmp_path: Path) -> None:
    assert said("list")[:2] == (0, [])
    assert said("search", "seals")[:2] == (0, [])
    assert said("show", "1")[0] == 2
    assert said("remove", "1")[0] == 2
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["search", " "], "the query is empty"),
        (["search", "x", "--limit", "0"], "--limit: 0 is not between 1 and 1000"),
        (["search", "x", "--kind", "chapter"], "--kind: 'chapter' is no kind of section"),
        (["search", "x", "--paper", "7"], "no paper '7' is in the library"),
    ],
)
def test_wrong_use_is_one_line(said: Any, args: list[str], message: str) -> None:
    code, _, errors = said(*args)
    assert code == 2
    assert len(errors) == 1
    assert message in errors[0]


def test_nothing_added_is_code_2_and_an_identifier_nobody_can_be_asked_for_is_code_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIORESEARCHER_ONLY_OWN", raising=False)
    (tmp_path / "login.pdf").write_text("<html>log in</html>")
    where = ["--workspace", str(tmp_path / "w")]
    assert main(["library", "add", str(tmp_path / "login.pdf"), *where]) == 2
    assert "not added: login.pdf: it is a web page" in capsys.readouterr().err
    config = tmp_path / "nobody.toml"
    config.write_text('[services]\neutils = "http://127.0.0.1:9"\neuropepmc = "http://127.0.0.1:9"\n')
    assert main(["library", "add", "10.1000/zzz", *where, "--config", str(config)]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bioresearcher: not added: 10.1000/zzz: ")
    assert "127.0.0.1:9" in line
    config.write_text("only_own = true\n")
    assert main(["library", "add", "10.1000/zzz", *where, "--config", str(config)]) == 4
    assert "no literature service is asked, because only_own is set" in capsys.readouterr().err
    assert not (tmp_path / "w" / "library" / "library.sqlite").exists()


def test_identifiers_are_fetched_from_services_with_the_best_text(
    said: Any, tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIORESEARCHER_ONLY_OWN", raising=False)
    seals = {"title": "Weights of seals", "abstract": "Seals were weighed daily on the beach.", "doi": "10.1000/abc(1)"}
    dutch = px.article({"title": "The Dutch version", "abstract": "Short."}, 18405359)
    dutch = dutch.replace("<ArticleIdList>", '<ArticleIdList><ArticleId IdType="pmc">PMC2329613</ArticleId>')
    world = World(tmp_path / "world", [px.article(seals, 77), dutch])
    world.jats["PMC2329613"] = (shared_data / "fulltext/jats/PMC2329613.nxml").read_bytes()
    with ServicesServer(world) as server:
        config = server.settings(tmp_path)
        code, change, _ = said("add", "10.1000/ABC(1)", "PMC2329613", "PMID:99", "--config", str(config))
    assert code == 0
    assert [(e["paper"]["id"], e["kind"]) for e in change["added"]] == [("PMID77", "record"), ("PMID18405359", "jats")]
    assert [f["message"] for f in change["failures"]] == ["PMID:99: no literature service knows such a paper."]


def test_an_identifier_is_taken_from_pubmed_files_without_a_network(
    said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"title": "Weights of seals", "abstract": "Seals were weighed daily on the beach."}
    file = px.write_file(tmp_path / "pubmed.xml", [px.article(record, 77), px.article({"title": "No abstract"}, 78)])
    monkeypatch.setenv("BIORESEARCHER_PUBMED_XML", str(file))
    monkeypatch.setenv("BIORESEARCHER_ONLY_OWN", "1")
    code, change, _ = said("add", "PMID:77", "78")
    assert code == 0
    assert [(e["paper"]["id"], e["kind"]) for e in change["added"]] == [("PMID77", "record")]
    assert "neither full text nor abstract" in change["failures"][0]["message"]


def test_an_abstract_never_takes_the_place_of_a_full_text(said: Any, tmp_path: Path) -> None:
    note = "---\ntitle: Weights of seals\npmid: 77\n---\n## Methods\nSeals were weighed daily on the beach.\n"
    (tmp_path / "full.md").write_text(note)
    (tmp_path / "lib.bib").write_text("@article{a, title={Weights of seals}, pmid={77}, abstract={Short.}}")
    assert said("add", "full.md")[0] == 0
    assert said("add", "lib.bib")[1]["unchanged"] == ["PMID77"]
    assert [e["kind"] for e in said("list")[1]] == ["note"]


def test_a_library_of_the_first_version_is_taken_over(said: Any, tmp_path: Path) -> None:
    (tmp_path / "full.md").write_text("# Weights of seals\n## Methods\nSeals were weighed daily on the beach.\n")
    said("add", "full.md")
    database = sqlite3.connect(tmp_path / "w" / "library" / "library.sqlite")
    database.execute("DROP TABLE papers")
    database.execute("PRAGMA user_version=1")
    database.close()
    (entry,) = said("list")[1]
    assert (entry["paper"]["title"], entry["paper"]["source"], entry["kind"]) == ("Weights of seals", "unknown", "note")


@pytest.mark.slow
def test_programs_that_add_at_the_same_time_lose_nothing(said: Any, tmp_path: Path) -> None:
    environment = {**os.environ, "BIORESEARCHER_WORKSPACE": str(tmp_path / "w")}
    started = []
    for n in range(2):
        folder = tmp_path / f"papers{n}"
        folder.mkdir()
        for m in range(2):
            text = " ".join(f"Animal {n} {m} {k} was weighed on beach number {k * 7 + n}." for k in range(12))
            (folder / f"{m}.md").write_text(f"# Paper {n} {m}\n## Methods\n{text}\n")
        command = [sys.executable, "-m", "bioresearcher", "library", "add", str(folder)]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, b"")
    entries = said("list")[1]
    assert len(entries) == 4
    hits = said("search", "animals were weighed on a beach", "--limit", "50")[1]
    assert {h["title"] for h in hits} == {f"Paper {n} {m}" for n in range(2) for m in range(2)}
    with Library(tmp_path / "w" / "library") as library:
        library.index()
        assert library._index is not None
        assert len(library._index.ids) == sum(e["passages"] for e in entries)
