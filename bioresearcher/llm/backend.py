"""Interface of the backends that answer prompts: a language model or the deterministic rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Protocol

from pydantic import BaseModel

from bioresearcher.prompts import Message
from bioresearcher.schemas.base import Origin, Usage, Value


def _admitted() -> None:
    """Allow the request: the default of `Request.admit`."""


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        prompt: The prompt's name, e.g. `search/plan_queries`.
        digest: Of the prompt file.
        model_role: The role whose configured model answers (reader, designer, coder, reviewer).
        values: The typed input, which the deterministic rules work on.
        messages: The rendered prompt, which models work on.
        output: The class the answer must fit.
        max_output_tokens: Upper bound of the answer.
        timeout_s: Longest wait for the answer, in seconds.
        schema_at: Position of the message that the schema in words ends, for servers that take no schema.
        admit: Called right before each sending; raises `StoppedError` when the budget is used up or the run is
            stopping.
    """

    prompt: str
    digest: str
    model_role: str
    values: Value
    messages: tuple[Message, ...]
    output: type[BaseModel]
    max_output_tokens: int = 4096
    timeout_s: float = 300
    schema_at: int = 0
    admit: Callable[[], None] = field(default=_admitted, compare=False, repr=False)


@dataclass(frozen=True)
class Reply:
    """An answer as JSON text, not yet validated.

    Attributes:
        text: JSON, without fences, reasoning or anything around it.
        usage: Tokens and cost of this answer.
        model: Provider and model that answered; empty for the rules.
    """

    text: str
    usage: Usage = field(default_factory=Usage)
    model: str = ""


class Backend(Protocol):
    """Answers requests."""

    name: str
    origin: Origin

    def identity(self, request: Request) -> str:
        """Identify the model and its sampling parameters for this request; part of the ledger's key."""
        ...

    def room(self, request: Request) -> int | None:
        """Return the tokens a prompt may have beside the longest answer; None if there is no known limit."""
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


_PLACES: Final[Mapping[str, Mapping[str, set[str]]]] = {"datasets": {"__all__": {"root"}}}
"""Values that decide no answer: folders of data sets, which for prepared copies lie in the folder of the run."""


def request_key(backend: Backend, request: Request) -> str:
    """Compute the content key of a call: a hash of model, sampling, prompt digest, messages, values and schema."""
    content = {
        "identity": backend.identity(request),
        "prompt": request.prompt,
        "digest": request.digest,
        "messages": [[m.role, m.content] for m in request.messages],
        "schema": _schema(request.output),
    }
    if backend.origin == "offline":  # the rules see the values, which may hold more than the text shows
        content["values"] = request.values.model_dump(mode="json", exclude=_PLACES)
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()
