"""`bioresearcher library remove`: take papers out of the library."""

from __future__ import annotations

import argparse

from bioresearcher.cli.common import Commands
from bioresearcher.cli.library_place import existing_library, known_entries, settings_of


def add_parser(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser(
        "remove", help="take papers out of the library; runs keep the text of what they read in their folders"
    )
    parser.add_argument("paper", nargs="+", metavar="PAPER", help="the paper's id here, its PMID, PMC id or DOI")
    return parser


def run(args: argparse.Namespace) -> int:
    """Remove; the exit code.

    Raises:
        InputError: One of them is not in the library; then none is removed.
    """
    from bioresearcher.schemas.library import LibraryChange

    settings = settings_of(args)
    with existing_library(settings) as library:
        entries = known_entries(library, args.paper, settings)
        removed = [e for e in entries if library is not None and library.remove(e.paper.id)]
    if args.json:
        print(LibraryChange(removed=tuple(e.paper.id for e in removed)).model_dump_json(indent=2))
    else:
        for e in removed:
            print(f"removed {e.paper.id}  {e.paper.title[:90]}")
    return 0
