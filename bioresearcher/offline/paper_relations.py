"""Rule that reads whether a paper reports the relation a question asks for: only what stands in one plain sentence.

A sentence counts that names the measure and says a direction: of risk, between both groups, or of the tie to the other
column, which it names, too. Of times to events it may also deny an association. Everything else is not reported,
because words alone do not tell more.
"""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.analysis.direction_words import group_direction, risk_direction, tie_direction
from bioresearcher.analysis.group_words import group_pattern
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
    names = names_of(values)
    if values.question.kind not in ("time to event", "difference", "association") or not names:
        return "not reported", ""
    for start, end in sentences(text):
        said = text[start:end].strip()
        if len(said) > _MOST_CHARS or not any(re.search(rf"\b{re.escape(n)}", said, re.IGNORECASE) for n in names):
            continue
        way = direction_of(said, values)
        denied = values.question.kind == "time to event" and bool(_DENIED.search(said))
        if denied:
            return ("agrees" if values.higher is None else "disagrees"), said
        if way:
            return ("agrees" if values.higher is not None and (way > 0) == values.higher else "disagrees"), said
    return "not reported", ""


def names_of(values: ComparePapersInput) -> list[str]:
    """Return the words by which a text may name the measure."""
    words = (w for n in values.names for w in re.split(r"[\W_]+", n))
    return [w for w in words if len(w) > 2 and w.casefold() not in _COMMON]


def direction_of(said: str, values: ComparePapersInput) -> int:
    """Return 1 or -1 where a text plainly says the direction that the question asks for, else 0."""
    q = values.question
    if q.kind == "time to event":
        return risk_direction(said)
    if q.kind == "difference":
        case, control = group_pattern(q.column, q.case, q.control), group_pattern(q.column, q.control, q.case)
        return group_direction(said, names_of(values), case, control)
    others = [w for w in re.split(r"[\W_]+", q.labels.get(q.column, q.column)) if len(w) > 2]
    named = bool(others) and all(re.search(rf"\b{re.escape(w)}", said, re.IGNORECASE) for w in others)
    return tie_direction(said) if q.kind == "association" and named else 0


_COMMON: Final = frozenset(
    "hallmark targets target signature score genes gene set response early late pathway signaling".split()
)
