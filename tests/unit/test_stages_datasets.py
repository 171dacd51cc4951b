"""Which data sets are looked for, looked at, and chosen."""

from __future__ import annotations

from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck, GeoSample, Remote, RemoteFile
from bioresearcher.sources.geo.supplement import link_columns
from bioresearcher.stages.datasets import chosen, mentions, not_asked, promising


def remote(name: str, *found_by: str, title: str = "Liposarcoma tumours", n: int = 20) -> Dataset:
    return Dataset(
        id=name, accession=name, title=title, organism="Homo sapiens", assay="Expression profiling by array",
        source="GEO", root="", files=(), n_samples=n, remote=Remote(url="u", found_by=found_by, inspected=True,
        groups=("group 'x': a (10), b (10)",), largest_groups=10,
        files=(RemoteFile(name="m", url="u/m", contents="series matrix"),)),
    )  # fmt: skip


def check(name: str, verdict: str = "usable", *, relevant: bool = True) -> DatasetCheck:
    return DatasetCheck.model_validate(
        {"dataset_id": name, "verdict": verdict, "reasons": (), "relevant": relevant, "origin": "offline"}
    )


def test_accessions_of_kept_papers_are_listed_with_where_they_stand() -> None:
    texts = {
        "PMID1": ["We used GSE21050 on GPL570 and TCGA-SARC.", "Data: GSE21050, SRP108660"],
        "PMID2": ["Also GSE21050 (GEO) and GSE30929."],
    }
    found = mentions(texts, ["gse 4335", "PMID9", "own-1"])
    assert list(found) == ["GSE4335", "GSE21050", "GSE30929", "SRP108660", "TCGA-SARC"]
    assert found["GSE4335"] == ["asked for by the researcher"]
    assert len(found["GSE21050"]) == 3
    assert found["GSE30929"] == ["named in PMID2: “…Also GSE21050 (GEO) and GSE30929.…”"]
    said = {f.item: f.message for f in not_asked(found)}
    assert set(said) == {"TCGA-SARC"}
    assert said["TCGA-SARC"].startswith("TCGA-SARC was not looked up: the Genomic Data Commons is not asked (named in")


def test_the_most_promising_are_looked_at_first() -> None:
    sets = [
        remote("GSE1", "query: x", n=500),
        remote("GSE2", "named in PMID1: “…”"),
        remote("GSE3", "asked for by the researcher", title="Something else"),
        remote("GSE4", "query: x", n=3),
        remote("GSE5", "query: x", title="Migraine"),
    ]
    objective = Objective(id="o", text="Immune classes of liposarcoma")
    assert [d.id for d in promising(sets, objective, 3, 1 << 30)] == ["GSE3", "GSE2", "GSE1"]
    assert [d.id for d in promising(sets, objective, 9, 1 << 30)] == ["GSE3", "GSE2", "GSE1"]


def test_own_ones_are_all_kept_and_the_best_of_others_added() -> None:
    own = Dataset(id="mine", title="t", source="own", root="/d", files=())
    known = {
        d.id: d for d in (
            own, remote("GSE1", "query: x", n=300), remote("GSE2", "named in PMID1: x"),
            remote("GSE3", "asked for by the researcher"), remote("GSE4", "query: x"), remote("GSE5", "query: x"),
        )
    }  # fmt: skip
    checks = [
        check("mine", "usable with work", relevant=False),
        check("GSE1"),
        check("GSE2"),
        check("GSE3", "usable with work", relevant=False),
        check("GSE4", "unusable"),
        check("GSE5", relevant=False),
    ]
    assert chosen(checks, known, 9) == ["mine", "GSE3", "GSE2", "GSE1"]
    assert chosen(checks, known, 2) == ["mine", "GSE3", "GSE2"]
    assert chosen(checks, known, 0) == ["mine"]


def test_columns_are_linked_to_samples_only_where_it_is_clear() -> None:
    samples = [
        GeoSample(accession="GSM1", title="Tumor rep 1"),
        GeoSample(accession="GSM2", title="Tumor rep 2"),
        GeoSample(accession="GSM3", title="RNA-seq: normal [N-7]"),
        GeoSample(accession="GSM4", title="twin"),
        GeoSample(accession="GSM5", title="twin"),
        GeoSample(accession="GSM600", title="x", characteristics=(("patient id", "P-06"),)),
    ]
    columns = ["Tumor_rep_1", "tumor.rep.2", "N7", "twin", "P06", "GSM600_again", "Length"]
    assert link_columns(columns, samples) == {"Tumor_rep_1": "GSM1", "tumor.rep.2": "GSM2", "N7": "GSM3"}
    assert link_columns(["XP.06"], samples) == {}
    assert link_columns(["P06"], samples) == {"P06": "GSM600"}
