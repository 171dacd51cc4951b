"""One paper or data set in words: all that is known of it, or why it is used or not."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from bioresearcher.cli.session.gate_table import Known, Row
from bioresearcher.library.suspicion import suspicion
from bioresearcher.report.searched import queries
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Paper, PaperAnswers, SearchRound
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line, visible

MOST_ABSTRACT = 3_000
MOST_QUERIES = 8


def about(row: Row, known: Known, folder: RunFolder) -> Iterator[RenderableType]:
    """The paper or data set in full, as its source describes it."""
    yield Text(f"{row.number} {row.id}: {row.title}", style="bold")
    paper, dataset = known.papers.get(row.id), known.datasets.get(row.id)
    if paper is not None:
        yield from _paper(paper)
    if dataset is not None:
        yield from _dataset(dataset)
    yield f"{'used' if row.used else 'not used'}: {row.why}"


def _paper(paper: Paper) -> Iterator[str]:
    names = paper.authors[:6]
    yield one_line(f"{', '.join(names)}{' and others' if len(paper.authors) > 6 else ''}. {paper.journal or ''}", 300)
    ids = [f"PMID {paper.pmid}" if paper.pmid else "", paper.pmcid or "", f"doi {paper.doi}" if paper.doi else ""]
    said = [*ids, str(paper.year or "n.d."), f"from {paper.source}", *paper.publication_types[:5]]
    yield one_line(" · ".join(filter(None, said)), 400)
    if paper.path:
        yield f"file: {visible(paper.path)}"
    for notice in paper.notices:
        named = f"PMID {notice.pmid}" if notice.pmid else notice.doi or ""
        yield one_line(f"{notice.what}: {named} {notice.date or ''} ({notice.source})", 200)
    if paper.status == "unknown":
        yield "whether it was retracted is not known"
    reason = suspicion(f"{paper.title}\n{paper.abstract}")
    if reason:
        yield f"its title or abstract {reason}: such sentences are withheld from readers"
    yield visible(paper.abstract[:MOST_ABSTRACT]) or "It has no abstract."


def _dataset(dataset: Dataset) -> Iterator[str]:
    said = [dataset.organism, dataset.assay, dataset.platform, f"{dataset.n_samples} samples", dataset.role]
    yield one_line(" · ".join(s for s in said if s), 400)
    yield one_line(f"source: {dataset.source}; licence: {dataset.licence or 'not stated'}", 300)
    if dataset.remote is not None:
        yield one_line(f"{dataset.remote.url} {dataset.remote.published}", 200)
        yield one_line(dataset.remote.summary, 1_200)
        yield from (one_line(f"groups: {g}", 300) for g in dataset.remote.groups)
        if dataset.remote.files and not dataset.files:
            yield f"{count_of(len(dataset.remote.files), 'file')} at the source, fetched when it is used"
    for file in dataset.files:
        columns = f", columns {', '.join(c.name for c in file.columns[:20])}" if file.columns else ""
        yield one_line(f"file {file.name}: {file.kind}, {file.rows} rows{columns}", 400)
    yield from (one_line(note, 400) for note in (*dataset.problems, *dataset.notes))


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
