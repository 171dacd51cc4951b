"""The library keeps, finds and survives."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.errors import WorkspaceError
from bioresearcher.papers.canonical import DocumentBuilder
from bioresearcher.papers.quotes import split_passages
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.retrieval.bm25 import Bm25, terms
from bioresearcher.retrieval.embedding import MiniLM, StaticMiniLM
from bioresearcher.retrieval.index import Library, fuse
from bioresearcher.retrieval.store import Store
from bioresearcher.schemas.paper import Document


class WordVectors:
    """A real if crude embedding: hashed stems, so that tests need not load the model."""

    dimension = 64

    def __init__(self, name: str = "words-64") -> None:
        self.name = name
        self.embedded = 0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += len(texts)
        rows = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for stem in terms(text):
                row[sum(stem.encode()) % self.dimension] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


TOPICS = ("survival of patients with oestrogen receptor", "normalisation of microarray intensities", "gene set scores")


def document(name: str, *texts: str) -> Document:
    builder = DocumentBuilder()
    builder.section("Methods", "methods", 1)
    for text in texts:
        builder.paragraph(text)
    builder.section("References", "references", 1)
    builder.paragraph(f"Reference about {texts[0]}")
    return builder.build(name, "note")


def long(text: str, n: int = 12) -> str:
    return " ".join(f"Sentence {i} is about {text} in cohort {i}." for i in range(n))


DOCUMENTS = [document(f"own-{i}", long(topic), long(topic + " again")) for i, topic in enumerate(TOPICS)]


@pytest.fixture
def library(tmp_path: Path):
    with Library(tmp_path / "library", embedder=WordVectors()) as made:
        for one in DOCUMENTS:
            made.add(one)
        yield made


def found(library: Library, query: str, **options: object) -> list[tuple[str, float]]:
    return [(h.passage.id, round(h.score, 5)) for h in library.search(query, **options)]  # type: ignore[arg-type]


def test_adding_twice_adds_and_embeds_nothing(tmp_path: Path) -> None:
    embedder = WordVectors()
    with Library(tmp_path, embedder=embedder) as library:
        assert library.add(DOCUMENTS[0]) == len(split_passages(DOCUMENTS[0]))
        first = embedder.embedded
        assert library.add(DOCUMENTS[0]) == 0
        assert embedder.embedded == first
    with Library(tmp_path, embedder=embedder) as library:
        assert library.add(DOCUMENTS[0]) == 0
        assert embedder.embedded == first
        assert library.document("own-0") == DOCUMENTS[0]
        assert library.document("own-9") is None
        assert library.documents() == ("own-0",)
        assert [p.text for p in library.passages("own-0")] == [p.text for p in split_passages(DOCUMENTS[0])]


def test_put_documents_are_found_whether_or_not_they_were_indexed(library: Library, tmp_path: Path) -> None:
    embedder = WordVectors()
    with Library(tmp_path / "late", embedder=embedder) as late:
        assert late.put(DOCUMENTS[0]) == len(split_passages(DOCUMENTS[0]))
        assert late.put(DOCUMENTS[0]) == 0
        assert embedder.embedded == 0
        for one in DOCUMENTS[1:]:
            late.put(one)
        assert found(late, "survival of cohorts") == found(library, "survival of cohorts")
    with Library(tmp_path / "indexed", embedder=WordVectors()) as indexed:
        assert indexed.search("survival of cohorts") == []  # Chroma is open and empty
        for one in DOCUMENTS:
            indexed.put(one)
        indexed.index()
        assert indexed._index is not None
        assert library._index is not None
        assert indexed._index.ids == library._index.ids
        assert found(indexed, "survival of cohorts") == found(library, "survival of cohorts")


def test_a_search_does_not_wait_for_the_vectors_of_a_large_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bioresearcher.retrieval.index._INDEX_AT_ONCE", 5)
    embedder = WordVectors()
    with Library(tmp_path, embedder=embedder) as library:
        for i in range(20):
            library.put(document(f"own-{i}", *(long(f"{word} topic") for word in ("kidney", "liver", f"organ{i}"))))
        hits = library.search("organ7", limit=3)
        assert hits[0].passage.document == "own-7"
        assert embedder.embedded < 10
        library.index()
        assert library.search("organ7", limit=3)[0].passage == hits[0].passage
        assert library.search("nowhere to be found") != []  # by meaning, once all have vectors


def test_closing_ends_an_index_under_way(tmp_path: Path) -> None:
    class Closing(WordVectors):
        def embed(self, texts: Sequence[str]) -> np.ndarray:
            library._closing = True  # what `close` in another thread does first
            return super().embed(texts)

    embedder = Closing()
    library = Library(tmp_path, embedder=embedder)
    library.put(document("own-0", *(long(f"topic {j}") for j in range(80))))
    library.index()
    assert 0 < embedder.embedded < 80
    library.close()


def test_search_finds_by_topic_and_keeps_to_what_is_asked(library: Library) -> None:
    hits = library.search("microarray normalisation", limit=3)
    assert {h.passage.document for h in hits} == {"own-1"}
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    assert all(0 <= h.score <= 1 for h in hits)
    assert {h.passage.document for h in library.search("microarray", documents=["own-0"])} == {"own-0"}
    assert {h.passage.kind for h in library.search("gene set scores", limit=50)} == {"methods"}
    assert {h.passage.kind for h in library.search("gene set", kinds=["references"])} == {"references"}
    assert library.search("  ") == library.search("x", limit=0) == library.search("x", documents=[]) == []
    assert library.search("x", documents=["unknown"]) == []


def test_a_run_finds_the_same_in_a_full_library_as_in_a_new_one(library: Library, tmp_path: Path) -> None:
    with Library(tmp_path / "new", embedder=WordVectors()) as new:
        new.add(DOCUMENTS[1])
        assert found(library, "scores of cohorts", documents=["own-1"]) == found(
            new, "scores of cohorts", documents=["own-1"]
        )


def test_a_second_process_finds_the_same_and_may_add(library: Library, tmp_path: Path) -> None:
    with Library(tmp_path / "library", embedder=WordVectors()) as other:
        assert found(other, "oestrogen receptor survival") == found(library, "oestrogen receptor survival")
        assert other._index is None  # the first one holds Chroma
        other.add(document("own-new", long("zebrafish hormone exposure")))
    hits = library.search("zebrafish hormone exposure", limit=1)
    assert hits[0].passage.document == "own-new"
    assert library._index is not None
    assert hits[0].passage.id in library._index.ids


def test_a_changed_paper_replaces_its_passages(library: Library) -> None:
    assert library.add(document("own-0", long("circadian rhythm of plants"))) > 0
    assert library.search("survival", documents=["own-0"], limit=50)[0].lexical == 0
    texts = {h.passage.text for h in library.search("oestrogen receptor", limit=50)}
    assert not any("oestrogen" in t for t in texts)
    assert library._index is not None
    assert {i for i in library._index.ids if i.startswith("own-0:")} <= {p.id for p in library.passages("own-0")}


def test_another_embedding_is_noticed_and_everything_embedded_again(library: Library, tmp_path: Path) -> None:
    library.close()
    other = WordVectors("words-65")
    with Library(tmp_path / "library", embedder=other) as opened:
        assert opened.search("microarray normalisation", limit=1)[0].passage.document == "own-1"
        assert other.embedded >= sum(p.kind == "methods" for d in DOCUMENTS for p in split_passages(d))
        assert opened._index is not None
        assert len(opened._index.ids) > 0


def test_a_library_of_the_model_s_own_vectors_moves_to_static_ones(tmp_path: Path) -> None:
    """Up to 0.1 every passage was indexed by the model: 384 numbers each, in Chroma and in the store."""
    model, counted = MiniLM(), Counting()
    with Library(tmp_path, embedder=model, indexer=model) as old:
        for one in DOCUMENTS:
            old.add(one)
        before = [h.passage.id for h in old.search("normalisation of arrays", limit=2)]
    (folder,) = tmp_path.glob("chroma-*")
    with Library(tmp_path, embedder=counted, indexer=StaticMiniLM()) as new:
        assert [h.passage.id for h in new.search("normalisation of arrays", limit=2)] == before
        assert counted.texts == ["normalisation of arrays"], "vectors of passages that the model had made are used"
        assert new._index is not None
        assert new._index._collection.get(limit=1, include=["embeddings"])["embeddings"].shape == (1, 128)
        assert len(new._index.ids) == sum(len(new.passages(d.id, ["methods"])) for d in DOCUMENTS)
    assert not folder.exists(), "nothing of the old index is left"


def test_an_embedding_may_change_its_part(library: Library, tmp_path: Path) -> None:
    library.close()
    before = DOCUMENTS[1].id
    for embedder, indexer in (("words-64", "other"), ("other", None), ("third", "words-64"), ("words-64", None)):
        index = WordVectors(indexer) if indexer else None
        with Library(tmp_path / "library", embedder=WordVectors(embedder), indexer=index) as opened:
            assert opened.search("microarray normalisation", limit=1)[0].passage.document == before


class Counting(MiniLM):
    """The embedded model, which tells what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        return super().embed(texts)


def test_a_question_costs_the_model_few_passages_however_many_hits_are_asked_for(tmp_path: Path) -> None:
    counted = Counting()
    with Library(tmp_path, embedder=counted, indexer=StaticMiniLM()) as library:
        for i in range(12):
            library.put(document(f"own-{i}", *(long(f"the weight of tumour {i} {j}") for j in range(5))))
        hits = library.search("weight of tumours", limit=50)
        assert len(hits) == 50
        assert len({h.passage.id for h in hits}) == 50
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
        assert len(counted.texts) <= 17
        assert library.search("weight of tumours", limit=5) == hits[:5]
        counted.texts.clear()
        library.search("weight of tumours", limit=50)
        assert counted.texts == []


@pytest.mark.parametrize("damage", ["none", "gone", "cut", "other"])
def test_words_of_a_large_library_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr("bioresearcher.retrieval.index.SAVED_FROM", 3)
    with Library(tmp_path, embedder=WordVectors()) as library:
        for one in DOCUMENTS:
            library.put(one)
        before = found(library, "survival of cohorts")
    (kept,) = tmp_path.glob("words-*")
    scores = kept / "data.csc.index.npy"
    if damage == "gone":
        shutil.rmtree(kept)
    elif damage == "cut":
        scores.write_bytes(scores.read_bytes()[:-40])
    elif damage == "other":
        (kept / "vocab.index.json").write_text("[1]")
    with Library(tmp_path, embedder=WordVectors()) as library:
        assert found(library, "survival of cohorts") == before
        library.add(document("own-new", long("zebrafish hormone exposure")))
        assert library.search("zebrafish", limit=1)[0].passage.document == "own-new"
    assert len(list(tmp_path.glob("words-*"))) == 1
    assert not kept.exists()


@pytest.mark.parametrize("damage", ["removed", "garbage"])
def test_a_lost_or_damaged_chroma_folder_is_made_again(library: Library, tmp_path: Path, damage: str) -> None:
    before = found(library, "gene set scores")
    library.close()
    script = (
        "import shutil, sys, pathlib\nroot = pathlib.Path(sys.argv[1])\n[chroma] = root.glob('chroma-*')\n"
        "if sys.argv[2] == 'removed':\n    shutil.rmtree(chroma)\n"
        "else:\n    (chroma / 'chroma.sqlite3').write_bytes(b'garbage' * 999)\n"
        "sys.path.insert(0, sys.argv[3])\nimport test_library_index as t\n"
        "with t.Library(root, embedder=t.WordVectors()) as made:\n"
        "    print(t.found(made, 'gene set scores'), len(made._index.ids))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "library"), damage, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(before))


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[2])
import pathlib, test_library_index as t

class Slow(t.WordVectors):
    def embed(self, texts):
        print("embedding", flush=True)
        time.sleep(0.05)
        return super().embed(texts)

with t.Library(pathlib.Path(sys.argv[1]), embedder=Slow()) as library:
    for i in range(50):
        library.add(t.document(f"own-{i}", *(t.long(f"topic {i} {j}") for j in range(60))))
"""


def test_after_kill_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    root = tmp_path / "library"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(root), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    embedder = WordVectors()
    with Library(root, embedder=embedder) as library:
        assert library.documents()
        hits = library.search("topic 0 3", limit=5)
        assert hits
        assert library._index is not None
        everything = sum(len(library.passages(d, ["methods"])) for d in library.documents())
        assert len(library._index.ids) == everything


KILLED_IN_CHROMA = """
import pathlib, sys, threading
sys.path.insert(0, sys.argv[2])
import test_library_index as t
from chromadb.api.models.Collection import Collection

upsert = Collection.upsert
def told(self, **rows):
    print("writing", flush=True)
    upsert(self, **rows)
Collection.upsert = told

with t.Library(pathlib.Path(sys.argv[1]), embedder=t.WordVectors()) as library:
    for i in range(500):
        library.add(t.document(f"own-{i}", *(t.long(f"topic {i} {j}") for j in range(20))))
"""


@pytest.mark.parametrize("writes", [1, 4])
def test_after_kill_while_chroma_writes_the_index_is_made_whole(tmp_path: Path, writes: int) -> None:
    root = tmp_path / "library"
    command = [sys.executable, "-c", KILLED_IN_CHROMA, str(root), str(Path(__file__).parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(writes):
        assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    process.stdout.close()
    with Library(root, embedder=WordVectors()) as library:
        assert library.search("topic 0 3", limit=5)
        assert library._index is not None
        stored = {p.id for d in library.documents() for p in library.passages(d, ["methods"])}
        assert library._index.ids == stored
        assert len(library.documents()) >= writes


def test_threads_may_add_and_search_at_once(tmp_path: Path) -> None:
    with Library(tmp_path, embedder=WordVectors()) as library:

        def work(number: int) -> int:
            library.add(document(f"own-{number}", long(f"subject {number}")))
            return len(library.search(f"subject {number}", documents=[f"own-{number}"]))

        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(work, range(8)))
        assert all(counts)
        assert len(library.documents()) == 8


def test_texts_are_embedded_once_also_by_the_next_run(tmp_path: Path) -> None:
    embedder = WordVectors()
    with Library(tmp_path, embedder=embedder) as library:
        matrix = library.similarities(["gene set", "survival"], ["gene set", "gene set", "other"])
        assert matrix.shape == (2, 3)
        assert matrix[0, 0] == pytest.approx(1, abs=1e-5)
        ranks = library.rank(["gene set analysis", "cooking"], "gene set")
        assert ranks[0] > ranks[1]
        assert all(0 <= r <= 1 for r in ranks)
        assert library.rank([], "gene set") == []
        count = embedder.embedded
        library.rank(["gene set analysis", "cooking"], "gene set")
    with Library(tmp_path, embedder=embedder) as library:
        library.rank(["gene set analysis", "cooking"], "gene set")
    assert embedder.embedded == count


def test_trouble_with_the_folder_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError) as caught:
        Library(tmp_path / "file" / "library")
    assert caught.value.hint
    (tmp_path / "library.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(WorkspaceError, match="cannot be used"):
        Library(tmp_path)


def test_a_library_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "library.sqlite").close()
    database = sqlite3.connect(tmp_path / "library.sqlite")
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(WorkspaceError, match="newer version"):
        Library(tmp_path)


def test_the_real_model_finds_the_right_passage_of_real_papers(shared_data: Path, tmp_path: Path) -> None:
    _, paper = load_paper(shared_data / "fulltext" / "jats" / "PMC2329613.nxml")
    with Library(tmp_path) as library:
        library.add(paper)
        best = library.search("agreement when the same people answer the questionnaire again two weeks later", limit=3)
        assert any("retest" in h.passage.text for h in best)
        assert library.rank(["dental health questionnaire", "seal pups"], paper.sections[0].title)
    assert not [t for t in threading.enumerate() if "posthog" in t.name.lower()]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 50)), max_size=20))
def test_fused_scores_are_between_0_and_1_and_keep_agreed_orders(pairs: list[tuple[float, float]]) -> None:
    scores = fuse([d for d, _ in pairs], [w for _, w in pairs])
    assert all(0 <= s <= 1 for s in scores)
    for (d1, w1), s1 in zip(pairs, scores, strict=True):
        for (d2, w2), s2 in zip(pairs, scores, strict=True):
            if d1 >= d2 and w1 >= w2:
                assert s1 >= s2 - 1e-9


def test_words_of_biomedical_text() -> None:
    assert terms("IL-6 and IL6") == ["il", "6", "il6", "il6"]
    assert terms("the genes of normalising") == terms("gene normalised")
    assert terms("ER+ tumours, p < 0.05") == terms("er tumour p 0.05") or "er" in terms("ER+ tumours")
    assert terms("") == []


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=40))
def test_bm25_scores_any_texts(texts: list[str], query: str) -> None:
    scores = Bm25(texts).scores(query)
    assert len(scores) == len(texts)
    assert all(s >= 0 for s in scores)
