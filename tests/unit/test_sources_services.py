"""Web services through the one door: faults, limits, kept answers; PubMed, PMC and Europe PMC."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import time
from pathlib import Path

import pubmed_xml as px
import pytest
from services_server import Reply, ServicesServer, World

from bioresearcher.errors import OutsideError
from bioresearcher.graph.services import open_services
from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.schemas.model import ServiceSettings
from bioresearcher.schemas.paper import Paper
from bioresearcher.settings import Settings
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.http_cache import AnswerStore
from bioresearcher.sources.literature.europepmc import EuropePmc, _page_problem, _paper, europepmc_query
from bioresearcher.sources.literature.eutils import xml_of, xml_problem
from bioresearcher.sources.literature.pubmed import PubMed, _records
from bioresearcher.sources.protocols import FullTextSource, LiteratureSource, StatusSource
from bioresearcher.stages.read import best_text

RECORD = {"title": "Immune classes of liposarcoma", "abstract": "We grouped liposarcoma.", "year": 2020}


async def soon(_: float) -> None:
    await asyncio.sleep(0)


def http(folder: Path, **more) -> Http:
    return Http(
        shared=AnswerStore(folder / "shared.sqlite"), ledger=more.pop("ledger", None), per_second={"": 1000},
        sleep=soon, **more,
    )  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    retracted = px.article({**RECORD, "title": "Withdrawn classes of liposarcoma"}, 2).replace(
        "<MeshHeadingList>",
        '<CommentsCorrectionsList><CommentsCorrections RefType="RetractionIn"><RefSource>J</RefSource><PMID>9</PMID>'
        "</CommentsCorrections></CommentsCorrectionsList><MeshHeadingList>",
        1,
    )
    return World(tmp_path / "world", [px.article(RECORD, 1), retracted])


def pubmed(server: ServicesServer, door: Http) -> PubMed:
    return PubMed(door, f"{server.root}/entrez/eutils", {"tool": "t", "api_key": "secret-key"})


async def test_the_doors_of_a_workspace_keep_to_a_hosts_rate_together(tmp_path: Path, world: World) -> None:
    with ServicesServer(world, lambda *_: Reply(b"<a/>")) as server:
        at = ServiceSettings(eutils=f"{server.root}/entrez/eutils", per_second=20)
        settings = Settings(only_own=False, workspace=tmp_path / "w", services=at)
        doors = [d for d in (open_services(settings, None).http for _ in range(3)) if d]
        questions = [
            door.get(f"{server.root}/{i}", {"n": f"{n}"}, kind="record")
            for i, door in enumerate(doors)
            for n in range(4)
        ]
        begun = time.monotonic()
        await asyncio.gather(*questions)
        took_s = time.monotonic() - begun
        for one in doors:
            await one.close()
    assert len(server.requests) == 12
    assert took_s >= 11 / 20 - 0.01  # each for itself: 3 / 20


async def test_pubmed_says_how_it_understood_a_query_and_what_stands_nowhere(tmp_path: Path, world: World) -> None:
    with ServicesServer(world) as server:
        door = http(tmp_path)
        source: LiteratureSource = pubmed(server, door)
        hits = await source.search('liposarcoma[tiab] AND "immune classes"[ti]', 5)
        assert ([p.id for p in hits.papers], hits.total, hits.literal) == (["PMID1"], 1, True)
        assert hits.papers[0].status == "ok"
        assert "[Title/Abstract]" in hits.translation
        nothing = await source.search('liposarcoma AND "zebra crossing"[ti]', 5)
        assert (nothing.total, nothing.missing) == (0, ("zebra crossing[ti]",))
        await door.close()


async def test_retraction_is_read_from_the_record_and_asked_again(tmp_path: Path, world: World) -> None:
    with ServicesServer(world) as server:
        door = http(tmp_path)
        source = pubmed(server, door)
        assert isinstance(source, StatusSource)
        (known,) = await source.recheck([Paper(id="own-1", title="t", source="own", pmid="2", status="ok")])
        assert (known.id, known.status, known.notices[0].pmid) == ("own-1", "retracted", "9")
        await door.close()


async def test_a_warm_repeat_makes_no_request_and_nothing_stored_holds_the_key(tmp_path: Path, world: World) -> None:
    with ServicesServer(world) as server:
        ledger = AnswerStore(tmp_path / "ledger.sqlite")
        door = http(tmp_path, ledger=ledger)
        first = await pubmed(server, door).search("liposarcoma", 5)
        asked = len(server.requests)
        assert any("secret-key" in r for r in server.requests)
        await door.close()
        again = http(tmp_path)
        assert await pubmed(server, again).search("liposarcoma", 5) == first
        assert (len(server.requests), again.requests) == (asked, 0)
        await again.close()
    for name in ("shared.sqlite", "ledger.sqlite"):
        assert b"secret-key" not in b"".join(p.read_bytes() for p in tmp_path.glob(f"{name}*"))
    replay = Http(ledger=AnswerStore(tmp_path / "ledger.sqlite"), replay=True)
    gone = PubMed(replay, f"{server.root}/entrez/eutils", {})
    assert await gone.search("liposarcoma", 5) == first
    with pytest.raises(OutsideError, match="did not ask this"):
        await gone.search("something else", 5)
    await replay.close()


FAULTS = {
    "busy": Reply(b"slow down", "text/plain", 429, {"Retry-After": "1"}),
    "broken": Reply(b"oops", "text/html", 500),
    "a web page with status 200": Reply(b"<!DOCTYPE html><html><body>Maintenance</body></html>", "text/html"),
    "cut off": Reply(b"<eSearchResult><Count>1</Count><IdList>"),
    "fewer bytes than announced": Reply(b"<eSearchResult>", length=5000),
    "empty": Reply(b""),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_trouble_that_passes_is_waited_for(tmp_path: Path, world: World, name: str) -> None:
    with ServicesServer(world, lambda _, number: FAULTS[name] if number <= 2 else None) as server:
        door = http(tmp_path)
        hits = await pubmed(server, door).search("liposarcoma", 5)
        assert hits.total == 2
        await door.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("busy", "status 429"), ("broken", "status 500"), ("a web page with status 200", "a web page, not XML"),
        ("cut off", "cut off or not well-formed"), ("fewer bytes than announced", "cannot be reached"),
        ("empty", "the answer is empty"),
    ],
)  # fmt: skip
async def test_trouble_that_stays_is_one_line_and_nothing_is_kept(
    tmp_path: Path, world: World, name: str, said: str
) -> None:
    with ServicesServer(world, lambda *_: FAULTS[name]) as server:
        door = http(tmp_path)
        with pytest.raises(ServiceError, match=said) as caught:
            await pubmed(server, door).search("liposarcoma", 5)
        assert "\n" not in caught.value.message
        assert "secret-key" not in str(caught.value)
        await door.close()
        server.fault = None
        again = http(tmp_path)
        assert (await pubmed(server, again).search("liposarcoma", 5)).total == 2
        await again.close()


async def test_a_host_that_is_not_there_is_left_alone_after_the_first_time(tmp_path: Path) -> None:
    door = http(tmp_path)
    source = PubMed(door, "http://127.0.0.1:9/entrez", {})
    with pytest.raises(ServiceError, match=r"127.0.0.1:9 cannot be reached"):
        await source.search("a", 5)
    asked = door.requests
    with pytest.raises(ServiceError, match="cannot be reached"):
        await source.search("b", 5)
    assert door.requests == asked
    await door.close()


async def test_answers_and_files_have_limits_and_downloads_are_completed(tmp_path: Path, world: World) -> None:
    body = bytes(range(256)) * 400
    world.geo.files["series/f.gz"] = body

    def cut(_: str, number: int) -> Reply | None:
        return Reply(body[:1000], length=len(body)) if number == 1 else None

    with ServicesServer(world, cut) as server:
        door = http(tmp_path)
        url = f"{server.root}/geo/series/f.gz"
        got = await door.download(url, tmp_path / "f.gz", max_bytes=1 << 20)
        assert (got.bytes, (tmp_path / "f.gz").read_bytes()) == (len(body), body)
        with pytest.raises(ServiceError, match="MB"):
            await door.download(url, tmp_path / "g.gz", max_bytes=1000)
        with pytest.raises(ServiceError, match="MB"):
            await door.get(url, kind="record", max_bytes=1000)
        with pytest.raises(ServiceError, match="checksum"):
            await door.download(url, tmp_path / "h.gz", max_bytes=1 << 20, sha256="0" * 64)
        assert not (tmp_path / "g.gz").exists()
        assert not (tmp_path / "h.gz").exists()
        await door.close()


async def test_requests_to_a_host_keep_their_distance(tmp_path: Path, world: World) -> None:
    waited: list[float] = []
    now = [0.0]

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    with ServicesServer(world) as server:
        door = Http(per_second={"": 3.0}, sleep=sleep, clock=lambda: now[0])
        source = pubmed(server, door)
        await asyncio.gather(*(source.search("liposarcoma" + " OR liposarcoma" * n, 0) for n in range(7)))
        assert door.requests == 7
        assert sum(waited) == pytest.approx(2.0)
        await door.close()


async def test_open_full_text_is_read_and_closed_articles_fall_back(
    tmp_path: Path, world: World, shared_data: Path
) -> None:
    jats = next(iter(sorted((shared_data / "fulltext/jats").glob("PMC4521097*"))))
    world.jats["PMC4521097"] = gzip.decompress(jats.read_bytes()) if jats.suffix == ".gz" else jats.read_bytes()
    with ServicesServer(world) as server:
        door = http(tmp_path)
        sources = [pubmed(server, door), EuropePmc(door, f"{server.root}/europepmc")]
        assert all(isinstance(s, FullTextSource) for s in sources)
        paper = Paper(id="PMID1", title="t", abstract="An abstract.", source="pubmed", pmid="1", pmcid="PMC4521097")
        document, failures = await best_text(sources, paper)
        assert (document.id, document.kind, failures) == ("PMID1", "jats", [])
        assert len(document.text) > 10_000
        closed, _ = await best_text(sources, paper.model_copy(update={"pmcid": "PMC1"}))
        assert closed.kind == "record"
        server.fault = lambda *_: Reply(b"", status=503)
        lost, failures = await best_text(sources, paper.model_copy(update={"pmcid": "PMC2"}))
        assert (lost.kind, [f.item for f in failures]) == ("record", ["pubmed", "europepmc"])
        with pytest.raises(UnreadablePaper):
            await best_text([], paper.model_copy(update={"abstract": ""}))
        await door.close()


def test_real_results_of_europe_pmc_are_papers(shared_data: Path) -> None:
    raw = shared_data / "pubmed/raw/europepmc"
    rows = json.loads((raw / "search_cancer_core.json").read_bytes())["resultList"]["result"]
    papers = [p for p in map(_paper, rows) if p is not None]
    assert len(papers) == len(rows)
    assert papers[0].id == "PMID39709209"
    assert papers[0].authors[:2] == ("Schoenfeld JD", "Haas-Kogan DA")
    assert sum(bool(p.abstract) for p in papers) == 21
    assert "Published Erratum" in papers[1].publication_types
    assert not any("<" in p.abstract[:200] for p in papers)


@pytest.mark.parametrize("name", ["search_cancer_core.json", "search_no_results.json", "search_cancer_page2.json"])
async def test_real_pages_are_read(tmp_path: Path, world: World, shared_data: Path, name: str) -> None:
    page = (shared_data / "pubmed/raw/europepmc" / name).read_bytes()
    with ServicesServer(world, lambda *_: Reply(page, "application/json")) as server:
        door = http(tmp_path)
        hits = await EuropePmc(door, f"{server.root}/europepmc").search("cancer", 5)
        assert hits.total == (0 if "no_results" in name else 5_059_039)
        assert len(hits.papers) <= 5
        await door.close()


def test_pubmed_tags_become_fields_of_europe_pmc() -> None:
    query = '("Sarcoma"[MeSH Terms] OR "sarcoma"[Title/Abstract]) AND "review"[Publication Type] AND 7[PMID]'
    assert europepmc_query(query) == '("Sarcoma" OR TITLE_ABS:"sarcoma") AND PUB_TYPE:"review" AND EXT_ID:7'


def test_every_real_esearch_answer_is_xml_or_refused(shared_data: Path) -> None:
    for path in sorted((shared_data / "pubmed/raw/esearch").iterdir()):
        assert bool(xml_problem(path.read_bytes())) == (path.suffix == ".json"), path.name


def test_entities_of_an_answer_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 100 + b'"><!ENTITY c "' + b"&b;" * 100 + b'">]><a>&c;</a>'
    assert len("".join(xml_of(bomb).itertext())) < 100


DATA = os.environ.get("BIORESEARCHER_TEST_DATA") or str(Path(__file__).resolve().parents[3] / "shared" / "data")
RAW = sorted(p.relative_to(DATA).as_posix() for p in Path(DATA, "pubmed/raw").rglob("*") if p.is_file())
OTHER_SHAPES = ("bioc", "elink", "epost", "espell", "esummary", "medline", "other_apis", "europepmc", "esearch")


def read_or_refused(body: bytes) -> tuple[list[Paper], str]:
    try:
        return _records(body), ""
    except ServiceError as error:
        return [], error.message


@pytest.mark.parametrize("name", RAW or ["none"])
def test_every_raw_answer_is_read_or_refused_in_one_line(name: str, shared_data: Path) -> None:
    """As records, as XML and as a page of results: each answer is one of them, or all three refuse it."""
    body = (shared_data / name).read_bytes()
    shape = name.split("/")[2]
    papers, said = read_or_refused(body)
    assert "\n" not in said
    assert not (said and shape == "efetch"), said
    assert all(p.title and p.pmid for p in papers)
    refused, no_results = xml_problem(body), _page_problem(body)
    assert "\n" not in refused + no_results
    if shape in OTHER_SHAPES:
        assert papers == []
    if name.endswith(".json"):
        assert refused
    if shape == "europepmc" and name.endswith(".json"):
        assert no_results == ""
