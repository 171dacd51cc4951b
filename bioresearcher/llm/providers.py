"""LangChain's chat models, built from the settings and from nothing else.

The providers' packages read addresses, keys, proxies and tracing switches from the environment by themselves. Here each
of them is given explicitly, and the models are built with those variables hidden, so that a role never reaches a
provider, or sends a key, that was not configured for it. Requests to this machine ignore proxies; others respect
`HTTPS_PROXY` and `NO_PROXY`. The packages' own retries are off: `provider_errors.with_retries` repeats requests.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import re
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bioresearcher.errors import InputError
from bioresearcher.llm.provider_errors import classify_error
from bioresearcher.llm.reply_parsing import has_ended
from bioresearcher.prompts import Message
from bioresearcher.schemas.model import ModelSettings, Provider, Role

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.outputs import ChatGenerationChunk
    from langchain_core.runnables import RunnableConfig
    from langchain_openai.chat_models.base import BaseChatOpenAI
    from pydantic import SecretStr

OptionalPackage = Any
"""A module whose types are only known where the extra is installed."""

OWN_ADDRESSES: Mapping[Provider, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com/",
    "ollama": "http://127.0.0.1:11434",
}
_EXTRAS: Mapping[Provider, str] = {
    "anthropic": "langchain_anthropic",
    "google": "langchain_google_genai",
    "ollama": "langchain_ollama",
}
"""Package that each extra of this package installs; extras are named like their providers."""
_CONNECT_S = 15.0
"""Longest wait for a connection, in seconds. The answer has the call's own limit."""
_LONGEST_S = 3600.0
_NO_KEY = "none"
"""Sent to a server that needs no key, as the packages require one."""

_AMBIENT = tuple("OPENAI_ AZURE_ ANTHROPIC_ GOOGLE_ GEMINI_ OLLAMA_ LANGCHAIN_ LANGSMITH_ LC_OUTPUT_VERSION".split())
"""Prefixes of the variables that the providers' packages read."""
_HIDING = threading.Lock()
_NOT_AN_ANSWER = (ValueError, KeyError, TypeError, AttributeError, IndexError)
"""Errors that LangChain raises over a body it cannot parse."""


class StrangeAnswerError(Exception):
    """The response is not the answer of a chat model.

    Attributes:
        status_code: Status that some servers put into the body of a response with status 200; None when there is none.
        body: The error in that body.
    """

    def __init__(self, message: str, *, status_code: int | None = None, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.body = body


@dataclass(frozen=True)
class Connection:
    """A model ready to be called, and the function that closes its connections."""

    model: BaseChatModel
    aclose: Callable[[], Awaitable[None]]


def connect(settings: ModelSettings, *, role: str, environ: Mapping[str, str]) -> Connection:
    """Build the model that settings describe. No request is made.

    Args:
        settings: The model.
        role: For error messages.
        environ: Environment with the key, under the name the settings give.

    Raises:
        InputError: The provider's package is not installed, the key's variable is not set, or a needed setting is
            missing.
    """
    _check(settings, role)
    key = _key(settings, role, environ)
    builders: dict[Provider, Callable[[ModelSettings, SecretStr], Connection]] = {
        "openai": _openai,
        "compatible": _openai,
        "azure": _azure,
        "anthropic": _anthropic,
        "google": _google,
        "ollama": _ollama,
    }
    with _hidden_environment():
        try:
            connection = builders[settings.provider](settings, key)
        except ImportError as error:
            raise _missing(settings, role, error.name or str(error)) from error
    # Their warnings only repeat errors that this program reports in its own words.
    warnings.filterwarnings("ignore", module=r"langchain_(openai|anthropic|google_genai|ollama)")
    return connection


@asynccontextmanager
async def untraced() -> AsyncIterator[None]:
    """Keep LangChain from reporting to a tracing service within this block, whatever the environment says."""
    from langsmith import tracing_context

    with tracing_context(enabled=False):
        yield


async def invoke(
    model: BaseChatModel, messages: tuple[Message, ...], arguments: dict[str, Any], *, limit_s: float, stream: bool
) -> AIMessage:
    """Send a request once.

    Args:
        model: LangChain's.
        messages: The prompt.
        arguments: For the call.
        limit_s: Seconds for the whole answer, or for each piece of one that is streamed.
        stream: Receive the answer as it is written.

    Raises:
        StrangeAnswerError: The response is not the answer of a chat model.
        TimeoutError: It took too long.
        ConnectionError: The stream ended before the answer did.
    """
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    classes = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    prompt: list[BaseMessage] = [classes[m.role](content=m.content) for m in messages]
    config: RunnableConfig = {"callbacks": []}  # not those of a graph around it, which may trace or stream
    clock = asyncio.timeout(limit_s)
    try:
        async with untraced(), clock:
            if not stream:
                return await model.ainvoke(prompt, config, **arguments)
            pieces: list[Any] = []
            async for piece in model.astream(prompt, config, **arguments):
                pieces.append(piece)
                clock.reschedule(asyncio.get_running_loop().time() + limit_s)
    except TimeoutError:
        if clock.expired():
            raise TimeoutError(f"no answer within {limit_s:g} s") from None
        raise
    except _NOT_AN_ANSWER as error:
        if classify_error(error).kind != "other":
            raise
        raise _strange(error) from None
    whole = pieces[0] + pieces[1:] if pieces else AIMessage(content="")
    if not has_ended(whole):
        raise ConnectionError("the stream ended before the answer did")
    return cast("AIMessage", whole)


def sampling(settings: ModelSettings, longest: int, *, old_limit: bool) -> dict[str, Any]:
    """Make the arguments of a call: the longest answer, and temperature and seed if they are set.

    They are given with the call because the constructors drop a temperature that they think a model does not take.

    Args:
        settings: The model.
        longest: Tokens.
        old_limit: Name the limit `max_tokens` instead of `max_completion_tokens`; OpenAI's API only.
    """
    chosen = {"temperature": settings.temperature, "seed": settings.seed}
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if settings.provider == "ollama":
        # Without num_ctx Ollama takes its own small default and cuts longer prompts without a word.
        size = {} if settings.context is None else {"num_ctx": settings.context}
        return {"options": {**size, "num_predict": longest, **given}, "stream": settings.stream}
    if settings.provider == "anthropic":
        return {"max_tokens": longest, **given}
    if settings.provider == "google":
        return {"max_output_tokens": longest, **given}
    return {"extra_body": {"max_tokens" if old_limit else "max_completion_tokens": longest}, **given}


def _strange(error: Exception) -> StrangeAnswerError:
    """Translate LangChain's error over a body it cannot parse; some servers put errors into a response of 200."""
    detail = error.args[0] if error.args else None
    if not isinstance(detail, Mapping):
        return StrangeAnswerError(str(error).split(". ")[0][:200] or type(error).__name__)
    code = str(detail.get("code"))
    status = int(code) if re.fullmatch(r"[45]\d\d", code) else None
    return StrangeAnswerError(str(detail.get("message") or detail), status_code=status, body={"error": detail})


def _check(settings: ModelSettings, role: str) -> None:
    """Refuse settings that a provider requires or does not take."""
    if settings.base_url is None and settings.provider not in OWN_ADDRESSES:
        raise InputError(f"{role}: {settings.label} needs a base_url.", hint="Say where the server is.")
    if settings.provider == "azure" and not settings.api_version:
        raise InputError(f"{role}: {settings.label} needs an api_version.", hint="For example 2024-10-21.")
    if settings.provider == "anthropic" and settings.seed is not None:
        raise InputError(f"{role}: {settings.label} takes no seed.", hint="Remove `seed` for this role.")
    if settings.api_key_env is None and settings.base_url is None and settings.provider != "ollama":
        raise InputError(
            f"{role}: {settings.label} needs a key, and no variable is named that holds it.",
            hint="Set `api_key_env` to the name of the environment variable.",
        )


def _key(settings: ModelSettings, role: str, environ: Mapping[str, str]) -> SecretStr:
    """Read the key from the variable that the settings name, and from no other."""
    from pydantic import SecretStr

    name = settings.api_key_env
    if name is None:
        return SecretStr(_NO_KEY)
    key = environ.get(name, "").strip()
    if not key:
        raise InputError(
            f"{role}: the environment variable {name}, which is to hold the key for {settings.label}, is not set.",
            hint=f"Set {name}, or choose another model for this role.",
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{role}: what {name} holds cannot be a key: it has blanks or unusual characters in it.")
    return SecretStr(key)


def check_installed(models: Mapping[Role, ModelSettings]) -> None:
    """Refuse models whose provider's package is not installed, before a run is started with them.

    Raises:
        InputError: With the role, the package and the extra that brings it.
    """
    for role, settings in models.items():
        package = _EXTRAS.get(settings.provider)
        if package and importlib.util.find_spec(package) is None:
            raise _missing(settings, role, package)


def _missing(settings: ModelSettings, role: str, package: str) -> InputError:
    extra = settings.provider if settings.provider in _EXTRAS else ""
    return InputError(
        f"{role}: {settings.label} needs a package that is not installed ({package}).",
        hint=f"pip install 'bioresearcher[{extra}]'" if extra else "pip install --upgrade bioresearcher",
    )


@contextmanager
def _hidden_environment() -> Iterator[None]:
    """Hide the variables that the providers' packages read from the environment; they are restored at the end."""
    with _HIDING:
        hidden = {name: value for name, value in os.environ.items() if name.upper().startswith(_AMBIENT)}
        for name in hidden:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(hidden)


def _direct(settings: ModelSettings) -> dict[str, Any]:
    """Make the options by which httpx uses no proxy to this machine."""
    return {"mounts": dict.fromkeys(("all://", "http://", "https://"))} if settings.on_this_machine else {}


def _optional(package: str) -> OptionalPackage:
    """Import a package that comes with an extra."""
    return importlib.import_module(package)


def _openai_options(settings: ModelSettings, key: SecretStr) -> dict[str, Any]:
    import openai

    timeout = openai.Timeout(None, connect=_CONNECT_S)
    return {
        "model": settings.model,
        "api_key": key,
        "temperature": None,
        "max_retries": 0,
        "timeout": timeout,
        "stream_usage": True,
        "stream_chunk_timeout": None,
        "use_responses_api": False,
        "output_version": "v0",
        "http_async_client": openai.DefaultAsyncHttpxClient(timeout=timeout, **_direct(settings)),
        "http_socket_options": (),
        "cache": False,
    }


def _openai(settings: ModelSettings, key: SecretStr) -> Connection:
    from langchain_openai import ChatOpenAI

    options = _openai_options(settings, key)
    model = ChatOpenAI(base_url=settings.base_url or OWN_ADDRESSES["openai"], **options)
    _keep_refusals(model)
    return Connection(model, model.root_async_client.close)


def _azure(settings: ModelSettings, key: SecretStr) -> Connection:
    from langchain_openai import AzureChatOpenAI

    options = _openai_options(settings, key)
    model = AzureChatOpenAI(
        azure_endpoint=settings.base_url, azure_deployment=settings.model, api_version=settings.api_version, **options
    )
    _keep_refusals(model)
    return Connection(model, model.root_async_client.close)


def _keep_refusals(model: BaseChatOpenAI) -> None:
    """Make a model keep a refusal that is streamed, which LangChain drops."""
    convert = model._convert_chunk_to_generation_chunk

    def convert_and_keep(
        chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        made = convert(chunk, default_chunk_class, base_generation_info)
        for choice in chunk.get("choices") or ():
            refusal = (choice.get("delta") or {}).get("refusal")
            if made is not None and refusal:
                made.message.additional_kwargs["refusal"] = refusal
        return made

    model.__dict__["_convert_chunk_to_generation_chunk"] = convert_and_keep


def _anthropic(settings: ModelSettings, key: SecretStr) -> Connection:
    anthropic, langchain = _optional("anthropic"), _optional("langchain_anthropic")
    url = settings.base_url or OWN_ADDRESSES["anthropic"]
    model = langchain.ChatAnthropic(
        model_name=settings.model, api_key=key, base_url=url, max_retries=0, timeout=None, stop=None, cache=False
    )
    timeout = anthropic.Timeout(None, connect=_CONNECT_S)
    client = anthropic.AsyncAnthropic(
        api_key=key.get_secret_value(),
        base_url=url,
        max_retries=0,
        timeout=timeout,
        http_client=anthropic.DefaultAsyncHttpxClient(timeout=timeout, **_direct(settings)),
    )
    # Its own client is shared by all models of the process and bound to the first event loop that uses it.
    model.__dict__["_async_client"] = client
    return Connection(model, client.close)


def _google(settings: ModelSettings, key: SecretStr) -> Connection:
    model = _optional("langchain_google_genai").ChatGoogleGenerativeAI(
        model=settings.model,
        api_key=key,
        base_url=settings.base_url or OWN_ADDRESSES["google"],
        vertexai=False,
        temperature=None,
        max_retries=1,  # attempts, not retries
        timeout=settings.timeout_s or _LONGEST_S,  # else the network package under it ends what takes five minutes
        cache=False,
    )
    return Connection(model, model.aclose)


def _ollama(settings: ModelSettings, key: SecretStr) -> Connection:
    httpx = _optional("httpx")
    model = _optional("langchain_ollama").ChatOllama(
        model=settings.model,
        base_url=settings.base_url or OWN_ADDRESSES["ollama"],
        client_kwargs=_direct(settings),
        async_client_kwargs={"timeout": httpx.Timeout(None, connect=_CONNECT_S)},
        cache=False,
    )
    client = model._async_client
    if settings.api_key_env is not None:  # not among the model's options, which its repr shows
        client._client.headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    model._client.close()
    return Connection(model, client.close)
