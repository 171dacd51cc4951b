"""The sandbox for machines where bubblewrap cannot work but Docker or Podman does: the same view, the same limits.

The container's image is empty but for mount points: the host's `/usr` and the interpreter's folders are shown
read-only, as bubblewrap shows them, so that code sees the same locked packages, and nothing is downloaded or built. It
has no network, no capabilities, a read-only root, our own system-call filter, sized private `/tmp` and `/dev/shm`, and
is ended through a leash when we are gone. Memory and processes are limited by the engine's cgroup; CPU time is limited
for each process by the kernel and for all together by a share of the processors, so it is not told afterwards.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bioresearcher.errors import InputError, SandboxUnavailableError
from bioresearcher.sandbox import container_guard, inside, seccomp
from bioresearcher.sandbox.base import Job, Layout
from bioresearcher.sandbox.environment import (
    ETC_AS_ON_HOST,
    SYNTHETIC_ETC,
    SYSTEM_FOLDERS,
    Interpreter,
    interpreter,
    variables,
)
from bioresearcher.sandbox.folders import give_to, remove_tree, temporary_folder
from bioresearcher.sandbox.limits import kernel_limits, refused_by_kernel
from bioresearcher.sandbox.mounts import TEMPORARY, check_job, layout
from bioresearcher.sandbox.supervise import Ended, Pipes, ProcessSpec, Running, start, wait
from bioresearcher.schemas.execution import ExecResult, ResourceUse

ENGINES: Final = ("podman", "docker")
STAGED_UID: Final = 65529
IMAGE: Final = "bioresearcher-empty:1"
_FIRST_PROCESS: Final = "/.first"
_ASK_S: Final = 30
_KEPT_VARIABLES: Final = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "CONTAINER_HOST")
_UNMOUNTABLE: Final = re.compile(r"[,:\"\n]")
_KILLED: Final = 137


def find_engines() -> tuple[str, ...]:
    """The container engines whose programs are on this machine, best first (Podman needs no service of root's)."""
    return tuple(path for path in map(shutil.which, ENGINES) if path)


class ContainerSandbox:
    """Runs jobs in containers of Docker or Podman."""

    name = "container"

    def __init__(self, engine: str | None = None) -> None:
        """Use an engine's program; None takes the first one found.

        Raises:
            SandboxUnavailableError: There is none, its service does not answer, or it runs on another machine.
        """
        engines = (engine,) if engine else find_engines()
        if not engines:
            raise SandboxUnavailableError("neither podman nor docker is installed.")
        self._engine = engines[0]
        self._env = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        for name in ("DOCKER_HOST", "CONTAINER_HOST"):
            if not self._env.get(name, "unix:").startswith("unix:"):
                raise SandboxUnavailableError(f"the container engine of {name} is on another machine.")
        self._ask("version", "--format", "{{.Server.Version}}")
        self._ask("image", "inspect", IMAGE, otherwise=self._make_image)

    def layout(self, job: Job) -> Layout:
        """Paths as the script will see them."""
        return layout(job, interpreter(job.python))

    async def run(self, job: Job) -> ExecResult:
        """Run a job; see `Sandbox.run`. CPU time and memory used are not told by the engine, and given as 0."""
        settings = temporary_folder()
        name = f"bioresearcher-{secrets.token_hex(8)}"
        try:
            ended = await wait(self._start(job, name, settings))
            return self._result(ended, name)
        finally:
            self._ask("rm", "--force", name, otherwise=lambda: None)
            remove_tree(settings)

    def try_out(self, job: Job) -> ExecResult:
        """Run a job and block until it has ended, where there is no event loop."""
        settings = temporary_folder()
        name = f"bioresearcher-{secrets.token_hex(8)}"
        try:
            return self._result(self._start(job, name, settings).finish(), name)
        finally:
            self._ask("rm", "--force", name, otherwise=lambda: None)
            remove_tree(settings)

    def _ask(self, *words: str, data: bytes | None = None, otherwise: object = None) -> str:
        """What the engine answers; where it says no, what `otherwise` does instead, or an error."""
        try:
            done = subprocess.run(
                [self._engine, *words], env=self._env, input=data, capture_output=True, timeout=_ASK_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxUnavailableError(f"{self._engine} does not answer: {error}.") from error
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace").strip()
        if callable(otherwise):
            otherwise()
            return ""
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise SandboxUnavailableError(f"{Path(self._engine).name} does not work: {lines[-1]}.")

    def _make_image(self) -> None:
        self._ask("import", "-", IMAGE, data=empty_root())

    def _start(self, job: Job, name: str, settings: Path) -> Running:
        check_job(job)
        python = interpreter(job.python)
        (settings / "filter.json").write_text(json.dumps(seccomp.profile()), encoding="utf-8")
        (settings / "first.py").write_bytes(Path(inside.__file__).read_bytes())
        user = os.geteuid() or STAGED_UID
        if os.geteuid() == 0:
            give_to(job.work_dir.resolve(), user, max_entries=4 * job.limits.files)
        command = [self._engine, "run", *self._options(job, python, name, settings, user), IMAGE]
        command += _inside(job, python)
        ties = Pipes.make()
        first = [
            sys.executable,
            "-I",
            "-S",
            container_guard.__file__,
            str(ties.tell),
            str(ties.leash),
            self._engine,
            name,
        ]
        plan = ProcessSpec([*first, "--", *command], self._env, "/", (), None, ties, by_leash=True)
        return start(plan, job.limits, job.work_dir.resolve())

    def _options(self, job: Job, python: Interpreter, name: str, settings: Path, user: int) -> Iterator[str]:
        limits = job.limits
        yield from ("--name", name, "--network", "none", "--read-only", "--cap-drop", "ALL", "--pull", "never")
        yield from ("--security-opt", "no-new-privileges")
        yield from ("--security-opt", f"seccomp={settings / 'filter.json'}")
        yield from ("--user", f"{user}:{user if os.geteuid() == 0 else os.getegid()}", "--hostname", "sandbox")
        if Path(self._engine).name == "podman" and os.geteuid() != 0:
            yield from ("--userns", "keep-id")
        yield from ("--ipc", "private", "--workdir", layout(job, python).work)
        yield from ("--memory", f"{limits.memory_mb}m", "--memory-swap", f"{limits.memory_mb}m")
        yield from ("--pids-limit", str(limits.processes + 2), "--cpus", f"{cpus(limits.cpu_s, limits.wall_s):.2f}")
        yield from ("--shm-size", f"{limits.shm_mb}m")
        yield from ("--tmpfs", f"{TEMPORARY}:rw,nosuid,nodev,mode=1777,size={limits.tmp_mb}m")
        for key, value in variables(python.executable, TEMPORARY, job.env).items():
            yield from ("--env", f"{key}={value}")
        for source, target, mode in _binds(job, python, settings):
            yield from ("--volume", f"{source}:{target}:{mode}")

    def _result(self, ended: Ended, name: str) -> ExecResult:
        if ended.killed is None and ended.exit_code in (container_guard.FAILED, 126, 127):
            lines = ended.stderr.strip().splitlines() or [f"exit code {ended.exit_code}"]
            raise SandboxUnavailableError(f"the container could not be started: {lines[-1]}.")
        killed = ended.killed or refused_by_kernel(ended.exit_code, ended.stderr)
        if killed is None and ended.exit_code == _KILLED and self._ran_out_of_memory(name):
            killed = "memory"
        return ExecResult(
            exit_code=ended.exit_code or (_KILLED if killed else 0),
            stdout=ended.stdout,
            stderr=ended.stderr,
            killed=killed,
            use=ResourceUse(wall_s=ended.use.wall_s),
            sandbox=self.name,
        )

    def _ran_out_of_memory(self, name: str) -> bool:
        return self._ask("inspect", "--format", "{{.State.OOMKilled}}", name, otherwise=lambda: None) == "true"


def cpus(cpu_s: float, wall_s: float) -> float:
    """The share of processors with which all processes together cannot use more CPU time than allowed."""
    return max(0.1, min(cpu_s / wall_s, float(os.cpu_count() or 1)))


def _inside(job: Job, python: Interpreter) -> list[str]:
    limits = kernel_limits(job.limits, own_user_namespace=False)
    executable = str(python.executable)
    told = [f"{name}={value}" for name, value in limits.items()]
    script = f"{layout(job, python).code}/{job.script}"
    return [
        executable,
        "-I",
        "-S",
        _FIRST_PROCESS,
        "-",
        "-",
        *told,
        "--",
        *(job.program or (executable,)),
        script,
        *job.args,
    ]


def _binds(job: Job, python: Interpreter, settings: Path) -> Iterator[tuple[str, str, str]]:
    """Source, place inside and mode of everything that is shown; only the working folder is writable.

    Raises:
        InputError: A path cannot be said to the engine.
    """
    inside_paths = layout(job, python)
    shown: Mapping[str, Path] = {
        _FIRST_PROCESS: settings / "first.py",
        **{str(root): root for root in python.roots},
        inside_paths.code: job.code_dir.resolve(),
        **{inside_paths.data[name]: source.resolve() for name, source in job.data.items()},
    }
    system = [name for name in SYSTEM_FOLDERS if Path(name).is_dir() and not Path(name).is_symlink()]
    for name in (*system, *(name for name in ETC_AS_ON_HOST if Path(name).exists())):
        yield name, name, "ro"
    for target, source in shown.items():
        if _UNMOUNTABLE.search(f"{source}{target}"):
            raise InputError(f"{source} has a character in its path that a container engine does not take.")
        yield str(source), target, "ro"
    yield str(job.work_dir.resolve()), inside_paths.work, "rw"


def empty_root() -> bytes:
    """A tar file of a root folder with mount points, the system's links and synthetic user tables; nothing else."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("tmp", "proc", "dev", "sys", "work", "data", "task", "etc", *(f[1:] for f in SYSTEM_FOLDERS)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            if Path("/", name).is_symlink():
                entry.type, entry.linkname = tarfile.SYMTYPE, str(Path("/", name).readlink())
            tar.addfile(entry)
        for path, text in SYNTHETIC_ETC.items():
            entry = tarfile.TarInfo(path[1:])
            data = text.encode()
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
