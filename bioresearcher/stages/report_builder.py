"""Answers of a reader made into a report: every quote located, every number and name written in the paper.

Whether what a reader took from a paper is written there: its numbers, and the names of data sets and software.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bioresearcher.llm.ask import Answer
from bioresearcher.papers.mining import mine_document
from bioresearcher.papers.quotes import locate
from bioresearcher.schemas.ask_literature import OutlinedPart, PaperOutline, PartDraft, ReportStepDraft
from bioresearcher.schemas.base import origin_of
from bioresearcher.schemas.paper import Document, Evidence
from bioresearcher.schemas.paper_report import PaperReport, Parameter, ReportPart, ReportStep, Statement, Suspect
from bioresearcher.stages.quote_checks import carried, complete, versions_of
from bioresearcher.text.normalise import title_of
from bioresearcher.text.visible import clip

SHOWN_CHARS = 60

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d*\.?\d+")
_WORD = re.compile(r"[^\W\d_]+|\d*\.?\d+")


class StatedValues:
    """The words and numbers of a text.

    Attributes:
        refused: What was found not to stand in it, in the order in which it was asked for.
    """

    def __init__(self, text: str) -> None:
        self._numbers = set(_numbers(text))
        self._words = set(_words(text))
        self.refused: list[str] = []

    def parameters(self, parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
        """Those with a name and a value whose numbers all stand in the text; each once."""
        kept = []
        for parameter in dict.fromkeys(parameters):
            if not parameter.name.strip() or not parameter.value.strip():
                continue
            if self._numbers.issuperset(_numbers(parameter.value)):
                kept.append(parameter)
            else:
                self.refused.append(clip(f"{parameter.name} = {parameter.value}", SHOWN_CHARS))
        return tuple(kept)

    def names(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those whose words and numbers all stand in the text; each once."""
        kept = []
        for name in dict.fromkeys(n.strip() for n in names):
            if name and self._words.issuperset(_words(name)):
                kept.append(name)
            elif name:
                self.refused.append(clip(name, SHOWN_CHARS))
        return tuple(kept)


def _numbers(text: str) -> list[float]:
    return [float(n) for n in _NUMBER.findall(_THOUSANDS.sub("", text))]


def _words(text: str) -> list[str | float]:
    found = _WORD.findall(_THOUSANDS.sub("", text.casefold()))
    return [float(w) if w[-1].isdigit() else w for w in found]


MAX_STEPS = 20
QUOTES_PER_STEP = 6
RESULTS_PER_STEP = 8


class QuoteCount:
    """Counts quotes offered, located and dropped while a report is made."""

    def __init__(self, document: Document, suspects: Sequence[tuple[int, int]] = ()) -> None:
        self._document = document
        self._suspects = tuple(suspects)
        self.offered = 0
        self.located = 0
        self.dropped: list[str] = []
        self._known: dict[str, Evidence | None] = {}

    def find(self, quotes: tuple[str, ...]) -> tuple[Evidence, ...]:
        """The quotes that stand in the document, as it has them; others are counted as dropped.

        What was withheld from the reader as suspicious is no evidence.
        """
        found = []
        for quote in (q for q in quotes if q.strip()):
            self.offered += 1
            if quote not in self._known:
                self._known[quote] = self._locate(quote)
            evidence = self._known[quote]
            if evidence is None:
                self.dropped.append(quote[:300])
            else:
                self.located += 1
                found.append(evidence)
        return tuple(dict.fromkeys(found))

    def _locate(self, quote: str) -> Evidence | None:
        evidence = locate(self._document, quote)
        if evidence and any(start < evidence.end and evidence.start < end for start, end in self._suspects):
            return None
        return evidence


def _honest(text: str, suspects: Sequence[tuple[int, int]]) -> str:
    """A document's text without its suspicious stretches."""
    kept, at = [], 0
    for start, end in suspects:
        kept.append(text[at : max(at, start)])
        at = max(at, end)
    return " ".join([*kept, text[at:]])


class ReportBuilder:
    """Makes a report of answers; knows what it left out of them."""

    def __init__(self, document: Document, suspects: Sequence[tuple[int, int, Suspect]] = ()) -> None:
        spans = [(start, end) for start, end, _ in suspects]
        self._count = QuoteCount(document, spans)
        self._written = StatedValues(_honest(document.text, spans))
        self._mined = tuple(m for m in mine_document(document) if not any(a < m.end and m.start < b for a, b in spans))
        self._surplus = 0

    @property
    def left_out(self) -> list[str]:
        """What was left out, in words."""
        said = [f"{self._surplus} steps, quotes or results beyond the limits left out"] if self._surplus else []
        unwritten = self._written.refused
        return said + ([f"left out as not written in the paper: {'; '.join(unwritten[:12])}"] if unwritten else [])

    def report(
        self,
        paper_id: str,
        title: str,
        outline: Answer[PaperOutline],
        parts: Sequence[OutlinedPart],
        drafts: Sequence[Answer[PartDraft]],
    ) -> PaperReport:
        """The report of a paper; parts without steps are not in it."""
        made: list[ReportPart] = []
        for number, (part, draft) in enumerate(zip(parts, drafts, strict=True), 1):
            steps = tuple(self._step(f"{number}.{i}", s, draft) for i, s in enumerate(self._steps(draft), 1))
            if steps:
                made.append(ReportPart(id=str(number), title=part.title, purpose=part.purpose, steps=steps))
        return PaperReport(
            paper_id=paper_id,
            title=title,
            parts=tuple(made),
            quotes=self._count.offered,
            quotes_located=self._count.located,
            dropped=tuple(self._count.dropped),
            mined=carried(self._mined, made),
            origin=origin_of((outline.origin, *(d.origin for d in drafts))),
        )

    def _steps(self, draft: Answer[PartDraft]) -> list[ReportStepDraft]:
        said = [s for s in draft.value.steps if title_of(s.action, s.details)]
        self._surplus += max(0, len(said) - MAX_STEPS)
        return said[:MAX_STEPS]

    def _step(self, step_id: str, draft: ReportStepDraft, answer: Answer[PartDraft]) -> ReportStep:
        quotes, stated = draft.quotes[:QUOTES_PER_STEP], draft.results[:RESULTS_PER_STEP]
        self._surplus += len(draft.quotes) - len(quotes) + len(draft.results) - len(stated)
        evidence = self._count.find(quotes)
        results = []
        for result in stated:
            located = self._count.find((result.quote,))
            if located and result.text.strip():
                results.append(Statement(text=result.text, evidence=located))
        by_rule = answer.origin == "offline"
        step = ReportStep(
            id=step_id,
            action=draft.action if draft.action.strip() else clip(draft.details, 300),
            details=draft.details,
            parameters=draft.parameters if by_rule else self._written.parameters(draft.parameters),
            datasets=draft.datasets if by_rule else self._written.names(draft.datasets),
            software=draft.software if by_rule else self._written.names(draft.software),
            evidence=evidence,
            results=tuple(results),
            supported=bool(evidence),
        )
        return complete(step, versions_of(self._mined))
