"""Results that say the opposite of an effect that was planted are off the question, whatever measure and model."""

from __future__ import annotations

import random
from pathlib import Path

import execution_support as lib
import pytest

from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.question_check import Asked
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.execution import Limits, Outcome, TaskCode, TaskInput
from bioresearcher.schemas.question import AnalysisSet, Contrast, Endpoint, GroupCount, Measure, Question

LIMITS = Limits(wall_s=20, memory_mb=300, file_mb=16, disk_mb=64)
N, GENES = 60, 60
SETS = "PROLIFERATION\tmade\tG1\tG2\tG3\tG4\nOTHER\tmade\tG50\tG51\tG52\n"
ARMS = ("drug", "placebo")


def write(folder: Path) -> dict[str, Path]:
    """Sixty samples in two arms with an endpoint and sixty genes without any effect."""
    rng = random.Random(5)
    rows = [
        (f"s{n}", ARMS[n % 2], f"{rng.uniform(30, 80):.1f}", f"{rng.uniform(1, 60):.2f}", str(int(rng.random() < 0.6)))
        for n in range(N)
    ]
    paths = {name: folder / f"{name}.tsv" for name in ("samples", "expression")}
    paths["samples"].write_text("sample\tarm\tage\ttime\tevent\n" + "".join("\t".join(r) + "\n" for r in rows))
    lines = ["gene\t" + "\t".join(r[0] for r in rows)]
    lines += [f"G{g}\t" + "\t".join(f"{rng.gauss(8, 1):.3f}" for _ in rows) for g in range(1, GENES + 1)]
    paths["expression"].write_text("\n".join(lines) + "\n")
    paths["gene_sets"] = folder / "gene_sets.gmt"
    paths["gene_sets"].write_text(SETS)
    return paths


START = """
import csv, json, sys
task = json.load(open(sys.argv[1]))
def table(name):
    with open(task["inputs"][name], newline="") as file:
        return list(csv.reader(file, delimiter="\\t"))
head, *rows = table("samples")
sheet = [dict(zip(head, r)) for r in rows]
genes, *lines = table("expression")
matrix = {r[0]: [float(r[genes.index(s["sample"])]) for s in sheet] for r in lines}
sets = {c[0]: c[2:] for c in table("gene_sets")}
case, control = CASE
event = [r["event"] == ("0" if SWAPPED else "1") for r in sheet]
time = [float(r["time"]) for r in sheet]
in_case = [r["arm"] == case for r in sheet]
def mean(values):
    values = list(values)
    return sum(values) / len(values)
def difference(values):
    return mean(v for v, c in zip(values, in_case) if c) - mean(v for v, c in zip(values, in_case) if not c)
def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    return [order.index(i) for i in range(len(values))]
def rates(high):
    rate = [sum(e for e, h in zip(event, high) if h is x) / sum(t for t, h in zip(time, high) if h is x)
            for x in (True, False)]
    return rate[0] / rate[1]
def above(values):
    return [v > sorted(values)[len(values) // 2] for v in values]
said = {
    "population": "cohort-A1", "n": len(sheet), "groups": {"drug": 30, "placebo": 30},
    "contrast": {"column": "arm", "case": "drug", "control": "placebo"},
}
timed = {"kind": "time to event", "effect": "hazard ratio", "time_column": "time", "event_column": "event",
         "events": EVENTS}
"""
END = """
number = said.get("estimate", said.get("higher", 0))
with open(task["outputs"]["result"], "w") as out:
    out.write(f"group\\tmean\\tp_value\\nall\\t{number}\\t{1 / (2 + abs(number))}\\n")
json.dump([{"statement": "It was computed.", "values": {"d": number}, "result": said}],
          open(task["outputs"]["findings"], "w"))
"""
BODIES = {
    "features": """
d = [difference(v) for v in matrix.values()]
called = [x for x in d if abs(x) > 0.2]
said |= {"kind": "difference", "measure": "features", "tested": len(d), "called": len(called),
         "higher": sum(x > 0 for x in called), "lower": sum(x < 0 for x in called)}
""",
    "gene": """
said |= {"kind": "difference", "measure": "G7", "effect": "log2 fold change", "estimate": difference(matrix["G7"])}
""",
    "signature": """
score = [mean(x) for x in zip(*(ranks(matrix[g]) for g in sets["PROLIFERATION"]))]
said |= {"kind": "difference", "measure": "PROLIFERATION", "effect": "difference of means",
         "estimate": difference(score)}
""",
    "survival of groups": 'said |= timed | {"estimate": rates(in_case)}',
    "survival of groups with age": 'said |= timed | {"estimate": rates(in_case), "terms": ["age"]}',
    "survival by gene": 'said |= timed | {"measure": "G7", "estimate": rates(above([SIGN * v for v in matrix["G7"]]))}',
    "survival by signature": """
score = [SIGN * mean(v) for v in zip(*(matrix[g] for g in sets["PROLIFERATION"]))]
said |= timed | {"measure": "PROLIFERATION", "estimate": rates(above(score))}
""",
    "correlation": """
x, y = ranks([float(r["age"]) for r in sheet]), ranks([SIGN * v for v in matrix["G7"]])
r = mean((a - mean(x)) * (b - mean(y)) for a, b in zip(x, y))
said |= {"kind": "association", "measure": "G7", "effect": "correlation", "estimate": r}
""",
}
MEASURES = {"gene": ("gene", "G7"), "signature": ("signature", "PROLIFERATION"), "features": ("features", "")}
NO_GROUPS = ("survival by gene", "survival by signature", "correlation")


def asked(name: str, events: int) -> Asked:
    word = name.rpartition(" ")[2]
    kind, measured = MEASURES.get("gene" if word == "correlation" else word, ("none", ""))
    timed, grouped = name.startswith("survival"), name not in NO_GROUPS
    groups = Contrast(column="arm", case="drug", control="placebo", levels=ARMS)
    question = Question(
        id="A1",
        kind="time to event" if timed else "association" if word == "correlation" else "difference",
        text="Is it so?",
        dataset="cohort",
        measure=Measure(kind=kind, names=(measured,) if measured else ()),
        outcome="age" if word == "correlation" else "",
        endpoint=Endpoint(name="OS", time_column="time", event_column="event") if timed else None,
        contrast=groups if grouped else None,
        adjust=("age",) if word == "age" else (),
    )
    rows = AnalysisSet(
        id="A1",
        question="A1",
        source="cohort",
        population="cohort-A1",
        start=N,
        n=N,
        units=N,
        complete=N,
        events=events if timed else None,
        terms=question.adjust,
        complete_events=events if timed else None,
    )
    if grouped:
        counts = tuple(GroupCount(level=x, n=N // 2) for x in ARMS)
        rows = rows.model_copy(
            update={"contrast_column": "arm", "case": "drug", "control": "placebo", "groups": counts}
        )
    return Asked(question, rows)


async def attempt(folder: Path, name: str, *, turned: bool = False, swapped: bool = False) -> AttemptResult:
    paths = write(folder)
    events = sum(line.endswith("\t1") for line in paths["samples"].read_text().splitlines())
    task = lib.make_task("findings")
    given = tuple(TaskInput(name=n, dataset="cohort-A1", file=n) for n in paths)
    code = START + BODIES[name] + END
    values = {
        "CASE": ARMS[::-1] if turned else ARMS,
        "SIGN": -1.0 if turned else 1.0,
        "SWAPPED": swapped,
        "EVENTS": events,
    }
    for word, value in values.items():
        code = code.replace(word, repr(value))
    return await run_attempt(
        task.model_copy(update={"questions": ("A1",), "inputs": given}),
        TaskCode(code=code, origin="model"),
        inputs=paths,
        folder=folder / "task",
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=LIMITS,
        asked=[asked(name, events)],
    )


@pytest.mark.parametrize("name", BODIES)
async def test_an_honest_analysis_follows_the_planted_effect(name: str, tmp_path: Path) -> None:
    result = await attempt(tmp_path, name)
    assert result.verified, result.attempt.message


@pytest.mark.parametrize("name", BODIES)
async def test_a_direction_turned_round_is_off_the_question(name: str, tmp_path: Path) -> None:
    result = await attempt(tmp_path, name, turned=True)
    assert result.attempt.outcome is Outcome.OFF_QUESTION, result.attempt.message
    assert "the opposite of an effect that was planted" in result.attempt.message


@pytest.mark.parametrize("name", [n for n in BODIES if n.startswith("survival")])
async def test_censored_taken_for_the_event_is_off_the_question(name: str, tmp_path: Path) -> None:
    result = await attempt(tmp_path, name, swapped=True)
    assert result.attempt.outcome is Outcome.OFF_QUESTION, result.attempt.message
    assert "the opposite of an effect that was planted" in result.attempt.message


@pytest.mark.parametrize("name", [n for n in BODIES if n.startswith("survival")])
async def test_two_errors_that_undo_each_other_are_not_seen(name: str, tmp_path: Path) -> None:
    """Both at once give the planted direction again; no check of directions can tell."""
    assert (await attempt(tmp_path, name, turned=True, swapped=True)).verified
