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
