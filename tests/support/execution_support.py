"""A small task and scripts for it, for the execution tests (loaded by path)."""

from __future__ import annotations

import random
from pathlib import Path

from bioresearcher.schemas.execution import ColumnRule, DryLabTask, TaskInput, TaskOutput

FILES = {"result": ("result.tsv", "table"), "plot": ("plot.png", "figure"), "findings": ("findings.json", "findings")}


def rules(kind: str) -> tuple[ColumnRule, ...]:
    if kind != "table":
        return ()
    p = ColumnRule(name="p_value", numeric=True, minimum=0, maximum=1)
    return (ColumnRule(name="group"), ColumnRule(name="mean", numeric=True), p)


def make_task(*outputs: str) -> DryLabTask:
    """Mean age by group: reads `samples`, writes `result` and whatever else is asked for."""
    return DryLabTask(
        id="T1",
        title="Age by group",
        goal="compare ages",
        step_ids=("S1",),
        inputs=(TaskInput(name="samples", dataset="cohort", file="samples"),),
        outputs=tuple(
            TaskOutput(name=n, file=FILES[n][0], kind=FILES[n][1], columns=rules(FILES[n][1]))
            for n in ("result", *outputs)
        ),
    )


def write_samples(folder: Path) -> Path:
    """Forty samples in two groups of twenty."""
    rng = random.Random(3)
    path = folder / "samples sheet.tsv"
    lines = [f"s{i}\t{rng.randint(30, 80)}.{rng.randint(1, 9)}\t{'ab'[i % 2]}" for i in range(40)]
    path.write_text("sample\tage\tgroup\n" + "\n".join(lines) + "\n")
    return path


READ = """
import csv, json, sys
task = json.load(open(sys.argv[1]))
with open(task["inputs"]["samples"], newline="") as file:
    rows = list(csv.DictReader(file, delimiter="\\t"))
"""
MEANS = """
import statistics
groups = {}
for row in rows:
    groups.setdefault(row["group"], []).append(float(row["age"]))
result = [(name, statistics.fmean(v), 1 / (1 + statistics.pstdev(v))) for name, v in sorted(groups.items())]
"""
WRITE = """
with open(task["outputs"]["result"], "w") as out:
    out.write("group\\tmean\\tp_value\\n")
    for name, mean, p in result:
        out.write(f"{name}\\t{mean}\\t{p}\\n")
"""
GOOD = READ + MEANS + WRITE
"""A script that does the task."""
