"""The model server of the tests does what the tests that use it rely on, seen through real clients."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import model_server as ms
import openai
import pytest

from bioresearcher.prompts import Prompt
from bioresearcher.stages import prompts

SERVER = Path(__file__).parents[1] / "support" / "model_server.py"
PROMPTS = sorted((p for p in vars(prompts).values() if isinstance(p, Prompt)), key=lambda p: p.name)
HELLO = [{"role": "user", "content": "hello"}]


def get(url: str, body: object = None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data)  # noqa: S310 - the address is the server's own
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        text = reply.read().decode()
    return json.loads(text) if text.startswith(("{", "[")) else text


def bodies_with(schema: dict) -> dict[str, dict]:
    """A request that carries a schema, in each of the forms there are."""
    tool = {"type": "function", "function": {"name": "answer", "parameters": schema}}
    text = f"Answer {{so}} with JSON that fits:\n```json\n{json.dumps(schema, indent=1)}\n```\nNothing else {{please}}."
    return {
        "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}},
        "tools": {"tools": [tool]},
        "text": {"messages": [{"role": "system", "content": text}, *HELLO]},
    }


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda p: p.name)
def test_valid_answers_fit_every_schema_in_use(prompt):
    for body in bodies_with(prompt.output.model_json_schema()).values():
        answers = [ms.valid_answer(body, items=n) for n in (0, 1, 3)]
        for answer in answers:
            prompt.output.model_validate(answer)
        assert answers[1] == ms.valid_answer(body)


def test_valid_answers_keep_to_bounds_and_end_in_schemas_that_contain_themselves():
    schema = {
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "of": {
            "type": "array", "items": {"$ref": "#/$defs/Node"}}}, "required": ["of"]}},
        "properties": {
            "few": {"type": "array", "items": {"type": "integer", "minimum": 3}, "minItems": 2, "maxItems": 2},
            "ratio": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
            "short": {"type": "string", "maxLength": 3},
            "long": {"type": "string", "minLength": 30},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
            "tree": {"$ref": "#/$defs/Node"},
        },
        "required": ["few", "ratio", "short", "long", "maybe", "tree"],
    }  # fmt: skip
    answer = ms.valid_answer(bodies_with(schema)["schema"])
    assert (answer["few"], answer["ratio"], len(answer["short"]), len(answer["long"])) == ([3, 3], 0.5, 3, 30)
    assert answer["maybe"] is True
    with pytest.raises(ValueError, match="no JSON schema"):
        ms.valid_answer({"messages": HELLO})


async def test_fifty_at_once_and_the_same_connections_again():
    server = ms.ModelServer(latency_s=0.2)
    with server:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
            for _ in range(2):
                ask = client.chat.completions.create
                await asyncio.gather(*(ask(model="m", messages=HELLO) for _ in range(50)))
    assert server.in_flight_peak == 50
    assert len(server.calls) == 100
    assert all(seen.at < seen.finished for seen in server.calls)


async def test_a_stream_carries_the_same_as_the_whole():
    answer = ms.Answer(text="a longer text", usage=ms.Tokens(100, 20, cached=64, reasoning=5), chunks=3)
    with ms.ModelServer(lambda seen: answer) as server:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
            whole = await client.chat.completions.create(model="m", messages=HELLO)
            stream = await client.chat.completions.create(
                model="m", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
    texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(texts) == whole.choices[0].message.content == "a longer text"
    assert chunks[-1].usage == whole.usage
    assert whole.usage.prompt_tokens_details.cached_tokens == 64
    assert len([t for t in texts if t]) == 3


async def test_values_are_given_in_the_form_asked_for():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    with ms.ModelServer() as server:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
            for form, body in bodies_with(schema).items():
                reply = await client.chat.completions.create(model="m", **{"messages": HELLO, **body})
                message = reply.choices[0].message
                text = message.tool_calls[0].function.arguments if form == "tools" else message.content
                assert json.loads(text) == {"n": 0}


async def test_features_a_server_lacks():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    bodies = bodies_with(schema)
    with ms.ModelServer(ms.no_schema_support(ms.no_tools_support())) as server:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
            for form in ("schema", "tools"):
                with pytest.raises(openai.BadRequestError, match="support"):
                    await client.chat.completions.create(model="m", **{"messages": HELLO, **bodies[form]})
            reply = await client.chat.completions.create(model="m", **bodies["text"])
    assert json.loads(reply.choices[0].message.content) == {"n": 0}


def test_each_pose_tells_its_context_where_the_real_one_does():
    def told(pose: str, path: str, body: object = None):
        with ms.ModelServer(context=4096, pose=pose) as server:
            return get(server.root + path, body)

    assert told("vllm", "/v1/models")["data"][0]["max_model_len"] == 4096
    assert "max_model_len" not in told("openai", "/v1/models")["data"][0]
    assert told("llama.cpp", "/props")["default_generation_settings"]["n_ctx"] == 4096
    assert told("lmstudio", "/api/v0/models")["data"][0]["loaded_context_length"] == 4096
    assert told("ollama", "/api/ps")["models"][0]["context_length"] == 4096
    assert told("ollama", "/api/show", {"model": "m"})["parameters"] == "num_ctx 4096"
    assert told("ollama", "/") == "Ollama is running"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        told("openai", "/props")


async def test_prompts_beyond_the_context_are_refused_or_cut_like_ollama_does():
    long = [{"role": "user", "content": "word " * 4000}]
    for pose in ("vllm", "ollama"):
        with ms.ModelServer(context=2048, pose=pose) as server:
            async with openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
                if pose == "vllm":
                    with pytest.raises(openai.BadRequestError, match="maximum context length is 2048"):
                        await client.chat.completions.create(model="m", messages=long)
                else:
                    reply = await client.chat.completions.create(model="m", messages=long)
                    assert reply.usage.prompt_tokens == 2048


async def test_keys_and_model_names():
    with ms.ModelServer(api_key="right", models=["one"]) as server:
        for key, model, error in (
            ("wrong", "one", openai.AuthenticationError),
            ("right", "two", openai.NotFoundError),
            ("right", "one", None),
        ):
            async with openai.AsyncOpenAI(base_url=server.url, api_key=key, max_retries=0) as client:
                if error is None:
                    assert (await client.models.list()).data[0].id == "one"
                    assert (await client.chat.completions.create(model=model, messages=HELLO)).model == "one"
                else:
                    with pytest.raises(error):
                        await client.chat.completions.create(model=model, messages=HELLO)


def test_as_a_script_it_prints_its_address_and_serves():
    process = subprocess.Popen([sys.executable, str(SERVER), "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        assert get(f"{url}/models")["data"][0]["id"] == ms.MODEL
    finally:
        process.kill()
        process.communicate()
