"""Checks of a study's design (confounding, batches, group sizes) and of its fit to the objective (requirements)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, quote_match, short
from bioresearcher.review.vocabulary import COMPARISON, DIFFERENTIAL, SURVIVAL, listed, words
from bioresearcher.text.format import listing
from bioresearcher.text.visible import one_line

POWER, ALPHA = 0.8, 0.05
"""Usual power and two-sided significance level for planning a comparison of two groups."""
LARGE_ONLY = 2.0
"""Difference in standard deviations; a comparison that detects only larger ones is hardly worth making."""
LARGE = 1.0
"""Difference in standard deviations; a comparison that detects only larger ones should say why that is enough."""

_UNIT = (
    r"(?:patients?|persons?|participants?|subjects?|donors?|mice|mouse|rats?|animals?|samples?|tumou?rs?|biopsies"
    r"|cases|controls|volunteers?|individuals?|people)"
)
_NUMBER = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_COUNT = r"(?P<n>\d{1,5}|" + "|".join(_NUMBER) + ")"
_PER = r"(?:per|in each|in either|for each|each)\s+(?:\w+\s+)?(?:group|arm|condition|genotype|treatment)s?"
_PER_GROUP = re.compile(
    rf"\b{_COUNT}\s+(?:\w+\s+){{0,2}}?{_UNIT}\s+{_PER}\b|\bn\s*=\s*(?P<n2>\d{{1,5}})\s*(?:{_UNIT}\s+)?{_PER}\b"
    rf"|\b{_UNIT}\s+per\s+(?:group|arm|condition)\s*(?:=|:|of)\s*(?P<n3>\d{{1,5}})\b"
    r"|\b(?:groups?|arms?)\s+(?:consists?\s+of|has|have|holds?|contains?|comprises?|includes?)\s+(?P<n4>\d{1,5})\s+"
    rf"(?:\w+\s+)?{_UNIT}\b",
    re.I,
)
_ONE_EACH = re.compile(
    rf"\b(?:one|a single|1)\s+(?:\w+\s+){{0,2}}?(?:{_UNIT}\s+)?(?:\w+\s+)?(?:with|versus|vs\.?|against|and)\s+"
    rf"(?:one|a single|1)\s+(?:\w+\s+){{0,2}}?{_UNIT}\b",
    re.I,
)
_PAIRED = re.compile(r"\b(?:each|every|per|both)\b[^.;\n]{0,60}$", re.I)
_LEAST = re.compile(r"(?:[≥>]=?|\bat least|\bminimum(?: of)?|\bno fewer than|\bfewer than|<)\s*$", re.I)
"""Before a number that is a limit, below which the group is not analysed, and not the planned size."""
_POWER_SAID = listed("study", "power_said")


def detectable(n: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """Compute the smallest difference of two means, in standard deviations, that n per group detect (two-sided test).

    Normal approximation (z(1 - alpha/2) + z(power)) * sqrt(2 / n); Cohen, "Statistical Power Analysis" (1988), ch. 2.
    """
    z = NormalDist().inv_cdf
    return (z(1 - alpha / 2) + z(power)) * sqrt(2 / n)


def underpowered(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Comparisons of groups whose stated or known size detects only very large differences."""
    power_stated = bool(_POWER_SAID.search(view.text))
    for s in view.steps:
        single = _ONE_EACH.search(s.body)
        if single and COMPARISON.search(s.body) and not _PAIRED.search(s.body[: single.start()]):
            message = f"compares single samples, which tells nothing of the spread: {quote_match(single)}"
            yield CheckHit(s.location, message, "Plan at least three, better six or more, independent ones per group.")
            continue
        stated = [(_size(m), m) for m in _PER_GROUP.finditer(s.body) if not _LEAST.search(s.body[: m.start()][-20:])]
        if stated:
            n, found = min(stated, key=lambda x: x[0])
            yield from _weak(s, n, f"{quote_match(found)}", power_stated=power_stated)
        elif not power_stated:
            yield from _weak_data(view, s)


def _size(m: re.Match[str]) -> int:
    given = next(m.group(g) for g in ("n", "n2", "n3", "n4") if m.group(g)).lower()
    return _NUMBER.get(given) or int(given)


def _weak(s: StepView, n: int, where: str, *, power_stated: bool) -> Iterator[CheckHit]:
    if n < 2:
        yield CheckHit(s.location, f"has {n} per group: {where}", "Without replicates no difference can be tested.")
        return
    d = detectable(n)
    message = f"with {n} per group only differences above {d:.1f} standard deviations show at 80 % power: {where}"
    if d > LARGE_ONLY:
        yield CheckHit(s.location, message, "Plan more per group, or call it a pilot and do not test.")
    elif d > LARGE and not power_stated:
        yield CheckHit(s.location, message, "Say what difference matters and that this number shows it.", "note")


def _weak_data(view: CheckedProtocol, s: StepView) -> Iterator[CheckHit]:
    """Comparisons in small data sets of the run, assumed to be two equal groups."""
    if SURVIVAL.search(s.head) or not (DIFFERENTIAL.search(s.head) or COMPARISON.search(s.head)):
        return
    known = view.context.datasets or {}
    for d in (known[name] for name in s.step.datasets if name in known):
        if d.n_samples >= 4 and (least := detectable(d.n_samples / 2)) > LARGE:
            message = f"{one_line(d.id, 40)} has {d.n_samples} samples: two equal groups of them show only differences "
            message += f"above {least:.1f} standard deviations at 80 % power"
            yield CheckHit(s.location, message, "Say what difference matters and that this number shows it.", "note")


_GROUP = (
    r"(?:all |the |our ){0,2}(?:cases|patients|treated|tumou?rs?|diseased|positives?|responders|knock-?outs?|mutants?)"
)
_OTHER = (
    r"(?:all |the |our |those of (?:the )?){0,2}(?:controls|healthy|normal tissues?|untreated|normals?|negatives?"
    r"|non-?responders|wild[- ]?types?|reference)"
)
_OCCASION = (
    r"(?:week|day|month|year|(?:19|20)\d\d|biobank|freezer|country|region|lot|plate|batch|run|lane|chip|flow cell"
    r"|hospital|clinic|site|cent(?:er|re)|laboratory|lab|scanner|technician|operator|machine|kit)"
)
_APART = re.compile(
    rf"\b{_GROUP}\b[^.;\n]{{0,50}}?\b(?:in|on|at|from|by|with)\s+(?:the\s+)?(?:\w+\s+)?{_OCCASION}\b[^.;\n]{{0,40}}?"
    rf"(?:\b(?:and|while|but|whereas)\b|,)\s+{_OTHER}\b[^.;\n]{{0,50}}?\b(?:in|on|at|from|by|with)\s+(?:the\s+)?(?:\w+\s+)?"
    rf"(?:{_OCCASION}(?:\b|\s\w\b)|second|other|another|[B2]\b)",
    re.I,
)
_PEOPLE = words("patients?", "cases", "participants?", "persons?", "subjects", "cohorts?")
_AGAINST = listed("study", "against")
_HANDLED = re.compile(
    r"\bmatch(?:ed|ing)\b|\badjust(?:ed|ing|s|ment)? (?:\w+ )?for\b|\bconfound|\bpropensity\b|\bmultivaria"
    r"|\bstratif(?:y|ied) by\b|\bpaired\b|\bMendelian\b|\brandomi[sz]ed (?:controlled )?(?:trial|allocation|to)\b"
    r"|\b(?:allocat|assign)\w* (?:\w+ ){0,3}at random\b|\bsame (?:patients?|donors?|persons?|individuals?)\b"
    r"|\b(?:age|sex|gender|smoking|body mass index|BMI|grade|stage|centre|ancestry|comorbidit\w+)\b[^.;\n]{0,60}"
    r"\b(?:covariates?|terms?|in (?:the|a) model|as (?:fixed|random) effects?)\b"
    r"|\bcovariates\b[^.;\n]{0,40}\b(?:chosen|fixed|specified|known|clinical)\b",
    re.I,
)


def confounded(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Groups handled on different occasions, and comparisons of people without matching or adjustment."""
    for s in view.steps:
        apart = _APART.search(s.full)
        if apart:
            message = f"mixes up the groups with when or where they are handled: {quote_match(apart, 5)}"
            yield CheckHit(s.location, message, "Spread both groups over all occasions, in random order.")
    if _HANDLED.search(view.text):
        return
    for s in view.steps:
        people, against = _PEOPLE.search(s.body), _AGAINST.search(s.body)
        if people and against:
            message = f"compares people and holds nothing else equal: {quote_match(against)}"
            yield CheckHit(
                s.location,
                message,
                "Match or adjust for what differs beside the group, such as age and sex.",
                "warning",
            )
            return


_OCCASIONS = r"(?:batch(?:es)?|plates?|chips?|runs?|lanes?|days?|flow cells?|cent(?:er|re)s?|sites?)"
_MADE = re.compile(
    rf"\b(?:over|in|on|across)\s+(?:\d+|two|three|four|several)\s+(?:\w+\s+)?{_OCCASIONS}\b|\b(?:to|of) \d+ plates\b"
    rf"|\b(?:batches|plates|chips|runs|lanes|flow cells)\s*=\s*\d"
    r"|\b(?:on|by) (?:the same|each) (?:chip|plate|batch|run)\b",
    re.I,
)
_MODELLED = re.compile(
    rf"\b{_OCCASIONS}\b(?:\W+\w+){{0,5}}?\W+(?:covariates?|terms?|random|fixed|effects?|block\w*|adjust\w*|correct\w*"
    rf"|model)\b|\b(?:adjust|correct|account|block|remov|integrat|normali[sz])\w*\b[^.;\n]{{0,40}}?\b{_OCCASIONS}\b"
    r"|\bcombat\b|\bharmony\b|\bmixed[- ](?:effects?|models?)\b|\bruv|\bsva\b|\bsurrogate variable|\bmnn\b|\bscvi\b",
    re.I,
)


def forgotten_batches(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Batches in the laboratory work that no analysis takes into account."""
    made = next(((s, m) for s in view.steps if (m := _MADE.search(s.full))), None)
    tests = [
        s for s in view.steps if s.step.kind == "dry" and (COMPARISON.search(s.body) or DIFFERENTIAL.search(s.body))
    ]
    if (
        made is None
        or not tests
        or any(_MODELLED.search(s.body) for s in view.steps if s.step.kind == "dry" and s is not made[0])
    ):
        return
    step, found = made
    message = f"works in batches, and no analysis takes them into account: {quote_match(found)}"
    yield CheckHit(step.location, message, "Put the batch into the model, or correct for it.", "warning")


CHECKS: tuple[Check, ...] = (
    Check("G-STA-11", "groups are large enough", "warning", "logical_soundness", underpowered),
    Check("G-STA-12", "groups differ in nothing else", "warning", "logical_soundness", confounded, (), "protocol"),
    Check("G-STA-13", "batches enter the analysis", "warning", "logical_soundness", forgotten_batches, (), "protocol"),
)


# -- the objective and its requirements ---------------------------------------------------------------

LEXICAL_COVER = 0.5
"""Share of a requirement's words a step must hold to count as answering it in a protocol of free text."""

_STOP = frozenset(
    "the a an of in on for and or to with by from at as is are be must should shall will can use using used include"
    " includes including that this these those it its their at least each every all any both between into under per"
    " not no more than design step steps protocol experiment experiments analysis study data based report state"
    " stated show".split()
)
_SHORT = {
    "fdr": "false discovery rate",
    "degs": "differential expression genes",
    "pca": "principal component",
    "qc": "quality control",
    "gsea": "gene set enrichment",
    "roc": "receiver operating",
    "km": "kaplan meier",
}


def content_words(text: str) -> frozenset[str]:
    """Extract the content words: abbreviations written out, cut to six letters so that endings do not matter."""
    low = re.findall(r"[^\W_]{2,}", text.lower())
    spelt = [w for word in low for w in (word, *_SHORT.get(word, "").split())]
    return frozenset(w[:6] for w in spelt if len(w) >= 3 and w not in _STOP)


def _words_around(s: StepView) -> frozenset[str]:
    """Content words of a step, of its skill and of its part's heading."""
    return content_words(f"{s.part.title} {s.part.purpose} {s.step.skill or ''} {s.full}")


def uncovered(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Requirements that the protocol does not answer."""
    objective = view.context.objective
    if objective is None:
        return
    if view.from_text and not view.protocol.coverage:
        bags = [_words_around(s) for s in view.steps]
        for r in objective.requirements:
            wanted = content_words(r.text)
            best = max((len(wanted & bag) / len(wanted) for bag in bags if wanted), default=0.0)
            if wanted and best < LEXICAL_COVER:
                message = f"no step seems to answer {r.id}: “{short(r.text)}”"
                yield CheckHit("protocol", message, "Add a step for it, or say why it is not met.", "warning")
        return
    answered = {c.requirement for c in view.protocol.coverage}
    for r in objective.requirements:
        if r.id not in answered:
            yield CheckHit(
                "protocol", f"requirement {r.id} is not answered: “{short(r.text)}”", "Say which steps meet it."
            )


def unmet(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Requirements marked as not met, or as met by no step."""
    for c in view.protocol.coverage:
        if c.met and not c.steps:
            yield CheckHit(
                "protocol", f"requirement {c.requirement} is said to be met by no step", "Name the steps.", "error"
            )
        elif not c.met and not c.reason.strip():
            yield CheckHit(
                "protocol",
                f"requirement {c.requirement} is not met and no reason is given",
                "Give the reason.",
                "error",
            )
        elif not c.met:
            yield CheckHit("protocol", f"requirement {c.requirement} is not met: {short(c.reason)}", "", "note")


def coverage_points_nowhere(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Coverage that names requirements or steps that do not exist."""
    objective = view.context.objective
    known = {r.id for r in objective.requirements} if objective else None
    for c in view.protocol.coverage:
        lost = [s for s in c.steps if s not in view.by_id]
        if lost:
            yield CheckHit(
                "protocol", f"requirement {c.requirement} rests on steps that do not exist: {listing(lost)}", "Fix it."
            )
        if known is not None and c.requirement not in known:
            yield CheckHit("protocol", f"{short(c.requirement)} is not a requirement of the objective", "Take it out.")
    for s in view.steps:
        foreign = [r for r in s.step.requirements if known is not None and r not in known]
        if foreign:
            yield CheckHit(
                s.location, f"claims to meet {listing(foreign)}, which the objective does not have", "Fix it."
            )


def unrelated_cover(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Requirements marked as met by steps that share no word with them."""
    objective = view.context.objective
    if objective is None or not view.latin:
        return
    texts = {r.id: content_words(r.text) for r in objective.requirements}
    for c in view.protocol.coverage:
        bags = [_words_around(view.by_id[s]) for s in c.steps if s in view.by_id]
        wanted = texts.get(c.requirement, frozenset())
        if c.met and bags and len(wanted) >= 3 and not any(wanted & bag for bag in bags):
            message = f"{c.requirement} is said to be met by {listing(c.steps)}, which share no word with it"
            yield CheckHit("protocol", message, "Check which steps meet it.")


def off_objective(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Protocols that hardly mention what the objective is about."""
    objective = view.context.objective
    if objective is None or not view.steps:
        return
    wanted = content_words(objective.text)
    lacking = wanted - content_words(view.text)
    missing = sorted(w for w in re.findall(r"[^\W_]{3,}", objective.text) if w.lower()[:6] in lacking)
    gone = {w.lower()[:6] for w in missing}
    if len(wanted) >= 3 and len(gone) > 2 * len(wanted) / 3:
        message = f"hardly mentions what the objective is about; missing: {listing(missing)}"
        yield CheckHit("protocol", message, "Is this the protocol of this objective?")


COVERAGE_CHECKS: tuple[Check, ...] = (
    Check("G-COV-01", "every requirement is answered", "error", "completeness", uncovered, ("objective",), "protocol"),
    Check("G-COV-02", "requirements are met or a reason is given", "error", "completeness", unmet, (), "protocol"),
    Check("G-COV-03", "coverage names what exists", "error", "completeness", coverage_points_nowhere, (), "protocol"),
    Check(
        "G-COV-04",
        "covering steps are about the requirement",
        "warning",
        "completeness",
        unrelated_cover,
        ("objective",),
        "protocol",
    ),
    Check(
        "G-COV-05",
        "the protocol is about the objective",
        "warning",
        "completeness",
        off_objective,
        ("objective",),
        "protocol",
    ),
)
