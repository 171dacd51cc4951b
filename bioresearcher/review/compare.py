"""Two versions of a protocol compared: scores that rose or fell, findings that came or went."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bioresearcher.review.rubric import RUBRIC
from bioresearcher.schemas.review import METRICS, GateFinding, MetricName, Review
from bioresearcher.text.format import md
from bioresearcher.text.visible import one_line

SAME = 0.005
"""Points by which a score must move to count as changed."""


@dataclass(frozen=True)
class Change:
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
    new: tuple[GateFinding, ...]
    gone: tuple[GateFinding, ...]
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


def compare(old_file: str, old: Review, new_file: str, review: Review) -> Change:
    """The changes from one review to another.

    A finding is the same when gate, severity and message agree, wherever it stands: steps may have moved. What the
    message quotes of a changed step makes it another finding.
    """
    counts = Counter(map(_key, old.findings))
    places: dict[tuple[str, str, str], list[GateFinding]] = defaultdict(list)
    for f in old.findings:
        places[_key(f)].append(f)
    new = []
    for f in review.findings:
        if counts[_key(f)] > 0:
            counts[_key(f)] -= 1
        else:
            new.append(f)
    gone = [f for key, n in counts.items() if n > 0 for f in places[key][-n:]]
    return Change(
        old_file=old_file,
        new_file=new_file,
        old=old,
        review=review,
        new=tuple(new),
        gone=tuple(gone),
        kept=len(review.findings) - len(new),
    )


def _key(f: GateFinding) -> tuple[str, str, str]:
    return f.gate, f.severity, f.message


def _headline(c: Change) -> str:
    a, b = c.old.mean_score, c.review.mean_score
    said = "better" if b - a > SAME else "worse" if a - b > SAME else "the same"
    verdict = c.review.verdict if c.old.verdict == c.review.verdict else f"{c.old.verdict} → {c.review.verdict}"
    return (
        f"{said}: mean {a:.2f} → {b:.2f} of 5, verdict {verdict}; "
        f"{len(c.new)} findings new, {len(c.gone)} gone, {c.kept} as before"
    )


def _score_rows(c: Change) -> Iterable[tuple[str, str, str, str]]:
    for name, (a, b) in c.scores.items():
        yield RUBRIC[name].title, f"{a:.2f}", f"{b:.2f}", f"{b - a:+.2f}" if abs(b - a) > SAME else "="


def change_markdown(c: Change) -> str:
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


def change_json(c: Change) -> str:
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


def _rows(findings: Sequence[GateFinding]) -> list[dict[str, str]]:
    return [f.model_dump(mode="json") for f in findings]
