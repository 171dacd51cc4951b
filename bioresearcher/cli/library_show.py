"""`bioresearcher library show`: what a paper's text is, what was taken from it, and what stands on it over all runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bioresearcher.cli.common import Commands
from bioresearcher.cli.library_place import existing_library, library_root, named_entries, settings_of
from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.schemas.library import LibraryShown
    from bioresearcher.settings import Settings


def add_parser(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser(
        "show", help="a paper's text in the library, what was taken from it, and what stands on it, over all runs"
    )
    parser.add_argument("paper", metavar="PAPER", help="the paper's id here, its PMID, PMC id or DOI")
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the paper; the exit code.

    Raises:
        InputError: Neither the library nor a run of the workspace knows it.
    """
    settings = settings_of(args)
    shown = _shown(settings, args.paper)
    if args.json:
        print(shown.model_dump_json(indent=2))
    else:
        _tell(shown)
    return 0


def _shown(settings: Settings, name: str) -> LibraryShown:
    from bioresearcher.report.evidence import uses_in_runs
    from bioresearcher.schemas.library import LibraryShown, RunUse

    found = list(uses_in_runs(settings.workspace / "runs", name))
    uses = tuple(RunUse(run=run, use=use) for run, _, use in found)
    with existing_library(settings) as library:
        names = [name, *(paper.id for _, paper, _ in found)]
        entries = [e for n in names for e in named_entries(library.entries(), n)] if library else []
        document = library.document(entries[0].paper.id) if library and entries else None
    if not entries and not found:
        raise InputError(
            f"neither the library {library_root(settings)} nor a run of this workspace knows a paper {name!r}.",
            hint="Give its id, PMID, PMC id or DOI; `bioresearcher library list` shows what the library holds.",
        )
    # a run wrote down all that was known of the paper; the library may hold its text alone
    paper = entries[0].paper if entries and (entries[0].paper.source != "unknown" or not found) else found[0][1]
    return LibraryShown(
        paper=paper,
        entry=entries[0] if entries else None,
        sections=document.sections if document else (),
        warnings=document.warnings if document else (),
        uses=uses,
    )


def _tell(shown: LibraryShown) -> None:
    from bioresearcher.report.evidence import use_rows

    paper = shown.paper
    named = [f"PMID {paper.pmid}" if paper.pmid else "", paper.pmcid or "", f"doi {paper.doi}" if paper.doi else ""]
    print(f"{paper.id}  {paper.title}")
    if paper.authors:
        print("; ".join(paper.authors[:6]) + (" …" if len(paper.authors) > 6 else ""))
    print(", ".join(filter(None, [*named, paper.journal or "", str(paper.year or ""), f"status: {paper.status}"])))
    entry = shown.entry
    if entry is None:
        print("its text is not in the library")
    else:
        pages = f", {entry.pages} pages" if entry.pages else ""
        print(f"text: {entry.kind}, {entry.characters:,} characters, {entry.passages} passages{pages}")
        print("sections: " + "; ".join(f"{s.title} [{s.kind}]" for s in shown.sections if s.level <= 1 and s.title))
        for warning in shown.warnings:
            print(f"note: {warning}")
    for found in shown.uses:
        print(f"\n{found.run}")
        for name, value in use_rows(found.use):
            print(f"  {name}: {value}")
