"""What a user is told when a request to a model fails: one line that says which model, where, why, and what to do."""

from __future__ import annotations

import re

from bioresearcher.errors import (
    BackendError,
    ContextOverflowError,
    ModelRefusedError,
    ModelUnavailableError,
    RefusalError,
)
from bioresearcher.llm.backend import Request
from bioresearcher.llm.providers import OWN_ADDRESSES, StrangeAnswerError
from bioresearcher.llm.trouble import RETRIED, Trouble
from bioresearcher.schemas.model import ModelSettings

_LIMIT = re.compile(r"max_(completion_)?tokens")
_UNKNOWN_FIELD = re.compile(r"unsupported|unrecogni[sz]ed|unknown|not (permitted|allowed|supported)|use '?max", re.I)


def failure_of(
    error: BaseException, trouble: Trouble, request: Request, settings: ModelSettings
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


def limit_has_another_name(settings: ModelSettings, trouble: Trouble) -> bool:
    """Whether a server with OpenAI's API knows the longest answer by the other of its two names."""
    return (
        settings.provider in {"openai", "azure", "compatible"}
        and trouble.kind == "bad_request"
        and _LIMIT.search(trouble.message) is not None
        and _UNKNOWN_FIELD.search(trouble.message) is not None
    )


def _where(settings: ModelSettings) -> str:
    return settings.base_url or OWN_ADDRESSES.get(settings.provider, "its own address")


def _how_to_reach(trouble: Trouble, settings: ModelSettings) -> str:
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
