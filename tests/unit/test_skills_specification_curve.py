"""A specification curve fits what statsmodels and lifelines fit directly, shows all of it, and marks the registered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from lifelines import CoxPHFitter
from scipy import stats
from test_skills_pooled import run

N = 160


def cohort() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    sheet = pd.DataFrame({"id": [f"p{i}" for i in range(N)], "arm": np.where(np.arange(N) % 2, "new", "old")})
    sheet["age"] = rng.integers(40, 86, N)
    sheet["stage"] = rng.choice(["I", "II", "III"], N)
    sheet["crp"] = 5 + 1.2 * (sheet["arm"] == "new") + 0.05 * sheet["age"] + rng.normal(0, 2, N)
    risk = 0.5 * (sheet["arm"] == "new") + 0.02 * (sheet["age"] - 60)
    sheet["months"] = np.round(rng.exponential(40 / np.exp(risk)), 3) + 0.01
    sheet["death"] = (rng.random(N) < 0.7).astype(int)
    sheet["ill"] = np.where(rng.random(N) < 1 / (1 + np.exp(-(sheet["crp"] - 9) / 2)), "yes", "no")
    return sheet


GROUPS = {"group_column": "arm", "case": "new", "control": "old"}
TIMED = GROUPS | {"question_kind": "time to event", "time_column": "months", "event_column": "death"}
COMPARED = GROUPS | {"question_kind": "difference", "stated_columns": ["crp"]}


def curve(place: Path, sheet: pd.DataFrame, **parameters: Any) -> tuple[Any, pd.DataFrame]:
    sheet.to_csv(place / "s.tsv", sep="\t", index=False)
    found = run("specification-curve", place, {"samples": place / "s.tsv"}, {"dataset_label": "D", **parameters})
    table = pd.read_csv(place / "t.tsv", sep="\t", keep_default_na=False) if isinstance(found, list) else pd.DataFrame()
    for column in {"n", "estimate", "low", "high", "p"} & {*table.columns}:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return found, table


def test_each_hazard_ratio_is_that_of_lifelines_on_its_rows(tmp_path: Path) -> None:
    sheet = cohort()
    alternatives = ["without age", "with stage", "excluding age > 75", "test robust"]
    found, table = curve(tmp_path, sheet, **TIMED, adjust_columns=["age"], alternatives=alternatives)
    assert len(table) == 16
    assert (table["registered"] == "yes").sum() == 1
    data = sheet.assign(arm=(sheet["arm"] == "new").astype(int), death=sheet["death"])
    data = data.join(pd.get_dummies(sheet["stage"], dtype=int)[["II", "III"]])
    for row in table.itertuples():
        rows = data[data["age"] <= 75] if row.excluded != "nobody" else data
        named = row.covariates.split(", ")
        covariates = (["age"] if "age" in named else []) + (["II", "III"] if "stage" in named else [])
        model = CoxPHFitter().fit(
            rows[["months", "death", "arm", *covariates]], "months", "death", robust=row.test == "robust"
        )
        theirs = model.summary.loc["arm"]
        assert row.n == len(rows)
        expected = (theirs["exp(coef)"], theirs["exp(coef) lower 95%"], theirs["exp(coef) upper 95%"], theirs["p"])
        assert (row.estimate, row.low, row.high, row.p) == pytest.approx(expected, rel=2e-5)
    one = table[table["registered"] == "yes"].iloc[0]
    assert (one["covariates"], one["excluded"], one["test"]) == ("age", "nobody", "cox")
    assert found[0]["result"]["estimate"] == pytest.approx(one["estimate"], rel=1e-5)
    agree = (table["estimate"] > 1) == (one["estimate"] > 1)
    assert found[1]["values"]["same_sign"] == agree.sum()
    assert found[1]["values"]["same_sign_and_p"] == (agree & (table["p"] < 0.05)).sum()
    assert found[1]["values"]["specifications"] == 16


def test_each_difference_is_that_of_statsmodels_and_scipy(tmp_path: Path) -> None:
    sheet = cohort()
    alternatives = ["without covariates", "excluding stage = III", "test robust", "test median", "test rank"]
    found, table = curve(tmp_path, sheet, **COMPARED, adjust_columns=["age", "stage"], alternatives=alternatives)
    data = sheet.assign(arm=(sheet["arm"] == "new").astype(int))
    for row in table.itertuples():
        rows = data[data["stage"] != "III"] if row.excluded != "nobody" else data
        formula = "crp ~ arm" + (" + age + C(stage)" if row.covariates != "none" else "")
        if row.test == "rank":
            if row.covariates != "none":
                assert "takes no covariates" in row.why_not
                continue
            case, control = (rows.loc[rows["arm"] == k, "crp"].to_numpy() for k in (1, 0))
            assert row.p == pytest.approx(stats.mannwhitneyu(case, control).pvalue, rel=1e-4)
            assert row.estimate == pytest.approx(np.median(np.subtract.outer(case, control)), rel=1e-4)
            continue
        if row.test == "median":
            model = smf.quantreg(formula, rows).fit(q=0.5, max_iter=5000)
            assert row.estimate == pytest.approx(model.params["arm"], abs=0.02)
            continue
        model = smf.ols(formula, rows).fit(**({"cov_type": "HC3", "use_t": True} if row.test == "robust" else {}))
        expected = (model.params["arm"], *model.conf_int().loc["arm"], model.pvalues["arm"])
        assert (row.estimate, row.low, row.high, row.p) == pytest.approx(expected, rel=1e-4)
    assert len(table) == 2 * 2 * 4
    assert found[-1]["values"]["not_fitted"] == 2


def test_odds_ratios_are_those_of_statsmodels(tmp_path: Path) -> None:
    sheet = cohort()
    parameters: dict[str, Any] = {"question_kind": "association", "group_column": "ill", "case": "yes", "control": "no"}
    parameters |= {"stated_columns": ["crp", "ill"], "alternatives": ["with age", "excluding crp > 11"]}
    _, table = curve(tmp_path, sheet, **parameters)
    for row in table.itertuples():
        rows = sheet[sheet["crp"] <= 11] if row.excluded != "nobody" else sheet
        model = smf.logit(
            "y ~ crp" + (" + age" if row.covariates == "age" else ""), rows.assign(y=(rows["ill"] == "yes").astype(int))
        ).fit(disp=0)
        expected = (np.exp(model.params["crp"]), *np.exp(model.conf_int().loc["crp"]), model.pvalues["crp"])
        assert (row.estimate, row.low, row.high, row.p) == pytest.approx(expected, rel=1e-4)
    assert len(table) == 4


def test_a_gene_is_normalised_before_it_is_compared_and_pairs_stay(tmp_path: Path) -> None:
    rng, sheet = np.random.default_rng(3), cohort().head(40)
    sheet = sheet.assign(pair=[f"q{i // 2}" for i in range(40)])
    matrix = pd.DataFrame(rng.normal(8, 1, (50, 40)) + rng.normal(0, 1, 40), [f"G{i}" for i in range(50)], sheet["id"])
    matrix.rename_axis("gene").to_csv(tmp_path / "m.tsv", sep="\t")
    sheet.to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    parameters = GROUPS | {"question_kind": "difference", "genes": ["G0"], "pair_column": "pair", "dataset_label": "D"}
    parameters |= {"alternatives": ["normalisation median", "normalisation quantile"]}
    found = run(
        "specification-curve", tmp_path, {k: tmp_path / f"{k[0]}.tsv" for k in ("matrix", "samples")}, parameters
    )
    assert isinstance(found, list)
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t").set_index("normalisation")
    centred = matrix - matrix.median() + matrix.median().mean()
    case = (sheet["arm"] == "new").to_numpy()
    for name, values in (("given", matrix), ("median", centred)):
        gene = values.loc["G0"].to_numpy()
        theirs = stats.ttest_rel(gene[case], gene[~case])
        assert table.loc[name, "p"] == pytest.approx(theirs.pvalue, rel=1e-4)
    sorted_columns = np.sort(matrix.to_numpy(), axis=0).mean(axis=1)
    ranks = matrix.rank().loc["G0"].to_numpy().astype(int) - 1
    gene = sorted_columns[ranks]
    assert table.loc["quantile", "estimate"] == pytest.approx(gene[case].mean() - gene[~case].mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("alternatives", "said"),
    [
        (["leave out the old"], "alternative 'leave out the old' is not understood"),
        (["without stage"], "stage is not among the registered covariates"),
        (["with age"], "age is already among the registered covariates"),
        (["with colour"], "no column 'colour'"),
        (["excluding stage = IV"], "leaves nobody out of the 160 rows"),
        (["excluding age > old"], "'old' is no number"),
        (["test t"], "test 't' is none of linear, robust, median, rank"),
        (["normalisation quantile"], "no gene of a matrix is measured"),
        ([f"excluding age > {a}" for a in range(60, 70)], "the alternatives make 1024 specifications; at most 512"),
        (["test linear"], "no alternative is declared that differs"),
    ],
)
def test_alternatives_that_mean_nothing_are_refused(tmp_path: Path, alternatives: list[str], said: str) -> None:
    found, _ = curve(tmp_path, cohort(), **COMPARED, adjust_columns=["age"], alternatives=alternatives)
    assert isinstance(found, str)
    assert said in found


def test_two_measures_and_a_registered_analysis_that_cannot_be_fitted_are_refused(tmp_path: Path) -> None:
    sheet = cohort().assign(copy=lambda s: (s["arm"] == "new").astype(int))
    found, _ = curve(tmp_path, sheet, **(COMPARED | {"stated_columns": ["crp", "age"]}), alternatives=["with stage"])
    assert "a specification curve is of one effect" in found
    found, _ = curve(tmp_path, sheet, **COMPARED, adjust_columns=["copy"], alternatives=["without copy"])
    assert "the registered analysis cannot be fitted: the exposure and copy cannot be told apart" in found
    sheet["months"] -= 5
    found, _ = curve(tmp_path, sheet, **TIMED, alternatives=["with age"])
    assert "holds negative times" in found


def test_every_number_of_a_statement_is_among_its_values(tmp_path: Path) -> None:
    found, _ = curve(tmp_path, cohort(), **TIMED, adjust_columns=["age"], alternatives=["without age", "with stage"])
    for one in found:
        flat = str(one["values"])
        for text in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?", one["statement"]):
            assert any(float(text) == pytest.approx(float(v)) for v in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", flat)), (
                text,
                one,
            )
