"""Crossref's notices: retraction, expression of concern, correction, from both sides of the link."""

from __future__ import annotations

import json
from pathlib import Path

import pubmed_xml as px
import pytest
from services_server import Reply, ServicesServer, World

from bioresearcher.schemas.paper import Paper
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.literature.crossref import Crossref, works_problem
from bioresearcher.sources.protocols import StatusSource

WORKS = [
    {"DOI": "10.1000/RETRACTED", "updated-by": [
        {"DOI": "10.1000/notice1", "type": "retraction", "source": "retraction-watch",
         "updated": {"date-parts": [[2021, 3, 9]]}},
        {"DOI": "10.1000/notice1", "type": "retraction", "source": "publisher"},
        {"DOI": "10.1000/old", "type": "correction", "source": "publisher"}]},
    {"DOI": "10.1000/clean"},
    {"DOI": "10.1000/edition", "updated-by": [{"DOI": "10.1000/second", "type": "new_edition"}]},
    {"DOI": "10.1000/doubted"},
    {"DOI": "10.1000/notice2", "update-to": [
        {"DOI": "10.1000/doubted", "type": "expression_of_concern", "updated": {"date-parts": [[2020]]}}]},
]  # fmt: skip


def paper(doi: str | None) -> Paper:
    return Paper(id="own-1", title="t", source="own", doi=doi)


async def soon(_: float) -> None:
    return


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world", [px.article({"title": "A paper"}, 1)])
    made.works = WORKS
    return made


async def recheck(server: ServicesServer, *papers: Paper) -> dict[str | None, Paper]:
    web = Http(per_second={"": 1000}, sleep=soon)
    try:
        source = Crossref(web, f"{server.root}/crossref", "me@example.org")
        assert isinstance(source, StatusSource)
        return {p.doi: p for p in await source.recheck(papers)}
    finally:
        await web.close()


async def test_notices_are_found_from_both_sides(world: World) -> None:
    dois = ["10.1000/retracted", "10.1000/doubted", "10.1000/clean", "10.1000/edition", "10.1000/unknown"]
    with ServicesServer(world) as server:
        found = await recheck(server, *map(paper, dois), paper(None), paper("no doi"))
    assert {d: p.status for d, p in found.items()} == {
        "10.1000/retracted": "retracted", "10.1000/doubted": "concern", "10.1000/clean": "ok", "10.1000/edition": "ok",
    }  # fmt: skip
    first, second = found["10.1000/retracted"].notices
    assert (first.what, first.doi, first.date, first.source) == (
        "retraction", "10.1000/notice1", "2021-03-09", "retraction watch",
    )  # fmt: skip
    assert second.what == "correction"
    (doubt,) = found["10.1000/doubted"].notices
    assert (doubt.doi, doubt.date, doubt.source) == ("10.1000/notice2", "2020", "crossref")


async def test_many_papers_are_asked_in_few_requests(world: World) -> None:
    with ServicesServer(world) as server:
        await recheck(server, *(paper(f"10.1000/{n}") for n in range(41)))
        assert len(server.requests) == 6


@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE html><html></html>", b'{"message": {"it', b"[]", b'{"message": {}}'])
async def test_an_answer_that_is_none_is_one_line(world: World, body: bytes) -> None:
    assert works_problem(body)
    server = ServicesServer(world, lambda *_: Reply(body, "application/json"))
    with server, pytest.raises(ServiceError, match=r"the answer .*asked 4 times") as caught:
        await recheck(server, paper("10.1000/clean"))
    assert "example.org" not in str(caught.value)


@pytest.mark.parametrize("odd", [{"updated-by": 3}, {"updated-by": [None, {"type": None}]}, {"updated-by": [
    {"type": "retraction", "updated": {"date-parts": [None]}, "DOI": 7}]}])  # fmt: skip
async def test_odd_values_do_no_harm(world: World, odd: dict[str, object]) -> None:
    world.works = [{"DOI": "10.1000/x", **odd}]
    json.dumps(world.works)
    with ServicesServer(world) as server:
        (found,) = (await recheck(server, paper("10.1000/x"))).values()
    assert found.status in ("ok", "retracted")
