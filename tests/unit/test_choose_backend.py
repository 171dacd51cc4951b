"""Who answers: configured models, a server of this machine only when asked for, else the rules; and why."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import model_server as ms
import pytest

from bioresearcher.errors import InputError, ModelRefusedError, ModelUnavailableError
from bioresearcher.llm.budget import load_prices
from bioresearcher.llm.select_backend import LOCAL_SERVERS, SelectedBackend, choose_backend, one_mind, suggestion
from bioresearcher.schemas.model import ROLES, ModelSettings
from bioresearcher.settings import ModelOptions, Settings, load_settings_with_origin, models_by_role


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def machine(**poses: Any) -> Iterator[tuple[tuple[str, int], ...]]:
    """The three usual servers of a machine on ports of their own; those not given are not running."""
    with (
        poses.get("ollama") or _none() as a,
        poses.get("llamacpp") or _none() as b,
        poses.get("studio") or _none() as c,
    ):
        names = [name for name, _ in LOCAL_SERVERS]
        yield tuple((name, s.port if s else free_port()) for name, s in zip(names, (a, b, c), strict=True))


@contextmanager
def _none() -> Iterator[None]:
    yield None


def settings_of(*models: str, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    given = {"model": list(models), **flags}
    return load_settings_with_origin(given, environ or {}, folder=Path("/nowhere"))[0]


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was contacted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_connections")
async def test_auto_without_a_model_is_offline_and_contacts_nobody() -> None:
    choice = await choose_backend(Settings(), {})
    assert choice == SelectedBackend("offline", reason="no model is configured.")


@pytest.mark.usefixtures("no_connections")
@pytest.mark.parametrize(
    ("variable", "model"),
    [
        ("OPENAI_API_KEY", "openai:gpt-5-mini"),
        ("ANTHROPIC_API_KEY", "anthropic:claude-sonnet-5"),
        ("OPENAI_BASE_URL", "NAME"),
    ],
)
async def test_a_key_alone_configures_nothing_and_the_words_to_add_are_named(variable: str, model: str) -> None:
    choice = await choose_backend(Settings(), {variable: "sk-secret"})
    assert choice.kind == "offline"
    assert choice.reason == (f"no model is configured; {variable} is set, but no model is named: add --model {model}.")
    assert suggestion({variable: "x"}).endswith(f"add --model {model}")
    if model != "NAME":
        assert model in load_prices(None).shipped


@pytest.mark.parametrize(
    ("writer", "reviewer", "said"),
    [
        ("gpt-5", "gpt-5", "openai:gpt-5 writes and reviews"),
        ("gpt-5", "gpt-4.1", "of one family (gpt)"),
        ("gpt-5", "anthropic:claude-sonnet-5", ""),
    ],
)
def test_one_model_or_family_that_writes_and_reviews_is_told(writer: str, reviewer: str, said: str) -> None:
    models = models_by_role(settings_of(writer, f"reviewer={reviewer}"))
    told = one_mind(models)
    assert said in told
    assert bool(told) is bool(said)


@pytest.mark.usefixtures("no_connections")
async def test_offline_is_offline() -> None:
    assert (await choose_backend(Settings(backend="offline"), {})).reason == "the offline backend was asked for."
    choice = await choose_backend(settings_of("gpt-5", backend="offline"), {})
    assert (choice.kind, choice.models) == ("offline", {})
    assert "configured models are not used" in choice.reason


@pytest.mark.usefixtures("no_connections")
async def test_chat_without_a_model_says_how_to_name_one() -> None:
    with pytest.raises(InputError, match=r"--backend chat: no model is configured.*--model NAME"):
        await choose_backend(Settings(backend="chat"), {})


@pytest.mark.usefixtures("no_connections")
async def test_a_key_that_is_not_set_is_said_before_anything_is_contacted() -> None:
    with pytest.raises(InputError, match="anthropic:claude needs a key, but ANTHROPIC_API_KEY is not set"):
        await choose_backend(settings_of("anthropic:claude"), {"OPENAI_API_KEY": "x"})


@pytest.mark.usefixtures("no_connections")
@pytest.mark.parametrize("backend", ["auto", "chat"])
async def test_no_role_falls_back_on_another_ones_model(backend: str) -> None:
    with pytest.raises(InputError, match="no model for the role designer"):
        await choose_backend(settings_of("reader=gpt-5", backend=backend), {"OPENAI_API_KEY": "x"})


@pytest.mark.parametrize("backend", ["auto", "chat"])
async def test_configured_models_answer_with_the_context_their_server_tells(backend: str) -> None:
    with ms.ModelServer(context=20_000, models=("a", "b")) as server:
        settings = settings_of("a", "coder=b", base_url=server.url, backend=backend)
        choice = await choose_backend(settings, {})
        asked = [seen.path for seen in server.requests]
    assert choice.kind == "chat"
    assert set(choice.models) == set(ROLES)
    assert choice.models["reader"].context == 20_000
    here = f"127.0.0.1:{server.port}"
    assert choice.reason == (
        f"configured: compatible:a at {here} for reader, designer, reviewer; compatible:b at {here} for coder."
    )
    assert asked.count("/v1/models") == 1


async def test_the_smaller_context_holds_and_is_said() -> None:
    with ms.ModelServer(context=8192, models=("m",)) as server:
        large = await choose_backend(settings_of("m", base_url=server.url, context=32_768), {})
        small = await choose_backend(settings_of("m", base_url=server.url, context=4096), {})
    assert large.models["reader"].context == 8192
    mind = one_mind(large.models)
    assert mind.startswith("compatible:m writes and reviews")
    assert large.notes == (mind, "compatible:m: context 32,768 is set, but the server has 8,192: that holds")
    assert (small.models["reader"].context, small.notes) == (4096, (mind,))


async def test_a_model_too_small_for_anything_is_refused() -> None:
    with ms.ModelServer(context=512, models=("m",)) as server, pytest.raises(ModelRefusedError) as caught:
        await choose_backend(settings_of("m", base_url=server.url), {})
    assert str(caught.value).startswith("compatible:m has room for 512 tokens")


async def test_trouble_with_a_server_stops_the_run_before_it_starts() -> None:
    with ms.ModelServer(api_key="right", models=("m",)) as server:
        settings = settings_of("m", base_url=server.url, environ={"OPENAI_API_KEY": "wrong"})
        with pytest.raises(ModelRefusedError, match="OPENAI_API_KEY"):
            await choose_backend(settings, {"OPENAI_API_KEY": "wrong"})
        assert (await choose_backend(settings, {"OPENAI_API_KEY": "right"})).kind == "chat"
    with pytest.raises(ModelUnavailableError, match=str(server.port)):
        await choose_backend(settings, {"OPENAI_API_KEY": "right"})


async def test_a_choice_is_not_made_twice() -> None:
    with ms.ModelServer(context=8192, models=("m",)) as server:
        settings = settings_of("m", base_url=server.url, seed=3)
        applied = (await choose_backend(settings, {})).applied(settings)
    assert (applied.backend, set(applied.models)) == ("chat", set(ROLES))
    assert {(m.context, m.seed) for m in applied.models.values()} == {(8192, 3)}
    assert applied.every_model == ModelOptions()
    assert Settings.model_validate(applied.record()) == applied
    offline = (await choose_backend(Settings(), {})).applied(settings)
    assert (offline.backend, offline.models) == ("offline", {})


@pytest.mark.usefixtures("no_connections")
@pytest.mark.parametrize(
    ("model", "flags", "where"),
    [
        ("openai:gpt-5", {}, "openai's own address"),
        ("anthropic:claude", {}, "anthropic's own address"),
        ("compatible:m", {"base_url": "http://gpu.example.org:8000/v1"}, "gpu.example.org"),
        ("ollama:m", {"base_url": "http://192.168.1.5:11434"}, "192.168.1.5"),
    ],
)
async def test_local_refuses_models_that_are_elsewhere(model: str, flags: dict[str, object], where: str) -> None:
    with pytest.raises(InputError) as caught:
        await choose_backend(settings_of(model, backend="local", **flags), {"OPENAI_API_KEY": "x"})
    assert f"--backend local was asked for, but models.default ({model}) is at {where}." in str(caught.value)


async def test_local_uses_a_configured_model_of_this_machine_and_looks_no_further() -> None:
    with ms.ModelServer(models=("m",)) as server, ms.ModelServer(pose="ollama", models=("other",)) as ollama:
        with machine() as usual:
            servers = (("Ollama", ollama.port), *usual[1:])
            choice = await choose_backend(settings_of("m", base_url=server.url, backend="local"), {}, servers=servers)
        assert choice.models["reader"].base_url == server.url
        assert ollama.requests == []


async def test_local_without_a_server_names_the_three_ports() -> None:
    with machine() as servers, pytest.raises(InputError) as caught:
        await choose_backend(Settings(backend="local"), {}, servers=servers)
    for name, port in servers:
        assert f"{name} at {port}" in str(caught.value)
    assert [port for _, port in LOCAL_SERVERS] == [11434, 8080, 1234]


async def test_local_takes_the_first_server_in_order() -> None:
    llamacpp = ms.ModelServer(pose="llama.cpp", context=8192, models=("gguf",))
    studio = ms.ModelServer(pose="lmstudio", context=4096, models=("studio-model",))
    with machine(llamacpp=llamacpp, studio=studio) as servers:
        choice = await choose_backend(Settings(backend="local"), {}, servers=servers)
    model = choice.models["reviewer"]
    assert (model.label, model.base_url, model.context) == ("compatible:gguf", llamacpp.url, 8192)
    assert model.api_key_env is None
    assert choice.reason == (
        f"llama.cpp answers on this machine: compatible:gguf at 127.0.0.1:{llamacpp.port} for all roles."
    )


@pytest.mark.parametrize(("installed", "label"), [(True, "ollama:qwen:7b"), (False, "compatible:qwen:7b")])
async def test_local_speaks_ollamas_own_api_where_it_can(
    monkeypatch: pytest.MonkeyPatch, installed: bool, label: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    ollama = ms.ModelServer(pose="ollama", context=8192, models=("qwen:7b",))
    with machine(ollama=ollama) as servers:
        choice = await choose_backend(Settings(backend="local"), {}, servers=servers)
    model = choice.models["reader"]
    assert (model.label, model.context) == (label, 8192)
    assert model.base_url == (ollama.root if installed else ollama.url)


async def test_local_among_several_models_asks_for_a_name() -> None:
    names = ("big", "small", "nomic-embed-text")
    with machine(studio=ms.ModelServer(pose="lmstudio", context=4096, models=names)) as servers:
        choice = await choose_backend(settings_of("small", backend="local"), {}, servers=servers)
        assert choice.models["reader"].label == "compatible:small"
        with pytest.raises(InputError, match=r"LM Studio has several models: big, small\. Name one with --model NAME"):
            await choose_backend(Settings(backend="local"), {}, servers=servers)
        with pytest.raises(InputError, match=r"has the model tiny \(LM Studio has big, small"):
            await choose_backend(settings_of("small", "reader=tiny", backend="local"), {}, servers=servers)


async def test_local_finds_each_named_model_at_its_own_server() -> None:
    ollama = ms.ModelServer(pose="ollama", context=8192, models=("a:latest",))
    studio = ms.ModelServer(pose="lmstudio", context=4096, models=("b",))
    with machine(ollama=ollama, studio=studio) as servers:
        settings = settings_of("b", "reader=a", backend="local", temperature=0.5)
        choice = await choose_backend(settings, {}, servers=servers)
    assert choice.models["reader"].base_url == ollama.root
    assert choice.models["coder"].base_url == studio.url
    assert {m.temperature for m in choice.models.values()} == {0.5}
    assert choice.reason.startswith("Ollama and LM Studio answer on this machine: ")


async def test_options_for_every_model_reach_one_that_is_found() -> None:
    with machine(llamacpp=ms.ModelServer(pose="llama.cpp", context=8192, models=("m",))) as servers:
        settings = settings_of(backend="local", temperature=0.25, context=4096, structured="text")
        choice = await choose_backend(settings, {}, servers=servers)
    model = choice.models["reader"]
    assert (model.temperature, model.context, model.structured) == (0.25, 4096, "text")


@pytest.mark.parametrize("given", [{"doors": ("/",)}, {"api_key": "x"}])
async def test_something_else_at_a_port_is_no_model_server(given: dict[str, Any]) -> None:
    with machine(llamacpp=ms.ModelServer(models=("m",), **given)) as servers, pytest.raises(InputError) as caught:
        await choose_backend(Settings(backend="local"), {}, servers=servers)
    assert "no model server answers" in str(caught.value)


async def test_a_missing_extra_is_said_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "langchain_anthropic" else found(n))
    model = ModelSettings(provider="anthropic", model="m", api_key_env="ANTHROPIC_API_KEY")
    settings = Settings(models={"default": model})
    with pytest.raises(InputError, match=r"langchain_anthropic.*bioresearcher\[anthropic\]"):
        await choose_backend(settings, {"ANTHROPIC_API_KEY": "k"})
