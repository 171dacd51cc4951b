"""Papers of which only the record is at hand, as bibliographies and literature services give it: title and abstract."""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.library.canonical import DocumentBuilder, UnreadablePaper, clean, section_kind
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document

ABSTRACT_ONLY: Final = "only title and abstract were at hand, not the full text."
"""The warning every such document carries."""

_LABEL: Final = re.compile(r"([A-Z][A-Za-z/&,' -]{3,60}): ")
_WITHIN: Final = re.compile(r"(?<=[.!?)] )(?=([A-Z][A-Z/&,' -]{3,60}): )")
"""Before a label in capitals that follows a sentence: many exports put a structured abstract on one line."""


def record_document(paper: Paper) -> Document:
    """Title and abstract as a canonical text of kind `record`, with the warning `ABSTRACT_ONLY`.

    An abstract written as `LABEL: text` paragraphs (one a line) keeps them as paragraphs of one abstract section; a
    label that names a kind of section, such as METHODS, begins a section of that kind, so that methods of a structured
    abstract are found where methods are looked for.

    Raises:
        UnreadablePaper: The record has no abstract, so there is nothing to read but the title.
    """
    blocks = [part for line in paper.abstract.splitlines() for part in _parts(clean(line)) if part]
    if not blocks:
        raise UnreadablePaper(
            f"{paper.id}: the record has neither full text nor abstract.", hint="Add the paper's file with --papers."
        )
    builder = DocumentBuilder()
    builder.section("Title", "title", 0, heading=False)
    builder.paragraph(paper.title)
    builder.section("Abstract", "abstract", 1)
    for text in blocks:
        label = _LABEL.match(text)
        kind = section_kind(label[1].capitalize()) if label else None
        if label and kind:
            builder.section(label[1].capitalize(), kind, 2)
            text = text[label.end() :]
        builder.paragraph(text)
    builder.warn(ABSTRACT_ONLY)
    return builder.build(paper.id, "record")


def _parts(line: str) -> list[str]:
    """A line divided before each label that names a kind of section."""
    cuts = [m.start() for m in _WITHIN.finditer(line) if section_kind(m[1].capitalize())]
    return [line[a:b].strip() for a, b in zip([0, *cuts], [*cuts, len(line)], strict=True)]
