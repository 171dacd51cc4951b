"""Several real processes ask one server: it sees no more than the limits allow. Judged by what the server recorded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import limited_process
import pytest
from limited_process import IN_FLIGHT, PER_SECOND

Answering = Callable[[int], tuple[int, dict[str, str]]]


class CountingServer:
    """Notes when requests come and how many are open; holds them while `gate` is closed."""

    def __init__(self, answer: Answering = lambda _: (200, {}), *, lasts_s: float = 0.0) -> None:
        self.arrived: list[float] = []
        self.open = self.peak = 0
        self.gate = threading.Event()
        self.gate.set()
        guard, server = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with guard:
                    server.arrived.append(time.monotonic())
                    server.open += 1
                    server.peak = max(server.peak, server.open)
                    status, headers = answer(len(server.arrived))
                time.sleep(lasts_s)
                server.gate.wait(60)
                with guard:  # before the answer, so that whoever gets its place is counted after it
                    server.open -= 1
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                try:
                    self.wfile.write(b"ok")
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/x"

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something to become true of what was recorded."""
        for _ in range(6000):
            if true():
                return
            time.sleep(0.01)
        raise AssertionError(f"did not happen: {len(self.arrived)} requests, {self.open} open")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@contextmanager
def processes(
    count: int, kind: str, url: str, folder: Path | str, number: int
) -> Iterator[list[subprocess.Popen[Any]]]:
    command = [sys.executable, limited_process.__file__, kind, url, str(folder), str(number)]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def ended(running: list[subprocess.Popen[Any]]) -> list[int]:
    return [process.wait(90) for process in running]


def most_in_a_second(arrived: list[float]) -> int:
    return max(sum(at <= other < at + 1 for other in arrived) for at in arrived)


def test_processes_keep_to_the_rate_of_a_host_together(tmp_path: Path) -> None:
    with CountingServer() as server, processes(3, "host", server.url, tmp_path / "limits", 10) as running:
        assert ended(running) == [0] * 3
    assert len(server.arrived) == 30
    # each for itself would be three times as fast: 10 from every process in the first second
    assert server.arrived[-1] - server.arrived[0] >= 29 / PER_SECOND - 0.5
    assert most_in_a_second(server.arrived) <= 1.5 * PER_SECOND


def test_places_in_flight_are_shared_and_those_of_a_killed_process_are_free_at_once(tmp_path: Path) -> None:
    with CountingServer() as server:
        server.gate.clear()
        with processes(1, "model", server.url, tmp_path, IN_FLIGHT) as (first,):
            server.until(lambda: server.open == IN_FLIGHT)
            with processes(2, "model", server.url, tmp_path, 8) as others:
                time.sleep(0.5)
                assert len(server.arrived) == IN_FLIGHT
                first.send_signal(signal.SIGKILL)
                first.wait()
                server.until(lambda: len(server.arrived) == 2 * IN_FLIGHT)
                server.open = server.peak = IN_FLIGHT  # those of the dead process are open at the server only
                server.gate.set()
                assert ended(others) == [0] * 2
    assert len(server.arrived) == IN_FLIGHT + 16
    assert server.peak <= IN_FLIGHT


@pytest.mark.parametrize("kind", ["host", "model"])
def test_a_server_that_wants_to_be_left_alone_is_left_alone_by_all(tmp_path: Path, kind: str) -> None:
    told: list[float] = []

    def answer(number: int) -> tuple[int, dict[str, str]]:
        if number != 6:
            return 200, {}
        told.append(time.monotonic())
        return 429, {"Retry-After": "4"}

    with (
        CountingServer(answer, lasts_s=0.1) as server,
        processes(2, kind, server.url, tmp_path / "limits", 15) as running,
    ):
        assert ended(running) == [0] * 2
    assert len(server.arrived) == 31
    # those under way when it said so may still come in; nobody else until it is over
    assert [at for at in server.arrived if told[0] + 2 <= at <= told[0] + 3.9] == []
    assert sum(at > told[0] + 3.9 for at in server.arrived) > 10


def last_turn(folder: Path) -> float:
    """When the last request went through, by the state of the only server; 0 when none did, or it is being replaced."""
    for path in (*folder.glob("*.json"), *folder.glob("*.part")):
        with suppress(FileNotFoundError, ValueError):
            return json.loads(path.read_bytes())["last"]
    return 0.0


def test_processes_killed_at_any_moment_leave_a_whole_state_and_no_locks(tmp_path: Path) -> None:
    with CountingServer() as server:
        for kill in range(6):
            before = last_turn(tmp_path)
            with processes(2, "turns", server.url, tmp_path, 1_000_000):
                server.until(lambda before=before: last_turn(tmp_path) > before)
                time.sleep(0.05 + 0.007 * kill)
            assert last_turn(tmp_path) > before
        with processes(1, "turns", server.url, tmp_path, IN_FLIGHT) as running:
            assert ended(running) == [0]


def test_without_a_folder_each_process_keeps_its_own_limits(tmp_path: Path) -> None:
    with CountingServer() as server:
        server.gate.clear()
        with processes(2, "model", server.url, "", 6) as running:
            server.until(lambda: server.open == 2 * IN_FLIGHT)
            server.gate.set()
            assert ended(running) == [0, 0]
    assert len(server.arrived) == 12
    assert [*tmp_path.iterdir()] == []
