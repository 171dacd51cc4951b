"""Documents cut into passages: the unit that is stored, searched and shown to a reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bioresearcher.library.canonical import page_of, paragraphs, text_hash
from bioresearcher.schemas.passage import Document, Passage, Section
from bioresearcher.text.words import sentences

TARGET: Final = 800
"""Characters at which a passage is full; the embedding sees about as much."""

LONGEST: Final = 1_200
"""No passage is longer; a sentence that is, is divided at a space."""

_LEAST: Final = 200


def split(document: Document) -> tuple[Passage, ...]:
    """The passages of a document in reading order.

    A passage holds whole sentences of one section without its heading; `document.text[p.start:p.end] == p.text`.
    The reference list is kept with kind `references`, so that it can be left out where evidence is looked for.
    A text that the document repeats word for word is one passage, at its first place, because the id is made
    of the text: the same document always has the same passages.
    """
    found: dict[str, Passage] = {}
    for section in document.sections:
        for start, end in _spans(document, section):
            text = document.text[start:end]
            identifier = f"{document.id}:{text_hash(text)[:12]}"
            if identifier not in found:
                found[identifier] = Passage(
                    id=identifier,
                    document=document.id,
                    section=section.title,
                    kind=section.kind,
                    page=page_of(document, start),
                    start=start,
                    end=end,
                    text=text,
                )
    return tuple(found.values())


def _spans(document: Document, section: Section) -> Iterator[tuple[int, int]]:
    """Sentences gathered until a passage is full; a short rest joins the passage before it."""
    spans: list[tuple[int, int]] = []
    for start, end in _units(document, section):
        if spans and end - spans[-1][0] <= TARGET:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    if len(spans) > 1 and spans[-1][1] - spans[-1][0] < _LEAST and spans[-1][1] - spans[-2][0] <= LONGEST:
        last = spans.pop()
        spans[-1] = (spans[-1][0], last[1])
    yield from spans


def _units(document: Document, section: Section) -> Iterator[tuple[int, int]]:
    for start, end in paragraphs(document, section):
        for first, last in sentences(document.text, start, end):
            yield from _pieces(document.text, first, last)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence, or when it is too long its parts of about `TARGET` characters, divided at spaces."""
    while end - start > LONGEST:
        cut = max((m.start() for m in re.finditer(r" ", text[start + TARGET // 2 : start + TARGET])), default=-1)
        at = start + TARGET // 2 + cut if cut >= 0 else start + TARGET
        yield start, at
        start = at
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
