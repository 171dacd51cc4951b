"""No isolation: kernel limits, a clean environment and the watchdog, nothing else.

Generated code run this way can read whatever this user can, use the network, and change its own inputs. It exists for
machines where no sandbox works and the user has said explicitly that it is acceptable; results are stamped `none`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.sandbox import inside
from bioresearcher.sandbox.base import Job, Layout
from bioresearcher.sandbox.environment import Interpreter, interpreter, variables
from bioresearcher.sandbox.folders import remove_tree
from bioresearcher.sandbox.limits import kernel_limits, refused_by_kernel
from bioresearcher.sandbox.mounts import check_job
from bioresearcher.sandbox.supervise import Ended, Plan, Running, Ties, start, wait
from bioresearcher.schemas.execution import ExecResult


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
        ties = Ties.make()
        executable = str(python.executable)
        command = [executable, "-I", "-S", inside.__file__, str(ties.tell), str(ties.leash), *limits, "--"]
        command += [*(job.program or (executable,)), f"{self.layout(job).code}/{job.script}", *job.args]
        plan = Plan(
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
