"""Skills against independent implementations: limma in R, statsmodels, lifelines; time and memory of each skill.

`python benchmarks/bench_analyses.py` prints the largest differences. Data are made by fixed seeds, or published: the
BCG trials of Colditz et al. (1994), whose pooled log risk ratio other programs give as -0.7145 (REML).
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from figures import ROOT, Figure, test_data

SKILLS = ROOT / "agents" / "skills"
BCG = """study,tpos,tneg,cpos,cneg
1,4,119,11,128
2,6,300,29,274
3,3,228,11,209
4,62,13536,248,12619
5,33,5036,47,5761
6,180,1361,372,1079
7,8,2537,10,619
8,505,87886,499,87892
9,29,7470,45,7232
10,17,1699,65,1600
11,186,50448,141,27197
12,5,2493,3,2338
13,27,16886,29,17825
"""
"""Events and others in the vaccinated and the control group."""
_R = """
suppressPackageStartupMessages(library(limma))
folder <- commandArgs(TRUE)[1]
m <- as.matrix(read.table(file.path(folder, "m.tsv"), sep = "\\t", header = TRUE, row.names = 1, check.names = FALSE))
s <- read.table(file.path(folder, "s.tsv"), sep = "\\t", header = TRUE, stringsAsFactors = TRUE)
for (one in readLines(file.path(folder, "designs.txt"))) {
  parts <- strsplit(one, "\\t")[[1]]
  design <- model.matrix(as.formula(parts[2]), s)
  fit <- eBayes(lmFit(m, design))
  at <- grep("^group", colnames(design))
  test <- if (length(at) == 1) fit$t[, at] else topTable(fit, coef = at, number = Inf, sort.by = "none")$F
  write.table(data.frame(test, fit$df.total), file.path(folder, parts[1]), col.names = FALSE)
}
"""


def cohort(rng: np.random.Generator, levels: int, kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A matrix of 500 genes whose variances differ (or do not), and a sheet with groups, pairs, a batch and an age."""
    n = 12 * levels
    sheet = pd.DataFrame({"sample": [f"s{i}" for i in range(n)], "group": [f"g{i % levels}" for i in range(n)]})
    sheet["patient"] = [f"p{i // levels:02d}" for i in range(n)]
    sheet["batch"] = ["b1" if i % 5 < 2 else "b2" for i in range(n)]
    sheet["age"] = rng.integers(30, 80, n)
    scale = np.sqrt(4 / rng.chisquare(4, 500)) if kind == "different" else np.ones(500)
    values = 8 + scale[:, None] * rng.normal(size=(500, n)) + 0.5 * (sheet["batch"] == "b2").to_numpy()
    values[:40] += np.where(sheet["group"] == "g1", 1.2, 0.0)
    return pd.DataFrame(values, index=[f"G{i}" for i in range(500)], columns=sheet["sample"]), sheet


DESIGNS: tuple[tuple[str, int, str, dict[str, Any], str], ...] = (
    ("two groups", 2, "different", {}, "~ group"),
    (
        "two groups, batch and age",
        2,
        "different",
        {"blocks": ("batch",), "covariates": ("age",)},
        "~ group + batch + age",
    ),
    ("pairs", 2, "different", {"pair": "patient"}, "~ group + patient"),
    ("three groups, batch", 3, "different", {"blocks": ("batch",)}, "~ group + batch"),
    ("two groups, one variance", 2, "same", {}, "~ group"),
)


def against_limma() -> list[Figure]:
    """The largest relative difference of moderated t and F from those of limma in R, over five designs."""
    if shutil.which("Rscript") is None:
        return [Figure("moderated linear model against limma", "not measured: no R")]
    worst, said = 0.0, []
    with tempfile.TemporaryDirectory() as work:
        for name, levels, kind, design, formula in DESIGNS:
            difference = limma_difference(Path(work), levels, kind, design, formula)
            worst = max(worst, difference)
            said.append(f"{name} {difference:.1e}")
    value = f"{worst:.1e} ({'; '.join(said)})"
    return [Figure("moderated t and F: largest relative difference from limma", value, "≤ 1e-6", worst <= 1e-6)]


REAL: tuple[tuple[str, str, str, str, str, tuple[str, str]], ...] = (
    (
        "GSE1992",
        "breast_gse1992/expression_log2.tsv.gz",
        "breast_gse1992/clinical.tsv",
        "pid",
        "er_positive",
        ("0", "1"),
    ),
    ("GSE4335", "breast_gse4335/expression_log2.tsv.gz", "breast_gse4335/clinical.tsv", "pid", "er_status", ("0", "1")),
    ("Chiaretti", "all_chiaretti/expression_log2.tsv.gz", "all_chiaretti/phenotype.tsv", "sample", "sex", ("M", "F")),
)
"""Real sets: matrix, sheet, column of the samples, of the groups, and both levels, the reference first."""


def against_limma_on_real_sets() -> list[Figure]:
    """The largest differences of moderated t from limma's on three real matrices; values missing as they are."""
    data = test_data()
    if shutil.which("Rscript") is None or data is None:
        return [Figure("moderated t on three real sets", "not measured: no R, or no BIORESEARCHER_TEST_DATA")]
    sys.path.insert(0, str(SKILLS / "_lib"))
    linear = importlib.import_module("biolinear")
    worst, said = 0.0, []
    for name, matrix_file, sheet_file, sample, group, levels in REAL:
        matrix = pd.read_csv(data / "expression" / matrix_file, sep="\t", index_col=0)
        matrix = matrix[~matrix.index.duplicated()].apply(pd.to_numeric, errors="coerce")
        sheet = pd.read_csv(data / "expression" / sheet_file, sep="\t", dtype=str).set_index(sample)
        groups = sheet[group][[s for s in matrix.columns if s in sheet.index]]
        groups = groups[groups.isin(levels)]
        matrix = matrix[groups.index]
        table, _ = linear.moderate(
            linear.fit_features(
                matrix, groups, linear.Terms(pd.DataFrame(index=groups.index), linear.Design()), levels
            ),
            2,
        )
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            names = [f"x{i}" for i in range(len(groups))]  # R reads a # in a name as a comment
            kept = matrix.loc[table.index].reset_index(drop=True).set_axis(names, axis=1)
            kept.to_csv(folder / "m.tsv", sep="\t", float_format="%.17g", na_rep="NA")
            codes = groups.map({levels[0]: "a", levels[1]: "b"}).rename("group")
            codes.set_axis(names).rename_axis("sample").reset_index().to_csv(folder / "s.tsv", sep="\t", index=False)
            (folder / "designs.txt").write_text("out.txt\t~ group\n")
            (folder / "run.R").write_text(_R)
            subprocess.run(["Rscript", str(folder / "run.R"), str(folder)], check=True, capture_output=True)
            theirs = pd.read_csv(folder / "out.txt", sep=r"\s+", header=None)[1].to_numpy()
        ours = table["statistic"].to_numpy()
        difference = float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1)))
        worst = max(worst, difference)
        said.append(f"{name} {len(table)} x {len(groups)} {difference:.1e}")
    value = f"{worst:.1e} ({'; '.join(said)})"
    return [Figure("moderated t on three real sets: largest difference from limma", value, "≤ 1e-6", worst <= 1e-6)]


_DESEQ = """
import sys, warnings; warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from pydeseq2.dds import DeseqDataSet
from pydeseq2.ds import DeseqStats
data, out = sys.argv[1:3]
counts = pd.read_csv(f"{data}/synthetic/test_counts.csv", index_col=0).T
sheet = pd.read_csv(f"{data}/synthetic/test_metadata.csv", index_col=0)
for name, design in (("single_factor", "~ condition"), ("multi_factor", "~ group + condition")):
    dds = DeseqDataSet(counts=counts, metadata=sheet, design=design, quiet=True, n_cpus=1)
    dds.deseq2()
    ds = DeseqStats(dds, contrast=["condition", "B", "A"], quiet=True)
    ds.summary()
    ds.results_df.to_csv(f"{out}/{name}.csv")
"""


def against_deseq2() -> list[Figure]:
    """Negative binomial fold changes and calls of `pydeseq2` against those of DESeq2 in R, both designs.

    `BIORESEARCHER_OMICS_PYTHON` names the Python of an environment that has `pydeseq2`.
    """
    python, data = os.environ.get("BIORESEARCHER_OMICS_PYTHON"), test_data()
    if python is None or data is None:
        return [Figure("pydeseq2 against DESeq2", "not measured: set BIORESEARCHER_OMICS_PYTHON and ..._TEST_DATA")]
    reference, found = data / "drylab/pydeseq2-r-reference", []
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([python, "-c", _DESEQ, str(reference), work], check=True, capture_output=True)
        for name in ("single_factor", "multi_factor"):
            ours = pd.read_csv(Path(work, f"{name}.csv"), index_col=0)
            theirs = pd.read_csv(reference / name / "r_test_res.csv", index_col=0).loc[ours.index]
            apart = (ours["log2FoldChange"] - theirs["log2FoldChange"]).abs() / theirs["log2FoldChange"].abs()
            calls = int(((ours["padj"] < 0.05) != (theirs["padj"] < 0.05)).sum())
            value = f"{100 * apart.max():.2g} %, {calls} of {len(ours)} calls differ"
            met = bool(apart.max() <= 0.02 and calls == 0)
            found.append(Figure(f"pydeseq2 against DESeq2, {name}", value, "≤ 2 %, the same calls at FDR 0.05", met))
    return found


def limma_difference(folder: Path, levels: int, kind: str, design: dict[str, Any], formula: str) -> float:
    """The largest relative difference of one design."""
    sys.path.insert(0, str(SKILLS / "_lib"))
    linear = importlib.import_module("biolinear")
    matrix, sheet = cohort(np.random.default_rng(levels * 100 + len(formula)), levels, kind)
    matrix.to_csv(folder / "m.tsv", sep="\t", float_format="%.17g")
    sheet.to_csv(folder / "s.tsv", sep="\t", index=False)
    (folder / "designs.txt").write_text(f"out.txt\t{formula}\n")
    (folder / "run.R").write_text(_R)
    subprocess.run(["Rscript", str(folder / "run.R"), str(folder)], check=True, capture_output=True)
    theirs = pd.read_csv(folder / "out.txt", sep=r"\s+", header=None)[1].to_numpy()
    indexed = sheet.set_index("sample")
    made = linear.Design(design.get("pair", ""), design.get("blocks", ()), design.get("covariates", ()))
    frames = [pd.DataFrame(index=indexed.index)]
    frames += [linear.factor(indexed[c].astype(str), c) for c in (*([made.pair] if made.pair else []), *made.blocks)]
    frames += [linear.covariate(indexed[c], c) for c in made.covariates]
    pairs = indexed[made.pair] if made.pair else pd.Series(dtype=str)
    names = tuple(f"g{i}" for i in range(levels))
    table, _ = linear.moderate(
        linear.fit_features(matrix, indexed["group"], linear.Terms(pd.concat(frames, axis=1), made, pairs), names),
        levels,
    )
    ours = table["statistic"].reindex(matrix.index).to_numpy()
    return float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-12)))


def against_statsmodels() -> list[Figure]:
    """Pooled effects of the BCG trials against statsmodels and a published REML estimate."""
    from statsmodels.stats.meta_analysis import combine_effects

    table = pd.DataFrame(list(csv.DictReader(io.StringIO(BCG)))).astype(float)
    a, b, c, d = (table[k] for k in ("tpos", "tneg", "cpos", "cneg"))
    y, v = np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, "bcg.csv")
        pd.DataFrame({"study": [f"trial {i:.0f}" for i in table["study"]], "yi": y, "vi": v}).to_csv(path, index=False)
        ran = run_skill("meta-analysis", {"studies": path}, {"dataset_label": "BCG"}, Path(work))
        models = pd.read_csv(Path(work, "models.tsv"), sep="\t").set_index("model")
    worst = 0.0
    for name, method in (("random effects (DerSimonian-Laird)", "dl"), ("random effects (Paule-Mandel)", "pm")):
        theirs = combine_effects(y, v, method_re=method)
        worst = max(worst, abs(models.loc[name, "effect"] / theirs.mean_effect_re - 1))
        worst = max(worst, abs(models.loc[name, "tau2"] / theirs.tau2 - 1))
    reml = models.loc["random effects (REML)"]
    near = abs(reml["effect"] + 0.7145) < 1e-4 and abs(reml["tau2"] - 0.3132) < 1e-4
    return [
        Figure("meta-analysis: largest relative difference from statsmodels", f"{worst:.1e}", "≤ 1e-5", worst <= 1e-5),
        Figure(
            "… REML of the BCG trials", f"{reml['effect']:.4f}, {reml['tau2']:.4f} ({ran})", "-0.7145, 0.3132", near
        ),
    ]


def run_skill(skill: str, inputs: dict[str, Path], parameters: dict[str, Any], work: Path) -> str:
    """Run a skill alone in a folder; seconds and largest memory in words."""
    import tomllib

    contract = tomllib.loads((SKILLS / skill / "contract.toml").read_text(encoding="utf-8"))
    outputs = {o["name"]: str(work / o["file"]) for o in contract["outputs"]}
    task = {"inputs": {k: str(p) for k, p in inputs.items()}, "outputs": outputs, "parameters": parameters}
    (work / "task.json").write_text(json.dumps(task), encoding="utf-8")
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    subprocess.run(
        [sys.executable, str(SKILLS / skill / "scripts" / "run.py"), str(work / "task.json")],
        env={**os.environ, "PYTHONPATH": str(SKILLS / "_lib")},
        check=True,
        capture_output=True,
    )
    most = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return f"{time.monotonic() - start:.1f} s, at most {most // 1024} MB"


def measure(quick: bool) -> list[Figure]:
    """All comparisons; `quick` changes nothing, they take seconds."""
    del quick
    return [*against_limma(), *against_limma_on_real_sets(), *against_statsmodels(), *against_deseq2()]


def main(arguments: Sequence[str] = ()) -> int:
    """Print the figures."""
    del arguments
    for figure in measure(False):
        print(figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
