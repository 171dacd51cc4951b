"""A scheduler and workers in processes of their own (loaded by path)."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dask_process

ALLOWED_DEATHS = 1


class Dask:
    """Processes on loopback; all are killed at the end."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, dict(environ)
        self._environ |= {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(ALLOWED_DEATHS)}
        self.processes: list[subprocess.Popen[str]] = []
        self.started: list[subprocess.Popen[str]] = []
        self._start("scheduler")
        self.address = self._said(self.processes[0])

    def workers(self, number: int, *version: str, pretend: bool = True) -> None:
        """Start workers that pretend (see `dask_process`), or carry out jobs, and wait for them."""
        self._environ["PRETEND"] = "1" if pretend else ""
        for process in [self._start("worker", self.address, *version) for _ in range(number)]:
            self._said(process)

    def _start(self, *words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, dask_process.__file__, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, cwd=self._folder, env=self._environ,
        )  # fmt: skip
        self.processes.append(process)
        self.started.append(process)
        return process

    def _said(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@contextmanager
def dask(folder: Path, environ: Mapping[str, str]) -> Iterator[Dask]:
    made = Dask(folder, environ)
    try:
        yield made
    finally:
        made.end()
