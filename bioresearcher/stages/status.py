"""Whether papers were retracted, doubted or corrected, asked of the sources that know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bioresearcher.errors import OutsideError
from bioresearcher.schemas.paper import Failure, Paper, StatusCheck
from bioresearcher.sources.base import StatusSource

ORDER = ("retracted", "concern", "corrected", "ok", "unknown")
"""The worse one counts when sources disagree; that a source knows nothing says nothing."""


async def check_status(
    sources: Sequence[StatusSource], papers: Sequence[Paper], stage: str
) -> tuple[list[Paper], list[StatusCheck], list[Failure]]:
    """The papers with what sources say of them now, a line for each, and sources that could not be asked.

    What was known before is never made better: a notice that a source does not know of stays.

    Args:
        sources: All of them are asked of all papers, side by side.
        papers: Papers with or without identifiers; of one that has none no source knows anything.
        stage: The step that asks, for the failures.
    """
    answers = await asyncio.gather(*(_ask(s, papers, stage) for s in sources))
    failures = [a for a in answers if isinstance(a, Failure)]
    asked = [(s.name, a) for s, a in zip(sources, answers, strict=True) if not isinstance(a, Failure)]
    checked, rows = [], []
    for paper in papers:
        now, said = paper, []
        for name, found in asked:
            if paper.id in found:
                said.append(name)
                now = worse(now, found[paper.id])
        checked.append(now)
        rows.append(StatusCheck(paper_id=paper.id, before=paper.status, now=now.status, sources=tuple(said)))
    return checked, rows, failures


def worse(paper: Paper, found: Paper) -> Paper:
    """The paper with the worse of two states, and the notices of both."""
    status = min(paper.status, found.status, key=ORDER.index)
    notices = tuple(dict.fromkeys((*paper.notices, *found.notices)))
    return paper.model_copy(update={"status": status, "notices": notices})


async def _ask(source: StatusSource, papers: Sequence[Paper], stage: str) -> dict[str, Paper] | Failure:
    try:
        return {p.id: p for p in await source.recheck(papers)}
    except OutsideError as error:
        message = f"retraction status could not be asked of {source.name}: {error.message}"
        return Failure(item=source.name, stage=stage, message=message, hint=error.hint)
