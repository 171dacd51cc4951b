"""Whether a data set fits an objective."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.suitability import check_dataset

TOML = """
title = "Breast tumours before treatment"
source = "own"
organism = "Homo sapiens"
assay = "RNA-seq"
[[files]]
name = "expression"
kind = "expression"
path = "m.tsv"
scale = "log2"
[[files]]
name = "samples"
kind = "samples"
path = "s.tsv"
[files.columns.er]
role = "group"
case = "1"
control = "0"
"""
SURVIVAL = '[files.columns.time]\nrole = "time"\n[files.columns.event]\nrole = "event"\n'


def objective(text: str, *requirements: str) -> Objective:
    return Objective(
        id="o", text=text, requirements=tuple(Requirement(id=f"R{i}", text=t) for i, t in enumerate(requirements, 1))
    )


def dataset(tmp_path: Path, toml: str = TOML, n: int = 12, events: int = 6) -> Dataset:
    ids = [f"P{i}" for i in range(n)]
    (tmp_path / "m.tsv").write_text(
        "gene\t" + "\t".join(ids) + "\n" + "A" + "\t1.5" * n + "\nB" + "\t2.5" * n + "\n", encoding="utf-8"
    )
    rows = "".join(f"P{i}\t{i % 2}\t{i + 1}\t{int(i < events)}\n" for i in range(n))
    (tmp_path / "s.tsv").write_text("id\ter\ttime\tevent\n" + rows, encoding="utf-8")
    (tmp_path / "dataset.toml").write_text(toml, encoding="utf-8")
    [found], failures = load_datasets([tmp_path])
    assert not failures
    return found


def text(check: DatasetCheck) -> str:
    return "\n".join(check.reasons)


def test_a_fitting_data_set_is_usable_with_its_sizes_stated(tmp_path: Path) -> None:
    check = check_dataset(
        dataset(tmp_path, TOML + SURVIVAL), objective("Differences between breast tumors of patients and survival")
    )
    assert (check.verdict, check.relevant, check.origin) == ("usable", True, "offline")
    for words in (
        "organism Homo sapiens",
        "0 (6), 1 (6)",
        "6 events in 12 samples",
        "time unit not stated",
        "assay: RNA-seq",
    ):
        assert words in text(check)


def test_survival_without_follow_up_is_said(tmp_path: Path) -> None:
    check = check_dataset(dataset(tmp_path), objective("Prognostic genes of breast tumours"))
    assert check.verdict == "usable with work"
    assert "no time and event columns" in text(check)


@pytest.mark.parametrize(("events", "words"), [(0, "every sample is censored"), (2, "2 events; at least 5")])
def test_too_few_events_are_said(tmp_path: Path, events: int, words: str) -> None:
    check = check_dataset(dataset(tmp_path, TOML + SURVIVAL, events=events), objective("Survival of breast cancer"))
    assert check.verdict == "usable with work"
    assert words in text(check)


def test_three_samples_are_unusable(tmp_path: Path) -> None:
    check = check_dataset(dataset(tmp_path, n=3), objective("Breast tumours"))
    assert check.verdict == "unusable"
    assert "3 samples can be analysed; at least 6 are needed" in check.reasons


def test_another_organism_is_not_relevant(tmp_path: Path) -> None:
    check = check_dataset(dataset(tmp_path), objective("Breast tumours of mice"))
    assert not check.relevant
    assert "organism Homo sapiens, but the objective is about mouse" in text(check)
    assert check.verdict == "unusable"


def test_an_organism_named_in_passing_excludes_nothing(tmp_path: Path) -> None:
    wish = Objective(id="o", text="Breast tumours", conditions=("No mice and no wet-lab work",))
    assert check_dataset(dataset(tmp_path), wish).relevant


def test_a_sheet_with_other_separators_is_unusable(tmp_path: Path) -> None:
    rows = "".join(f"S{n};{n % 2}\n" for n in range(12))
    (tmp_path / "samples.csv").write_text("sample;relapse\n" + rows, encoding="utf-8")
    [found], _ = load_datasets([tmp_path / "samples.csv"])
    check = check_dataset(found, objective("Relapse of breast tumours"))
    assert check.verdict == "unusable"
    assert "could not be split into columns" in check.reasons[0]


def test_another_subject_is_not_relevant(tmp_path: Path) -> None:
    check = check_dataset(dataset(tmp_path), objective("Drought tolerance of barley roots"))
    assert not check.relevant
    assert "shares no subject word" in text(check)


def test_gene_sets_are_relevant_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "h.gmt").write_text("A\tx\tG1\tG2\n", encoding="utf-8")
    [sets], _ = load_datasets([tmp_path / "h.gmt"])
    assert check_dataset(sets, objective("Breast tumours", "ranked gene-set enrichment")).relevant
    check = check_dataset(sets, objective("Count the samples"))
    assert (check.verdict, check.relevant) == ("usable", False)


def test_the_check_still_answers_when_the_files_have_gone(tmp_path: Path) -> None:
    found = dataset(tmp_path, TOML + SURVIVAL)
    (tmp_path / "s.tsv").unlink()
    check = check_dataset(found, objective("Survival of breast cancer"))
    assert check.verdict == "usable"
    assert "levels 0, 1" in text(check)
