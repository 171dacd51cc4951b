"""How papers were searched and which were left out, cut where lists get long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bioresearcher.report.view import RunView
from bioresearcher.schemas.paper import DecidedBy, Paper, QueryTrail, ScreenedPaper, SearchRound
from bioresearcher.text.format import count_of, md, md_table
from bioresearcher.text.visible import one_line

MOST_QUERIES = 60
"""Queries shown in a report."""
MOST_LEFT_OUT = 50
"""Papers left out that a report names; the others are counted."""
WHY: dict[DecidedBy, str] = {
    "score": "below the score",
    "own": "given by the researcher",
    "person": "taken out by a person",
    "limit": "beyond the number of papers read",
    "distance": "too far from the objective to be judged",
    "retraction": "retracted",
    "preprint": "preprints of papers found",
    "type": "of a type that is not read",
    "language": "in another language",
    "year": "of another year",
}


def queries(rounds: Sequence[SearchRound]) -> list[tuple[int, QueryTrail]]:
    """Every query with its round, in the order asked."""
    return [(r.round, row) for r in rounds for row in r.trail]


def left_out(screening: Iterable[ScreenedPaper], papers: Iterable[Paper]) -> list[ScreenedPaper]:
    """Papers that are not read: those with a warning about them first, then the best."""
    warned = {p.id for p in papers if p.status in ("retracted", "concern")}
    rows = [s for s in screening if not s.kept]
    return sorted(rows, key=lambda s: (s.paper_id not in warned, -s.score, -s.relevance, s.paper_id))


def counted(rows: Iterable[ScreenedPaper]) -> str:
    """How many were left out for which reason, the most frequent first."""
    kinds = Counter(WHY[row.decided_by] for row in rows)
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items(), key=lambda k: (-k[1], k[0])))


def searched_lines(view: RunView) -> Iterable[str]:
    """The search as Markdown: a table of queries, and why searching ended."""
    rows = queries(view.rounds_of_search)
    if not rows:
        return
    yield from ("### How papers were searched", "")
    yield from md_table(
        ("Round", "Source", "Query", "Hits", "Taken", "New", "Kept"),
        (
            (
                str(n),
                md(q.source),
                _said(q),
                f"{q.hits:,}",
                str(len(q.found)),
                str(q.new),
                "–" if q.kept is None else str(q.kept),
            )
            for n, q in rows[:MOST_QUERIES]
        ),
    )
    if len(rows) > MOST_QUERIES:
        yield from (f"And {len(rows) - MOST_QUERIES} more queries: see search.json.", "")
    ends = [r.stop_reason for r in view.rounds_of_search if r.stop_reason]
    yield from (f"Searching ended: {md(ends[-1])}." if ends else "Searching had not ended.", "")


def _said(row: QueryTrail) -> str:
    said = [md(one_line(row.query, 400))]
    if row.rule:
        said.append(md(row.rule))
    if row.translation and row.translation != row.query:
        said.append(f"understood as: {md(one_line(row.translation, 300))}")
    return "; ".join([*said, *(md(one_line(w, 200)) for w in row.warnings)])


def left_out_lines(view: RunView) -> Iterable[str]:
    """Papers left out as Markdown: counted by reason, then named with theirs."""
    rows = left_out(view.screening, view.papers)
    if not rows:
        return
    titles = {p.id: p.title for p in view.papers}
    yield from ("### Papers found and not read", "", f"{count_of(len(rows), 'paper')}: {counted(rows)}.", "")
    for row in rows[:MOST_LEFT_OUT]:
        title = one_line(titles.get(row.paper_id, ""), 160)
        yield f"- {md(row.paper_id)} {md(title)}: {md(one_line(row.reason, 300))}"
    if len(rows) > MOST_LEFT_OUT:
        yield f"- and {len(rows) - MOST_LEFT_OUT} more: see screening.json."
    yield ""
