"""MeSH headings shipped with the program, and the narrower headings below each."""

from __future__ import annotations

import gzip
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("mesh.tsv.gz")


@dataclass(frozen=True, slots=True)
class Heading:
    """MeSH heading with its other names and its tree numbers."""

    name: str
    others: tuple[str, ...]
    trees: tuple[str, ...]


@cache
def headings() -> tuple[Heading, ...]:
    """Read the shipped selection of MeSH headings, in the table's order."""
    found = []
    for line in gzip.decompress(_TABLE.read_bytes()).decode("utf-8").splitlines():
        if not line.startswith("#"):
            name, others, trees = line.split("\t")
            found.append(Heading(name, tuple(filter(None, others.split("|"))), tuple(filter(None, trees.split("|")))))
    return tuple(found)


def exploded(name: str) -> tuple[str, ...] | None:
    """Expand a name to its heading and all narrower ones; None if the selection does not know the name.

    A heading's other names count, as in PubMed: `Breast Cancer` means `Breast Neoplasms`.
    """
    names, trees = _tables()
    heading, places = names.get(" ".join(name.casefold().split()), ("", ()))
    if not heading:
        return None
    found = {heading: None}
    for place in places:
        at = bisect_left(trees, (place + ".",))
        while at < len(trees) and trees[at][0].startswith(place + "."):
            found[trees[at][1]] = None
            at += 1
    return tuple(found)


@cache
def _tables() -> tuple[dict[str, tuple[str, tuple[str, ...]]], list[tuple[str, str]]]:
    """Build the tables name → (heading, tree numbers), and (tree number, heading) in order."""
    names: dict[str, tuple[str, tuple[str, ...]]] = {}
    for heading in headings():
        for other in heading.others:
            names.setdefault(other.casefold(), (heading.name, heading.trees))
        names[heading.name.casefold()] = (heading.name, heading.trees)
    return names, sorted((place, heading.name) for heading in headings() for place in heading.trees)
