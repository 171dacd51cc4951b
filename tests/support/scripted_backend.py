"""A backend that gives prepared replies; too few and left-over ones both fail the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import BaseModel

from bioresearcher.errors import DefectError
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.schemas.base import Origin, Usage

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
