"""A server over HTTP for this machine alone: 127.0.0.1, with a token that every request must carry."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from pydantic import AnyHttpUrl

from bioresearcher.errors import InputError, OutsideError

HOST: Final = "127.0.0.1"
VARIABLE: Final = "BIORESEARCHER_MCP_TOKEN"
"""Environment variable with the token; without it a new one is made at each start."""
LEAST_TOKEN: Final = 16


class OneToken:
    """Accepts one token, compared in constant time."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return who has the token; None for any other."""
        if not secrets.compare_digest(token.encode(), self._token):
            return None
        return AccessToken(token=token, client_id="local", scopes=[])


def given_token() -> str:
    """Return the token of the environment, or a new one.

    Raises:
        InputError: It is too short to be a secret.
    """
    token = os.environ.get(VARIABLE, "")
    if token and len(token) < LEAST_TOKEN:
        raise InputError(
            f"{VARIABLE} is shorter than {LEAST_TOKEN} characters.", hint="Unset it: one is made at start."
        )
    return token or secrets.token_urlsafe(32)


def bound_socket(port: int) -> socket.socket:
    """Bind a port of this machine; 0 takes a free one.

    Raises:
        OutsideError: It is in use, or not allowed.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        bound.listen()
    except OSError as error:
        bound.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise OutsideError(f"--http {port}: the port {why}.", hint="Use another, or 0 for a free one.") from error
    return bound


def auth_of(token: str, port: int) -> dict[str, Any]:
    """Return the settings by which a server asks for the token."""
    url = AnyHttpUrl(f"http://{HOST}:{port}")
    settings = AuthSettings(issuer_url=url, resource_server_url=url, required_scopes=[], validate_token_resource=False)
    return {"auth": settings, "token_verifier": OneToken(token)}


def serve_http(server: MCPServer, bound: socket.socket) -> None:
    """Serve until Ctrl-C."""
    import uvicorn

    app = server.streamable_http_app(host=HOST)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws="none", server_header=False)
    asyncio.run(uvicorn.Server(config).serve(sockets=[bound]))
