"""Labels of samples (tumour or normal, …) in title, source and characteristics, and their agreement.

A label is read from words, by rule: tumour or normal, treated or untreated, mutant or wild type, female or male,
positive or negative. Words for the reference decide over the others: "normal tissue adjacent to the carcinoma" is
normal, "untreated" is not treated.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.schemas.dataset import GeoSample

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
class LabelAgreement:
    """Agreement of the descriptions of all samples on one concept.

    Attributes:
        compared: Samples labelled in at least two places.
        contradictions: (sample, label in each place), at most 20.
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
        """One sentence for reasons and notes."""
        what = " and ".join(f"{n} {label}" for label, n in self.levels.items())
        if self.count:
            shown = "; ".join(f"{sample}: {labels}" for sample, labels in self.contradictions[:3])
            return f"labels contradict each other in {self.count} of {self.compared} samples ({shown})"
        return f"title, source and characteristics agree on {what} ({self.compared} samples compared)"


def label(text: str, concept: str) -> str | None:
    """Read the label of a text on a concept; None if it has none."""
    (reference, refers), (other, names), _ = _COMPILED[concept]
    if concept == "sex" and (match := _SEX_ONLY.fullmatch(text)) is not None:
        return "male" if match[1] else "female"
    if concept in ("sex", "marker") and refers.search(text) and names.search(text):
        return None  # both are named: a mixture, or two markers
    if refers.search(text):
        return reference
    return other if names.search(text) else None


def may_differ(texts: Collection[str], concept: str) -> bool:
    """Return False if texts cannot have both labels of a concept; one search of all is quick."""
    (_, refers), (_, names), _ = _COMPILED[concept]
    whole = "\n".join(texts)
    sides = [refers.search(whole) is not None, names.search(whole) is not None]
    if concept == "sex" and not all(sides):
        alone = [match for text in texts if (match := _SEX_ONLY.fullmatch(text)) is not None]
        sides = [sides[0] or any(m[1] for m in alone), sides[1] or any(m[2] for m in alone)]
    return all(sides)


def is_reference(text: str) -> bool:
    """Return True if a level is a reference: normal, untreated, wild type, control, negative."""
    if _CONTROL.search(text):
        return True
    return any(label(text, c) == _COMPILED[c][0][0] for c in ("tissue", "treatment", "genotype", "marker"))


def agreement(samples: Sequence[GeoSample]) -> list[LabelAgreement]:
    """Compare the labels of title, source and characteristics, for each concept with two labels in a sample."""
    found = []
    for concept in CONCEPTS:
        if concept == "marker":
            continue  # one sample may have several markers, so labels need not agree
        compared, wrong = 0, []
        levels: dict[str, int] = {}
        for sample in samples:
            labels = _labels(sample, concept)
            for value in {v for values in labels.values() for v in values}:
                levels[value] = levels.get(value, 0) + 1
            if len(labels) < 2:
                continue
            compared += 1
            if not set.intersection(*labels.values()):  # characteristics may have several (the tissue and the patient)
                places = ", ".join(f"{place} says {' and '.join(sorted(v))}" for place, v in labels.items())
                wrong.append((sample.accession, places))
        if compared:
            found.append(LabelAgreement(concept, compared, tuple(wrong[:20]), len(wrong), levels))
    return found


def _labels(sample: GeoSample, concept: str) -> dict[str, set[str]]:
    """Read the labels of a sample in each place that has any."""
    keys = _COMPILED[concept][2]
    facts = [value for key, value in sample.characteristics if keys.search(key or "characteristic")]
    texts = {"title": [sample.title], "source": [sample.source], "characteristics": facts}
    labels = {place: {v for text in values if (v := label(text, concept))} for place, values in texts.items()}
    return {place: values for place, values in labels.items() if values}


def reference_level(levels: Iterable[str]) -> str | None:
    """Find the only reference among levels; None if there is none or several."""
    found = [level for level in levels if is_reference(level)]
    return found[0] if len(found) == 1 else None
