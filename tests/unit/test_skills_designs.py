"""Pairs, blocks, covariates and named genes: analyses that take them give what an independent computation gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

SKILLS = Path(__file__).parents[2] / "agents" / "skills"


def run(skill: str, tmp_path: Path, inputs: dict[str, Path], parameters: dict[str, Any]) -> list[dict[str, Any]] | str:
    """Run a skill's script; return its findings, or what it said when it refused."""
    files = {"table": "t.tsv", "figure": "f.png", "findings": "f.json", "scores": "s.tsv", "genes": "g.tsv"}
    task = {"inputs": {k: str(v) for k, v in inputs.items()}, "parameters": parameters}
    task["outputs"] = {k: str(tmp_path / v) for k, v in files.items()}
    (tmp_path / "task.json").write_text(json.dumps(task))
    script = SKILLS / skill / "scripts" / "run.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "task.json")],
        env={**os.environ, "PYTHONPATH": str(SKILLS / "_lib")},
        capture_output=True,
        text=True,
    )
    if done.returncode == 65:
        return done.stderr
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads((tmp_path / "f.json").read_text())
    return found


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[dict[str, Path], pd.DataFrame, pd.DataFrame]:
    """Ten pairs over two batches, forty genes, the first eight of them raised within pairs."""
    rng = np.random.default_rng(5)
    sheet = pd.DataFrame({"sample": [f"s{i}" for i in range(20)], "tissue": ["normal", "tumour"] * 10})
    sheet["patient"] = [f"p{i // 2}" for i in range(20)]
    sheet["run"] = ["a" if i % 4 else "b" for i in range(20)]
    sheet["age"] = rng.integers(40, 80, 20)
    patient = np.repeat(rng.normal(0, 3, (40, 10)), 2, axis=1)
    values = 8 + patient + rng.normal(0, 0.4, (40, 20))
    values[:8, 1::2] += 1.5
    matrix = pd.DataFrame(values, index=[f"G{i}" for i in range(40)], columns=sheet["sample"]).rename_axis("gene")
    matrix.to_csv(tmp_path / "m.tsv", sep="\t")
    sheet.to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    return {"matrix": tmp_path / "m.tsv", "samples": tmp_path / "s.tsv"}, matrix, sheet


CONTRAST = {"group_column": "tissue", "case": "tumour", "control": "normal", "dataset_label": "D"}


def test_pairs_are_tested_as_pairs(cohort: Any, tmp_path: Path) -> None:
    inputs, matrix, _ = cohort
    found = run("differential-expression", tmp_path, inputs, {**CONTRAST, "pair_column": "patient"})
    p = stats.ttest_rel(matrix.iloc[:, 1::2], matrix.iloc[:, ::2], axis=1).pvalue
    expected = int((stats.false_discovery_control(p) < 0.05).sum())
    assert isinstance(found, list)
    assert found[0]["result"]["called"] == expected >= 8
    assert found[0]["result"]["terms"] == ["patient"]
    assert found[0]["result"]["pairs"] == 10
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t").set_index("gene")
    assert table["p"][matrix.index].to_numpy() == pytest.approx(p, rel=1e-4)
    alone = run("differential-expression", tmp_path, inputs, CONTRAST)
    assert isinstance(alone, list)
    assert alone[0]["result"]["called"] == 0
    assert alone[0]["result"]["terms"] == []


def test_blocks_and_covariates_are_in_the_model(cohort: Any, tmp_path: Path) -> None:
    import statsmodels.api as sm

    inputs, matrix, sheet = cohort
    design = {"block_columns": ["run"], "adjust_columns": ["age"], "genes": ["G0"]}
    found = run("differential-expression", tmp_path, inputs, {**CONTRAST, **design})
    case = (sheet["tissue"] == "tumour").to_numpy(float)
    x = sm.add_constant(np.column_stack([case, (sheet["run"] == "b").to_numpy(float), sheet["age"]]))
    fit = sm.OLS(matrix.loc["G0"].to_numpy(), x).fit()
    assert isinstance(found, list)
    gene = next(f["result"] for f in found if f["result"]["measure"] == "G0")
    assert (gene["estimate"], gene["p"]) == pytest.approx((fit.params[1], fit.pvalues[1]), rel=1e-4)
    assert gene["terms"] == ["run", "age"]


def test_groups_that_no_model_can_tell_from_a_block_are_refused(cohort: Any, tmp_path: Path) -> None:
    inputs, _, sheet = cohort
    sheet.assign(run=sheet["tissue"]).to_csv(inputs["samples"], sep="\t", index=False)
    said = run("differential-expression", tmp_path, inputs, {**CONTRAST, "block_columns": ["run"]})
    assert "cannot be told apart from run" in said


def test_a_pair_column_in_which_nobody_is_paired_is_refused(cohort: Any, tmp_path: Path) -> None:
    inputs, _, sheet = cohort
    sheet.assign(patient=sheet["sample"]).to_csv(inputs["samples"], sep="\t", index=False)
    said = run("differential-expression", tmp_path, inputs, {**CONTRAST, "pair_column": "patient"})
    assert "gives 0 complete pairs" in said


def test_a_gene_called_na_is_tested_and_rows_without_a_name_are_not(cohort: Any, tmp_path: Path) -> None:
    inputs, matrix, _ = cohort
    matrix.rename({"G0": "NA"}).to_csv(inputs["matrix"], sep="\t")
    found = run("differential-expression", tmp_path, inputs, CONTRAST)
    assert isinstance(found, list)
    assert found[0]["result"]["tested"] == 40
    matrix.rename({"G0": "NA", "G1": "NA", "G2": ""}).to_csv(inputs["matrix"], sep="\t")
    found = run("differential-expression", tmp_path, inputs, CONTRAST)
    assert isinstance(found, list)
    assert found[0]["result"]["tested"] == 37


def test_one_named_gene_is_a_score(cohort: Any, tmp_path: Path) -> None:
    inputs, matrix, _ = cohort
    named = {"genes": ["G3"], "dataset_label": "D"}
    run("signature-scoring", tmp_path, {"expression": inputs["matrix"]}, named)
    scores = pd.read_csv(tmp_path / "s.tsv", sep="\t").set_index("sample")["score"]
    row = matrix.loc["G3"]
    assert scores.to_numpy() == pytest.approx(((row - row.mean()) / row.std()).to_numpy(), rel=1e-4)
