"""`bioresearcher library`: lists, adds, removes, searches and shows the papers of a workspace's shared library."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands
from bioresearcher.cli.output import print_json
from bioresearcher.errors import InputError, OutsideError

if TYPE_CHECKING:
    from bioresearcher.graph.services import Services
    from bioresearcher.papers.identifiers import Identifiers
    from bioresearcher.retrieval.index import Library
    from bioresearcher.schemas.library import LibraryChange, LibraryEntry, LibraryShown
    from bioresearcher.schemas.paper import Document, Failure, Paper
    from bioresearcher.settings import Settings
    from bioresearcher.sources.pubmed_offline.source import PubmedFiles

Found = tuple["Paper", "Document"] | InputError | OutsideError
"""A paper with its text, or the error for which there is none."""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command with its own commands."""
    parser = commands.add_parser(
        "library", help="find, add, list, search, show and remove papers of the shared library"
    )
    inner: Commands[argparse.ArgumentParser] = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    name = "the paper's id here, its PMID, PMC id or DOI"
    add = inner.add_parser(
        "add", help="put papers into the library: files, folders, bibliographies, PMID:…, PMC…, DOIs"
    )
    add.add_argument(
        "what", nargs="+", metavar="WHAT", help="JATS, PDF, Markdown, BibTeX, RIS, CSL JSON; folders; or an identifier"
    )
    listing = inner.add_parser("list", help="the papers that are in the library")
    search = inner.add_parser("search", help="passages of its papers that answer a question, best first")
    search.add_argument("query", metavar="QUERY", help="words or a sentence")
    search.add_argument("--limit", type=int, default=10, metavar="N", help="passages at most (10)")
    search.add_argument("--paper", action="append", default=[], metavar="PAPER", help="only in this one (repeatable)")
    search.add_argument(
        "--kind", action="append", default=[], metavar="KIND", help="only in sections of this kind, e.g. methods"
    )
    find = inner.add_parser(
        "find", help="papers that PubMed and Europe PMC know, with the names that `library add` takes"
    )
    find.add_argument("query", metavar="QUERY", help="words, or a Boolean query with PubMed's field tags")
    find.add_argument("--limit", type=int, default=10, metavar="N", help="papers of each service at most (10)")
    show = inner.add_parser(
        "show", help="a paper's text in the library, its paper reports, and what stands on it, over all runs"
    )
    show.add_argument("paper", metavar="PAPER", help=name)
    remove = inner.add_parser(
        "remove", help="take papers out of the library; runs keep the text of what they read in their folders"
    )
    remove.add_argument("paper", nargs="+", metavar="PAPER", help=name)
    zotero = inner.add_parser(
        "zotero",
        help="bring a collection of a running Zotero, or give a run's papers to it as one",
        description="Without a collection: lists them. With one: brings its references, PDFs, notes and retraction "
        "flags into a folder for --papers, and puts them into the library; later only what changed. Zotero is asked on "
        "this machine, once it allows that (Settings, Advanced).",
    )
    zotero.add_argument("collection", nargs="?", metavar="COLLECTION", help="its name, its path, or its key")
    zotero.add_argument(
        "--from-run", type=Path, metavar="RUN", help="the other way: a run's papers with their quotes as notes"
    )
    for command, run in (
        (add, add_papers),
        (listing, list_papers),
        (search, search_library),
        (find, find_papers),
        (show, show_paper),
        (remove, remove_papers),
        (zotero, zotero_collection),
    ):
        command.add_argument(
            "--workspace", type=Path, metavar="DIR", help="where runs and the library live (./workspace)"
        )
        command.add_argument("--config", type=Path, metavar="FILE", help="settings file (bioresearcher.toml here)")
        command.add_argument("--json", action="store_true", help="print it as JSON")
        command.set_defaults(run=run)


def add_papers(args: argparse.Namespace) -> int:
    """Add papers; return 0 when one was added, else 2, or 4 when a service kept one from being added."""
    settings = _settings_of(args)
    change, outside = _add(settings, args.what)
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


def _add(settings: Settings, names: list[str]) -> tuple[LibraryChange, bool]:
    """Add named papers; return the change, and True if a service failed.

    Raises:
        WorkspaceError: The library cannot be written.
    """
    from bioresearcher.retrieval.index import Library
    from bioresearcher.schemas.library import LibraryChange

    found, failures = _from_files([Path(n) for n in names if not _identifier(n)])
    outside = False
    wanted = {name: identifiers for name in names if (identifiers := _identifier(name))}
    for name, result in _fetch_all(wanted, settings).items() if wanted else ():
        if isinstance(result, InputError | OutsideError):
            outside |= isinstance(result, OutsideError)
            failures.append(_failure(name, result))
        else:
            found.append(result)
    if not found:
        return LibraryChange(failures=tuple(failures)), outside
    with Library(_root_of(settings), chroma_url=settings.chroma_url) as library:
        added, unchanged = _put(library, found)
        if added:
            library.index()
        entries = {e.paper.id: e for e in library.entries()}
    return LibraryChange(
        added=tuple(entries[i] for i in added), unchanged=tuple(unchanged), failures=tuple(failures)
    ), outside


def _put(library: Library, found: list[tuple[Paper, Document]]) -> tuple[list[str], list[str]]:
    """Put papers into the library; return ids with new or changed text, and ids whose text stays."""
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
    """Read the papers of files and folders; a missing or empty one is a failure beside the others."""
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

    return Failure(item=item, stage="add_papers", message=error.message, hint=error.hint)


def _identifier(name: str) -> Identifiers | None:
    """Parse a name that is no file as an identifier; None when it is none."""
    import re

    from bioresearcher.papers.identifiers import Identifiers

    if Path(name).exists():
        return None
    text = name.strip()
    pmid = text if re.match(r"PMID|\d+$", text, re.IGNORECASE) else None
    pmcid = text if re.match(r"PMC", text, re.IGNORECASE) else None
    found = Identifiers.of(pmid=pmid.upper() if pmid else None, pmcid=pmcid, doi=text)
    return found if found.keys() else None


def list_papers(args: argparse.Namespace) -> int:
    """Print a line for each paper; return the exit code."""
    settings = _settings_of(args)
    with _existing_library(settings) as library:
        entries = library.entries() if library else []
    if args.json:
        print_json([e.model_dump(mode="json") for e in entries])
        return 0
    for e in entries:
        retracted = f"  [{e.paper.status}]" if e.paper.status in ("retracted", "concern", "corrected") else ""
        print(f"{e.paper.id:24}  {e.paper.year or '-':>4}  {e.kind:6}  {e.passages:5}  {e.paper.title[:90]}{retracted}")
    passages = sum(e.passages for e in entries)
    print(f"{len(entries)} papers, {passages:,} passages in {_root_of(settings)}")
    return 0


def search_library(args: argparse.Namespace) -> int:
    """Print passages that answer a query; return the exit code.

    Raises:
        InputError: The query is empty, the limit is not possible, a kind or a paper does not exist.
    """
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
    settings = _settings_of(args)
    hits = []
    with _existing_library(settings) as library:
        chosen = [e.paper.id for e in _entries_of(library, args.paper, settings)] if args.paper else None
        if library is not None:
            titles = {e.paper.id: e.paper.title for e in library.entries()}
            for h in library.search(args.query, documents=chosen, kinds=args.kind or None, limit=args.limit):
                p = h.passage
                hits.append(
                    LibraryHit(
                        score=round(h.score, 4),
                        dense=round(h.dense, 4),
                        lexical=round(h.lexical, 4),
                        paper=p.document,
                        title=titles.get(p.document, ""),
                        **p.model_dump(include={"section", "kind", "page", "start", "end", "text"}),
                    )
                )
    if args.json:
        print_json([h.model_dump(mode="json") for h in hits])
        return 0
    for hit in hits:
        where = f"{hit.section or hit.kind}" + (f", page {hit.page}" if hit.page else "")
        print(
            f"{hit.score:.2f}  {hit.paper}  {hit.title[:80]}\n      {where} ({hit.start}–{hit.end})\n      {hit.text}\n"
        )
    if not hits:
        print(f"nothing was found in {_root_of(settings)}")
    return 0


def find_papers(args: argparse.Namespace) -> int:
    """Print papers that services know; return 0, or 4 when none could be asked.

    Raises:
        InputError: The query is empty, or the limit is not possible.
    """
    import asyncio

    if not args.query.strip():
        raise InputError("the query is empty.", hint="Give words or a Boolean query.")
    if not 1 <= args.limit <= 100:
        raise InputError(f"--limit: {args.limit} is not between 1 and 100.")
    found, problems, asked = asyncio.run(_find(_settings_of(args), args.query, args.limit))
    if args.json:
        print_json({"papers": found, "problems": problems})
    else:
        for p in found:
            print(f"{p['named']}  {p['year'] or '-'}  {p['title']}\n      {p['abstract']}\n")
        for problem in problems:
            print(f"bioresearcher: {problem}", file=sys.stderr)
        if asked and not found:
            print("no paper was found")
    return 0 if asked else 4


_ABSTRACT = 600
"""Characters of an abstract that are shown with a hit."""


async def _find(settings: Settings, query: str, limit: int) -> tuple[list[dict[str, str | int | None]], list[str], int]:
    """Ask each service; return papers, each once, problems, and how many services answered."""
    from bioresearcher.graph.services import open_services
    from bioresearcher.papers.identifiers import Identifiers
    from bioresearcher.text.visible import one_line

    services = open_services(settings, None)
    found: dict[str, dict[str, str | int | None]] = {}
    known: set[str] = set()
    problems, asked = [], 0
    if not services.literature:
        problems.append("no literature service is asked, because only_own is set.")
    try:
        for source in services.literature:
            try:
                hits = await source.search(query, limit)
            except OutsideError as error:
                problems.append(f"{source.name}: {error}")
                continue
            asked += 1
            problems += [f"{source.name}: {one_line(warning, 300)}" for warning in hits.warnings]
            for p in hits.papers:
                keys = set(Identifiers(pmid=p.pmid, pmcid=p.pmcid, doi=p.doi).keys())
                if keys & known:
                    continue
                known |= keys
                named = f"PMID:{p.pmid}" if p.pmid else p.pmcid or p.doi or p.id
                found[p.id] = {
                    "named": named,
                    "title": one_line(p.title, 300),
                    "year": p.year,
                    "abstract": one_line(p.abstract or "", _ABSTRACT),
                }
    finally:
        if services.http is not None:
            await services.http.close()
    return list(found.values()), problems, asked


def show_paper(args: argparse.Namespace) -> int:
    """Print a paper, its text and its uses; return the exit code.

    Raises:
        InputError: Neither the library nor a run of the workspace knows it.
    """
    settings = _settings_of(args)
    shown = _describe(settings, args.paper)
    if args.json:
        print(shown.model_dump_json(indent=2))
    else:
        _print(shown)
    return 0


def _describe(settings: Settings, name: str) -> LibraryShown:
    from bioresearcher.report.summaries import uses_in_runs
    from bioresearcher.schemas.library import LibraryShown, RunUse

    found = list(uses_in_runs(settings.workspace / "runs", name))
    uses = tuple(RunUse(run=run, use=use) for run, _, use in found)
    with _existing_library(settings) as library:
        names = [name, *(paper.id for _, paper, _ in found)]
        entries = [e for n in names for e in _named(library.entries(), n)] if library else []
        document = library.document(entries[0].paper.id) if library and entries else None
    if not entries and not found:
        raise InputError(
            f"neither the library {_root_of(settings)} nor a run of this workspace knows a paper {name!r}.",
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


def _print(shown: LibraryShown) -> None:
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
    for one in shown.uses:
        print(f"\n{one.run}")
        for name, value in use_rows(one.use):
            print(f"  {name}: {value}")


def remove_papers(args: argparse.Namespace) -> int:
    """Remove papers; return the exit code.

    Raises:
        InputError: One of them is not in the library; then none is removed.
    """
    from bioresearcher.schemas.library import LibraryChange

    settings = _settings_of(args)
    with _existing_library(settings) as library:
        entries = _entries_of(library, args.paper, settings)
        removed = [e for e in entries if library is not None and library.remove(e.paper.id)]
    if args.json:
        print(LibraryChange(removed=tuple(e.paper.id for e in removed)).model_dump_json(indent=2))
    else:
        for e in removed:
            print(f"removed {e.paper.id}  {e.paper.title[:90]}")
    return 0


def zotero_collection(args: argparse.Namespace) -> int:
    """List collections, bring one, or give a run's papers to Zotero; return the exit code."""
    from bioresearcher.cli.library_zotero import run_zotero

    return run_zotero(args, _settings_of(args), _add)


def _fetch_all(wanted: Mapping[str, Identifiers], settings: Settings) -> dict[str, Found]:
    """Fetch papers by identifier, from the settings' PubMed files first, else from literature services.

    Raises:
        InputError: A PubMed file of the settings does not exist.
        WorkspaceError: The library's folder cannot be written.
    """
    import asyncio

    from bioresearcher.graph.services import open_services
    from bioresearcher.sources.pubmed_offline.source import open_pubmed_files

    files = open_pubmed_files(settings.pubmed_xml, settings.workspace)
    found: dict[str, Found] = {}

    async def fetch() -> None:
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

    asyncio.run(fetch())
    return found


async def _fetch(
    name: str, identifiers: Identifiers, services: Services, files: PubmedFiles | None
) -> tuple[Paper, Document]:
    """Fetch a paper with the best text there is.

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


def _settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings with the workspace of the command line."""
    from bioresearcher.settings import load_settings

    return load_settings({"workspace": args.workspace, "config": args.config})


def _root_of(settings: Settings) -> Path:
    """Return the folder of a workspace's library."""
    return settings.workspace / "library"


@contextmanager
def _existing_library(settings: Settings) -> Iterator[Library | None]:
    """Open the library, or give None where none was made yet: looking for something makes no folder.

    Raises:
        WorkspaceError: It cannot be used.
    """
    from bioresearcher.retrieval.index import Library

    root = _root_of(settings)
    if not (root / "library.sqlite").is_file():
        yield None
        return
    with Library(root, chroma_url=settings.chroma_url) as library:
        yield library


def _named(entries: list[LibraryEntry], name: str) -> list[LibraryEntry]:
    """Return the entries that an id of this program, a PMID, a PMC id or a DOI names."""
    from bioresearcher.papers.evidence_graph import named_papers

    wanted = {p.id for p in named_papers([e.paper for e in entries], name)}
    return [e for e in entries if e.paper.id in wanted]


def _entries_of(library: Library | None, names: list[str], settings: Settings) -> list[LibraryEntry]:
    """Return the entries that names mean, each once.

    Raises:
        InputError: A name means none.
    """
    entries = library.entries() if library else []
    found: dict[str, LibraryEntry] = {}
    for name in names:
        meant = _named(entries, name)
        if not meant:
            raise InputError(
                f"no paper {name!r} is in the library {_root_of(settings)}.",
                hint="`bioresearcher library list` shows what is.",
            )
        found |= {e.paper.id: e for e in meant}
    return list(found.values())
