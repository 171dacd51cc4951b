"""`bioresearcher library list`: the papers of the library."""

from __future__ import annotations

import argparse

from bioresearcher.cli.common import Commands
from bioresearcher.cli.library_place import existing_library, library_root, settings_of


def add_parser(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    return commands.add_parser("list", help="the papers that are in the library")


def run(args: argparse.Namespace) -> int:
    """Print a line for each paper; the exit code."""
    import json

    settings = settings_of(args)
    with existing_library(settings) as library:
        entries = library.entries() if library else []
    if args.json:
        print(json.dumps([e.model_dump(mode="json") for e in entries], indent=2, ensure_ascii=False))
        return 0
    for e in entries:
        retracted = f"  [{e.paper.status}]" if e.paper.status in ("retracted", "concern", "corrected") else ""
        print(f"{e.paper.id:24}  {e.paper.year or '-':>4}  {e.kind:6}  {e.passages:5}  {e.paper.title[:90]}{retracted}")
    passages = sum(e.passages for e in entries)
    print(f"{len(entries)} papers, {passages:,} passages in {library_root(settings)}")
    return 0
