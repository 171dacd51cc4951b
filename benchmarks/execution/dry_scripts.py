"""What the scripts of the programmer that makes mistakes are put together from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioresearcher.schemas.execution import ColumnRule, Limits, Outcome, TaskOutput

SHEET = Path(__file__).parents[2] / "bioresearcher/_examples/breast-cancer/data/GSE1992/clinical.tsv"
LIMITS = Limits(wall_s=20, memory_mb=300, file_mb=16, disk_mb=64)
ROOMY = Limits(wall_s=120, memory_mb=800, file_mb=16, disk_mb=64)
SHORT = Limits(wall_s=2, memory_mb=300, file_mb=16, disk_mb=64)
_COLUMNS = (
    ColumnRule(name="group"),
    ColumnRule(name="mean", numeric=True),
    ColumnRule(name="p", numeric=True, minimum=0, maximum=1),
    ColumnRule(name="fdr", numeric=True, minimum=0, maximum=1),
)
OUTPUTS = {
    "table": TaskOutput(name="table", file="ages.tsv", kind="table", columns=_COLUMNS),
    "figure": TaskOutput(name="figure", file="ages.png", kind="figure"),
    "findings": TaskOutput(name="findings", file="findings.json", kind="findings"),
    "text": TaskOutput(name="text", file="summary.txt", kind="text"),
}

READ = """import csv, json, math, statistics, sys
task = json.load(open(sys.argv[1]))
with open(task["inputs"]["samples"], newline="") as file:
    rows = [r for r in csv.DictReader(file, delimiter="\\t") if r["er_positive"] in ("0", "1")]
"""
COMPUTE = """
groups = {"0": [], "1": []}
for row in rows:
    groups[row["er_positive"]].append(float(row["age"]))
means = {name: statistics.fmean(values) for name, values in groups.items()}
error = math.sqrt(sum(statistics.variance(v) / len(v) for v in groups.values()))
p = math.erfc(abs(means["1"] - means["0"]) / error / math.sqrt(2))
result = [(name, mean, p, p) for name, mean in means.items()]
"""
WRITE = """
with open(task["outputs"]["table"], "w") as out:
    out.write("group\\tmean\\tp\\tfdr\\n")
    for line in result:
        out.write("\\t".join(map(str, line)) + "\\n")
"""
GOOD = READ + COMPUTE + WRITE
ALL = READ.replace(' if r["er_positive"] in ("0", "1")]', "]")
CANNED = 'result = [("0", 54.31, 0.031, 0.062), ("1", 58.92, 0.048, 0.062)]\n'
FIGURE = """
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
DRAW
fig.savefig(task["outputs"]["figure"], metadata={"Software": None})
"""
FINDING = """
said = [{"statement": STATEMENT, "values": VALUES}]
json.dump(said, open(task["outputs"]["findings"], "w"))
"""


@dataclass(frozen=True)
class Mistake:
    """A script, its right rung, a part of the message, and what it declares and may use.

    Attributes:
        heavy: Not fit for a quick test: it draws, fills memory, or waits for a limit.
        right: The script is no mistake: it must reach `verified`.
        gap: Known not to be found; counted by itself, never as passed.
        warns: Part of a warning that must be given.
    """

    code: str
    outcome: Outcome
    says: str = ""
    outputs: tuple[str, ...] = ("table",)
    limits: Limits = LIMITS
    heavy: bool = False
    warns: str = ""
    right: bool = False
    gap: bool = False


def draw(how: str) -> str:
    return GOOD + FIGURE.replace("DRAW", how)


def say(statement: str, values: str = '{"mean": means["1"]}') -> str:
    return GOOD + FINDING.replace("STATEMENT", statement).replace("VALUES", values)


def instead(result: str) -> str:
    return READ + result + WRITE
