"""Reading papers into grounded reports, and judging how far they can be reused.

Which passages of a paper a part is read from: those of its sections, and the best of the others.

Relevance is BM25 over the paper's own passages. Where a part's sections are too long to be shown whole, or it names
none, BM25 is fused with the similarity in meaning, which finds more of what belongs to a heading; elsewhere no call
waits for an embedding. Fused scores are rounded, so that another machine chooses the same and answers are found again.

Which text of a paper is read: open JATS first, then the researcher's own file, then title and abstract.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bioresearcher.errors import OutsideError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.papers.canonical import UnreadablePaper, section_text
from bioresearcher.papers.identifiers import record_document
from bioresearcher.papers.injection import find_suspects, suspicion, withheld, without_suspects
from bioresearcher.papers.quotes import split
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.retrieval.index import fuse
from bioresearcher.schemas.ask_literature import (
    JudgeReferabilityInput,
    OutlinedPart,
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
from bioresearcher.stages.fallback import ask_usable, tell
from bioresearcher.stages.prompts import JUDGE_REFERABILITY, OUTLINE_PAPER, REPORT_PART
from bioresearcher.stages.report_builder import ReportBuilder
from bioresearcher.text.normalise import known_id, title_of
from bioresearcher.text.words import Similarity

PASSAGES_PER_PART: Final = 24
CHARACTERS_PER_PART: Final = 20_000
"""About 5,000 tokens, whatever the passages are."""

CHARACTERS_PER_PAPER: Final = 100_000
"""Shared by all parts of a paper: about 25,000 tokens, so that a report takes less than 40,000 with all its prompts."""

BESIDE: Final = 6
"""Passages from other sections at most."""

_NEAR: Final = 0.5
"""Share of the best score from which a passage of another section belongs to the part."""

_TELLING: Final = frozenset({"methods", "results", "legend", "table", "data_availability", "supplementary"})


class Relevance:
    """Chooses passages of one paper; made once, asked for every part."""

    def __init__(self, document: Document, passages: Sequence[Passage], similarity: Similarity | None = None) -> None:
        self._document = document
        self._similarity = similarity
        self._passages = list(passages)
        self._lexical = Bm25([f"{p.section} {p.text}" for p in passages])

    def passages_for(self, part: OutlinedPart, *, parts: int = 1) -> tuple[Passage, ...]:
        """What a part is read from, when the paper has so many parts.

        In the order of the text: the part's sections, shortened to what is most relevant when they are long.

        Up to six passages of other sections that speak of the same are added while there is room. A part that names no
        section is read from the whole paper, methods first.
        """
        room = min(CHARACTERS_PER_PART, CHARACTERS_PER_PAPER // max(parts, 1))
        query = f"{part.title} {part.purpose}"
        scores = self._lexical.scores(query)
        named = self._named(part)
        rest = [n for n in range(len(self._passages)) if n not in named]
        if not named:
            scores = self._fused(query, scores, rest)
            rest.sort(key=lambda n: (self._passages[n].kind != "methods", -scores[n], n))
            return self._fitting(rest, room)
        long = len(named) > PASSAGES_PER_PART or sum(len(self._passages[n].text) for n in named) > room
        near = self._fused(query, scores, sorted(named)) if long else scores
        inside = sorted(named, key=lambda n: (-near[n], n))
        least = max(_NEAR * max(scores), 1e-9)
        told = {self._passages[n].kind for n in named}  # other methods belong to other parts
        kinds = _TELLING - ({"methods"} & told)
        beside = [n for n in rest if scores[n] >= least and self._passages[n].kind in kinds]
        beside = sorted(beside, key=lambda n: (-scores[n], n))[:BESIDE]
        return self._fitting([inside[0], *beside, *inside[1:]], room)

    def _fused(self, query: str, lexical: list[float], candidates: Sequence[int]) -> list[float]:
        """The lexical scores with those of the candidates fused with similarity in meaning, 0 to 1."""
        if self._similarity is None or len(candidates) < 2:
            return lexical
        dense = self._similarity([query], [self._passages[n].text for n in candidates])[0]
        fused = fuse([float(d) for d in dense], [lexical[n] for n in candidates])
        scores = list(lexical)
        for number, score in zip(candidates, fused, strict=True):
            scores[number] = round(score, 2)
        return scores

    def _named(self, part: OutlinedPart) -> set[int]:
        sections = self._document.sections
        spans = [sections[n] for n in part.sections if 0 <= n < len(sections)]
        return {n for n, p in enumerate(self._passages) if any(s.start <= p.start and p.end <= s.end for s in spans)}

    def _fitting(self, order: Sequence[int], room: int) -> tuple[Passage, ...]:
        """As many of the first as there is room for, in the order of the text."""
        kept: list[int] = []
        for number in order:
            length = len(self._passages[number].text)
            if len(kept) < PASSAGES_PER_PART and length <= room:
                kept.append(number)
                room -= length
        return tuple(self._passages[n] for n in sorted(kept))


MAX_PARTS = 12
MAX_SECTIONS = 150
OPENING_CHARS = 300
LEGEND_CHARS = 500
LEVELS: tuple[Level, ...] = ("high", "medium", "low")

_Suspects = Sequence[tuple[int, int, Suspect]]


async def read_paper(
    caller: ModelClient, objective: Objective, paper: Paper, document: Document, similarity: Similarity | None = None
) -> PaperReport:
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

    def prepare(self, similarity: Similarity | None) -> tuple[Relevance, ReportBuilder]:
        """What is needed once the outline is there; made while it is waited for."""
        return Relevance(self._document, self._passages, similarity), ReportBuilder(self._document, self.suspects)

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


async def analyse_report(
    caller: ModelClient, objective: Objective, report: PaperReport, datasets: tuple[str, ...]
) -> ReferabilityAnalysis:
    """Referability of each part; the level is computed from closed answers, and a part not answered for is `low`.

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


OWN_FIRST = ("jats", "note")
"""Kinds of own files that are read whatever services have: JATS is the best there is, and a note is meant."""


async def best_text(sources: Sequence[LiteratureSource], paper: Paper) -> tuple[Document, list[Failure]]:
    """The best text of a paper that can be had, and sources that could not be asked for a better one.

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
    """The text from the first of the researcher's sources that has the paper.

    Raises:
        UnreadablePaper: None of them has it.
    """
    for source in sources[:-1]:
        try:
            return await source.fetch(paper.id)
        except UnreadablePaper:
            continue
    return await sources[-1].fetch(paper.id)
