"""Every real answer in the test data parses into what it holds, or is refused with the right error."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.schemas.paper import Paper
from bioresearcher.sources.http import ServiceError
from bioresearcher.sources.literature import crossref, europepmc
from bioresearcher.sources.literature import eutils as eutils
from bioresearcher.sources.literature.pmc import jats_document
from bioresearcher.sources.pubmed_offline.records import read_record, records_of

RAW = "pubmed/raw"
Read = Callable[[bytes], object]


def records(body: bytes) -> int:
    """How many records; a book chapter is none."""
    found = 0
    for element in records_of(io.BytesIO(body)):
        if element.tag != "PubmedBookArticle":
            assert read_record(element, source="pubmed", path="", sha256="").paper.title
            found += 1
    return found


def search(body: bytes) -> tuple[int, int, int, bool]:
    found = eutils.read_search(body)
    assert len(found.ids) <= found.total
    return found.total, len(found.ids), len(found.missing), found.history is not None


def summaries(body: bytes) -> tuple[int, int]:
    found, wrong = eutils.read_summaries(body)
    assert all(s.id and s.fields for s in found)
    return len(found), len(wrong)


def links(body: bytes) -> dict[str, int]:
    return {name: len(ids) for name, ids in eutils.read_links(body).items()}


def page(body: bytes) -> tuple[int, int]:
    """Hits, and results that are papers."""
    trouble = europepmc._page_problem(body)
    if trouble:
        raise ServiceError(trouble)
    data = json.loads(body)
    rows = (data.get("resultList") or {}).get("result") or []
    return data["hitCount"], len([p for p in map(europepmc._paper, rows) if p is not None])


def works(body: bytes) -> object:
    trouble = crossref.works_problem(body)
    if trouble:
        raise ServiceError(trouble)
    return json.loads(body)["message"]["items"]


def article(body: bytes) -> bool:
    return jats_document(body, Paper(id="x", title="t", source="pubmed")) is not None


def post(body: bytes) -> bool:
    return bool(eutils.read_post(body).web_env)


READ: dict[str, Read] = {
    "efetch": records, "efetch_pmc": article, "elink": links, "epost": post, "esearch": search,
    "espell": eutils.read_spelling, "esummary": summaries, "europepmc": page, "other_apis": works,
    "bioc": records, "medline": records,
}  # fmt: skip
"""By folder; what comes from services that are not asked is refused by the readers of those that are."""
EXPECTED: dict[str, object] = {
    "bioc/pubtator_10.1016_j.molcel.2016.11.034.json": "it is not XML",
    "bioc/pubtator_10.1126_scisignal.abf3535.json": "it is not XML",
    "efetch_pmc/efetch_pmc.xml": True,
    "elink/elink1.xml": {
        "pubmed_pubmed": 101, "pubmed_pubmed_citedin": 39, "pubmed_pubmed_combined": 5, "pubmed_pubmed_five": 5,
        "pubmed_pubmed_refs": 56, "pubmed_pubmed_reviews": 1, "pubmed_pubmed_reviews_five": 5,
    },
    "epost/epost1.xml": True,
    "epost/epost2_error.xml": "error: Invalid db name specified: nothing",
    "esearch/esearch1_pubmed.xml": (63, 20, 0, False),
    "esearch/esearch2.xml": (42249, 100, 0, True),
    "esearch/esearch3.xml": (2651, 6, 0, False),
    "esearch/esearch5.xml": (5, 5, 0, False),
    "esearch/esearch6.xml": (1018, 20, 0, False),
    "esearch/esearch7.xml": (330, 20, 0, False),
    "esearch/esearch8_empty.xml": (0, 0, 1, False),
    "esearch/klortho_esearch_pubmed.json": "the answer is not XML",
    "esearch/klortho_esearch_pubmed.xml": (15169, 100, 0, True),
    "espell/espell.xml": "biopython",
    "esummary/esummary1_pubmed.xml": (2, 0),
    "esummary/esummary8_error.xml": "error: Neither query_key nor id specified",
    "esummary/klortho_esummary_pmc.json": "the answer is not XML",
    "esummary/klortho_esummary_pmc.xml": (2, 0),
    "esummary/klortho_esummary_pmcerror.xml": (2, 1),
    "esummary/klortho_esummary_pubmed.json": "the answer is not XML",
    "esummary/klortho_esummary_pubmed.xml": (2, 0),
    "europepmc/search_cancer.json": (5059039, 25),
    "europepmc/search_cancer.xml": "the answer is cut off or no JSON",
    "europepmc/search_cancer_core.json": (5059039, 25),
    "europepmc/search_cancer_dc.xml": "the answer is cut off or no JSON",
    "europepmc/search_cancer_idlist.json": (5059039, 0),
    "europepmc/search_cancer_page2.json": (5059039, 5),
    "europepmc/search_cancer_sorted_cited.json": (5059039, 25),
    "europepmc/search_no_results.json": (0, 0),
    "medline/pubmed_result1.txt": "it is not XML",
    "medline/pubmed_result2.txt": "it is not XML",
    "other_apis/crossref_10.1093_nar_gkr715.json": "the answer lists no works",
    "other_apis/openalex_10.1038_nature11476.json": "the answer lists no works",
    "other_apis/semanticscholar_10.1093_nar_gkr715.json": "the answer lists no works",
    "other_apis/unpaywall_10.1371_journal.pone.0012345.json": "the answer lists no works",
} | {
    f"efetch/{name}.xml": number
    for names, number in (
        ("37909814", 0),
        ("11618220 11636720 11873782 23657305 24084238 24449692 32160763 32894878 33119379 33856845 34094707", 1),
        ("34843274 35830032 36987902 38048813 38271020 38534005 38546579 38573673 38762411 38833988 38866711", 1),
        ("38962805", 1),
        ("biopython_pubmed5 biopython_pubmed7 pubmed-29768149", 1),
        ("biopython_pubmed1 biopython_pubmed2", 2),
    )
    for name in names.split()
}  # fmt: skip
"""esearch: total, ids, phrases not found, history kept; esummary: summaries, errors; Europe PMC: hits, papers."""


def names() -> list[str]:
    root = os.environ.get("BIORESEARCHER_TEST_DATA")
    data = Path(root) if root else Path(__file__).resolve().parents[3] / "shared" / "data"
    return sorted(p.relative_to(data / RAW).as_posix() for p in (data / RAW).rglob("*") if p.is_file())


@pytest.mark.parametrize("name", names())
def test_a_real_answer_parses_or_is_refused(name: str, shared_data: Path) -> None:
    read, body = READ[name.split("/")[0]], (shared_data / RAW / name).read_bytes()
    expected = EXPECTED[name]
    if not isinstance(expected, str) or name.startswith("espell"):
        assert read(body) == expected
        return
    with pytest.raises((ServiceError, UnreadablePaper), match=expected) as caught:
        read(body)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [n for n in names() if n.endswith(".xml")])
def test_a_real_answer_that_is_cut_off_is_refused(name: str, shared_data: Path) -> None:
    body = (shared_data / RAW / name).read_bytes().rstrip()
    assert "cut off" in eutils.xml_problem(body[: len(body) // 2 + 100])
    assert eutils.xml_problem(body[:-3])
