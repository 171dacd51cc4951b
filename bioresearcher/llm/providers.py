"""LangChain's chat models, built from settings and from nothing else.

The providers' packages read addresses, keys, proxies and tracing switches from the environment by themselves. Here each
of them is given explicitly, and is built with those variables out of sight, so that a role never reaches a provider, or
sends a key, that was not configured for it. Requests to this machine ignore proxies; others respect `HTTPS_PROXY` and
`NO_PROXY`. Retrying is `llm.retry`'s business, so the packages' own is off.
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
from bioresearcher.llm.provider_errors import trouble_of
from bioresearcher.llm.reply_parsing import has_ended
from bioresearcher.prompts import Message
from bioresearcher.schemas.model import ModelSettings, Provider, Role

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import RunnableConfig
    from pydantic import SecretStr

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
"""Extras of this package, which are named like their providers, and the packages they bring."""
CONNECT_S = 15.0
"""Longest wait for a connection. For the answer the call's own limit holds."""
_LONGEST_S = 3600.0
NO_KEY = "none"
"""Sent where the server needs no key; the packages want one."""

_AMBIENT = (
    "OPENAI_", "AZURE_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "OLLAMA_", "LANGCHAIN_", "LANGSMITH_", "LC_OUTPUT_VERSION",
)  # fmt: skip
_HIDING = threading.Lock()
_NOT_AN_ANSWER = (ValueError, KeyError, TypeError, AttributeError, IndexError)
"""What LangChain raises over a body it can make nothing of."""


class StrangeAnswerError(Exception):
    """What came back is not the answer of a chat model.

    Attributes:
        status_code: The status some servers put into the body of an answer that is 200; None when there is none.
        body: The error in that body.
    """

    def __init__(self, message: str, *, status_code: int | None = None, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.body = body


@dataclass(frozen=True)
class Connection:
    """A model ready to be called, and how its connections are closed."""

    model: BaseChatModel
    aclose: Callable[[], Awaitable[None]]


def connect(settings: ModelSettings, *, role: str, environ: Mapping[str, str]) -> Connection:
    """The model that settings describe. No request is made.

    Args:
        settings: The model.
        role: For error messages.
        environ: Where the key is looked up, under the name the settings give.

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
    # What they warn of is told by errors that come with it, in the words of this program.
    warnings.filterwarnings("ignore", module=r"langchain_(openai|anthropic|google_genai|ollama)")
    return connection


@asynccontextmanager
async def untraced() -> AsyncIterator[None]:
    """Within this block LangChain reports nothing to a tracing service, whatever the environment says."""
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
        StrangeAnswerError: What came back is not the answer of a chat model.
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
        if trouble_of(error).kind != "other":
            raise
        raise _strange(error) from None
    whole = pieces[0] + pieces[1:] if pieces else AIMessage(content="")
    if not has_ended(whole):
        raise ConnectionError("the stream ended before the answer did")
    return cast("AIMessage", whole)


def sampling(settings: ModelSettings, longest: int, *, old_limit: bool) -> dict[str, Any]:
    """What goes with each call: the longest answer, and temperature and seed where they are set.

    They are given with the call because the constructors drop a temperature they think a model does not take.

    Args:
        settings: The model.
        longest: Tokens.
        old_limit: Whether the server knows the limit as `max_tokens`, not `max_completion_tokens`; OpenAI's API only.
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
    """What LangChain could make nothing of; some servers tell errors in an answer that is 200."""
    told = error.args[0] if error.args else None
    if not isinstance(told, Mapping):
        return StrangeAnswerError(str(error).split(". ")[0][:200] or type(error).__name__)
    code = str(told.get("code"))
    status = int(code) if re.fullmatch(r"[45]\d\d", code) else None
    return StrangeAnswerError(str(told.get("message") or told), status_code=status, body={"error": told})


def _check(settings: ModelSettings, role: str) -> None:
    """Settings that a provider cannot do with or without."""
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
    """The key from the variable that the settings name, and from no other."""
    from pydantic import SecretStr

    name = settings.api_key_env
    if name is None:
        return SecretStr(NO_KEY)
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
    """The environment without what the providers' packages would read from it; put back at the end."""
    with _HIDING:
        hidden = {name: value for name, value in os.environ.items() if name.upper().startswith(_AMBIENT)}
        for name in hidden:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(hidden)


def _direct(settings: ModelSettings) -> dict[str, Any]:
    """For httpx: no proxy to this machine."""
    return {"mounts": dict.fromkeys(("all://", "http://", "https://"))} if settings.on_this_machine else {}


def _optional(package: str) -> Any:  # noqa: ANN401 - its types are only there where it is installed
    """A package that comes with an extra."""
    return importlib.import_module(package)


def _openai_options(settings: ModelSettings, key: SecretStr) -> dict[str, Any]:
    import openai

    timeout = openai.Timeout(None, connect=CONNECT_S)
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
    model = _hearing_refusals(ChatOpenAI)(base_url=settings.base_url or OWN_ADDRESSES["openai"], **options)
    return Connection(model, model.root_async_client.close)


def _azure(settings: ModelSettings, key: SecretStr) -> Connection:
    from langchain_openai import AzureChatOpenAI

    options = _openai_options(settings, key)
    model = _hearing_refusals(AzureChatOpenAI)(
        azure_endpoint=settings.base_url, azure_deployment=settings.model, api_version=settings.api_version, **options
    )
    return Connection(model, model.root_async_client.close)


def _hearing_refusals(base: Any) -> Any:  # noqa: ANN401 - a class that is only known once LangChain is imported
    """The class, also taking up a refusal that is streamed, which it passes over."""

    class Hearing(base):  # type: ignore[misc]
        def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            made = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
            for choice in chunk.get("choices") or ():
                refusal = (choice.get("delta") or {}).get("refusal")
                if made is not None and refusal:
                    made.message.additional_kwargs["refusal"] = refusal
            return made

    return Hearing


def _anthropic(settings: ModelSettings, key: SecretStr) -> Connection:
    anthropic, langchain = _optional("anthropic"), _optional("langchain_anthropic")
    url = settings.base_url or OWN_ADDRESSES["anthropic"]
    model = langchain.ChatAnthropic(
        model_name=settings.model, api_key=key, base_url=url, max_retries=0, timeout=None, stop=None, cache=False
    )
    timeout = anthropic.Timeout(None, connect=CONNECT_S)
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
        async_client_kwargs={"timeout": httpx.Timeout(None, connect=CONNECT_S)},
        cache=False,
    )
    client = model._async_client
    if settings.api_key_env is not None:  # not among the model's options, which its repr shows
        client._client.headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    model._client.close()
    return Connection(model, client.close)
