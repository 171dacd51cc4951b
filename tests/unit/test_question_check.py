"""Scripts that answer something else than their question end as off_question; honest ones are verified."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import execution_support as lib
import pytest

from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.question_check import Asked, off_question
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.execution import Compared, Finding, Limits, Outcome, Result, TaskCode
from bioresearcher.schemas.question import AnalysisSet, Contrast, Endpoint, Filter, GroupCount, Measure, Question

LIMITS = Limits(wall_s=20, memory_mb=300, file_mb=16, disk_mb=64)
COLUMNS = ("sample", "patient", "er", "arm", "site", "age", "os_time", "os_event", "rfs_time", "rfs_event", "value")


def write_cohort(folder: Path) -> Path:
    """A hundred and fifty samples of a hundred and twenty patients, three arms, two endpoints, gaps in age."""
    rng = random.Random(11)
    rows = []
    for n in range(150):
        patient = n if n < 120 else n - 120
        source = rows[patient] if n >= 120 else None
        row = {
            "sample": f"s{n}",
            "patient": f"p{patient}",
            "er": source["er"] if source else rng.choice(["negative", "negative", "positive"]),
            "arm": source["arm"] if source else rng.choice(["drug", "placebo", "other"]),
            "site": rng.choice(["north", "south"]),
            "age": "" if rng.random() < 0.05 else f"{rng.uniform(30, 80):.1f}",
            "os_time": f"{rng.uniform(1, 90):.1f}",
            "os_event": str(int(rng.random() < 0.25)),
            "rfs_time": f"{rng.uniform(1, 60):.1f}",
            "rfs_event": str(int(rng.random() < 0.6)),
            "value": f"{rng.gauss(5, 2):.3f}",
        }
        rows.append(row)
    path = folder / "samples.tsv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


def chosen(path: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The rows that the question is about, one per patient, and those of them with an age."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    first = list({r["patient"]: r for r in reversed(rows)}.values())
    kept = [r for r in first if r["er"] == "negative" and r["arm"] in ("drug", "placebo")]
    return kept, [r for r in kept if r["age"]]


def groups(rows: list[dict[str, str]], events: bool) -> tuple[GroupCount, ...]:
    found = []
    for level in ("drug", "placebo"):
        own = [r for r in rows if r["arm"] == level]
        found.append(GroupCount(level=level, n=len(own), events=happened(own) if events else None))
    return tuple(found)


def happened(rows: list[dict[str, str]]) -> int:
    return sum(r["rfs_event"] == "1" for r in rows)


def asked(path: Path, kind: str) -> Asked:
    kept, complete = chosen(path)
    timed = kind == "time to event"
    question = Question(
        id="A1",
        kind=kind,
        text="Does it differ between drug and placebo?",
        dataset="cohort",
        population=(Filter(column="er", levels=("negative",)),),
        unit="patient",
        measure=Measure(kind="none" if timed else "features"),
        endpoint=Endpoint(name="RFS", time_column="rfs_time", event_column="rfs_event") if timed else None,
        contrast=Contrast(column="arm", case="drug", control="placebo", levels=("drug", "placebo")),
        adjust=("age",),
    )
    rows = AnalysisSet(
        id="A1",
        question="A1",
        source="cohort",
        population="cohort-A1",
        start=150,
        n=len(kept),
        units=len(kept),
        groups=groups(kept, timed),
        events=happened(kept) if timed else None,
        contrast_column="arm",
        case="drug",
        control="placebo",
        terms=("age",),
        complete=len(complete),
        complete_events=happened(complete) if timed else None,
        complete_groups=groups(complete, timed),
    )
    return Asked(question, rows)


SCRIPT = (
    lib.READ
    + """
unit, er, case, control, column = UNIT, ER, CASE, CONTROL, COLUMN
time, event, happened = TIME, EVENT, HAPPENED
if unit:
    rows = list({r["patient"]: r for r in reversed(rows)}.values())
if er:
    rows = [r for r in rows if r["er"] == er]
rows = [r for r in rows if r[column] in (case, control)]
whole = len(rows)
if ADJUST:
    rows = [r for r in rows if r["age"]]
rows = rows[: len(rows) - CUT]
values = {x: [float(r["value"]) for r in rows if r[column] == x] for x in (case, control)}
means = {x: sum(v) / len(v) for x, v in values.items()}
with open(task["outputs"]["result"], "w") as out:
    out.write("group\\tmean\\tp_value\\n")
    for name, mean in means.items():
        out.write(f"{name}\\t{mean}\\t{1 / (1 + abs(mean))}\\n")
result = {
    "kind": KIND, "population": POPULATION, "n": len(rows), "measure": "features", "missing": whole - len(rows),
    "contrast": {"column": column, "case": case, "control": control}, "groups": {x: len(v) for x, v in values.items()},
    "estimate": means[case] - means[control], "effect": "difference of means", "terms": ["age"] if ADJUST else [],
}
if time:
    result |= {"time_column": time, "event_column": event, "events": sum(r[event] == happened for r in rows)}
finding = {"statement": f"The means differ by {means[case] - means[control]:.3f}.", "values": {"d": result["estimate"]}}
if STATED:
    finding["result"] = result
json.dump([finding], open(task["outputs"]["findings"], "w"))
"""
)
HONEST = {
    "UNIT": True,
    "ER": "negative",
    "CASE": "drug",
    "CONTROL": "placebo",
    "COLUMN": "arm",
    "TIME": "",
    "EVENT": "",
    "HAPPENED": "1",
    "ADJUST": True,
    "CUT": 0,
    "KIND": "difference",
    "POPULATION": "cohort-A1",
    "STATED": True,
}
TIMED = {"KIND": "time to event", "TIME": "rfs_time", "EVENT": "rfs_event"}
WRONG = {
    "all patients instead of a subset": ({"ER": ""}, "n "),
    "the other subset": ({"ER": "positive"}, "n "),
    "another level": ({"CASE": "other"}, "contrast other minus placebo instead of drug minus placebo"),
    "the direction turned round": ({"CASE": "placebo", "CONTROL": "drug"}, "direction placebo minus drug instead of"),
    "samples instead of patients": ({"UNIT": False}, "n "),
    "a term left out": ({"ADJUST": False}, "terms none without age"),
    "another column": ({"COLUMN": "site", "CASE": "north", "CONTROL": "south"}, "contrast of site instead of arm"),
    "another data set": ({"POPULATION": "cohort"}, "population cohort instead of cohort-A1"),
    "no result": ({"STATED": False}, "state no result"),
    "a description": ({"KIND": "description"}, "but a difference is asked for"),
    "rows lost as missing": ({"CUT": 20}, "n "),
    "another endpoint": ({**TIMED, "TIME": "os_time", "EVENT": "os_event"}, "event os_event instead of rfs_event"),
    "censored taken for the event": ({**TIMED, "HAPPENED": "0"}, "events "),
    "all patients, of a survival": ({**TIMED, "ER": ""}, "n "),
}


async def attempt(tmp_path: Path, changes: dict[str, object]) -> AttemptResult:
    path = write_cohort(tmp_path)
    values = {**HONEST, **changes}
    code = SCRIPT
    for name, value in values.items():
        code = code.replace(name, repr(value))
    kind = "time to event" if values["TIME"] else "difference"
    task = lib.make_task("findings").model_copy(update={"questions": ("A1",)})
    return await run_attempt(
        task,
        TaskCode(code=code, origin="model"),
        inputs={"samples": path},
        folder=tmp_path / "task",
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=LIMITS,
        asked=[asked(path, kind)],
    )


@pytest.mark.parametrize("name", WRONG)
async def test_a_script_that_answers_something_else_is_off_the_question(name: str, tmp_path: Path) -> None:
    changes, says = WRONG[name]
    result = await attempt(tmp_path, changes)
    assert result.attempt.outcome is Outcome.OFF_QUESTION, result.attempt.message
    assert says in result.attempt.message
    assert result.findings == ()


@pytest.mark.parametrize("changes", [{}, TIMED], ids=["difference", "time to event"])
async def test_an_honest_script_is_verified(changes: dict[str, object], tmp_path: Path) -> None:
    result = await attempt(tmp_path, changes)
    assert result.verified, result.attempt.message
    assert len(result.findings) == 1


def test_the_numbers_stand_side_by_side(tmp_path: Path) -> None:
    one = asked(write_cohort(tmp_path), "difference")
    told = Result(
        kind="difference", n=140, contrast=Compared(column="arm", case="drug", control="placebo"), terms=("age",)
    )
    message = off_question([Finding(statement="All.", result=told)], [one])
    assert message.startswith(f"A1: n 140 instead of {one.rows.n} or {one.rows.complete}")


COPYING = (
    lib.READ
    + """
import math
own = rows
rows = [dict(r) for r in rows]
kept = [r for r in rows if r["age"]]
right = {
    "n": len(kept), "groups": {x: sum(r["arm"] == x for r in kept) for x in ("drug", "placebo")},
    "events": sum(r["rfs_event"] == "1" for r in kept), "missing": len(rows) - len(kept),
}
rows = kept
value, time, event = lambda r: float(r["value"]), "rfs_time", "rfs_event"
case, control, column = "drug", "placebo", "arm"
CHANGE
def mean(level):
    chosen = [r for r in rows if r[column] == level]
    if TIMED:
        return sum(r[event] == "1" for r in chosen) / sum(float(r[time]) for r in chosen)
    return sum(map(value, chosen)) / len(chosen)
a, b = mean(case), mean(control)
estimate = a / b if TIMED else a - b
with open(task["outputs"]["result"], "w") as out:
    out.write("group\\tmean\\tp_value\\n")
    for name, x in (("drug", a), ("placebo", b)):
        out.write(f"{name}\\t{x}\\t{1 / (1 + abs(x))}\\n")
result = {
    "kind": "time to event" if TIMED else "difference", "population": "cohort-A1", "measure": "value", "terms": ["age"],
    "contrast": {"column": "arm", "case": "drug", "control": "placebo"}, "estimate": estimate,
    "effect": "hazard ratio" if TIMED else "difference of means", "n": right["n"], "groups": right["groups"],
    "missing": right["missing"],
}
if TIMED:
    result |= {"time_column": "rfs_time", "event_column": "rfs_event", "events": right["events"]}
said = [{"statement": f"The estimate is {estimate:.3f}.", "values": {"d": estimate}, "result": result}]
json.dump(said, open(task["outputs"]["findings"], "w"))
"""
)
COPIES = {
    "one site of two": (False, 'rows = [r for r in rows if r["site"] == "north"]'),
    "one site of two, of a survival": (True, 'rows = [r for r in rows if r["site"] == "north"]'),
    "those who live": (False, 'rows = [r for r in rows if r["os_event"] == "0"]'),
    "late follow-up only": (True, 'rows = [r for r in rows if float(r["os_time"]) > 20]'),
    "another endpoint": (True, 'time, event = "os_time", "os_event"'),
    "the time of another endpoint": (True, 'time = "os_time"'),
    "the event of another endpoint": (True, 'event = "os_event"'),
    "levels of another column": (False, 'column, case, control = "site", "north", "south"'),
    "another measure": (False, 'value = lambda r: float(r["os_time"])'),
    "the direction turned round": (False, "case, control = control, case"),
    "censored taken for the event": (True, 'for r in rows: r["rfs_event"] = str(1 - int(r["rfs_event"]))'),
    "another unit of the measure": (False, 'value = lambda r: math.exp(float(r["value"]))'),
}
"""Scripts that analyse something else and state the n, groups and events of the question."""
TURNED = ("the direction turned round", "censored taken for the event")
"""Those that read the right columns of the right rows and say the opposite."""
NOT_SEEN = ("another unit of the measure",)
"""Nothing says that it is not the unit that was meant: analyses of logarithms are as honest."""
HONEST_READINGS = {
    "as it is": "",
    "rows in another order": 'rows = sorted(rows, key=lambda r: r["sample"])',
    "rows without a gap anywhere": "rows = [r for r in rows if all(r.values())]",
    "a filter that holds for all": 'rows = [r for r in rows if r["er"] == "negative"]',
    "unknown columns passed through": 'extra = {r["site"] for r in rows}',
}


async def copying(tmp_path: Path, timed: bool, change: str) -> AttemptResult:
    """Run a script on the analysis set itself, whose measure is the column `value`."""
    one = asked(write_cohort(tmp_path), "time to event" if timed else "difference")
    kept, _ = chosen(tmp_path / "samples.tsv")
    path = tmp_path / "set.tsv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t")
        writer.writeheader()
        writer.writerows(kept)
    if not timed:
        measure = Measure(kind="column", names=("value",))
        one = Asked(one.question.model_copy(update={"measure": measure}), one.rows)
    task = lib.make_task("findings")
    given = task.inputs[0].model_copy(update={"dataset": "cohort-A1"})
    return await run_attempt(
        task.model_copy(update={"questions": ("A1",), "inputs": (given,)}),
        TaskCode(code=COPYING.replace("TIMED", repr(timed)).replace("CHANGE", change), origin="model"),
        inputs={"samples": path},
        folder=tmp_path / "task",
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=LIMITS,
        asked=[one],
    )


@pytest.mark.parametrize("name", [n for n in COPIES if n not in (*TURNED, *NOT_SEEN)])
async def test_counts_that_are_copied_do_not_hide_another_analysis(name: str, tmp_path: Path) -> None:
    result = await copying(tmp_path, *COPIES[name])
    assert result.attempt.outcome is Outcome.OFF_QUESTION, result.attempt.message
    assert "the result changes with columns that the question does not name" in result.attempt.message
    assert result.findings == ()


@pytest.mark.parametrize("timed", [False, True], ids=["difference", "time to event"])
@pytest.mark.parametrize("name", HONEST_READINGS)
async def test_an_honest_script_stays_as_it_is_when_other_columns_change(
    name: str, timed: bool, tmp_path: Path
) -> None:
    result = await copying(tmp_path, timed, HONEST_READINGS[name])
    assert result.verified, result.attempt.message


@pytest.mark.parametrize("name", TURNED)
async def test_a_result_that_goes_against_a_planted_effect_is_off_the_question(name: str, tmp_path: Path) -> None:
    result = await copying(tmp_path, *COPIES[name])
    assert result.attempt.outcome is Outcome.OFF_QUESTION, result.attempt.message
    assert "the opposite of an effect that was planted" in result.attempt.message
    assert result.findings == ()


@pytest.mark.parametrize("name", NOT_SEEN)
async def test_right_columns_read_wrongly_are_not_seen(name: str, tmp_path: Path) -> None:
    assert (await copying(tmp_path, *COPIES[name])).verified


@pytest.mark.parametrize(
    ("words", "effect"),
    [
        ("log2FC", "log2 fold change"),
        ("mean paired log2 fold change", "log2 fold change"),
        ("HR", "hazard ratio"),
        ("mean difference", "difference of means"),
        ("Spearman rho", "correlation"),
        ("AUROC", "area under the curve"),
        ("normalized_enrichment_score", "enrichment score"),
        ("fold change", "fold change"),
        ("log hazard ratio", ""),
        ("balanced error rate", ""),
        ("hazard ratio", "hazard ratio"),
    ],
)
def test_other_words_for_an_effect_are_no_mistake(words: str, effect: str) -> None:
    found = Result.model_validate({"kind": "difference", "n": 12, "effect": words})
    assert (found.effect, found.effect_words) == (effect, "" if words == effect else words)
