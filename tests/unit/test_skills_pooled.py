"""Meta-analysis, ROC curves, moderated models and mutation frequencies give what independent computations give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bioresearcher.execution.output_tables import read_findings

SKILLS = Path(__file__).parents[2] / "agents" / "skills"


def run(skill: str, place: Path, inputs: dict[str, Path], parameters: dict[str, Any]) -> list[dict[str, Any]] | str:
    """Run a skill's script; return its findings, or what it said when it refused."""
    names = {
        "table": "t.tsv",
        "models": "m.tsv",
        "curves": "c.tsv",
        "figure": "f.png",
        "figure_svg": "f.svg",
        "funnel": "u.png",
    }
    outputs = {k: str(place / v) for k, v in {**names, "findings": "f.json"}.items()}
    task = {"inputs": {k: str(v) for k, v in inputs.items()}, "parameters": parameters, "outputs": outputs}
    (place / "task.json").write_text(json.dumps(task))
    done = subprocess.run(
        [sys.executable, str(SKILLS / skill / "scripts" / "run.py"), str(place / "task.json")],
        env={**os.environ, "PYTHONPATH": str(SKILLS / "_lib")},
        capture_output=True,
        text=True,
    )
    if done.returncode == 65:
        assert len(done.stderr.strip().splitlines()) == 1
        return done.stderr
    assert done.returncode == 0, done.stderr
    assert read_findings(place / "f.json")  # as a run reads them
    found: list[dict[str, Any]] = json.loads((place / "f.json").read_text())
    return found


def studies(tmp_path: Path, text: str) -> list[dict[str, Any]] | str:
    (tmp_path / "studies.csv").write_text(text)
    return run("meta-analysis", tmp_path, {"studies": tmp_path / "studies.csv"}, {"dataset_label": "D"})


# Colditz et al. (1994): tuberculosis cases and others among the vaccinated and the controls
BCG = (
    (4, 119, 11, 128),
    (6, 300, 29, 274),
    (3, 228, 11, 209),
    (62, 13536, 248, 12619),
    (33, 5036, 47, 5761),
    (180, 1361, 372, 1079),
    (8, 2537, 10, 619),
    (505, 87886, 499, 87892),
    (29, 7470, 45, 7232),
    (17, 1699, 65, 1600),
    (186, 50448, 141, 27197),
    (5, 2493, 3, 2338),
    (27, 16886, 29, 17825),
)


def test_the_bcg_trials_give_the_published_pooled_risk_ratio(tmp_path: Path) -> None:
    a, b, c, d = np.array(BCG, float).T
    y, v = np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    rows = "".join(f"trial {i},{e!r},{f!r}\n" for i, (e, f) in enumerate(zip(y.tolist(), v.tolist(), strict=True)))
    found = studies(tmp_path, f"study,yi,vi\n{rows}")
    models = pd.read_csv(tmp_path / "m.tsv", sep="\t").set_index("model")
    reml = models.loc["random effects (REML)"]
    assert (reml["effect"], reml["tau2"]) == pytest.approx((-0.7145, 0.3132), abs=1e-4)  # Viechtbauer 2010
    assert (reml["low"], reml["high"]) == pytest.approx((-1.0669, -0.3622), abs=1e-4)
    assert isinstance(found, list)
    assert found[1]["values"]["i2_percent"] == pytest.approx(92.1, abs=0.05)
    assert found[1]["values"]["Q"] == pytest.approx(152.2, abs=0.05)
    from statsmodels.stats.meta_analysis import combine_effects

    theirs = combine_effects(y, v, method_re="dl")
    assert found[0]["result"]["estimate"] == pytest.approx(theirs.mean_effect_re, rel=1e-9)
    assert found[0]["result"]["n"] == 13
    import statsmodels.api as sm

    egger = sm.WLS(y, sm.add_constant(np.sqrt(v)), weights=1 / v).fit()  # Egger's intercept is this slope
    assert found[4]["values"]["intercept"] == pytest.approx(egger.params[1], rel=5e-3)
    assert found[4]["values"]["p"] == pytest.approx(egger.pvalues[1], abs=0.006)


HR, ERROR = (1.5, 1.2, 2.1, 1.1), (0.2, 0.15, 0.28, 0.16)


def as_limits(hr: float, error: float) -> tuple[str, str]:
    return f"{hr * np.exp(-1.959964 * error):.9f}", f"{hr * np.exp(1.959964 * error):.9f}"


FORMS = {
    "limits": ("study,HR,lower,upper", lambda h, e: f"{h},{','.join(as_limits(h, e))}"),
    "error of the logarithm": ("study,HR,se_log", lambda h, e: f"{h},{e}"),
    "logarithm": ("study,logHR,SE", lambda h, e: f"{float(np.log(h))},{e}"),
    "interval as text": ("study,HR,95% CI", lambda h, e: f'{h},"{" to ".join(as_limits(h, e))}"'),
}


@pytest.mark.parametrize("form", FORMS)
def test_precision_in_any_form_gives_the_same_pooled_ratio(tmp_path: Path, form: str) -> None:
    header, row = FORMS[form]
    rows = "".join(f"s{i},{row(h, e)}\n" for i, (h, e) in enumerate(zip(HR, ERROR, strict=True)))
    assert isinstance(studies(tmp_path, f"{header}\n{rows}"), list)
    weights = 1 / np.array(ERROR) ** 2
    fixed = np.exp((np.log(HR) * weights).sum() / weights.sum())
    models = pd.read_csv(tmp_path / "m.tsv", sep="\t").set_index("model")
    assert models.loc["fixed effect", "effect"] == pytest.approx(fixed, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study,hr,low,high\nA,1.5,1.0,2.2\na ,1.2,0.9,1.6\n", "stands in the list more than once"),
        ("study,hr,low,high\nA,1.5,1.6,2.2\nB,1.2,0.9,1.6\n", "study 'A': its interval (1.6 to 2.2) does not hold"),
        ("study,hr,low,high\nA,-0.5,0.1,2.2\nB,1.2,0.9,1.6\n", "a ratio is above 0"),
        ("study,hr,se\nA,1.5,0.2\nB,1.2,0.2\n", "may be on the scale of the ratio or of its logarithm"),
        ("study,hr,or,se_log\nA,1.5,1.5,0.2\nB,1.2,1.2,0.2\n", "columns hr, or may each be the effect"),
        ("study,md,se\nA,1.5,0.2\n", "1 studies have an effect and its precision; at least 2"),
        ("study,md,se\nA,1.5,0\nB,1,1\n", "study 'A' has a standard error of 0"),
    ],
)
def test_lists_that_cannot_be_pooled_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    found = studies(tmp_path, text)
    assert isinstance(found, str)
    assert said in found


def test_the_same_numbers_under_two_names_are_said(tmp_path: Path) -> None:
    found = studies(tmp_path, "study,md,se\nA,1.5,0.2\nB,1.5,0.2\nC,0.5,0.3\n")
    assert isinstance(found, list)
    assert "studies with the same numbers may be one that is counted twice: A, B." in found[0]["statement"]


@pytest.fixture
def patients(tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    rng = np.random.default_rng(4)
    sick = rng.integers(0, 2, 60)
    table = pd.DataFrame({"id": [f"p{i}" for i in range(60)], "sick": np.where(sick == 1, "yes", "no")})
    table["crp"] = np.round(10 + 6 * sick + rng.normal(0, 6, 60))
    table["albumin"] = np.round(40 - 3 * sick + rng.normal(0, 4, 60), 1)
    table.to_csv(tmp_path / "p.csv", index=False)
    return tmp_path / "p.csv", table


ASKED = {"dataset_label": "D", "sample_column": "id", "group_column": "sick", "case": "yes", "control": "no"}


def test_the_area_and_its_error_are_those_of_all_pairs(patients: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    path, table = patients
    found = run("roc-analysis", tmp_path, {"samples": path}, {**ASKED, "stated_columns": ["crp", "albumin"]})
    assert isinstance(found, list)
    y = table["sick"] == "yes"
    cases, controls = table["crp"][y].to_numpy(), table["crp"][~y].to_numpy()
    wins = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in controls] for a in cases])
    auc = wins.mean()
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(cases) + wins.mean(0).var(ddof=1) / len(controls))
    row = pd.read_csv(tmp_path / "t.tsv", sep="\t").set_index("variable").loc["crp"]
    assert (row["auc"], row["standard_error"]) == pytest.approx((auc, error), rel=1e-5)
    assert found[0]["result"]["estimate"] == pytest.approx(auc)
    from sklearn.metrics import roc_auc_score

    assert auc == pytest.approx(roc_auc_score(y, table["crp"]))
    assert "lower values go with yes" in found[1]["statement"]
    best = max(product(sorted(set(table["crp"]))), key=lambda t: (cases >= t[0]).mean() + (controls < t[0]).mean())
    assert row["threshold"] == pytest.approx(best[0])
    assert found[2]["values"]["difference"] == pytest.approx(auc - roc_auc_score(y, -table["albumin"]), abs=6e-4)


def test_roc_curves_that_mean_nothing_are_refused(patients: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    path, table = patients
    table.assign(crp=3).to_csv(path, index=False)
    said = run("roc-analysis", tmp_path, {"samples": path}, {**ASKED, "stated_columns": ["crp"]})
    assert "column 'crp' does not vary" in said
    table.assign(sick=["yes"] * 57 + ["no"] * 3).to_csv(path, index=False)
    said = run("roc-analysis", tmp_path, {"samples": path}, {**ASKED, "stated_columns": ["crp"]})
    assert "outcome sick = 'no' has 3 rows" in said


def expression(tmp_path: Path, levels: int) -> tuple[dict[str, Path], pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(levels)
    n = 6 * levels
    sheet = pd.DataFrame({"sample": [f"s{i}" for i in range(n)], "group": [f"g{i % levels}" for i in range(n)]})
    sheet["patient"], sheet["batch"] = (
        [f"p{i // levels}" for i in range(n)],
        ["a" if (i // levels) % 2 else "b" for i in range(n)],
    )
    scale = np.sqrt(4 / rng.chisquare(4, 80))
    values = 8 + scale[:, None] * rng.normal(size=(80, n))
    values[:10] += np.where(sheet["group"] == "g1", 2.0, 0.0)
    matrix = pd.DataFrame(values, [f"G{i}" for i in range(80)], sheet["sample"]).rename_axis("gene")
    matrix.to_csv(tmp_path / "m.tsv", sep="\t")
    sheet.to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    return {"matrix": tmp_path / "m.tsv", "samples": tmp_path / "s.tsv"}, matrix, sheet


@pytest.mark.parametrize("levels", [2, 3])
def test_moderated_tests_are_those_of_the_prior_they_state(tmp_path: Path, levels: int) -> None:
    """t and F follow from the residual variances and the prior; the prior is checked against limma in the benchmark."""
    import statsmodels.formula.api as smf

    inputs, matrix, sheet = expression(tmp_path, levels)
    asked: dict[str, Any] = {"dataset_label": "D", "sample_column": "sample", "group_column": "group"}
    asked |= {"case": "g1", "control": "g0"} if levels == 2 else {"levels": ["g0", "g1", "g2"]}
    found = run("moderated-linear-model", tmp_path, inputs, {**asked, "block_columns": ["batch"], "genes": ["G3"]})
    assert isinstance(found, list)
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t").set_index("gene")
    fits = {g: smf.ols("y ~ C(group) + C(batch)", sheet.assign(y=matrix.loc[g].to_numpy())).fit() for g in matrix.index}
    free = next(iter(fits.values())).df_resid
    prior = table["df"].iloc[0] - free
    s2 = found[0]["values"]["prior_variance"]
    assert found[0]["values"]["prior_df"] == pytest.approx(prior, rel=5e-3)
    for gene in ("G3", "G40"):
        fit = fits[gene]
        squeezed = (prior * s2 + free * fit.mse_resid) / (prior + free)
        assert table.loc[gene, "variance"] == pytest.approx(squeezed, rel=5e-3)
        ratio = fit.mse_resid / table.loc[gene, "variance"]
        if levels == 2:
            wanted = fit.tvalues["C(group)[T.g1]"] * np.sqrt(ratio)
            p = 2 * stats.t.sf(abs(wanted), prior + free)
        else:
            reduced = smf.ols("y ~ C(batch)", sheet.assign(y=matrix.loc[gene].to_numpy())).fit()
            wanted = (reduced.ssr - fit.ssr) / 2 / fit.mse_resid * ratio
            p = stats.f.sf(wanted, 2, prior + free)
        assert table.loc[gene, "statistic"] == pytest.approx(wanted, rel=1e-4)
        assert table.loc[gene, "p"] == pytest.approx(p, rel=1e-3)
    assert found[0]["result"]["terms"] == ["batch"]
    assert found[0]["result"]["called"] >= 5


def test_a_moderated_model_needs_groups_of_three_and_separable_blocks(tmp_path: Path) -> None:
    inputs, _, sheet = expression(tmp_path, 2)
    asked = {"dataset_label": "D", "sample_column": "sample", "group_column": "group", "case": "g1", "control": "g0"}
    sheet.assign(batch=sheet["group"]).to_csv(inputs["samples"], sep="\t", index=False)
    said = run("moderated-linear-model", tmp_path, inputs, {**asked, "block_columns": ["batch"]})
    assert "cannot be told apart from batch" in said
    sheet.assign(group=["g1", "g1", *["g0"] * 10]).to_csv(inputs["samples"], sep="\t", index=False)
    assert "'g1' has 2 samples; at least 3" in run("moderated-linear-model", tmp_path, inputs, asked)


def test_shares_of_mutated_genes_have_exact_intervals(tmp_path: Path) -> None:
    path = tmp_path / "g.tsv"
    path.write_text("gene\tmutated\tlisted\tpercent_of_listed\nNA\t2\t50\t4\nTP53\t31\t50\t62\nKRAS\t50\t50\t100\n")
    found = run("mutation-frequencies", tmp_path, {"genes": path}, {"dataset_label": "D"})
    assert isinstance(found, list)
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t", keep_default_na=False).set_index("gene")
    assert list(table.index) == ["KRAS", "TP53", "NA"]
    exact = stats.binomtest(31, 50).proportion_ci(0.95, "exact")
    assert table.loc["TP53", ["low", "high"]].tolist() == pytest.approx([100 * exact.low, 100 * exact.high], rel=1e-5)
    assert table.loc["KRAS", "high"] == 100
    assert found[0]["result"]["n"] == 50
    path.write_text("gene\tmutated\tlisted\nTP53\t51\t50\n")
    assert "mutated in 51 of 50" in run("mutation-frequencies", tmp_path, {"genes": path}, {})
