"""Tasks that run the registered script: which steps go together, what they declare, and that they do as the script."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages_support import caller

from bioresearcher.execution.folders import attempt_folder
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.ask_program import CodeDraft, CodeEdit
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome
from bioresearcher.schemas.protocol import Definition, Protocol, ProtocolPart, ProtocolStep, Rehearsal
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages import extract, program
from bioresearcher.stages.script import script_of
from bioresearcher.stages.script_tasks import STEPS_A_TASK, registered_code, script_tasks, together
from bioresearcher.stages.tasks import accept_tasks

READ = 'sheet = table("cohort", "samples")\nvalues = matrix("cohort")\ncheck("samples", len(sheet), 12)'
SCORE = 'scores = mean_of(values)\nscores.to_csv(OUT / "scores.csv")'
TEST = """
tumour = sheet.set_index("sample")["tissue"] == "tumour"
by = scores.groupby(tumour.reindex(scores.index)).mean()
pd.DataFrame({"tissue": ["normal", "tumour"], "mean": by.to_numpy()}).to_csv(OUT / "means.tsv", sep="\\t", index=False)
gap = by.iloc[1] - by.iloc[0]
finding(f"The difference is {gap:.2f}.", n=len(scores), kind="difference", estimate=gap, measure="features")
"""


def step(number: str, code: str, *outputs: str, **more: object) -> ProtocolStep:
    made = [{"name": o, "kind": "table"} for o in outputs]
    values = {"id": number, "title": f"Do {number}", "action": f"Do {number}.", "kind": "dry", "origin": "model"}
    return ProtocolStep.model_validate({**values, "code": code, "outputs": made, **more})


def protocol(*parts: tuple[ProtocolStep, ...], definition: str = "", **more: object) -> Protocol:
    made = tuple(ProtocolPart(id=str(n), title="p", purpose="p", steps=steps) for n, steps in enumerate(parts, 1))
    known = (Definition(name="Mean", text="The mean.", code=definition),) if definition else ()
    values = {"id": "p", "title": "t", "objective_id": "o", "parts": made, "definitions": known, "origin": "model"}
    return Protocol.model_validate({**values, **more})


def whole() -> Protocol:
    first = (step("1.1", READ), step("1.2", SCORE, "score"))
    return protocol(first, (step("2.1", TEST, "means"),), definition="def mean_of(x):\n    return x.mean()")


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Dataset, ...]:
    folder = tmp_path / "cohort"
    folder.mkdir()
    rows = "\n".join(f"s{n},{'tumour' if n % 2 else 'normal'},{20 + n}" for n in range(12))
    (folder / "samples.csv").write_text(f"sample,tissue,age\n{rows}\n")
    cells = "\n".join(",".join([f"G{g}", *(str(g + (n * 7 % 5) / 10) for n in range(12))]) for g in range(6))
    (folder / "expression.csv").write_text(f"gene,{','.join(f's{n}' for n in range(12))}\n{cells}\n")
    return tuple(load_datasets([folder])[0])


def bench(tmp_path: Path, plan: Protocol, data: tuple[Dataset, ...]) -> tuple[program.Workbench, list[DryLabTask]]:
    tasks = accept_tasks(script_tasks(plan, data), (), plan, data).tasks
    tmp_path.chmod(0o755)
    made = program.Workbench(
        tmp_path / "tasks",
        {d.id: d for d in data},
        {t.id: t for t in tasks},
        {},
        choose_sandbox("auto"),
        Limits(wall_s=120, cpu_s=120),
        protocol=plan,
    )
    return made, list(tasks)


async def test_the_script_becomes_tasks_with_the_files_it_reads_and_writes(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    found = await extract.extract_tasks(caller(tmp_path, [], rules=False), whole(), cohort, {})
    assert [(t.id, t.step_ids) for t in found.tasks] == [("T1", ("1.1", "1.2")), ("T2", ("2.1",))]
    first, second = found.tasks
    assert [(i.dataset, i.file) for i in first.inputs] == [("cohort", "expression"), ("cohort", "samples")]
    files = [("score", "scores.csv"), ("counts", "counts.tsv"), ("findings", "findings.json")]
    assert [(o.name, o.file) for o in first.outputs] == files
    assert [o.name for o in second.outputs] == ["means", "counts", "findings"]
    assert found.refused == ()


@pytest.mark.parametrize(
    "code",
    [
        'sheet = table("cohort-A1", "samples")\nprint(len(sheet))',
        'for q in ("A1", "A2"):\n    sheet = table(f"cohort-{q}", "samples")\nprint(len(sheet))',
    ],
)
def test_the_rows_of_a_question_are_inputs_of_the_tasks_that_read_them(cohort: tuple[Dataset, ...], code: str) -> None:
    rows = [
        d.model_copy(update={"id": f"cohort-{q}", "analysis_of": "cohort"}) for d in cohort for q in ("A1", "A2", "B")
    ]
    tasks = script_tasks(protocol((step("1.1", code),)), (*cohort, *rows))
    read = {i.dataset for t in tasks for i in t.inputs}
    assert read == ({"cohort-A1"} if "for" not in code else {"cohort-A1", "cohort-A2"})


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_registered_tasks_are_verified_without_a_call_and_write_what_the_script_writes(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    work, tasks = bench(tmp_path, whole(), cohort)
    door = caller(tmp_path, [], rules=False)
    records = [await program.program_task(door, work, t) for t in tasks]
    assert [(r.outcome, len(r.attempts)) for r in records] == [(Outcome.VERIFIED, 1)] * 2, records
    assert door.backend.requests == []
    script = script_of(whole(), cohort)
    assert script is not None
    (tmp_path / "p.py").write_text(script.text)
    env = {**os.environ, "DATA": str(tmp_path), "OUT": str(tmp_path)}
    run = {"cwd": tmp_path, "env": env, "check": True, "capture_output": True}
    await asyncio.to_thread(subprocess.run, [sys.executable, "p.py"], **run)
    for task, name in (("T1", "scores.csv"), ("T2", "means.tsv"), ("T2", "findings.json")):
        assert (work.tasks_dir / task / "outputs" / name).read_bytes() == (tmp_path / name).read_bytes()
    kept = sorted(p.name for p in (work.tasks_dir / "T2" / "outputs").iterdir())
    assert kept == ["counts.tsv", "findings.json", "means.tsv"]
    (told,) = records[1].findings
    assert told.result is not None
    assert (told.result.kind, told.result.n, told.values["n"]) == ("difference", 12, 12)
    assert [f.statement for f in records[0].findings] == ["samples: 12"]


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_count_that_is_not_the_planned_one_blocks_the_task_and_asks_nobody(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    plan = protocol((step("1.1", READ.replace("12)", "13)")), step("1.2", 'values.mean().to_csv(OUT / "m.csv")')))
    work, (task,) = bench(tmp_path, plan, cohort)
    door = caller(tmp_path, [], rules=False)
    record = await program.program_task(door, work, task)
    assert record.outcome is Outcome.BLOCKED
    assert "samples: 12, planned 13" in record.message
    assert record.findings == ()
    kept = json.loads((attempt_folder(work.tasks_dir / "T1", 1) / "attempt.json").read_text())
    assert kept["outcome"] == "blocked"
    assert door.backend.requests == []


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_registered_code_that_fails_goes_to_the_model(tmp_path: Path, cohort: tuple[Dataset, ...]) -> None:
    plan = protocol((step("1.1", READ), step("1.2", 'raise KeyError("age")\nsheet.to_csv(OUT / "m.csv")')))
    work, (task,) = bench(tmp_path, plan, cohort)
    door = caller(tmp_path, [CodeDraft(code="")], rules=False)
    record = await program.program_task(door, work, task)
    assert record.outcome is Outcome.RUNTIME
    assert door.backend.requests[0].prompt == "programmer/repair_code"


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_repair_may_be_a_few_edits_of_the_script_that_failed(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    wrong = 'means = values.mean()\nraise KeyError("age")\nmeans.to_csv(OUT / "m.csv")'
    work, (task,) = bench(tmp_path, protocol((step("1.1", READ), step("1.2", wrong))), cohort)
    edits = (CodeEdit(old='raise KeyError("age")\n', new=""), CodeEdit(old="values.mean()", new="values.median()"))
    door = caller(tmp_path, [CodeDraft(code="", edits=edits)], rules=False)
    record = await program.program_task(door, work, task)
    assert [a.outcome for a in record.attempts] == [Outcome.RUNTIME, Outcome.VERIFIED]
    made = (work.tasks_dir / "T1" / "code.py").read_text()
    assert "values.median()" in made
    assert 'KeyError("age")' not in made
    assert len(door.backend.requests) == 1


@pytest.mark.parametrize(
    ("old", "said"),
    [("nothing of it", "stands 0 times"), ("finding", "times in the script"), (" ", "it names no text")],
)
@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_edits_that_cannot_be_made_cost_one_turn_with_the_whole_script(
    tmp_path: Path, cohort: tuple[Dataset, ...], old: str, said: str
) -> None:
    wrong = 'raise KeyError("age")\nsheet.to_csv(OUT / "m.csv")'
    work, (task,) = bench(tmp_path, protocol((step("1.1", READ), step("1.2", wrong))), cohort)
    bad = CodeDraft(code="", edits=(CodeEdit(old='raise KeyError("age")', new=""), CodeEdit(old=old, new="x")))
    door = caller(tmp_path, [bad, CodeDraft(code="")], rules=False)
    record = await program.program_task(door, work, task)
    assert record.outcome is Outcome.RUNTIME
    assert len(door.backend.requests) == 2
    asked = door.backend.requests[1].messages[-1].content
    assert "Your edits could not be made: edit 2 of 2" in asked
    assert said in asked
    assert "not with edits" in asked


@pytest.mark.parametrize(
    "code",
    [
        'pd.read_csv(DATA / "cohort" / "samples.csv").to_csv(OUT / "x.csv")',
        "import not_installed_anywhere",
        "x = (1",
        'os.environ["A"] = "b"',
    ],
)
def test_code_that_cannot_run_as_a_task_ends_what_the_script_carries_out(
    cohort: tuple[Dataset, ...], code: str
) -> None:
    plan = protocol((step("1.1", READ), step("1.2", code), step("1.3", SCORE.replace("mean_of(values)", "values"))))
    assert [t.step_ids for t in script_tasks(plan, cohort)] == [("1.1",)]


def test_wet_held_and_uncoded_steps_are_left_and_so_is_what_lies_behind_a_failed_rehearsal(
    cohort: tuple[Dataset, ...],
) -> None:
    codes = (READ, "", "a = 1", "b = 1", "c = 1")
    steps = tuple(step(f"1.{n}", c, kind="wet" if n == 3 else "dry") for n, c in enumerate(codes, 1))
    ids = [i for t in script_tasks(protocol(steps), cohort, held={"1.4"}) for i in t.step_ids]
    assert ids == ["1.1", "1.5"]
    for place, left in (("step 1.5", ["1.1", "1.4"]), ("definition Mean", []), ("", [])):
        ended = Rehearsal(ok=False, place=place, error="e", sha256="0")
        assert [i for t in script_tasks(protocol(steps, rehearsal=ended), cohort) for i in t.step_ids] == left


def test_files_named_with_gaps_are_those_that_the_rehearsal_wrote(cohort: tuple[Dataset, ...]) -> None:
    code = f'{READ}\nfor c in ("a", "b"):\n    sheet.to_csv(OUT / f"{{c}}-sheet.csv")\nsheet.to_csv(OUT / "never.csv")'
    went = Rehearsal(ok=True, files=("a-sheet.csv", "b-sheet.csv", "deep/c-sheet.csv"), sha256="0")
    (task,) = script_tasks(protocol((step("1.1", code),), rehearsal=went), cohort)
    assert [o.file for o in task.outputs] == ["a-sheet.csv", "b-sheet.csv", "counts.tsv", "findings.json"]


def test_only_a_task_of_the_script_has_registered_code(cohort: tuple[Dataset, ...]) -> None:
    plan = whole()
    (first, _) = script_tasks(plan, cohort)
    assert registered_code(plan, cohort, first) is not None
    for change in ({"skill": "x"}, {"inputs": ()}, {"outputs": first.outputs[:1]}, {"step_ids": ("9.9",)}):
        assert registered_code(plan, cohort, first.model_copy(update=change)) is None
    steps = tuple(s.model_copy(update={"code": "Fit the model."}) for s in plan.parts[0].steps)
    words = plan.model_copy(update={"parts": (plan.parts[0].model_copy(update={"steps": steps}), *plan.parts[1:])})
    assert registered_code(words, cohort, first) is None


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8), seed=st.randoms(use_true_random=False))
def test_every_step_is_in_one_group_in_its_order_and_none_is_too_large(sizes: list[int], seed) -> None:
    parts = [tuple(step(f"{p}.{n}", "a = 1") for n in range(1, size + 1)) for p, size in enumerate(sizes, 1)]
    plan = protocol(*parts)
    ids = [s.id for s in plan.steps]
    able = [i for i in ids if seed.random() < 0.8]
    idle = [i for i in able if seed.random() < 0.3]
    groups = [[s.id for s in g] for g in together(plan, able, idle)]
    assert [i for g in groups for i in g] == able
    assert all(len(g) >= 1 for g in groups)
    assert all(sum(i not in idle for i in g) <= STEPS_A_TASK for g in groups)
    assert sum(all(i in idle for i in g) for g in groups) <= (len(idle) == len(able))


class Counted:
    """A sandbox that counts how often a task's script was run."""

    def __init__(self, inner) -> None:
        self.inner, self.scripts, self.name = inner, 0, inner.name

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    async def run(self, job):
        self.scripts += job.script == "code.py"
        return await self.inner.run(job)


def shuffled(*last: str) -> Protocol:
    null = (
        "rng = np.random.default_rng(7)\n"
        'null = pd.Series([values.loc["G1", rng.permutation(values.columns)[:6]].mean() for _ in range(40)])\n'
        'null.rename("mean").to_csv(OUT / "null.csv")\n'
        'finding(f"The null is {null.mean():.2f}.", {"null": null.mean()})'
    )
    first = (step("1.1", READ), step("1.2", SCORE, "score"))
    said = {"name": "null", "kind": "table", "description": "a null distribution of shuffled samples"}
    plain = step("2.1", null, "null")
    middle = ProtocolStep.model_validate(plain.model_dump() | {"outputs": [said]})
    more = tuple((step(f"{n}.1", code, "means"),) for n, code in enumerate(last, 3))
    return protocol(first, (middle,), *more, definition="def mean_of(x):\n    return x.mean()")


async def programmed(work: program.Workbench, tasks: list[DryLabTask], folder: Path):
    counted = Counted(work.sandbox)
    door = caller(folder, [CodeDraft(code="")] * 4, rules=False)
    shared = replace(work, sandbox=counted)
    records = await asyncio.gather(*(program.program_task(door, shared, t) for t in tasks))
    return records, counted.scripts


@pytest.mark.sandbox
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_script_of_several_tasks_runs_once_on_the_same_data(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    work, tasks = bench(tmp_path, shuffled(TEST), cohort)
    together, runs = await programmed(work, tasks, tmp_path)
    assert [r.outcome for r in together] == [Outcome.VERIFIED] * 3, [r.message for r in together]
    alone, each = [], []
    for task in tasks[1:]:
        single = replace(work, tasks_dir=tmp_path / "alone", tasks={task.id: task}, shared={})
        (record,), needed = await programmed(single, [task], tmp_path)
        alone.append(record)
        each.append(needed)
    assert runs == max(each)
    told = [(r.outcome, r.findings, r.perturbed, [(a.name, a.sha256) for a in r.artifacts]) for r in together[1:]]
    assert told == [(r.outcome, r.findings, r.perturbed, [(a.name, a.sha256) for a in r.artifacts]) for r in alone]
    assert not list(work.tasks_dir.glob(".script-*"))


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_later_step_takes_nothing_from_a_task_that_shares_its_script(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    spoil = '(OUT / "scores.csv").write_text("spoilt")\nraise KeyError("age")\nsheet.to_csv(OUT / "m.csv")'
    work, tasks = bench(tmp_path, shuffled(spoil), cohort)
    records, _ = await programmed(work, tasks, tmp_path)
    assert [r.outcome for r in records] == [Outcome.VERIFIED, Outcome.VERIFIED, Outcome.RUNTIME]
    assert "spoilt" not in (work.tasks_dir / "T1" / "outputs" / "scores.csv").read_text()
    assert "age" in records[2].message
    assert "age" not in records[0].attempts[0].stderr


@pytest.mark.sandbox
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("no_sandbox_skip")
@pytest.mark.parametrize("late", ["", "import os\nos.utime('T1/scores.csv', (0, 0))\n"])
async def test_a_later_step_cannot_write_what_another_task_declares(
    tmp_path: Path, cohort: tuple[Dataset, ...], late: str
) -> None:
    forge = f'sheet.to_csv(OUT / "m.csv")\nPath("T1/scores.csv").write_text("forged")\n{late}'
    own = 'Path("T1").mkdir(exist_ok=True)\n'  # so that the code runs alone, too
    work, tasks = bench(tmp_path, shuffled(own + forge), cohort)
    records, _ = await programmed(work, tasks, tmp_path)
    assert records[0].outcome is Outcome.VERIFIED
    assert "forged" not in (work.tasks_dir / "T1" / "outputs" / "scores.csv").read_text()


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_shared_script_hides_no_constant(tmp_path: Path, cohort: tuple[Dataset, ...]) -> None:
    canned = (
        'pd.DataFrame({"x": [0.31, 0.77]}).to_csv(OUT / "means.tsv", sep="\\t")\nfinding("It is 0.31.", {"x": 0.31})'
    )
    work, tasks = bench(tmp_path, shuffled(canned), cohort)
    records, _ = await programmed(work, tasks, tmp_path)
    assert [r.outcome for r in records[:2]] == [Outcome.VERIFIED] * 2
    assert records[2].outcome is Outcome.INPUT_INDEPENDENT
