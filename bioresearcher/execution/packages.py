"""What generated code can import."""

from __future__ import annotations

from functools import cache
from importlib import metadata

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
