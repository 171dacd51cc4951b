"""Calibration, decision curves and multiple imputation give what statsmodels and plain formulas give, or refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from test_skills_pooled import run

N = 240
OUTCOME: dict[str, Any] = {"dataset_label": "D", "group_column": "ill", "case": "yes", "control": "no"}


def cohort() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    marker = rng.normal(0, 1, N)
    truth = 1 / (1 + np.exp(-(-0.6 + 1.1 * marker)))
    sheet = pd.DataFrame({"id": [f"p{i}" for i in range(N)], "ill": np.where(rng.random(N) < truth, "yes", "no")})
    sheet["risk"] = np.round(1 / (1 + np.exp(-(0.2 + 1.9 * marker))), 6)
    sheet["marker"], sheet["age"] = np.round(marker, 4), rng.integers(30, 85, N)
    sheet["sex"] = rng.choice(["F", "M"], N)
    sheet["crp"] = np.round(5 + 2 * marker + rng.normal(0, 2, N), 3)
    return sheet


def asked(place: Path, skill: str, sheet: pd.DataFrame, **parameters: Any) -> list[dict[str, Any]] | str:
    sheet.to_csv(place / "s.tsv", sep="\t", index=False)
    outputs = OUTCOME | parameters
    return run(skill, place, {"samples": place / "s.tsv"}, outputs)


def test_calibration_is_that_of_statsmodels(tmp_path: Path) -> None:
    sheet = cohort()
    found = asked(tmp_path, "risk-calibration", sheet, stated_columns=["risk", "ill"])
    assert isinstance(found, list)
    row = pd.read_csv(tmp_path / "t.tsv", sep="\t").iloc[0]
    y, risk = (sheet["ill"] == "yes").astype(float), sheet["risk"]
    logit = np.log(risk / (1 - risk))
    large = sm.GLM(y, np.ones(N), family=sm.families.Binomial(), offset=logit).fit()
    slope = sm.Logit(y, sm.add_constant(logit)).fit(disp=0)
    low, high = large.conf_int().to_numpy()[0]
    assert (row["intercept"], row["intercept_low"], row["intercept_high"]) == pytest.approx(
        (large.params.iloc[0], low, high), rel=1e-4
    )
    low, high = slope.conf_int().to_numpy()[1]
    assert (row["slope"], row["slope_low"], row["slope_high"]) == pytest.approx(
        (slope.params.iloc[1], low, high), rel=1e-4
    )
    assert row["brier"] == pytest.approx(((risk - y) ** 2).mean(), rel=1e-5)
    fixed = sm.GLM(y, np.zeros(N), family=sm.families.Binomial(), offset=logit)
    assert row["p"] == pytest.approx(stats.chi2.sf(2 * (slope.llf - fixed.loglike(np.zeros(1))), 2), rel=1e-3)
    assert found[0]["result"]["estimate"] == pytest.approx(row["slope"], rel=1e-5)


def test_net_benefit_is_its_formula(tmp_path: Path) -> None:
    sheet = cohort()
    found = asked(tmp_path, "risk-calibration", sheet, stated_columns=["risk"])
    assert isinstance(found, list)
    curves = pd.read_csv(tmp_path / "c.tsv", sep="\t").set_index("threshold")
    for t in (0.1, 0.25, 0.5):
        called, ill = sheet["risk"] >= t, sheet["ill"] == "yes"
        expected = (called & ill).sum() / N - (called & ~ill).sum() / N * t / (1 - t)
        assert curves.loc[t, "net_benefit"] == pytest.approx(expected, abs=1e-6)
        assert curves.loc[t, "everybody"] == pytest.approx(ill.mean() - (1 - ill.mean()) * t / (1 - t), abs=1e-6)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["marker"], "a predicted risk lies between 0 and 1"),
        (["age"], "a predicted risk lies between 0 and 1"),
        (["colour"], "no column 'colour'"),
        (["ill"], "no column of predicted risks is named"),
    ],
)
def test_what_is_no_risk_is_refused(tmp_path: Path, columns: list[str], said: str) -> None:
    found = asked(tmp_path, "risk-calibration", cohort(), stated_columns=columns)
    assert isinstance(found, str)
    assert said in found


def test_complete_cases_are_those_of_statsmodels_and_imputation_finds_what_was_taken_away(tmp_path: Path) -> None:
    whole = cohort()
    rng = np.random.default_rng(9)
    sheet = whole.assign(
        crp=whole["crp"].where(rng.random(N) > 0.25 + 0.3 * (whole["age"] > 60)),
        sex=whole["sex"].where(rng.random(N) > 0.1),
    )
    found = asked(
        tmp_path, "imputed-regression", sheet, stated_columns=["crp", "ill"], adjust_columns=["age", "sex", "marker"]
    )
    assert isinstance(found, list)
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t").set_index(["rows", "term"])

    def model(rows: pd.DataFrame) -> Any:
        x = rows[["crp", "age", "marker"]].assign(sex=(rows["sex"] == "M").astype(float)).astype(float)
        return sm.Logit((rows["ill"] == "yes").astype(float), sm.add_constant(x)).fit(disp=0)

    theirs = model(sheet.dropna())
    row = table.loc[("complete cases", "crp")]
    assert (row["n"], row["estimate"]) == (len(sheet.dropna()), pytest.approx(np.exp(theirs.params["crp"]), rel=1e-4))
    assert row["p"] == pytest.approx(theirs.pvalues["crp"], rel=1e-3)
    truth, new = model(whole), table.loc[("imputed", "crp")]
    assert new["n"] == N
    assert abs(np.log(new["estimate"]) - truth.params["crp"]) < 1.5 * truth.bse["crp"]
    assert np.log(new["high"] / new["low"]) < np.log(row["high"] / row["low"]) * 1.15
    assert 0 < new["missing_information"] < 0.9
    before = (tmp_path / "t.tsv").read_bytes()
    asked(tmp_path, "imputed-regression", sheet, stated_columns=["crp", "ill"], adjust_columns=["age", "sex", "marker"])
    assert (tmp_path / "t.tsv").read_bytes() == before


def test_nothing_to_impute_and_too_much_are_refused(tmp_path: Path) -> None:
    sheet = cohort()
    said = asked(tmp_path, "imputed-regression", sheet, stated_columns=["crp"])
    assert "nothing to impute" in said
    said = asked(
        tmp_path, "imputed-regression", sheet.assign(crp=sheet["crp"].where(sheet.index < 60)), stated_columns=["crp"]
    )
    assert "'crp' is missing in 75 % of the rows; at most 50 %" in said
    apart = sheet.assign(crp=np.where(sheet["ill"] == "yes", 20.0, 1.0) + sheet["age"] / 100)
    apart.loc[3, "crp"] = np.nan
    said = asked(tmp_path, "imputed-regression", apart, stated_columns=["crp"])
    assert isinstance(said, str)
    assert "could not be estimated" in said or "separate" in said
