"""The server of the pages: on the loopback of this machine, on a free port or the one asked for, until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bioresearcher.errors import OutsideError
from bioresearcher.web.catalogue import Catalogue

HOST: Final = "127.0.0.1"


def listen_on(port: int) -> socket.socket:
    """Return a socket that listens on a port of the loopback; 0 takes a free one.

    Raises:
        OutsideError: Another program has the port, or it may not be used.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise OutsideError(
            f"port {port} of {HOST} cannot be used: {reason}.", hint="Give another with --port, or none for a free one."
        ) from error
    return listening


def serve(catalogue: Catalogue, port: int, said: Callable[[str], None], *, token: str = "") -> None:
    """Serve the pages until the process is asked to stop; `said` gets their address once they can be asked for.

    Raises:
        OutsideError: The port cannot be used.
    """
    import uvicorn

    from bioresearcher.web.app import make_app
    from bioresearcher.web.guard import Door

    with listen_on(port) as listening:
        door = Door(listening.getsockname()[1], token or secrets.token_urlsafe(24))
        app = make_app(catalogue, door)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=16_384,
            http="h11",
            ws="none",
            loop="asyncio",
        )
        said(f"http://{HOST}:{door.port}/?token={door.token}")
        with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
            uvicorn.Server(config).run(sockets=[listening])
