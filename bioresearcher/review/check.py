"""Base of the checks: a pure function that looks for one defect in a protocol, without a model.

A check gets a `CheckedProtocol`, the protocol with its texts prepared once, and what is known of the run. It yields
`CheckHit`s; the registry in `checks.py` turns them into findings with the check's id and severity.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper_report import PaperReport, Parameter
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import MetricName, Severity
from bioresearcher.text.visible import one_line

ContextField = Literal["objective", "paper_ids", "reports", "datasets", "skills", "checks", "shown"]
Scope = Literal["headings", "part", "protocol"]
"""Extent of what a check needs to see: headings only, the steps of one part, or the whole protocol."""

MAX_STEP_CHARS = 20_000
"""Characters of one step that checks of wording look at; a longer step is reported by `G-STR-12`."""


@dataclass(frozen=True)
class CheckContext:
    """Facts known of the run around a protocol; None (or no skills) means "not known here".

    Checks that need something unknown are skipped; `applicability` lists them. `checks` are those of the data sets;
    `shown` is every text with numbers that the author of the protocol could see; `identifiers` stand in the data files.
    """

    objective: Objective | None = None
    paper_ids: frozenset[str] | None = None
    reports: Mapping[str, PaperReport] | None = None
    datasets: Mapping[str, Dataset] | None = None
    skills: frozenset[str] = frozenset()
    checks: tuple[DatasetCheck, ...] | None = None
    shown: tuple[str, ...] | None = None
    identifiers: frozenset[str] = frozenset()

    def knows(self, field: ContextField) -> bool:
        """Return True if this part of the context is known."""
        if field == "skills":
            return bool(self.skills)
        return getattr(self, field) is not None


class CheckHit(NamedTuple):
    """One place where a check found something; `severity` None means the check's own."""

    location: str
    message: str
    suggestion: str = ""
    severity: Severity | None = None


@dataclass(frozen=True)
class StepView:
    """A step with its texts: `body` is what is to be done, `full` adds the rationale."""

    step: ProtocolStep
    part: ProtocolPart
    index: int
    part_index: int
    body: str
    full: str
    cut: bool

    @property
    def location(self) -> str:
        """Location of findings about this step."""
        return f"step {self.step.id}"

    @cached_property
    def head(self) -> str:
        """Title and first sentence of the action, from which the topic of the step is recognised."""
        first = re.split(r"(?<=[.;。])\s", self.step.action[:600], maxsplit=1)[0]
        return f"{self.step.title}. {first}"[:800]

    @cached_property
    def numbers(self) -> int:
        """Number of quantities in the step: no list markers, cross-references, parts of names, versions of software."""
        s = self.step
        parameters = (parameter_text(p) for p in s.parameters)
        return count_numbers(
            "\n".join((s.title, s.action[:MAX_STEP_CHARS], s.acceptance[:MAX_STEP_CHARS], *parameters))
        )

    @cached_property
    def marks(self) -> frozenset[str]:
        """Tokens that tell apart two steps of similar wording: numbers, accessions, names in capitals."""
        tokens = set(_WORD_PART.findall(self.body))
        return frozenset(t for t in tokens if _HAS_DIGIT.search(t) or (len(t) > 1 and t.isupper()))

    @cached_property
    def words(self) -> int:
        """Number of words in title and action; two ideographs count as one word."""
        return count_words(f"{self.step.title} {self.step.action[:MAX_STEP_CHARS]}")


@dataclass(frozen=True)
class CheckedProtocol:
    """A protocol prepared for the checks."""

    protocol: Protocol
    context: CheckContext
    steps: tuple[StepView, ...]

    @cached_property
    def text(self) -> str:
        """All steps' texts, the parts' titles and purposes, and the protocol's own words."""
        p = self.protocol
        parts = (f"{part.title}. {part.purpose} {part.reason}" for part in p.parts)
        texts = (p.title, p.summary, *p.limitations, *parts, *(s.full for s in self.steps))
        return "\n".join(texts)

    @cached_property
    def part_texts(self) -> tuple[str, ...]:
        """Each part's title, purpose and steps' texts, by position."""
        texts = [f"{p.title}. {p.purpose}" for p in self.protocol.parts]
        for s in self.steps:
            texts[s.part_index] += "\n" + s.full
        return tuple(texts)

    @cached_property
    def by_id(self) -> dict[str, StepView]:
        """Id -> the first step that has it."""
        found: dict[str, StepView] = {}
        for s in self.steps:
            found.setdefault(s.step.id, s)
        return found

    @cached_property
    def latin(self) -> bool:
        """True if the words are mostly in Latin script, for which the word lists were made."""
        letters = [c for c in self.text[:40_000] if c.isalpha()]
        return not letters or sum(c < "\u0250" for c in letters) >= len(letters) / 2

    @property
    def from_text(self) -> bool:
        """True if the protocol was read from free text: its structure is then in sentences, not fields."""
        return self.protocol.origin == "source"


@dataclass(frozen=True)
class Check:
    """A check with a stable id. `severity` is the most severe its findings can be."""

    id: str
    title: str
    severity: Severity
    metric: MetricName
    find: Callable[[CheckedProtocol], Iterable[CheckHit]]
    needs: tuple[ContextField, ...] = ()
    scope: Scope = "part"


def prepare(protocol: Protocol, context: CheckContext) -> CheckedProtocol:
    """Prepare a protocol's texts once for all checks."""
    steps: list[StepView] = []
    for part_index, part in enumerate(protocol.parts):
        for step in part.steps:
            body = _body(step)
            full = f"{body}\n{step.rationale}" if step.rationale else body
            steps.append(
                StepView(
                    step=step,
                    part=part,
                    index=len(steps),
                    part_index=part_index,
                    body=body[:MAX_STEP_CHARS],
                    full=full[:MAX_STEP_CHARS],
                    cut=len(full) > MAX_STEP_CHARS,
                )
            )
    return CheckedProtocol(protocol=protocol, context=context, steps=tuple(steps))


def _body(step: ProtocolStep) -> str:
    lines = [f"{step.title}. {step.action}"]
    lines += [parameter_text(p) for p in step.parameters]
    lines += [i.name for i in step.inputs]
    lines += [f"{o.name} {o.description}".strip() for o in step.outputs]
    lines += [*step.datasets, *step.software, step.acceptance]
    return "\n".join(line for line in lines if line)


def parameter_text(parameter: Parameter) -> str:
    """Format a parameter as one line of text."""
    return f"{parameter.name} = {parameter.value} {parameter.unit}".strip()


_NOT_QUANTITIES = re.compile(
    r"(?m)^\s*\d{1,3}[.)]\s|(?<=\s)\d{1,2}\)|\b(?:part|step|fig(?:ure)?\.?|table|section|id)\s*\d+(?:\.\d+)*", re.I
)
_QUANTITY = re.compile(r"(?<![\w.])\d+(?:[.,:]\d+)*")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_WORD_PART = re.compile(r"[^\W_]+")
_HAS_DIGIT = re.compile(r"\d")
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def count_numbers(text: str) -> int:
    """Count quantities in a text; `CD3`, `GSE1992`, `Part 2` and list markers are not quantities."""
    return len(_QUANTITY.findall(_NOT_QUANTITIES.sub(" ", text)))


def count_words(text: str) -> int:
    """Count words in a text; in scripts without spaces two characters count as one word."""
    ideographs = len(_IDEOGRAPH.findall(text))
    return len(_WORD.findall(_IDEOGRAPH.sub(" ", text))) + (ideographs + 1) // 2


def short(text: str) -> str:
    """Shorten a name or title for a message: one line of at most 120 characters."""
    return one_line(text, 120)


def quote(text: str, start: int, end: int, around: int = 28) -> str:
    """Quote the protocol's words at a place with a little of their context, in quotation marks."""
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    left = max(line_start, start - around)
    right = min(len(text) if line_end < 0 else line_end, end + around)
    while left > line_start and left > start - around - 12 and not text[left - 1].isspace():
        left -= 1
    while right < (len(text) if line_end < 0 else line_end) and right < end + around + 12 and not text[right].isspace():
        right += 1
    return f"“{one_line(text[left:right], 160)}”"


def quote_match(match: re.Match[str], around: int = 28) -> str:
    """Quote a match of a pattern with a little of its context."""
    return quote(match.string, match.start(), match.end(), around)
