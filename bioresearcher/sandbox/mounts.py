"""Options for bubblewrap: the folders that appear inside, their places, and the order of the mounts.

The order matters. Nothing is ever mounted or created below the job's writable folder: a link that an earlier job left
there would be followed on the host (CVE-2026-87766). Everything that bubblewrap makes writable by itself (`/`, `/dev`,
`/proc`) is made read-only at the end, and every memory file system has a size.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bioresearcher.errors import DefectError, InputError
from bioresearcher.sandbox.base import Job, Layout
from bioresearcher.sandbox.environment import ETC_AS_ON_HOST, INSIDE_UID, SYSTEM_FOLDERS, Interpreter, variables

TEMPORARY = "/tmp"  # noqa: S108 - the job's private one
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")
_NAMESPACES = ("user", "ipc", "pid", "net", "uts", "cgroup-try")
_MB = 1024 * 1024
_NO_TERMINALS = ("--perms", "0555", "--size", "4096", "--tmpfs", "/dev/pts", "--remount-ro", "/dev/pts")
_MASKED_PROC = ("keys", "key-users", "kallsyms", "timer_list", "sched_debug", "latency_stats", "interrupts")

Place = Callable[[Path], str]
"""Maps a folder of the host to the path where bubblewrap finds it: its own, or the one it was staged at."""


def check_job(job: Job) -> None:
    """Refuse a job whose folders are missing or would let it change its own code or data.

    Raises:
        InputError: A file or folder does not exist, or a data name cannot be a folder's name.
        DefectError: Code or data lie in the writable folder, or the other way round.
    """
    if not (job.code_dir / job.script).is_file() or Path(job.script).name != job.script:
        raise InputError(f"there is no script {job.script!r} in {job.code_dir}.")
    work = job.work_dir.resolve()
    if not work.is_dir():
        raise InputError(f"the working folder {job.work_dir} does not exist.")
    for name, source in job.data.items():
        if not _SAFE_NAME.fullmatch(name):
            raise InputError(
                f"{name!r} cannot be the name of a data folder.", hint="Use letters, digits, '.', '_', '-'."
            )
        if not source.exists():
            raise InputError(f"the data {name!r} are not there: {source} does not exist.")
    for source in (job.code_dir, *job.data.values()):
        real = source.resolve()
        if real.is_relative_to(work) or work.is_relative_to(real):
            raise DefectError(f"{source} and the writable folder {job.work_dir} must not contain each other.")


def layout(job: Job, python: Interpreter) -> Layout:
    """Return the paths of the job's folders inside: `/task`, `/data/<name>`, `/work`.

    They move below `/sandbox` where the interpreter itself is installed under one of these names.
    """
    taken = any(root.parts[1:2] in {("task",), ("data",), ("work",)} for root in python.roots)
    base = "/sandbox" if taken else ""
    data = {
        name: f"{base}/data/{name}" + (f"/{source.name}" if source.is_file() else "")
        for name, source in job.data.items()
    }
    return Layout(code=f"{base}/task", work=f"{base}/work", data=data)


def _system() -> list[str]:
    """Show the host's programs and libraries; `/bin` and the like are links on merged systems, folders on others."""
    options: list[str] = []
    for name in SYSTEM_FOLDERS:
        folder = Path(name)
        if folder.is_symlink():
            options += ["--symlink", str(folder.readlink()), name]
        elif folder.is_dir():
            options += ["--ro-bind", name, name]
    for name in ETC_AS_ON_HOST:
        options += ["--ro-bind-try", name, name]
    return options


def _memory_file_system(path: str, megabytes: int) -> list[str]:
    return ["--perms", "1777", "--size", str(max(1, megabytes) * _MB), "--tmpfs", path]


def _proc() -> list[str]:
    """Mount the sandbox's own process table, without the files in which the kernel describes the whole machine."""
    result = ["--proc", "/proc"]
    for name in _MASKED_PROC:
        if Path("/proc", name).exists():
            result += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    return result


def options(job: Job, python: Interpreter, *, place: Place, file_fds: dict[str, int], show_proc: bool) -> list[str]:
    """Return all of bubblewrap's options for a job but those that name descriptors of ours.

    Args:
        job: What to run; it must have passed `check_job`.
        python: Its interpreter.
        place: Where a folder of the host can be bound from.
        file_fds: Path inside -> descriptor with the content of a small file to put there.
        show_proc: Whether to mount the sandbox's own `/proc`; some containers forbid it, then it is an empty folder.
    """
    inside = layout(job, python)
    result = [f"--unshare-{name}" for name in _NAMESPACES]
    result += ["--uid", str(INSIDE_UID), "--gid", str(INSIDE_UID), "--hostname", "sandbox", "--cap-drop", "ALL"]
    result += ["--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
    for name, value in variables(python.executable, TEMPORARY, job.env).items():
        result += ["--setenv", name, value]
    result += _system()
    for path, fd in file_fds.items():
        result += ["--ro-bind-data", str(fd), path]
    result += _memory_file_system(TEMPORARY, job.limits.tmp_mb)
    result += ["--dev", "/dev", *_memory_file_system("/dev/shm", job.limits.shm_mb)]  # noqa: S108 - the private one
    # mapped, it is memory that no process shows; terminals hold memory of the kernel
    result += ["--ro-bind", "/dev/null", "/dev/zero", *_NO_TERMINALS]
    result += _proc() if show_proc else ["--dir", "/proc"]
    for root in python.roots:
        result += ["--ro-bind", place(root), str(root)]
    result += ["--ro-bind", place(job.code_dir.resolve()), inside.code]
    for name, source in job.data.items():
        result += ["--ro-bind", place(source.resolve()), inside.data[name]]
    result += ["--bind", place(job.work_dir.resolve()), inside.work]
    result += ["--remount-ro", "/dev", *(["--remount-ro", "/proc"] if show_proc else []), "--remount-ro", "/"]
    return [*result, "--chdir", inside.work]
