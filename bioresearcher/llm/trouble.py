"""What went wrong with a request to a model, told from the exceptions of the providers' clients.

The clients are optional packages, so none is imported: an exception is known by what it carries (a status, a
response with headers, an error's body) and by the names of its classes. That covers openai, anthropic, google-genai,
ollama, httpx (by whatever name it is packaged) and what LangChain wraps around them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from bioresearcher.errors import BioresearcherError
from bioresearcher.text.visible import one_line

Kind = Literal[
    "rate",  # too many requests or tokens for now
    "server",  # it failed or answered something that is no answer
    "busy",  # 408, 409: try again
    "timeout",
    "connection",
    "quota",  # the account has no money left
    "refused",  # key, rights
    "unknown_model",
    "not_found",  # the address exists, the path does not
    "overflow",  # too long for the model or for the account's tokens per minute
    "bad_request",
    "other",  # not from a provider
]
RETRIED: frozenset[Kind] = frozenset({"rate", "server", "busy", "timeout", "connection"})

_LONGEST_MESSAGE = 400
_OVERFLOW = re.compile(
    r"context[_ ](length|window|size)|maximum context|prompt is too long|input is too long"
    r"|input token count.{0,40}exceeds|exceeds? the (available |maximum )?(context|number of (input )?tokens)"
    r"|(prompt|input|messages).{0,60}exceeds?.{0,40}(token|context)",
    re.IGNORECASE | re.DOTALL,
)
_TOO_LARGE_FOR_RATE = re.compile(r"request too large", re.IGNORECASE)
_NO_MONEY = re.compile(
    r"insufficient[_ ](quota|balance|funds)|credit balance|exceeded your current quota", re.IGNORECASE
)
_NO_MODEL = re.compile(
    r"model_?not_?found|DeploymentNotFound|invalid_model"
    r"|model\W.{0,120}(not found|does not exist|is not supported|not available|no access)"
    r"|(unknown|invalid|no such|not a valid) model|\bmodel: \S",
    re.IGNORECASE | re.DOTALL,
)
_BAD_KEY = re.compile(r"api[_ ]key[_ ](not valid|invalid)|invalid[_ ]api[_ ]key|incorrect api key", re.IGNORECASE)
_KEY_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
_LOOKS_LIKE_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|nvapi|pplx|csk|fw|r8)[-_][\w*.-]{6,}|\bAIza[\w-]{10,}|\b(?:Bearer|Basic)\s+[^\s'\",;]+"
    r"|(?<=[?&]key=)[^&\s'\"]+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Trouble:
    """Why a request got no answer.

    Attributes:
        kind: What sort of trouble it is.
        status: The HTTP status, where there was one.
        retry_after_s: How long the server asks to wait.
        message: One line: what the server or the network said, without keys.
    """

    kind: Kind
    status: int | None
    retry_after_s: float | None
    message: str

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind in RETRIED


def trouble_of(error: BaseException) -> Trouble:
    """What an exception of a provider's client means; `other` for one that is not from there.

    The program's own errors are `other` too, whatever caused them: they were made of a provider's error on purpose.
    """
    if isinstance(error, BioresearcherError):
        return Trouble("other", None, None, error.message)
    chain = tuple(_chain(error))
    status = next((s for e in chain if (s := _status(e)) is not None), None)
    said = _said(chain)
    kind = _kind_by_status(status, said) if status is not None else _kind_by_class(chain, said)
    if kind in RETRIED and _header(chain, "x-should-retry") == "false":
        kind = "quota" if kind == "rate" else "bad_request"
    return Trouble(kind, status, _retry_after_s(chain), _message(chain, status))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what caused it, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error answer: 400 to 599."""
    response = getattr(error, "response", None)
    for value in (
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        getattr(response, "status_code", None),
        getattr(response, "status", None),
    ):
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None


def _kind_by_status(status: int, said: str) -> Kind:
    if status == 402 or (status in {400, 403, 429} and _NO_MONEY.search(said)):
        return "quota"
    if status == 429:
        return "overflow" if _TOO_LARGE_FOR_RATE.search(said) else "rate"
    if status == 413 or (status in {400, 422, 500} and _OVERFLOW.search(said)):
        return "overflow"
    if status in {408, 409}:
        return "busy"
    if status >= 500:
        return "server"
    if _NO_MODEL.search(said):
        return "unknown_model"
    if status in {401, 403} or _BAD_KEY.search(said):
        return "refused"
    return "not_found" if status == 404 else "bad_request"


def _kind_by_class(chain: tuple[BaseException, ...], said: str) -> Kind:
    """For errors without a status: the network's, those of a stream under way, and replies that are no replies."""
    names = {cls.__name__ for e in chain for cls in type(e).__mro__}
    if any("Timeout" in name for name in names):
        return "timeout"
    if _unsendable_header(chain):
        return "refused"
    if names & {"LocalProtocolError", "UnsupportedProtocol", "InvalidURL", "UnicodeEncodeError"}:
        return "bad_request"
    if "ContextOverflowError" in names:
        return "overflow"
    if names & {"APIConnectionError", "TransportError", "ConnectionError", "gaierror"}:
        return "connection"
    if names & {"JSONDecodeError", "APIResponseValidationError", "DecodingError", "UnknownApiResponseError"}:
        return "server"
    if names & {"APIError", "ResponseError"}:
        return _kind_in_stream(said)
    return "other"


def _unsendable_header(chain: tuple[BaseException, ...]) -> bool:
    """Whether a header, which is to say the key, holds something that headers must not."""
    last, said = type(chain[-1]).__name__, str(chain[-1])
    return (last == "LocalProtocolError" and "header" in said) or (last == "UnicodeEncodeError" and "ascii" in said)


def _kind_in_stream(said: str) -> Kind:
    """An error told within a stream that began well."""
    if _NO_MONEY.search(said):
        return "quota"
    if _OVERFLOW.search(said):
        return "overflow"
    return "rate" if re.search(r"rate.?limit|overloaded", said, re.IGNORECASE) else "server"


def _said(chain: tuple[BaseException, ...]) -> str:
    """All words and codes of an error, to look for the known ones."""
    bodies = [_bodies(e) for e in chain]
    codes = [str(body.get(k, "")) for found in bodies for body in found for k in ("code", "type", "status")]
    return " ".join([*(str(e) for e in chain), *codes])


def _bodies(error: BaseException) -> list[Mapping[str, Any]]:
    """The error's body as the client keeps it, and the `error` in it."""
    found = [b for b in (getattr(error, "body", None), getattr(error, "details", None)) if isinstance(b, Mapping)]
    return [*(b["error"] for b in found if isinstance(b.get("error"), Mapping)), *found]


def _headers(error: BaseException) -> dict[str, str]:
    headers = getattr(getattr(error, "response", None), "headers", None)
    return {str(k).lower(): str(v) for k, v in headers.items()} if isinstance(headers, Mapping) else {}


def _header(chain: tuple[BaseException, ...], name: str) -> str | None:
    return next((value for e in chain if (value := _headers(e).get(name)) is not None), None)


def _retry_after_s(chain: tuple[BaseException, ...]) -> float | None:
    """Seconds the server asks to wait: its headers, or Google's `RetryInfo`."""
    milliseconds = _seconds(_header(chain, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    said = _header(chain, "retry-after")
    if said is not None:
        seconds = _seconds(said)
        return seconds if seconds is not None else _seconds_until(said, _header(chain, "date"))
    for body in (b for e in chain for b in _bodies(e)):
        details = body.get("details")
        for detail in details if isinstance(details, list) else []:
            if isinstance(detail, Mapping) and "retryDelay" in detail:
                return _seconds(str(detail["retryDelay"]).removesuffix("s"))
    return None


def _seconds(text: str | None) -> float | None:
    """A finite number of seconds, not less than 0."""
    try:
        seconds = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str, server_now: str | None) -> float | None:
    """From the server's own time, where it tells it, to an HTTP date."""
    try:
        then = parsedate_to_datetime(date)
        now = parsedate_to_datetime(server_now) if server_now else datetime.now(UTC)
        return max(
            0.0, (then.replace(tzinfo=then.tzinfo or UTC) - now.replace(tzinfo=now.tzinfo or UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        return None


def _message(chain: tuple[BaseException, ...], status: int | None) -> str:
    """One line with the status, what was said and what it comes from; keys are left out."""
    texts = [text for e in chain[:1] for body in _bodies(e) if isinstance(text := body.get("message"), str) and text]
    told = texts[0] if texts else str(chain[0])
    if _unsendable_header(chain):  # whose words hold the key
        return "The key holds characters that cannot be sent, such as a line break or a letter beyond ASCII."
    if status is None and len(chain) > 1 and (cause := str(chain[-1])) and cause not in told:
        told = f"{told.rstrip('.: ')}: {cause}"
    told = _readable(told) or type(chain[0]).__name__
    notes = getattr(chain[0], "__notes__", ())
    line = one_line(" ".join((one_line(told, _LONGEST_MESSAGE), *map(str, notes))))
    return _without_keys(line if status is None else f"HTTP {status}: {line}", chain)


def _readable(text: str) -> str:
    """The words of an error page in place of its markup, and the message of a JSON body."""
    if re.match(r"\s*<(!doctype|html|head)", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return title[1].strip() if title else "a page that is no answer of a model"
    try:
        value = json.loads(text)
    except ValueError:
        return text
    inner = value.get("error", value) if isinstance(value, dict) else value
    message = inner.get("message") if isinstance(inner, dict) else inner
    return message if isinstance(message, str) else text


def _without_keys(text: str, chain: tuple[BaseException, ...]) -> str:
    """The text without the key that was sent, and without anything that looks like one."""
    for secret in sorted(set(_keys_sent(chain)), key=len, reverse=True):
        text = text.replace(secret, "[key]")
    return _LOOKS_LIKE_KEY.sub("[key]", text)


def _keys_sent(chain: tuple[BaseException, ...]) -> Iterator[str]:
    """The keys in the headers of the request an exception is about."""
    for error in chain:
        for holder in (error, getattr(error, "response", None)):
            headers = getattr(_request_of(holder), "headers", None)
            if not isinstance(headers, Mapping):
                continue
            for name in _KEY_HEADERS:
                value = str(headers.get(name) or "")
                yield from (part for part in {value, value.rpartition(" ")[2]} if len(part) >= 4)


def _request_of(holder: object) -> object:
    """`holder.request`, which httpx makes an error to ask for where there is none."""
    try:
        return getattr(holder, "request", None)
    except RuntimeError:
        return None
