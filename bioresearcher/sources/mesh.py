"""Narrower MeSH headings, as far as the selection of headings that ships with the program knows them."""

from __future__ import annotations

import gzip
from bisect import bisect_left
from functools import cache
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).parents[1] / "llm" / "offline" / "mesh.tsv.gz"


def exploded(name: str) -> tuple[str, ...] | None:
    """The heading that a name means, then all narrower ones; None when the selection does not know the name.

    A heading's other names count, as in PubMed: `Breast Cancer` means `Breast Neoplasms`.
    """
    headings, trees = _tables()
    heading, places = headings.get(" ".join(name.casefold().split()), ("", ()))
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
    """Name → (heading, tree numbers), and (tree number, heading) in order."""
    names: dict[str, tuple[str, tuple[str, ...]]] = {}
    trees: list[tuple[str, str]] = []
    with gzip.open(_TABLE, "rt", encoding="utf-8") as table:
        for line in table:
            if line.startswith("#"):
                continue
            heading, others, numbers = line.rstrip("\n").split("\t")
            places = tuple(filter(None, numbers.split("|")))
            for other in filter(None, others.split("|")):
                names.setdefault(other.casefold(), (heading, places))
            names[heading.casefold()] = (heading, places)
            trees += [(place, heading) for place in places]
    return names, sorted(trees)
