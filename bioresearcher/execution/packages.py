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


@cache
def available_packages() -> tuple[str, ...]:
    """The analysis packages of this environment as `name version`; those not installed are left out."""
    found = []
    for name in ANALYSIS_PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)
