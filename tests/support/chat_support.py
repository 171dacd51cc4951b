"""Requests, backends and small servers for the tests of the chat backend (loaded by path)."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bioresearcher.llm.backend import Request
from bioresearcher.llm.budget import Prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.prompts import Message
from bioresearcher.schemas.ask_literature import DatasetAnswers
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ModelSettings

GOOD = {"right_condition": True, "right_measure": True, "right_groups": False, "quote": "cohort", "reason": "a word"}
NO_PRICES = Prices({}, {})


class Nothing(Value):
    """No input."""


def request(user: str = "Data set D1: a cohort.", **changes: Any) -> Request:
    """A question about a data set."""
    given: dict[str, Any] = {
        "prompt": "search/judge_dataset",
        "digest": "d",
        "model_role": "reader",
        "values": Nothing(),
        "messages": (Message("system", "You judge data sets."), Message("user", user)),
        "output": DatasetAnswers,
        "max_output_tokens": 500,
        "timeout_s": 10.0,
    }
    return Request(**{**given, **changes})


def settings(url: str | None, **changes: Any) -> ModelSettings:
    return ModelSettings(**{"provider": "compatible", "model": "test-model", "base_url": url, **changes})


@asynccontextmanager
async def backend(
    url: str | None, said: list[str] | None = None, environ: Mapping[str, str] | None = None, **changes: Any
) -> Any:
    """A backend with this model for the reader, closed at the end."""
    prices = changes.pop("prices", NO_PRICES)
    made = ChatBackend(
        {"reader": settings(url, **changes)},
        prices,
        environ=environ or {},
        on_event=None if said is None else said.append,
    )
    try:
        yield made
    finally:
        await made.aclose()


class Recorder:
    """A server that answers every POST by a function of path and body, and keeps what it was sent."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], tuple[int, Any]]) -> None:
        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = json.loads(raw) if raw[:1] == b"{" else {"raw": len(raw)}
                owner.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, told = answer(self.path, body)
                data, kind = (
                    (told, "text/event-stream")
                    if isinstance(told, bytes)
                    else (json.dumps(told).encode(), "application/json")
                )
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Connection", "close")
                if status == 503:
                    self.send_header("Retry-After", "3600")
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = True

            do_GET = do_PUT = do_PATCH = do_CONNECT = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    @contextmanager
    def running(self) -> "Iterator[Recorder]":
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()
