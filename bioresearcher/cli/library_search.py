"""`bioresearcher library search`: passages that answer a question, by meaning and by words."""

from __future__ import annotations

import argparse

from bioresearcher.cli.common import Commands
from bioresearcher.cli.library_place import existing_library, known_entries, library_root, settings_of
from bioresearcher.errors import InputError


def add_parser(commands: Commands[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command to those of `library`."""
    parser = commands.add_parser("search", help="passages of its papers that answer a question, best first")
    parser.add_argument("query", metavar="QUERY", help="words or a sentence")
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="passages at most (10)")
    parser.add_argument("--paper", action="append", default=[], metavar="PAPER", help="only in this one (repeatable)")
    parser.add_argument(
        "--kind", action="append", default=[], metavar="KIND", help="only in sections of this kind, e.g. methods"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the passages; the exit code.

    Raises:
        InputError: The query is empty, the limit is none, a kind or a paper does not exist.
    """
    import json
    from typing import get_args

    from bioresearcher.schemas.library import LibraryHit
    from bioresearcher.schemas.passage import SectionKind

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
