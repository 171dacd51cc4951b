"""Rule that reads whether a paper reports the relation a question asks for: only what stands in one plain sentence.

A sentence counts that names the measure and says a direction of risk, or denies an association. Everything else is
not reported, because words alone do not tell more.
"""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.analysis.direction_words import risk_direction
from bioresearcher.schemas.answer import Relation
from bioresearcher.schemas.ask_answer import ComparePapersInput, PaperReadingDraft, PapersCompared
from bioresearcher.text.words import sentences

_DENIED: Final = re.compile(
    r"\b(?:not|no|nor|without) (?:\w+ ){0,3}(?:associat|correlat|differen|predict|prognostic)\w*", re.IGNORECASE
)
_MOST_CHARS: Final = 500


def compare_papers(values: ComparePapersInput) -> PapersCompared:
    """Read the passages sentence by sentence; the first telling sentence of a paper decides."""
    found: dict[str, PaperReadingDraft] = {}
    for passage in values.passages:
        relation, said = _reading(passage.text, values)
        if said and passage.document not in found:
            found[passage.document] = PaperReadingDraft(
                paper_id=passage.document, relation=relation, text=said, quotes=(said,)
            )
    others = dict.fromkeys(p.document for p in values.passages if p.document not in found)
    return PapersCompared(
        papers=(*found.values(), *(PaperReadingDraft(paper_id=p, relation="not reported") for p in others))
    )


def _reading(text: str, values: ComparePapersInput) -> tuple[Relation, str]:
    names = [w for n in values.names for w in re.split(r"[\W_]+", n) if len(w) > 2 and w.casefold() not in _COMMON]
    if values.question.kind != "time to event" or not names:
        return "not reported", ""
    for start, end in sentences(text):
        said = text[start:end].strip()
        if len(said) > _MOST_CHARS or not any(re.search(rf"\b{re.escape(n)}", said, re.IGNORECASE) for n in names):
            continue
        way = risk_direction(said)
        denied = bool(_DENIED.search(said))
        if denied:
            return ("agrees" if values.higher is None else "disagrees"), said
        if way:
            return ("agrees" if values.higher is not None and (way > 0) == values.higher else "disagrees"), said
    return "not reported", ""


_COMMON: Final = frozenset(
    "hallmark targets target signature score genes gene set response early late pathway signaling".split()
)
