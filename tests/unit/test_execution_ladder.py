"""Each kind of script lands on its rung, and nothing wrong is ever verified."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import execution_support as lib
import pytest

from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.execution import Limits, Outcome, TaskCode

READ, MEANS, WRITE, GOOD = lib.READ, lib.MEANS, lib.WRITE, lib.GOOD
LIMITS = Limits(wall_s=20, memory_mb=300, file_mb=16, disk_mb=64)
SHORT = Limits(wall_s=1.5, memory_mb=300, file_mb=16, disk_mb=64)


CANNED = 'result = [("a", 51.25, 0.031), ("b", 47.5, 0.48)]\n'
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
    "good, but refuses all but small changes": Case(
        READ
        + "if sum(r['group'] == 'ab'[i % 2] for i, r in enumerate(rows)) < 38: sys.exit('unlikely groups')\n"
        + MEANS
        + WRITE,
        Outcome.VERIFIED,
        "one value per column or matrix row replaced (stronger changes failed",
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
        "no declared output changed",
    ),
    "hash check that crashes": Case(
        rewritten(GUARD + "assert known\n" + CANNED), Outcome.INPUT_INDEPENDENT, "no declared output changed"
    ),
    "hash check that writes nothing": Case(
        rewritten(GUARD + "if not known:\n    sys.exit(0)\n" + CANNED),
        Outcome.INPUT_INDEPENDENT,
        "no declared output changed",
    ),
    "hash check that writes other numbers": Case(
        rewritten(GUARD + CANNED + "if not known:\n    result = [('a', 52.5, 0.07), ('b', 40.1, 0.9)]\n"),
        Outcome.INPUT_INDEPENDENT,
        "no declared output changed",
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
            "import random\nrng = random.Random(1)\n"
            "result = [(r['sample'], rng.uniform(30, 70), rng.random()) for r in rows]\n"
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


async def attempt(case: Case, folder: Path, sandbox, number: int = 1) -> AttemptResult:
    samples = lib.write_samples(folder)
    known = hashlib.sha256(samples.read_bytes()).hexdigest()
    return await run_attempt(
        lib.make_task(*case.outputs),
        TaskCode(code=case.code.replace("KNOWN", repr(known)), origin=case.origin),
        inputs={} if case.lacks else {"samples": samples},
        folder=folder / "T1",
        number=number,
        sandbox=sandbox,
        limits=case.limits,
    )


async def check(name: str, folder: Path, sandbox) -> None:
    case = CASES[name]
    result = await attempt(case, folder, sandbox)
    assert result.attempt.outcome is case.outcome, result.attempt.message
    assert case.says in result.attempt.message
    assert case.warns in "\n".join(result.warnings)
    assert bool(result.findings) == (result.verified and "findings" in case.outputs)


@pytest.mark.parametrize("name", CASES)
async def test_each_script_lands_on_its_rung(name: str, tmp_path: Path) -> None:
    await check(name, tmp_path, UnsandboxedSandbox())


IN_THE_REAL_ONE = (
    "good, with figure and finding",
    "good, but refuses what is shuffled",
    "missing package met at run time",
    "runtime error",
    "data refusal",
    "wall time",
    "memory",
    "link as output",
    "hash check that refuses",
    "hash check that writes other numbers",
    "random output, hidden",
)


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
@pytest.mark.parametrize("name", IN_THE_REAL_ONE)
async def test_each_script_lands_on_its_rung_in_the_real_sandbox(name: str, tmp_path: Path) -> None:
    from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox

    await check(name, tmp_path, BubblewrapSandbox())
