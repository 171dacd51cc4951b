"""The extra `omics`: a script with each of its packages runs in the sandbox, without a network and with cold caches.

Skipped where the extra is not installed.
"""

from __future__ import annotations

import csv
import os
import random
from pathlib import Path

import pytest

from bioresearcher.execution import languages
from bioresearcher.execution.languages import OMICS_PACKAGES, is_available, missing_package
from bioresearcher.execution.process import AttemptContext, classify, make_job, run_code, write_code
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, Limits, TaskCode, TaskInput, TaskOutput

installed = pytest.mark.skipif(
    not all(map(is_available, OMICS_PACKAGES)) and not os.environ.get("REQUIRE_OMICS"),
    reason="the extra `omics` is not installed",
)

GENES, SAMPLES, HIGHER = 60, 40, 5
READ = """
import json, sys
import numpy as np, pandas as pd
task = json.load(open(sys.argv[1]))
counts = pd.read_csv(task["inputs"]["counts"], sep="\\t", index_col=0).T
group = pd.Series(["case" if name.startswith("case") else "control" for name in counts.index], counts.index)
def write(gene, value):
    table = pd.DataFrame({"gene": list(gene), "value": np.asarray(value, float)})
    table.sort_values("value", ascending=False).to_csv(task["outputs"]["table"], sep="\\t", index=False)
"""
CODE = {
    "anndata": """
import anndata
cells = anndata.AnnData(counts.astype(float), obs=pd.DataFrame({"group": group}))
cells.write_h5ad("cells.h5ad")
again = anndata.read_h5ad("cells.h5ad")
mean = again[again.obs["group"] == "case"].X.mean(axis=0) - again[again.obs["group"] == "control"].X.mean(axis=0)
write(again.var_names, mean)
""",
    "scanpy": """
import anndata, scanpy
cells = anndata.AnnData(counts.astype(float), obs=pd.DataFrame({"group": group.astype("category")}))
scanpy.pp.normalize_total(cells, target_sum=1e4)
scanpy.pp.log1p(cells)
scanpy.pp.pca(cells, n_comps=5)
scanpy.tl.rank_genes_groups(cells, "group", groups=["case"], reference="control", method="wilcoxon")
found = scanpy.get.rank_genes_groups_df(cells, "case")
write(found["names"], found["scores"])
""",
    "pydeseq2": """
from pydeseq2.dds import DeseqDataSet
from pydeseq2.ds import DeseqStats
fitted = DeseqDataSet(counts=counts, metadata=pd.DataFrame({"group": group}), design="~group", quiet=True)
fitted.deseq2()
tested = DeseqStats(fitted, contrast=["group", "case", "control"], quiet=True)
tested.summary()
write(tested.results_df.index, tested.results_df["stat"])
""",
    "decoupler": """
import decoupler
network = pd.DataFrame({"source": ["up"] * 5 + ["other"] * 20, "target": list(counts.columns[:25]), "weight": 1.0})
scores, _ = decoupler.mt.ulm(np.log1p(counts.astype(float)), network, tmin=3)
difference = scores[group == "case"].mean() - scores[group == "control"].mean()
write(difference.index, difference)
""",
}
FIRST = {"decoupler": {"up"}}


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """Counts of genes, the first five of which are four times as frequent in the cases."""
    rng = random.Random(3)
    path = tmp_path / "counts.tsv"
    names = [f"{'case' if i % 2 else 'control'}{i}" for i in range(SAMPLES)]
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, delimiter="\t")
        rows.writerow(["gene", *names])
        for g in range(GENES):
            mean = 40 + 7 * (g % 11)
            factors = [4.0 if g < HIGHER and name.startswith("case") else 1.0 for name in names]
            rows.writerow([f"g{g}", *(max(0, round(rng.gauss(mean * f, 3 * mean**0.5))) for f in factors)])
    return path


def omics_task(package: str) -> DryLabTask:
    rules = (ColumnRule(name="gene"), ColumnRule(name="value", numeric=True))
    return DryLabTask(
        id="T1", title=package, goal=package, step_ids=("1.1",), packages=(package,),
        outputs=(TaskOutput(name="table", file="result.tsv", kind="table", columns=rules),),
        inputs=(TaskInput(name="counts", dataset="d", file="counts"),),
    )  # fmt: skip


def test_where_one_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "is_available", lambda name: False)
    assert "`pip install 'bioresearcher[omics]'` adds it" in missing_package(omics_task("scanpy"))
    assert "`pip install polars` adds it" in missing_package(omics_task("polars"))


@installed
@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(300)  # code that is compiled at first use
@pytest.mark.parametrize("package", OMICS_PACKAGES)
async def test_a_task_with_it_runs_offline_and_finds_what_is_there(package: str, counts: Path, tmp_path: Path) -> None:
    bench = AttemptContext(
        omics_task(package), TaskCode(code=READ + CODE[package], origin="offline"), choose_sandbox("auto"), Limits(),
        seed=1, folder=tmp_path,
    )  # fmt: skip
    (tmp_path / "code").mkdir()
    job = make_job(bench, {"counts": counts})
    write_code(bench, job, {"counts": counts})
    run = await run_code(bench, job, "outputs")
    assert classify(run.result, bench.limits) is None, run.result.stderr[-2000:]
    made = run.outputs / "result.tsv"
    first = [line.split("\t")[0] for line in made.read_text().splitlines()[1:]]
    wanted = FIRST.get(package, {f"g{g}" for g in range(HIGHER)})
    assert set(first[: len(wanted)]) == wanted
