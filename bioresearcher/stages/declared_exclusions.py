"""Rows that the registered protocol leaves out by name, and a question's analysis set without them.

A plan may leave out rows that a question's own conditions keep: arrays that failed, samples whose labels contradict
each other. Registered before any outcome was looked at, row by row and with its reason, that is no other population by
afterthought. So only a row counts that a sentence of the protocol, or a constant of its script, names as left out; all
that are named must be left out together. Whatever else a script drops stays off the question.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from bioresearcher.analysis.flow import analyse
from bioresearcher.audit.tables import Sheet, read_names, read_sheet
from bioresearcher.errors import InputError
from bioresearcher.execution.question_check import Asked
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.question import Question
from bioresearcher.text.visible import one_line

MOST_LEFT_OUT: Final = 0.5
"""Largest share of an analysis set that a protocol may leave out and still answer part of the question."""
_REASON_CHARS: Final = 240
_LEAVES: Final = re.compile(
    r"\b(?:exclu(?:de[sd]?|ding|sions?)|(?:leaves?|leaving|left|set|sets|setting) (?:[\w-]+ ){0,6}?(?:out|aside)"
    r"|omit(?:s|ted|ting)?|drop(?:s|ped|ping)?|discard(?:s|ed|ing)?|remov(?:es?|ed|ing))\b",
    re.IGNORECASE,
)
_KEEPS: Final = re.compile(
    r"\b(?:not|never|nor|no|without|n't|neither|instead of|rather than)\s+(?:\w+\s+){0,2}?(?:be(?:ing)?\s+)?"
    r"(?:exclu|leav|left|set |omit|drop|discard|remov)|\b(?:keep|keeps|kept|retain(?:s|ed)?)\b",
    re.IGNORECASE,
)
_NAMED_SO: Final = re.compile(r"exclu|leave_?out|left_?out|omit|drop|discard|remove", re.IGNORECASE)
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+|\n+")
_NAME: Final = re.compile(r"(?=\w*[A-Za-z])(?=[\w.-]*\d)[\w.-]{2,}")
"""Names that are taken for those of rows: with a letter and a digit, so that no plain number or word is."""


def with_exclusions(asked: Asked, datasets: Mapping[str, Dataset], protocol: Protocol | None) -> Asked:
    """Return a question with the set that the protocol's own exclusions leave; as it is when it has none."""
    dataset = datasets.get(asked.rows.population)
    if protocol is None or dataset is None:
        return asked
    try:
        sheet, names = read_sheet(dataset), read_names(dataset)
    except InputError:
        return asked
    left_out = declared(protocol, sheet, asked.question)
    if not sheet.columns or not left_out:
        return asked
    samples = names.samples if names else None
    whole, _ = analyse(asked.question, sheet, samples)
    less, _ = analyse(asked.question, sheet, samples, without=frozenset(left_out))
    gone = whole.n - less.n
    if whole.problem or less.problem or whole.n != asked.rows.n or not 0 < gone <= MOST_LEFT_OUT * whole.n:
        return asked
    return replace(asked, less=less.model_copy(update={"population": asked.rows.population}), left_out=left_out)


def declared(protocol: Protocol, sheet: Sheet, question: Question) -> dict[str, str]:
    """Return the rows that a protocol leaves out by name, each with the words that say so."""
    rows: dict[str, list[str]] = {}
    for label in sheet.labels:
        rows.setdefault(label.strip(), []).append(label)
    for column in dict.fromkeys(c for c in (question.unit, question.pair) if c in sheet.known):
        for label, cell in zip(sheet.labels, sheet.known[column], strict=True):
            rows.setdefault(cell.strip(), []).append(label)
    rows = {name: labels for name, labels in rows.items() if _NAME.fullmatch(name)}
    found: dict[str, str] = {}
    for said, name in _said(protocol):
        for label in rows.get(name, ()):
            found.setdefault(label, said)
    return found


def _said(protocol: Protocol) -> Iterator[tuple[str, str]]:
    """Yield (words, name) of all that may be a name in the protocol's words and code on what is left out."""
    for sentence in _sentences(protocol):
        if _LEAVES.search(sentence) and not _KEEPS.search(sentence):
            for match in _NAME.finditer(sentence):
                yield one_line(sentence, _REASON_CHARS), match[0].rstrip(".-")
    codes = [(d.text or d.name, d.code) for d in protocol.definitions]
    codes += [(s.title, s.code) for s in protocol.steps]
    for title, code in codes:
        for constant, name in _constants(code):
            yield one_line(f"{constant}: {title}", _REASON_CHARS), name


def _sentences(protocol: Protocol) -> Iterator[str]:
    texts: list[str] = [d.text for d in protocol.definitions]
    texts += [f"{d.choice}, because {d.why}" for d in protocol.decisions]
    texts += [f"{f.consequence} ({f.finding})" for f in protocol.facts]
    for step in protocol.steps:
        texts += [step.action, *(f"{p.name}: {p.value}" for p in step.parameters)]
    for text in texts:
        yield from filter(None, (piece.strip() for piece in _SENTENCE.split(text)))


def _constants(code: str) -> Iterable[tuple[str, str]]:
    """Yield (constant, text) of texts in constants such as `EXCLUDED = ["GSM1"]`."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        constant, value = node.targets[0].id, node.value
        texts = value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])
        for text in texts if _NAMED_SO.search(constant) else ():
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield constant, text.value.strip()
