"""Objections of the checks to a sentence: those that decide, and those that a reader may overrule.

A number is certain to be wrong where neither it nor a sum, difference, share or multiple of the findings' numbers is
what the sentence says, at the digits it gives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from bioresearcher.execution.output_tables import in_other_units, of_two
from bioresearcher.papers.injection import suspicion
from bioresearcher.schemas.ask_answer import AnsweredQuestion, CitedFinding, LineDraft
from bioresearcher.stages.answer_check import MOST_CHARS, advised, caused, why_left_out

MOST_NUMBERS: Final = 80
"""Numbers that are added, divided and so on, two by two."""
_NUMBER: Final = re.compile(
    r"(?<![\w.,-])[-−–+]?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:[eE]([-−]?\d+))?(?![\w]|[.,]\d|-\w)"
)
_IN_FINDING: Final = re.compile(r"(?<![A-Za-z_\d.])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:[eE]([-−+]?\d+))?")


@dataclass(frozen=True)
class Objection:
    """A check's objection to a sentence; a `certain` one decides, another is a reader's to judge where there is one."""

    why: str
    certain: bool


def objection_to(draft: LineDraft, question: AnsweredQuestion, findings: Sequence[CitedFinding]) -> Objection | None:
    """Return what a check has against a sentence, a certain objection first; None when no check fails.

    Certain are a finding that is not there, advice, a cause, hidden instructions, and a number that no plain arithmetic
    on its findings gives. Whose number it is, directions, names and strength are read off words, and may be misread.
    """
    why = why_left_out(draft, question, findings)
    if not why:
        return None
    cited = [f for f in findings if f.id in draft.findings]
    unread = not cited or len(cited) < len(set(draft.findings)) or bool(suspicion(draft.text))
    certain = advised(draft.text) or caused(draft.text, question) or strange_number(draft.text, cited)
    role = draft.role == "result" and all(f.role == "robustness" and f.result is None for f in cited)
    if unread or role or not draft.text.strip() or len(draft.text) > MOST_CHARS:
        return Objection(why, certain=True)
    return Objection(certain or why, certain=bool(certain))


def strange_number(text: str, cited: Sequence[CitedFinding]) -> str:
    """Return the reason why a number of a sentence is certain to be none of its findings'; empty when there is none."""
    stated = list(dict.fromkeys(v for f in cited for v in _numbers_of(f)))
    counted = {float(n) for f in cited for n in f.counts.values()}
    for match in _NUMBER.finditer(text):
        said = _value(match[1], match[2])
        half = 0.5 * _value(
            "1" if "." not in match[1] else f"0.{'0' * (len(match[1].partition('.')[2]) - 1)}1", match[2]
        )
        if said not in counted and not any(abs(said - v) <= half * 1.02 for v in _plain_arithmetic(stated)):
            return f"{match[0].strip()} is in none of its findings, nor does plain arithmetic on them give it"
    return ""


def _plain_arithmetic(known: Sequence[float]) -> Iterator[float]:
    """Numbers, in other units, and what two of the first give: sum, difference, share, multiple, change in per cent."""
    for a in known:
        yield 2 * a
        yield from in_other_units(a)
    for a, b in permutations(known[:MOST_NUMBERS], 2):
        yield from of_two(a, b)


def _numbers_of(finding: CitedFinding) -> Iterator[float]:
    """The numbers of a finding, without signs: of its statement, its values and its result."""
    result = finding.result.model_dump_json() if finding.result is not None else ""
    for text in (finding.statement, *(str(v) for v in finding.values.values()), result):
        yield from (_value(m[1], m[2]) for m in _IN_FINDING.finditer(text))


def _value(digits: str, power: str | None) -> float:
    number = float(f"{digits.replace(',', '')}e{(power or '0').replace('−', '-')}")
    return number if math.isfinite(number) else 0.0
