"""Verified tasks hold after a revision that makes the rules of their outputs laxer, and run again after any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bioresearcher.graph.revisions import settle_tasks
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, Outcome, TaskInput, TaskOutput, TaskRecord

RULE = ColumnRule(name="p_value", minimum=0.0, maximum=1.0, numeric=True, max_missing=0.2)


def made(rule: ColumnRule | None = RULE, **changes: Any) -> DryLabTask:
    """A task that writes one table; `changes` are of its output."""
    columns = () if rule is None else (rule,)
    output = TaskOutput(name="result", file="result.tsv", kind="table", columns=columns, min_rows=5)
    return DryLabTask(
        id="T1",
        title="Compare",
        goal="Compare the groups.",
        step_ids=("1.1",),
        inputs=(),
        outputs=(output.model_copy(update=changes),),
    )


def settled(place: Path, task: DryLabTask, outcome: Outcome = Outcome.VERIFIED) -> bool:
    """Whether the record of `made()` holds for a task; what does not hold is moved away whole."""
    folder = RunFolder(place)
    folder.write(TaskRecord(task_id="T1", outcome=outcome, message="", exit_ok=True), "tasks", "T1", "record.json")
    holds = settle_tasks(folder, [task], [made()])
    assert holds in ([], ["T1"])
    assert folder.has("tasks", "T1", "record.json") is bool(holds)
    assert folder.has("revisions", "0", "tasks", "T1", "record.json") is not bool(holds)
    return bool(holds)


LAXER = {
    "the same": made(),
    "no rule for the column": made(None),
    "a lower minimum": made(RULE.model_copy(update={"minimum": -1.0})),
    "no minimum": made(RULE.model_copy(update={"minimum": None})),
    "a higher maximum": made(RULE.model_copy(update={"maximum": 2.0})),
    "no maximum": made(RULE.model_copy(update={"maximum": None})),
    "texts too": made(RULE.model_copy(update={"numeric": False})),
    "more missing": made(RULE.model_copy(update={"max_missing": 0.5})),
    "fewer rows": made(min_rows=1),
}
STRICTER = {
    "a higher minimum": made(RULE.model_copy(update={"minimum": 0.1})),
    "a lower maximum": made(RULE.model_copy(update={"maximum": 0.5})),
    "fewer missing": made(RULE.model_copy(update={"max_missing": 0.1})),
    "more rows": made(min_rows=6),
    "another column": made(columns=(RULE, ColumnRule(name="estimate"))),
    "a column of another name": made(RULE.model_copy(update={"name": "p"})),
    "another file": made(file="result.csv"),
    "another kind": made(kind="text"),
    "one rule laxer and one stricter": made(RULE.model_copy(update={"maximum": None}), min_rows=6),
    "another output beside it": made().model_copy(
        update={"outputs": (*made().outputs, TaskOutput(name="figure", file="f.png", kind="figure"))}
    ),
    "no output": made().model_copy(update={"outputs": ()}),
    "another goal": made(min_rows=1).model_copy(update={"goal": "Compare other groups."}),
    "another parameter": made(min_rows=1).model_copy(update={"parameters": {"fdr": 0.1}}),
}


@pytest.mark.parametrize("name", LAXER)
def test_a_verified_task_holds_where_every_rule_is_the_same_or_laxer(name: str, tmp_path: Path) -> None:
    assert settled(tmp_path, LAXER[name])


@pytest.mark.parametrize("name", STRICTER)
def test_a_verified_task_runs_again_where_a_rule_is_stricter_or_anything_else_differs(
    name: str, tmp_path: Path
) -> None:
    assert not settled(tmp_path, STRICTER[name])


def test_stricter_rules_for_texts_that_were_allowed_run_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    record = TaskRecord(task_id="T1", outcome=Outcome.VERIFIED, message="", exit_ok=True)
    folder.write(record, "tasks", "T1", "record.json")
    before = made(ColumnRule(name="p_value"))
    assert settle_tasks(folder, [made(ColumnRule(name="p_value", numeric=True))], [before]) == []


@pytest.mark.parametrize("outcome", [Outcome.BAD_OUTPUT, Outcome.OFF_QUESTION, Outcome.NOT_RUN])
def test_a_task_that_was_not_verified_runs_again_under_laxer_rules(outcome: Outcome, tmp_path: Path) -> None:
    assert not settled(tmp_path, made(min_rows=1), outcome)


def test_a_task_runs_again_with_the_maker_of_its_inputs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    reader = made().model_copy(
        update={"id": "T2", "step_ids": ("1.2",), "inputs": (TaskInput(name="table", task="T1", output="result"),)}
    )
    for name in ("T1", "T2"):
        record = TaskRecord(task_id=name, outcome=Outcome.VERIFIED, message="", exit_ok=True)
        folder.write(record, "tasks", name, "record.json")
    assert settle_tasks(folder, [made(min_rows=1), reader], [made(), reader]) == ["T1", "T2"]
    assert settle_tasks(folder, [made(min_rows=6), reader], [made(), reader]) == []
