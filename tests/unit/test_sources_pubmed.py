"""PubMed's client over many real records: pages, history server, summaries, links, spelling, bad ids, open licences."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pubmed_xml as px
import pytest
from services_server import Reply, ServicesServer, World

from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.schemas.paper import Paper
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.http_cache import AnswerStore
from bioresearcher.sources.literature import pubmed as module
from bioresearcher.sources.literature.pmc import Pmc, read_licence
from bioresearcher.sources.literature.pubmed import PubMed

WIDE = "cancer OR cell OR gene OR patients OR study OR disease OR human"


async def soon(_: float) -> None:
    return


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> World:
    return World(tmp_path_factory.mktemp("world"), px.all_articles(shared_data))


Client = Callable[..., PubMed]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    doors = []

    def make(server: ServicesServer, **more) -> PubMed:
        doors.append(Http(per_second={"": 1000}, sleep=soon, **more))
        return PubMed(doors[-1], f"{server.root}/entrez/eutils", {"tool": "t"})

    yield make
    for door in doors:
        await door.close()


def tools(server: ServicesServer) -> list[str]:
    return [r.partition(".fcgi")[0].rpartition("/")[2] for r in server.requests]


async def test_many_records_come_from_the_history_server_and_a_warm_repeat_asks_nothing(
    world: World, tmp_path: Path, client: Client
) -> None:
    with ServicesServer(world) as server:
        store = tmp_path / "s.sqlite"
        hits = await client(server, shared=AnswerStore(store)).search(WIDE, 450)
        assert (len(hits.papers), len({p.id for p in hits.papers})) == (450, 450)
        assert hits.total > 450
        assert tools(server) == ["esearch", "efetch", "efetch", "efetch"]
        assert "WebEnv=MCID_" in server.requests[1]
        again = await client(server, shared=AnswerStore(store)).search(WIDE, 450)
        assert (again, len(server.requests)) == (hits, 4)


async def test_a_history_server_that_forgot_is_no_loss(world: World, client: Client) -> None:
    gone = Reply(b"<eFetchResult><ERROR>Unable to obtain query</ERROR></eFetchResult>", status=400)
    with ServicesServer(world) as server:
        server.fault = lambda *_: gone if "WebEnv=" in server.requests[-1] else None
        hits = await client(server).search(WIDE, 300)
        assert len(hits.papers) == 300


async def test_a_total_that_changes_between_pages_is_said_and_no_paper_comes_twice(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 50)
    first = world._hits(WIDE, 200).papers
    shifted = "".join(f"<Id>{p.pmid}</Id>" for p in first[40:90])  # ten new papers came in before the second page
    changed = f"<eSearchResult><Count>9999</Count><IdList>{shifted}</IdList></eSearchResult>".encode()
    with ServicesServer(world) as server:
        server.fault = lambda *_: Reply(changed) if "retstart=50" in server.requests[-1] else None
        hits = await client(server).search(WIDE, 100)
        assert [p.id for p in hits.papers] == [p.id for p in first[:90]]
        assert any("9,999 while they were listed" in w for w in hits.warnings)


async def test_a_bad_record_in_a_batch_is_named_and_the_others_are_read(
    world: World, tmp_path: Path, client: Client
) -> None:
    good = px.article({"title": "Good", "abstract": "Sarcoma."}, 1)
    bad = px.article({"title": "Bad", "abstract": "Sarcoma."}, 2)
    small = World(tmp_path / "w", [good, bad])
    small.articles["2"] = bad.replace("<ArticleTitle>Bad</ArticleTitle>", "")
    with ServicesServer(small) as server:
        hits = await client(server).search("sarcoma", 10)
        assert ([p.id for p in hits.papers], hits.total) == (["PMID1"], 2)
        assert "1 records could not be read: 2" in hits.warnings


async def test_a_query_that_finds_nothing_comes_with_pubmeds_spelling(world: World, client: Client) -> None:
    with ServicesServer(world) as server:
        source = client(server)
        hits = await source.search("sarccoma", 10)
        assert (hits.total, hits.missing) == (0, ("sarccoma",))
        assert any("“sarcoma”" in w for w in hits.warnings)
        assert await source.spelled("sarcoma") == ""


async def test_summaries_and_links(world: World, client: Client) -> None:
    with ServicesServer(world) as server:
        source = client(server)
        (paper, *_) = (await source.search("sarcoma", 1)).papers
        (summary,), wrong = await source.summaries([paper.pmid or "", "no number"])
        assert (summary.id, summary.fields["Title"], wrong) == (paper.pmid, paper.title, {})
        linked = await source.linked("29768149")
        assert "29768149" not in linked
        assert all(p.isdecimal() for p in linked)


@pytest.mark.parametrize(
    ("given", "said"),
    [("999999999", "PubMed has no 999999999"), ("10.1000/xyz", "is a DOI, not a PMID"), ("PMID0", "PubMed has no")],
)
async def test_an_id_that_is_none_is_one_line(world: World, client: Client, given: str, said: str) -> None:
    with ServicesServer(world) as server, pytest.raises(UnreadablePaper, match=said) as caught:
        await client(server).fetch(given)
    assert "\n" not in str(caught.value)


async def test_only_open_articles_are_read(world: World, shared_data: Path) -> None:
    body = (shared_data / "fulltext/jats/PMC4521097.xml").read_bytes()
    closed = re.sub(rb"<(permissions|license)\b.*?</\1>|<\?properties open_access\?>", b"", body, flags=re.DOTALL)
    world.jats |= {"PMC1": body, "PMC2": closed, "PMC3": closed}
    world.open_access["PMC2"] = "CC BY"
    with ServicesServer(world) as server:
        web = Http(per_second={"": 1000}, sleep=soon)
        pmc = Pmc(web, f"{server.root}/entrez/eutils", {"api_key": "k"}, f"{server.root}/pmc/oa.fcgi")
        paper = Paper(id="x", title="t", source="pubmed")
        texts = [await pmc.full_text(paper.model_copy(update={"pmcid": f"PMC{n}"})) for n in (1, 2, 3, 4)]
        assert [t is not None for t in texts] == [True, True, False, False]
        assert sum("oa.fcgi" in r for r in server.requests) == 2, "a licence that is stated is not asked for"
        assert await pmc.licence("PMC2") == "CC BY"
        await web.close()
    with pytest.raises(ServiceError, match="answered with <html>"):
        read_licence(b"<html/>", "PMC1")
