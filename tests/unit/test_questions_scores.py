"""Scores of gene sets as covariates, and rows that a question leaves out: bound, made, counted and refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stages_support import caller

from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.analysis.scores import (
    FEWEST_GENES,
    LEAST_MEASURED,
    MOST_MISSING,
    members,
    scored,
)
from bioresearcher.analysis.sets import flow_rows, make_sets
from bioresearcher.audit.tables import read_names, read_sheet
from bioresearcher.schemas.ask_questions import NewScore, QuestionProposal, QuestionProposals, RowsLeftOut
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact
from bioresearcher.schemas.question import Questions, ScoreColumn
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.questions import Source, propose_questions

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "bioresearcher" / "_examples" / "breast-cancer" / "data"
SKILLS = ROOT / "agents" / "skills"
OBJECTIVE = Objective(
    id="o", text="Is hypoxia associated with relapse independent of proliferation, without the grade 1 tumours?"
)
HYPOXIA = QuestionProposal(
    kind="time to event",
    words="Is hypoxia associated with relapse independent of proliferation",
    dataset="GSE1992",
    measure="signature",
    gene_sets=("HALLMARK_HYPOXIA",),
    time_column="time",
    event_column="event",
    adjust=("proliferation",),
    otherwise="Proliferation is a gene set.",
)
GRADE = RowsLeftOut(
    column="grade", levels=("1",), reason="Grade 1 is not asked for.", words="without the grade 1 tumours"
)
SCORE = NewScore(dataset="GSE1992", name="proliferation", gene_set="HALLMARK_E2F_TARGETS")
FACT = Fact(
    id="F3",
    kind="repeats",
    dataset="GSE1992",
    statement="BR00-0504 and BR00-0284 are copies.",
    rows=("BR00-0504", "BR00-0284"),
    shown_by="audit",
)


@pytest.fixture(scope="module")
def datasets() -> tuple[Dataset, ...]:
    found, failures = load_datasets([DATA / "GSE1992", DATA / "hallmark"])
    assert not failures
    return tuple(found)


@pytest.fixture(scope="module")
def source(datasets: tuple[Dataset, ...]) -> Source:
    names = read_names(datasets[0])
    assert names is not None
    sets = tuple(name for f in datasets[1].files for name in f.entries)
    return Source(Data(datasets[0], frozenset(names.features), sets, members(datasets)), read_sheet(datasets[0]))


async def proposed(tmp_path: Path, source: Source, *answers: QuestionProposals, text: str = "") -> Questions:
    objective = Objective(id="o", text=text) if text else OBJECTIVE
    by_rule = bind_questions(objective, [source.data])
    door = caller(tmp_path, list(answers), rules=False)
    return await propose_questions(door, objective, by_rule, {"GSE1992": source}, [FACT])


def answer(score: NewScore | None = SCORE, **values: Any) -> QuestionProposals:
    return QuestionProposals(scores=(score,) if score else (), questions=(HYPOXIA.model_copy(update=values),))


async def test_a_score_is_an_ordinary_covariate_of_the_analysis_set(
    tmp_path: Path, source: Source, datasets: tuple[Dataset, ...]
) -> None:
    found = await proposed(tmp_path, source, answer(leave_out=(GRADE,)))
    (question,) = found.questions
    assert (question.cannot, question.adjust) == ("", ("proliferation",))
    assert "proliferation being the score of HALLMARK_E2F_TARGETS" in question.text
    assert any("HALLMARK_E2F_TARGETS:" in n and "genes are in GSE1992" in n for n in found.notes), "coverage is said"

    made = make_sets(found, datasets, tmp_path / "analysis")
    rows = made.sets.of("A1")
    assert rows is not None
    assert not rows.problem
    (score,) = rows.scores
    assert 100 < score.used <= score.measured < score.genes
    shared = {*source.data.members["HALLMARK_HYPOXIA"]} & {*source.data.members["HALLMARK_E2F_TARGETS"]}
    said = f"HALLMARK_HYPOXIA and HALLMARK_E2F_TARGETS have {len(shared)} genes in common"
    assert (said in rows.cautions) is bool(shared)
    sheet = read_sheet(datasets[0])
    first = sum(cell == "1" for cell in sheet.known["grade"])
    (step,) = [s for s in rows.flow if s.reason.startswith("grade = 1: Grade 1 is not asked for")]
    assert 0 < step.left_out <= first
    assert any("of which grade is not known" in c for c in rows.cautions) is any(not c for c in sheet.known["grade"])
    assert [r for r in flow_rows(rows) if r[0].startswith("proliferation: mean of the genes' z-scores")]

    held = next(d for d in made.datasets if d.id == rows.population)
    copied = read_sheet(held)
    column = held.column("covariate")
    assert column is not None
    cells = np.array([float(c) for c in copied.columns["proliferation"]])
    assert len(cells) == rows.n == rows.complete
    assert abs(cells.mean()) < 1e-9
    assert abs(cells.std(ddof=1) - 1) < 1e-9
    assert "1" not in copied.columns["grade"]
    sheets = [f for f in held.files if f.kind == "samples"]
    assert [c.dtype for f in sheets for c in f.columns if c.name == "proliferation"] == ["number"]


def test_scores_are_those_of_the_skill(datasets: tuple[Dataset, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SKILLS / "_lib"))
    import bioscore

    frame = pd.read_csv(DATA / "GSE1992" / "expression_log2.tsv.gz", sep="\t", index_col=0)
    samples = [c for n, c in enumerate(frame.columns) if n % 3]
    frame = frame.groupby(level=0).mean()[samples]
    sets = members(datasets)
    columns = [
        ScoreColumn(name="e2f", gene_set="HALLMARK_E2F_TARGETS"),
        ScoreColumn(name="one", gene=sets["HALLMARK_E2F_TARGETS"][0]),
    ]
    columns[1] = ScoreColumn(name="one", gene=next(g for g in sets["HALLMARK_E2F_TARGETS"] if g in frame.index))
    ours = scored(columns, datasets[0], samples, sets)
    for column in columns:
        genes = list(sets.get(column.gene_set, (column.gene,)))
        status = bioscore.gene_status(frame, genes, MOST_MISSING)
        used = bioscore.used_genes(status)
        theirs = bioscore.standardised_mean(bioscore.z_scores(frame, used), LEAST_MEASURED)
        one = ours[column.name]
        assert one.made is not None
        assert one.made.used == len(used)
        got = pd.Series({s: float(c) if c else np.nan for s, c in one.cells.items()})[samples]
        pd.testing.assert_series_equal(got, theirs[samples], check_names=False, rtol=1e-7, atol=1e-8)


def test_the_limits_are_those_of_the_skill() -> None:
    contract = tomllib.loads((SKILLS / "signature-scoring" / "contract.toml").read_text(encoding="utf-8"))
    limits = {p["name"]: p.get("default") for p in contract["parameters"]}
    assert (
        limits["minimum_genes"],
        limits["maximum_missing"],
        limits["minimum_measured"],
    ) == (FEWEST_GENES, MOST_MISSING, LEAST_MEASURED)


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (answer(SCORE.model_copy(update={"gene_set": "HALLMARK_SPEED"})), "there is no gene set 'HALLMARK_SPEED'"),
        (answer(SCORE.model_copy(update={"gene_set": "", "gene": "XYZ9"})), "there is no gene 'XYZ9'"),
        (answer(SCORE.model_copy(update={"gene": "MKI67"})), "either a gene set or a gene"),
        (answer(SCORE.model_copy(update={"name": "age"})), "the name is taken"),
        (answer(SCORE.model_copy(update={"gene_set": "HALLMARK_HYPOXIA"})), "is what is measured"),
        (answer(None), "there is no column 'proliferation'"),
        (answer(adjust=(), blocks=("proliferation",)), "is a score, which only"),
        (answer(leave_out=(GRADE.model_copy(update={"levels": ("9",)}),)), "grade has no level '9'"),
        (answer(leave_out=(GRADE.model_copy(update={"column": "kind"}),)), "there is no column 'kind'"),
        (answer(leave_out=(GRADE.model_copy(update={"words": ""}),)), "for no words of the objective and no fact"),
        (answer(leave_out=(GRADE.model_copy(update={"words": "without men"}),)), "“without men” stands neither"),
        (answer(leave_out=(RowsLeftOut(samples=("S1",), reason="", facts=("F3",)),)), "there is no sample 'S1'"),
        (answer(leave_out=(RowsLeftOut(samples=("BR00-0504",), reason="", facts=("F9",)),)), "there is no fact F9"),
        (answer(leave_out=(RowsLeftOut(samples=("UB44",), reason="", facts=("F3",)),)), "names 'UB44'"),
        (answer(leave_out=(RowsLeftOut(reason="", facts=("F3",)),)), "neither levels of a column nor samples"),
    ],
)
async def test_what_is_not_there_is_refused(
    tmp_path: Path, source: Source, refused: QuestionProposals, said: str
) -> None:
    found = await proposed(tmp_path, source, refused, refused)
    assert any(said in n for n in found.notes), found.notes
    assert found.questions[0].cannot


async def test_named_samples_that_a_fact_tells_are_left_out_and_counted(
    tmp_path: Path, source: Source, datasets: tuple[Dataset, ...]
) -> None:
    out = RowsLeftOut(samples=("BR00-0284",), reason="It is a copy of BR00-0504.", facts=("F3",))
    found = await proposed(tmp_path, source, answer(leave_out=(out,)))
    rows = make_sets(found, datasets, tmp_path / "analysis").sets.of("A1")
    assert rows is not None
    (step,) = [s for s in rows.flow if "1 named sample" in s.reason]
    assert step.left_out == 1
    assert "a copy of BR00-0504" in step.reason
    (tmp_path / "second").mkdir()
    whole = make_sets(await proposed(tmp_path / "second", source, answer()), datasets, tmp_path / "whole").sets.of("A1")
    assert whole is not None
    assert rows.n == whole.n - 1


@pytest.mark.parametrize(
    ("words", "adjust", "of"),
    [
        (
            "adjusted for HALLMARK_G2M_CHECKPOINT and age",
            ("age", "hallmark_g2m_checkpoint_score"),
            "HALLMARK_G2M_CHECKPOINT",
        ),
        ("independent of the HALLMARK_E2F_TARGETS score", ("hallmark_e2f_targets_score",), "HALLMARK_E2F_TARGETS"),
        ("adjusted for ESR1 expression", ("esr1_expression",), "ESR1"),
    ],
)
def test_rules_take_a_set_or_gene_named_as_it_stands(
    source: Source, words: str, adjust: tuple[str, ...], of: str
) -> None:
    objective = Objective(id="o", text=f"Is the HALLMARK_HYPOXIA signature associated with relapse, {words}?")
    (question,) = bind_questions(objective, [source.data]).questions
    assert question.cannot == ""
    assert {*question.adjust} == {*adjust}
    assert question.measure.names == ("HALLMARK_HYPOXIA",)
    assert [s.gene_set or s.gene for s in question.scores] == [of]


def test_rules_do_not_guess_a_set_from_a_word(source: Source) -> None:
    objective = Objective(id="o", text="Is the hypoxia signature associated with relapse independent of proliferation?")
    found = bind_questions(objective, [source.data])
    assert not found.questions[0].scores
    assert any(u.words == "proliferation" for u in found.not_understood)


def test_a_set_of_which_too_little_is_measured_is_no_covariate(source: Source) -> None:
    few = {**source.data.members, "HALLMARK_E2F_TARGETS": ("E2F1", "NOT1", "NOT2", "NOT3", "NOT4")}
    data = Data(source.data.dataset, source.data.genes, source.data.sets, few)
    text = "Is the HALLMARK_HYPOXIA signature associated with relapse, adjusted for HALLMARK_E2F_TARGETS?"
    (question,) = bind_questions(Objective(id="o", text=text), [data]).questions
    assert "of its 5 genes are measured, at least 5 are needed" in question.cannot
