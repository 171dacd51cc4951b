"""What answers a prompt: a language model, the offline rules, or a script in tests.

A backend for tests: replies are given beforehand; too few and left-over ones both fail.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel

from bioresearcher.errors import DefectError
from bioresearcher.prompts import Message
from bioresearcher.schemas.base import Origin, Usage, Value


def _admitted() -> None:
    """Nothing stands against sending."""


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        prompt: The prompt's name, e.g. `search/plan_queries`.
        digest: Of the prompt file.
        model_role: Which configured model is meant (reader, designer, coder, reviewer).
        values: The typed input; the offline backend works on this.
        messages: The rendered prompt; models work on this.
        output: The class the answer must fit.
        max_output_tokens: Upper bound of the answer.
        timeout_s: Longest wait for the answer.
        admit: To be called right before the request is sent, each time it is; raises `StoppedError` when the budget is
            used up or the run is stopping.
    """

    prompt: str
    digest: str
    model_role: str
    values: Value
    messages: tuple[Message, ...]
    output: type[BaseModel]
    max_output_tokens: int = 4096
    timeout_s: float = 300
    admit: Callable[[], None] = field(default=_admitted, compare=False, repr=False)


@dataclass(frozen=True)
class Reply:
    """An answer as JSON text, not yet validated.

    Attributes:
        text: JSON, without fences, reasoning or anything around it.
        usage: What this answer cost.
        model: Provider and model that answered; empty when there is none.
    """

    text: str
    usage: Usage = field(default_factory=Usage)
    model: str = ""


class Backend(Protocol):
    """Answers requests."""

    name: str
    origin: Origin

    def identity(self, request: Request) -> str:
        """Model and sampling parameters that would answer this request; part of the ledger's key."""
        ...

    def room(self, request: Request) -> int | None:
        """Tokens a prompt may have, beside the longest answer; None when there is no limit or none is known."""
        ...

    async def complete(self, request: Request) -> Reply:
        """Answer.

        Raises:
            AnswerError: There was an answer, but not one that can be used.
            BackendError: No answer could be had.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open; closing twice does nothing."""
        ...


@cache
def _schema(output: type[BaseModel]) -> dict[str, Any]:
    return output.model_json_schema()


def request_key(backend: Backend, request: Request) -> str:
    """The content key of a call: model, sampling, prompt digest, messages, values and schema."""
    content = {
        "identity": backend.identity(request),
        "prompt": request.prompt,
        "digest": request.digest,
        "messages": [[m.role, m.content] for m in request.messages],
        "schema": _schema(request.output),
    }
    if backend.origin == "offline":  # the rules see the values, which may hold more than the text shows
        content["values"] = request.values.model_dump(mode="json")
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


Script = BaseModel | str | Exception | Callable[[Request], BaseModel | str]


class ScriptedBackend:
    """Answers in the order given, or per prompt when replies are a mapping; keeps every request.

    A reply is a value, JSON text, a function of the request, or an exception to raise. Each call is counted
    as 100 input and 20 output tokens, so that accounting is exercised.
    """

    name = "scripted"
    origin: Origin = "scripted"

    def __init__(self, replies: Iterable[Script] | dict[str, list[Script]]) -> None:
        self._by_prompt = replies if isinstance(replies, dict) else None
        self._queue = [] if isinstance(replies, dict) else list(replies)
        self.requests: list[Request] = []

    def identity(self, request: Request) -> str:
        """Constant: scripted replies have no sampling parameters."""
        return "scripted"

    def room(self, request: Request) -> int | None:
        """No limit."""
        return None

    async def aclose(self) -> None:
        """Nothing is open."""

    async def complete(self, request: Request) -> Reply:
        """The next reply.

        Raises:
            DefectError: No reply is left for this prompt.
            StoppedError: The budget is used up.
        """
        request.admit()
        self.requests.append(request)
        queue = self._queue if self._by_prompt is None else self._by_prompt.get(request.prompt, [])
        if not queue:
            raise DefectError(f"no scripted reply is left for {request.prompt} (call {len(self.requests)})")
        reply = queue.pop(0)
        if isinstance(reply, Exception):
            raise reply
        if not isinstance(reply, BaseModel | str):
            reply = reply(request)
        text = reply if isinstance(reply, str) else reply.model_dump_json()
        return Reply(text, Usage(calls=1, input_tokens=100, output_tokens=20))

    def assert_used_up(self) -> None:
        """Fail when replies are left over.

        Raises:
            DefectError: With their number.
        """
        left = len(self._queue) + sum(len(q) for q in (self._by_prompt or {}).values())
        if left:
            raise DefectError(f"{left} scripted replies were never asked for")
