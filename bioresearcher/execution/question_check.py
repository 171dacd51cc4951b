"""Findings held against the questions that their task answers: population, groups, events, endpoint, contrast, terms.

The analysis set of a question says what an answer rests on; a result that rests on something else answers something
else. The message names each number beside the one that was expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bioresearcher.schemas.execution import Finding, Result
from bioresearcher.schemas.question import AnalysisSet, GroupCount, Question

_OWN_ROWS = frozenset({"dose-response curve", "relative quantification", "abundance of cell types"})
"""Analyses whose n counts curves' own wells, biological samples or donors, and not the rows of the table."""
MOST_MISSING = 0.2
"""Largest share of an analysis set that a result may leave out for want of values; more is another population."""


@dataclass(frozen=True)
class Asked:
    """A question that a task answers, with the rows it is to be answered on.

    `less` is the set without the rows that the registered protocol leaves out by name, `left_out` these rows with the
    protocol's words; None and empty where it leaves none out.
    """

    question: Question
    rows: AnalysisSet
    less: AnalysisSet | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


def off_question(findings: Sequence[Finding], asked: Sequence[Asked]) -> str:
    """Return how the findings depart from the questions they are to answer; empty when they answer them."""
    said = [f"{a.question.id}: {problem}" for a in asked if (problem := departure(findings, a))]
    return "; ".join(said)


def with_left_out(findings: Iterable[Finding], asked: Sequence[Asked]) -> tuple[Finding, ...]:
    """Return the findings; results on the set less the registered protocol's own exclusions name the rows left out."""
    told = tuple(_unnamed(f) for f in findings)
    for one in asked:
        mine = answering(told, one) if one.less is not None else ()
        told = tuple(_named(f, one) if f in mine else f for f in told)
    return told


def _unnamed(finding: Finding) -> Finding:
    """Return the finding without rows that its own code says were left out: the check alone says so."""
    if finding.result is None or not finding.result.left_out:
        return finding
    return finding.model_copy(update={"result": finding.result.model_copy(update={"left_out": {}})})


def _named(finding: Finding, asked: Asked) -> Finding:
    result = finding.result
    if result is None or not any(_differences(result, asked.question, asked.rows)) or any(_unplanned(result, asked)):
        return finding
    return finding.model_copy(update={"result": result.model_copy(update={"left_out": dict(asked.left_out)})})


def departure(findings: Sequence[Finding], asked: Asked) -> str:
    """Return how the findings depart from one question, with the numbers side by side; empty when they answer it."""
    question, rows = asked.question, asked.rows
    same = [f.result for f in findings if f.result is not None and f.result.kind == question.kind]
    if not same:
        kinds = sorted({f.result.kind for f in findings if f.result is not None})
        stated = f"results of the kind {' and '.join(kinds)}" if kinds else "no result with n, groups and estimate"
        return f"the findings state {stated}, but a {question.kind} is asked for"
    here = [r for r in same if not r.population or r.population == rows.population]
    if not here:
        others = ", ".join(dict.fromkeys(r.population for r in same))
        return f"population {others} instead of {rows.population}"
    measured = [r for r in here if _measures(r, question)]
    if not measured:
        found = ", ".join(dict.fromkeys(r.measure or "not stated" for r in here))
        return f"measure {found} instead of {', '.join(question.measure.names)}"
    problems = list(dict.fromkeys(p for r in here for p in _unplanned(r, asked)))
    wanted = set(rows.terms)
    if not any(wanted <= {*r.terms} for r in measured):
        best = max(measured, key=lambda r: len(wanted & {*r.terms}))
        lacking = [t for t in rows.terms if t not in best.terms]
        problems.append(f"terms {_listed(best.terms)} without {', '.join(lacking)}")
    return ", ".join(problems)


def answering(findings: Iterable[Finding], asked: Asked) -> tuple[Finding, ...]:
    """Return the findings that answer a question: of its kind, population and measure, those with all terms first."""
    question, rows = asked.question, asked.rows
    found = [
        f
        for f in findings
        if f.result is not None
        and f.result.kind == question.kind
        and f.result.population in ("", rows.population)
        and _measures(f.result, question)
    ]
    wanted = set(rows.terms)
    return tuple(sorted(found, key=lambda f: not (f.result and wanted <= {*f.result.terms})))


def _measures(result: Result, question: Question) -> bool:
    """True if a result is about the measure of the question, where it names one."""
    if question.measure.kind not in ("gene", "signature"):
        return True
    names = {_key(n) for n in question.measure.names}
    return not names or any(_key(part) in names for part in (result.measure, *result.measure.split(" + ")))


def _unplanned(result: Result, asked: Asked) -> tuple[str, ...]:
    """Return what a result rests on that is neither the question's set nor that less the plan's own exclusions."""
    found = tuple(_differences(result, asked.question, asked.rows))
    if not found or asked.less is None:
        return found
    if not any(_differences(result, asked.question, asked.less)):
        return ()
    return (*found, f"or, without the {len(asked.left_out)} rows that the protocol leaves out, n {asked.less.n}")


def _differences(result: Result, question: Question, rows: AnalysisSet) -> Iterable[str]:
    """Yield what a result rests on that is not the question's, with what was expected."""
    if question.model in _OWN_ROWS:
        return
    part = _has_parts(question, rows)
    complete = (rows.complete or rows.n) if part else rows.n
    expected = sorted({rows.n, complete}, reverse=True)
    allowed = result.missing if result.missing <= MOST_MISSING * rows.n else 0
    if result.n not in expected and result.n + allowed not in expected:
        yield f"n {result.n} instead of {' or '.join(map(str, expected))}"
    yield from _contrast_differences(result, rows)
    yield from _group_differences(result, rows, allowed, part=part)
    events = {e for e in (rows.events, rows.complete_events if part else None) if e is not None}
    if events and result.events is None and question.endpoint is not None:
        yield f"events not stated instead of {max(events)}"
    elif events and result.events is not None and not _within(result.events, events, allowed):
        yield f"events {result.events} instead of {' or '.join(map(str, sorted(events, reverse=True)))}"
    if question.endpoint is not None and question.kind in ("time to event", "prediction"):
        pairs = (
            (result.time_column, question.endpoint.time_column, "time"),
            (result.event_column, question.endpoint.event_column, "event"),
        )
        for found, wanted, what in pairs:
            if found != wanted:
                yield f"{what} {found or 'not stated'} instead of {wanted}"
    if rows.pairs is not None and result.pairs is not None and not _within(result.pairs, {rows.pairs}, allowed):
        yield f"pairs {result.pairs} instead of {rows.pairs}"


def _contrast_differences(result: Result, rows: AnalysisSet) -> Iterable[str]:
    """Yield how the groups that were compared, or their direction, differ from those asked for."""
    if not rows.contrast_column or not (rows.case or rows.levels):
        return
    found = result.contrast
    wanted = f"{rows.case} minus {rows.control}" if rows.case else ", ".join(rows.levels)
    if found is None:
        yield f"contrast not stated instead of {rows.contrast_column}: {wanted}"
    elif found.column != rows.contrast_column:
        yield f"contrast of {found.column} instead of {rows.contrast_column}"
    elif rows.case:
        stated = f"{found.case} minus {found.control}"
        if {_key(found.case), _key(found.control)} != {_key(rows.case), _key(rows.control)}:
            yield f"contrast {stated} instead of {wanted}"
        elif _key(found.case) != _key(rows.case):
            yield f"direction {stated} instead of {wanted}"
    elif {_key(x) for x in found.levels} != {_key(x) for x in rows.levels}:
        yield f"levels {_listed(found.levels or (found.case or '', found.control or ''))} instead of {wanted}"


def _has_parts(question: Question, rows: AnalysisSet) -> bool:
    """True if a model of the question may leave out rows in which a term or measured column is not known."""
    return bool(rows.terms) or question.measure.kind == "column"


def _group_differences(result: Result, rows: AnalysisSet, allowed: int, *, part: bool) -> Iterable[str]:
    """Yield the groups of the contrast whose size or events are not those of the analysis set."""
    if result.contrast is None or result.contrast.column != rows.contrast_column or not rows.case:
        return
    sizes = {_key(k): v for k, v in result.groups.items()}
    events = {_key(k): v for k, v in result.group_events.items()}
    if not sizes:
        yield "n of the groups not stated"
    for level in (rows.case, rows.control):
        expected = _of_level(rows.groups, level) + (_of_level(rows.complete_groups, level) if part else ())
        counts = {g.n for g in expected}
        if sizes and counts and not _within(sizes.get(_key(level), 0), counts, allowed):
            yield f"{level} n = {sizes.get(_key(level), 0)} instead of {' or '.join(map(str, sorted(counts)))}"
        happened = {g.events for g in expected if g.events is not None}
        if happened and _key(level) in events and not _within(events[_key(level)], happened, allowed):
            yield f"{level} events {events[_key(level)]} instead of {' or '.join(map(str, sorted(happened)))}"


def _of_level(groups: Sequence[GroupCount], level: str | None) -> tuple[GroupCount, ...]:
    return tuple(g for g in groups if _key(g.level) == _key(level))


def _within(found: int, expected: Iterable[int], missing: int) -> bool:
    """True if a count is one of those expected, or at most as much smaller as rows have no value."""
    return any(0 <= e - found <= missing for e in expected)


def _key(text: str | None) -> str:
    return (text or "").strip().casefold()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(n for n in names if n) or "none"
