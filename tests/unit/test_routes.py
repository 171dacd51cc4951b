"""Routing: pure functions, by table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.graph.build import BRANCHES, STEPS, build_pipeline, ready_tasks
from bioresearcher.graph.state import RunState, initial_state, merge
from bioresearcher.settings.values import GATES


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
    gates = {f"approve_{gate}" for gate in GATES}
    assert {n.__name__ for n in STEPS} | {b.__name__ for b, _ in BRANCHES} | gates == names
