"""What the processes of a batch spent together, and the lines that a crash may cut off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.schema import JobOutcome
from bioresearcher.batch.shared_budget import BatchBudget, Spent, used_up
from bioresearcher.errors import BudgetError
from bioresearcher.llm.budget import Budget
from bioresearcher.schemas.base import Usage

CALL = Usage(calls=1, input_tokens=70, output_tokens=30, cost_usd=0.25)
ADD = """
import sys
from pathlib import Path
from bioresearcher.batch.shared_budget import Spent
from bioresearcher.schemas.base import Usage
spent = Spent(Path(sys.argv[1]))
for _ in range(200):
    spent.add(sys.argv[2], Usage(calls=1, input_tokens=70, output_tokens=30, cost_usd=0.25))
"""


def outcome(name: str, status: str = "done", repeat: int = 1) -> JobOutcome:
    return JobOutcome.model_validate(
        {"id": name, "repeat": repeat, "digest": "d", "run": f"runs/{name}", "status": status}
        | {"exit_code": 0, "started": "s", "finished": "f", "reason": "“why”\u2028"}
    )


def test_nothing_that_processes_add_at_the_same_time_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "spent.jsonl"
    adding = [subprocess.Popen([sys.executable, "-c", ADD, str(path), f"run-{n}"]) for n in range(3)]
    assert [process.wait(60) for process in adding] == [0, 0, 0]
    assert Spent(path).total() == Usage(calls=600, input_tokens=42_000, output_tokens=18_000, cost_usd=150)


def test_every_run_sees_at_its_next_call_what_the_others_spent(tmp_path: Path) -> None:
    budget = Budget(max_tokens=250)
    meters = [
        BatchBudget(Spent(tmp_path / "spent.jsonl"), budget, None, name).meter(Budget(), Usage(), 0)
        for name in ("a", "b")
    ]
    for meter in (*meters, meters[0]):
        meter.check()
        meter.add(CALL)
    for meter in meters:
        with pytest.raises(BudgetError, match="the batch's budget of 250 tokens is used up \\(300 spent\\)"):
            meter.check()


def test_an_objectives_own_budget_holds_beside_that_of_the_batch(tmp_path: Path) -> None:
    batch = BatchBudget(Spent(tmp_path / "spent.jsonl"), Budget(max_usd=100), None, "a")
    meter = batch.meter(Budget(max_usd=0.2), Usage(), 0)
    meter.check()
    meter.add(CALL)
    with pytest.raises(BudgetError, match=r"0\.20 USD is used up.*larger budget in the batch file"):
        meter.check()


def test_the_batchs_minutes_end_for_all(tmp_path: Path) -> None:
    clock = iter([99.0, 101.0])
    batch = BatchBudget(Spent(tmp_path / "s.jsonl"), Budget(max_minutes=1), 100.0, "a", clock=lambda: next(clock))
    batch.check()
    with pytest.raises(BudgetError, match="budget of 1 minutes"):
        batch.check()


def test_a_cost_that_is_not_known_ends_a_budget_in_money() -> None:
    assert "not known" in used_up(Budget(max_usd=1), CALL + Usage(calls=1, cost_usd=None))
    assert used_up(Budget(max_tokens=1_000), CALL + Usage(calls=1, cost_usd=None)) == ""


@given(st.data())
def test_a_line_that_was_cut_off_spoils_no_other(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = BatchFolder(tmp_path_factory.mktemp("batch"))
    path, spent = folder.path("outcomes.jsonl"), Spent(folder.path("spent.jsonl"))
    folder.add(outcome("a"))
    folder.add(outcome("b", "failed"))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: data.draw(st.integers(first, len(whole) - 1))])
    assert set(folder.outcomes()) - {("b", 1)} == {("a", 1)}
    folder.add(outcome("c", "stopped"))
    folder.add(outcome("a", "stopped"))
    kept = folder.outcomes()
    assert {key: o.status for key, o in kept.items() if key[0] != "b"} == {("a", 1): "stopped", ("c", 1): "stopped"}
    spent.add("a", CALL)
    with spent._path.open("ab") as file:
        file.write(b'{"run": "b", "calls": 1, "inp'[: data.draw(st.integers(1, 29))])
    assert spent.total() == CALL
    spent.add("c", CALL)
    spent.add_time(2.5)
    assert spent.total() == Spent(folder.path("spent.jsonl")).total() == CALL + CALL
    assert spent.seconds() == 2.5
