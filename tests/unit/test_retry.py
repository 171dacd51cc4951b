"""Retries through the real OpenAI client against a real server; waits are counted, not waited for."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import model_server as ms
import openai
import pytest

from bioresearcher.errors import BudgetError, EmptyReplyError
from bioresearcher.limits.rate_limits import Limiter, RateLimits
from bioresearcher.llm.provider_errors import classify_error, with_retries

KEY = "sk-test-0123456789abcdef"


class CountedTime:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def limiter_of(in_flight, **more):
    return Limiter("server", RateLimits(in_flight=in_flight), **more)


@asynccontextmanager
async def client_of(url: str, key: str = KEY, patience_s: float = 30):
    client = openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=patience_s)
    try:
        yield client
    finally:
        await client.close()


async def asked(url, *, key=KEY, patience_s=30, stream=False, limiter=None, deadline_s=600, **options):
    """The answer's text after retries, the seconds slept, and the waits that were told."""
    clock = CountedTime()
    limiter = limiter or limiter_of(2, clock=clock, sleep=clock.sleep)
    waits: list[tuple[str, float]] = []
    async with client_of(url, key, patience_s) as client:

        async def call():
            messages = [{"role": "user", "content": "hello"}]
            reply = await client.chat.completions.create(model="m", messages=messages, stream=stream)
            if not stream:
                return reply.choices[0].message.content
            return "".join([chunk.choices[0].delta.content or "" async for chunk in reply])

        text = await with_retries(
            call,
            limiter=limiter,
            tokens=10,
            deadline_s=deadline_s,
            on_wait=lambda trouble, seconds: waits.append((trouble.kind, seconds)),
            rng=random.Random(7),
            **options,
        )
    return text, clock.now, waits


PASSING = {
    "too many requests": (ms.rate_limited(None), "rate"),
    "server error": (ms.error(500), "server"),
    "bad gateway with a page": (ms.Answer(status=502, raw=b"<html><title>Bad Gateway</title></html>"), "server"),
    "overloaded": (ms.error(503, "overloaded"), "server"),
    "overloaded, Anthropic's number": (ms.error(529, "Overloaded"), "server"),
    "request timeout": (ms.error(408), "server"),
    "conflict": (ms.error(409), "server"),
    "cut in the middle": (ms.dropped("hello", 0.5), "connection"),
    "hung up without a word": (ms.dropped(sent=0), "connection"),
    "a body that is no JSON": (ms.malformed(), "server"),
}


@pytest.mark.parametrize("fault", PASSING)
async def test_trouble_that_may_pass_is_asked_again(fault):
    answer, kind = PASSING[fault]
    with ms.ModelServer(ms.in_turn(answer, answer, then=lambda seen: "fine")) as server:
        text, slept, waits = await asked(server.url)
    assert text == "fine"
    assert [k for k, _ in waits] == [kind, kind]
    assert slept == pytest.approx(sum(s for _, s in waits))
    assert 0 <= waits[0][1] <= 1
    assert 0 <= waits[1][1] <= 2
    assert len(server.calls) == 3


async def test_a_stream_that_breaks_off_is_asked_again():
    with ms.ModelServer(ms.in_turn(ms.dropped("half of it", 0.7), then=lambda seen: "whole")) as server:
        text, _, waits = await asked(server.url, stream=True)
    assert (text, [k for k, _ in waits]) == ("whole", ["connection"])


async def test_silence_is_a_timeout_and_asked_again():
    with ms.ModelServer(ms.in_turn(ms.Answer(delay_s=60), then=lambda seen: "fine")) as server:
        text, _, waits = await asked(server.url, patience_s=0.2)
    assert (text, [k for k, _ in waits]) == ("fine", ["timeout"])


FINAL = {
    "bad request": (ms.error(400, "no such field"), "bad_request", 400, "HTTP 400: no such field"),
    "unprocessable": (ms.error(422, "temperature: too high"), "bad_request", 422, "HTTP 422: temperature: too high"),
    "wrong key": (ms.error(401, f"Incorrect API key provided: {KEY}."), "refused", 401, "provided: [key]"),
    "no rights": (ms.error(403, "not in your country"), "refused", 403, "not in your country"),
    "unknown model": (ms.unknown_model("gpt-9"), "unknown_model", 404, "`gpt-9` does not exist"),
    "wrong path": (ms.error(404, "Not Found"), "not_found", 404, "HTTP 404: Not Found"),
    "too long": (ms.context_exceeded(8192, 9000), "overflow", 400, "maximum context length is 8192"),
    "no money": (ms.rate_limited(1, code="insufficient_quota"), "quota", 429, "Rate limit"),
    "no money, 402": (ms.error(402, "Insufficient Balance"), "quota", 402, "Insufficient Balance"),
    "never small enough": (ms.error(429, "Request too large for gpt-5: Limit 30000"), "overflow", 429, "Limit 30000"),
    "told not to": (ms.rate_limited(None, x_should_retry="false"), "quota", 429, "Rate limit"),
}


@pytest.mark.parametrize("fault", FINAL)
async def test_trouble_that_stays_is_told_at_once(fault):
    answer, kind, status, words = FINAL[fault]
    with ms.ModelServer(lambda seen: answer) as server, pytest.raises(openai.APIStatusError) as caught:
        await asked(server.url)
    trouble = classify_error(caught.value)
    assert (trouble.kind, trouble.status) == (kind, status)
    assert words in trouble.message
    assert not trouble.retryable
    assert KEY not in trouble.message
    assert len(server.calls) == 1


WORDINGS = [
    (404, "model_not_found", "The model `gpt-9` does not exist or you do not have access to it.", "unknown_model"),
    (404, "DeploymentNotFound", "The API deployment for this resource does not exist.", "unknown_model"),
    (400, None, "Model Not Exist", "unknown_model"),
    (404, None, "models/gemini-9 is not found for API version v1beta", "unknown_model"),
    (400, None, "Invalid model: foo", "unknown_model"),
    (400, None, "foo is not a valid model ID", "unknown_model"),
    (403, "model_not_found", "Project does not have access to model `x`", "refused"),
    (400, None, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", "overflow"),
    (400, None, "the request exceeds the available context size. try increasing the context size", "overflow"),
    (400, None, "Prompt contains 40000 tokens, too large for 32768 maximum context length", "overflow"),
    (400, None, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", "overflow"),
    (400, None, "max_tokens (99999) exceeds the maximum number of output tokens (4096)", "bad_request"),
    (429, None, "This request would exceed your rate limit of 30,000 input tokens per minute", "rate"),
    (400, None, "json_schema is not supported with this model", "bad_request"),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), WORDINGS)
def test_what_a_status_does_not_tell_is_told_by_known_words(
    status: int, code: str | None, message: str, kind: str
) -> None:
    carried = type("APIStatusError", (Exception,), {"status_code": status, "body": {"message": message, "code": code}})
    assert classify_error(carried(message)).kind == kind


HEADERS = {
    "seconds": ({"Retry-After": "7"}, 7),
    "parts of seconds": ({"Retry-After": "0.25"}, 0.25),
    "milliseconds first": ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
    "a date by the server's clock": (
        {"Retry-After": "Wed, 21 Oct 2026 07:28:09 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
        9,
    ),
    "a date gone by": ({"Retry-After": "Wed, 21 Oct 2020 07:28:09 GMT"}, 0),
}


@pytest.mark.parametrize("form", HEADERS)
async def test_the_wait_the_server_asks_for_is_kept(form):
    headers, seconds = HEADERS[form]
    answer = ms.Answer(status=429, headers=headers, error={"message": "slow down"})
    with ms.ModelServer(ms.in_turn(answer, then=lambda seen: "fine")) as server:
        text, slept, waits = await asked(server.url)
    assert text == "fine"
    assert waits == [("rate", seconds)]
    assert slept == seconds


async def test_a_date_ahead_of_this_machines_clock():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    trouble = await trouble_with(ms.rate_limited(date))
    assert trouble.retry_after_s == pytest.approx(95, abs=6)


@pytest.mark.parametrize("nonsense", ["soon", "nan", "inf", "Wed, 99 Foo 2026", "-5"])
async def test_a_wait_that_makes_no_sense_is_left_out(nonsense):
    assert (await trouble_with(ms.rate_limited(nonsense))).retry_after_s in {None, 0.0}


async def trouble_with(answer):
    with ms.ModelServer(lambda seen: answer) as server, pytest.raises(openai.APIError) as caught:
        await asked(server.url, attempts=1)
    return classify_error(caught.value)


async def test_a_wait_longer_than_what_is_left_is_told_at_once():
    server = ms.ModelServer(lambda seen: ms.rate_limited(3600))
    with server, pytest.raises(openai.RateLimitError) as caught:
        await asked(server.url, deadline_s=120)
    assert len(server.calls) == 1
    assert "asks to wait 3600 s, but only 120 s are left" in classify_error(caught.value).message


async def test_the_last_error_is_raised_after_all_attempts():
    server = ms.ModelServer(ms.in_turn(*[ms.error(500)] * 3, then=lambda seen: ms.error(503, "still ill")))
    with server, pytest.raises(openai.InternalServerError) as caught:
        await asked(server.url, attempts=4)
    assert len(server.calls) == 4
    assert classify_error(caught.value).message == "HTTP 503: still ill (asked 4 times)"


async def test_waits_end_with_the_time_for_the_call():
    with ms.ModelServer(lambda seen: ms.error(500)) as server, pytest.raises(openai.InternalServerError) as caught:
        await asked(server.url, attempts=100, deadline_s=30)
    assert 3 <= len(server.calls) < 100
    assert "time for this call is used up" in classify_error(caught.value).message


async def test_an_attempt_under_way_ends_at_the_deadline():
    server = ms.ModelServer(lambda seen: ms.Answer(delay_s=60))
    with server, pytest.raises(TimeoutError, match="no answer within") as caught:
        await asked(server.url, deadline_s=0.2, attempts=1)
    assert classify_error(caught.value).kind == "timeout"


async def test_nobody_there_is_one_clear_line():
    with ms.ModelServer() as server:
        url = server.url
    with pytest.raises(openai.APIConnectionError) as caught:
        await asked(url, attempts=2)
    trouble = classify_error(caught.value)
    assert (trouble.kind, trouble.status) == ("connection", None)
    assert "(asked 2 times)" in trouble.message
    assert "\n" not in trouble.message


@pytest.mark.parametrize("secret", ["my private\nkey", "my private k\réy…", "my private kéy…", "my private\0key"])
async def test_a_key_that_cannot_be_sent_is_not_shown(secret):
    with ms.ModelServer() as server, pytest.raises((openai.APIConnectionError, UnicodeEncodeError)) as caught:
        await asked(server.url, key=secret)
    trouble = classify_error(caught.value)
    assert (trouble.kind, trouble.status, trouble.retryable) == ("refused", None, False)
    assert trouble.message.startswith("The key holds characters that cannot be sent")
    assert "private" not in repr(trouble)
    assert not server.calls


@pytest.mark.parametrize("raised", [ValueError, OSError, RuntimeError])
def test_a_client_that_shows_the_header_it_cannot_send_shows_no_key(raised):
    trouble = classify_error(raised("Invalid header value b'Bearer my private\\nkey'"))
    assert trouble.kind == "refused"
    assert "private" not in repr(trouble)


async def test_the_whole_endpoint_waits_when_one_caller_is_told_to():
    clock = CountedTime()
    shared = limiter_of(1, clock=clock, sleep=clock.sleep)
    with ms.ModelServer(ms.in_turn(ms.rate_limited(20), then=lambda seen: "fine")) as server:
        ends = await asyncio.gather(*(asked(server.url, limiter=shared) for _ in range(4)))
    assert [text for text, _, _ in ends] == ["fine"] * 4
    assert [len(waits) for _, _, waits in ends] == [1, 0, 0, 0]
    assert clock.now == 20
    assert len(server.calls) == 5


async def test_no_slot_is_held_while_waiting():
    clock, order = CountedTime(), []
    shared = limiter_of(1, clock=clock, sleep=lambda seconds: asyncio.sleep(0.05))

    async def failing_once():
        order.append("first")
        if order.count("first") == 1:
            raise ConnectionResetError

    async def other():
        order.append("other")

    await asyncio.gather(
        *(with_retries(call, limiter=shared, tokens=1, deadline_s=60) for call in (failing_once, other))
    )
    assert order == ["first", "other", "first"]


async def test_errors_that_are_not_a_providers_go_through_untouched():
    clock = CountedTime()
    shared = limiter_of(1, clock=clock, sleep=clock.sleep)
    caused = EmptyReplyError("nothing")
    caused.__cause__ = json.JSONDecodeError("no JSON", "", 0)
    for error in (caused, BudgetError("used up"), KeyError("x"), ValueError("y")):
        calls = []

        async def call(error=error, calls=calls):
            calls.append(1)
            raise error

        with pytest.raises(type(error)) as caught:
            await with_retries(call, limiter=shared, tokens=1, deadline_s=60)
        assert caught.value is error
        assert classify_error(error).kind == "other"
        assert len(calls) == 1


def _first(do, answer):
    def answered(seen):
        do()
        return answer(seen)

    return answered


async def test_a_cancelled_caller_leaves_no_slot_behind():
    shared = limiter_of(1)
    with ms.ModelServer(ms.in_turn(ms.Answer(delay_s=60), then=lambda seen: "fine")) as server:
        came = asyncio.Event()
        loop = asyncio.get_running_loop()
        server.answer = _first(lambda: loop.call_soon_threadsafe(came.set), server.answer)
        waiting = asyncio.create_task(asked(server.url, limiter=shared))
        await came.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await asked(server.url, limiter=shared))[0] == "fine"


def _google_error():
    errors = pytest.importorskip("google.genai.errors")
    told = {
        "code": 429,
        "message": "Resource has been exhausted",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}],
    }
    return errors.ClientError(429, {"error": told})


def _anthropic_error(status: int, kind: str, message: str, **headers: str):
    anthropic = pytest.importorskip("anthropic")
    body = {"type": "error", "error": {"type": kind, "message": message}}

    def answered(request):
        return http.Response(status, json=body, headers=headers, request=request)

    http = importlib.import_module(anthropic.APIStatusError.__annotations__["response"].split(".")[0])
    client = anthropic.Anthropic(
        api_key="sk-ant-secret-0001", max_retries=0, http_client=http.Client(transport=http.MockTransport(answered))
    )
    with client, pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "hi"}])
    return caught.value


def test_googles_errors():
    trouble = classify_error(_google_error())
    assert (trouble.kind, trouble.status, trouble.retry_after_s) == ("rate", 429, 34.5)
    assert trouble.message == "HTTP 429: Resource has been exhausted"
    wrapped = RuntimeError("Error calling model")
    wrapped.__cause__ = _google_error()
    assert (classify_error(wrapped).kind, classify_error(wrapped).retry_after_s) == ("rate", 34.5)


def test_anthropics_errors():
    limited = classify_error(_anthropic_error(429, "rate_limit_error", "Too fast.", **{"retry-after": "12"}))
    assert (limited.kind, limited.retry_after_s, limited.message) == ("rate", 12, "HTTP 429: Too fast.")
    long = _anthropic_error(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum")
    assert classify_error(long).kind == "overflow"
    poor = _anthropic_error(400, "invalid_request_error", "Your credit balance is too low to access the API.")
    assert classify_error(poor).kind == "quota"
    wrong = classify_error(_anthropic_error(401, "authentication_error", "invalid x-api-key sk-ant-secret-0001"))
    assert wrong.kind == "refused"
    assert "secret" not in wrong.message
    assert classify_error(_anthropic_error(404, "not_found_error", "model: claude-9")).kind == "unknown_model"


def test_ollamas_errors():
    ollama = pytest.importorskip("ollama")
    unknown = classify_error(ollama.ResponseError('{"error":"model \\"x\\" not found, try pulling it first"}', 404))
    assert (unknown.kind, unknown.message) == (
        "unknown_model",
        'HTTP 404: model "x" not found, try pulling it first (status code: 404)',
    )
    assert classify_error(ConnectionError("Failed to connect to Ollama.")).kind == "connection"
    assert classify_error(ollama.ResponseError("llama runner process has terminated", 500)).kind == "server"


@pytest.mark.parametrize("package", ["httpx", "httpx2"])
def test_the_networks_errors(package):
    http = pytest.importorskip(package)
    kinds = {
        "connection": (
            http.ConnectError("refused"),
            http.RemoteProtocolError("bad header value"),
            http.ReadError("reset"),
        ),
        "timeout": (http.ConnectTimeout("slow"), http.ReadTimeout("slow"), http.PoolTimeout("full")),
        "bad_request": (http.UnsupportedProtocol("ftp"), http.LocalProtocolError("Too much data")),
    }
    assert {kind: {classify_error(e).kind for e in errors} for kind, errors in kinds.items()} == {k: {k} for k in kinds}


@pytest.mark.parametrize(
    "text",
    [
        "Bearer abcdef1234567890 is wrong",
        "key sk-proj-abcDEF123456 is wrong",
        "AIzaSyA1234567890abcdefg is wrong",
        "https://x.test/v1?key=verysecret123&alt=sse is wrong",
        "sk-1234****************wxyz is wrong",
    ],
)
def test_what_looks_like_a_key_is_left_out(text):
    message = classify_error(ConnectionError(text)).message
    assert "[key]" in message
    assert "is wrong" in message
    assert not any(part in message for part in ("abcdef", "abcDEF", "AIza", "verysecret", "wxyz"))


def test_long_messages_and_json_ones_become_one_short_line():
    error = SimpleNamespace(status_code=500)
    carried = type("APIStatusError", (Exception,), {"status_code": 500})
    assert (
        classify_error(carried(json.dumps({"error": {"message": "a\nb"}}))).message == f"HTTP {error.status_code}: a b"
    )
    assert len(classify_error(carried("word " * 1000)).message) < 500


async def test_what_the_server_said_is_told_when_the_rest_of_the_time_is_too_short():
    server = ms.ModelServer(ms.in_turn(ms.error(503, "overloaded"), then=lambda seen: ms.Answer(delay_s=60)))
    with server:
        async with client_of(server.url) as client:

            async def call():
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])

            at_once = SimpleNamespace(uniform=lambda *_: 0.0)
            with pytest.raises(openai.InternalServerError) as caught:
                await with_retries(call, limiter=limiter_of(2), tokens=10, deadline_s=6, rng=at_once)
    assert classify_error(caught.value).message == (
        "HTTP 503: overloaded (asked 2 times, the time for this call is used up)"
    )
