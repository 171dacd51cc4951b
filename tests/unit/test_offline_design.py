"""The offline designer: which comparison it takes, what it says it cannot do, what it takes over from papers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from bioresearcher.offline.design import (
    OfflineDesigner,
    acceptance,
    literature_headings,
    literature_step,
    open_questions,
)
from bioresearcher.offline.skill_binding import Binding, asked_for, choose_uses, unserved_skills
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import (
    DesignHeadingsInput,
    DesignOutlinesInput,
    KnownPart,
    KnownStep,
    SkillBrief,
    WriteStepsInput,
)
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart
from bioresearcher.skills import load_skills
from bioresearcher.stages.design import parts_of
from bioresearcher.text.words import content_words


def similarity(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float32]:
    """Share of the shorter text's words found in the other: enough to rank by in a test."""
    rows = []
    for a in left:
        mine = set(content_words(a))
        rows.append(
            [len(mine & set(content_words(b))) / (min(len(mine), len(set(content_words(b)))) or 1) for b in right]
        )
    return np.array(rows, dtype=np.float32).reshape(len(left), len(right))


def objective(text: str, *requirements: str) -> Objective:
    asked = tuple(Requirement(id=f"R{n}", text=t) for n, t in enumerate(requirements, 1))
    return Objective(id="o", text=text, requirements=asked)


def group(name: str, *levels: str, case: str | None = None, control: str | None = None) -> Column:
    return Column(name=name, dtype="text", role="group", levels=levels, case=case, control=control)


def dataset(*columns: Column, matrix: bool = True) -> Dataset:
    sheet = DataFile(
        name="samples",
        kind="samples",
        path="s.tsv",
        rows=60,
        columns=(Column(name="id", dtype="text", role="id"), *columns),
        sample_column="id",
        sha256="0" * 64,
        bytes=1,
    )
    expression = DataFile(
        name="expression", kind="expression", path="e.tsv", rows=500, samples=60, sha256="0" * 64, bytes=1
    )
    return Dataset(
        id="D",
        title="D",
        source="own",
        root="/data",
        files=(expression, sheet) if matrix else (sheet,),
        n_samples=60,
        n_features=500 if matrix else 0,
        described_by="inferred",
    )


@pytest.fixture(scope="module")
def skills() -> tuple[SkillBrief, ...]:
    found = load_skills(Resources()).values()
    return tuple(SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in found)


T411 = group("t(4;11)", "False", "True", case="True", control="False")
MOLECULAR = group("mol.biol", "ALL1/AF4", "BCR/ABL", "E2A/PBX1", "NEG")


def test_the_groups_the_objective_names_are_compared_and_not_the_first_column() -> None:
    found = Binding(objective("A classifier of BCR/ABL versus NEG in acute leukaemia"), ()).contrast(
        dataset(T411, MOLECULAR)
    )
    assert found is not None
    assert (found[0].name, *found[1:]) == ("mol.biol", "BCR/ABL", "NEG")


def test_levels_are_named_in_the_order_of_the_objective() -> None:
    found = Binding(objective("Which genes differ between ALL and AML?"), ()).contrast(
        dataset(group("type", "AML", "ALL"))
    )
    assert found is not None
    assert found[1:] == ("ALL", "AML")


def test_an_everyday_word_is_no_level_in_capitals() -> None:
    data = dataset(T411, group("type", "ALL", "AML"))
    found = Binding(objective("Differences in AML between all patients"), ()).contrast(data)
    assert found is not None
    assert found[0].name == "t(4;11)"


def test_a_stated_contrast_holds_when_the_objective_names_its_levels_the_other_way_round() -> None:
    data = dataset(group("tissue", "normal", "tumour", case="tumour", control="normal"))
    found = Binding(objective("Differences between normal and tumour tissue"), ()).contrast(data)
    assert found is not None
    assert found[1:] == ("tumour", "normal")


def test_a_comparison_nobody_named_is_said_to_be_chosen() -> None:
    said = Binding(objective("Genes of leukaemia"), ()).doubts(dataset(T411, MOLECULAR))
    assert len(said) == 1
    assert "names none of its group columns" in said[0]
    assert "mol.biol" in said[0]
    named = Binding(objective("Genes that differ by t(4;11)"), ())
    assert named.doubts(dataset(T411, MOLECULAR)) == ()


def test_levels_taken_by_default_are_said() -> None:
    (said,) = Binding(objective("Genes of leukaemia"), ()).doubts(dataset(MOLECULAR))
    assert "has 4 levels and the objective names no two of them" in said


def test_a_question_for_differing_genes_asks_for_differential_expression(skills: tuple[SkillBrief, ...]) -> None:
    data = (dataset(group("type", "ALL", "AML")),)
    uses = choose_uses(objective("Which genes differ between ALL and AML?"), data, skills)
    assert "differential-expression" in {u.skill.name for u in uses}


def test_cross_validation_is_no_external_validation(skills: tuple[SkillBrief, ...]) -> None:
    validation = next(s for s in skills if s.name == "signature-validation")
    model = next(s for s in skills if s.name == "penalised-model")
    assert not asked_for(validation, "a classifier with nested cross-validation")
    assert asked_for(validation, "nested cross-validation, then validation in a second cohort")
    assert asked_for(model, "nested cross-validation")


def test_what_is_asked_for_but_cannot_be_done_is_named_with_what_is_lacking(skills: tuple[SkillBrief, ...]) -> None:
    wish = objective("Predict metastasis with a penalised Cox model")
    found = {s.name: reason for s, reason in unserved_skills(wish, (dataset(matrix=False),), skills)}
    assert "has no matrix of measurements" in found["penalised-model"]
    draft = OfflineDesigner(similarity).design_headings(
        DesignHeadingsInput(objective=wish, known=(), datasets=(dataset(matrix=False),), skills=skills, findings=())
    )
    assert draft.summary.startswith("A plan for the objective, on D.")
    assert "Asked for but not planned: " in draft.summary
    assert "penalised model" in draft.summary


def part(paper: str, number: str, title: str, level: str = "medium", actions: tuple[str, ...] = ()) -> KnownPart:
    return KnownPart.model_validate(
        {
            "paper_id": paper,
            "paper_title": f"Title of {paper}",
            "part_id": number,
            "title": title,
            "purpose": f"{title} of cells",
            "level": level,
            "reuse": "1 step",
            "change": "",
            "actions": actions,
        }
    )


def test_without_data_the_parts_nearest_to_the_objective_are_taken_in_their_papers_order() -> None:
    known = (
        part("P1", "1", "Interviews"),
        part("P2", "10", "western blot"),
        part("P2", "2", "siRNA transfection."),
        part("P3", "1", "siRNA transfection", level="low"),
    )
    found = literature_headings(["siRNA transfection and western blot"], known, similarity, first=1, taken=())
    assert [(h.id, h.title) for h in found] == [("1", "SiRNA transfection"), ("2", "Western blot")]
    assert "Title of P2" in found[0].purpose


def test_titles_of_parts_never_repeat() -> None:
    known = tuple(part(p, n, "Cell culture") for p in ("P1", "P2") for n in ("1", "2"))
    found = literature_headings(["cell culture"], known, similarity, first=3, taken=["CELL culture"])
    titles = [h.title.casefold() for h in found]
    assert len(titles) == len(set(titles)) == 4
    assert "cell culture" not in titles
    assert [h.id for h in found] == ["3", "4", "5", "6"]


def test_papers_that_are_not_about_the_objective_give_no_part(skills: tuple[SkillBrief, ...]) -> None:
    draft = OfflineDesigner(similarity).design_headings(
        DesignHeadingsInput(
            objective=objective("Bile acids in mouse liver"),
            known=(part("P1", "1", "Interviews", level="low"),),
            datasets=(),
            skills=skills,
            findings=(),
        )
    )
    assert draft.parts == ()


def test_laboratory_work_is_taken_from_papers_beside_the_analyses(skills: tuple[SkillBrief, ...]) -> None:
    differential = next(s for s in skills if s.name == "differential-expression")
    wish = objective("Which genes differ between ALL and AML?", "Western blot of the leading gene")
    assert open_questions(wish, [differential]) == ("Western blot of the leading gene",)
    assert open_questions(objective("Which genes differ between ALL and AML?"), [differential]) == ()


def test_the_tenth_step_takes_its_input_from_the_ninth_and_the_second_from_the_first() -> None:
    actions = tuple(f"Action {n} was done." for n in range(1, 12))
    known = part("P1", "1", "Analysis", actions=actions)
    wish = objective("Analysis of cells")
    designer = OfflineDesigner(similarity)
    headings = designer.design_headings(
        DesignHeadingsInput(objective=wish, known=(known,), datasets=(), skills=(), findings=())
    )
    outlines = designer.design_outlines(
        DesignOutlinesInput(
            objective=wish, parts=parts_of(headings), known=(known,), datasets=(), skills=(), findings=()
        )
    )
    own = parts_of(headings)[0].model_copy(update={"outline": outlines.parts[0].lines})
    steps = designer.write_steps(
        WriteStepsInput(objective=wish, part=own, all_parts=(own,), known=(), datasets=(), skills=(), findings=())
    ).steps
    sources = [s.inputs[0].source for s in steps]
    assert sources == ["given", *(f"step:1.{n}/result" for n in range(1, 11))]


def test_a_step_of_a_laboratory_part_is_laboratory_work() -> None:
    line = OutlineLine(id="1.1", title="Cells were obtained from a bank.", outputs=("result",))
    own = ProtocolPart(id="1", title="Cell culture and siRNA", purpose="p", outline=(line,))
    step = KnownStep(
        paper_id="P", part_id="1", step_id="1.1", action=line.title, details=line.title,
        parameters=(), software=(), quotes=(),
    )  # fmt: skip
    values = WriteStepsInput(
        objective=objective("siRNA in cells"), part=own, all_parts=(own,), known=(step,), datasets=(), skills=(),
        findings=(),
    )  # fmt: skip
    assert literature_step(line, values).kind == "wet"


def test_each_question_gets_its_nearest_part_before_any_gets_a_second() -> None:
    known = (*(part("P1", str(n), f"siRNA transfection {n}") for n in range(1, 8)), part("P2", "1", "western blot"))
    found = literature_headings(
        ["siRNA transfection of cells", "a western blot shows it"], known, similarity, first=1, taken=()
    )
    assert "Western blot" in {h.title for h in found}


def test_replicate_samples_are_no_external_validation(skills: tuple[SkillBrief, ...]) -> None:
    validation = next(s for s in skills if s.name == "signature-validation")
    assert not asked_for(validation, "in three biological replicates")
    assert asked_for(validation, "test whether it replicates in a second cohort")


def test_steps_from_papers_are_each_accepted_by_a_check_of_their_own() -> None:
    def known(action: str, **more: object) -> KnownStep:
        given = {"paper_id": "P", "part_id": "1", "step_id": "1.1", "action": action, "details": action}
        return KnownStep.model_validate({**given, "parameters": (), "software": (), "quotes": (), **more})

    steps = [
        known("Cells were spun down", parameters=({"name": "speed", "value": "300", "unit": "g"},)),
        known("Reads were aligned", software=("STAR",)),
        known("Groups were compared with a log-rank test"),
        known("Membranes were stained with an antibody"),
        known("The questionnaire was handed out"),
    ]
    said = [acceptance(OutlineLine(id="1.1", title=k.action), k, wet=True) for k in steps]
    assert len(set(said)) == len(said)
    assert "speed 300 g" in said[0]
    assert "STAR ended without error" in said[1]
    assert "p-value" in said[2]
    assert "controls" in said[3]
    assert "The questionnaire was handed out" in said[4]
