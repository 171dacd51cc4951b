"""The offline backend: deterministic rules over the typed values; no model, no network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from bioresearcher import __version__
from bioresearcher.errors import DefectError
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.schemas.base import Origin

Handler = Callable[[Any], BaseModel]
"""Answers one prompt from its input value."""
AT_ONCE = 8
"""Rules at work side by side; more threads would only hold more memory."""


class OfflineBackend:
    """Answers each prompt with the handler of its name; the same values always give the same answer."""

    name = "offline"
    origin: Origin = "offline"

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._limit = asyncio.Semaphore(AT_ONCE)

    def identity(self, request: Request) -> str:
        """The rules' version."""
        return f"offline/{__version__}"

    def room(self, request: Request) -> int | None:
        """No limit: the rules read values, not a prompt."""
        return None

    async def aclose(self) -> None:
        """Nothing is open."""

    async def complete(self, request: Request) -> Reply:
        """Answer by rule, in a thread because embedding text takes time.

        Raises:
            DefectError: No rule exists for the prompt.
        """
        handler = self._handlers.get(request.prompt)
        if handler is None:
            raise DefectError(f"the offline backend has no rule for {request.prompt}")
        async with self._limit:
            answer = await asyncio.to_thread(handler, request.values)
        return Reply(answer.model_dump_json())
