"""`/protocol` and `/review`: the parts with their steps and grounds, and what was found in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from bioresearcher.cli.session.layout import Block, Facts, Heading, Line, Listing, Sheet
from bioresearcher.cli.session.view import View
from bioresearcher.errors import InputError
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import GateFinding, Review
from bioresearcher.text.format import count_of, words

_STYLES: Final = {"error": "red", "warning": "yellow", "note": ""}
_NUMBER: Final = re.compile(r"(?:part|step)?\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def protocol_view(view: View) -> Sheet:
    """The parts and their steps; a number (`2`, `2.1`): one of them with all that is known of it; `limitations`.

    Raises:
        InputError: There is no such part or step.
    """
    if not view.folder.has("protocol.json"):
        return Sheet([Line("There is no protocol yet.")])
    protocol = view.folder.read(Protocol, "protocol.json")
    if not view.asked:
        return Sheet(_whole(protocol))
    if view.asked.casefold() == "limitations":
        return Sheet([Heading("Limitations"), *(Line(said, mark="!") for said in protocol.limitations)])
    found = _NUMBER.fullmatch(view.asked)
    number = found[1] if found else ""
    for part in protocol.parts:
        if part.id == number:
            return Sheet(_part(part))
        for step in part.steps:
            if step.id == number:
                return Sheet(_step(step))
    parts = ", ".join(p.id for p in protocol.parts)
    raise InputError(f"/protocol: there is no part or step {view.asked[:60]!r}.", hint=f"Its parts are {parts}.")


def _whole(protocol: Protocol) -> Iterator[Block]:
    steps = protocol.steps
    linked = sum(bool(s.links) for s in steps)
    revised = f", revision {protocol.revision}" if protocol.revision else ""
    yield Heading(protocol.title)
    yield Line(f"{count_of(len(protocol.parts), 'part')}, {count_of(len(steps), 'step')}, {linked} on papers{revised}")
    for part in protocol.parts:
        after = f" (after {', '.join(part.depends_on)})" if part.depends_on else ""
        yield Heading(f"{part.id} {part.title}{after}")
        for step in part.steps:
            grounds = count_of(len(step.links), "ground") if step.links else "no paper has it"
            style = "" if step.links else "yellow"
            yield Line(f"{step.title} [{step.kind}, {grounds}]", mark=step.id, style=style)
    yield from _coverage(protocol)
    if protocol.limitations:
        yield Line(f"{count_of(len(protocol.limitations), 'limitation')} stated: /protocol limitations", style="dim")


def _coverage(protocol: Protocol) -> Iterator[Block]:
    if protocol.coverage:
        yield Heading("Requirements")
    for row in protocol.coverage:
        met = f"met by {', '.join(row.steps)}" if row.met else "not met"
        said = f"{row.requirement}: {met}" + (f" ({row.reason})" if row.reason else "")
        yield Line(said, mark="✓" if row.met else "!", style="" if row.met else "yellow")


def _part(part: ProtocolPart) -> Iterator[Block]:
    yield Heading(f"{part.id} {part.title}")
    rows = [("purpose", part.purpose), ("reason", part.reason)]
    rows += [(f"{r.kind} part {r.part}", r.reason) for r in part.relations]
    yield Facts(tuple((name, value) for name, value in rows if value))
    for step in part.steps:
        yield from _step(step)


def _step(step: ProtocolStep) -> Iterator[Block]:
    yield Heading(f"{step.id} {step.title}")
    yield Line(step.action)
    rows = [
        ("works on", step.object),
        ("why", step.rationale),
        ("parameters", "; ".join(" ".join(filter(None, [p.name, p.value, p.unit])) for p in step.parameters)),
        ("inputs", "; ".join(f"{i.name} from {i.source}" for i in step.inputs)),
        ("outputs", "; ".join(f"{o.name} ({o.kind})" for o in step.outputs)),
        ("software", ", ".join(step.software)),
        ("skill", step.skill or ""),
        ("shows success", step.acceptance),
        ("without a paper", step.novelty if not step.links else ""),
    ]
    yield Facts(tuple((name, value) for name, value in rows if value))
    for link in step.links:
        where = ", ".join(
            filter(None, [link.evidence.section, f"page {link.evidence.page}" if link.evidence.page else ""])
        )
        yield Line(f"{link.paper_id}, step {link.step_id} ({where}): “{link.evidence.text}”", mark="«")


def review_view(view: View) -> Sheet:
    """Scores and findings; a word: the findings whose severity, gate, place or text holds it."""
    if not view.folder.has("review.json"):
        return Sheet([Line("There is no review yet.")])
    review = view.folder.read(Review, "review.json")
    wanted = view.asked.casefold()
    if not wanted:
        return Sheet(_review(review))
    rows = [f for f in review.findings if wanted in f"{f.severity} {f.gate} {f.location} {f.message}".casefold()]
    for name, metric in review.metrics.items():
        if wanted.replace(" ", "_") == name:
            facts = (("score", f"{metric.score:.1f} of 5"), ("reason", metric.reason))
            return Sheet([Heading(words(name)), Facts(facts), *(Line(e, mark="–") for e in metric.evidence)])
    return Sheet([Heading(f"{count_of(len(rows), 'finding')} on {view.asked}"), *_findings(rows)])


def _review(review: Review) -> Iterator[Block]:
    yield Heading(f"Verdict: {review.verdict}, mean {review.mean_score:.2f} of 5 ({review.origin})")
    yield Listing(
        ("metric", "score", "reason"),
        tuple((words(name), f"{m.score:.1f}", m.reason) for name, m in review.metrics.items()),
        frozenset({"score"}),
    )
    counts = [f"{sum(f.severity == s for f in review.findings)} {s}s" for s in ("error", "warning", "note")]
    yield Heading(f"Findings: {', '.join(counts)}")
    yield from _findings(review.findings)


def _findings(findings: Iterable[GateFinding]) -> Iterator[Block]:
    rank = list(_STYLES)
    for finding in sorted(findings, key=lambda f: rank.index(f.severity)):
        advice = f" → {finding.suggestion}" if finding.suggestion else ""
        said = f"{finding.location}: {finding.message}{advice} [{finding.gate}]"
        yield Line(said, mark=finding.severity, style=_STYLES[finding.severity])
