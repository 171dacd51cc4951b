"""Reading papers into grounded reports, and judging how far they can be reused."""

from __future__ import annotations

import asyncio
import re

from bioresearcher.library.passages import split
from bioresearcher.library.quotes import locate
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.schemas.ask_read import (
    JudgeReferabilityInput,
    OutlinedPart,
    OutlinePaperInput,
    OutlineSection,
    ReportPartInput,
    ReportStepDraft,
)
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

PASSAGES_PER_PART = 24
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

    def find(self, quotes: tuple[str, ...]) -> tuple[Evidence, ...]:
        """The quotes that stand in the document, as it has them; others are counted as dropped."""
        found = []
        for quote in quotes:
            self.offered += 1
            evidence = locate(self._document, quote)
            if evidence is None:
                self.dropped.append(quote[:300])
            else:
                self.located += 1
                found.append(evidence)
        return tuple(dict.fromkeys(found))


async def read_paper(caller: Caller, objective: Objective, paper: Paper, document: Document) -> Report:
    """The paper's report: one call for the outline, then one per part that sees only its own passages."""
    outline = await ask(caller, OUTLINE_PAPER, _outline_input(objective, paper, document))
    passages = [p for p in split(document) if p.kind != "references"]
    parts = [p for p in outline.parts if p.title.strip()][:12]
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
    count = QuoteCount(document)
    made = tuple(
        ReportPart(
            id=str(number),
            title=part.title,
            purpose=part.purpose,
            steps=tuple(_step(f"{number}.{i}", step, count) for i, step in enumerate(draft.steps, 1)),
        )
        for number, (part, draft) in enumerate(zip(parts, drafts, strict=True), 1)
        if draft.steps
    )
    return Report(
        paper_id=paper.id,
        title=paper.title,
        parts=made,
        quotes=count.offered,
        quotes_located=count.located,
        dropped=tuple(count.dropped),
        suspicious=tuple(p.id for p in passages if _INSTRUCTION.search(p.text)),
        origin=caller.origin,
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


def _step(step_id: str, draft: ReportStepDraft, count: QuoteCount) -> ReportStep:
    evidence = count.find(draft.quotes)
    results = []
    for result in draft.results:
        located = count.find((result.quote,))
        if located:
            results.append(Statement(text=result.text, evidence=located))
    return ReportStep(
        id=step_id,
        action=draft.action,
        details=draft.details,
        parameters=draft.parameters,
        datasets=draft.datasets,
        software=draft.software,
        evidence=evidence,
        results=tuple(results),
        supported=bool(evidence),
    )


async def analyse_report(caller: Caller, objective: Objective, report: Report, datasets: tuple[str, ...]) -> Analysis:
    """Referability of each part; the level is computed from closed answers, and a part not answered for is `low`."""
    values = JudgeReferabilityInput(objective=objective, report=report, datasets=datasets)
    draft = await ask(caller, JUDGE_REFERABILITY, values)
    answers = {a.part_id: a for a in draft.parts}
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
    return Analysis(paper_id=report.paper_id, parts=tuple(parts), origin=caller.origin)
