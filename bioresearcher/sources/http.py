"""HTTP client for all web services: a rate limit per host, retries, size limits, and stored answers.

An answer is looked for in the run's own store (so a resumed or replayed run sends no request twice), then in the store
that runs share, unless it is older than its kind may be. Only whole answers with status 200, and the statuses for
"nothing there", are stored for other runs.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar
from urllib.parse import urlencode, urlsplit

from bioresearcher import __version__
from bioresearcher.errors import OutsideError, StoppedError, WorkspaceError
from bioresearcher.limits.file_lock import single_flight
from bioresearcher.limits.rate_limits import Limiter, RateLimits
from bioresearcher.runfolder import file_sha256
from bioresearcher.sources.http_cache import AnswerStore, Stored, TooLarge, finish, forget, resume_headers, save
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    import httpx


T = TypeVar("T")

BodyCheck = Callable[[bytes], str]

DAY: Final = 86_400.0
MAX_AGE_S: Final[Mapping[str, float]] = {
    "status": DAY / 4,
    "record": 7 * DAY,
    "fulltext": 90 * DAY,
    "geo-record": 30 * DAY,
    "geo-summary": 7 * DAY,
    "geo-listing": 7 * DAY,
}
"""Longest age in seconds at which other runs use an answer, by its kind; other kinds: a day."""
MAX_BYTES: Final = 32 << 20
ATTEMPTS: Final = 4
LONGEST_WAIT_S: Final = 60.0
_PRIVATE: Final = frozenset(["api_key", "email", "mailto", "tool"])
"""Parameters that identify the caller: not part of an answer's key, never in messages or stores."""
_IN_BODY: Final = frozenset(["api_key"])
"""Parameters sent in the body, not in the URL, which proxies and logs keep."""
_NOTHING: Final = frozenset([404, 410])
"""Statuses for "nothing there": stored for other runs like a whole answer."""
_AGAIN: Final = frozenset([408, 425, 429, 500, 502, 503, 504])


class ServiceError(OutsideError):
    """A web service failed, also after retries.

    Attributes:
        status: The HTTP status, where there was an answer.
    """

    def __init__(self, message: str, *, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class _UselessAnswer(Exception):
    """A whole answer whose content is useless."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Whole answer of a server; `url` is without secrets."""

    status: int
    content_type: str
    body: bytes
    url: str
    sha256: str
    from_cache: bool


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """Answer of a program on this machine, whatever its status; names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Whole downloaded file."""

    path: Path
    bytes: int
    sha256: str


class Host(Limiter):
    """Limiter of one host.

    Attributes:
        down: The error for which the host is not asked any more; None while it answers.
    """

    down: OutsideError | None = None

    async def turn(self) -> None:
        """Wait until a request to the host is allowed.

        Raises:
            WorkspaceError: The folder that processes share cannot be written.
        """
        async with self.slot():
            return


class Http:
    """HTTP client of a run; `requests` counts the requests that were sent.

    Args:
        shared: Store of answers shared by runs, if any.
        ledger: Store of the run's own answers, if any.
        per_second: Requests per second and host: `{host: number}`, `""` for every other host.
        limits: Folder through which all processes share these rates; None: each process has its own.
        replay: Answer from the ledger only.
        timeout_s: Seconds without a byte until an attempt is given up; a whole answer may take ten times as long.
        sleep: Waits so many seconds; tests give their own.
    """

    def __init__(
        self,
        *,
        shared: AnswerStore | None = None,
        ledger: AnswerStore | None = None,
        per_second: Mapping[str, float] | None = None,
        limits: Path | None = None,
        replay: bool = False,
        timeout_s: float = 60,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._shared, self._ledger, self._replay = shared, ledger, replay
        self._per_second, self._limits = per_second or {"": 3.0}, limits
        self._sleep, self._clock, self._timeout_s = sleep, clock, timeout_s
        self._hosts: dict[str, Host] = {}
        self._client: httpx.AsyncClient | None = None
        self._rng = random.Random()  # noqa: S311 - spreads repeats in time, no secret
        self.requests = 0

    async def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        kind: str,
        max_bytes: int = MAX_BYTES,
        problem_of: BodyCheck | None = None,
    ) -> HttpAnswer:
        """Send a GET, or use its stored answer, of at most `max_bytes`.

        `problem_of` gives the reason why a body is useless (a web page instead of data, XML that is cut off), else an
        empty text: a useless answer is requested again and never stored.

        Raises:
            ServiceError: The host cannot be reached or refuses, or the answer is too large or useless.
        """
        return await self._stored(_Request("GET", url, params or {}), kind, max_bytes, problem_of)

    async def post(
        self,
        url: str,
        data: Mapping[str, str],
        *,
        kind: str,
        max_bytes: int = MAX_BYTES,
        problem_of: BodyCheck | None = None,
    ) -> HttpAnswer:
        """Send a POST of form fields; like `get`, for queries too long for a URL."""
        return await self._stored(_Request("POST", url, data=data), kind, max_bytes, problem_of)

    async def download(self, url: str, dest: Path, *, max_bytes: int, sha256: str | None = None) -> Downloaded:
        """Download a file, whole or not at all; a `*.part` from before is completed if the server can resume.

        Raises:
            ServiceError: The host does not give it, it is larger than `max_bytes`, or its checksum is another.
            StoppedError: This is a replay, which fetches nothing.
            WorkspaceError: It cannot be written (permissions, full disk).
        """
        if self._replay:
            raise StoppedError(
                f"{one_line(url, 200)}: a replay fetches no files, and what was made of this one has left the library.",
                hint="Give the workspace of the recorded run with --workspace, or run it anew.",
            )
        async with single_flight(dest.with_name(f"{dest.name}.lock"), patience_s=10 * self._timeout_s) as waited:
            if (
                waited and dest.is_file() and sha256 in (None, file_sha256(dest))
            ):  # another process has just downloaded it
                return Downloaded(dest, dest.stat().st_size, file_sha256(dest))
            return await self._downloaded(url, dest, max_bytes, sha256)

    async def _downloaded(self, url: str, dest: Path, max_bytes: int, sha256: str | None) -> Downloaded:
        part = dest.with_name(f"{dest.name}.part")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            await self._repeated(url, lambda: self._fetch_to(url, part, max_bytes))
            size, digest = part.stat().st_size, file_sha256(part)
            if sha256 and digest != sha256:
                forget(part)
                raise ServiceError(f"{url}: its checksum is not the one expected.", hint="Try again later.")
            finish(part, dest)
        except OSError as error:
            forget(part)
            raise WorkspaceError(
                f"cannot write {dest}: {error.strerror or error}.", hint="Check permissions and free space."
            ) from error
        return Downloaded(dest, size, digest)

    async def local(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        max_bytes: int = MAX_BYTES,
        timeout_s: float | None = None,
    ) -> LocalAnswer:
        """Ask a program on this machine: never through a proxy, never redirected, nothing stored, any status given.

        Raises:
            ServiceError: It cannot be reached, or its answer is too large.
        """
        import httpx

        async def ask() -> LocalAnswer:
            body = bytearray()
            wait = httpx.Timeout(timeout_s or self._timeout_s, connect=min(10, self._timeout_s))
            async with (
                httpx.AsyncClient(trust_env=False, timeout=wait) as client,
                client.stream(method, url, headers=dict(headers or {}), content=content) as answer,
            ):
                self.requests += 1
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > max_bytes:
                        raise ServiceError(f"{one_line(url, 200)}: the answer has more than {max_bytes / 1e6:.0f} MB.")
                return LocalAnswer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(body))

        try:
            return await ask()
        except (httpx.HTTPError, TimeoutError) as error:
            place = urlsplit(url).netloc
            raise ServiceError(f"{place} cannot be reached: {_reason(error)}.") from error

    async def close(self) -> None:
        """Close connections and stores."""
        if self._client is not None:
            await self._client.aclose()
        for store in (self._shared, self._ledger):
            if store is not None:
                store.close()

    async def _stored(self, request: _Request, kind: str, most: int, problem_of: BodyCheck | None) -> HttpAnswer:
        """Use the stored answer to a request, or send it."""
        fields = {k: v for k, v in {**request.params, **(request.data or {})}.items() if k not in _PRIVATE}
        digest = hashlib.sha256(json.dumps([request.method, request.url, sorted(fields.items())]).encode())
        key = digest.hexdigest()
        url = f"{request.url}?{urlencode(sorted(fields.items()))}" if fields else request.url
        stored = self._ledger.find(key) if self._ledger else None
        if stored is not None and (self._replay or not stored.failure):
            return _answer(stored)
        if self._replay:
            raise ServiceError(f"{one_line(url, 200)}: the recorded run did not ask this.")

        async def fresh() -> HttpAnswer:
            call = self._repeated(request.url, lambda: self._ask(request, most, problem_of))
            return await self._fresh(call, Stored(key, url, kind, 0, "", b""))

        if self._shared is None:
            return await fresh()
        found = self._found(key, kind)
        if found is None:
            # of processes that want the same at the same time one asks; the others find its answer
            async with single_flight(self._shared.request_lock(key), patience_s=10 * self._timeout_s):
                found = self._found(key, kind)
                if found is None:
                    return await fresh()
        return _answer(found)

    def _found(self, key: str, kind: str) -> Stored | None:
        """Find a young enough answer in the shared store and copy it to the run's own."""
        stored = self._shared.find(key, MAX_AGE_S.get(kind, DAY)) if self._shared else None
        if stored is not None and self._ledger is not None:
            self._ledger.record(stored)
        return stored

    async def _fresh(self, call: Awaitable[tuple[int, str, bytes]], unanswered: Stored) -> HttpAnswer:
        """Ask the host and store its answer or failure."""
        try:
            status, content_type, body = await call
        except ServiceError as error:
            stored = replace(
                unanswered, status=error.status or 0, failure=error.message, hint=error.hint, fetched=time.time()
            )
            self._record(stored, shared=error.status in _NOTHING)
            raise
        stored = replace(unanswered, status=status, content_type=content_type, body=body, fetched=time.time())
        self._record(stored, shared=True)
        return _answer(stored, from_cache=False)

    def _record(self, answer: Stored, *, shared: bool) -> None:
        for store in (self._ledger, self._shared if shared else None):
            if store is not None:
                store.record(answer)

    async def _ask(self, request: _Request, most: int, problem_of: BodyCheck | None) -> tuple[int, str, bytes]:
        async with asyncio.timeout(10 * self._timeout_s), self._stream(request) as answer:
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > most:
                    raise ServiceError(f"{one_line(request.url, 200)}: the answer has more than {most / 1e6:.0f} MB.")
            if problem_of and (problem := problem_of(bytes(body))):
                raise _UselessAnswer(problem)
            return answer.status_code, answer.headers.get("content-type", ""), bytes(body)

    async def _fetch_to(self, url: str, part: Path, most: int) -> None:
        import httpx

        headers = resume_headers(part)
        try:
            async with self._stream(_Request("GET", url, headers=headers)) as answer:
                await save(answer, part, most)
        except TooLarge as error:
            raise ServiceError(
                f"{one_line(url, 200)}: it has {error.bytes / 1e6:,.0f} MB; at most {most / 1e6:,.0f} are fetched."
            ) from error
        except httpx.HTTPStatusError as error:
            if not headers or error.response.status_code != 416:
                raise
            forget(part)  # what is there is no beginning of the file
            await self._fetch_to(url, part, most)

    @asynccontextmanager
    async def _stream(self, request: _Request) -> AsyncIterator[httpx.Response]:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(self._timeout_s, connect=min(10, self._timeout_s)),
                follow_redirects=True,
                headers={"User-Agent": f"bioresearcher/{__version__}"},
            )
        await self._host(urlsplit(request.url).netloc).turn()
        self.requests += 1
        if request.method == "GET" and _IN_BODY & request.params.keys():
            request = _Request("POST", request.url, data=request.params, headers=request.headers)
        async with self._client.stream(
            request.method,
            request.url,
            params=dict(request.params) or None,
            data=request.data,
            headers=dict(request.headers),
        ) as answer:
            if answer.status_code not in (200, 206):
                raise httpx.HTTPStatusError("", request=answer.request, response=answer)
            yield answer

    def _host(self, netloc: str) -> Host:
        if netloc not in self._hosts:
            place = netloc.rpartition("@")[2]
            rate = self._per_second.get(place.partition(":")[0], self._per_second.get("", 3.0))
            limits = RateLimits(interval_s=1.0 / rate)
            self._hosts[netloc] = Host(f"host {place}", limits, self._limits, clock=self._clock, sleep=self._sleep)
        return self._hosts[netloc]

    async def _repeated(self, url: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await a call with retries after passing errors; a host that cannot be reached is not asked again.

        Raises:
            ServiceError: The last error, in one line.
        """
        import httpx

        host = self._host(urlsplit(url).netloc)
        for attempt in range(1, ATTEMPTS + 1):
            if host.down is not None:
                raise host.down
            try:
                return await call()
            except httpx.HTTPStatusError as error:
                wait_s = retry_after(error.response)
                if error.response.status_code not in _AGAIN or attempt == ATTEMPTS or (wait_s or 0) > LONGEST_WAIT_S:
                    _refuse(url, error.response.status_code, attempt)
                if wait_s is not None:
                    await host.pause(wait_s)
                    continue
            except _UselessAnswer as error:
                if attempt == ATTEMPTS:
                    raise ServiceError(f"{one_line(url, 200)}: {error} (asked {attempt} times).") from error
            except (httpx.TransportError, TimeoutError) as error:
                if attempt == ATTEMPTS:
                    down = ServiceError(
                        f"{urlsplit(url).netloc} cannot be reached: {_reason(error)} (asked {attempt} times).",
                        hint="Check the network, or use --only-own.",
                    )
                    host.down = down if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else None
                    raise down from error
            except httpx.HTTPError as error:
                raise ServiceError(f"{one_line(url, 200)}: {_reason(error)}.") from error
            await self._sleep(self._rng.uniform(0.2, 0.5) * 2 ** (attempt - 1))
        raise ServiceError(f"{one_line(url, 200)}: not asked.")


def retry_after(answer: httpx.Response) -> float | None:
    """Parse a `Retry-After` header, a number or a date, to seconds; None without one."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, when.timestamp() - time.time())


def _refuse(url: str, status: int, attempts: int) -> NoReturn:
    times = f" (asked {attempts} times)" if attempts > 1 else ""
    hint = "Try again later." if status in _AGAIN else ""
    raise ServiceError(
        f"{one_line(url, 200)}: the server answered with status {status}{times}.", hint=hint, status=status
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _answer(stored: Stored, *, from_cache: bool = True) -> HttpAnswer:
    if stored.failure:
        raise ServiceError(stored.failure, hint=stored.hint, status=stored.status or None)
    digest = hashlib.sha256(stored.body).hexdigest()
    return HttpAnswer(stored.status, stored.content_type, stored.body, stored.url, digest, from_cache)
