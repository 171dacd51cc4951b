"""The short path: which objectives take it, how their tables are read, and the plan that a program makes for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import author_support as author
import pytest

from bioresearcher.analysis.sets import make_sets
from bioresearcher.graph.nodes_path import plan_computation
from bioresearcher.graph.state import initial_state
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.question import Measure, Question, Questions
from bioresearcher.schemas.run import ChosenPath
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.computation import NOT_REVIEWED, computation_plan, is_plain_table, why_designed
from bioresearcher.stages.extract import copied_tasks

OBJECTIVE = Objective(id="o", text="Mean age, and Pearson's r of age and weight")
AGES = Measure(kind="column", names=("age",))


def question(kind: str = "description", **more: Any) -> Question:
    return Question.model_validate(
        {"id": "A1", "kind": kind, "text": "t", "dataset": "people", "measure": AGES, **more}
    )


@pytest.mark.parametrize(
    ("questions", "why"),
    [
        ((question(),), ""),
        ((question("association", outcome="weight", stated=True),), ""),
        ((question(), question("prediction", stated=True, cannot="no such column")), ""),
        ((), "no question"),
        ((question(cannot="no such column"),), "no question can be answered"),
        ((question("association", outcome="weight"),), "how it is computed is not said"),
        ((question(), question("time to event", stated=True)), "time to event"),
        ((question("enrichment", stated=True, measure=Measure(kind="gene sets")),), "enrichment"),
        ((question(stated=True, measure=Measure(kind="gene", names=("TP53",))),), "about gene"),
        ((question("association", stated=True, compares_with="other"),), "repeated in other"),
    ],
)
def test_only_questions_that_say_their_computation_take_the_short_path(
    questions: tuple[Question, ...], why: str
) -> None:
    found = why_designed(OBJECTIVE, Questions(questions=questions))
    assert why in found
    assert bool(why) is bool(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Design a study of age and weight", "Design a"),
        ("Write a protocol for measuring age", "protocol"),
        ("Is the mean age that of published cohorts?", "published"),
        ("The planned mean age of plants by design_factor", ""),
    ],
)
def test_an_objective_that_asks_for_a_plan_or_papers_is_designed(text: str, words: str) -> None:
    found = why_designed(Objective(id="o", text=text), Questions(questions=(question(),)))
    assert (words in found) if words else not found


def test_a_requirement_that_no_question_holds_is_designed_for() -> None:
    asked = OBJECTIVE.model_copy(update={"requirements": (Requirement(id="R1", text="Ignore missing cells"),)})
    assert "R1" in why_designed(asked, Questions(questions=(question(),)))
    assert not why_designed(asked, Questions(questions=(question(requirements=("R1",)),)))


@pytest.fixture
def people(tmp_path: Path) -> Dataset:
    """A sheet of people with ages, of which one is not known, and weights."""
    rows = [f"P{n},{'' if n == 3 else 20 + n},{50 + n * 7 % 30}" for n in range(1, 13)]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(["patient,age,weight", *rows]) + "\n", encoding="utf-8")
    (dataset,), _ = load_datasets([path], tmp_path / "store")
    return dataset


def test_a_table_is_plain_where_its_reading_lost_columns_that_the_objective_names(people: Dataset) -> None:
    matrix = people.model_copy(
        update={"files": (people.files[0].model_copy(update={"kind": "expression", "columns": ()}),)}
    )
    columns = ("patient", "age", "weight")
    assert not is_plain_table(OBJECTIVE, people, columns)
    assert is_plain_table(OBJECTIVE, matrix, columns)
    assert not is_plain_table(Objective(id="o", text="Pages by weightings of TP53"), matrix, columns)
    assert not is_plain_table(OBJECTIVE, matrix, ())


def test_the_plan_hands_the_words_and_each_question_s_rows_to_one_task(people: Dataset, tmp_path: Path) -> None:
    old = {"population": [{"column": "age", "least": 25}]}
    asked = (
        question(words="Mean age"),
        question("association", id="A2", outcome="weight", stated=True, **old),
        question("difference", id="A3", cannot="there is no such column"),
    )
    made = make_sets(Questions(questions=asked), [people], tmp_path / "analysis")
    bench = replace(
        author.bench(),
        objective=OBJECTIVE,
        reports={},
        analyses={},
        datasets=(people, *(d for d in made.datasets if d.id != people.id)),
        questions=made.questions,
        sets=made.sets,
    )
    protocol = computation_plan(bench)
    assert protocol is not None
    (step,) = protocol.steps
    assert OBJECTIVE.text in step.action
    assert step.questions == ("A1", "A2")
    assert {s.source.split("/")[0] for s in step.inputs} == {"dataset:people", "dataset:people-A2"}
    assert NOT_REVIEWED in protocol.limitations
    (task,) = copied_tasks(protocol, bench.datasets).tasks
    assert (task.questions, task.skill) == (("A1", "A2"), None)
    assert [o.kind for o in task.outputs] == ["table", "findings"]
    assert {i.dataset for i in task.inputs} == {"people", "people-A2"}


async def test_the_short_path_is_left_where_a_person_made_a_question_one_to_design(
    people: Dataset, tmp_path: Path
) -> None:
    asked = Questions(questions=(question("association", outcome="weight"),))
    made = make_sets(asked, [people], tmp_path / "analysis")
    bench = replace(author.bench(), objective=OBJECTIVE, datasets=(people,), questions=made.questions, sets=made.sets)
    folder, told = RunFolder(tmp_path / "run"), list[tuple[object, ...]]()
    folder.write(ChosenPath(short=True), "path.json")
    context = SimpleNamespace(
        objective=OBJECTIVE,
        folder=folder,
        bench=lambda: bench,
        settings=SimpleNamespace(plan="auto"),
        caller=SimpleNamespace(events=SimpleNamespace(emit=lambda *said: told.append(said))),
    )
    runtime: Any = SimpleNamespace(context=context)
    found = await plan_computation(initial_state(), runtime)
    assert found == {}
    assert not folder.read(ChosenPath, "path.json").short
    assert "how it is computed is not said" in str(told)


def test_without_a_question_that_can_be_answered_there_is_no_plan(people: Dataset, tmp_path: Path) -> None:
    made = make_sets(Questions(questions=(question(cannot="no such column"),)), [people], tmp_path / "analysis")
    bench = replace(author.bench(), objective=OBJECTIVE, datasets=(people,), questions=made.questions, sets=made.sets)
    assert computation_plan(bench) is None
