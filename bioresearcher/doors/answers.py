"""Answers of the commands as the small results of the tools: visible text of bounded length.

The schemas of runs are imported where an answer is read: building them would be a fifth of a server's start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bioresearcher.doors.program import Ended
from bioresearcher.doors.results import (
    Answered,
    Comparison,
    Described,
    Found,
    FoundPassage,
    Question,
    Quote,
    Reproduced,
    Reviewed,
    ReviewFinding,
    RunAnswer,
    RunList,
    RunRow,
    RunStatus,
    Traced,
)
from bioresearcher.doors.run_state import PAGES, RunSummary, event_line
from bioresearcher.doors.words import Where
from bioresearcher.errors import DefectError, RunFolderError
from bioresearcher.events import Event
from bioresearcher.text.visible import one_line, visible

MOST_TEXT: Final = 40_000
MOST_FINDINGS: Final = 200
MOST_CAVEATS: Final = 60
_LINE: Final = 600


def reviewed(done: Ended) -> Reviewed:
    """Read the answer of `review --json` about one file."""
    row = _object(done)
    if "verdict" not in row:
        raise done.error()
    found = row.get("findings") or []
    return Reviewed(
        title=row.get("title", ""),
        kind=row.get("kind", ""),
        verdict=row["verdict"],
        summary=_said(row.get("summary", "")),
        mean_score=row.get("mean_score"),
        findings=[
            ReviewFinding(
                check=f["gate"],
                severity=f["severity"],
                location=_said(f["location"]),
                message=_said(f["message"]),
                suggestion=_said(f.get("suggestion") or ""),
            )
            for f in found[:MOST_FINDINGS]
        ],
        problem=_said(row.get("problem", "")),
    )


def described(done: Ended) -> Described:
    """Read the answer of `data show`."""
    if not done.out.strip():
        raise done.error()
    text = visible(done.out)
    return Described(text=text[:MOST_TEXT], cut=max(0, len(text) - MOST_TEXT))


def found(done: Ended, where: Where) -> Found:
    """Read the hits of `library search` or `library find`."""
    rows = done.json()
    if where == "library" and isinstance(rows, list):
        from bioresearcher.schemas.library import LibraryHit

        hits = [LibraryHit.model_validate(r) for r in rows]
        return Found(
            hits=[
                FoundPassage(
                    paper=h.paper, title=_said(h.title), section=_said(h.section), text=visible(h.text), score=h.score
                )
                for h in hits
            ]
        )
    if not isinstance(rows, dict):
        raise DefectError("the search gave something else than hits.")
    return Found(
        hits=[
            FoundPassage(
                paper=p["named"],
                title=_said(p["title"]),
                year=p["year"],
                section="abstract",
                text=visible(p["abstract"]),
            )
            for p in rows["papers"]
        ],
        problems=[_said(text) for text in rows["problems"]],
    )


def answered(done: Ended) -> Answered:
    """Read the answer of `ask --json`; exit code 1 means that the papers do not answer."""
    from bioresearcher.schemas.library import LibraryAnswer

    value = LibraryAnswer.model_validate(_object(done))
    return Answered(
        question=value.question,
        in_library=value.in_library,
        sentences=[f"{visible(s.text)} {''.join(f'[{n}]' for n in s.citations)}" for s in value.sentences],
        quotes=[
            Quote(
                number=c.number,
                paper=c.paper_id,
                title=_said(c.title),
                section=_said(c.evidence.section),
                page=c.evidence.page,
                text=visible(c.evidence.text),
                status=c.status,
            )
            for c in value.citations
        ],
        notes=[_said(n) for n in value.notes],
        answered_by=value.answered_by,
    )


def traced(done: Ended) -> Traced:
    """Read the answer of `trace`."""
    if done.code not in (0, 1) or not done.out.strip():
        raise done.error()
    return Traced(text=visible(done.out)[:MOST_TEXT])


def reproduced(done: Ended) -> Reproduced:
    """Read the answer of `reproduce --json`; exit code 1 means that an output is not the same."""
    from bioresearcher.schemas.execution import Reproduction

    value = Reproduction.model_validate(_object(done))
    return Reproduced(
        run=value.run_id,
        same=value.count("same"),
        differs=value.count("differs"),
        cannot=value.count("cannot"),
        not_the_same=[
            Comparison(task=c.task_id, file=c.file, verdict=c.verdict, detail=_said(c.detail))
            for c in value.checks
            if c.verdict != "same"
        ],
        sandbox=value.sandbox,
    )


def run_list(found: Sequence[RunSummary]) -> RunList:
    """List runs in a line each."""
    rows = []
    for s in found:
        objective = s.record.objective.text if s.record else s.problem
        headline = s.record.answers.headline if s.record else ""
        rows.append(RunRow(run=s.root.name, state=s.state, objective=one_line(objective, 300), answered=headline))
    return RunList(runs=rows)


def run_status(summary: RunSummary, last: Sequence[Event]) -> RunStatus:
    """Describe where a run stands, and how it goes on."""
    record = summary.record
    why = summary.problem or (record.stopped_by if record else "")
    if summary.state in ("stopped", "broken off", "failed"):
        why = f"{why} Go on with: bioresearcher resume {summary.root.name}".strip()
    return RunStatus(
        run=summary.root.name,
        state=summary.state,
        why=_said(why),
        last=[_said(event_line(e)) for e in last],
        calls=record.totals.calls if record else 0,
        cost_usd=record.totals.cost_usd if record else 0.0,
    )


def run_answer(summary: RunSummary) -> RunAnswer:
    """Return the answers of a run with its caveats.

    Raises:
        RunFolderError: It has no manifest yet, or one that cannot be read.
    """
    record = summary.record
    if record is None:
        raise RunFolderError(summary.problem or f"{summary.root.name} has no answer yet: it is {summary.state}.")
    answers = record.answers
    return RunAnswer(
        run=summary.root.name,
        state=summary.state,
        headline=answers.headline or ("no question was asked of data" if summary.state == "done" else "not finished"),
        questions=[
            Question(
                id=q.id, text=_said(q.text), state=q.state, why=_said(q.why), findings=[_said(f) for f in q.findings]
            )
            for q in answers.questions
        ],
        not_understood=[_said(t) for t in answers.not_understood],
        tasks=record.totals.tasks,
        verified=record.totals.verified,
        not_verified=[_said(c) for c in record.not_verified[:MOST_CAVEATS]],
        pages=[f"bioresearcher://runs/{summary.root.name}/{page}" for page in PAGES],
    )


def _object(done: Ended) -> dict[str, Any]:
    value = done.json()
    if not isinstance(value, dict):
        raise done.error()
    return value


def _said(text: str) -> str:
    return one_line(text, _LINE)
