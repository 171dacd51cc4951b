"""`bioresearcher library`: what the shared library and the runs know of papers."""

from __future__ import annotations

import argparse

from bioresearcher.cli import library_show
from bioresearcher.cli.common import Commands


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command with its own commands."""
    parser = commands.add_parser("library", help="what is known of papers, and what stands on them")
    inner: Commands[argparse.ArgumentParser] = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (library_show,):
        module.add_parser(inner)
