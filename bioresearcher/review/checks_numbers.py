"""Numbers that a protocol states about its data: each must stand in what its author could see.

Seen are facts, looks, counts, descriptions of data sets, papers that were read and the objective. Thresholds, alphas,
seeds, years, versions, numbers of steps and planned settings state nothing about data. In doubt nothing is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Audit, Fact, LookRecord, PassageRead
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.text.format import listing
from bioresearcher.text.visible import clip
from bioresearcher.text.words import sentence_texts

UNSEEN_GATE: Final = "G-NUM-01"
COUNTS: Final = "/counts"
"""End of the view's name in the record of a count."""
LEAST: Final = 5
"""Smallest whole number that counts of things are looked for from; smaller ones are mostly of a plan."""
MOST_MARKED: Final = 20
"""Statements that are named among a protocol's limitations at most."""
_TOGETHER: Final = 12
"""Most numbers of one text or sentence from which sums, differences and shares are formed."""

_NUM: Final = r"\d{1,3}(?:[,\u202f\u00a0]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_ANY: Final = re.compile(rf"(?<![\w.])(?:{_NUM})(?![\w]|\.\d)")
_THINGS: Final = (
    r"(?:patients?|samples?|tumou?rs?|arrays?|events?|deaths?|relapses?|recurrences?|genes?|probes?|probe ?sets?"
    r"|donors?|subjects?|participants?|individuals?|people|persons?|cases|controls|pairs|cells|specimens|biopsies"
    r"|features|proteins|values|measurements|observations|rows|columns|records|men|women|males|females)"
)
_COUNT: Final = re.compile(
    rf"(?<![\w.,/:-])(?P<n>{_NUM})(?P<of>\s+of\s+(?:the\s+|all\s+)?(?P<m>{_NUM}))?\s+"
    rf"(?:(?!and\b|or\b|per\b|of\b|to\b|in\b|x\b)[A-Za-z][\w-]*\s+){{0,2}}?(?P<thing>{_THINGS})\b",
    re.IGNORECASE,
)
_OF: Final = re.compile(
    rf"(?<![\w.,/:-])(?P<n>{_NUM})\s+(?:of|out of|/)\s+(?:the\s+|all\s+)?(?P<m>{_NUM})(?![\w%]|\s*%)"
)
_N_IS: Final = re.compile(rf"(?<![\w])[nN]\s*=\s*(?P<n>{_NUM})(?![\w])")
_SHARE: Final = re.compile(
    rf"(?<![\w.,-])(?P<n>{_NUM})\s?%\s+(?:of\s+(?:the\s+|all\s+|its\s+)?)?"
    rf"(?:{_THINGS}|variance|variation|missing|censored)\b",
    re.IGNORECASE,
)
_CORRELATION: Final = re.compile(
    rf"(?:\b(?:r|rho|correlation(?: of)?)|ρ)\s*(?:=|of|is)\s*[-−]?(?P<n>0?\.\d+|{_NUM})(?![\w])", re.IGNORECASE
)
_MEDIAN: Final = re.compile(
    rf"\b(?:median|mean|quartile|percentile)\s+(?:\w+\s+){{0,2}}?(?:is|of|=|was)\s+(?P<n>{_NUM})(?![\w%])",
    re.IGNORECASE,
)
_PATTERNS: Final = (_COUNT, _N_IS, _SHARE, _CORRELATION, _MEDIAN, _OF)
_PLANNED: Final = re.compile(
    r"(?:\bat least|\bat most|\bfewer than|\bless than|\bmore than|\bno more than|\bup to|\bm(?:in|ax)imum(?: of)?"
    r"|\bbelow|\babove|\bover|\bunder|\bwithin|\bexceeds?|\bper|\bevery|\beach|\bbetween|\bfirst|\btop|\bnext|\bkeep|\btake"
    r"|\bdraw|\brandom|\bsample|\bsets? of|\bbins? of|\bgroups of|\bblocks of|\bsize|\bneeds?|\brequires?|\bpower"
    r"|\bdetect"
    r"|[≥≤<>~≈±]=?|\bif|\bunless|\bwhen|\bwould|\bcould|\bto|\bthan|\babout|\be\.g\.,?|-)\s*(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)
"""Words before a number that make it a limit, a plan or a supposition."""
_PLANNED_SENTENCE: Final = re.compile(
    r"\b(?:bootstrap\w*|resampl\w*|permut\w*|simulat\w*|draws?|replicates|iterations|imputations?|seed|folds?|knots?"
    r"|power(?:ed)?|detectable|sample[- ]size|suppose|assum\w+|example|random\w*|hypothetical|minimum"
    r"|threshold|at random)\b",
    re.IGNORECASE,
)
_AFTER: Final = re.compile(
    r"\s*(?:or (?:more|fewer|less)|at least|-fold|%)\b|\s*(?:resamples|draws|sets|tests)\b", re.IGNORECASE
)


_DRAWN: Final = re.compile(r"\b(?:re)?(?:shuffle[ds]?|permuted|simulated|resampled|bootstrap(?:ped)?)\b", re.IGNORECASE)
"""Words between a number and its things that make these things of the plan, such as shuffled columns."""


_REHEARSED: Final = re.compile(r"\b(?:rehears|shuffle)", re.IGNORECASE)
"""Words of a sentence that says where its number was printed."""


class UnseenStatement(NamedTuple):
    """A sentence with the numbers in it that stand in nothing seen, and the place that it stands in."""

    location: str
    sentence: str
    numbers: tuple[str, ...]
    shuffled: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The fault of its numbers, in words."""
        nowhere = f"no fact, look, count or rehearsal shows {listing(self.numbers)}" if self.numbers else ""
        copies = f"only the rehearsal, on shuffled copies, shows {listing(self.shuffled)}" if self.shuffled else ""
        return "; ".join(filter(None, (nowhere, copies)))


def shown_texts(
    audit: Audit,
    facts: Iterable[Fact] = (),
    looks: Iterable[LookRecord] = (),
    datasets: Iterable[Dataset] = (),
    passages: Iterable[PassageRead] = (),
    reports: Iterable[PaperReport] = (),
    objective: Objective | None = None,
) -> tuple[str, ...]:
    """Return every text with numbers that the author of a protocol could see, each with the size of its data set.

    The code of a look states nothing about the data, whereas the rules of a count are part of what it says.
    """
    datasets = tuple(datasets)
    sizes = {d.id: f"\n{d.n_samples or ''}\n{d.n_features or ''}" for d in datasets}
    found = [
        " ".join((f.statement, f.consequence, *(f"{n.name} {n.value:g}" for n in f.numbers), *f.rows, f"{f.row_count}"))
        + sizes.get(f.dataset, "")
        for f in (*audit.facts, *facts)
    ]
    found += [f"{p.what} {p.reason}" for p in audit.proposals] + list(audit.notes)
    for look in looks:
        if not look.refused:
            rules = f"{look.code}\n" if look.view.endswith(COUNTS) else ""
            found.append(f"{rules}{look.shown}{sizes.get(look.view.rpartition('/')[0], '')}")
    found += [_described(d) for d in datasets]
    found += [p.evidence.text for p in passages]
    for report in reports:
        for step in (s for part in report.parts for s in part.steps):
            found.append(" ".join((step.action, step.details, *(e.text for e in step.evidence))))
            found += [e.text for r in step.results for e in r.evidence]
    if objective is not None:
        found.append(" ".join((objective.text, *objective.conditions, *(r.text for r in objective.requirements))))
    return tuple(found)


def _described(dataset: Dataset) -> str:
    """Return what an author is told of a data set, as text."""
    said = [dataset.title, *dataset.notes, *dataset.problems, f"{dataset.n_samples} {dataset.n_features}"]
    for file in dataset.files:
        said.append(f"{file.name} {file.rows or ''} {file.samples or ''} {len(file.entries)} {len(file.columns)}")
        said += [f"{c.name} {c.label} {c.missing} {len(c.levels)} {' '.join(c.levels)}" for c in file.columns]
        said += file.entries
    return "\n".join(said)


def statements(protocol: Protocol) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a protocol that may state something about data, each with its place."""
    texts = [("summary", protocol.summary)]
    texts += [("decisions", t) for d in protocol.decisions for t in (d.choice, d.why)]
    texts += [("facts", f.consequence) for f in protocol.facts]
    texts += [("not done", t) for n in protocol.not_done for t in (n.what, n.why)]
    texts += [("answer rule", rule) for rule in protocol.answer_rule]
    texts += [("definitions", f"{d.text}") for d in protocol.definitions]
    for part in protocol.parts:
        texts += [(f"part {part.id}", t) for t in (part.purpose, part.reason)]
        for step in part.steps:
            said = (step.action, step.rationale, step.acceptance, *(o.description for o in step.outputs))
            texts += [(f"step {step.id}", t) for t in (*said, *(c.claim for c in step.citations if c.state != "cut"))]
    for place, text in texts:
        for line in text.splitlines():
            yield from ((place, s) for s in sentence_texts(line) if any(c.isdigit() for c in s))


def stated_numbers(sentence: str) -> tuple[str, ...]:
    """Return the numbers of a sentence that state something about data, as they are written."""
    if _PLANNED_SENTENCE.search(sentence):
        return ()
    found: dict[str, None] = {}
    for pattern in _PATTERNS:
        for match in pattern.finditer(sentence):
            if _PLANNED.search(sentence[max(0, match.start() - 40) : match.start()]) or _AFTER.match(
                sentence, match.end()
            ):
                continue
            if pattern is _COUNT and _DRAWN.search(match[0]):
                continue
            for name, text in match.groupdict().items():
                if name in ("n", "m") and text and (pattern not in (_COUNT, _OF) or _value(text) >= LEAST):
                    found.setdefault(text)
    return tuple(found)


def seen_values(shown: Iterable[str]) -> frozenset[float]:
    """Return the numbers of texts, with the shares, sums and differences of those that stand together in one."""
    values: set[float] = set()
    for text in shown:
        for line in text.splitlines():
            own = list(dict.fromkeys(_value(m[0]) for m in _ANY.finditer(line)))
            values |= {100 * v for v in own if v < 1}
            values |= set(own) | (_formed(own) if len(own) <= _TOGETHER else set())
    return frozenset(values)


def unseen_statements(protocol: Protocol, shown: Sequence[str]) -> tuple[UnseenStatement, ...]:
    """Return the statements about data with numbers that stand in nothing seen, each number once.

    Rounded numbers count as seen, and so does what follows from numbers of the same sentence that were seen. A part (or
    what is left without it) and its whole (`105 of 115 arrays`) must stand in one text: each alone may be the number of
    something else. What the rehearsal alone printed is told apart, as its groups and outcomes were shuffled; a sentence
    that says so states nothing about the data.
    """
    rehearsed = protocol.rehearsal.shown if protocol.rehearsal is not None else ""
    known, every = seen_values(shown), seen_values((*shown, rehearsed))
    texts = [frozenset(_value(m[0]) for m in _ANY.finditer(text)) for text in (*shown, rehearsed)]
    told: set[float] = set()
    pairs: set[str] = set()
    found = []
    for place, sentence in statements(protocol):
        stated = [t for t in stated_numbers(sentence) if _value(t) not in told]
        unseen = [t for t in stated if not _shown(t, sentence, every)]
        shuffled = [t for t in stated if t not in unseen and not _shown(t, sentence, known)]
        shuffled = [] if _REHEARSED.search(sentence) else shuffled
        told |= {_value(t) for t in (*unseen, *shuffled)}
        lone = {_value(t) for t in unseen}
        apart = [
            f"{part} of {whole}"
            for part, whole in _parts_of_wholes(sentence)
            if not lone & {_value(part), _value(whole)} and not _together(_value(part), _value(whole), texts)
        ]
        unseen += [pair for pair in apart if pair not in pairs]
        pairs |= {*apart}
        if unseen or shuffled:
            found.append(UnseenStatement(place, sentence, tuple(unseen), tuple(shuffled)))
    return tuple(found)


def _shown(text: str, sentence: str, values: frozenset[float]) -> bool:
    """Return True if a number was seen, or follows from others of its sentence that were."""
    seen = [v for m in _ANY.finditer(sentence) if _is_seen(m[0], values) for v in (_value(m[0]),)]
    return _is_seen(text, values) or _is_seen(text, _formed(seen[:_TOGETHER]))


def _parts_of_wholes(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield a part and its whole where a sentence states both about data."""
    stated = set(stated_numbers(sentence))
    for match in _OF.finditer(sentence):
        if {match["n"], match["m"]} <= stated and _value(match["n"]) < _value(match["m"]):
            yield match["n"], match["m"]


def _together(part: float, whole: float, texts: Iterable[frozenset[float]]) -> bool:
    """Return True if a text has the whole, and the part or what is left without it."""
    return any(whole in text and (part in text or whole - part in text) for text in texts)


def _formed(values: Sequence[float]) -> set[float]:
    """Return sums, differences and shares in per cent of two numbers."""
    found: set[float] = set()
    for a, b in combinations(dict.fromkeys(values), 2):
        low, high = min(a, b), max(a, b)
        found |= {a + b, high - low}
        if high:
            found |= {100 * low / high, 100 - 100 * low / high, low / high}
    return found


def _is_seen(text: str, values: Iterable[float]) -> bool:
    """Check whether a number stands among values, as written or rounded to its decimals."""
    wanted = _value(text)
    decimals = len(text.partition(".")[2])
    return any(v == wanted or round(v, decimals) == wanted for v in values)


def _value(text: str) -> float:
    return float(re.sub(r"[,\u202f\u00a0]", "", text))


def marked(protocol: Protocol, shown: Sequence[str]) -> Protocol:
    """Return the protocol with the numbers that stand in nothing seen named among its limitations."""
    said = tuple(
        f"Not recomputed: at {s.location} {s.said} (“{clip(s.sentence, 160)}”)."
        for s in unseen_statements(protocol, shown)[:MOST_MARKED]
    )
    more = tuple(text for text in said if text not in protocol.limitations)
    return protocol.model_copy(update={"limitations": (*protocol.limitations, *more)}) if more else protocol


def unseen_numbers(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Statements about the data with numbers that stand in nothing the author could see."""
    for found in unseen_statements(view.protocol, view.context.shown or ()):
        message = f"{found.said}: “{clip(found.sentence, 240)}”"
        mend = "Give the fact, look or count that shows it, correct it, or leave it out and let the step print it."
        yield CheckHit(found.location, message, mend)


CHECKS: tuple[Check, ...] = (
    Check(
        UNSEEN_GATE,
        "numbers about the data were seen",
        "warning",
        "correctness",
        unseen_numbers,
        ("shown",),
        "protocol",
    ),
)
