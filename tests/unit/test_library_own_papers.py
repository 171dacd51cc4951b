"""Own papers: found in folders, merged, searched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.sources.protocols import LiteratureSource
from bioresearcher.sources.pubmed_offline.boolean import StemmedText, match, parse


def note(folder: Path, name: str, title: str, text: str, **fields: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    front = "".join(f"{k}: {v}\n" for k, v in fields.items())
    path = folder / name
    path.write_text(f"---\ntitle: {title}\n{front}---\n## Methods\n{text}\n", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "papers"
    note(base, "a.md", "Breast cancer subtypes", "Clustering of gene expression in breast tumours.", pmid=1)
    note(base, "b.md", "Survival models", "Cox regression in breast cancer cohorts.", pmid=2)
    note(base / "sub dir é", "c.md", "Seal pups", "Oxytocin in plasma of seals.", doi="10.1000/x")
    return base


def test_a_folder_is_read_with_subfolders_but_without_what_is_hidden(folder: Path, tmp_path: Path) -> None:
    note(folder / ".hidden", "d.md", "Hidden", "Text.")
    note(folder, ".e.md", "Hidden", "Text.")
    note(folder, "README.md", "Read me", "Text.")
    outside = note(tmp_path / "outside", "f.md", "Outside", "Text.")
    (folder / "link.md").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    (folder / "broken.md").symlink_to(tmp_path / "nowhere")
    (folder / "picture.png").write_bytes(b"x")
    papers, failures = OwnPapers([folder]).load()
    assert [p.title for p, _ in papers] == ["Breast cancer subtypes", "Survival models", "Seal pups"]
    assert all(p.path and p.path.startswith(str(folder)) and p.sha256 for p, _ in papers)
    assert failures == []


def test_unreadable_files_are_failures_and_the_rest_is_read(folder: Path) -> None:
    (folder / "login.pdf").write_text("<html>log in</html>")
    (folder / "empty.xml").write_bytes(b"")
    (folder / "draft.docx").write_bytes(b"PK")
    papers, failures = OwnPapers([folder]).load()
    assert len(papers) == 3
    assert sorted(f.item for f in failures) == ["draft.docx", "empty.xml", "login.pdf"]
    assert all(f.stage == "load_papers" and f.message for f in failures)


def test_no_papers_at_all_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b")
    with pytest.raises(InputError, match="holds no papers") as caught:
        OwnPapers([tmp_path])
    assert "PDF" in caught.value.hint
    with pytest.raises(InputError, match="does not exist"):
        OwnPapers([tmp_path / "nowhere"])
    with pytest.raises(InputError):
        OwnPapers([])


def test_the_same_paper_in_several_forms_is_one(shared_data: Path, tmp_path: Path) -> None:
    fulltext = shared_data / "fulltext"
    shutil.copy(fulltext / "jats" / "pone.0115884.xml", tmp_path / "z.xml")
    shutil.copy(fulltext / "pdf" / "pone.0115884.pdf", tmp_path / "a.pdf")
    note(tmp_path, "n.md", "Frog note", "Tadpoles.", doi="10.1371/journal.pone.0115884", pmid=25551466)
    note(tmp_path, "o.md", "Frog note again", "Tadpoles.", pmid=25551466)
    papers, failures = OwnPapers([tmp_path]).load()
    assert failures == []
    assert len(papers) == 1
    paper, document = papers[0]
    assert (paper.kind, paper.pmid) == ("jats", "25551466")
    assert document.id == paper.id
    assert document.warnings[-1] == "also given as a.pdf, n.md, o.md; the text of z.xml was used."


def test_the_same_file_twice_and_given_twice_is_one(folder: Path) -> None:
    shutil.copy(folder / "a.md", folder / "copy.md")
    papers, _ = OwnPapers([folder, folder / "a.md", folder]).load()
    assert len(papers) == 3


async def test_search_reads_boolean_queries_leniently(folder: Path) -> None:
    source: LiteratureSource = OwnPapers([folder])

    async def titles(query: str, limit: int = 10) -> list[str]:
        return [p.title for p in (await source.search(query, limit)).papers]

    assert await titles('"breast cancer"[Title/Abstract] AND (survival OR "Cox regression"[MeSH])') == [
        "Survival models",
        "Breast cancer subtypes",
    ]
    assert await titles("breast NOT cox") == ["Breast cancer subtypes"]
    assert await titles("oxytoc*") == ["Seal pups"]
    assert await titles("breast cancer", 1) != []
    assert await titles("quantum chromodynamics") == []
    assert await titles("") == await titles("AND OR NOT ((") == []


async def test_fetch_gives_the_text(folder: Path) -> None:
    source = OwnPapers([folder])
    assert "Oxytocin in plasma" in (await source.fetch("doi-10.1000-x")).text
    with pytest.raises(UnreadablePaper, match="not among"):
        await source.fetch("PMID999")


@settings(deadline=None)
@given(st.text('abc "()[]*&|ANDORT ', max_size=200), st.text(max_size=60))
def test_any_query_is_read_and_gives_a_share(query: str, text: str) -> None:
    assert 0 <= match(parse(query), StemmedText.of(text)) <= 1


def test_deep_brackets_are_no_trouble() -> None:
    assert match(parse("(" * 3_000 + "gene" + ")" * 3_000), StemmedText.of("a gene")) in (0.0, 1.0)


def test_shares_of_queries() -> None:
    text = StemmedText.of("IL-6 expression rose in the serum of mice")
    assert match(parse("IL6 AND serum"), text) == 1
    assert match(parse('"serum mice"'), text) == 1
    assert match(parse('"mice serum"'), text) == 0.5
    assert match(parse("serum AND rats AND liver"), text) == pytest.approx(1 / 3)
    assert match(parse("serum NOT (mice OR rats)"), text) == 0
