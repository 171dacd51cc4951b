"""A programmer that makes mistakes: scripts of many kinds, each with the rung it belongs on.

All are given the same small task on a real sample sheet (the packaged example's GSE1992): ages by oestrogen receptor.
"""

from __future__ import annotations

import hashlib

from dry_chance import CHANCE
from dry_scripts import (
    ALL,
    CANNED,
    COMPUTE,
    GOOD,
    OUTPUTS,
    READ,
    SHEET,
    SHORT,
    WRITE,
    Mistake,
    draw,
    instead,
    say,
)

from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskInput

_DIGEST = """
import hashlib
known = hashlib.sha256(open(task["inputs"]["samples"], "rb").read()).hexdigest() == KNOWN
"""

MISTAKES: dict[str, Mistake] = {
    "none: the right script": Mistake(GOOD, Outcome.VERIFIED, "1 of 1 outputs changed", right=True),
    "none: with a finding that was computed": Mistake(
        say("f'The mean age is {means[\"1\"]:.1f}.'"), Outcome.VERIFIED, outputs=("table", "findings"), right=True
    ),
    "none: with a drawing of the data": Mistake(
        draw("ax.boxplot(list(groups.values()))"),
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
    "empty table": Mistake(instead("result = []\n"), Outcome.BAD_OUTPUT, "0 rows"),
    "empty file": Mistake(READ + "open(task['outputs']['table'], 'w').close()\n", Outcome.BAD_OUTPUT, "empty"),
    "wrong columns": Mistake(GOOD.replace("\\tp\\tfdr", "\\tpval\\tq"), Outcome.BAD_OUTPUT, "column 'p' is missing"),
    "NaN only": Mistake(instead("result = [(g, 'nan', 'nan', 'nan') for g in '01']\n"), Outcome.BAD_OUTPUT, "NaN only"),
    "p above 1": Mistake(instead("result = [('0', 1, 1.7, 1.0)]\n"), Outcome.BAD_OUTPUT, "above its maximum 1"),
    "FDR below p": Mistake(
        READ + COMPUTE + "result = [(a, b, p, p / 9) for a, b, *_ in result]\n" + WRITE,
        Outcome.BAD_OUTPUT,
        "adjustment cannot give",
    ),
    "text where a number belongs": Mistake(
        instead("result = [('0', 'high', 0.1, 0.1)]\n"), Outcome.BAD_OUTPUT, "where a number is expected"
    ),
    "blank figure": Mistake(
        draw("ax.axis('off')"), Outcome.BAD_OUTPUT, "blank", outputs=("table", "figure"), heavy=True
    ),
    "file that is no picture": Mistake(
        GOOD + "open(task['outputs']['figure'], 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 99)\n",
        Outcome.BAD_OUTPUT,
        "picture",
        outputs=("table", "figure"),
    ),
    "finding with a number not computed": Mistake(
        say("'The mean age is 99.7 years.'"), Outcome.BAD_OUTPUT, "99.7", outputs=("table", "findings")
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
        instead("result = [('example data', float(rows[0]['age']), 0.5, 0.5)]\n"), Outcome.PLACEHOLDER, "example data"
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
    "hard-coded results": Mistake(instead(CANNED), Outcome.INPUT_INDEPENDENT, "no declared output changed"),
    "hard-coded results in random order": Mistake(
        instead(CANNED + "import random\nrandom.shuffle(result)\n"), Outcome.INPUT_INDEPENDENT, "no declared output"
    ),
    "swallowed exception with canned fallback": Mistake(
        instead("try:\n    result = [(r['weight'], 1, 1, 1) for r in rows]\nexcept Exception:\n    " + CANNED),
        Outcome.INPUT_INDEPENDENT,
        "no declared output changed",
    ),
    "time stamp only": Mistake(
        instead(CANNED + "import datetime\nresult.append((datetime.datetime.now(), 1.0, 0.5, 0.5))\n"),
        Outcome.INPUT_INDEPENDENT,
    ),
    "the clock as a number": Mistake(
        instead(CANNED + "import time\nresult.append(('2', time.perf_counter_ns(), 0.5, 0.5))\n"),
        Outcome.INPUT_INDEPENDENT,
    ),
    "random numbers beside the data": Mistake(
        instead("import random\nresult = [(g, random.gauss(55, 9), random.random(), 1.0) for g in '01']\n"),
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
    "numbers from the file's size": Mistake(
        instead(
            "import os\nsize = os.path.getsize(task['inputs']['samples'])\n"
            "result = [('0', size % 97, size % 89 / 100, 1.0)]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
    ),
    "numbers from the file's hash": Mistake(
        instead(
            "import random, zlib\nrng = random.Random(zlib.crc32(open(task['inputs']['samples'], 'rb').read()))\n"
            "result = [('0', rng.uniform(40, 60), rng.random(), 1.0)]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "two runs on the same values",
    ),
    "canned when the hash is known, refusal else": Mistake(
        instead(_DIGEST + "if not known:\n    print('DATA: no', file=sys.stderr)\n    sys.exit(65)\n" + CANNED),
        Outcome.INPUT_INDEPENDENT,
        "no declared output changed",
    ),
    "canned when the hash is known, other numbers else": Mistake(
        instead(_DIGEST + CANNED + "if not known:\n    result = [('0', 52.5, 0.07, 0.07)]\n"),
        Outcome.INPUT_INDEPENDENT,
        "no declared output changed",
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
        draw("ax.plot([1, 2, 3])"),
        Outcome.VERIFIED,
        "1 of 2 outputs",
        outputs=("table", "figure"),
        heavy=True,
        warns="did not change when the inputs did: figure",
        right=True,
    ),
    **CHANCE,
}


def make_task(name: str) -> DryLabTask:
    """The task given to the programmer that makes the mistake `name`."""
    return DryLabTask(
        id=f"M{list(MISTAKES).index(name)}",
        title="Age by oestrogen receptor",
        goal="compare ages",
        step_ids=("S1",),
        inputs=(TaskInput(name="samples", dataset="mistakes", file="samples"),),
        outputs=tuple(OUTPUTS[o] for o in MISTAKES[name].outputs),
    )


def code_of(name: str) -> str:
    """Its script; scripts that know the file's hash know the real one."""
    return MISTAKES[name].code.replace("KNOWN", repr(hashlib.sha256(SHEET.read_bytes()).hexdigest()))
