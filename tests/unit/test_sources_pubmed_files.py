"""PubMed XML files as a literature source without a network."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pubmed_xml as px
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.cli.app import main
from bioresearcher.errors import InputError, StoppedError, WorkspaceError
from bioresearcher.graph.prepare import pubmed_files
from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.identifiers import ABSTRACT_ONLY
from bioresearcher.schemas.paper import Failure
from bioresearcher.settings import load_settings
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.sources.protocols import LiteratureSource
from bioresearcher.sources.pubmed_offline.query import Leaf, Node, Vocabulary, parse, translate
from bioresearcher.sources.pubmed_offline.source import PubmedFiles, in_order


def source(folder: Path, *paths: Path) -> PubmedFiles:
    return PubmedFiles(paths, folder / "index")


def article(pmid: int, title: str, abstract: str = "", **fields: object) -> str:
    return px.article({"title": title, "abstract": abstract, **fields}, pmid)


async def found(papers: PubmedFiles, query: str, limit: int = 50) -> set[int]:
    hits = await papers.search(query, limit)
    assert len(hits.papers) == min(limit, hits.total)
    return {int(p.pmid or 0) for p in hits.papers}


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PubmedFiles:
    folder = tmp_path_factory.mktemp("pubmed")
    return source(folder, px.write_file(folder / "real.xml.gz", px.all_articles(shared_data)))


async def test_all_real_records_are_read_and_found(real: PubmedFiles, shared_data: Path) -> None:
    digests, failures = real.load()
    assert failures == []
    assert len(digests) == 1
    numbers = {n[1] for a in px.all_articles(shared_data) if (n := re.search(r"<PMID[^>]*>(\d+)", a))}
    assert (await real.search("NOT zzzz", 0)).total == len(numbers) > 700
    paper = real.paper("PMID29768149")
    assert paper is not None
    assert paper.title == "Inhaled Combined Budesonide-Formoterol as Needed in Mild Asthma."
    assert (paper.doi, paper.year, paper.journal) == (
        "10.1056/nejmoa1715274", 2018, "The New England journal of medicine",
    )  # fmt: skip
    assert paper.authors[0] == "Paul M O'Byrne"
    assert paper.abstract.startswith("BACKGROUND: In patients with mild asthma")
    assert "β 2-agonist" in paper.abstract
    document = await real.fetch("PMID29768149")
    assert (document.kind, ABSTRACT_ONLY in document.warnings) == ("record", True)
    assert [s.kind for s in document.sections][:4] == ["title", "abstract", "introduction", "methods"]
    asked: LiteratureSource = real
    assert asked.hosts == ()


@pytest.mark.parametrize(
    ("query", "pmids"),
    [
        ("budesonide[ti] AND asthma", {29768149}),
        ('"mild asthma"[Title] AND 2018[dp]', {29768149}),
        ('"mild asthma"[Title] AND 2019:3000[dp]', set()),
        ('"mild asthma"[ti] AND ("2017/01/01"[Date - Publication] : "3000"[Date - Publication])', {29768149}),
        ("O'Byrne PM[Author] AND budesonide", {29768149}),
        ("O'Byrne P[au] AND budesonid*", {29768149}),
        ("N Engl J Med[ta] AND formoterol[tiab]", {29768149}),
        ("10.1056/NEJMoa1715274[doi]", {29768149}),
        ("29768149[pmid]", {29768149}),
        ("(budesonide AND formoterol) NOT asthma", set()),
        ("Published Erratum[pt] AND MageC2", {38833988}),
    ],
)
async def test_fields_of_pubmed_are_asked(real: PubmedFiles, query: str, pmids: set[int]) -> None:
    assert await found(real, query) == pmids


async def test_what_was_not_understood_or_stands_nowhere_is_said(real: PubmedFiles) -> None:
    hits = await real.search('"quantum gravity waves"[tiab] AND cancer[mesh] AND free full text[sb]', 5)
    assert hits.total == 0
    assert "quantum gravity waves[tiab]" in hits.missing
    assert "cancer[mesh]" not in hits.missing
    assert "headings below cancer are not known here and were not added" in hits.warnings
    assert any("[sb] is not indexed" in w for w in hits.warnings)
    assert hits.translation.startswith('"quantum gravity waves"[Title/Abstract] AND "cancer"[MeSH Terms]')
    assert (await real.search("the of and", 5)).total == 0


def test_operators_go_from_left_to_right_and_tags_hold_for_brackets() -> None:
    tree = parse("a1 OR b1 AND c1 NOT (d1 e1)[tiab]")
    assert tree == Node(
        "NOT",
        Node("AND", Node("OR", Leaf("a1"), Leaf("b1")), Leaf("c1")),
        Leaf("d1 e1", tag="tiab"),
    )
    assert parse("((()") is None


async def test_a_later_file_overrides_and_withdraws(tmp_path: Path) -> None:
    old = px.write_file(
        tmp_path / "pubmed26n0002.xml",
        [article(1, "Seals sleep"), article(2, "Seals eat"), article(3, "Seals dive")],
    )
    delete = '<DeleteCitation><PMID Version="1">2</PMID></DeleteCitation>'
    new = px.write_file(tmp_path / "pubmed26n0010.xml", [article(1, "Whales sleep"), delete])
    for order in ([new, old], [old, new]):
        papers = source(tmp_path, *order)
        assert papers.load()[1] == []
        assert await found(papers, "seals OR whales") == {1, 3}
        assert await found(papers, "seals") == {3}
        assert (await papers.search("sleep", 5)).papers[0].title == "Whales sleep"
        assert papers.paper("PMID2") is None
        with pytest.raises(UnreadablePaper, match="PMID2 is not among"):
            await papers.fetch("PMID2")


async def test_within_a_file_the_later_and_higher_version_counts(tmp_path: Path) -> None:
    second = article(1, "Second version").replace('Version="1"', 'Version="2"')
    file = px.write_file(
        tmp_path / "a.xml", [second, article(1, "First version"), article(2, "Old"), article(2, "New")]
    )
    papers = source(tmp_path, file)
    assert [p.title for p in (await papers.search("version OR old OR new", 5)).papers] == ["New", "Second version"]
    assert (await papers.search("first", 5)).total == 0


def test_names_of_nlm_are_ordered_by_their_numbers_and_others_are_left() -> None:
    named = [Path("b/pubmed26n1300.xml.gz"), Path("a/pubmed26n0002.xml.gz"), Path("pubmed25n9999.xml")]
    assert [p.name for p in in_order(named)] == ["pubmed25n9999.xml", "pubmed26n0002.xml.gz", "pubmed26n1300.xml.gz"]
    assert in_order([Path("z.xml"), *named, Path("z.xml")]) == [Path("z.xml"), *named]


async def test_the_index_is_built_once_and_again_when_it_is_damaged(tmp_path: Path) -> None:
    file = px.write_file(tmp_path / "a.xml", [article(1, "Seals sleep")])
    source(tmp_path, file).load()
    (index,) = (tmp_path / "index").glob("*.sqlite")
    written = index.stat().st_mtime_ns
    moved = tmp_path / "moved"
    moved.mkdir()
    file.rename(moved / "b.xml")
    assert await found(source(tmp_path, moved), "seals") == {1}
    assert index.stat().st_mtime_ns == written
    index.write_bytes(b"no database" * 100)
    assert await found(source(tmp_path, moved), "seals") == {1}
    os.truncate(index, 4096)
    assert await found(source(tmp_path, moved), "seals") == {1}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE PubmedArticleSet [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<PubmedArticleSet><PubmedArticle>&b;</PubmedArticle></PubmedArticleSet>"
)
OUTSIDE = BOMB.replace('b "&a;&a;&a;&a;"', 'b SYSTEM "file:///etc/passwd"')


def whole() -> bytes:
    return (px.HEAD + "".join(article(n, f"Seals {n}", "They sleep. " * 20) for n in range(1, 200)) + px.TAIL).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(whole(), mtime=0)[:-100], "cut off"),
        (whole()[:-3_000], "cut off or not well-formed"),
        (gzip.compress(whole(), mtime=0)[:60] + b"x" * 500, "damaged"),
        (b"", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
        (b"PMID- 1\nTI  - A", "not XML"),
        (b"<article><front/></article>", "root element is <article>"),
        (BOMB.encode(), "entities of its own"),
        (OUTSIDE.encode(), "entities of its own"),
    ],
)
async def test_a_bad_file_is_one_line_and_leaves_nothing(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "bad.xml.gz").write_bytes(content)
    good = px.write_file(tmp_path / "good.xml", [article(7, "Seals sleep")])
    papers = source(tmp_path, tmp_path / "bad.xml.gz", good)
    digests, failures = papers.load()
    assert list(digests) == [str(good)]
    (failure,) = failures
    assert failure.item == "bad.xml.gz"
    assert said in failure.message
    assert "\n" not in failure.message
    assert await found(papers, "seals") == {7}
    assert len(list((tmp_path / "index").glob("*.sqlite"))) == 1
    assert not list((tmp_path / "index").glob("*.part"))


def test_records_without_pmid_and_an_answer_without_records_are_said(tmp_path: Path, shared_data: Path) -> None:
    file = px.write_file(tmp_path / "a.xml", [article(1, "Seals"), "<PubmedArticle/>", article(2, "")])
    none = shared_data / "pubmed/raw/efetch/37909814.xml"
    assert source(tmp_path, file, none).load()[1] == [
        Failure(
            item="a.xml",
            stage="load_papers",
            message="a.xml: 2 records of books, or without PMID or title, were left out.",
        ),
        Failure(item="37909814.xml", stage="load_papers", message="37909814.xml: it holds no records."),
    ]


def test_a_missing_file_and_an_empty_folder_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.xml does not exist"):
        source(tmp_path, tmp_path / "gone.xml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds no \.xml"):
        source(tmp_path, tmp_path / "empty")


def test_a_folder_for_indexes_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    file = px.write_file(tmp_path / "a.xml", [article(1, "Seals sleep")])
    (tmp_path / "index").write_text("a file")
    with pytest.raises(WorkspaceError, match=r"index of a\.xml cannot be written"):
        source(tmp_path, file).load()


WORDS = ("seal", "whale", "sleep", "dive")
LEAVES = st.sampled_from([Leaf(w, tag=t) for w in WORDS for t in ("ti", "tiab", "")])
TREES = st.recursive(
    LEAVES,
    lambda t: st.builds(Node, st.sampled_from(["AND", "OR", "NOT"]), t, t),
    max_leaves=6,
)
PAPERS = [(" ".join(w for n, w in enumerate(WORDS) if bits >> n & 1) or "none", WORDS[bits % 4]) for bits in range(16)]


def written(tree: Leaf | Node | None) -> str:
    if isinstance(tree, Node):
        return f"({written(tree.left)} {tree.operator} {written(tree.right)})"
    assert tree is not None
    return f"{tree.text}[{tree.tag}]" if tree.tag else tree.text


def answers(tree: Leaf | Node | None) -> set[int]:
    """What set theory says, over PAPERS numbered from 1."""
    if isinstance(tree, Node):
        left, right = answers(tree.left), answers(tree.right)
        return {"AND": left & right, "OR": left | right, "NOT": left - right}[tree.operator]
    assert tree is not None
    return {
        n for n, (title, abstract) in enumerate(PAPERS, 1)
        if tree.text in title.split() or (tree.tag != "ti" and tree.text == abstract)
    }  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> PubmedFiles:
    folder = tmp_path_factory.mktemp("small")
    articles = [article(n, title, abstract) for n, (title, abstract) in enumerate(PAPERS, 1)]
    first = px.write_file(folder / "a.xml", [article(3, "old seal"), *articles[:9]])
    return source(folder, first, px.write_file(folder / "b.xml", [*articles[8:], articles[1]]))


@given(TREES)
@settings(max_examples=60)
def test_any_tree_finds_what_set_theory_says(small: PubmedFiles, tree: Leaf | Node) -> None:
    hits = small._search(written(tree), 50)
    assert {int(p.pmid or 0) for p in hits.papers} == answers(tree)
    assert hits.total == len(answers(tree))


@given(st.text(alphabet='ab"()[]:*/ANDORT{}+-^ti0129 ', max_size=80))
@settings(max_examples=150)
def test_any_text_is_a_query_that_the_index_understands(small: PubmedFiles, text: str) -> None:
    hits = small._search(text, 5)
    assert len(hits.papers) <= 5
    tree = parse(text)
    assert (tree is None or translate(tree, Vocabulary()) is None) <= (hits.total == 0)


def test_files_may_stand_in_settings_and_doctor_says_what_is_indexed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    px.write_file(tmp_path / "lab" / "pubmed.xml", [article(1, "Seals sleep"), article(2, "Seals eat")])
    config = tmp_path / "lab" / "bioresearcher.toml"
    config.write_text('pubmed_xml = ["pubmed.xml"]\n')
    named = load_settings({"config": config, "workspace": tmp_path / "w"})
    assert named.pubmed_xml == (tmp_path / "lab" / "pubmed.xml",)
    files = pubmed_files(named)
    assert files is not None
    assert files.described() == "1 file, 0 records indexed; 1 will be indexed by the first run"
    files.load()
    assert files.described() == "1 file, 2 records indexed"
    two = load_settings({}, {"BIORESEARCHER_PUBMED_XML": os.pathsep.join(["a.xml", "b"])})
    assert two.pubmed_xml == (tmp_path / "a.xml", tmp_path / "b")
    config.write_text('pubmed_xml = "pubmed.xml"\n')
    with pytest.raises(InputError, match="pubmed_xml: must be a list of paths"):
        load_settings({"config": config})
    with pytest.raises(InputError, match=r"a\.xml does not exist"):
        pubmed_files(two)


async def test_a_retraction_in_a_record_is_known_and_silence_is_not_taken_for_soundness(tmp_path: Path) -> None:
    notice = '<CommentsCorrections RefType="RetractionIn"><PMID>99</PMID></CommentsCorrections>'
    notice = f"<CommentsCorrectionsList>{notice}</CommentsCorrectionsList>"
    retracted = article(1, "Seals sleep", publication_types=["Journal Article", "Retracted Publication"])
    retracted = retracted.replace("</MedlineCitation>", f"{notice}</MedlineCitation>")
    papers = source(tmp_path, px.write_file(tmp_path / "a.xml", [retracted, article(2, "Seals eat")]))
    first, second = papers.paper("PMID1"), papers.paper("PMID2")
    assert first is not None
    assert second is not None
    assert (first.status, [(n.what, n.pmid) for n in first.notices]) == ("retracted", [("retraction", "99")])
    assert (second.status, second.notices, second.languages) == ("unknown", (), ("eng",))
    assert await found(papers, "Retracted Publication[pt]") == {1}


INDEX = """
import sys
import threading
from pathlib import Path
from bioresearcher.sources.pubmed_offline.source import PubmedFiles
PubmedFiles([Path(sys.argv[1])], Path(sys.argv[2])).load()
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    articles = (article(n, f"Seals {n}", f"They sleep on beach {n}. " * 20) for n in range(1, 2_001))
    return px.write_file(tmp_path_factory.mktemp("many") / "many.xml", articles)


KILLED = """
import os, sys
from pathlib import Path
from bioresearcher.sources.pubmed_offline import source
from bioresearcher.sources.pubmed_offline.source import PubmedFiles
source._SHOW_EVERY = 1_000
PubmedFiles([Path(sys.argv[1])], Path(sys.argv[2]), lambda said: os.kill(os.getpid(), 9)).load()
"""


def test_an_index_that_was_killed_halfway_is_no_index(tmp_path: Path, many: Path) -> None:
    folder = tmp_path / "index"
    done = subprocess.run([sys.executable, "-c", KILLED, str(many), str(folder)])
    assert done.returncode == -9
    assert list(folder.glob("*.part"))
    assert not list(folder.glob("*.sqlite"))
    assert source(tmp_path, many)._search("seals", 1).total == 2_000
    assert not list(folder.glob("*.part"))


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(tmp_path: Path, many: Path) -> None:
    folder = tmp_path / "index"
    limited = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n{INDEX}"
    done = subprocess.run([sys.executable, "-c", limited, str(many), str(folder)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "WorkspaceError: the index of many.xml cannot be written" in done.stderr.splitlines()[-1]
    assert [p.suffix for p in folder.iterdir()] == [".lock"]


async def test_a_heading_includes_those_below_it_unless_it_is_asked_for_alone(tmp_path: Path) -> None:
    headings = (["Liposarcoma, Myxoid"], ["Sarcoma"], ["Osteosarcoma"], ["Breast Neoplasms"], ["Seals, Earless"])
    articles = [article(n, f"Paper {n}", mesh=mesh) for n, mesh in enumerate(headings, 1)]
    papers = source(tmp_path, px.write_file(tmp_path / "a.xml", articles))
    assert await found(papers, "Sarcoma[mh]") == {1, 2, 3}
    assert await found(papers, '"sarcoma"[MeSH Terms:noexp]') == {2}
    assert await found(papers, "Sarcoma, Soft Tissue[mesh] NOT liposarcoma[mesh]") == {2, 3}
    assert await found(papers, "Neoplasms[mh]") == {1, 2, 3, 4}
    assert await found(papers, "Neoplasms[majr]") == set()


@pytest.mark.parametrize(
    "query",
    [
        " AND ".join(["cancer"] * 400),
        " OR ".join(f"word{n}[tiab]" for n in range(400)),
        " ".join(f"a{n} AND b{n} OR" for n in range(60)) + " cancer",
        "(" * 50 + "cancer" + ")" * 50,
        " NOT ".join(f"(word{n} OR other{n}*)" for n in range(120)),
        "Neoplasms[mh] OR " * 9 + "1900:2026[dp]",
    ],
)
async def test_a_query_of_any_length_and_depth_is_answered(real: PubmedFiles, query: str) -> None:
    hits = await real.search(query, 3)
    assert hits.total or hits.warnings


def test_pubmed_xml_among_papers_is_told_where_it_belongs(tmp_path: Path) -> None:
    px.write_file(tmp_path / "papers" / "pubmed.xml", [article(1, "Seals sleep")])
    (failure,) = OwnPapers([tmp_path / "papers"]).load()[1]
    assert failure.hint == "Give PubMed's XML with --pubmed-xml."


async def test_folders_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20#1?x=é"
    file = px.write_file(folder / "a.xml", [article(1, "Seals sleep")])
    assert await found(source(folder, file), "seals") == {1}
    assert await found(source(folder, file), "seals") == {1}
    assert [p.suffix for p in sorted((folder / "index").iterdir())] == [".lock", ".sqlite"]


async def test_indexing_ends_soon_when_nobody_waits_for_it(
    tmp_path: Path, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bioresearcher.sources.pubmed_offline.source._SHOW_EVERY", 10)
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def show(said: str) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(30)

    papers = PubmedFiles([many], tmp_path / "index", show)
    task = asyncio.create_task(papers.search("seals", 1))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    with pytest.raises(StoppedError, match=r"indexing many\.xml was stopped"):
        await asyncio.to_thread(papers.load)
    assert [p.suffix for p in (tmp_path / "index").iterdir()] == [".lock"]


def test_files_that_are_not_there_are_said_before_a_run_folder_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["run", "--objective", "Which genes predict survival?", "--pubmed-xml", str(tmp_path / "gone.xml.gz")]
    assert main([*asked, "--yes", "--workspace", str(tmp_path / "w")]) == 2
    assert capsys.readouterr().err.strip().endswith("gone.xml.gz does not exist. Give PubMed XML files.")
    assert not (tmp_path / "w").exists()
