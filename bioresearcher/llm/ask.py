"""`ask`: the only entry point for calls of a model.

The steps of a call: shortening to the model's context → ledger (replay) → concurrency limit → budget → backend →
validation with one repair turn → ledger (record) → event. The backend checks the budget through `Request.admit` right
before it sends the request.

An unusable answer of a model is recorded and paid for like any other; the deterministic rules then answer in its place,
and the answer's origin says so.

For a turn of a conversation (`schemas.conversation.Turn`) the answer has the two messages that the caller appends to
what was said; a repair turn is not among them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from bioresearcher.errors import AnswerError, ContextOverflowError, ReplyInvalidError, StoppedError, TruncatedError
from bioresearcher.events import EventLog
from bioresearcher.llm.backend import Backend, Reply, Request, request_key
from bioresearcher.llm.budget import Meter
from bioresearcher.llm.ledger import Ledger, LedgerEntry
from bioresearcher.llm.shorten import Shortened, droppable, fit, tokens_of, tokens_of_messages
from bioresearcher.llm.structured_output import answer_schema
from bioresearcher.prompts import LoadedPrompt, Message, Prompt, PromptBook
from bioresearcher.resources import Card
from bioresearcher.schemas.base import Origin, Usage, Value
from bioresearcher.schemas.conversation import Said, Turn
from bioresearcher.text.visible import visible

In = TypeVar("In", bound=Value)
Out = TypeVar("Out", bound=BaseModel)
TurnIn = TypeVar("TurnIn", bound=Turn)

_SHRINK = (0.75, 0.5, 0.3)
"""Fractions of the prompt's length that are tried when a server finds the prompt too long."""


@dataclass(frozen=True)
class Answer(Generic[Out]):
    """A validated answer with its origin.

    Attributes:
        exchange: For a turn of a conversation the user's message as it was sent and the answer as canonical JSON, to
            be appended to what was said; else empty.
    """

    value: Out
    origin: Origin
    exchange: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Preview:
    """A turn of a conversation as `ask` would send it.

    Attributes:
        user: The user's message.
        tokens: Estimated tokens of all messages and the answer's schema.
        share: Part of the model's room that the messages take; 0 when the room is not known.
    """

    user: Said
    tokens: int
    share: float


@dataclass(frozen=True)
class ModelClient:
    """Everything that a model call needs besides its question.

    Attributes:
        backend: Answers the prompts.
        ledger: Records answers and finds them again.
        prompts: The run's prompts.
        cards: The agents' cards, for their roles and limits.
        events: Log of the calls.
        rules: Backend that answers when an answer of `backend` cannot be used; None: there is no such backend.
        meter: Counts what is spent against the budget; None: nothing is counted.
    """

    backend: Backend
    ledger: Ledger
    prompts: PromptBook
    cards: Mapping[str, Card]
    events: EventLog
    rules: Backend | None = None
    meter: Meter | None = None
    _running: dict[str, asyncio.Task[LedgerEntry]] = field(default_factory=dict)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def by_rule(self) -> bool:
        """True when the deterministic rules answer."""
        return self.backend.origin == "offline"

    def admit(self) -> None:
        """Check that a request may be sent; called right before it is.

        Raises:
            BudgetError: The run's budget is used up.
            StoppedError: The run is stopping.
        """
        if self._closing.is_set():
            raise StoppedError("the run is stopping.")
        if self.meter is not None:
            self.meter.check()

    def spend(self, usage: Usage | None) -> None:
        """Count the cost of a call."""
        if self.meter is not None and usage is not None:
            self.meter.add(usage)

    async def close(self, *, wait: bool) -> None:
        """Stop sending; with `wait` the calls in flight end and are recorded, else they are cancelled."""
        self._closing.set()
        running = list(self._running.values())
        if not wait:
            for task in running:
                task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.backend.aclose()


async def ask(caller: ModelClient, prompt: Prompt[In, Out], values: In) -> Answer[Out]:
    """Ask a prompt and return its validated answer.

    Identical questions asked at the same time are answered once. A call that was begun is finished and recorded even if
    nobody waits for it any more, because it is paid for.

    Raises:
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
        BackendError: The model gave no answer.
        StoppedError: The budget is used up, or the run is stopping.
    """
    try:
        return await _ask(caller, caller.backend, prompt, values)
    except AnswerError as error:
        if caller.rules is None:
            raise
        note = f"{prompt.name}: answered by rule, as the model's answer could not be used: {error.message}"
        caller.events.emit("note", prompt.step, "info", note, prompt=prompt.name, error=type(error).__name__)
        return await _ask(caller, caller.rules, prompt, values)


def preview(caller: ModelClient, prompt: Prompt[TurnIn, Out], values: TurnIn) -> Preview:
    """Render a turn as `ask` would send it, without asking; its share is above 1 when it does not fit."""
    loaded, request = _request(caller, prompt, values)
    room = caller.backend.room(request)
    try:
        messages = fit(loaded, values, room).messages
    except ContextOverflowError:
        messages = loaded.render(values)
    tokens = tokens_of_messages(messages)
    schema = tokens_of(answer_schema(prompt.output, limits=True).words)
    return Preview(_user_said(messages), tokens + schema, tokens / max(room, 1) if room is not None else 0)


def _user_said(messages: tuple[Message, ...]) -> Said:
    return Said(role="user", text=messages[-1].content)


async def _ask(caller: ModelClient, backend: Backend, prompt: Prompt[In, Out], values: In) -> Answer[Out]:
    """Return a usable answer: from the ledger, a call under way, or a new call."""
    question = _question(caller, backend, prompt, values)
    found = caller.ledger.find(question.key)
    if found is None:
        task = caller._running.get(question.key)
        if task is None:
            task = asyncio.create_task(_call(caller, backend, question))
            caller._running[question.key] = task
            task.add_done_callback(lambda done: _finished(caller, question.key, done))
        entry = await asyncio.shield(task)
    else:
        entry = found
    _announce(caller, prompt.step, entry, replayed=found is not None)
    value = prompt.output.model_validate_json(entry.answer().text)
    if not isinstance(values, Turn):
        return Answer(value, entry.origin)
    answered = Said(role="assistant", text=visible(value.model_dump_json()))
    return Answer(value, entry.origin, (_user_said(question.request.messages), answered))


def _finished(caller: ModelClient, key: str, task: asyncio.Task[LedgerEntry]) -> None:
    """Forget a call that has ended."""
    caller._running.pop(key, None)
    if not task.cancelled():
        task.exception()  # retrieved, as nobody may be waiting for it any more


@dataclass(frozen=True)
class _Question:
    """A prompt with its values, shortened to fit the model."""

    loaded: LoadedPrompt[Any, Any]
    values: Value
    fitted: Shortened[Any]
    request: Request
    key: str


def _question(caller: ModelClient, backend: Backend, prompt: Prompt[In, Out], values: In) -> _Question:
    """Render the prompt within the room that the model has."""
    loaded, request = _request(caller, prompt, values)
    fitted = fit(loaded, values, backend.room(request))
    schema_at = len(fitted.messages) - 1 if isinstance(values, Turn) else 0
    request = replace(request, values=fitted.values, messages=fitted.messages, schema_at=schema_at)
    return _Question(loaded, values, fitted, request, request_key(backend, request))


def _request(caller: ModelClient, prompt: Prompt[In, Out], values: In) -> tuple[LoadedPrompt[In, Out], Request]:
    """Load the prompt, and make its request without messages."""
    loaded, card = caller.prompts.get(prompt), caller.cards[prompt.agent]
    request = Request(
        prompt=prompt.name,
        digest=loaded.digest,
        model_role=card.model_role,
        values=values,
        messages=(),
        output=prompt.output,
        max_output_tokens=card.max_output_tokens,
        timeout_s=card.timeout_s,
        admit=caller.admit,
    )
    return loaded, request


async def _call(caller: ModelClient, backend: Backend, question: _Question) -> LedgerEntry:
    """Ask, validate, repair once if needed, and record the outcome."""
    started = time.monotonic()
    request, repaired, failed = question.request, False, None
    try:
        reply, request = await _sent(caller, backend, question)
        problem = _problem(request, reply)
        if problem is not None:
            repaired = True
            reply = await _repaired(caller, backend, request, reply, problem)
    except AnswerError as error:
        failed = error
        reply = Reply(error.text, error.usage or Usage(), error.model)
    entry = LedgerEntry(
        key=question.key,
        prompt=request.prompt,
        role=request.model_role,
        identity=backend.identity(request),
        origin=backend.origin,
        reply=reply,
        failure=f"{type(failed).__name__}: {failed.message}" if failed else "",
        hint=failed.hint if failed else "",
        repaired=repaired,
        seconds=round(time.monotonic() - started, 3),
    )
    caller.ledger.record(entry)
    return entry


async def _sent(caller: ModelClient, backend: Backend, question: _Question) -> tuple[Reply, Request]:
    """Get the first answer; a prompt that the server finds too long is shortened further."""
    fitted, request, spent = question.fitted, question.request, Usage()
    for shrink in (*_SHRINK, None):
        _note_dropped(caller, request, fitted)
        try:
            reply = await _complete_whole(caller, backend, request)
        except ContextOverflowError as error:
            spent += error.usage or Usage()
            # What a conversation says later begins with what was sent before, so nothing may be left out afterwards.
            if shrink is None or isinstance(question.values, Turn) or not droppable(question.values):
                raise _with_usage(error, spent) from None
            room = int(tokens_of_messages(question.request.messages) * shrink)
            fitted = fit(question.loaded, question.values, room)
            request = replace(request, values=fitted.values, messages=fitted.messages)
        else:
            return replace(reply, usage=spent + reply.usage), request
    raise AssertionError("the loop ends by returning or raising")


async def _complete_whole(caller: ModelClient, backend: Backend, request: Request) -> Reply:
    """Get an answer; one that was cut is asked for again with twice the room, where settings and context leave it."""
    try:
        return await _complete(caller, backend, request)
    except TruncatedError as error:
        larger = replace(request, max_output_tokens=2 * request.max_output_tokens)
        if not _has_room(backend, request, larger):
            raise
        cut = error.usage or Usage()
    try:
        reply = await _complete(caller, backend, larger)
    except AnswerError as error:
        raise _with_usage(error, cut + (error.usage or Usage())) from None
    return replace(reply, usage=cut + reply.usage)


def _has_room(backend: Backend, request: Request, larger: Request) -> bool:
    """Return True if an answer may really be longer, and the prompt still fits beside it."""
    if backend.identity(request) == backend.identity(larger):  # the settings fix it
        return False
    before, after = backend.room(request), backend.room(larger)
    return before is None or after is None or tokens_of_messages(request.messages) <= after < before


def _note_dropped(caller: ModelClient, request: Request, fitted: Shortened[Any]) -> None:
    """Log the items that were left out of the prompt."""
    if fitted.dropped:
        lost = ", ".join(map(str, fitted.dropped))
        caller.events.emit(
            "note",
            request.prompt.split("/", 1)[1],
            "info",
            f"{request.prompt}: {lost} left out, the least relevant, to fit the model's context",
            prompt=request.prompt,
            dropped={d.field: list(d.items) for d in fitted.dropped},
        )


async def _complete(caller: ModelClient, backend: Backend, request: Request) -> Reply:
    """Get an answer and count its cost, also that of an unusable one."""
    try:
        reply = await backend.complete(request)
    except AnswerError as error:
        caller.spend(error.usage)
        raise
    caller.spend(reply.usage)
    return reply


async def _repaired(caller: ModelClient, backend: Backend, request: Request, reply: Reply, problem: str) -> Reply:
    """Get the answer of the one repair turn.

    Raises:
        AnswerError: It does not fit either; with the usage of both answers.
    """
    try:
        second = await _complete(caller, backend, _repair_request(request, reply, problem))
    except AnswerError as error:
        raise _with_usage(error, reply.usage + (error.usage or Usage())) from None
    usage = reply.usage + second.usage
    problem = _problem(request, second) or ""
    if not problem:
        return replace(second, usage=usage)
    invalid = ReplyInvalidError(
        f"{request.prompt}: the answer does not fit {request.output.__name__}: {'; '.join(problem.splitlines())}",
        hint="A larger model, or another one for this role, may do it.",
        usage=usage,
        text=second.text,
    )
    invalid.model = second.model
    raise invalid


def _with_usage(error: AnswerError, usage: Usage) -> AnswerError:
    """Set the usage of an error to that of all answers of the call."""
    error.usage = usage
    return error


def _announce(caller: ModelClient, step: str, entry: LedgerEntry, *, replayed: bool) -> None:
    used = entry.reply.usage
    caller.events.emit(
        "call",
        step,
        "failed" if entry.failure else "done",
        entry.failure,
        replayed=replayed,
        prompt=entry.prompt,
        key=entry.key[:12],
        role=entry.role,
        model=entry.reply.model,
        repaired=entry.repaired,
        calls=used.calls,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost_usd=used.cost_usd,
        seconds=entry.seconds,
    )


def _problem(request: Request, reply: Reply) -> str | None:
    """Explain why a reply does not fit its schema, in one to five lines; None if it does."""
    try:
        request.output.model_validate_json(reply.text)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors()[:5]]
        return "\n".join(lines)
    return None


def _repair_request(request: Request, reply: Reply, problem: str) -> Request:
    """Make the request of the repair turn: the question, the answer that did not fit, and the reason."""
    schema = json.dumps(request.output.model_json_schema(), ensure_ascii=False)
    repair = (
        Message("assistant", reply.text[:20_000]),
        Message("user", f"This does not fit:\n{problem}\nAnswer again with JSON only, fitting this schema:\n{schema}"),
    )
    return replace(request, messages=(*request.messages, *repair))
