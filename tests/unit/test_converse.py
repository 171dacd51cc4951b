"""Conversations in rounds: each action answered once, limits, crashes, replay, and messages that only grow."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conversation_support import (
    EXPLORE,
    WRITE,
    DeskTurn,
    ExploreDeskInput,
    Facts,
    Hands,
    Looks,
    WriteDeskInput,
    Written,
    desk,
    fact,
    look,
    read,
    turn,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_server import Answer as ServerAnswer
from model_server import ModelServer, no_schema_support
from scripted_backend import Script, ScriptedBackend

from bioresearcher.errors import (
    BackendError,
    BudgetError,
    ContextOverflowError,
    DefectError,
    EmptyReplyError,
    ModelUnavailableError,
    RefusalError,
    StoppedError,
    TruncatedError,
    WorkspaceError,
)
from bioresearcher.llm.ask import ModelClient, ask, preview
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.llm.budget import Budget, Meter, Prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.converse import FAILED, Place, Seen, Talk, TalkLimits, converse
from bioresearcher.llm.ledger import ReplayBackend
from bioresearcher.llm.shorten import tokens_of_messages
from bioresearcher.prompts import Prompt
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.conversation import Action, ActionTurn, LookAction
from bioresearcher.schemas.model import ModelSettings, StructuredMode

FINISH = turn(finish=True)
MANY = TalkLimits(rounds=6)
FOUR: list[Action] = [look("a"), read("b"), look("c"), fact("L1", "a is a")]


async def talk(
    caller: ModelClient, hands: Hands, limits: TalkLimits = MANY, values: ExploreDeskInput | None = None
) -> Talk:
    return await converse(caller, EXPLORE, values or ExploreDeskInput(), hands.tools, limits, name="desk")


def rendered(request: Request) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in request.messages]


def assert_messages_only_grow(requests: Sequence[Request]) -> None:
    """Each call's messages begin with all of the call before, byte for byte, and take turns."""
    for before, after in pairwise(requests):
        assert rendered(after)[: len(before.messages)] == rendered(before)
    for request in requests:
        roles = [m.role for m in request.messages]
        assert roles == ["system", "user", *["assistant", "user"] * ((len(roles) - 2) // 2)]


async def test_every_action_is_answered_once_in_order_and_the_writing_turn_goes_on(tmp_path: Path) -> None:
    backend, hands = ScriptedBackend([turn(*FOUR), FINISH, Written(text="done")]), Hands()
    caller = desk(tmp_path, backend)
    talked = await talk(caller, hands)
    assert (talked.stopped, talked.results) == ("finished", "")
    assert [one.id for one in talked.done] == ["L1", "Q1", "L2", ""]
    assert [one.action for one in talked.done] == FOUR
    second = backend.requests[1].messages[-1].content
    order = [second.index(words) for words in ("Results of round 1", "1. look L1\n", "2. read Q1\n", "3. look L2\n")]
    order += [second.index("4. fact\nkept, from"), second.index("Round 2 of 6.")]
    assert order == sorted(order)
    assert second.endswith("Round 2 of 6.")
    assert all(one.text in second for one in talked.done)
    written = await ask(caller, WRITE, WriteDeskInput(said=talked.said, results=talked.results))
    assert written.exchange[0].text == "Write 10 words."
    assert written.exchange[1].text == '{"text":"done"}'
    assert_messages_only_grow(backend.requests)
    assert [m.content for m in backend.requests[-1].messages[1:-1]] == [said.text for said in talked.said]


async def test_results_of_a_last_round_begin_the_writing_turn(tmp_path: Path) -> None:
    backend, hands = ScriptedBackend([turn(look("a"), finish=True), Written(text="")]), Hands()
    caller = desk(tmp_path, backend)
    talked = await talk(caller, hands)
    assert "1. look L1\nexit 0" in talked.results
    await ask(caller, WRITE, WriteDeskInput(said=talked.said, results=talked.results))
    assert backend.requests[1].messages[-1].content == f"{talked.results}\n\nWrite 10 words."


async def test_the_same_action_again_is_not_run(tmp_path: Path) -> None:
    again = look("a", why="for another reason")
    script = [turn(look("a"), fact("L1", "x")), turn(again, look("a", "D2/open"), fact("L1", "x")), FINISH]
    backend, hands = ScriptedBackend(script), Hands()
    talked = await talk(desk(tmp_path, backend), hands)
    assert hands.looks.ran == ["L1", "L2"]
    assert hands.facts.ran == ["x"]
    assert [one.text for one in talked.rounds[1].done if one.refused] == [
        "Not run: same as L1.",
        "Not run: same as action 2 of round 1.",
    ]


async def test_three_rounds_without_anything_new_end_it(tmp_path: Path) -> None:
    again = [turn(look("a")), turn(look("a", why="once more")), turn(look("a", why="and more"))]
    script = [turn(look("a")), turn(look("a")), turn(), turn(read("q")), *again, FINISH]
    talked = await talk(desk(tmp_path, ScriptedBackend(script)), Hands(), TalkLimits(rounds=9))
    assert (talked.stopped, len(talked.rounds)) == ("nothing new", 7)
    assert "three in a row ran nothing new" in talked.results
    assert "Round 3 had no action." in [said.text.split("\n\n")[0] for said in talked.said]


async def test_the_same_answer_twice_with_nothing_to_run_ends_it(tmp_path: Path) -> None:
    script = [turn(look("a")), turn(look("a")), turn(look("a")), FINISH]
    talked = await talk(desk(tmp_path, ScriptedBackend(script)), Hands(), TalkLimits(rounds=9))
    assert (talked.stopped, len(talked.rounds)) == ("same answer", 3)
    assert "the same answer came twice" in talked.results


@pytest.mark.parametrize("bad", ['{"do": 3}', "no JSON", TruncatedError("cut", text="{"), EmptyReplyError("nothing")])
async def test_an_answer_that_does_not_fit_is_a_round_and_two_in_a_row_end_it(tmp_path: Path, bad: Script) -> None:
    twice = [bad, bad] if isinstance(bad, str) else [bad]  # with ask's one repair turn
    script = [*twice, turn(look("a")), *twice, *twice, FINISH]
    backend, hands = ScriptedBackend(script), Hands()
    rules = ScriptedBackend([FINISH])
    caller = desk(tmp_path, backend, rules=rules)
    talked = await talk(caller, hands)
    assert rules.requests == []
    assert talked.stopped == "no usable answer"
    assert [bool(one.problem) for one in talked.rounds] == [True, False, True, True]
    assert talked.rounds[0].problem in backend.requests[len(twice)].messages[-1].content
    assert "two answers in a row could not be used" in talked.results
    assert_messages_only_grow([r for r in backend.requests if "does not fit:" not in r.messages[-1].content])
    assert all(said.text for said in talked.said)
    again = await talk(desk(tmp_path, ScriptedBackend([])), Hands())
    assert again == talked


async def test_a_model_that_declines_or_is_not_there(tmp_path: Path) -> None:
    talked = await talk(desk(tmp_path / "a", ScriptedBackend([RefusalError("no"), FINISH])), Hands())
    assert [one.problem for one in talked.rounds] == ["The last answer could not be used.", ""]
    with pytest.raises(ModelUnavailableError):
        await talk(desk(tmp_path / "b", ScriptedBackend([ModelUnavailableError("gone")])), Hands())


async def test_limits_of_rounds_actions_and_kinds(tmp_path: Path) -> None:
    script = [turn(*[look(f"{n}{m}") for m in range(4)]) for n in range(3)]
    limits = TalkLimits(rounds=2, actions=3, per_kind={"look": 4})
    backend, hands = ScriptedBackend(script), Hands()
    talked = await talk(desk(tmp_path, backend), hands, limits)
    assert (talked.stopped, len(backend.requests)) == ("rounds", 2)
    assert hands.looks.ran == ["L1", "L2", "L3", "L4"]
    assert [one.refused for one in talked.done if one.refused] == [
        "3 actions are carried out in a round",
        "no more than 4 actions `look` are carried out in all",
        "no more than 4 actions `look` are carried out in all",
        "3 actions are carried out in a round",
    ]
    assert "4. look\nNot run: 3 actions are carried out in a round." in backend.requests[1].messages[-1].content


async def test_an_action_without_a_tool_is_refused_in_words(tmp_path: Path) -> None:
    backend = ScriptedBackend([turn(read("q"), look("a")), FINISH])
    tools = {"look": Looks(prefix="V")}
    talked = await converse(desk(tmp_path, backend), EXPLORE, ExploreDeskInput(), tools, MANY, name="desk")
    assert talked.done[0].text == "Not run: there is no action `read` here; there is `look`."
    assert talked.done[1].id == "V1"


@pytest.mark.parametrize(("spare", "rounds"), [(20, 2), (-20, 1)])
async def test_looking_stops_before_the_round_that_would_send_too_much(tmp_path: Path, spare: int, rounds: int) -> None:
    def script() -> ScriptedBackend:
        return ScriptedBackend([turn(look("a")), turn(look("b")), turn(look("c"))])

    caller = desk(tmp_path / "measured", script())
    talked = await talk(caller, Hands(), TalkLimits(rounds=2))
    first = ExploreDeskInput(rounds=3)
    second = ExploreDeskInput(said=talked.said[:2], results=shown_between(talked), round=2, rounds=3)
    sent = sum(preview(caller, EXPLORE, values).tokens for values in (first, second))
    limited = await talk(desk(tmp_path / "limited", script()), Hands(), TalkLimits(rounds=3, sent_tokens=sent + spare))
    assert (limited.stopped, len(limited.rounds)) == ("tokens", rounds)
    assert f"look L{rounds}" in limited.results
    assert limited.results.endswith("as one more would be too long.")
    none = await talk(desk(tmp_path / "none", script()), Hands(), TalkLimits(rounds=3, sent_tokens=1))
    assert (none.said, none.rounds, none.stopped) == ((), (), "tokens")


def shown_between(talked: Talk) -> str:
    return talked.said[2].text.removesuffix("\n\nWhat is to be looked at? Round 2 of 2.")


class Small(ScriptedBackend):
    """A model with a small context."""

    tokens = 2_000

    def room(self, request: Request) -> int | None:
        return self.tokens


async def test_the_opening_takes_a_part_of_a_small_context_and_no_round_is_dropped(tmp_path: Path) -> None:
    papers = tuple(f"{n} {'about the desk ' * 20}" for n in range(40))
    backend = Small([turn(look("x" * 200 + str(n))) for n in range(6)])
    values = ExploreDeskInput(papers=papers)
    talked = await talk(desk(tmp_path, backend), Hands(), values=values)
    assert tokens_of_messages(backend.requests[0].messages) <= 800
    assert "Paper: " in backend.requests[0].messages[1].content
    assert talked.stopped == "context"
    assert 1 < len(talked.rounds) < 6
    assert_messages_only_grow(backend.requests)
    assert tokens_of_messages(backend.requests[-1].messages) <= 1_400
    again = await talk(desk(tmp_path, Small([])), Hands(), values=values)
    assert again == talked


async def test_a_server_that_finds_a_conversation_too_long_gets_no_shorter_one(tmp_path: Path) -> None:
    values = ExploreDeskInput(papers=("one", "two"))
    backend = ScriptedBackend([turn(look("a")), ContextOverflowError("too long")])
    talked = await talk(desk(tmp_path, backend), Hands(), values=values)
    assert (talked.stopped, len(talked.rounds), len(talked.said)) == ("context", 1, 2)
    assert "look L1" in talked.results
    with pytest.raises(ContextOverflowError):
        await ask(desk(tmp_path / "b", ScriptedBackend([ContextOverflowError("too long")])), EXPLORE, values)


async def test_a_budget_used_up_between_call_and_tool_stops_the_run_and_nothing_is_lost(tmp_path: Path) -> None:
    script: list[Script] = [turn(look("a"), look("b")), FINISH]
    whole = await talk(desk(tmp_path / "whole", ScriptedBackend(script)), Hands())
    hands, backend = Hands(), ScriptedBackend(script)
    with pytest.raises(BudgetError, match="used up"):
        await talk(desk(tmp_path, backend, meter=Meter(Budget(max_tokens=120), Usage(), 0)), hands)
    assert (len(backend.requests), hands.ran) == (1, 0)
    resumed = desk(tmp_path, backend, meter=Meter(Budget(max_tokens=1_000), Usage(), 0))
    assert await talk(resumed, hands) == whole
    assert len(backend.requests) == 2
    assert hands.looks.ran == ["L1", "L2"]


async def test_a_run_that_is_stopping_runs_no_tool(tmp_path: Path) -> None:
    hands = Hands()
    caller = desk(tmp_path, ScriptedBackend([turn(look("a"), look("b"))]))

    class Stops(Looks):
        async def run(self, action: LookAction, place: Place) -> Seen:
            await caller.close(wait=True)
            return await super().run(action, place)

    hands.looks = Stops()
    with pytest.raises(StoppedError, match="stopping"):
        await talk(caller, hands)
    assert [entry.result for entry in caller.ledger.tool_entries()] == ["exit 0\n<<<untrusted output\na as L1\n>>>"]


class Crash(Exception):
    """Stands for a process that is killed."""


class Killable(ScriptedBackend):
    """Answers by the number of the assistant's messages; dies at calls as told."""

    def __init__(self, script: Sequence[Script], kills: list[str]) -> None:
        super().__init__([])
        self.script = list(script)
        self.kills = kills

    async def complete(self, request: Request) -> Reply:
        if self.kills and self.kills[0] == "call":
            self.kills.pop(0)
            raise Crash
        repair = "does not fit:" in request.messages[-1].content
        place = sum(m.role == "assistant" for m in request.messages) - repair
        self._queue = [self.script[place] if place < len(self.script) else FINISH]
        return await super().complete(request)


class KillableLooks(Looks):
    kills: list[str]

    async def run(self, action: LookAction, place: Place) -> Seen:
        if self.kills and self.kills[0] == "run":
            self.kills.pop(0)
            raise Crash
        return await super().run(action, place)


def killed_at_record(caller: ModelClient, kills: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger die before (`record`) or after (`show`) a result is durable."""
    record = caller.ledger.record_tool

    def dying(entry: Any) -> Any:
        if kills and kills[0] == "record":
            kills.pop(0)
            raise WorkspaceError("the disk is full")
        stored = record(entry)
        if kills and kills[0] == "show":
            kills.pop(0)
            raise Crash
        return stored

    monkeypatch.setattr(caller.ledger, "record_tool", dying)


async def resumed_until_done(
    folder: Path, script: Sequence[Script], kills: list[str], limits: TalkLimits
) -> tuple[Talk, list[Request], int]:
    """Run in a new process after every kill; returns the talk, all requests, and how many tools ran."""
    requests: list[Request] = []
    ran, talked = 0, None
    while talked is None:
        backend, looks = Killable(script, kills), KillableLooks()
        looks.kills = kills
        hands = Hands(looks=looks)
        with pytest.MonkeyPatch.context() as monkeypatch:
            caller = desk(folder, backend)
            killed_at_record(caller, kills, monkeypatch)
            with contextlib.suppress(Crash, WorkspaceError):
                talked = await talk(caller, hands, limits)
        requests += backend.requests
        ran += hands.ran
        caller.ledger.close()
    return talked, requests, ran


@pytest.mark.parametrize("kills", [["call"], ["run"], ["record"], ["show"], ["show", "call", "record", "run", "show"]])
async def test_after_a_crash_the_same_conversation_goes_on(tmp_path: Path, kills: list[str]) -> None:
    script = [turn(*FOUR), turn(look("d"), fact("L3", "d is d")), FINISH]
    whole, asked, _ = await resumed_until_done(tmp_path / "whole", script, [], MANY)
    lost = sum(kill in {"record"} for kill in kills)
    talked, again, ran = await resumed_until_done(tmp_path / "killed", script, list(kills), MANY)
    assert talked.said == whole.said
    assert [(one.id, one.action, one.text) for one in talked.done] == [(o.id, o.action, o.text) for o in whole.done]
    assert [rendered(request) for request in again] == [rendered(request) for request in asked]
    assert ran == 6 + lost


ACTIONS = st.one_of(
    st.builds(look, st.sampled_from(["a", "b", "c\u2028d", "λ\x00"]), st.sampled_from(["D1/open", "D2/open"])),
    st.builds(read, st.text(max_size=3)),
    st.builds(fact, st.sampled_from(["L1", "L2", "L9"]), st.sampled_from(["1", "2"])),
)
ROUNDS: st.SearchStrategy[Script] = st.one_of(
    st.builds(lambda do, finish: turn(*do, finish=finish), st.lists(ACTIONS, max_size=4), st.just(value=False)),
    st.sampled_from(["{}", "not JSON", '{"do": [], "finish": 3}', ""]),
)
KILLS = st.lists(st.sampled_from(["call", "run", "record", "show"]), max_size=5)
LIMITS = st.builds(
    TalkLimits,
    rounds=st.integers(1, 6),
    actions=st.integers(1, 4),
    per_kind=st.fixed_dictionaries({}, optional={"look": st.integers(0, 3), "read": st.integers(0, 2)}),
    sent_tokens=st.integers(0, 8_000),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(script=st.lists(ROUNDS, max_size=6), kills=KILLS, limits=LIMITS)
async def test_any_conversation_survives_kills_and_is_replayed_without_sending_or_running(
    script: list[Script], kills: list[str], limits: TalkLimits
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        whole, _, ran_at_once = await resumed_until_done(folder / "whole", script, [], limits)
        talked, requests, ran = await resumed_until_done(folder / "killed", script, list(kills), limits)
        assert talked.said == whole.said
        assert talked.results == whole.results
        assert talked.stopped == whole.stopped
        assert ran_at_once <= ran <= ran_at_once + kills.count("record")
        first = [r for r in requests if "does not fit:" not in r.messages[-1].content]
        assert_messages_only_grow(first)
        assert len(talked.rounds) <= limits.rounds
        assert len(talked.said) == 2 * len(talked.rounds)
        hands, silent = Hands(), ScriptedBackend([])
        caller = desk(folder / "killed", ReplayBackend(silent, lambda: "nothing differs"))
        assert await talk(caller, hands, limits) == talked
        assert (silent.requests, hands.ran) == ([], 0)
        recorded = list(caller.ledger.tool_entries())
        assert len(recorded) == ran_at_once == sum(not one.refused for one in talked.done)
        assert all(one.text for one in talked.done)
        caller.ledger.close()


async def test_a_replay_ends_at_a_result_that_was_not_recorded(tmp_path: Path) -> None:
    backend = ScriptedBackend([turn(look("a"), look("b"))])
    caller = desk(tmp_path, backend)
    with pytest.raises(DefectError):
        await talk(caller, Hands())  # ends for want of a second answer
    caller.ledger._db.execute("DELETE FROM tools WHERE place = 2")
    hands = Hands()
    replay = desk(tmp_path, ReplayBackend(backend, lambda: "The versions differ."))
    with pytest.raises(BackendError) as caught:
        await talk(replay, hands)
    assert caught.value.message == ("desk: the replayed run has no recorded result of action 2 (`look`) in round 1.")
    assert caught.value.hint == "The versions differ."
    assert hands.ran == 0


async def test_a_result_that_depends_on_what_was_done_before_is_not_taken_from_another_course(tmp_path: Path) -> None:
    class Counts(Facts):
        async def run(self, action: Any, place: Place) -> Seen:
            self.ran.append(action.statement)
            return Seen(f"after {len(place.before)} actions")

    courses: list[list[Action]] = [[look("a"), fact("L1", "x")], [look("b"), read("q"), fact("L1", "x")]]
    for task, course in zip(("1", "2"), courses, strict=True):
        caller = desk(tmp_path, ScriptedBackend([turn(*course), FINISH]))
        talked = await talk(caller, Hands(facts=Counts()), values=ExploreDeskInput(task=task))
        assert talked.done[-1].text == f"after {len(course) - 1} actions"


async def test_two_conversations_do_not_share_results(tmp_path: Path) -> None:
    for name in ("designer", "reviewer"):
        hands = Hands()
        caller = desk(tmp_path, ScriptedBackend([turn(look("a")), FINISH]))
        values = ExploreDeskInput(task=name)
        await converse(caller, EXPLORE, values, hands.tools, MANY, name=name)
        assert hands.ran == 1


async def test_what_tools_return_is_cleaned_and_never_empty(tmp_path: Path) -> None:
    class Raw(Looks):
        async def run(self, action: LookAction, place: Place) -> Seen:
            pair: Any = (1, 2)
            return Seen(action.code, {"pair": pair})

    backend = ScriptedBackend([turn(look("a\u202eb\ud800"[:3]), look(" \u200b")), FINISH])
    caller = desk(tmp_path, backend)
    talked = await talk(caller, Hands(looks=Raw()))
    assert [one.text for one in talked.done] == ["ab", "Nothing was shown."]
    assert talked.done[0].meta == {"pair": [1, 2]}
    assert [entry.result for entry in caller.ledger.tool_entries()] == ["ab", "Nothing was shown."]


async def test_values_must_have_the_number_of_the_round(tmp_path: Path) -> None:
    class NoRound(DeskTurn):
        """No number."""

    prompt = Prompt("designer/explore_desk", NoRound, ActionTurn, "designer/opening")
    with pytest.raises(DefectError, match="number of the round"):
        await converse(desk(tmp_path, ScriptedBackend([])), prompt, NoRound(), {}, MANY, name="desk")


@pytest.mark.parametrize("structured", ["schema", "text", "auto"])
async def test_a_real_server_sees_messages_that_only_grow(tmp_path: Path, structured: StructuredMode) -> None:
    answers = iter([turn(look("a"), read("b")), turn(look("a")), FINISH, Written(text="all")])

    def answer(_: object) -> ServerAnswer:
        return ServerAnswer(text=next(answers).model_dump_json())

    with ModelServer(answer=no_schema_support(answer) if structured == "auto" else answer) as server:
        model = ModelSettings(
            provider="compatible",
            model="m",
            base_url=server.url,
            structured=structured,
        )
        backend = ChatBackend({"designer": model}, Prices({}, {}), environ={})
        caller = desk(tmp_path, backend)
        try:
            hands = Hands()
            talked = await talk(caller, hands)
            written = await ask(caller, WRITE, WriteDeskInput(said=talked.said, results=talked.results))
        finally:
            await backend.aclose()
        sent = [
            call.body["messages"]
            for call in server.calls
            if call.body.get("response_format") is None or structured == "schema"
        ]
    assert written.value.text == "all"
    assert hands.ran == 2
    assert len(sent) == 4
    words = "\n\nAnswer with one JSON object"
    for before, after in pairwise(sent):
        *earlier, last = before
        assert after[: len(earlier)] == earlier
        assert last["content"].split(words)[0] == after[len(earlier)]["content"]
    for messages in sent:
        assert [words in m["content"] for m in messages] == [False] * (len(messages) - 1) + [structured != "schema"]


class Failing(Looks):
    """Fails at the first two looks, as a look does that cannot be carried out."""

    async def run(self, action: LookAction, place: Place) -> Seen:
        seen = await super().run(action, place)
        return Seen("exit 1 (failed)", {FAILED: True}) if len(self.ran) <= 2 else seen


async def test_what_failed_does_not_count_and_may_be_tried_again(tmp_path: Path) -> None:
    script = [turn(look("a")), turn(look("a")), turn(look("a")), turn(look("a"), look("b")), FINISH]
    looks = Failing()
    limits = TalkLimits(rounds=6, per_kind={"look": 1})
    backend = ScriptedBackend(script)
    tools = {"look": looks}
    talked = await converse(desk(tmp_path, backend), EXPLORE, ExploreDeskInput(), tools, limits, name="desk")
    assert looks.ran == ["L1", "L2", "L3"]
    assert [one.text.splitlines()[0] for one in talked.done] == [
        "exit 1 (failed)",
        "exit 1 (failed)",
        "exit 0",
        "Not run: same as L3.",
        "Not run: no more than 1 actions `look` are carried out in all.",
    ]
    said = [request.messages[-1].content for request in backend.requests[1:]]
    assert "Left: 5 rounds, 1 `look`; about 5" in said[0]
    assert "Left: 3 rounds, 0 `look`; about 5" in said[2]
    again = Failing()
    replayed = await converse(
        desk(tmp_path, ScriptedBackend([])), EXPLORE, ExploreDeskInput(), {"look": again}, limits, name="desk"
    )
    assert (replayed, again.ran) == (talked, []), "each try is recorded by itself"
