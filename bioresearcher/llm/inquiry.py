"""Small questions to a model's server over HTTP: bounded in time and size, and with a value for every answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bioresearcher.errors import ModelUnavailableError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 5.0
"""For a whole answer, from the connection to its last byte."""
MOST_BYTES = 8 << 20
"""Of an answer; the longest lists of models in use are below one MB."""

Said = Mapping[str, Any]
"""A JSON object from outside."""


@dataclass(frozen=True)
class Answer:
    """An HTTP status with the JSON value that came along.

    Attributes:
        status: 0 when there was no answer.
        value: None when the body is not JSON, is too long, or is packed.
    """

    status: int
    value: object = None


class Inquiry:
    """Questions to one server. Redirects are not followed: an answer or a key stays with the server that was named."""

    def __init__(self, client: httpx.AsyncClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def get(self, url: str) -> Answer:
        """The answer to a GET.

        Raises:
            ModelUnavailableError: There is none.
        """
        return await self._ask("GET", url, None)

    async def try_get(self, url: str) -> Answer:
        """The same; no answer is one of status 0."""
        return await self._try("GET", url, None)

    async def try_post(self, url: str, body: Mapping[str, object]) -> Answer:
        """The answer to a POST of JSON; no answer is one of status 0."""
        return await self._try("POST", url, body)

    async def _try(self, method: str, url: str, body: Mapping[str, object] | None) -> Answer:
        try:
            return await self._ask(method, url, body)
        except ModelUnavailableError:
            return Answer(0)

    async def _ask(self, method: str, url: str, body: Mapping[str, object] | None) -> Answer:
        import httpx

        hint = "Check that the server runs and that the address is right."
        try:
            async with asyncio.timeout(self._timeout_s), self._client.stream(method, url, json=body) as response:
                return Answer(response.status_code, await _value(response))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise ModelUnavailableError(f"{url} does not answer within {self._timeout_s:g} s.", hint=hint) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise ModelUnavailableError(f"{url} cannot be reached ({_reason(error)}).", hint=hint) from error


async def _value(response: httpx.Response) -> object:
    """The body as JSON; None when it is none, or more than is read."""
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return None  # not asked for, and small packed bodies can be endless
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
    """Why, in a few words and without what the other side may have put into the error's text."""
    text = str(error).lower()
    return next((said for word, said in _REASONS if word in text), type(error).__name__)


@asynccontextmanager
async def inquire(
    url: str, key: str | None, *, own_machine: bool, timeout_s: float | None = None
) -> AsyncIterator[Inquiry]:
    """Questions to the server at `url`, with a key if there is one.

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
        yield Inquiry(client, timeout_s)
