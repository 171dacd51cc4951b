"""The languages of tasks: Python, and R where the system has it.

What generated code can import.
"""

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


OMICS_PACKAGES = ("anndata", "scanpy", "pydeseq2", "decoupler")
"""Packages of the extra `omics`."""


def is_available(name: str) -> bool:
    """Whether a package is installed, by the name under which it is distributed."""
    try:
        metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


@cache
def available_packages() -> tuple[str, ...]:
    """The analysis packages of this environment as `name version`; those not installed are left out."""
    found = []
    for name in (*ANALYSIS_PACKAGES, *OMICS_PACKAGES):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


R_LIBRARIES: Final = (
    "/usr/local/lib/R/site-library", "/usr/lib/R/site-library", "/usr/lib/R/library", "/usr/lib64/R/library",
)  # fmt: skip
_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_OPTIONS: Final = ("--vanilla", "--no-echo")


def rscript() -> str | None:
    """The path of the system's `Rscript`; None when there is none that a sandbox shows (its folders only)."""
    found = shutil.which("Rscript", path=_SYSTEM_PATH)
    if found is None or not any(Path(found).resolve().is_relative_to(folder) for folder in SYSTEM_FOLDERS):
        return None
    return found


def program_of(language: Language) -> tuple[str, ...]:
    """What runs a script of a language; empty for the sandbox's own interpreter."""
    return (rscript() or "Rscript", *_OPTIONS) if language == "r" else ()


@cache
def r_packages() -> tuple[str, ...]:
    """The installed R packages as `name version`, by name; empty without R."""
    if rscript() is None:
        return ()
    found = {}
    for library in map(Path, reversed(R_LIBRARIES)):
        for described in library.glob("*/DESCRIPTION"):
            lines = described.read_text(encoding="utf-8", errors="replace").splitlines()
            version = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("Version:")), "")
            found[described.parent.name] = version
    return tuple(f"{name} {found[name]}" for name in sorted(found, key=str.casefold))


def packages_for(language: Language) -> tuple[str, ...]:
    """What code in a language may use, as `name version`."""
    return r_packages() if language == "r" else available_packages()


def can_run(contract: SkillContract) -> bool:
    """Whether a vetted analysis can be carried out here: Python's always, R's where R and its packages are."""
    have = {line.split()[0] for line in r_packages()}
    return contract.language != "r" or (rscript() is not None and set(contract.packages) <= have)


def missing_package(task: DryLabTask) -> str:
    """What a task declares and this environment lacks, with what to install; empty when it has everything."""
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
    have = {line.split()[0] for line in r_packages()}
    lacking = [name for name in task.packages if name not in have]
    if not lacking:
        return ""
    name = lacking[0].lower()
    return f"the task declares the R package {lacking[0]}, which is not installed; try r-cran-{name} or r-bioc-{name}"


def r_literal(value: object) -> str:
    """A value of JSON's kinds as an R expression that only builds it: lists, strings, numbers, logicals, NULL.

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
