"""Analyses of clinical tables against statsmodels, lifelines and scipy, on tables made here and on bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import survdiff
from test_skills_outcome import contract, functions, run

from bioresearcher.execution.figures import read_figure
from bioresearcher.execution.output_tables import (
    read_findings,
    read_table,
    table_placeholder,
    table_problem,
    unsupported_numbers,
)

SURVIVAL = {"sample_column": "id", "time_column": "time", "event_column": "event", "dataset_label": "trial"}
TWO = {"group_column": "arm", "case": "drug", "control": "placebo"}
THREE = {"group_column": "dose", "levels": ["high", "low", "none"], "control": "none"}


def made(rows: int = 160, seed: int = 3) -> pd.DataFrame:
    """A trial in which drug, age and centre matter, with ties, censoring, and unknown ages and stages."""
    rng = np.random.default_rng(seed)
    sheet = pd.DataFrame({"id": [f"P{i:03d}" for i in range(rows)]})
    sheet["arm"] = np.where(rng.random(rows) < 0.5, "drug", "placebo")
    sheet["dose"] = rng.choice(["high", "low", "none"], rows)
    sheet["age"] = rng.normal(62, 9, rows).round(0)
    sheet["stage"] = rng.choice(["I", "II", "III"], rows)
    sheet["centre"] = rng.choice(["north", "south"], rows)
    hazard = np.exp(-0.6 * (sheet["arm"] == "drug") + 0.03 * (sheet["age"] - 62) + 0.5 * (sheet["dose"] == "none"))
    hazard *= np.where(sheet["centre"] == "north", 1, 2)
    time, limit = rng.exponential(20 / hazard), rng.uniform(5, 40, rows)
    sheet["time"] = np.minimum(time, limit).round(0) + 1
    sheet["event"] = (time <= limit).astype(int)
    sheet.loc[rng.choice(rows, 12, replace=False), "age"] = np.nan
    return sheet


def given_sheet(sheet: pd.DataFrame, folder: Path) -> dict[str, Path]:
    """Write a sheet as the input of a skill."""
    folder.mkdir(parents=True, exist_ok=True)
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False, na_rep="")
    return {"samples": folder / "samples.tsv"}


def answer(skill: str, sheet: pd.DataFrame, parameters: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Run a skill that must succeed; its findings, after its outputs were held against its contract."""
    code, outputs = run(skill, given_sheet(sheet, folder), parameters, folder / "out")
    assert code == 0
    for output in contract(skill).outputs:
        path = outputs[output.name]
        if output.kind == "table":
            assert (table_problem(read_table(path), output), table_placeholder(read_table(path))) == ("", "")
        elif output.kind == "figure":
            assert read_figure(path).summary
    rows = read_findings(outputs["findings"])
    assert [unsupported_numbers(row, (), {}) for row in rows] == [()] * len(rows)
    found: list[dict[str, Any]] = json.loads(outputs["findings"].read_text("utf-8"))
    return found


def results(found: list[dict[str, Any]], test: str) -> list[dict[str, Any]]:
    """The structured results of a test or model."""
    return [f["result"] for f in found if f.get("result", {}).get("test") == test]


def refusal(
    skill: str, sheet: pd.DataFrame, parameters: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> str:
    """Run a skill that must refuse; the one line it says."""
    code, _ = run(skill, given_sheet(sheet, folder), parameters, folder / "out")
    assert code == 65
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def statsmodels_cox(sheet: pd.DataFrame, columns: dict[str, Any], strata: Any = None) -> tuple[float, float]:
    """Hazard ratio and p of the first of some columns, by statsmodels."""
    x = pd.DataFrame(columns, index=sheet.index).astype(float)
    known = x.notna().all(axis=1)
    by = None if strata is None else strata[known]
    fitted = PHReg(sheet["time"][known], x[known], status=sheet["event"][known], strata=by, ties="efron").fit()
    return float(np.exp(fitted.params[0])), float(fitted.pvalues[0])


def test_two_arms_give_the_log_rank_test_and_hazard_ratio_of_statsmodels(tmp_path: Path) -> None:
    sheet = made()
    found = answer("clinical-survival", sheet, {**SURVIVAL, **TWO, "adjust_columns": ["age", "stage"]}, tmp_path)
    chi2, p = survdiff(sheet["time"], sheet["event"], sheet["arm"])
    test = results(found, "log-rank")[0]
    assert test["p"] == pytest.approx(p, rel=1e-6)
    assert found[0]["values"]["chi_square"] == pytest.approx(chi2, rel=1e-2)
    drug = sheet["arm"] == "drug"
    assert test["groups"] == {"drug": drug.sum(), "placebo": (~drug).sum()}
    assert test["group_events"] == {"drug": sheet["event"][drug].sum(), "placebo": sheet["event"][~drug].sum()}
    alone, adjusted = results(found, "cox regression")
    expected = statsmodels_cox(sheet, {"drug": drug})
    assert (alone["estimate"], alone["p"]) == pytest.approx(expected, rel=1e-3)
    assert (alone["terms"], alone["n"], alone["missing"]) == ([], 160, 0)
    terms = {"drug": drug, "age": sheet["age"], "ii": sheet["stage"] == "II", "iii": sheet["stage"] == "III"}
    assert (adjusted["estimate"], adjusted["p"]) == pytest.approx(statsmodels_cox(sheet, terms), rel=1e-3)
    assert (adjusted["terms"], adjusted["n"], adjusted["missing"]) == (["age", "stage"], 148, 12)
    assert adjusted["contrast"] == {"column": "arm", "case": "drug", "control": "placebo"}
    table = pd.read_csv(tmp_path / "out" / "cox_models.tsv", sep="\t")
    assert {*table["model"]} == {"alone", "together", "alone, rows of the model together"}


def test_curves_and_medians_are_those_of_lifelines(tmp_path: Path) -> None:
    sheet = made()
    answer("clinical-survival", sheet, {**SURVIVAL, **THREE}, tmp_path)
    summary = pd.read_csv(tmp_path / "out" / "km_groups.tsv", sep="\t").set_index("group")
    curves = pd.read_csv(tmp_path / "out" / "km_curves.tsv", sep="\t")
    for level, part in sheet.groupby("dose"):
        fitted = KaplanMeierFitter().fit(part["time"], part["event"])
        assert summary.loc[level, "median_time"] == pytest.approx(fitted.median_survival_time_)
        own = curves[curves["group"] == level]
        risk = [(part["time"] >= t).sum() for t in own["time"]]
        assert own["at_risk"].tolist() == risk
        assert own["survival"].to_numpy() == pytest.approx(fitted.survival_function_at_times(own["time"]), rel=1e-5)


def test_three_levels_are_tested_together_and_each_against_the_reference(tmp_path: Path) -> None:
    sheet = made()
    found = answer("clinical-survival", sheet, {**SURVIVAL, **THREE}, tmp_path)
    expected = multivariate_logrank_test(sheet["time"], sheet["dose"], sheet["event"])
    test = results(found, "log-rank")[0]
    assert test["p"] == pytest.approx(expected.p_value, rel=1e-6)
    assert found[0]["values"]["df"] == 2
    assert test["contrast"] == {"column": "dose", "levels": ["high", "low", "none"]}
    cox = results(found, "cox regression")[0]
    assert "estimate" not in cox
    x = pd.DataFrame({"high": sheet["dose"] == "high", "low": sheet["dose"] == "low"}).astype(float)
    fitted = PHReg(sheet["time"], x, status=sheet["event"], ties="efron").fit()
    wald = fitted.params @ np.linalg.inv(fitted.cov_params()) @ fitted.params
    from scipy.stats import chi2

    assert cox["p"] == pytest.approx(float(chi2.sf(wald, 2)), rel=1e-3)
    values = next(f for f in found if f.get("result") == cox)["values"]
    assert values["hr"] == pytest.approx(np.exp(fitted.params), abs=0.006)


def test_blocks_are_strata_of_the_test_and_of_the_model(tmp_path: Path) -> None:
    sheet = made()
    found = answer("clinical-survival", sheet, {**SURVIVAL, **TWO, "block_columns": ["centre"]}, tmp_path)
    _, p = survdiff(sheet["time"], sheet["event"], sheet["arm"], strata=sheet["centre"])
    assert results(found, "log-rank")[0]["p"] == pytest.approx(p, rel=1e-6)
    cox = results(found, "cox regression")[0]
    expected = statsmodels_cox(sheet, {"drug": sheet["arm"] == "drug"}, sheet["centre"])
    assert (cox["estimate"], cox["p"]) == pytest.approx(expected, rel=1e-3)
    assert cox["terms"] == ["centre"]


def test_numbers_are_taken_per_unit_and_several_columns_together(tmp_path: Path) -> None:
    sheet = made()
    found = answer("clinical-survival", sheet, {**SURVIVAL, "stated_columns": ["age", "arm"]}, tmp_path)
    age, arm = results(found, "cox regression")
    known = sheet.dropna()
    data = known[["time", "event", "age"]].assign(drug=(known["arm"] == "drug").astype(float))
    expected = CoxPHFitter().fit(data, "time", "event").hazard_ratios_
    assert (age["estimate"], arm["estimate"]) == pytest.approx((expected["age"], expected["drug"]), rel=1e-3)
    assert (age["measure"], age["terms"], age["n"], age["missing"]) == ("age", ["arm"], 148, 12)
    assert "arm = drug against placebo" in next(f for f in found if f.get("result") == arm)["statement"]


def test_without_a_column_the_median_of_all_rows_is_given(tmp_path: Path) -> None:
    sheet = made()
    found = answer("clinical-survival", sheet, SURVIVAL, tmp_path)
    assert len(found) == 1
    assert found[0]["result"]["n"] == 160
    median = KaplanMeierFitter().fit(sheet["time"], sheet["event"]).median_survival_time_
    assert found[0]["values"]["all_median_time"] == median


def test_a_level_without_an_event_has_a_log_rank_test_and_no_hazard_ratio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = made()
    sheet.loc[sheet["arm"] == "drug", "event"] = 0
    found = answer("clinical-survival", sheet, {**SURVIVAL, **TWO}, tmp_path / "a")
    assert [f["result"]["test"] for f in found if "result" in f] == ["log-rank"]
    assert any("nobody with arm = drug has the event" in f["statement"] for f in found)
    said = refusal("clinical-survival", sheet, {**SURVIVAL, **TWO, "adjust_columns": ["age"]}, tmp_path / "b", capsys)
    assert "nobody with arm = drug has the event" in said


@pytest.mark.parametrize(
    ("change", "parameters", "said"),
    [
        ({"event": 0}, TWO, "0 events in 160 samples"),
        ({"time": -1}, TWO, "holds negative times"),
        ({"arm": "drug"}, TWO, "group arm = 'placebo' has 0 rows"),
        ({}, TWO | {"adjust_columns": ["weight"]}, "no column 'weight'"),
        ({}, {"stated_columns": ["id2"]}, "text with 160 levels"),
        ({"age": 50}, {"stated_columns": ["age"]}, "age does not vary"),
        ({}, TWO | {"adjust_columns": ["age", "months"]}, "is determined by the other terms (arm, age)"),
    ],
)
def test_data_that_cannot_be_analysed_are_refused_in_one_line(
    change: dict[str, Any],
    parameters: dict[str, Any],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sheet = made().assign(**change)
    sheet["id2"], sheet["months"] = sheet["id"] + "x", sheet["age"] * 12
    assert said in refusal("clinical-survival", sheet, {**SURVIVAL, **parameters}, tmp_path, capsys)


def test_levels_with_commas_are_found_again() -> None:
    named = functions("clinical-survival")["named_levels"]
    assert named(["White", "non-Hispanic", "Black"], ["White, non-Hispanic", "Black"]) == [
        "White, non-Hispanic",
        "Black",
    ]
    assert named(["a", "b"], ["a", "b", "a, c"]) == ["a", "b"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), groups=st.integers(2, 5), strata=st.integers(1, 3))
def test_the_log_rank_test_of_many_groups_is_that_of_statsmodels(seed: int, groups: int, strata: int) -> None:
    rng = np.random.default_rng(seed)
    rows = 40 * groups
    table = pd.DataFrame({"time": rng.integers(1, 15, rows).astype(float), "event": rng.integers(0, 2, rows)})
    table["group"] = [f"g{i % groups}" for i in range(rows)]
    table["stratum"] = rng.integers(0, strata, rows)
    chi2, p = survdiff(table["time"], table["event"], table["group"], strata=table["stratum"])
    test = functions("clinical-survival")["log_rank"](table)
    assert (test.test_statistic, test.p_value, test.df) == pytest.approx((chi2, p, groups - 1), rel=1e-8)


def outcomes(rows: int = 200, seed: int = 4) -> pd.DataFrame:
    """Patients with a complication and a length of stay that rest on age, smoking and stage; some values unknown."""
    rng = np.random.default_rng(seed)
    sheet = pd.DataFrame({"id": [f"P{i:03d}" for i in range(rows)], "age": rng.normal(60, 10, rows).round(0)})
    sheet["smoker"] = np.where(rng.random(rows) < 0.4, "yes", "no")
    sheet["stage"] = rng.choice(["I", "II", "III"], rows)
    sheet["centre"] = rng.integers(1, 4, rows)
    score = 0.05 * (sheet["age"] - 60) + 1.0 * (sheet["smoker"] == "yes") + 0.7 * (sheet["stage"] == "III") - 0.8
    sheet["complication"] = np.where(rng.random(rows) < 1 / (1 + np.exp(-score)), "yes", "no")
    sheet["stay"] = (8 + 2 * score + rng.normal(0, 2, rows)).round(1)
    sheet.loc[rng.choice(rows, 10, replace=False), "age"] = np.nan
    return sheet


REGRESSION = {"sample_column": "id", "dataset_label": "cohort", "stated_columns": ["age", "smoker", "stage"]}
YES = {"group_column": "complication", "case": "yes", "control": "no"}


def of_terms(sheet: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """The complete rows, and the design with constant, age, smoking and both higher stages."""
    known = sheet.dropna()
    columns = [known["smoker"] == "yes", known["stage"] == "II", known["stage"] == "III"]
    return known, np.column_stack([np.ones(len(known)), known["age"] - 60, *columns]).astype(float)


def test_odds_ratios_are_those_of_the_greatest_likelihood(tmp_path: Path) -> None:
    from scipy.optimize import minimize
    from scipy.stats import chi2, norm

    sheet = outcomes()
    found = answer("clinical-regression", sheet, REGRESSION | YES, tmp_path)
    known, x = of_terms(sheet)
    y = (known["complication"] == "yes").to_numpy(float)
    best = minimize(lambda b: np.logaddexp(0, x @ b).sum() - y @ (x @ b), np.zeros(5), tol=1e-12).x
    fitted = 1 / (1 + np.exp(-x @ best))
    covariance = np.linalg.inv(x.T @ (x * (fitted * (1 - fitted))[:, None]))
    error = np.sqrt(np.diag(covariance))
    age, smoker, stage = results(found, "logistic regression")
    for place, one in ((1, age), (2, smoker)):
        z = best[place] / error[place]
        wanted = [np.exp(best[place] + k * error[place]) for k in (0, -1.959964, 1.959964)]
        assert [one[k] for k in ("estimate", "low", "high")] == pytest.approx(wanted, rel=1e-3)
        assert one["p"] == pytest.approx(2 * norm.sf(abs(z)), rel=1e-2)
        assert (one["n"], one["missing"], one["effect"]) == (190, 10, "odds ratio")
    wald = best[3:] @ np.linalg.inv(covariance[3:, 3:]) @ best[3:]
    assert stage["p"] == pytest.approx(chi2.sf(wald, 2), rel=1e-2)
    assert "estimate" not in stage
    assert smoker["terms"] == ["age", "stage"]
    assert smoker["groups"] == {"yes": y.sum(), "no": (1 - y).sum()}
    assert smoker["contrast"] == {"column": "complication", "case": "yes", "control": "no"}


def test_differences_are_those_of_least_squares(tmp_path: Path) -> None:
    sheet = outcomes()
    found = answer("clinical-regression", sheet, REGRESSION | {"outcome_column": "stay"}, tmp_path)
    known, x = of_terms(sheet)
    beta = np.linalg.lstsq(x, known["stay"].to_numpy(), rcond=None)[0]
    age, smoker, _ = results(found, "linear regression")
    assert (age["estimate"], smoker["estimate"]) == pytest.approx((beta[1], beta[2]), rel=1e-5)
    assert smoker["effect"] == "regression coefficient"


def test_a_block_of_numbers_has_a_mean_for_each_level(tmp_path: Path) -> None:
    sheet = outcomes()
    answer("clinical-regression", sheet, REGRESSION | YES | {"block_columns": ["centre"]}, tmp_path)
    table = pd.read_csv(tmp_path / "out" / "regression.tsv", sep="\t")
    together = table[(table["model"] == "together") & (table["variable"] == "centre")]
    assert len(together) == 2


@pytest.mark.parametrize(
    ("change", "parameters", "said"),
    [
        (
            {"marker": "complication"},
            {"stated_columns": ["marker"]},
            "'marker = yes' separates complication = yes from no",
        ),
        ({"marker": "split"}, {"stated_columns": ["age", "marker"]}, "'marker' separates complication = yes from no"),
        ({"marker": "months"}, {"stated_columns": ["age", "marker"]}, "is determined by the other terms (age)"),
        ({"marker": "constant"}, {"stated_columns": ["marker"]}, "marker does not vary"),
        ({"marker": "name"}, {"stated_columns": ["marker"]}, "text with 200 levels"),
        ({"marker": "rare"}, {"group_column": "marker", "stated_columns": ["age"]}, "has 3 rows; at least 5"),
        ({"marker": "unknown"}, {"stated_columns": ["marker"]}, "column 'marker' has no known value"),
        ({}, {"stated_columns": ["weight"]}, "no column 'weight'"),
    ],
)
def test_outcomes_that_cannot_be_explained_are_refused_in_one_line(
    change: dict[str, str],
    parameters: dict[str, Any],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sheet = outcomes()
    yes = sheet["complication"] == "yes"
    markers = {
        "complication": sheet["complication"],
        "split": np.where(yes, 5.0, 1.0) + np.arange(200) / 100,
        "months": sheet["age"] * 12 + 3,
        "constant": 7,
        "name": sheet["id"] + "x",
        "rare": np.where(np.arange(200) < 3, "yes", "no"),
        "unknown": "NA",
    }
    if change:
        sheet["marker"] = markers[change["marker"]]
    assert said in refusal("clinical-regression", sheet, REGRESSION | YES | parameters, tmp_path, capsys)


def test_text_with_several_levels_is_no_outcome_of_a_regression(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {**REGRESSION, "stated_columns": ["age"], "outcome_column": "stage"}
    assert "Name the two that are to be compared" in refusal("clinical-regression", outcomes(), asked, tmp_path, capsys)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), columns=st.integers(1, 3), apart=st.booleans())
def test_separation_is_found_exactly_where_a_line_divides_the_outcomes(seed: int, columns: int, apart: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(30, columns))
    side = x @ rng.normal(size=columns)
    y = (side > np.median(side)).astype(float)
    if not apart:
        x = np.vstack([x, x])  # every row with both outcomes: nothing can divide them
        y = np.concatenate([y, 1 - y])
    found = functions("clinical-regression")["separated"](np.column_stack([np.ones(len(y)), x]), y)
    assert (found is not None) == apart


LEVELS = {"sample_column": "sample", "dataset_label": "D", "group_column": "dose", "levels": ["low", "middle", "high"]}


def answer_groups(matrix: pd.DataFrame, sheet: pd.DataFrame, parameters: dict[str, Any], folder: Path) -> Any:
    """Findings and table of the comparison of several groups."""
    folder.mkdir(parents=True, exist_ok=True)
    matrix.to_csv(folder / "m.tsv", sep="\t", na_rep="NA")
    inputs = given_sheet(sheet, folder) | {"matrix": folder / "m.tsv"}
    code, outputs = run("several-group-expression", inputs, LEVELS | parameters, folder / "out")
    if code:
        return code, None
    rows = read_findings(outputs["findings"])
    assert [unsupported_numbers(row, (), {}) for row in rows] == [()] * len(rows)
    found = json.loads(outputs["findings"].read_text("utf-8"))
    return found, pd.read_csv(outputs["table"], sep="\t").set_index("gene")


@pytest.fixture
def doses() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Eighteen samples at three doses, six animals at each of them; five of thirty genes rise with the dose."""
    rng = np.random.default_rng(8)
    sheet = pd.DataFrame({"sample": [f"s{i}" for i in range(18)], "dose": ["low", "middle", "high"] * 6})
    sheet["animal"] = [f"a{i // 3}" for i in range(18)]
    sheet["run"] = ["x" if i % 2 else "y" for i in range(18)]
    sheet["age"] = rng.integers(4, 20, 18)
    values = 7 + np.repeat(rng.normal(0, 1.5, (30, 6)), 3, axis=1) + rng.normal(0, 0.5, (30, 18))
    values[:5] += np.tile([0.0, 0.8, 1.6], 6)
    matrix = pd.DataFrame(values, index=[f"G{i}" for i in range(30)], columns=sheet["sample"]).rename_axis("gene")
    matrix.iloc[7, 2] = np.nan
    return matrix, sheet


def test_three_groups_are_compared_by_one_way_analysis_of_variance(doses: Any, tmp_path: Path) -> None:
    from scipy import stats

    matrix, sheet = doses
    found, table = answer_groups(matrix, sheet, {"genes": ["G0"]}, tmp_path)
    groups = [matrix.loc[:, (sheet["dose"] == x).to_numpy()] for x in ("low", "middle", "high")]
    for gene in matrix.index:
        expected = stats.f_oneway(*(g.loc[gene].dropna() for g in groups))
        assert (table.loc[gene, "F"], table.loc[gene, "p"]) == pytest.approx(
            (expected.statistic, expected.pvalue), rel=1e-4
        )
    rates = stats.false_discovery_control(table["p"])
    assert table["fdr"].to_numpy() == pytest.approx(rates, rel=1e-4)
    result = found[0]["result"]
    assert result["called"] == (rates < 0.05).sum()
    assert result["contrast"] == {"column": "dose", "levels": ["low", "middle", "high"]}
    assert (result["n"], result["groups"]) == (18, {"low": 6, "middle": 6, "high": 6})
    gene = found[1]["result"]
    assert (gene["measure"], gene["p"]) == ("G0", pytest.approx(table.loc["G0", "p"], rel=1e-4))


@pytest.mark.parametrize("design", [{"pair_column": "animal"}, {"block_columns": ["run"], "adjust_columns": ["age"]}])
def test_sets_blocks_and_covariates_are_in_the_model_of_several_groups(
    design: dict[str, Any], doses: Any, tmp_path: Path
) -> None:
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    matrix, sheet = doses
    found, table = answer_groups(matrix, sheet, design, tmp_path)
    formula = "y ~ C(animal) + C(dose)" if "pair_column" in design else "y ~ C(run) + age + C(dose)"
    for gene in ("G0", "G9"):
        data = sheet.assign(y=matrix.loc[gene].to_numpy())
        row = anova_lm(smf.ols(formula, data).fit(), typ=2).loc["C(dose)"]
        assert (table.loc[gene, "F"], table.loc[gene, "p"]) == pytest.approx((row["F"], row["PR(>F)"]), rel=1e-4)
    assert found[0]["result"]["terms"] == [c for v in design.values() for c in ([v] if isinstance(v, str) else v)]
    assert found[0]["result"].get("pairs") == (6 if "pair_column" in design else None)


@pytest.mark.parametrize(
    ("change", "parameters", "said"),
    [
        ({}, {"levels": ["low", "middle", "huge"]}, "dose = 'huge' has 0 samples"),
        ({}, {"levels": ["low", "middle"]}, "2 levels of 'dose' are named"),
        ({"run": ["low", "middle", "high"] * 6}, {"block_columns": ["run"]}, "cannot be told apart from run"),
    ],
)
def test_several_groups_that_cannot_be_compared_are_refused(
    change: dict[str, Any],
    parameters: dict[str, Any],
    said: str,
    doses: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    matrix, sheet = doses
    code, _ = answer_groups(matrix, sheet.assign(**change), parameters, tmp_path)
    assert code == 65
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("levels", "reference"),
    [
        (["G1", "G2", "G2", "G3", "G3", "G3"], "G1"),
        (["Stage IV", "Stage IV", "Stage IIA", "Stage II"], "Stage II"),
        (["yes", "yes", "no"], "no"),
        (["x1", "y0", "x1"], "x1"),
        (["left", "right", "right"], "right"),
    ],
)
def test_the_reference_is_one_by_meaning_the_lowest_grade_or_the_commonest(levels: list[str], reference: str) -> None:
    assert functions("clinical-regression")["reference_of"](pd.Series(levels)) == reference


def test_without_a_reference_the_first_of_several_levels_is_one(tmp_path: Path) -> None:
    found = answer(
        "clinical-survival", made(), SURVIVAL | {"group_column": "dose", "levels": ["low", "high", "none"]}, tmp_path
    )
    assert "dose = high against low" in next(f for f in found if "Cox" in f["statement"])["statement"]
