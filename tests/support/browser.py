"""A headless Chromium driven over its DevTools protocol, for tests of pages; there is no driver package."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PATIENCE_S = 60.0


class Browser:
    """A page of the browser."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._number = 0

    async def do(self, method: str, **params: object) -> dict[str, Any]:
        """Carry out a command of the protocol and return its result."""
        self._number += 1
        await self._line.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(await asyncio.wait_for(self._line.recv(), _PATIENCE_S))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    async def value(self, script: str) -> Any:
        """Evaluate a script in the page."""
        result = await self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until a script gives something true."""
        end = time.monotonic() + _PATIENCE_S
        while not await self.value(script):
            assert time.monotonic() < end, f"never true: {script}"
            await asyncio.sleep(0.05)

    async def go(self, address: str) -> None:
        """Load a page to its end."""
        await self.do("Page.navigate", url=address)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "char", "keyUp"):
            text = {"text": "\r"} if kind == "char" and key == "Enter" else {}
            await self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    async def size(self, width: int, height: int) -> None:
        """Set the size of the window."""
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self, path: Path) -> None:
        """Write a picture of the window."""
        result = await self.do("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(result["data"]))


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """Start a browser with an empty profile, and end it."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, f"--user-data-dir={folder}", "about:blank", stdout=nothing, stderr=nothing
    )
    try:
        port = await _port(folder)
        async with httpx.AsyncClient(trust_env=False) as client:
            pages = (await client.get(f"http://127.0.0.1:{port}/json")).json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        async with connect(address, max_size=None, proxy=None) as line:
            yield Browser(line)
    finally:
        process.terminate()
        await process.wait()


async def _port(folder: Path) -> str:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        place = folder / "DevToolsActivePort"
        if place.is_file() and (lines := place.read_text().splitlines()):
            return lines[0]
        await asyncio.sleep(0.05)
    raise AssertionError("the browser does not begin")
