"""What servers are asked before a run, what is made of their answers, and that none of them can do harm."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import model_server as ms
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioresearcher.errors import InputError, ModelRefusedError, ModelUnavailableError
from bioresearcher.llm import server_probe
from bioresearcher.llm.server_probe import OLLAMA_ASKED, OLLAMA_USUAL, probe, probe_all, shorten_names
from bioresearcher.schemas.model import ModelSettings

KEY = "sk-secret-0123456789"


Page = tuple[int, bytes, Mapping[str, str]]


def page(value: object, status: int = 200, **headers: str) -> Page:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return status, body, {name.replace("_", "-"): text for name, text in headers.items()}


@contextmanager
def serving(pages: Mapping[str, Page]) -> Iterator[tuple[str, list[tuple[str, Mapping[str, str]]]]]:
    """A server with these pages, 404 for others; its root address and the requests it saw (path, headers)."""
    seen: list[tuple[str, Mapping[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.path, dict(self.headers)))
            status, body, headers = pages.get(self.path, (404, b"no", {}))
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def at(url: str, name: str = "m", **given: Any) -> ModelSettings:
    return ModelSettings(**{"provider": "compatible", "model": name, "base_url": url, **given})


def listing(*names: str, **more: object) -> Page:
    return page({"data": [{"id": name, "object": "model", **more} for name in names]})


@pytest.mark.parametrize("pose", ["vllm", "llama.cpp", "ollama", "lmstudio"])
async def test_each_kind_of_server_tells_its_context(pose: str) -> None:
    with ms.ModelServer(pose=pose, context=16384, models=("m",)) as server:
        found = await probe(at(server.url), {})
    assert (found.context, found.fixed, found.models, found.note) == (16384, True, ("m",), "")
    assert server.calls == []  # free of cost


async def test_a_server_that_tells_no_context_is_fine() -> None:
    with ms.ModelServer(pose="openai", models=("m",)) as server:
        found = await probe(at(server.url), {})
    assert (found.context, found.note) == (None, "")


async def test_an_unknown_model_is_refused_with_the_names_there_are() -> None:
    with ms.ModelServer(models=("a", "b", "c")) as server, pytest.raises(ModelRefusedError) as caught:
        await probe(at(server.url, "d"), {})
    assert str(caught.value).startswith(f"{server.url} has no model d; it has: a, b, c.")


@pytest.mark.parametrize(
    ("pose", "takes"), [("vllm", False), ("llama.cpp", True), ("ollama", False), ("lmstudio", False)]
)
async def test_a_single_model_under_another_name_is_noted_only_where_any_name_works(pose: str, takes: bool) -> None:
    with ms.ModelServer(pose=pose, context=8192, models=("m",)) as server:
        if takes:
            found = await probe(at(server.url, "other"), {})
            assert found.note == f"{server.url} serves m under any name, also as other"
            assert found.context == 8192
        else:
            with pytest.raises(ModelRefusedError, match=r"has no model other; it has: m\."):
                await probe(at(server.url, "other"), {})


async def test_llama_cpp_takes_any_name_though_it_also_answers_like_ollama() -> None:
    pages = {
        "/v1/models": listing("m", owned_by="llamacpp"),
        "/api/tags": page({"models": [{"name": "m"}]}),
        "/props": page({"default_generation_settings": {"n_ctx": 4096}}),
    }
    with serving(pages) as (root, _):
        found = await probe(at(f"{root}/v1", "other"), {})
    assert (found.context, found.note) == (4096, f"{root}/v1 serves m under any name, also as other")


async def test_a_wrong_key_names_its_variable_and_never_the_key() -> None:
    with ms.ModelServer(api_key="right", models=("m",)) as server:
        with pytest.raises(ModelRefusedError) as caught:
            await probe(at(server.url, api_key_env="LAB_KEY"), {"LAB_KEY": KEY})
        assert "does not accept the key in LAB_KEY (401)" in str(caught.value)
        assert KEY not in str(caught.value)
        with pytest.raises(ModelRefusedError, match=r"asks for a key \(401\), and none is configured"):
            await probe(at(server.url), {})
        assert (await probe(at(server.url, api_key_env="LAB_KEY"), {"LAB_KEY": " right\n"})).models == ("m",)


@pytest.mark.parametrize("status", [401, 403])
async def test_no_word_of_a_refusal_comes_from_the_server(status: int) -> None:
    refusal = page({"error": f"bad key {KEY} \x1b[31m"}, status)
    with serving({"/v1/models": refusal}) as (root, _), pytest.raises(ModelRefusedError) as caught:
        await probe(at(f"{root}/v1", api_key_env="K"), {"K": KEY})
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(("value", "said"), [("", "K is not set"), ("a b", "no key has"), ("ключ", "no key has")])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "azure"])
async def test_a_key_that_is_missing_or_impossible_is_said_before_anything_is_asked(
    provider: str, value: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        await probe(ModelSettings(provider=provider, model="m", api_key_env="K"), {"K": value})
    assert not value or value not in str(caught.value)


async def test_an_address_nobody_listens_at_is_named() -> None:
    with serving({}) as (root, _):
        pass
    with pytest.raises(ModelUnavailableError) as caught:
        await probe(at(f"{root}/v1"), {})
    assert str(caught.value).startswith(f"{root}/v1/models cannot be reached (connection refused).")


async def test_a_server_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(server_probe, "TIMEOUT_S", 0.2)
    async with server:
        with pytest.raises(ModelUnavailableError, match=rf"127.0.0.1:{port}/v1/models does not answer within 0.2 s"):
            await probe(at(f"http://127.0.0.1:{port}/v1"), {})


@pytest.mark.parametrize("base", ["http://[::1", "http://a..b/v1", "http://" + "a" * 70 + ".invalid/v1"])
async def test_an_address_that_is_none_is_no_crash(base: str) -> None:
    try:
        model = at(base)
    except ValueError:
        return
    with pytest.raises(ModelUnavailableError):
        await probe(model, {})


@pytest.mark.parametrize(
    "answer",
    [
        page(b"<html>no</html>"),
        page(b"", 404),
        page(b"", 500),
        page(b"", 503),
        page(b"", 429),
        page(b"[" * 200_000),
        page(b'{"data": 3}'),
        page({"data": [None, 3, {"id": 3}, {"id": ""}, {"no": "id"}]}),
        page([1, 2]),
        page(b"\xff\xfe\x00"),
        page(b'{"data": [{"id": "m", "max_model_len": NaN}]}'),
        page({"data": [{"id": "m", "max_model_len": -5}]}),
        page({"data": [{"id": "m", "max_model_len": 10**30}]}),
        page({"data": [{"id": "m", "max_model_len": True}]}),
        page(b"\x1f\x8b" + b"x" * 50, content_encoding="gzip"),
    ],
)
async def test_an_odd_list_tells_nothing_and_stops_nothing(answer: Page) -> None:
    with serving({"/v1/models": answer}) as (root, _):
        found = await probe(at(f"{root}/v1"), {})
    assert (found.context, found.note) == (None, "")


async def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_probe, "MOST_BYTES", 1000)
    with serving({"/v1/models": listing("m" * 2000)}) as (root, _):
        assert (await probe(at(f"{root}/v1"), {})).models == ()


async def test_a_redirect_is_not_followed_and_no_key_goes_there() -> None:
    with serving({}) as (other, seen_there):
        moved = page(b"", 302, Location=f"{other}/v1/models")
        with serving({"/v1/models": moved}) as (root, _):
            await probe(at(f"{root}/v1", api_key_env="K"), {"K": KEY})
    assert seen_there == []


async def test_proxies_are_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as (proxy, seen_by_proxy):
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("ALL_PROXY", proxy)
        with serving({"/v1/models": listing("m")}) as (root, seen):
            assert (await probe(at(f"{root}/v1"), {})).models == ("m",)
            assert seen
    assert seen_by_proxy == []


async def test_an_address_without_its_v1_is_put_right() -> None:
    with serving({"/v1/models": listing("m")}) as (root, _), pytest.raises(ModelRefusedError) as caught:
        await probe(at(root), {})
    assert str(caught.value).startswith(f"{root} has no models, but {root}/v1 has.")
    assert f"Use --base-url {root}/v1." in str(caught.value)


async def test_each_server_is_asked_once_for_its_list() -> None:
    with serving({"/v1/models": listing("a", "b", max_model_len=4096)}) as (root, seen):
        models = [at(f"{root}/v1", "a"), at(f"{root}/v1", "b"), at(f"{root}/v1", "a"), at(f"{root}/v1", "a", seed=1)]
        found = await probe_all(models, {})
    assert [path for path, _ in seen] == ["/v1/models"]
    assert {found[m].context for m in models} == {4096}


async def test_the_key_is_sent_and_only_if_there_is_one() -> None:
    with serving({"/v1/models": listing("m", max_model_len=4096)}) as (root, seen):
        await probe(at(f"{root}/v1", api_key_env="K"), {"K": KEY, "OPENAI_API_KEY": "other"})
        await probe(at(f"{root}/v1"), {"K": KEY, "OPENAI_API_KEY": "other"})
    assert [headers.get("Authorization") for _, headers in seen] == [f"Bearer {KEY}", None]


OLLAMA = {
    "model_info": {"general.architecture": "x", "x.context_length": 131072},
    "parameters": "stop  a\nnum_ctx    24576",
}


async def test_ollamas_own_api_is_asked_for_what_a_laptop_can_hold() -> None:
    plain = {**OLLAMA, "parameters": "stop a"}
    small = {"model_info": {"x.context_length": 8192}}
    expected = {json.dumps(OLLAMA): 24576, json.dumps(plain): OLLAMA_ASKED, json.dumps(small): 8192}
    for value, context in expected.items():
        pages = {"/v1/models": listing("m:latest"), "/api/show": page(value.encode())}
        with serving(pages) as (root, _):
            for base in (root, f"{root}/v1"):
                found = await probe(at(base, provider="ollama"), {})
                assert (found.context, found.fixed) == (context, False)
                assert ("131,072" in found.note) == (context == OLLAMA_ASKED)


async def test_ollama_behind_openais_api_keeps_what_it_was_started_with() -> None:
    plain = page({**OLLAMA, "parameters": ""})
    running = page({"models": [{"name": "other"}, {"name": "m:latest", "context_length": 32768}]})
    pages = {"/v1/models": listing("m:latest"), "/api/show": plain}
    with serving(pages) as (root, _):
        found = await probe(at(f"{root}/v1"), {})
    assert (found.context, found.fixed) == (OLLAMA_USUAL, False)
    assert "OLLAMA_CONTEXT_LENGTH" in found.note
    with serving({**pages, "/api/ps": running}) as (root, _):
        found = await probe(at(f"{root}/v1"), {})
    assert (found.context, found.fixed, found.note) == (32768, True, "")


async def test_a_model_lm_studio_has_not_loaded_has_no_known_context() -> None:
    entry = {"id": "m", "type": "llm", "state": "not-loaded", "max_context_length": 131072}
    with serving({"/v1/models": listing("m"), "/api/v0/models": page({"data": [entry]})}) as (root, _):
        found = await probe(at(f"{root}/v1"), {})
    assert found.context is None
    assert "has not loaded m yet" in found.note


async def test_names_from_a_server_are_fit_for_a_terminal() -> None:
    names = ["\x1b[2Jevil\n", "x" * 5000, *(f"model-{i}" for i in range(40))]
    with serving({"/v1/models": listing(*names)}) as (root, _), pytest.raises(ModelRefusedError) as caught:
        await probe(at(f"{root}/v1", "none"), {})
    said = str(caught.value)
    assert "\x1b" not in said
    assert "\n" not in said
    assert "and 30 more" in said
    assert len(said) < 1000


FIELDS = (
    "data", "id", "models", "name", "model_info", "x.context_length", "parameters", "n_ctx", "state", "owned_by",
    "default_generation_settings", "loaded_context_length", "context_length", "max_model_len",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["m", "num_ctx 9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(JSON, min_size=6, max_size=6))
async def test_whatever_a_server_says_the_answer_is_a_probe_or_a_refusal(values: list[object]) -> None:
    paths = ("/v1/models", "/props", "/api/v0/models", "/api/show", "/api/ps", "/api/tags")
    with serving({path: page(value) for path, value in zip(paths, values, strict=True)}) as (root, _):
        for provider in ("compatible", "ollama"):
            try:
                found = await probe(at(f"{root}/v1", provider=provider), {})
            except ModelRefusedError:
                continue
            assert found.context is None or found.context > 0


def test_names_are_shown_shortly() -> None:
    assert shorten_names(["a", "b"]) == "a, b"
    assert shorten_names([str(i) for i in range(14)]).endswith("11 and 2 more")
