"""What is read back from checkpoints: the state's own classes, under the names that earlier versions wrote."""

from __future__ import annotations

import logging
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any, get_args, get_type_hints

import ormsgpack
import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel

from bioresearcher.graph.state import CLASSES, RunState
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.run import Decision

LAST_VERSION = Path(__file__).resolve().parents[1] / "fixtures" / "last_version" / "lab.tar.xz"
WRITTEN_AS = {
    "bioresearcher.schemas.paper.QueryPlan",
    "bioresearcher.schemas.paper.SearchRound",
    "bioresearcher.schemas.paper.Failure",
    "bioresearcher.schemas.review.DraftReview",
    "bioresearcher.schemas.run.Decision",
}
"""The classes in the checkpoints of all versions since 0.1.0. One that moves must still be found under its old name."""


def path_of(found: type) -> str:
    return f"{found.__module__}.{found.__name__}"


def named_in(hint: Any) -> set[type]:
    """The classes of values in an annotation."""
    inner = {c for part in get_args(hint) for c in named_in(part)}
    return inner | ({hint} if isinstance(hint, type) and issubclass(hint, BaseModel) else set())


def test_the_classes_of_the_state_stand_where_earlier_versions_wrote_them() -> None:
    in_state = {c for hint in get_type_hints(RunState).values() for c in named_in(hint)}
    assert in_state == {*CLASSES}
    assert {path_of(c) for c in CLASSES} == WRITTEN_AS


def test_the_last_versions_checkpoints_name_no_other_class_of_this_package(tmp_path: Path) -> None:
    with tarfile.open(LAST_VERSION) as archive:
        archive.extractall(tmp_path, filter="data")
    names: set[str] = set()

    def note(code: int, data: bytes) -> Any:
        value = ormsgpack.unpackb(data, ext_hook=note, option=ormsgpack.OPT_NON_STR_KEYS)
        names.add(f"{value[0]}.{value[1]}")
        return value

    for path in tmp_path.glob("workspace/runs/*/checkpoints.sqlite"):
        with closing(sqlite3.connect(path)) as file:
            rows = [*file.execute("SELECT type, checkpoint FROM checkpoints")]
            rows += file.execute("SELECT type, value FROM writes")
        for _, blob in (row for row in rows if row[0] == "msgpack"):
            ormsgpack.unpackb(blob, ext_hook=note, option=ormsgpack.OPT_NON_STR_KEYS)
    assert {n for n in names if n.startswith("bioresearcher.")} == WRITTEN_AS


def test_values_come_back_whole_and_what_is_no_value_of_the_state_is_not_built(
    caplog: pytest.LogCaptureFixture,
) -> None:
    serializer = JsonPlusSerializer(allowed_msgpack_modules=CLASSES)
    decision = Decision(
        gate="approve_tasks", approved=False, by="human", drop=("T1",), limits={"T2": Limits(wall_s=9)}, turn=3
    )
    state = {"decisions": [decision], "other": Limits()}
    with caplog.at_level(logging.WARNING):
        back = serializer.loads_typed(serializer.dumps_typed(state))
    assert back["decisions"] == [decision]
    assert back["other"] == Limits().model_dump()
    assert "bioresearcher.schemas.execution.Limits" in caplog.text
