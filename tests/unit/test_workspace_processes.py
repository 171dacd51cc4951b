"""Eight processes use one workspace at the same time: answers, downloads, documents, vectors; some are killed."""

from __future__ import annotations

import asyncio
import collections
import hashlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import library_process
import pubmed_xml as px
import pytest
from library_process import ANSWERS, DOCUMENTS
from services_server import Reply, ServicesServer, World
from test_library_index import WordVectors

from bioresearcher.limits.file_lock import single_flight
from bioresearcher.retrieval.index import Library
from bioresearcher.sources.http import Http
from bioresearcher.sources.http_cache import AnswerStore

FILE = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(FILE).hexdigest()


def answer(path: str, _: int) -> Reply:
    if path.endswith("/file"):
        return Reply(FILE, headers={"ETag": '"1"'}, delay_s=0.2)
    return Reply(b"<a>" + path.encode() * 200 + b"</a>", delay_s=0.1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world", [px.article({"title": "A paper", "year": 2020}, 1)])


def started(folder: Path, url: str, number: int, *, searches: int = 0) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    command = [sys.executable, library_process.__file__, str(folder), url, str(number), str(searches)]
    env = {"PYTHONPATH": f"{here}:{here.parent / 'support'}"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def asked(server: ServicesServer) -> collections.Counter[str]:
    return collections.Counter(address.rpartition("/")[2] for address in server.addresses)


def whole(path: Path) -> bool:
    with sqlite3.connect(path) as db:
        return db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.slow
def test_eight_processes_lose_nothing_and_ask_everything_once(tmp_path: Path, world: World) -> None:
    with ServicesServer(world, answer) as server:
        running = [started(tmp_path, server.root, n, searches=n // 6) for n in range(8)]
        ended = [process.communicate(timeout=100) for process in running]
    assert [(process.returncode, errors) for process, (_, errors) in zip(running, ended, strict=True)] == [(0, "")] * 8
    assert all(f"downloaded {DIGEST}" in said for said, _ in ended)
    for address, number in asked(server).items():
        # a file that was fetched before a process wants it is fetched again: what a download is good for, its
        # caller knows; at the same time it is fetched once
        assert number == 1 or address == "file", address
    assert len(asked(server)) == ANSWERS + 1
    assert [path.name for path in (tmp_path / "library" / "geo").iterdir()] == ["file"]
    check_library(tmp_path, {f"own-{n}-{i}" for n in range(8) for i in range(DOCUMENTS)})


def check_library(folder: Path, stored: set[str]) -> None:
    assert whole(folder / "library" / "http.sqlite")
    assert whole(folder / "library" / "library.sqlite")
    with Library(folder / "library", embedder=WordVectors()) as library:
        assert stored <= set(library.documents())
        library.index()
        assert library._index is not None
        passages = {p.id for d in library.documents() for p in library.passages(d, ["methods"])}
        assert library._index.ids == passages
        assert library._index._collection.count() == len(passages)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_processes_harm_nobody_and_what_they_had_stored_is_there(
    tmp_path: Path, world: World, seed: int
) -> None:
    rng = random.Random(seed)
    with ServicesServer(world, answer) as server:
        running = [started(tmp_path, server.root, n) for n in range(5)]
        for process in running[:3]:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(rng.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
        ended = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [-signal.SIGKILL] * 3 + [0] * 2
    assert all(f"downloaded {DIGEST}" in said for said, _ in ended[3:])
    for address, number in asked(server).items():  # once, and once more for each that was killed while it asked
        assert number <= 4 or address == "file", address
    assert (tmp_path / "library" / "geo" / "file").read_bytes() == FILE
    said = "\n".join(text for text, _ in ended)
    check_library(tmp_path, {line.removeprefix("stored ") for line in said.splitlines() if line.startswith("stored ")})


async def test_a_download_that_another_process_just_finished_is_not_repeated(tmp_path: Path, world: World) -> None:
    with ServicesServer(world, answer) as server:
        doors = [Http(per_second={"": 1000}) for _ in range(3)]
        target = tmp_path / "file"
        got = await asyncio.gather(*(d.download(f"{server.root}/file", target, max_bytes=1 << 24) for d in doors))
        assert [one.sha256 for one in got] == [DIGEST] * 3
        assert len(server.addresses) == 1
        await doors[0].download(f"{server.root}/file", target, max_bytes=1 << 24)  # asked for anew, it is fetched
        assert len(server.addresses) == 2
        for one in doors:
            await one.close()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["file"]


async def test_an_answer_that_nobody_could_get_is_asked_for_by_each(tmp_path: Path, world: World) -> None:
    with ServicesServer(world, lambda *_: Reply(b"no", status=403)) as server:
        doors = [Http(shared=AnswerStore(tmp_path / "s.sqlite"), per_second={"": 1000}) for _ in range(3)]
        ended = await asyncio.gather(*(d.get(f"{server.root}/x", kind="record") for d in doors), return_exceptions=True)
        assert ["403" in str(error) for error in ended] == [True] * 3
        assert len(server.addresses) == 3
        for one in doors:
            await one.close()
    assert [*(tmp_path / "s.asking").iterdir()] == []


async def test_a_holder_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with single_flight(tmp_path / "x" / "lock", patience_s=9) as waited:
        assert not waited
        async with single_flight(tmp_path / "x" / "lock", patience_s=0.05) as waited:
            assert waited
    assert [*(tmp_path / "x").iterdir()] == []
