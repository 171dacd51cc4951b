"""What answers a prompt: a language model, the offline rules, or a script in tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel

from bioresearcher.prompts import Message
from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.usage import Usage


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
