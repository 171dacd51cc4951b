"""Each kind of script lands on its rung, and nothing wrong is ever verified."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.sandbox.base import Job, Layout
from bioresearcher.schemas.execution import ExecResult, Limits, Outcome, ResourceUse
from bioresearcher.schemas.task import ColumnRule, DryLabTask, TaskCode, TaskInput, TaskOutput

LIMITS = Limits(wall_s=20, memory_mb=300, file_mb=16, disk_mb=64)
SHORT = Limits(wall_s=1.5, memory_mb=300, file_mb=16, disk_mb=64)


class LocalSandbox:
    """Runs jobs as plain processes, with a clock and a look at the memory: no protection, only the protocol."""

    name = "none"

    def layout(self, job: Job) -> Layout:
        return Layout(code=str(job.code_dir), work=str(job.work_dir), data={n: str(p) for n, p in job.data.items()})

    async def run(self, job: Job) -> ExecResult:
        # the job's files are shown at fixed places, as a real sandbox does
        args = list(job.args)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(job.code_dir / job.script),
            *args,
            cwd=job.work_dir,
            env={"PYTHONHASHSEED": "0", "PATH": os.environ["PATH"], **job.env},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started = time.monotonic()
        running = asyncio.create_task(process.communicate())
        killed = None
        while not running.done():
            await asyncio.wait({running}, timeout=0.05)
            if time.monotonic() - started > job.limits.wall_s:
                killed = "wall_time"
            elif self._memory_mb(process.pid) > job.limits.memory_mb:
                killed = "memory"
            if killed and process.returncode is None:
                process.kill()
        out, err = await running
        wall_s = time.monotonic() - started
        return ExecResult(
            exit_code=process.returncode or 0,
            stdout=out.decode(errors="replace"),
            stderr=err.decode(errors="replace"),
            killed=killed,
            use=ResourceUse(wall_s=wall_s),
            sandbox=self.name,
        )

    @staticmethod
    def _memory_mb(pid: int) -> float:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0)


def bubblewrap():
    """The real sandbox, or a skip where it cannot work."""
    from bioresearcher.errors import SandboxUnavailableError
    from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox

    try:
        sandbox = BubblewrapSandbox()
        folder = Path(tempfile.mkdtemp())
        (folder / "code").mkdir()
        (folder / "work").mkdir()
        (folder / "code" / "code.py").write_text("print('ready')\n")
        asyncio.run(sandbox.run(Job(folder / "code", "code.py", folder / "work")))
    except SandboxUnavailableError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    return sandbox


@pytest.fixture(params=["local", pytest.param("bubblewrap", marks=pytest.mark.sandbox)])
def sandbox(request):
    return LocalSandbox() if request.param == "local" else bubblewrap()


READ = """
import csv, json, sys
task = json.load(open(sys.argv[1]))
with open(task["inputs"]["samples"], newline="") as file:
    rows = list(csv.DictReader(file, delimiter="\\t"))
"""
WRITE = """
with open(task["outputs"]["result"], "w") as out:
    out.write("group\\tmean\\tp_value\\n")
    for name, mean, p in result:
        out.write(f"{name}\\t{mean}\\t{p}\\n")
"""
MEANS = """
import statistics
groups = {}
for row in rows:
    groups.setdefault(row["group"], []).append(float(row["age"]))
result = [(name, statistics.fmean(v), 1 / (1 + statistics.pstdev(v))) for name, v in sorted(groups.items())]
"""
CANNED = 'result = [("a", 51.25, 0.031), ("b", 47.5, 0.48)]\n'
GOOD = READ + MEANS + WRITE
PIXELS = """
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def png(path, shade):
    lines = b"".join(b"\\0" + bytes(shade(x, y) for x in range(80)) for y in range(60))
    head = struct.pack(">IIBBBBB", 80, 60, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    open(path, "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + parts)
"""
BY_AGE = "ages = [int(float(r['age'])) for r in rows]\npng(task['outputs']['plot'], lambda x, y: ages[x % len(ages)])\n"
SAY = """
mean = statistics.fmean(float(r["age"]) for r in rows)
said = [{"statement": STATEMENT, "values": {"mean_age": mean}}]
json.dump(said, open(task["outputs"]["findings"], "w"))
"""


@dataclass
class Case:
    """A script and the rung it belongs on; `outputs` beside the table, by name."""

    code: str
    outcome: Outcome
    says: str
    outputs: tuple[str, ...] = ()
    limits: Limits = LIMITS
    origin: str = "model"
    warns: str = ""
    lacks: bool = False


def script(*parts: str) -> str:
    return "".join(parts)


def rewritten(result: str, before: str = READ) -> str:
    return before + result + WRITE


GUARD = """
import hashlib
known = hashlib.sha256(open(task["inputs"]["samples"], "rb").read()).hexdigest() == KNOWN
"""

CASES = {
    "good": Case(GOOD, Outcome.VERIFIED, "1 of 1 outputs changed"),
    "good, vetted": Case(GOOD, Outcome.VERIFIED, "1 of 1 outputs changed", origin="offline"),
    "good, with figure and finding": Case(
        GOOD
        + PIXELS
        + BY_AGE
        + SAY.replace("STATEMENT", "f'The mean age is {mean:.1f} years (n = {len(rows)}).'").replace(
            '"mean_age": mean', '"mean_age": mean, "n": len(rows)'
        ),
        Outcome.VERIFIED,
        "3 of 3 outputs changed",
        ("plot", "findings"),
    ),
    "good, seeded random numbers": Case(
        rewritten(
            "import random\nrng = random.Random(task['seed'])\nages = [float(r['age']) for r in rows]\n"
            "draws = [sum(rng.choices(ages, k=len(ages))) for _ in range(50)]\n"
            "result = [('boot', sum(draws) / 50, 0.5)]\n"
        ),
        Outcome.VERIFIED,
        "1 of 1",
    ),
    "good, but refuses what is shuffled": Case(
        READ + "if sum(r['group'] == 'a' for r in rows) != 20: sys.exit('groups are not balanced')\n" + MEANS + WRITE,
        Outcome.VERIFIED,
        "stronger changes failed",
    ),
    "one output does not follow": Case(
        GOOD + PIXELS + "png(task['outputs']['plot'], lambda x, y: x)\n",
        Outcome.VERIFIED,
        "1 of 2 outputs",
        ("plot",),
        warns="did not change when the inputs did: plot",
    ),
    "missing input": Case(GOOD, Outcome.BLOCKED, "input 'samples' (from cohort) was not produced", lacks=True),
    "syntax error": Case("def f(:\n  pass\n", Outcome.SYNTAX, "line 1"),
    "syntax error met at run time": Case(READ + "return 3\n", Outcome.SYNTAX, "'return' outside function"),
    "missing package": Case("import no_such_pkg\n" + GOOD, Outcome.DEPENDENCY, "no_such_pkg, which is not installed"),
    "missing package met at run time": Case(
        "import importlib\nimportlib.import_module('no_' + 'such')\n" + GOOD, Outcome.DEPENDENCY, "No module named"
    ),
    "runtime error": Case(READ + "rows[0]['weight']\n", Outcome.RUNTIME, "KeyError: 'weight'"),
    "exit code without a word": Case("raise SystemExit(3)\n", Outcome.RUNTIME, "exit code 3"),
    "data refusal": Case(
        READ + "print('DATA: 2 events; at least 5 are needed', file=sys.stderr)\nsys.exit(65)\n",
        Outcome.BLOCKED,
        "DATA: 2 events",
    ),
    "wall time": Case(READ + "while True:\n    pass\n", Outcome.KILLED, "longer than 1.5 s", limits=SHORT),
    "memory": Case(READ + "x = [b'x' * 10**6 for _ in range(10**6)]\n", Outcome.KILLED, "memory"),
    "no output": Case(READ + MEANS, Outcome.NO_OUTPUT, "result.tsv"),
    "link as output": Case(
        READ + "import os\nos.symlink('/etc/passwd', task['outputs']['result'])\n", Outcome.NO_OUTPUT, "a link"
    ),
    "empty file": Case(READ + "open(task['outputs']['result'], 'w')\n", Outcome.BAD_OUTPUT, "empty"),
    "empty table": Case(rewritten("result = []\n"), Outcome.BAD_OUTPUT, "0 rows"),
    "wrong column": Case(GOOD.replace("p_value", "pee"), Outcome.BAD_OUTPUT, "column 'p_value' is missing"),
    "p-value of 2": Case(rewritten("result = [('a', 1, 2)]\n"), Outcome.BAD_OUTPUT, "above its maximum 1"),
    "text for a number": Case(rewritten("result = [('a', 'high', 1)]\n"), Outcome.BAD_OUTPUT, "where a number"),
    "NaN only": Case(rewritten("result = [('a', 'nan', 'nan')]\n"), Outcome.BAD_OUTPUT, "NaN only"),
    "blank figure": Case(
        GOOD + PIXELS + "png(task['outputs']['plot'], lambda x, y: 255)\n", Outcome.BAD_OUTPUT, "blank", ("plot",)
    ),
    "broken figure": Case(
        GOOD + "open(task['outputs']['plot'], 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 99)\n",
        Outcome.BAD_OUTPUT,
        "picture",
        ("plot",),
    ),
    "finding from nowhere": Case(
        GOOD + SAY.replace("STATEMENT", "'The mean age is 99.7 years.'"),
        Outcome.BAD_OUTPUT,
        "states 99.7",
        ("findings",),
    ),
    "path/to": Case("open('path/to/data.csv').read()\n" + GOOD, Outcome.PLACEHOLDER, "path/to"),
    "somebody's home": Case("open('/home/me/data.csv').read()\n" + GOOD, Outcome.PLACEHOLDER, "/home/me"),
    "invented random data": Case(
        "import random, json\nresult = [('a', random.random(), random.random())]\n"
        + WRITE.replace('task["outputs"]["result"]', '"result.tsv"'),
        Outcome.PLACEHOLDER,
        "random numbers stand in",
    ),
    "random data when reading fails": Case(
        "import random\n" + READ + "try:\n    ages = rows['age']\nexcept TypeError:\n    ages = [random.random()]\n"
        "result = [('a', ages[0], 0.5)]\n" + WRITE,
        Outcome.PLACEHOLDER,
        "could not be read",
    ),
    "placeholder in the table": Case(
        rewritten("result = [('example gene', float(rows[0]['age']), 0.5)]\n"), Outcome.PLACEHOLDER, "example gene"
    ),
    "constant numbers": Case(rewritten(CANNED), Outcome.INPUT_INDEPENDENT, "no declared output changed"),
    "constant numbers in random order": Case(
        rewritten(CANNED + "import random\nrandom.shuffle(result)\n"), Outcome.INPUT_INDEPENDENT, "no declared output"
    ),
    "hash check that refuses": Case(
        rewritten(GUARD + "if not known:\n    print('DATA: bad', file=sys.stderr)\n    sys.exit(65)\n" + CANNED),
        Outcome.INPUT_INDEPENDENT,
        "may be canned",
    ),
    "hash check that crashes": Case(
        rewritten(GUARD + "assert known\n" + CANNED), Outcome.INPUT_INDEPENDENT, "may be canned"
    ),
    "hash check that writes nothing": Case(
        rewritten(GUARD + "if not known:\n    sys.exit(0)\n" + CANNED), Outcome.INPUT_INDEPENDENT, "may be canned"
    ),
    "hash check that writes other numbers": Case(
        rewritten(GUARD + CANNED + "if not known:\n    result = [('a', 52.5, 0.07), ('b', 40.1, 0.9)]\n"),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "numbers drawn from the hash": Case(
        rewritten(
            "import random, zlib\nrng = random.Random(zlib.crc32(open(task['inputs']['samples'], 'rb').read()))\n"
            "result = [('a', rng.uniform(40, 60), rng.random())]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "length check": Case(
        rewritten(
            "ages = '|'.join(r['age'] for r in rows)\nresult = [('a', 40 + len(ages) % 7 + ages.count('1') * 0, .5)]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "",
    ),
    "random numbers for the real names": Case(
        rewritten(
            "import random\nrng = random.Random(1)\nresult = [(r['sample'], rng.uniform(30, 70), rng.random()) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "only the names and the number of rows matter",
    ),
    "time stamp only": Case(
        GOOD.replace(MEANS, CANNED + "import datetime\nresult.append((datetime.datetime.now(), 1.0, 0.5))\n"),
        Outcome.INPUT_INDEPENDENT,
        "no declared output changed",
    ),
    "the clock as a number": Case(
        rewritten(CANNED + "import time\nresult.append(('c', time.perf_counter_ns(), 0.5))\n"),
        Outcome.INPUT_INDEPENDENT,
        "",
    ),
    "random output": Case(
        rewritten("import random\nresult = [('a', random.gauss(50, 9), random.random())]\n"),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "random output, hidden": Case(
        rewritten("r = __import__('ran' + 'dom')\nresult = [('a', r.gauss(50, 9), r.random())]\n"),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
}


def rules(kind: str) -> tuple[ColumnRule, ...]:
    if kind != "table":
        return ()
    p = ColumnRule(name="p_value", numeric=True, minimum=0, maximum=1)
    return (ColumnRule(name="group"), ColumnRule(name="mean", numeric=True), p)


FILES = {"result": ("result.tsv", "table"), "plot": ("plot.png", "figure"), "findings": ("findings.json", "findings")}


def task_of(case: Case) -> DryLabTask:
    names = ("result", *case.outputs)
    return DryLabTask(
        id="T1",
        title="Age by group",
        goal="compare ages",
        step_ids=("S1",),
        inputs=(TaskInput(name="samples", dataset="cohort", file="samples"),),
        outputs=tuple(
            TaskOutput(name=n, file=FILES[n][0], kind=FILES[n][1], columns=rules(FILES[n][1])) for n in names
        ),
    )


def samples_file(folder: Path) -> Path:
    rng = random.Random(3)
    path = folder / "samples sheet.tsv"
    lines = [f"s{i}\t{rng.randint(30, 80)}.{rng.randint(1, 9)}\t{'ab'[i % 2]}" for i in range(40)]
    path.write_text("sample\tage\tgroup\n" + "\n".join(lines) + "\n")
    return path


async def attempt(case: Case, folder: Path, sandbox, number: int = 1) -> AttemptResult:
    samples = samples_file(folder)
    known = hashlib.sha256(samples.read_bytes()).hexdigest()
    return await run_attempt(
        task_of(case),
        TaskCode(code=case.code.replace("KNOWN", repr(known)), origin=case.origin),
        inputs={} if case.lacks else {"samples": samples},
        folder=folder / "T1",
        number=number,
        sandbox=sandbox,
        limits=case.limits,
    )


@pytest.mark.parametrize("name", CASES)
async def test_each_script_lands_on_its_rung(name: str, tmp_path: Path, sandbox) -> None:
    case = CASES[name]
    result = await attempt(case, tmp_path, sandbox)
    assert result.attempt.outcome is case.outcome, result.attempt.message
    assert case.says in result.attempt.message
    assert case.warns in "\n".join(result.warnings)
    assert bool(result.findings) == (result.verified and "findings" in case.outputs)
