"""`ask`: the only door to a model.

In this order: ledger (replay) → concurrency limit → backend → validation with one repair turn → ledger → event.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from bioresearcher.cards import Card
from bioresearcher.errors import ReplyInvalidError
from bioresearcher.events import EventLog
from bioresearcher.llm.backend import Backend, Reply, Request, request_key
from bioresearcher.llm.ledger import Ledger
from bioresearcher.prompts import Message, Prompt, PromptBook
from bioresearcher.schemas.base import Origin, Value

In = TypeVar("In", bound=Value)
Out = TypeVar("Out", bound=BaseModel)


@dataclass(frozen=True)
class Caller:
    """All that a model call needs besides its question.

    Attributes:
        backend: Who answers.
        ledger: Where answers are recorded and found again.
        prompts: The run's prompts.
        cards: The agents, for their roles and limits.
        events: Where calls are announced.
        limit: How many calls are in flight at once.
    """

    backend: Backend
    ledger: Ledger
    prompts: PromptBook
    cards: Mapping[str, Card]
    events: EventLog
    limit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    _pending: dict[str, asyncio.Lock] = field(default_factory=dict)

    @property
    def origin(self) -> Origin:
        """Who answers: recorded in what is made from the answers."""
        return self.backend.origin


async def ask(caller: Caller, prompt: Prompt[In, Out], values: In) -> Out:
    """The validated answer to a prompt.

    Identical questions asked at the same time are answered once.

    Raises:
        ReplyInvalidError: The answer does not fit the schema, also after one repair turn.
        BackendError: No answer could be had.
    """
    loaded = caller.prompts.get(prompt)
    card = caller.cards[prompt.agent]
    request = Request(
        prompt=prompt.name,
        digest=loaded.resource.digest,
        model_role=card.model_role,
        values=values,
        messages=loaded.render(values),
        output=prompt.output,
        max_output_tokens=card.max_output_tokens,
        timeout_s=card.timeout_s,
    )
    key = request_key(caller.backend, request)
    lock = caller._pending.setdefault(key, asyncio.Lock())
    try:
        async with lock:
            reply, replayed = await _reply(caller, request, key)
    finally:
        if not lock.locked():
            caller._pending.pop(key, None)
    caller.events.emit("call", prompt.step, "done", replayed=replayed, prompt=prompt.name, key=key[:12])
    return prompt.output.model_validate_json(reply.text)


async def _reply(caller: Caller, request: Request, key: str) -> tuple[Reply, bool]:
    """A valid reply, from the ledger or the backend, and whether it came from the ledger."""
    known = caller.ledger.find(key)
    if known is not None:
        return known, True
    async with caller.limit:
        reply = await caller.backend.complete(request)
        problem = _problem(request, reply)
        if problem is not None:
            repair = await caller.backend.complete(_repair_request(request, reply, problem))
            reply = Reply(repair.text, reply.usage + repair.usage)
            problem = _problem(request, reply)
    if problem is not None:
        raise ReplyInvalidError(f"{request.prompt}: the answer does not fit {request.output.__name__}: {problem}")
    caller.ledger.record(key, prompt=request.prompt, model=caller.backend.identity(request), reply=reply)
    return reply, False


def _problem(request: Request, reply: Reply) -> str | None:
    """Why a reply does not fit its schema, in one to five lines, or None."""
    try:
        request.output.model_validate_json(reply.text)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors()[:5]]
        return "\n".join(lines)
    return None


def _repair_request(request: Request, reply: Reply, problem: str) -> Request:
    """The question again, with the answer that did not fit and why."""
    schema = json.dumps(request.output.model_json_schema(), ensure_ascii=False)
    repair = (
        Message("assistant", reply.text[:20_000]),
        Message("user", f"This does not fit:\n{problem}\nAnswer again with JSON only, fitting this schema:\n{schema}"),
    )
    return replace(request, messages=(*request.messages, *repair))
