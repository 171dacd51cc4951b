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
        self.address = self._start("scheduler")

    def worker(self, *version: str, pretend: bool = False) -> str:
        return self._start("worker", self.address, *version, **({"PRETEND": "1"} if pretend else {}))

    def _start(self, *words: str, **more: str) -> str:
        process = subprocess.Popen(
            [sys.executable, dask_process.__file__, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, cwd=self._folder, env=self._environ | more,
        )  # fmt: skip
        self.processes.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def dask(folder: Path, environ: Mapping[str, str]) -> Iterator[Dask]:
    made = Dask(folder, environ)
    try:
        yield made
    finally:
        made.end()
