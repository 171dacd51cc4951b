"""Run jobs in containers of Docker or Podman, with the same view and the same limits as bubblewrap gives.

It was tried with a stand-in for an engine only, so `auto` does not choose it.

The container's image is empty but for mount points: the host's `/usr` and the interpreter's folders are shown
read-only, as bubblewrap shows them, so that code sees the same locked packages, and nothing is downloaded or built. It
has no network, no capabilities, a read-only root, our own system-call filter, sized private `/tmp` and `/dev/shm`, and
is ended through a leash when we are gone. Memory and processes are limited by the engine's cgroup; CPU time is limited
for each process by the kernel and for all together by a share of the processors, so it is not known afterwards.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from bioresearcher.sandbox.mounts import TEMPORARY, check_job, layout
from bioresearcher.sandbox.supervise import Ended, Pipes, ProcessSpec, Running, first_process, start, wait
from bioresearcher.schemas.execution import ExecResult

ENGINES: Final = ("podman", "docker")
STAGED_UID: Final = 65529
IMAGE: Final = "bioresearcher-empty:1"
_FIRST_PROCESS: Final = "/.first"
_ASK_S: Final = 30
_ENGINE_VARIABLES: Final = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "CONTAINER_HOST")
_UNMOUNTABLE: Final = re.compile(r"[,:\"\n]")
_KILLED: Final = 137


def find_engines() -> tuple[str, ...]:
    """Return the container engines on this machine, best first (Podman needs no service of root's)."""
    return tuple(path for path in map(shutil.which, ENGINES) if path)


class ContainerSandbox:
    """Runs each job in a container of its own."""

    name = "container"

    def __init__(self, engine: str | None = None) -> None:
        """Choose the engine's program; None takes the first one found.

        Raises:
            SandboxUnavailableError: There is none, its service does not answer, or it runs on another machine.
        """
        engines = (engine,) if engine else find_engines()
        if not engines:
            raise SandboxUnavailableError("neither podman nor docker is installed.")
        self._engine = engines[0]
        self._env = {name: os.environ[name] for name in _ENGINE_VARIABLES if name in os.environ}
        for name in ("DOCKER_HOST", "CONTAINER_HOST"):
            if not self._env.get(name, "unix:").startswith("unix:"):
                raise SandboxUnavailableError(f"the container engine of {name} is on another machine.")
        self._ask("version", "--format", "{{.Server.Version}}")
        self._ask("image", "inspect", IMAGE, otherwise=self._make_image)

    def layout(self, job: Job) -> Layout:
        """Return the paths as the script will see them."""
        return layout(job, interpreter(job.python))

    async def run(self, job: Job) -> ExecResult:
        """Run a job; see `Sandbox.run`. The engine reports neither CPU time nor memory, so both are 0."""
        with self._container() as (name, settings):
            return self._result(await wait(self._start(job, name, settings)), name)

    def try_out(self, job: Job) -> ExecResult:
        """Run a job and block until it has ended, where there is no event loop."""
        with self._container() as (name, settings):
            return self._result(self._start(job, name, settings).finish(), name)

    @contextmanager
    def _container(self) -> Iterator[tuple[str, Path]]:
        """Yield a container's name and the folder of its settings; both are removed afterwards."""
        settings = temporary_folder()
        name = f"bioresearcher-{secrets.token_hex(8)}"
        try:
            yield name, settings
        finally:
            self._ask("rm", "--force", name, otherwise=lambda: None)
            remove_tree(settings)

    def _ask(self, *words: str, data: bytes | None = None, otherwise: Callable[[], None] | None = None) -> str:
        """Return the engine's answer; if it refuses, call `otherwise` and return an empty text.

        Raises:
            SandboxUnavailableError: It refuses and there is no `otherwise`, or it does not answer.
        """
        try:
            done = subprocess.run(
                [self._engine, *words], env=self._env, input=data, capture_output=True, timeout=_ASK_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxUnavailableError(f"{self._engine} does not answer: {error}.") from error
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace").strip()
        if otherwise is not None:
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
        code = layout(job, python).code
        command += first_process(job, python, None, program=_FIRST_PROCESS, code=code, own_user_namespace=False)
        pipes = Pipes.make()
        guard = [sys.executable, "-I", "-S", container_guard.__file__, str(pipes.tell), str(pipes.leash)]
        guarded = [*guard, self._engine, name, "--", *command]
        spec = ProcessSpec(guarded, self._env, "/", (), None, pipes, by_leash=True)
        return start(spec, job.limits, job.work_dir.resolve())

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
        result = ended.result(self.name)
        if result.killed is None and ended.exit_code == _KILLED and self._ran_out_of_memory(name):
            return result.model_copy(update={"killed": "memory"})
        return result

    def _ran_out_of_memory(self, name: str) -> bool:
        return self._ask("inspect", "--format", "{{.State.OOMKilled}}", name, otherwise=lambda: None) == "true"


def cpus(cpu_s: float, wall_s: float) -> float:
    """Return the number of processors with which all processes together stay within the CPU time allowed."""
    return max(0.1, min(cpu_s / wall_s, float(os.cpu_count() or 1)))


def _binds(job: Job, python: Interpreter, settings: Path) -> Iterator[tuple[str, str, str]]:
    """Yield source, place inside and mode of each mount; only the working folder is writable.

    Raises:
        InputError: A path cannot be passed to the engine.
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
    """Return a tar file of a root folder with mount points, the system's links and synthetic user tables only."""
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
