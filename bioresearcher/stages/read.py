"""Reading papers into grounded reports, and judging how far they can be reused."""

from __future__ import annotations

import asyncio
import re

from bioresearcher.library.passages import split
from bioresearcher.library.quotes import locate
from bioresearcher.llm.ask import Answer, Caller, ask
from bioresearcher.llm.offline.text import clip
from bioresearcher.schemas.ask_read import (
    JudgeReferabilityInput,
    OutlinedPart,
    OutlinePaperInput,
    OutlineSection,
    PaperOutline,
    PartDraft,
    ReferabilityDraft,
    ReportPartInput,
    ReportStepDraft,
)
from bioresearcher.schemas.base import origin_of
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document, Evidence, Passage
from bioresearcher.schemas.report import (
    Analysis,
    PartReferability,
    Report,
    ReportPart,
    ReportStep,
    Statement,
)
from bioresearcher.stages.prompts import JUDGE_REFERABILITY, OUTLINE_PAPER, REPORT_PART
from bioresearcher.stages.usable import ask_usable, tell
from bioresearcher.stages.words import known_id, title_of
from bioresearcher.stages.written import Written

PASSAGES_PER_PART = 24
MAX_PARTS = 12
MAX_STEPS = 20
QUOTES_PER_STEP = 6
RESULTS_PER_STEP = 8
_INSTRUCTION = re.compile(
    r"(ignore|disregard|forget)\b.{0,40}\b(instruction|prompt|previous|above)|system prompt"
    r"|you are (now )?an? (ai|assistant|language model)|as an ai\b|</?(system|assistant|instructions?)>"
    r"|\bdata:text/html|reveal .{0,30}(key|secret|prompt)",
    re.I,
)


class QuoteCount:
    """Counts quotes offered, located and dropped while a report is made."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.offered = 0
        self.located = 0
        self.dropped: list[str] = []
        self._known: dict[str, Evidence | None] = {}

    def find(self, quotes: tuple[str, ...]) -> tuple[Evidence, ...]:
        """The quotes that stand in the document, as it has them; others are counted as dropped."""
        found = []
        for quote in (q for q in quotes if q.strip()):
            self.offered += 1
            if quote not in self._known:
                self._known[quote] = locate(self._document, quote)
            evidence = self._known[quote]
            if evidence is None:
                self.dropped.append(quote[:300])
            else:
                self.located += 1
                found.append(evidence)
        return tuple(dict.fromkeys(found))


async def read_paper(caller: Caller, objective: Objective, paper: Paper, document: Document) -> Report:
    """The paper's report: one call for the outline, then one per part that sees only its own passages.

    At most 12 parts of 20 steps. What a model takes from the paper (numbers, data sets, software) must stand in it.

    Raises:
        AnswerError: An answer cannot be used, and there are no rules to answer in its place.
    """
    values = _outline_input(objective, paper, document)
    outline = await ask_usable(caller, OUTLINE_PAPER, values, _no_parts)
    passages = [p for p in split(document) if p.kind != "references"]
    titled = [p.model_copy(update={"title": title_of(p.title)}) for p in outline.value.parts if title_of(p.title)]
    parts = titled[:MAX_PARTS]
    drafts = await asyncio.gather(
        *(
            ask(
                caller,
                REPORT_PART,
                ReportPartInput(
                    objective=objective,
                    paper_title=paper.title,
                    part=part,
                    passages=_passages_for(part, document, passages),
                ),
            )
            for part in parts
        )
    )
    made = _Making(document, [p.id for p in passages if _INSTRUCTION.search(p.text)])
    report = await asyncio.to_thread(made.report, paper, outline, parts, drafts)
    surplus = len(titled) - len(parts)
    tell(caller, OUTLINE_PAPER, f"{paper.id}: {surplus} of {len(titled)} parts left out" if surplus else "")
    tell(caller, REPORT_PART, f"{paper.id}: {'; '.join(made.left_out)}" if made.left_out else "")
    return report


def _no_parts(outline: PaperOutline) -> str:
    return "" if any(title_of(p.title) for p in outline.parts) else "it has no part with a title"


class _Making:
    """Makes a report of answers; knows what it left out of them."""

    def __init__(self, document: Document, suspicious: list[str]) -> None:
        self._count = QuoteCount(document)
        self._written = Written(document.text)
        self._suspicious = tuple(suspicious)
        self._surplus = 0

    @property
    def left_out(self) -> list[str]:
        """What was left out, in words."""
        said = [f"{self._surplus} steps, quotes or results beyond the limits left out"] if self._surplus else []
        unwritten = self._written.refused
        return said + ([f"left out as not written in the paper: {'; '.join(unwritten[:12])}"] if unwritten else [])

    def report(
        self, paper: Paper, outline: Answer[PaperOutline], parts: list[OutlinedPart], drafts: list[Answer[PartDraft]]
    ) -> Report:
        """The report of a paper; parts without steps are not in it."""
        made = []
        for number, (part, draft) in enumerate(zip(parts, drafts, strict=True), 1):
            steps = tuple(self._step(f"{number}.{i}", s, draft) for i, s in enumerate(self._steps(draft), 1))
            if steps:
                made.append(ReportPart(id=str(number), title=part.title, purpose=part.purpose, steps=steps))
        return Report(
            paper_id=paper.id,
            title=paper.title,
            parts=tuple(made),
            quotes=self._count.offered,
            quotes_located=self._count.located,
            dropped=tuple(self._count.dropped),
            suspicious=self._suspicious,
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
        return ReportStep(
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


def _outline_input(objective: Objective, paper: Paper, document: Document) -> OutlinePaperInput:
    sections = []
    for number, section in enumerate(document.sections):
        if section.kind == "references":
            continue
        text = document.text[section.start : section.end].strip()
        sections.append(
            OutlineSection(number=number, title=section.title, kind=section.kind, opening=" ".join(text.split())[:300])
        )
    return OutlinePaperInput(
        objective=objective, title=paper.title, abstract=paper.abstract, sections=tuple(sections[:150])
    )


def _passages_for(part: OutlinedPart, document: Document, passages: list[Passage]) -> tuple[Passage, ...]:
    """Passages inside the part's sections, in order; a part that names no valid section sees the methods."""
    spans = [document.sections[n] for n in part.sections if 0 <= n < len(document.sections)]
    chosen = [p for p in passages if any(s.start <= p.start and p.end <= s.end for s in spans)]
    if not chosen:
        chosen = [p for p in passages if p.kind == "methods"] or passages
    return tuple(chosen[:PASSAGES_PER_PART])


async def analyse_report(caller: Caller, objective: Objective, report: Report, datasets: tuple[str, ...]) -> Analysis:
    """Referability of each part; the level is computed from closed answers, and a part not answered for is `low`.

    Raises:
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
    """
    if not report.parts:
        return Analysis(paper_id=report.paper_id, parts=(), origin=report.origin)
    values = JudgeReferabilityInput(objective=objective, report=report, datasets=datasets)
    ids = [p.id for p in report.parts]

    def problem(draft: ReferabilityDraft) -> str:
        return "" if any(known_id(a.part_id, ids) for a in draft.parts) else "it answers for no part of the report"

    draft = await ask_usable(caller, JUDGE_REFERABILITY, values, problem)
    answers = {known_id(a.part_id, ids): a for a in reversed(draft.value.parts)}
    parts = []
    for part in report.parts:
        answer = answers.get(part.id)
        if answer is None:
            missing = PartReferability(part_id=part.id, level="low", reason="not judged", reuse="", change="")
            parts.append(missing)
            continue
        supported = any(step.supported for step in part.steps)
        parts.append(
            PartReferability(
                part_id=part.id,
                level=answer.level if supported else "low",
                reason=answer.reason if supported else f"no quote of it was found in the paper. {answer.reason}",
                reuse=answer.reuse,
                change=answer.change,
            )
        )
    return Analysis(paper_id=report.paper_id, parts=tuple(parts), origin=draft.origin)
