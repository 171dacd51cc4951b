"""Doubts about how a PDF was read, and the other orders in which its lines can be read.

A reading that is mostly notes, has no methods or repeats its sections is likelier wrong than odd. The lines are then
read in another way, and the way with the fewest doubts is kept; those that stay are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.papers.pdf_layout import Line
from bioresearcher.schemas.paper import Document

MOST_NOTES: Final = 0.5
"""Share of the text in notes, legends and front matter from which a reading is doubted."""
_MOST_FRONT: Final = 2_500
"""Letters between title and abstract from which running text must be among them."""
_MOST_ABSTRACT: Final = 6_000
_REPEATS: Final = 3
_ASIDE: Final = frozenset(["front", "legend"])
_COLUMN: Final = 100.0
"""Least distance in points between the left edges of two columns."""
_COLUMN_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Doubt:
    """A sign that a PDF was read wrongly: its weight, and the words in which it is told."""

    weight: int
    text: str


def doubts_of(document: Document) -> list[Doubt]:
    """The signs that a document's sections are not those of the paper."""
    sizes: Counter[str] = Counter()
    for section in document.sections:
        sizes[section.kind] += section.end - section.start
    found = []
    text = len(document.text) - sizes["references"] - sizes["title"]
    notes = sum(sizes[kind] for kind in _ASIDE)
    if text > 0 and notes > MOST_NOTES * text:
        found.append(Doubt(3, f"{100 * notes // text} % of its text was taken for notes and legends."))
    front = sum(s.end - s.start for s in document.sections if s.title == "Front matter")
    if front > _MOST_FRONT:
        found.append(Doubt(1, "running text may stand before its abstract."))
    if sizes["abstract"] > _MOST_ABSTRACT:
        found.append(Doubt(1, "its abstract is so long that other text must be in it."))
    headings = Counter(
        s.title for s in document.sections if s.level == 1 and document.text.startswith(s.title + "\n\n", s.start)
    )
    repeated = [title for title, n in headings.items() if n >= _REPEATS and title]
    if repeated:
        found.append(Doubt(2, f"its headings repeat ({', '.join(repeated[:3])}): running heads may be among them."))
    if not sizes["methods"]:
        found.append(Doubt(1, ""))  # the canonical text says it
    return found


def by_position(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The pages' lines by their place: what stands above the columns, then column by column from top to foot."""
    return [_page_by_position(page) for page in pages]


def _page_by_position(page: Sequence[Line]) -> list[Line]:
    if not page or not all(x.y for x in page):
        return list(page)
    long = [x for x in page if len(x.text) > 20 and not x.turned]
    edges = [x.x for x in long]
    middle = (min(edges) + max(edges)) / 2 if edges else 0.0
    right = [x for x in long if x.x > middle]
    if not edges or max(edges) - min(edges) < _COLUMN or not _COLUMN_SHARE < len(right) / len(long) < 1 - _COLUMN_SHARE:
        return sorted(page, key=lambda x: (-x.y, x.x))
    start = Counter(round(x.x) for x in right).most_common(1)[0][0]
    top = max((x.y for x in right if abs(x.x - start) < 3), default=0.0)
    return sorted(page, key=lambda x: (x.y <= top, x.y <= top and x.x > middle, -x.y, x.x))
