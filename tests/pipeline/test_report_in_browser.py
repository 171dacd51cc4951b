"""The HTML report in a real browser: nothing runs, nothing is requested, everything is seen, also on a phone."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import report_support

from bioresearcher.report.write import write_reports

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)

pytestmark = pytest.mark.slow


class Browser:
    """A headless browser spoken to over a pipe (DevTools protocol), so that no socket is opened."""

    def __init__(self, program: str, profile: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # The browser expects the pipe at descriptors 3 and 4; move ours out of the way first.
        source = fcntl.fcntl(to_read, fcntl.F_DUPFD, 20)
        sink = fcntl.fcntl(to_write, fcntl.F_DUPFD, 20)

        def place() -> None:
            os.dup2(source, 3)
            os.dup2(sink, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place,
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for handle in (to_read, to_write, source, sink):
            os.close(handle)
        self._buffer = b""
        self._number = 0
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    session: str | None = None

    def _message(self, deadline: float) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise AssertionError("the browser does not answer")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method: str, **params: object) -> dict:
        """Send one command and wait for its answer; events that arrive meanwhile are kept."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self._write, json.dumps(request).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            message = self._message(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, path: Path, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Load a file in a window of a given size and wait until it is complete."""
        self.events.clear()
        mode = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=mode)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + 60
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._message(deadline))

    def value(self, expression: str) -> object:
        """The JSON value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def complaints(self) -> list[dict]:
        """Console messages, exceptions and log entries since the page was opened."""
        noisy = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        return [e["params"] for e in self.events if e.get("method") in noisy]

    def requests(self) -> list[str]:
        """Addresses asked for since the page was opened, except files and inline data."""
        urls = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [u for u in urls if not u.startswith(("file:", "data:"))]

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """End the browser."""
        os.close(self._write)
        os.close(self._read)
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = next((p for name in BROWSERS if (p := shutil.which(name))), None)
    if program is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("no Chromium on this machine, and this run must have one")
        pytest.skip("no Chromium on this machine")
    started = Browser(program, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    folder = report_support.build_run(tmp_path_factory.mktemp("run") / "2026-01-05-breast", sandbox="none")
    return write_reports(folder)[1]


@pytest.fixture(scope="module", params=["first", "evidence", "protocol", "tasks", "review", "record"])
def report(request, first) -> Path:
    return first if request.param == "first" else first.parent / "report" / f"{request.param}.html"


@pytest.mark.parametrize("width", [1200, 360])
def test_the_page_opens_without_complaint_or_request(browser, report, width):
    browser.open(report, width)
    # A round trip after loading lets late messages arrive.
    assert browser.value("document.readyState") == "complete"
    assert browser.complaints() == []
    assert browser.requests() == []


@pytest.mark.parametrize("width", [1200, 360])
def test_every_figure_is_seen(browser, report, width):
    browser.open(report, width)
    sizes = browser.value(
        "[...document.images].map(i => [i.naturalWidth, i.naturalHeight, i.getBoundingClientRect().width, i.alt])"
    )
    assert len(sizes) == (2 if report.stem == "tasks" else 0)
    assert all(w > 0 and h > 0 and shown > 100 and alt for w, h, shown, alt in sizes)


@pytest.mark.parametrize("opened", [False, True])
def test_nothing_scrolls_sideways_on_a_phone_but_wide_tables_in_their_box(browser, report, opened):
    browser.open(report, 360)
    if opened:
        browser.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.value("document.scrollingElement.scrollWidth") <= 360
    wide = browser.value("[...document.querySelectorAll('.scroll')].some(b => b.scrollWidth > b.clientWidth)")
    if report.stem in ("tasks", "record"):
        assert wide is True


def test_hostile_text_stays_text(browser, report):
    browser.open(report, 1200)
    assert browser.value("document.scripts.length") == 0
    assert browser.value("document.querySelectorAll('b, script, iframe, object, [onerror]').length") == 0
    assert "owned" not in browser.value("document.title")
    links = browser.value("[...document.links].map(a => a.protocol)")
    assert set(links) <= {"https:", "file:"}


def test_every_link_within_the_page_has_its_target(browser, report):
    browser.open(report, 1200)
    dead = browser.value(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
        ".filter(id => !document.getElementById(id))"
    )
    assert dead == []
    ids = browser.value("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
