"""Routing: pure functions, by table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.graph import END

from bioresearcher.graph import build
from bioresearcher.graph.approvals import HEADINGS, PROTOCOL, SELECTION, TASKS
from bioresearcher.graph.build import BRANCHES, STEPS, build_pipeline, ready_tasks
from bioresearcher.graph.state import RunState, initial_state, merge
from bioresearcher.schemas.run import Decision
from bioresearcher.settings.values import APPROVALS


@pytest.mark.parametrize(
    ("tasks", "done", "needs", "ready"),
    [
        (["T1", "T2"], [], {}, ["T1", "T2"]),
        (["T1", "T2"], [], {"T2": ["T1"]}, ["T1"]),
        (["T1", "T2", "T3"], ["T1"], {"T2": ["T1"], "T3": ["T2"]}, ["T2"]),
        (["T1"], ["T1"], {}, []),
        ([], [], {}, []),
    ],
)
def test_ready_tasks(tasks: list[str], done: list[str], needs: dict[str, list[str]], ready: list[str]) -> None:
    assert ready_tasks(tasks, done, needs) == ready


@given(st.lists(st.text()), st.lists(st.text()))
def test_merging_again_changes_nothing(old: list[str], new: list[str]) -> None:
    once = merge(old, new)
    assert merge(once, new) == once
    assert once[: len(old)] == old


def test_the_initial_state_has_every_key() -> None:
    assert set(initial_state()) == set(RunState.__annotations__)


def test_the_graph_has_the_steps_of_the_design() -> None:
    names = set(build_pipeline().nodes)
    gates = {f"approve_{gate}" for gate in APPROVALS}
    assert {n.__name__ for n in STEPS} | {b.__name__ for b, _ in BRANCHES} | gates == names


def test_each_approval_of_the_settings_is_a_row_of_the_table() -> None:
    assert [a.name for a in build.APPROVALS] == [f"approve_{gate}" for gate in APPROVALS]


@pytest.mark.parametrize(
    ("approval", "decision", "by_rule", "there"),
    [
        (SELECTION, {"approved": True}, False, "fetch_datasets"),
        (SELECTION, {"approved": False}, False, END),
        (SELECTION, None, False, END),
        (PROTOCOL, {"approved": True}, False, "extract_tasks"),
        (PROTOCOL, {"approved": False, "more": True, "comment": "shorter"}, False, PROTOCOL),
        (PROTOCOL, None, False, END),
        (HEADINGS, None, False, "fit_outlines"),
        (HEADINGS, {"approved": False, "more": True, "comment": "shorter"}, False, "plan_protocol"),
        (HEADINGS, {"approved": False, "more": True, "comment": "shorter"}, True, HEADINGS),
        (HEADINGS, {"approved": False, "more": True, "comment": "shorter", "changed": False}, False, HEADINGS),
        (HEADINGS, {"approved": False, "more": True, "drop": ("2",)}, False, HEADINGS),
        (TASKS, {"approved": False}, False, END),
    ],
)
def test_a_decision_says_where_the_run_goes(
    approval: str, decision: dict[str, object] | None, by_rule: bool, there: str
) -> None:
    state = initial_state()
    if decision:
        state["decisions"] = [Decision.model_validate({"gate": approval, "by": "human", **decision})]
    runtime: Any = SimpleNamespace(context=SimpleNamespace(caller=SimpleNamespace(by_rule=by_rule)))
    row = next(a for a in build.APPROVALS if a.name == approval)
    assert row.route(state, runtime) == there


@pytest.mark.parametrize(
    ("route", "short", "there"),
    [
        (build.first_step, True, "check_datasets"),
        (build.first_step, False, "plan_queries"),
        (build.after_sets, True, "plan_computation"),
        (build.after_sets, False, "analyse_reports"),
        (build.after_computation, True, "assemble_protocol"),
        (build.after_computation, False, "plan_queries"),
    ],
)
def test_the_short_path_leads_past_search_and_design_and_can_be_left(route: Any, short: bool, there: str) -> None:
    runtime = SimpleNamespace(context=SimpleNamespace(short=short))
    assert route(initial_state(), runtime) == there
