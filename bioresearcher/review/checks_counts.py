"""Checks of counts: shares, groups and corrections that do not compute, and products used before they are made."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, quote_match
from bioresearcher.review.quantities import quantities
from bioresearcher.text.format import listing

_WORDS: Final = {w: n for n, w in enumerate("two three four five six seven eight nine ten".split(), 2)}
_COUNT: Final = r"\d{1,6}|two|three|four|five|six|seven|eight|nine|ten"


def _number(text: str) -> int:
    return _WORDS.get(text.lower()) or int(text)


_EMPTY: Final = re.compile(r"(?<![\w-])[nN]\s*=\s*0(?![\d.,])(?!\s*(?:to|-|–|,|\.\.))(?P<what>[^.;,)\n]{0,60})")
_GROUP: Final = re.compile(
    r"\b(?:mice|rats?|animals?|patients|samples|replicates|subjects|participants|per group|group)\b", re.I
)


def empty_group(view: CheckedProtocol) -> Iterator[CheckHit]:
    """A group of no members that is to be compared: `n = 0 mice`."""
    for s in view.steps:
        for m in _EMPTY.finditer(s.body):
            if _GROUP.search(m.group("what")) and re.search(r"compar|\btest|\bgroups?\b", s.body, re.I):
                yield CheckHit(s.location, f"a group without members: {quote_match(m)}", "Give the size of the group.")


_SHARE: Final = re.compile(
    r"(?<![\d.,/])(?P<part>\d{1,6}) (?:of|out of) (?:the )?(?P<all>\d{1,6})(?: [A-Za-z-]+){0,3}"
    r" ?[(\[,]\s?(?P<percent>\d{1,3}(?:\.\d+)?) ?%"
    r"|(?<![\d.,/])(?P<part2>\d{1,6})/(?P<all2>\d{1,6})(?: [A-Za-z-]+){0,2} ?[(\[;,]"
    r" ?(?P<percent2>\d{1,3}(?:\.\d+)?) ?%(?! CI)"
)


def wrong_share(view: CheckedProtocol) -> Iterator[CheckHit]:
    """A share that is not the quotient of the counts beside it: `12 of 40 patients (25 %)`."""
    for s in view.steps:
        for m in _SHARE.finditer(s.body):
            part, whole, percent = (m.group(n) or m.group(f"{n}2") for n in ("part", "all", "percent"))
            if int(whole) == 0 or int(part) > int(whole):
                continue
            computed, stated = 100 * int(part) / int(whole), float(percent)
            slack = 0.51 * 10 ** -len(percent.partition(".")[2]) + 0.5
            if abs(computed - stated) > slack:
                said = f"{part} of {whole} are {computed:.1f} %, not {percent} %"
                yield CheckHit(s.location, f"{said}: {quote_match(m)}", "Check the counts and the share.")


_TOTAL: Final = re.compile(
    rf"\b(?P<groups>{_COUNT}) (?:groups?|arms|cohorts|conditions|plates|cages) (?:of|with|containing|each"
    rf" with) (?P<size>{_COUNT}) (?:\w+ ){{0,2}}?"
    r"(?:each |per \w+ )?[(,;]\s?(?:n ?= ?|(?:a |in )?total(?: of| n ?=)? ?|= ?)?(?P<total>\d{1,6}) (?:\w+"
    r" ){0,1}?(?:in total|in all|total|altogether)\b"
    rf"|\b(?:total of )(?P<total2>\d{{1,6}}) (?:\w+ ){{0,3}}?\(?(?P<groups2>{_COUNT}) groups (?:of|with)"
    rf" (?P<size2>{_COUNT})\b(?! to)",
    re.I,
)


def wrong_total(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Groups times their size that do not make the total stated beside them."""
    for s in view.steps:
        for m in _TOTAL.finditer(s.body):
            groups, size, total = (_number(m.group(n) or m.group(f"{n}2")) for n in ("groups", "size", "total"))
            if groups * size != total:
                said = f"{groups} groups of {size} are {groups * size}, not {total}"
                yield CheckHit(s.location, f"{said}: {quote_match(m)}", "Check the counts.")


_BONFERRONI: Final = re.compile(
    rf"\bBonferroni\w*\b[^.\n]{{0,120}}?(?P<alpha>0?\.\d+) ?(?:/|÷|divided by) ?(?P<tests>{_COUNT})(?:"
    rf" \w+){{0,3}}? ?(?:=|,|\(|is|gives)\s?(?:\w+ ){{0,2}}?(?P<level>0?\.\d+)"
    rf"|\bBonferroni\w*\b[^.\n]{{0,80}}?\bfor (?P<tests2>{_COUNT}) (?:tests|comparisons|hypotheses|outcomes"
    rf"|endpoints)\b[^.\n]{{0,60}}?"
    r"(?:α|alpha|p|level|threshold)\b[^.\n\d]{0,20}(?P<level2>0?\.\d+)",
    re.I,
)


def wrong_correction(view: CheckedProtocol) -> Iterator[CheckHit]:
    """A level after Bonferroni that is not the overall level divided by the number of tests."""
    for s in view.steps:
        for m in _BONFERRONI.finditer(s.body):
            tests = _number(m.group("tests") or m.group("tests2"))
            stated, alphas = (
                m.group("level") or m.group("level2"),
                (m.group("alpha"),) if m.group("alpha") else (".05", ".01", ".025", ".1"),
            )
            half = 0.51 * 10 ** -len(stated.partition(".")[2])
            if not any(
                abs(float(a) / tests - float(stated)) <= max(half, 0.02 * float(stated)) for a in alphas
            ) and float(stated) not in map(float, alphas):
                yield CheckHit(
                    s.location, f"the level does not fit {tests} tests: {quote_match(m)}", "Compute the level anew."
                )


_MADE: Final = re.compile(
    r"\b(?:the |this |your )(?:\w+ ){0,3}?(?:supernatant|pellet|eluate|elution|solution|buffer|lysate"
    r"|mixture|mix|samples?|[DR]NA|plates?|cultures?"
    r"|cells|beads|filtrate|medium|media|product|digest|extract|stock|dilutions?)s? (?:obtained |prepared "
    r"|made |collected |saved |set aside )?"
    r"(?:from|in|of) step (?P<step>\d{1,3}(?:\.\d{1,3}){0,2})(?!\d|\.\d| ?[-–] ?\d| to step| below)",
    re.I,
)
_FORWARD: Final = re.compile(
    r"\b(?:until|for use|to be used|will be|needed|required|see|later|later on|below|for the|proceed|continue|keep)\b",
    re.I,
)


def used_before_made(view: CheckedProtocol) -> Iterator[CheckHit]:
    """A product that is taken from a later step, by the document's own numbers."""
    place = {s.step.id: s.index for s in view.steps}
    for s in view.steps:
        for m in _MADE.finditer(s.body):
            made = place.get(m.group("step"))
            before = s.body[max(0, m.start() - 60) : m.start()]
            if made is not None and made > s.index and not _FORWARD.search(before):
                yield CheckHit(
                    s.location,
                    f"takes what only a later step makes: {quote_match(m)}",
                    "Check the order and the number.",
                )


_STOCK: Final = re.compile(
    r"(?P<q>\d[\d.,]*\s?(?:[mµμnu]?M|[mµμun]?g/[mµμu]?[lL]))\s+(?P<name>[A-Za-z][\w-]{2,30})\s+stock\b(?! of)", re.I
)
_STOCK_AFTER: Final = re.compile(
    r"\b(?P<name>[A-Za-z][\w-]{2,30})\s+stock(?: solution)?\s*\(\s*(?P<q>\d[\d.,]*\s?(?:[mµμnu]?M"
    r"|[mµμun]?g/[mµμu]?[lL]))\s*\)",
    re.I,
)


def two_values(view: CheckedProtocol) -> Iterator[CheckHit]:
    """One stock solution with two concentrations."""
    seen: dict[str, dict[float, tuple[str, str]]] = defaultdict(dict)
    for s in view.steps:
        for pattern in (_STOCK, _STOCK_AFTER):
            for m in pattern.finditer(s.body):
                for q in quantities(m.group("q")):
                    seen[f"{m.group('name').lower()} {q.dimension}"].setdefault(q.value, (s.location, m.group("q")))
    for name, values in seen.items():
        if len(values) > 1:
            places = listing(f"{text} in {where}" for where, text in values.values())
            stock = name.partition(" ")[0]
            yield CheckHit(
                list(values.values())[-1][0],
                f"the stock of {stock} has two concentrations: {places}",
                "Say which holds, or name two stocks.",
            )


CHECKS: tuple[Check, ...] = (
    Check("G-CNT-01", "groups have members", "error", "correctness", empty_group),
    Check("G-CNT-02", "shares are those of the counts", "error", "correctness", wrong_share),
    Check("G-CNT-03", "groups make the total", "error", "correctness", wrong_total),
    Check("G-CNT-04", "the corrected level fits the number of tests", "error", "correctness", wrong_correction),
    Check(
        "G-CNT-05", "nothing is used before it is made", "error", "logical_soundness", used_before_made, (), "protocol"
    ),
    Check("G-CNT-06", "a stock has one concentration", "warning", "logical_soundness", two_values, (), "protocol"),
)
