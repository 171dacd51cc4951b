"""First page of the run report as Markdown: at most 300 lines and 2,500 words, whatever the run's size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bioresearcher.report import summaries
from bioresearcher.report.first_page import PAGES, FirstPage, QuestionRow, caption, first_page
from bioresearcher.report.markdown import title_lines
from bioresearcher.report.run_data import RunView
from bioresearcher.text.format import count_of, listing, md, md_code, md_list, md_table
from bioresearcher.text.visible import clip, one_line

MOST_LINES, MOST_WORDS = 300, 2_500
MOST_NOT_ANSWERED: Final = 12
_QUOTE: Final = 220
_NAMES: Final = 1_200
_FITS: Final = ((1_150, 6, 60), (1_150, 6, 10), (1_150, 6, 4), (1_150, 0, 0), (800, 0, 0), (500, 0, 0), (200, 0, 0))
"""Words of the answers, number of their tables and rows of a table, tried until the page keeps its limits."""


def render_first_page(view: RunView) -> str:
    """Render the first page; text from papers, data, tasks and models is escaped."""
    text = ""
    for most, tables, rows in _FITS:
        page = first_page(view, most)
        parts = (_head(view, page), _answers(page, tables, rows), _open(page), _caveats(page))
        more = (_by(page), _methods(page), _more())
        text = "\n".join(line for part in (*parts, *more) for line in part).rstrip() + "\n"
        if len(text.splitlines()) <= MOST_LINES and len(text.split()) <= MOST_WORDS:
            break
    return text


def _head(view: RunView, page: FirstPage) -> Iterable[str]:
    yield from title_lines(view)
    missing = [*view.missing, *view.problems]
    if missing:
        yield from ("**This report is incomplete:**", "", *md_list(md(clip(s, 200)) for s in missing[:6]))
        yield from ([f"And {len(missing) - 6} more: report/review.md.", ""] if len(missing) > 6 else [])
    yield from ("## Objective", "", md(page.objective), "")


def _answers(page: FirstPage, most_tables: int, most_rows: int) -> Iterable[str]:
    yield from ("## Answers", "")
    if not page.questions:
        yield from ("No question was asked of data.", "")
        return
    yield from (f"**{md(page.headline)}**", "")
    shown = 0
    for row in page.questions:
        if row.short:
            yield f"- **{md(row.answer.id)} {md(row.answer.state)}:** {md(clip(row.asked, 80))}"
            continue
        shown += row.table is not None
        yield from _question(row, most_rows=most_rows if shown <= most_tables else 0)
    if page.more:
        yield f"- and {count_of(page.more, 'more question')}: [report/tasks.md](<./report/tasks.md>)"
    yield ""
    if page.left_out:
        said = f"{count_of(page.left_out, 'sentence was', 'sentences were')} left out, as a check failed"
        yield from (f"{said}: [with the reasons](<./report/review.md>).", "")


def _question(row: QuestionRow, *, most_rows: int) -> Iterable[str]:
    answer = row.answer
    yield from (f"### {md(answer.id)} {md(answer.state)}: {md(row.asked)}", "")
    if row.read_as:
        yield from (f"Read as: {md(row.read_as)}.", "")
    for s in row.sentences:
        refs = ", ".join(f"[{md(i)}](<./report/tasks.html#{summaries.anchor('finding', i)}>)" for i in s.line.findings)
        mark = {"result": "", "robustness": "Robustness: ", "replication": "Other data: ", "open": "Open: "}[
            s.line.role
        ]
        yield from (f"{mark}{md(s.line.text)} ({refs})", "")
    if not row.sentences and answer.findings and answer.state != "not answered":
        yield from (md(clip(one_line(answer.findings[0], 400), 400)), "")
    listed = row.table is not None and most_rows >= row.table.total == len(row.table.rows)
    if answer.named and not listed:
        yield from md_list(md(clip(line, _NAMES)) for line in answer.named)
    if row.reported:
        yield from md_list(_reading_lines(row))
    if row.silent:
        yield from (f"{_not_reported(row)}", "")
    if row.figure:
        task, output = row.figure
        what = clip(f"Figure {answer.id}. {caption(task, output, row)}", 260)
        yield from ([f"![{md(what)}](<{output.link}>)", ""] if output.link else [])
    if row.table and most_rows:
        table = row.table
        shown = table.rows[:most_rows]
        cut = f" ({len(shown)} of {count_of(table.total, 'row')})" if len(shown) < table.total else ""
        what = clip(f"{table.task.task.id}: {summaries.output_caption(table.task, table.output)}", 140)
        yield from (f"{md(what)}{cut}", "")
        header = [md(c.name) or " " for c in table.columns]
        cells = [[md(clip(text, 40)) for text, _ in r] for r in shown]
        yield from md_table(header, cells, [c.numeric for c in table.columns])


def _reading_lines(row: QuestionRow) -> Iterable[str]:
    for p in row.reported[:4]:
        first = p.citations[0].evidence if p.citations else None
        quote = f": “{md(clip(one_line(first.text, _QUOTE), _QUOTE))}” ({md(first.section)})" if first else ""
        yield f"{md(p.paper_id)} {p.relation}{quote}"
    if len(row.reported) > 4:
        yield f"and {count_of(len(row.reported) - 4, 'more paper')}: [report/evidence.md](<./report/evidence.md>)"


def _not_reported(row: QuestionRow) -> str:
    ids = [p.paper_id for p in row.answer.papers if p.relation == "not reported"]
    return f"Papers: not reported in the passages nearest to the question of {md(listing(ids, 3))}."


def _open(page: FirstPage) -> Iterable[str]:
    yield from ("## Not answered", "")
    rows = page.not_answered
    yield from md_list(
        (f"**{md(name)}**: {md(why)}" for name, why in rows[:MOST_NOT_ANSWERED]), "Nothing that was asked."
    )
    if len(rows) > MOST_NOT_ANSWERED:
        yield from (f"And {len(rows) - MOST_NOT_ANSWERED} more: answer.json.", "")
    if page.beside:
        yield from ("### Found beside the questions", "")
        yield from (
            "Stated by the registered script. The questions as they were understood do not ask for it, so it was not "
            "held against one: check whether it answers the objective.",
            "",
        )
        yield from md_list((f"{md(clip(b.text, 400))} ({b.findings[0]})" for b in page.beside), "")


def _caveats(page: FirstPage) -> Iterable[str]:
    yield from ("## Read with this in mind", "")
    said = [*page.caveats, *(f"Judged by the reviewer: {t}" for t in page.judged)]
    yield from md_list(map(md, said), "No caveat was recorded.")
    if page.other_caveats:
        yield from (
            f"{count_of(page.other_caveats, 'more point')} not verified: [report/review.md](<./report/review.md>).",
            "",
        )


def _by(page: FirstPage) -> Iterable[str]:
    yield from ("## Who answered", "", *md_table(("What", "Who"), [(md(k), md(v)) for k, v in page.by]))


def _methods(page: FirstPage) -> Iterable[str]:
    yield from ("## Methods in brief", "")
    for text in page.methods:
        yield from (md(clip(text, 900)), "")


def _more() -> Iterable[str]:
    yield from ("## Everything behind it", "")
    yield from md_list(
        f"[{title}](<./report/{name}.html>) ([as text](<./report/{name}.md>))" for name, title in PAGES.items()
    )
    yield f"Read it in a browser: {md_code('report.html')}"
