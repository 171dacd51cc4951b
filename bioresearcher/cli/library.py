"""`bioresearcher library`: the papers of the shared library, and what stands on them.

`bioresearcher library list`: the papers of the library.

`bioresearcher library add`: put papers into the library, from files, folders, bibliographies or by identifier.

Papers by identifier: from PubMed files on this machine, else from literature services.

`bioresearcher library remove`: take papers out of the library.

`bioresearcher library search`: passages that answer a question, by meaning and by words.

`bioresearcher library show`: what a paper's text is, what was taken from it, and what stands on it over all runs.

The shared library of a workspace, as its commands open it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands
from bioresearcher.errors import InputError, OutsideError

if TYPE_CHECKING:
    from bioresearcher.graph.services import Services
    from bioresearcher.papers.identifiers import Identifiers
    from bioresearcher.retrieval.index import Library
    from bioresearcher.schemas.library import LibraryChange, LibraryEntry, LibraryShown
    from bioresearcher.schemas.paper import Document, Failure, Paper
    from bioresearcher.settings import Settings
    from bioresearcher.sources.pubmed_offline.source import PubmedFiles


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings with the workspace of the command line."""
    from bioresearcher.settings import load_settings

    return load_settings({"workspace": args.workspace, "config": args.config})


def library_root(settings: Settings) -> Path:
    """Where a workspace's library lies."""
    return settings.workspace / "library"


@contextmanager
def existing_library(settings: Settings) -> Iterator[Library | None]:
    """The library, or None where none was made yet: looking for something makes no folder.

    Raises:
        WorkspaceError: It cannot be used.
    """
    from bioresearcher.retrieval.index import Library

    root = library_root(settings)
    if not (root / "library.sqlite").is_file():
        yield None
        return
    with Library(root, chroma_url=settings.chroma_url) as library:
        yield library


def named_entries(entries: list[LibraryEntry], name: str) -> list[LibraryEntry]:
    """The entries that are meant by an id of this program, a PMID, a PMC id or a DOI."""
    from bioresearcher.papers.evidence_graph import named_papers

    wanted = {p.id for p in named_papers([e.paper for e in entries], name)}
    return [e for e in entries if e.paper.id in wanted]


def known_entries(library: Library | None, names: list[str], settings: Settings) -> list[LibraryEntry]:
    """The entries that are meant, each once.

    Raises:
        InputError: A name means none.
    """
    entries = library.entries() if library else []
    found: dict[str, LibraryEntry] = {}
    for name in names:
        meant = named_entries(entries, name)
        if not meant:
            raise InputError(
                f"no paper {name!r} is in the library {library_root(settings)}.",
                hint="`bioresearcher library list` shows what is.",
            )
        found |= {e.paper.id: e for e in meant}
    return list(found.values())


def _add_list(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    return commands.add_parser("list", help="the papers that are in the library")


def list_papers(args: argparse.Namespace) -> int:
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


Got = tuple["Paper", "Document"] | InputError | OutsideError
"""A paper with its text, or why there is none."""


def fetch_all(wanted: Mapping[str, Identifiers], settings: Settings) -> dict[str, Got]:
    """What became of each name. The settings' PubMed files are looked into first; services are asked for the rest.

    Raises:
        InputError: A PubMed file of the settings does not exist.
        WorkspaceError: The library's folder cannot be written.
    """
    import asyncio

    from bioresearcher.sources.pubmed_offline.source import open_pubmed_files

    return asyncio.run(_fetch_all(wanted, settings, open_pubmed_files(settings.pubmed_xml, settings.workspace)))


async def _fetch_all(
    wanted: Mapping[str, Identifiers], settings: Settings, files: PubmedFiles | None
) -> dict[str, Got]:
    from bioresearcher.graph.services import open_services

    found: dict[str, Got] = {}
    services = open_services(settings, None)
    try:
        for name, identifiers in wanted.items():
            try:
                found[name] = await _fetch(name, identifiers, services, files)
            except (InputError, OutsideError) as error:
                found[name] = error
    finally:
        if services.http is not None:
            await services.http.close()
    return found


async def _fetch(
    name: str, identifiers: Identifiers, services: Services, files: PubmedFiles | None
) -> tuple[Paper, Document]:
    """The paper with the best text that can be had.

    Raises:
        InputError: There is no such paper, or it has neither text nor abstract.
        OutsideError: A service that might have it cannot be asked.
    """
    from bioresearcher.stages.read import best_text

    unreached: OutsideError | None = None
    for source in (*((files,) if files else ()), *services.literature):
        try:
            hits = await source.search(_query(identifiers), 5)
        except OutsideError as error:
            unreached = error
            continue
        paper = next((p for p in hits.papers if _same(p, identifiers)), None)
        if paper is not None:
            document, _ = await best_text(services.literature, paper)
            return paper, document
    if unreached is not None:
        raise OutsideError(f"{name}: {unreached.message}", hint=unreached.hint) from unreached
    if not services.literature:
        raise OutsideError(
            f"{name}: no literature service is asked, because only_own is set.", hint="Give the paper's file."
        )
    raise InputError(f"{name}: no literature service knows such a paper.", hint="Check the identifier.")


def _query(identifiers: Identifiers) -> str:
    if identifiers.pmid:
        return f"{identifiers.pmid}[pmid]"
    return f"{identifiers.pmcid}[pmcid]" if identifiers.pmcid else f'"{identifiers.doi}"[doi]'


def _same(paper: Paper, identifiers: Identifiers) -> bool:
    from bioresearcher.papers.identifiers import Identifiers

    known = Identifiers(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi).keys()
    return bool({*identifiers.keys()} & {*known})


STAGE = "add_papers"


def _add_add(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser(
        "add", help="put papers into the library: files, folders, bibliographies, PMID:…, PMC…, DOIs"
    )
    parser.add_argument(
        "what", nargs="+", metavar="WHAT", help="JATS, PDF, Markdown, BibTeX, RIS, CSL JSON; folders; or an identifier"
    )
    return parser


def add_papers(args: argparse.Namespace) -> int:
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
    from bioresearcher.retrieval.index import Library
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
    from bioresearcher.sources.literature.own_papers import OwnPapers

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

    from bioresearcher.papers.identifiers import Identifiers

    if Path(name).exists():
        return None
    text = name.strip()
    pmid = text if re.match(r"PMID|\d+$", text, re.IGNORECASE) else None
    pmcid = text if re.match(r"PMC", text, re.IGNORECASE) else None
    found = Identifiers.of(pmid=pmid.upper() if pmid else None, pmcid=pmcid, doi=text)
    return found if found.keys() else None


def _add_remove(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser(
        "remove", help="take papers out of the library; runs keep the text of what they read in their folders"
    )
    parser.add_argument("paper", nargs="+", metavar="PAPER", help="the paper's id here, its PMID, PMC id or DOI")
    return parser


def remove_papers(args: argparse.Namespace) -> int:
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


def _add_search(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser("search", help="passages of its papers that answer a question, best first")
    parser.add_argument("query", metavar="QUERY", help="words or a sentence")
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="passages at most (10)")
    parser.add_argument("--paper", action="append", default=[], metavar="PAPER", help="only in this one (repeatable)")
    parser.add_argument(
        "--kind", action="append", default=[], metavar="KIND", help="only in sections of this kind, e.g. methods"
    )
    return parser


def search_library(args: argparse.Namespace) -> int:
    """Print the passages; the exit code.

    Raises:
        InputError: The query is empty, the limit is none, a kind or a paper does not exist.
    """
    import json
    from typing import get_args

    from bioresearcher.schemas.library import LibraryHit
    from bioresearcher.schemas.paper import SectionKind

    if not args.query.strip():
        raise InputError("the query is empty.", hint="Give words or a sentence.")
    if not 1 <= args.limit <= 1_000:
        raise InputError(f"--limit: {args.limit} is not between 1 and 1000.")
    for kind in args.kind:
        if kind not in get_args(SectionKind):
            raise InputError(
                f"--kind: {kind!r} is no kind of section.", hint=f"One of {', '.join(get_args(SectionKind))}."
            )
    settings = settings_of(args)
    hits = []
    with existing_library(settings) as library:
        chosen = [e.paper.id for e in known_entries(library, args.paper, settings)] if args.paper else None
        if library is not None:
            titles = {e.paper.id: e.paper.title for e in library.entries()}
            for h in library.search(args.query, documents=chosen, kinds=args.kind or None, limit=args.limit):
                p = h.passage
                hits.append(
                    LibraryHit(
                        score=round(h.score, 4), dense=round(h.dense, 4), lexical=round(h.lexical, 4),
                        paper=p.document, title=titles.get(p.document, ""), section=p.section, kind=p.kind,
                        page=p.page, start=p.start, end=p.end, text=p.text,
                    )
                )  # fmt: skip
    if args.json:
        print(json.dumps([h.model_dump(mode="json") for h in hits], indent=2, ensure_ascii=False))
        return 0
    for hit in hits:
        where = f"{hit.section or hit.kind}" + (f", page {hit.page}" if hit.page else "")
        print(
            f"{hit.score:.2f}  {hit.paper}  {hit.title[:80]}\n      {where} ({hit.start}–{hit.end})\n      {hit.text}\n"
        )
    if not hits:
        print(f"nothing was found in {library_root(settings)}")
    return 0


def _add_show(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser(
        "show", help="a paper's text in the library, what was taken from it, and what stands on it, over all runs"
    )
    parser.add_argument("paper", metavar="PAPER", help="the paper's id here, its PMID, PMC id or DOI")
    return parser


def show_paper(args: argparse.Namespace) -> int:
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
    from bioresearcher.report.summaries import uses_in_runs
    from bioresearcher.schemas.library import LibraryShown, RunUse

    found = list(uses_in_runs(settings.workspace / "runs", name))
    uses = tuple(RunUse(run=show_paper, use=use) for show_paper, _, use in found)
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
    from bioresearcher.report.summaries import use_rows

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


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command with its own commands."""
    parser = commands.add_parser("library", help="add, list, search, show and remove papers of the shared library")
    inner: Commands[argparse.ArgumentParser] = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add, run in (
        (_add_add, add_papers),
        (_add_list, list_papers),
        (_add_search, search_library),
        (_add_show, show_paper),
        (_add_remove, remove_papers),
    ):
        one = add(inner)
        one.add_argument("--workspace", type=Path, metavar="DIR", help="where runs and the library live (./workspace)")
        one.add_argument("--config", type=Path, metavar="FILE", help="settings file (bioresearcher.toml here)")
        one.add_argument("--json", action="store_true", help="print it as JSON")
        one.set_defaults(run=run)
