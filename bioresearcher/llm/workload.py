"""How much a run will ask its models, estimated before it starts from the objective's size.

Every step's calls, question and answer are estimated as ranges, from the sizes of the prompts in use, of the papers and
of the data, and from ratios measured on runs by the rules: of the packaged example (11 notes of 1,800 characters, three
data sets: 22 parts, 7 protocol parts, 17 tasks), and on 12 open-access papers (38,000 characters each without their
references: 74 parts). Where a model can differ from the rules, the range says by how much. The ranges of one step's
factors are taken as independent, those of the steps as going together, so that the whole range is rather wide.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bioresearcher.cards import Card
from bioresearcher.prompts import Prompt, PromptBook
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document
from bioresearcher.schemas.skill import Skill

_TAG = re.compile(r"\{%.*?%\}\n?|\{\{.*?\}\}|\{#.*?#\}", re.S)


class Range(Value):
    """A number with its uncertainty."""

    low: float
    likely: float
    high: float

    def __add__(self, other: Range) -> Range:
        """The sum of two that go together."""
        return Range(low=self.low + other.low, likely=self.likely + other.likely, high=self.high + other.high)

    def __mul__(self, other: Range) -> Range:
        """The product of two that do not depend on each other: their relative errors add in quadrature."""
        likely = self.likely * other.likely
        if likely == 0:
            return Range(low=0, likely=0, high=self.high * other.high)
        up = math.hypot(*(math.log(max(r.high / r.likely, 1)) for r in (self, other)))
        low = 0.0
        if self.low > 0 and other.low > 0:
            low = likely / math.exp(math.hypot(*(math.log(max(r.likely / r.low, 1)) for r in (self, other))))
        return Range(low=low, likely=likely, high=likely * math.exp(up))

    def at_most(self, limit: float) -> Range:
        """The range with its ends cut at a limit."""
        return Range(low=min(self.low, limit), likely=min(self.likely, limit), high=min(self.high, limit))


def exactly(number: float) -> Range:
    """A number that is known."""
    return Range(low=number, likely=number, high=number)


def total(ranges: Iterable[Range]) -> Range:
    """The sum of ranges that go together."""
    return sum(ranges, start=exactly(0))


def _range(low: float, likely: float, high: float) -> Range:
    return Range(low=low, likely=likely, high=high)


ANSWER = _range(0.6, 1, 1.8)
"""A model's answers in relation to those of the rules, which have the same form."""
_SEARCHED_CHARACTERS = 2_600
"""Summary, design and groups of a data set that a service describes."""
CHARACTERS_PER_PART = _range(15_000, 6_000, 3_500)
"""Text of a paper for each part it is divided into, fewest parts first; measured: 880 for notes, 6,200 for papers."""
ASKED_BEFORE = _range(0, 1_400, 3_000)
"""Queries of earlier rounds that a plan is shown; measured: 0 in the first round, up to 5,900 in the third."""
PASSAGES = 24 * 1_000
"""Characters of passages that a part shows at most."""
PROTOCOL_PARTS = _range(2, 6, 9)
"""Measured: 7 with data sets, 2 without."""
TASKS_PER_PART = _range(1, 2, 4)
"""Dry-lab tasks for each part of the protocol; measured: 2.4."""
REPAIRS_PER_TASK = 0.5
KNOWN_STEPS = _range(5, 20, 40)
"""Report steps that a part of the protocol learns from; 40 is the most that are shown."""


class ObjectiveSize(Value):
    """How much there is to work on; lengths in characters.

    Attributes:
        text: The objective itself.
        objective: The objective with its conditions and requirements.
        papers: Papers to be screened.
        abstracts: Their titles and abstracts together.
        read: Papers to be read.
        body: Their texts without references, together.
        datasets: Data sets at hand.
        descriptions: Their descriptions as JSON, together.
        searched: Data sets of services that are looked at most.
        skills: Vetted analyses.
        skill: Code and instructions of one of them, on average.
        program: Whether tasks are programmed; not where there is no sandbox.
        max_parts: Parts of the protocol at most.
    """

    text: int
    objective: int
    papers: int = 0
    abstracts: int = 0
    read: int = 0
    body: int = 0
    datasets: int = 0
    descriptions: int = 0
    searched: int = 0
    skills: int = 0
    skill: int = 0
    program: bool = True
    max_parts: int = 12


def size_of(
    objective: Objective,
    papers: Sequence[tuple[Paper, Document]],
    datasets: Sequence[Dataset],
    skills: Iterable[Skill],
    *,
    max_papers: int,
    program: bool = True,
) -> ObjectiveSize:
    """The size of a run on the researcher's own papers and data; which papers are read is not known yet."""
    read = min(len(papers), max_papers)
    bodies = [sum(s.end - s.start for s in d.sections if s.kind != "references") for _, d in papers]
    codes = [len(s.code) + len(s.instructions) for s in skills]
    said = (*objective.conditions, *(r.text for r in objective.requirements))
    return ObjectiveSize(
        text=len(objective.text),
        objective=len(objective.text) + sum(len(line) + 16 for line in said),
        papers=len(papers),
        abstracts=sum(len(p.title) + len(p.abstract) for p, _ in papers),
        read=read,
        body=sum(bodies) * read // max(len(papers), 1),
        datasets=len(datasets),
        descriptions=sum(len(d.model_dump_json()) for d in datasets),
        skills=len(codes),
        skill=sum(codes) // max(len(codes), 1),
        program=program,
    )


def prompt_lengths(book: PromptBook, prompts: Iterable[Prompt[Any, Any]]) -> dict[str, int]:
    """Name -> characters of a prompt that are always there: its texts and the schema of the answer."""
    lengths = {}
    for prompt in prompts:
        loaded = book.get(prompt)
        schema = json.dumps(prompt.output.model_json_schema(), separators=(",", ":"))
        lengths[prompt.name] = len(_TAG.sub("", loaded.system + loaded.user)) + len(schema)
    return lengths


class Step(Value):
    """One prompt's share: calls, and characters of one question (beside the prompt's own) and one answer."""

    calls: Range
    question: Range
    answer: Range


def steps_of(size: ObjectiveSize, cards: Mapping[str, Card]) -> dict[str, Step]:
    """What each prompt is asked, by the pipeline's rules."""
    return _reading(size, cards) | _designing(size, cards) | _programming(size, cards)


def _parts(size: ObjectiveSize) -> Range:
    """Parts of one paper."""
    body, each = size.body / max(size.read, 1), CHARACTERS_PER_PART
    likely = min(max(body / each.likely, 2), 8)
    return _range(min(max(body / each.low, 1), likely), likely, min(max(body / each.high, 3), 12))


def _reading(size: ObjectiveSize, cards: Mapping[str, Card]) -> dict[str, Step]:
    rounds, parts, read = cards["search"].rounds, _parts(size), exactly(size.read)
    body = size.body / max(size.read, 1)
    abstract = size.abstracts / max(size.papers, 1)
    described = 0.42 * size.descriptions + _SEARCHED_CHARACTERS * size.searched
    description = described / max(size.datasets + size.searched, 1)
    judged = _range(size.datasets, size.datasets + size.searched / 2, size.datasets + size.searched)
    openings = exactly(max(min(body, 1_500), 0.26 * body))
    shown = _range(0.4, 1, 2) * exactly(body / parts.likely)
    return {
        "search/plan_queries": Step(
            calls=_range(1, min(2, rounds), max(rounds, 1)),
            question=exactly(size.objective + 770) + ASKED_BEFORE,
            answer=ANSWER * exactly(2_600),
        ),
        "search/screen_paper": Step(
            calls=exactly(size.papers), question=exactly(size.objective + abstract), answer=ANSWER * exactly(350)
        ),
        "search/judge_dataset": Step(
            calls=judged, question=exactly(size.objective + description), answer=ANSWER * exactly(220)
        ),
        "literature/outline_paper": Step(
            calls=read, question=exactly(size.text + abstract) + openings, answer=ANSWER * exactly(230) * parts
        ),
        "literature/report_part": Step(
            calls=read * parts,
            question=exactly(size.text + 200) + shown.at_most(PASSAGES),
            answer=ANSWER * exactly(2_100),
        ),
        "literature/judge_referability": Step(
            calls=read,
            question=exactly(size.objective + 70 * size.datasets) + parts * _range(700, 1_000, 2_000),
            answer=ANSWER * exactly(300) * parts,
        ),
    }


def _designing(size: ObjectiveSize, cards: Mapping[str, Card]) -> dict[str, Step]:
    rounds = cards["reviewer"].rounds + 1
    drafts = _range(1, min(2, rounds), rounds)
    known = exactly(size.read) * _parts(size)
    parts, objective = PROTOCOL_PARTS.at_most(size.max_parts), exactly(size.objective)
    steps = KNOWN_STEPS.at_most(5 * known.high)
    return {
        "designer/design_headings": Step(
            calls=drafts,
            question=objective + known * _range(250, 380, 600) + exactly(210 * size.datasets + 280 * size.skills),
            answer=ANSWER * exactly(800) * parts,
        ),
        "designer/design_outlines": Step(
            calls=drafts,
            question=objective
            + known * _range(450, 670, 1_000)
            + parts * exactly(525)
            + exactly(200 * size.datasets + 320 * size.skills),
            answer=ANSWER * exactly(600) * parts,
        ),
        "designer/write_steps": Step(
            calls=parts * drafts,
            question=objective
            + parts * exactly(400)
            + steps * _range(450, 550, 700)
            + exactly(435 * size.datasets + min(2_000, 1_200 * size.skills) + 500),
            answer=ANSWER * exactly(5_700),
        ),
        "reviewer/review_draft": Step(
            calls=(exactly(2) + parts) * drafts,
            question=objective + _range(3_500, 6_000, 10_000),
            answer=ANSWER * exactly(500),
        ),
        "reviewer/score_protocol": Step(
            calls=exactly(1),
            question=objective + parts * _range(5_000, 6_500, 9_000) + exactly(3_500),
            answer=ANSWER * exactly(2_900),
        ),
    }


def _programming(size: ObjectiveSize, cards: Mapping[str, Card]) -> dict[str, Step]:
    parts = PROTOCOL_PARTS.at_most(size.max_parts)
    tasks = parts * TASKS_PER_PART if size.datasets else _range(0, 2, parts.high)
    repairs = cards["programmer"].repairs
    worked_on = tasks if size.program else exactly(0)
    brief = exactly(1_600) + _range(800, 1_500, 3_000) + _range(0, size.skill, size.skill)
    return {
        "programmer/extract_tasks": Step(
            calls=exactly(1),
            question=parts * _range(1_800, 3_500, 6_000) + exactly(50 * size.datasets + 320 * size.skills),
            answer=ANSWER * exactly(2_500) * tasks,
        ),
        "programmer/write_code": Step(calls=worked_on, question=brief, answer=ANSWER * exactly(9_500)),
        "programmer/repair_code": Step(
            calls=worked_on * _range(0, min(REPAIRS_PER_TASK, repairs), repairs),
            question=brief + ANSWER * exactly(9_500) + _range(200, 1_500, 3_000),
            answer=ANSWER * exactly(9_500),
        ),
    }
