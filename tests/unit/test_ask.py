"""`ask`: replay, repair, and one call for identical questions."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from conversation_support import WRITE, WriteDeskInput, Written, desk
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
from bioresearcher.llm.ledger import LEDGER_FORMAT, Ledger, LedgerEntry, ToolEntry, usage_rows
from bioresearcher.llm.shorten import tokens_of, tokens_of_messages
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.schemas.ask_literature import OutlinedPart, PartDraft, PlanQueriesInput, ReportPartInput
from bioresearcher.schemas.base import Objective, Usage
from bioresearcher.schemas.conversation import Said
from bioresearcher.schemas.paper import Passage, QueryPlan, SearchQuery
from bioresearcher.stages.prompts import PLAN_QUERIES, REPORT_PART

LAST_VERSION = Path(__file__).resolve().parents[1] / "fixtures" / "last_version" / "lab.tar.xz"
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


def test_a_ledger_of_the_second_format_goes_on_and_keeps_results_of_tools(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.record(LedgerEntry("k", "a/b", "reader", "m", "model", Reply("{}")))
    ledger.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TABLE tools")
        db.execute("PRAGMA user_version=2")
    rows = usage_rows(path)
    later = Ledger(path)
    assert later.find("k") is not None
    assert list(later.tool_entries()) == []
    made = ToolEntry("t", "designer", 1, 2, "look", '{"code":"λ"}', "exit 0\n\u03bb", {"exit": 0, "seen": [1, None]})
    assert later.record_tool(made) == made
    later.close()
    again = Ledger(path)
    assert again.find_tool("designer", "look", "t") == made
    assert list(again.tool_entries()) == [made]
    assert usage_rows(path) == rows
    assert again.note == ""


def test_the_first_result_of_a_tool_is_kept_by_conversation_tool_and_key(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    first = ToolEntry("t", "designer", 1, 1, "look", "{}", "3", {})
    others = [
        replace(first, conversation="reviewer", result="4"),
        replace(first, tool="read", result="5"),
        replace(first, key="u", result="6"),
    ]
    for entry in (first, *others):
        assert ledger.record_tool(entry) == entry
    assert ledger.record_tool(replace(first, round=2, result="9")) == first
    assert list(ledger.tool_entries()) == [first, *others]
    assert ledger.find_tool("reviewer", "look", "u") is None


def test_results_of_tools_are_durable_before_the_ledger_is_closed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    entry = ToolEntry("t", "designer", 1, 1, "look", "{}", "3", {})
    ledger.record_tool(entry)
    shutil.copytree(tmp_path, tmp_path.parent / "left")  # as it lies there when the process is killed
    assert Ledger(tmp_path.parent / "left" / "ledger.sqlite").find_tool("designer", "look", "t") == entry
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (LEDGER_FORMAT,)


def test_a_result_that_cannot_be_stored_is_said(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.close()
    with pytest.raises(WorkspaceError, match="cannot write"):
        ledger.record_tool(ToolEntry("t", "designer", 1, 1, "look", "{}", "3", {}))


def test_ledgers_of_the_last_version_are_opened_with_all_their_calls(tmp_path: Path) -> None:
    with tarfile.open(LAST_VERSION) as archive:
        archive.extractall(tmp_path, filter="data")
    ledgers = sorted(tmp_path.rglob("ledger.sqlite"))
    assert ledgers
    for path in ledgers:
        with closing(sqlite3.connect(path)) as db:
            (calls,) = db.execute("SELECT count(*) FROM calls").fetchone()
        rows = usage_rows(path)
        assert rows is not None
        ledger = Ledger(path)
        assert ledger.note == ""
        assert len(list(ledger.entries())) == calls > 0
        assert ledger.rows() == rows
        assert list(ledger.tool_entries()) == []
        ledger.close()


async def test_too_few_and_left_over_replies_both_fail(tmp_path: Path) -> None:
    with pytest.raises(DefectError, match="no scripted reply is left"):
        await ask(caller(tmp_path, ScriptedBackend([])), PLAN_QUERIES, values())
    with pytest.raises(DefectError, match="1 scripted"):
        ScriptedBackend([PLAN]).assert_used_up()


async def test_a_turn_is_answered_with_the_two_messages_that_were_exchanged(tmp_path: Path) -> None:
    bad = '{"text": 3}'
    answered = '{ "text" : "all\u2028\\u0041" }'
    door = desk(tmp_path, ScriptedBackend([bad, answered]))
    answer = await ask(door, WRITE, WriteDeskInput(results="L1 showed 3."))
    user, assistant = answer.exchange
    assert user == Said(role="user", text="Task: find what is on the desk\n\nL1 showed 3.\n\nWrite 10 words.")
    assert assistant == Said(role="assistant", text='{"text":"all\nA"}')
    assert await ask(desk(tmp_path, ScriptedBackend([])), WRITE, WriteDeskInput(results="L1 showed 3.")) == answer
    assert (await ask(caller(tmp_path, ScriptedBackend([PLAN])), PLAN_QUERIES, values())).exchange == ()


async def test_the_rules_answer_a_turn_as_a_whole(tmp_path: Path) -> None:
    door = desk(tmp_path, ScriptedBackend([RefusalError("no")]), rules=Rules([Written(text="by rule")]))
    answer = await ask(door, WRITE, WriteDeskInput())
    assert (answer.origin, answer.exchange[1].text) == ("offline", '{"text":"by rule"}')


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("abcdefgh", 3),  # 8 bytes by 3.2
        ("ééé", 2),  # 6 bytes
        ("0123456789", 8),
        ("1,5;2|3.7\t", 8),
        ("gene TP53 1.25", 8),  # 8 bytes of letters and blanks, 6 of digits and a point
        ("\ud800", 1),
    ],
)
def test_tokens_are_estimated_from_the_kind_of_bytes(text: str, tokens: int) -> None:
    assert tokens_of(text) == tokens


def test_a_table_of_numbers_is_not_taken_for_prose(shared_data: Path) -> None:
    """Numbers have 1.3 to 1.8 bytes a token with current tokenizers, prose and code 3.7 to 4.5."""
    matrix = "\n".join("\t".join(f"{(n * m) % 17 / 3:.4f}" for m in range(20)) for n in range(50))
    assert 1.2 < len(matrix) / tokens_of(matrix) < 1.8
    prose = next((shared_data / "fulltext").rglob("*.txt"), None) or Path(__file__)
    text = prose.read_text(encoding="utf-8", errors="replace")[:20_000]
    assert 2.2 < len(text.encode()) / tokens_of(text) <= 3.2


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


class _Roomy(ScriptedBackend):
    """A backend whose longest answer follows the request's, within a context."""

    context: int | None = None

    def identity(self, request: Request) -> str:
        return f"roomy {request.max_output_tokens}"

    def room(self, request: Request) -> int | None:
        return None if self.context is None else self.context - request.max_output_tokens


@pytest.mark.parametrize(("context", "calls"), [(None, 2), (100_000, 2), (4_200, 1)])
async def test_a_cut_answer_is_asked_for_again_with_twice_the_room_where_there_is_any(
    tmp_path: Path, context: int | None, calls: int
) -> None:
    cut = TruncatedError("cut", usage=Usage(calls=1, output_tokens=4096), text="{")
    backend = _Roomy([cut, PLAN])
    backend.context = context
    door = caller(tmp_path, backend)
    if calls == 2:
        assert (await ask(door, PLAN_QUERIES, values())).value == PLAN
        assert door.ledger.usage().output_tokens == 4096 + 20
    else:
        with pytest.raises(TruncatedError):
            await ask(door, PLAN_QUERIES, values())
    limits = [r.max_output_tokens for r in backend.requests]
    assert limits == [limits[0] * 2**n for n in range(calls)]
