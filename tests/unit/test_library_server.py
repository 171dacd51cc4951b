"""The library's vectors on a real Chroma server on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from bioresearcher.cli.app import main
from bioresearcher.errors import InputError, WorkspaceError
from bioresearcher.papers.canonical import DocumentBuilder
from bioresearcher.retrieval.chroma import close_client, connect_server, library_id
from bioresearcher.retrieval.embedding import MiniLM, StaticMiniLM
from bioresearcher.retrieval.index import Library
from bioresearcher.schemas.paper import Document

TOPICS = ("breast cancer", "liver fibrosis", "soil bacteria", "heart failure", "wheat drought", "malaria vaccine")


class Hashed:
    """Vectors of hashed words, so that no model is loaded."""

    name = "hashed-words"
    size = 64

    def embed(self, texts: list[str]) -> np.ndarray:
        found = np.zeros((len(texts), self.size), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                found[row, sum(map(ord, word)) % 64] += 1
        return found / np.linalg.norm(found, axis=1, keepdims=True).clip(1e-9)


@dataclass
class Server:
    """A `chroma run` of its own."""

    url: str
    process: subprocess.Popen[bytes]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    if not program.exists():
        pytest.skip("chroma's program is not installed")
    command = [str(program), "run", "--path", str(tmp_path / "served"), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/api/v2/heartbeat")
                break
            except httpx.HTTPError:
                if process.poll() is not None:
                    pytest.skip("the Chroma server does not start here")
                time.sleep(0.1)
        yield Server(url, process)
    finally:
        process.kill()
        process.wait()


def paper(topic: str) -> Document:
    builder = DocumentBuilder()
    builder.section("Methods", "methods", 1)
    builder.paragraph(f"We studied {topic} in twelve samples and measured {topic} twice with a standard assay.")
    return builder.build(f"own-{topic.replace(' ', '-')}", "note")


def filled(root: Path, url: str | None, topics: tuple[str, ...] = TOPICS) -> Library:
    library = Library(root, embedder=Hashed(), chroma_url=url)
    for topic in topics:
        library.add(paper(topic))
    return library


def best(library: Library, query: str) -> str:
    return library.search(query, limit=1)[0].passage.document


def stored(url: str) -> dict[str, int]:
    client = connect_server(url)
    counts = {c.name: c.count() for c in client.list_collections()}
    close_client(client)
    return counts


def test_vectors_live_on_the_server_and_are_found_again(server: Server, tmp_path: Path) -> None:
    with filled(tmp_path / "a", server.url) as library:
        assert best(library, "fibrosis of the liver") == "own-liver-fibrosis"
        assert library.note == ""
    assert list(stored(server.url).values()) == [len(TOPICS)]
    assert not list((tmp_path / "a").glob("chroma-*")), "nothing of Chroma's is in the folder"
    program = (
        "import sys; sys.path.insert(0, sys.argv[3]); from pathlib import Path; import test_library_server as t\n"
        "library = t.Library(Path(sys.argv[1]), embedder=t.Hashed(), chroma_url=sys.argv[2])\n"
        "library.add(t.paper('zebra fish')); print(t.best(library, 'heart failure'), len(library._index.ids))"
    )
    args = [str(tmp_path / "a"), server.url, str(Path(__file__).parent)]
    done = subprocess.run([sys.executable, "-c", program, *args], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["own-heart-failure", str(len(TOPICS) + 1)], done.stderr
    with Library(tmp_path / "a", embedder=Hashed(), chroma_url=server.url) as library:
        assert best(library, "zebra fish") == "own-zebra-fish"
        library.remove("own-zebra-fish")
        assert best(library, "zebra fish heart") == "own-heart-failure"


def test_libraries_and_embeddings_never_mix(server: Server, tmp_path: Path) -> None:
    class Other(Hashed):
        name = "other-words"

    with filled(tmp_path / "a", server.url, TOPICS[:3]) as one, filled(tmp_path / "b", server.url, TOPICS[3:]) as two:
        assert best(one, "heart failure") != "own-heart-failure"
        assert best(two, "heart failure") == "own-heart-failure"
    with Library(tmp_path / "a", embedder=Other(), chroma_url=server.url) as library:
        assert best(library, "breast cancer") == "own-breast-cancer"
    assert sorted(stored(server.url).values()) == [3, 3], "that of the other embedding made way"
    assert library_id(tmp_path / "a") == library_id(tmp_path / "a") != library_id(tmp_path / "b")


def test_a_library_of_384_numbers_on_a_server_moves_to_static_vectors(server: Server, tmp_path: Path) -> None:
    class Old(Hashed):
        name = MiniLM.name
        size = MiniLM.dimension

    with Library(tmp_path / "a", embedder=Old(), chroma_url=server.url) as library:
        for topic in TOPICS:
            library.add(paper(topic))
    (before,) = stored(server.url)
    with Library(tmp_path / "a", embedder=Old(), indexer=StaticMiniLM(), chroma_url=server.url) as library:
        assert best(library, "heart failure") == "own-heart-failure"
        assert library.note == ""
    ((after, count),) = stored(server.url).items()
    assert after != before
    assert count == len(TOPICS)
    client = connect_server(server.url)
    rows = client.get_collection(after).get(include=["embeddings"])["embeddings"]
    close_client(client)
    assert rows.shape == (len(TOPICS), StaticMiniLM.dimension)


def test_a_lost_server_is_said_and_the_same_is_found_without_it(server: Server, tmp_path: Path) -> None:
    with filled(tmp_path / "a", server.url) as library:
        before = [h.passage.id for h in library.search("heart failure of malaria patients", limit=4)]
        server.process.kill()
        server.process.wait()
        assert [h.passage.id for h in library.search("heart failure of malaria patients", limit=4)] == before
        assert library.note.startswith("the Chroma server was lost: ")
        library.add(paper("zebra fish"))
        assert best(library, "zebra fish") == "own-zebra-fish"
    with Library(tmp_path / "a", embedder=Hashed(), chroma_url=server.url) as library:
        assert best(library, "zebra fish") == "own-zebra-fish", "also when it was gone from the start"


@pytest.mark.parametrize("url", [
    "localhost:8000", "ftp://localhost", "http://user:word@localhost:8000", "http://localhost/x?y", "http://", "",
    "http://localhost:99999",
])  # fmt: skip
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InputError, match="must be http") as caught:
        connect_server(url)
    assert "word" not in str(caught.value)


def test_nobody_there_is_one_line_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared_port: int
) -> None:
    (tmp_path / "p.md").write_text("---\ntitle: A note\n---\n\nWe measured twelve samples of breast tumours.\n")
    url = f"http://127.0.0.1:{shared_port}"
    with pytest.raises(WorkspaceError, match="does not answer"):
        connect_server(url)
    args = ["run", "--objective", "Which genes?", "--papers", str(tmp_path / "p.md"), "--only-own", "--yes"]
    capsys.readouterr()
    assert main([*args, "--workspace", str(tmp_path / "w"), "--chroma-url", url]) == 4
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"the Chroma server at {url} does not answer" in line
    assert not (tmp_path / "w" / "runs").exists()


@pytest.fixture
def shared_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
