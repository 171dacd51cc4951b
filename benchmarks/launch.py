"""The command line with a clock: `python launch.py NUMBERS.json ARGUMENT…` does what `bioresearcher ARGUMENT…` does.

At the end it writes what this process used, its sandboxed children apart: CPU seconds of all its threads, the most
memory it held, and from when to when each sandboxed process ran (seconds of the machine's monotonic clock).
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from bioresearcher.cli.app import main
from bioresearcher.sandbox.supervise import Running


def peak_memory_mb() -> float:
    """The most resident memory this process has had, in MB of 1,000,000 bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def watch_jobs() -> list[tuple[float, float]]:
    """Note the start and end of every sandboxed process from now on."""
    jobs: list[tuple[float, float]] = []
    finish = Running.finish

    def finish_noted(self: Running) -> Any:
        try:
            return finish(self)
        finally:
            jobs.append((self._started_s, time.monotonic()))

    Running.finish = finish_noted  # type: ignore[method-assign]
    return jobs


if __name__ == "__main__":
    noted = watch_jobs()
    code = main(sys.argv[2:])
    numbers = {"cpu_s": time.process_time(), "peak_memory_mb": peak_memory_mb(), "jobs": noted}
    Path(sys.argv[1]).write_text(json.dumps(numbers), encoding="utf-8")
    sys.exit(code)
