"""A task on a matrix of 1 GB: what our own process needs from describing the data to the verified result.

The matrix (44,000 genes × 1,500 samples, drawn with a fixed seed; six genes differ between the two groups) is
described, shown as a programmer would see it, registered for the run folder, staged, analysed in the sandbox, analysed
again on changed copies, and its outputs checked: a small table and a filtered matrix of 150 MB.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, environment, measured

GENES, SAMPLES, HIGHER = 44_000, 1_500, 6
CODE = """
import json, math, sys
task = json.load(open(sys.argv[1]))
with open(task["inputs"]["samples"]) as file:
    header = next(file).rstrip("\\n").split("\\t")
    group = {row[0]: row[1] for row in (line.rstrip("\\n").split("\\t") for line in file)}
result = []
with open(task["inputs"]["matrix"]) as file, open(task["outputs"]["kept"], "w") as kept:
    top = next(file)
    kept.write(top)
    names = top.rstrip("\\n").split("\\t")[1:]
    case = [i for i, n in enumerate(names) if group[n] == "case"]
    control = [i for i, n in enumerate(names) if group[n] == "control"]
    for number, line in enumerate(file):
        gene, *cells = line.rstrip("\\n").split("\\t")
        values = list(map(float, cells))
        a, b = [values[i] for i in case], [values[i] for i in control]
        result.append((gene, sum(a) / len(a) - sum(b) / len(b)))
        if number % 7 == 0:
            kept.write(line)
result.sort(key=lambda pair: -abs(pair[1]))
with open(task["outputs"]["table"], "w") as out:
    out.write("gene\\tdifference\\n")
    out.writelines(f"{gene}\\t{value:.6g}\\n" for gene, value in result)
"""
_WORK = """
import asyncio, json, re, sys, time
from pathlib import Path
from bioresearcher.execution.attempt import run_attempt
from bioresearcher.execution.input_snapshot import describe_inputs
from bioresearcher.execution.input_snapshot import keep_inputs
from bioresearcher.runfolder import RunFolder
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, TaskCode, TaskInput, TaskOutput
from bioresearcher.sources.datasets.load import load_datasets

root, code = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
marks = [("", time.monotonic())]
[dataset], failures = load_datasets([root / "data"])
assert not failures, failures
marks.append(("described", time.monotonic()))
inputs = {f.kind: root / "data" / f.path for f in dataset.files}
inputs = {"matrix": inputs["expression"], "samples": inputs["samples"]}
sandbox = choose_sandbox()
shown = asyncio.run(describe_inputs(inputs, sandbox))
assert f"{int(sys.argv[3])} rows" in shown, shown[:500]
marks.append(("shown", time.monotonic()))
files = {f.kind: f for f in dataset.files}
kinds = {"matrix": "expression", "samples": "samples"}
given = tuple(TaskInput(name=n, dataset=dataset.id, file=files[k].name) for n, k in kinds.items())
outputs = (
    TaskOutput(name="table", file="differences.tsv", kind="table", min_rows=2,
               columns=(ColumnRule(name="gene"), ColumnRule(name="difference", numeric=True))),
    TaskOutput(name="kept", file="kept.tsv", kind="table", min_rows=2),
)
task = DryLabTask(id="large", title="large", goal="differences", step_ids=("1.1",), inputs=given, outputs=outputs)
keep_inputs(RunFolder(root / "run"), [task], {dataset.id: dataset})
marks.append(("registered", time.monotonic()))
result = asyncio.run(run_attempt(
    task, TaskCode(code=code, origin="model"), inputs=inputs, folder=root / "tasks", number=1, sandbox=sandbox,
    limits=Limits(wall_s=900, cpu_s=900),
))
marks.append(("attempted", time.monotonic()))
status = Path("/proc/self/status").read_text()
print(json.dumps({
    "outcome": result.attempt.outcome.value, "message": result.attempt.message,
    "outputs": {a.name: a.path for a in result.artifacts},
    "own_mb": int(re.search("VmHWM: *[\\t ]*([0-9]+)", status)[1]) / 1024,
    "task_mb": result.attempt.use.peak_memory_mb,
    "seconds": {name: round(at - before, 1) for (_, before), (name, at) in zip(marks, marks[1:])},
}))
"""


def measure(quick: bool) -> list[Figure]:
    """Peak memory of our own process, and whether the right genes come first (not measured when quick)."""
    if quick:
        return [Figure("task on a matrix of 1 GB", "not measured when quick")]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        (root / "data").mkdir()
        size = write_data(root / "data", GENES)
        found = work(root, GENES)
        top = [
            line.split("\t")[0] for line in (root / "tasks" / found["outputs"]["table"]).read_text().split("\n")[1:7]
        ]
    named = f"task on a matrix of {size / 1e9:.2f} GB"
    right = found["outcome"] == "verified" and sorted(top) == sorted(f"H{n}" for n in range(HIGHER))
    return [
        measured(f"{named}: peak memory of our own process", [found["own_mb"]], "MB", at_most=600),
        Figure(f"{named}: verified, and the genes that differ come first", "yes" if right else found["message"][:200],
               "yes", right),
        measured(f"{named}: peak memory of the script in the sandbox", [found["task_mb"]], "MB"),
        Figure(f"{named}: wall", ", ".join(f"{name} {s:.0f} s" for name, s in found["seconds"].items())),
    ]  # fmt: skip


def work(root: Path, genes: int) -> dict[str, object]:
    """Everything in a process of its own, and what it says of itself."""
    (root / "code.py").write_text(CODE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _WORK, str(root), str(root / "code.py"), str(genes)],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-600:])
    return json.loads(done.stdout.splitlines()[-1])


def write_data(folder: Path, genes: int) -> int:
    """The matrix and its sample sheet; the matrix's bytes."""
    rng = random.Random(20261128)
    names = [f"S{i:04}" for i in range(SAMPLES)]
    group = ["case" if i % 2 else "control" for i in range(SAMPLES)]
    with (folder / "samples.tsv").open("w", encoding="utf-8") as out:
        out.write("sample\tgroup\tage\n")
        out.writelines(f"{n}\t{g}\t{40 + i % 41}\n" for i, (n, g) in enumerate(zip(names, group, strict=True)))
    pool = [f"{rng.gauss(8, 1.5):.13f}" for _ in range(20_011)]
    with (folder / "matrix.tsv").open("w", encoding="utf-8") as out:
        out.write("gene\t" + "\t".join(names) + "\n")
        for number in range(genes):
            start = rng.randrange(len(pool) - SAMPLES)
            cells = pool[start : start + SAMPLES]
            if number < HIGHER:
                cells = [f"{float(c) + 2:.13f}" if g == "case" else c for c, g in zip(cells, group, strict=True)]
            out.write(f"{'H' if number < HIGHER else 'g'}{number}\t" + "\t".join(cells) + "\n")
    return (folder / "matrix.tsv").stat().st_size
