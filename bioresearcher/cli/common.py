"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.errors import RunFolderError

Commands = argparse._SubParsersAction  # the type argparse gives to `add_subparsers`


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Where runs live and where cards, prompts and skills come from."""
    group = parser.add_argument_group("places")
    group.add_argument("--workspace", type=Path, metavar="DIR", help="where runs and the library live (./workspace)")
    group.add_argument("--project", type=Path, metavar="DIR", help="folder with own agents/, prompts/, skills/")
    group.add_argument("--agents-dir", type=Path, metavar="DIR", help="own agent cards")
    group.add_argument("--prompts-dir", type=Path, metavar="DIR", help="own prompts")
    group.add_argument("--skills-dir", type=Path, metavar="DIR", help="own skills, added to the shipped ones")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """How a run is carried out and shown."""
    parser.add_argument("--yes", action="store_true", help="approve the selection and the protocol without asking")
    parser.add_argument("--json", action="store_true", help="print run.json at the end and nothing else")
    parser.add_argument("--quiet", action="store_true", help="print the report's path and nothing else")


def find_run(path: Path) -> Path:
    """A run folder named by its path, or by its name in ./workspace/runs.

    Raises:
        RunFolderError: Neither exists.
    """
    for candidate in (path, Path("workspace", "runs", path)):
        if candidate.is_dir():
            return candidate
    raise RunFolderError(f"there is no run folder {path}.", hint="`ls workspace/runs` lists the runs here.")
