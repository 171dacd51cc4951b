"""Choosing a sandbox that works here. Running without one is never a fallback, only an explicit wish.

No isolation: kernel limits, a clean environment and the watchdog, nothing else.

Generated code run this way can read whatever this user can, use the network, and change its own inputs. It exists for
machines where no sandbox works and the user has said explicitly that it is acceptable; results are stamped `none`.
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
from bioresearcher.sandbox.limits import kernel_limits, refused_by_kernel
from bioresearcher.sandbox.mounts import check_job
from bioresearcher.sandbox.supervise import Ended, Pipes, ProcessSpec, Running, start, wait
from bioresearcher.schemas.execution import ExecResult, Limits


class UnsandboxedSandbox:
    """Runs jobs as ordinary child processes of this user."""

    name = "none"

    def layout(self, job: Job) -> Layout:
        """The folders where they are on this machine."""
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
        limits = [f"{name}={value}" for name, value in kernel_limits(job.limits, own_user_namespace=False).items()]
        ties = Pipes.make()
        executable = str(python.executable)
        command = [executable, "-I", "-S", inside.__file__, str(ties.tell), str(ties.leash), *limits, "--"]
        command += [*(job.program or (executable,)), f"{self.layout(job).code}/{job.script}", *job.args]
        plan = ProcessSpec(
            command=command,
            env=variables(python.executable, str(temporary), job.env),
            folder=os.fspath(job.work_dir.resolve()),
            fds=(),
            info_fd=None,
            ties=ties,
        )
        return start(plan, job.limits, job.work_dir.resolve())

    def _result(self, ended: Ended) -> ExecResult:
        if not ended.set_up and not ended.killed:
            raise SandboxUnavailableError(f"the job could not be started: {ended.stderr.strip()[-300:]}")
        killed = ended.killed or refused_by_kernel(ended.exit_code, ended.stderr)
        return ExecResult(
            exit_code=ended.exit_code or (137 if killed else 0),
            stdout=ended.stdout,
            stderr=ended.stderr,
            killed=killed,
            use=ended.use,
            sandbox=self.name,
        )


Wanted = Literal["auto", "bubblewrap", "container", "none"]

_HINT = (
    "Install the system's package `bubblewrap` and allow unprivileged user namespaces, start Docker or Podman, or "
    "accept running generated code without isolation with --sandbox none."
)


def choose_sandbox(wanted: Wanted | str = "auto") -> Sandbox:
    """A sandbox that has just run an empty job (about 50 ms); `none` only when it is asked for by name.

    `auto` tries bubblewrap (the system's, then the packaged one), then the container engines.

    Raises:
        InputError: There is no sandbox of this name.
        SandboxUnavailableError: None of the wanted level works on this machine; the message says why.
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
    raise SandboxUnavailableError(f"no sandbox works on this machine: {'; '.join(reasons)}.", hint=_HINT)


def _candidates(wanted: str) -> Iterator[Callable[[], BubblewrapSandbox | ContainerSandbox]]:
    if wanted != "container":
        for binary in find_binaries() or (None,):
            yield partial(BubblewrapSandbox, binary)
    if wanted != "bubblewrap":
        for engine in find_engines() or (None,):
            yield partial(ContainerSandbox, engine)


def _run_nothing(sandbox: BubblewrapSandbox | ContainerSandbox) -> None:
    folder = temporary_folder()
    try:
        code, work = folder / "code", folder / "work"
        for each in (code, work):
            each.mkdir()
        (code / "nothing.py").write_text("", encoding="utf-8")
        result = sandbox.try_out(Job(code_dir=code, script="nothing.py", work_dir=work, limits=Limits(wall_s=20)))
        if result.exit_code != 0:
            said = result.stderr.strip().splitlines() or [f"exit code {result.exit_code}"]
            raise SandboxUnavailableError(f"Python does not start in the sandbox: {said[-1]}.")
    except OSError as error:
        raise SandboxUnavailableError(f"the sandbox could not be tried out: {error}.") from error
    finally:
        remove_tree(folder)
