"""Tasks on plain tables and made wells, proteins and cells: regression, risks, specifications, and what cannot be done.

Real tables are those of the data-analysis questions (Titanic, insurance, cars, abalones); truth comes from
statsmodels, scipy and numpy on the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dry_checks import Check, Seen
from dry_truth import first, near

Values = dict[str, Any]
RYEGRASS = {
    0.0: (7.58, 8.0, 8.3285714, 7.25, 7.375, 7.9625),
    0.94: (8.3555556, 6.9142857, 7.75),
    1.88: (6.8714286, 6.45, 5.9222222),
    3.75: (1.925, 2.8857143, 4.2333333),
    7.5: (1.1875, 0.8571429, 1.0571429),
    15.0: (0.6875, 0.525, 0.825),
    30.0: (0.25, 0.22, 0.44),
}
"""Root length of ryegrass by ferulic acid (mM): Inderjit et al. (2002), `ryegrass` of the R package drc."""


def make_tables(shared: Path, root: Path) -> dict[str, Path]:
    """The tables of these tasks, by name, below `root`."""
    tables = shared / "drylab/dabench/tables"
    titanic = pd.read_csv(tables / "titanic.csv").assign(id=lambda t: "p" + t["PassengerId"].astype(str))
    insurance = pd.read_csv(tables / "insurance.csv").rename_axis("row").reset_index()
    insurance["id"] = "i" + insurance.pop("row").astype(str)
    insurance["risk"] = (1 / (1 + np.exp(-(insurance["bmi"] - 36) / 5))).round(5)
    insurance["dear"] = np.where(insurance["charges"] > 12_000, "yes", "no")
    cars = pd.read_csv(tables / "auto-mpg.csv", sep=",").rename(columns=str.strip)
    cars["id"] = [f"c{i}" for i in range(len(cars))]
    abalone = pd.read_csv(tables / "abalone.csv").rename(columns=lambda c: c.replace(" ", "_").lower())
    abalone = abalone[abalone["sex"] != "I"].head(900).assign(id=lambda t: [f"a{i}" for i in range(len(t))])
    wells = pd.DataFrame([(d, y) for d, ys in RYEGRASS.items() for y in ys], columns=["dose", "response"])
    made = {
        "titanic-samples": titanic[["id", "Survived", "Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"]],
        "insurance-samples": insurance[
            ["id", "age", "sex", "bmi", "children", "smoker", "region", "charges", "risk", "dear"]
        ],
        "cars-samples": cars[["id", "mpg", "cylinders", "displacement", "horsepower", "weight", "acceleration"]],
        "abalone-samples": abalone,
        "wells": wells,
        "flat-wells": wells.assign(response=[1.0, 1.1] * 12),
        "log-wells": wells.assign(dose=wells["dose"] - 1),
        **_spoilt(titanic, insurance),
        **_omics(),
    }
    paths = {}
    for name, table in made.items():
        paths[name] = root / f"{name}.tsv"
        table.to_csv(paths[name], sep="\t", index=False)
    return paths


def _spoilt(titanic: pd.DataFrame, insurance: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Sheets on which no analysis can be made."""
    small = titanic[["id", "Survived", "Sex", "Age", "Fare"]]
    return {
        "apart-samples": small.assign(mark=small["Survived"] * 10 + small["Age"].fillna(30) / 100),
        "constant-samples": small.assign(Age=40),
        "twice-samples": small.assign(id="p1"),
        "one-dead-samples": small.assign(Survived=[0] + [1] * (len(small) - 1)),
        "unknown-samples": small.assign(Age=np.nan),
        "same-samples": small.assign(copy=small["Age"] * 2),
        "batch-is-group-samples": small.assign(batch=small["Sex"]),
        "endless-samples": small.assign(Fare=np.inf),
        "whole-insurance-samples": insurance[["id", "age", "bmi", "dear"]],
        "negative-time-samples": small.assign(days=-small["Age"], event=small["Survived"]),
        "event-twos-samples": small.assign(days=small["Fare"], event=small["Survived"] * 2),
    }


def _omics() -> dict[str, pd.DataFrame]:
    """Proteins, methylation and cells, made by a fixed seed."""
    rng = np.random.default_rng(18)
    names = [f"s{i}" for i in range(12)]
    arm = np.array(["new", "old"] * 6)
    logs = rng.normal(24, 2, (200, 1)) + rng.normal(0, 0.5, (200, 12))
    logs[:20] += np.where(arm == "new", 1.5, 0)
    values = np.round(2.0**logs)
    values[rng.random(values.shape) < 0.08] = 0
    beta = 1 / (1 + np.exp(-(rng.normal(0, 2, (200, 1)) + rng.normal(0, 0.4, (200, 12)))))
    cells = []
    for name, group in zip(names, arm, strict=True):
        weights = np.array([3.0 if group == "new" else 1.0, 2, 2, 1]) * rng.gamma(8, 1, 4)
        cells += [(name, group, f"T{k}") for k in rng.choice(4, 200, p=weights / weights.sum())]

    def matrix(array: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(array, columns=names).assign(name=[f"F{i}" for i in range(len(array))])[["name", *names]]

    sheet = pd.DataFrame({"sample": names, "arm": arm, "batch": ["a"] * 5 + ["b"] * 7})
    frame = pd.DataFrame(cells, columns=["donor", "arm", "cell_type"]).rename_axis("cell").reset_index()
    return {
        "proteins": matrix(values),
        "no-proteins": matrix(values * 0),
        "below-proteins": matrix(-values),
        "beta": matrix(beta),
        "beyond-beta": matrix(beta * 7),
        "twelve-samples": sheet,
        "lonely-samples": sheet.assign(arm=["new"] + ["old"] * 11),
        "confounded-samples": sheet.assign(batch=sheet["arm"]),
        "cells": frame,
        "mixed-cells": frame.assign(arm=np.where(frame["cell"] % 2 == 0, "new", "old")),
        "alike-cells": frame.assign(cell_type="T"),
    }


def _frame(seen: Seen, name: str = "samples") -> pd.DataFrame:
    return pd.read_csv(seen.inputs[name], sep="\t")


def logistic(outcome: str, case: str, names: tuple[str, ...], covariates: tuple[str, ...] = ()) -> Check:
    """The odds ratio of the first column, by statsmodels on complete cases."""

    def check(seen: Seen) -> str:
        import statsmodels.api as sm

        frame = _frame(seen)[[outcome, *names, *covariates]].dropna()
        x = pd.get_dummies(frame[[*names, *covariates]], drop_first=True, dtype=float).astype(float)
        y = (frame[outcome].astype(str) == case).astype(float)
        fitted = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
        rows = pd.read_csv(seen.outputs["table"], sep="\t")
        kept = [k for k in ("together", "complete cases") if k in set(rows.iloc[:, 0])]
        row = rows[(rows.iloc[:, 0] == (kept[0] if kept else "alone")) & (rows["variable"] == names[0])].iloc[0]
        key = next(c for c in x.columns if c.startswith(names[0]))
        sign = 1 if row["unit"] == "per unit" or str(row["term"]).endswith(key.partition("_")[2]) else -1
        return first(
            near("n", float(row["n"]), len(frame), 0),
            near("odds ratio", float(row["estimate"]), float(np.exp(sign * fitted.params[key])), 1e-3),
            near("p", float(row["p"]), float(fitted.pvalues[key]), 1e-2),
        )

    return check


def linear(outcome: str, names: tuple[str, ...]) -> Check:
    """The coefficient of the first column, by statsmodels on complete cases."""

    def check(seen: Seen) -> str:
        import statsmodels.api as sm

        frame = _frame(seen)[[outcome, *names]].dropna()
        fitted = sm.OLS(frame[outcome], sm.add_constant(frame[list(names)].astype(float))).fit()
        rows = pd.read_csv(seen.outputs["table"], sep="\t")
        row = rows[(rows["model"] == rows["model"].iloc[-1]) & (rows["variable"] == names[0])].iloc[0]
        return first(
            near("coefficient", float(row["estimate"]), float(fitted.params[names[0]]), 1e-3),
            near("p", float(row["p"]), float(fitted.pvalues[names[0]]), 1e-2)
            if fitted.pvalues[names[0]] > 1e-200
            else "",
        )

    return check


def areas(outcome: str, case: str, name: str) -> Check:
    """The area under the curve as the share of pairs in the right order."""

    def check(seen: Seen) -> str:
        frame = _frame(seen)[[outcome, name]].dropna()
        ill = frame[outcome].astype(str) == case
        gaps = np.subtract.outer(frame.loc[ill, name].to_numpy(), frame.loc[~ill, name].to_numpy())
        rows = pd.read_csv(seen.outputs["table"], sep="\t").set_index("variable")
        return near("area", float(rows.loc[name, "auc"]), float((gaps > 0).mean() + (gaps == 0).mean() / 2), 1e-4)

    return check


def calibrated(outcome: str, case: str, name: str) -> Check:
    """Slope by statsmodels, Brier score and net benefit by their formulas."""

    def check(seen: Seen) -> str:
        import statsmodels.api as sm

        frame = _frame(seen)[[outcome, name]].dropna()
        y, risk = (frame[outcome] == case).astype(float), frame[name]
        slope = sm.Logit(y, sm.add_constant(np.log(risk / (1 - risk)))).fit(disp=0).params.iloc[1]
        row = pd.read_csv(seen.outputs["table"], sep="\t").iloc[0]
        curves = pd.read_csv(seen.outputs["curves"], sep="\t").set_index("threshold")
        called = risk >= 0.3
        benefit = (called & (y == 1)).mean() - (called & (y == 0)).mean() * 0.3 / 0.7
        return first(
            near("slope", float(row["slope"]), float(slope), 1e-3),
            near("Brier score", float(row["brier"]), float(((risk - y) ** 2).mean()), 1e-3),
            near("net benefit", float(curves.loc[0.3, "net_benefit"]), float(benefit), 1e-3),
        )

    return check


def specified(names: tuple[str, ...], outcome: str, case: str, column: str, count: int) -> Check:
    """Each difference of means by statsmodels with its covariates, on all rows and without the exclusion."""

    def check(seen: Seen) -> str:
        import statsmodels.api as sm

        frame = _frame(seen)
        rows = pd.read_csv(seen.outputs["table"], sep="\t", keep_default_na=False)
        found = [near("specifications", float(len(rows)), count, 0)]
        found.append(near("registered ones", float((rows["registered"] == "yes").sum()), 1, 0))
        for row in rows.itertuples():
            own = [c for c in row.covariates.split(", ") if c in names]
            part = frame[[column, outcome, *names]]
            if row.excluded != "nobody":
                where, _, limit = row.excluded.split(" ")
                part = part[~(part[where] > float(limit))]
            part = part[[column, outcome, *own]].dropna()
            x = part[own].astype(float).assign(case=(part[outcome].astype(str) == case).astype(float))
            fitted = sm.OLS(part[column], sm.add_constant(x)).fit(
                **({"cov_type": "HC3", "use_t": True} if row.test == "robust" else {})
            )
            found += [near("effect", float(row.estimate), float(fitted.params["case"]), 1e-3)]
            found += [near("upper end", float(row.high), float(fitted.conf_int().loc["case", 1]), 1e-3)]
        return first(*found)

    return check


def powered(column: str, outcome: str, case: str) -> Check:
    """The smallest detectable difference by statsmodels."""

    def check(seen: Seen) -> str:
        from statsmodels.stats.power import TTestIndPower

        frame = _frame(seen)[[column, outcome]].dropna()
        own = frame[outcome].astype(str) == case
        n1, n0 = int(own.sum()), int((~own).sum())
        spread = np.sqrt(
            ((n1 - 1) * frame.loc[own, column].var() + (n0 - 1) * frame.loc[~own, column].var()) / (n1 + n0 - 2)
        )
        d = TTestIndPower().solve_power(nobs1=n1, ratio=n0 / n1, alpha=0.05, power=0.8)
        said = seen.findings()[0]
        rows = pd.read_csv(seen.outputs["table"], sep="\t")
        at = rows[rows["power_at_hand"] < 0.99].iloc[-1]
        there = TTestIndPower().power(at["effect"] / spread, nobs1=n1, ratio=n0 / n1, alpha=0.05)
        return first(
            near("detectable difference", float(said["detectable"]), float(d * spread), 1e-2),
            near("power at hand", float(at["power_at_hand"]), float(there), 1e-3),
        )

    return check


def fitted_doses(seen: Seen) -> str:
    """The curve by scipy's least squares in the doses themselves."""
    from scipy.optimize import curve_fit

    wells = _frame(seen, "wells")
    found, _ = curve_fit(
        lambda d, low, top, e, h: low + (top - low) / (1 + (d / e) ** h),
        wells["dose"],
        wells["response"],
        p0=(0.5, 8, 3, 2),
    )
    row = pd.read_csv(seen.outputs["table"], sep="\t").iloc[0]
    return first(
        near("EC50", float(row["ec50"]), float(found[2]), 1e-3),
        near("slope", float(row["slope"]), float(found[3]), 1e-3),
    )


def differing(column: str, first_name: str, change: str) -> Check:
    """The difference of means of each feature, by numpy on its known values, and the planted ones on top."""

    def check(seen: Seen) -> str:
        table = pd.read_csv(seen.outputs["table"], sep="\t").set_index(first_name)
        if change == "shares":
            cells = _frame(seen, "cells")
            counts = pd.crosstab(cells["cell_type"], cells["donor"]) + 0.5
            share = counts / counts.sum()
            values, groups = np.log(share / (1 - share)), cells.groupby("donor")["arm"].first()
        else:
            given = pd.read_csv(seen.inputs["expression"], sep="\t", index_col=0)
            groups = _frame(seen).set_index("sample")[column]
            if change == "log2":
                values = np.log2(given.mask(given == 0))
                values = values - values.median() + values.median().mean()
            else:
                inside = given.clip(0.001, 0.999)
                values = np.log2(inside / (1 - inside))
        new = groups.index[groups == "new"]
        old = groups.index[groups == "old"]
        gap = (values[new].mean(axis=1) - values[old].mean(axis=1)).loc[table.index]
        worst = float((table["difference"] - gap).abs().max())
        return "" if worst < 1e-3 else f"differences are off by up to {worst:.3g}"

    return check


def tables_possible() -> Iterator[tuple[str, str, Mapping[str, str], Values, Check]]:
    """Id, skill, inputs, parameters and check of tasks that can be done."""
    alive: Values = {
        "sample_column": "id",
        "dataset_label": "titanic",
        "group_column": "Survived",
        "case": "1",
        "control": "0",
    }
    dear: Values = {
        "sample_column": "id",
        "dataset_label": "insurance",
        "group_column": "dear",
        "case": "yes",
        "control": "no",
    }
    smoke = dear | {"group_column": "smoker"}
    sheet = {"samples": "titanic-samples"}
    own = {"samples": "insurance-samples"}
    yield (
        "titanic-odds",
        "clinical-regression",
        sheet,
        alive | {"stated_columns": ["Fare"], "adjust_columns": ["Age", "Sex"]},
        logistic("Survived", "1", ("Fare",), ("Age", "Sex")),
    )
    yield (
        "insurance-odds",
        "clinical-regression",
        own,
        dear | {"stated_columns": ["bmi"], "adjust_columns": ["age", "children"]},
        logistic("dear", "yes", ("bmi",), ("age", "children")),
    )
    numbers = {"sample_column": "id", "dataset_label": "cars", "outcome_column": "mpg"}
    yield (
        "cars-slope",
        "clinical-regression",
        {"samples": "cars-samples"},
        numbers | {"stated_columns": ["weight"], "adjust_columns": ["acceleration"]},
        linear("mpg", ("weight", "acceleration")),
    )
    rings = {"sample_column": "id", "dataset_label": "abalone", "outcome_column": "rings"}
    yield (
        "abalone-slope",
        "clinical-regression",
        {"samples": "abalone-samples"},
        rings | {"stated_columns": ["length"], "adjust_columns": ["height"]},
        linear("rings", ("length", "height")),
    )
    yield "titanic-area", "roc-analysis", sheet, alive | {"stated_columns": ["Fare"]}, areas("Survived", "1", "Fare")
    yield "insurance-area", "roc-analysis", own, dear | {"stated_columns": ["age"]}, areas("dear", "yes", "age")
    yield (
        "insurance-risk",
        "risk-calibration",
        own,
        dear | {"stated_columns": ["risk"]},
        calibrated("dear", "yes", "risk"),
    )
    yield (
        "titanic-imputed",
        "imputed-regression",
        sheet,
        alive | {"stated_columns": ["Age"], "adjust_columns": ["Fare", "Sex"]},
        logistic("Survived", "1", ("Age",), ("Fare", "Sex")),
    )
    compared = smoke | {"question_kind": "difference", "stated_columns": ["charges"], "adjust_columns": ["age"]}
    yield (
        "insurance-curve",
        "specification-curve",
        own,
        compared | {"alternatives": ["without age", "with bmi", "with children", "excluding age > 60", "test robust"]},
        specified(("age", "bmi", "children"), "smoker", "yes", "charges", 32),
    )
    fares = alive | {"question_kind": "difference", "stated_columns": ["Fare"]}
    yield (
        "titanic-curve",
        "specification-curve",
        sheet,
        fares | {"alternatives": ["with Age", "with Parch", "excluding Fare > 300", "test robust"]},
        specified(("Age", "Parch"), "Survived", "1", "Fare", 16),
    )
    yield (
        "insurance-power",
        "sample-size-and-power",
        own,
        smoke | {"stated_columns": ["bmi"]},
        powered("bmi", "smoker", "yes"),
    )
    yield (
        "titanic-power",
        "sample-size-and-power",
        sheet,
        alive | {"stated_columns": ["Age"]},
        powered("Age", "Survived", "1"),
    )
    yield "ryegrass-curve", "dose-response", {"wells": "wells"}, {"dataset_label": "ryegrass"}, fitted_doses
    arms: Values = {
        "sample_column": "sample",
        "dataset_label": "made",
        "group_column": "arm",
        "case": "new",
        "control": "old",
    }
    twelve = {"samples": "twelve-samples"}
    yield (
        "proteins-arm",
        "protein-abundance",
        twelve | {"expression": "proteins"},
        arms,
        differing("arm", "protein", "log2"),
    )
    yield "sites-arm", "methylation-difference", twelve | {"expression": "beta"}, arms, differing("arm", "site", "m")
    yield "cells-arm", "cell-abundance", {"cells": "cells"}, arms, differing("arm", "cell_type", "shares")


def tables_impossible() -> Iterator[tuple[str, str, Mapping[str, str], Values, str]]:
    """Id, skill, inputs, parameters, and what the refusal must say."""
    alive: Values = {
        "sample_column": "id",
        "dataset_label": "titanic",
        "group_column": "Survived",
        "case": "1",
        "control": "0",
    }
    model = alive | {"stated_columns": ["Age"]}

    def of(sheet: str) -> Mapping[str, str]:
        return {"samples": f"{sheet}-samples"}

    yield "separated", "clinical-regression", of("apart"), alive | {"stated_columns": ["mark"]}, "separates"
    yield "not-varying", "clinical-regression", of("constant"), model, "does not vary"
    yield "ids-twice", "clinical-regression", of("twice"), model, "more than once"
    yield "one-dead", "clinical-regression", of("one-dead"), model, "has 1 rows"
    yield "all-unknown", "clinical-regression", of("unknown"), model, "Age"
    yield (
        "collinear",
        "clinical-regression",
        of("same"),
        model | {"adjust_columns": ["copy"]},
        "determined by the other",
    )
    yield "no-column", "roc-analysis", of("titanic"), alive | {"stated_columns": ["bmi"]}, "no column 'bmi'"
    yield "endless", "roc-analysis", of("endless"), alive | {"stated_columns": ["Fare"]}, "infinite"
    yield "text-as-number", "roc-analysis", of("titanic"), alive | {"stated_columns": ["Sex"]}, "text where numbers"
    yield "no-risk", "risk-calibration", of("titanic"), alive | {"stated_columns": ["Fare"]}, "between 0 and 1"
    yield (
        "nothing-missing",
        "imputed-regression",
        of("whole-insurance"),
        {
            **alive,
            "group_column": "dear",
            "case": "yes",
            "control": "no",
            "stated_columns": ["bmi"],
        },
        "nothing to impute",
    )
    yield "too-much-missing", "imputed-regression", of("unknown"), model, "missing in 100 %"
    curve = alive | {"question_kind": "difference", "stated_columns": ["Fare"]}
    yield "no-alternative", "specification-curve", of("titanic"), curve | {"alternatives": ["later"]}, "not understood"
    many = [f"excluding Fare > {k}" for k in range(100, 200, 10)]
    yield "too-many", "specification-curve", of("titanic"), curve | {"alternatives": many}, "1024 specifications"
    timed = alive | {
        "question_kind": "time to event",
        "time_column": "days",
        "event_column": "event",
        "group_column": "Sex",
    }
    timed |= {"case": "female", "control": "male", "alternatives": ["with Fare"]}
    yield "negative-time", "specification-curve", of("negative-time"), timed, "negative times"
    yield "events-of-two", "specification-curve", of("event-twos"), timed, "must hold 0"
    yield "power-of-nothing", "sample-size-and-power", of("titanic"), alive, "no outcome is named"
    yield "flat-curve", "dose-response", {"wells": "flat-wells"}, {"dataset_label": "w"}, "no dependence on dose"
    yield "log-doses", "dose-response", {"wells": "log-wells"}, {"dataset_label": "w"}, "negative dose"
    arms: Values = {
        "sample_column": "sample",
        "dataset_label": "made",
        "group_column": "arm",
        "case": "new",
        "control": "old",
    }
    twelve = of("twelve")
    yield "no-proteins", "protein-abundance", twelve | {"expression": "no-proteins"}, arms, "missing or zero"
    yield "below-zero", "protein-abundance", twelve | {"expression": "below-proteins"}, arms, "negative"
    yield "beyond-one", "methylation-difference", twelve | {"expression": "beyond-beta"}, arms, "between 0 and 1"
    yield "group-of-one", "protein-abundance", of("lonely") | {"expression": "proteins"}, arms, "has 1 samples"
    yield (
        "batch-is-group",
        "methylation-difference",
        of("confounded") | {"expression": "beta"},
        arms | {"block_columns": ["batch"]},
        "cannot be told apart from batch",
    )
    yield "cells-in-both", "cell-abundance", {"cells": "mixed-cells"}, arms, "no property of the donor"
    yield "one-cell-type", "cell-abundance", {"cells": "alike-cells"}, arms, "has one cell type"
