"""Skills are chosen by what is asked and what the data are: tables of wells, kinds of matrices, methods by name."""

from __future__ import annotations

import pytest
from test_questions_bound import AGE, SMOKER, STAGE, column, data, number

from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.offline.skill_uses import choose_uses, data_kind, unanswered
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.question import Question
from bioresearcher.skills import load_skills

SKILLS = tuple(
    SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in load_skills(Resources()).values()
)
TISSUE = column("tissue", "other", "brain", "kidney")
GENE = column("target", "other", "GAPDH", "ACTB", "MYC")
ARM = column("arm", "group", "new", "old")
SEPSIS = column("sepsis", "group", "no", "yes")
BATCH = column("batch", "batch", "b1", "b2")


def asked(text: str, dataset: Dataset) -> tuple[Question, dict[str, tuple[str, ...]]]:
    """The first question that a text asks of a data set, and the skills that are used with what they answer."""
    objective = Objective(id="o", text=text)
    questions = bind_questions(objective, [Data(dataset)]).questions
    uses = choose_uses(objective, (dataset.model_copy(update={"questions": questions}),), SKILLS)
    return questions[0], {u.skill.name: u.answers for u in uses}


def table(row_is: str, *columns: Column) -> Dataset:
    file = DataFile(
        name="w", kind="table", path="w.csv", rows=60, row_is=row_is, columns=columns, bytes=1, sha256="0" * 64
    )
    return Dataset(id="B", title="B", source="own", root="/b", files=(file,))


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("How does MYC differ between kidney and brain, normalised to GAPDH?", ("GAPDH",)),
        ("Fold change of MYC by qPCR in kidney versus brain, reference genes GAPDH and ACTB", ("GAPDH", "ACTB")),
        ("Does MYC differ between kidney and brain?", ()),
        ("Does MYC differ between kidney and brain, normalised to TBP?", ()),
    ],
)
def test_qpcr_wells_are_quantified_against_the_reference_genes_that_are_named(
    text: str, references: tuple[str, ...]
) -> None:
    question, uses = asked(text, table("qPCR well", TISSUE, GENE, number("ct", "other")))
    assert question.references == references
    assert question.contrast is not None
    assert {question.contrast.case, question.contrast.control} == {"kidney", "brain"}
    if references:
        assert uses == {"relative-quantification": ("A1",)}
    else:
        assert uses == {}
        assert "no reference gene is named" in question.cannot


@pytest.mark.parametrize(
    ("text", "row_is", "skill"),
    [
        ("Give the EC50 of each compound", "dose", "dose-response"),
        ("Is the response associated with the dose?", "dose", "dose-response"),
        ("Does the abundance of cell types differ between new and old?", "cell", "cell-abundance"),
        ("Which genes differ between new and old?", "dose", ""),
        ("Describe the wells", "qPCR well", ""),
        ("Give the EC50", "cell", ""),
    ],
)
def test_a_table_answers_what_its_rows_are_for_and_says_so_otherwise(text: str, row_is: str, skill: str) -> None:
    question, uses = asked(text, table(row_is, ARM, column("cell_type", "other", "T", "B"), number("dose", "other")))
    assert uses == ({skill: ("A1",)} if skill else {})
    if not skill:
        assert f"holds a row per {row_is}, of which only a " in question.cannot


@pytest.mark.parametrize(
    ("text", "skill"),
    [
        ("Which genes differ between new and old in each cell type?", "cell-type-expression"),
        ("Cell-type-specific differential expression between new and old", "cell-type-expression"),
        ("Which genes differ between new and old?", "differential-expression"),
    ],
)
def test_expression_within_cell_types_is_compared_where_the_counts_are_given_by_type(text: str, skill: str) -> None:
    given = data(ARM, BATCH, AGE).dataset
    [by_type] = table("gene of a cell type").files
    question, uses = asked(text, given.model_copy(update={"files": (*given.files, by_type)}))
    assert {name for name, answers in uses.items() if "A1" in answers} == {skill}
    if skill == "cell-type-expression":
        question, uses = asked(text, given)
        assert "has no counts of single cells with one column of cell types" in question.cannot


@pytest.mark.parametrize(
    ("assay", "path", "scale", "kind", "skill"),
    [
        ("label-free proteomics", "m.tsv", "linear", "proteins", "protein-abundance"),
        (None, "proteinGroups.txt", "linear", "proteins", "protein-abundance"),
        ("methylation array", "m.tsv", "shares", "methylation", "methylation-difference"),
        (None, "beta_values.csv", "shares", "methylation", "methylation-difference"),
        ("gene expression microarray", "m.tsv", "log2", None, "differential-expression"),
        ("ribosome profiling", "m.tsv", "counts", None, "differential-expression"),
    ],
)
def test_a_matrix_goes_to_the_skill_that_is_made_for_its_kind(
    assay: str | None, path: str, scale: str, kind: str | None, skill: str
) -> None:
    given = data(ARM, BATCH, AGE).dataset
    files = tuple(
        f.model_copy(update={"path": path, "scale": scale}) if f.kind == "expression" else f for f in given.files
    )
    dataset = given.model_copy(update={"assay": assay, "files": files})
    assert data_kind(dataset) == kind
    _, uses = asked("Which features differ between new and old?", dataset)
    assert {n for n, answers in uses.items() if answers} == {skill}


@pytest.mark.parametrize(
    ("text", "skill"),
    [
        ("How many patients are needed to detect a difference in age between new and old?", "sample-size-and-power"),
        ("Is age associated with smoker?", "clinical-regression"),
        ("Is age associated with smoker, with multiple imputation?", "imputed-regression"),
        ("What are calibration and decision curve of risk for sepsis?", "risk-calibration"),
    ],
)
def test_a_method_by_name_is_carried_out_by_its_own_skill_and_by_no_other(text: str, skill: str) -> None:
    _, uses = asked(text, data(ARM, AGE, SMOKER, SEPSIS, number("risk"), matrix=False).dataset)
    assert {n for n, answers in uses.items() if answers} == {skill}


def test_what_no_skill_does_names_the_nearest() -> None:
    question, uses = asked(
        "Is age associated with stage, by mediation analysis?", data(AGE, STAGE, matrix=False).dataset
    )
    assert all(not answers for answers in uses.values())
    said = unanswered(question, SKILLS)
    assert said.startswith("no vetted analysis does this (mediation analysis; the nearest is ")
    assert "\n" not in said
