"""Proteins, methylation and cell types are tested as limma in R tests them on the same values, or refused in a line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_skills_pooled import run

in_r = pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
N = 12
SHEET = pd.DataFrame({"sample": [f"s{i}" for i in range(N)], "arm": ["new", "old"] * 6, "batch": ["a"] * 5 + ["b"] * 7})
GROUPS: dict[str, Any] = {"dataset_label": "D", "group_column": "arm", "case": "new", "control": "old"}
LIMMA = """
suppressPackageStartupMessages(library(limma))
d <- commandArgs(TRUE)[1]
m <- as.matrix(read.table(file.path(d, "m.txt"), header = TRUE, row.names = 1, check.names = FALSE))
s <- read.table(file.path(d, "sheet.tsv"), header = TRUE, sep = "\\t")
s$arm <- factor(s$arm, levels = c("old", "new"))
fit <- eBayes(lmFit(m, model.matrix(~ arm + batch, s)))
out <- data.frame(fit$coefficients[, "armnew"], fit$t[, "armnew"], fit$p.value[, "armnew"])
write.table(out, file.path(d, "r.txt"), col.names = FALSE, quote = FALSE)
"""


def limma(place: Path, matrix: pd.DataFrame, sheet: pd.DataFrame) -> pd.DataFrame:
    """Difference, moderated t and p of limma, new minus old, with the batch in the model."""
    matrix.to_csv(place / "m.txt", sep=" ", float_format="%.17g", na_rep="NA")
    sheet.to_csv(place / "sheet.tsv", sep="\t", index=False)
    (place / "limma.R").write_text(LIMMA)
    subprocess.run(["Rscript", str(place / "limma.R"), str(place)], check=True, capture_output=True)
    return pd.read_csv(place / "r.txt", sep=" ", header=None, index_col=0, names=["difference", "statistic", "p"])


def analysed(
    place: Path, skill: str, matrix: pd.DataFrame, **parameters: Any
) -> tuple[list[dict[str, Any]] | str, pd.DataFrame]:
    matrix.rename_axis("name").to_csv(place / "x.tsv", sep="\t", float_format="%.17g")
    SHEET.to_csv(place / "s.tsv", sep="\t", index=False)
    inputs = {"expression": place / "x.tsv", "samples": place / "s.tsv"}
    found = run(skill, place, inputs, GROUPS | {"block_columns": ["batch"]} | parameters)
    if isinstance(found, str):
        return found, pd.DataFrame()
    return found, pd.read_csv(place / "t.tsv", sep="\t", index_col=0)


def intensities() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    logs = rng.normal(24, 2, (150, 1)) + np.sqrt(4 / rng.chisquare(4, (150, 1))) * rng.normal(0, 0.5, (150, N))
    logs[:15] += np.where(SHEET["arm"] == "new", 1.5, 0.0)
    logs += rng.normal(0, 0.5, N)
    values = np.round(2.0**logs)
    values[rng.random(values.shape) < 0.1] = 0
    values[20, SHEET["arm"] == "old"] = 0
    values[21] = 0
    return pd.DataFrame(values, [f"P{i}" for i in range(150)], SHEET["sample"])


@in_r
def test_proteins_are_tested_as_limma_tests_log2_intensities_without_zeros(tmp_path: Path) -> None:
    given = intensities()
    found, table = analysed(tmp_path, "protein-abundance", given)
    assert isinstance(found, list)
    logs = np.log2(given.mask(given == 0)).dropna(how="all")
    logs = logs - logs.median() + logs.median().mean()
    theirs = limma(tmp_path, logs.loc[table.index], SHEET).loc[table.index]
    assert table["difference"].to_numpy() == pytest.approx(theirs["difference"].to_numpy(), rel=2e-5, abs=1e-6)
    assert table["statistic"].to_numpy() == pytest.approx(theirs["statistic"].to_numpy(), rel=2e-5, abs=1e-6)
    assert table["p"].to_numpy() == pytest.approx(theirs["p"].to_numpy(), rel=2e-5)
    assert "P20" not in table.index
    values = found[-2]["values"]
    assert (values["zeros"], values["never"]) == (int((given == 0).to_numpy().sum()), 1)
    assert found[-1]["values"]["names"]["new"] == ["P20"]


@in_r
def test_methylation_is_tested_as_limma_tests_m_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (120, 1)) + rng.normal(0, 0.4, (120, N))
    logits[:10] += np.where(SHEET["arm"] == "new", 0.9, 0.0)
    beta = pd.DataFrame(1 / (1 + np.exp(-logits)), [f"cg{i}" for i in range(120)], SHEET["sample"])
    beta.iloc[30, 2], beta.iloc[31, 3] = 0.0, np.nan
    found, table = analysed(tmp_path, "methylation-difference", beta)
    assert isinstance(found, list)
    inside = beta.clip(0.001, 0.999)
    theirs = limma(tmp_path, np.log2(inside / (1 - inside)).loc[table.index], SHEET).loc[table.index]
    assert table["statistic"].to_numpy() == pytest.approx(theirs["statistic"].to_numpy(), rel=2e-5, abs=1e-6)
    assert table["p"].to_numpy() == pytest.approx(theirs["p"].to_numpy(), rel=2e-5)
    case = (SHEET["arm"] == "new").to_numpy()
    gap = beta.loc[table.index].loc[:, case].mean(axis=1) - beta.loc[table.index].loc[:, ~case].mean(axis=1)
    assert table["difference_of_beta"].to_numpy() == pytest.approx(gap.to_numpy(), abs=1e-5)
    assert found[-1]["values"]["set_off"] == 1


def cells() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = []
    for donor in SHEET.itertuples():
        weights = np.array([3.0 if donor.arm == "new" else 1.0, 2, 2, 1, 1]) * rng.gamma(8, 1, 5)
        count = int(rng.integers(150, 400))
        rows += [
            (donor.sample, donor.arm, donor.batch, f"T{k}") for k in rng.choice(5, count, p=weights / weights.sum())
        ]
    return pd.DataFrame(rows, columns=["donor", "arm", "batch", "cell_type"]).rename_axis("cell")


@in_r
def test_cell_types_are_compared_by_donor_as_limma_compares_their_logits(tmp_path: Path) -> None:
    one = cells()
    one.to_csv(tmp_path / "c.csv")
    found = run("cell-abundance", tmp_path, {"cells": tmp_path / "c.csv"}, GROUPS | {"block_columns": ["batch"]})
    assert isinstance(found, list)
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t", index_col=0)
    counts = pd.crosstab(one["cell_type"], one["donor"])[SHEET["sample"]] + 0.5
    share = counts / counts.sum()
    theirs = limma(tmp_path, np.log(share / (1 - share)).loc[table.index], SHEET).loc[table.index]
    assert table["statistic"].to_numpy() == pytest.approx(theirs["statistic"].to_numpy(), rel=2e-5, abs=1e-6)
    assert table.index[0] == "T0"
    assert found[0]["result"]["n"] == N
    assert found[-1]["values"]["cells"] == len(one)


@pytest.mark.parametrize(
    ("skill", "change", "said"),
    [
        ("protein-abundance", lambda m: m * 0, "every value is missing or zero"),
        ("protein-abundance", lambda m: -m, "intensities are negative"),
        ("protein-abundance", lambda m: (m / m.to_numpy().max() * 900).round(), "the matrix looks like counts"),
        ("protein-abundance", lambda m: m.assign(s3=0.0), "sample 's3' lacks 100 % of"),
        ("methylation-difference", lambda m: m, "beta values lie between 0 and 1"),
    ],
)
def test_values_of_another_kind_are_refused(tmp_path: Path, skill: str, change: Any, said: str) -> None:
    found, _ = analysed(tmp_path, skill, change(intensities()))
    assert isinstance(found, str)
    assert said in found


def test_a_stray_cell_is_left_out_and_counted(tmp_path: Path) -> None:
    one = cells()
    one.loc[0, "arm"] = "old" if one.loc[0, "arm"] == "new" else "new"
    one.to_csv(tmp_path / "c.csv")
    found = run("cell-abundance", tmp_path, {"cells": tmp_path / "c.csv"}, GROUPS)
    assert isinstance(found, list)
    assert (found[-1]["values"]["left_out"], found[-1]["values"]["cells"]) == (1, len(one) - 1)


def test_batch_equal_to_group_and_a_group_of_one_are_refused(tmp_path: Path) -> None:
    one = cells()
    for change, said in (
        ({"batch": one["arm"]}, "the groups cannot be told apart from batch"),
        ({"arm": np.where(one["donor"] == "s0", "new", "old")}, "group arm = 'new' has 1 samples; at least 3"),
        ({"arm": np.where(one["cell_type"] == "T1", "new", "old")}, "it is no property of the donor"),
        ({"cell_type": "T"}, "has one cell type"),
    ):
        one.assign(**change).to_csv(tmp_path / "c.csv")
        found = run("cell-abundance", tmp_path, {"cells": tmp_path / "c.csv"}, GROUPS | {"block_columns": ["batch"]})
        assert isinstance(found, str)
        assert said in found


def counts_by_type() -> pd.DataFrame:
    """Counts of 80 genes in three cell types of twelve donors; of the third type most donors have few cells."""
    rng = np.random.default_rng(8)
    case = (SHEET["arm"] == "new").to_numpy()
    parts = []
    for number, (kind, size) in enumerate((("B", 40), ("T", 90), ("rare", 3))):
        sizes = rng.poisson(size, N)
        mean = rng.gamma(1.5, 0.8, (80, 1)) * sizes * rng.gamma(20, 1 / 20, (80, N))
        mean[10 * number : 10 * number + 10] *= np.where(case, 2.5, 1.0)
        table = pd.DataFrame(rng.poisson(mean), [f"g{i}" for i in range(80)], SHEET["sample"])
        cells = pd.DataFrame([sizes], ["number of cells"], SHEET["sample"])
        parts.append(pd.concat([cells, table]).rename_axis("gene").reset_index().assign(cell_type=kind))
    return pd.concat(parts)[["cell_type", "gene", *SHEET["sample"]]]


def by_type(place: Path, counts: pd.DataFrame, **parameters: Any) -> list[dict[str, Any]] | str:
    counts.to_csv(place / "c.tsv", sep="\t", index=False)
    SHEET.to_csv(place / "s.tsv", sep="\t", index=False)
    inputs = {"counts": place / "c.tsv", "samples": place / "s.tsv"}
    return run("cell-type-expression", place, inputs, GROUPS | {"block_columns": ["batch"]} | parameters)


@in_r
def test_each_cell_type_is_tested_as_limma_tests_its_sums_with_one_false_discovery_rate(tmp_path: Path) -> None:
    given = counts_by_type()
    found = by_type(tmp_path, given)
    assert isinstance(found, list), found
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t")
    assert set(table["cell_type"]) == {"B", "T"}
    for kind, own in table.groupby("cell_type"):
        counts = given[(given["cell_type"] == kind) & (given["gene"] != "number of cells")].set_index("gene")
        counts = counts[list(SHEET["sample"])]
        kept = counts[((counts / counts.sum() * 1e6) >= 1).sum(axis=1) >= 6]
        theirs = limma(tmp_path, np.log2((kept + 0.5) / (counts.sum() + 1) * 1e6), SHEET)
        own = own.set_index("gene")
        assert set(own.index) == set(theirs.index)
        theirs = theirs.loc[own.index]
        assert own["difference"].to_numpy() == pytest.approx(theirs["difference"].to_numpy(), rel=2e-5, abs=1e-6)
        assert own["statistic"].to_numpy() == pytest.approx(theirs["statistic"].to_numpy(), rel=2e-5, abs=1e-6)
        assert own["p"].to_numpy() == pytest.approx(theirs["p"].to_numpy(), rel=2e-5)
    ranks = np.arange(1, len(table) + 1)
    whole = np.minimum.accumulate((table["p"] * len(table) / ranks).to_numpy()[::-1])[::-1]
    assert table["fdr"].to_numpy() == pytest.approx(np.minimum(whole, 1), rel=2e-5)
    planted = {"B": {f"g{i}" for i in range(10)}, "T": {f"g{i}" for i in range(10, 20)}}
    for kind, genes in planted.items():
        called = set(table["gene"][(table["cell_type"] == kind) & (table["fdr"] < 0.05)])
        assert len(called & genes) >= 8
    assert "1 cell type was not tested, for fewer than 3 donors in a group" in found[-1]["statement"]
    assert found[-1]["values"]["refused"][0].startswith("rare (old: ")
    assert found[0]["result"]["groups"] == {"old": 6, "new": 6}


def test_cell_types_without_donors_or_counts_are_refused(tmp_path: Path) -> None:
    given = counts_by_type()
    said = by_type(tmp_path, given, min_cells=500)
    assert "no cell type has 3 donors with at least 500 of its cells in each group; donors: B (old: 0, new: 0)" in said
    assert "'B' has no row 'number of cells'" in by_type(tmp_path, given[given["gene"] != "number of cells"])
    wrong = given.copy()
    wrong.iloc[3, 4] = -2
    assert "holds values that are no counts (text, missing or below 0)" in by_type(tmp_path, wrong)
