"""Papers, their screening, the queries that found them, their texts, and quotes located in these."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Origin, Value

Status = Literal["ok", "retracted", "concern", "corrected", "unknown"]


NoticeKind = Literal["retraction", "concern", "correction"]


class Notice(Value):
    """A retraction, expression of concern or correction that was published about a paper."""

    what: NoticeKind
    pmid: str | None = Field(default=None, description="of the notice")
    doi: str | None = Field(default=None, description="of the notice")
    date: str | None = Field(default=None, description="as its source gives it")
    source: str = Field(default="", description="the service that reports it, e.g. `pubmed`, `crossref`")


class NoticeTarget(Value):
    """A paper that a notice is about; without identifiers if the notice names none."""

    what: NoticeKind
    pmid: str | None = None
    pmcid: str | None = None
    doi: str | None = None


_BASES: Final = {
    "jats": "full text",
    "pdf": "full text (PDF)",
    "note": "a note about this work, not its own text",
    "record": "title and abstract only",
}


class Paper(Value):
    """A paper as its source describes it."""

    id: str = Field(description="stable, safe as a file name: `PMID…`, `PMC…`, `doi-…` or `own-<hash>`")
    title: str
    authors: tuple[str, ...] = ()
    year: int | None = None
    journal: str | None = None
    pmid: str | None = None
    pmcid: str | None = None
    doi: str | None = None
    abstract: str = ""
    source: str = Field(description="which source it came from, e.g. `own`, `pubmed`")
    kind: Literal["jats", "pdf", "note", "record"] = "record"
    path: str | None = Field(default=None, description="file it was read from, as given by the user")
    sha256: str | None = Field(default=None, description="of that file")
    licence: str | None = None
    publication_types: tuple[str, ...] = Field(default=(), description="as the source names them, e.g. `Review`")
    languages: tuple[str, ...] = Field(default=(), description="codes such as `eng`; empty when not stated")
    status: Status = "unknown"
    notices: tuple[Notice, ...] = Field(default=(), description="retractions, concerns and corrections")
    notice_of: tuple[NoticeTarget, ...] = Field(
        default=(), description="the papers it is a notice about; empty for a paper, which is no notice"
    )

    note: str = Field(default="", description="of a note about a paper: by whom it was written, in its own words")

    @property
    def basis(self) -> str:
        """The text that statements about this paper rest on, in words: the full text, the abstract, a note.

        A note cites the work it is about; its words, and above all its advice, are the note's and not the work's.
        """
        read = _BASES[self.kind] + (", own file" if self.source == "own" and self.kind in ("jats", "pdf") else "")
        return f"{read} ({self.note.rstrip('.')})" if self.note and self.kind == "note" else read


class PaperAnswers(Value):
    """Closed questions about one paper, each with the words it rests on; the score is computed from them."""

    same_condition: bool = Field(description="Is it about the objective's disease or biological condition?")
    same_question: bool = Field(description="Does it pursue the objective's question or a part of it?")
    usable_method: bool = Field(description="Does it describe a method that can be reused for the objective?")
    fits_data: bool = Field(description="Does it use the kind of samples or data given in the conditions?")
    meets_requirement: bool = Field(description="Does it help to meet at least one requirement?")
    quote: str = Field(
        description="words copied from the title or abstract on which the answers rest", json_schema_extra=SENTENCE
    )
    reason: str = Field(description="one sentence, naming what decided", json_schema_extra=SENTENCE)


DecidedBy = Literal[
    "score", "own", "set aside", "person", "limit", "distance", "retraction", "preprint", "type", "language", "year"
]
"""Reason why a paper is read or not: its score, the researcher's own paper (`own`), a person, a limit on the papers
that are read (`limit`) or judged (`distance`), or a rule."""


class ScreenedPaper(Value):
    """The screening decision on a paper; `score` counts the yes answers, 0 to 5."""

    paper_id: str
    score: int = Field(ge=0, le=5)
    relevance: float = Field(description="similarity of title and abstract to the objective, 0 to 1")
    answers: PaperAnswers | None
    kept: bool
    decided_by: DecidedBy = "score"
    reason: str
    origin: Origin


class StatusCheck(Value):
    """Retraction status of a paper when it was selected, and as sources report it later."""

    paper_id: str
    before: Status
    now: Status
    sources: tuple[str, ...] = Field(default=(), description="sources that know the paper; none: not checked")


class Failure(Value):
    """One item (paper, data set, task) that could not be handled; the run goes on without it."""

    item: str = Field(description="file name, paper id, accession or task id")
    stage: str = Field(description="the step in which it failed, e.g. `read_paper`")
    message: str = Field(description="the problem, in one line")
    hint: str = Field(default="", description="advice for the user")


class SearchQuery(Value):
    """A Boolean query with why it was asked."""

    query: str
    purpose: str


class QueryPlan(Value):
    """The queries of one search round."""

    literature: tuple[SearchQuery, ...]
    datasets: tuple[SearchQuery, ...] = ()
    terms: tuple[str, ...] = Field(default=(), description="the objective's key terms, most important first")


class QueryTrail(Value):
    """Record of one query at one source: query → translation → hits → kept."""

    query: str
    purpose: str = ""
    source: str = Field(default="own", description="the source that was asked")
    translation: str = Field(
        default="", description="the query as the source understood it; empty if it does not state it"
    )
    warnings: tuple[str, ...] = Field(default=(), description="the source's remarks on the query")
    hits: int = Field(description="papers that answer the query, of which the best are taken")
    found: tuple[str, ...] = Field(default=(), description="ids of the papers taken, best first")
    new: int = Field(default=0, description="papers taken that were not known before")
    kept: int | None = Field(default=None, description="papers taken that are read; None until papers are screened")
    adjusts: str = Field(default="", description="the query that found nothing or too much, if this one replaces it")
    rule: str = Field(default="", description="how it was relaxed or narrowed")


class SearchRound(Value):
    """One round of searching with the record of each query."""

    round: int
    trail: tuple[QueryTrail, ...]
    stop_reason: str = Field(default="", description="why searching ended after this round; empty if it went on")


SectionKind = Literal[
    "title",
    "abstract",
    "introduction",
    "methods",
    "results",
    "discussion",
    "legend",
    "table",
    "data_availability",
    "supplementary",
    "references",
    "front",
    "other",
]


class Section(Value):
    """A stretch of the canonical text; `start` inclusive, `end` exclusive, in characters."""

    title: str
    kind: SectionKind
    level: int = Field(ge=0, description="0 for the whole document's front, 1 for top sections")
    start: int
    end: int


class Document(Value):
    """One paper's canonical text: every character position in this program refers to it.

    `pages` holds the character offset at which each page starts (empty when the source has no pages).
    """

    id: str = Field(description="the paper's id")
    text: str
    sections: tuple[Section, ...]
    pages: tuple[int, ...] = ()
    kind: Literal["jats", "pdf", "note", "record"]
    sha256: str = Field(description="of the canonical text")
    language: str | None = Field(default=None, description="ISO 639-1 code by rule; None when it could not be told")
    warnings: tuple[str, ...] = ()


class Passage(Value):
    """A retrievable stretch of a document's canonical text."""

    id: str = Field(description="`<document>:<first 12 hex of the text's sha256>`")
    document: str
    section: str
    kind: SectionKind
    page: int | None = None
    start: int
    end: int
    text: str


class Evidence(Value):
    """A quote located in its source: `text` is `document.text[start:end]`, the paper's own words."""

    document: str
    section: str
    page: int | None = None
    start: int
    end: int
    text: str
