"""Bytecode of the packages that generated code imports, made once where an installer left it out, as uv's do.

A job cannot keep what it compiles, so that each would compile pandas, SciPy and the others anew: 15 seconds a task.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "numpy pandas scipy statsmodels sklearn lifelines gseapy matplotlib mpl_toolkits seaborn PIL dateutil autograd"
).split()
_NOT: Final = "tests"
"""Folders that no task imports."""
_AT_MOST_S: Final = 180


def missing_bytecode() -> list[Path]:
    """Return the folders of packages in which a module has no bytecode for this interpreter."""
    found = []
    for name in PACKAGES:
        spec = find_spec(name)
        for folder in map(Path, spec.submodule_search_locations or ()) if spec else ():
            sources = (p for p in folder.rglob("*.py") if _NOT not in p.parts)
            if any(not Path(cache_from_source(str(source))).exists() for source in sources):
                found.append(folder)
    return found


def compiling(folders: list[Path]) -> list[str]:
    """Return the command that compiles the modules below folders."""
    return [sys.executable, "-m", "compileall", "-q", "-j", "0", "-x", rf"[\\/]{_NOT}[\\/]", *map(str, folders)]


def make_bytecode() -> None:
    """Compile what is missing. Where it cannot or may not be written, tasks are slow, and right all the same."""
    folders = [] if sys.dont_write_bytecode else missing_bytecode()
    if folders:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                compiling(folders), stdin=subprocess.DEVNULL, capture_output=True, timeout=_AT_MOST_S, check=False
            )
