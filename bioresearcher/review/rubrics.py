"""Rubrics by kind of document and standard checklists, read from `rubrics.toml` and `checklists/*.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import get_args

from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.judgement import DocumentKind
from bioresearcher.schemas.review import MetricName

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
    return {kind: Rubric.model_validate(tomllib.loads(text)[kind]) for kind in get_args(DocumentKind)}


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

    A document is asked one checklist of its design (the first whose cue occurs most, a mention at the top counting as
    several; that of reviews where it calls itself one, whatever its studies are about) and, where a method has one of
    its own (MIQE), that one too.
    """
    counted = []
    for checklist in checklists().values():
        if kind in checklist.kinds:
            hits = sum(
                len(re.findall(cue, text, re.I)) + _AT_THE_TOP * len(re.findall(cue, text[:_TOP], re.I))
                for cue in checklist.cues
            )
            if hits or not checklist.cues:
                counted.append((hits, checklist))
    methods = [c for n, c in counted if c.name == "MIQE" and n >= _SURE]
    reviews = [(n, c) for n, c in counted if c.name == "PRISMA" and n >= _AT_THE_TOP]
    designs = reviews or sorted((pair for pair in counted if pair[1].name != "MIQE"), key=lambda pair: -pair[0])
    return (*(c for _, c in designs[:1]), *methods)


_TOP = 300
_AT_THE_TOP = 10
"""Characters at the top, where a document says what it is, and how many further mentions one there counts for."""
_SURE = 2
"""Mentions of a method from which its checklist applies."""
