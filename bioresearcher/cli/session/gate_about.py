"""One paper or data set in words: all that is known of it, or why it is used or not."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from bioresearcher.cli.session.gate_table import Known, Row
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.library.suspicion import suspicion
from bioresearcher.report.searched import queries
from bioresearcher.report.sections import section
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Paper, PaperAnswers, SearchRound
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line, visible

MOST_ABSTRACT = 3_000
MOST_QUERIES = 8


def about(row: Row, known: Known, folder: RunFolder) -> Iterator[RenderableType]:
    """The paper or data set in full, as its source describes it."""
    paper, dataset = known.papers.get(row.id), known.datasets.get(row.id)
    if paper is not None:
        yield Sheet(section(folder, "papers", row.id))
        yield from _source(paper)
    elif dataset is not None:
        yield Sheet(section(folder, "datasets", row.id))
        yield from _at_source(dataset)
    yield f"{row.number} {row.id} is {'used' if row.used else 'not used'}: {row.why}"


def _source(paper: Paper) -> Iterator[str]:
    if paper.publication_types:
        yield one_line(", ".join(paper.publication_types[:5]), 400)
    if paper.path:
        yield f"file: {visible(paper.path)}"
    reason = suspicion(f"{paper.title}\n{paper.abstract}")
    if reason:
        yield f"its title or abstract {reason}: such sentences are withheld from readers"
    yield visible(paper.abstract[:MOST_ABSTRACT]) or "It has no abstract."


def _at_source(dataset: Dataset) -> Iterator[str]:
    if dataset.remote is not None:
        yield one_line(f"{dataset.remote.published} {dataset.remote.summary}", 1_200)
        yield from (one_line(f"groups: {g}", 300) for g in dataset.remote.groups)
        if dataset.remote.files and not dataset.files:
            yield f"{count_of(len(dataset.remote.files), 'file')} at the source, fetched when it is used"


def reasons(row: Row, known: Known, folder: RunFolder) -> Iterator[RenderableType]:
    """Why it is used or not: who decided, the closed answers, and what found it."""
    yield Text(f"{row.number} {row.id}: {'used' if row.used else 'not used'}", style="bold")
    screened, check = known.screened.get(row.id), known.checks.get(row.id)
    if screened is not None:
        yield one_line(f"{screened.reason} (decided by: {screened.decided_by}; judged: {screened.origin})", 600)
        if screened.answers is not None:
            yield from _answers(screened.answers)
        yield f"score {screened.score} of 5, similarity to the objective {screened.relevance:.2f}"
        yield from _found_by(row.id, folder)
    if check is not None:
        yield one_line(f"{check.verdict}, {'relevant' if check.relevant else 'does not look relevant'}", 200)
        yield from (one_line(f"- {reason}", 400) for reason in check.reasons)
        dataset = known.datasets.get(row.id)
        if dataset is not None and dataset.remote is not None:
            yield from (one_line(f"found by: {said}", 300) for said in dataset.remote.found_by)


def _answers(answers: PaperAnswers) -> Iterator[str]:
    asked = {
        "about the same condition": answers.same_condition,
        "pursues the same question": answers.same_question,
        "has a method that can be reused": answers.usable_method,
        "uses the kind of data at hand": answers.fits_data,
        "helps to meet a requirement": answers.meets_requirement,
    }
    yield "; ".join(f"{what}: {'yes' if yes else 'no'}" for what, yes in asked.items())
    if answers.quote:
        yield f"“{one_line(answers.quote, 300)}”"


def _found_by(item: str, folder: RunFolder) -> Iterator[str]:
    rows = [row for _, row in queries(folder.read_list(SearchRound, "search.json")) if item in row.found]
    for row in rows[:MOST_QUERIES]:
        yield one_line(f"found by {row.source}: {row.query}", 300)
    if len(rows) > MOST_QUERIES:
        yield f"and by {len(rows) - MOST_QUERIES} more queries"
