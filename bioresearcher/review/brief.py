"""A protocol as text for a reviewing model: every field of every step, without markup, within a number of tokens.

What does not fit is left out in whole parts: the parts with most findings of the checks are kept in full first, then
the others in their order; of the rest the steps' titles are kept, and if even these are too many, the number of steps.
A note at the end of the text, also in `Brief.note`, names what was left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bioresearcher.llm.shorten import tokens_of
from bioresearcher.review.check import parameter_text
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.text.format import listing
from bioresearcher.text.visible import one_line

MAX_FINDINGS = 40
"""Largest number of findings given to the reviewer, the most severe first."""
MAX_TITLES = 25
"""Largest number of steps of a part whose titles are listed when the steps themselves do not fit."""
_WEIGHT = {"error": 10, "warning": 3, "note": 1}


@dataclass(frozen=True)
class Brief:
    """Text of a protocol for a reviewer, its places (`step 2.1` with its lines), and a note on what was left out."""

    text: str
    places: tuple[tuple[str, str], ...]
    note: str = ""

    def place_of(self, quote: str, stands_in: Callable[[str, str], bool]) -> str | None:
        """Find the first place that holds a quote; None where the quote runs over several."""
        return next((name for name, lines in self.places if stands_in(quote, lines)), None)


def write_brief(protocol: Protocol, findings: Sequence[CheckFinding], max_tokens: int) -> Brief:
    """Write the protocol for a reviewer in at most `max_tokens` (estimated), unless its headings alone are longer."""
    levels = _levels(protocol.parts, findings, max_tokens - tokens_of(_head(protocol)) - 120)
    places: list[tuple[str, str]] = [("protocol", _head(protocol))]
    for part, level in zip(protocol.parts, levels, strict=True):
        places += _part(part, level)
    note = _note(protocol.parts, levels)
    text = "\n\n".join(lines for _, lines in places)
    return Brief(f"{text}\n\n[{note}]" if note else text, tuple(places), note)


def _head(protocol: Protocol) -> str:
    limits = [f"Limitation: {one_line(x, 400)}" for x in protocol.limitations[:10]]
    cover = [
        f"{c.requirement}: " + (f"met by {', '.join(c.steps)}" if c.met else f"not met: {one_line(c.reason, 200)}")
        for c in protocol.coverage
    ]
    page = [f"Decision: {one_line(f'{d.question}: {d.choice}', 300)}" for d in protocol.decisions[:12]]
    page += [f"Not done: {one_line(f'{n.what}: {n.why}', 250)}" for n in protocol.not_done[:8]]
    page += [f"Rule for the answer: {one_line(rule, 300)}" for rule in protocol.answer_rule[:8]]
    top = [one_line(protocol.title, 300), one_line(protocol.summary, 1500)]
    return "\n".join([*top, *page, *cover, *limits]).strip()


Level = int
"""Number of a part's steps shown in full; -1: no step, only their number."""


def _levels(parts: Sequence[ProtocolPart], findings: Sequence[CheckFinding], budget: int) -> list[Level]:
    found = Counter[str]()
    for f in findings:
        place = f.location.removeprefix("step ").removeprefix("part ")
        found[place.partition(".")[0]] += _WEIGHT[f.severity]
    levels: list[Level] = [-1] * len(parts)
    left = budget - sum(_cost(p, -1) for p in parts)
    order = sorted(range(len(parts)), key=lambda n: (-found[parts[n].id], n))
    kept = left // 2
    for n in range(len(parts)):  # titles first: without them nobody knows what the protocol does
        left = kept + _raise(parts[n], levels, n, 0, left - kept)
    for n in order:
        left = _raise(parts[n], levels, n, len(parts[n].steps), left)
    if all(level <= 0 for level in levels) and parts:  # no part fits: as many steps as do, of the first in order
        n = order[0]
        levels[n] = max(levels[n], _fitting(parts[n], left))
    return levels


def _fitting(part: ProtocolPart, budget: int) -> Level:
    """Count the steps of a part, from its first, that fit a budget in full."""
    low, high = 0, len(part.steps)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _cost(part, middle) <= budget else (low, middle - 1)
    return low


def _raise(part: ProtocolPart, levels: list[Level], n: int, level: Level, left: int) -> int:
    more = _cost(part, level) - _cost(part, levels[n])
    if more > left:
        return left
    levels[n] = level
    return left - more


def _cost(part: ProtocolPart, level: Level) -> int:
    return sum(tokens_of(lines) + 2 for _, lines in _part(part, level))


def _part(part: ProtocolPart, level: Level) -> list[tuple[str, str]]:
    head = f"Part {part.id}: {one_line(part.title, 300)}"
    if level < 0:
        return [(f"part {part.id}", f"{head} ({len(part.steps)} steps, not shown)")]
    purpose = one_line(f"{part.purpose} {part.reason}".strip(), 600)
    needs = f"Needs part {', '.join(part.depends_on)}." if part.depends_on else ""
    places = [(f"part {part.id}", "\n".join(x for x in (head, purpose, needs) if x))]
    places += [(f"step {s.id}", _step(s)) for s in part.steps[:level]]
    rest = part.steps[level:]
    titles = [f"Step {s.id}: {one_line(s.title, 80)} (title only)" for s in rest[:MAX_TITLES]]
    titles += [f"({len(rest) - MAX_TITLES} more steps, not shown)"] if len(rest) > MAX_TITLES else []
    return [*places, *([(f"part {part.id}", "\n".join(titles))] if titles else [])]


def _step(s: ProtocolStep) -> str:
    facts: list[tuple[str, list[str]]] = [
        ("Inputs", [f"{i.name} ({i.source})" for i in s.inputs]),
        ("Parameters", [parameter_text(p) for p in s.parameters]),
        ("Outputs", [f"{o.name} ({o.kind}) {o.description}".strip() for o in s.outputs]),
        ("Data sets", list(s.datasets)),
        ("Software", list(s.software)),
        ("Accepted when", [s.acceptance] if s.acceptance.strip() else []),
        ("Why", [s.rationale] if s.rationale.strip() else []),
    ]
    lines = [f"Step {s.id} ({s.kind} lab): {one_line(s.title, 300)}", one_line(s.action, 6000)]
    lines += [f"{name}: {one_line('; '.join(values), 1500)}" for name, values in facts if values]
    lines.append(f"Rests on: {one_line('; '.join(_grounds(s)), 900) or 'nothing'}")
    return "\n".join(lines)


def _grounds(step: ProtocolStep) -> list[str]:
    """List what a step rests on, with what is taken from it; in protocols of earlier versions the passages' number."""
    cited = [
        f"{'general knowledge, to verify' if c.kind == 'general' else c.ref} ({c.claim.rstrip('.')})"
        for c in step.citations
        if c.state != "cut"
    ]
    return cited or ([f"{len(step.links)} passages"] if step.links else [])


def _note(parts: Sequence[ProtocolPart], levels: Sequence[Level]) -> str:
    short = [(p, level) for p, level in zip(parts, levels, strict=True) if level < len(p.steps)]
    if not short:
        return ""
    hidden = sum(len(p.steps) - max(0, level) for p, level in short)
    names = listing((f"part {p.id}" for p, _ in short), 8)
    return f"Shortened to fit: {hidden} of {sum(len(p.steps) for p in parts)} steps are not shown in full, in {names}"


def merge_findings(findings: Sequence[CheckFinding]) -> tuple[CheckFinding, ...]:
    """Merge the findings of each check into one that lists their places; return at most `MAX_FINDINGS`."""
    groups: dict[tuple[str, str], list[CheckFinding]] = {}
    for f in findings:
        groups.setdefault((f.gate, f.severity), []).append(f)
    return tuple(
        group[0].model_copy(
            update={"location": listing((f.location for f in group), 6), "message": one_line(group[0].message, 220)}
        )
        for group in list(groups.values())[:MAX_FINDINGS]
    )
