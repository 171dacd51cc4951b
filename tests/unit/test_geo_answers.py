"""What GEO answers: every real answer and file is read, or refused with the right error."""

from __future__ import annotations

import gzip
import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError, ServiceAnswerError
from bioresearcher.schemas.dataset import GeoSeries
from bioresearcher.sources.datasets.table_stream import LineLimits, open_lines
from bioresearcher.sources.geo.soft import entities, read_matrix, read_series_matrix, read_series_soft
from bioresearcher.sources.geo.summary import read_summaries, read_uids, uid_of

RAW = {
    "bioresearcher_16317_retrieved_datasets.json": "no `result.uids`",
    "esearch_gds_empty_v0.3.json": "no `result.uids`",
    "esearch_gds_v0.3.json": "no `result.uids`",
    "esummary_bioproject.xml": "none of GEO DataSets",
    "esummary_gds_chordoma_v1_rebuilt.xml": ("GSE77732", 96, 6),
    "esummary_gds_draft.json": ("GSE40726", 1, 6),
    "esummary_gds_error_v0.3.json": "cannot get document summary",
    "esummary_gds_v0.3.json": ("GSE327255", 6, 75),
    "esummary_gds_v2.xml": ("GSE40726", 1, 6),
    "esummary_geo.xml": "none of GEO DataSets",
    "esummary_geoprofiles.xml": "none of GEO DataSets",
    "esummary_sra.xml": "none of GEO DataSets",
    "gds_result_neurodegeneration.txt": "neither JSON nor XML",
    "gds_result_singlecell_cancer.txt": "neither JSON nor XML",
}
"""File -> (first accession, records, samples of the first), or what the refusal says."""

SOFT = {
    "GDS507.soft.gz": ("GDS507", 17, ("GPL97",), "Homo sapiens", ()),
    "GPL20814_family.soft": ("GSE72138", 0, ("GPL20814",), "Homo sapiens", ("GPL20814: says 2,088 rows, holds 3",)),
    "GSE105845_family.soft": ("GSE105845", 0, ("GPL13112",), "Mus musculus", ()),
    "GSE16.txt": ("GSM804", 1, ("GPL28",), "Homo sapiens", ()),
    "GSE781-GPL96_trimmed_family.soft.gz": ("GSE781", 17, ("GPL96", "GPL97"), "Homo sapiens", ()),
    "GSE99709_series_matrix.txt.gz": (
        "GSE99709", 12, ("GPL17021",), "Mus musculus",
        ("GSE99709_series_matrix.txt.gz: its expression table is empty",),
    ),
    "GSM11805.txt.gz": ("GSM11805", 1, ("GPL96",), "Homo sapiens", ()),
    "GSM2795971.txt": ("GSM2795971", 1, (), "Homo sapiens", ()),
    "GSM32878.txt": ("GSM32878", 1, (), None, ("GSM32878: says 9,182 rows, holds 2",)),
    "soft_ex_family.txt": ("Murine ES Cells", 3, ("Murine 15K long oligo array version 2.0",), "Mus musculus", ()),
}  # fmt: skip
"""File -> (accession, samples, platforms, organism, notes)."""


def read_any(path: Path) -> GeoSeries:
    return read_series_matrix(path) if "matrix" in path.name else read_series_soft(path)


def whole_matrix(path: Path) -> list[list[str]]:
    with open_lines(path) as lines:
        return list(read_matrix(lines).rows())


def test_every_real_answer_and_file_is_listed(shared_data: Path) -> None:
    assert {p.name for p in (shared_data / "geo/raw").iterdir()} == set(RAW)
    assert {p.name for p in (shared_data / "geo/soft").iterdir()} == set(SOFT)


@pytest.mark.parametrize("name", RAW)
def test_a_real_summary_is_read_or_refused(shared_data: Path, name: str) -> None:
    body, expected = (shared_data / "geo/raw" / name).read_bytes(), RAW[name]
    if not isinstance(expected, str):
        found, errors = read_summaries(body, name)
        assert (found[0].accession, len(found), found[0].n_samples, errors) == (*expected, {})
        assert all(uid_of(r.accession) == r.uid and r.title and r.platforms for r in found)
    elif "error" in name:
        assert read_summaries(body, name) == ([], {"999999999": expected})
    else:
        with pytest.raises(ServiceAnswerError, match=expected) as refused:
            read_summaries(body, name)
        assert name in refused.value.message
        assert "\n" not in refused.value.message


@pytest.mark.parametrize("name", SOFT)
def test_a_real_file_is_read(shared_data: Path, name: str) -> None:
    series, (accession, samples, platforms, organism, notes) = read_any(shared_data / "geo/soft" / name), SOFT[name]
    assert (series.accession, len(series.samples), series.platforms) == (accession, samples, platforms)
    assert series.organisms == ((organism,) if organism else ())
    assert series.notes == notes


@pytest.mark.parametrize("name", RAW)
def test_a_real_search_is_read_or_refused(shared_data: Path, name: str) -> None:
    body = (shared_data / "geo/raw" / name).read_bytes()
    if name.startswith("esearch"):
        found = ["200327255", "200317067", "200304805", "200293840", "200269047"]
        assert read_uids(body, name) == ([] if "empty" in name else found)
    else:
        with pytest.raises(ServiceAnswerError, match=r"no esearch answer|not valid JSON") as refused:
            read_uids(body, name)
        assert name in refused.value.message


def test_the_three_shapes_of_one_record_say_the_same(shared_data: Path) -> None:
    [xml], _ = read_summaries((shared_data / "geo/raw/esummary_gds_v2.xml").read_bytes())
    [draft], _ = read_summaries((shared_data / "geo/raw/esummary_gds_draft.json").read_bytes())
    assert xml == draft
    assert (xml.pubmed_ids, xml.series, xml.platforms) == (("22983707",), ("GSE40726",), ("GPL7202",))


def test_relations_and_super_series_are_kept(shared_data: Path) -> None:
    found, _ = read_summaries((shared_data / "geo/raw/esummary_gds_v0.3.json").read_bytes())
    assert {r.accession: r.relations for r in found if r.relations} == {
        "GSE226260": ("SRA SRP424803",),
        "GPL21145": ("Alternative to GPL23976",),
    }
    assert found[4].series == ("GSE54723",)
    series = read_series_matrix(shared_data / "geo/soft/GSE99709_series_matrix.txt.gz")
    assert series.related("SubSeries of") == ("GSE99797",)
    chordoma, _ = read_summaries((shared_data / "geo/raw/esummary_gds_chordoma_v1_rebuilt.xml").read_bytes())
    assert {r.accession for r in chordoma if r.is_super_series} == {"GSE50137"}


def test_samples_of_a_curated_set_have_its_subsets_and_old_ones_their_description(shared_data: Path) -> None:
    curated = read_series_soft(shared_data / "geo/soft/GDS507.soft.gz")
    assert curated.samples[0].characteristics == (("disease state", "RCC"), ("individual", "035"))
    old = read_series_soft(shared_data / "geo/soft/GSM11805.txt.gz")
    assert dict(old.samples[0].characteristics)["Gender"] == "Female"


BAD = {
    "page.html": (b"<!DOCTYPE html><html><body>Error 500</body></html>", "begins no entity"),
    "empty.soft": (b"", "the file is empty"),
    "blank.soft": (b"\n\n", "describes no series and no sample"),
    "cut.soft": (b"^SAMPLE = GSM1\n!sample_table_begin\nID_REF\tVALUE\n1\t2\n", "cut off"),
    "binary.soft": (b"^SAMPLE = GSM1\n!x = \0\0\n", "binary data"),
    "cut.soft.gz": (gzip.compress(b"^SAMPLE = GSM1\n" + b"!Sample_title = x\n" * 9000)[:-30], "cut off"),
    "platform.soft": (b"^PLATFORM = GPL1\n!Platform_title = x\n", "no series and no sample"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_soft_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BAD[name][0])
    with pytest.raises(InputError, match=BAD[name][1]) as refused:
        read_series_soft(tmp_path / name)
    assert name in refused.value.message
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>\n",
        '!Series_title\t"x"\n',
        "!series_matrix_table_begin\n",
        '!Series_title\t"x"\n!series_matrix_table_begin\n"ID_REF"\t"GSM1"\n"a"\t1\n',
    ],
)
def test_a_bad_series_matrix_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "GSE1_series_matrix.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"GSE1_series_matrix\.txt"):
        whole_matrix(path)


def test_text_beyond_the_limits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.soft.gz"
    path.write_bytes(gzip.compress(b"^SAMPLE = GSM1\n" + b"!Sample_title = x\n" * 100_000))
    for limits in (LineLimits(text_bytes=1 << 20), LineLimits(line_bytes=8)):
        with pytest.raises(InputError, match=r"bomb\.soft\.gz"), open_lines(path, limits) as lines:
            list(entities(lines))


def test_entities_in_xml_are_not_expanded() -> None:
    body = (
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><eSummaryResult><DocSum><Id>1</Id><Item Name="title" \
Type="String">&e;</Item></DocSum></eSummaryResult>'
    )
    with pytest.raises(ServiceAnswerError):
        read_summaries(body)


@given(st.binary(max_size=300))
def test_any_answer_is_read_or_refused(body: bytes) -> None:
    for start in (b"", b"{", b"<eSummaryResult>", b'{"result": {"uids": ["1"], "1": '):
        said = ""
        try:
            read_summaries(start + body)
        except ServiceAnswerError as error:
            said = error.message
        assert len(said.splitlines()) <= 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["samples", "gpl", "n_samples", "pubmedids", "title", "relations"]), _JSON))
def test_odd_fields_of_a_record_are_survived(fields: dict[str, object]) -> None:
    record = {"entrytype": "GSE", "accession": "GSE1", **fields}
    [found], errors = read_summaries(json.dumps({"result": {"uids": ["1"], "1": record}}).encode())
    assert found.accession == "GSE1"
    assert not errors


@given(st.text(alphabet="^!#=\t\nSAMPLE_table_begin_end 01x", max_size=200))
def test_any_text_is_read_as_soft_or_refused(text: str) -> None:
    with tempfile.NamedTemporaryFile(suffix=".soft") as file:
        file.write(text.encode())
        file.flush()
        with suppress(InputError), open_lines(Path(file.name)) as lines:
            for entity in entities(lines):
                assert all(len(row) == len(entity.header) for row in entity.rows())
