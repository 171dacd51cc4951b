"""Findings of a review: verified against the protocol, its facts and looks; weighed; answered; and what was changed.

Words that a finding quotes, and looks and facts that it names, count only when they are there. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, get_args

from bioresearcher.llm.shorten import tokens_of
from bioresearcher.review.checks_numbers import UNSEEN_GATE
from bioresearcher.schemas.ask_design import FindingAnswer
from bioresearcher.schemas.ask_review import FindingsLeft, RankedReview
from bioresearcher.schemas.protocol import AnsweredFinding, Consequence, Protocol
from bioresearcher.schemas.review import CheckFinding, RankedFinding
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import known_id, stands_in, title_of
from bioresearcher.text.visible import clip, one_line

WEIGHTS: Final[Mapping[Consequence, int]] = {
    "invalidates the result": 8,
    "changes the result": 4,
    "weakens it": 2,
    "wording": 1,
}
"""Weight of a finding; weights only order versions of one protocol."""
ERROR_WEIGHT: Final = 4
"""Weight of an error of a check that the reviewer does not dispute."""
GRAVE: Final[tuple[Consequence, ...]] = ("invalidates the result", "changes the result")
MOST_FINDINGS: Final = 12
MOST_NEW: Final = 4
MOST_CHECKS: Final = 24
CHANGED_TOKENS: Final = 10_000
"""Largest account of changes in a recheck, in estimated tokens; from there on unchanged lines are left out, and last
of all those taken out, never those put in."""
OUT_NOT_SHOWN: Final = "Sentences that were taken out were not shown to the recheck."
ONLY_NEAR: Final = "Of long sections only what is beside a change was shown."
ONLY_CHANGED: Final = "Of long sections only what changed was shown."
SAID_CHARS: Final = 1_200
UNANSWERED: Final = "The author gave no answer."

_IN, _OUT, _SAME = "+ ", "− ", "  "
_ORDER: Final[tuple[Consequence, ...]] = get_args(Consequence)
_EVIDENCE: Final = re.compile(r"\b[A-Z]\d+\b")
_NUMBERED: Final = re.compile(r"[AN](\d+)")
_OWN_NUMBER: Final = re.compile(r"A(\d{1,3})")
_STEP: Final = r"\d{1,3}\.\d{1,3}(?!\.?\d)"
_STEPS: Final = re.compile(rf"\b[Ss]teps?\s+{_STEP}(?:(?:\s*(?:,|and|to|or|–|-)\s*)+{_STEP})*")
_STYLE: Final = re.compile(
    r"\b(?:wordings?|word(?:ed|y)|phras(?:e|ed|ing)|typos?|spelling|grammar|style|stylistic|readability"
    r"|verbose|verbosity"
    r"|repetiti(?:on|ve)|redundant text|formatting|capitali[sz]ation|punctuation|too long to read"
    r"|headings? (?:is|are))\b",
    re.IGNORECASE,
)
_SUBSTANCE: Final = re.compile(
    r"\d|\b(?:bias\w*|confound\w*|leak\w*|wrong|invalid|artefacts?|artifacts?|contradict\w*|ambigu\w*|undefined"
    r"|cannot|two (?:readings|analysts|colleagues)|different (?:results?|numbers?))\b",
    re.IGNORECASE,
)
_LAST: Final[Consequence] = _ORDER[-1]
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=\S)")

Findings = tuple[RankedFinding, ...]


@dataclass(frozen=True)
class Evidence:
    """Ids that a finding may rest on: of facts and the author's looks, and of the reviewer's looks that were run."""

    facts: frozenset[str] = frozenset()
    looks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NumberedCheck:
    """Findings of one check with one message, which the reviewer sees, and may dispute, as one."""

    id: str
    shown: CheckFinding
    members: tuple[CheckFinding, ...]


def numbered_checks(
    findings: Iterable[CheckFinding], before: Iterable[NumberedCheck] = ()
) -> tuple[NumberedCheck, ...]:
    """Number errors and then warnings `C1`, `C2`, …; those with the same message are one, with all their places.

    What an earlier version had keeps the number that it had there; others get numbers that none has had.
    """
    given = {(c.shown.gate, one_line(c.members[0].message, 300)): c.id for c in before}
    last = max((int(i[1:]) for i in given.values()), default=0)
    groups: dict[tuple[str, str, str], list[CheckFinding]] = {}
    for finding in findings:
        if finding.severity != "note":
            groups.setdefault((finding.severity, finding.gate, finding.message), []).append(finding)
    ordered = sorted(groups.values(), key=lambda g: g[0].severity != "error")[:MOST_CHECKS]
    numbered: list[NumberedCheck] = []
    for group in ordered:
        name = given.get((group[0].gate, one_line(group[0].message, 300)), "")
        if not name or name in {n.id for n in numbered}:
            last += 1
            name = f"C{last}"
        places = listing(dict.fromkeys(f.location for f in group), 6)
        shown = group[0].model_copy(update={"location": places, "message": one_line(group[0].message, 300)})
        numbered.append(NumberedCheck(name, shown, tuple(group)))
    return tuple(numbered)


def disputed_checks(review: RankedReview, checks: Sequence[NumberedCheck]) -> tuple[dict[str, str], list[str]]:
    """Return number -> the reason of the reviewer who disputes it, and notes on disputes of nothing."""
    found: dict[str, str] = {}
    notes = []
    ids = [c.id for c in checks]
    for dispute in review.disputed:
        known = known_id(dispute.check, ids)
        if known is None or not dispute.why.strip():
            notes.append(f"The dispute of check {one_line(dispute.check, 20) or '(none)'} names no check or no reason.")
        else:
            found.setdefault(known, clip(dispute.why, SAID_CHARS))
    return found, notes


def verified(
    findings: Sequence[RankedFinding],
    text: str,
    protocol: Protocol,
    evidence: Evidence,
    *,
    first: int = 1,
    most: int = MOST_FINDINGS,
) -> tuple[Findings, list[str]]:
    """Order findings by consequence, with quotes and evidence that are there, and notes.

    A finding keeps the number that its reviewer gave it, as its later answers name it so; where numbers repeat, are
    missing or are below `first`, findings are numbered from there.

    Quoted words that do not stand in `text` are dropped, and so are ids of looks and facts that are not known. A
    finding against a fact that no look shows, an empty one, a repetition and those beyond `most` are set aside.
    """
    kept: list[RankedFinding] = []
    notes: list[str] = []
    seen: set[tuple[str, str]] = set()
    numbers = [int(m[1]) for f in findings if (m := _OWN_NUMBER.fullmatch(f.id.strip()))]
    own = len({*numbers}) == len(findings) and min(numbers, default=first) >= first
    named = zip(map(_as_wording, findings), numbers if own else [0] * len(findings), strict=True)
    for given, number in sorted(named, key=lambda pair: _ORDER.index(pair[0].consequence)):
        said, key = f"A finding at {one_line(given.location, 60) or 'protocol'}", (given.location, given.problem)
        if not title_of(given.problem) or key in seen:
            continue
        seen.add(key)
        shown, unknown = _known_evidence(given.shown_by, evidence)
        contradicted = known_id(given.contradicts, evidence.facts) if given.contradicts.strip() else None
        if contradicted and not any(i in evidence.looks for i in shown):
            notes.append(
                f"{said} contradicts {contradicted} without a look that shows otherwise, and was set aside: "
                f"{clip(given.problem, 300)}"
            )
            continue
        if len(kept) == most:
            notes.append(f"{said} is beyond the {most} that are taken: {clip(given.problem, 300)}")
            continue
        name = f"A{number or first + len(kept)}"
        quoted = given.statement.strip()
        if quoted and not stands_in(quoted, text):
            notes.append(f"{name}: the words it quotes do not stand in the protocol and were dropped.")
            quoted = ""
        if unknown:
            notes.append(f"{name}: no look or fact {', '.join(unknown)} is known; it was dropped.")
        kept.append(
            given.model_copy(
                update={
                    "id": name,
                    "location": _place(given.location, protocol),
                    "statement": clip(quoted, SAID_CHARS),
                    "problem": clip(given.problem, SAID_CHARS),
                    "do": clip(given.do, SAID_CHARS),
                    "shown_by": ", ".join(shown),
                    "contradicts": contradicted or "",
                }
            )
        )
    return tuple(kept), notes


def _as_wording(finding: RankedFinding) -> RankedFinding:
    """Return a finding on style alone, which no look or fact shows and which names no number, as one on wording."""
    said = f"{finding.problem} {finding.do}"
    grounds = finding.shown_by.strip() or finding.contradicts.strip() or _SUBSTANCE.search(said)
    return (
        finding if grounds or not _STYLE.search(finding.problem) else finding.model_copy(update={"consequence": _LAST})
    )


def _known_evidence(text: str, evidence: Evidence) -> tuple[list[str], list[str]]:
    """Return the known ids in a text, and the unknown; a text without any id is itself unknown."""
    named = list(dict.fromkeys(_EVIDENCE.findall(text))) or ([one_line(text, 40)] if text.strip() else [])
    known = evidence.facts | evidence.looks
    return [i for i in named if i in known], [i for i in named if i not in known]


def _place(location: str, protocol: Protocol) -> str:
    """Return the step or part that a location names; else the location as it was written."""
    places = {f"part {p.id}" for p in protocol.parts} | {f"step {s.id}" for s in protocol.steps}
    return known_id(location, places) or one_line(location, 80) or "protocol"


def handed_over(ranked: Findings, checks: Sequence[NumberedCheck], disputed: Collection[str]) -> Findings:
    """Return what the author is to answer: the reviewer's findings, and of checks that are not disputed the errors.

    Numbers that were seen nowhere are handed over as well, though they may have been formed of others.
    """
    handed = tuple(
        RankedFinding(
            id=check.id,
            location=check.shown.location,
            problem=f"{check.shown.message} (check {check.shown.gate})",
            consequence="changes the result" if check.shown.severity == "error" else "weakens it",
            do=check.shown.suggestion or "Correct it, or say why it is right here.",
        )
        for check in checks
        if (check.shown.severity == "error" or check.shown.gate == UNSEEN_GATE) and check.id not in disputed
    )
    return (*ranked, *handed)


def weight_of(ranked: Findings, errors: int) -> int:
    """Weigh what stands against a version: findings by their consequence, and errors of checks."""
    return sum(WEIGHTS[f.consequence] for f in ranked) + ERROR_WEIGHT * errors


def is_grave(finding: RankedFinding) -> bool:
    """Return True for a finding that invalidates or changes the result."""
    return finding.consequence in GRAVE


def answered(
    findings: Findings, given: Sequence[FindingAnswer], *, changed: bool
) -> tuple[tuple[AnsweredFinding, ...], list[str]]:
    """Pair findings with the author's answers, the first of each; a missing one is recorded as missing.

    Where nothing was `changed`, an answer that says otherwise does not count as done.
    """
    ids = [f.id for f in findings]
    by_id: dict[str, FindingAnswer] = {}
    notes = []
    for answer in given:
        known = known_id(answer.finding, ids)
        if known is None:
            notes.append(f"An answer to {one_line(answer.finding, 20) or '(none)'}, which is no finding, was left out.")
        else:
            by_id.setdefault(known, answer)
    rows = []
    for finding in findings:
        answer_to = by_id.get(finding.id)
        text = clip(answer_to.answer, SAID_CHARS) if answer_to else ""
        done = bool(answer_to and answer_to.done)
        if not text:
            notes.append(f"{finding.id} was not answered.")
            done = done and changed
        elif done and not changed:
            notes.append(f"{finding.id} is said to be done, but nothing was changed.")
            done = False
        rows.append(as_answered(finding, text or UNANSWERED, done=done))
    return tuple(rows), notes


def as_answered(finding: RankedFinding, answer: str, *, done: bool, left: bool = False) -> AnsweredFinding:
    """Make the record of a finding with its answer."""
    return AnsweredFinding(
        finding=finding.id,
        said=finding.problem,
        location=finding.location,
        consequence=finding.consequence,
        look=finding.shown_by,
        done=done,
        answer=answer,
        left=left,
    )


def renumbered(text: str, moved: Mapping[str, str]) -> str:
    """Return a text in which numbers of steps, named as such, are the new ones; `moved` has those that changed."""
    return _STEPS.sub(lambda m: re.sub(_STEP, lambda n: moved.get(n[0], n[0]), m[0]), text)


def relocated(findings: Findings, moved: Mapping[str, str]) -> Findings:
    """Return findings on a protocol with the numbers that its steps have after a revision."""
    return tuple(
        f.model_copy(update={n: renumbered(getattr(f, n), moved) for n in ("location", "problem", "do")})
        for f in findings
    )


def findings_left(ranked: Findings, recheck: FindingsLeft) -> tuple[Findings, list[str]]:
    """Return the findings that the recheck calls left; one that it does not answer is taken as left."""
    ids = [f.id for f in ranked]
    said: dict[str, bool] = {}
    for row in recheck.findings:
        known = known_id(row.finding, ids)
        if known is not None:
            said.setdefault(known, row.left)
    notes = [f"{i} was not rechecked, and is taken as left." for i in ids if i not in said]
    return tuple(f for f in ranked if said.get(f.id, True)), notes


def next_number(rounds: Iterable[Findings]) -> int:
    """Return the number after the highest that a finding of the review has had."""
    numbers = [int(m[1]) for findings in rounds for f in findings if (m := _NUMBERED.fullmatch(f.id))]
    return max(numbers, default=0) + 1


def changes(before: str, after: str, most: int = CHANGED_TOKENS) -> tuple[str, str]:
    """Write the changed sections between two Markdown texts: lines put in (+), taken out (−) and unchanged, and a note.

    Sections stand whole under their headings. Where that is too long, lines put in and taken out stand with a neighbour
    each, then alone; only where that is too long as well, lines put in with a neighbour each. A line put in is always
    there: a reviewer can judge nothing by a part of it. Nothing changed: an empty account. The note says what was left
    out.
    """
    sections = _sections(_units(before), _units(after))
    forms = (
        ("", [line for s in sections for line in s]),
        (ONLY_NEAR, _near(sections)),
        (ONLY_CHANGED, [x for s in sections for n, x in enumerate(s) if n == 0 or x.startswith((_IN, _OUT))]),
        (f"{OUT_NOT_SHOWN} {ONLY_NEAR}", [x for x in _near(sections) if not x.startswith(_OUT)]),
    )
    note, lines = next((f for f in forms if tokens_of("\n".join(f[1])) <= most), forms[-1])
    return "\n".join(lines), note


def _units(text: str) -> list[str]:
    """Divide Markdown into headings, rows of tables and sentences; blank lines are left out."""
    units: list[str] = []
    for line in text.splitlines():
        whole = line.startswith(("#", "|"))
        units += [line] if whole else [s for s in _SENTENCE_END.split(line) if s.strip()]
    return units


def _sections(old: Sequence[str], new: Sequence[str]) -> list[list[str]]:
    """Return the sections in which something changed, each a heading with its lines and their marks."""
    sections: list[list[str]] = [["(before the first heading)"]]
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        sections[-1] += [f"{_OUT}{x}" for x in old[i:j] if tag != "equal"]
        for line in new[k:m]:
            mark = _SAME if tag == "equal" else _IN
            if line.startswith("#"):
                sections.append([line])
            if mark == _IN or not line.startswith("#"):
                sections[-1].append(f"{mark}{line}")
    return [s for s in sections if any(line.startswith((_IN, _OUT)) for line in s)]


def _near(sections: Iterable[Sequence[str]]) -> list[str]:
    """Return the headings with the lines put in and taken out, and of the unchanged ones those beside a change."""
    found: list[str] = []
    for section in sections:
        changed = [line.startswith((_IN, _OUT)) for line in section]
        for n, line in enumerate(section):
            beside = any(changed[max(n - 1, 0) : n + 2])
            if n == 0 or beside:
                found.append(line)
    return found
