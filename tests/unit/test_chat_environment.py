"""Nothing goes anywhere that was not configured, whatever the process's environment holds."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import chat_support as chat
import model_server as server
import pytest
from langgraph.graph import END, START, StateGraph

from bioresearcher.errors import BioresearcherError

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
ROOT = Path(__file__).resolve().parents[2]
TRAP_KEY = "sk-trap-0123456789"
PACKAGES = {"anthropic": "langchain_anthropic", "google": "langchain_google_genai", "ollama": "langchain_ollama"}


def lay_traps(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """All addresses and keys that the providers' packages are known to read by themselves."""
    for name in (
        "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY", "AZURE_OPENAI_ENDPOINT", "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_URL", "ANTHROPIC_PROXY", "GOOGLE_GEMINI_BASE_URL", "OLLAMA_HOST", "LANGSMITH_ENDPOINT",
        "LANGCHAIN_ENDPOINT",
    ):  # fmt: skip
        monkeypatch.setenv(name, url)
    for name in (
        "OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_AD_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY", "GEMINI_API_KEY",
        "OLLAMA_API_KEY", "LANGSMITH_API_KEY", "LANGSMITH_GATEWAY_API_KEY",
    ):  # fmt: skip
        monkeypatch.setenv(name, TRAP_KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Trap: {TRAP_KEY}")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"X-Trap: {TRAP_KEY}")
    monkeypatch.setenv("LANGSMITH_GATEWAY", "true")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")


@pytest.mark.parametrize("provider", ["openai", "compatible", "azure", "anthropic", "google", "ollama"])
async def test_addresses_and_keys_in_the_environment_are_not_used(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if provider in PACKAGES:
        pytest.importorskip(PACKAGES[provider])
    with (
        chat.Recorder(lambda path, body: (400, {"error": {"message": "a trap"}})).running() as trap,
        chat.Recorder(lambda path, body: (400, {"error": {"message": "as wanted"}})).running() as wanted,
    ):
        lay_traps(monkeypatch, trap.url)
        version = {"api_version": "2024-10-21"} if provider == "azure" else {}
        for key in ({}, {"api_key_env": "LAB_KEY"}):
            given: dict[str, Any] = {"provider": provider, "model": "m", **version, **key}
            async with chat.backend(wanted.url, environ={"LAB_KEY": "lab-key-1"}, **given) as backend:
                with pytest.raises(BioresearcherError, match="as wanted"):
                    await backend.complete(chat.request())
    assert trap.seen == []
    assert len(wanted.seen) == 2
    assert TRAP_KEY not in json.dumps([headers for _, headers, _ in wanted.seen])
    assert "lab-key-1" in json.dumps(wanted.seen[1][1])
    assert os.environ["OPENAI_API_KEY"] == TRAP_KEY  # and the environment is as before


async def test_a_key_of_the_process_is_only_used_under_its_configured_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", TRAP_KEY)
    with server.ModelServer(answer=lambda _: GOOD) as api:
        async with chat.backend(api.url, environ=os.environ, api_key_env="OPENAI_API_KEY") as backend:
            await backend.complete(chat.request())
        async with chat.backend(api.url, environ=os.environ) as backend:
            await backend.complete(chat.request())
    assert [call.headers["authorization"] for call in api.calls] == [f"Bearer {TRAP_KEY}", "Bearer none"]


class State(TypedDict):
    text: str


async def test_prompts_are_not_traced_also_within_a_graph_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph around is traced to a service on this machine; the model's prompt must not be in what it gets."""
    import langsmith
    from langsmith import utils

    with (
        chat.Recorder(lambda path, body: (200, {})).running() as trap,
        server.ModelServer(answer=lambda _: GOOD) as api,
    ):
        lay_traps(monkeypatch, trap.url)
        utils.get_env_var.cache_clear()
        client = langsmith.Client(api_url=trap.url, api_key="k", auto_batch_tracing=False)
        async with chat.backend(api.url) as backend:

            async def node(state: State) -> State:
                reply = await backend.complete(chat.request("THE SECRET OBJECTIVE"))
                return {"text": reply.text[:1]}

            graph: Any = StateGraph(State)
            graph.add_node("node", node)
            graph.add_edge(START, "node")
            graph.add_edge("node", END)
            with langsmith.tracing_context(enabled=True, client=client):
                await graph.compile().ainvoke({"text": ""})
            await backend.complete(chat.request("THE SECRET OBJECTIVE"))
        client.flush()
        utils.get_env_var.cache_clear()
    assert trap.seen, "the graph itself was to be traced, or this test shows nothing"
    assert "SECRET" not in json.dumps(trap.seen)
    assert len(api.calls) == 2


async def test_requests_to_this_machine_pass_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        chat.Recorder(lambda path, body: (400, {"error": {"message": "a proxy"}})).running() as proxy,
        server.ModelServer(answer=lambda _: GOOD) as api,
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.delenv("no_proxy", raising=False)
        async with chat.backend(api.url) as backend:
            await backend.complete(chat.request())
        assert proxy.seen == []
        async with chat.backend("http://models.example/v1") as backend:  # elsewhere it is respected
            with pytest.raises(BioresearcherError, match="a proxy"):
                await backend.complete(chat.request())
    assert proxy.seen[0][0] == "http://models.example/v1/chat/completions"


def test_neither_package_nor_key_nor_network_is_needed_before_the_first_question() -> None:
    """Replaying a run asks for identities only."""
    script = """
import sys
from bioresearcher.llm.backend import Request
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.budget import Prices
from bioresearcher.schemas.ask_literature import DatasetAnswers
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ModelSettings
model = ModelSettings(provider="anthropic", model="m", api_key_env="NO_SUCH_KEY")
backend = ChatBackend({"reader": model}, Prices({}, {}), environ={})
request = Request("search/x", "d", "reader", Value(), (), DatasetAnswers)
backend.identity(request), backend.room(request)
print([n for n in ("langchain", "langchain_core", "openai", "anthropic", "httpx", "langsmith") if n in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
