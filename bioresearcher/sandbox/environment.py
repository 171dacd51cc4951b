"""The surroundings of a job: the interpreter's folders (read-only) and a fixed set of variables.

Nothing of the caller's environment is passed on: keys and tokens live there. The variables make runs repeatable
(one thread, fixed hash seed, no local time zone) and keep caches in the private temporary folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bioresearcher.errors import InputError, SandboxUnavailableError

_ASK_PREFIXES = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix, sys.exec_prefix]))"
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32")
"""Programs and libraries of the host, shown read-only."""

_WHOLE_STORES = (Path("/nix/store"), Path("/gnu/store"))

INSIDE_UID = 1000
"""The user and group number that the job sees as its own."""

SYNTHETIC_ETC = {
    "/etc/passwd": f"sandbox:x:{INSIDE_UID}:{INSIDE_UID}:sandbox:/tmp:/bin/sh\n",
    "/etc/group": f"sandbox:x:{INSIDE_UID}:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""Files that libraries expect, with nothing of the host in them."""

ETC_AS_ON_HOST = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/R")
"""Files by which the host's libraries, fonts and R are found; shown read-only where they exist."""


@dataclass(frozen=True)
class Interpreter:
    """A Python to run inside.

    Attributes:
        executable: As it was named, links kept: a virtual environment is recognised by this path.
        roots: Folders it needs beside the system's, none inside another.
    """

    executable: Path
    roots: tuple[Path, ...]


def interpreter(python: Path | None = None) -> Interpreter:
    """Return the interpreter at a path (None: the one that runs this program) and the folders it needs.

    Raises:
        InputError: The path is not a working Python.
        SandboxUnavailableError: Its folders cannot be shown without showing a home folder or the whole system.
    """
    path = python or Path(sys.executable)
    if not path.name or not path.exists():
        raise InputError(f"no Python interpreter at {str(path)!r}.", hint="Give the path of a python executable.")
    return _interpreter(Path(os.path.abspath(path)))  # noqa: PTH100 - resolve() would follow a venv's link


@lru_cache(maxsize=16)
def _interpreter(path: Path) -> Interpreter:
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix]
    prefixes = own if path == Path(sys.executable) else _ask_prefixes(path)
    wanted = {Path(prefix) for prefix in prefixes} | {Path(prefix).resolve() for prefix in prefixes}
    real = path.resolve()
    wanted |= {store for store in _WHOLE_STORES if real.is_relative_to(store)}
    if not any(real.is_relative_to(root) for root in wanted | {Path(folder) for folder in SYSTEM_FOLDERS}):
        wanted.add(real.parent.parent)
    return Interpreter(path, _outermost(folder for folder in wanted if not _is_system(folder)))


def _ask_prefixes(path: Path) -> list[str]:
    try:
        done = subprocess.run(
            [str(path), "-I", "-c", _ASK_PREFIXES], env={}, capture_output=True, timeout=30, check=True, cwd="/"
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InputError(f"{path} does not work as a Python interpreter: {error}.") from error
    return [str(item) for item in answer]


def _is_system(folder: Path) -> bool:
    return any(folder.is_relative_to(system) for system in SYSTEM_FOLDERS)


def _outermost(folders: Iterable[Path]) -> tuple[Path, ...]:
    found: list[Path] = []
    for folder in sorted(folders, key=lambda item: len(item.parts)):
        _refuse_wide(folder)
        if not any(folder.is_relative_to(known) for known in found):
            found.append(folder)
    return tuple(found)


def _refuse_wide(folder: Path) -> None:
    """Refuse a prefix that holds a home folder: generated code would see the user's files."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    if len(folder.parts) < 2 or home.is_relative_to(folder) or folder in (Path("/home"), Path("/etc"), Path("/var")):
        raise SandboxUnavailableError(
            f"this Python is installed over {folder}, which also holds private files.",
            hint="Use a virtual environment in a folder of its own.",
        )


def variables(executable: Path, temporary: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the job's whole environment: fixed variables, then `extra`.

    Args:
        executable: The interpreter; its folder comes first on the search path for programs.
        temporary: The private temporary folder as the job sees it; also its home.
        extra: The job's own variables, which win.
    """
    one_thread = ("OPENBLAS", "OMP", "MKL", "NUMEXPR", "VECLIB", "NUMBA")
    return {
        "PATH": f"{executable.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": temporary,
        "TMPDIR": temporary,
        "XDG_CACHE_HOME": f"{temporary}/cache",
        "XDG_CONFIG_HOME": f"{temporary}/config",
        "MPLCONFIGDIR": f"{temporary}/matplotlib",
        "NUMBA_CACHE_DIR": f"{temporary}/numba",
        "MPLBACKEND": "Agg",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        **{f"{library}_NUM_THREADS": "1" for library in one_thread},
        **extra,
    }
