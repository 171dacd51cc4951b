"""Questions that a model binds with the rules' reading and the facts: names are checked, nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stages_support import caller

from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.analysis.derived import sheet_of
from bioresearcher.analysis.sets import make_sets
from bioresearcher.audit.tables import read_names, read_sheet
from bioresearcher.errors import EmptyReplyError
from bioresearcher.schemas.ask_questions import (
    LevelCells,
    NewColumn,
    NotHeld,
    QuestionProposal,
    QuestionProposals,
)
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.facts import Fact
from bioresearcher.schemas.question import Filter, Questions
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.questions import Source, propose_questions

TITLES = [f"{n:03d} kidney {kind}" for n in range(1, 7) for kind in ("normal", "tumour")] + ["9 cell line"]
OBJECTIVE = Objective(
    id="o",
    text="Which genes differ between tumours and adjacent kidney of the same patients, and does MKI67 mark short "
    "overall survival in 50 independent patients?",
    requirements=(Requirement(id="R1", text="Only complete pairs enter the comparison."),),
)
FIRST = "Which genes differ between tumours and adjacent kidney of the same patients"
SECOND = "does MKI67 mark short overall survival in 50 independent patients"
PATIENT = NewColumn(
    dataset="kidney",
    name="patient",
    source="title",
    separator=" ",
    field=1,
    reason="Titles begin with it.",
    facts=("F1",),
)
TISSUE = NewColumn(
    dataset="kidney",
    name="tissue",
    source="title",
    levels=(
        LevelCells(level="tumour", cells=tuple(t for t in TITLES if t.endswith("tumour"))),
        LevelCells(level="normal", cells=tuple(t for t in TITLES if t.endswith("normal"))),
    ),
    reason="Titles say it; the cell line is neither.",
)
PAIRED = QuestionProposal(
    kind="difference",
    words=FIRST,
    dataset="kidney",
    requirements=("R1",),
    measure="features",
    compared_column="tissue",
    levels=("tumour", "normal"),
    reference="normal",
    pair="patient",
    otherwise="“adjacent” names the tissue, not adjacent_invasion.",
)
SURVIVAL = QuestionProposal(
    kind="time to event",
    words=SECOND,
    dataset="kidney",
    measure="gene",
    genes=("MKI67",),
    time_column="months",
    event_column="died",
    not_held=(NotHeld(words="in 50 independent patients", why="There are no others."),),
)
WHOLE = QuestionProposals(columns=(PATIENT, TISSUE), questions=(PAIRED, SURVIVAL), understood=("adjacent",))
FACT = Fact(
    id="F1",
    kind="repeats",
    dataset="kidney",
    statement="6 patients have two samples.",
    consequence="",
    shown_by="audit",
)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    folder = tmp_path / "kidney"
    folder.mkdir()
    rows = [
        f"s{n},{t},{n % 2},{10 + n},{n % 3 == 0:d},{'male' if n % 4 < 2 else 'female'}" for n, t in enumerate(TITLES)
    ]
    (folder / "s.csv").write_text("\n".join(["id,title,adjacent_invasion,months,died,sex", *rows]) + "\n")
    names = ",".join(f"s{n}" for n in range(len(TITLES)))
    values = [
        f"{gene},{','.join(str(n * k % 7 + 1) for n in range(len(TITLES)))}" for k, gene in ((3, "MKI67"), (5, "CA9"))
    ]
    (folder / "e.csv").write_text("\n".join([f"gene,{names}", *values]) + "\n")
    (folder / "dataset.toml").write_text(
        'title = "made"\nsource = "made"\n[[files]]\nname = "expression"\nkind = "expression"\npath = "e.csv"\n'
        'feature_column = "gene"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "s.csv"\nsample_column = "id"\n'
        '[files.columns.id]\nrole = "id"\n[files.columns.title]\nrole = "other"\n[files.columns.adjacent_invasion]\n'
        'role = "group"\ncase = "1"\ncontrol = "0"\n[files.columns.months]\nrole = "time"\nendpoint = "OS"\n'
        '[files.columns.died]\nrole = "event"\nendpoint = "OS"\nevent_level = "1"\n'
    )
    (dataset,), failures = load_datasets([folder])
    assert not failures
    names_of = read_names(dataset)
    assert names_of is not None
    return Source(Data(dataset, frozenset(names_of.features)), sheet_of(read_sheet(dataset), names_of))


async def asked(tmp_path: Path, source: Source, *replies: object) -> tuple[Questions, list[Any]]:
    door = caller(tmp_path, list(replies), rules=False)
    by_rule = bind_questions(OBJECTIVE, [source.data])
    found = await propose_questions(door, OBJECTIVE, by_rule, {"kidney": source}, [FACT])
    return found, door.backend.requests


async def test_a_model_sees_the_facts_the_texts_and_the_rules_reading(tmp_path: Path, source: Source) -> None:
    _, (request,) = await asked(tmp_path, source, WHOLE)
    said = request.messages[-1].content
    for words in (
        OBJECTIVE.text,
        "R1",
        FACT.statement,
        "006 kidney tumour",
        "adjacent_invasion",
        "The questions as rules",
    ):
        assert words in said


async def test_questions_are_bound_to_patients_and_tissues_in_titles(tmp_path: Path, source: Source) -> None:
    found, _ = await asked(tmp_path, source, WHOLE)
    first, second = found.questions
    assert (first.cannot, first.pair, first.origin) == ("", "patient", "model")
    assert first.effect == "log2 fold change"
    assert (second.cannot, second.effect, second.measure.names) == ("", "hazard ratio", ("MKI67",))
    assert "patient read from title" in first.text
    assert any("bound otherwise than by rule" in n for n in found.notes)
    assert any("Titles begin with it (F1)" in n for n in found.notes)
    lost = found.unbound_of(second)
    assert [u.words for u in lost] == ["in 50 independent patients"]
    assert "in 50 independent patients" not in [u.words for u in found.unbound_of(first)]

    made = make_sets(found, [source.data.dataset], tmp_path / "analysis")
    rows = made.sets.of("A1")
    assert rows is not None
    assert (rows.n, rows.pairs, rows.problem) == (12, 6, "")
    assert [(g.level, g.n) for g in rows.groups] == [("tumour", 6), ("normal", 6)]
    assert any("tissue is not known" in s.reason for s in rows.flow), "the cell line is left out and counted"
    held = next(d for d in made.datasets if d.id == rows.population)
    sheet = read_sheet(held)
    assert sheet.columns["patient"][:2] == ["001", "001"]
    assert sheet.columns["tissue"][:2] == ["normal", "tumour"]


def changed(**values: Any) -> QuestionProposals:
    return QuestionProposals(columns=(PATIENT, TISSUE), questions=(PAIRED.model_copy(update=values), SURVIVAL))


def with_column(**values: Any) -> QuestionProposals:
    return QuestionProposals(columns=(PATIENT.model_copy(update=values), TISSUE), questions=(PAIRED, SURVIVAL))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (changed(population=(Filter(column="her2", levels=("1",)),)), "there is no column 'her2'"),
        (changed(population=(Filter(column="adjacent_invasion", levels=("yes",)),)), "has no level 'yes'"),
        (changed(population=(Filter(column="title", least=3),)), "holds no numbers"),
        (changed(levels=("tumour", "other")), "has no level 'other'"),
        (changed(measure="gene", genes=("FOXM1",)), "no 'FOXM1'"),
        (changed(measure="signature"), "`gene_sets` names none"),
        (changed(compared_column=""), "names no groups"),
        (changed(words="Which proteins differ"), "stands neither in the objective"),
        (changed(not_held=(NotHeld(words="in mice", why=""),)), "“in mice” stands neither"),
        (changed(requirements=("R7",)), "there is no requirement R7"),
        (
            changed(kind="time to event", time_column="months", event_column="title"),
            "not described as a time and an event",
        ),
        (with_column(source="donor"), "no column 'donor' to read it from"),
        (with_column(name="months"), "the name is taken"),
        (with_column(name="../x"), "the name is taken, or is not of lower case"),
        (with_column(facts=("F9",)), "there is no fact F9"),
        (with_column(field=0), "either levels with their cells, or a separator"),
        (with_column(field=9), "fewer than two different values"),
        (with_column(separator="", field=0, levels=(LevelCells(level="a", cells=("x",)),)), "has no cell 'x'"),
    ],
)
async def test_what_is_not_there_is_refused_asked_once_more_and_stays_a_question_without_an_answer(
    tmp_path: Path, source: Source, answer: QuestionProposals, said: str
) -> None:
    found, requests = await asked(tmp_path, source, answer, answer)
    assert len(requests) == 2
    assert said in requests[1].messages[-1].content
    assert any(said in n for n in found.notes)
    first = next(q for q in found.questions if "genes differ" in q.words or "proteins" in q.words)
    assert "could not be bound" in first.cannot
    assert any(q.cannot == "" and q.kind == "time to event" for q in found.questions)


async def test_a_second_answer_that_cannot_be_used_leaves_what_held_of_the_first(
    tmp_path: Path, source: Source
) -> None:
    found, requests = await asked(tmp_path, source, changed(compared_column="tissues"), EmptyReplyError("nothing"))
    assert len(requests) == 2
    assert [bool(q.cannot) for q in found.questions] == [True, False]
    assert found.questions[1].origin == "model"


async def test_a_mended_answer_is_taken(tmp_path: Path, source: Source) -> None:
    found, requests = await asked(tmp_path, source, changed(compared_column="tissues"), WHOLE)
    assert len(requests) == 2
    assert [q.cannot for q in found.questions] == ["", ""]
    assert not any("refused" in n for n in found.notes)


async def test_a_departure_from_the_rules_needs_its_reason(tmp_path: Path, source: Source) -> None:
    objective = Objective(id="o", text="Do genes differ between 1 and 0 of adjacent_invasion in female patients?")
    by_rule = bind_questions(objective, [source.data])
    asked_by_rule = by_rule.questions[0]
    assert asked_by_rule.contrast is not None
    assert asked_by_rule.contrast.column == "adjacent_invasion"
    assert [f.text for f in asked_by_rule.population] == ["sex = female"], "the rules read the condition"
    wide = QuestionProposal(
        kind="difference",
        words=objective.text,
        dataset="kidney",
        measure="features",
        compared_column="adjacent_invasion",
        levels=("1", "0"),
    )
    door = caller(tmp_path, [QuestionProposals(questions=(wide,))] * 2, rules=False)
    found = await propose_questions(door, objective, by_rule, {"kidney": source}, [])
    assert "the rules read sex = female, which it leaves out" in found.questions[0].cannot


async def test_a_question_of_the_rules_that_the_model_forgets_is_kept(tmp_path: Path, source: Source) -> None:
    objective = Objective(id="o", text=f"Do genes differ by adjacent_invasion? Moreover {SECOND}?")
    by_rule = bind_questions(objective, [source.data])
    rule_kinds = [q.kind for q in by_rule.questions]
    assert rule_kinds[:2] == ["difference", "time to event"]
    only = QuestionProposals(questions=(SURVIVAL,))
    found = await propose_questions(caller(tmp_path, [only], rules=False), objective, by_rule, {"kidney": source}, [])
    assert {q.kind for q in found.questions} == {"difference", "time to event"}
    assert len({q.id for q in found.questions}) == len(found.questions)
    assert found.origin == "mixed"


async def test_an_unanswerable_question_keeps_the_models_reason(tmp_path: Path, source: Source) -> None:
    none = PAIRED.model_copy(update={"cannot": "The tissue of no sample is known."})
    answer = QuestionProposals(columns=(PATIENT, TISSUE), questions=(none, SURVIVAL))
    found, _ = await asked(tmp_path, source, answer)
    assert found.questions[0].cannot == "The tissue of no sample is known."


@pytest.mark.parametrize("rules", [False, True])
async def test_a_model_that_does_not_answer_leaves_the_questions_as_rules_had_them(
    tmp_path: Path, source: Source, rules: bool
) -> None:
    by_rule = bind_questions(OBJECTIVE, [source.data])
    door = caller(tmp_path, [EmptyReplyError("nothing")], rules=rules)
    found = await propose_questions(door, OBJECTIVE, by_rule, {"kidney": source}, [])
    assert found.questions == by_rule.questions
    assert "as rules read them" in found.notes[-1]


async def test_groups_in_the_names_of_samples_without_a_sheet_are_bound(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    names = [f"s{n:02d}_{'ALL' if n % 2 else 'AML'}" for n in range(12)]
    (folder / "m.csv").write_text(
        "gene,"
        + ",".join(names)
        + "\nCD33,"
        + ",".join(str(n) for n in range(12))
        + "\nCD19,"
        + ",".join("1" * 12)
        + "\n"
    )
    (folder / "dataset.toml").write_text(
        'title = "made"\nsource = "made"\n[[files]]\nname = "expression"\nkind = "expression"\npath = "m.csv"\n'
        'feature_column = "gene"\n'
    )
    (dataset,), _ = load_datasets([folder])
    found_names = read_names(dataset)
    source = Source(Data(dataset, frozenset({"CD33", "CD19"})), sheet_of(read_sheet(dataset), found_names))
    objective = Objective(id="o", text="Which genes tell AML from ALL?")
    column = NewColumn(
        dataset="plain", name="leukaemia", source="sample", separator="_", field=2, reason="Names end so."
    )
    question = QuestionProposal(
        kind="difference",
        words="Which genes tell AML from ALL",
        dataset="plain",
        measure="features",
        compared_column="leukaemia",
        levels=("AML", "ALL"),
        reference="ALL",
        otherwise="The names hold the groups.",
    )
    answer = QuestionProposals(columns=(column,), questions=(question,))
    by_rule = bind_questions(objective, [source.data])
    found = await propose_questions(caller(tmp_path, [answer], rules=False), objective, by_rule, {"plain": source}, [])
    made = make_sets(found, [dataset], tmp_path / "analysis")
    assert [q.cannot for q in made.questions.questions] == [""]
    rows = made.sets.of("A1")
    assert rows is not None
    assert [(g.level, g.n) for g in rows.groups] == [("AML", 6), ("ALL", 6)]
