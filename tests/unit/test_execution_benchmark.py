"""A programmer that makes mistakes, on real data: the quick ones of the benchmark `benchmarks/execution`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks" / "execution"))

from dry_fair import FAIR, make_files
from dry_fair import code_of as fair_code_of
from dry_mistakes import MISTAKES, code_of, make_task
from dry_scripts import SHEET
from dry_tasks import impossible, impossible_in_r, possible, possible_in_r

from bioresearcher.execution.attempt import run_attempt
from bioresearcher.resources import Resources
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.execution import Outcome, TaskCode
from bioresearcher.skills import load_skills

NEEDS_WALLS = {"another file than the declared ones", "network"}
"""What only a real sandbox keeps from a script; the benchmark runs these there."""


@pytest.mark.parametrize("name", [n for n, m in MISTAKES.items() if not (m.heavy or m.gap) and n not in NEEDS_WALLS])
async def test_a_mistake_gets_its_rung(name: str, tmp_path: Path) -> None:
    mistake = MISTAKES[name]
    result = await run_attempt(
        make_task(name),
        TaskCode(code=code_of(name), origin="model"),
        inputs={"samples": SHEET},
        folder=tmp_path / "task",
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=mistake.limits,
    )
    assert (result.attempt.outcome, mistake.right) == (mistake.outcome, result.verified), result.attempt.message
    assert mistake.says in result.attempt.message
    assert mistake.warns in "\n".join(result.warnings)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if c.half == 1 else pytest.mark.slow) for n, c in FAIR.items() if not c.gap]
)
async def test_honest_scripts_are_verified_at_once_and_their_twins_never(name: str, tmp_path: Path) -> None:
    case, files = FAIR[name], make_files(tmp_path)
    task = case.task(1)
    result = await run_attempt(
        task,
        TaskCode(code=fair_code_of(name), origin="model"),
        inputs={i.name: files[i.name] for i in task.inputs},
        folder=tmp_path / "task",
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=case.limits,
    )
    assert result.verified is not bool(case.of), result.attempt.message
    if case.of:
        assert result.attempt.outcome in {Outcome.INPUT_INDEPENDENT, Outcome.BAD_OUTPUT}
        assert result.findings == ()


def test_each_honest_script_has_a_twin() -> None:
    honest = {n for n, c in FAIR.items() if not c.of}
    assert len(honest) >= 15
    assert {c.of for c in FAIR.values() if c.of and not c.gap} == honest


def test_there_are_at_least_twenty_kinds_of_mistakes_and_none_counts_as_right() -> None:
    wrong = [m for m in MISTAKES.values() if not m.right]
    assert len(wrong) >= 20
    assert Outcome.VERIFIED not in {m.outcome for m in wrong}


def test_there_are_at_least_120_tasks_a_third_impossible_and_each_fits_its_analysis() -> None:
    plans, skills = [*possible(), *impossible()], load_skills(Resources())
    plans += [*possible_in_r(), *impossible_in_r()]
    assert len(plans) >= 120
    assert 3 * len([*impossible(), *impossible_in_r()]) >= len(plans)
    tasks = {p.id: p.task(skills[p.skill]) for p in plans}
    assert len(tasks) == len(plans)
    for plan in plans:
        contract = skills[plan.skill].contract
        assert set(plan.inputs) <= {i.name for i in contract.inputs}
        for given in tasks[plan.id].inputs:
            assert given.task is None or given.output in {o.name for o in tasks[given.task].outputs}
        assert plan.check is not None or plan.says or plan.id == "foreign-score"
