"""Reading papers into grounded reports, and judging how far they can be reused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bioresearcher.library.canonical import section_text
from bioresearcher.library.passages import split
from bioresearcher.library.suspicion import find_suspects, suspicion, withheld, without_suspects
from bioresearcher.llm.ask import Caller, ask
from bioresearcher.schemas.ask_read import (
    JudgeReferabilityInput,
    OutlinePaperInput,
    OutlineSection,
    PaperOutline,
    PartAnswers,
    ReferabilityDraft,
    ReportPartInput,
)
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document, Passage
from bioresearcher.schemas.report import Analysis, Level, PartReferability, Report, ReportPart, Suspect
from bioresearcher.stages.grounding import Making
from bioresearcher.stages.prompts import JUDGE_REFERABILITY, OUTLINE_PAPER, REPORT_PART
from bioresearcher.stages.relevant import Relevance
from bioresearcher.stages.usable import ask_usable, tell
from bioresearcher.text.normalise import known_id, title_of
from bioresearcher.text.words import Similarity

MAX_PARTS = 12
MAX_SECTIONS = 150
OPENING_CHARS = 300
LEGEND_CHARS = 500
LEVELS: tuple[Level, ...] = ("high", "medium", "low")

_Suspects = Sequence[tuple[int, int, Suspect]]


async def read_paper(
    caller: Caller, objective: Objective, paper: Paper, document: Document, similarity: Similarity | None = None
) -> Report:
    """The paper's report: one call for the outline, then one per part that sees only its own passages.

    `similarity` helps to choose passages where a part's sections are long; without it words alone decide.

    At most 12 parts of 20 steps. What a model takes from the paper (numbers, data sets, software) must stand in it.
    What is written for a model and not for a reader is withheld, and said in the report.

    Raises:
        AnswerError: An answer cannot be used, and there are no rules to answer in its place.
    """
    seen = await asyncio.to_thread(_Seen, paper, document)
    values = seen.outline_input(objective)
    outline, (relevance, made) = await asyncio.gather(
        ask_usable(caller, OUTLINE_PAPER, values, _no_parts), asyncio.to_thread(seen.prepare, similarity)
    )
    titled = [p.model_copy(update={"title": title_of(p.title)}) for p in outline.value.parts if title_of(p.title)]
    parts = titled[:MAX_PARTS]
    chosen = await asyncio.to_thread(lambda: [relevance.passages_for(part, parts=len(parts)) for part in parts])
    drafts = await asyncio.gather(
        *(
            ask(
                caller,
                REPORT_PART,
                ReportPartInput(
                    objective=objective,
                    paper_title=seen.title,
                    part=part,
                    passages=passages,
                ),
            )
            for part, passages in zip(parts, chosen, strict=True)
        )
    )
    report = await asyncio.to_thread(made.report, paper.id, seen.title, outline, parts, drafts)
    surplus = len(titled) - len(parts)
    tell(caller, OUTLINE_PAPER, f"{paper.id}: {surplus} of {len(titled)} parts left out" if surplus else "")
    tell(caller, REPORT_PART, f"{paper.id}: {'; '.join(made.left_out)}" if made.left_out else "")
    return report.model_copy(update={"suspicious": seen.flagged, "suspects": seen.told})


def _no_parts(outline: PaperOutline) -> str:
    return "" if any(title_of(p.title) for p in outline.parts) else "it has no part with a title"


class _Seen:
    """What of a paper a reader gets to see: all but its references and what was written for a model."""

    def __init__(self, paper: Paper, document: Document) -> None:
        self._document = document
        self.suspects: _Suspects = find_suspects(document)
        self._spans = [(start, end) for start, end, _ in self.suspects]
        whole = [p for p in split(document) if p.kind != "references"]
        odd = {s.title for s in document.sections if suspicion(s.title)}
        named = [p.model_copy(update={"section": ""}) if p.section in odd else p for p in whole]
        shown = {p.id: withheld(p, self._spans) for p in named}
        self.flagged = tuple(p.id for p in named if shown[p.id] is not p)
        self._passages = [p for p in shown.values() if p is not None]
        abstract = paper.abstract or section_text(document, ["abstract"])
        self.title = title_of(without_suspects(paper.title), paper.id)
        self._abstract = without_suspects(abstract)
        outside = [Suspect(reason=suspicion(t), text=t[:160]) for t in (paper.title, paper.abstract) if suspicion(t)]
        self.told = (*outside, *(s for _, _, s in self.suspects))

    def prepare(self, similarity: Similarity | None) -> tuple[Relevance, Making]:
        """What is needed once the outline is there; made while it is waited for."""
        return Relevance(self._document, self._passages, similarity), Making(self._document, self.suspects)

    def outline_input(self, objective: Objective) -> OutlinePaperInput:
        """Headings with what follows them, the abstract, and the legends at more length."""
        sections = []
        known = {"references", "title"} if self._document.kind == "record" else {"references", "title", "abstract"}
        for number, section in enumerate(self._document.sections):
            if section.kind in known:
                continue
            length = LEGEND_CHARS if section.kind == "legend" else OPENING_CHARS
            opening = " ".join(self._shown(section.start, section.end)[: 2 * length].split())[:length]
            title = section.title if not suspicion(section.title) else ""
            sections.append(OutlineSection(number=number, title=title, kind=section.kind, opening=opening))
        return OutlinePaperInput(
            objective=objective, title=self.title, abstract=self._abstract, sections=tuple(sections[:MAX_SECTIONS])
        )

    def _shown(self, start: int, end: int) -> str:
        whole = Passage(
            id="", document="", section="", kind="other", start=start, end=end, text=self._document.text[start:end]
        )
        shown = withheld(whole, self._spans)
        return shown.text if shown else ""


async def analyse_report(caller: Caller, objective: Objective, report: Report, datasets: tuple[str, ...]) -> Analysis:
    """Referability of each part; the level is computed from closed answers, and a part not answered for is `low`.

    The paper's own level is that of its best part. A part's data sets carry over when its method fits the data at hand.

    Raises:
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
    """
    if not report.parts:
        return Analysis(paper_id=report.paper_id, parts=(), origin=report.origin, reason="no part was read from it")
    values = JudgeReferabilityInput(objective=objective, report=report, datasets=datasets)
    ids = [p.id for p in report.parts]

    def problem(draft: ReferabilityDraft) -> str:
        return "" if any(known_id(a.part_id, ids) for a in draft.parts) else "it answers for no part of the report"

    draft = await ask_usable(caller, JUDGE_REFERABILITY, values, problem)
    answers = {known_id(a.part_id, ids): a for a in reversed(draft.value.parts)}
    parts = tuple(_referability(part, answers.get(part.id)) for part in report.parts)
    level = min((p.level for p in parts), key=LEVELS.index)
    best = next(p for p in parts if p.level == level)
    counts = ", ".join(f"{n} {name}" for name in LEVELS if (n := sum(p.level == name for p in parts)))
    return Analysis(
        paper_id=report.paper_id,
        parts=parts,
        origin=draft.origin,
        level=level,
        reason=f"Of {len(parts)} parts {counts}; best is part {best.part_id}: {best.reason}",
        datasets=tuple(dict.fromkeys(d for p in parts for d in p.datasets)),
    )


def _referability(part: ReportPart, answer: PartAnswers | None) -> PartReferability:
    """What was answered for a part; never above `low` without a quote of it."""
    if answer is None:
        return PartReferability(part_id=part.id, level="low", reason="not judged", reuse="", change="")
    steps = [step for step in part.steps if step.supported]
    carries = answer.same_kind_of_data and answer.same_question
    return PartReferability(
        part_id=part.id,
        level=answer.level if steps else "low",
        reason=answer.reason if steps else f"no quote of it was found in the paper. {answer.reason}",
        reuse=answer.reuse,
        change=answer.change,
        datasets=tuple(dict.fromkeys(d for s in steps for d in s.datasets)) if carries else (),
    )
