"""Checks of statements against the quotes they rest on: what the quotes state more, and what they do not support.

A step of a paper report gains the accessions, software with versions, numbers, tests, cohort sizes and gene symbols of
its own quotes (a version also when the paper states exactly one for that software); its numbers that no quote holds
are listed, not removed. A located quote proves nothing for a sentence that states something else, so sentences are
compared with their quotes: numbers, names, words, negations and directions, without any understanding. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from bioresearcher.papers.mining import MinedFact, cached_facts, labels, parameters
from bioresearcher.retrieval.bm25 import terms
from bioresearcher.schemas.paper_report import Mention, ReportPart, ReportStep

_NUMBER: Final = re.compile(r"(?<!\w)(?<!\d[.,])(?<!\w[-‐‑])\d+(?:[.,]\d+)*")
_THOUSANDS: Final = re.compile(r"(?<=\d)[, ](?=\d{3}(?!\d))")
_NUMBERING: Final = re.compile(r"(?:^|(?<=[.;:\n]))\s*\(?\d{1,2}[.)]\s")
_WORDS: Final = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
}
_SPELT: Final = re.compile(r"\b(?:" + "|".join(_WORDS) + r")\b", re.IGNORECASE)

LEAST_SHARED: Final = 0.5
"""Share of a sentence's content words that must stand in its quotes."""

_NAME: Final = re.compile(r"\b(?=\w*[^\W\d_])(?:\w*[A-Z]\w*[A-Z0-9]\w*|\w*\d\w*)(?:[-/]\w+)*")
_PROPER: Final = re.compile(r"(?<=[^\W_][\s,;(–-])[A-Z][^\W\d_]{2,}(?:['’]s)?\b")
"""A word with a capital in the middle of a sentence: a person, a place, a method named after someone."""
_AMOUNT: Final = re.compile(
    r"\d+(?:[.,]\d+)*\s?(?:%|‰|°\s?C|[kmµμnp]?(?:g|l|L|M|m|mol|Hz|Da|Gy|IU|U)\b|(?:second|minute|hour|day|week|month|year)s?\b)"
)
_SIGN: Final = re.compile(r"[<>≤≥]")
_NOT: Final = re.compile(
    r"\b(?:not|no|none|nor|neither|never|without|cannot|lack\w*|fail\w*|absen\w+|unable|unchanged|unaffected"
    r"|insignificant|non-?significant)\b|n['’]t\b",
    re.IGNORECASE,
)
_UP: Final = re.compile(
    r"\b(?:increas\w*|elevat\w*|enhanc\w*|up-?regulat\w*|higher|greater|more|larger|longer|rais\w+|ris(?:e|es|en|ing)"
    r"|gain\w*|above|exceed\w*)\b",
    re.IGNORECASE,
)
_DOWN: Final = re.compile(
    r"\b(?:decreas\w*|reduc\w*|lower\w*|down-?regulat\w*|suppress\w*|diminish\w*|less|fewer|smaller|shorter|declin\w*"
    r"|fell|los[st]\w*|below)\b",
    re.IGNORECASE,
)


def add_quoted_values(step: ReportStep, versions: dict[str, str]) -> ReportStep:
    """Add the values that a step's quotes state; `versions` of the paper's software, by its name in lower case."""
    quoted = [find for evidence in step.evidence for find in cached_facts(evidence.text)]
    given = {n for p in step.parameters for n in _numbers(p.value)}
    missing = (p for p in parameters(quoted) if not given.issuperset(_numbers(p.value)))
    stated = [f for r in step.results for e in r.evidence for f in cached_facts(e.text)]
    cohorts = (f"n = {f.value}" if f.name == "n" else f"{f.value} {f.name}" for f in quoted if f.kind == "cohort")
    return step.model_copy(
        update={
            "datasets": _joined(step.datasets, labels(quoted, "accession")),
            "software": _software(step.software, quoted, versions),
            "parameters": (*step.parameters, *missing),
            "genes": labels([*quoted, *stated], "gene"),
            "tests": labels(quoted, "test"),
            "cohorts": tuple(dict.fromkeys(cohorts)),
            "unquoted": unquoted(step),
        }
    )


def unquoted(step: ReportStep) -> tuple[str, ...]:
    """Return numbers of a step's action, details and parameters that no quote of it holds; spelt-out ones count."""
    quotes = [e.text for e in step.evidence] + [e.text for r in step.results for e in r.evidence]
    said = [_NUMBERING.sub(" ", step.action), _NUMBERING.sub(" ", step.details), *(p.value for p in step.parameters)]
    return missing_numbers(said, quotes)


def missing_numbers(texts: Iterable[str], quotes: Iterable[str]) -> tuple[str, ...]:
    """Return the numbers of texts that no quote holds, as written and each once; numbers spelt out in quotes count."""
    known: set[float] = set()
    for quote in quotes:
        known.update(_numbers(quote))
        known.update(float(_WORDS[m[0].casefold()]) for m in _SPELT.finditer(quote))
    written = (m[0] for text in texts for m in _NUMBER.finditer(_THOUSANDS.sub("", text)))
    return tuple(dict.fromkeys(n for n in written if _number(n) not in known))


def versions_of(mined: Iterable[Mention]) -> dict[str, str]:
    """Return the version of each software for which a paper states exactly one, by its name in lower case."""
    found: dict[str, set[str]] = {}
    for mention in mined:
        if mention.kind == "software" and mention.value:
            found.setdefault(mention.name.casefold(), set()).add(mention.value)
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def with_step_ids(mined: Sequence[Mention], parts: Sequence[ReportPart]) -> tuple[Mention, ...]:
    """Add to mentions the ids of the steps whose quotes hold them."""
    holders: dict[tuple[str, str], list[str]] = {}
    for step in (s for p in parts for s in p.steps):
        texts = [e.text for e in step.evidence] + [e.text for r in step.results for e in r.evidence]
        keys = [(find.kind, find.label.casefold()) for text in texts for find in cached_facts(text)]
        names = (*step.datasets, *step.software)
        keys += [(kind, name.casefold()) for name in names for kind in ("accession", "software")]
        for key in dict.fromkeys(keys):
            holders.setdefault(key, []).append(step.id)
    label_of = {m: " ".join(filter(None, (m.name, m.value, m.unit))).casefold() for m in mined}
    return tuple(m.model_copy(update={"steps": tuple(holders.get((m.kind, label_of[m]), ()))}) for m in mined)


def _joined(said: Iterable[str], found: Iterable[str]) -> tuple[str, ...]:
    """Return the reported names, then the found ones that are part of none of them."""
    kept = list(dict.fromkeys(said))
    for name in found:
        if not any(name.casefold() in k.casefold() for k in kept):
            kept.append(name)
    return tuple(kept)


def _software(said: Iterable[str], quoted: Iterable[MinedFact], versions: dict[str, str]) -> tuple[str, ...]:
    kept = list(dict.fromkeys(said))
    for find in (f for f in quoted if f.kind == "software"):
        same = [n for n, k in enumerate(kept) if find.name.casefold() in re.split(r"[^\w.+*-]+", k.casefold())]
        if not same:
            kept.append(find.label)
        elif find.value and find.value not in kept[same[0]] and not re.search(r"\d+\.\d", kept[same[0]]):
            kept[same[0]] = find.label
    completed = [f"{k} {versions[k.casefold()]}" if k.casefold() in versions else k for k in kept]
    return tuple(dict.fromkeys(completed))


def _numbers(text: str) -> list[float]:
    return [_number(m[0]) for m in _NUMBER.finditer(_THOUSANDS.sub("", text))]


def _number(text: str) -> float:
    whole, _, rest = text.replace(",", ".").partition(".")
    return float(f"{whole}.{rest.replace('.', '') or 0}")


def why_not_supported(text: str, quotes: Sequence[str]) -> str:
    """Return in a few words why quotes do not support a sentence; empty when no check fails."""
    missing = missing_numbers([text], quotes) or _missing_amounts(text, quotes)
    if missing:
        return f"its quotes do not hold {', '.join(missing[:4])}"
    names = missing_names(text, quotes)
    if names:
        return f"its quotes do not name {', '.join(names[:4])}"
    contradiction = _contradiction(text, quotes)
    if contradiction:
        return contradiction
    wanted, given = set(terms(text)), {t for q in quotes for t in terms(q)}
    if not wanted or len(wanted & given) < LEAST_SHARED * len(wanted):
        return "its quotes say something else"
    return ""


def new_words(text: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """Return the content words of a sentence that no quote holds in any form, for a person to look at."""
    given = {t for q in quotes for t in terms(q)}
    found = (w for w in re.findall(r"\w+(?:['’-]\w+)*", text) if not re.search(r"\d", w))
    return tuple(dict.fromkeys(w for w in found if (stems := set(terms(w))) and not stems & given))


def opposed(text: str, quotes: Sequence[str]) -> bool:
    """Return True if a sentence says only up or more, and its quotes only down or less, or the other way round."""
    up, down = bool(_UP.search(text)), bool(_DOWN.search(text))
    ups, downs = any(map(_UP.search, quotes)), any(map(_DOWN.search, quotes))
    return (up and not down and downs and not ups) or (down and not up and ups and not downs)


def _missing_amounts(text: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """Return numbers with units that no quote holds with this unit."""
    known = {_amount(m[0]) for q in quotes for m in _AMOUNT.finditer(q)}
    return tuple(dict.fromkeys(m[0] for m in _AMOUNT.finditer(text) if _amount(m[0]) not in known))


def _amount(text: str) -> str:
    return re.sub(r"\s|(?<=[a-z]{3})s$|,(?=\d{3})", "", text.replace("μ", "µ"))


def missing_names(text: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """Return names in a sentence (genes, accessions, persons, places) that no quote holds."""
    known = {_plain(m[0]) for q in quotes for m in re.finditer(r"\w+(?:[-/]\w+)*", q)}
    known |= {_plain(w) for q in quotes for w in re.findall(r"\w+", q)}
    found = dict.fromkeys(m[0] for pattern in (_NAME, _PROPER) for m in pattern.finditer(text))
    return tuple(n for n in found if _plain(n) not in known and not known.issuperset(map(_plain, re.split("[-/]", n))))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", re.sub(r"['’]s$", "", name)).casefold()


def _contradiction(text: str, quotes: Sequence[str]) -> str:
    """Return why a negation, a direction or a comparison sign is on one side only; empty when none is."""
    denies, denied = bool(_NOT.search(text)), [bool(_NOT.search(q)) for q in quotes]
    if denies and not any(denied):
        return "it denies what its quotes do not deny"
    if not denies and all(denied):
        return "its quotes deny something, and it does not"
    if opposed(text, quotes):
        return "it and its quotes point in opposite directions"
    if not {m[0] for q in quotes for m in _SIGN.finditer(q)}.issuperset(_SIGN.findall(text)):
        return "its quotes hold another comparison sign"
    return ""
