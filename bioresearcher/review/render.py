"""Reviews as JSON and Markdown.

Reviews as one HTML page: no script, no request, everything from protocols escaped.

Two versions of a protocol compared: scores that rose or fell, findings that came or went.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from pydantic import JsonValue

from bioresearcher.review.checks import GATES, Applicability, count_severities
from bioresearcher.review.metrics import RUBRIC
from bioresearcher.schemas.review import METRICS, CheckFinding, MetricName, Review
from bioresearcher.text.format import md
from bioresearcher.text.visible import one_line


@dataclass(frozen=True)
class FileReview:
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


def as_json(results: Sequence[FileReview]) -> str:
    """One object for one file, an array for several; a file that could not be read has `error`."""
    rows = [_row(r) for r in results]
    return json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, ensure_ascii=False) + "\n"


def _row(r: FileReview) -> dict[str, JsonValue]:
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


def as_markdown(results: Sequence[FileReview]) -> str:
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


def _table_row(r: FileReview) -> str:
    if r.review is None:
        return f"| {md(r.file)} | " + "| " * (len(METRICS) + 1) + "not reviewed |"
    scores = " | ".join(f"{r.review.metrics[m].score:.2f}" for m in METRICS)
    return f"| {md(r.file)} | {scores} | {r.review.mean_score:.2f} | {r.review.verdict} |"


def _section(r: FileReview) -> Iterable[str]:
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


SAME = 0.005
"""Points by which a score must move to count as changed."""


@dataclass(frozen=True)
class ProtocolComparison:
    """What became of a protocol.

    Attributes:
        scores: Metric -> old and new score.
        new: Findings the old version did not have.
        gone: Findings the new version does not have any more.
        kept: How many findings both have.
    """

    old_file: str
    new_file: str
    old: Review
    review: Review
    new: tuple[CheckFinding, ...]
    gone: tuple[CheckFinding, ...]
    kept: int

    @property
    def scores(self) -> dict[MetricName, tuple[float, float]]:
        """Old and new score of each metric."""
        return {m: (self.old.metrics[m].score, self.review.metrics[m].score) for m in METRICS}

    @property
    def better(self) -> tuple[MetricName, ...]:
        """Metrics that rose."""
        return tuple(m for m, (a, b) in self.scores.items() if b - a > SAME)

    @property
    def worse(self) -> tuple[MetricName, ...]:
        """Metrics that fell."""
        return tuple(m for m, (a, b) in self.scores.items() if a - b > SAME)


def compare(old_file: str, old: Review, new_file: str, review: Review) -> ProtocolComparison:
    """The changes from one review to another.

    A finding is the same when gate, severity and message agree, wherever it stands: steps may have moved. What the
    message quotes of a changed step makes it another finding.
    """
    counts = Counter(map(_key, old.findings))
    places: dict[tuple[str, str, str], list[CheckFinding]] = defaultdict(list)
    for f in old.findings:
        places[_key(f)].append(f)
    new = []
    for f in review.findings:
        if counts[_key(f)] > 0:
            counts[_key(f)] -= 1
        else:
            new.append(f)
    gone = [f for key, n in counts.items() if n > 0 for f in places[key][-n:]]
    return ProtocolComparison(
        old_file=old_file,
        new_file=new_file,
        old=old,
        review=review,
        new=tuple(new),
        gone=tuple(gone),
        kept=len(review.findings) - len(new),
    )


def _key(f: CheckFinding) -> tuple[str, str, str]:
    return f.gate, f.severity, f.message


def _headline(c: ProtocolComparison) -> str:
    a, b = c.old.mean_score, c.review.mean_score
    said = "better" if b - a > SAME else "worse" if a - b > SAME else "the same"
    verdict = c.review.verdict if c.old.verdict == c.review.verdict else f"{c.old.verdict} → {c.review.verdict}"
    return (
        f"{said}: mean {a:.2f} → {b:.2f} of 5, verdict {verdict}; "
        f"{len(c.new)} findings new, {len(c.gone)} gone, {c.kept} as before"
    )


def _score_rows(c: ProtocolComparison) -> Iterable[tuple[str, str, str, str]]:
    for name, (a, b) in c.scores.items():
        yield RUBRIC[name].title, f"{a:.2f}", f"{b:.2f}", f"{b - a:+.2f}" if abs(b - a) > SAME else "="


def change_markdown(c: ProtocolComparison) -> str:
    """A Markdown document."""
    lines = [
        "# Protocol review: what changed",
        "",
        f"{md(c.old_file)} → {md(c.new_file)}",
        "",
        f"**{_headline(c)}**",
        "",
    ]
    lines += ["| metric | old | new | change |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in _score_rows(c)]
    for title, findings in (("New findings", c.new), ("Gone", c.gone)):
        if findings:
            lines += ["", f"## {title}", "", "| severity | gate | where | what |", "|---|---|---|---|"]
            lines += [f"| {f.severity} | {f.gate} | {md(f.location)} | {md(f.message)} |" for f in findings]
    return "\n".join(lines) + "\n"


def change_json(c: ProtocolComparison) -> str:
    """One object with scores, verdicts and findings."""
    scores = {m: {"old": a, "new": b, "change": round(b - a, 2)} for m, (a, b) in c.scores.items()}
    return (
        json.dumps(
            {
                "old": one_line(c.old_file, 500),
                "new": one_line(c.new_file, 500),
                "verdict": {"old": c.old.verdict, "new": c.review.verdict},
                "mean_score": {"old": round(c.old.mean_score, 2), "new": round(c.review.mean_score, 2)},
                "metrics": scores,
                "better": list(c.better),
                "worse": list(c.worse),
                "findings_new": _rows(c.new),
                "findings_gone": _rows(c.gone),
                "findings_kept": c.kept,
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )


def _rows(findings: Sequence[CheckFinding]) -> list[dict[str, str]]:
    return [f.model_dump(mode="json") for f in findings]


_ORIGINS = {
    "offline": "scores computed by rule, no model",
    "model": "scores by a language model",
    "mixed": "scores partly by a language model, partly by rule",
    "scripted": "scripted replies of a test",
}


def as_html(results: Sequence[FileReview], change: ProtocolComparison | None = None) -> str:
    """The page; with a comparison, what changed stands first."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["line"] = lambda text: one_line(str(text), 1200)
    source = resources.files("bioresearcher.review").joinpath("review.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        results=results, change=change, metrics=METRICS, rubric=RUBRIC, count=count_severities, origins=_ORIGINS
    )
