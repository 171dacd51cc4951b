"""The door of the pages: reading only, from this machine and these pages only, with the token."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

Scope = Mapping[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FILE_POLICY: Final = (
    "sandbox allow-same-origin allow-popups allow-downloads; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For files of a run: no script runs in them, whoever wrote them."""
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
_MONTH_S: Final = 30 * 86_400


@dataclass(frozen=True)
class Door:
    """The address of the pages and the token that opens them.

    Attributes:
        port: The port they are served on.
        token: The secret; the first address holds it, and a cookie from then on.
    """

    port: int
    token: str

    @property
    def cookie(self) -> str:
        """Name of the cookie; with the port, because cookies do not know of ports."""
        return f"bioresearcher-{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """Names under which the pages may be asked for."""
        return frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost"))

    def opened_by(self, token: str) -> bool:
        """Compare a token in constant time."""
        return secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


class Guard:
    """ASGI middleware that lets a request in, or refuses it with one line."""

    def __init__(self, app: App, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request; lifespan events pass."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if refused := self._refused(str(scope["method"]), headers):
            await _answer(send, *refused)
            return
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        if "token" in query:
            await self._enter(scope, query, send)
            return
        if not self._door.opened_by(_cookie(headers.get("cookie", ""), self._door.cookie)):
            said = "Open the whole address that `bioresearcher view` printed: it holds the token of these pages."
            await _answer(send, 403, said)
            return
        await self._app(scope, receive, _with_headers(send))

    def _refused(self, method: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return status and reason for a request from elsewhere, or one that is more than reading."""
        if headers.get("host", "").lower() not in self._door.hosts:
            return 421, "These pages answer to 127.0.0.1 and localhost only."
        if method not in {"GET", "HEAD"}:
            return 405, "These pages are for reading only."
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self._door.hosts}:
            return 403, "Another page may not ask for these pages."
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
        if site in {"cross-site", "same-site"} and mode != "navigate":
            return 403, "Another page may not ask for these pages."
        return None

    async def _enter(self, scope: Scope, query: Mapping[str, str], send: Send) -> None:
        """Answer an address with a token: with the cookie, and the same address without it."""
        if not self._door.opened_by(query["token"]):
            await _answer(
                send, 403, "This is not the token of these pages: `bioresearcher view` printed their address."
            )
            return
        rest = urlencode([(name, value) for name, value in query.items() if name != "token"])
        raw = scope.get("raw_path") or str(scope["path"]).encode()
        path = "/" + raw.decode("latin-1").lstrip("/")  # `//host` would be another server's address
        place = path + (f"?{rest}" if rest else "")
        cookie = f"{self._door.cookie}={self._door.token}; Path=/; Max-Age={_MONTH_S}; HttpOnly; SameSite=Strict"
        await _answer(send, 303, "", {"location": place, "set-cookie": cookie})


def _cookie(text: str, name: str) -> str:
    try:
        found = SimpleCookie(text).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


async def _answer(send: Send, status: int, said: str, more: Mapping[str, str] | None = None) -> None:
    body = f"{said}\n".encode()
    fields = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **HEADERS, **(more or {})}
    head = [(k.encode(), v.encode("latin-1")) for k, v in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    """Return a sender that adds the headers of every answer; a policy that a page gave itself stays."""

    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            new = {"content-security-policy": POLICY, **HEADERS}
            head = [(k.encode(), v.encode()) for k, v in new.items() if k.encode() not in given]
            message = {**message, "headers": [*message["headers"], *head]}
        await send(message)

    return sender
