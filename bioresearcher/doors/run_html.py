"""Runs, answers and reviews as pieces of HTML for a notebook: no script, no request, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from bioresearcher.doors.run_state import RunSummary
from bioresearcher.schemas.answer import AnswerState
from bioresearcher.schemas.library import LibraryAnswer
from bioresearcher.schemas.review import Review
from bioresearcher.text.visible import one_line

MOST_CAVEATS: Final = 12
MOST_FINDINGS: Final = 40
_MARKS: Final[dict[AnswerState, str]] = {"answered": "✓", "partly answered": "◐", "not answered": "✗"}
_LINE: Final = 800


def run_html(summary: RunSummary) -> str:
    """Show a run: what was answered and what was not, with the findings, then what was not verified."""
    record = summary.record
    if record is None:
        return _box(f"Run {summary.root.name}: {summary.state}", [_p(summary.problem or "It has no answer yet.")])
    answers = record.answers
    parts = [_p(record.objective.text)]
    if summary.state != "done":
        parts.append(_p(f"Not finished: {summary.state}. {record.stopped_by}", strong=True))
    for question in answers.questions:
        mark = _MARKS[question.state]
        parts.append(_p(f"{mark} {question.id} {question.state}: {question.text}", strong=True))
        parts += [_p(question.why)] if question.why else []
        parts.append(_list(question.findings))
    parts += [_p("Not understood", strong=True), _list(answers.not_understood)] if answers.not_understood else []
    totals = record.totals
    parts.append(_p(f"{totals.verified} of {totals.tasks} tasks verified, {totals.papers_read} papers read."))
    caveats = record.not_verified
    if caveats:
        rest = len(caveats) - MOST_CAVEATS
        shown = [*caveats[:MOST_CAVEATS], *([f"and {rest} more: see the report"] if rest > 0 else [])]
        parts.append(f"<details><summary>Not verified: {len(caveats)}</summary>{_list(shown)}</details>")
    return _box(answers.headline or f"Run {summary.root.name}: {summary.state}", parts)


def answer_html(answer: LibraryAnswer) -> str:
    """Show an answer with its quotes, or that the papers do not answer."""
    if not answer.in_library:
        return _box("Not in the library", [_p(answer.question), _list(answer.notes)])
    said = " ".join(f"{s.text} {''.join(f'[{n}]' for n in s.citations)}" for s in answer.sentences)
    quotes = []
    for c in answer.citations:
        page = f", page {c.evidence.page}" if c.evidence.page else ""
        status = f" – {c.status}" if c.status in ("retracted", "concern", "corrected") else ""
        quotes.append(f"[{c.number}] “{c.evidence.text}” {c.title}, {c.evidence.section}{page}{status}")
    return _box(answer.question, [_p(said, limit=None), _list(quotes), _list(answer.notes)])


def review_html(review: Review) -> str:
    """Show a review: verdict, then each finding with its place."""
    rows = review.findings[:MOST_FINDINGS]
    cells = "".join(_row((f.severity, f.gate, f.location, f.message, f.suggestion or "")) for f in rows)
    head = _row(("severity", "check", "where", "what", "suggestion"), "th")
    table = f"<table>{head}{cells}</table>" if rows else _p("No check found anything.")
    rest = len(review.findings) - len(rows)
    score = f", mean {review.mean_score:.2f} of 5" if review.mean_score is not None else ""
    more = [_p(f"and {rest} more findings")] if rest > 0 else []
    return _box(f"{review.verdict}{score}", [_p(review.summary), table, *more])


def _box(title: str, parts: Iterable[str]) -> str:
    return f'<section lang="en"><h3>{_text(title)}</h3>{"".join(parts)}</section>'


def _p(text: str, *, strong: bool = False, limit: int | None = _LINE) -> str:
    inner = _text(text, limit)
    return f"<p><strong>{inner}</strong></p>" if strong else f"<p>{inner}</p>"


def _list(texts: Iterable[str]) -> str:
    items = "".join(_items(texts))
    return f"<ul>{items}</ul>" if items else ""


def _items(texts: Iterable[str]) -> Iterator[str]:
    yield from (f"<li>{_text(text)}</li>" for text in texts)


def _row(cells: Iterable[str], kind: str = "td") -> str:
    return f"<tr>{''.join(f'<{kind}>{_text(c)}</{kind}>' for c in cells)}</tr>"


def _text(text: str, limit: int | None = _LINE) -> str:
    # a dollar sign begins a formula in notebooks
    return escape(one_line(text, limit)).replace("$", "&#36;")
