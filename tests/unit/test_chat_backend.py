"""The chat backend against a real HTTP server, through the real clients."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import chat_support as chat
import model_server as server
import pytest

from bioresearcher.errors import (
    BudgetError,
    ContextOverflowError,
    EmptyReplyError,
    InputError,
    ModelRefusedError,
    ModelUnavailableError,
    RefusalError,
    TruncatedError,
)
from bioresearcher.llm.backend import request_key
from bioresearcher.llm.budget import Price, Prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.schemas.ask_literature import DatasetAnswers
from bioresearcher.schemas.ask_program import TasksDraft

GOOD = json.dumps(chat.GOOD)
KEY = "sk-very-secret-0123456789"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_with_the_schema_enforced_and_its_usage(stream: bool) -> None:
    used = server.Tokens(prompt=120, completion=30, cached=100, reasoning=7)
    said: list[str] = []
    with server.ModelServer(answer=lambda _: server.Answer(text=GOOD, usage=used)) as api:
        async with chat.backend(api.url, said, stream=stream, temperature=0.3, seed=11, max_output=700) as backend:
            reply = await backend.complete(chat.request())
    assert json.loads(reply.text) == chat.GOOD
    assert reply.model == "compatible:test-model"
    assert reply.usage.model_dump() == {
        "calls": 1, "input_tokens": 120, "cached_tokens": 100, "output_tokens": 30, "reasoning_tokens": 7,
        "cost_usd": None,
    }  # fmt: skip
    (call,) = api.calls
    assert call.body["response_format"]["json_schema"]["strict"] is True
    assert (call.body["temperature"], call.body["seed"], call.body["max_tokens"]) == (0.3, 11, 700)
    assert bool(call.body.get("stream")) is stream
    assert [m["role"] for m in call.body["messages"]] == ["system", "user"]
    assert said == []


async def test_the_cost_is_by_the_users_price() -> None:
    prices = Prices({}, {"compatible:test-model": Price(input=1.0, cached_input=0.5, output=2.0)})
    answer = server.Answer(text=GOOD, usage=server.Tokens(prompt=1000, completion=500, cached=400))
    with server.ModelServer(answer=lambda _: answer) as api:
        async with chat.backend(api.url, prices=prices) as backend:
            reply = await backend.complete(chat.request())
    assert reply.usage.cost_usd == pytest.approx((600 + 400 * 0.5 + 500 * 2) / 1e6)


def knows(*ways: str) -> Any:
    """A server that takes only these ways of asking."""

    def answer(seen: Any) -> Any:
        if "response_format" in seen.body and "schema" not in ways:
            return server.error(400, "response_format: json_schema is not supported by this server")
        return server.valid_answer(seen.body)

    return answer


@pytest.mark.parametrize(("ways", "first"), [(("schema",), 1), ((), 2)])
async def test_the_way_a_server_knows_is_found_and_kept(ways: tuple[str, ...], first: int) -> None:
    said: list[str] = []
    with server.ModelServer(answer=knows(*ways)) as api:
        async with chat.backend(api.url, said) as backend:
            replies = [await backend.complete(chat.request(f"Data set {n}")) for n in range(3)]
            assert len(api.calls) == first + 2
            await backend.complete(chat.request(output=TasksDraft))  # another form: the same way at once
            assert len(api.calls) == first + 3
    assert all(DatasetAnswers.model_validate_json(reply.text) for reply in replies)
    assert len(said) == first - 1


async def test_a_server_that_passes_over_what_it_does_not_know_is_asked_in_words() -> None:
    """It takes any field, and answers something else until it sees the schema."""

    def answer(seen: Any) -> Any:
        return GOOD if '"right_condition":{' in seen.text else '{"answer": "It seems fine."}'

    with server.ModelServer(answer=answer) as api:
        async with chat.backend(api.url) as backend:
            reply = await backend.complete(chat.request())
            assert (reply.usage.calls, len(api.calls)) == (2, 2)
            await backend.complete(chat.request("another"))
            assert len(api.calls) == 3
    assert json.loads(reply.text) == chat.GOOD


async def test_once_a_way_has_worked_a_wrong_answer_is_left_to_the_repair_turn() -> None:
    answers = iter([GOOD, '{"right_condition": "perhaps"}', ""])
    with server.ModelServer(answer=lambda _: next(answers)) as api:
        async with chat.backend(api.url) as backend:
            await backend.complete(chat.request())
            assert (await backend.complete(chat.request())).text == '{"right_condition": "perhaps"}'
            with pytest.raises(EmptyReplyError):
                await backend.complete(chat.request())
    assert len(api.calls) == 3


async def test_a_way_that_is_set_is_not_left() -> None:
    with server.ModelServer(answer=knows()) as api:
        async with chat.backend(api.url, structured="schema") as backend:
            with pytest.raises(ModelRefusedError, match="json_schema is not supported") as caught:
                await backend.complete(chat.request())
        async with chat.backend(api.url, structured="text") as backend:
            await backend.complete(chat.request())
    assert "auto" in caught.value.hint
    assert len(api.calls) == 2


async def test_the_name_of_the_longest_answer_that_a_server_knows_is_found() -> None:
    def answer(seen: Any) -> Any:
        if "max_tokens" in seen.body:
            return server.error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return GOOD

    with server.ModelServer(answer=answer) as api:
        async with chat.backend(api.url) as backend:
            await backend.complete(chat.request())
            await backend.complete(chat.request())
    assert [call.body.get("max_completion_tokens") for call in api.calls] == [None, 500, 500]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (server.truncated(GOOD), TruncatedError, "max_output"),
        (server.refused("I will not."), RefusalError, "I will not."),
        (server.Answer(text="", finish_reason="content_filter"), RefusalError, "filter"),
        (server.empty(), EmptyReplyError, "nothing"),
        (server.Answer(text="<think>" + "hm " * 9, finish_reason="stop"), EmptyReplyError, "reasoning"),
        (server.context_exceeded(), ContextOverflowError, "8192"),
        (server.error(400, "Filtered by our content management policy", "content_filter"), RefusalError, "Filtered"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_error_of_its_own(
    stream: bool, answer: Any, error: Any, words: str
) -> None:
    with server.ModelServer(answer=lambda _: answer) as api:
        async with chat.backend(api.url, stream=stream) as backend:
            with pytest.raises(error) as caught:
                await backend.complete(chat.request())
    assert type(caught.value) is error
    assert words in str(caught.value)
    calls = len(api.calls) if answer.status == 200 else 0
    assert (caught.value.usage.calls if caught.value.usage else 0) == calls


async def test_reasoning_and_fences_are_taken_off() -> None:
    answers = iter([server.think(GOOD), server.fenced(GOOD), server.Answer(text=GOOD, reasoning="hm {")])
    with server.ModelServer(answer=lambda _: next(answers)) as api:
        async with chat.backend(api.url) as backend:
            for _ in range(3):
                assert (await backend.complete(chat.request())).text == GOOD
    assert not api.failures


async def test_a_server_that_cuts_prompts_without_a_word_is_found_out() -> None:
    prompt = "The cohort has 120 samples of well differentiated liposarcoma. " * 400
    with server.ModelServer(context=1024, pose="ollama", answer=lambda _: GOOD) as api:
        async with chat.backend(api.url) as backend:
            with pytest.raises(ContextOverflowError, match="1024"):
                await backend.complete(chat.request(prompt))


async def test_tokens_that_are_not_told_are_estimated_and_said_once() -> None:
    said: list[str] = []
    with server.ModelServer(answer=lambda _: server.Answer(text=GOOD, no_usage=True)) as api:
        async with chat.backend(api.url, said) as backend:
            replies = [await backend.complete(chat.request("word " * 640)) for _ in range(2)]
    assert 900 < replies[0].usage.input_tokens < 1200
    assert len(said) == 1
    assert "estimated" in said[0]


@pytest.mark.parametrize(
    ("answer", "changes", "error", "words", "hint"),
    [
        (server.error(401, f"Incorrect API key provided: {KEY}."), {}, ModelRefusedError, "refuses access", "LAB_KEY"),
        (server.error(403, "No rights"), {}, ModelRefusedError, "refuses access", "LAB_KEY"),
        (server.unknown_model(), {}, ModelRefusedError, "has no model test-model", "name"),
        (server.error(404, "Not Found"), {}, ModelRefusedError, "does not answer like", "/v1"),
        (server.error(400, f"strange\nthing for {KEY}"), {}, ModelRefusedError, "strange thing", ""),
        (
            server.error(400, "Unsupported value: 'temperature' does not support 0.5 with this model."),
            {"temperature": 0.5}, ModelRefusedError, "temperature", "Remove `temperature`",
        ),
        (server.error(400, "Unrecognized argument: seed"), {"seed": 1}, ModelRefusedError, "seed", "Remove `seed`"),
        (server.error(400, "max_tokens is too large: 99999"), {}, ModelRefusedError, "too large", "Lower `max_output`"),
        (server.error(429, "No money", "insufficient_quota"), {}, ModelRefusedError, "No money", "credit"),
        (server.Answer(raw=b'{"choices": null}'), {}, ModelRefusedError, "choices", "base_url"),
        (server.Answer(raw=b'{"error": {"code": 401}}'), {}, ModelRefusedError, "refuses access", "LAB_KEY"),
        (server.Answer(raw=b"<p>", headers={"Content-Type": "text/html"}), {}, ModelRefusedError, "Unexpected", "/v1"),
    ],
)  # fmt: skip
async def test_what_is_refused_is_asked_once_and_said_in_one_line_without_the_key(
    answer: Any, changes: dict[str, Any], error: Any, words: str, hint: str
) -> None:
    said: list[str] = []
    with server.ModelServer(answer=lambda _: answer) as api:
        async with chat.backend(api.url, said, {"LAB_KEY": KEY}, api_key_env="LAB_KEY", **changes) as backend:
            with pytest.raises(error, match=words) as caught:
                await backend.complete(chat.request())
            assert KEY not in repr({name: value for name, value in vars(backend).items() if name != "_environ"})
    assert api.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert len(api.calls) == 1
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert KEY not in f"{caught.value} {caught.value!r} {said} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("stream", [False, True])
async def test_trouble_that_passes_is_waited_for(stream: bool) -> None:
    said: list[str] = []
    busy = replace(server.error(503), headers={"Retry-After": "0.01"})
    answers = iter([server.dropped(GOOD), server.rate_limited(0.01), busy, server.Answer(text=GOOD)])
    with server.ModelServer(answer=lambda _: next(answers)) as api:
        async with chat.backend(api.url, said, stream=stream) as backend:
            assert (await backend.complete(chat.request())).text == GOOD
    assert len(api.calls) == 4
    assert len([s for s in said if "waiting" in s]) == 3


async def test_a_server_that_stays_away_is_unavailable_and_worth_another_try() -> None:
    async with chat.backend("http://127.0.0.1:9/v1", timeout_s=1.0) as backend:
        with pytest.raises(ModelUnavailableError, match=r"http://127\.0\.0\.1:9/v1") as caught:
            await backend.complete(chat.request())
    assert caught.value.retryable
    assert "running" in caught.value.hint


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_is_too_slow_is_given_up(stream: bool) -> None:
    with server.ModelServer(answer=lambda _: server.Answer(text=GOOD, delay_s=30)) as api:
        async with chat.backend(api.url, stream=stream, timeout_s=0.1) as backend:
            with pytest.raises(ModelUnavailableError, match="within") as caught:
                await backend.complete(chat.request())
    assert "timeout_s" in caught.value.hint


async def test_roles_at_one_endpoint_share_its_limiter() -> None:
    with server.ModelServer(latency_s=0.05, answer=lambda _: GOOD) as api:
        reader, coder = chat.settings(api.url, concurrency=2), chat.settings(api.url, model="other", concurrency=3)
        backend = ChatBackend({"reader": reader, "coder": coder}, chat.NO_PRICES, environ={})
        questions = [chat.request(f"{n}", model_role=role) for n in range(5) for role in ("reader", "coder")]
        await asyncio.gather(*map(backend.complete, questions))
        await backend.aclose()
    assert api.in_flight_peak == 2
    assert {call.body["model"] for call in api.calls} == {"test-model", "other"}


async def test_backends_with_a_folder_share_an_endpoints_limits(tmp_path: Path) -> None:
    with server.ModelServer(latency_s=0.05, answer=lambda _: GOOD) as api:
        models = {"reader": chat.settings(api.url, concurrency=2)}
        backends = [ChatBackend(models, chat.NO_PRICES, environ={}, limits=tmp_path) for _ in range(3)]
        await asyncio.gather(*(one.complete(chat.request(f"{n}")) for n in range(4) for one in backends))
        for one in backends:
            await one.aclose()
    assert (api.in_flight_peak, len(api.calls)) == (2, 12)


async def test_nothing_is_sent_once_the_budget_is_used_up() -> None:
    def spent() -> None:
        raise BudgetError("the budget is used up.")

    with server.ModelServer(answer=lambda _: GOOD) as api:
        async with chat.backend(api.url) as backend:
            with pytest.raises(BudgetError):
                await backend.complete(chat.request(admit=spent))
    assert api.calls == []


async def test_an_unset_key_or_role_is_said_before_anything_is_sent() -> None:
    async with chat.backend("http://127.0.0.1:9/v1", api_key_env="LAB_KEY") as backend:
        with pytest.raises(InputError, match="reader: the environment variable LAB_KEY"):
            await backend.complete(chat.request())
        with pytest.raises(InputError, match="role coder"):
            await backend.complete(chat.request(model_role="coder"))
    async with chat.backend(
        "http://127.0.0.1:9/v1", environ={"LAB_KEY": "two words"}, api_key_env="LAB_KEY"
    ) as backend:
        with pytest.raises(InputError, match="LAB_KEY holds") as caught:
            await backend.complete(chat.request())
    assert "two words" not in str(caught.value)


def test_the_identity_names_what_decides_the_answer_and_needs_no_key() -> None:
    def identity(url: str | None = "http://h/v1", **changes: Any) -> str:
        return str(
            ChatBackend({"reader": chat.settings(url, **changes)}, chat.NO_PRICES, environ={}).identity(chat.request())
        )

    same = identity(api_key_env="LAB_KEY")
    assert same == identity() == identity(concurrency=9, timeout_s=3, stream=True, requests_per_minute=5)
    assert "LAB_KEY" not in same
    others = [
        identity(temperature=0),
        identity(seed=1),
        identity("http://g/v1"),
        identity(model="m"),
        identity(max_output=99),
    ]
    assert len({same, *others, identity(structured="text")}) == 7
    backend = ChatBackend({"reader": chat.settings("http://h/v1")}, chat.NO_PRICES, environ={})
    assert request_key(backend, chat.request()) == request_key(backend, chat.request())


async def test_what_was_found_out_of_a_server_does_not_change_the_identity() -> None:
    with server.ModelServer(answer=knows()) as api:
        async with chat.backend(api.url) as backend:
            before = backend.identity(chat.request())
            await backend.complete(chat.request())
            assert backend.identity(chat.request()) == before


def test_room_and_the_longest_answer() -> None:
    def made(prices: Prices = chat.NO_PRICES, **changes: Any) -> ChatBackend:
        return ChatBackend({"reader": chat.settings("http://h/v1", **changes)}, prices, environ={})

    assert made().room(chat.request()) is None
    assert made().longest(chat.request()) == 500
    assert made(max_output=9000).longest(chat.request()) == 9000
    assert made(max_output=100).longest(chat.request()) == 100
    assert made(context=1024).longest(chat.request(max_output_tokens=4000)) == 512
    known = Prices({}, {"compatible:test-model": Price(input=0, output=0, context=8192, max_output=256)})
    assert made(known).longest(chat.request()) == 256
    assert made(known, max_output=1000).longest(chat.request()) == 1000
    room = made(known).room(chat.request())
    assert room is not None
    assert 7000 < room < 8192 - 256
    assert made(context=4096).room(chat.request()) < made(known).room(chat.request())
