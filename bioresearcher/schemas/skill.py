"""The machine-readable contract of a skill (`contract.toml` beside its `SKILL.md`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value
from bioresearcher.schemas.dataset import FileKind
from bioresearcher.schemas.execution import Language, TaskOutput
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.question import MeasureKind, QuestionKind

ParameterSource = Literal[
    "sample_column",
    "feature_column",
    "group_column",
    "batch_column",
    "case",
    "control",
    "time_column",
    "event_column",
    "covariates",
    "pair_column",
    "block_columns",
    "adjust_columns",
    "stated_columns",
    "outcome_column",
    "levels",
    "genes",
    "missing_values",
    "gene_set",
    "scale",
    "group_label",
    "dataset_label",
    "time_unit",
    "endpoint",
    "question_kind",
    "alternatives",
    "references",
    "test",
]
"""Source of a parameter: the bound data set's description, the chosen gene set, or the question that is answered."""

Design = Literal["pair", "blocks", "covariates", "levels"]
"""Parts of a question's design: rows that belong together, blocks such as batches that the model must hold, covariates
that the estimate is adjusted for, a comparison of more than two levels."""


DataKind = Literal["proteins", "methylation"]
"""Kinds of matrices that ask for an analysis of their own."""


class SkillInput(Value):
    """A file a skill reads.

    `kind` is a data set file kind, or `output` when it comes from another skill; then `skill` and `output`
    name it. `role` says which data set: the discovery set, the validation set, or a reference collection.
    """

    name: str
    kind: FileKind | Literal["output"]
    role: Literal["discovery", "validation", "reference"] = "discovery"
    skill: str | None = None
    output: str | None = None
    description: str = ""
    required: bool = True
    row_is: str = Field(default="", description="of a table: what its rows are, e.g. `study`; empty: any")


class SkillParameter(Value):
    """A parameter: bound from the data (`source`) or given a documented default."""

    name: str
    description: str
    source: ParameterSource | None = None
    role: Literal["discovery", "validation"] = "discovery"
    default: str | int | float | bool | tuple[str, ...] | None = None
    unit: str = ""
    required: bool = True


class SkillProtocol(Value):
    """Text of the skill as a protocol step; `{parameter}` stands for a bound parameter's value."""

    title: str
    action: str
    rationale: str
    acceptance: str
    software: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = Field(default=(), description="fixed parameters to print in the step")
    answer_rule: tuple[str, ...] = Field(default=(), description="which result gives which answer, fixed beforehand")


class SkillContract(Value):
    """Inputs, parameters and outputs of a skill, and its place in a protocol."""

    part: str = Field(description="title of the protocol part it belongs to")
    order: int = Field(description="position among all skills; parts are ordered by their first skill")
    always: bool = Field(default=False, description="chosen whenever its inputs exist")
    triggers: tuple[str, ...] = Field(default=(), description="phrases in an objective or requirement that ask for it")
    per_dataset: bool = Field(default=False, description="run once for each data set of role discovery or validation")
    answers: tuple[QuestionKind, ...] = Field(default=(), description="kinds of questions that its findings answer")
    measures: tuple[MeasureKind, ...] = Field(default=(), description="measures it can take, of such a question")
    takes: tuple[Design, ...] = Field(default=(), description="a question whose design has another part is not its own")
    needs_columns: tuple[Literal["group", "time", "event", "covariate", "alternative"], ...] = Field(
        default=(), description="`alternative`: used beside the answer where a question declares alternatives"
    )
    method_terms: tuple[str, ...] = Field(
        default=(), description="words by which a paper names the method; a passage is cited only when it has one"
    )
    data: tuple[DataKind, ...] = Field(default=(), description="kinds of matrices it is made for; empty: any")
    only: tuple[str, ...] = Field(
        default=(), description="models or tests by name; a question that names none of them is not its own"
    )
    sensitivity: bool = Field(default=False, description="repeated on the data as given where a prepared copy is used")
    language: Language = "python"
    packages: tuple[str, ...] = ()
    inputs: tuple[SkillInput, ...]
    parameters: tuple[SkillParameter, ...] = ()
    outputs: tuple[TaskOutput, ...]
    protocol: SkillProtocol


class Skill(Value):
    """A skill: the open Agent Skills description plus its contract and files."""

    name: str
    description: str
    instructions: str = Field(description="SKILL.md's body")
    contract: SkillContract
    code: str
    support: dict[str, str] = Field(default_factory=dict, description="helper modules beside the script")
    source: str = Field(description="`shipped` or the user's folder")
    digest: str
