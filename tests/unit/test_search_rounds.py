"""Search rounds over sources: the trail, adjusted queries, sources that fail, duplicates, ids that people name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.schemas.paper import Notice, Paper, QueryPlan, QueryTrail, SearchQuery, SearchRound
from bioresearcher.sources.protocols import Hits
from bioresearcher.stages import screen
from bioresearcher.stages.screen import is_preprint, unique
from bioresearcher.stages.search import search_papers, stop_reason, with_kept, with_new

TITLE = "Immune classes of liposarcoma and their key genes"


def paper(name: str, **more) -> Paper:
    return Paper(id=name, title=more.pop("title", f"{TITLE} {name}"), source=more.pop("source", "pubmed"), **more)


class Service:
    """A source that knows how many papers each query has, and fails when asked more often than allowed."""

    name = "service"
    hosts = ("service.example",)

    def __init__(self, answers: Mapping[str, Hits], *, fails_after: int = 99) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self._fails_after = fails_after

    async def search(self, query: str, limit: int) -> Hits:
        if len(self.asked) >= self._fails_after:
            raise OutsideError("service.example cannot be reached.", hint="Try later.")
        self.asked.append(query)
        return self._answers.get(query, Hits((), 0))

    async def fetch(self, paper_id: str):
        raise NotImplementedError


def plan(*queries: str, terms: tuple[str, ...] = ()) -> QueryPlan:
    return QueryPlan(literature=tuple(SearchQuery(query=q, purpose="p") for q in queries), terms=terms)


def hits(*ids: str, total: int | None = None, **more) -> Hits:
    return Hits(tuple(paper(i) for i in ids), len(ids) if total is None else total, **more)


async def test_a_query_without_hits_is_relaxed_and_the_trail_says_how() -> None:
    asked = '"sarcoma" AND "zebra crossing"'
    source = Service({'"sarcoma"': hits("PMID1"), asked: hits(missing=("zebra crossing",))})
    papers, rows, failures = await search_papers([source], plan(asked), (), max_hits=100)
    assert failures == ()
    assert source.asked == [asked, '"sarcoma"']
    assert rows[0].warnings == ("“zebra crossing” stands nowhere",)
    assert (rows[1].adjusts, rows[1].rule) == (asked, "relaxed: without “zebra crossing”, which stands nowhere")
    assert [p.id for p in papers] == ["PMID1"]


async def test_a_query_with_too_many_hits_is_narrowed_until_it_fits() -> None:
    narrowed = 'a[Title/Abstract] AND "immune"[Title/Abstract]'
    source = Service(
        {
            "a": hits("PMID1", total=9000),
            "a[Title/Abstract]": hits("PMID1", total=700),
            narrowed: hits("PMID2", "PMID3"),
        }
    )
    papers, rows, _ = await search_papers([source], plan("a", terms=("immune",)), (), max_hits=100)
    assert [p.id for p in papers] == ["PMID2", "PMID3"]
    assert [(r.query, r.hits, r.found) for r in rows] == [
        ("a", 9000, ()),
        ("a[Title/Abstract]", 700, ()),
        (narrowed, 2, ("PMID2", "PMID3")),
    ]


async def test_when_narrowing_leaves_nothing_the_wider_answer_counts() -> None:
    source = Service({"a": hits("PMID1", total=9000)})
    papers, rows, _ = await search_papers([source], plan("a"), (), max_hits=100)
    assert [p.id for p in papers] == ["PMID1"]
    assert {r.query: r.hits for r in rows} == {"a": 9000, "a[Title/Abstract]": 0}


async def test_a_lenient_source_is_asked_once() -> None:
    source = Service({"a AND b": Hits((), 0, literal=False)})
    await search_papers([source], plan("a AND b"), (), max_hits=100)
    assert source.asked == ["a AND b"]


async def test_no_query_is_put_twice_to_a_source() -> None:
    source = Service({"a": hits("PMID1")})
    before = [SearchRound(round=1, trail=(QueryTrail(query="a", source="service", hits=1),))]
    papers, rows, _ = await search_papers([source], plan("a", "a AND b"), before, max_hits=100)
    assert "a" not in source.asked
    assert papers == []
    assert rows[0].query == "a AND b"


async def test_a_source_that_cannot_be_reached_is_one_failure_and_the_others_go_on() -> None:
    good, bad = Service({"a": hits("PMID1"), "b": hits("PMID2")}), Service({"a": hits("PMID9")}, fails_after=1)
    papers, rows, failures = await search_papers([bad, good], plan("a", "b"), (), max_hits=100)
    assert [p.id for p in papers] == ["PMID9", "PMID1", "PMID2"]
    assert [(f.item, f.stage, f.message) for f in failures] == [
        ("service", "search_papers", "service.example cannot be reached.")
    ]
    assert len(rows) == 3


async def test_what_a_source_did_not_understand_is_a_warning() -> None:
    answer = hits("PMID1", translation='"liposarcoma"[All Fields]', warnings=("field [xy] is not known",))
    source = Service({'"liposarcoma" AND "zebra"': answer})
    _, rows, _ = await search_papers([source], plan('"liposarcoma" AND "zebra"'), (), max_hits=100)
    assert rows[0].warnings == ("field [xy] is not known", "“zebra” was left out of the search")
    assert rows[0].translation == '"liposarcoma"[All Fields]'


def test_new_and_kept_papers_are_counted_under_the_ids_they_are_kept_under() -> None:
    rows = (
        QueryTrail(query="a", hits=2, found=("PMID1", "doi-10.1-x")),
        QueryTrail(query="b", hits=2, found=("PMID2", "PMID1")),
    )
    counted = with_new(rows, {"PMID0"}, {"doi-10.1-x": "PMID0"})
    assert [(r.found, r.new) for r in counted] == [(("PMID1", "PMID0"), 1), (("PMID2", "PMID1"), 1)]
    kept = with_kept([SearchRound(round=1, trail=counted)], ["PMID1"])
    assert [r.kept for r in kept[0].trail] == [1, 1]


@pytest.mark.parametrize(
    ("rounds", "found", "said"),
    [
        ([()], 0, "no new query was left to ask"),
        ([(3,)], 20, "20 papers close to the objective were found, 20 wanted"),
        ([(3,), (0,)], 4, "the last round found nothing new"),
        ([(3,), (1,), (1,)], 4, "all 3 rounds were used"),
        ([(3,), (1,)], 4, ""),
    ],
)
def test_why_searching_ends(rounds: list[tuple[int, ...]], found: int, said: str) -> None:
    made = [
        SearchRound(round=n, trail=tuple(QueryTrail(query=f"q{n}{i}", hits=9, new=new) for i, new in enumerate(row)))
        for n, row in enumerate(rounds, 1)
    ]
    assert stop_reason(made, found, 20, 3) == said


def test_the_same_paper_is_known_by_any_identifier_and_completed() -> None:
    own = paper("own-1", title=TITLE, source="own", doi="10.1000/x", path="a.pdf", kind="pdf")
    found = paper("PMID1", title="Other words", pmid="1", doi="10.1000/x", abstract="Text.", status="concern")
    third = paper("PMC7", pmcid="PMC7", pmid="1", title="Whatever else it says")
    one = unique([own, found, third])
    assert [p.id for p in one.papers] == ["own-1"]
    merged = one.papers[0]
    assert (merged.pmid, merged.pmcid, merged.abstract, merged.status) == ("1", "PMC7", "Text.", "concern")
    assert (merged.source, merged.path, merged.kind) == ("own", "a.pdf", "pdf")
    assert one.called == {"PMID1": "own-1", "PMC7": "own-1"}


def test_titles_join_only_what_no_identifier_keeps_apart() -> None:
    spelled = paper("own-1", title=TITLE.upper() + ".", source="own", year=2020)
    assert len(unique([spelled, paper("PMID1", title=TITLE, pmid="1", year=2020)]).papers) == 1
    assert len(unique([spelled, paper("PMID1", title=TITLE, pmid="1", year=2024)]).papers) == 2
    pair = [paper("PMID1", title=TITLE, pmid="1"), paper("PMID2", title=TITLE, pmid="2")]
    assert len(unique(pair).papers) == 2
    assert len(unique([paper("a", title="Editorial"), paper("b", title="Editorial")]).papers) == 2


def test_a_preprint_is_linked_to_what_was_published_of_it() -> None:
    preprint = paper("doi-10.1101-x", title=TITLE, doi="10.1101/2024.01.01.573", journal="bioRxiv")
    printed = paper("PMID1", title=TITLE, pmid="1", doi="10.1016/j.x")
    one = unique([preprint, printed])
    assert is_preprint(preprint)
    assert not is_preprint(printed)
    assert len(one.papers) == 2
    assert one.preprints == {"doi-10.1101-x": "PMID1"}


def test_the_worse_status_counts_and_all_notices_stay() -> None:
    notice = Notice(what="retraction", pmid="9", source="pubmed")
    ok = paper("PMID1", pmid="1", status="ok")
    bad = paper("doi-x", pmid="1", status="retracted", notices=(notice,))
    assert (unique([ok, bad]).papers[0].status, unique([bad, ok]).papers[0].notices) == ("retracted", (notice,))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("PMID:123", "PMID123"), ("pmid 123", "PMID123"), ("123", "PMID123"), ("pmc55", "PMC55"),
        ("doi:10.1000/XYZ", "doi-10.1000-xyz"), ("https://doi.org/10.1000/xyz", "doi-10.1000-xyz"),
        ("GSE1992", "GSE1992"), ("own-5a1f", "own-5a1f"),
    ],
)  # fmt: skip
def test_ids_are_read_as_people_write_them(said: str, meant: str) -> None:
    assert screen.named_id(said) == meant


@pytest.mark.parametrize("said", ["", "  ", "two words", "../../etc/passwd", "a;b", "x" * 300])
def test_what_cannot_be_an_id_is_refused(said: str) -> None:
    with pytest.raises(InputError, match="this is no id"):
        screen.named_id(said, "--include")


def test_papers_and_data_sets_are_found_by_any_of_their_ids() -> None:
    papers = [paper("own-1", doi="10.1000/x", pmid="7"), paper("PMID8", pmid="8")]
    named = screen.find_named(["PMID:7", "doi:10.1000/X", "8", "gse1", "GSE9", "PMC1"], papers, ["GSE1"])
    assert named.ids == ("own-1", "PMID8", "GSE1")
    assert named.unknown == ("GSE9", "PMC1")
    said = screen.not_known(named.unknown, "--include")[0].message
    assert said.startswith("--include GSE9: no paper")


def test_papers_named_by_id_are_asked_for() -> None:
    queries = [q.query for q in screen.queries_for(["PMID:7", "pmc5", "doi:10.1000/x", "GSE1"])]
    assert queries == ["7[PMID]", "PMC5[PMCID]", '"10.1000/x"[DOI]']
