"""Building a paper report from a reader's answers: quotes are located, numbers and names must be in the paper."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bioresearcher.llm.ask import Answer
from bioresearcher.papers.mining import mine_document
from bioresearcher.schemas.ask_literature import OutlinedPart, PaperOutline, PartDraft, ReportStepDraft
from bioresearcher.schemas.base import origin_of
from bioresearcher.schemas.paper import Document, Evidence
from bioresearcher.schemas.paper_report import PaperReport, Parameter, ReportPart, ReportStep, Statement, Suspect
from bioresearcher.stages.passages import find_quote
from bioresearcher.stages.quote_checks import add_quoted_values, versions_of, with_step_ids
from bioresearcher.text.normalise import title_of
from bioresearcher.text.visible import clip
from bioresearcher.text.words import normalised

SHOWN_CHARS = 60
MAX_STEPS = 20
QUOTES_PER_STEP = 6
RESULTS_PER_STEP = 8

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d*\.?\d+")
_WORD = re.compile(r"[^\W\d_]+|\d*\.?\d+")


class StatedValues:
    """Words and numbers of a text, against which reported values are checked.

    Attributes:
        refused: Values that are not in the text, in the order in which they were checked.
    """

    def __init__(self, text: str) -> None:
        self._numbers = set(_numbers(text))
        self._words = set(_words(text))
        self.refused: list[str] = []

    def parameters(self, parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
        """Return the parameters with a name and a value whose numbers are all in the text; each once."""
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
        """Return the names whose words and numbers are all in the text; each once."""
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


class QuoteCount:
    """Counter of quotes offered, located and dropped while a report is built."""

    def __init__(self, document: Document, suspects: Sequence[tuple[int, int]] = ()) -> None:
        self._document = document
        self._suspects = tuple(suspects)
        self.offered = 0
        self.located = 0
        self.dropped: list[str] = []
        self._known: dict[str, Evidence | None] = {}

    def find(self, quotes: tuple[str, ...]) -> tuple[Evidence, ...]:
        """Locate quotes in the document and return its own wording; others are counted as dropped.

        Text withheld from the reader as suspicious is no evidence.
        """
        found = []
        for quote in (q for q in quotes if q.strip()):
            self.offered += 1
            if quote not in self._known:
                self._known[quote] = find_quote(self._document, quote, self._suspects)
            evidence = self._known[quote]
            if evidence is None:
                self.dropped.append(quote[:300])
            else:
                self.located += 1
                found.append(evidence)
        return tuple(dict.fromkeys(found))


def _without(text: str, suspects: Sequence[tuple[int, int]]) -> str:
    """Return a document's text without its suspicious stretches."""
    kept, at = [], 0
    for start, end in suspects:
        kept.append(text[at : max(at, start)])
        at = max(at, end)
    return " ".join([*kept, text[at:]])


class ReportBuilder:
    """Builds a paper report from answers, and records what it leaves out of them."""

    def __init__(self, document: Document, suspects: Sequence[tuple[int, int, Suspect]] = ()) -> None:
        spans = [(start, end) for start, end, _ in suspects]
        self._count = QuoteCount(document, spans)
        self._written = StatedValues(_without(document.text, spans))
        self._mined = tuple(m for m in mine_document(document) if not any(a < m.end and m.start < b for a, b in spans))
        self._surplus = self._repeated = 0

    @property
    def left_out(self) -> list[str]:
        """Descriptions of the values left out."""
        said = [f"{self._surplus} steps, quotes or results beyond the limits left out"] if self._surplus else []
        said += [f"{self._repeated} steps left out that repeat others"] if self._repeated else []
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
        """Build the report of a paper; parts without steps are not in it."""
        built: list[ReportPart] = []
        told: set[tuple[str, ...]] = set()
        for number, (part, draft) in enumerate(zip(parts, drafts, strict=True), 1):
            said = [s for s in self._steps(draft) if self._is_new(s, told)]
            steps = tuple(self._step(f"{number}.{i}", s, draft) for i, s in enumerate(said, 1))
            if steps:
                built.append(ReportPart(id=str(number), title=part.title, purpose=part.purpose, steps=steps))
        return PaperReport(
            paper_id=paper_id,
            title=title,
            parts=tuple(built),
            quotes=self._count.offered,
            quotes_located=self._count.located,
            dropped=tuple(self._count.dropped),
            mined=with_step_ids(self._mined, built),
            origin=origin_of((outline.origin, *(d.origin for d in drafts))),
        )

    def _steps(self, draft: Answer[PartDraft]) -> list[ReportStepDraft]:
        said = [s for s in draft.value.steps if title_of(s.action, s.details)]
        self._surplus += max(0, len(said) - MAX_STEPS)
        return said[:MAX_STEPS]

    def _is_new(self, draft: ReportStepDraft, told: set[tuple[str, ...]]) -> bool:
        """Return True for a step that no earlier one says in the same words from the same quotes."""
        words = (normalised(draft.action), *sorted(normalised(q) for q in draft.quotes if q.strip()))
        if words in told:
            self._repeated += 1
            return False
        told.add(words)
        return True

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
        return add_quoted_values(step, versions_of(self._mined))
