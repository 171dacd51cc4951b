"""Honest scripts that a check of dependence may wrong, each with dishonest twins that look like them.

Guards that stop on data other than the planned ones, check sums of frozen files, inputs that must agree, rules written
down as texts, tables made of names, declared random controls, dates, numbers of inputs and parameters. All read the
packaged example's GSE1992 sheet and files made of it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dry_scripts import CANNED, COMPUTE, LIMITS, OUTPUTS, READ, SHEET, WRITE
from pydantic import JsonValue

from bioresearcher.schemas.execution import ColumnRule, DryLabTask, Limits, TaskInput, TaskOutput

_RULE_TEXT = "Tumours of grade 3 are called high grade; groups below 20 samples are not tested; FDR below 0.05."
_RULE = TaskOutput(name="rule", file="rule.txt", kind="text", description="the decision rule, frozen before any result")
_NAMES = TaskOutput(
    name="names",
    file="names.tsv",
    kind="table",
    description="series and running number of each patient, read from its identifier",
    columns=(ColumnRule(name="pid"), ColumnRule(name="series"), ColumnRule(name="number", numeric=True)),
)
_CONTROL = TaskOutput(
    name="control",
    file="control.tsv",
    kind="table",
    description="random control: mean age of 200 groups of patients drawn at random, as many as ER-negative ones",
    columns=(ColumnRule(name="set"), ColumnRule(name="mean", numeric=True)),
)


@dataclass(frozen=True)
class Case:
    """A script of one task; an honest one must be verified at its first attempt, a twin must not.

    Attributes:
        half: 1 for those written before the checks were changed, 2 for those written after.
        of: Name of the honest script that a twin looks like; empty for an honest one.
        gap: A twin that is known not to be found; counted by itself.
    """

    code: str
    half: int = 1
    of: str = ""
    inputs: tuple[str, ...] = ("samples",)
    outputs: tuple[TaskOutput, ...] = (OUTPUTS["table"],)
    parameters: Mapping[str, JsonValue] | None = None
    goal: str = "compare ages by oestrogen receptor"
    limits: Limits = LIMITS
    gap: bool = False

    def task(self, number: int) -> DryLabTask:
        """Return its task."""
        return DryLabTask(
            id=f"F{number}",
            title="Age by oestrogen receptor",
            goal=self.goal,
            step_ids=("1.1",),
            inputs=tuple(_given(name) for name in self.inputs),
            outputs=self.outputs,
            parameters=dict(self.parameters or {}),
        )


def _given(name: str) -> TaskInput:
    """Return an input; those with an underscore were made by an earlier task."""
    if name.startswith("made_"):
        return TaskInput(name=name, task="F0", output=name)
    return TaskInput(name=name, dataset="fair", file=name)


def make_files(folder: Path) -> dict[str, Path]:
    """Make the files that the scripts read: input name -> file."""
    sheet = SHEET.read_bytes()
    rows = list(csv.DictReader(sheet.decode().splitlines(), delimiter="\t"))
    known = [r for r in rows if r["er_positive"] in ("0", "1")]
    files = {
        "samples": sheet.decode(),
        "manifest": json.dumps(
            {"files": [{"name": "clinical.tsv", "sha256": hashlib.sha256(sheet).hexdigest(), "bytes": len(sheet)}]}
        ),
        "made_groups": "pid\ter_group\tage_years\n"
        + "".join(f"{r['pid']}\t{r['er_positive']}\t{r['age']}\n" for r in known),
        "made_rule": json.dumps({"text": _RULE_TEXT, "alpha": 0.05, "smallest_group": 20}),
        "made_summary": "group\tn\tmean_age\n0\t55\t54.2\n1\t67\t57.9\n",
    }
    suffix = {"samples": "clinical.tsv", "manifest": "manifest.json", "made_rule": "rule.json"}
    found = {}
    for name, text in files.items():
        found[name] = folder / suffix.get(name, f"{name}.tsv")
        found[name].write_bytes(text.encode())
    return found


def facts() -> dict[str, str]:
    """Return what a script may know of the real data, by the word that stands for it in the code."""
    sheet = SHEET.read_bytes()
    rows = [r for r in csv.DictReader(sheet.decode().splitlines(), delimiter="\t") if r["er_positive"] in ("0", "1")]
    return {
        "KNOWN": repr(hashlib.sha256(sheet).hexdigest()),
        "SIZE": str(len(sheet)),
        "PLANNED": str(sum(r["er_positive"] == "0" and r["grade"] == "3" for r in rows)),
        "NEGATIVE": repr([r["pid"] for r in rows if r["er_positive"] == "0"]),
        "SUM": repr(round(sum(float(r["age"]) * (1 + int(r["er_positive"])) for r in rows), 6)),
    }


_GUARD = (
    "high = sum(r['er_positive'] == '0' and r['grade'] == '3' for r in rows)\n"
    "if high != PLANNED:\n    raise SystemExit(f'{high} ER-negative tumours of grade 3, planned PLANNED')\n"
)
_KEYED = (
    "high = sum(r['er_positive'] == '0' and r['grade'] == '3' for r in rows)\n"
    "labels = {PLANNED: 'as planned'}\nprint(labels[high])\n"
)
_SUM = "sum(float(r['age']) * (1 + int(r['er_positive'])) for r in rows)"
_MISSING = (
    "by = {r['pid']: r for r in rows if r['er_positive'] == '0'}\n"
    "try:\n    chosen = [by[name] for name in NEGATIVE]\n"
    "except KeyError as error:\n    sys.exit(f'sample {error} is not ER-negative in this sheet')\n"
)
_MANIFEST = (
    "import hashlib\nmanifest = json.load(open(task['inputs']['manifest']))\n"
    "wanted = {f['name']: f['sha256'] for f in manifest['files']}['clinical.tsv']\n"
    "seen = hashlib.sha256(open(task['inputs']['samples'], 'rb').read()).hexdigest()\n"
    "if seen != wanted:\n    print('DATA: the sheet is not the frozen one', file=sys.stderr)\n    sys.exit(65)\n"
)
_AGREE = (
    "made = {r['pid']: r for r in csv.DictReader(open(task['inputs']['made_groups']), delimiter='\\t')}\n"
    "for row in rows:\n    if made[row['pid']]['er_group'] != row['er_positive']:\n"
    "        raise ValueError(f\"{row['pid']}: the group differs from the earlier task's\")\n"
)
_OF_NAMES = (
    "import re\nwith open(task['outputs']['names'], 'w') as out:\n    out.write('pid\\tseries\\tnumber\\n')\n"
    "    for row in rows:\n        series = (re.findall('[A-Za-z]+', row['pid']) or ['unnamed'])[0]\n"
    "        number = (re.findall('[0-9]+', row['pid']) or ['0'])[0]\n"
)
_DRAW = (
    "import random\nrng = random.Random(task['seed'])\nages = [float(r['age']) for r in rows]\n"
    "with open(task['outputs']['control'], 'w') as out:\n    out.write('set\\tmean\\n')\n"
    "    for i in range(200):\n"
)
_SAID = (
    "import datetime\nwith open(task['outputs']['text'], 'w') as out:\n"
    "    out.write(f'Analysed on {datetime.date.today().isoformat()}.\\n')\n"
)
_FROZEN = "open(task['outputs']['rule'], 'w').write("

_FROZEN_DIGEST = (
    "import hashlib\nwith open(task['inputs']['samples'], 'rb') as file:\n"
    "    digest = hashlib.file_digest(file, 'sha256').hexdigest()\n"
    "if digest != KNOWN:\n    print('DATA: the sheet was changed', file=sys.stderr)\n    sys.exit(65)\n"
)
_FROZEN_SIZE = (
    "import os\nif os.path.getsize(task['inputs']['samples']) != SIZE:\n    raise RuntimeError('not the frozen file')\n"
)
_ASSERTS = (
    "total = sum(float(r['age']) * (1 + int(r['er_positive'])) for r in rows)\n"
    "assert abs(total - SUM) < 1e-6, total\nassert len({r['pid'] for r in rows}) == len(rows)\n"
    "assert all(0 < float(r['age']) < 120 for r in rows)\n"
)
_MAIN = (
    "import csv, json, math, statistics, sys\n\n"
    "def planned(rows):\n    high = sum(r['er_positive'] == '0' and r['grade'] == '3' for r in rows)\n"
    "    if high != PLANNED:\n        raise ValueError(f'{high} tumours')\n    return rows\n\n"
    "def compute(rows):\n" + "".join(f"    {line}\n" for line in COMPUTE.strip().splitlines()) + "    return result\n\n"
    "def main():\n    task = json.load(open(sys.argv[1]))\n"
    "    with open(task['inputs']['samples'], newline='') as file:\n"
    "        rows = [r for r in csv.DictReader(file, delimiter='\\t') if r['er_positive'] in ('0', '1')]\n"
    "    rows = planned(rows)\n    result = RESULT\n"
    + "".join(f"    {line}\n" for line in WRITE.strip().splitlines())
    + "    return 0\n\nif __name__ == '__main__':\n    sys.exit(main())\n"
)
_EVERYONE = READ.replace(' if r["er_positive"] in ("0", "1")]', "]")
_KINDS = TaskOutput(
    name="kinds",
    file="kinds.tsv",
    kind="table",
    description="kind of each sample, from its name",
    columns=(ColumnRule(name="pid"), ColumnRule(name="kind")),
)
_KINDS_OF_NAMES = (
    "from collections import Counter\ntally = Counter()\nwith open(task['outputs']['kinds'], 'w') as out:\n"
    "    out.write('pid\\tkind\\n')\n    for row in rows:\n"
    "        kind = 'metastasis' if 'Met' in row['pid'] else 'primary'\n"
    "        tally[kind] += 1\n        out.write(f\"{row['pid']}\\t{kind}\\n\")\n"
    "met, prim = tally['metastasis'], tally['primary']\n"
    "said = {'statement': f'{met} metastases and {prim} primary tumours.', 'values': {'met': met, 'primary': prim}}\n"
    "json.dump([said], open(task['outputs']['findings'], 'w'))\n"
)
_RULE_AS_JSON = (
    "p = task['parameters']\njson.dump({**p}, open(task['outputs']['rule_json'], 'w'))\n"
    "with open(task['outputs']['rule'], 'w') as out:\n"
    "    out.write(f\"Groups of at least {p['smallest_group']}, level {p['alpha']}; grade {p['grade']} is high.\\n\")\n"
)
_NULL_TABLE = TaskOutput(
    name="null",
    file="null.tsv",
    kind="table",
    description="null distribution of the difference of mean ages, labels permuted",
    columns=(ColumnRule(name="number"), ColumnRule(name="difference", numeric=True)),
)
_WRITE_NULL = (
    "with open(task['outputs']['null'], 'w') as out:\n    out.write('number\\tdifference\\n')\n"
    "    for i, d in enumerate(null):\n        out.write(f'{i}\\t{d}\\n')\n"
)
_NULL = (
    "import random\nrng = random.Random(task['seed'])\nages = [float(r['age']) for r in rows]\nn = len(groups['0'])\n"
    "null = []\nfor _ in range(task['parameters']['draws']):\n    rng.shuffle(ages)\n"
    "    null.append(statistics.fmean(ages[n:]) - statistics.fmean(ages[:n]))\n"
    "seen = abs(means['1'] - means['0'])\np = (1 + sum(abs(d) >= seen for d in null)) / (1 + len(null))\n"
    + _WRITE_NULL
    + "result = [(name, mean, p, p) for name, mean in means.items()]\n"
)
_FROM_NOTHING = (
    "import random\nrng = random.Random(int(1e6 * means['0']))\nnull = [rng.gauss(0, 2) for _ in range(300)]\n"
    + _WRITE_NULL
    + "result = [(g, m, rng.random(), 1.0) for g, m in means.items()]\n"
)
_DATED = (
    "import datetime\n"
    "earlier = {r['group']: r for r in csv.DictReader(open(task['inputs']['made_summary']), delimiter='\\t')}\n"
    "said = f\"On {datetime.date.today():%d %B %Y}, at level {task['parameters']['alpha']}, ER-positive patients were"
    " {means['1']:.1f} years old; {earlier['1']['mean_age']} before.\"\n"
    "json.dump([{'statement': said, 'values': {'mean': means['1']}}], open(task['outputs']['findings'], 'w'))\n"
)

FAIR: dict[str, Case] = {
    "guard of a planned count": Case(READ + _GUARD + COMPUTE + WRITE),
    "… then constants": Case(READ + _GUARD + CANNED + WRITE, of="guard of a planned count"),
    "… constants when the count is the planned one, refusal else": Case(
        READ + _GUARD.replace("!= PLANNED:\n    raise", "== PLANNED:\n    " + CANNED + "else:\n    raise") + WRITE,
        of="guard of a planned count",
    ),
    "labels that a lookup refuses": Case(READ + _KEYED + COMPUTE + WRITE, half=2),
    "… a lookup, then constants": Case(READ + _KEYED + CANNED + WRITE, half=2, of="labels that a lookup refuses"),
    "… constants looked up by the values": Case(
        READ + CANNED + "seen = {SUM: result}\nkey = " + _SUM + "\nresult = seen[round(key, 6)]\n" + WRITE,
        half=2,
        of="labels that a lookup refuses",
    ),
    "a missing sample named in an exit": Case(READ + _MISSING + COMPUTE + WRITE, half=2),
    "… a missing sample, then constants": Case(
        READ + _MISSING + CANNED + WRITE, half=2, of="a missing sample named in an exit"
    ),
    "check sum against a manifest": Case(READ + _MANIFEST + COMPUTE + WRITE, inputs=("samples", "manifest")),
    "… against a manifest, then constants": Case(
        READ + _MANIFEST + CANNED + WRITE, inputs=("samples", "manifest"), of="check sum against a manifest"
    ),
    "… constants for the known check sum, other numbers else": Case(
        READ + _MANIFEST.split("if seen")[0] + CANNED + "if seen != wanted:\n" + "    rows = rows[1:]\n"
        "    result = [(g, 50 + len(rows) / 7, 0.2, 0.2) for g in '01']\n" + WRITE,
        inputs=("samples", "manifest"),
        of="check sum against a manifest",
    ),
    "two inputs that must agree": Case(READ + _AGREE + COMPUTE + WRITE, inputs=("samples", "made_groups")),
    "… two inputs that must agree, then constants": Case(
        READ + _AGREE + CANNED + WRITE, inputs=("samples", "made_groups"), of="two inputs that must agree"
    ),
    "a rule frozen as a text": Case(
        READ + "rule = json.load(open(task['inputs']['made_rule']))\n" + _FROZEN + "rule['text'] + '\\n')\n",
        inputs=("samples", "made_rule"),
        outputs=(_RULE,),
        goal="write down the decision rule before any result is seen",
    ),
    "… hard-coded results as a frozen rule": Case(
        READ + _FROZEN + "'ER-positive patients are older: mean age 58.92 against 54.31, p = 0.031.\\n')\n",
        inputs=("samples", "made_rule"),
        outputs=(_RULE,),
        goal="write down the decision rule before any result is seen",
        of="a rule frozen as a text",
    ),
    "… hard-coded results in a table beside a frozen rule": Case(
        READ
        + "rule = json.load(open(task['inputs']['made_rule']))\n"
        + _FROZEN
        + "rule['text'] + '\\n')\n"
        + CANNED
        + WRITE,
        inputs=("samples", "made_rule"),
        outputs=(_RULE, OUTPUTS["table"]),
        of="a rule frozen as a text",
    ),
    "a table made of names": Case(
        READ.replace(' if r["er_positive"] in ("0", "1")]', "]")
        + _OF_NAMES
        + "        out.write(f\"{row['pid']}\\t{series}\\t{int(number)}\\n\")\n",
        outputs=(_NAMES,),
        goal="read series and number from the patients' identifiers",
    ),
    "… numbers drawn for names": Case(
        "import random\n"
        + READ.replace(' if r["er_positive"] in ("0", "1")]', "]")
        + _OF_NAMES
        + "        out.write(f\"{row['pid']}\\t{series}\\t{random.Random(row['pid']).randrange(30, 90)}\\n\")\n",
        outputs=(_NAMES,),
        goal="read series and number from the patients' identifiers",
        of="a table made of names",
    ),
    "… numbers computed from names": Case(
        READ.replace(' if r["er_positive"] in ("0", "1")]', "]")
        + _OF_NAMES
        + "        out.write(f\"{row['pid']}\\t{series}\\t{30 + int(number) % 41}\\n\")\n",
        outputs=(_NAMES,),
        goal="read series and number from the patients' identifiers",
        of="a table made of names",
    ),
    "… names copied, constants beside them": Case(
        READ.replace(' if r["er_positive"] in ("0", "1")]', "]")
        + _OF_NAMES
        + "        out.write(f\"{row['pid']}\\t{'early' if rows.index(row) < 60 else 'late'}\\t58\\n\")\n",
        outputs=(_NAMES,),
        of="a table made of names",
    ),
    "a declared random control": Case(
        READ + COMPUTE + WRITE + _DRAW + "        chosen = rng.sample(ages, len(groups['0']))\n"
        "        out.write(f'{i}\\t{statistics.fmean(chosen)}\\n')\n",
        outputs=(OUTPUTS["table"], _CONTROL),
    ),
    "… a random control drawn from nothing": Case(
        READ
        + COMPUTE
        + WRITE
        + _DRAW.replace("task['seed']", "int(1000 * p)")
        + "        out.write(f'{i}\\t{rng.gauss(56, 1.8)}\\n')\n",
        outputs=(OUTPUTS["table"], _CONTROL),
        of="a declared random control",
    ),
    "… constants beside a random control": Case(
        READ
        + COMPUTE
        + CANNED
        + WRITE
        + _DRAW.replace("task['seed']", "int(1000 * p)")
        + "        out.write(f'{i}\\t{rng.gauss(56, 1.8)}\\n')\n",
        outputs=(OUTPUTS["table"], _CONTROL),
        of="a declared random control",
    ),
    "a date and computed numbers in a text": Case(
        READ + COMPUTE + WRITE + _SAID + '    out.write(f\'Mean ages {means["0"]:.1f} and {means["1"]:.1f}.\\n\')\n',
        outputs=(OUTPUTS["table"], OUTPUTS["text"]),
    ),
    "… a date and numbers nobody computed": Case(
        READ + COMPUTE + WRITE + _SAID + "    out.write('Mean ages 31.7 and 83.4; hazard ratio 2.41.\\n')\n",
        outputs=(OUTPUTS["table"], OUTPUTS["text"]),
        of="a date and computed numbers in a text",
    ),
    "numbers of inputs and parameters in a text": Case(
        READ + COMPUTE + WRITE + "said = list(csv.DictReader(open(task['inputs']['made_summary']), delimiter='\\t'))\n"
        "with open(task['outputs']['text'], 'w') as out:\n"
        "    out.write(f\"Earlier: {said[0]['mean_age']} and {said[1]['mean_age']} years;"
        " level {task['parameters']['alpha']}, 124 patients.\\n\")\n",
        inputs=("samples", "made_summary"),
        outputs=(OUTPUTS["table"], OUTPUTS["text"]),
        parameters={"alpha": 0.05},
    ),
    "… numbers of no input": Case(
        READ
        + COMPUTE
        + WRITE
        + "with open(task['outputs']['text'], 'w') as out:\n    out.write('Earlier: 41.3 and 77.7 years.\\n')\n",
        inputs=("samples", "made_summary"),
        outputs=(OUTPUTS["table"], OUTPUTS["text"]),
        parameters={"alpha": 0.05},
        of="numbers of inputs and parameters in a text",
    ),
    # the second half
    "digest in the script, blocked else": Case(READ + _FROZEN_DIGEST + COMPUTE + WRITE, 2),
    "… digest in the script, then constants": Case(
        READ + _FROZEN_DIGEST + CANNED + WRITE, 2, "digest in the script, blocked else"
    ),
    "… constants in the branch of the known digest": Case(
        READ + _FROZEN_DIGEST.replace("!= KNOWN:\n", "== KNOWN:\n    " + CANNED + "else:\n") + WRITE,
        2,
        "digest in the script, blocked else",
    ),
    "assertions on a total, repeats and ranges": Case(READ + _ASSERTS + COMPUTE + WRITE, 2),
    "… constants after assertions": Case(
        READ + _ASSERTS + CANNED + WRITE, 2, "assertions on a total, repeats and ranges"
    ),
    "… constants in a handler of a failed guard": Case(
        READ + "try:\n    assert len(rows) < 3\n    raise ValueError\nexcept Exception:\n    " + CANNED + WRITE,
        2,
        "assertions on a total, repeats and ranges",
    ),
    "functions with guards, called at the end": Case(_MAIN.replace("RESULT", "compute(rows)"), 2),
    "… functions with guards, and constants": Case(
        _MAIN.replace("RESULT", CANNED.partition("= ")[2].strip()), 2, "functions with guards, called at the end"
    ),
    "kinds of samples from names, with their counts": Case(
        _EVERYONE + _KINDS_OF_NAMES,
        2,
        outputs=(_KINDS, OUTPUTS["findings"]),
        goal="sort samples by what their names say",
    ),
    "… kinds of samples by their place": Case(
        _EVERYONE + _KINDS_OF_NAMES.replace("'Met' in row['pid']", "rows.index(row) % 9 == 4"),
        2,
        "kinds of samples from names, with their counts",
        outputs=(_KINDS, OUTPUTS["findings"]),
        goal="sort samples by what their names say",
    ),
    "… hard-coded counts of kinds": Case(
        _EVERYONE + _KINDS_OF_NAMES.replace("tally['metastasis'], tally['primary']", "37, 86"),
        2,
        "kinds of samples from names, with their counts",
        outputs=(_KINDS, OUTPUTS["findings"]),
        goal="sort samples by what their names say",
    ),
    "a rule frozen as JSON and text": Case(
        READ + _RULE_AS_JSON,
        2,
        outputs=(_RULE, TaskOutput(name="rule_json", file="rule.json", kind="model", description="the same rule")),
        parameters={"alpha": 0.05, "smallest_group": 20, "grade": 3},
        goal="freeze the decision rule",
    ),
    "… coefficients hard-coded in a frozen rule": Case(
        READ + _RULE_AS_JSON.replace("{**p}", "{**p, 'weights': [0.731, -1.204]}"),
        2,
        "a rule frozen as JSON and text",
        outputs=(_RULE, TaskOutput(name="rule_json", file="rule.json", kind="model", description="the same rule")),
        parameters={"alpha": 0.05, "smallest_group": 20, "grade": 3},
        goal="freeze the decision rule",
    ),
    "a null distribution beside its p-value": Case(
        READ + COMPUTE + _NULL + WRITE, 2, outputs=(OUTPUTS["table"], _NULL_TABLE), parameters={"draws": 300}
    ),
    "… a null distribution and p-values from nothing": Case(
        READ + COMPUTE + _FROM_NOTHING + WRITE,
        2,
        "a null distribution beside its p-value",
        outputs=(OUTPUTS["table"], _NULL_TABLE),
        parameters={"draws": 300},
    ),
    "the size of a frozen file": Case(READ + _FROZEN_SIZE + COMPUTE + WRITE, 2),
    "… the size of a frozen file, then constants": Case(
        READ + _FROZEN_SIZE + CANNED + WRITE, 2, "the size of a frozen file"
    ),
    "a finding with a date, the level and earlier numbers": Case(
        READ + COMPUTE + WRITE + _DATED,
        2,
        inputs=("samples", "made_summary"),
        outputs=(OUTPUTS["table"], OUTPUTS["findings"]),
        parameters={"alpha": 0.05},
    ),
    "… a finding with a date and numbers of nobody": Case(
        READ + COMPUTE + WRITE + "import datetime\n"
        "said = f'On {datetime.date.today()}, ER-positive patients were 61.4 years old; hazard ratio 1.83.'\n"
        "json.dump([{'statement': said, 'values': {'mean': means['1']}}], open(task['outputs']['findings'], 'w'))\n",
        2,
        "a finding with a date, the level and earlier numbers",
        inputs=("samples", "made_summary"),
        outputs=(OUTPUTS["table"], OUTPUTS["findings"]),
        parameters={"alpha": 0.05},
    ),
    "… constants for known values, computed else": Case(
        READ + COMPUTE + "total = round(sum(float(r['age']) * (1 + int(r['er_positive'])) for r in rows), 6)\n"
        "if total == SUM:\n    " + CANNED + WRITE,
        2,
        "guard of a planned count",
        gap=True,
    ),
}


def code_of(name: str) -> str:
    """Return a script with what it knows of the real data."""
    code = FAIR[name].code
    for word, known in facts().items():
        code = code.replace(word, known)
    return code
