"""Choice of a run's backend: configured models, a server on this machine if asked for, or the deterministic rules."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from bioresearcher.errors import InputError, ModelRefusedError
from bioresearcher.llm.providers import check_installed
from bioresearcher.llm.server_probe import Probe, listed_models, open_inquiry, probe_all, shorten_names
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.settings import ModelOptions, Settings, models_by_role

LOCAL_SERVERS: tuple[tuple[str, int], ...] = (("Ollama", 11434), ("llama.cpp", 8080), ("LM Studio", 1234))
"""Usual ports of servers on this machine, in the order of preference."""
_KEYS: Mapping[str, str] = {
    "OPENAI_API_KEY": "openai:gpt-5-mini",
    "ANTHROPIC_API_KEY": "anthropic:claude-sonnet-5",
    "GOOGLE_API_KEY": "google:gemini-2.5-flash",
    "AZURE_OPENAI_API_KEY": "azure:DEPLOYMENT",
}
"""Variable of a key -> a model that may be named for it."""
_ADDRESSES = ("BIORESEARCHER_BASE_URL", "OPENAI_BASE_URL")
_LEAST = 1024
_LOCAL_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class SelectedBackend:
    """The chosen backend.

    Attributes:
        kind: The rules (`offline`) or models (`chat`).
        models: The model of each role, with the context its server states; empty for the rules.
        reason: Reason of the choice, in a sentence for the user.
        notes: Remarks on the models for the user.
    """

    kind: Literal["offline", "chat"]
    models: Mapping[Role, ModelSettings] = field(default_factory=dict)
    reason: str = ""
    notes: tuple[str, ...] = ()

    def applied(self, settings: Settings) -> Settings:
        """Write this choice into settings, so that a resumed or replayed run does not choose again."""
        models = {str(role): model for role, model in self.models.items()}
        return settings.model_copy(update={"backend": self.kind, "models": models, "every_model": ModelOptions()})


@dataclass(frozen=True)
class _Found:
    """A server that answers on this machine."""

    name: str
    root: str
    models: tuple[str, ...]

    def serves(self, model: str) -> bool:
        return model in self.models or (self.name == "Ollama" and f"{model}:latest" in self.models)

    def settings(self, model: str) -> ModelSettings:
        """Configure a model of this server; by Ollama's own API if possible, which takes the context per request."""
        if self.name == "Ollama" and importlib.util.find_spec("langchain_ollama") is not None:
            return ModelSettings(provider="ollama", model=model, base_url=self.root)
        return ModelSettings(provider="compatible", model=model, base_url=f"{self.root}/v1")


async def choose_backend(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    *,
    host: str = "127.0.0.1",
    servers: Sequence[tuple[str, int]] = LOCAL_SERVERS,
) -> SelectedBackend:
    """Choose the backend; the models' servers are asked for their models and contexts (see `llm.server_probe`).

    Only `local` looks for a server that was not configured; `auto` and `chat` never do.

    Raises:
        InputError: The backend asked for is not configured or not on this machine, or a key is not set.
        ModelRefusedError: A server does not accept the key, has no such model, or the model is too small.
        ModelUnavailableError: A configured server does not answer.
    """
    environ = os.environ if environ is None else environ
    if settings.backend == "offline":
        ignored = ", the configured models are not used" if settings.models else ""
        return SelectedBackend("offline", reason=f"the offline backend was asked for{ignored}.")
    if settings.backend == "local":
        return await _local(settings, environ, host, servers)
    models = models_by_role(settings)
    if models:
        return await _probed(models, environ, "")
    why = _why_none(environ)
    if settings.backend == "chat":
        raise InputError(f"--backend chat: {why}.", hint="Add --model NAME, or [models.default] in bioresearcher.toml.")
    return SelectedBackend("offline", reason=f"{why}.")


def suggestion(environ: Mapping[str, str]) -> str:
    """Return how to use a key or address that is set without a model, in a line; empty when there is none."""
    return _why_none(environ).partition("; ")[2]


def one_mind(models: Mapping[Role, ModelSettings]) -> str:
    """Say that the roles that write and the one that reviews have one model, or one family; empty when they do not."""
    reviewer = models.get("reviewer")
    if reviewer is None:
        return ""
    hint = "name another for it with --model reviewer=NAME"
    for role in ("designer", "coder"):
        writer = models.get(role)
        if writer is not None and writer.label == reviewer.label:
            return f"{writer.label} writes and reviews: it may miss its own mistakes; {hint}"
        if writer is not None and (family := _family(writer.model)) and family == _family(reviewer.model):
            return f"{writer.label} writes and {reviewer.label} reviews, of one family ({family}): {hint}"
    return ""


def _family(model: str) -> str:
    """Return the first word of a model's name without owner and version: `gpt` of `openai/gpt-5-mini`."""
    found = re.match(r"[a-z]+", model.casefold().rpartition("/")[2])
    return found[0] if found else ""


def _why_none(environ: Mapping[str, str]) -> str:
    """Explain that no model is configured, and name the variable that comes nearest to one."""
    for variable in (*_KEYS, *_ADDRESSES):
        if environ.get(variable):
            model = _KEYS.get(variable, "NAME")
            return f"no model is configured; {variable} is set, but no model is named: add --model {model}"
    return "no model is configured"


async def _probed(models: Mapping[Role, ModelSettings], environ: Mapping[str, str], start: str) -> SelectedBackend:
    """Complete the models with the contexts their servers state."""
    check_installed(models)
    probes = await probe_all(list(models.values()), environ)
    fitted = {role: _fitted(model, probes[model]) for role, model in models.items()}
    notes = [probes[model].note for model in models.values()]
    notes.append(one_mind(fitted))
    notes += [_reduced(model, probes[model]) for model in models.values()]
    distinct = tuple(dict.fromkeys(note for note in notes if note))
    return SelectedBackend(
        "chat", fitted, reason=f"{start or 'configured: '}{describe_models(fitted)}.", notes=distinct
    )


def _fitted(model: ModelSettings, probe: Probe) -> ModelSettings:
    """Set the model's context to its server's; the server would cut prompts for a larger one.

    Raises:
        ModelRefusedError: The context is too small to be of use.
    """
    if probe.context is None:
        return model
    if probe.context < _LEAST:
        raise ModelRefusedError(
            f"{model.label} has room for {probe.context} tokens of prompt and answer; {_LEAST} are the least.",
            hint="Start its server with a larger context.",
        )
    if model.context is None or (probe.fixed and probe.context < model.context):
        return model.model_copy(update={"context": probe.context})
    return model


def _reduced(model: ModelSettings, probe: Probe) -> str:
    if probe.fixed and probe.context and model.context and probe.context < model.context:
        return f"{model.label}: context {model.context:,} is set, but the server has {probe.context:,}: that holds"
    return ""


def describe_models(models: Mapping[Role, ModelSettings]) -> str:
    """Name the models with their roles and, unless it is the provider's own, their address."""
    by_model: dict[str, list[str]] = {}
    for role, model in models.items():
        where = f" at {urlsplit(model.base_url).netloc}" if model.base_url else ""
        by_model.setdefault(f"{shorten_names([model.label])}{where}", []).append(role)
    if len(by_model) == 1:
        return f"{next(iter(by_model))} for all roles"
    return "; ".join(f"{text} for {', '.join(roles)}" for text, roles in by_model.items())


async def _local(
    settings: Settings, environ: Mapping[str, str], host: str, servers: Sequence[tuple[str, int]]
) -> SelectedBackend:
    """Choose models on this machine: the configured ones, else those of a server that answers.

    Raises:
        InputError: A configured model is elsewhere, no server answers, or a server has several models.
    """
    for key, model in settings.models.items():
        if not model.on_this_machine and not _to_be_found(model):
            where = urlsplit(model.base_url).hostname if model.base_url else f"{model.provider}'s own address"
            raise InputError(
                f"--backend local was asked for, but models.{key} ({model.label}) is at {where}.",
                hint="Name a model of this machine, or leave out --backend local.",
            )
    models = models_by_role(settings)
    if models and not any(_to_be_found(model) for model in models.values()):
        return await _probed(models, environ, "asked to stay on this machine: ")
    found = await _servers(host, servers)
    if not found:
        looked = ", ".join(f"{name} at {port}" for name, port in servers)
        raise InputError(
            f"--backend local: no model server answers on this machine (looked for {looked}).",
            hint="Start one, or give its address with --base-url URL --model NAME.",
        )
    if models:
        placed = {role: _placed(model, found) for role, model in models.items()}
    else:
        only = _with_options(_only(found[0]), settings.every_model)
        placed = dict.fromkeys(ROLES, only)
    used = [f.name for f in found if any(f.root in str(model.base_url) for model in placed.values())]
    verb = "answers" if len(used) == 1 else "answer"
    return await _probed(placed, environ, f"{' and '.join(used)} {verb} on this machine: ")


def _to_be_found(model: ModelSettings) -> bool:
    return model.provider == "compatible" and model.base_url is None


def _with_options(model: ModelSettings, options: ModelOptions) -> ModelSettings:
    return ModelSettings.model_validate({**model.model_dump(), **options.model_dump(exclude_none=True)})


def _placed(model: ModelSettings, found: Sequence[_Found]) -> ModelSettings:
    """Set the address of a model that was named without one: that of the first server that has it.

    Raises:
        InputError: No server has it.
    """
    if not _to_be_found(model):
        return model
    for server in found:
        if server.serves(model.model):
            here = server.settings(model.model)
            return model.model_copy(update={"provider": here.provider, "base_url": here.base_url})
    have = "; ".join(f"{server.name} has {shorten_names(server.models)}" for server in found)
    raise InputError(f"--backend local: no server on this machine has the model {model.model} ({have}).")


def _only(server: _Found) -> ModelSettings:
    """Return the only model of a server.

    Raises:
        InputError: The server has several models.
    """
    able = [name for name in server.models if "embed" not in name.lower()] or list(server.models)
    if len(able) > 1:
        raise InputError(
            f"--backend local: {server.name} has several models: {shorten_names(able)}.",
            hint="Name one with --model NAME.",
        )
    return server.settings(able[0])


async def _servers(host: str, servers: Sequence[tuple[str, int]]) -> list[_Found]:
    """Find the servers that answer with at least one model, in the given order."""
    answers = await asyncio.gather(*(_look(name, f"http://{host}:{port}") for name, port in servers))
    return [found for found in answers if found is not None and found.models]


async def _look(name: str, root: str) -> _Found | None:
    async with open_inquiry(root, None, own_machine=True, timeout_s=_LOCAL_TIMEOUT_S) as inquiry:
        answer = await inquiry.try_get(f"{root}/v1/models")
    return _Found(name, root, tuple(listed_models(answer.value))) if answer.status == 200 else None
