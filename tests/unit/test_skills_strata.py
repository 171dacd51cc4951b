"""Outcome skills within strata, and skills on matrices with values missing by series, against other implementations."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import survdiff
from test_skills_expression_numbers import script
from test_skills_outcome import findings, functions, good, made_cohort, made_task, run

from bioresearcher.examples import load_example
from bioresearcher.execution.languages import rscript

OTHER_KIND = r"-Met|RECUR|post-chemo"
FILLED = ("svcc", "svl", "svj", "svn", "shac")
COLUMNS = {"sample_column": "pid", "time_column": "time", "event_column": "event", "feature_column": "gene"}


def stratified_cox(table: pd.DataFrame) -> tuple[float, float]:
    """Hazard ratio and p-value of `score` by statsmodels, within the strata of the table."""
    fitted = PHReg(table["time"], table[["score"]], status=table["event"], strata=table["stratum"], ties="efron").fit()
    return float(np.exp(fitted.params[0])), float(fitted.pvalues[0])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, Any]]:
    """The packaged cohorts without the seven samples, with the constants missing and the print series a column."""
    data, folder = load_example("breast-cancer").data, tmp_path_factory.mktemp("prepared")
    one, two = folder / "one", folder / "two"
    one.mkdir()
    two.mkdir()
    sheet = pd.read_csv(data[0] / "clinical.tsv", sep="\t", dtype=str)
    matrix = pd.read_csv(data[0] / "expression_log2.tsv.gz", sep="\t", index_col=0)
    sheet = sheet[~sheet["pid"].str.contains(OTHER_KIND)]
    sheet.to_csv(one / "clinical.tsv", sep="\t", index=False)
    matrix[[c for c in matrix if c in set(sheet["pid"])]].to_csv(one / "expression.tsv", sep="\t")
    sheet = pd.read_csv(data[1] / "clinical.tsv", sep="\t", dtype=str, keep_default_na=False)
    sheet["series"] = sheet["pid"].str.extract(r"^([a-z]+)")[0]
    sheet.to_csv(two / "clinical.tsv", sep="\t", index=False)
    matrix = pd.read_csv(data[1] / "expression_log2.tsv.gz", sep="\t", index_col=0)
    for name in (c for c in matrix if c.startswith(FILLED)):
        matrix[name] = matrix[name].mask(matrix[name] == matrix[name].mode().iloc[0])
    matrix.to_csv(two / "expression.tsv", sep="\t", na_rep="NA")
    inputs = {
        "expression": one / "expression.tsv",
        "samples": one / "clinical.tsv",
        "validation_expression": two / "expression.tsv",
        "validation_samples": two / "clinical.tsv",
        "gene_sets": data[2] / "h.all.v7.0.symbols.gmt",
    }
    values = COLUMNS | {"gene_set": "HALLMARK_E2F_TARGETS", "dataset_label": "GSE1992-prepared"}
    values |= {f"validation_{k}": v for k, v in COLUMNS.items()} | {"missing_values": ["missing"]}
    values |= {"validation_dataset_label": "GSE4335-prepared", "validation_missing_values": ["na", "x"]}
    return inputs, values | {"validation_strata_column": "series"}


@pytest.fixture(scope="module")
def scored(prepared: tuple[dict[str, Path], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The score of the second cohort, and what a skill on it is given."""
    inputs, values = prepared
    second = {k.removeprefix("validation_"): v for k, v in inputs.items() if k.startswith("validation_")}
    values = values | {"dataset_label": "GSE4335-prepared", "missing_values": ["na", "x"], "strata_column": "series"}
    out = good("signature-scoring", inputs | second, values, tmp_path_factory.mktemp("scores"))
    table = pd.read_csv(out["scores"], sep="\t", index_col=0)
    sheet = pd.read_csv(second["samples"], sep="\t", index_col=0)
    table = table.join(sheet[["time", "event", "series"]]).rename(columns={"series": "stratum"})
    return out, second | {"scores": out["scores"]}, values, table


def test_score_of_genes_missing_in_whole_series_is_that_of_a_few_lines_of_pandas(prepared: Any, scored: Any) -> None:
    (inputs, _), (out, _, _, table) = prepared, scored
    x = pd.read_csv(inputs["validation_expression"], sep="\t", index_col=0)
    line = next(
        r for r in inputs["gene_sets"].read_text("utf-8").splitlines() if r.startswith("HALLMARK_E2F_TARGETS\t")
    )
    genes = [g for g in line.split("\t")[2:] if g in x.index and x.loc[g].isna().mean() <= 0.2]
    z = x.loc[genes].apply(lambda row: (row - row.mean()) / row.std(), axis=1).mean()
    assert table["score"].to_numpy() == pytest.approx(((z - z.mean()) / z.std())[table.index].to_numpy(), abs=1e-4)
    status = pd.read_csv(out["genes"], sep="\t").set_index("gene")["status"]
    assert (len(genes), int((status == "used").sum()), int((status == "too many missing").sum())) == (120, 120, 42)
    assert "42 measured genes are not used" in findings(out)[0]["statement"]


def test_validation_within_print_series_agrees_with_statsmodels(prepared: Any, scored: Any, tmp_path: Path) -> None:
    out = good("signature-validation", *prepared, tmp_path)
    table = pd.read_csv(out["table"], sep="\t").set_index("role")
    assert table[["n", "events", "genes_used"]].to_numpy().tolist() == [[117, 28, 162], [112, 38, 120]]
    ratio, p = stratified_cox(scored[3])
    assert table.loc["validation", ["hr", "p"]].tolist() == pytest.approx([ratio, p], rel=1e-3)
    assert (table.loc["discovery", "hr"], ratio) == pytest.approx((1.420, 1.831), abs=0.001)
    plain = scored[3].assign(stratum=1)
    assert table.loc["validation", "hr_without_strata"] == pytest.approx(stratified_cox(plain)[0], rel=1e-3)
    said = findings(out)[1]["statement"]
    assert "stratified by series, has HR per SD 1.83" in said
    assert "svj (1, 0 events); svn (2, 0 events)" in said


def test_cox_regression_within_print_series_agrees_with_statsmodels(scored: Any, tmp_path: Path) -> None:
    _, inputs, values, table = scored
    out = good("cox-regression", inputs, values | {"covariates": ["age", "tumor_size"]}, tmp_path)
    rows = pd.read_csv(out["table"], sep="\t")
    first = rows[(rows["term"] == "score") & (rows["model"] == "univariable")].iloc[0]
    assert [first["hr"], first["p"]] == pytest.approx(stratified_cox(table), rel=1e-3)
    assert set(rows["stratified_by"]) == {"series"}
    said = findings(out)[0]["statement"]
    assert "stratified by series" in said
    assert "Without strata (n = 115) the HR per SD is 1.39" in said


def test_log_rank_within_print_series_agrees_with_statsmodels(scored: Any, tmp_path: Path) -> None:
    _, inputs, values, table = scored
    out = good("kaplan-meier", inputs, values, tmp_path)
    high = (table["score"] > table["score"].median()).astype(int)
    chi2, p = survdiff(table["time"], table["event"], high, strata=table["stratum"])
    assert findings(out)[0]["values"]["chi_square"] == pytest.approx(chi2, rel=5e-3)
    assert pd.read_csv(out["summary"], sep="\t")["logrank_p"].iloc[0] == pytest.approx(p, rel=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_log_rank_agrees_with_statsmodels_with_ties_and_strata(seed: int, strata: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"time": rng.integers(1, 15, 60), "event": rng.integers(0, 2, 60)})
    table["group"], table["stratum"] = rng.permutation(["high", "low"] * 30), rng.integers(0, strata, 60)
    chi2, p = survdiff(table["time"], table["event"], table["group"] == "high", strata=table["stratum"])
    made = functions("kaplan-meier")["log_rank"](table)
    assert (made.test_statistic, made.p_value) == pytest.approx((chi2, p))


@pytest.mark.skipif(rscript() is None, reason="R is not installed")
def test_group_survival_in_r_within_print_series_agrees_with_statsmodels(scored: Any, tmp_path: Path) -> None:
    from bioresearcher.execution.languages import r_literal

    _, inputs, _, table = scored
    sheet = pd.read_csv(inputs["samples"], sep="\t", dtype=str, index_col=0)
    known = sheet["er_status"].isin(["0", "1"])
    parameters = {"sample_column": "pid", "missing_values": ["na"], "group_column": "er_status", "case": "1"}
    parameters |= {"control": "0", "time_column": "time", "event_column": "event", "strata_column": "series"}
    names = {"groups": "g.tsv", "model": "m.tsv", "figure": "f.png", "findings": "f.json"}
    outputs = {k: str(tmp_path / v) for k, v in names.items()}
    task = {"inputs": {"samples": str(inputs["samples"])}, "outputs": outputs, "parameters": parameters, "seed": 1}
    (tmp_path / "task.R").write_text(r_literal(task), encoding="utf-8")
    skills = Path(__file__).parents[2] / "agents" / "skills"
    (tmp_path / "run.R").write_bytes((skills / "survival-in-r" / "scripts" / "run.R").read_bytes())
    (tmp_path / "bioskill.R").write_bytes((skills / "_lib" / "bioskill.R").read_bytes())
    made = subprocess.run(
        [rscript(), str(tmp_path / "run.R"), str(tmp_path / "task.json")], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    model = pd.read_csv(outputs["model"], sep="\t").iloc[0]
    group = sheet["er_status"][known].astype(float)
    ours = table.loc[group.index].assign(score=group)
    assert [model["hazard_ratio"], model["p"]] == pytest.approx(stratified_cox(ours), rel=1e-3)
    said = json.loads(Path(outputs["findings"]).read_text("utf-8"))[0]["statement"]
    assert ", stratified by series, has hazard ratio" in said
    assert "svn (2, 0 events)" in said


def test_strata_of_one_level_change_nothing_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made_cohort(tmp_path / "cohort")
    sheet = pd.read_csv(folder / "samples.tsv", sep="\t").assign(batch="a")
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    inputs, values = made_task(folder)
    plain = good("cox-regression", inputs, values, tmp_path / "plain")
    same = good("cox-regression", inputs, values | {"strata_column": "batch"}, tmp_path / "same")
    assert "one level" in capsys.readouterr().out
    rows = [pd.read_csv(o["table"], sep="\t")[["hr", "p"]].to_numpy() for o in (plain, same)]
    assert rows[0] == pytest.approx(rows[1], rel=1e-4)


def test_strata_that_are_all_idle_and_an_absent_column_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made_cohort(tmp_path / "cohort")
    sheet = pd.read_csv(folder / "samples.tsv", sep="\t").assign(batch=lambda d: d["id"])
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    inputs, values = made_task(folder)
    for name in ("cox-regression", "signature-validation", "kaplan-meier"):
        for column in ("batch", "nowhere"):
            both = {"strata_column": column, "validation_strata_column": column}
            code, _ = run(name, inputs, values | both, tmp_path / name / column)
            said = capsys.readouterr().err
            assert (code, said[:6], said.count("\n")) == (65, "DATA: ", 1), (name, column)


def test_a_sample_with_few_measured_genes_has_no_score_and_is_counted(tmp_path: Path) -> None:
    folder = made_cohort(tmp_path / "cohort")
    matrix = pd.read_csv(folder / "expression.tsv", sep="\t", index_col=0)
    matrix.loc[matrix.index[:11], ["S003", "S007"]] = np.nan
    matrix.to_csv(folder / "expression.tsv", sep="\t", na_rep="NA")
    inputs, values = made_task(folder)
    out = good("signature-scoring", inputs, values, tmp_path / "out")
    table = pd.read_csv(out["scores"], sep="\t", index_col=0)
    assert list(table.index[table["score"].isna()]) == ["S003", "S007"]
    assert table.loc["S003", "genes_measured"] == 9
    assert "2 samples with less than 50 % of the used genes measured have no score" in findings(out)[0]["statement"]
    inputs["scores"] = out["scores"]
    cox = good("cox-regression", inputs, values, tmp_path / "cox")
    assert findings(cox)[0]["values"]["n"] == 58


def test_components_are_not_made_by_the_gaps_of_a_series() -> None:
    rng = np.random.default_rng(2)
    matrix = pd.DataFrame(rng.normal(size=(300, 40)), columns=[f"S{i}" for i in range(40)])
    matrix.iloc[:, :15] += 1.0
    matrix.iloc[:120, :15] = np.nan
    pca = script("pca-plot")
    kept = pca.bioskill.fillable(matrix)
    assert list(kept.index) == list(range(120, 300))
    assert pca.prepare(kept, 200)[1] == 0


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_matrix_that_is_mostly_gaps_is_refused_in_one_line(share: float, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    matrix = pd.DataFrame(rng.normal(size=(50, 20)))
    matrix.iloc[:, : int(share * 20)] = np.nan
    with pytest.raises(SystemExit) as stop:
        script("pca-plot").bioskill.fillable(matrix)
    said = capsys.readouterr().err
    assert (stop.value.code, said[:6], said.count("\n"), "0 of 50 features" in said) == (65, "DATA: ", 1, True)
