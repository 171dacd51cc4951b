"""Rows that a registered protocol leaves out by name: part of the answer; any other exclusion is off the question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import execution_support as lib
import pytest

from bioresearcher.analysis.sets import make_sets
from bioresearcher.audit.tables import read_sheet
from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import Limits, Outcome, TaskCode, TaskInput, TaskRecord
from bioresearcher.schemas.protocol import Definition, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.question import Contrast, Measure, Question, Questions
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.answers import answer_questions, asked_of
from bioresearcher.stages.declared_exclusions import declared, with_exclusions

LIMITS = Limits(wall_s=60, memory_mb=600, file_mb=16, disk_mb=64)
QUESTION = Question(
    id="A1",
    kind="difference",
    text="Which features differ between tumour and normal?",
    dataset="cohort",
    measure=Measure(kind="features"),
    contrast=Contrast(column="tissue", case="tumour", control="normal", levels=("tumour", "normal")),
)
REASON = "Leave out GSM3 and GSM8, because their labels contradict the markers of tissue."
SCRIPT = """
import csv, json, sys
task = json.load(open(sys.argv[1]))
def table(name):
    with open(task["inputs"][name], newline="") as file:
        return list(csv.reader(file))
head, *rows = table("samples")
sheet = [dict(zip(head, r)) for r in rows if r[0] not in GONE]
genes, *lines = table("expression")
groups = {x: [s["sample"] for s in sheet if s["tissue"] == x] for x in ("tumour", "normal")}
def mean(line, x):
    values = [float(line[genes.index(s)]) for s in groups[x]]
    return sum(values) / len(values)
gaps = {l[0]: mean(l, "tumour") - mean(l, "normal") for l in lines}
with open(task["outputs"]["result"], "w") as out:
    out.write("group\\tmean\\tp_value\\n")
    for name, gap in gaps.items():
        out.write(f"{name}\\t{gap}\\t{1 / (1 + abs(gap))}\\n")
higher = sum(g > 0 for g in gaps.values())
gap = sum(gaps.values()) / len(gaps)
result = {
    "kind": "difference", "n": len(sheet), "measure": "features", "groups": {x: len(v) for x, v in groups.items()},
    "contrast": {"column": "tissue", "case": "tumour", "control": "normal"}, "estimate": gap,
    "effect": "difference of means", "left_out": CLAIMED,
}
finding = {"statement": f"The mean difference is {gap:.3f}.", "values": {"gap": gap}, "result": result}
json.dump([finding], open(task["outputs"]["findings"], "w"))
"""


@pytest.fixture
def cohort(tmp_path: Path) -> Dataset:
    folder = tmp_path / "cohort"
    folder.mkdir()
    names = [f"GSM{n}" for n in range(1, 21)]
    rows = "\n".join(f"{s},{'tumour' if n % 2 else 'normal'},{20 + n * 1.5}" for n, s in enumerate(names))
    (folder / "samples.csv").write_text(f"sample,tissue,age\n{rows}\n")
    cells = "\n".join(
        ",".join([f"G{g}", *(f"{g + (n * 7 % 11) / 10 + (n % 2) * g / 8:.3f}" for n in range(20))]) for g in range(12)
    )
    (folder / "expression.csv").write_text(f"gene,{','.join(names)}\n{cells}\n")
    return load_datasets([folder])[0][0]


def plan(action: str = REASON, **more: object) -> Protocol:
    step = ProtocolStep(id="1.1", title="Compare", action=action, kind="dry", origin="model", questions=("A1",))
    parts = (ProtocolPart(id="1", title="p", purpose="p", steps=(step,)),)
    return Protocol.model_validate(
        {"id": "p", "title": "t", "objective_id": "o", "parts": parts, "origin": "model", **more}
    )


async def attempt(
    tmp_path: Path, cohort: Dataset, protocol: Protocol, *gone: str, claimed: tuple[str, ...] = ()
) -> tuple[AttemptResult, str, str]:
    """Return the attempt of a script that leaves rows out, and the state of its question with the reason."""
    made = make_sets(Questions(questions=(QUESTION,)), [cohort], tmp_path / "analysis")
    task = lib.make_task("findings").model_copy(update={"questions": ("A1",), "step_ids": ("1.1",)})
    files = {f.name: Path(cohort.root, f.path) for f in cohort.files}
    task = task.model_copy(update={"inputs": tuple(TaskInput(name=n, dataset="cohort", file=n) for n in files)})
    datasets = {d.id: d for d in (cohort, *made.datasets)}
    asked = [with_exclusions(a, datasets, protocol) for a in asked_of(task, made.questions, made.sets)]
    assert [a.rows.n for a in asked] == [20]
    code = SCRIPT.replace("GONE", repr(set(gone))).replace("CLAIMED", repr(dict.fromkeys(claimed, "bad")))
    result = await run_attempt(
        task,
        TaskCode(code=code, origin="model"),
        inputs=files,
        folder=tmp_path / "task",
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=LIMITS,
        asked=asked,
    )
    outcome = result.attempt.outcome
    record = TaskRecord(task_id=task.id, outcome=outcome, message="m", exit_ok=True, findings=result.findings)
    told = answer_questions(made.questions, made.sets, (), protocol, [task], [record]).questions[0]
    return result, told.state, told.why


async def test_the_registered_protocols_own_exclusions_answer_part_of_the_question(
    tmp_path: Path, cohort: Dataset
) -> None:
    result, state, why = await attempt(tmp_path, cohort, plan(), "GSM3", "GSM8")
    assert result.verified, result.attempt.message
    assert result.findings[0].result is not None
    assert result.findings[0].result.left_out == {"GSM3": REASON, "GSM8": REASON}
    assert state == "partly answered"
    assert "on 18 of 20 rows" in why
    assert "GSM3, GSM8 (“Leave out GSM3 and GSM8, because their labels contradict" in why


async def test_all_rows_still_answer_the_whole_question(tmp_path: Path, cohort: Dataset) -> None:
    result, state, _ = await attempt(tmp_path, cohort, plan(), claimed=("GSM3",))
    assert (result.verified, state) == (True, "answered"), result.attempt.message
    assert result.findings[0].result is not None
    assert result.findings[0].result.left_out == {}


@pytest.mark.parametrize(
    ("action", "gone"),
    [
        ("Compare all arrays.", ("GSM3", "GSM8")),
        (REASON, ("GSM3",)),
        (REASON, ("GSM3", "GSM8", "GSM5")),
        (REASON, ("GSM5", "GSM12")),
        (REASON, ("GSM1", "GSM6")),
        ("GSM3 and GSM8 are not left out.", ("GSM3", "GSM8")),
        ("Keep GSM3 and GSM8, though others would leave them out.", ("GSM3", "GSM8")),
        ("Leave out arrays that fail. GSM3 and GSM8 are looked at.", ("GSM3", "GSM8")),
        ("Leave out " + ", ".join(f"GSM{n}" for n in range(1, 13)) + ".", tuple(f"GSM{n}" for n in range(1, 13))),
    ],
    ids=[
        "undeclared",
        "a part of the declared",
        "one more",
        "as many others",
        "as many others, again",
        "denied",
        "kept",
        "named elsewhere",
        "more than half",
    ],
)
async def test_any_other_exclusion_is_off_the_question(
    action: str, gone: tuple[str, ...], tmp_path: Path, cohort: Dataset
) -> None:
    result, state, _ = await attempt(tmp_path, cohort, plan(action), *gone, claimed=gone)
    assert result.attempt.outcome is Outcome.OFF_QUESTION, result.attempt.message
    assert state == "not answered"
    swapped = "the result changes with rows that the protocol leaves out: GSM3, GSM8"
    assert (swapped in result.attempt.message) is (action == REASON and len(gone) == 2)


def test_constants_of_the_script_that_say_so_count_and_results_do_not(cohort: Dataset) -> None:
    sheet = read_sheet(cohort)
    code = 'EXCLUDED = ["GSM3"]\nKEPT = ["GSM5"]\nLABELS = {"GSM7": 1}\n'
    definition = Definition(name="Arrays", text="Arrays whose labels contradict each other.", code=code)
    found = declared(plan("Compare.", definitions=(definition,)), sheet, QUESTION)
    assert found == {"GSM3": "EXCLUDED: Arrays whose labels contradict each other."}


def test_pairs_go_together_when_a_patient_is_named(cohort: Dataset) -> None:
    sheet = read_sheet(cohort)
    paired = replace(sheet, columns={**sheet.columns, "patient": [f"P{n // 2}" for n in range(20)]})
    question = QUESTION.model_copy(update={"pair": "patient"})
    assert set(declared(plan("Exclude patient P4."), paired, question)) == {"GSM9", "GSM10"}
