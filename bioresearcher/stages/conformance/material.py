"""Material of the conformance checks: the packaged example, shortened, and a small made-up task and protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bioresearcher.examples import load_example
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, TaskInput, TaskOutput
from bioresearcher.schemas.paper import Document, Paper
from bioresearcher.schemas.paper_report import PaperReport, Parameter, ReportPart
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.sources.datasets.load import load_datasets

EXAMPLE: Final = "breast-cancer"
READ_NOTE: Final = "subramanian-2005"
_KNOWN_NOTES: Final = ("cox-1972", "sotiriou-2006", "subramanian-2005")

TABLE_NAME: Final = "samples.tsv"
_AGES: Final = (61, 48, 55, 52, 67, 44, 70, 58, 49, 63, 57, 46)
TABLE: Final = "sample\tgroup\tage\n" + "".join(
    f"S{n:02d}\t{'case' if n % 2 else 'control'}\t{age}\n" for n, age in enumerate(_AGES, 1)
)
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
TWO_STEPS: Final = Objective(
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

    @property
    def reports(self) -> dict[str, PaperReport]:
        """Three notes as reports of one part each, for the designer to learn from."""
        return {
            paper.id: PaperReport(
                paper_id=paper.id,
                title=paper.title,
                parts=(ReportPart(id="1", title=document.sections[-2].title, purpose=paper.title, steps=()),),
                quotes=0,
                quotes_located=0,
                origin="human",
            )
            for paper, document in (self.notes[name] for name in _KNOWN_NOTES)
        }


def load_material() -> Material:
    """Load the packaged example."""
    example = load_example(EXAMPLE)
    notes = {path.stem: load_paper(path) for path in sorted(example.papers[0].glob("*.md"))}
    datasets, _ = load_datasets(example.data)
    return Material(example.objective, notes, tuple(datasets))


def made_up(folder: Path) -> Dataset:
    """Write the task's data set of twelve rows into a folder."""
    (folder / TABLE_NAME).write_text(TABLE, encoding="utf-8")
    file = DataFile(name="samples", kind="samples", path=TABLE_NAME, bytes=len(TABLE), sha256="")
    return Dataset(id="made-up", title="Twelve patients", source="made up", root=str(folder), files=(file,))
