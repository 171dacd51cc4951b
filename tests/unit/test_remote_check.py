"""Data sets at their source: what they are about, what they measure, and which is worth fetching."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck, GeoSample, Remote, RemoteFile
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.sources.geo.sample_labels import agreement, is_reference
from bioresearcher.sources.geo.summary import contents_of, folder_of, read_listing


def judged(
    title: str, objective: str, *, assay: str = "Expression profiling by array", **remote: object
) -> DatasetCheck:
    dataset = Dataset(
        id="GSE1", title=title, organism="Homo sapiens", assay=assay, source="GEO", root="", files=(), n_samples=20,
        remote=Remote.model_validate({"url": "u"} | remote),
    )  # fmt: skip
    return check_dataset(dataset, Objective(id="o", text=objective))


@pytest.mark.parametrize(
    ("title", "objective", "relevant"),
    [
        ("Soft tissue sarcoma biopsies", "Immune classes of liposarcoma", True),
        ("Myxoid liposarcoma", "Key genes of sarcoma", True),
        ("Motor neurons with fused in sarcoma (FUS) mutations", "Key genes of liposarcoma", False),
        ("Kidney tumours and normal kidney", "Genes of renal cell carcinoma", True),
        ("Hepatocellular carcinoma", "Genes of renal cell carcinoma", False),
        ("Kidney transplant rejection", "Genes of renal cell carcinoma", False),
        ("Gastric cancer cohort", "Prognosis of stomach cancer", True),
        ("Breast cancer cohort", "Prognosis of stomach cancer", False),
        ("Chronic kidney disease biopsies", "Genes of chronic kidney disease", True),
        ("Migraine with aura", "Identify genes significantly associated with Migraine from public cohorts", True),
        ("Healthy ageing", "Identify genes significantly associated with Migraine from public cohorts", False),
    ],
)
def test_what_a_data_set_is_about(title: str, objective: str, relevant: bool) -> None:
    assert judged(title, objective).relevant == relevant


@pytest.mark.parametrize(
    ("assay", "objective", "fits"),
    [
        ("Expression profiling by high throughput sequencing", "Genes of liposarcoma", True),
        ("Methylation profiling by array", "Genes of liposarcoma", False),
        ("Methylation profiling by array", "DNA methylation in liposarcoma", True),
        ("Genome binding/occupancy profiling by high throughput sequencing; Expression profiling by array",
         "Genes of liposarcoma", True),
        ("Non-coding RNA profiling by array", "Genes of liposarcoma", False),
        ("Non-coding RNA profiling by array", "microRNA of liposarcoma", True),
        ("", "Genes of liposarcoma", True),
    ],
)  # fmt: skip
def test_what_a_data_set_measures(assay: str, objective: str, fits: bool) -> None:
    check = judged("Liposarcoma", objective, assay=assay)
    assert (check.verdict != "unusable") == fits
    assert check.relevant == fits


def file(name: str, size: int = 1000) -> RemoteFile:
    return RemoteFile(name=name, url=f"u/{name}", bytes=size, contents=contents_of(name))


def test_what_makes_work_and_what_makes_it_useless() -> None:
    matrix = file("GSE1_series_matrix.txt.gz")
    good = {"inspected": True, "groups": ("group 'x': a (10), b (10)",), "largest_groups": 10, "files": (matrix,)}
    question = "Genes of liposarcoma"
    assert judged("Liposarcoma", question, **good).verdict == "usable"
    for change, verdict, said in (
        ({"labels": ("labels contradict each other in 2 of 9 samples (x)",)}, "usable with work", "contradict"),
        ({"groups": (), "largest_groups": 0}, "usable with work", "no groups to compare"),
        ({"largest_groups": 2}, "usable with work", "no two groups with 3 samples"),
        ({"single_cell": True}, "usable with work", "single cells"),
        ({"files": (matrix, file("GSE1-GPL2_series_matrix.txt.gz"))}, "usable with work", "2 platforms"),
        ({"matrix_empty": True}, "unusable", "no file seems to hold values per sample"),
        ({"matrix_empty": True, "files": (matrix, file("GSE1_counts.txt.gz"))}, "usable with work", "supplementary"),
        ({"files": (file("GSE1_series_matrix.txt.gz", 3 << 30),)}, "unusable", "has 3.0 GB; at most 500.0 MB"),
        ({"relations": ("SuperSeries of: GSE2",)}, "unusable", "only bundles others (GSE2)"),
        ({"relations": ("Superseded by: GSE9",)}, "unusable", "superseded"),
    ):
        check = judged("Liposarcoma", question, **(good | change))
        assert check.verdict == verdict, change
        assert said in check.reasons[0]


def test_names_say_what_files_hold() -> None:
    expected = {
        "GSE1_raw_counts.txt.gz": "values", "GSE1_TPM.xlsx": "values",
        "GSE1-GPL96_series_matrix.txt.gz": "series matrix",
        "GSE1_RAW.tar": "archive", "GSM1.CEL.gz": "raw", "GSE1_DESeq2_treated_vs_control.csv.gz": "results",
        "GSE1_A_vs_B.txt": "results", "GSE1_metadata.csv.gz": "description", "GSE1_genes_fpkm.csv": "values",
        "GSE1_peaks.narrowPeak.gz": "raw", "GSE1_object.rds.gz": "other", "filelist.txt": "description",
    }  # fmt: skip
    assert {name: contents_of(name) for name in expected} == expected


def test_a_listing_leads_nowhere_else() -> None:
    page = b"""<html><title>Index of /geo/series</title><a href="?C=M">x</a> <a href="/geo/">Parent Directory</a> -
<a href="GSE1_counts.txt.gz">GSE1_counts.txt.gz</a>   2020-01-01 10:00  1.5M
<a href="https://evil.example/x.txt">x</a> 1K <a href="..%2F..%2Fetc">y</a> 1K <a href=".hidden">h</a> 2K
<a href="GSE1_RAW.tar">GSE1_RAW.tar</a> 2020-01-01 10:00  2.1G
</html>"""
    folder = folder_of("https://files.example/geo/", "GSE1")
    assert folder == "https://files.example/geo/series/GSEnnn/GSE1/"
    assert {f.name: f.bytes for f in read_listing(page, folder)} == {
        "GSE1_counts.txt.gz": int(1.5 * (1 << 20)),
        "GSE1_RAW.tar": int(2.1 * (1 << 30)),
    }
    assert all(f.url.startswith(folder) for f in read_listing(page, folder))
    assert folder_of("x", "GPL24676") == "x/platforms/GPL24nnn/GPL24676/"


def labelled(accession: str, title: str, source: str, characteristics: tuple[tuple[str, str], ...]) -> GeoSample:
    return GeoSample(accession=accession, title=title, source=source, characteristics=characteristics)


def test_labels_agree_or_contradict() -> None:
    samples = [
        labelled("S1", "Tumor 1", "tissue", (("tissue", "carcinoma"),)),
        labelled("S2", "Normal 2", "kidney", (("tissue", "adjacent normal"), ("diagnosis", "carcinoma"))),
        labelled("S3", "Tumor 3", "normal kidney", (("age", "60"),)),
        labelled("S4", "cells, untreated", "", (("treatment", "DMSO vehicle"),)),
        labelled("S5", "cells, treated", "", (("treatment", "untreated"),)),
        labelled("S6", "female donor", "", (("sex", "F"),)),
    ]
    found = {a.concept: a for a in agreement(samples)}
    assert (found["tissue"].compared, found["tissue"].contradictions) == (
        3,
        (("S3", "title says tumour, source says normal"),),
    )
    assert (found["treatment"].compared, found["treatment"].count) == (2, 1)
    assert (found["sex"].compared, found["sex"].count) == (1, 0)
    assert is_reference("normal tissue adjacent to carcinoma")
    assert is_reference("Vehicle")
    assert not is_reference("treated with drug")


def test_relevance_agrees_with_a_models_real_decisions(shared_data: Path) -> None:
    """33 real series with the decisions of a model for one objective; what is measured is in the benchmark."""
    with (shared_data / "geo/series.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with (shared_data / "objectives.jsonl").open(encoding="utf-8") as lines:
        objective = json.loads(next(lines))
    agree = total = 0
    for row in rows:
        for decision in row["llm_selection"]:
            check = judged(
                row["title"], objective["objective"], assay=row["type"].replace("array", "array; "),
                summary=row["summary"], design=row.get("overall_design") or "",
            )  # fmt: skip
            agree += check.relevant == decision["kept_final"]
            total += 1
    assert total == 33
    assert agree >= 28
