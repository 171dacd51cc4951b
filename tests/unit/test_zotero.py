"""A running Zotero as a source of papers and as a place for a run's: `bioresearcher library zotero`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_support import build_run
from zotero_server import Library, zotero

from bioresearcher.cli.app import main
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.paper import Paper
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.text.visible import visible

ABSTRACT = "Methods were compared on many samples and the step-up rule held the false discovery rate. " * 4


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Two collections; a reference with a PDF and a note, a retracted one, and one without a file."""
    made = Library()
    made.put("collections", "AAAA1111", name="Breast", parentCollection=False)
    made.put("collections", "BBBB2222", name="Methods", parentCollection="AAAA1111")
    person = {"creatorType": "author", "lastName": "Storey", "firstName": "J"}
    made.item("ITEM0001", "On rates", "BBBB2222", DOI="10.1234/rates", creators=[person], abstractNote=ABSTRACT)
    made.item(
        "ITEM0002", "A wrong one", "BBBB2222", extra="PMID: 123", tags=[{"tag": "Retracted"}], abstractNote=ABSTRACT
    )
    made.item("ITEM0003", "Elsewhere", "AAAA1111", abstractNote=ABSTRACT)
    pdf = tmp_path / "storage" / "a paper.pdf"
    pdf.parent.mkdir()
    pdf.write_bytes(b"%PDF-1.4 not a whole one")
    made.pdf("FILE0001", "ITEM0001", pdf)
    made.child("NOTE0001", "ITEM0001", itemType="note", note="<p>Read &amp; <b>checked</b></p><p>twice</p>")
    return made


@pytest.fixture
def address(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The served library, named in the settings of the current folder."""
    monkeypatch.chdir(tmp_path)
    with zotero(library) as base:
        (tmp_path / "bioresearcher.toml").write_text(f'[services]\nzotero = "{base}"\n')
        yield base


def brought(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert main(["library", "zotero", "Methods", "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_collections_are_listed_by_path(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["library", "zotero"]) == 0
    said = capsys.readouterr().out
    assert "BBBB2222      2  Breast / Methods" in said


def test_a_collection_comes_in_with_files_notes_and_flags(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = brought(capsys)
    assert (done["items"], done["new"], done["pdfs"], done["notes"], done["retracted"]) == (2, 2, 1, 1, 1)
    folder = Path(done["folder"])
    assert (folder / "files" / "ITEM0001" / "a-paper.pdf").read_bytes().startswith(b"%PDF")
    assert (Path(done["notes_folder"]) / "ITEM0001.md").read_text().endswith("Read & checked\ntwice\n")
    papers = {paper.title: paper for paper, _ in OwnPapers([folder]).load()[0]}
    assert papers["A wrong one"].status == "retracted"
    assert papers["A wrong one"].pmid == "123"
    assert papers["On rates"].doi == "10.1234/rates"
    assert papers["On rates"].authors == ("Storey, J",)
    assert len(done["library"]["added"]) == 2


def test_only_what_changed_is_asked_for_again(
    library: Library, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    brought(capsys)
    library.asked.clear()
    again = brought(capsys)
    assert (again["new"], again["changed"], again["gone"]) == (0, 0, 0)
    assert not [line for line in library.asked if "children" in line]
    library.child("NOTE0001", "ITEM0001", itemType="note", note="other")
    library.item("ITEM0004", "New", "BBBB2222", abstractNote=ABSTRACT)
    del library.items["ITEM0002"]
    library.asked.clear()
    third = brought(capsys)
    assert (third["new"], third["changed"], third["gone"], third["retracted"]) == (1, 1, 1, 0)
    assert [line.split("?")[0] for line in library.asked if "children" in line] == [
        "GET /api/users/0/items/ITEM0001/children"
    ]
    titles = {paper.title for paper, _ in OwnPapers([Path(third["folder"])]).load()[0]}
    assert titles == {"On rates", "New"}


def test_versions_of_another_zotero_or_of_an_old_one_say_nothing(
    library: Library, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    brought(capsys)
    for server in ("server-two", "", ""):
        library.server = server
        library.asked.clear()
        assert brought(capsys)["new"] == 2
        assert [line for line in library.asked if "children" in line]


@pytest.mark.parametrize(
    ("change", "said", "code"),
    [
        ({"enabled": False}, "does not let other programs ask it. Turn it on in Zotero: Settings, Advanced", 4),
        ({"api_version": "2"}, "this is no Zotero 7 or later (version 2). Update Zotero.", 4),
        ({"api_version": ""}, "this is no Zotero 7 or later (status 200 and no version)", 4),
    ],
)
def test_a_zotero_that_cannot_be_asked_is_a_clear_line(
    library: Library, address: str, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str, code: int
) -> None:
    vars(library).update(change)
    assert main(["library", "zotero"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_zotero_that_is_not_there_is_a_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with zotero(Library()) as base:
        (tmp_path / "bioresearcher.toml").write_text(f'[services]\nzotero = "{base}"\n')
    assert main(["library", "zotero"]) == 4
    assert "it does not run, or another program has its port. Start Zotero" in capsys.readouterr().err
    (tmp_path / "bioresearcher.toml").write_text('[services]\nzotero = "http://evil.example/api"\n')
    assert main(["library", "zotero"]) == 2
    assert "is not on this machine" in capsys.readouterr().err


def test_a_huge_collection_is_refused_and_a_large_one_comes_in_pages(
    library: Library, address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(250):
        library.item(f"MANY{number:04d}", f"Paper {number}", "BBBB2222", abstractNote=f"{number} {ABSTRACT}")
    assert brought(capsys)["items"] == 252
    monkeypatch.setattr("bioresearcher.sources.zotero.MOST_ITEMS", 200)
    assert main(["library", "zotero", "Methods"]) == 2
    assert "has 252 entries; at most 200 are taken" in capsys.readouterr().err


def test_a_collection_is_named_by_key_or_path_and_never_guessed(
    library: Library, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    library.put("collections", "CCCC3333", name="Methods", parentCollection=False)
    assert main(["library", "zotero", "methods"]) == 0  # its whole path; the other one's is Breast / Methods
    assert main(["library", "zotero", "breast / methods"]) == 0
    capsys.readouterr()
    library.put("collections", "CCCC3333", name="Methods", parentCollection="AAAA1111")
    assert main(["library", "zotero", "Methods"]) == 2
    assert "2 collections are called" in capsys.readouterr().err
    assert main(["library", "zotero", "Nothing"]) == 2
    assert "Zotero has no collection 'Nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../../etc/passwd.pdf", "", ".pdf", "a\u202eb.pdf", "x" * 500 + ".pdf"])
def test_names_and_files_from_zotero_stay_in_the_folder(
    library: Library, address: str, capsys: pytest.CaptureFixture[str], name: str, tmp_path: Path
) -> None:
    library.items["FILE0001"]["filename"] = name
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0")
    library.pdf("FILE0002", "ITEM0001", secret)
    library.pdf("FILE0003", "ITEM0001", tmp_path / "not there.pdf")
    library.files["FILE0004"] = "file://server/share/x.pdf"
    library.child("FILE0004", "ITEM0001", itemType="attachment", contentType="application/pdf", filename="n.pdf")
    done = brought(capsys)
    assert done["pdfs"] == 1
    assert [said.partition("its PDF ")[2] for said in done["left_out"]] == [
        "is no PDF",
        "cannot be read (No such file or directory)",
        "is not on this disk",
    ]
    folder = Path(done["folder"])
    assert all(path.resolve().is_relative_to(folder.resolve()) for path in folder.rglob("*"))
    assert not [path for path in folder.rglob("*.pdf") if b"root:" in path.read_bytes()]


def test_a_title_cannot_add_fields_to_the_export(
    library: Library, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "Fine\r\nER  - \r\n\r\nTY  - JOUR\r\nTI  - Another"
    library.item("ITEM0001", hostile, "BBBB2222", abstractNote=ABSTRACT)
    folder = Path(brought(capsys)["folder"])
    assert len(OwnPapers([folder]).load()[0]) == 2


def test_a_runs_papers_go_out_with_their_quotes_once(
    library: Library, address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = build_run(tmp_path / "workspace" / "runs" / "night")
    assert main(["library", "zotero", "--from-run", str(folder.root), "My run", "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert given["new"] == given["papers"] > 0
    made = [item for item in library.items.values() if given["collection"] in item.get("collections", ())]
    assert {item["title"] for item in made} <= {
        visible(p.title) for p in RunFolder(folder.root).read_all(Paper, "papers")
    }
    notes = [
        item["note"] for item in library.items.values() if item["itemType"] == "note" and "blockquote" in item["note"]
    ]
    assert len(notes) == given["notes"] > 0
    assert not any("<script" in note or "<img" in note for note in notes)
    assert library.collections[given["collection"]]["name"] == "My run"
    count = len(library.items)
    assert main(["library", "zotero", "--from-run", str(folder.root), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["collection"], again["new"], again["notes"]) == (given["collection"], 0, 0)
    del library.items[made[0]["key"]]
    assert main(["library", "zotero", "--from-run", str(folder.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 1
    assert len(library.items) >= count


def test_a_key_for_one_request_is_asked_for_again(
    library: Library, address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    library.remember = False
    folder = build_run(tmp_path / "workspace" / "runs" / "night")
    assert main(["library", "zotero", "--from-run", str(folder.root)]) == 0
    assert "papers in Zotero's collection" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("refusal", "said"),
    [((403, "Denied"), "was not allowed to be written to"), ((429, "Too many"), "leave too often. Try again in 60 s.")],
)
def test_a_zotero_that_is_not_written_to_stays_as_it_is(
    library: Library,
    address: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    refusal: tuple[int, str],
    said: str,
) -> None:
    library.refusal = refusal
    folder = build_run(tmp_path / "workspace" / "runs" / "night")
    assert main(["library", "zotero", "--from-run", str(folder.root)]) == 4
    assert said in capsys.readouterr().err
    assert len(library.collections) == 2


def test_a_run_goes_out_in_few_requests(
    library: Library, address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = build_run(tmp_path / "workspace" / "runs" / "night")
    assert main(["library", "zotero", "--from-run", str(folder.root)]) == 0
    writes = [line for line in library.asked if line.startswith("POST /api/users/0/")]
    assert [line.rsplit("/", 1)[1] for line in writes] == ["collections", "items", "items"]


def test_a_zotero_that_can_only_be_read_gets_a_file_to_import(
    library: Library, address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    library.server = ""
    folder = build_run(tmp_path / "workspace" / "runs" / "night")
    assert main(["library", "zotero", "--from-run", str(folder.root), "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    text = Path(given["file"]).read_text(encoding="utf-8")
    assert text.count("\nTI  - ") == text.count("\nER  - ") == given["papers"]
    assert text.count("\nN1  - Taken from it by the run night") == given["notes"] > 0
    assert not [line for line in library.asked if line.startswith("POST")]
