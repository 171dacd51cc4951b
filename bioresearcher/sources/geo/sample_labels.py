"""What a sample's title, source and characteristics say it is, and whether they agree.

A label is read from words, by rule: tumour or normal, treated or untreated, mutant or wild type, female or male,
positive or negative. Words for the reference decide over the others: "normal tissue adjacent to the carcinoma" is
normal, "untreated" is not treated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_CONCEPTS: Final[Mapping[str, tuple[tuple[str, str], tuple[str, str], str]]] = {
    "tissue": (
        (
            "normal",
            r"\bnormal|\bhealthy|\bnon[- ]?(tumou?r|cancer|malignan|neoplas|lesion)|\badjacent|\bbenign|\bunaffected"
            r"|uninvolved",
        ),
        (
            "tumour",
            r"tumou?r|cancer|\w*(carcin|sarc|lymph|melan|blast|gli|aden|mesotheli|myel)oma|leuka?emia|malignan"
            r"|neoplas|metasta|\b(rcc|hcc|gbm|aml|cll)\b|\blesion",
        ),
        r"tissue|type|state|status|histolog|group|class|condition|source|diagnos|^characteristic$",
    ),
    "treatment": (
        (
            "untreated",
            r"\buntreated|\bvehicle|\bdmso\b|\bmock|\bplacebo|\bunstimulated|\bno treatment|\bnon[- ]?treated",
        ),
        ("treated", r"\btreated|\bstimulated|\bexposed"),
        r"treat|agent|stimul|group|condition|drug|exposure|^characteristic$",
    ),
    "genotype": (
        ("wild type", r"\bwild[- ]?type|\bwt\b|\+/\+"),
        ("mutant", r"\bmutant|\bmutated|\bknock[- ]?(out|down|in)\b|\bko\b|-/-|\bnull\b|\btransgenic"),
        r"genotype|variation|mutation|strain|status|group|condition|^characteristic$",
    ),
    "sex": (("male", r"\bmale\b"), ("female", r"\bfemale\b"), r"sex|gender|^characteristic$"),
    "marker": (("negative", r"\bnegative\b"), ("positive", r"\bpositive\b"), r".*"),
}
_SEX_ONLY: Final = re.compile(r"\s*(?:(m|male|man)|(f|female|woman))\s*", re.I)
_COMPILED: Final = {
    concept: ((a, re.compile(x, re.I)), (b, re.compile(y, re.I)), re.compile(keys, re.I))
    for concept, ((a, x), (b, y), keys) in _CONCEPTS.items()
}
CONCEPTS: Final = tuple(_CONCEPTS)
_CONTROL: Final = re.compile(r"\b(control|ctrl|untransfected|scramble|non[- ]?targeting|baseline)\b", re.I)


@dataclass(frozen=True)
class Labelled:
    """One sample's descriptions.

    Attributes:
        name: Its accession or name.
        title: Its title; `source` the name of the material.
        facts: (key, value) of its characteristics.
    """

    name: str
    title: str
    source: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LabelAgreement:
    """How the descriptions of all samples agree on one concept.

    Attributes:
        compared: Samples labelled in at least two places.
        contradictions: (sample, what each place says), at most 20.
        count: Contradictions altogether.
        levels: Label -> number of samples.
    """

    concept: str
    compared: int
    contradictions: tuple[tuple[str, str], ...]
    count: int
    levels: Mapping[str, int]

    @property
    def sentence(self) -> str:
        """One line for reasons and notes."""
        what = " and ".join(f"{n} {label}" for label, n in self.levels.items())
        if self.count:
            shown = "; ".join(f"{sample}: {said}" for sample, said in self.contradictions[:3])
            return f"labels contradict each other in {self.count} of {self.compared} samples ({shown})"
        return f"title, source and characteristics agree on {what} ({self.compared} samples compared)"


def label(text: str, concept: str) -> str | None:
    """What a text says on a concept, or None."""
    (reference, refers), (other, names), _ = _COMPILED[concept]
    if concept == "sex" and (match := _SEX_ONLY.fullmatch(text)) is not None:
        return "male" if match[1] else "female"
    if concept in ("sex", "marker") and refers.search(text) and names.search(text):
        return None  # both are named: a mixture, or two markers
    if refers.search(text):
        return reference
    return other if names.search(text) else None


def is_reference(text: str) -> bool:
    """Whether a level is what others are compared with: normal, untreated, wild type, control, negative."""
    if _CONTROL.search(text):
        return True
    return any(label(text, c) == _COMPILED[c][0][0] for c in ("tissue", "treatment", "genotype", "marker"))


def agreement(samples: Sequence[Labelled]) -> list[LabelAgreement]:
    """What the samples' places say on each concept that at least one sample names in two places."""
    found = []
    for concept in CONCEPTS:
        if concept == "marker":
            continue  # several markers may stand in one sample: nothing can be said
        compared, wrong = 0, []
        levels: dict[str, int] = {}
        for sample in samples:
            said = _places(sample, concept)
            for value in {v for values in said.values() for v in values}:
                levels[value] = levels.get(value, 0) + 1
            if len(said) < 2:
                continue
            compared += 1
            if not _agree(said):
                places = ", ".join(f"{place} says {' and '.join(sorted(v))}" for place, v in said.items())
                wrong.append((sample.name, places))
        if compared:
            found.append(LabelAgreement(concept, compared, tuple(wrong[:20]), len(wrong), levels))
    return found


def _places(sample: Labelled, concept: str) -> dict[str, set[str]]:
    keys = _COMPILED[concept][2]
    facts = {v for k, value in sample.facts if keys.search(k or "characteristic") and (v := label(value, concept))}
    said = {"title": _one(sample.title, concept), "source": _one(sample.source, concept), "characteristics": facts}
    return {place: values for place, values in said.items() if values}


def _one(text: str, concept: str) -> set[str]:
    found = label(text, concept)
    return {found} if found else set()


def _agree(said: Mapping[str, set[str]]) -> bool:
    """Whether one label is possible for all places; characteristics may name several (the tissue and the patient)."""
    return bool(set.intersection(*said.values()))


def reference_level(levels: Iterable[str]) -> str | None:
    """The one level of several that is a reference, or None."""
    found = [level for level in levels if is_reference(level)]
    return found[0] if len(found) == 1 else None
