"""Choose a sandbox that works on this machine, or run without one where that is asked for by name.

`auto` is bubblewrap or nothing. The container sandbox has to be asked for, because it was tried with a stand-in for an
engine only; running without isolation has to be asked for, because generated code may then read whatever this user can,
use the network, and change its own inputs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from bioresearcher.errors import InputError, SandboxUnavailableError
from bioresearcher.sandbox import inside
from bioresearcher.sandbox.base import Job, Layout, Sandbox
from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox, find_binaries
from bioresearcher.sandbox.container import ContainerSandbox, find_engines
from bioresearcher.sandbox.environment import Interpreter, interpreter, variables
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.sandbox.mounts import check_job
from bioresearcher.sandbox.supervise import Ended, Pipes, ProcessSpec, Running, first_process, start, wait
from bioresearcher.schemas.execution import ExecResult, Limits

Wanted = Literal["auto", "bubblewrap", "container", "none"]

_BUBBLEWRAP_HINT = (
    "Install the system's package `bubblewrap` and allow unprivileged user namespaces; --sandbox container (Docker or "
    "Podman, tried with a stand-in for an engine only) or --sandbox none (no isolation) may be asked for."
)
_CONTAINER_HINT = "Start Docker or Podman, or leave --sandbox at auto, which is bubblewrap."


def choose_sandbox(wanted: Wanted | str = "auto") -> Sandbox:
    """Return a sandbox that has just run an empty job (about 50 ms); `none` is returned untested.

    `auto` and `bubblewrap` try the system's bubblewrap, then the packaged one; `container` tries each engine.

    Raises:
        InputError: There is no sandbox of this name.
        SandboxUnavailableError: None of the wanted kind works on this machine; the message says why.
    """
    if wanted == "none":
        return UnsandboxedSandbox()
    if wanted not in ("auto", "bubblewrap", "container"):
        raise InputError(
            f"there is no sandbox called {wanted!r}.", hint="Known are auto, bubblewrap, container and none."
        )
    reasons = []
    for make in _candidates(wanted):
        try:
            sandbox = make()
            _run_nothing(sandbox)
        except SandboxUnavailableError as error:
            reasons.append(error.message.rstrip("."))
        else:
            return sandbox
    hint = _CONTAINER_HINT if wanted == "container" else _BUBBLEWRAP_HINT
    raise SandboxUnavailableError(f"no sandbox works on this machine: {'; '.join(reasons)}.", hint=hint)


def _candidates(wanted: str) -> Iterator[Callable[[], BubblewrapSandbox | ContainerSandbox]]:
    if wanted == "container":
        return (partial(ContainerSandbox, engine) for engine in find_engines() or (None,))
    return (partial(BubblewrapSandbox, binary) for binary in find_binaries() or (None,))


def _run_nothing(sandbox: BubblewrapSandbox | ContainerSandbox) -> None:
    """Run an empty script.

    Raises:
        SandboxUnavailableError: It did not end with exit code 0.
    """
    folder = temporary_folder()
    try:
        code, work = folder / "code", folder / "work"
        for each in (code, work):
            each.mkdir()
        (code / "nothing.py").write_text("", encoding="utf-8")
        result = sandbox.try_out(Job(code_dir=code, script="nothing.py", work_dir=work, limits=Limits(wall_s=20)))
        if result.exit_code != 0:
            lines = result.stderr.strip().splitlines() or [f"exit code {result.exit_code}"]
            raise SandboxUnavailableError(f"Python does not start in the sandbox: {lines[-1]}.")
    except OSError as error:
        raise SandboxUnavailableError(f"the sandbox could not be tried out: {error}.") from error
    finally:
        remove_tree(folder)


class UnsandboxedSandbox:
    """Runs jobs as child processes of this user, with kernel limits, a clean environment and the watchdog only.

    For machines where no sandbox works and the user accepts that; results are stamped `none`.
    """

    name = "none"

    def layout(self, job: Job) -> Layout:
        """Return the paths of the folders on this machine."""
        data = {name: str(source.resolve()) for name, source in job.data.items()}
        return Layout(code=str(job.code_dir.resolve()), work=str(job.work_dir.resolve()), data=data)

    async def run(self, job: Job) -> ExecResult:
        """Run a job; see `Sandbox.run`. Processes are ended with the job as far as they stay its descendants."""
        check_job(job)
        python = interpreter(job.python)
        temporary = Path(tempfile.mkdtemp(prefix="bioresearcher-"))
        try:
            ended = await wait(self._start(job, python, temporary))
        finally:
            remove_tree(temporary)
        return self._result(ended)

    def _start(self, job: Job, python: Interpreter, temporary: Path) -> Running:
        pipes = Pipes.make()
        code = self.layout(job).code
        command = first_process(job, python, pipes, program=inside.__file__, code=code, own_user_namespace=False)
        spec = ProcessSpec(
            command=command,
            env=variables(python.executable, str(temporary), job.env),
            folder=os.fspath(job.work_dir.resolve()),
            fds=(),
            info_fd=None,
            pipes=pipes,
        )
        return start(spec, job.limits, job.work_dir.resolve())

    def _result(self, ended: Ended) -> ExecResult:
        if not ended.set_up and not ended.killed:
            raise SandboxUnavailableError(f"the job could not be started: {ended.stderr.strip()[-300:]}")
        return ended.result(self.name)
