"""The shared library of a workspace, as its commands open it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.library.index import Library
    from bioresearcher.schemas.library import LibraryEntry
    from bioresearcher.settings import Settings


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
    from bioresearcher.library.index import Library

    root = library_root(settings)
    if not (root / "library.sqlite").is_file():
        yield None
        return
    with Library(root, chroma_url=settings.chroma_url) as library:
        yield library


def named_entries(entries: list[LibraryEntry], name: str) -> list[LibraryEntry]:
    """The entries that are meant by an id of this program, a PMID, a PMC id or a DOI."""
    from bioresearcher.library.evidence import named_papers

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
