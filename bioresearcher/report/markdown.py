"""The run report as Markdown (GitHub's tables), with figures as links into the run folder.

Text from papers, data, tasks and models is escaped throughout. `*_lines` functions are also used for single sections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from bioresearcher.analysis.sets import FIGURE, flow_rows
from bioresearcher.report import summaries
from bioresearcher.report.caveats import not_verified
from bioresearcher.report.protocol_evidence import evidence_lines
from bioresearcher.report.protocol_markdown import body_lines, content_of, quote_lines
from bioresearcher.report.run_data import OutputFile, RunView, TablePreview, TaskView
from bioresearcher.review.checks import count_severities
from bioresearcher.schemas.answer import QuestionAnswer
from bioresearcher.schemas.base import Usage, UsageRow
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.paper import DecidedBy, Paper, QueryTrail, ScreenedPaper, SearchRound
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.question import AnalysisSet
from bioresearcher.schemas.review import METRICS, CheckFinding, DraftReview, Metric, MetricName
from bioresearcher.stages.deviations import deviation_lines
from bioresearcher.text.format import (
    count_of,
    doi_link,
    file_link,
    label_text,
    md,
    md_code,
    md_list,
    md_table,
    number,
    pmcid_link,
    pmid_link,
    size,
    timestamp_text,
    value_text,
)
from bioresearcher.text.visible import one_line

MAX_QUERIES = 60
"""Largest number of queries in a report; the others are counted."""
MAX_NOT_READ = 50
"""Largest number of papers named as not read; the others are counted."""
EXCLUSION_REASONS: dict[DecidedBy, str] = {
    "score": "below the score",
    "own": "given by the researcher",
    "set aside": "given by the researcher, and irrelevant to the objective",
    "person": "taken out by a person",
    "limit": "beyond the number of papers read",
    "distance": "too far from the objective to be judged",
    "retraction": "retracted",
    "preprint": "preprints of papers found",
    "type": "of a type that is not read",
    "language": "in another language",
    "year": "of another year",
}
"""Deciding rule of the screening -> reason in words."""


def render_pages(view: RunView) -> dict[str, str]:
    """Render the pages behind the first one as Markdown, by name.

    Text from papers, data, tasks and models is shown literally: no HTML, link, image or table cell can arise
    from it. The same view gives the same text.
    """
    pages = {
        "evidence": (_evidence, _datasets),
        "protocol": (_deviations, _protocol),
        "tasks": (found_lines, asked_lines, _tasks),
        "review": (_caveats, left_out_answers, _review),
        "record": (_objective, _usage, _reproduce),
    }
    return {
        name: "\n".join([*title_lines(view), *(line for section in sections for line in section(view))]).rstrip() + "\n"
        for name, sections in pages.items()
    }


def _deviations(view: RunView) -> Iterable[str]:
    """Write what was done otherwise than registered, with the reasons."""
    yield from ("## Deviations from the registered plan", "")
    yield from md_list((md(line) for line in deviation_lines(view.deviations)), "")


def left_out_answers(view: RunView) -> Iterable[str]:
    """Write the sentences that failed a check, with the reasons, and the judgement of the first page."""
    told = view.run.answers
    rows = [(md(q.id), md(r.text), md(r.reason)) for q in told.questions for r in q.left_out]
    if rows:
        yield from ("## Sentences left out of the answers", "")
        yield from md_table(("Question", "Sentence", "Why"), rows)
    if told.page:
        yield from ("## The first page, judged", "")
        cells = [(a.axis, md(a.question), "yes" if a.yes else f"no: {md(a.reason)}", a.origin) for a in told.page]
        yield from md_table(("Axis", "Question", "Answer", "By"), cells)


def asked_lines(view: RunView) -> Iterable[str]:
    """Write every question with its state, and the reason where it is not answered."""
    told = view.run.answers
    if not told.questions and not told.not_understood:
        return
    yield from ("## What was asked, and what was answered", "")
    yield from (f"**{md(told.headline or 'No question of the objective was understood')}**", "")
    yield from md_list((_question_line(q) for q in told.questions), "")
    for found in view.flows:
        yield from _flow(found)
    if told.not_understood:
        yield from ("Not understood:", "")
        yield from md_list((md(text) for text in told.not_understood), "")
    if told.requirements:
        rows = [(md(r.id), md(r.state), md(r.why) or "–") for r in told.requirements]
        yield from md_table(("Requirement", "State", "Why"), rows)


def _flow(rows: AnalysisSet) -> Iterable[str]:
    """Write the way to the rows of a question as a table and a figure, where any were left out or compared."""
    if not (rows.flow or rows.groups or rows.events is not None):
        return
    header, *steps = flow_rows(rows)
    yield from (f"Rows of {md(rows.question)} ({md(rows.population or rows.source)}):", "")
    yield from md_table(tuple(map(md, header)), [tuple(map(md, row)) for row in steps], (False, True, True))
    yield from (f"![Flow of {md(rows.question)}](<analysis/{rows.question}/{FIGURE}>)", "")


def _question_line(answer: QuestionAnswer) -> str:
    parts = [f"**{md(answer.id)} {md(answer.state)}:** {md(answer.text)}"]
    parts += [f"Why: {md(answer.why)}."] if answer.why else []
    parts += [f"To settle it: {md_code(answer.mend)}"] if answer.mend else []
    parts += [f"Rows: {md(answer.flow)}."] if answer.flow else []
    parts += [md(statement) for statement in answer.findings[:3]]
    return " ".join(parts)


def title_lines(view: RunView) -> Iterable[str]:
    """Write the title, the marks of the run's status, and the run's id and start."""
    run = view.run
    yield from (f"# {md(summaries.title(view))}", "")
    yield from (" · ".join(f"**{md(s.text)}**" for s in (summaries.headline(view), *summaries.stamps(view))), "")
    run_id, started = summaries.answering_run(view)
    yield from (f"Answers of run {md(run_id)}, started {md(timestamp_text(started))}, backend: {md(run.backend)}.", "")


def _objective(view: RunView) -> Iterable[str]:
    yield from ("## Objective", "", md(view.run.objective.text), "", "### Conditions", "")
    yield from md_list((md(c) for c in view.run.objective.conditions), "None were given.")
    yield from ("### Requirements", "", *requirement_lines(view))


def requirement_lines(view: RunView) -> Iterable[str]:
    """Write the table of the objective's requirements and their coverage in the protocol."""
    rows = [(md(r.requirement.id), md(r.requirement.text), _coverage(r)) for r in summaries.requirement_rows(view)]
    yield from md_table(("Id", "Requirement", "In the protocol"), rows) if rows else ("None were given.", "")


def _coverage(row: summaries.RequirementRow) -> str:
    if row.coverage is None:
        return "not assessed"
    steps = f"covered by {', '.join(md(s) for s in row.coverage.steps)}".removesuffix(" by ")
    state = steps if row.coverage.met else "**not met**"
    return f"{state}: {md(row.coverage.reason)}" if row.coverage.reason else state


def found_lines(view: RunView) -> Iterable[str]:
    """Write the statements of verified tasks, those that did not replicate first, and the tasks without results."""
    yield from ("## What was found", "")
    yield from ("Statements of verified tasks only, in the words of the code that computed them.", "")
    parts = summaries.findings_by_part(view)
    for row in summaries.negative_findings(parts):
        statement = f"{md(row.finding.statement)} (task {md(row.task.task.id)})"
        yield from (f"> **Did not replicate or was not confirmed:** {statement}", "")
    for part in parts:
        yield from (f"### {md(part.title)}", "")
        yield from md_list((_finding(r) for r in part.rows), "")
    if not parts:
        yield from ("No verified task has stated a finding.", "")
    open_tasks = [t for t in view.tasks if not t.verified]
    if open_tasks:
        yield from ("### Not verified, so no results", "")
        yield from md_list((_open_task(t) for t in open_tasks), "")


def _finding(row: summaries.FindingRow) -> str:
    see = [_file(o) for o in row.task.outputs if o.artifact.kind != "findings"]
    data = ", ".join(md(d) for d in row.datasets) or "none declared"
    where = f"; see {', '.join(see)}" if see else ""
    return f"{md(row.finding.statement)} — task {md(row.task.task.id)}, data: {data}{where}"


def _open_task(task: TaskView) -> str:
    count = len(task.record.findings) if task.record else 0
    altered = ", outputs changed since the run" if task.altered else ""
    text = f"Task {md(task.task.id)} {md(task.task.title)}: {summaries.OUTCOMES[task.outcome]}{altered}"
    return f"{text} ({count_of(count, 'statement')} withheld)" if count else text


def _file(output: OutputFile) -> str:
    name = md(output.artifact.name)
    return f"[{name}](<{output.link}>)" if output.link else name


def _evidence(view: RunView) -> Iterable[str]:
    yield from ("## Evidence", "")
    yield from (f"{count_of(len(view.papers), 'paper')} found, {len(view.reports)} read.", "")
    for row in summaries.paper_views(view):
        if row.report or not row.screened or row.screened.kept:
            yield from (f"### {md(summaries.title_with_status(row.paper))}", "", *paper_lines(row, view))
    yield from left_out_lines(view)
    yield from searched_lines(view)


def paper_lines(row: summaries.PaperView, view: RunView) -> Iterable[str]:
    """Write a paper: its facts, its use in the run, and its paper report with quotes."""
    paper, screened = row.paper, row.screened
    yield f"- {md(paper.id)}: {_reference(paper)}"
    yield f"- Kind: {summaries.KINDS[paper.kind]}; from {md(paper.source)}; retraction status: {paper.status}"
    if row.report:
        yield f"- Cited from: {md(paper.basis)}"
    yield from (f"- Notice: {md(' '.join(filter(None, (n.what, n.date, f'({n.source})'))))}" for n in paper.notices)
    if screened:
        score = f"{screened.score} of 5, {'kept' if screened.kept else 'not kept'}"
        yield f"- Screening: {score}: {md(screened.reason)} ({summaries.ORIGINS[screened.origin]})"
    if row.report:
        yield from _report(row, row.report, view)
    else:
        yield from ("- Not read into a report.", "")


def _reference(paper: Paper) -> str:
    facts = [
        md(", ".join(paper.authors[:6]) + ", …" * (len(paper.authors) > 6)) or "authors not stated",
        md(paper.journal or "journal not stated"),
    ]
    facts.append(str(paper.year) if paper.year else "year not stated")
    named = (("PMID", paper.pmid, pmid_link), ("PMCID", paper.pmcid, pmcid_link), ("DOI", paper.doi, doi_link))
    for name, value, link in named:
        if value:
            target = link(value)
            facts.append(f"{name} [{md(value)}](<{target}>)" if target else f"{name} {md(value)} (malformed)")
    return "; ".join(facts)


def _report(row: summaries.PaperView, report: PaperReport, view: RunView) -> Iterable[str]:
    yield from (
        f"- {name.capitalize()}: {md(value)}"
        for name, value in summaries.use_rows(summaries.paper_use(row.paper, report, view))
    )
    yield f"- Quotes: {report.quotes_located} of {report.quotes} found in the text"
    yield from (f"- Doubt about its text: {md(one_line(w, 200))}" for w in view.doubts.get(report.paper_id, ()))
    if report.suspicious:
        yield f"- Reads like instructions to a model, treated as text: {count_of(len(report.suspicious), 'passage')}"
    for suspect in report.suspects:
        where = f" in {md(suspect.section)}" if suspect.section else ""
        yield f"- Withheld from the reader{where}, as it {md(suspect.reason)}: {md(suspect.text)}"
    if row.analysis and row.analysis.parts:
        names = md(", ".join(row.analysis.datasets))
        carried = f"; data sets that carry over: {names}" if names else ""
        yield f"- Referability of the paper: {row.analysis.level}{carried}"
    left = summaries.unused_mentions(report)
    if left:
        yield f"- Named in the paper, in no step: {md(', '.join(left))}"
    levels = {a.part_id: a for a in row.analysis.parts} if row.analysis else {}
    for part in report.parts:
        level = levels.get(part.id)
        assessment = f"referability {level.level}: {md(level.reason)}" if level else "referability not assessed"
        yield from ("", f"**Part {md(part.id)}: {md(part.title)}** ({assessment})", "")
        for step in part.steps:
            marks = "" if step.supported else " (**unsupported**)"
            if step.unquoted:
                marks += f" (**numbers not in its quotes: {md(', '.join(step.unquoted))}**)"
            yield from (f"{md(step.id)} {md(step.action)}{marks}", "")
            for evidence in step.evidence:
                yield from quote_lines(evidence, view)


def left_out_lines(view: RunView) -> Iterable[str]:
    """Write the papers that are not read: counted by reason, then named with theirs."""
    rows = not_read_papers(view.screening, view.papers)
    if not rows:
        return
    titles = {p.id: p.title for p in view.papers}
    yield from ("### Papers found and not read", "", f"{count_of(len(rows), 'paper')}: {count_by_reason(rows)}.", "")
    for row in rows[:MAX_NOT_READ]:
        title = one_line(titles.get(row.paper_id, ""), 160)
        yield f"- {md(row.paper_id)} {md(title)}: {md(one_line(row.reason, 300))}"
    if len(rows) > MAX_NOT_READ:
        yield f"- and {len(rows) - MAX_NOT_READ} more: see screening.json."
    yield ""


def not_read_papers(screening: Iterable[ScreenedPaper], papers: Iterable[Paper]) -> list[ScreenedPaper]:
    """List the papers that are not read: retracted or doubted ones first, then by score."""
    warned = {p.id for p in papers if p.status in ("retracted", "concern")}
    rows = [s for s in screening if not s.kept]
    return sorted(rows, key=lambda s: (s.paper_id not in warned, -s.score, -s.relevance, s.paper_id))


def count_by_reason(rows: Iterable[ScreenedPaper]) -> str:
    """Count the papers that are not read by reason, the most frequent first."""
    kinds = Counter(EXCLUSION_REASONS[row.decided_by] for row in rows)
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items(), key=lambda k: (-k[1], k[0])))


def searched_lines(view: RunView) -> Iterable[str]:
    """Write the search: a table of queries, and the reason why searching ended."""
    rows = search_queries(view.rounds_of_search)
    if not rows:
        return
    yield from ("### How papers were searched", "")
    yield from md_table(
        ("Round", "Source", "Query", "Hits", "Taken", "New", "Kept"),
        (
            (
                str(n),
                md(q.source),
                _query_text(q),
                f"{q.hits:,}",
                str(len(q.found)),
                str(q.new),
                "–" if q.kept is None else str(q.kept),
            )
            for n, q in rows[:MAX_QUERIES]
        ),
    )
    if len(rows) > MAX_QUERIES:
        yield from (f"And {len(rows) - MAX_QUERIES} more queries: see search.json.", "")
    ends = [r.stop_reason for r in view.rounds_of_search if r.stop_reason]
    yield from (f"Searching ended: {md(ends[-1])}." if ends else "Searching had not ended.", "")


def search_queries(rounds: Sequence[SearchRound]) -> list[tuple[int, QueryTrail]]:
    """List every query with the number of its search round, in the order asked."""
    return [(r.round, row) for r in rounds for row in r.trail]


def _query_text(row: QueryTrail) -> str:
    texts = [md(one_line(row.query, 400))]
    if row.rule:
        texts.append(md(row.rule))
    if row.translation and row.translation != row.query:
        texts.append(f"understood as: {md(one_line(row.translation, 300))}")
    return "; ".join([*texts, *(md(one_line(w, 200)) for w in row.warnings)])


def _datasets(view: RunView) -> Iterable[str]:
    yield from ("## Data sets", "")
    for row in summaries.dataset_views(view):
        yield from (f"### {md(row.dataset.id)}: {md(row.dataset.title)}", "", *dataset_lines(row))
    if not view.datasets:
        yield from ("No data set is in the run folder.", "")


def dataset_lines(row: summaries.DatasetView) -> Iterable[str]:
    """Write the facts of a data set and its check."""
    return md_list(f"{name}: {md(text)}" for name, text in summaries.dataset_facts(row) if text)


def _protocol(view: RunView) -> Iterable[str]:
    if view.protocol is None:
        return ("## Protocol", "", "No protocol was written.", "")
    content = content_of(view, view.protocol)
    written = (*body_lines(content, view, 3), *evidence_lines(content, view, 3, lead="Evidence: "))
    return ("## Protocol", "", *written)


def _tasks(view: RunView) -> Iterable[str]:
    counts = summaries.task_rates(view)
    yield from ("## Tasks", "")
    if not view.tasks:
        yield from ("No task is in the run folder.", "")
        return
    rates = (("verified", counts.verified, counts.verified_rate), ("exit code 0", counts.exit_ok, counts.exit_rate))
    cells = [(name, f"{n} of {counts.tasks}", share) for name, n, share in rates]
    yield from md_table(("Success", "Tasks", "Share"), cells)
    rungs = (f"{summaries.OUTCOMES[rung]}: {n}" for rung, n in counts.ladder if n)
    yield from (f"Outcomes: {'; '.join(rungs)}.", "")
    yield from md_table(("Automation", "How much"), summaries.automation_rows(view))
    for task in view.tasks:
        yield from (f"### {md(task.task.id)} {md(task.task.title)}", "", *task_lines(task))


def task_lines(view: TaskView) -> Iterable[str]:
    """Write a task: its outcome, goal, facts, attempts and outputs."""
    task, record = view.task, view.record
    yield from (f"**{summaries.OUTCOMES[view.outcome]}**", "", md(task.goal), "")
    yield f"- Carries out: {', '.join(md(s) for s in task.step_ids) or 'no protocol step'}"
    reads = (f"{i.name} ({i.dataset or i.task}/{i.file if i.dataset else i.output})" for i in task.inputs)
    yield f"- Reads: {md(', '.join(reads)) or 'nothing'}"
    yield f"- Made with: {f'the skill {md(task.skill)}' if task.skill else 'code written for this task'}"
    code = (
        f"[{task.code_file}](<{file_link(f'{view.folder}/{task.code_file}')}>)" if view.has_code else "not written yet"
    )
    yield f"- Code: {code}"
    if record is None:
        for o in task.outputs:
            columns = f", with {', '.join(c.name for c in o.columns)}" if o.columns else ""
            yield f"- Writes {md(f'{o.file} ({o.kind}): {o.description}{columns}')}"
        yield from _parameters(task)
        yield from ("- No record: this task was not worked on.", "")
        return
    yield f"- What decided: {md(record.message)}"
    ended = f"; exit code 0: {_yes(record.exit_ok)}" if record.attempts else ""
    yield f"- Attempts: {len(record.attempts)}{ended}; sandbox: {md(record.sandbox) or 'not started'}"
    for a in record.attempts:
        ended = "" if a.exit_code is None else f", exit code {a.exit_code}"
        yield f"  - Attempt {a.number}: {summaries.OUTCOMES[a.outcome]}{ended} – {md(a.message)}"
    if record.perturbed:
        changed = ", ".join(md(c) for c in record.perturbed.changed) or "nothing"
        same = f"; unchanged: {', '.join(map(md, record.perturbed.unchanged))}" if record.perturbed.unchanged else ""
        result = f"changed: {changed}{same}" if record.perturbed.done else "not done"
        yield f"- Perturbed re-run: {result} ({md(record.perturbed.reason)})"
    yield from (f"- Note: {md(w)}" for w in record.warnings)
    yield from _parameters(task)
    yield ""
    yield from _outputs(view)


def _parameters(task: DryLabTask) -> Iterable[str]:
    return (f"- Parameter {md(k)}: {md(value_text(v))}" for k, v in task.parameters.items())


def _outputs(task: TaskView) -> Iterable[str]:
    if not task.outputs:
        return
    header = ("Output", "Kind", "Size", "sha256", "What", "State")
    yield from md_table(header, map(_output_cells, task.outputs), (False, False, True))
    if not task.verified:
        yield from ("The outputs of a task that is not verified are not results and are not shown here.", "")
        return
    for output in task.outputs:
        what = f"{md(task.task.id)} · {md(output.artifact.name)}: {md(summaries.output_caption(task, output))}"
        if output.figure and output.link:
            yield from (f"![{what}](<{output.link}>)", "", what, "")
        elif output.table:
            yield from (f"{what} ({output.table.extent})", "", *_preview(output.table))


def _output_cells(output: OutputFile) -> tuple[str, ...]:
    artifact = output.artifact
    state = "as written" if output.state == "same" else f"**{md(output.note)}**"
    return (_file(output), artifact.kind, size(artifact.bytes), md_code(artifact.sha256), md(artifact.summary), state)


def _preview(table: TablePreview) -> Iterable[str]:
    header = [md(c.name) or " " for c in table.columns]
    rows = [[md(shown) for shown, _ in row] for row in table.rows]
    return md_table(header, rows, [c.numeric for c in table.columns])


def _review(view: RunView) -> Iterable[str]:
    return ("## Review", "", *review_lines(view))


def review_lines(view: RunView) -> Iterable[str]:
    """Write the review: verdict, scores, findings of the checks, and the reviews of earlier drafts."""
    if view.review is None:
        yield from ("No review was written.", "")
    else:
        review = view.review
        mean = f", mean {review.mean_score:.2f} of 5, {count_severities(review.findings)}" if review.metrics else ""
        yield from (
            f"Verdict: **{review.verdict}**{mean} – {summaries.ORIGINS[review.origin]}. {md(review.summary)}",
            "",
        )
        yield from score_lines({n: m for n in METRICS if (m := review.metrics.get(n)) is not None})
        yield from finding_lines(review.findings) if review.findings else ("The checks found nothing.", "")
    if view.rounds:
        rows = [
            (md(r.draft), str(r.round), measured(r), _yes(r.passed), _yes(r.kept), md(r.reason)) for r in view.rounds
        ]
        yield from md_table(("Draft", "Round", "Measured", "Passed", "Kept", "Reason"), rows, (False, True, True))


def measured(row: DraftReview) -> str:
    """Weight of the findings against a version; in runs of earlier versions the yes answers of five."""
    if row.score is not None:
        return f"{number(row.score)} of 5"
    return "–" if row.weight is None else f"weight {row.weight}"


def score_lines(metrics: Mapping[MetricName, Metric]) -> Iterable[str]:
    """Write the table of scores with their reasons and evidence."""
    rows = [
        (label_text(n).capitalize(), f"{m.score:.1f} of 5", md(m.reason), "; ".join(md(e) for e in m.evidence))
        for n, m in metrics.items()
    ]
    return md_table(("Metric", "Score", "Reason", "Rests on"), rows, (False, True))


def finding_lines(findings: Iterable[CheckFinding]) -> Iterable[str]:
    """Write the table of the checks' findings, with suggestions."""
    rows = [(f.severity, md(f.gate), md(f.location), md(f.message), md(f.suggestion)) for f in findings]
    return md_table(("Severity", "Check", "Where", "What", "Suggestion"), rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _usage(view: RunView) -> Iterable[str]:
    u = view.run.totals
    rows = [
        ("Calls", number(u.calls)),
        ("Tokens in / cached / out", f"{u.input_tokens:,} / {u.cached_tokens:,} / {u.output_tokens:,}"),
        ("Cost", "not known (no price for this model)" if u.cost_usd is None else f"${u.cost_usd:.2f}"),
        ("Repairs", number(u.repairs)),
        ("Human interventions", number(u.human_interventions)),
    ]
    yield from ("## Usage and versions", "", *md_table(("What", "How much"), rows), summaries.NOT_REPEATED, "")
    if view.run.usage:
        yield from ("### Models", "", *model_lines(view.run.usage))
    yield from md_table(("Component", "Version"), [(md(k), md(v)) for k, v in view.run.versions.items()])
    for title, digests in (("Prompts and cards", view.run.digests), ("Input files", view.run.inputs)):
        if digests:
            yield from (f"### {title}", "")
            yield from md_table(("Name", "Digest"), [(md(k), md_code(v)) for k, v in digests.items()])


def model_lines(rows: Collection[UsageRow]) -> Iterable[str]:
    """Write the use of models by step, role and model, and in total."""
    total = sum((r.usage for r in rows), Usage())
    yield from md_table(summaries.MODEL_COLUMNS, map(_usage_cells, rows), summaries.MODEL_NUMBERS)
    tokens = f"{summaries.tokens_in(total)} tokens in, {summaries.tokens_out(total)} out"
    yield from (f"In all: {count_of(total.calls, 'call')}, {tokens}, cost {summaries.cost(total)}", "")


def _usage_cells(row: UsageRow) -> tuple[str, ...]:
    use = row.usage
    spent = (f"{use.calls:,}", summaries.tokens_in(use), summaries.tokens_out(use), summaries.cost(use))
    return (md(row.step), md(row.role), md(row.model), *spent, f"{row.repaired:,}", f"{row.by_rule:,}")


def _caveats(view: RunView) -> Iterable[str]:
    yield from ("## What was not verified", "")
    yield from md_list((md(s) for s in not_verified(view)), "Nothing is known to be open.")


def _reproduce(view: RunView) -> Iterable[str]:
    yield from ("## How to reproduce", "", "Inside the run folder, where this report lies:", "")
    for what, line in summaries.commands(view):
        yield f"- {what}: {md_code(line)}"
