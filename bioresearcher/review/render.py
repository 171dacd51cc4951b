"""Reviews, and the comparison of two reviews, as JSON, Markdown and one HTML page; and the list of all checks.

The HTML page has no script and makes no request; everything from protocols is escaped.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from pydantic import JsonValue

from bioresearcher.review.checks import CHECKS, Applicability, count_severities
from bioresearcher.review.metrics import RUBRIC
from bioresearcher.review.record import most_severe_in_foreign, records
from bioresearcher.review.render_judgement import judgement_lines
from bioresearcher.schemas.protocol import Consequence
from bioresearcher.schemas.registration import Deviations
from bioresearcher.schemas.review import METRICS, CheckFinding, Metric, MetricName, Review
from bioresearcher.text.format import md, md_list, md_table
from bioresearcher.text.visible import one_line


@dataclass(frozen=True)
class FileReview:
    """The review of one file, or the reason why there is none (`error` and `hint`).

    Attributes:
        problem: Why a file that was reviewed cannot count as a protocol, such as having no steps.
        places: Words to find a part or step in the file by: `step 2.1` -> its title.
        deviations: Of a run, what was done otherwise than its registered plan.
        deviation_lines: The same as plain lines.
    """

    file: str
    title: str = ""
    form: str = ""
    kind: str = ""
    kind_reason: str = ""
    warnings: tuple[str, ...] = ()
    review: Review | None = None
    gates: Applicability | None = None
    error: str = ""
    hint: str = ""
    problem: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    deviations: Deviations | None = None
    deviation_lines: tuple[str, ...] = ()


def as_json(results: Sequence[FileReview]) -> str:
    """Format reviews as JSON: an object for one file, an array for several; a file that was not read has `error`."""
    rows = [_row(r) for r in results]
    return json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, ensure_ascii=False) + "\n"


def _row(r: FileReview) -> dict[str, JsonValue]:
    if r.review is None or r.gates is None:
        return {"file": one_line(r.file, 500), "error": one_line(r.error, 500), "hint": one_line(r.hint, 300)}
    row: dict[str, JsonValue] = {
        "file": one_line(r.file, 500),
        "title": one_line(r.title, 300),
        "form": r.form,
        "kind": r.kind,
        "kind_reason": one_line(r.kind_reason, 500),
        "reading": [one_line(w, 300) for w in r.warnings],
    }
    row |= r.review.model_dump(mode="json") | ({"problem": one_line(r.problem, 500)} if r.problem else {})
    row["mean_score"] = _rounded(r.review.mean_score)
    if r.deviations is not None:
        row["deviations"] = r.deviations.model_dump(mode="json")
    skipped: list[JsonValue] = [{"gate": name, "needs": list(needs)} for name, needs in r.gates.skipped]
    row["gates"] = {"applied": list(r.gates.applied), "skipped": skipped}
    return row


def as_markdown(results: Sequence[FileReview]) -> str:
    """Format reviews as a Markdown document; text of the protocol is escaped."""
    lines = ["# Protocol review", ""]
    if len(results) > 1:
        header = ("file", *(RUBRIC[m].title for m in METRICS), "mean", "verdict")
        lines += ["## Comparison", "", *md_table(header, map(_score_cells, results))]
    for r in results:
        lines += _section(r)
    return "\n".join(lines).rstrip() + "\n"


def _score_cells(r: FileReview) -> Sequence[str]:
    if r.review is None:
        return (md(r.file), *[""] * (len(METRICS) + 1), "not reviewed")
    found = [r.review.metrics.get(m) for m in METRICS]
    scores = ("–" if m is None else f"{m.score:.2f}" for m in found)
    return (md(r.file), *scores, two_places(r.review.mean_score), r.review.verdict)


def two_places(score: float | None) -> str:
    """Format a score; a dash where nothing was scored."""
    return "–" if score is None else f"{score:.2f}"


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 2)


def _section(r: FileReview) -> Iterable[str]:
    yield from (f"## {md(f'{r.file}: {r.title}' if r.title else r.file)}", "")
    if r.review is None:
        yield from (f"Not reviewed: {md(f'{r.error} {r.hint}')}", "")
        return
    scores = f", mean {two_places(r.review.mean_score)} of 5 ({_ORIGINS[r.review.origin]})" if r.review.judged else ""
    yield f"**{r.review.verdict}**{scores}; {count_severities(r.review.findings)}. "
    yield from (md(r.review.summary), "")
    if r.kind and r.review.judgement is None:
        said = r.kind_reason if r.kind_reason == "as asked for" else f"as it {md(r.kind_reason)}"
        yield from md_list([f"Kind: {r.kind}, {said}"])
    if r.review.judgement is not None:
        yield from judgement_lines(r.review.judgement)
    metrics = ((name, r.review.metrics[name]) for name in METRICS if name in r.review.metrics)
    rows = [(RUBRIC[name].title, f"{m.score:.2f}", md(m.reason), _evidence(m)) for name, m in metrics]
    if rows:
        yield from md_table(("metric", "score", "reason", "evidence"), rows)
    if r.warnings:
        yield from md_list(f"Reading: {md(w)}" for w in r.warnings)
    if r.deviation_lines:
        yield from md_list(md(line) for line in r.deviation_lines)
    judged = r.review.judgement is not None  # its findings stand above
    listed = [f for f in r.review.findings if not (judged and f.gate == "REVIEWER")]
    if listed:
        cells = [(f.severity, f.gate, md(f.location), md(f.message), md(f.suggestion)) for f in listed]
        yield from md_table(("severity", "check", "where", "what", "suggestion"), cells)


def _evidence(m: Metric) -> str:
    quoted = [f"{p}: “{e}”" for p, e in zip(m.places, m.evidence, strict=True)] if m.places else m.evidence
    return "; ".join(map(md, quoted))


def check_list(kind: str) -> str:
    """List all checks as a text table, Markdown or JSON (`table`, `markdown`, `json`)."""
    if kind == "json":
        rows = [
            {
                "id": c.id,
                "title": c.title,
                "severity": c.severity,
                "metric": c.metric,
                "needs": list(c.needs),
                "in_foreign_documents": most_severe_in_foreign(c.id),
                "record": _record(c.id),
            }
            for c in CHECKS
        ]
        return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if kind == "markdown":
        cells = [
            (c.id, c.severity, c.metric, c.title, ", ".join(c.needs), most_severe_in_foreign(c.id) or "–", _said(c.id))
            for c in CHECKS
        ]
        columns = ("check", "severity", "metric", "checks that", "needs", "in documents from elsewhere", "right")
        return "\n".join(md_table(columns, cells))
    lines = []
    for c in CHECKS:
        needs = f" (needs {', '.join(c.needs)})" if c.needs else ""
        foreign = most_severe_in_foreign(c.id) or "–"
        said = f"; right: {_said(c.id)}" if _said(c.id) else ""
        lines.append(f"{c.id:10}{c.severity:9}{foreign:9}{c.metric:22}{c.title}{needs}{said}")
    head = f"{'check':10}{'own':9}{'foreign':9}{'metric':22}checks that …; how right it was in documents from elsewhere"
    about = "own: how severe in a protocol of this program; foreign: in any other document (–: not applied there)"
    return "\n".join([head, *lines, f"{len(CHECKS)} checks. {about}"]) + "\n"


def _said(check: str) -> str:
    record = records().get(check)
    return str(record) if record else ""


def _record(check: str) -> dict[str, JsonValue] | None:
    record = records().get(check)
    if record is None:
        return None
    return {
        "precision": record.precision,
        "right": record.right,
        "wrong": record.wrong,
        "clean": record.clean,
        "corrupted": record.corrupted,
        "on": record.on,
    }


MIN_SCORE_CHANGE = 0.005
"""Difference of scores in points above which a metric counts as changed."""


@dataclass(frozen=True)
class ProtocolComparison:
    """Differences between the reviews of two versions of a protocol.

    Attributes:
        new: Findings the old version did not have.
        gone: Findings the new version does not have any more.
        kept: Number of findings both have.
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
        both = [m for m in METRICS if m in self.old.metrics and m in self.review.metrics]
        return {m: (self.old.metrics[m].score, self.review.metrics[m].score) for m in both}

    @property
    def better(self) -> tuple[MetricName, ...]:
        """Metrics with a higher score than before."""
        return tuple(m for m, (a, b) in self.scores.items() if b - a > MIN_SCORE_CHANGE)

    @property
    def worse(self) -> tuple[MetricName, ...]:
        """Metrics with a lower score than before."""
        return tuple(m for m, (a, b) in self.scores.items() if a - b > MIN_SCORE_CHANGE)


def compare(old_file: str, old: Review, new_file: str, review: Review) -> ProtocolComparison:
    """Compare the reviews of two versions of a protocol.

    A finding is the same when check, severity and message agree, wherever it stands: steps may have moved. A message
    that quotes a changed step makes it another finding.
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
    counted = f"{len(c.new)} findings new, {len(c.gone)} gone, {c.kept} as before"
    if not (c.old.judged and c.review.judged):
        return f"not judged: {counted}"
    a, b = c.old.mean_score, c.review.mean_score
    change = 0.0 if a is None or b is None else b - a
    direction = "better" if change > MIN_SCORE_CHANGE else "worse" if -change > MIN_SCORE_CHANGE else "the same"
    verdict = c.review.verdict if c.old.verdict == c.review.verdict else f"{c.old.verdict} → {c.review.verdict}"
    return f"{direction}: mean {two_places(a)} → {two_places(b)} of 5, verdict {verdict}; {counted}"


def _score_rows(c: ProtocolComparison) -> Iterable[tuple[str, str, str, str]]:
    for name, (a, b) in c.scores.items():
        yield RUBRIC[name].title, f"{a:.2f}", f"{b:.2f}", f"{b - a:+.2f}" if abs(b - a) > MIN_SCORE_CHANGE else "="


def comparison_markdown(c: ProtocolComparison) -> str:
    """Format a comparison as a Markdown document."""
    files = f"{md(c.old_file)} → {md(c.new_file)}"
    lines = ["# Protocol review: what changed", "", files, "", f"**{_headline(c)}**", ""]
    if c.scores:
        lines += md_table(("metric", "old", "new", "change"), _score_rows(c))
    for title, findings in (("New findings", c.new), ("Gone", c.gone)):
        if findings:
            cells = [(f.severity, f.gate, md(f.location), md(f.message)) for f in findings]
            lines += [f"## {title}", "", *md_table(("severity", "check", "where", "what"), cells)]
    return "\n".join(lines)


def comparison_json(c: ProtocolComparison) -> str:
    """Format a comparison as one JSON object with scores, verdicts and findings."""
    scores = {m: {"old": a, "new": b, "change": round(b - a, 2)} for m, (a, b) in c.scores.items()}
    value = {
        "old": one_line(c.old_file, 500),
        "new": one_line(c.new_file, 500),
        "verdict": {"old": c.old.verdict, "new": c.review.verdict},
        "mean_score": {"old": _rounded(c.old.mean_score), "new": _rounded(c.review.mean_score)},
        "metrics": scores,
        "better": list(c.better),
        "worse": list(c.worse),
        "findings_new": [f.model_dump(mode="json") for f in c.new],
        "findings_gone": [f.model_dump(mode="json") for f in c.gone],
        "findings_kept": c.kept,
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


_ORIGINS = {
    "offline": "computed by rule, no model",
    "model": "scores by a language model",
    "mixed": "scores partly by a language model, partly by rule",
    "scripted": "scripted replies of a test",
}


_GRAVE: dict[Consequence, str] = {
    "invalidates the result": "fail",
    "changes the result": "revise",
    "weakens it": "",
    "wording": "",
}
"""Colour of a finding by its consequence, as a class of the page."""


def as_html(results: Sequence[FileReview], change: ProtocolComparison | None = None) -> str:
    """Format reviews as one HTML page; a comparison stands first."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["score"] = two_places
    environment.filters["line"] = lambda text: one_line(str(text), 1200)
    source = resources.files("bioresearcher.review").joinpath("review.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        results=results,
        change=change,
        metrics=METRICS,
        rubric=RUBRIC,
        count=count_severities,
        origins=_ORIGINS,
        grave=_GRAVE,
    )
