"""Single sections of the run report as Markdown, as an overview or for one item; also of unfinished runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.llm.ledger import usage_rows
from bioresearcher.papers.evidence_graph import named_papers
from bioresearcher.report import summaries
from bioresearcher.report.markdown import (
    asked_lines,
    count_by_reason,
    dataset_lines,
    finding_lines,
    found_lines,
    model_lines,
    not_read_papers,
    paper_lines,
    requirement_lines,
    review_lines,
    score_lines,
    task_lines,
    title_lines,
)
from bioresearcher.report.protocol_markdown import content_of, first_page_lines, part_lines, step_lines
from bioresearcher.report.run_data import RunView, TaskView, load_view
from bioresearcher.report.summaries import cost
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Usage, UsageRow
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.schemas.execution import Outcome
from bioresearcher.schemas.library import LibraryAnswer
from bioresearcher.schemas.protocol import Protocol, ProtocolStep
from bioresearcher.text.format import count_of, duration, md, md_code_block, md_list, md_table, size
from bioresearcher.text.visible import one_line, tail

MAX_LISTED: Final = 60
"""Largest number of papers not read, or of columns, that are listed; the others are counted."""
_MAX_PRINTED: Final = 1_200
"""Characters shown of the last attempt's standard error, from its end."""
_STEP: Final = re.compile(r"(?:part|step)?\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def section(folder: RunFolder, name: str, item: str = "") -> str:
    """Render a section of a run's report as Markdown; text from outside is escaped.

    Args:
        folder: The run folder, finished or not; it is only read.
        name: One of `SECTIONS`.
        item: A number of the overview, an id or a word; empty for the overview.

    Raises:
        InputError: There is no such `item`.
        RunFolderError: `run.json` cannot be used.
    """
    if not folder.has("run.json"):
        return "The run has only begun: nothing is recorded yet."
    view = load_view(folder)
    view = replace(view, run=view.run.model_copy(update={"usage": usage_of(folder, view.run.usage)}))
    # a terminal draws no figure; its words and its place stand in the next line and among the outputs
    lines = [line for line in SECTIONS[name](view, item.strip()) if not line.startswith("![")]
    if name == "status":
        lines += _questions(folder)
    return "\n".join([*lines, "", *md_list(f"**{md(s)}**" for s in view.problems)]).strip() + "\n"


def usage_of(folder: RunFolder, recorded: tuple[UsageRow, ...] = ()) -> tuple[UsageRow, ...]:
    """Read the use of models so far from the ledger; fall back to the recorded rows."""
    rows = usage_rows(folder.path("ledger.sqlite")) if folder.has("ledger.sqlite") else None
    return recorded if rows is None else rows


def _choose(name: str, item: str, ids: Sequence[str]) -> str:
    """Find the id for an item: the same text apart from case, or the number in the list from 1 on."""
    for identifier in ids:
        if identifier.casefold() == item.casefold():
            return identifier
    if item.isdecimal() and 1 <= int(item) <= len(ids):
        return ids[int(item) - 1]
    numbers = "1" if len(ids) == 1 else f"1 to {len(ids)}"
    hint = f"Say {numbers}, or an id such as {ids[0]}." if ids else "There is none yet."
    raise InputError(f"/{name}: {item[:60]!r} is not in the list.", hint=hint)


def _status(view: RunView, _: str) -> Iterable[str]:
    run, protocol, review = view.run, view.protocol, view.review
    kept = sum(s.kept for s in view.screening)
    located, quotes = sum(r.quotes_located for r in view.reports), sum(r.quotes for r in view.reports)
    spent = sum((r.usage for r in run.usage), Usage())
    counts = summaries.task_rates(view)
    worked = f"{sum(t.record is not None for t in view.tasks)} of {counts.tasks} worked on"
    steps = f"{_size(protocol)}, {_resting(protocol)}" if protocol else ""
    ended = run.status != "running"  # only then are times and interventions counted
    rows = [
        ("objective", run.objective.text),
        ("worked", duration(run.totals.wall_s) if ended else ""),
        ("papers", f"{len(view.reports)} of {kept} read" if kept else "none chosen yet"),
        ("quotes", f"{located} of {quotes} located" if quotes else ""),
        ("protocol", steps or "not written yet"),
        ("tasks", f"{worked}, {counts.exit_ok} ended with exit code 0" if view.tasks else "none yet"),
        ("review", f"{review.verdict}, mean {review.mean_score:.2f} of 5" if review and review.metrics else "not yet"),
        ("by people", count_of(run.totals.human_interventions, "intervention") if ended else ""),
        ("models", f"{count_of(spent.calls, 'call')}, {cost(spent)}" if spent.calls else "none asked"),
    ]
    failed = (f"**{md(f.item)}: {md(f.message)}**" for f in run.failures)
    doubts = count_of(len(run.not_verified), "doubt")
    caveats = [f"{doubts}: the report's section “What was not verified”"] if run.not_verified else []
    yield from title_lines(view)
    yield from (f"- {line}" for line in (*(f"{name}: {md(value)}" for name, value in rows if value), *failed, *caveats))


def _questions(folder: RunFolder) -> Iterable[str]:
    asked = folder.read_lines(LibraryAnswer, "questions.jsonl")
    if asked:
        yield f"- questions: {len(asked)}, {sum(a.in_library for a in asked)} answered"


def _papers(view: RunView, item: str) -> Iterable[str]:
    order = {s.paper_id: n for n, s in enumerate(view.screening)}
    known = {row.paper.id: row for row in summaries.paper_views(view)}
    rows = [r for r in known.values() if r.report or (r.screened and r.screened.kept)]
    rows.sort(key=lambda r: order.get(r.paper.id, len(order)))
    read = [r.paper.id for r in rows]
    rest = not_read_papers([s for s in view.screening if s.paper_id in known and s.paper_id not in read], view.papers)
    if item and item.casefold() != "all":
        named = named_papers(view.papers, item)
        ids = [*read, *(s.paper_id for s in rest)]
        row = known[named[0].id if len(named) == 1 else _choose("papers", item, ids)]
        yield from (f"# {md(summaries.title_with_status(row.paper))}", "", *paper_lines(row, view))
        return
    yield from (f"# Papers to read: {len(rows)}" if known else "No paper has been found yet.", "")
    if rows:
        cells = [
            (_numbered(n, r.paper.id, summaries.title_with_status(r.paper)), *_counts_of_paper(r))
            for n, r in enumerate(rows, 1)
        ]
        yield from md_table(("Paper", "Year", "Steps", "Quotes"), cells, (False, True, True, True))
    if rest and not item:
        yield f"{count_of(len(rest), 'paper')} not read ({count_by_reason(rest)}): /papers all"
    elif rest:
        titles = {i: one_line(summaries.title_with_status(r.paper), 100) for i, r in known.items()}
        why = [(_numbered(n, s.paper_id, titles[s.paper_id]), md(s.reason)) for n, s in enumerate(rest, len(rows) + 1)]
        yield from (f"## Not read: {len(rest)}", "", *md_table(("Paper", "Why"), why[:MAX_LISTED]))
        if len(rest) > MAX_LISTED:
            yield f"And {len(rest) - MAX_LISTED} more: see screening.json."


def _numbered(number: int, identifier: str, title: str) -> str:
    return f"{number}. {md(f'{identifier} {title}')}"


def _counts_of_paper(row: summaries.PaperView) -> tuple[str, str, str]:
    """Cells of a paper: year, steps, quotes located of all."""
    report, year = row.report, str(row.paper.year or "n.d.")
    if report is None:
        return year, "–", "–"
    return year, str(sum(len(p.steps) for p in report.parts)), f"{report.quotes_located}/{report.quotes}"


def _datasets(view: RunView, item: str) -> Iterable[str]:
    used = summaries.dataset_views(view)
    checks = {c.dataset_id: c for c in view.checks}
    rows = [*used, *(summaries.DatasetView(d, checks.get(d.id)) for d in view.not_used)]
    if item:
        identifier = _choose("datasets", item, [r.dataset.id for r in rows])
        row = next(r for r in rows if r.dataset.id == identifier)
        yield from (f"# {md(identifier)}: {md(row.dataset.title)}", "", *dataset_lines(row))
        yield from _columns(row.dataset)
        steps = [s.id for s in (view.protocol.steps if view.protocol else ()) if identifier in s.datasets]
        tasks = [t.task.id for t in view.tasks if any(i.dataset == identifier for i in t.task.inputs)]
        yield f"- Used: {'yes' if row in used else 'no'}"
        yield f"- Protocol steps: {md(', '.join(steps)) or 'none'}"
        yield f"- Tasks: {md(', '.join(tasks)) or 'none'}"
        return
    yield from (f"# Data sets: {len(rows)}, {len(used)} used" if rows else "No data set is known yet.", "")
    cells = []
    for number, row in enumerate(rows, 1):
        verdict = row.check.verdict if row.check else "not judged yet"
        state = verdict if row in used else f"not used: {verdict}"
        title = _numbered(number, row.dataset.id, row.dataset.title)
        cells.append((title, str(row.dataset.n_samples or "–"), state))
    if cells:
        yield from md_table(("Data set", "Samples", "Fits"), cells, (False, True))


def _columns(dataset: Dataset) -> Iterable[str]:
    for file in dataset.files:
        yield from (f"## {md(file.name)}: {file.kind}, {file.rows:,} rows, {size(file.bytes)}", "")
        rows = [(md(c.name), c.role, c.dtype, str(c.missing or ""), md(_meaning(c))) for c in file.columns[:MAX_LISTED]]
        if rows:
            yield from md_table(("Column", "Role", "Type", "Missing", "Meaning"), rows, (False, False, False, True))


def _meaning(column: Column) -> str:
    levels = f"{column.case} against {column.control}" if column.case else ", ".join(column.levels[:6])
    return "; ".join(filter(None, [column.label, levels, f"in {column.unit}" if column.unit else ""]))


def _protocol(view: RunView, item: str) -> Iterable[str]:
    protocol = view.protocol
    if protocol is None:
        return ["There is no protocol yet."]
    if item.casefold() == "limitations":
        return ["# Limitations", "", *md_list(map(md, protocol.limitations), "None are stated.")]
    if not item:
        return _outline(view)
    found = _STEP.fullmatch(item)
    number = found[1] if found else ""
    for part in protocol.parts:
        if part.id == number:
            return part_lines(part, content_of(view, protocol), view, 1)
        for step in part.steps:
            if step.id == number:
                return step_lines(step, content_of(view, protocol), view, 1)
    parts = ", ".join(p.id for p in protocol.parts)
    raise InputError(f"/protocol: there is no part or step {item[:60]!r}.", hint=f"Its parts are {parts}.")


def _size(protocol: Protocol) -> str:
    return f"{count_of(len(protocol.parts), 'part')}, {count_of(len(protocol.steps), 'step')}"


def _resting(protocol: Protocol) -> str:
    on_papers, on_facts = (sum(map(has, protocol.steps)) for has in (_has_passage, _has_fact))
    return f"{on_papers} on papers" + (f", {on_facts} on facts of the data" if on_facts else "")


def _has_passage(step: ProtocolStep) -> bool:
    return bool(step.links)


def _has_fact(step: ProtocolStep) -> bool:
    return any(c.kind == "fact" and c.state == "supported" for c in step.citations)


def _grounds(step: ProtocolStep) -> str:
    """Count what a step rests on, or say that it rests on nothing that was read or found in the data."""
    facts = sum(c.kind == "fact" and c.state == "supported" for c in step.citations)
    found = [count_of(len(step.links), "passage")] if step.links else []
    found += [count_of(facts, "fact")] if facts else []
    if found:
        return " and ".join(found)
    return "general knowledge" if any(c.kind == "general" for c in step.citations) else "**nothing supports it**"


def _outline(view: RunView) -> Iterable[str]:
    """Outline of the protocol: titles of parts and steps, and coverage of the requirements."""
    protocol = view.protocol
    if protocol is None:
        return
    revised = f", revision {protocol.revision}" if protocol.revision else ""
    yield from (f"# {md(protocol.title)}", "", f"{_size(protocol)}, {_resting(protocol)}{revised}", "")
    yield from first_page_lines(content_of(view, protocol), 2)
    for part in protocol.parts:
        after = f" (after {', '.join(map(md, part.depends_on))})" if part.depends_on else ""
        yield from (f"## {md(part.id)} {md(part.title)}{after}", "")
        yield from md_list(f"{md(s.id)} {md(s.title)} ({s.kind}, {_grounds(s)})" for s in part.steps)
    if protocol.coverage:
        yield from ("## Requirements", "", *requirement_lines(view))
    if protocol.limitations:
        yield f"{count_of(len(protocol.limitations), 'limitation')} stated: /protocol limitations"


def _results(view: RunView, item: str) -> Iterable[str]:
    """The questions with their answers, then all statements; of one question, its own."""
    told = view.run.answers
    if item:
        one = _choose("results", item, [q.id for q in told.questions])
        view = replace(view, run=view.run.model_copy(update={"answers": told.only(one)}))
        yield from asked_lines(view)
        return
    if not any(t.record for t in view.tasks):
        yield "There are no results yet."
        return
    yield from (*asked_lines(view), *found_lines(view))


def _tasks(view: RunView, item: str) -> Iterable[str]:
    if item:
        identifier = _choose("tasks", item, [t.task.id for t in view.tasks])
        yield from _task(next(t for t in view.tasks if t.task.id == identifier))
    elif not view.tasks:
        yield "There are no tasks yet."
    else:
        counts, open_ = summaries.task_rates(view), sum(t.record is None for t in view.tasks)
        waits = f", {open_} not worked on yet" if open_ else ""
        done = f"{counts.exit_ok} ended with exit code 0, {counts.verified} verified"
        yield from (f"# {count_of(counts.tasks, 'task')}: {done}{waits}", "")
        yield from md_table(
            ("Task", "Outcome", "Attempts", "Outputs", "Time"),
            [(f"{md(t.task.id)} {md(t.task.title)}", *_task_cells(t)) for t in view.tasks],
            (False, False, True, True, True),
        )


def _task_cells(task: TaskView) -> tuple[str, ...]:
    """Cells of a task: outcome, attempts, outputs, time."""
    record = task.record
    if record is None:
        return "waits or runs", "–", "–", "–"
    outcome = summaries.OUTCOMES[task.outcome] + (", outputs changed since the run" if task.altered else "")
    time = duration(sum(a.use.wall_s for a in record.attempts)) if record.attempts else "–"
    return outcome if task.verified else f"**{outcome}**", str(len(record.attempts)), str(len(record.artifacts)), time


def _task(task: TaskView) -> Iterable[str]:
    """A task as in the report, with the times of its attempts, its statements and its last standard error."""
    record = task.record
    yield from (f"# {md(task.task.id)} {md(task.task.title)}", "", *task_lines(task))
    if record is None:
        return
    if record.attempts:
        yield from (f"Time of the attempts: {', '.join(duration(a.use.wall_s) for a in record.attempts)}", "")
    if record.findings:
        yield from ("## Findings" if task.verified else "## Stated, but not verified: no results", "")
        yield from md_list(md(f.statement) for f in record.findings)
    if record.outcome is not Outcome.VERIFIED and record.attempts and record.attempts[-1].stderr.strip():
        yield from ("## The last attempt printed", "", *md_code_block(tail(record.attempts[-1].stderr, _MAX_PRINTED)))


def _review(view: RunView, item: str) -> Iterable[str]:
    review, wanted = view.review, item.casefold()
    if review is None:
        yield "There is no review yet: it is written at the end, from the whole protocol; until then there is no score."
        unmet = [c for c in view.protocol.coverage if not c.met] if view.protocol else []
        yield from ("", *md_list(f"**{md(c.requirement)} is not met**: {md(c.reason)}" for c in unmet))
    elif not wanted:
        yield from ("# Review", "", *review_lines(view))
    elif metrics := {name: m for name, m in review.metrics.items() if wanted.replace(" ", "_") == name}:
        yield from score_lines(metrics)
    else:
        found = [f for f in review.findings if wanted in f"{f.severity} {f.gate} {f.location} {f.message}".casefold()]
        yield from (f"# {count_of(len(found), 'finding')} on {md(item)}", "")
        yield from finding_lines(found) if found else ()


def _cost(view: RunView, item: str) -> Iterable[str]:
    rows = [r for r in view.run.usage if item.casefold() in f"{r.step} {r.role} {r.model}".casefold()]
    if not rows:
        yield f"No model was asked; answered by: {md(view.run.backend)}."
        return
    total = sum((r.usage for r in rows), Usage())
    yield from (f"# {cost(total)} for {count_of(total.calls, 'call')}; answered by: {md(view.run.backend)}", "")
    yield from model_lines(rows)


SECTIONS: Final[Mapping[str, Callable[[RunView, str], Iterable[str]]]] = {
    "status": _status,
    "papers": _papers,
    "datasets": _datasets,
    "protocol": _protocol,
    "tasks": _tasks,
    "results": _results,
    "review": _review,
    "cost": _cost,
}
"""Name of a section -> function that writes it for a run and an item."""
