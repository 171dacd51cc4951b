"""The `chat` backend: any language model that LangChain reaches, a model per role.

What a user is told when a request to a model fails: one line that says which model, where, why, and what to do.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioresearcher.errors import (
    AnswerError,
    BackendError,
    ContextOverflowError,
    EmptyReplyError,
    InputError,
    ModelRefusedError,
    ModelUnavailableError,
    RefusalError,
)
from bioresearcher.limits.rate_limits import Limiter, RateLimits
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.llm.provider_errors import RETRIED, ProviderError, trouble_of, with_retries
from bioresearcher.llm.providers import OWN_ADDRESSES, Connection, StrangeAnswerError, connect, invoke, sampling
from bioresearcher.llm.reply_parsing import Expected, ParsedReply, answer_of
from bioresearcher.llm.shorten import tokens_of, tokens_of_messages
from bioresearcher.llm.structured_output import Form, Mode, follows, form_of, ladder, messages_for, options, refuses
from bioresearcher.prompts import Message
from bioresearcher.schemas.base import Origin, Usage
from bioresearcher.schemas.model import ModelSettings, Role

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from bioresearcher.llm.budget import Prices


_LIMIT = re.compile(r"max_(completion_)?tokens")
_UNKNOWN_FIELD = re.compile(r"unsupported|unrecogni[sz]ed|unknown|not (permitted|allowed|supported)|use '?max", re.I)


def failure_of(
    error: BaseException, trouble: ProviderError, request: Request, settings: ModelSettings
) -> BackendError | None:
    """The error to show for what a provider's client raised; None when it does not come from a provider."""
    said, who = trouble.message, f"{request.model_role}: {settings.label} at {_where(settings)}"
    if trouble.kind == "overflow":
        return ContextOverflowError(
            f"{request.prompt} ({settings.label}): the prompt does not fit the model's context: {said}",
            hint="Set `context` for this role to what the server has, lower `max_output`, or use a larger model.",
        )
    if trouble.kind == "filtered":
        return RefusalError(
            f"{request.prompt} ({settings.label}): no answer. It was stopped by a filter: {said}",
            hint="Reword the objective, or give this role to another model.",
        )
    if trouble.kind in RETRIED:
        unavailable = ModelUnavailableError(f"{who} does not answer: {said}", hint=_how_to_reach(trouble, settings))
        unavailable.retryable = True
        return unavailable
    if trouble.kind == "refused" and trouble.status is None:
        return ModelRefusedError(f"{who} cannot be asked: {said}", hint=_about_the_key(settings))
    if trouble.kind == "refused":
        return ModelRefusedError(f"{who} refuses access (HTTP {trouble.status}).", hint=_about_the_key(settings))
    if trouble.kind == "unknown_model":
        return ModelRefusedError(f"{who} has no model {settings.model}: {said}", hint="Check the model's name.")
    if trouble.kind == "quota":
        return ModelRefusedError(f"{who} answers no more: {said}", hint="Add credit to the account.")
    if trouble.kind == "not_found" or isinstance(error, StrangeAnswerError):
        return ModelRefusedError(
            f"{who} does not answer like a language model: {said}",
            hint="Check `base_url`; for an OpenAI-compatible server it usually ends in /v1.",
        )
    if trouble.kind == "bad_request":
        return ModelRefusedError(f"{who} refuses the request: {said}", hint=_about_the_field(said, settings))
    return None


def way_refused(settings: ModelSettings, way: str, said: str) -> ModelRefusedError:
    """The error where the configured way of asking for JSON is not known to the server."""
    return ModelRefusedError(
        f'{settings.label} at {_where(settings)} does not take structured = "{way}": {said}',
        hint='Set `structured = "auto"` for this role.',
    )


def limit_has_another_name(settings: ModelSettings, trouble: ProviderError) -> bool:
    """Whether a server with OpenAI's API knows the longest answer by the other of its two names."""
    return (
        settings.provider in {"openai", "azure", "compatible"}
        and trouble.kind == "bad_request"
        and _LIMIT.search(trouble.message) is not None
        and _UNKNOWN_FIELD.search(trouble.message) is not None
    )


def _where(settings: ModelSettings) -> str:
    return settings.base_url or OWN_ADDRESSES.get(settings.provider, "its own address")


def _how_to_reach(trouble: ProviderError, settings: ModelSettings) -> str:
    if trouble.kind == "connection":
        return "Is the server running, and is the address right?" if settings.base_url else "Is there a network?"
    if trouble.kind == "timeout":
        return "Raise `timeout_s` for this role, or lower `concurrency`."
    if trouble.kind == "rate":
        return "Lower `concurrency`, or set `requests_per_minute` and `tokens_per_minute`; then resume the run."
    if trouble.status is None:
        return "What it sent is no answer of a model. Check `base_url`, or resume the run later."
    return "Resume the run later."


def _about_the_key(settings: ModelSettings) -> str:
    if settings.api_key_env is None:
        return "It wants a key: set `api_key_env` to the name of the environment variable that holds it."
    return f"Check the key in {settings.api_key_env}, and that it may use {settings.model}."


def _about_the_field(said: str, settings: ModelSettings) -> str:
    """Advice on the setting that a server names, where it is set."""
    if settings.temperature is not None and "temperature" in said:
        return "Remove `temperature` for this role, or set it to what the model takes."
    for name, given in (("seed", settings.seed is not None), ("stream", settings.stream)):
        if given and re.search(rf"\b{name}", said):
            return f"Remove `{name}` for this role."
    if re.search(r"max_\w*tokens|maxOutputTokens|num_predict", said):
        return "Lower `max_output` for this role to what the model takes."
    return ""


_FRAME = 64
"""Tokens kept free for what a server puts around messages and a schema."""
_LEAST_ANSWER = 64
SLOWER_HERE = 4
"""How much longer than elsewhere an answer from this machine is waited for when no time is set."""
WITH_GRAMMARS = frozenset({"compatible", "ollama"})
"""Providers whose servers hold answers to lengths of texts and lists; the others refuse schemas that have them."""
_MOST_TIMEOUTS = 2
"""A call ends after twice its limit, so that one attempt which timed out is followed by another."""
_MOST_SILENCES = 10
"""The same for answers that are streamed, whose limit is for a silence and not for the whole answer."""
_WAYS: Mapping[Mode, str] = {"schema": "a JSON schema", "text": "JSON in words"}


class _WayRefusedError(Exception):
    """The server does not know a way of asking for JSON."""


class ChatBackend:
    """Asks the configured language models.

    No package of a provider is imported and no key is looked up before the first model is asked, so that answers in
    the ledger can be found without either. One limiter holds for each endpoint, whatever the role. What was learnt of
    a server (how it takes schemas, how it names the longest answer) is kept as long as the backend.

    Args:
        models: The model of each role.
        prices: For costs, and for contexts and longest answers that the settings leave open.
        environ: Where keys are looked up; the process's environment by default.
        limits: A folder by which all processes keep to the limits of the endpoints together; None: each for itself.
        on_event: Told in a sentence what a user should know: waits, estimated tokens, another way of asking.
    """

    name = "chat"
    origin: Origin = "model"

    def __init__(
        self,
        models: Mapping[Role, ModelSettings],
        prices: Prices,
        *,
        environ: Mapping[str, str] | None = None,
        limits: Path | None = None,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        self._models: dict[str, ModelSettings] = {role: settings for role, settings in models.items()}  # noqa: C416
        self._prices = prices
        self._environ = os.environ if environ is None else environ
        self._limits = limits
        self._on_event = on_event
        self._connections: dict[ModelSettings, Connection] = {}
        self._limiters: dict[str, Limiter] = {}
        self._ways: dict[tuple[str, ...], Mode] = {}
        self._proven: set[tuple[str, ...]] = set()
        self._old_limit: dict[tuple[str, ...], bool] = {}
        self._said: set[str] = set()

    def identity(self, request: Request) -> str:
        """Model, address and sampling parameters, as stable text; never a key, and nothing found out by trying."""
        settings = self._settings(request)
        parts = {
            "provider": settings.provider,
            "model": settings.model,
            "base_url": settings.base_url,
            "api_version": settings.api_version,
            "temperature": settings.temperature,
            "seed": settings.seed,
            "structured": settings.structured,
            "max_output": settings.max_output or request.max_output_tokens,
        }
        return json.dumps({k: v for k, v in parts.items() if v is not None}, sort_keys=True, ensure_ascii=False)

    def room(self, request: Request) -> int | None:
        """Tokens for the prompt: the context without the longest answer, the schema and what is put around messages.

        None when the context is neither in the settings nor in the price list.
        """
        context = self._context(self._settings(request))
        if context is None:
            return None
        schema = tokens_of(form_of(request.output, limits=True).words)
        return max(0, context - self.longest(request) - schema - _FRAME)

    def longest(self, request: Request) -> int:
        """Tokens the answer may have.

        `max_output` of the settings if it is given, smaller or larger than the card's (models that reason need more),
        else the card's limit, but not more than the model is listed with. Never more than half of a known context.
        """
        settings = self._settings(request)
        price = self._prices.of(settings)
        longest = settings.max_output or min(request.max_output_tokens, (price and price.max_output) or 10**9)
        context = self._context(settings)
        return longest if context is None else max(_LEAST_ANSWER, min(longest, context // 2))

    async def complete(self, request: Request) -> Reply:
        """Ask the role's model.

        Raises:
            InputError: No model is configured for the role, its key is not set, or its package is not installed.
            AnswerError: There was an answer, but not one that can be used; its kinds say why, and what it cost.
            ModelRefusedError: The provider does not take the request: key, rights, model name, a parameter.
            ModelUnavailableError: Unreachable, overloaded or too slow, also after retries.
        """
        settings = self._settings(request)
        form = form_of(request.output, limits=settings.provider in WITH_GRAMMARS)
        try:
            return await self._answer(request, settings, form)
        except AnswerError as error:
            error.model = settings.label
            raise

    async def _answer(self, request: Request, settings: ModelSettings, form: Form) -> Reply:
        """The reply by the first way of asking that works, with what others cost before."""
        place, ways, spent = _place(settings), self._ways_left(settings, form), Usage()
        for way in ways:
            last, used = way == ways[-1], Usage()
            settled = last or place in self._proven
            try:
                answer = await self._ask(request, settings, form, way)
            except _WayRefusedError as error:
                if last:
                    raise way_refused(settings, way, str(error)) from None
                why = f"does not take {_WAYS[way]}"
            except AnswerError as error:
                if isinstance(error, EmptyReplyError) and not settled and not _reasoned(error):
                    why, used = f"gives nothing for {_WAYS[way]}", error.usage or used
                else:
                    if isinstance(error, EmptyReplyError):
                        self._forget(settings, form)
                    raise _with_usage(error, spent) from None
            else:
                used = answer.reply.usage
                follows_form = answer.is_json and follows(form, answer.reply.text)
                if follows_form:
                    self._proven.add(place)
                    self._ways.setdefault(place, way)
                if follows_form or settled:  # what does not follow is shown in a repair turn
                    return Reply(answer.reply.text, spent + used, answer.reply.model)
                why = f"does not follow {_WAYS[way]}"
            spent += used
            self._step_down(settings, form, ways[-1], why)
        raise AssertionError("the last way answers or raises")

    async def aclose(self) -> None:
        """Close all connections."""
        connections, self._connections = list(self._connections.values()), {}
        for connection in connections:
            await connection.aclose()

    def _settings(self, request: Request) -> ModelSettings:
        try:
            return self._models[request.model_role]
        except KeyError:
            raise InputError(
                f"no model is configured for the role {request.model_role} ({request.prompt}).",
                hint=f"Configure one with `--model {request.model_role}=PROVIDER:NAME` or in bioresearcher.toml.",
            ) from None

    def _context(self, settings: ModelSettings) -> int | None:
        price = self._prices.of(settings)
        return settings.context or (price.context if price else None)

    def _ways_left(self, settings: ModelSettings, form: Form) -> tuple[Mode, ...]:
        """The ways of asking to try now: from the one that was found to work."""
        ways, place = ladder(settings.structured), _place(settings)
        known = self._ways.get((*place, form.name)) or self._ways.get(place)
        return ways[ways.index(known) :] if known in ways else ways

    def _step_down(self, settings: ModelSettings, form: Form, after: Mode, why: str) -> None:
        """Use the next way from now on: for this form, and for all when none has worked yet."""
        place = _place(settings)
        self._ways[(*place, form.name)] = after
        if place not in self._proven:
            self._ways[place] = after
        self._say(f"{settings.label} {why}; it is asked for {_WAYS[after]}.")

    def _forget(self, settings: ModelSettings, form: Form) -> None:
        """Begin with the first way again where none has worked: the server's way is not known yet."""
        place = _place(settings)
        if place not in self._proven:
            self._ways.pop(place, None)
            self._ways.pop((*place, form.name), None)

    async def _ask(self, request: Request, settings: ModelSettings, form: Form, way: Mode) -> ParsedReply:
        """One answer by one way of asking.

        Raises:
            _WayRefusedError: The server does not know it.
        """
        messages = messages_for(request.messages, way, form)
        asked = Expected(
            label=f"{request.prompt} ({settings.label})",
            prompt="\n".join(m.content for m in messages),
            longest=self.longest(request),
            price=self._prices.of(settings),
        )
        message = await self._send(request, settings, messages, way, options(settings.provider, way, form))
        answer = answer_of(message, asked, model=settings.label)
        if not answer.counted:
            self._say(f"{settings.label} does not say how many tokens it used; they are estimated.")
        return answer

    async def _send(
        self, request: Request, settings: ModelSettings, messages: tuple[Message, ...], way: Mode, form: dict[str, Any]
    ) -> AIMessage:
        """What the model sends back, asked again after trouble that may pass."""
        model = self._connection(settings, request.model_role).model
        place, longest = _place(settings), self.longest(request)
        old_limit = self._old_limit.get(place, settings.provider == "compatible")
        arguments = _merged(sampling(settings, longest, old_limit=old_limit), form)
        limit_s = settings.timeout_s or request.timeout_s * (SLOWER_HERE if settings.on_this_machine else 1)

        async def call() -> AIMessage:
            request.admit()
            return await invoke(model, messages, arguments, limit_s=limit_s, stream=settings.stream)

        try:
            return await with_retries(
                call,
                limiter=self._limiter(settings),
                tokens=tokens_of_messages(messages) + longest,
                deadline_s=(_MOST_SILENCES if settings.stream else _MOST_TIMEOUTS) * limit_s,
                on_wait=lambda trouble, wait_s: self._say_wait(settings, trouble, wait_s),
            )
        except Exception as error:  # of any provider's client
            trouble = trouble_of(error)
            if place not in self._old_limit and limit_has_another_name(settings, trouble):
                self._old_limit[place] = not old_limit
                return await self._send(request, settings, messages, way, form)
            if trouble.kind in {"bad_request", "not_found", "unknown_model"} and refuses(
                way, trouble.status, trouble.message
            ):
                raise _WayRefusedError(trouble.message) from None
            failure = failure_of(error, trouble, request, settings)
            if failure is None:
                raise
            raise failure from None

    def _connection(self, settings: ModelSettings, role: str) -> Connection:
        if settings not in self._connections:
            self._connections[settings] = connect(settings, role=role, environ=self._environ)
        return self._connections[settings]

    def _limiter(self, settings: ModelSettings) -> Limiter:
        """The endpoint's limiter; where roles at the same endpoint differ, the tightest limits hold."""
        if settings.endpoint not in self._limiters:
            here = [other for other in self._models.values() if other.endpoint == settings.endpoint]
            requests = [other.requests_per_minute for other in here if other.requests_per_minute]
            tokens = [other.tokens_per_minute for other in here if other.tokens_per_minute]
            limits = RateLimits(
                requests_per_minute=min(requests, default=None),
                tokens_per_minute=min(tokens, default=None),
                in_flight=min(other.concurrency for other in here),
            )
            self._limiters[settings.endpoint] = Limiter(f"model {settings.endpoint}", limits, self._limits)
        return self._limiters[settings.endpoint]

    def _say(self, sentence: str) -> None:
        """Tell the user, once."""
        if self._on_event is not None and sentence not in self._said:
            self._said.add(sentence)
            self._on_event(sentence)

    def _say_wait(self, settings: ModelSettings, trouble: ProviderError, wait_s: float) -> None:
        if self._on_event is not None:
            self._on_event(f"{settings.label}: waiting {wait_s:.1f} s: {trouble.message}")


def _place(settings: ModelSettings) -> tuple[str, ...]:
    """What is learnt of a server is learnt for this model at this endpoint."""
    return (settings.endpoint, settings.model)


def _with_usage(error: AnswerError, spent: Usage) -> AnswerError:
    """The error with what earlier ways of asking cost added."""
    if spent.calls:
        error.usage = spent + (error.usage or Usage())
    return error


def _reasoned(error: EmptyReplyError) -> bool:
    """Whether there was reasoning before the nothing, so that the way of asking was not the cause."""
    return bool(error.text or (error.usage and error.usage.reasoning_tokens))


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both, and what both put into the body."""
    body = {**one.get("extra_body", {}), **other.get("extra_body", {})}
    return {**one, **other, **({"extra_body": body} if body else {})}
