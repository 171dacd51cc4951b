"""Reviews as JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from bioresearcher.review.gates import GATES, Applicability, count_severities
from bioresearcher.review.rubric import RUBRIC
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.text.format import md
from bioresearcher.text.visible import one_line


@dataclass(frozen=True)
class Reviewed:
    """The review of one file, or why there is none (`error` and `hint`).

    Attributes:
        problem: Why a file that was reviewed cannot count as a protocol, such as having no steps.
        places: Words to find a part or step in the file by: `step 2.1` -> its title.
    """

    file: str
    title: str = ""
    form: str = ""
    warnings: tuple[str, ...] = ()
    review: Review | None = None
    gates: Applicability | None = None
    error: str = ""
    hint: str = ""
    problem: str = ""
    places: Mapping[str, str] = field(default_factory=dict)


def as_json(results: Sequence[Reviewed]) -> str:
    """One object for one file, an array for several; a file that could not be read has `error`."""
    rows = [_row(r) for r in results]
    return json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, ensure_ascii=False) + "\n"


def _row(r: Reviewed) -> dict[str, JsonValue]:
    if r.review is None or r.gates is None:
        return {"file": one_line(r.file, 500), "error": one_line(r.error, 500), "hint": one_line(r.hint, 300)}
    row: dict[str, JsonValue] = {
        "file": one_line(r.file, 500),
        "title": one_line(r.title, 300),
        "form": r.form,
        "reading": [one_line(w, 300) for w in r.warnings],
    }
    row |= r.review.model_dump(mode="json") | ({"problem": one_line(r.problem, 500)} if r.problem else {})
    row["mean_score"] = round(r.review.mean_score, 2)
    skipped: list[JsonValue] = [{"gate": name, "needs": list(needs)} for name, needs in r.gates.skipped]
    row["gates"] = {"applied": list(r.gates.applied), "skipped": skipped}
    return row


def as_markdown(results: Sequence[Reviewed]) -> str:
    """A Markdown document; text of the protocol is escaped."""
    lines: list[str] = ["# Protocol review", ""]
    if len(results) > 1:
        titles = " | ".join(RUBRIC[m].title for m in METRICS)
        lines += ["## Comparison", "", f"| file | {titles} | mean | verdict |"]
        lines += ["|---|" + "---|" * (len(METRICS) + 2)]
        lines += [_table_row(r) for r in results] + [""]
    for r in results:
        lines += [*_section(r), ""]
    return "\n".join(lines)


def _table_row(r: Reviewed) -> str:
    if r.review is None:
        return f"| {md(r.file)} | " + "| " * (len(METRICS) + 1) + "not reviewed |"
    scores = " | ".join(f"{r.review.metrics[m].score:.2f}" for m in METRICS)
    return f"| {md(r.file)} | {scores} | {r.review.mean_score:.2f} | {r.review.verdict} |"


def _section(r: Reviewed) -> Iterable[str]:
    yield f"## {md(f'{r.file}: {r.title}' if r.title else r.file)}"
    yield ""
    if r.review is None:
        yield f"Not reviewed: {md(f'{r.error} {r.hint}')}"
        return
    yield f"**{r.review.verdict}**, mean {r.review.mean_score:.2f} of 5; {count_severities(r.review.findings)}. "
    yield md(r.review.summary)
    yield ""
    yield "| metric | score | reason | evidence |"
    yield "|---|---|---|---|"
    for name in METRICS:
        m = r.review.metrics[name]
        shown = [f"{p}: “{e}”" for p, e in zip(m.places, m.evidence, strict=True)] if m.places else m.evidence
        evidence = "; ".join(md(e) for e in shown)
        yield f"| {RUBRIC[name].title} | {m.score:.2f} | {md(m.reason)} | {evidence} |"
    if r.warnings:
        yield ""
        yield from (f"- Reading: {md(w)}" for w in r.warnings)
    if r.review.findings:
        yield ""
        yield "| severity | gate | where | what | suggestion |"
        yield "|---|---|---|---|---|"
        for f in r.review.findings:
            yield f"| {f.severity} | {f.gate} | {md(f.location)} | {md(f.message)} | {md(f.suggestion)} |"


def gate_list(kind: str) -> str:
    """All gates as a text table, Markdown or JSON (`table`, `markdown`, `json`)."""
    if kind == "json":
        rows = [
            {"id": g.id, "title": g.title, "severity": g.severity, "metric": g.metric, "needs": list(g.needs)}
            for g in GATES
        ]
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if kind == "markdown":
        head = "| gate | severity | metric | checks that | needs |\n|---|---|---|---|---|\n"
        return head + "".join(
            f"| {g.id} | {g.severity} | {g.metric} | {g.title} | {', '.join(g.needs)} |\n" for g in GATES
        )
    lines = []
    for g in GATES:
        needs = f" (needs {', '.join(g.needs)})" if g.needs else ""
        lines.append(f"{g.id:10}{g.severity:9}{g.metric:22}{g.title}{needs}")
    return "\n".join([*lines, f"{len(GATES)} gates"]) + "\n"
