"""Sample size, qPCR and dose-response give published numbers and those of independent computations, or refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from test_skills_pooled import run

GROUPS = {"dataset_label": "D", "group_column": "arm", "case": "a", "control": "b"}


def sized(place: Path, columns: dict[str, Any], **parameters: Any) -> list[dict[str, Any]] | str:
    pd.DataFrame(columns).rename_axis("id").to_csv(place / "s.tsv", sep="\t")
    return run("sample-size-and-power", place, {"samples": place / "s.tsv"}, GROUPS | parameters)


def test_two_means_need_what_r_and_statsmodels_say(tmp_path: Path) -> None:
    from statsmodels.stats.power import TTestIndPower

    rng = np.random.default_rng(1)
    values = [stats.zscore(rng.normal(size=n), ddof=1) for n in (30, 30)]  # a standard deviation of 1
    data = {"arm": ["a"] * 30 + ["b"] * 30, "x": np.concatenate(values)}
    found = sized(tmp_path, data, stated_columns=["x"], target_effect=1.0, power=0.9)
    assert isinstance(found, list)
    assert found[1]["values"]["n_case"] == 23  # R 4.2.2: power.t.test(delta = 1, power = .90)$n is 22.0211
    assert found[0]["result"]["estimate"] == pytest.approx(
        TTestIndPower().solve_power(nobs1=30, power=0.9, alpha=0.05), rel=1e-5
    )
    unequal = {"arm": ["a"] * 20 + ["b"] * 40, "x": np.concatenate([values[0][:20], values[1], values[0][20:]])}
    found = sized(tmp_path, unequal, stated_columns=["x"])
    assert isinstance(found, list)
    table, spread = pd.read_csv(tmp_path / "t.tsv", sep="\t"), found[0]["values"]["spread"]
    theirs = TTestIndPower().power(table["effect"][1] / (table["effect"][0] / 0.2), nobs1=20, ratio=2, alpha=0.05)
    assert table["power_at_hand"][1] == pytest.approx(theirs, rel=1e-5)
    assert spread > 0


def test_two_proportions_need_what_r_and_statsmodels_say(tmp_path: Path) -> None:
    from statsmodels.stats.proportion import power_proportions_2indep

    data = {"arm": ["a"] * 20 + ["b"] * 20, "y": [1] * 9 + [0] * 11 + [1] * 10 + [0] * 10}
    found = sized(tmp_path, data, outcome_column="y", target_effect=0.25, power=0.9)
    assert isinstance(found, list)
    assert found[1]["values"]["n_case"] == 77  # R 4.2.2: power.prop.test(p1 = .5, p2 = .75, power = .9)$n is 76.70693
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t").set_index("effect")
    theirs = power_proportions_2indep(0.25, 0.5, 20, alpha=0.05).power
    assert table.loc[0.25, "power_at_hand"] == pytest.approx(theirs, rel=1e-4)


def test_survival_needs_the_number_of_events_of_schoenfelds_formula(tmp_path: Path) -> None:
    data = {"arm": ["a", "b"] * 200, "t": np.arange(1, 401), "e": [1, 1, 0, 0] * 100}
    found = sized(tmp_path, data, time_column="t", event_column="e", target_effect=0.57, power=0.9)
    assert isinstance(found, list)
    assert (
        found[1]["values"]["events"] == 134
    )  # Schoenfeld (1983) in R 4.2.2: 4 * (qnorm(.975) + qnorm(.9))^2 / log(.57)^2 is 133.0148
    assert found[1]["values"]["n_case"] == 134  # half of the rows have the event
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t").set_index("effect")
    expected = stats.norm.sf(stats.norm.isf(0.025) - np.log(1.5) * np.sqrt(200) / 2)
    assert table.loc[1.5, "power_at_hand"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("columns", "parameters", "said"),
    [
        ({"x": [1, 2, 3, 4]}, {"stated_columns": ["x"]}, "group arm = 'a' has 2 samples; at least 3"),
        ({"x": [1, 1, 1, 2, 2, 2]}, {"stated_columns": ["x"]}, "does not vary within the groups"),
        ({"y": [1, 0, 1, 0, 0, 0]}, {"outcome_column": "y"}, "gives no proportion to plan with"),
        ({"x": [1, 2, 3, 4, 5, 6]}, {}, "no outcome is named"),
        ({"x": [1, 2, 3, 4, 5, 6]}, {"stated_columns": ["x"], "power": 1.2}, "power is 1.2; it lies between 0 and 1"),
        ({"x": [1, 2, 3, 4, 5, 7]}, {"stated_columns": ["x"], "target_effect": 0}, "which is no difference"),
    ],
)
def test_no_sample_size_from_data_that_cannot_give_one(
    tmp_path: Path, columns: dict[str, Any], parameters: dict[str, Any], said: str
) -> None:
    n = len(next(iter(columns.values())))
    found = sized(tmp_path, {"arm": ["a"] * (n // 2) + ["b"] * (n // 2), **columns}, **parameters)
    assert isinstance(found, str)
    assert said in found


# Livak and Schmittgen (2001), Methods 25:402, table 1, separate tubes: c-myc and GAPDH in brain and kidney
LIVAK = {
    ("brain", "c-myc"): (30.72, 30.34, 30.58, 30.34, 30.50, 30.43),
    ("brain", "GAPDH"): (23.70, 23.56, 23.47, 23.65, 23.69, 23.68),
    ("kidney", "c-myc"): (27.06, 27.03, 27.03, 27.10, 26.99, 26.94),
    ("kidney", "GAPDH"): (22.76, 22.61, 22.62, 22.60, 22.61, 22.76),
}
TISSUES = {"dataset_label": "D", "group_column": "tissue", "case": "kidney", "control": "brain"}


def livak(*, wells: int = 1) -> pd.DataFrame:
    rows = [
        (f"{tissue} {n}", tissue, gene, ct + 0.1 * (w - (wells - 1) / 2))
        for (tissue, gene), cts in LIVAK.items()
        for n, ct in enumerate(cts)
        for w in range(wells)
    ]
    return pd.DataFrame(rows, columns=["Sample", "tissue", "Target Name", "CT"])


def quantified(place: Path, wells: pd.DataFrame, **parameters: Any) -> list[dict[str, Any]] | str:
    wells.to_csv(place / "w.csv", index=False)
    return run("relative-quantification", place, {"wells": place / "w.csv"}, TISSUES | parameters)


@pytest.mark.parametrize("wells", [1, 3])
def test_livaks_example_gives_the_published_fold_change_whatever_the_technical_replicates(
    tmp_path: Path, wells: int
) -> None:
    parameters: dict[str, Any] = {"reference_genes": ["gapdh"]}
    parameters |= {"gene_column": "Target Name"}
    found = quantified(tmp_path, livak(wells=wells), **parameters)
    assert isinstance(found, list)
    one = found[0]["result"]
    assert round(one["estimate"], 1) == 5.6  # as published
    assert (one["n"], one["groups"]) == (12, {"kidney": 6, "brain": 6})
    delta = {t: np.subtract(LIVAK[t, "c-myc"], LIVAK[t, "GAPDH"]) for t in ("kidney", "brain")}
    theirs = stats.ttest_ind(delta["kidney"], delta["brain"], equal_var=False)
    ends = theirs.confidence_interval()
    assert (one["low"], one["high"]) == pytest.approx((2**-ends.high, 2**-ends.low), rel=1e-9)
    assert one["p"] == pytest.approx(theirs.pvalue, rel=1e-6)


def test_an_undetermined_well_is_counted_and_never_a_number(tmp_path: Path) -> None:
    wells = livak().astype({"CT": object})
    wells.loc[0, "CT"] = "Undetermined"
    found = quantified(tmp_path, wells, reference_genes=["GAPDH"], gene_column="Target Name")
    assert isinstance(found, list)
    assert found[0]["result"]["groups"] == {"kidney": 6, "brain": 5}
    assert found[0]["values"]["left_out"] == 1
    assert found[1]["values"]["without"] == 1


def test_qpcr_without_replicates_reference_or_cycles_is_refused(tmp_path: Path) -> None:
    wells = livak()
    assert "no reference gene is named" in quantified(tmp_path, wells)
    assert "'ACTB' is in no well" in quantified(tmp_path, wells, reference_genes=["ACTB"])
    few = wells[wells["Sample"].str.endswith(("0", "1"))]
    assert "has 2 biological replicates" in quantified(tmp_path, few, reference_genes=["GAPDH"])
    assert "cycles lie between 0 and 60" in quantified(
        tmp_path, wells.assign(CT=wells["CT"] - 30), reference_genes=["GAPDH"]
    )
    paired = wells.assign(Sample=wells["Sample"].str[-1])
    assert "stands in both groups" in quantified(tmp_path, paired, reference_genes=["GAPDH"])


# Inderjit et al. (2002), Physiol. Plant. 114:422: root length (cm) of ryegrass under ferulic acid (mM); data and
# estimates as the help page of `ryegrass` in the R package drc prints them (`drm(rootl ~ conc, fct = LL.4())`)
RYEGRASS = {
    0.0: (7.58, 8.0, 8.3285714, 7.25, 7.375, 7.9625),
    0.94: (8.3555556, 6.9142857, 7.75),
    1.88: (6.8714286, 6.45, 5.9222222),
    3.75: (1.925, 2.8857143, 4.2333333),
    7.5: (1.1875, 0.8571429, 1.0571429),
    15.0: (0.6875, 0.525, 0.825),
    30.0: (0.25, 0.22, 0.44),
}


DOUBLING = [1, 2, 4, 8, 16, 32, 64]


def ryegrass(**more: Any) -> pd.DataFrame:
    return pd.DataFrame([(d, y) for d, ys in RYEGRASS.items() for y in ys], columns=["conc", "response"]).assign(**more)


def curves(place: Path, wells: pd.DataFrame) -> list[dict[str, Any]] | str:
    wells.to_csv(place / "w.csv", index=False)
    return run("dose-response", place, {"wells": place / "w.csv"}, {"dataset_label": "D", "dose_unit": "mM"})


def test_ryegrass_gives_the_published_curve(tmp_path: Path) -> None:
    found = curves(tmp_path, ryegrass())
    assert isinstance(found, list)
    row = pd.read_csv(tmp_path / "t.tsv", sep="\t").iloc[0]
    published = (3.05795, 2.98222, 7.79296, 0.48141)  # standard errors 0.18573, 0.46506, 0.18857, 0.21219
    assert tuple(row[["ec50", "slope", "without_substance", "at_high_doses"]]) == pytest.approx(published, abs=2e-4)
    assert row["error_of_log_ec50"] * row["ec50"] == pytest.approx(0.18573, abs=2e-4)
    data = ryegrass()
    x, y = data["conc"].to_numpy(), data["response"].to_numpy()
    best, cov = optimize.curve_fit(
        lambda d, b, t, log_e, h: b + (t - b) / (1 + (d / np.exp(log_e)) ** h), x, y, p0=(0.5, 8, 1, 2)
    )
    wide = stats.t.ppf(0.975, len(x) - 4) * np.sqrt(cov[2, 2])
    one = found[0]["result"]
    assert (one["low"], one["high"]) == pytest.approx(tuple(np.exp([best[2] - wide, best[2] + wide])), rel=1e-4)


def test_a_rising_curve_and_one_without_plateau_stand_beside_each_other(tmp_path: Path) -> None:
    rising = ryegrass(compound="rising").eval("response = 8 - response")
    cut = ryegrass(compound="cut").query("conc < 4")
    found = curves(tmp_path, pd.concat([rising, cut]))
    assert isinstance(found, list)
    assert found[0]["result"]["estimate"] == pytest.approx(3.05795, abs=1e-3)
    assert "result" not in found[1]
    assert "cut has no EC50" in found[1]["statement"]


@pytest.mark.parametrize(
    ("wells", "said"),
    [
        (ryegrass().eval("conc = conc - 1"), "holds a negative dose (-1)"),
        (ryegrass().query("conc > 0 and conc < 3"), "5 doses and 6 wells are needed"),
        (
            pd.DataFrame(
                {"dose": [1, 2, 4, 8, 16, 32, 64] * 2, "response": [0, 0, 0, 1, 2, 4, 8, 0, 0, 1, 1, 2, 4, 9]}
            ),
            "no plateau",
        ),
        (
            pd.DataFrame({"dose": [1, 2, 4, 8, 16, 32], "response": [3, 1, 4, 1, 5, 2]}),
            "no dependence on dose is shown",
        ),
        (pd.DataFrame({"dose": [1, 2, 4], "colour": [1, 2, 3]}), "no column holds the response"),
    ],
)
def test_no_ec50_where_the_doses_do_not_show_one(tmp_path: Path, wells: pd.DataFrame, said: str) -> None:
    found = curves(tmp_path, wells)
    assert isinstance(found, str)
    assert said in found
