"""The languages of tasks, Python and (where the system has it) R, and the packages that code in each can import."""

from __future__ import annotations

import json
import math
import shutil
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from bioresearcher.sandbox.environment import SYSTEM_FOLDERS
from bioresearcher.schemas.execution import DryLabTask, Language
from bioresearcher.schemas.skill import SkillContract

ANALYSIS_PACKAGES = (
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "scikit-learn",
    "lifelines",
    "gseapy",
    "matplotlib",
    "seaborn",
)
"""Python packages that generated code may use."""

OMICS_PACKAGES = ("anndata", "scanpy", "pydeseq2", "decoupler")
"""Packages of the extra `omics`."""

R_LIBRARIES: Final = (
    "/usr/local/lib/R/site-library",
    "/usr/lib/R/site-library",
    "/usr/lib/R/library",
    "/usr/lib64/R/library",
)
_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_OPTIONS: Final = ("--vanilla", "--no-echo")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def is_available(name: str) -> bool:
    """Return True if a Python package is installed, by the name under which it is distributed."""
    return _version(name) is not None


@cache
def available_packages() -> tuple[str, ...]:
    """Return the analysis packages of this environment as `name version`; those not installed are left out."""
    versions = {name: _version(name) for name in (*ANALYSIS_PACKAGES, *OMICS_PACKAGES)}
    return tuple(f"{name} {version}" for name, version in versions.items() if version)


def rscript() -> str | None:
    """Return the path of the system's `Rscript`; None when there is none in the folders that a sandbox shows."""
    found = shutil.which("Rscript", path=_SYSTEM_PATH)
    if found is None or not any(Path(found).resolve().is_relative_to(folder) for folder in SYSTEM_FOLDERS):
        return None
    return found


def program_of(language: Language) -> tuple[str, ...]:
    """Return the program that runs a script of a language; empty for the sandbox's own interpreter."""
    return (rscript() or "Rscript", *_OPTIONS) if language == "r" else ()


@cache
def r_packages() -> tuple[str, ...]:
    """Return the installed R packages as `name version`, by name; empty without R."""
    if rscript() is None:
        return ()
    found = {}
    for library in map(Path, reversed(R_LIBRARIES)):
        for described in library.glob("*/DESCRIPTION"):
            lines = described.read_text(encoding="utf-8", errors="replace").splitlines()
            version = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("Version:")), "")
            found[described.parent.name] = version
    return tuple(f"{name} {found[name]}" for name in sorted(found, key=str.casefold))


def r_package_names() -> frozenset[str]:
    """Return the names of the installed R packages."""
    return frozenset(line.split()[0] for line in r_packages())


def packages_for(language: Language) -> tuple[str, ...]:
    """Return the packages that code in a language may use, as `name version`."""
    return r_packages() if language == "r" else available_packages()


def can_run(contract: SkillContract) -> bool:
    """Return True if a skill can run here: in Python always, in R where R and the skill's packages are installed."""
    return contract.language != "r" or (rscript() is not None and set(contract.packages) <= r_package_names())


def missing_package(task: DryLabTask) -> str:
    """Return one line on a declared package that is not installed and how to install it; empty when none lacks."""
    if task.language == "r":
        return _missing_in_r(task)
    lacking = [name for name in task.packages if not is_available(name)]
    if not lacking:
        return ""
    wanted = "'bioresearcher[omics]'" if lacking[0].lower() in OMICS_PACKAGES else lacking[0]
    return f"the task declares the package {lacking[0]}, which is not installed; `pip install {wanted}` adds it"


def _missing_in_r(task: DryLabTask) -> str:
    if rscript() is None:
        return "the task is written in R, which is not installed; the system's package is r-base-core"
    lacking = [name for name in task.packages if name not in r_package_names()]
    if not lacking:
        return ""
    name = lacking[0].lower()
    return f"the task declares the R package {lacking[0]}, which is not installed; try r-cran-{name} or r-bioc-{name}"


def r_literal(value: object) -> str:
    """Return an R expression that only builds a JSON value: lists, strings, numbers, logicals, NULL.

    Strings are written with JSON's escapes, which R reads the same way; names are quoted too.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Inf" if value > 0 else "-Inf")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\x7f")
    if isinstance(value, dict):
        items = (f"{r_literal(str(name) or '_')} = {r_literal(item)}" for name, item in value.items())
        return f"list({', '.join(items)})"
    if isinstance(value, list | tuple):
        return f"list({', '.join(map(r_literal, value))})"
    raise TypeError(f"no R expression for {type(value).__name__}")
