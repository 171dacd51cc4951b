"""`/papers` and `/datasets`: what was found, what is used, and what stands on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from bioresearcher.cli.library_show import use_rows
from bioresearcher.cli.session.layout import Block, Facts, Heading, Line, Listing, Sheet
from bioresearcher.cli.session.view import STAMPS, View, chosen
from bioresearcher.library.evidence import evidence_graph, named_papers
from bioresearcher.report.searched import counted, left_out
from bioresearcher.schemas.dataset import Column, Dataset, DatasetCheck
from bioresearcher.schemas.evidence import PaperUse
from bioresearcher.schemas.paper import Paper, ScreenedPaper
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.report import Report
from bioresearcher.schemas.task import DryLabTask
from bioresearcher.text.format import count_of, size
from bioresearcher.text.visible import one_line

MOST: Final = 60
"""Papers that are listed; of more the rest is counted."""


def papers_view(view: View) -> Sheet:
    """The papers that are read, in the order of their choice; `all`: those left out, too; a number or id: one of them.

    Raises:
        InputError: The argument means no paper.
    """
    shelf = _Papers(view)
    if view.asked and view.asked.casefold() != "all":
        return Sheet(shelf.one())
    return Sheet(shelf.listed(everything=bool(view.asked)))


class _Papers:
    """What is known of a run's papers."""

    def __init__(self, view: View) -> None:
        folder = view.folder
        self._view = view
        self._papers = {p.id: p for p in folder.read_all(Paper, "papers")}
        self._screened = {s.paper_id: s for s in folder.read_list(ScreenedPaper, "screening.json")}
        self._reports = {r.paper_id: r for r in folder.read_all(Report, "reports")}
        kept = [s.paper_id for s in self._screened.values() if s.kept and s.paper_id in self._papers]
        self._kept = [*kept, *(i for i in self._reports if i not in kept and i in self._papers)]
        rest = left_out([s for s in self._screened.values() if s.paper_id not in self._kept], self._papers.values())
        self._rest = [s for s in rest if s.paper_id in self._papers]

    def listed(self, *, everything: bool) -> Iterator[Block]:
        if not self._papers:
            yield Line("No paper has been found yet.")
            return
        yield Heading(f"Papers to read: {len(self._kept)}")
        if self._kept:
            yield Listing(
                ("no.", "year", "steps", "quotes", "paper"),
                tuple(self._row(n, i) for n, i in enumerate(self._kept, 1)),
                frozenset({"no.", "year", "steps", "quotes"}),
                tuple("bold red" if self._papers[i].status in {"retracted", "concern"} else "" for i in self._kept),
                named=(0, 4),
            )
        if self._rest and not everything:
            yield Line(f"{count_of(len(self._rest), 'paper')} not read ({counted(self._rest)}): /papers all")
        elif self._rest:
            yield Heading(f"Not read: {len(self._rest)}")
            first = len(self._kept) + 1
            shown = self._rest[:MOST]
            yield Listing(
                ("no.", "paper", "why"),
                tuple(
                    (str(n), f"{s.paper_id} {self._title(s.paper_id, 70)}", s.reason)
                    for n, s in enumerate(shown, first)
                ),
                frozenset({"no."}),
                named=(0, 1),
            )
            if len(self._rest) > MOST:
                yield Line(f"and {len(self._rest) - MOST} more: see screening.json")

    def _row(self, number: int, identifier: str) -> tuple[str, ...]:
        paper, report = self._papers[identifier], self._reports.get(identifier)
        steps = str(sum(len(p.steps) for p in report.parts)) if report else "–"
        quotes = f"{report.quotes_located}/{report.quotes}" if report else "–"
        return str(number), str(paper.year or "n.d."), steps, quotes, f"{identifier} {self._title(identifier)}"

    def _title(self, identifier: str, limit: int | None = None) -> str:
        paper = self._papers[identifier]
        stamp = f"{STAMPS[paper.status]}: " if paper.status in STAMPS else ""
        return f"{stamp}{one_line(paper.title, limit)}"

    def one(self) -> Iterator[Block]:
        """What is known of one paper, what was taken from it, and what stands on it."""
        ids = [*self._kept, *(s.paper_id for s in self._rest)]
        named = named_papers(self._papers.values(), self._view.asked)
        identifier = named[0].id if len(named) == 1 else chosen(self._view, "papers", ids)
        paper, screened = self._papers[identifier], self._screened.get(identifier)
        yield Heading(f"{identifier}  {paper.title}")
        yield Facts(_paper_facts(paper, screened))
        report = self._reports.get(identifier)
        if report is None:
            yield Line("It was not read." if screened and not screened.kept else "It has not been read yet.")
            return
        yield Facts(use_rows(self._use(identifier)))
        for part in report.parts:
            yield Heading(f"{part.id} {part.title}")
            for step in part.steps:
                yield Line(step.action, mark=step.id, style="" if step.supported else "yellow")
        unsupported = sum(not s.supported for p in report.parts for s in p.steps)
        if unsupported:
            yield Line(f"{count_of(unsupported, 'step')} without a quote that was found", mark="!", style="yellow")
        for suspect in report.suspects:
            yield Line(f"withheld, as it {suspect.reason}: {suspect.text}", mark="!", style="yellow")

    def _use(self, identifier: str) -> PaperUse:
        folder = self._view.folder
        protocol = folder.read(Protocol, "protocol.json") if folder.has("protocol.json") else None
        tasks = folder.read_list(DryLabTask, "tasks.json")
        graph = evidence_graph([self._papers[identifier]], [self._reports[identifier]], protocol, tasks)
        return graph.papers[0]


def _paper_facts(paper: Paper, screened: ScreenedPaper | None) -> tuple[tuple[str, str], ...]:
    named = (f"PMID {paper.pmid}" if paper.pmid else "", paper.pmcid or "", f"doi {paper.doi}" if paper.doi else "")
    where = ", ".join(filter(None, [*named, paper.journal or "", str(paper.year or "")]))
    authors = "; ".join(paper.authors[:6]) + (" …" if len(paper.authors) > 6 else "")
    rows = [
        ("authors", authors),
        ("where", where),
        ("from", f"{paper.source}, {paper.kind}"),
        ("status", STAMPS.get(paper.status, paper.status)),
        ("notices", "; ".join(f"{n.what} {n.date or ''} ({n.source})" for n in paper.notices)),
    ]
    if screened is not None:
        rows.append(("chosen" if screened.kept else "left out", f"{screened.score} of 5: {screened.reason}"))
    return tuple((name, value) for name, value in rows if value)


def datasets_view(view: View) -> Sheet:
    """The data sets and whether they fit; a number or id: one of them, with its columns and what works on it.

    Raises:
        InputError: The argument means none.
    """
    used = {d.id: d for d in view.folder.read_all(Dataset, "datasets")}
    found = {d.id: d for d in view.folder.read_list(Dataset, "datasets_found.json")} | used
    checks = {c.dataset_id: c for c in view.folder.read_list(DatasetCheck, "checks.json")}
    order = [*used, *(i for i in found if i not in used)]
    if view.asked:
        identifier = chosen(view, "datasets", order)
        return Sheet(_dataset(view, found[identifier], checks.get(identifier), used=identifier in used))
    return Sheet(_datasets([found[i] for i in order], checks, used))


def _datasets(rows: Sequence[Dataset], checks: Mapping[str, DatasetCheck], used: Collection[str]) -> Iterator[Block]:
    if not rows:
        yield Line("No data set is known yet.")
        return
    yield Heading(f"Data sets: {len(rows)}, {len(used)} used")
    listed = []
    for number, dataset in enumerate(rows, 1):
        check = checks.get(dataset.id)
        verdict = check.verdict if check else "not judged yet"
        state = verdict if dataset.id in used else f"not used: {verdict}"
        listed.append((str(number), dataset.id, str(dataset.n_samples or "–"), state, dataset.title))
    yield Listing(
        ("no.", "data set", "samples", "fits", "title"), tuple(listed), frozenset({"no.", "samples"}), named=(0, 1)
    )


def _dataset(view: View, dataset: Dataset, check: DatasetCheck | None, *, used: bool) -> Iterator[Block]:
    yield Heading(f"{dataset.id}  {dataset.title}")
    rows = [
        ("organism", dataset.organism or "not stated"),
        ("assay", " ".join(filter(None, [dataset.assay, dataset.platform])) or "not stated"),
        ("samples", f"{dataset.n_samples:,} with {dataset.n_features:,} features" if dataset.n_samples else "not read"),
        ("endpoint", dataset.endpoint or ""),
        ("from", dataset.source),
        ("page", dataset.remote.url if dataset.remote else ""),
        ("described by", dataset.described_by),
        ("fits", f"{check.verdict}: {'; '.join(check.reasons)}" if check else "not judged yet"),
        ("used", "yes" if used else "no"),
    ]
    yield Facts(tuple((name, value) for name, value in rows if value))
    for file in dataset.files:
        yield Heading(f"{file.name}: {file.kind}, {file.rows:,} rows, {size(file.bytes)}")
        if file.columns:
            cells = tuple((c.name, c.role, c.dtype, str(c.missing or ""), _meaning(c)) for c in file.columns[:MOST])
            yield Listing(("column", "role", "type", "missing", "meaning"), cells, frozenset({"missing"}))
    for said, mark in (*((n, "–") for n in dataset.notes), *((p, "!") for p in dataset.problems)):
        yield Line(said, mark=mark, style="yellow" if mark == "!" else "")
    yield from _worked_on(view, dataset.id)


def _meaning(column: Column) -> str:
    levels = f"{column.case} against {column.control}" if column.case else ", ".join(column.levels[:6])
    return "; ".join(filter(None, [column.label, levels, f"in {column.unit}" if column.unit else ""]))


def _worked_on(view: View, identifier: str) -> Iterator[Block]:
    """The protocol steps and tasks that use a data set."""
    protocol = view.folder.read(Protocol, "protocol.json") if view.folder.has("protocol.json") else None
    steps = [s.id for s in (protocol.steps if protocol else ()) if identifier in s.datasets]
    tasks = view.folder.read_list(DryLabTask, "tasks.json")
    reading = [t.id for t in tasks if any(i.dataset == identifier for i in t.inputs)]
    yield Facts((("protocol steps", ", ".join(steps) or "none"), ("tasks", ", ".join(reading) or "none")))
