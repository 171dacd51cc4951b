"""Rubrics by kind of document and standard checklists, read from `rubrics.toml` and `checklists/*.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import get_args

from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.judgement import DocumentKind
from bioresearcher.schemas.review import MetricName

KINDS: tuple[DocumentKind, ...] = get_args(DocumentKind)
METRIC_QUESTIONS: dict[MetricName, str] = {
    "completeness": "is everything there that its purpose needs?",
    "level_of_detail": "could a colleague of the field carry it out without asking?",
    "correctness": "are values, methods and references right?",
    "logical_soundness": "does each step, or the conclusion, follow from those before?",
    "structural_soundness": "can one find one's way, with nothing twice or in the wrong place?",
}


class Rubric(Value):
    """The questions asked of one kind of document."""

    summary: str
    questions: tuple[str, ...]


class ChecklistItem(Value):
    """An item of a checklist, in our own words; `source` names the standard's own item."""

    id: str
    question: str
    source: str


class Checklist(Value):
    """A reporting standard: the kinds of documents it is for, and words that show that it applies."""

    name: str
    title: str
    source: str
    kinds: tuple[DocumentKind, ...]
    cues: tuple[str, ...] = ()
    items: tuple[ChecklistItem, ...]


@cache
def rubrics() -> dict[DocumentKind, Rubric]:
    """Read the rubric of every kind."""
    text = resources.files("bioresearcher.review").joinpath("rubrics.toml").read_text(encoding="utf-8")
    return {kind: Rubric.model_validate(tomllib.loads(text)[kind]) for kind in KINDS}


@cache
def checklists() -> dict[str, Checklist]:
    """Read all checklists, by name."""
    folder = resources.files("bioresearcher.review").joinpath("checklists")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    read = [Checklist.model_validate(tomllib.loads(f.read_text(encoding="utf-8"))) for f in files]
    return {c.name: c for c in read}


def checklist_named(name: str) -> Checklist:
    """Find a checklist by its name, apart from case.

    Raises:
        InputError: There is none of this name.
    """
    known = {c.casefold().replace(" ", ""): c for c in checklists()}
    key = name.casefold().replace(" ", "")
    found = known.get(key) or next((c for k, c in known.items() if key and k.startswith(key)), None)
    if found is None:
        raise InputError(f"--checklist {name}: there is no such checklist.", hint=f"Known: {', '.join(checklists())}.")
    return checklists()[found]


def choose_checklists(kind: DocumentKind, text: str) -> tuple[Checklist, ...]:
    """Choose the checklists of a document: those for its kind whose cue, if they have one, stands in the text.

    A document is asked one checklist of its design (the first whose cue occurs most) and, where a method has one of its
    own (MIQE), that one too.
    """
    counted = []
    for checklist in checklists().values():
        if kind in checklist.kinds:
            hits = sum(len(re.findall(cue, text, re.I)) for cue in checklist.cues)
            if hits or not checklist.cues:
                counted.append((hits, checklist))
    methods = [c for n, c in counted if c.name == "MIQE" and n >= _SURE]
    designs = sorted((pair for pair in counted if pair[1].name != "MIQE"), key=lambda pair: -pair[0])
    return (*(c for _, c in designs[:1]), *methods)


_SURE = 2
"""Mentions of a method from which its checklist applies."""

_HEADING = r"(?im)^[\W\d_]*(?:{})\W*$"
_MARKS: tuple[tuple[DocumentKind, tuple[str, ...]], ...] = (
    ("analysis plan", (r"(?i)\bstatistical analysis plan\b",)),
    (
        "trial protocol",
        (r"(?i)\b(?:clinical )?trial protocol\b|\bstudy protocol\b", r"(?i)\bparticipants?\b|\bpatients\b"),
    ),
    (
        "finished study",
        (
            _HEADING.format(r"results|results and discussion|findings"),
            _HEADING.format(r"discussion|conclusions?|results and discussion"),
        ),
    ),
)
"""Marks that decide, if all of a kind's stand in the text: what a document calls itself in its first lines, and the
headings that only a report of finished work has."""
_TOP = 600
"""Characters at the top of a document in which it says what it is."""
_CUES: tuple[tuple[DocumentKind, float, str], ...] = (
    ("trial protocol", 1.0, r"\bparticipants? will be\b|\binformed consent\b|\bprimary (?:outcome|endpoint)\b"),
    ("trial protocol", 1.0, r"\btrial registration\b|\bwill be (?:randomi[sz]ed|randomly|assigned|allocated|enrolled)"),
    ("analysis plan", 1.0, r"\banalysis (?:set|population)s?\b|\bestimands?\b|\bsensitivity analys"),
    ("analysis plan", 1.0, r"\bwill be (?:analy[sz]ed|estimated|fitted|compared|calculated)\b"),
    ("analysis plan", 1.0, r"\b(?:hazard|odds|risk) ratios?\b|\b(?:Cox|mixed|regression) models?\b"),
    (
        "analysis plan",
        1.0,
        r"(?m)^\W*[\d.]*\W*(?:objectives?|study design|statistical (?:methods|analysis)|analysis)\W*$",
    ),
    ("animal study", 0.5, r"\b(?:mice|mouse|rats?|rabbits?|pigs?|animals)\b"),
    ("animal study", 1.0, r"\b(?:intraperitoneal|gavage|an(?:a)?estheti[sz]|IACUC|humane endpoint|euthani)"),
    ("finished study", 1.0, r"\bwe (?:found|observed|show|showed|conclude|report|demonstrate)\b"),
    ("finished study", 1.0, r"\bp\s?[<=]\s?0?\.\d|\b95\s?% (?:CI|confidence)|\bfig(?:ure|\.)\s?\d"),
    ("dry-lab plan", 1.0, r"\b(?:R package|Python|script|FASTQ|BAM|VCF|GSE\d+|DESeq2|limma|FDR|cohort|samtools)\b"),
    ("bench protocol", 0.8, r"\d\s?(?:µl|μl|ul|ml|mg|µg|μg|mM|µM|μM|rpm|x ?g|°C|min|minutes)\b"),
    ("bench protocol", 0.8, r"(?m)^\W*\d*\W*(?:add|incubate|centrifuge|mix|spin|wash|transfer|vortex|pipett?e)\b"),
)
_FEW = 1.6
"""Weighted cues below which no kind is recognised."""


def recognise_kind(text: str) -> tuple[DocumentKind, str]:
    """Recognise the kind of a document, with the reason; a reviewer may correct it.

    What a document calls itself, and the headings of a report, decide; else words are counted. Counts per cue are
    limited to 12, so that one repeated unit does not decide.
    """
    for kind, marks in _MARKS:
        place = text if kind == "finished study" else text[:_TOP]
        found = [re.search(mark, place) for mark in marks]
        if all(found):
            said = dict.fromkeys(" ".join(m.group(0).split()).strip("#*: ") for m in found if m)
            return kind, f"it has {' and '.join(f'“{x}”' for x in said)}"
    scores = dict.fromkeys(KINDS, 0.0)
    words: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for kind, weight, cue in _CUES:
        hits = [" ".join(m.group(0).split()) for m in re.finditer(cue, text, re.I)]
        scores[kind] += min(len(hits), 12) * weight
        words[kind] += hits
    best = max(KINDS, key=lambda kind: scores[kind])
    if scores[best] < _FEW:
        return "other", "no words of a protocol, a plan or a study were found"
    return best, f"words such as {', '.join(f'“{w}”' for w in _distinct(words[best])[:4])}"


def _distinct(words: Sequence[str]) -> list[str]:
    return list({w.casefold(): w for w in reversed(words)}.values())[::-1]
