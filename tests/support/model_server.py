"""A small server with OpenAI's API on this machine: real HTTP, answers and faults as a test wants them.

    with ModelServer(answer=lambda seen: valid_answer(seen.body)) as server:
        ... AsyncOpenAI(base_url=server.url, api_key="test") ...
        assert len(server.calls) == 1

`python tests/support/model_server.py --latency 0.3 --port 0` serves valid answers until it is ended and prints its
address.
All names of `server_answers.py` beside it are here too.
"""

import argparse
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlsplit

from server_answers import (
    MODEL,
    Answer,
    Answering,
    Seen,
    Tokens,
    contents,
    context_exceeded,
    dropped,
    empty,
    error,
    fenced,
    in_turn,
    malformed,
    no_schema_support,
    no_tools_support,
    rate_limited,
    refused,
    schema_of,
    think,
    truncated,
    unknown_model,
    valid,
    valid_answer,
    wrong_type,
)  # fmt: skip

__all__ = [
    "MODEL", "Answer", "Answering", "ModelServer", "Seen", "Tokens", "contents", "context_exceeded", "dropped", "empty",
    "error", "fenced", "in_turn", "malformed", "no_schema_support", "no_tools_support", "rate_limited", "refused",
    "schema_of", "think", "truncated", "unknown_model", "valid", "valid_answer", "wrong_type",
]  # fmt: skip

CALLS = ("/v1/chat/completions",)
POSES = {
    "openai": ("/v1/models",),
    "vllm": ("/v1/models", "/health", "/version"),
    "llama.cpp": ("/v1/models", "/health", "/props"),
    "ollama": ("/v1/models", "/", "/api/version", "/api/tags", "/api/show", "/api/ps"),
    "lmstudio": ("/v1/models", "/api/v0/models"),
}
"""What exists beside the completions, by the server that is posed as."""


class ModelServer:
    """The server, from `with` to the end of the block.

    Args:
        answer: What to answer: an `Answer`, a text, or a value, which is given as JSON in the form the request asks
            for (a tool call where tools are offered, else text).
        latency_s: Wait before every answer of a model.
        context: Tokens (of four characters) of the model's context, as told by the addresses that tell it. Longer
            prompts are 400, or cut without a word where Ollama is posed as.
        pose: Whose addresses exist; see `POSES`. `doors` names them one by one instead.
        api_key: Without this key all is 401; None asks for none.
        models: Names that exist; others are 404. The first is listed with the context. Empty: all names do.
    """

    def __init__(
        self,
        answer: Answering = valid,
        latency_s: float = 0.0,
        context: int | None = None,
        *,
        pose: str = "vllm",
        doors: Iterable[str] | None = None,
        api_key: str | None = None,
        models: Iterable[str] = (),
        port: int = 0,
    ) -> None:
        self.answer = answer
        self.latency_s = latency_s
        self.context = context
        self.pose = pose
        self.doors = frozenset(POSES[pose] if doors is None else doors)
        self.api_key = api_key
        self.models = tuple(models)
        self.in_flight_peak = 0
        self.closing = threading.Event()
        self.failures: list[str] = []
        self._seen: list[Seen] = []
        self._in_flight = 0
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="model server")

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def root(self) -> str:
        """The address without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL for OpenAI's client."""
        return f"{self.root}/v1"

    @property
    def requests(self) -> list[Seen]:
        """All requests in the order they came."""
        with self._lock:
            return list(self._seen)

    @property
    def calls(self) -> list[Seen]:
        """Those that ask a model."""
        return [seen for seen in self.requests if seen.path in CALLS]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()

    @contextmanager
    def noted(self, seen: Seen) -> Iterator[Callable[[], None]]:
        """Keep a request, and count it as in flight; what is given is to be called when it was answered."""
        with self._lock:
            index = len(self._seen)
            self._seen.append(seen)
            self._in_flight += seen.path in CALLS
            self.in_flight_peak = max(self.in_flight_peak, self._in_flight)

        def finished() -> None:
            with self._lock:
                self._seen[index] = replace(seen, finished=time.monotonic())

        try:
            yield finished
        finally:
            with self._lock:
                self._in_flight -= seen.path in CALLS

    def said(self, seen: Seen) -> Answer:
        """The answer to a call."""
        name = seen.body.get("model", "")
        if self.models and name not in self.models:
            return unknown_model(name)
        if self.context and self.pose != "ollama" and len(seen.text) // 4 > self.context:
            return context_exceeded(self.context, len(seen.text) // 4)
        try:
            found = self.answer(seen)
        except Exception as problem:  # noqa: BLE001 - the client gets an answer, and the test sees what was wrong
            self.failures.append(repr(problem))
            return error(500, f"the test's answer failed: {problem!r}")
        if isinstance(found, dict):
            return Answer(tool_call=found) if seen.body.get("tools") else Answer(text=json.dumps(found))
        return Answer(text=found) if isinstance(found, str) else found

    def told(self, path: str) -> Any:
        """What an address beside the completions tells; None: there is no such address."""
        if path not in self.doors:
            return None
        name, context = (self.models or (MODEL,))[0], self.context
        rows = [{"id": n, "object": "model", "created": 0, "owned_by": self.pose} for n in self.models or (MODEL,)]
        if self.pose == "vllm" and context:
            rows = [{**row, "max_model_len": context} for row in rows]
        loaded = {"id": name, "object": "model", "type": "llm", "state": "loaded", "max_context_length": 131072}
        ollama = {"name": name, "model": name, "size": 1, "digest": "0" * 64, "details": {"family": "test"}}
        pages: dict[str, Any] = {
            "/v1/models": {"object": "list", "data": rows},
            "/health": {"status": "ok"},
            "/version": {"version": "0.11.0"},
            "/props": {"default_generation_settings": {"n_ctx": context}, "total_slots": 4, "model_path": name},
            "/": "Ollama is running",
            "/api/version": {"version": "0.12.0"},
            "/api/tags": {"models": [ollama]},
            "/api/ps": {"models": [{**ollama, "context_length": context}]},
            "/api/show": {
                "model_info": {"general.architecture": "test", "test.context_length": 131072},
                "parameters": f"num_ctx {context}" if context else "",
                "capabilities": ["completion", "tools"],
            },
            "/api/v0/models": {"object": "list", "data": [{**loaded, "loaded_context_length": context}]},
        }
        return pages[path]


class _Http(ThreadingHTTPServer):
    """A thread per connection; connections are kept to be closed at the end."""

    request_queue_size = 256
    daemon_threads = False

    def __init__(self, address: tuple[str, int], owner: ModelServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake the threads that wait for another request."""
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle({})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {}
        self._handle(body)

    def _handle(self, body: dict[str, Any]) -> None:
        owner, path = self.server.owner, urlsplit(self.path).path.rstrip("/") or "/"
        headers = MappingProxyType({name.lower(): value for name, value in self.headers.items()})
        seen = Seen(path, body, headers, time.monotonic())
        with owner.noted(seen) as finished:
            if self._reply(owner, seen):
                finished()

    def _reply(self, owner: ModelServer, seen: Seen) -> bool:
        """Answer a request; whether all of it was sent."""
        if owner.api_key is not None and seen.headers.get("authorization") != f"Bearer {owner.api_key}":
            return self._send(error(401, "Incorrect API key provided.", "invalid_api_key"), seen)
        if seen.path not in CALLS:
            page = owner.told(seen.path)
            if page is None:
                return self._send(error(404, f"There is no {seen.path}."), seen)
            return self._send(Answer(raw=page.encode() if isinstance(page, str) else json.dumps(page).encode()), seen)
        answer = owner.said(seen)
        if owner.closing.wait(owner.latency_s + answer.delay_s):
            self.close_connection = True
            return False
        return self._send(answer, seen)

    def _send(self, answer: Answer, seen: Seen) -> bool:
        streamed = bool(seen.body.get("stream")) and answer.status == 200 and answer.raw is None
        parts = list(_events(answer, seen, self.server.owner)) if streamed else [_body(answer, seen, self.server.owner)]
        kind = "text/event-stream" if streamed else "application/json"
        head = {"Content-Type": kind, "x-request-id": "req-test", **answer.headers}
        head |= {"Transfer-Encoding": "chunked"} if streamed else {"Content-Length": str(len(parts[0]))}
        lines = [f"HTTP/1.1 {answer.status} Status", *(f"{name}: {value}" for name, value in head.items())]
        pieces = [("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")]
        pieces += [b"%x\r\n%s\r\n" % (len(p), p) for p in [*parts, b""]] if streamed else parts
        self.close_connection = self.close_connection or answer.drop
        try:
            self._write(pieces, streamed, answer)
        except OSError:
            self.close_connection = True
            return False
        return not answer.drop

    def _write(self, pieces: list[bytes], streamed: bool, answer: Answer) -> None:
        """Send an answer, or the part of it after which the connection is to be dropped."""
        if answer.drop:
            head, body = pieces[0], b"".join(pieces[1:])
            self.wfile.write(head + body[: int(len(body) * answer.sent)] if answer.sent > 0 else b"")
            return
        if not streamed:
            self.wfile.write(b"".join(pieces))
            return
        for piece in pieces:
            self.wfile.write(piece)


def _usage(answer: Answer, seen: Seen, owner: ModelServer) -> dict[str, Any]:
    prompt = max(1, len(seen.text) // 4)
    if owner.context and owner.pose == "ollama":
        prompt = min(prompt, owner.context)
    said = len(answer.text or "") + len(_arguments(answer) or "")
    used = answer.usage or Tokens(prompt, max(1, said // 4))
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def _arguments(answer: Answer) -> str | None:
    call = answer.tool_call
    return call if call is None or isinstance(call, str) else json.dumps(call)


def _tool_calls(answer: Answer, seen: Seen) -> list[dict[str, Any]]:
    tools = seen.body.get("tools") or [{"function": {"name": "answer"}}]
    function = {"name": tools[0]["function"]["name"], "arguments": _arguments(answer)}
    return [{"index": 0, "id": "call_1", "type": "function", "function": function}]


def _envelope(kind: str, seen: Seen, **rest: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": seen.body.get("model", MODEL), **rest}


def _body(answer: Answer, seen: Seen, owner: ModelServer) -> bytes:
    """The whole answer as it goes over the wire when it is not streamed."""
    if answer.raw is not None:
        return answer.raw
    if answer.status != 200:
        return json.dumps({"error": dict(answer.error)}).encode()
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
    reason = answer.finish_reason
    if answer.reasoning is not None:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_call is not None:
        message["tool_calls"] = [{k: v for k, v in c.items() if k != "index"} for c in _tool_calls(answer, seen)]
        reason = "tool_calls" if reason == "stop" else reason
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    usage = {} if answer.no_usage else {"usage": _usage(answer, seen, owner)}
    return json.dumps(_envelope("chat.completion", seen, choices=[choice], **usage)).encode()


def _events(answer: Answer, seen: Seen, owner: ModelServer) -> Iterator[bytes]:
    """The answer as server-sent events: its role, pieces of its text, its end, its usage where asked for."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if answer.reasoning is not None:
        deltas.append({"reasoning_content": answer.reasoning})
    if answer.tool_call is not None:
        deltas.append({"tool_calls": _tool_calls(answer, seen)})
    text = answer.text or ""
    size = max(1, math.ceil(len(text) / max(1, answer.chunks)))
    deltas += [{"content": text[i : i + size]} for i in range(0, len(text), size)]
    deltas += [{"refusal": answer.refusal}] if answer.refusal is not None else []
    reason = "tool_calls" if answer.tool_call is not None and answer.finish_reason == "stop" else answer.finish_reason
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    for choice in [*choices, {"index": 0, "delta": {}, "finish_reason": reason}]:
        yield _event(_envelope("chat.completion.chunk", seen, choices=[choice]))
    if (seen.body.get("stream_options") or {}).get("include_usage") and not answer.no_usage:
        yield _event(_envelope("chat.completion.chunk", seen, choices=[], usage=_usage(answer, seen, owner)))
    yield b"data: [DONE]\n\n"


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def main() -> None:
    """Serve valid answers until ended; prints the base URL."""
    parser = argparse.ArgumentParser(description="A small server with OpenAI's API that gives valid answers.")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--context", type=int, default=None, metavar="TOKENS")
    parser.add_argument("--pose", choices=sorted(POSES), default="vllm")
    parser.add_argument("--key", default=None, help="the API key to ask for")
    args = parser.parse_args()
    server = ModelServer(latency_s=args.latency, context=args.context, pose=args.pose, api_key=args.key, port=args.port)
    with server:
        print(server.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
