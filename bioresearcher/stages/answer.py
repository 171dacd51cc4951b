"""Answering a question from a run's papers alone: each sentence rests on quotes that were located in them.

Questions are answered from all of the papers' text except reference lists and withheld passages.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.events import now
from bioresearcher.llm.ask import Answer, ModelClient
from bioresearcher.papers.canonical import LANGUAGE_NAMES, clean, language_of, page_of
from bioresearcher.papers.injection import find_suspects, redacted_record, suspicion
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.schemas.ask_literature import AnswerDraft, AnswerQuestionInput, SentenceDraft
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.library import AnswerSentence, Citation, LeftOut, LibraryAnswer, SeenPassages
from bioresearcher.schemas.paper import Document, Evidence, Paper, Passage
from bioresearcher.stages.fallback import ask_usable, note
from bioresearcher.stages.passages import find_quote, fitting, fused_scores, readable
from bioresearcher.stages.prompts import ANSWER_QUESTION
from bioresearcher.stages.quote_checks import new_words, why_not_supported
from bioresearcher.text.visible import clip
from bioresearcher.text.words import Similarity

PASSAGES: Final = 16
CHARACTERS: Final = 14_000
"""About 3,500 tokens for the passages of a question."""

_COMPARED: Final = 1_500
"""Most passages whose meaning is compared with a question's: those that share most words with it."""

MAX_QUESTION: Final = 4_000
"""Characters of a question."""
MAX_SENTENCES: Final = 12
QUOTES_PER_SENTENCE: Final = 4
SENTENCE_CHARS: Final = 1_000

_REPEATED: Final = 40
"""Times a question is repeated so that the share of its function words shows its language."""

_ID: Final = re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])\w{4,}\b")


@dataclass(frozen=True)
class _IndexedPaper:
    """A paper of the corpus with its passages and the stretches that are withheld."""

    paper: Paper
    document: Document
    hidden: tuple[tuple[int, int], ...]
    passages: tuple[Passage, ...]

    @classmethod
    def of(cls, paper: Paper | None, document: Document) -> _IndexedPaper:
        """Split a document, whose record may be missing."""
        hidden = tuple((start, end) for start, end, _ in find_suspects(document))
        record = paper or Paper(id=document.id, title=document.id, source="unknown")
        return cls(record, document, hidden, tuple(readable(document, hidden)[0]))


class PaperCorpus:
    """Index of a run's papers for questions; made once and asked often."""

    def __init__(self, papers: Iterable[Paper], documents: Iterable[Document]) -> None:
        """Index every document but notices about papers; records lose sentences that were written for a model."""
        known = {p.id: redacted_record(p) for p in papers}
        notices = {i for i, p in known.items() if p.notice_of}  # its words are not those of the paper it is about
        self._papers = {d.id: _IndexedPaper.of(known.get(d.id), d) for d in documents if d.id not in notices}
        self._passages = [p for v in self._papers.values() for p in v.passages]
        self._lexical = Bm25([f"{p.section} {p.text}" for p in self._passages])

    @property
    def papers(self) -> tuple[Paper, ...]:
        """Records of the papers, ordered by id."""
        return tuple(v.paper for _, v in sorted(self._papers.items()))

    @property
    def languages(self) -> frozenset[str]:
        """Languages of the papers, as far as they could be recognised."""
        return frozenset(v.document.language for v in self._papers.values() if v.document.language)

    def paper(self, identifier: str) -> Paper:
        """Return the record of a paper of the corpus."""
        return self._papers[identifier].paper

    def page(self, passage: Passage) -> int | None:
        """Return the page on which a passage begins; None when its source has no pages."""
        return page_of(self._papers[passage.document].document, passage.start)

    def passages_for(
        self, question: str, similarity: Similarity | None, paper: str | None = None
    ) -> tuple[Passage, ...]:
        """Return at most 16 passages and 14,000 characters that are closest to a question, the closest first.

        With `paper` only passages of this paper are returned.
        """
        words = self._lexical.scores(question)
        own = [n for n, p in enumerate(self._passages) if paper in (None, p.document)]
        order = sorted(own, key=lambda n: (-words[n], n))[:_COMPARED]
        scores = fused_scores(question, self._passages, words, order, similarity)
        order.sort(key=lambda n: (-scores[n], n))
        return tuple(self._passages[n] for n in fitting(self._passages, order, PASSAGES, CHARACTERS))

    def find(self, quote: str, near: Iterable[str] = ()) -> Evidence | None:
        """Locate a quote in the papers, those named by `near` first; None when it is in none, or was withheld."""
        for identifier in dict.fromkeys((*near, *self._papers)):
            paper = self._papers[identifier]
            found = find_quote(paper.document, quote, paper.hidden)
            if found is not None:
                return found
        return None


def question_of(text: str) -> str:
    """Clean a question: one line, without invisible characters.

    Raises:
        InputError: It is empty, or too long to be a question.
    """
    question = clean(text)
    if not re.search(r"\w", question):
        raise InputError("the question is empty.", hint='Ask in words, e.g. "How were the arrays normalised?"')
    if len(question) > MAX_QUESTION:
        raise InputError(
            f"the question has {len(question):,} characters; at most {MAX_QUESTION:,} are read.",
            hint="Ask for one thing at a time; add material with --papers or `library add`.",
        )
    return question


async def answer_question(
    caller: ModelClient,
    question: str,
    corpus: PaperCorpus,
    similarity: Similarity | None,
    datasets: Sequence[Dataset] = (),
    *,
    number: int = 1,
) -> LibraryAnswer:
    """Answer a question from the papers of a corpus.

    A sentence without a quote located in these papers, or with a number, name or statement that its quotes do not
    hold, is left out and counted; when none is left the answer is "not in the library". `similarity` compares texts;
    without it words alone choose the passages. The usage is not known here and left empty.

    Raises:
        InputError: The question is empty or too long.
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
        BackendError: The backend gave no answer.
        StoppedError: The budget is used up, or the run is stopping.
    """
    asked = question_of(question)
    passages = await asyncio.to_thread(corpus.passages_for, asked, similarity)
    draft = Answer(AnswerDraft(in_library=False), caller.backend.origin)
    if passages:
        values = AnswerQuestionInput(question=asked, passages=passages)
        draft = await ask_usable(caller, ANSWER_QUESTION, values, _says_nothing)
    made = await asyncio.to_thread(_checked, draft, corpus, passages)
    note(caller, ANSWER_QUESTION, f"{len(made.left_out)} sentences left out" if made.left_out else "")
    return LibraryAnswer(
        number=number,
        time=now(),
        question=asked,
        in_library=bool(made.sentences),
        sentences=tuple(made.sentences),
        citations=tuple(made.citations.values()),
        left_out=tuple(made.left_out),
        quotes=made.quotes,
        quotes_located=made.located,
        papers=len(corpus.papers),
        passages=len(passages),
        looked_at=tuple(_looked_at(passages, corpus)),
        notes=tuple(_notes(asked, corpus, datasets, made, by_rule=draft.origin == "offline")),
        origin=draft.origin,
    )


def _looked_at(passages: Sequence[Passage], corpus: PaperCorpus) -> Iterable[SeenPassages]:
    """Yield the sections that the passages stand in, in the order of the passages."""
    found: dict[tuple[str, str], list[int | None]] = {}
    for passage in passages:
        place = passage.document, passage.section
        found.setdefault(place, []).append(corpus.page(passage))
    for (paper, section), pages in found.items():
        known = tuple(sorted({p for p in pages if p is not None}))
        yield SeenPassages(paper_id=paper, section=section, pages=known, passages=len(pages))


def _says_nothing(draft: AnswerDraft) -> str:
    said = any(s.text.strip() for s in draft.sentences)
    return "it says that there is an answer and gives none" if draft.in_library and not said else ""


class _AnswerBuilder:
    """Builds an answer of the sentences that pass the checks."""

    def __init__(self, corpus: PaperCorpus, near: Iterable[str]) -> None:
        self._corpus = corpus
        self._near = tuple(dict.fromkeys(near))
        self.sentences: list[AnswerSentence] = []
        self.citations: dict[Evidence, Citation] = {}
        self.left_out: list[LeftOut] = []
        self.quotes = self.located = 0

    def take(self, draft: SentenceDraft) -> None:
        """Add a sentence that its located quotes support; leave others out with the reason."""
        text = clean(draft.text)
        quotes = [q for q in draft.quotes[:QUOTES_PER_SENTENCE] if q.strip()]
        found = [e for e in (self._corpus.find(q, self._near) for q in quotes) if e is not None]
        self.quotes += len(quotes)
        self.located += len(found)
        reason = self._why_not(text, found)
        if reason:
            self.left_out.append(LeftOut(text=clip(text, 300), reason=reason))
        elif text not in {s.text for s in self.sentences}:
            numbers = tuple(dict.fromkeys(self._cite(e) for e in found))
            new = new_words(text, [e.text for e in found])
            self.sentences.append(AnswerSentence(text=text, citations=numbers, new_words=new))

    def _why_not(self, text: str, found: Sequence[Evidence]) -> str:
        if len(text) > SENTENCE_CHARS:
            return "it is too long for a sentence"
        if not found:
            return "no quote of it was found in the run's papers"
        suspect = suspicion(text)
        return f"it {suspect}" if suspect else why_not_supported(text, [e.text for e in found])

    def _cite(self, evidence: Evidence) -> int:
        if evidence not in self.citations:
            paper = self._corpus.paper(evidence.document)
            self.citations[evidence] = Citation(
                number=len(self.citations) + 1,
                paper_id=paper.id,
                title=paper.title,
                year=paper.year,
                status=paper.status,
                basis=paper.basis,
                evidence=evidence,
            )
        return self.citations[evidence].number


def _checked(draft: Answer[AnswerDraft], corpus: PaperCorpus, passages: Sequence[Passage]) -> _AnswerBuilder:
    made = _AnswerBuilder(corpus, (p.document for p in passages))
    said = [s for s in draft.value.sentences if s.text.strip()] if draft.value.in_library else []
    for sentence in said[:MAX_SENTENCES]:
        made.take(sentence)
    surplus = len(said) - MAX_SENTENCES
    if surplus > 0:
        made.left_out.append(LeftOut(text=f"{surplus} more sentences", reason=f"an answer has at most {MAX_SENTENCES}"))
    return made


def _notes(
    question: str, corpus: PaperCorpus, datasets: Iterable[Dataset], made: _AnswerBuilder, *, by_rule: bool
) -> Iterable[str]:
    """Yield the caveats of an answer."""
    language = language_of(" ".join([question] * _REPEATED))
    if language not in {None, "en"} and language not in corpus.languages:
        read = ", ".join(sorted(LANGUAGE_NAMES.get(code, code) for code in corpus.languages)) or "another language"
        yield f"The question seems to be in {LANGUAGE_NAMES.get(language or '', language)}; the papers are in {read}."
    retracted = sorted({c.paper_id for c in made.citations.values() if c.status == "retracted"})
    if retracted:
        yield f"RETRACTED, and cited here: {', '.join(retracted)}."
    if by_rule and not made.sentences:
        yield "By rule only a sentence near to the question's own words counts; in a run with a model it reads them."
    named = [d.id for d in datasets if _speaks_of(question, d)]
    if named:
        yield f"The question names data sets of this run ({', '.join(named)}): /datasets in the session tells of them."


def _speaks_of(question: str, dataset: Dataset) -> bool:
    known = {dataset.id.casefold(), (dataset.accession or dataset.id).casefold()}
    columns = {c.name.casefold() for f in dataset.files for c in f.columns if "_" in c.name}
    columns |= {e.casefold() for f in dataset.files for e in f.entries}
    asked = {m[0].casefold() for m in _ID.finditer(question)} | set(re.findall(r"\w+", question.casefold()))
    return bool(asked & (known | columns))
