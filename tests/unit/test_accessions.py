"""Accessions in texts: found, normalised, and not mistaken for what merely looks like one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.papers.mining import MAX_RANGE, TCGA_PROJECTS, find_accessions, normal_accession


def ids(text: str) -> list[str]:
    return list(dict.fromkeys(a.id for a in find_accessions(text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The data are in GEO (accession no. GSE57531).", ["GSE57531"]),
        ("GSE 4335, GSE-7390 and gse1992", ["GSE4335", "GSE7390", "GSE1992"]),
        ("GSE4335–GSE4337", ["GSE4335", "GSE4336", "GSE4337"]),
        ("series GSE4335-4337 were used", ["GSE4335", "GSE4336", "GSE4337"]),
        ("the curated data set GDS507 on GPL97 with GSM11815", ["GDS507", "GPL97", "GSM11815"]),
        ("platform GPL 570", ["GPL570"]),
        ("reads: SRP108660, ERP001234, PRJNA389387, PRJEB4337", ["SRP108660", "ERP001234", "PRJNA389387", "PRJEB4337"]),
        ("ArrayExpress E-MTAB-1940 and E-GEOD-1992", ["E-MTAB-1940", "GSE1992"]),
        ("TCGA-SARC, TCGA SKCM and TCGA_OV", ["TCGA-SARC", "TCGA-SKCM", "TCGA-OV"]),
        ("downloaded from the GEO dataset GSE16", ["GSE16"]),
    ],
)
def test_accessions_are_found_and_normalised(text: str, found: list[str]) -> None:
    assert ids(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "released under GPL-3.0", "the GPL v2 license", "GPL3 licence (GNU)", "licensed as GPL30",
        "exposure to GSM 900 MHz", "GSM1800 mobile phone band", "GSM900",
        "the Geriatric Depression Scale (GDS-15)", "GDS30 depression score", "GDS 15",
        "General Self-Efficacy scale GSE-10",
        "signal recognition particle SRP54", "barcode TCGA-OV-A1B2-01A", "TCGA-02-0001", "TCGA-XYZ", "E-VALUE-3",
        "GSE0123", "XGSE1234", "GSE1234567", "GSE1234_RAW", "GSEA M5190", "lot.GSE1234", "gse9", "E-AAAA-1",
    ],
)  # fmt: skip
def test_look_alikes_are_no_accessions(text: str) -> None:
    assert ids(text) == []


@given(
    st.sampled_from(("GSE", "GDS", "GSM", "GPL")),
    st.integers(1000, 9999),
    st.text(alphabet="abc ,;()\n\u2013é", max_size=20),
    st.text(alphabet="abc ,;()\n\u2013é", max_size=20),
)
def test_a_well_formed_accession_is_found_where_it_stands(kind: str, number: int, before: str, after: str) -> None:
    text = f"GEO data set {before} {kind}{number} {after}"
    [one] = [a for a in find_accessions(text) if a.id == f"{kind}{number}"]
    assert text[one.start : one.end] == one.id
    assert normal_accession(f" {kind.lower()} {number}") == one.id


@given(st.text(max_size=200))
def test_any_text_gives_well_formed_accessions_within_it(text: str) -> None:
    for a in find_accessions(text):
        assert 0 <= a.start < a.end <= len(text)
        assert re.fullmatch(r"(GSE|GDS|GSM|GPL|[SED]RP|PRJ(NA|EB|DB))\d+|E-[A-Z]{4}-\d+|TCGA-[A-Z]+", a.id)
        assert normal_accession(a.id) == a.id or a.kind in ("GSE", "GDS", "GSM", "GPL")


@given(st.integers(1000, 400000), st.integers(-50, 60))
def test_a_range_of_series_is_short_and_ascends(first: int, length: int) -> None:
    last = first + length
    found = ids(f"GSE{first}-GSE{last}")
    if 0 < length <= MAX_RANGE and len(str(first)) == len(str(last)):
        assert sorted(found) == sorted(f"GSE{n}" for n in range(first, last + 1))
    else:
        assert set(found) <= {f"GSE{first}", f"GSE{last}"}


@pytest.mark.parametrize("word", ["", "GSE", "GSE1992 and more", "../GSE1992", "x" * 4000, "GSE99999999", "TCGA"])
def test_a_word_that_is_no_accession_is_not_made_one(word: str) -> None:
    assert normal_accession(word) is None


def test_abstracts_name_what_they_name(shared_data: Path) -> None:
    found = set()
    with (shared_data / "pubmed/records.jsonl").open(encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            found |= set(ids(f"{record['title']} {record.get('abstract') or ''}"))
    series = {"GSE206225", "GSE36552", "GSE21050", "GSE212527", "GSE63157", "GSE30929", "GSE17674", "GSE57531"}
    assert found == {*series, "TCGA-SARC"}
    assert "SARC" in TCGA_PROJECTS
