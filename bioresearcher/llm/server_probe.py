"""Probe of a model's server before a run starts, free of cost: its models, their contexts, and if it takes the key.

Only servers with OpenAI's API and Ollama are asked, over HTTP and bounded in time and size: `/v1/models` (key, model's
name; vLLM states the context there) and, if that does not state the context, llama.cpp's `/props`, LM Studio's
`/api/v0/models`, Ollama's `/api/show` and `/api/ps`. Responses come from outside: nothing is assumed of their shape.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bioresearcher.errors import InputError, ModelRefusedError, ModelUnavailableError
from bioresearcher.schemas.model import ModelSettings
from bioresearcher.text.format import listing

if TYPE_CHECKING:
    import httpx


TIMEOUT_S = 5.0
"""Limit of a whole request in seconds, from the connection to the last byte of the response."""
MOST_BYTES = 8 << 20
"""Largest response that is read, in bytes; the longest lists of models in use are below one MB."""

JsonObject = Mapping[str, Any]
"""A JSON object from outside."""


@dataclass(frozen=True)
class ProbeAnswer:
    """Response of a server.

    Attributes:
        status: HTTP status; 0 when there was no response.
        value: JSON value of the body; None when it is not JSON, too long, or compressed.
    """

    status: int
    value: object = None


class ServerInquiry:
    """Requests to one server. Redirects are not followed, so that the key stays with the server that was named."""

    def __init__(self, client: httpx.AsyncClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def get(self, url: str) -> ProbeAnswer:
        """Send a GET.

        Raises:
            ModelUnavailableError: There is no response.
        """
        return await self._ask("GET", url, None)

    async def try_get(self, url: str) -> ProbeAnswer:
        """Send a GET; without a response the status is 0."""
        return await self._try("GET", url, None)

    async def try_post(self, url: str, body: Mapping[str, object]) -> ProbeAnswer:
        """Send a POST of JSON; without a response the status is 0."""
        return await self._try("POST", url, body)

    async def _try(self, method: str, url: str, body: Mapping[str, object] | None) -> ProbeAnswer:
        try:
            return await self._ask(method, url, body)
        except ModelUnavailableError:
            return ProbeAnswer(0)

    async def _ask(self, method: str, url: str, body: Mapping[str, object] | None) -> ProbeAnswer:
        import httpx

        hint = "Check that the server runs and that the address is right."
        try:
            async with asyncio.timeout(self._timeout_s), self._client.stream(method, url, json=body) as response:
                return ProbeAnswer(response.status_code, await _value(response))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ModelUnavailableError(f"{url} does not answer within {self._timeout_s:g} s.", hint=hint) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise ModelUnavailableError(f"{url} cannot be reached ({_reason(error)}).", hint=hint) from error


async def _value(response: httpx.Response) -> object:
    """Read the body as JSON; None when it is invalid or too long."""
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return None  # not asked for, and small compressed bodies can expand without end
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MOST_BYTES:
            return None
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


_REASONS = (
    ("refused", "connection refused"),
    ("attempts failed", "connection refused"),
    ("not known", "unknown host"),
    ("no address", "unknown host"),
    ("resolution", "unknown host"),
    ("certificate", "its certificate is not accepted"),
    ("unreachable", "network unreachable"),
)


def _reason(error: Exception) -> str:
    """Name the cause in a few words, without text that the other side may have put into the error."""
    text = str(error).lower()
    return next((reason for word, reason in _REASONS if word in text), type(error).__name__)


@asynccontextmanager
async def open_inquiry(
    url: str, key: str | None, *, own_machine: bool, timeout_s: float | None = None
) -> AsyncIterator[ServerInquiry]:
    """Open a client for the server at `url`, with a key if there is one.

    Proxies of the environment are used for other machines only. `timeout_s` is `TIMEOUT_S` when not given.

    Raises:
        ModelUnavailableError: The environment's proxy or certificate settings cannot be used.
    """
    import httpx

    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    encrypted = url.startswith("https:")  # without it there is no certificate to load the known ones for, which is slow
    try:
        client = httpx.AsyncClient(
            headers=headers, timeout=timeout_s, follow_redirects=False, trust_env=not own_machine, verify=encrypted
        )
    except (ValueError, ImportError, OSError) as error:
        host = urlsplit(url).hostname
        raise ModelUnavailableError(
            f"{host} cannot be asked: {type(error).__name__}.", hint="Check the proxy and certificate variables."
        ) from error
    async with client:
        yield ServerInquiry(client, timeout_s)


OLLAMA_USUAL = 4096
"""Ollama's default context in tokens; it cuts longer prompts silently."""
OLLAMA_ASKED = 16_384
"""Tokens asked of Ollama when none are configured: twice as many would not fit beside a model on a laptop."""
_MOST = 100_000_000
_SHOWN = 12
_STRICT = {"vllm", "sglang", "openai"}
"""Owners of listed models whose servers answer 404 to any other name."""
_OPENAI = "https://api.openai.com/v1"
_OLLAMA = "http://127.0.0.1:11434"


@dataclass(frozen=True)
class Probe:
    """Properties of a model as its server states them.

    Attributes:
        context: Tokens of prompt and answer together; None when it is not known.
        models: Models of the server; empty when it does not list them.
        note: Remark for the user; empty when all is as expected.
        fixed: Whether the server sets the context, so that a request cannot change it.
    """

    context: int | None = None
    models: tuple[str, ...] = ()
    note: str = ""
    fixed: bool = False


async def probe(settings: ModelSettings, environ: Mapping[str, str]) -> Probe:
    """Probe the server of one model; see `probe_all`."""
    return (await probe_all([settings], environ))[settings]


async def probe_all(models: Sequence[ModelSettings], environ: Mapping[str, str]) -> dict[ModelSettings, Probe]:
    """Probe the servers of the models; each server is asked once for its list.

    Azure, Anthropic and Google are not asked; for them only the key's variable is checked.

    Raises:
        InputError: The variable with a key is not set.
        ModelRefusedError: A server does not accept the key, or has no such model.
        ModelUnavailableError: A server cannot be reached or does not answer in time.
    """
    groups: dict[tuple[str, str | None], list[ModelSettings]] = {}
    for model in dict.fromkeys(models):
        groups.setdefault((model.endpoint, model.api_key_env), []).append(model)
    asked = [_probe_server(group, environ) for group in groups.values()]
    found: dict[ModelSettings, Probe] = {}
    for answer in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        found |= answer
    return found


async def _probe_server(models: Sequence[ModelSettings], environ: Mapping[str, str]) -> dict[ModelSettings, Probe]:
    """Probe all models of one endpoint."""
    first = models[0]
    key = _key(first, environ)
    if first.provider not in {"openai", "compatible", "ollama"}:
        return dict.fromkeys(models, Probe())
    url = first.base_url or (_OLLAMA if first.provider == "ollama" else _OPENAI)
    async with open_inquiry(url, key, own_machine=first.on_this_machine) as inquiry:
        listed = await _listed(inquiry, first, url)
        probes = [await _of_model(inquiry, model, url, listed) for model in models]
    return dict(zip(models, probes, strict=True))


def _key(model: ModelSettings, environ: Mapping[str, str]) -> str | None:
    """Read the key, if one is configured.

    Raises:
        InputError: Its variable is not set, or holds characters that no key has. The message does not show it.
    """
    if model.api_key_env is None:
        return None
    key = environ.get(model.api_key_env, "").strip()
    if not key:
        raise InputError(
            f"{model.label} needs a key, but {model.api_key_env} is not set.", hint=f"export {model.api_key_env}=…"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{model.api_key_env} holds characters that no key has.", hint="Set it anew, on one line.")
    return key


async def _listed(inquiry: ServerInquiry, model: ModelSettings, url: str) -> dict[str, JsonObject]:
    """Fetch the server's list of models: name → its entry; empty when there is no such list.

    Raises:
        ModelRefusedError: The key is not accepted, or the address lacks its `/v1`.
        ModelUnavailableError: There is no response.
    """
    path = "/v1/models" if model.provider == "ollama" else "/models"
    base = url.removesuffix("/v1") if model.provider == "ollama" else url
    answer = await inquiry.get(base + path)
    if answer.status in (401, 403):
        raise _refused_key(model, url, answer.status)
    listed = listed_models(answer.value) if answer.status == 200 else {}
    if answer.status == 404 and model.provider != "ollama" and not url.endswith("/v1"):
        below = await inquiry.try_get(f"{url}/v1/models")
        if below.status == 200 and listed_models(below.value):
            raise ModelRefusedError(f"{url} has no models, but {url}/v1 has.", hint=f"Use --base-url {url}/v1.")
    return listed


def _refused_key(model: ModelSettings, url: str, status: int) -> ModelRefusedError:
    if model.api_key_env is None:
        return ModelRefusedError(
            f"{url} asks for a key ({status}), and none is configured for it.",
            hint="Name its variable with api_key_env in bioresearcher.toml.",
        )
    return ModelRefusedError(
        f"{url} does not accept the key in {model.api_key_env} ({status}).",
        hint=f"Check {model.api_key_env}, and that its owner may use this server.",
    )


def listed_models(value: object) -> dict[str, JsonObject]:
    """Read a list of models as OpenAI's API gives it, in its order; empty when it has another shape."""
    rows = value.get("data") if isinstance(value, dict) else None
    found: dict[str, JsonObject] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"]:
            found.setdefault(row["id"], row)
    return found


async def _of_model(inquiry: ServerInquiry, model: ModelSettings, url: str, listed: Mapping[str, JsonObject]) -> Probe:
    """Probe one model of a server."""
    row = listed.get(model.model) or (listed.get(f"{model.model}:latest") if _may_be_ollama(model) else None)
    notes = []
    if row is None and listed:
        (only,) = listed.values() if len(listed) == 1 else (None,)
        if only is None or not await _takes_any_name(inquiry, model, url, only):
            raise ModelRefusedError(
                f"{url} has no model {model.model}; it has: {shorten_names(listed)}.",
                hint="Check --model and bioresearcher.toml.",
            )
        row = only
        notes.append(f"{url} serves {shorten_names(listed)} under any name, also as {model.model}")
    context, note, fixed = await _context(inquiry, model, url, row or {})
    return Probe(context, tuple(listed), "; ".join([*notes, *([note] if note else [])]), fixed)


def _may_be_ollama(model: ModelSettings) -> bool:
    return model.provider in {"ollama", "compatible"}


async def _takes_any_name(inquiry: ServerInquiry, model: ModelSettings, url: str, only: JsonObject) -> bool:
    """Check whether a server with only this model answers to any model's name, as llama.cpp does."""
    if model.provider != "compatible" or only.get("owned_by") in _STRICT or "max_model_len" in only:
        return False
    if only.get("owned_by") == "llamacpp":
        return True
    root = url.removesuffix("/v1")
    ollama, studio = await asyncio.gather(inquiry.try_get(f"{root}/api/tags"), inquiry.try_get(f"{root}/api/v0/models"))
    return _at(ollama.value, "models") is None and not listed_models(studio.value)


async def _context(
    inquiry: ServerInquiry, model: ModelSettings, url: str, row: JsonObject
) -> tuple[int | None, str, bool]:
    """Find the context in tokens, a remark on it for the user, and whether the server fixes it."""
    for name in ("max_model_len", "context_length", "context_window"):
        tokens = tokens_in(row.get(name))
        if tokens:
            return tokens, "", True
    if model.base_url is None and model.provider == "openai":
        return None, "", False
    root = url.removesuffix("/v1")
    if model.provider == "ollama":
        return _asked_of_ollama(await inquiry.try_post(f"{root}/api/show", {"model": model.model}))
    props, studio, shown_by = await asyncio.gather(
        inquiry.try_get(f"{root}/props"),
        inquiry.try_get(f"{root}/api/v0/models"),
        inquiry.try_post(f"{root}/api/show", {"model": model.model}),
    )
    tokens = tokens_in(_at(props.value, "default_generation_settings", "n_ctx")) or tokens_in(_at(props.value, "n_ctx"))
    if tokens:
        return tokens, "", True
    entry = listed_models(studio.value).get(model.model)
    if entry is not None and ("state" in entry or "loaded_context_length" in entry):
        tokens = tokens_in(entry.get("loaded_context_length"))
        unloaded = f"LM Studio has not loaded {model.model} yet, so its context is not known: load it, or set context"
        return tokens, "" if tokens else unloaded, tokens is not None
    if _at(shown_by.value, "model_info") is None:
        return None, "", False
    return _kept_by_ollama(model, shown_by.value, await inquiry.try_get(f"{root}/api/ps"))


def _asked_of_ollama(answer: ProbeAnswer) -> tuple[int | None, str, bool]:
    """Choose the context to ask of Ollama's own API, which takes it with each request."""
    limit, parameter = _ollama_limit(answer.value), _ollama_parameter(answer.value)
    if parameter:
        return parameter, "", False
    if limit is None or limit <= OLLAMA_ASKED:
        return limit, "", False
    note = f"{OLLAMA_ASKED:,} of the model's {limit:,} tokens are used; more memory allowing, set context"
    return OLLAMA_ASKED, note, False


def _kept_by_ollama(model: ModelSettings, value: object, running: ProbeAnswer) -> tuple[int | None, str, bool]:
    """Find the context of Ollama's OpenAI address, where no request can ask for more."""
    tokens = _ollama_parameter(value)
    if tokens:
        return tokens, "", True
    rows = _at(running.value, "models")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("name") in {model.model, f"{model.model}:latest"}:
            tokens = tokens_in(row.get("context_length"))
            if tokens:
                return tokens, "", True
    limit = _ollama_limit(value)
    note = f"Ollama keeps {OLLAMA_USUAL:,} tokens at this address unless OLLAMA_CONTEXT_LENGTH says more; "
    return min(OLLAMA_USUAL, limit or OLLAMA_USUAL), f"{note}ollama:{model.model} can ask for more", False


def _ollama_limit(value: object) -> int | None:
    info = _at(value, "model_info")
    found = (
        [tokens_in(v) for k, v in info.items() if str(k).endswith(".context_length")] if isinstance(info, dict) else []
    )
    return next((tokens for tokens in found if tokens), None)


def _ollama_parameter(value: object) -> int | None:
    text = _at(value, "parameters")
    found = re.search(r"^\s*num_ctx\s+(\d{1,9})\s*$", text[:10_000], re.MULTILINE) if isinstance(text, str) else None
    return tokens_in(int(found[1])) if found else None


def _at(value: object, *names: str) -> object:
    """Return a nested field; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def tokens_in(value: object) -> int | None:
    """Return a value if it is a plausible number of tokens, else None."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST
    return int(value) if fits and isinstance(value, int) else None


def shorten_names(names: Mapping[str, object] | Sequence[str]) -> str:
    """List names from outside for a terminal: no control characters, not too long, not too many."""
    return listing(names, _SHOWN, 100)
