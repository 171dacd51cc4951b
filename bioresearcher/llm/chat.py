"""The `chat` backend: asks any language model that LangChain can reach, a model per role.

A failed request becomes an error of one line with model, address and cause, and a hint.
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
from bioresearcher.llm.provider_errors import RETRIED, ProviderError, classify_error, with_retries
from bioresearcher.llm.providers import OWN_ADDRESSES, Connection, StrangeAnswerError, connect, invoke, sampling
from bioresearcher.llm.reply_parsing import Expected, ParsedReply, parse_reply
from bioresearcher.llm.shorten import tokens_of, tokens_of_messages
from bioresearcher.llm.structured_output import (
    AnswerSchema,
    Mode,
    answer_schema,
    call_options,
    has_schema_fields,
    is_mode_refusal,
    messages_for,
    modes_to_try,
)
from bioresearcher.prompts import Message
from bioresearcher.schemas.base import Origin, Usage
from bioresearcher.schemas.model import ModelSettings, Role

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from bioresearcher.llm.budget import Prices


_FRAME = 64
"""Tokens kept free for the server's own markup around messages and schema."""
_LEAST_ANSWER = 64
_SLOWER_HERE = 4
"""Factor on the card's time limit for a model on this machine, when the settings give no limit."""
_WITH_GRAMMARS = frozenset({"compatible", "ollama"})
"""Providers whose servers enforce lengths of texts and lists; the others refuse schemas with such limits."""
_MOST_TIMEOUTS = 2
"""A call ends after twice its limit, so that an attempt that timed out is followed by another."""
_MOST_SILENCES = 10
"""The same for streamed answers, whose limit holds for a silence and not for the whole answer."""
_MODES: Mapping[Mode, str] = {"schema": "a JSON schema", "text": "JSON in words"}


_LIMIT = re.compile(r"max_(completion_)?tokens")
_UNKNOWN_FIELD = re.compile(r"unsupported|unrecogni[sz]ed|unknown|not (permitted|allowed|supported)|use '?max", re.I)


class _ModeRefusedError(Exception):
    """The server does not support a mode of structured output."""


class ChatBackend:
    """Asks the configured language models.

    No package of a provider is imported and no key is looked up before the first model is asked, so that answers in the
    ledger can be found without either. All roles share one limiter per endpoint. Properties found out by trying (the
    modes of structured output, the name of the limit of an answer) are kept as long as the backend.

    Args:
        models: The model of each role.
        prices: For costs, and for contexts and longest answers that the settings leave open.
        environ: Environment with the keys; the process's by default.
        limits: Folder through which all processes share the limits of the endpoints; None: each process for itself.
        on_event: Called with a sentence for the user: a wait, estimated tokens, another mode of structured output.
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
        self._models = {str(role): settings for role, settings in models.items()}
        self._prices = prices
        self._environ = os.environ if environ is None else environ
        self._limits = limits
        self._on_event = on_event
        self._connections: dict[ModelSettings, Connection] = {}
        self._limiters: dict[str, Limiter] = {}
        self._modes: dict[tuple[str, ...], Mode] = {}
        self._proven: set[tuple[str, ...]] = set()
        self._old_limit: dict[tuple[str, ...], bool] = {}
        self._sentences: set[str] = set()

    def identity(self, request: Request) -> str:
        """Return model, address and sampling parameters as stable text; never a key, nothing found out by trying."""
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
        """Return the tokens for the prompt: the context without longest answer, schema and the server's markup.

        None when the context is neither in the settings nor in the price list.
        """
        context = self._context(self._settings(request))
        if context is None:
            return None
        schema = tokens_of(answer_schema(request.output, limits=True).words)
        return max(0, context - self.longest(request) - schema - _FRAME)

    def longest(self, request: Request) -> int:
        """Return the most tokens that the answer may have.

        This is `max_output` of the settings if it is given, smaller or larger than the card's (models that reason need
        more), else the card's limit, but not more than the price list states for the model. It is never more than half
        of a known context.
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
            AnswerError: The answer cannot be used; the subclass gives the reason, its usage the cost.
            ModelRefusedError: The provider does not take the request: key, rights, model name, a parameter.
            ModelUnavailableError: Unreachable, overloaded or too slow, also after retries.
        """
        settings = self._settings(request)
        form = answer_schema(request.output, limits=settings.provider in _WITH_GRAMMARS)
        try:
            return await self._answer(request, settings, form)
        except AnswerError as error:
            error.model = settings.label
            raise

    async def _answer(self, request: Request, settings: ModelSettings, form: AnswerSchema) -> Reply:
        """Get the reply by the first mode that works; its usage includes that of the modes tried before."""
        place, modes, spent = _place(settings), self._ways_left(settings, form), Usage()
        for mode in modes:
            last, used = mode == modes[-1], Usage()
            settled = last or place in self._proven
            try:
                answer = await self._ask(request, settings, form, mode)
            except _ModeRefusedError as error:
                if last:
                    raise _mode_refused(settings, mode, str(error)) from None
                why = f"does not take {_MODES[mode]}"
            except AnswerError as error:
                if isinstance(error, EmptyReplyError) and not settled and not _reasoned(error):
                    why, used = f"gives nothing for {_MODES[mode]}", error.usage or used
                else:
                    if isinstance(error, EmptyReplyError):
                        self._forget(settings, form)
                    raise _with_usage(error, spent) from None
            else:
                used = answer.reply.usage
                follows_form = answer.is_json and has_schema_fields(form, answer.reply.text)
                if follows_form:
                    self._proven.add(place)
                    self._modes.setdefault(place, mode)
                if follows_form or settled:  # an answer that does not follow goes into a repair turn
                    return Reply(answer.reply.text, spent + used, answer.reply.model)
                why = f"does not follow {_MODES[mode]}"
            spent += used
            self._step_down(settings, form, modes[-1], why)
        raise AssertionError("the last mode answers or raises")

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

    def _ways_left(self, settings: ModelSettings, form: AnswerSchema) -> tuple[Mode, ...]:
        """List the modes to try now: from the one that was found to work."""
        modes, place = modes_to_try(settings.structured), _place(settings)
        known = self._modes.get((*place, form.name)) or self._modes.get(place)
        return modes[modes.index(known) :] if known in modes else modes

    def _step_down(self, settings: ModelSettings, form: AnswerSchema, after: Mode, why: str) -> None:
        """Use the next mode from now on: for this schema, and for all of them when none has worked yet."""
        place = _place(settings)
        self._modes[(*place, form.name)] = after
        if place not in self._proven:
            self._modes[place] = after
        self._notify(f"{settings.label} {why}; it is asked for {_MODES[after]}.")

    def _forget(self, settings: ModelSettings, form: AnswerSchema) -> None:
        """Begin with the first mode again if none has worked: the server's mode is not known yet."""
        place = _place(settings)
        if place not in self._proven:
            self._modes.pop(place, None)
            self._modes.pop((*place, form.name), None)

    async def _ask(self, request: Request, settings: ModelSettings, form: AnswerSchema, mode: Mode) -> ParsedReply:
        """Get one answer by one mode.

        Raises:
            _ModeRefusedError: The server does not support it.
        """
        messages = messages_for(request.messages, mode, form, at=request.schema_at)
        asked = Expected(
            label=f"{request.prompt} ({settings.label})",
            prompt="\n".join(m.content for m in messages),
            longest=self.longest(request),
            price=self._prices.of(settings),
        )
        message = await self._send(request, settings, messages, mode, call_options(settings.provider, mode, form))
        answer = parse_reply(message, asked, model=settings.label)
        if not answer.counted:
            self._notify(f"{settings.label} does not say how many tokens it used; they are estimated.")
        return answer

    async def _send(
        self, request: Request, settings: ModelSettings, messages: tuple[Message, ...], mode: Mode, form: dict[str, Any]
    ) -> AIMessage:
        """Send the request, again after temporary errors, and return the model's message."""
        model = self._connection(settings, request.model_role).model
        place, longest = _place(settings), self.longest(request)
        old_limit = self._old_limit.get(place, settings.provider == "compatible")
        arguments = _merged(sampling(settings, longest, old_limit=old_limit), form)
        limit_s = settings.timeout_s or request.timeout_s * (_SLOWER_HERE if settings.on_this_machine else 1)

        async def call() -> AIMessage:
            request.admit()
            return await invoke(model, messages, arguments, limit_s=limit_s, stream=settings.stream)

        try:
            return await with_retries(
                call,
                limiter=self._limiter(settings),
                tokens=tokens_of_messages(messages) + longest,
                deadline_s=(_MOST_SILENCES if settings.stream else _MOST_TIMEOUTS) * limit_s,
                on_wait=lambda problem, wait_s: self._notify_wait(settings, problem, wait_s),
            )
        except Exception as error:  # of any provider's client
            problem = classify_error(error)
            if place not in self._old_limit and _limit_has_other_name(settings, problem):
                self._old_limit[place] = not old_limit
                return await self._send(request, settings, messages, mode, form)
            if problem.kind in {"bad_request", "not_found", "unknown_model"} and is_mode_refusal(
                mode, problem.status, problem.message
            ):
                raise _ModeRefusedError(problem.message) from None
            failure = _backend_error(error, problem, request, settings)
            if failure is None:
                raise
            raise failure from None

    def _connection(self, settings: ModelSettings, role: str) -> Connection:
        if settings not in self._connections:
            self._connections[settings] = connect(settings, role=role, environ=self._environ)
        return self._connections[settings]

    def _limiter(self, settings: ModelSettings) -> Limiter:
        """Return the endpoint's limiter; if the settings of roles at one endpoint differ, the tightest limits hold."""
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

    def _notify(self, sentence: str) -> None:
        """Notify the user, once per sentence."""
        if self._on_event is not None and sentence not in self._sentences:
            self._sentences.add(sentence)
            self._on_event(sentence)

    def _notify_wait(self, settings: ModelSettings, problem: ProviderError, wait_s: float) -> None:
        if self._on_event is not None:
            self._on_event(f"{settings.label}: waiting {wait_s:.1f} s: {problem.message}")


def _place(settings: ModelSettings) -> tuple[str, ...]:
    """Key of properties found out by trying: they hold for one model at one endpoint."""
    return (settings.endpoint, settings.model)


def _with_usage(error: AnswerError, spent: Usage) -> AnswerError:
    """Add the usage of earlier modes to an error."""
    if spent.calls:
        error.usage = spent + (error.usage or Usage())
    return error


def _reasoned(error: EmptyReplyError) -> bool:
    """Check whether an empty answer had reasoning before it, so that the mode was not the cause."""
    return bool(error.text or (error.usage and error.usage.reasoning_tokens))


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Merge two sets of arguments, and the extra bodies in them."""
    body = {**one.get("extra_body", {}), **other.get("extra_body", {})}
    return {**one, **other, **({"extra_body": body} if body else {})}


def _backend_error(
    error: BaseException, problem: ProviderError, request: Request, settings: ModelSettings
) -> BackendError | None:
    """Translate an error of a provider's client; None when it does not come from a provider."""
    message, who = problem.message, f"{request.model_role}: {settings.label} at {_where(settings)}"
    if problem.kind == "overflow":
        return ContextOverflowError(
            f"{request.prompt} ({settings.label}): the prompt does not fit the model's context: {message}",
            hint="Set `context` for this role to what the server has, lower `max_output`, or use a larger model.",
        )
    if problem.kind == "filtered":
        return RefusalError(
            f"{request.prompt} ({settings.label}): no answer. It was stopped by a filter: {message}",
            hint="Reword the objective, or give this role to another model.",
        )
    if problem.kind in RETRIED:
        unavailable = ModelUnavailableError(f"{who} does not answer: {message}", hint=_how_to_reach(problem, settings))
        unavailable.retryable = True
        return unavailable
    if problem.kind == "refused" and problem.status is None:
        return ModelRefusedError(f"{who} cannot be asked: {message}", hint=_about_the_key(settings))
    if problem.kind == "refused":
        return ModelRefusedError(f"{who} refuses access (HTTP {problem.status}).", hint=_about_the_key(settings))
    if problem.kind == "unknown_model":
        return ModelRefusedError(f"{who} has no model {settings.model}: {message}", hint="Check the model's name.")
    if problem.kind == "quota":
        return ModelRefusedError(f"{who} answers no more: {message}", hint="Add credit to the account.")
    if problem.kind == "not_found" or isinstance(error, StrangeAnswerError):
        return ModelRefusedError(
            f"{who} does not answer like a language model: {message}",
            hint="Check `base_url`; for an OpenAI-compatible server it usually ends in /v1.",
        )
    if problem.kind == "bad_request":
        return ModelRefusedError(f"{who} refuses the request: {message}", hint=_about_the_field(message, settings))
    return None


def _mode_refused(settings: ModelSettings, mode: str, message: str) -> ModelRefusedError:
    """Make the error for a configured mode that the server does not support."""
    return ModelRefusedError(
        f'{settings.label} at {_where(settings)} does not take structured = "{mode}": {message}',
        hint='Set `structured = "auto"` for this role.',
    )


def _limit_has_other_name(settings: ModelSettings, problem: ProviderError) -> bool:
    """Check whether a server with OpenAI's API wants the other of the two names for the limit of an answer."""
    return (
        settings.provider in {"openai", "azure", "compatible"}
        and problem.kind == "bad_request"
        and _LIMIT.search(problem.message) is not None
        and _UNKNOWN_FIELD.search(problem.message) is not None
    )


def _where(settings: ModelSettings) -> str:
    return settings.base_url or OWN_ADDRESSES.get(settings.provider, "its own address")


def _how_to_reach(problem: ProviderError, settings: ModelSettings) -> str:
    if problem.kind == "connection":
        return "Is the server running, and is the address right?" if settings.base_url else "Is there a network?"
    if problem.kind == "timeout":
        return "Raise `timeout_s` for this role, or lower `concurrency`."
    if problem.kind == "rate":
        return "Lower `concurrency`, or set `requests_per_minute` and `tokens_per_minute`; then resume the run."
    if problem.status is None:
        return "What it sent is no answer of a model. Check `base_url`, or resume the run later."
    return "Resume the run later."


def _about_the_key(settings: ModelSettings) -> str:
    if settings.api_key_env is None:
        return "It wants a key: set `api_key_env` to the name of the environment variable that holds it."
    return f"Check the key in {settings.api_key_env}, and that it may use {settings.model}."


def _about_the_field(message: str, settings: ModelSettings) -> str:
    """Advise on the setting that a server's message names, if it is set."""
    if settings.temperature is not None and "temperature" in message:
        return "Remove `temperature` for this role, or set it to what the model takes."
    for name, given in (("seed", settings.seed is not None), ("stream", settings.stream)):
        if given and re.search(rf"\b{name}", message):
            return f"Remove `{name}` for this role."
    if re.search(r"max_\w*tokens|maxOutputTokens|num_predict", message):
        return "Lower `max_output` for this role to what the model takes."
    return ""
