"""Runs that a server started: at most a few at a time, each a process of its own that outlives the server."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bioresearcher.doors.program import Ended, start_command
from bioresearcher.errors import InputError

MOST_RUNS: Final = 2
"""Runs of one server side by side; each may need half a gigabyte of memory and all processors."""
_FOLDER: Final = "run folder: "
_LOOK_S: Final = 0.2
_outliving: list[subprocess.Popen[bytes]] = []
"""Processes that may outlive the server that started them; Python warns of one that is forgotten while it runs."""


class StartedRuns:
    """Starts runs and remembers their processes, so that they can be counted and stopped."""

    def __init__(self, logs: Path, most: int = MOST_RUNS) -> None:
        self._logs = logs
        self._most = most
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starting = 0

    def check_room(self) -> None:
        """Refuse one more run than may be under way.

        Raises:
            InputError: So many are.
        """
        under_way = [name for name, process in self._processes.items() if process.poll() is None]
        if len(under_way) + self._starting >= self._most:
            raise InputError(
                f"{self._most} runs of this server are under way ({', '.join(under_way) or 'just starting'}).",
                hint="Wait for one with run_status, or end one with stop_run.",
            )

    async def start(self, words: Sequence[str]) -> Path:
        """Start a run; return its folder as soon as there is one. A caller that is cancelled before leaves none.

        Raises:
            BioresearcherError: It ended before it had a folder, with its own message.
        """
        self.check_room()
        self._starting += 1
        try:
            log = self._logs / f"{secrets.token_hex(6)}.log"
            process = start_command(words, log)
            try:
                folder = await _folder_of(process, log)
            except BaseException:
                process.terminate()
                raise
            finally:
                if process.poll() is not None:
                    log.unlink(missing_ok=True)
            self._processes[folder.name] = process
            _outliving[:] = [p for p in (*_outliving, process) if p.poll() is None]
            return folder
        finally:
            self._starting -= 1

    def stop(self, name: str) -> None:
        """Ask a run to stop after its running steps; it can be resumed.

        Raises:
            InputError: This server did not start it, or it has ended.
        """
        process = self._processes.get(name)
        if process is None or process.poll() is not None:
            raise InputError(
                f"{name} is no run that this server started and that is under way.", hint="Stop it where it runs."
            )
        with suppress(ProcessLookupError):
            process.terminate()


async def _folder_of(process: subprocess.Popen[bytes], log: Path) -> Path:
    """Wait for the line that names the run folder, and for its manifest: from then on it can be stopped in order."""
    while True:
        code = process.poll()
        text = log.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines(keepends=True):
            if line.startswith(_FOLDER) and line.endswith("\n"):
                folder = Path(line.removeprefix(_FOLDER).strip())
                if (folder / "run.json").is_file():
                    return folder
        if code is not None:
            raise Ended(code, "", text).error()
        await asyncio.sleep(_LOOK_S)
