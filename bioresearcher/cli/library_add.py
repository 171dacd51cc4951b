"""`bioresearcher library add`: put papers into the library, from files, folders, bibliographies or by identifier."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.common import Commands
from bioresearcher.cli.library_place import library_root, settings_of
from bioresearcher.errors import InputError, OutsideError

if TYPE_CHECKING:
    from bioresearcher.library.identifiers import Identifiers
    from bioresearcher.library.index import Library
    from bioresearcher.schemas.library import LibraryChange
    from bioresearcher.schemas.paper import Failure, Paper
    from bioresearcher.schemas.passage import Document
    from bioresearcher.settings import Settings

STAGE = "add_papers"


def add_parser(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser(
        "add", help="put papers into the library: files, folders, bibliographies, PMID:…, PMC…, DOIs"
    )
    parser.add_argument(
        "what", nargs="+", metavar="WHAT", help="JATS, PDF, Markdown, BibTeX, RIS, CSL JSON; folders; or an identifier"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Add; 0 when something was, else 2, or 4 when something outside kept a paper from being added."""
    settings = settings_of(args)
    change, outside = add(settings, args.what)
    if args.json:
        print(change.model_dump_json(indent=2))
    else:
        for e in change.added:
            print(f"added {e.paper.id}  {e.paper.title[:90]}  ({e.kind}, {e.passages} passages)")
        for identifier in change.unchanged:
            print(f"already there: {identifier}")
        for failure in change.failures:
            named = failure.message if failure.item in failure.message else f"{failure.item}: {failure.message}"
            print(f"bioresearcher: not added: {named} {failure.hint}".strip(), file=sys.stderr)
    return 4 if outside else 0 if change.added or change.unchanged else 2


def add(settings: Settings, names: list[str]) -> tuple[LibraryChange, bool]:
    """Add what is named; what happened, and whether something outside the program failed.

    Raises:
        WorkspaceError: The library cannot be written.
    """
    from bioresearcher.cli.library_fetch import fetch_all
    from bioresearcher.library.index import Library
    from bioresearcher.schemas.library import LibraryChange

    found, failures = _from_files([Path(n) for n in names if not _identifier(n)])
    outside = False
    wanted = {name: identifiers for name in names if (identifiers := _identifier(name))}
    for name, got in fetch_all(wanted, settings).items() if wanted else ():
        if isinstance(got, InputError | OutsideError):
            outside |= isinstance(got, OutsideError)
            failures.append(_failure(name, got))
        else:
            found.append(got)
    if not found:
        return LibraryChange(failures=tuple(failures)), outside
    with Library(library_root(settings), chroma_url=settings.chroma_url) as library:
        added, unchanged = _put(library, found)
        if added:
            library.index()
        entries = {e.paper.id: e for e in library.entries()}
    return LibraryChange(
        added=tuple(entries[i] for i in added), unchanged=tuple(unchanged), failures=tuple(failures)
    ), outside


def _put(library: Library, found: list[tuple[Paper, Document]]) -> tuple[list[str], list[str]]:
    """Ids of papers whose text is new or changed, and of those whose text stays."""
    added: list[str] = []
    unchanged: list[str] = []
    for paper, document in found:
        before = library.document(paper.id)
        if before is not None and document.kind == "record" and before.kind != "record":
            unchanged.append(paper.id)  # an abstract never takes the place of a full text
            continue
        library.put(document, paper)
        same = before is not None and before.sha256 == document.sha256
        (unchanged if same else added).append(paper.id)
    return added, unchanged


def _from_files(paths: list[Path]) -> tuple[list[tuple[Paper, Document]], list[Failure]]:
    """The papers of files and folders; one that is missing or empty is a failure beside the others."""
    from bioresearcher.sources.papers import OwnPapers

    usable, failures = [], []
    for path in paths:
        try:
            OwnPapers([path])
            usable.append(path)
        except InputError as error:
            failures.append(_failure(str(path), error))
    if not usable:
        return [], failures
    papers, unread = OwnPapers(usable).load()
    return papers, [*failures, *unread]


def _failure(item: str, error: InputError | OutsideError) -> Failure:
    from bioresearcher.schemas.paper import Failure

    return Failure(item=item, stage=STAGE, message=error.message, hint=error.hint)


def _identifier(name: str) -> Identifiers | None:
    """What a name that is no file means as an identifier; None when it means none."""
    import re

    from bioresearcher.library.identifiers import Identifiers

    if Path(name).exists():
        return None
    text = name.strip()
    pmid = text if re.match(r"PMID|\d+$", text, re.IGNORECASE) else None
    pmcid = text if re.match(r"PMC", text, re.IGNORECASE) else None
    found = Identifiers.of(pmid=pmid.upper() if pmid else None, pmcid=pmcid, doi=text)
    return found if found.keys() else None
