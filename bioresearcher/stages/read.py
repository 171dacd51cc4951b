"""Reading papers: the best text of each, its grounded paper report, and how far the report can be reused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bioresearcher.errors import OutsideError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.papers.canonical import UnreadablePaper, section_text
from bioresearcher.papers.identifiers import record_document
from bioresearcher.papers.injection import find_suspects, redacted_passage, redacted_text, suspicion
from bioresearcher.schemas.ask_literature import (
    JudgeReferabilityInput,
    OutlinePaperInput,
    OutlineSection,
    PaperOutline,
    PartAnswers,
    ReferabilityDraft,
    ReportPartInput,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import Document, Failure, Paper, Passage
from bioresearcher.schemas.paper_report import (
    Level,
    PaperReport,
    PartReferability,
    ReferabilityAnalysis,
    ReportPart,
    Suspect,
)
from bioresearcher.sources.protocols import FullTextSource, LiteratureSource
from bioresearcher.stages.fallback import ask_usable, note
from bioresearcher.stages.passages import Relevance, readable
from bioresearcher.stages.prompts import JUDGE_REFERABILITY, OUTLINE_PAPER, REPORT_PART
from bioresearcher.stages.report_builder import ReportBuilder
from bioresearcher.text.normalise import known_id, title_of
from bioresearcher.text.words import Similarity

MAX_PARTS = 12
MAX_SECTIONS = 150
OPENING_CHARS = 300
LEGEND_CHARS = 500
LEVELS: tuple[Level, ...] = ("high", "medium", "low")

OWN_FIRST = ("jats", "note")
"""Kinds of own files that are read before services are asked: JATS is the best source, and a note is intended."""

_Suspects = Sequence[tuple[int, int, Suspect]]


async def best_text(sources: Sequence[LiteratureSource], paper: Paper) -> tuple[Document, list[Failure]]:
    """Return the best text of a paper, and the sources that could not be asked for a better one.

    Open JATS comes first, then the researcher's own file, then title and abstract.

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
    """Return the text from the first of the researcher's sources that has the paper.

    Raises:
        UnreadablePaper: None of them has it.
    """
    for source in sources[:-1]:
        try:
            return await source.fetch(paper.id)
        except UnreadablePaper:
            continue
    return await sources[-1].fetch(paper.id)


async def read_paper(
    caller: ModelClient, objective: Objective, paper: Paper, document: Document, similarity: Similarity | None = None
) -> PaperReport:
    """Read a paper into its report: one call for the outline, then one per part that sees only its own passages.

    `similarity` helps to choose passages where a part's sections are long; without it words alone decide.

    At most 12 parts of 20 steps. Numbers, data sets and software that a model reports must be in the paper.
    Sentences written for a model and not for a reader are withheld, and listed in the report.

    Raises:
        AnswerError: An answer cannot be used, and there are no rules to answer in its place.
    """

    def problem(draft: PaperOutline) -> str:
        return "" if any(title_of(p.title) for p in draft.parts) else "it has no part with a title"

    seen = await asyncio.to_thread(_VisiblePaper, paper, document)
    values = seen.outline_input(objective)
    outline, (relevance, builder) = await asyncio.gather(
        ask_usable(caller, OUTLINE_PAPER, values, problem), asyncio.to_thread(seen.prepare, similarity)
    )
    titled = [p.model_copy(update={"title": title_of(p.title)}) for p in outline.value.parts if title_of(p.title)]
    parts = titled[:MAX_PARTS]
    chosen = await asyncio.to_thread(lambda: [relevance.passages_for(part, parts=len(parts)) for part in parts])
    drafts = await asyncio.gather(
        *(
            ask(caller, REPORT_PART, ReportPartInput(objective=objective, paper_title=seen.title, part=p, passages=c))
            for p, c in zip(parts, chosen, strict=True)
        )
    )
    report = await asyncio.to_thread(builder.report, paper.id, seen.title, outline, parts, drafts)
    surplus = len(titled) - len(parts)
    note(caller, OUTLINE_PAPER, f"{paper.id}: {surplus} of {len(titled)} parts left out" if surplus else "")
    note(caller, REPORT_PART, f"{paper.id}: {'; '.join(builder.left_out)}" if builder.left_out else "")
    return report.model_copy(update={"suspicious": seen.flagged, "suspects": seen.reported})


class _VisiblePaper:
    """The part of a paper that a reader sees: all but its references and sentences written for a model."""

    def __init__(self, paper: Paper, document: Document) -> None:
        self._document = document
        self.suspects: _Suspects = find_suspects(document)
        self._spans = [(start, end) for start, end, _ in self.suspects]
        self._passages, flagged = readable(document, self._spans)
        self.flagged = tuple(flagged)
        abstract = paper.abstract or section_text(document, ["abstract"])
        self.title = title_of(redacted_text(paper.title), paper.id)
        self._abstract = redacted_text(abstract)
        outside = [Suspect(reason=suspicion(t), text=t[:160]) for t in (paper.title, paper.abstract) if suspicion(t)]
        self.reported = (*outside, *(s for _, _, s in self.suspects))

    def prepare(self, similarity: Similarity | None) -> tuple[Relevance, ReportBuilder]:
        """Make the tools for the parts; done while the outline is awaited."""
        return Relevance(self._document, self._passages, similarity), ReportBuilder(self._document, self.suspects)

    def outline_input(self, objective: Objective) -> OutlinePaperInput:
        """Return the headings with the text after them, the abstract, and the legends at more length."""
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
        text = self._document.text[start:end]
        whole = Passage(id="", document="", section="", kind="other", start=start, end=end, text=text)
        shown = redacted_passage(whole, self._spans)
        return shown.text if shown else ""


async def analyse_report(
    caller: ModelClient, objective: Objective, report: PaperReport, datasets: tuple[str, ...]
) -> ReferabilityAnalysis:
    """Judge the referability of each part; levels are computed from closed answers, a part without any is `low`.

    The paper's own level is that of its best part. A part's data sets carry over when its method fits the data at hand.

    Raises:
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
    """
    if not report.parts:
        return ReferabilityAnalysis(
            paper_id=report.paper_id, parts=(), origin=report.origin, reason="no part was read from it"
        )
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
    return ReferabilityAnalysis(
        paper_id=report.paper_id,
        parts=parts,
        origin=draft.origin,
        level=level,
        reason=f"Of {len(parts)} parts {counts}; best is part {best.part_id}: {best.reason}",
        datasets=tuple(dict.fromkeys(d for p in parts for d in p.datasets)),
    )


def _referability(part: ReportPart, answer: PartAnswers | None) -> PartReferability:
    """Return the referability of a part from its answers; never above `low` without a located quote."""
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
