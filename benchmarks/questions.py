"""Questions about real papers whose answers are known passages: how well a search finds what it is asked for.

Three kinds, none written for this purpose:

- *report*: what the steps of the original's reports say (`implementation details`, `results`); the answer is the
  passage that holds the step's quote, or where the quote is not there as a whole, one of its sentences. One report's
  paper is among the test data. Of the other two only the quotes are at hand: each quote is a passage there.
- *heading*: the title of a section (of at least three words); the answer is any passage of the section, which never
  holds its own heading.
- *legend*: the first words of a figure's or table's legend; the answer is any passage of the paper's body that refers
  to this figure or table. Legends and tables themselves are not searched.

All papers are searched at once. A paper that is there as JATS and as PDF counts once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.papers.canonical import DocumentBuilder
from bioresearcher.papers.quotes import locate, split_passages
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.retrieval.index import EVIDENCE_KINDS
from bioresearcher.schemas.paper import Document, Passage, SectionKind
from bioresearcher.text.words import sentences

BODY = frozenset({"introduction", "methods", "results", "discussion"})
REPORTED = "PMC5481278.pdf"
_LABEL = re.compile(r"^(fig(?:ure)?|table)[\s.]*(\d+)\b[\s.:|–-]*", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """What is asked, by which kind, of which document; `answers` are ids of passages."""

    kind: str
    document: str
    text: str
    answers: frozenset[str]

    @property
    def half(self) -> int:
        """0: for choosing settings; 1: for reporting. By the text's hash, so that it is the same everywhere."""
        return hashlib.sha256(self.text.encode()).digest()[0] & 1


def searched(question: Question) -> frozenset[SectionKind]:
    """The kinds of sections that a question is asked of."""
    return EVIDENCE_KINDS - {"legend", "table"} if question.kind == "legend" else EVIDENCE_KINDS


def papers(data: Path) -> list[Document]:
    """The papers of the test data, each once, and the quotes of the two reports whose papers are not there."""
    jats = sorted((data / "fulltext" / "jats").iterdir())
    pdf = [p for p in sorted((data / "fulltext" / "pdf").glob("*.pdf")) if p.stem not in {j.stem for j in jats}]
    reports = sorted((data / "protocols" / "16317" / "reports").glob("*_report.json"))
    rest = [p for p in reports if p.name.partition("_")[0] not in REPORTED]
    return [load_paper(p)[1] for p in (*jats, *pdf)] + [_of_quotes(p) for p in rest]


def questions(data: Path, documents: Iterable[Document]) -> list[Question]:
    """All questions about these documents, in a fixed order."""
    found: list[Question] = []
    reports = {p.name.partition("_")[0]: p for p in (data / "protocols" / "16317" / "reports").glob("*_report.json")}
    for document in documents:
        report = next((p for n, p in reports.items() if n in document.id), None)
        passages = split_passages(document)
        if report is not None:
            found += _about_report(report, document, passages)
        if not document.id.startswith("quotes"):
            found += [*_about_headings(document, passages), *_about_legends(document, passages)]
    return found


def _steps(report: Path) -> Iterator[tuple[str, str]]:
    """(what a step says, its quote), twice for a step with results."""
    for text in json.loads(report.read_text(encoding="utf-8")).values():
        for name, step in json.loads(text).items():
            if name.startswith("step"):
                yield step["implementation details"], step["original text"]
                yield step["results"], step["results original text"]


def _of_quotes(report: Path) -> Document:
    builder = DocumentBuilder()
    for number, quote in enumerate(dict.fromkeys(q.strip() for _, q in _steps(report) if q.strip()), 1):
        builder.section(f"Quote {number}", "methods", 1)
        builder.paragraph(quote)
    return builder.build(f"quotes-{report.name.partition('_')[0]}", "note")


def _about_report(report: Path, document: Document, passages: Iterable[Passage]) -> Iterator[Question]:
    for said, quote in _steps(report):
        whole = locate(document, quote)
        parts = (locate(document, quote[a:b]) for a, b in sentences(quote, 0, len(quote)))
        places = [p for p in ([whole] if whole else parts) if p is not None]
        held = {p.id for p in passages for e in places if p.start < e.end and e.start < p.end}
        if held and said.strip():
            yield Question("report", document.id, said, frozenset(held))


def _about_headings(document: Document, passages: Iterable[Passage]) -> Iterator[Question]:
    for section in document.sections:
        if section.kind in BODY and section.level >= 2 and len(section.title.split()) >= 3:
            inside = {p.id for p in passages if section.start <= p.start and p.end <= section.end}
            if inside:
                yield Question("heading", document.id, section.title, frozenset(inside))


def _about_legends(document: Document, passages: Iterable[Passage]) -> Iterator[Question]:
    for section in document.sections:
        label = _LABEL.match(section.title)
        if section.kind not in {"legend", "table"} or label is None:
            continue
        said = document.text[section.start : section.end].removeprefix(section.title).strip()
        said = _LABEL.sub("", said)[:200].rpartition(" ")[0]
        refers = re.compile(rf"\b{label[1][:3]}(?:\w*)[\s.]*{label[2]}(?!\d)", re.IGNORECASE)
        citing = {p.id for p in passages if p.kind in BODY and refers.search(p.text)}
        if len(said) >= 40 and citing:
            yield Question("legend", document.id, said, frozenset(citing))
