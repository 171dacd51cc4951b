"""The other providers' real clients against servers that answer in their shapes."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from typing import Any

import chat_support as chat
import pytest

from bioresearcher.errors import (
    ContextOverflowError,
    InputError,
    ModelRefusedError,
    ModelUnavailableError,
    RefusalError,
    TruncatedError,
)
from bioresearcher.llm.providers import connect
from bioresearcher.schemas.model import ModelSettings

pytestmark = [  # of google-genai where aiohttp is installed
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:coroutine 'ClientResponse.json' was never awaited:RuntimeWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _rubbish_is_collected_here() -> Iterator[None]:
    """So that what google-genai leaves behind does not warn in a test of another file."""
    yield
    gc.collect()


GOOD = json.dumps(chat.GOOD)
KEY = "key-0123456789-secret"
PACKAGES = {"anthropic": "langchain_anthropic", "google": "langchain_google_genai", "ollama": "langchain_ollama"}


def needs(provider: str) -> None:
    if provider in PACKAGES:
        pytest.importorskip(PACKAGES[provider])


def said(provider: str, text: str, reason: str = "stop") -> dict[str, Any]:
    """An answer in the provider's shape: 100 tokens read, 40 of them cached (where it tells), 20 written."""
    if provider == "anthropic":
        names = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}
        block = {"type": "text", "text": text}
        usage = {
            "input_tokens": 60,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 0,
            "output_tokens": 20,
        }
        return {
            "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [block],
            "stop_reason": names[reason], "stop_sequence": None, "usage": usage,
        }  # fmt: skip
    if provider == "google":
        names = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
        part = {"text": text}
        usage = {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 40,
            "candidatesTokenCount": 15,
            "thoughtsTokenCount": 5,
        }
        candidate = {"content": {"parts": [part], "role": "model"}, "finishReason": names[reason], "index": 0}
        return {"candidates": [candidate], "usageMetadata": {**usage, "totalTokenCount": 120}, "modelVersion": "m"}
    if provider == "ollama":
        message = {"role": "assistant", "content": text}
        counts = {"prompt_eval_count": 100, "eval_count": 20}
        return {
            "model": "m",
            "created_at": "2026-01-01T00:00:00Z",
            "message": message,
            "done": True,
            "done_reason": reason,
            **counts,
        }
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40},
    }
    reason = {"refusal": "content_filter"}.get(reason, reason)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def changes(provider: str, **more: Any) -> dict[str, Any]:
    azure = {"api_version": "2024-10-21"} if provider == "azure" else {}
    return {"provider": provider, "model": "m", "api_key_env": "LAB_KEY", **azure, **more}


PROVIDERS = ["openai", "azure", "anthropic", "google", "ollama"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_each_provider_answers_with_its_usage_and_gets_key_limits_and_schema(provider: str) -> None:
    needs(provider)
    more = {} if provider == "anthropic" else {"seed": 7}
    with chat.Recorder(lambda path, body: (200, said(provider, GOOD))).running() as api:
        given = changes(provider, temperature=0.4, context=4096, max_output=300, **more)
        async with chat.backend(api.url, environ={"LAB_KEY": KEY}, **given) as backend:
            reply = await backend.complete(chat.request())
    assert json.loads(reply.text) == chat.GOOD
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 20)
    assert reply.usage.cached_tokens == (0 if provider == "ollama" else 40)
    assert reply.usage.reasoning_tokens == (5 if provider == "google" else 0)
    assert reply.model == f"{provider}:m"
    (path, headers, body) = api.seen[0]
    assert len(api.seen) == 1
    everything = json.dumps(body)
    assert "You judge data sets." in everything
    assert "right_condition" in everything
    assert KEY in json.dumps(headers)
    assert KEY not in path
    expected = {
        "openai": ("/chat/completions", {"max_completion_tokens": 300, "temperature": 0.4, "seed": 7}),
        "azure": (
            "/openai/deployments/m/chat/completions",
            {"max_completion_tokens": 300, "temperature": 0.4, "seed": 7},
        ),
        "anthropic": ("/v1/messages", {"max_tokens": 300, "temperature": 0.4}),
        "google": ("models/m:generateContent", {}),
        "ollama": (
            "/api/chat",
            {"stream": False, "options": {"num_ctx": 4096, "num_predict": 300, "temperature": 0.4, "seed": 7}},
        ),
    }[provider]
    assert expected[0] in path
    assert expected[1].items() <= body.items()
    if provider == "google":
        config = body["generationConfig"]
        assert (config["maxOutputTokens"], config["temperature"], config["seed"]) == (300, 0.4, 7)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("reason", "error"), [("length", TruncatedError), ("refusal", RefusalError)])
async def test_each_providers_way_of_stopping_early_is_known(
    provider: str, reason: str, error: type[Exception]
) -> None:
    needs(provider)
    if (provider, reason) == ("ollama", "refusal"):
        pytest.skip("Ollama has no such reason")
    with chat.Recorder(lambda path, body: (200, said(provider, GOOD[:30], reason))).running() as api:
        async with chat.backend(api.url, environ={"LAB_KEY": KEY}, **changes(provider)) as backend:
            with pytest.raises(error):
                await backend.complete(chat.request())
    assert len(api.seen) == 1


def failure(provider: str, status: int, message: str) -> dict[str, Any]:
    if provider == "anthropic":
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    if provider == "google":
        return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}
    return {"error": message} if provider == "ollama" else {"error": {"message": message, "type": "x", "code": None}}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "message", "error", "words"),
    [
        (401, "invalid x-api-key", ModelRefusedError, "LAB_KEY"),
        (404, "model: m not found", ModelRefusedError, "has no model m"),
        (400, "prompt is too long: 300000 tokens > 200000 maximum", ContextOverflowError, "300000"),
        (400, "temperature: range: 0..1", ModelRefusedError, "Remove `temperature`"),
        (503, "overloaded", ModelUnavailableError, "overloaded"),
    ],
)
async def test_each_providers_errors_are_told_apart(
    provider: str, status: int, message: str, error: type[Exception], words: str
) -> None:
    needs(provider)
    with chat.Recorder(lambda path, body: (status, failure(provider, status, message))).running() as api:
        given = changes(provider, temperature=1.5, timeout_s=3.0)
        async with chat.backend(api.url, environ={"LAB_KEY": KEY}, **given) as backend:
            with pytest.raises(error) as caught:
                await backend.complete(chat.request())
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert KEY not in f"{caught.value}{caught.value.__cause__!r}"
    assert status == 503 or len(api.seen) == 1


@pytest.mark.parametrize(("model", "temperature"), [("gpt-5-mini", 0.4), ("o1", None)])
async def test_the_temperature_sent_is_the_configured_one_also_where_langchain_would_change_it(
    model: str, temperature: float | None
) -> None:
    with chat.Recorder(lambda path, body: (200, said("openai", GOOD))).running() as api:
        given = changes("openai", temperature=temperature) | {"model": model}
        async with chat.backend(api.url, environ={"LAB_KEY": KEY}, **given) as backend:
            await backend.complete(chat.request())
    assert api.seen[0][2].get("temperature") == temperature


async def test_ollamas_stream_is_put_together() -> None:
    needs("ollama")
    open_end = {"done": False, "done_reason": None, "prompt_eval_count": None, "eval_count": None}
    parts = [{**said("ollama", piece), **open_end} for piece in (GOOD[:9], GOOD[9:])]
    lines = "".join(json.dumps(part) + "\n" for part in [*parts, said("ollama", "")]).encode()
    with chat.Recorder(lambda path, body: (200, lines)).running() as api:
        async with chat.backend(api.url, environ={"LAB_KEY": KEY}, **changes("ollama", stream=True)) as backend:
            reply = await backend.complete(chat.request())
    assert api.seen[0][2]["stream"] is True
    assert (reply.text, reply.usage.input_tokens) == (GOOD, 100)


async def test_googles_stream_is_put_together() -> None:
    needs("google")
    first, last = said("google", GOOD[:9]), said("google", GOOD[9:])
    del first["candidates"][0]["finishReason"]
    events = b"".join(b"data: " + json.dumps(part).encode() + b"\r\n\r\n" for part in (first, last))
    with chat.Recorder(lambda path, body: (200, events)).running() as api:
        async with chat.backend(api.url, environ={"LAB_KEY": KEY}, **changes("google", stream=True)) as backend:
            reply = await backend.complete(chat.request())
    assert "streamGenerateContent" in api.seen[0][0]
    assert (reply.text, reply.usage.input_tokens, reply.usage.output_tokens) == (GOOD, 100, 20)


async def test_anthropics_stream_is_put_together() -> None:
    needs("anthropic")
    start = {**said("anthropic", ""), "content": [], "stop_reason": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}}
            for t in (GOOD[:9], GOOD[9:])
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": start["usage"],
        },
        {"type": "message_stop"},
    ]
    body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
    with chat.Recorder(lambda path, _: (200, body)).running() as api:
        async with chat.backend(api.url, environ={"LAB_KEY": KEY}, **changes("anthropic", stream=True)) as backend:
            reply = await backend.complete(chat.request())
    assert api.seen[0][2]["stream"] is True
    assert (reply.text, reply.usage.input_tokens) == (GOOD, 100)


@pytest.mark.parametrize("provider", ["anthropic", "google", "ollama", "openai"])
def test_a_missing_package_is_one_line_that_names_the_extra(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("langchain_anthropic", "anthropic", "langchain_google_genai", "langchain_ollama", "langchain_openai"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError) as caught:
        connect(ModelSettings(**changes(provider)), role="reader", environ={"LAB_KEY": KEY})
    assert "reader" in caught.value.message
    extra = "--upgrade bioresearcher" if provider == "openai" else f"'bioresearcher[{provider}]'"
    assert caught.value.hint == f"pip install {extra}"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"provider": "compatible"}, "base_url"),
        ({"provider": "azure", "base_url": "http://h"}, "api_version"),
        ({"provider": "anthropic", "seed": 3}, "seed"),
        ({"provider": "openai"}, "needs a key"),
        ({"provider": "google"}, "needs a key"),
    ],
)
def test_a_setting_that_is_missing_or_cannot_be_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        connect(ModelSettings(model="m", **given), role="coder", environ={})
