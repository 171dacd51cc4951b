"""`ask`: replay, repair, and one call for identical questions."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bioresearcher.cards import load_cards
from bioresearcher.errors import DefectError, ReplyInvalidError, RunFolderError, WorkspaceError
from bioresearcher.events import EventLog
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.scripted import ScriptedBackend
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_search import PlanQueriesInput
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import QueryPlan, SearchQuery
from bioresearcher.schemas.usage import Usage
from bioresearcher.stages.prompts import PLAN_QUERIES

PLAN = QueryPlan(literature=(SearchQuery(query="a AND b", purpose="p"),))


def values(text: str = "find genes") -> PlanQueriesInput:
    return PlanQueriesInput(objective=Objective(id="o", text=text), round=1, previous=(), known_titles=())


def caller(tmp_path: Path, backend: ScriptedBackend) -> Caller:
    resources = Resources()
    return Caller(
        backend, Ledger(tmp_path / "ledger.sqlite"), PromptBook(resources), load_cards(resources), EventLog(None)
    )


async def test_a_repeated_question_costs_nothing_also_in_another_process(tmp_path: Path) -> None:
    backend = ScriptedBackend([PLAN])
    assert await ask(caller(tmp_path, backend), PLAN_QUERIES, values()) == PLAN
    later = ScriptedBackend([])
    again = caller(tmp_path, later)
    assert await ask(again, PLAN_QUERIES, values()) == PLAN
    assert later.requests == []
    assert again.ledger.usage() == Usage(calls=1, input_tokens=100, output_tokens=20)
    backend.assert_used_up()


async def test_another_question_is_another_call(tmp_path: Path) -> None:
    backend = ScriptedBackend([PLAN, PLAN])
    door = caller(tmp_path, backend)
    await ask(door, PLAN_QUERIES, values())
    await ask(door, PLAN_QUERIES, values("find other genes"))
    assert len(backend.requests) == 2


async def test_identical_questions_at_the_same_time_are_answered_once(tmp_path: Path) -> None:
    backend = ScriptedBackend([PLAN])
    door = caller(tmp_path, backend)
    answers = await asyncio.gather(*(ask(door, PLAN_QUERIES, values()) for _ in range(8)))
    assert answers == [PLAN] * 8
    assert len(backend.requests) == 1


@pytest.mark.parametrize("bad", ["{}", "not json", '{"literature": [{"query": 3}]}', '{"literature": [', "null", ""])
async def test_one_repair_turn_shows_what_was_wrong(tmp_path: Path, bad: str) -> None:
    backend = ScriptedBackend([bad, PLAN])
    assert await ask(caller(tmp_path, backend), PLAN_QUERIES, values()) == PLAN
    repair = backend.requests[1].messages
    assert [m.role for m in repair] == ["system", "user", "assistant", "user"]
    assert "does not fit" in repair[-1].content


async def test_a_second_bad_answer_is_an_error_and_not_recorded(tmp_path: Path) -> None:
    door = caller(tmp_path, ScriptedBackend(["{}", "{}"]))
    with pytest.raises(ReplyInvalidError, match="literature"):
        await ask(door, PLAN_QUERIES, values())
    assert door.ledger.usage().calls == 0


async def test_too_few_and_left_over_replies_both_fail(tmp_path: Path) -> None:
    with pytest.raises(DefectError, match="no scripted reply is left"):
        await ask(caller(tmp_path, ScriptedBackend([])), PLAN_QUERIES, values())
    with pytest.raises(DefectError, match="1 scripted"):
        ScriptedBackend([PLAN]).assert_used_up()


async def test_a_failed_call_leaves_the_door_open_for_the_next(tmp_path: Path) -> None:
    class Flaky(ScriptedBackend):
        async def complete(self, request: Request) -> Reply:
            if not self.requests:
                self.requests.append(request)
                raise TimeoutError
            return await super().complete(request)

    door = caller(tmp_path, Flaky([PLAN]))
    with pytest.raises(TimeoutError):
        await ask(door, PLAN_QUERIES, values())
    assert await ask(door, PLAN_QUERIES, values()) == PLAN


def test_a_ledger_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(RunFolderError, match="newer version"):
        Ledger(path)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(WorkspaceError, match="cannot be used"):
        Ledger(path)
