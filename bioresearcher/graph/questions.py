"""Questions answered from a run's papers, with the services of a run under way or of one that is not open."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.events import Event
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.lock import RunLock
from bioresearcher.graph.prepare import resources_of
from bioresearcher.graph.services import MakeBackend, ModelOptions, describe_backend, open_caller
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.select_backend import choose_backend
from bioresearcher.retrieval.index import Library
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.library import LibraryAnswer
from bioresearcher.schemas.paper import Document, Paper
from bioresearcher.schemas.run import RunRecord
from bioresearcher.settings import Settings
from bioresearcher.stages.answer import PaperCorpus, answer_question, question_of
from bioresearcher.stages.prompts import ANSWER_QUESTION

QUESTIONS = "questions.jsonl"


@dataclass(frozen=True)
class QuestionContext:
    """Services for questions to a run's papers; all of them come from a run's `RunContext`."""

    folder: RunFolder
    caller: ModelClient
    library: Library
    settings: Settings
    _corpora: dict[tuple[str, ...], PaperCorpus] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, context: RunContext) -> QuestionContext:
        """Return the services of a run that is under way."""
        return cls(context.folder, context.caller, context.library, context.settings)

    async def ask(self, question: str) -> LibraryAnswer:
        """Answer a question and record the answer in the run folder.

        Raises:
            InputError: The question is empty or too long, or the run has read no paper yet.
            BioresearcherError: There is no answer; the question is not recorded.
        """
        question_of(question)
        corpus = await asyncio.to_thread(self._corpus)
        results = results_note(self.folder, question)
        if not corpus.papers:
            raise InputError(
                f"the run {self.folder.root.name} has read no paper yet.",
                hint=" ".join(results) or "Ask when its papers have been read.",
            )
        before = self._spent()
        answer = await answer_question(
            self.caller,
            question,
            corpus,
            self.library.similarities,
            self.folder.read_all(Dataset, "datasets"),
            number=len(self.folder.read_lines(LibraryAnswer, QUESTIONS)) + 1,
        )
        by_rule = answer.origin == "offline"
        answer = answer.model_copy(
            update={
                "notes": (*results, *answer.notes),
                "usage": _difference(self._spent(), before),
                "answered_by": "offline" if by_rule else describe_backend(self.settings, self.caller.backend.name),
            }
        )
        self.folder.append(answer, QUESTIONS)
        return answer

    def _corpus(self) -> PaperCorpus:
        """Return the papers as they are now; indexed again when one was read or found since the last question."""
        papers, documents = self.folder.read_all(Paper, "papers"), self.folder.read_all(Document, "documents")
        key = (*(d.id + d.sha256 for d in documents), *(p.id + p.status for p in papers))
        if key not in self._corpora:
            self._corpora.clear()
            self._corpora[key] = PaperCorpus(papers, documents)
        return self._corpora[key]

    def _spent(self) -> Usage:
        """Return the usage of this run's questions so far."""
        rows = (r.usage for r in self.caller.ledger.rows() if r.step == ANSWER_QUESTION.name)
        return sum(rows, Usage())


_RESULTS: Final = re.compile(
    r"(?i)\b(?:significan\w+|results?|findings?|(?:was|were|is|are|has been) (?:found|called|associated|"
    r"related|different\w*|higher|lower|up\w*|down\w*)|hazard ratios?|odds ratios?|p[ -]?values?|fold changes?|"
    r"replicate[ds]?|differs?|conclude\w*|conclusions?)\b"
)
_OF_PAPERS: Final = re.compile(
    r"(?i)\b(?:papers?|stud(?:y|ies)|authors?|literature|publish\w*|publications?|reported|cited?|et al|reference)\b"
)
ABOUT_RESULTS: Final = "If this asks for the results of this run, no paper holds them: see"
"""Beginning of the note on a question that may be about the run's own results."""


def results_note(folder: RunFolder, question: str) -> tuple[str, ...]:
    """Return the place of a run's results and its first findings, for a question that may be about them."""
    if not _RESULTS.search(question) or _OF_PAPERS.search(question) or not folder.has("run.json"):
        return ()
    answers = folder.read(RunRecord, "run.json").answers
    if not answers.questions:
        return ()
    where = f"{ABOUT_RESULTS} /results in a session, or {folder.path('report.html')}."
    return (where, *(answers.found or (f"{answers.headline}.",)))


def _difference(after: Usage, before: Usage) -> Usage:
    unknown = after.cost_usd is None or before.cost_usd is None
    counts = {
        name: getattr(after, name) - getattr(before, name)
        for name in ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    }
    money = None if unknown and counts["calls"] else (after.cost_usd or 0.0) - (before.cost_usd or 0.0)
    return Usage(**counts, cost_usd=0.0 if not counts["calls"] else money)


@asynccontextmanager
async def open_question_context(
    folder: RunFolder,
    settings: Settings,
    *,
    listener: Callable[[Event], None] | None = None,
    make_backend: MakeBackend | None = None,
) -> AsyncIterator[QuestionContext]:
    """Open the services of a run that is not under way, and lock its folder until they are closed.

    Money and tokens that the run spent count against its budget; its minutes do not, as it is not running.

    Raises:
        RunFolderError: Another process works on the run.
        InputError: Cards or prompts are wrong, or no model may be asked within the budget.
    """
    with RunLock(folder):
        if make_backend is None and settings.backend in {"auto", "local"}:
            settings = (await choose_backend(settings)).applied(settings)
        options = ModelOptions(make_backend)
        async with open_caller(folder, settings, resources_of(settings), listener, options) as (caller, library):
            yield QuestionContext(folder, caller, library, settings)
