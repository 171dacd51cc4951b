"""The report as Markdown (GitHub's tables), with figures as links into the run folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bioresearcher.report import derive
from bioresearcher.report.doubts import not_verified
from bioresearcher.report.labels import MODEL_COLUMNS, MODEL_NUMBERS, ORIGINS, VARYING, cost, tokens_in, tokens_out
from bioresearcher.report.outputs import OutputFile, TablePreview
from bioresearcher.report.protocol_markdown import protocol_lines, quote_lines, render_bare_protocol, render_protocol
from bioresearcher.report.searched import left_out_lines, searched_lines
from bioresearcher.report.view import RunView, TaskView
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.report import Report
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.text.format import (
    count_of,
    doi_link,
    file_link,
    md,
    md_code,
    moment,
    number,
    pmcid_link,
    pmid_link,
    size,
    value_text,
    words,
)
from bioresearcher.text.visible import one_line

__all__ = ["render_bare_protocol", "render_markdown", "render_protocol"]


def render_markdown(view: RunView) -> str:
    """The whole report as Markdown.

    Text from papers, data, tasks and models is shown literally: no HTML, link, image or table cell can arise
    from it. The same view gives the same text.
    """
    sections = (_head, _objective, _found, _evidence, _datasets, _protocol, _tasks, _review, _usage, _end)
    lines = [line for section in sections for line in section(view)]
    return "\n".join(lines).rstrip() + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool] = ()) -> Iterable[str]:
    """A table; cells must be escaped already."""
    right = [*numeric, *[False] * (len(header) - len(numeric))]
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---:' if r else '---' for r in right)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _bullets(lines: Iterable[str], empty: str) -> Iterable[str]:
    items = [f"- {line}" for line in lines]
    yield from (*(items or [empty]), "")


def _head(view: RunView) -> Iterable[str]:
    run = view.run
    yield from (f"# {md(derive.title(view))}", "")
    yield from (" · ".join(f"**{md(s.text)}**" for s in (derive.headline(view), *derive.stamps(view))), "")
    run_id, started = derive.answered_in(view)
    yield from (f"Answers of run {md(run_id)}, started {md(moment(started))}, backend: {md(run.backend)}.", "")
    if view.missing or view.problems:
        yield from ("**This report is incomplete:**", "")
        yield from _bullets((md(s) for s in (*view.missing, *view.problems)), "")


def _objective(view: RunView) -> Iterable[str]:
    yield from ("## Objective", "", md(view.run.objective.text), "", "### Conditions", "")
    yield from _bullets((md(c) for c in view.run.objective.conditions), "None were given.")
    yield from ("### Requirements", "")
    rows = [(md(r.requirement.id), md(r.requirement.text), _coverage(r)) for r in derive.requirement_rows(view)]
    yield from _table(("Id", "Requirement", "In the protocol"), rows) if rows else ("None were given.", "")


def _coverage(row: derive.RequirementRow) -> str:
    if row.coverage is None:
        return "not assessed"
    steps = f"covered by {', '.join(md(s) for s in row.coverage.steps)}".removesuffix(" by ")
    said = steps if row.coverage.met else "**not met**"
    return f"{said}: {md(row.coverage.reason)}" if row.coverage.reason else said


def _found(view: RunView) -> Iterable[str]:
    yield from ("## What was found", "")
    yield from ("Statements of verified tasks only, in the words of the code that computed them.", "")
    parts = derive.findings_by_part(view)
    for row in derive.negative_findings(parts):
        yield from (
            f"> **Did not replicate or was not confirmed:** {md(row.finding.statement)} (task {md(row.task.task.id)})",
            "",
        )
    for part in parts:
        yield from (f"### {md(part.title)}", "")
        yield from _bullets((_finding(r) for r in part.rows), "")
    if not parts:
        yield from ("No verified task has stated a finding.", "")
    open_tasks = [t for t in view.tasks if not t.verified]
    if open_tasks:
        yield from ("### Not verified, so no results", "")
        yield from _bullets((_withheld(t) for t in open_tasks), "")


def _finding(row: derive.FoundRow) -> str:
    see = [_file(o) for o in row.task.outputs if o.artifact.kind != "findings"]
    data = ", ".join(md(d) for d in row.datasets) or "none declared"
    where = f"; see {', '.join(see)}" if see else ""
    return f"{md(row.finding.statement)} — task {md(row.task.task.id)}, data: {data}{where}"


def _withheld(task: TaskView) -> str:
    count = len(task.record.findings) if task.record else 0
    altered = ", outputs changed since the run" if task.altered else ""
    said = f"Task {md(task.task.id)} {md(task.task.title)}: {derive.OUTCOMES[task.outcome]}{altered}"
    return f"{said} ({count_of(count, 'statement')} withheld)" if count else said


def _file(output: OutputFile) -> str:
    name = md(output.artifact.name)
    return f"[{name}](<{output.link}>)" if output.link else name


def _evidence(view: RunView) -> Iterable[str]:
    yield from ("## Evidence", "")
    yield from (f"{count_of(len(view.papers), 'paper')} found, {len(view.reports)} read.", "")
    for row in derive.paper_views(view):
        screened = row.screened
        if screened and not screened.kept and not row.report:
            continue
        yield from (f"### {md(derive.stamped(row.paper))}", "")
        yield f"- {md(row.paper.id)}: {_reference(row.paper)}"
        yield f"- Kind: {derive.KINDS[row.paper.kind]}; retraction status: {row.paper.status}"
        if screened:
            kept = "kept" if screened.kept else "not kept"
            yield f"- Screening: {screened.score} of 5, {kept}: {md(screened.reason)} ({ORIGINS[screened.origin]})"
        yield f"- Used by steps: {', '.join(md(s) for s in row.used_by) or 'none'}"
        yield from _report(row, view) if row.report else ("- Not read into a report.", "")
    yield from left_out_lines(view)
    yield from searched_lines(view)


def _reference(paper: Paper) -> str:
    said = [md(", ".join(paper.authors[:6])) or "authors not stated", md(paper.journal or "journal not stated")]
    said.append(str(paper.year) if paper.year else "year not stated")
    named = (("PMID", paper.pmid, pmid_link), ("PMCID", paper.pmcid, pmcid_link), ("DOI", paper.doi, doi_link))
    for name, value, link in named:
        if value:
            target = link(value)
            said.append(f"{name} [{md(value)}](<{target}>)" if target else f"{name} {md(value)} (malformed)")
    return "; ".join(said)


def _report(row: derive.PaperView, view: RunView) -> Iterable[str]:
    report: Report | None = row.report
    if report is None:
        return
    yield f"- Quotes: {report.quotes_located} of {report.quotes} found in the text"
    yield from (f"- Doubt about its text: {md(one_line(w, 200))}" for w in view.doubts.get(report.paper_id, ()))
    if report.suspicious:
        yield f"- Reads like instructions to a model, treated as text: {count_of(len(report.suspicious), 'passage')}"
    for suspect in report.suspects:
        where = f" in {md(suspect.section)}" if suspect.section else ""
        yield f"- Withheld from the reader{where}, as it {md(suspect.reason)}: {md(suspect.text)}"
    if row.analysis and row.analysis.parts:
        carried = (
            f"; data sets that carry over: {md(', '.join(row.analysis.datasets))}" if row.analysis.datasets else ""
        )
        yield f"- Referability of the paper: {row.analysis.level}{carried}"
    left = derive.in_no_step(report)
    if left:
        yield f"- Named in the paper, in no step: {md(', '.join(left))}"
    levels = {a.part_id: a for a in row.analysis.parts} if row.analysis else {}
    for part in report.parts:
        level = levels.get(part.id)
        said = f"referability {level.level}: {md(level.reason)}" if level else "referability not assessed"
        yield from ("", f"**Part {md(part.id)}: {md(part.title)}** ({said})", "")
        for step in part.steps:
            marks = "" if step.supported else " (**unsupported**)"
            if step.unquoted:
                marks += f" (**numbers not in its quotes: {md(', '.join(step.unquoted))}**)"
            yield from (f"{md(step.id)} {md(step.action)}{marks}", "")
            for evidence in step.evidence:
                yield from quote_lines(evidence, view)


def _datasets(view: RunView) -> Iterable[str]:
    yield from ("## Data sets", "")
    for row in derive.dataset_views(view):
        d, check = row.dataset, row.check
        time = d.column("time")
        facts = [
            ("Role", d.role),
            ("Accession", d.accession or "none"),
            ("Size", f"{number(d.n_samples)} samples, {number(d.n_features)} features"),
            ("Source", d.source),
            ("Found", "; ".join(d.remote.found_by[:3]) if d.remote else ""),
            ("Licence", d.licence or "not stated"),
            ("Citation", d.citation or "not stated"),
            ("Time unit", (time.unit or "not stated by the source") if time else ""),
            ("Check", f"{check.verdict}: {'; '.join(check.reasons)}" if check else "not checked"),
            *(("Note", note) for note in d.notes),
            *(("Problem", problem) for problem in d.problems),
        ]
        yield from (f"### {md(d.id)}: {md(d.title)}", "")
        yield from _bullets((f"{name}: {md(text)}" for name, text in facts if text), "")
    if not view.datasets:
        yield from ("No data set is in the run folder.", "")


def _protocol(view: RunView) -> Iterable[str]:
    yield from ("## Protocol", "")
    if view.protocol is None:
        yield from ("No protocol was written.", "")
    else:
        yield from protocol_lines(view.protocol, view, level=3)


def _tasks(view: RunView) -> Iterable[str]:
    counted = derive.rates(view)
    yield from ("## Tasks", "")
    if not view.tasks:
        yield from ("No task is in the run folder.", "")
        return
    yield from _table(
        ("Success", "Tasks", "Share"),
        (
            ("verified", f"{counted.verified} of {counted.tasks}", counted.verified_rate),
            ("exit code 0", f"{counted.exit_ok} of {counted.tasks}", counted.exit_rate),
        ),
    )
    rungs = (f"{derive.OUTCOMES[rung]}: {n}" for rung, n in counted.ladder if n)
    yield from (f"Outcomes: {'; '.join(rungs)}.", "")
    yield from _table(("Automation", "How much"), derive.automation_rows(view))
    for task in view.tasks:
        yield from _task(task)


def _task(view: TaskView) -> Iterable[str]:
    task, record = view.task, view.record
    yield from (
        f"### {md(task.id)} {md(task.title)}",
        "",
        f"**{derive.OUTCOMES[view.outcome]}**",
        "",
        md(task.goal),
        "",
    )
    yield f"- Carries out: {', '.join(md(s) for s in task.step_ids) or 'no protocol step'}"
    if view.has_code:
        yield f"- Code: [{view.task.code_file}](<{file_link(f'{view.folder}/{view.task.code_file}')}>)"
    if record is None:
        yield from ("- No record: this task was not worked on.", "")
        return
    yield f"- What decided: {md(record.message)}"
    yield f"- Attempts: {len(record.attempts)}; sandbox: {md(record.sandbox) or 'not started'}"
    for a in record.attempts:
        yield f"  - Attempt {a.number}: {derive.OUTCOMES[a.outcome]} – {md(a.message)}"
    if record.perturbed:
        changed = ", ".join(md(c) for c in record.perturbed.changed) or "nothing"
        said = f"changed: {changed}" if record.perturbed.done else "not done"
        yield f"- Perturbed re-run: {said} ({md(record.perturbed.reason)})"
    yield from (f"- Note: {md(w)}" for w in record.warnings)
    yield from (f"- Parameter {md(k)}: {md(value_text(v))}" for k, v in task.parameters.items())
    yield ""
    yield from _outputs(view)


def _outputs(task: TaskView) -> Iterable[str]:
    if not task.outputs:
        return
    rows = [
        (
            _file(o),
            o.artifact.kind,
            size(o.artifact.bytes),
            md_code(o.artifact.sha256),
            "as written" if o.state == "same" else f"**{md(o.note)}**",
        )
        for o in task.outputs
    ]
    yield from _table(("Output", "Kind", "Size", "sha256", "State"), rows, (False, False, True))
    if not task.verified:
        yield from ("The outputs of a task that is not verified are not results and are not shown here.", "")
        return
    for output in task.outputs:
        what = f"{md(task.task.id)} · {md(output.artifact.name)}: {md(derive.described(task, output))}"
        if output.figure and output.link:
            yield from (f"![{what}](<{output.link}>)", "", what, "")
        elif output.table:
            yield from (f"{what} ({output.table.extent})", "", *_preview(output.table))


def _preview(table: TablePreview) -> Iterable[str]:
    header = [md(c.name) or " " for c in table.columns]
    rows = [[md(shown) for shown, _ in row] for row in table.rows]
    return _table(header, rows, [c.numeric for c in table.columns])


def _review(view: RunView) -> Iterable[str]:
    yield from ("## Review", "")
    if view.review is None:
        yield from ("No review was written.", "")
    else:
        yield from _scores(view.review)
    if view.rounds:
        rows = [
            (
                md(r.draft),
                str(r.round),
                f"{number(r.score)} of 5",
                "yes" if r.passed else "no",
                "yes" if r.kept else "no",
                md(r.reason),
            )
            for r in view.rounds
        ]
        yield from _table(("Draft", "Round", "Score", "Passed", "Kept", "Reason"), rows, (False, True, True))


def _scores(review: Review) -> Iterable[str]:
    yield from (f"Verdict: **{review.verdict}** – {ORIGINS[review.origin]}. {md(review.summary)}", "")
    rows = [
        (words(n).capitalize(), f"{m.score:.1f} of 5", md(m.reason), "; ".join(md(e) for e in m.evidence))
        for n in METRICS
        if (m := review.metrics.get(n)) is not None
    ]
    yield from _table(("Metric", "Score", "Reason", "Rests on"), rows, (False, True))
    found = [(f.severity, md(f.gate), md(f.location), md(f.message), md(f.suggestion)) for f in review.findings]
    if found:
        yield from _table(("Severity", "Gate", "Where", "What", "Suggestion"), found)
    else:
        yield from ("The gates found nothing.", "")


def _usage(view: RunView) -> Iterable[str]:
    u = view.run.totals
    rows = [
        ("Calls", number(u.calls)),
        ("Tokens in / cached / out", f"{u.input_tokens:,} / {u.cached_tokens:,} / {u.output_tokens:,}"),
        ("Cost", "not known (no price for this model)" if u.cost_usd is None else f"${u.cost_usd:.2f}"),
        ("Repairs", number(u.repairs)),
        ("Human interventions", number(u.human_interventions)),
    ]
    yield from ("## Usage and versions", "", *_table(("What", "How much"), rows), VARYING, "")
    yield from _models(view)
    yield from _table(("Component", "Version"), [(md(k), md(v)) for k, v in view.run.versions.items()])
    for title, digests in (("Prompts and cards", view.run.digests), ("Input files", view.run.inputs)):
        if digests:
            yield from (f"### {title}", "")
            yield from _table(("Name", "Digest"), [(md(k), md_code(v)) for k, v in digests.items()])


def _models(view: RunView) -> Iterable[str]:
    if not view.run.usage:
        return
    rows = [
        (md(r.step), md(r.role), md(r.model), f"{r.usage.calls:,}", tokens_in(r.usage), tokens_out(r.usage),
         cost(r.usage), f"{r.repaired:,}", f"{r.by_rule:,}")
        for r in view.run.usage
    ]  # fmt: skip
    yield from ("### Models", "", *_table(MODEL_COLUMNS, rows, MODEL_NUMBERS))


def _end(view: RunView) -> Iterable[str]:
    yield from ("## What was not verified", "")
    yield from _bullets((md(s) for s in not_verified(view)), "Nothing is known to be open.")
    yield from ("## How to reproduce", "", "Inside the run folder, where this report lies:", "")
    for what, line in derive.commands(view):
        yield from (f"- {what}: {md_code(line)}",)
