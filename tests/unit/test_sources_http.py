"""The door to web services: time, broken files, full disks, keys and damaged stores."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pubmed_xml as px
import pytest
from services_server import Reply, ServicesServer, World

from bioresearcher.errors import WorkspaceError
from bioresearcher.sources import http_cache
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.http_cache import AnswerStore, Stored

BODY = bytes(range(256)) * 400


async def soon(_: float) -> None:
    return


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world", [px.article({"title": "A paper", "year": 2020}, 1)])


def door(**more) -> Http:
    return Http(per_second={"": 1000}, sleep=soon, **more)


async def test_a_download_that_broke_off_is_continued_and_a_changed_file_is_begun_anew(
    tmp_path: Path, world: World
) -> None:
    whole = Reply(BODY, headers={"ETag": '"1"'})

    def fault(_: str, number: int) -> Reply:
        return Reply(BODY[:30_000], length=len(BODY), headers={"ETag": '"1"'}) if number == 1 else whole

    with ServicesServer(world, fault) as server:
        web = door()
        got = await web.download(f"{server.root}/f", tmp_path / "f", max_bytes=1 << 20)
        assert ((tmp_path / "f").read_bytes(), server.ranges) == (BODY, ["", "bytes=30000-"])
        assert got.bytes == len(BODY)
        (tmp_path / "g.part").write_bytes(b"another file's beginning")
        (tmp_path / "g.part.etag.part").write_text('"0"')
        await web.download(f"{server.root}/g", tmp_path / "g", max_bytes=1 << 20)
        assert (tmp_path / "g").read_bytes() == BODY
        (tmp_path / "h.part").write_bytes(BODY * 2)
        (tmp_path / "h.part.etag.part").write_text('"1"')
        await web.download(f"{server.root}/h", tmp_path / "h", max_bytes=1 << 20)
        assert (tmp_path / "h").read_bytes() == BODY
        assert not [*tmp_path.glob("*.part")]
        await web.close()


async def test_a_disk_that_fills_up_is_one_line_and_leaves_no_file(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        (tmp_path / "f.part").write_bytes(b"begun")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bioresearcher.sources.http.save", full)
    with ServicesServer(world, lambda *_: Reply(BODY)) as server:
        web = door()
        with pytest.raises(WorkspaceError, match="No space left on device") as caught:
            await web.download(f"{server.root}/f", tmp_path / "f", max_bytes=1 << 20)
        assert "\n" not in str(caught.value)
        assert [*tmp_path.glob("f*")] == []
        await web.close()


async def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path, world: World) -> None:
    with ServicesServer(world, lambda _, n: Reply(b"late", delay_s=0.6) if n <= 4 else Reply(b"<a/>")) as server:
        web = door(timeout_s=0.1)
        with pytest.raises(ServiceError, match=r"asked 4 times"):
            await web.get(f"{server.root}/x", kind="record")
        assert (await web.get(f"{server.root}/x", kind="record")).body == b"<a/>"
        await web.close()


async def test_a_key_stands_in_no_address_and_no_log(
    tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), ServicesServer(world, lambda *_: Reply(b"<a/>")) as server:
        web = door(shared=AnswerStore(tmp_path / "s.sqlite"))
        got = await web.get(f"{server.root}/x", {"id": "1", "api_key": "my-key-0"}, kind="record")
        assert got.url == f"{server.root}/x?id=1"
        assert "api_key=my-key-0" in server.requests[0]
        assert "my-key-0" not in " ".join(server.addresses)
        await web.close()
    assert "my-key-0" not in caplog.text


def test_a_damaged_store_of_answers_is_begun_anew_only_where_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "http.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(WorkspaceError, match="cannot be used"):
        AnswerStore(path)
    store = AnswerStore(path, disposable=True)
    store.record(Stored("k", "u", "record", 200, "", b"body", fetched=1.0))
    other = AnswerStore(path, disposable=True)
    found = other.find("k")
    assert (found.body if found else None, other.find("k", 60)) == (b"body", None)
    store.close()
    other.close()


def test_what_is_there_is_continued_only_when_its_version_is_known(tmp_path: Path) -> None:
    part = tmp_path / "f.part"
    part.write_bytes(b"12345")
    assert http_cache.resume_headers(part) == {}
    (tmp_path / "f.part.etag.part").write_text('"v"')
    assert http_cache.resume_headers(part) == {"Range": "bytes=5-", "If-Range": '"v"'}
    http_cache.forget(part)
    assert [*tmp_path.iterdir()] == []
