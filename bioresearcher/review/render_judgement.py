"""A model's judgement as Markdown: the gravest finding first, then the others, the checklist, disputes, the panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bioresearcher.schemas.judgement import Judgement, PanelDecision
from bioresearcher.text.format import md, md_list, md_table


def judgement_lines(j: Judgement) -> Iterator[str]:
    """Yield the Markdown lines of a judgement; text of the document is escaped."""
    yield from (f"Taken for: {j.kind}, {md(j.kind_reason)}. Confidence: {j.confidence}.", "")
    worst = next((f for f in j.findings if f.id == j.most_serious), None)
    if worst is None:
        yield from ("The reviewer found nothing that must change.", "")
    else:
        what = "invalidates the result" if j.invalidates else f"{worst.consequence}; nothing found invalidates it"
        yield from (f"**Most serious: {md(worst.problem)}** ({what})", "")
    if j.conclusion is not None:
        yield from (f"Does the conclusion follow? **{j.conclusion.follows}**. {md(j.conclusion.why)}", "")
    if j.findings:
        rows = [
            (
                f.id,
                f.consequence,
                f.confidence if f.probability is None else f"{f.confidence}, {f.probability:.0%}",
                md(f.location),
                f"“{md(f.quote)}”",
                md(f"{f.problem} {f.why}"),
                md(f.mend) + (f" (found by {md(', '.join(f.reviewers))})" if len(f.reviewers) > 1 else ""),
            )
            for f in j.findings
        ]
        yield from md_table(("", "consequence", "sure", "where", "words", "what and why", "mend"), rows)
    if j.not_assessable:
        yield from ("Not assessable:", "")
        yield from md_list(md(x) for x in j.not_assessable)
    if j.disputed:
        yield from ("Checks that the reviewer disputes:", "")
        yield from md_list(md(f"{d.check} at {d.location}: {d.message} – disputed: {d.why}") for d in j.disputed)
    if j.items:
        counts = Counter(i.answer for i in j.items)
        yield from (f"Checklist {md('; '.join(j.checklists))}: {', '.join(f'{n} {a}' for a, n in counts.items())}", "")
        cells = [(i.item, md(i.question), i.answer, md(i.quote and f"“{i.quote}”") or md(i.note)) for i in j.items]
        yield from md_table(("item", "question", "answer", "words"), cells)
    if j.dropped:
        yield from (f"Left out ({len(j.dropped)}):", "")
        yield from md_list(md(x) for x in j.dropped)
    if j.panel is not None:
        yield from _panel(j.panel)


def _panel(p: PanelDecision) -> Iterator[str]:
    yield from (f"Panel: {md(p.explanation)}", "")
    rows = [
        (
            md(m.name),
            m.verdict or "not asked",
            "" if m.mean_score is None else f"{m.mean_score:.1f}",
            str(m.findings) if m.asked else "",
            str(m.tokens) if m.asked else "",
            md(m.why),
        )
        for m in p.members
    ]
    yield from md_table(("reviewer", "verdict", "mean", "findings", "tokens", "why"), rows)
    if p.disagreements:
        yield from ("They disagree:", "")
        yield from md_list(md(x) for x in p.disagreements)
