"""Differences of sheet columns between groups: numbers of scipy and statsmodels, published intervals, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_skills_pooled import run

TWO = {"dataset_label": "D", "group_column": "arm", "case": "a", "control": "b"}
THREE = {"dataset_label": "D", "group_column": "arm", "levels": ["a", "b", "c"]}


def compared(place: Path, columns: dict[str, Any], parameters: dict[str, Any]) -> list[dict[str, Any]] | str:
    pd.DataFrame(columns).rename_axis("id").to_csv(place / "s.tsv", sep="\t")
    return run("group-difference", place, {"samples": place / "s.tsv"}, parameters)


def numbers(place: Path, columns: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    found = compared(place, columns, parameters)
    assert isinstance(found, list), found
    table = pd.read_csv(place / "t.tsv", sep="\t")
    return {**found[0]["result"], "table": table, "statement": found[0]["statement"]}


def test_means_are_those_of_statsmodels(tmp_path: Path) -> None:
    from statsmodels.stats.oneway import anova_oneway
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(3, 1, 17), rng.normal(1, 4, 30), rng.normal(0, 2, 9)])
    arm = ["a"] * 17 + ["b"] * 30 + ["c"] * 9
    data = {"arm": arm, "x": np.where(np.arange(56) % 13 == 5, np.nan, x)}
    known = {g: data["x"][(np.array(arm) == g) & ~np.isnan(data["x"])] for g in "abc"}
    one = numbers(tmp_path, data, TWO | {"stated_columns": ["x"]})
    theirs = CompareMeans(DescrStatsW(known["a"]), DescrStatsW(known["b"]))
    assert (one["low"], one["high"]) == pytest.approx(theirs.tconfint_diff(usevar="unequal"), rel=1e-6)
    assert one["p"] == pytest.approx(theirs.ttest_ind(usevar="unequal")[1], rel=1e-6)
    assert one["groups"] == {"a": 16, "b": 27}
    assert one["missing"] == 4
    equal = numbers(tmp_path, data, TWO | {"stated_columns": ["x"], "test": "t test"})
    assert (equal["low"], equal["high"]) == pytest.approx(theirs.tconfint_diff(usevar="pooled"), rel=1e-6)
    for test, variances in (("", "unequal"), ("analysis of variance", "equal")):
        several = numbers(tmp_path, data, THREE | {"stated_columns": ["x"], "test": test})
        assert several["p"] == pytest.approx(anova_oneway(list(known.values()), use_var=variances).pvalue, rel=1e-6)
        assert "estimate" not in several
        assert several["contrast"]["levels"] == ["a", "b", "c"]


@pytest.mark.parametrize(("m", "n"), [(4, 5), (9, 23), (60, 55)])
def test_the_interval_of_a_shift_is_that_of_the_test_it_inverts(tmp_path: Path, m: int, n: int) -> None:
    rng = np.random.default_rng(m)
    a, b = rng.normal(0.7, 1, m), rng.normal(0, 1, n)
    one = numbers(
        tmp_path,
        {"arm": ["a"] * m + ["b"] * n, "x": [*a, *b]},
        TWO | {"stated_columns": ["x"], "test": "wilcoxon test"},
    )
    assert one["estimate"] == pytest.approx(np.median(np.subtract.outer(a, b)), rel=1e-5)
    assert one["effect"] == "location shift"
    exact = max(m, n) < 50
    how = {"method": "exact" if exact else "asymptotic"}
    assert one["p"] == pytest.approx(stats.mannwhitneyu(a, b, **how).pvalue, rel=1e-6)
    for end, out in ((one["low"], -1e-4), (one["high"], 1e-4)):  # p rises above 0.05 just inside of either end
        assert stats.mannwhitneyu(a - end + out, b, **how).pvalue > 0.05 - 0.002 * (not exact)
        assert stats.mannwhitneyu(a - end - out, b, **how).pvalue < 0.05 + 0.004 * (not exact)


def test_pairs_are_compared_within(tmp_path: Path) -> None:
    # Extra sleep of ten patients under two drugs (Student 1908, Biometrika 6:20), as R's data set `sleep` has it:
    # R 4.2.2, with(sleep, t.test(extra[group == 1], extra[group == 2], paired = TRUE)) prints the mean difference
    # -1.58, the interval -2.4598858 to -0.7001142 and p 0.002833; t.test(extra ~ group, sleep), the patients taken for
    # two groups: -3.3654832 to 0.2054832, p 0.07939
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    data = {"arm": ["a"] * 10 + ["b"] * 10, "x": first + second, "who": [*range(10), *range(10)]}
    paired = TWO | {"stated_columns": ["x"], "pair_column": "who"}
    one = numbers(tmp_path, data, paired)
    assert one["estimate"] == pytest.approx(-1.58)
    assert (one["low"], one["high"]) == pytest.approx((-2.459886, -0.7001142), rel=1e-5)
    assert one["p"] == pytest.approx(0.002833, abs=1e-6)
    assert (one["pairs"], one["terms"]) == (10, ["who"])
    one = numbers(tmp_path, data, TWO | {"stated_columns": ["x"]})
    assert (one["low"], one["high"]) == pytest.approx((-3.3654832, 0.2054832), rel=1e-5)
    assert one["p"] == pytest.approx(0.07939, abs=6e-6)
    rng = np.random.default_rng(5)
    gaps = rng.normal(0.5, 1, 12)
    base = rng.normal(size=12)
    data = {"arm": ["a"] * 12 + ["b"] * 12, "x": [*(base + gaps), *base], "who": [*range(12), *range(12)]}
    one = numbers(tmp_path, data, paired | {"test": "wilcoxon test"})
    assert one["p"] == pytest.approx(stats.wilcoxon(gaps, method="exact").pvalue, rel=1e-6)
    for end, out in ((one["low"], -1e-4), (one["high"], 1e-4)):
        assert stats.wilcoxon(gaps - end + out, method="exact").pvalue > 0.05
        assert stats.wilcoxon(gaps - end - out, method="exact").pvalue <= 0.05


def test_shares_have_newcombes_interval(tmp_path: Path) -> None:
    # The examples of Newcombe (1998), Statistics in Medicine 17:873, table II (method 10); the numbers are those of
    # statsmodels' method "newcomb" (the printed table was not at hand), the first two also from Wilson's limits in R
    from statsmodels.stats.proportion import confint_proportions_2indep

    for (a, m, b, n), low, high in (
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 10), 0.6075, 1.0),
        ((5, 56, 0, 29), -0.0381, 0.1926),
    ):
        assert confint_proportions_2indep(a, m, b, n, method="newcomb") == pytest.approx((low, high), abs=6e-5)
        cells = ["yes"] * a + ["no"] * (m - a) + ["yes"] * b + ["no"] * (n - b)
        one = numbers(tmp_path, {"arm": ["a"] * m + ["b"] * n, "y": cells}, TWO | {"stated_columns": ["y"]})
        assert one["estimate"] == pytest.approx(a / m - b / n, rel=1e-5)
        assert (one["low"], one["high"]) == pytest.approx((low, high), abs=6e-5)
        table = [[a, m - a], [b, n - b]]
        few = stats.contingency.expected_freq(table).min() < 5
        theirs = stats.fisher_exact(table) if few else stats.chi2_contingency(table, correction=False)
        assert one["p"] == pytest.approx(theirs.pvalue, rel=1e-6)
        assert one["test"] == ("Fisher's exact test" if few else "chi-square test")


def test_several_levels_are_counted_and_several_columns_told(tmp_path: Path) -> None:
    data = {"arm": list("aabbcc") * 5, "stage": (["I"] * 4 + ["II"] * 5 + ["III"]) * 3, "x": np.arange(30) ** 0.5}
    found = compared(tmp_path, data, THREE | {"stated_columns": ["stage", "x"]})
    assert isinstance(found, list)
    theirs = stats.chi2_contingency(pd.crosstab(data["arm"], data["stage"]), correction=False)
    assert found[0]["result"]["p"] == pytest.approx(theirs.pvalue, rel=1e-6)
    assert "The smallest expected count is 1: p is rough" in found[0]["statement"]
    assert [f["result"]["measure"] for f in found[:2]] == ["stage", "x"]
    assert found[2]["statement"].startswith("In D, 2 columns were compared")


@pytest.mark.parametrize(
    ("columns", "more", "said"),
    [
        ({"x": [1, 2, 3, 4, 5, 6], "arm": list("abbbbb")}, {}, "group arm = 'a' has 1 rows; at least 3"),
        ({"x": [None] * 6}, {}, "column 'x' has no value in a, b"),
        ({"x": [1, 2, None, 3, 4, 5]}, {}, "column 'x' has 2 values in 'a'; at least 3"),
        ({"x": [5] * 6}, {}, "column 'x' has one value only (5)"),
        ({"x": [1, 1, 1, 2, 2, 2]}, {"test": "t test"}, "holds levels (1, 2), not numbers"),
        ({"x": [1, 2, 3, 4, 5, 6]}, {"test": "chi-square test"}, "compares shares of levels"),
        ({"x": [1, 2, 3, 4, 5, 6]}, {"test": "sign test"}, "parameter test is 'sign test'; known are"),
        ({"x": [1, 2, 3, 4, 5, 6]}, {"test": "wilcoxon signed-rank test"}, "a signed-rank test compares pairs"),
        ({"x": [1, 2, 3, 2, 3, 4], "w": [1, 2, 3, 1, 2, 3]}, {"pair_column": "w"}, "all pairs differ by -1"),
        ({"x": list("yynyny"), "w": [1, 2, 3, 1, 2, 3]}, {"pair_column": "w"}, "pairs are compared in numbers only"),
        ({"y": [1, 2, 3, 4, 5, 6]}, {}, "the sample sheet has no column 'x' (it has: arm, y)"),
        ({"x": [1, 2, 3, 4, 5, "inf"]}, {}, "column 'x' holds infinite values"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(
    tmp_path: Path, columns: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    found = compared(tmp_path, {"arm": list("aaabbb")} | columns, TWO | {"stated_columns": ["x"]} | more)
    assert isinstance(found, str), found
    assert said in found
