"""Types of the public interface, as a user's checker sees them; `tests/unit/test_public_api.py` runs mypy on it."""

from __future__ import annotations

from typing import assert_type

from pandas import DataFrame

import bioresearcher as b
from bioresearcher.doors.run_state import State
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import Reproduction
from bioresearcher.schemas.library import LibraryAnswer
from bioresearcher.schemas.review import Review


def use(run: b.Run) -> None:
    assert_type(b.open_run("x"), b.Run)
    assert_type(b.list_runs("workspace", most=3), tuple[b.Run, ...])
    assert_type(b.start_run("Which genes differ?", data=["data"], max_usd=1.0), b.Run)
    assert_type(b.reproduce_run(run, tasks=["T1"]), Reproduction)
    assert_type(b.review_protocol("plan.md", kind="trial protocol"), Review)
    assert_type(b.describe_data("data"), tuple[Dataset, ...])
    assert_type(b.search_literature("fdr", where="services", limit=3), DataFrame)
    assert_type(b.ask_library(run, "What?"), LibraryAnswer)
    assert_type(run.findings, DataFrame)
    assert_type(run.answers, Answers)
    assert_type(run.state, State)
    error: Exception = b.BioresearcherError("x", hint="y")
    assert_type(error, Exception)
