"""Exports of reference managers as own papers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.identifiers import ABSTRACT_ONLY
from bioresearcher.schemas.paper import Document, Failure, Paper
from bioresearcher.sources.literature.bibliography import (
    Reference,
    UnreadableReference,
    is_bibliography,
    read_bibliography,
    read_bibtex,
    read_csl_json,
    read_ris,
)
from bioresearcher.sources.literature.own_papers import OwnPapers

ABSTRACT = "Breast tumours were classified by their expression of 500 intrinsic genes in three cohorts."

# as Zotero writes it: braces, LaTeX, identifiers in the note, files with escaped separators
BIBTEX = r"""
@article{sorlie_repeated_2003,
	title = {Repeated observation of breast tumor subtypes in independent gene expression data sets},
	volume = {100},
	doi = {10.1073/pnas.0932692100},
	abstract = {%s},
	journal = {Proceedings of the National Academy of Sciences},
	author = {S{\o}rlie, Therese and Tibshirani, Robert and {The Norwegian and Stanford Group}},
	month = jul,
	year = {2003},
	note = {PMID: 12829800
PMCID: PMC166244},
}

@article{broken_2001, title = {This one is never closed, year = {2001}

@article{hu_molecular_2006,
	title = {The molecular portraits of breast tumors: {IFN}-$\gamma$},
	author = {Hu, Zhiyuan},
	date = {2006-04-27},
	abstract = {%s},
}
"""


def load(folder: Path) -> tuple[list[Paper], list[Document], list[Failure]]:
    loaded, failures = OwnPapers([folder]).load()
    return [p for p, _ in loaded], [d for _, d in loaded], failures


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "My Library"
    folder.mkdir()
    return folder


def test_entries_without_files_are_records_and_a_broken_one_is_one_line(export: Path) -> None:
    (export / "lib.bib").write_text(BIBTEX % (ABSTRACT, ABSTRACT.replace("500", "600")), encoding="utf-8")
    papers, documents, failures = load(export)
    first, second = papers
    assert (first.id, first.pmcid, first.doi) == ("PMID12829800", "PMC166244", "10.1073/pnas.0932692100")
    assert first.authors == ("Sørlie, Therese", "Tibshirani, Robert", "The Norwegian and Stanford Group")
    assert (first.year, first.kind, first.source) == (2003, "record", "own")
    assert (second.title, second.year) == ("The molecular portraits of breast tumors: IFN-γ", 2006)
    assert documents[0].kind == "record"
    assert ABSTRACT_ONLY in documents[0].warnings
    assert ABSTRACT in documents[0].text
    (failure,) = failures
    assert failure.item == "lib.bib:15"
    assert failure.stage == "load_papers"
    assert "broken" in failure.message


def test_files_of_an_entry_are_read_with_what_the_entry_says(export: Path, shared_data: Path) -> None:
    files = export / "files" / "12"
    files.mkdir(parents=True)
    shutil.copy(shared_data / "fulltext/pdf/PMC4521097.pdf", files / "paper; one.pdf")
    (files / "page.html").write_text("<html></html>")
    named = r"Full Text:files/12/paper\; one.pdf:application/pdf;Snapshot:files/12/page.html:text/html"
    (alone,), _ = OwnPapers([files / "paper; one.pdf"]).load()
    entry = "@article{key1, title={TITLE}, author={Given, By Entry}, year=2015, pmid={26222000}, file={FILES}}"
    (export / "lib.bib").write_text(entry.replace("TITLE", alone[0].title).replace("FILES", named))
    papers, documents, failures = load(export)
    assert failures == []
    (paper,) = papers
    assert (paper.kind, paper.id, documents[0].id) == ("pdf", "PMID26222000", "PMID26222000")
    assert paper.authors == ("Given, By Entry",)
    assert documents[0].text == alone[1].text


def test_a_file_that_is_another_paper_speaks_for_itself(export: Path) -> None:
    (export / "other.md").write_text("# Quite another paper\n## Methods\nSeals were weighed.\n")
    (export / "lib.ris").write_text(
        "TY  - JOUR\nTI  - Repeated observation of breast tumor subtypes\nDO  - 10.1000/x\nL1  - other.md\nER  - \n"
    )
    papers, documents, failures = load(export)
    assert failures == []
    assert [p.title for p in papers] == ["Quite another paper"]
    assert papers[0].doi is None
    assert any("another title" in w for w in documents[0].warnings)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/etc/passwd.txt", "is not inside the export's folder"),
        ("../secret.md", "is not inside the export's folder"),
        ("files/../../secret.md", "is not inside the export's folder"),
        ("C:\\\\Users\\\\me\\\\a.pdf", "is not inside the export's folder"),
        ("file:///home/me/a.pdf", "is not inside the export's folder"),
        ("link.md", "is a link out of the export's folder"),
        ("gone.pdf", "is not there"),
        ("login.pdf", "web page"),
    ],
)
def test_files_that_lead_out_or_cannot_be_read_are_a_line_each_and_the_record_stays(
    export: Path, name: str, said: str
) -> None:
    secret = export.parent / "secret.md"
    secret.write_text("# Secret\n## Methods\nNot for the library.\n")
    (export / "link.md").symlink_to(secret)
    (export / "login.pdf").write_text("<html><form>log in</form></html>")
    (export / "lib.ris").write_text(f"TY  - JOUR\nTI  - A\nAB  - {ABSTRACT}\nL1  - {name}\nER  - \n")
    found = read_bibliography(export / "lib.ris")
    assert [f.item for f in found.failures] == ["lib.ris:1"]
    assert said in found.failures[0].message
    assert [p.kind for p, _ in found.papers] == ["record"]


def test_ris_entries_and_its_broken_ones() -> None:
    text = (
        "stray\nTY  - JOUR\nTI  - A title\nAU  - Sørlie, T.\nAU  - Hu, Z.\nPY  - 2003/07/08/\nDP  - PubMed\n"
        "AN  - 12829800\nAB  - First line\nsecond line\nER  - \n\nTY  - JOUR\nTI  - No end\nTY  - JOUR\nT1  - Second\n"
        "ER  -\nTY  - JOUR\nTI  - Cut"
    )
    found = read_ris(text)
    assert [(e.line, isinstance(e, UnreadableReference)) for e in found] == [
        (1, True), (2, False), (13, True), (15, False), (18, True),
    ]  # fmt: skip
    first = found[1]
    assert isinstance(first, Reference)
    assert (first.title, first.authors, first.date) == ("A title", ("Sørlie, T.", "Hu, Z."), "2003/07/08/")
    assert (first.pmid, first.abstract) == ("12829800", "First line\nsecond line")


def test_csl_json_entries_and_its_broken_ones(tmp_path: Path) -> None:
    items = [
        {"id": "http://zotero.org/1", "type": "article-journal", "title": "A title", "abstract": ABSTRACT,
         "DOI": "10.1000/X", "PMID": "12", "issued": {"date-parts": [["2006", 4]]}, "container-title": "BMC",
         "author": [{"family": "Hu", "given": "Z"}, {"literal": "The Group"}, 5]},
        "nothing",
        {"title": ["odd"], "author": "x", "issued": {"date-parts": [[]]}},
    ]  # fmt: skip
    path = tmp_path / "lib.json"
    path.write_text(json.dumps(items, indent=1))
    assert is_bibliography(path)
    found = read_bibliography(path)
    ((paper, _),) = found.papers
    assert (paper.id, paper.doi, paper.year, paper.journal) == ("PMID12", "10.1000/x", 2006, "BMC")
    assert paper.authors == ("Hu, Z", "The Group")
    broken = json.dumps(items, indent=1).splitlines().index(' "nothing",') + 1
    assert [f.item for f in found.failures] == [f"lib.json:{broken}", f"lib.json:{broken + 1}"]


def test_other_json_in_a_folder_is_no_bibliography(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "numbers.json").write_text("[1, 2]")
    assert not is_bibliography(tmp_path / "package.json")
    assert not is_bibliography(tmp_path / "numbers.json")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.bib", b"", "empty"),
        ("a.bib", b"<!DOCTYPE html><html>log in</html>", "web page"),
        ("a.ris", b"\xff\xfe\x00", "not UTF-8"),
        ("a.json", b'[{"title": "a"', "not valid JSON"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.json", b"3", "not a list"),
    ],
)
def test_a_file_that_is_no_bibliography_is_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadablePaper, match=said):
        read_bibliography(path)


def test_text_without_entries_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.bib").write_text("just words")
    found = read_bibliography(tmp_path / "a.bib")
    assert [(f.item, f.message) for f in found.failures] == [("a.bib", "it holds no entries.")]


def test_two_entries_under_one_key_and_a_field_given_twice_are_read() -> None:
    found = read_bibtex("@article{k, title={One}}\n@article{k, title={Two}}\n@article{f, title={X}, title={Y}}")
    assert [(e.line, e.title) for e in found if isinstance(e, Reference)] == [(1, "One"), (2, "Two"), (3, "X")]


@given(st.text(alphabet='@article{key, title=}"\\$#\n;:;-TYER[]0', max_size=200))
def test_no_text_breaks_a_reader(text: str) -> None:
    for read in (read_bibtex, read_ris, read_csl_json):
        try:
            for entry in read(text):
                assert entry.line >= 0
        except UnreadablePaper:
            assert read is not read_ris


WORDS = st.lists(st.sampled_from(["gène", "β-catenin", "AND", "breast", "<0.05", "“x”", "IL-6", "50"]), min_size=1)
ENTRIES = st.lists(st.tuples(WORDS.map(" ".join), WORDS.map(" ".join), st.integers(1900, 2030)), max_size=5)
WRITERS = {
    "bib": lambda n, title, abstract, year: (
        f"@article{{key{n},\n title = {{{title}}},\n abstract = {{{abstract}}},\n year = {year}\n}}\n"
    ),
    "ris": lambda n, title, abstract, year: (
        f"TY  - JOUR\nTI  - {title}\nAB  - {abstract}\nPY  - {year}\nER  - \n"
    ),
}  # fmt: skip
BREAKS = {"bib": "@article{broken, title = {never closed\n", "ris": "TY  - JOUR\nTI  - never closed\n"}


@pytest.mark.parametrize("kind", ["bib", "ris"])
@given(entries=ENTRIES, at=st.integers(0, 5))
def test_what_was_written_is_read_and_a_broken_entry_costs_no_other(
    kind: str, entries: list[tuple[str, str, int]], at: int
) -> None:
    written = [WRITERS[kind](n, *entry) for n, entry in enumerate(entries)]
    read = {"bib": read_bibtex, "ris": read_ris}[kind]
    for texts, broken in ((written, 0), ([*written[:at], BREAKS[kind], *written[at:]], 1)):
        found = read("\n".join(texts))
        good = [(e.title, e.abstract, int(e.date)) for e in found if isinstance(e, Reference)]
        assert good == entries
        assert sum(isinstance(e, UnreadableReference) for e in found) == broken
    lines = [e.line for e in found]
    assert lines == sorted(lines)


@given(entries=ENTRIES)
def test_csl_json_is_read_as_it_was_written(entries: list[tuple[str, str, int]]) -> None:
    items = [{"title": t, "abstract": a, "issued": {"date-parts": [[y]]}} for t, a, y in entries]
    for indent in (None, 2):
        found = read_csl_json(json.dumps(items, indent=indent, ensure_ascii=False))
        assert [(e.title, e.abstract, int(e.date)) for e in found if isinstance(e, Reference)] == entries
