"""What the rules find in a step's quotes, put beside what the reader said of it.

Added are accessions, software with versions, numbers, tests, cohort sizes and gene symbols that stand in the step's own
quotes; a version is added when the paper states exactly one for that software. Numbers that the step gives and its
quotes do not hold are named, not removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from bioresearcher.library.mined import Find, labels, mined_of, parameters
from bioresearcher.schemas.report import Mention, Parameter, ReportPart, ReportStep

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


def complete(step: ReportStep, versions: dict[str, str]) -> ReportStep:
    """The step with what its quotes state; `versions` are those the paper states, by the software's name in small."""
    quoted = [find for evidence in step.evidence for find in mined_of(evidence.text)]
    stated = [f for r in step.results for e in r.evidence for f in mined_of(e.text)]
    accessions = labels(quoted, "accession")
    return step.model_copy(
        update={
            "datasets": _joined(step.datasets, accessions),
            "software": _software(step.software, quoted, versions),
            "parameters": _parameters(step.parameters, quoted),
            "genes": labels([*quoted, *stated], "gene"),
            "tests": labels(quoted, "test"),
            "cohorts": tuple(dict.fromkeys(_size(f) for f in quoted if f.kind == "cohort")),
            "unquoted": unquoted(step),
        }
    )


def unquoted(step: ReportStep) -> tuple[str, ...]:
    """Numbers in a step's action, details and parameters that stand in none of its quotes; spelt-out ones count."""
    quotes = [e.text for e in step.evidence] + [e.text for r in step.results for e in r.evidence]
    said = [_NUMBERING.sub(" ", step.action), _NUMBERING.sub(" ", step.details), *(p.value for p in step.parameters)]
    return missing_numbers(said, quotes)


def missing_numbers(said: Iterable[str], quotes: Iterable[str]) -> tuple[str, ...]:
    """Numbers in what is said that stand in none of the quotes, as written and each once; spelt-out ones count."""
    known: set[float] = set()
    for quote in quotes:
        known.update(_numbers(quote))
        known.update(float(_WORDS[m[0].casefold()]) for m in _SPELT.finditer(quote))
    written = (m[0] for text in said for m in _NUMBER.finditer(_THOUSANDS.sub("", text)))
    return tuple(dict.fromkeys(n for n in written if _number(n) not in known))


def versions_of(mined: Iterable[Mention]) -> dict[str, str]:
    """The version of each software for which a paper states exactly one, by its name in small letters."""
    found: dict[str, set[str]] = {}
    for mention in mined:
        if mention.kind == "software" and mention.value:
            found.setdefault(mention.name.casefold(), set()).add(mention.value)
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def carried(mined: Sequence[Mention], parts: Sequence[ReportPart]) -> tuple[Mention, ...]:
    """The mentions with the ids of the steps whose quotes hold them; what no step carries has none."""
    holders: dict[tuple[str, str], list[str]] = {}
    for step in (s for p in parts for s in p.steps):
        texts = [e.text for e in step.evidence] + [e.text for r in step.results for e in r.evidence]
        for find in (f for text in texts for f in mined_of(text)):
            ids = holders.setdefault((find.kind, find.label.casefold()), [])
            if step.id not in ids:
                ids.append(step.id)
        for name in (*step.datasets, *step.software):
            for kind in ("accession", "software"):
                ids = holders.setdefault((kind, name.casefold()), [])
                if step.id not in ids:
                    ids.append(step.id)
    return tuple(m.model_copy(update={"steps": tuple(holders.get((m.kind, _label(m).casefold()), ()))}) for m in mined)


def _label(mention: Mention) -> str:
    return " ".join(filter(None, (mention.name, mention.value, mention.unit)))


def _size(find: Find) -> str:
    return f"n = {find.value}" if find.name == "n" else f"{find.value} {find.name}"


def _joined(said: Iterable[str], found: Iterable[str]) -> tuple[str, ...]:
    """What was said, then what was found and is part of nothing said."""
    kept = list(dict.fromkeys(said))
    for name in found:
        if not any(name.casefold() in k.casefold() for k in kept):
            kept.append(name)
    return tuple(kept)


def _software(said: Iterable[str], quoted: Iterable[Find], versions: dict[str, str]) -> tuple[str, ...]:
    kept = list(dict.fromkeys(said))
    for find in (f for f in quoted if f.kind == "software"):
        same = [n for n, k in enumerate(kept) if find.name.casefold() in re.split(r"[^\w.+*-]+", k.casefold())]
        if not same:
            kept.append(find.label)
        elif find.value and find.value not in kept[same[0]] and not re.search(r"\d+\.\d", kept[same[0]]):
            kept[same[0]] = find.label
    completed = [f"{k} {versions[k.casefold()]}" if k.casefold() in versions else k for k in kept]
    return tuple(dict.fromkeys(completed))


def _parameters(said: Sequence[Parameter], quoted: Sequence[Find]) -> tuple[Parameter, ...]:
    """What was said, and the quoted numbers that no parameter gives."""
    known = {n for p in said for n in _numbers(p.value)}
    missing = [p for p in parameters(quoted) if not known.issuperset(_numbers(p.value))]
    return (*said, *missing)


def _numbers(text: str) -> list[float]:
    return [_number(m[0]) for m in _NUMBER.finditer(_THOUSANDS.sub("", text))]


def _number(text: str) -> float:
    whole, _, rest = text.replace(",", ".").partition(".")
    return float(f"{whole}.{rest.replace('.', '') or 0}")
