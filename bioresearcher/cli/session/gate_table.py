"""The papers and data sets of a run as numbered rows: the numbers stay the same while the selection changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bioresearcher.cli.session.layout import Sheet
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper, ScreenedPaper
from bioresearcher.text.format import STAMPS, md, md_table
from bioresearcher.text.visible import one_line


@dataclass(frozen=True, slots=True)
class Row:
    """A paper or data set that was found.

    Attributes:
        used: Whether it is part of the selection as it is now.
        where: Year, journal and source of a paper, year of a data set.
        stamp: What was published against it; empty for nothing.
        grade: Score and similarity of a paper, verdict and samples of a data set.
    """

    number: int
    id: str
    kind: Literal["paper", "data set"]
    title: str
    where: str
    used: bool
    stamp: str
    grade: str
    why: str


@dataclass(frozen=True)
class Known:
    """What the run folder holds about the selection."""

    papers: Mapping[str, Paper]
    screened: Mapping[str, ScreenedPaper]
    datasets: Mapping[str, Dataset]
    checks: Mapping[str, DatasetCheck]

    @classmethod
    def load(cls, folder: RunFolder) -> Known:
        """Read it."""
        return cls(
            papers={p.id: p for p in folder.read_all(Paper, "papers")},
            screened={s.paper_id: s for s in folder.read_list(ScreenedPaper, "screening.json")},
            datasets={d.id: d for d in folder.read_all(Dataset, "datasets")},
            checks={c.dataset_id: c for c in folder.read_list(DatasetCheck, "checks.json")},
        )


def rows_of(question: Mapping[str, Any], known: Known) -> list[Row]:
    """A row for each paper that was screened and each data set that was looked at; what was added comes last.

    Their order, and with it their numbers, does not depend on what is used.
    """
    used = {*question["papers"], *question["datasets"]}
    added = dict.fromkeys(question.get("added", ()))
    first = [i for i in (*known.screened, *known.checks) if i not in added]
    ids = [i for i in (*first, *added) if i in known.papers or i in known.checks]
    return [_row(number, i, known, used) for number, i in enumerate(ids, 1)]


def _row(number: int, item: str, known: Known, used: Collection[str]) -> Row:
    paper = known.papers.get(item)
    if paper is not None:
        screened = known.screened.get(item)
        return Row(
            number=number,
            id=item,
            kind="paper",
            title=one_line(paper.title, 300),
            where=", ".join(filter(None, (str(paper.year or "n.d."), paper.journal, f"from {paper.source}"))),
            used=item in used,
            stamp=STAMPS.get(paper.status, ""),
            grade=f"{screened.score}/5 · {screened.relevance:.2f}" if screened else "",
            why=one_line(screened.reason, 160) if screened else "",
        )
    check, dataset = known.checks[item], known.datasets.get(item)
    said = "; ".join(check.reasons) or "nothing speaks against it"
    return Row(
        number=number,
        id=item,
        kind="data set",
        title=one_line(dataset.title if dataset else "", 300),
        where=_published(dataset),
        used=item in used,
        stamp="" if check.relevant else "does not look relevant",
        grade=check.verdict + (f" · {dataset.n_samples} samples" if dataset and dataset.n_samples else ""),
        why=one_line(said, 160),
    )


def _published(dataset: Dataset | None) -> str:
    return dataset.remote.published[:4] if dataset and dataset.remote and dataset.remote.published else "own"


def table(rows: Sequence[Row], heading: str) -> Sheet:
    """The rows under a heading, as a table or, in a narrow terminal, as a list."""
    stamps = [f"**{r.stamp}** " if r.stamp else "" for r in rows]
    names = [f"{r.number} {md(r.id)} {stamp}{md(r.title)}" for r, stamp in zip(rows, stamps, strict=True)]
    cells = [(name, md(r.where), md(r.grade), md(r.why)) for name, r in zip(names, rows, strict=True)]
    lines = md_table(("No. and id", "Where", "Fit", "Why"), cells) if rows else ()
    return Sheet("\n".join((f"# {heading}: {len(rows)}", "", *lines)))


def named(rows: Sequence[Row], items: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows that are meant by numbers or ids, and the words that mean none."""
    by_name = {row.id.casefold(): row for row in rows} | {str(row.number): row for row in rows}
    found = {word: by_name.get(word.casefold().lstrip("#")) for word in items}
    meant = list(dict.fromkeys(row for row in found.values() if row is not None))
    return meant, [word for word, row in found.items() if row is None]
