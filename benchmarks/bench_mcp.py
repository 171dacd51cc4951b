"""How long `bioresearcher mcp` takes from its start to the answer of `initialize`, over pipes, and its memory then."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from figures import Figure, console_script, measured

_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "0"}},
}


def measure(quick: bool) -> list[Figure]:
    """CPU and wall time of whole processes, after one that warms the file cache."""
    runs = [_start() for _ in range(4 if quick else 11)][1:]
    return [
        measured(
            "`bioresearcher mcp`: start to the answer of `initialize`, CPU", [r[0] for r in runs], "s", at_most=1.0
        ),
        measured("the same, wall", [r[1] for r in runs], "s"),
        measured("the server's memory then", [r[2] for r in runs], "MB", at_most=150),
    ]


def _start() -> tuple[float, float, float]:
    """Start a server; return CPU seconds, wall seconds and MB when it has answered."""
    with tempfile.TemporaryDirectory() as place:
        begun = time.monotonic()
        command = console_script("mcp", "--workspace", place)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps(_HELLO) + "\n")
            server.stdin.flush()
            assert "serverInfo" in server.stdout.readline()
            wall = time.monotonic() - begun
            fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
            server.stdin.close()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return cpu, wall, pages * os.sysconf("SC_PAGE_SIZE") / 1e6
