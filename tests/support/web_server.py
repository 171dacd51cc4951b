"""The pages of a workspace, served for a test in a thread of its own on a free port of the loopback."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from bioresearcher.graph.lock import RunLock
from bioresearcher.runfolder import RunFolder
from bioresearcher.web.app import make_app
from bioresearcher.web.catalogue import Catalogue
from bioresearcher.web.guard import Door
from bioresearcher.web.serve import listen_on

TOKEN = "a-token-of-the-test"
_HELD: list[RunLock] = []
"""Locks that the tests' own process holds to its end; one that nobody refers to is released."""


@contextmanager
def served(workspace: Path, only: Path | None = None) -> Iterator[str]:
    """Serve a workspace; gives the address without the token."""
    with listen_on(0) as listening:
        port = listening.getsockname()[1]
        app = make_app(Catalogue(workspace, only), Door(port, TOKEN), look_s=0.02)
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, loop="asyncio", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def visited(workspace: Path, only: Path | None = None) -> Iterator[httpx.Client]:
    """Serve a workspace, and give a client that has come in with the token."""
    with served(workspace, only) as base, httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
        assert client.get("/", params={"token": TOKEN}).status_code == 303
        yield client


def begin_to_work(folder: RunFolder) -> None:
    """Make a run look as one that works in this process: its manifest, and its lock held until the process ends."""
    record = json.loads(folder.path("run.json").read_text())
    folder.path("run.json").write_text(json.dumps({**record, "status": "running", "finished": None}))
    _HELD.append(RunLock(folder).__enter__())


def emit(folder: RunFolder, **event: object) -> None:
    """Append an event to a run's log in one write."""
    line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()), **event}) + "\n"
    with folder.path("events.jsonl").open("ab") as file:
        file.write(line.encode())
        os.fsync(file.fileno())
