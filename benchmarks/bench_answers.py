"""Questions to real papers by rule: how many answers are right, and how many questions without an answer get none.

The limits of `llm/offline/answer.py` were chosen on the first questions; the fresh ones were written afterwards.
An answer is right when a sentence it gives holds what `answers/questions.toml` says.
"""

from __future__ import annotations

import re
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, measured, test_data

from bioresearcher.offline.answer import OfflineAnswerer
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.retrieval.index import Library
from bioresearcher.schemas.ask_literature import AnswerDraft, AnswerQuestionInput
from bioresearcher.stages.answer import PaperCorpus

QUESTIONS = Path(__file__).with_name("answers") / "questions.toml"
ONLY_PDF = ("PMC5481278.pdf", "s13054-014-0721-8.pdf")


@dataclass(frozen=True)
class _Asked:
    """A question, what its answer must hold (empty: there is none), and what came."""

    question: str
    holds: str
    answer: AnswerDraft
    seconds: float

    @property
    def right(self) -> bool:
        return any(re.search(self.holds, s.text) for s in self.answer.sentences)


def measure(quick: bool) -> list[Figure]:
    """Fourteen open-access papers on a shelf; without the test data there is nothing to measure."""
    data = test_data()
    if data is None:
        return [Figure("questions to papers", "not measured: set BIORESEARCHER_TEST_DATA")]
    files = [*sorted((data / "fulltext" / "jats").iterdir()), *(data / "fulltext" / "pdf" / n for n in ONLY_PDF)]
    loaded = [load_paper(path) for path in files if path.suffix in {".xml", ".nxml", ".pdf"}]
    with tempfile.TemporaryDirectory() as place, Library(Path(place)) as library:
        for paper, document in loaded:
            library.put(document, paper)
        library.index()
        shelf = PaperCorpus([p for p, _ in loaded], [d for _, d in loaded])
        known = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))
        sets = {"limits chosen on these": known, "fresh": known["fresh"]}
        kinds = ("answerable", "unanswerable")
        asked = {name: {k: [_ask(q, shelf, library) for q in rows[k]] for k in kinds} for name, rows in sets.items()}
    figures = []
    for name, rows in asked.items():
        there, absent = rows["answerable"], rows["unanswerable"]
        figures += [
            _share(f"answerable questions with a right answer ({name})", sum(a.right for a in there), len(there)),
            _share(
                f"answerable questions with a wrong answer ({name})",
                sum(a.answer.in_library and not a.right for a in there),
                len(there),
            ),
            _share(
                f"unanswerable questions: not in the library ({name})",
                sum(not a.answer.in_library for a in absent),
                len(absent),
            ),
        ]
    times = [a.seconds for kinds in asked.values() for rows in kinds.values() for a in rows]
    return [*figures, measured("a question by rule, passages embedded before, wall", times, "s")]


def _ask(row: dict[str, str], shelf: PaperCorpus, library: Library) -> _Asked:
    started = time.monotonic()
    passages = shelf.passages_for(row["question"], library.similarities)
    values = AnswerQuestionInput(question=row["question"], passages=passages)
    answer = OfflineAnswerer(library.similarities).answer_question(values)
    return _Asked(row["question"], row.get("holds", ""), answer, time.monotonic() - started)


def _share(name: str, count: int, of: int) -> Figure:
    return Figure(name, f"{count} of {of}")
