"""Tasks and code of a model: lists that cannot be run, code that does nothing, and the vetted analysis behind both."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import model_answers as answers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages_support import caller, notes

from bioresearcher.errors import RefusalError
from bioresearcher.events import Event
from bioresearcher.llm.ledger import ReplayBackend
from bioresearcher.resources import Resources
from bioresearcher.runfolder import safe_name
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.ask_program import CodeDraft, ExtractTasksInput, TasksDraft
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.skills import load_skills
from bioresearcher.stages import extract, program
from bioresearcher.stages.built_on import told_of
from bioresearcher.stages.code_material import WHOLE_CHARS, examples_for
from bioresearcher.stages.tasks import accept_tasks, tasks_left_out

SKILLS = load_skills(Resources())
SKILL = "cohort-table"


def dataset(root: Path) -> Dataset:
    rows = [f"S{n:02d}\t{'ab'[n % 2]}\t{40 + n}" for n in range(20)]
    (root / "sheet.tsv").write_text("sample\tstatus\tage\n" + "\n".join(rows) + "\n")
    group = Column(name="status", dtype="text", role="group", levels=("a", "b"), case="b", control="a")
    age = Column(name="age", dtype="integer", role="covariate")
    about = {"rows": 20, "columns": (group, age), "sample_column": "sample", "bytes": 1, "sha256": "0" * 64}
    file = DataFile(name="samples", kind="samples", path="sheet.tsv", **about)
    return Dataset(id="D1", title="t", source="own", root=str(root), files=(file,), n_samples=20)


def protocol(*skills: str | None) -> Protocol:
    values = {"sample_column": "sample", "group_column": "status", "case": "b", "control": "a", "dataset_label": "D1"}
    steps = [
        {
            "id": f"1.{n}",
            "title": f"Step {n}",
            "action": "Do it.",
            "kind": "wet" if skill == "wet" else "dry",
            "skill": None if skill == "wet" else skill,
            "origin": "model",
            "inputs": [{"name": "samples", "source": "dataset:D1/samples"}],
            "outputs": [{"name": "table", "kind": "table"}],
            "parameters": [{"name": k, "value": v} for k, v in values.items()],
        }
        for n, skill in enumerate(skills, 1)
    ]
    part = {"id": "1", "title": "p", "purpose": "p", "steps": steps}
    return Protocol.model_validate({"id": "o", "title": "t", "objective_id": "o", "parts": [part], "origin": "model"})


def task(name: str, *steps: str, inputs=(), outputs=None, **more) -> DryLabTask:
    table = [{"name": "table", "file": "t.tsv", "kind": "table"}]
    given = {"id": name, "title": name, "goal": "g", "step_ids": steps, "inputs": inputs}
    return DryLabTask.model_validate({**given, "outputs": table if outputs is None else outputs, **more})


async def test_steps_with_a_vetted_analysis_need_no_model(tmp_path: Path) -> None:
    door = caller(tmp_path, [])
    found = await extract.extract_tasks(door, protocol(SKILL, "wet"), (dataset(tmp_path),), SKILLS)
    assert [(t.id, t.skill, t.step_ids) for t in found.tasks] == [("T1", SKILL, ("1.1",))]
    assert found.tasks[0].outputs == SKILLS[SKILL].contract.outputs
    assert found.refused == ()


async def test_a_models_tasks_join_those_of_vetted_analyses(tmp_path: Path) -> None:
    two = [{"name": "x", "task": "A", "output": "Table"}, {"name": "x", "task": "step 1.1", "output": "table"}]
    draft = TasksDraft(
        tasks=(
            task("B", "1.3", inputs=two),
            task("A", "step 1.2", inputs=[{"name": "s", "dataset": "d1", "file": "sheet.tsv"}], skill="pca-plot"),
            task("C", "1.1"),
            task("D", "7.7"),
            task("E", "1.3", inputs=[{"name": "y", "task": "C", "output": "table"}]),
        )
    )
    found = await extract.extract_tasks(
        caller(tmp_path, [draft]), protocol(SKILL, None, None), (dataset(tmp_path),), SKILLS
    )
    assert [(t.id, t.title, t.skill) for t in found.tasks] == [
        ("T1", "Step 1", SKILL), ("T2", "A", None), ("T3", "B", None), ("T4", "E", None),
    ]  # fmt: skip
    assert [(i.name, i.task, i.output) for i in found.tasks[2].inputs] == [("x", "T2", "table"), ("x_2", "T1", "table")]
    assert (found.tasks[1].inputs[0].dataset, found.tasks[1].inputs[0].file) == ("D1", "samples")
    assert [o.kind for o in found.tasks[1].outputs] == ["table", "findings"]
    assert found.tasks[3].inputs[0].task == "T1"
    assert [(f.item, f.message) for f in found.refused] == [("D", "it carries out no dry step of the protocol")]


async def test_steps_that_no_answer_takes_up_are_tasks_with_what_the_steps_state(tmp_path: Path) -> None:
    events: list[Event] = []
    for reply in (TasksDraft(tasks=()), RefusalError("it declined")):
        folder = tmp_path / type(reply).__name__
        folder.mkdir()
        door = caller(folder, [reply], events, rules=False)
        found = await extract.extract_tasks(door, protocol(SKILL, None, None), (dataset(tmp_path),), SKILLS)
        assert [(t.id, t.step_ids) for t in found.tasks] == [("T1", ("1.1",)), ("T2", ("1.2", "1.3"))]
        copied = found.tasks[1]
        assert [(i.dataset, i.file) for i in copied.inputs] == [("D1", "samples")]
        assert [(o.name, o.file) for o in copied.outputs] == [("table", "table.tsv"), ("findings", "findings.json")]
        assert copied.parameters["case"] == "b"
        assert copied.goal == "Do it.\nDo it."
        assert found.refused == ()
    assert "the steps become tasks as they are: it declined" in notes(events)


async def test_a_models_task_gets_from_its_steps_what_it_leaves_out(tmp_path: Path) -> None:
    draft = TasksDraft(tasks=(task("A", "1.1", "1.2", parameters={"case": "z"}),))
    found = await extract.extract_tasks(caller(tmp_path, [draft]), protocol(None, None), (dataset(tmp_path),), SKILLS)
    (made,) = found.tasks
    assert made.step_ids == ("1.1", "1.2")
    assert [(i.dataset, i.file) for i in made.inputs] == [("D1", "samples")]
    assert (made.parameters["case"], made.parameters["control"], made.goal) == ("z", "a", "Do it.\nDo it.")


async def test_many_steps_are_asked_about_by_parts(tmp_path: Path) -> None:
    plan = protocol(*[None] * 7)
    second = plan.parts[0].model_copy(
        update={
            "id": "2",
            "steps": tuple(s.model_copy(update={"id": s.id.replace("1.", "2.")}) for s in plan.parts[0].steps),
        }
    )
    plan = plan.model_copy(update={"parts": (*plan.parts, second)})
    door = caller(tmp_path, [TasksDraft(tasks=(task("T1", "1.1"),)), TasksDraft(tasks=(task("T1", "2.1"),))])
    found = await extract.extract_tasks(door, plan, (dataset(tmp_path),), SKILLS)
    asked = [r.values.steps for r in door.backend.requests]
    assert [len(a) for a in asked] == [7, 7]
    text = door.backend.requests[1].messages[-1].content
    assert "Step 2.1" in text
    assert "\nStep 1.1 " not in text
    assert sorted(i for t in found.tasks for i in t.step_ids) == sorted(s.id for s in plan.steps)
    assert found.refused == ()


def test_cycles_and_inputs_that_do_not_exist_are_refused_with_the_reason(tmp_path: Path) -> None:
    drafts = (
        task("T1", "1.1", inputs=[{"name": "x", "task": "T2", "output": "table"}]),
        task("T2", "1.2", inputs=[{"name": "x", "task": "T1", "output": "table"}]),
        task("T3", "1.3", inputs=[{"name": "x", "task": "T3", "output": "table"}]),
        task("T4", "1.4", inputs=[{"name": "x", "task": "T9", "output": "table"}]),
        task("T5", "1.5", inputs=[{"name": "x", "dataset": "../../x", "file": "/etc/passwd"}]),
        task("T6", "1.6", inputs=[{"name": "x"}]),
        task("T7", "1.7", outputs=[]),
    )
    found = accept_tasks((), drafts, protocol(*[None] * 7), (dataset(tmp_path),))
    assert found.tasks == ()
    said = [f.message for f in found.refused]
    assert len(said) == 7
    assert "called T9" in " ".join(said)
    assert "names neither" in " ".join(said)


def test_output_files_get_plain_names_of_their_own(tmp_path: Path) -> None:
    outputs = [
        {"name": "a b", "file": "../../x", "kind": "table"},
        {"name": "a b", "file": "X.TSV", "kind": "table", "min_rows": -3},
        {"name": "", "file": "", "kind": "figure"},
        {"name": "task", "file": "task.json", "kind": "findings"},
        {"name": "m", "file": "..\\model.exe", "kind": "model"},
    ]
    (found,) = accept_tasks((), (task("T", "1.1", outputs=outputs),), protocol(None), (dataset(tmp_path),)).tasks
    files = [o.file for o in found.outputs]
    assert files == ["x.tsv", "a_b_2-X.TSV", "figure.png", "task-task.json", "model.json"]
    assert [o.name for o in found.outputs] == ["a_b", "a_b_2", "figure", "task", "m"]
    assert found.outputs[1].min_rows == 0


def test_numbers_that_json_does_not_have_are_left_out(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    columns = [
        {"name": "p", "minimum": nan, "maximum": inf, "max_missing": inf},
        {"name": "q", "minimum": 2, "maximum": 1, "max_missing": -1},
        {"name": " "},
    ]
    output = {"name": "t", "file": "t.tsv", "kind": "table", "columns": columns}
    given = {"id": "T", "title": "t", "goal": "g", "step_ids": ["1.1"], "inputs": [], "parameters": {"a": [nan, 1]}}
    text = json.dumps({**given, "outputs": [output]})
    drafts = (DryLabTask.model_validate_json(text),)
    (found,) = accept_tasks((), drafts, protocol(None), (dataset(tmp_path),)).tasks
    assert DryLabTask.model_validate_json(found.model_dump_json()) == found
    assert found.parameters == {"a": [None, 1]}
    assert [(c.minimum, c.maximum, c.max_missing) for c in found.outputs[0].columns] == [(None, None, 1.0)] * 2


def test_no_task_is_cut_but_by_a_limit_that_is_set_and_then_answers_are_kept_and_the_rest_is_said(
    tmp_path: Path,
) -> None:
    drafts = tuple(task(f"T{n}", "1.1") for n in range(60))
    assert len(accept_tasks((), drafts, protocol(None), (dataset(tmp_path),)).tasks) == 60
    answering = [t.model_copy(update={"questions": ("A1",), "title": "Answer"}) for t in drafts[58:]]
    steps = protocol(SKILL)
    found = accept_tasks((*drafts[:58], *answering), (), steps, (dataset(tmp_path),), 3)
    assert [t.title for t in found.tasks].count("Answer") == 2
    assert len(found.tasks) == 3
    assert found.refused[-1].message.startswith("3 of 60 tasks are carried out (max_tasks); left out: ")
    homeless = accept_tasks((), tuple(task(f"X{n}", "nope") for n in range(60)), protocol(None), ())
    assert homeless.refused[-1].message == "50 more tasks were refused"


def test_what_a_limit_leaves_undone_is_known_before_anything_runs(tmp_path: Path) -> None:
    made = tuple(task(f"T{n}", f"1.{n}", title=f"Task {n}") for n in (1, 2, 3))
    asked = made[2].model_copy(update={"questions": ("A2",)})
    first = made[1].model_copy(update={"questions": ("A1",)})
    steps = protocol(SKILL, SKILL, SKILL, None)
    by_rule = (made[0], first, asked)
    assert tasks_left_out(by_rule, steps, None) == tasks_left_out(by_rule, steps, 4) == ""
    said = tasks_left_out(by_rule, steps, 1)
    assert said.startswith("Not carried out, as --max-tasks allows 1 of 4 tasks: ")
    assert said.endswith("step 1.1 Task 1; step 1.3 Task 3; step 1.4 Step 4.")
    assert [t.title for t in accept_tasks(by_rule, (), steps, (dataset(tmp_path),), 1).tasks] == ["Task 2"]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset(tmp_path_factory.mktemp("data"))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_any_task_list_becomes_tasks_that_can_be_run(known: Dataset, seed: int) -> None:
    draft = answers.answer_of(TasksDraft, seed)
    plan = protocol(SKILL, None, None, "wet")
    values = ExtractTasksInput(protocol=plan, datasets=(known,), skills=())
    assert extract.tasks_by_rule(values).tasks == ()
    found = accept_tasks((), draft.tasks, plan, (known,))
    made: dict[str, DryLabTask] = {}
    for one in found.tasks:
        assert safe_name(one.id) == one.id
        assert {*one.step_ids} <= {"1.1", "1.2", "1.3"}
        assert len({i.name for i in one.inputs}) == len(one.inputs)
        assert len({o.file.casefold() for o in one.outputs}) == len(one.outputs)
        assert all(program_file(o.file) for o in one.outputs)
        assert {*one.needs} <= made.keys()
        assert DryLabTask.model_validate_json(one.model_dump_json()) == one
        made[one.id] = one


def program_file(name: str) -> bool:
    from bioresearcher.execution.process import bad_output_name

    one = task("T", "1", outputs=[{"name": "a", "file": name, "kind": "table"}])
    return bad_output_name(one) is None


def workbench(tmp_path: Path) -> tuple[program.Workbench, DryLabTask]:
    plan, data = protocol(SKILL), dataset(tmp_path)
    values = ExtractTasksInput(protocol=plan, datasets=(data,), skills=())
    briefs = values.model_copy(update={"skills": tuple(SKILLS.values())})
    (made,) = extract.tasks_by_rule(briefs).tasks
    bench = program.Workbench(
        tasks_dir=tmp_path / "tasks",
        datasets={"D1": data},
        tasks={made.id: made},
        skills=SKILLS,
        sandbox=choose_sandbox("auto"),
        limits=Limits(wall_s=60, cpu_s=60),
    )
    return bench, made


BAD = "import os\nraise ValueError(f'no {object()} in {os.getcwd()} of process {os.getpid()}')\n"


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_vetted_analysis_is_run_without_a_call(tmp_path: Path) -> None:
    bench, made = workbench(tmp_path)
    door = caller(tmp_path, [], rules=False)
    record = await program.program_task(door, bench, made)
    assert [(a.code_origin, a.skill, a.outcome) for a in record.attempts] == [("offline", SKILL, Outcome.VERIFIED)]
    assert door.backend.requests == []
    assert (tmp_path / "tasks" / "T1" / "code.py").read_text() == SKILLS[SKILL].code


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_model_is_asked_where_a_vetted_analysis_fails(tmp_path: Path) -> None:
    bench, made = workbench(tmp_path)
    broken = SKILLS[SKILL].model_copy(update={"code": BAD})
    bench = replace(bench, skills={**SKILLS, SKILL: broken})
    door = caller(tmp_path, [CodeDraft(code=SKILLS[SKILL].code)], rules=False)
    record = await program.program_task(door, bench, made)
    went = [(a.code_origin, a.outcome) for a in record.attempts]
    assert went == [("offline", Outcome.RUNTIME), ("model", Outcome.VERIFIED)]
    question = door.backend.requests[0].values
    assert "0x…" in question.output_tail
    assert "process …" in question.output_tail
    assert str(tmp_path) not in question.output_tail + question.message


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (CodeDraft(code="", note="the data lack an outcome"), "the data lack an outcome"),
        (CodeDraft(code="vetted: pca-plot"), "names a skill that does not carry out this task"),
        (RefusalError("it declined"), "it declined"),
    ],
)
async def test_a_task_for_which_there_is_no_code_says_why(tmp_path: Path, reply, said: str) -> None:
    bench, made = workbench(tmp_path)
    made = made.model_copy(update={"skill": None})
    replies = [reply] * (2 if isinstance(reply, RefusalError) else 1)
    record = await program.program_task(caller(tmp_path, replies, rules=False), bench, made)
    assert (record.outcome, record.attempts) == (Outcome.NOT_RUN, ())
    assert said in record.message


async def test_a_second_failure_of_the_same_class_asks_for_another_way(tmp_path: Path) -> None:
    bench, made = workbench(tmp_path)
    replies = [CodeDraft(code=BAD), CodeDraft(code=BAD.replace("ValueError", "KeyError")), CodeDraft(code=BAD)]
    door = caller(tmp_path, replies)
    record = await program.program_task(door, bench, made.model_copy(update={"skill": None}))
    assert [a.outcome for a in record.attempts] == [Outcome.RUNTIME] * 2, "the first script again is not run again"
    asked = [r.messages[-1].content for r in door.backend.requests]
    assert ["Choose another way" in text for text in asked] == [False, False, True]


@pytest.mark.parametrize("outcome", ["killed", "runtime"])
async def test_files_of_a_task_that_was_ended_are_no_inputs_though_they_are_there(tmp_path: Path, outcome: str) -> None:
    bench, made = workbench(tmp_path)
    (tmp_path / "tasks/T1/outputs").mkdir(parents=True)
    (tmp_path / "tasks/T1/outputs" / made.outputs[0].file).write_text("variable\tmedian_of_age\nage\t49.5\n")
    later = task("T2", "1.1", inputs=[{"name": "earlier", "task": "T1", "output": made.outputs[0].name}])
    record = {"task_id": "T1", "outcome": outcome, "message": "ended by the limit file_size", "exit_ok": False}
    (tmp_path / "tasks/T1/record.json").write_text(json.dumps(record))
    found = await program.program_task(caller(tmp_path, [], rules=False), bench, later)
    assert found.outcome == Outcome.BLOCKED
    assert found.message == "input earlier may not be whole: the task that makes it was ended before"


async def test_what_an_earlier_task_made_is_described_as_it_is(tmp_path: Path) -> None:
    bench, made = workbench(tmp_path)
    (tmp_path / "tasks/T1/outputs").mkdir(parents=True)
    file = made.outputs[0].file
    (tmp_path / "tasks/T1/outputs" / file).write_text("variable\tmedian_of_age\nage\t49.5\n")
    later = task("T2", "1.1", inputs=[{"name": "earlier", "task": "T1", "output": made.outputs[0].name}])
    door = caller(tmp_path, [CodeDraft(code="", note="no way")], rules=False)
    record = {"task_id": "T1", "outcome": "verified", "message": "", "exit_ok": True}
    found = [{"statement": "The median age is 49.5.", "values": {"age": 49.5}}]
    (tmp_path / "tasks/T1/record.json").write_text(json.dumps({**record, "findings": found}))
    await program.program_task(door, bench, later)
    asked = door.backend.requests[0].messages[-1].content
    assert "median_of_age: number, 0 missing" in asked
    assert f"earlier was made by task T1, {made.title}" in asked
    assert "The median age is 49.5." in asked
    assert f"Task T1 is the vetted analysis {SKILL}." in asked


def test_of_the_tasks_built_on_the_code_is_told_whole_or_not_at_all(tmp_path: Path) -> None:
    record = json.dumps({"task_id": "T1", "outcome": "verified", "message": "", "exit_ok": True})
    for name, code in (("T1", "a = 1\n"), ("T2", "b = 2\n" * 1_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(record)
        (tmp_path / name / "code.py").write_text(code)
    (tmp_path / "T3").mkdir()
    (tmp_path / "T3" / "record.json").write_text("{")
    told = told_of(tmp_path, [task("T1"), task("T2"), task("T3"), task("T4")])
    assert told == ("The code of task T1:\n```python\na = 1\n```",)


def test_a_task_is_shown_at_most_one_example_that_fits_within_bounds() -> None:
    near = task("T", "1.1").model_copy(update={"title": "Kaplan-Meier curves", "goal": "log-rank test of a score"})
    (shown,) = examples_for(near, SKILLS)
    assert (shown.name, shown.whole) == ("kaplan-meier", True)
    for skill in SKILLS.values():
        (own,) = examples_for(near.model_copy(update={"skill": skill.name}), SKILLS)
        assert own.name == skill.name
        assert own.whole == (len(skill.code) + len(skill.instructions) <= WHOLE_CHARS)
        assert len(own.code) + len(own.instructions) <= WHOLE_CHARS
    (r,) = examples_for(near.model_copy(update={"language": "r"}), SKILLS)
    assert SKILLS[r.name].contract.language == "r"
    assert examples_for(task("T", "1.1").model_copy(update={"title": "", "goal": "基因"}), SKILLS) == ()
    assert examples_for(near, {}) == ()


async def test_a_task_whose_declared_package_is_missing_says_what_to_install_and_costs_no_call(tmp_path: Path) -> None:
    bench, spec = workbench(tmp_path)
    asks_nobody = caller(tmp_path, [])
    record = await program.program_task(asks_nobody, bench, spec.model_copy(update={"packages": ("not-there-1",)}))
    assert record.outcome is Outcome.DEPENDENCY
    assert "`pip install not-there-1` adds it" in record.message
    assert record.attempts == ()


DATED = "raise ValueError(f'{__import__(\"random\").random()} on the first of May')\n"


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_replay_asks_what_was_asked_although_the_sandbox_gives_something_else(tmp_path: Path) -> None:
    events: list[Event] = []
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    bench, made = workbench(first)
    made = made.model_copy(update={"skill": None})
    door = caller(first, [CodeDraft(code=DATED), CodeDraft(code=SKILLS[SKILL].code)], [], rules=False)
    assert (await program.program_task(door, bench, made)).outcome is Outcome.VERIFIED
    asked = door.backend.requests[1].values
    door.ledger.close()
    shutil.copyfile(next(first.rglob("*.sqlite")), second / next(first.rglob("*.sqlite")).name)
    bench, _ = workbench(second)
    (second / "sheet.tsv").write_text((second / "sheet.tsv").read_text().replace("\t40\n", "\t41\n"))
    again = caller(second, [], events, rules=False)
    again = replace(again, backend=ReplayBackend(again.backend, lambda: "nothing was asked"))
    record = await program.program_task(again, bench, made)
    assert record.outcome is Outcome.VERIFIED, record.message
    assert [a.outcome for a in record.attempts] == [Outcome.RUNTIME, Outcome.VERIFIED]
    assert record.attempts[0].message != asked.message  # what ran now is in the record
    assert "run, attempt 1, gave something else in the sandbox than in the replayed run" in notes(events)
    assert "inputs, described, gave something else" in notes(events)
