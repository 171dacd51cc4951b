"""`ask`: replay, repair, and one call for identical questions."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from scripted_backend import Script, ScriptedBackend

from bioresearcher.errors import (
    AnswerError,
    BackendError,
    BudgetError,
    ContextOverflowError,
    DefectError,
    EmptyReplyError,
    ModelRefusedError,
    ModelUnavailableError,
    RefusalError,
    ReplyInvalidError,
    RunFolderError,
    StoppedError,
    TruncatedError,
    WorkspaceError,
)
from bioresearcher.events import EventLog
from bioresearcher.llm.ask import Answer, ModelClient, ask
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.llm.budget import Budget, Meter
from bioresearcher.llm.ledger import Ledger, LedgerEntry
from bioresearcher.llm.shorten import tokens_of_messages
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.schemas.ask_literature import OutlinedPart, PartDraft, PlanQueriesInput, ReportPartInput
from bioresearcher.schemas.base import Objective, Usage
from bioresearcher.schemas.paper import Passage, QueryPlan, SearchQuery
from bioresearcher.stages.prompts import PLAN_QUERIES, REPORT_PART

PLAN = QueryPlan(literature=(SearchQuery(query="a AND b", purpose="p"),))


def values(text: str = "find genes") -> PlanQueriesInput:
    return PlanQueriesInput(objective=Objective(id="o", text=text), round=1, previous=(), known_titles=())


def caller(
    tmp_path: Path,
    backend: ScriptedBackend,
    *,
    rules: ScriptedBackend | None = None,
    meter: Meter | None = None,
    events: EventLog | None = None,
) -> ModelClient:
    resources = Resources()
    return ModelClient(
        backend,
        Ledger(tmp_path / "ledger.sqlite"),
        PromptBook(resources),
        load_cards(resources),
        events or EventLog(None),
        rules=rules,
        meter=meter,
    )


async def test_a_repeated_question_costs_nothing_also_in_another_process(tmp_path: Path) -> None:
    backend = ScriptedBackend([PLAN])
    assert (await ask(caller(tmp_path, backend), PLAN_QUERIES, values())).value == PLAN
    later = ScriptedBackend([])
    again = caller(tmp_path, later)
    assert (await ask(again, PLAN_QUERIES, values())).value == PLAN
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
    assert [a.value for a in answers] == [PLAN] * 8
    assert len(backend.requests) == 1


@pytest.mark.parametrize("bad", ["{}", "not json", '{"literature": [{"query": 3}]}', '{"literature": [', "null", ""])
async def test_one_repair_turn_shows_what_was_wrong(tmp_path: Path, bad: str) -> None:
    backend = ScriptedBackend([bad, PLAN])
    assert (await ask(caller(tmp_path, backend), PLAN_QUERIES, values())).value == PLAN
    repair = backend.requests[1].messages
    assert [m.role for m in repair] == ["system", "user", "assistant", "user"]
    assert "does not fit" in repair[-1].content


async def test_a_second_bad_answer_is_an_error_that_is_recorded_and_not_paid_for_again(tmp_path: Path) -> None:
    door = caller(tmp_path, ScriptedBackend(["{}", "{}"]))
    with pytest.raises(ReplyInvalidError, match="literature") as first:
        await ask(door, PLAN_QUERIES, values())
    later = caller(tmp_path, ScriptedBackend([]))
    with pytest.raises(ReplyInvalidError) as second:
        await ask(later, PLAN_QUERIES, values())
    assert second.value.message == first.value.message
    assert later.ledger.usage() == Usage(calls=2, input_tokens=200, output_tokens=40)


class Rules(ScriptedBackend):
    """Stands for the offline backend."""

    name = "offline"
    origin = "offline"

    def identity(self, request: Request) -> str:
        return "offline/test"


@pytest.mark.parametrize(
    "failure",
    [TruncatedError("cut"), RefusalError("no"), EmptyReplyError("nothing"), ContextOverflowError("too long")],
)
async def test_the_rules_answer_when_the_answer_cannot_be_used_and_it_is_said(
    tmp_path: Path, failure: AnswerError
) -> None:
    log = tmp_path / "events.jsonl"
    backend, rules = ScriptedBackend([failure]), Rules([PLAN])
    door = caller(tmp_path, backend, rules=rules, events=EventLog(log))
    answer = await ask(door, PLAN_QUERIES, values())
    assert answer == Answer(PLAN, "offline")
    assert "answered by rule" in log.read_text()
    (row,) = door.ledger.rows()
    assert (row.step, row.by_rule) == ("search/plan_queries", 1)
    replay = caller(tmp_path, ScriptedBackend([]), rules=Rules([]))
    assert await ask(replay, PLAN_QUERIES, values()) == answer


@pytest.mark.parametrize("failure", [ModelUnavailableError("no answer"), ModelRefusedError("wrong key")])
async def test_the_rules_do_not_hide_a_model_that_cannot_be_reached(tmp_path: Path, failure: BackendError) -> None:
    door = caller(tmp_path, ScriptedBackend([failure]), rules=Rules([]))
    with pytest.raises(type(failure)):
        await ask(door, PLAN_QUERIES, values())
    assert list(door.ledger.entries()) == []


class Slow(ScriptedBackend):
    """Answers when told to."""

    def __init__(self, replies: list[QueryPlan]) -> None:
        super().__init__(replies)
        self.go = asyncio.Event()

    async def complete(self, request: Request) -> Reply:
        reply = await super().complete(request)
        await self.go.wait()
        return reply


async def test_a_call_under_way_is_recorded_though_nobody_waits_any_more(tmp_path: Path) -> None:
    backend = Slow([PLAN])
    door = caller(tmp_path, backend)
    waiting = asyncio.create_task(ask(door, PLAN_QUERIES, values()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    backend.go.set()
    await door.close(wait=True)
    assert door.ledger.usage().calls == 1
    with pytest.raises(StoppedError, match="stopping"):
        await ask(door, PLAN_QUERIES, values("another question"))


async def test_giving_up_ends_the_calls_under_way(tmp_path: Path) -> None:
    door = caller(tmp_path, Slow([PLAN]))
    waiting = asyncio.create_task(ask(door, PLAN_QUERIES, values()))
    await asyncio.sleep(0.01)
    await door.close(wait=False)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert door.ledger.usage().calls == 0


async def test_the_budget_is_checked_before_each_call_the_repair_included(tmp_path: Path) -> None:
    meter = Meter(Budget(max_tokens=100), Usage(), 0)
    backend = ScriptedBackend(["{}", PLAN])
    door = caller(tmp_path, backend, meter=meter, rules=Rules([PLAN]))
    with pytest.raises(BudgetError, match="used up"):
        await ask(door, PLAN_QUERIES, values())
    assert len(backend.requests) == 1


class Small(ScriptedBackend):
    """A model with a small context."""

    def __init__(self, room: int, *replies: Script) -> None:
        super().__init__(list(replies))
        self._room = room

    def room(self, request: Request) -> int | None:
        return self._room


def part_values(passages: int) -> ReportPartInput:
    """A part with passages of 600 characters; every fifth is about gene expression, the part's subject."""
    words = {True: "gene expression of the tumour samples was measured ", False: "funding came from several sources "}
    made = [
        Passage(
            id=f"d:{n}", document="d", section="Methods", kind="methods", start=n * 600, end=n * 600 + 600,
            text=f"{n} {(words[n % 5 == 0] * 20)[:600]}",
        )
        for n in range(passages)
    ]  # fmt: skip
    part = OutlinedPart(title="Gene expression", purpose="measure tumour samples", sections=(1,))
    objective = Objective(id="o", text="find genes that differ in tumour samples")
    return ReportPartInput(objective=objective, paper_title="A paper", part=part, passages=tuple(made))


async def test_the_least_relevant_passages_are_left_out_whole_and_named(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    backend = Small(2500, PartDraft(steps=()))
    await ask(caller(tmp_path, backend, events=EventLog(log)), REPORT_PART, part_values(20))
    (request,) = backend.requests
    assert tokens_of_messages(request.messages) <= 2500
    kept = [int(p.id.split(":")[1]) for p in request.values.passages]  # type: ignore[attr-defined]
    assert {0, 5, 10, 15} <= set(kept)
    assert kept == sorted(kept)
    assert len(kept) < 20
    prompt = request.messages[1].content
    assert all(p.text in prompt for p in request.values.passages)  # type: ignore[attr-defined]
    (said,) = [line for line in map(json.loads, log.read_text().splitlines()) if line["kind"] == "note"]
    assert "left out" in said["message"]
    assert len(said["data"]["dropped"]["passages"]) == 20 - len(kept)


async def test_a_question_that_cannot_be_shortened_enough_is_an_overflow(tmp_path: Path) -> None:
    with pytest.raises(ContextOverflowError, match="room for 50"):
        await ask(caller(tmp_path, Small(50)), REPORT_PART, part_values(20))


async def test_a_server_that_finds_the_prompt_too_long_after_all_gets_a_shorter_one(tmp_path: Path) -> None:
    backend = ScriptedBackend([ContextOverflowError("8000 tokens are too many"), PartDraft(steps=())])
    answer = await ask(caller(tmp_path, backend), REPORT_PART, part_values(20))
    assert answer.origin == "scripted"
    first, second = backend.requests
    assert len(second.values.passages) < len(first.values.passages)  # type: ignore[attr-defined]


def test_a_ledger_of_the_first_format_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE calls (key TEXT PRIMARY KEY, prompt TEXT NOT NULL, model TEXT NOT NULL,"
            " reply TEXT NOT NULL, usage TEXT NOT NULL)"
        )
        db.execute("INSERT INTO calls VALUES ('k', 'a/b', 'offline/1', '{}', '{}')")
        db.execute("PRAGMA user_version=1")
    db.close()
    ledger = Ledger(path)
    entry = ledger.find("k")
    assert entry is not None
    assert (entry.answer().text, entry.origin) == ("{}", "offline")
    ledger.close()
    assert Ledger(path).find("k") == entry


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
    assert (await ask(door, PLAN_QUERIES, values())).value == PLAN


def test_a_ledger_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(RunFolderError, match="newer version"):
        Ledger(path)


@pytest.mark.parametrize("damage", ["no database", "overwritten pages"])
def test_a_damaged_ledger_is_moved_aside_and_the_run_goes_on(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "ledger.sqlite"
    if damage == "no database":
        path.write_bytes(b"this is no database" * 100)
    else:
        ledger = Ledger(path)
        for number in range(200):
            ledger.record(LedgerEntry(f"k{number}", "a/b", "reader", "m", "model", Reply("x" * 500)))
        ledger.close()
        whole = bytearray(path.read_bytes())
        whole[4096 : 4096 * 6] = b"\xff" * 4096 * 5
        path.write_bytes(whole)
    before = path.read_bytes()
    ledger = Ledger(path)
    assert "ledger.sqlite.damaged-1" in ledger.note
    assert path.with_name("ledger.sqlite.damaged-1").read_bytes() == before
    ledger.record(LedgerEntry("k", "a/b", "reader", "m", "model", Reply("{}")))
    assert ledger.find("k") is not None
    ledger.close()
    assert Ledger(path).note == ""


def test_a_ledger_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(WorkspaceError, match="cannot be used"):
        Ledger(tmp_path / "ledger.sqlite")


def test_usage_is_kept_by_step_role_and_model(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    spent = Usage(calls=1, input_tokens=10, cached_tokens=4, output_tokens=5, reasoning_tokens=2, cost_usd=0.5)
    ledger.record(LedgerEntry("1", "a/b", "reader", "x:m t=0", "model", Reply("{}", spent, "x:m")))
    ledger.record(LedgerEntry("2", "a/b", "reader", "x:m t=0", "model", Reply("{}", spent, "x:m"), repaired=True))
    ledger.record(LedgerEntry("3", "a/c", "coder", "y:n", "model", Reply("", spent, "y:n"), failure="RefusalError: no"))
    ledger.record(LedgerEntry("4", "a/c", "coder", "offline/1", "offline", Reply("{}")))
    first, second = ledger.rows()
    assert (first.step, first.role, first.model, first.repaired, first.by_rule) == ("a/b", "reader", "x:m", 1, 0)
    assert first.usage == spent + spent
    assert (second.model, second.by_rule) == ("y:n", 1)
    assert ledger.usage() == spent + spent + spent


def test_what_was_spent_is_still_counted_after_the_ledger_was_damaged(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "a.sqlite")
    spent = Usage(calls=2, input_tokens=10, output_tokens=5, cost_usd=0.5)
    first.record(LedgerEntry("1", "a/b", "reader", "x:m t=0", "model", Reply("{}", spent, "x:m")))
    second = Ledger(tmp_path / "b.sqlite")
    second.carry_over(first.rows())
    assert second.rows() == first.rows()
    assert second.usage() == spent
    assert second.find("1") is None
