"""The folder in which the last version worked: a finished run, a waiting one, one that asked a model."""

from __future__ import annotations

import tarfile
from pathlib import Path

LAB = Path(__file__).resolve().parents[1] / "fixtures" / "last_version" / "lab.tar.xz"
FINISHED, WAITING, ASKED_A_MODEL = (f"2026-11-30-{name}" for name in ("er-status", "waiting", "grouping"))


def unpack_lab(folder: Path) -> Path:
    """Unpack it and return its place."""
    with tarfile.open(LAB) as archive:
        archive.extractall(folder / "lab", filter="data")
    return folder / "lab"
