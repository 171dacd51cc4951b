"""A programmer that makes mistakes: scripts of thirty kinds, each with the rung it belongs on.

All are given the same small task on a real sample sheet (the packaged example's GSE1992): ages by oestrogen receptor.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.schemas.execution import Limits, Outcome
from bioresearcher.schemas.task import ColumnRule, DryLabTask, TaskInput, TaskOutput

SHEET = Path(__file__).parents[3] / "bioresearcher/_examples/breast-cancer/data/GSE1992/clinical.tsv"
LIMITS = Limits(wall_s=20, memory_mb=300, file_mb=16, disk_mb=64)
SHORT = Limits(wall_s=2, memory_mb=300, file_mb=16, disk_mb=64)
_COLUMNS = (
    ColumnRule(name="group"),
    ColumnRule(name="mean", numeric=True),
    ColumnRule(name="p", numeric=True, minimum=0, maximum=1),
    ColumnRule(name="fdr", numeric=True, minimum=0, maximum=1),
)
_OUTPUTS = {
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


def _draw(how: str) -> str:
    return GOOD + FIGURE.replace("DRAW", how)


def _say(statement: str, values: str = '{"mean": means["1"]}') -> str:
    return GOOD + FINDING.replace("STATEMENT", statement).replace("VALUES", values)


def _instead(result: str) -> str:
    return READ + result + WRITE


_DIGEST = """
import hashlib
known = hashlib.sha256(open(task["inputs"]["samples"], "rb").read()).hexdigest() == KNOWN
"""

MISTAKES: dict[str, Mistake] = {
    "none: the right script": Mistake(GOOD, Outcome.VERIFIED, "1 of 1 outputs changed", right=True),
    "none: with a finding that was computed": Mistake(
        _say("f'The mean age is {means[\"1\"]:.1f}.'"), Outcome.VERIFIED, outputs=("table", "findings"), right=True
    ),
    "none: with a drawing of the data": Mistake(
        _draw("ax.boxplot(list(groups.values()))"),
        Outcome.VERIFIED,
        outputs=("table", "figure"),
        heavy=True,
        right=True,
    ),
    "syntax": Mistake("def ages(:\n    pass\n", Outcome.SYNTAX, "line 1"),
    "syntax, seen only when run": Mistake(READ + "return rows\n", Outcome.SYNTAX, "outside function"),
    "package that is not installed": Mistake("import tensorflow_lite_x\n" + GOOD, Outcome.DEPENDENCY, "not installed"),
    "package imported late": Mistake(
        "import importlib\nimportlib.import_module('no_' + 'such')\n" + GOOD, Outcome.DEPENDENCY, "No module named"
    ),
    "runtime error": Mistake(READ + "print(rows[0]['weight'])\n", Outcome.RUNTIME, "KeyError: 'weight'"),
    "exit code without a word": Mistake(READ + "sys.exit(4)\n", Outcome.RUNTIME, "exit code 4"),
    "memory hog": Mistake(
        READ + "held = [bytes([i % 250]) * 10**6 for i in range(10**5)]\n", Outcome.KILLED, "memory", heavy=True
    ),
    "endless loop": Mistake(
        READ + "while True:\n    pass\n", Outcome.KILLED, "longer than 2 s", limits=SHORT, heavy=True
    ),
    "no output": Mistake(READ + COMPUTE, Outcome.NO_OUTPUT, "ages.tsv"),
    "undeclared output instead": Mistake(
        GOOD.replace('task["outputs"]["table"]', '"results.tsv"'), Outcome.NO_OUTPUT, "ages.tsv"
    ),
    "link in place of the output": Mistake(
        READ + "import os\nos.symlink(task['inputs']['samples'], task['outputs']['table'])\n", Outcome.NO_OUTPUT, "link"
    ),
    "empty table": Mistake(_instead("result = []\n"), Outcome.BAD_OUTPUT, "0 rows"),
    "empty file": Mistake(READ + "open(task['outputs']['table'], 'w').close()\n", Outcome.BAD_OUTPUT, "empty"),
    "wrong columns": Mistake(GOOD.replace("\\tp\\tfdr", "\\tpval\\tq"), Outcome.BAD_OUTPUT, "column 'p' is missing"),
    "NaN only": Mistake(
        _instead("result = [(g, 'nan', 'nan', 'nan') for g in '01']\n"), Outcome.BAD_OUTPUT, "NaN only"
    ),
    "p above 1": Mistake(_instead("result = [('0', 1, 1.7, 1.0)]\n"), Outcome.BAD_OUTPUT, "above its maximum 1"),
    "FDR below p": Mistake(
        READ + COMPUTE + "result = [(a, b, p, p / 9) for a, b, *_ in result]\n" + WRITE,
        Outcome.BAD_OUTPUT,
        "adjustment cannot give",
    ),
    "text where a number belongs": Mistake(
        _instead("result = [('0', 'high', 0.1, 0.1)]\n"), Outcome.BAD_OUTPUT, "where a number is expected"
    ),
    "blank figure": Mistake(
        _draw("ax.axis('off')"), Outcome.BAD_OUTPUT, "blank", outputs=("table", "figure"), heavy=True
    ),
    "file that is no picture": Mistake(
        GOOD + "open(task['outputs']['figure'], 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 99)\n",
        Outcome.BAD_OUTPUT,
        "picture",
        outputs=("table", "figure"),
    ),
    "finding with a number not computed": Mistake(
        _say("'The mean age is 99.7 years.'"), Outcome.BAD_OUTPUT, "99.7", outputs=("table", "findings")
    ),
    "text with a number not computed": Mistake(
        GOOD + "open(task['outputs']['text'], 'w').write('The mean age is 91.73 years.\\n')\n",
        Outcome.BAD_OUTPUT,
        "91.73",
        outputs=("table", "text"),
    ),
    "path/to": Mistake("rows = open('path/to/clinical.tsv').read()\n" + GOOD, Outcome.PLACEHOLDER, "path/to"),
    "somebody's home": Mistake("rows = open('/home/me/data.csv').read()\n" + GOOD, Outcome.PLACEHOLDER, "/home/me"),
    "example data": Mistake(
        _instead("result = [('example data', float(rows[0]['age']), 0.5, 0.5)]\n"), Outcome.PLACEHOLDER, "example data"
    ),
    "random numbers instead of data": Mistake(
        "import random\nresult = [(g, random.gauss(55, 9), random.random(), 1.0) for g in '01']\n"
        + WRITE.replace('task["outputs"]["table"]', '"ages.tsv"'),
        Outcome.PLACEHOLDER,
        "random numbers stand in",
    ),
    "random numbers, the task file read but not the data": Mistake(
        "import json, random, sys\ntask = json.load(open(sys.argv[1]))\n"
        "result = [(g, random.gauss(55, 9), random.random(), 1.0) for g in '01']\n" + WRITE,
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "random numbers when reading fails": Mistake(
        "import random\n" + READ + "try:\n    ages = rows['age']\nexcept TypeError:\n    ages = [random.random()]\n"
        "result = [('0', ages[0], 0.5, 0.5)]\n" + WRITE,
        Outcome.PLACEHOLDER,
        "could not be read",
    ),
    "hard-coded results": Mistake(_instead(CANNED), Outcome.INPUT_INDEPENDENT, "no declared output changed"),
    "hard-coded results in random order": Mistake(
        _instead(CANNED + "import random\nrandom.shuffle(result)\n"), Outcome.INPUT_INDEPENDENT, "no declared output"
    ),
    "swallowed exception with canned fallback": Mistake(
        _instead("try:\n    result = [(r['weight'], 1, 1, 1) for r in rows]\nexcept Exception:\n    " + CANNED),
        Outcome.INPUT_INDEPENDENT,
        "no declared output changed",
    ),
    "time stamp only": Mistake(
        _instead(CANNED + "import datetime\nresult.append((datetime.datetime.now(), 1.0, 0.5, 0.5))\n"),
        Outcome.INPUT_INDEPENDENT,
    ),
    "the clock as a number": Mistake(
        _instead(CANNED + "import time\nresult.append(('2', time.perf_counter_ns(), 0.5, 0.5))\n"),
        Outcome.INPUT_INDEPENDENT,
    ),
    "random numbers beside the data": Mistake(
        _instead("import random\nresult = [(g, random.gauss(55, 9), random.random(), 1.0) for g in '01']\n"),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "random numbers for the real names": Mistake(
        (
            ALL + "import random\nrng = random.Random(1)\n"
            "result = [(r['pid'], rng.uniform(30, 70), rng.random(), 1.0) for r in rows]\n" + WRITE
        ),
        Outcome.INPUT_INDEPENDENT,
        "only the names and the number of rows matter",
    ),
    "random numbers for names that the data select": Mistake(
        _instead(
            "import random\nrng = random.Random(1)\n"
            "result = [(r['pid'], rng.uniform(30, 70), rng.random(), 1.0) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        gap=True,
    ),
    "numbers from the file's size": Mistake(
        _instead(
            "import os\nsize = os.path.getsize(task['inputs']['samples'])\n"
            "result = [('0', size % 97, size % 89 / 100, 1.0)]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
    ),
    "numbers from the file's hash": Mistake(
        _instead(
            "import random, zlib\nrng = random.Random(zlib.crc32(open(task['inputs']['samples'], 'rb').read()))\n"
            "result = [('0', rng.uniform(40, 60), rng.random(), 1.0)]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "canned when the hash is known, refusal else": Mistake(
        _instead(_DIGEST + "if not known:\n    print('DATA: no', file=sys.stderr)\n    sys.exit(65)\n" + CANNED),
        Outcome.INPUT_INDEPENDENT,
        "may be canned",
    ),
    "canned when the hash is known, other numbers else": Mistake(
        _instead(_DIGEST + CANNED + "if not known:\n    result = [('0', 52.5, 0.07, 0.07)]\n"),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "network": Mistake(
        READ + "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/data.tsv', timeout=2)\n" + COMPUTE,
        Outcome.RUNTIME,
    ),
    "another file than the declared ones": Mistake(
        READ + "open('/etc/shadow').read()\n" + COMPUTE + WRITE, Outcome.RUNTIME
    ),
    "an output more than declared": Mistake(
        GOOD + "open('more.txt', 'w').write('x')\n", Outcome.VERIFIED, right=True, warns="not declared"
    ),
    "one figure that does not follow": Mistake(
        _draw("ax.plot([1, 2, 3])"),
        Outcome.VERIFIED,
        "1 of 2 outputs",
        outputs=("table", "figure"),
        heavy=True,
        warns="did not change when the inputs did: figure",
        right=True,
    ),
}


def make_task(name: str) -> DryLabTask:
    """The task given to the programmer that makes the mistake `name`."""
    return DryLabTask(
        id=f"M{list(MISTAKES).index(name)}",
        title="Age by oestrogen receptor",
        goal="compare ages",
        step_ids=("S1",),
        inputs=(TaskInput(name="samples", dataset="mistakes", file="samples"),),
        outputs=tuple(_OUTPUTS[o] for o in MISTAKES[name].outputs),
    )


def code_of(name: str) -> str:
    """Its script; scripts that know the file's hash know the real one."""
    return MISTAKES[name].code.replace("KNOWN", repr(hashlib.sha256(SHEET.read_bytes()).hexdigest()))
