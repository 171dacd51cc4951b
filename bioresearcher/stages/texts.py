"""Which text of a paper is read: open JATS first, then the researcher's own file, then title and abstract."""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.errors import OutsideError
from bioresearcher.library.canonical import UnreadablePaper
from bioresearcher.library.records import record_document
from bioresearcher.schemas.paper import Failure, Paper
from bioresearcher.schemas.passage import Document
from bioresearcher.sources.base import FullTextSource, LiteratureSource

OWN_FIRST = ("jats", "note")
"""Kinds of own files that are read whatever services have: JATS is the best there is, and a note is meant."""


async def best_text(sources: Sequence[LiteratureSource], paper: Paper) -> tuple[Document, list[Failure]]:
    """The best text of a paper that can be had, and sources that could not be asked for a better one.

    Raises:
        UnreadablePaper: There is neither a text nor an abstract.
        OutsideError: The paper's own source cannot be read.
    """
    own = [s for s in sources if s.name == paper.source == "own"]
    if own and paper.kind in OWN_FIRST:
        return await _own_text(own, paper), []
    failures = []
    for source in sources:
        if isinstance(source, FullTextSource):
            try:
                document = await source.full_text(paper)
            except OutsideError as error:
                message = f"full text could not be asked of {source.name}: {error.message}"
                failures.append(Failure(item=source.name, stage="read_paper", message=message, hint=error.hint))
                continue
            if document is not None:
                return document, failures
    if own:
        try:
            return await _own_text(own, paper), failures
        except UnreadablePaper:
            if not paper.abstract:
                raise
    return record_document(paper), failures


async def _own_text(sources: Sequence[LiteratureSource], paper: Paper) -> Document:
    """The text from the first of the researcher's sources that has the paper.

    Raises:
        UnreadablePaper: None of them has it.
    """
    for source in sources[:-1]:
        try:
            return await source.fetch(paper.id)
        except UnreadablePaper:
            continue
    return await sources[-1].fetch(paper.id)
