"""Caveats of a run as plain sentences: those it recorded, and those that follow from its values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bioresearcher.papers.markup import gap_in
from bioresearcher.report.protocol_markdown import content_of
from bioresearcher.report.run_data import RunView
from bioresearcher.report.summaries import irrelevant_datasets, task_rates, used_papers
from bioresearcher.schemas.paper import Paper
from bioresearcher.text.format import as_sentence, count_of, listing
from bioresearcher.text.visible import LOST, one_line

_FLAT_POWER: Final = re.compile(r"[×x]\s?10[−–-]?\d{1,2}(?![\d.,^])")
"""A factor of ten and more digits, which a power of ten becomes where a font has raised digits of full size."""


def not_verified(view: RunView) -> tuple[str, ...]:
    """List every caveat of the run once, in order of weight; empty only when none is known."""
    found = [
        *_retracted(view),
        *_irrelevant(view),
        *_registration(view),
        *_prepared(view),
        *_tasks(view),
        *_execution(view),
        *view.run.not_verified,
        *_protocol(view),
        *_quotes(view),
        *_papers(used_papers(view)),
        *_status_changes(view),
        *_datasets(view),
        *_review(view),
        *view.missing,
        *view.problems,
    ]
    return tuple(dict.fromkeys(as_sentence(s) for s in found if s.strip()))


def _retracted(view: RunView) -> Iterable[str]:
    """Retracted papers and expressions of concern in use, with the protocol steps that rest on these papers."""
    what = {"retracted": "is RETRACTED and was used all the same", "concern": "has an expression of concern"}
    for paper in used_papers(view):
        if paper.status in what:
            steps = view.protocol.steps if view.protocol else ()
            resting = [s.id for s in steps if any(link.paper_id == paper.id for link in s.links)]
            where = f"; steps that rest on it: {listing(resting, 12)}" if resting else ""
            yield f"{paper.id} {what[paper.status]}: {paper.title.rstrip('.')}{where}"


def _irrelevant(view: RunView) -> Iterable[str]:
    irrelevant = irrelevant_datasets(view)
    if irrelevant:
        names = listing(irrelevant, 12)
        yield f"What was computed from {names} need not answer the objective: it does not look relevant"


def _registration(view: RunView) -> Iterable[str]:
    """Differences from what was registered, changes after results were seen, and results without a registration."""
    yield from (f"The run is not as it was registered: {said}" for said in view.unregistered)
    found = view.registration
    for change in found.amendments if found else ():
        if change.results_seen:
            yield f"The registered protocol was changed after results were seen ({change.made}): {change.reason}"
    planned = view.protocol is not None and bool(view.protocol.decisions)
    if found is None and planned and any(t.record is not None and t.record.attempts for t in view.tasks):
        yield "Tasks were run on a protocol that was not registered: nothing shows that the plan came before results"


def _prepared(view: RunView) -> Iterable[str]:
    """Data that were left out or blanked, what stands against it, and what the audit could not look at."""
    if view.protocol is None:
        return
    content = content_of(view, view.protocol)
    for one in content.carried_out:
        facts = f" (facts {', '.join(one.facts)})" if one.facts else ""
        yield f"{one.dataset}: {one.what.rstrip('.')}{facts}; it was proposed by rule from the data"
    for dataset in dict.fromkeys(p.dataset for p in content.carried_out):
        if dataset in content.as_given:
            yield f"Numbers on {dataset} as given stand as a sensitivity analysis only"
        else:
            yield f"No step uses {dataset} as given, so nothing shows how much its preparation changed"
    yield from (f"The audit of the data: {note}" for note in view.audit.notes)


def _tasks(view: RunView) -> Iterable[str]:
    for task in view.tasks:
        if task.verified:
            continue
        if task.altered:
            names = ", ".join(o.artifact.name for o in task.altered)
            yield f"Task {task.task.id} ({task.task.title}): its outputs are not as the task wrote them ({names})"
            if task.outcome.value == "verified":
                continue
        message = one_line(task.record.message, 400) if task.record else "no record was written"
        yield f"Task {task.task.id} is not verified ({task.outcome}): {message or 'no reason was recorded'}"


def _execution(view: RunView) -> Iterable[str]:
    bare = [t.task.id for t in view.tasks if t.unsandboxed]
    if bare:
        yield f"Code ran without a sandbox in {listing(bare, 12)}: it could read and change files of this computer"
    unchecked = [
        t.task.id
        for t in view.tasks
        if t.verified and t.record and not (t.record.perturbed and t.record.perturbed.done)
    ]
    if unchecked:
        yield f"No second run on perturbed inputs was recorded for {listing(unchecked, 12)}"
    totals, counted = view.run.totals, task_rates(view)
    if view.run.status != "running" and totals.tasks and totals.tasks != counted.tasks:
        yield f"run.json counts {count_of(totals.tasks, 'task')}, the run folder holds {counted.tasks}"


def _protocol(view: RunView) -> Iterable[str]:
    if view.protocol is None:
        return
    bare = [s.id for s in view.protocol.steps if not s.grounded]
    if bare:
        yield f"Protocol steps without support in what was read or found in the data: {', '.join(bare)}"
    cut = [s.id for s in view.protocol.steps if any(c.state == "cut" for c in s.citations)]
    if cut:
        yield f"Citations whose source does not hold what was taken from it were cut in step {listing(cut, 12)}"
    for answer in view.protocol.answered:
        if answer.left and answer.consequence != "wording":
            yield f"Finding {answer.finding} of the review is still open: {answer.said}"
    carried = {i for t in view.tasks for i in t.task.step_ids}
    undone = [s.id for s in view.protocol.steps if s.kind == "dry" and s.id not in carried]
    if undone:
        yield f"{count_of(len(undone), 'dry-lab step')} not carried out by any task: {listing(undone, 12)}"
    wet = [s.id for s in view.protocol.steps if s.kind == "wet"]
    if wet:
        yield f"{count_of(len(wet), 'wet-lab step')} cannot be checked by a computer: {listing(wet, 12)}"
    for row in view.protocol.coverage:
        if not row.met:
            yield f"Requirement {row.requirement} is not met{': ' + row.reason if row.reason else ''}"


def _quotes(view: RunView) -> Iterable[str]:
    dropped = sum(len(r.dropped) for r in view.reports)
    if dropped:
        yield f"{count_of(dropped, 'quote')} dropped because the words could not be found in the paper"
    yield from _gaps(view)
    states = list(view.quotes.values())
    lost, open_ = states.count("not found"), states.count("not rechecked")
    if lost:
        yield f"{count_of(lost, 'quote')} no longer found in the stored text of the paper"
    if open_:
        yield f"{count_of(open_, 'quote')} not checked again: the paper's text is not in the run folder"
    steps = [s for r in view.reports for p in r.parts for s in p.steps]
    bare = sum(not s.supported for s in steps)
    if bare:
        yield f"{count_of(bare, 'step')} read from papers without a quote: no protocol step was learnt from them"
    loose = sum(bool(s.unquoted) for s in steps)
    if loose:
        yield f"{count_of(loose, 'step')} read from papers with numbers that their quotes do not hold"
    strange = [r.paper_id for r in view.reports if r.suspicious or r.suspects]
    if strange:
        papers = listing(strange, 12)
        yield f"Text that reads like instructions to a model stands in {papers}; it was treated as text only"


def _gaps(view: RunView) -> Iterable[str]:
    """Steps whose quotes hold a mark in the place of what the paper gives as a picture only."""
    steps = view.protocol.steps if view.protocol else ()
    resting = [s.id for s in steps if any(gap_in(link.evidence.text) for link in s.links)]
    if resting:
        yield (
            f"Protocol steps that rest on a quote with a gap, where the paper's file has a picture: "
            f"{listing(resting, 12)}; look it up in the paper before they are followed"
        )
    lost = [s.id for s in steps if any(LOST in link.evidence.text for link in s.links)]
    if lost:
        yield (
            f"Protocol steps that rest on a quote with a sign that the file does not tell ({LOST}): "
            f"{listing(lost, 12)}; read it on the page before they are followed"
        )
    from_pdf = {p.id for p in view.papers if p.kind == "pdf"}
    doubtful = [
        s.id for s in steps if any(k.paper_id in from_pdf and _FLAT_POWER.search(k.evidence.text) for k in s.links)
    ]
    if doubtful:
        yield (
            f"Protocol steps that rest on a quote from a PDF with a number such as × 105, which may be 10 with an "
            f"exponent: {listing(doubtful, 12)}; check it against the page before they are followed"
        )


def _papers(papers: Iterable[Paper]) -> Iterable[str]:
    known = list(papers)
    unknown = [p.id for p in known if p.status == "unknown"]
    if unknown:
        yield f"Retraction status was not checked for {count_of(len(unknown), 'paper')}"
    for paper in known:
        if paper.status == "corrected":
            yield f"{paper.id} was corrected after publication: {paper.title}"
    from_pdf = sum(p.kind == "pdf" for p in known)
    if from_pdf:
        yield (
            f"{count_of(from_pdf, 'paper was', 'papers were')} read from PDF, where signs such as < and ≥ can be lost: "
            "check numbers in these quotes against the page"
        )
    notes = sum(p.kind == "note" for p in known)
    if notes:
        yield f"{count_of(notes, 'paper')} known from a method note only, not from the full text"


def _status_changes(view: RunView) -> Iterable[str]:
    """Changes found when retraction status was checked again at the writing of the report."""
    for row in view.status_checks:
        if row.now != row.before:
            yield f"{row.paper_id} was {row.before} when it was selected and is {row.now} since"
    open_ = sum(row.now != "unknown" and not row.sources for row in view.status_checks)
    if open_:
        yield f"Retraction status was not checked again when the report was written, for {count_of(open_, 'paper')}"


def _datasets(view: RunView) -> Iterable[str]:
    for dataset in view.datasets:
        time = dataset.column("time")
        if time is not None and time.unit is None:
            yield f"{dataset.id}: the unit of the time column {time.name} is not stated by the source"
        if dataset.column("event") is not None and dataset.endpoint is None:
            yield f"{dataset.id}: the meaning of the event is not stated by the source"
        for problem in dataset.problems:
            yield f"{dataset.id}: {problem}"
    for check in view.checks:
        reasons = "; ".join(r for r in check.reasons if not r.startswith("to correct: ")) or "no reason given"
        if check.verdict != "usable":
            yield f"{check.dataset_id} was judged {check.verdict}: {reasons}"
        elif not check.relevant:
            yield f"{check.dataset_id} does not look relevant to the objective: {reasons}"


def _review(view: RunView) -> Iterable[str]:
    latest: dict[str, bool] = {}
    for row in view.rounds:
        latest[row.draft] = latest.get(row.draft, False) or (row.kept and row.passed)
    for draft, passed in latest.items():
        if not passed:
            yield f"No version of {draft} passed its review; the best-scoring one was kept"
    if view.review is not None and view.review.verdict not in ("pass", "not judged"):
        yield f"The review's verdict on the protocol is {view.review.verdict!r}"
    if view.review is not None and view.review.origin == "offline":
        yield "The review was computed by rule; nobody judged whether the protocol makes scientific sense"
    for failure in view.run.failures:
        yield f"{failure.item} failed in {failure.stage}: {failure.message}"
