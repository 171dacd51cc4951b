"""What the conformance checks work on: the packaged example, cut small, and a little made up for the purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from bioresearcher.examples import load_example
from bioresearcher.execution.packages import available_packages
from bioresearcher.library.documents import load_paper
from bioresearcher.library.passages import split
from bioresearcher.llm.ask import Caller, unrendered
from bioresearcher.llm.tokens import tokens_of_messages
from bioresearcher.review.gates import GateContext
from bioresearcher.review.metrics import review_by_rule
from bioresearcher.review.rubric import rubric_text
from bioresearcher.schemas.ask_design import DesignHeadingsInput, KnownPart
from bioresearcher.schemas.ask_program import WriteCodeInput
from bioresearcher.schemas.ask_read import OutlinedPart, OutlinePaperInput, OutlineSection, ReportPartInput
from bioresearcher.schemas.ask_review import ScoreProtocolInput
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document, Passage
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.schemas.report import Parameter
from bioresearcher.schemas.task import ColumnRule, DryLabTask, TaskInput, TaskOutput
from bioresearcher.sources.datasets import load_datasets
from bioresearcher.stages.prompts import REPORT_PART

EXAMPLE: Final = "breast-cancer"
LONGEST_PROMPT: Final = 6_000
"""Tokens (estimated) of the longest prompt asked, so that a slow server comes to an end."""
_SHORT_NOTE: Final = "perou-2000"
_TELLING_NOTE: Final = "subramanian-2005"
_KNOWN_NOTES: Final = ("cox-1972", "sotiriou-2006", "subramanian-2005")

TABLE_NAME: Final = "samples.tsv"
_AGES: Final = (61, 48, 55, 52, 67, 44, 70, 58, 49, 63, 57, 46)
TABLE: Final = "sample\tgroup\tage\n" + "".join(
    f"S{n:02d}\t{'case' if n % 2 else 'control'}\t{age}\n" for n, age in enumerate(_AGES, 1)
)
TABLE_SEEN: Final = """\
samples (samples.tsv): 12 rows × 3 columns, tab-separated, first line is the header
  sample: text, 0 missing
  group: text, 0 missing; values 'case' (6), 'control' (6)
  age: integer, 0 missing; 44 to 70
  first rows: sample | group | age
    S01 | case | 61
    S02 | control | 48
    S03 | case | 55"""
"""The table as `describe_inputs` shows it, also where there is no sandbox to look at it in."""
TASK: Final = DryLabTask(
    id="T1",
    title="Mean age by group",
    goal="Compute the number of samples and the mean age of each group, and write one row per group.",
    step_ids=("1.1",),
    inputs=(TaskInput(name="samples", dataset="made-up", file="samples"),),
    outputs=(
        TaskOutput(
            name="table",
            file="ages.tsv",
            kind="table",
            description="one row per group, tab-separated",
            columns=(
                ColumnRule(name="group"),
                ColumnRule(name="n", numeric=True, minimum=1),
                ColumnRule(name="mean_age", numeric=True),
            ),
            min_rows=2,
        ),
    ),
    parameters={"group_column": "group", "value_column": "age"},
)
PROTOCOL: Final = Protocol(
    id="two-steps",
    title="Ages of two groups of patients",
    objective_id="two-steps",
    summary="A description of the ages of two groups and their comparison.",
    parts=(
        ProtocolPart(
            id="1",
            title="Comparison of age between the groups",
            purpose="To know whether the groups can be compared without adjustment for age.",
            steps=(
                ProtocolStep(
                    id="1.1",
                    title="Describe age by group",
                    action="Count the samples of each group and compute mean, standard deviation and range of age.",
                    rationale="Differences in age would confound later comparisons.",
                    parameters=(Parameter(name="decimals", value="1"),),
                    inputs=(StepInput(name="samples", source="given"),),
                    outputs=(StepOutput(name="ages", kind="table", description="one row per group"),),
                    software=("pandas",),
                    acceptance="The counts of the groups add up to the number of rows of the table.",
                    kind="dry",
                    origin="human",
                ),
                ProtocolStep(
                    id="1.2",
                    title="Compare age between the groups",
                    action="Compare the mean ages with Welch's t test, two-sided, at a significance level of 0.05.",
                    rationale="The variances need not be equal.",
                    parameters=(Parameter(name="significance level", value="0.05"),),
                    inputs=(StepInput(name="samples", source="given"), StepInput(name="ages", source="step:1.1/ages")),
                    outputs=(StepOutput(name="test", kind="table", description="statistic, p value, difference"),),
                    software=("SciPy",),
                    acceptance="The difference equals that of the means in the table of step 1.1.",
                    kind="dry",
                    origin="human",
                ),
            ),
        ),
    ),
    origin="human",
)
_TWO_STEPS: Final = Objective(
    id="two-steps",
    text="Find out whether two groups of patients differ in age.",
    conditions=("A table of 12 patients.",),
)


@dataclass(frozen=True)
class Material:
    """The example's objective, its method notes by file name, and its data sets."""

    objective: Objective
    notes: dict[str, tuple[Paper, Document]]
    datasets: tuple[Dataset, ...]


@dataclass(frozen=True)
class LongPrompt:
    """A long question whose answer stands in one passage in the middle of it.

    Attributes:
        values: The question.
        telling: The passage that answers it.
        document: Where that passage stands.
        tokens: Of the whole prompt, estimated.
        room: Tokens the model has room for; None when not known.
    """

    values: ReportPartInput
    telling: Passage
    document: Document
    tokens: int
    room: int | None


def load_material() -> Material:
    """The packaged example."""
    example = load_example(EXAMPLE)
    notes = {path.stem: load_paper(path) for path in sorted(example.papers[0].glob("*.md"))}
    datasets, _ = load_datasets(example.data)
    return Material(example.objective, notes, tuple(datasets))


def outline_values(material: Material) -> OutlinePaperInput:
    """`literature/outline_paper` for one short note."""
    paper, document = material.notes[_SHORT_NOTE]
    sections = tuple(
        OutlineSection(
            number=number,
            title=section.title,
            kind=section.kind,
            opening=" ".join(document.text[section.start : section.end].split())[:300],
        )
        for number, section in enumerate(document.sections)
    )
    return OutlinePaperInput(
        objective=material.objective, title=paper.title, abstract=paper.abstract, sections=sections
    )


def long_prompt(material: Material, caller: Caller, longest: int = LONGEST_PROMPT) -> LongPrompt:
    """`literature/report_part` with as many passages of all notes as the model takes, the telling one in the middle.

    Args:
        material: Where the passages come from.
        caller: Who will be asked; the room of its model bounds the prompt.
        longest: Tokens (estimated) the prompt has at most.
    """
    paper, document = material.notes[_TELLING_NOTE]
    telling = next(p for p in split(document) if p.kind == "methods")
    others = [
        p
        for name, (_, text) in material.notes.items()
        if name != _TELLING_NOTE
        for p in split(text)
        if p.kind not in ("title", "references")
    ]
    values = ReportPartInput(
        objective=material.objective,
        paper_title=f"Methods collected for {paper.title}",
        part=OutlinedPart(
            title="Ranked enrichment of gene sets by a running sum",
            purpose="To see whether the members of a gene set gather at one end of a ranked list of all genes.",
            sections=(0,),
        ),
        passages=(telling,),
    )
    loaded = caller.prompts.get(REPORT_PART)
    room = caller.backend.room(unrendered(caller, REPORT_PART, values))
    target = longest if room is None else min(longest, room)

    def asked(number: int) -> tuple[ReportPartInput, int]:
        filled = values.model_copy(update={"passages": _around(telling, others[:number])})
        return filled, tokens_of_messages(loaded.render(filled))

    low, high = 0, len(others)
    while low < high:  # the largest number of passages that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if asked(middle)[1] <= target else (low, middle - 1)
    filled, tokens = asked(low)
    return LongPrompt(filled, telling, document, tokens, room)


def _around(telling: Passage, others: Sequence[Passage]) -> tuple[Passage, ...]:
    """The passages with the telling one where half of the text has passed."""
    ends = [0, *accumulate(len(p.text) for p in others)]
    place = min(range(len(ends)), key=lambda n: abs(ends[n] - ends[-1] / 2))
    return (*others[:place], telling, *others[place:])


def headings_values(material: Material) -> DesignHeadingsInput:
    """`designer/design_headings` for the example's objective, with a few known parts and one data set."""
    known = tuple(
        KnownPart(
            paper_id=paper.id,
            paper_title=paper.title,
            part_id="1",
            title=section.title.removeprefix("Methods to take over: "),
            purpose=paper.title,
            level="high",
            reuse="Take over the settings as described.",
            change="Apply them to the cohorts at hand.",
        )
        for paper, document in (material.notes[name] for name in _KNOWN_NOTES)
        for section in document.sections
        if section.title.startswith("Methods to take over")
    )
    return DesignHeadingsInput(
        objective=material.objective, known=known, datasets=material.datasets[:1], skills=(), findings=()
    )


def code_values() -> WriteCodeInput:
    """`programmer/write_code` for a table of twelve rows, without an example to copy from."""
    return WriteCodeInput(task=TASK, input_schemas=TABLE_SEEN, examples=(), packages=available_packages())


def score_values(protocol_text: str) -> ScoreProtocolInput:
    """`reviewer/score_protocol` for a protocol of two steps, given as Markdown."""
    return ScoreProtocolInput(
        objective=_TWO_STEPS,
        protocol=PROTOCOL,
        protocol_text=protocol_text,
        rubric=rubric_text(),
        by_rule=review_by_rule(PROTOCOL, GateContext(objective=_TWO_STEPS)),
    )
