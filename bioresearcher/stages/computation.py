"""The short path: objectives that say what is computed from the data given, and their plan, made by program.

A question that says its own computation (a mean, a count, a correlation, a test, a named model on a given split) leaves
nothing to search, to look at or to design. Its plan is one step that hands the objective's own words and the rows of
every question to the programmer; it is approved, registered, run and verified like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import OutlineLine, Protocol, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.schemas.question import Question, Questions
from bioresearcher.stages.design_context import DesignContext, assemble_protocol
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import plain_name, title_of

RESULTS: Final = "results"
"""Output of the step: every number asked for."""
_ASKED_FOR: Final = "a row for each value asked for, with its name and value; or the table that is asked for"
NOT_REVIEWED: Final = (
    "Short path: the objective says what is computed from the data given, so no paper was searched or read, nothing "
    "was designed, and nobody reviewed the plan; `--plan full` does all of it."
)
_STEP: Final = "1.1"
_PLANNED_KINDS: Final = frozenset({"time to event", "enrichment", "synthesis"})
"""Kinds whose analysis is never said by the words alone."""
_SHEET_MEASURES: Final = frozenset({"column", "none"})
_LEAST_NAME: Final = 3
"""Signs of a column's name from which its words in a text mean it."""
_WANTS_MORE: Final = re.compile(
    r"\b(?:protocols?|(?:study|experimental|analysis|research) (?:plan|design)s?|plan (?:a|an|the|how)|"
    r"design (?:a|an|the)|literature|papers?|publications?|published|wet[- ]lab)\b",
    re.IGNORECASE,
)
"""Words that ask for a protocol or for what others found."""


def asks_for_more(objective: Objective) -> str:
    """Return the words of an objective that ask for a protocol or for papers; empty when none does."""
    for text in (objective.text, *(r.text for r in objective.requirements)):
        if found := _WANTS_MORE.search(text):
            return found[0]
    return ""


def is_plain_table(objective: Objective, dataset: Dataset, columns: Sequence[str]) -> bool:
    """Tell whether an objective speaks of the columns of a table whose reading lost some of them.

    Where the table was taken for a matrix, whose columns are samples, the objective must name one of them.

    Args:
        objective: The objective.
        dataset: The data set as it was read.
        columns: All columns of its table as it was given; none where it is no single table of text.
    """
    sheet = dataset.file("samples")
    if not {*columns} - {c.name for c in (sheet.columns if sheet else ())}:
        return False
    text = " ".join((objective.text, *(r.text for r in objective.requirements)))
    named = (n for n in columns if len(n) >= _LEAST_NAME and re.search(rf"(?i)(?<!\w){re.escape(n)}(?!\w)", text))
    return dataset.file("expression") is None or next(named, None) is not None


def why_designed(objective: Objective, questions: Questions) -> str:
    """Return why an objective needs a designed protocol; empty when its bound questions say what is computed."""
    if words := asks_for_more(objective):
        return f"the objective says “{words}”"
    if not questions.questions:
        return "no question was bound to the data"
    for question in questions.questions:
        if why := _why_planned(question):
            return f"{question.id} is {why}"
    if all(q.cannot for q in questions.questions):
        return "no question can be answered on the data given"
    held = {r for q in questions.questions for r in q.requirements}
    if lost := [r.id for r in objective.requirements if r.id not in held]:
        return f"{listing(lost)} belongs to no question"
    return ""


def _why_planned(question: Question) -> str:
    if question.kind in _PLANNED_KINDS:
        return f"of the kind {question.kind}"
    if question.measure.kind not in _SHEET_MEASURES:
        return f"about {question.measure.kind}, not about columns"
    if question.compares_with:
        return f"to be repeated in {question.compares_with}"
    if question.kind != "description" and not question.stated:
        return f"of the kind {question.kind}, and how it is computed is not said"
    return ""


def computation_plan(bench: DesignContext) -> Protocol | None:
    """Return the plan of one step that computes what the questions ask; None when none of them can be answered."""
    held = {d.id: d for d in bench.datasets}
    asked = [
        (question, held[rows.population])
        for question in bench.questions.questions
        if not question.cannot and (rows := bench.sets.of(question.id)) and rows.population in held
    ]
    inputs = tuple(_inputs(list({d.id: d for _, d in asked}.values())))
    if not inputs:
        return None
    questions = tuple(q for q, _ in asked)
    step = ProtocolStep(
        id=_STEP,
        title=title_of(f"Compute: {bench.objective.text}"),
        action=_action(bench.objective),
        inputs=inputs,
        outputs=(StepOutput(name=RESULTS, kind="table", description=_ASKED_FOR),),
        datasets=tuple(dict.fromkeys(d.id for _, d in asked)),
        questions=tuple(q.id for q in questions),
        acceptance="Each question has a finding on its own rows, and every value asked for is in a finding.",
        kind="dry",
        requirements=tuple(dict.fromkeys(r for q in questions for r in q.requirements)),
        origin="offline",
    )
    line = OutlineLine(id=_STEP, title=step.title, datasets=step.datasets, outputs=(RESULTS,))
    part = ProtocolPart(
        id="1",
        title="Computation",
        purpose="Compute what the objective says, on the data given.",
        outline=(line,),
        steps=(step,),
    )
    page = Protocol(
        id=bench.objective.id,
        title=title_of(bench.objective.text),
        objective_id=bench.objective.id,
        parts=(),
        origin="offline",
    )
    return assemble_protocol(bench, page, (part,), told=(NOT_REVIEWED,))


def _inputs(datasets: Sequence[Dataset]) -> list[StepInput]:
    """Return the files of data sets as inputs with names of their own."""
    found: list[StepInput] = []
    for dataset in datasets:
        for file in dataset.files:
            name = plain_name(file.name if len(datasets) == 1 else f"{dataset.id}_{file.name}")
            found.append(StepInput(name=name or f"input_{len(found) + 1}", source=f"dataset:{dataset.id}/{file.name}"))
    return found


def _action(objective: Objective) -> str:
    lines = [f"Compute what is asked, to the letter: {objective.text.strip()}"]
    lines += [f"At hand: {c}" for c in objective.conditions]
    lines += [f"{r.id}: {r.text}" for r in objective.requirements]
    lines.append(
        "State every value asked for in a finding, unrounded or with at least as many digits as are asked for. Missing "
        "cells, the form of a test and the rounding are as the words say; where they leave something open, the usual "
        "default, named in the finding."
    )
    return "\n".join(lines)
