"""What a run will use, as tables that fit a narrow terminal and need no colour."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from rich.console import Console

from bioresearcher.cli.session.approve_selection import Known, rows_of, table
from bioresearcher.graph.context import RunContext
from bioresearcher.report.markdown import counted, left_out, queries
from bioresearcher.schemas.dataset import DatasetCheck
from bioresearcher.schemas.paper import Paper, ScreenedPaper, SearchRound
from bioresearcher.stages.screen import matching
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line

MOST_LEFT_OUT = 5
"""Papers left out that are named one by one; the others are counted."""
MOST_QUERIES = 24


def show_selection(question: dict[str, Any], context: RunContext, console: Console) -> None:
    """Papers and data sets with scores and reasons, and what is left out; every id is shown whole, to be typed."""
    known = Known.load(context.folder)
    papers, checks = known.papers, known.checks
    taken_in = matching(context.settings.include, list(papers.values()), checks)
    taken_out = {*matching(context.settings.exclude, list(papers.values()), checks).ids}
    kept = [p for p in dict.fromkeys((*question["papers"], *taken_in.ids)) if p in papers and p not in taken_out]
    used = [d for d in dict.fromkeys((*question["datasets"], *taken_in.ids)) if d in checks and d not in taken_out]
    for line in _trail(context.folder.read_list(SearchRound, "search.json"), kept):
        console.print(line, markup=False)
    rows = [row for row in rows_of({"papers": kept, "datasets": used}, known) if row.used]
    console.print(table([row for row in rows if row.kind == "paper"], "Papers to read"))
    for line in _left_out(kept, list(known.screened.values()), list(papers.values())):
        console.print(line, markup=False)
    if used:
        console.print(table([row for row in rows if row.kind == "data set"], "Data sets to use"))
    for check in checks.values():
        if check.dataset_id not in used:
            why = "taken out with --exclude" if check.dataset_id in taken_out else _unused(check)
            console.print(f"data set not used: {check.dataset_id}: {why}", markup=False)


def _left_out(kept: Collection[str], screened: Sequence[ScreenedPaper], papers: Sequence[Paper]) -> Iterator[str]:
    """Papers that are not read: those with a warning first, then the best, then how many more for which reason."""
    rows = [r.model_copy(update={"kept": r.paper_id in kept}) for r in screened]
    rows = left_out(rows, papers)
    if not rows:
        return
    yield f"{count_of(len(rows), 'paper')} not read:"
    warned = sum(p.status in ("retracted", "concern") for p in papers if p.id not in kept)
    most = max(MOST_LEFT_OUT, warned)
    titles = {p.id: p.title for p in papers}
    for row in rows[:most]:
        yield f"  {row.paper_id} {one_line(titles[row.paper_id], 70)}: {one_line(row.reason.split('. ')[0], 160)}"
    if len(rows) > most:
        yield f"  and {len(rows) - most} more ({counted(rows[most:])}): see screening.json"


def _trail(rounds: Sequence[SearchRound], kept: Collection[str]) -> Iterator[str]:
    """What each query came to, a line each: hits → papers taken → papers to be read."""
    rows = queries(rounds)
    if not rows:
        return
    ends = [r.stop_reason for r in rounds if r.stop_reason]
    asked = f"{count_of(len(rounds), 'round')}, {count_of(len(rows), 'query', 'queries')}"
    yield f"Searched: {asked}; {ends[-1] if ends else 'not ended'}"
    told: set[str] = set()
    for _, row in rows[:MOST_QUERIES]:
        used = sum(p in kept for p in row.found)
        said = row.rule or row.purpose or row.query
        yield f"  {row.source}: {row.hits:,} hits → {len(row.found)} taken → {used} kept: {one_line(said, 100)}"
        for warning in dict.fromkeys(w for w in row.warnings if w not in told):
            told.add(warning)
            yield f"    {one_line(warning, 120)}"
    if len(rows) > MOST_QUERIES:
        yield f"  and {len(rows) - MOST_QUERIES} more queries: see search.json"


def _unused(check: DatasetCheck) -> str:
    """Why a data set that was looked at is not used."""
    reason = one_line(check.reasons[0] if check.reasons else "no reason given", 160)
    if check.verdict == "unusable":
        return f"not usable: {reason}"
    return "others fit better (--include takes it in)" if check.relevant else "does not look relevant"
