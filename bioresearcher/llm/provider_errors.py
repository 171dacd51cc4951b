"""Errors of requests to models: classification by HTTP status and exception class, and retries of temporary ones.

The providers' clients are optional packages, so none is imported: an exception is classified by its attributes (a
status, a response with headers, a body) and by the names of its classes. That covers openai, anthropic, google-genai,
ollama, httpx (under any package name) and LangChain's wrappers. Messages are only searched where the status is
ambiguous: a prompt that is too long, an account without money, a model that does not exist.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar

from bioresearcher.errors import BioresearcherError
from bioresearcher.limits.rate_limits import Limiter
from bioresearcher.text.visible import one_line

Kind = Literal[
    "rate",  # too many requests or tokens for now
    "server",  # it failed, is busy, or answered something that is no answer
    "timeout",
    "connection",
    "quota",  # the account has no money left
    "refused",  # key, rights
    "unknown_model",
    "not_found",  # the address exists, the path does not
    "overflow",  # too long for the model or for the account's tokens per minute
    "filtered",  # a filter stopped it
    "bad_request",
    "other",  # not from a provider
]
RETRIED: frozenset[Kind] = frozenset({"rate", "server", "timeout", "connection"})

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
_LONGEST_MESSAGE = 400
_OVERFLOW = re.compile(
    r"context[_ ](length|window|size)|maximum context|(prompt|input) is too long"
    r"|(prompt|input|messages)\b.{0,60}exceeds?\b.{0,40}(tokens|context)",
    re.IGNORECASE | re.DOTALL,
)
_NO_MONEY = re.compile(
    r"insufficient[_ ](quota|balance|funds)|credit balance|exceeded your current quota", re.IGNORECASE
)
_NO_MODEL = re.compile(
    r"\bmodels?\b.{0,120}\bnot (found|exist|available)|(model|deployment)_?not_?found|not a valid model|model: \S",
    re.IGNORECASE | re.DOTALL,
)
_BY_CLASS: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("timeout", frozenset({"TimeoutError", "TimeoutException", "APITimeoutError"})),
    ("bad_request", frozenset({"LocalProtocolError", "UnsupportedProtocol", "InvalidURL"})),
    ("overflow", frozenset({"ContextOverflowError"})),
    ("connection", frozenset({"APIConnectionError", "TransportError", "ConnectionError", "gaierror"})),
    (
        "server",
        frozenset({"JSONDecodeError", "APIResponseValidationError", "DecodingError", "UnknownApiResponseError"}),
    ),
)
"""Kind -> names of exception classes without a status; the first that fits."""
_IN_STREAM = frozenset({"APIError", "ResponseError"})
"""Classes of errors that arrive within a stream."""
_KEY_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
_LOOKS_LIKE_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|nvapi|pplx|csk|fw|r8)[-_][\w*.-]{6,}|\bAIza[\w-]{10,}|\b(?:Bearer|Basic)\s+[^\s'\",;]+"
    r"|(?<=[?&]key=)[^&\s'\"]+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ProviderError:
    """Classified error of a request.

    Attributes:
        kind: Class of the error.
        status: HTTP status; None if there was no response.
        retry_after_s: Seconds the server asks to wait; None if it does not ask.
        message: Message of the server or the network on one line, without keys.
    """

    kind: Kind
    status: int | None
    retry_after_s: float | None
    message: str

    @property
    def retryable(self) -> bool:
        """True when the same request may succeed later."""
        return self.kind in RETRIED


T = TypeVar("T")
OnWait = Callable[[ProviderError, float], None]


def classify_error(error: BaseException) -> ProviderError:
    """Classify an exception of a provider's client; `other` for an exception from elsewhere.

    The program's own errors are `other` too, whatever caused them: they were made of a provider's error on purpose.
    """
    if isinstance(error, BioresearcherError):
        return ProviderError("other", None, None, error.message)
    chain = [error]  # outermost first
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    status = next((s for e in chain if (s := _status(e)) is not None), None)
    text = _texts(chain)
    kind = _kind_by_status(status, text) if status is not None else _kind_by_class(chain, text)
    if kind in RETRIED and _header(chain, "x-should-retry") == "false":
        kind = "quota" if kind == "rate" else "bad_request"
    return ProviderError(kind, status, _retry_after_s(chain), _message(chain, status))


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an error response: 400 to 599."""
    holders, names = (error, getattr(error, "response", None)), ("status_code", "code", "status")
    values = (getattr(holder, name, None) for holder in holders for name in names)
    return next((value for value in values if isinstance(value, int) and 400 <= value <= 599), None)


def _kind_by_status(status: int, text: str) -> Kind:
    if status == 402 or (status in {400, 403, 429} and _NO_MONEY.search(text)):
        return "quota"
    if status == 413 or (status in {400, 422, 500} and _OVERFLOW.search(text)):
        return "overflow"
    if status == 429:
        return "overflow" if "request too large" in text.lower() else "rate"
    if status in {408, 409} or status >= 500:
        return "server"
    if status in {400, 404} and _NO_MODEL.search(text):
        return "unknown_model"
    if status in {401, 403}:
        return "refused"
    if "content_filter" in text:
        return "filtered"
    return "not_found" if status == 404 else "bad_request"


def _kind_by_class(chain: Sequence[BaseException], text: str) -> Kind:
    """Classify an error without a status: of the network, of a stream under way, or of an unreadable response."""
    if _is_about_header(chain):
        return "refused"
    names = {cls.__name__ for e in chain for cls in type(e).__mro__}
    for kind, known in _BY_CLASS:
        if names & known:
            return kind
    if names & _IN_STREAM:
        return "quota" if _NO_MONEY.search(text) else "overflow" if _OVERFLOW.search(text) else "server"
    return "filtered" if "content filter" in text else "other"


def _texts(chain: Sequence[BaseException]) -> str:
    """Join all messages and codes of an error, to search them."""
    bodies = [_bodies(e) for e in chain]
    codes = [str(body.get(k, "")) for found in bodies for body in found for k in ("code", "type", "status")]
    return " ".join([*(str(e) for e in chain), *codes])


def _bodies(error: BaseException) -> list[Mapping[str, Any]]:
    """Return the error's body as the client keeps it, after the `error` in it."""
    found = [b for b in (getattr(error, "body", None), getattr(error, "details", None)) if isinstance(b, Mapping)]
    return [*(b["error"] for b in found if isinstance(b.get("error"), Mapping)), *found]


def _header(chain: Sequence[BaseException], name: str) -> str | None:
    """Return a header of the response; all clients' mappings ignore upper and lower case."""
    for error in chain:
        headers = getattr(getattr(error, "response", None), "headers", None)
        if isinstance(headers, Mapping) and (value := headers.get(name)) is not None:
            return str(value)
    return None


def _retry_after_s(chain: Sequence[BaseException]) -> float | None:
    """Return the seconds the server asks to wait: from its headers, or Google's `RetryInfo`."""
    milliseconds = _seconds(_header(chain, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    wait = _header(chain, "retry-after")
    if wait is not None:
        seconds = _seconds(wait)
        return seconds if seconds is not None else _seconds_until(wait, _header(chain, "date"))
    for body in (b for e in chain for b in _bodies(e)):
        details = body.get("details")
        for detail in details if isinstance(details, list) else []:
            if isinstance(detail, Mapping) and "retryDelay" in detail:
                return _seconds(str(detail["retryDelay"]).removesuffix("s"))
    return None


def _seconds(text: str | None) -> float | None:
    """Parse a finite number of seconds, not less than 0."""
    try:
        seconds = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str, server_now: str | None) -> float | None:
    """Compute the seconds until an HTTP date, by the server's clock if it is known."""
    try:
        then = parsedate_to_datetime(date)
        now = parsedate_to_datetime(server_now) if server_now else datetime.now(UTC)
        return max(0.0, then.timestamp() - now.timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def _is_about_header(chain: Sequence[BaseException]) -> bool:
    """Check whether a request was not sent because of a header: the texts of such errors hold the key."""
    names = {type(e).__name__ for e in chain}
    local = any(isinstance(e, UnicodeEncodeError) or "header value" in str(e).lower() for e in chain)
    return local and "RemoteProtocolError" not in names  # that one is about the server's own headers


def _message(chain: Sequence[BaseException], status: int | None) -> str:
    """Write one line with the status, the server's message and its cause; keys are left out."""
    if status is None and _is_about_header(chain):
        return "The key holds characters that cannot be sent, such as a line break or a letter beyond ASCII."
    texts = [text for e in chain[:1] for body in _bodies(e) if isinstance(text := body.get("message"), str) and text]
    message = texts[0] if texts else str(chain[0])
    if status is None and len(chain) > 1 and (cause := str(chain[-1])) and cause not in message:
        message = f"{message.rstrip('.: ')}: {cause}"
    message = _readable(message) or type(chain[0]).__name__
    notes = getattr(chain[0], "__notes__", ())
    line = " ".join((message, *filter(None, map(str, notes))))
    return _without_keys(line if status is None else f"HTTP {status}: {line}", chain)


def _readable(text: str) -> str:
    """Extract the title of an error page or the message of a JSON body, on one line and not too long."""
    if re.match(r"\s*<(!doctype|html|head)", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else "a page that is no answer of a model"
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    inner = value.get("error", value) if isinstance(value, dict) else value
    message = inner.get("message") if isinstance(inner, dict) else inner
    return one_line(message if isinstance(message, str) else text, _LONGEST_MESSAGE)


def _without_keys(text: str, chain: Sequence[BaseException]) -> str:
    """Replace the key that was sent, and anything that looks like one."""
    for holder in (h for e in chain for h in (e, getattr(e, "response", None))):
        own = getattr(holder, "__dict__", {})  # httpx's attribute `request` raises an error when there is none
        headers = getattr(own.get("request") or own.get("_request"), "headers", {})
        for value in (str(headers.get(name) or "") for name in _KEY_HEADERS):
            for secret in (value, value.rpartition(" ")[2]):
                text = text.replace(secret, "[key]") if len(secret) >= 4 else text
    return _LOOKS_LIKE_KEY.sub("[key]", text)


async def with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    limiter: Limiter,
    tokens: int,
    deadline_s: float,
    attempts: int = 6,
    on_wait: OnWait | None = None,
    rng: random.Random | None = None,
) -> T:
    """Await `call`, and repeat it after temporary errors.

    Repeated are 408, 409, 429, 5xx, timeouts and broken connections, each after a wait drawn evenly between 0 and a
    bound that doubles (full jitter), or as long as the server asks in `Retry-After`: then the whole endpoint is paused.
    Not repeated are 400, 401, 403, 404, 422, an account without money, and any error from elsewhere than a provider. No
    slot is held while waiting.

    Args:
        call: Sends the request once; called anew for each attempt.
        limiter: The endpoint's.
        tokens: Tokens that the request is expected to use.
        deadline_s: Seconds for all attempts and the waits between them; waiting for a slot is not counted.
        attempts: Most times that the request is sent.
        on_wait: Called with the error and the seconds before each wait.
        rng: For the jitter.

    Raises:
        TimeoutError: An attempt was under way at the deadline, and none before it was answered with an error.
        Exception: The last attempt's error as it is, for the caller to classify. If it was temporary, its note gives
            the reason for not waiting any longer, which `classify_error` puts into the message.
    """
    rng = rng or random.Random()  # noqa: S311 - spreads callers in time, no secret
    left_s = deadline_s
    answered: Exception | None = None
    for attempt in range(1, attempts + 1):
        async with limiter.slot(tokens):
            started = limiter.clock()
            try:
                return await _within(left_s, call)
            except Exception as error:  # of any provider's client; raised again unless it is temporary
                left_s -= limiter.clock() - started
                problem = classify_error(error)
                wait_s = _wait_s(problem, attempt, rng)
                if not problem.retryable:
                    raise
                if attempt == attempts or wait_s >= left_s:
                    # the server's error before explains more than the timeout of a last short attempt
                    last = answered if answered is not None and isinstance(error, TimeoutError) else error
                    last.add_note(_why_no_more(problem, attempt, left_s, at_last=attempt == attempts))
                    raise last from last.__cause__
                answered = error
        left_s -= wait_s
        if on_wait is not None:
            on_wait(problem, wait_s)
        if problem.retry_after_s is not None:
            await limiter.pause(wait_s)
        else:
            await limiter.sleep(wait_s)
    raise ValueError("attempts must be at least 1")


async def _within(seconds: float, call: Callable[[], Awaitable[T]]) -> T:
    """Await `call`, at most `seconds`."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call()
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"no answer within {seconds:.0f} s") from error
        raise


def _wait_s(problem: ProviderError, attempt: int, rng: random.Random) -> float:
    """Choose the wait: as the server asks, else drawn below a bound that doubles with every attempt."""
    if problem.retry_after_s is not None:
        return problem.retry_after_s
    return rng.uniform(0, min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (attempt - 1)))


def _why_no_more(problem: ProviderError, attempt: int, left_s: float, *, at_last: bool) -> str:
    """Explain why a temporary error is not waited for."""
    if at_last:
        return f"(asked {attempt} times)" if attempt > 1 else ""
    if problem.retry_after_s is not None and left_s > 0:
        return (
            f"(the server asks to wait {problem.retry_after_s:.0f} s, but only {left_s:.0f} s are left for this call)"
        )
    return f"(asked {attempt} times, the time for this call is used up)"
