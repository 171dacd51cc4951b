"""`bioresearcher library`: the papers of the shared library, and what stands on them."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.cli import library_add, library_list, library_remove, library_search, library_show
from bioresearcher.cli.common import Commands


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command with its own commands."""
    parser = commands.add_parser("library", help="add, list, search, show and remove papers of the shared library")
    inner: Commands[argparse.ArgumentParser] = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (library_add, library_list, library_search, library_show, library_remove):
        one: argparse.ArgumentParser = module.add_parser(inner)
        one.add_argument("--workspace", type=Path, metavar="DIR", help="where runs and the library live (./workspace)")
        one.add_argument("--config", type=Path, metavar="FILE", help="settings file (bioresearcher.toml here)")
        one.add_argument("--json", action="store_true", help="print it as JSON")
        one.set_defaults(run=module.run)
