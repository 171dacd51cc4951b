"""The gate of the selection: which papers are read and which data sets are used."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import Runtime

from bioresearcher.graph.context import Context
from bioresearcher.graph.gates import SELECTION, asked, made_at
from bioresearcher.graph.nodes_datasets import CHECKS
from bioresearcher.graph.state import RunState
from bioresearcher.graph.taken_in import Found, find_given, judge_datasets, judge_paper
from bioresearcher.schemas.dataset import DatasetCheck
from bioresearcher.schemas.paper import Failure, Paper, ScreenedPaper, SearchRound
from bioresearcher.schemas.run import Decision
from bioresearcher.stages import duplicates, search, selection

Update = dict[str, Any]
SCREENING = "screening.json"


@dataclass
class _Selection:
    """What is found and what of it is used, as the gate changes it; `added` and `said` are of the last answer."""

    papers: dict[str, Paper]
    kept: list[str]
    datasets: list[str]
    rounds: list[SearchRound]
    added: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


async def approve_selection(state: RunState, runtime: Runtime[Context]) -> Update:
    """Asks a person which papers and data sets to use.

    What `--include` and `--exclude` say counts whoever answers, unless a person says otherwise by name.
    """
    c = runtime.context
    earlier = made_at(state["decisions"], SELECTION)
    papers = {p: c.folder.read(Paper, "papers", f"{p}.json") for p in state["found"]}
    now = _Selection(papers, list(state["kept"]), list(state["datasets"]), list(state["rounds"]))
    wished = selection.matching(() if earlier else c.settings.include, list(papers.values()), _known(c))
    unwanted = selection.matching(() if earlier else c.settings.exclude, list(papers.values()), _known(c))
    _take(c, now, wished.ids, unwanted.ids)
    added = [i for d in earlier if d.given for i in d.add]
    last = list(earlier[-1].add) if earlier and earlier[-1].given else []
    decision = asked(c, state, SELECTION, papers=now.kept, datasets=now.datasets, added=added, last=last)
    for given in decision.given:
        await _add(c, now, given, decision)
    taken_in = selection.matching(decision.add, list(now.papers.values()), _known(c))
    taken_out = selection.matching(decision.drop, list(now.papers.values()), _known(c))
    _take(c, now, taken_in.ids, taken_out.ids)
    if not decision.more:
        _set_aside(c, "datasets", now.datasets)
        _set_aside(c, "papers", now.papers)
    _note_selection(c, now, closed=not decision.more)
    rounds = search.with_kept(now.rounds, now.kept)
    c.folder.write_list(rounds, "search.json")
    kept_out = tuple(i for i in unwanted.ids if i not in taken_in.ids)
    update = {
        "add": tuple(dict.fromkeys((*wished.ids, *taken_in.ids, *now.added))),
        "drop": tuple(dict.fromkeys((*kept_out, *taken_out.ids))),
        "papers": tuple(now.kept),
        "datasets": tuple(now.datasets),
        "outcome": "\n".join(now.said),
        "changed": not decision.given or bool(now.added),
    }
    return {
        "found": list(now.papers),
        "kept": now.kept,
        "datasets": now.datasets,
        "decisions": [decision.model_copy(update=update)],
        "failures": _not_known((*wished.unknown, *taken_in.unknown), (*unwanted.unknown, *taken_out.unknown)),
        "rounds": rounds,
    }


def _not_known(wished: Sequence[str], unwanted: Sequence[str]) -> list[Failure]:
    return selection.not_known(wished, "--include") + selection.not_known(unwanted, "--exclude")


def _known(c: Context) -> list[str]:
    """Every data set that was looked at; those that are not used keep their file until the gate is closed."""
    return [p.stem for p in sorted(c.folder.path("datasets").glob("*.json"))]


def _take(c: Context, now: _Selection, taken_in: Sequence[str], taken_out: Sequence[str]) -> None:
    known = _known(c)
    now.kept = [p for p in dict.fromkeys((*now.kept, *taken_in)) if p in now.papers and p not in taken_out]
    now.datasets = [d for d in dict.fromkeys((*now.datasets, *taken_in)) if d in known and d not in taken_out]


def _set_aside(c: Context, place: str, used: Collection[str]) -> None:
    for unused in c.folder.path(place).glob("*.json"):
        if unused.stem not in used:
            unused.rename(unused.with_suffix(".unused"))


async def _add(c: Context, now: _Selection, given: str, decision: Decision) -> None:
    """Take in what was given; each paper and data set is judged as those that were found."""
    found = await find_given(c, given, _known(c))
    before = len(now.said)
    now.said += found.said
    await _add_papers(c, now, found, decision)
    await _add_datasets(c, now, found)
    if found.rows:
        called = {p.id: p.id for p in found.papers}
        rows = search.with_new(found.rows, now.papers, called)
        last = now.rounds[-1] if now.rounds else SearchRound(round=1, trail=())
        now.rounds = [*now.rounds[:-1], last.model_copy(update={"trail": (*last.trail, *rows)})]
    c.added.record(c.folder, found.added)
    if len(now.said) == before:
        now.said.append(f"{given}: nothing was found.")


async def _add_papers(c: Context, now: _Selection, found: Found, decision: Decision) -> None:
    own = [p for p in found.papers if p.source == "own"]
    one = duplicates.unique([*own, *now.papers.values(), *found.papers])
    rows = {r.paper_id: r for r in c.folder.read_list(ScreenedPaper, SCREENING)}
    joined = {p.id: p for p in one.papers}
    for other, name in one.called.items():  # found before, and now read from the researcher's own file
        if other in now.papers:
            now.kept = [name if p == other else p for p in now.kept]
            now.papers.pop(other)
            if other in rows:
                said = {
                    "kept": False,
                    "decided_by": "person",
                    "reason": f"It is read from the researcher's own {name}.",
                }
                rows[other] = rows[other].model_copy(update=said)
    for paper_id in dict.fromkeys(one.called.get(p.id, p.id) for p in found.papers):
        paper = joined[paper_id]
        known = paper_id in now.papers and paper.source != "own"
        row = await judge_paper(c, paper, confirmed=paper_id in decision.confirmed)
        rows[paper_id] = row
        now.papers[paper_id] = paper
        now.added.append(paper_id)
        c.folder.write(paper, "papers", f"{paper_id}.json")
        now.kept = [p for p in now.kept if p != paper_id] + ([paper_id] if row.kept else [])
        now.said.append(_said_of_paper(paper, row, known=known))
    c.folder.write_list(rows.values(), SCREENING)


def _said_of_paper(paper: Paper, row: ScreenedPaper, *, known: bool) -> str:
    name = f"{paper.id} “{paper.title}” ({paper.year or 'n.d.'}, from {paper.source})"
    if not row.kept:
        return f"{name} is not taken in: it is retracted."
    warned = {"concern": "; there is an expression of concern about it", "corrected": "; it was corrected"}
    unknown = "; whether it was retracted is not known" if paper.status == "unknown" else ""
    how = "was found before and is taken in" if known else "is added"
    return f"{name} {how}{warned.get(paper.status, unknown)}."


async def _add_datasets(c: Context, now: _Selection, found: Found) -> None:
    if not found.datasets:
        return
    checks = {k.dataset_id: k for k in c.folder.read_list(DatasetCheck, CHECKS)}
    for dataset, check in zip(found.datasets, await judge_datasets(c, found.datasets), strict=True):
        c.folder.write(dataset, "datasets", f"{dataset.id}.json")
        checks[dataset.id] = check
        now.added.append(dataset.id)
        usable = check.verdict != "unusable"
        now.datasets = [d for d in now.datasets if d != dataset.id] + ([dataset.id] if usable else [])
        reasons = f": {'; '.join(r.rstrip('.') for r in check.reasons)}" if check.reasons else ""
        said = "is added" if usable else "is not taken in"
        relevant = "" if check.relevant else ", though it does not look relevant"
        now.said.append(f"{dataset.id} “{dataset.title}” {said}; it is {check.verdict}{relevant}{reasons}.")
    c.folder.write_list(checks.values(), CHECKS)


def _note_selection(c: Context, now: _Selection, *, closed: bool) -> None:
    """The screening as the person at the gate changed it; numbers of rows stay the same while it is open."""
    rows = []
    for row in c.folder.read_list(ScreenedPaper, SCREENING):
        used = row.paper_id in now.kept
        if closed and row.paper_id not in now.papers:
            continue
        said = "" if used == row.kept else "Taken in at the gate. " if used else "Taken out at the gate. "
        reason = row.reason.removeprefix("Taken in at the gate. ").removeprefix("Taken out at the gate. ")
        rows.append(row.model_copy(update={"kept": used, "reason": f"{said}{reason}"}))
    c.folder.write_list(rows, SCREENING)
