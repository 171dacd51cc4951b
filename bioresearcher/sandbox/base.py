"""The interface of a sandbox: one process tree, read-only inputs, one writable folder, hard limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bioresearcher.schemas.execution import ExecResult, Limits


@dataclass(frozen=True)
class Job:
    """A script to run.

    Attributes:
        code_dir: Folder with the script and its helper modules; read-only inside, first on the import path.
        script: File name of the script in `code_dir`.
        args: Arguments for the script.
        work_dir: Writable folder, empty or not; the script's current directory.
        data: Name -> file or folder shown read-only; a file appears as `<data>/<name>/<file name>`, a folder
            as `<data>/<name>`.
        limits: What the process tree may use.
        env: Extra environment variables; nothing of the caller's environment is passed.
        python: Interpreter to run inside; None means this program's own.
        program: Program with options that runs the script in the interpreter's place, e.g. R's; it lies in one of the
            system's folders, which are shown inside.
    """

    code_dir: Path
    script: str
    work_dir: Path
    args: tuple[str, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    env: Mapping[str, str] = field(default_factory=dict)
    python: Path | None = None
    program: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Paths of the job's folders as the script sees them; `data` has each name's folder, or the file if it is one."""

    code: str
    work: str
    data: Mapping[str, str]


class Sandbox(Protocol):
    """Runs jobs. A script's failure is a value (`ExecResult`); a sandbox that cannot work is an exception."""

    name: str

    def layout(self, job: Job) -> Layout:
        """Return the paths as the script will see them, which are known before the run."""
        ...

    async def run(self, job: Job) -> ExecResult:
        """Run a job to its end, its limits, or cancellation (which kills the whole tree).

        Raises:
            SandboxUnavailableError: The sandbox could not be set up; nothing of the job ran.
        """
        ...
