"""The offline designer: its comparison, its parts and steps, its first page, and what it takes over from papers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bioresearcher.errors import DefectError
from bioresearcher.examples import load_example
from bioresearcher.llm.backend import Request, request_key
from bioresearcher.offline.backend import WITHOUT_RULE, offline_backend
from bioresearcher.offline.comment import as_draft
from bioresearcher.offline.design import SENSITIVITY, OfflineDesigner
from bioresearcher.offline.paper_steps import acceptance, literature_headings, literature_step, open_questions
from bioresearcher.offline.skill_binding import Binding, Use, extract_tasks
from bioresearcher.offline.skill_uses import asked_for, choose_uses, unserved_skills
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import (
    KnownPaper,
    KnownPart,
    KnownStep,
    PlanProtocolInput,
    ProtocolPlan,
    ProtocolStepDraft,
    SkillBrief,
    WriteStepsInput,
)
from bioresearcher.schemas.ask_program import ExtractTasksInput, TasksDraft
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.facts import Fact, Proposal
from bioresearcher.schemas.protocol import Citation, OutlineLine, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets.load import load_datasets
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


@pytest.mark.parametrize(
    ("levels", "codes", "printed"),
    [
        (("A", "a"), (("A", "major"), ("a", "minor")), {"group_column": "allele", "case": "a", "control": "A"}),
        (("A", "a", "aa"), (("A", "major"), ("a", "minor"), ("aa", "minor")), {"group_column": "not stated"}),
    ],
    ids=["a cell a level", "two cells a level"],
)
def test_levels_stand_for_the_cells_of_data_as_given(
    levels: tuple[str, ...],
    codes: tuple[tuple[str, str], ...],
    printed: dict[str, str],
    skills: tuple[SkillBrief, ...],
) -> None:
    """A level that codes name is found in no cell; one of two spellings would count half of its samples."""
    coded = group("allele", *levels).model_copy(update={"codes": codes, "case": "minor", "control": "major"})
    data = dataset(coded)
    table = next(s for s in skills if s.name == "cohort-table")
    found = Binding(objective("Which genes differ by allele?"), (data,)).parameters(Use(table, data)) or ()
    assert {p.name: p.value for p in found if p.name in printed} == printed


@pytest.fixture(scope="module")
def skills() -> tuple[SkillBrief, ...]:
    found = load_skills(Resources()).values()
    return tuple(SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in found)


T411 = group("t(4;11)", "False", "True", case="True", control="False")
MOLECULAR = group("mol.biol", "ALL1/AF4", "BCR/ABL", "E2A/PBX1", "NEG")


def compared(wish: str, *columns: Column) -> tuple[str, str, str] | None:
    """Column, case and control of the comparison that is bound to an objective."""
    binding = Binding(objective(wish), (dataset(*columns),))
    assert binding.discovery is not None
    found = [q.contrast for q in binding.discovery.questions if q.contrast and not q.cannot]
    return (found[0].column, found[0].case or "", found[0].control or "") if found else None


def test_the_groups_the_objective_names_are_compared_and_not_the_first_column() -> None:
    assert compared("Which genes differ between BCR/ABL versus NEG in acute leukaemia?", T411, MOLECULAR) == (
        "mol.biol",
        "BCR/ABL",
        "NEG",
    )


def test_levels_are_named_in_the_order_of_the_objective() -> None:
    assert compared("Which genes differ between ALL and AML?", group("type", "AML", "ALL")) == ("type", "ALL", "AML")


def test_an_everyday_word_is_no_level_in_capitals() -> None:
    assert compared("Differences of genes between all patients", group("type", "ALL", "AML", "CLL")) is None


def test_a_stated_contrast_holds_when_the_objective_names_its_levels_the_other_way_round() -> None:
    tissue = group("tissue", "normal", "tumour", case="tumour", control="normal")
    assert compared("Differences between normal and tumour tissue", tissue) == ("tissue", "tumour", "normal")


def test_a_comparison_nobody_named_is_not_made(skills: tuple[SkillBrief, ...]) -> None:
    data = (dataset(T411, MOLECULAR),)
    assert compared("Genes that differ in leukaemia", T411, MOLECULAR) is None
    uses = choose_uses(objective("Which genes differ in leukaemia?"), data, skills)
    assert "differential-expression" not in {u.skill.name for u in uses}
    assert compared("Genes that differ by t(4;11)", T411, MOLECULAR) == ("t(4;11)", "True", "False")


def test_the_first_two_of_several_levels_are_never_compared(skills: tuple[SkillBrief, ...]) -> None:
    data = (dataset(MOLECULAR),)
    assert compared("Genes that differ in leukaemia", MOLECULAR) is None
    lacking = {s.name: why for s, why in unserved_skills(objective("Which genes differ?"), data, skills)}
    assert "no groups are named" in lacking["differential-expression"]


def test_the_only_column_of_two_groups_is_compared_and_said_so() -> None:
    data = dataset(group("type", "ALL", "AML"))
    binding = Binding(objective("Which genes differ?"), (data,))
    assert binding.discovery is not None
    assert any("names no groups" in said for said in binding.doubts(binding.discovery))


@pytest.mark.parametrize(
    ("text", "row_is", "chosen"),
    [
        ("Give the EC50 of each compound", "dose", True),
        ("Give the EC50 of each compound", "study", False),
        ("Describe the wells", "dose", False),
    ],
)
def test_a_dose_response_curve_is_fitted_to_wells_with_doses_where_it_is_asked_for(
    skills: tuple[SkillBrief, ...], text: str, row_is: str, chosen: bool
) -> None:
    wells = DataFile(name="w", kind="table", path="w.csv", rows=60, row_is=row_is, sha256="0" * 64, bytes=1)
    data = dataset().model_copy(update={"files": (wells,), "n_samples": 0})
    uses = choose_uses(objective(text), (data,), skills)
    assert ("dose-response" in {u.skill.name for u in uses}) == chosen


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


def planned(**values: Any) -> tuple[ProtocolPlan, dict[str, Any]]:
    """The plan by rule for the values, which are returned as the steps need them."""
    known = {"known": (), "datasets": (), "skills": (), **values}
    plan = OfflineDesigner(similarity).plan_protocol(PlanProtocolInput(**known))
    return plan, {k: v for k, v in known.items() if k != "fixed"}


def written(plan: ProtocolPlan, values: dict[str, Any]) -> tuple[ProtocolStepDraft, ...]:
    """All steps of a plan by rule."""
    lines = tuple(line.id for part in plan.parts for line in part.lines)
    return OfflineDesigner(similarity).write_steps(WriteStepsInput(**values, plan=plan, lines=lines)).steps


def test_what_is_asked_for_but_cannot_be_done_is_named_with_what_is_lacking(skills: tuple[SkillBrief, ...]) -> None:
    wish = objective("Predict metastasis with a penalised Cox model")
    found = {s.name: reason for s, reason in unserved_skills(wish, (dataset(matrix=False),), skills)}
    assert "has no matrix of measurements" in found["penalised-model"]
    plan, _ = planned(objective=wish, datasets=(dataset(matrix=False),), skills=skills)
    assert plan.summary.startswith("A plan for the objective, on D")
    (lacking,) = [n for n in plan.not_done if "penalised model" in n.what]
    assert "has no matrix of measurements" in lacking.why


def step(ref: str, action: str, *quotes: str, **more: Any) -> KnownStep:
    return KnownStep(ref=ref, action=action, quotes=quotes or (action,), **more)


def part(number: str, title: str, level: str = "medium", actions: tuple[str, ...] = (), paper: str = "P") -> KnownPart:
    return KnownPart.model_validate(
        {
            "part_id": number,
            "title": title,
            "purpose": f"{title} of cells",
            "level": level,
            "reuse": "1 step",
            "steps": [step(f"{paper}/{number}.{n}", a) for n, a in enumerate(actions or (f"{title} was done.",), 1)],
        }
    )


def paper(paper_id: str, *parts: KnownPart, **more: Any) -> KnownPaper:
    return KnownPaper(paper_id=paper_id, title=f"Title of {paper_id}", read="full text", parts=parts, **more)


def test_without_data_the_parts_nearest_to_the_objective_are_taken_in_their_papers_order() -> None:
    known = (
        paper("P1", part("1", "Interviews")),
        paper("P2", part("10", "western blot"), part("2", "siRNA transfection.")),
        paper("P3", part("1", "siRNA transfection", level="low")),
    )
    found = literature_headings(["siRNA transfection and western blot"], known, similarity, first=1, taken=())
    assert [(h.id, h.title) for h in found] == [("1", "SiRNA transfection"), ("2", "Western blot")]
    assert "Title of P2" in found[0].purpose


def test_titles_of_parts_never_repeat() -> None:
    known = tuple(paper(p, part("1", "Cell culture"), part("2", "Cell culture")) for p in ("P1", "P2"))
    found = literature_headings(["cell culture"], known, similarity, first=3, taken=["CELL culture"])
    titles = [h.title.casefold() for h in found]
    assert len(titles) == len(set(titles)) == 4
    assert "cell culture" not in titles
    assert [h.id for h in found] == ["3", "4", "5", "6"]


def test_papers_that_are_not_about_the_objective_give_no_part_and_are_named(skills: tuple[SkillBrief, ...]) -> None:
    known = (paper("P1", part("1", "Interviews", level="low")),)
    plan, _ = planned(objective=objective("Bile acids in mouse liver"), known=known, skills=skills)
    assert plan.parts == ()
    (use,) = plan.papers
    assert (use.paper_id, use.use) == ("P1", "")
    assert use.reason.startswith("Not used: ")


def test_laboratory_work_is_taken_from_papers_beside_the_analyses(skills: tuple[SkillBrief, ...]) -> None:
    differential = next(s for s in skills if s.name == "differential-expression")
    wish = objective("Which genes differ between ALL and AML?", "Western blot of the leading gene")
    assert open_questions(wish, [differential]) == ("Western blot of the leading gene",)
    assert open_questions(objective("Which genes differ between ALL and AML?"), [differential]) == ()


def test_a_step_from_a_paper_cites_the_step_it_repeats_and_follows_the_one_before() -> None:
    actions = tuple(f"Action {n} was done." for n in range(1, 12))
    plan, values = planned(
        objective=objective("Analysis of cells"),
        known=(paper("P1", part("1", "Analysis", actions=actions, paper="P1")),),
    )
    steps = written(plan, values)
    assert [s.inputs[0].source for s in steps] == ["given", *(f"step:1.{n}/result" for n in range(1, 11))]
    assert [[(c.kind, c.ref, c.claim) for c in s.citations] for s in steps] == [
        [("passage", f"P1/1.{n}", action)] for n, action in enumerate(actions, 1)
    ]
    assert [p.use for p in plan.papers] == ["The method of steps in: Analysis."]


def test_a_step_of_a_laboratory_part_is_laboratory_work() -> None:
    action = "Cells were obtained from a bank."
    line = OutlineLine(id="1.1", title=action, outputs=("result",))
    known = [step("P/1.1", action)]
    assert literature_step(line, None, known, part_title="Cell culture and siRNA").kind == "wet"


def test_each_question_gets_its_nearest_part_before_any_gets_a_second() -> None:
    known = (
        paper("P1", *(part(str(n), f"siRNA transfection {n}") for n in range(1, 8))),
        paper("P2", part("1", "western blot")),
    )
    found = literature_headings(
        ["siRNA transfection of cells", "a western blot shows it"], known, similarity, first=1, taken=()
    )
    assert "Western blot" in {h.title for h in found}


def test_replicate_samples_are_no_external_validation(skills: tuple[SkillBrief, ...]) -> None:
    validation = next(s for s in skills if s.name == "signature-validation")
    assert not asked_for(validation, "in three biological replicates")
    assert asked_for(validation, "test whether it replicates in a second cohort")


def test_steps_from_papers_are_each_accepted_by_a_check_of_their_own() -> None:
    steps = [
        step("P/1.1", "Cells were spun down", parameters=({"name": "speed", "value": "300", "unit": "g"},)),
        step("P/1.1", "Reads were aligned", software=("STAR",)),
        step("P/1.1", "Groups were compared with a log-rank test"),
        step("P/1.1", "Membranes were stained with an antibody"),
        step("P/1.1", "The questionnaire was handed out"),
    ]
    said = [acceptance(OutlineLine(id="1.1", title=k.action), k, wet=True) for k in steps]
    assert len(set(said)) == len(said)
    assert "speed 300 g" in said[0]
    assert "STAR ended without error" in said[1]
    assert "p-value" in said[2]
    assert "controls" in said[3]
    assert "The questionnaire was handed out" in said[4]


LEAVE = Proposal(
    id="P1",
    dataset="GSE1992",
    kind="leave out samples",
    what="Leave out 7 of 124 samples.",
    reason="They are of other kinds.",
    facts=("F1",),
    samples=("BC00064-RECUR",),
)
SERIES = Proposal(
    id="P2",
    dataset="GSE4335",
    kind="add column",
    what="Add the column series.",
    reason="Arrays of a series are alike.",
    facts=("F2",),
    samples=("svj1",),
    column="series",
    levels=("svj",),
)


def fact(number: int, kind: str, dataset_id: str, statement: str, weight: int, consequence: str = "") -> Fact:
    return Fact.model_validate(
        {
            "id": f"F{number}",
            "kind": kind,
            "dataset": dataset_id,
            "statement": statement,
            "weight": weight,
            "consequence": consequence,
            "shown_by": "t",
        }
    )


FACTS = (
    fact(1, "sample kinds", "GSE1992", "7 of 124 are metastases. All have events.", 3),
    fact(2, "batch", "GSE4335", "Names hold 8 series.", 2),
    fact(3, "follow-up", "GSE1992", "21 samples have no event.", 2, "Sites in the model."),
    fact(4, "text", "GSE1992", "A note.", 1),
)


def one_step(title: str, known: KnownStep) -> KnownPart:
    return KnownPart(part_id="1", title=title, level="high", steps=(known,))


PAPERS = (
    paper("cox", one_step("Model", step("cox/1.1", "Fit a model.", "A proportional hazards model was fitted."))),
    paper("close", one_step("Survival", step("close/1.1", "Relate a score to survival in a cohort.", "It was noted."))),
    paper("withdrawn", one_step("Cox", step("withdrawn/1.1", "Cox regression.")), warning="retracted in 2010"),
)


@pytest.fixture(scope="module")
def cohorts(skills: tuple[SkillBrief, ...]) -> dict[str, Any]:
    """The packaged example with prepared copies of both cohorts: one has fewer samples, one has a batch column."""
    example = load_example("breast-cancer")
    found, failures = load_datasets(example.data)
    assert not failures
    one, two, _ = found
    first = one.model_copy(
        update={"id": "GSE1992-prepared", "prepared_from": "GSE1992", "proposals": ("P1",), "n_samples": 117}
    )
    files = tuple(
        f.model_copy(update={"columns": (*f.columns, Column(name="series", dtype="text", role="batch"))})
        if f.kind == "samples"
        else f
        for f in two.files
    )
    second = two.model_copy(
        update={"id": "GSE4335-prepared", "prepared_from": "GSE4335", "proposals": ("P2",), "files": files}
    )
    return {
        "objective": example.objective,
        "datasets": (*found, first, second),
        "facts": FACTS,
        "proposals": (LEAVE, SERIES),
        "known": PAPERS,
        "skills": skills,
    }


@pytest.fixture(scope="module")
def example(cohorts: dict[str, Any]) -> tuple[ProtocolPlan, tuple[ProtocolStepDraft, ...]]:
    plan, values = planned(**cohorts)
    return plan, written(plan, values)


def test_prepared_copies_are_analysed_and_only_outcome_analyses_repeated_as_given(example: Any) -> None:
    plan, steps = example
    again = [p for p in plan.parts if p.title == SENSITIVITY]
    assert [(line.skill, line.datasets) for line in again[0].lines] == [
        ("signature-scoring", ("GSE1992",)),
        ("cox-regression", ("GSE1992",)),
        ("signature-validation", ("GSE1992", "GSE4335")),
    ]
    assert all("data as given" in line.title for line in again[0].lines)
    assert plan.parts[-1] == again[0]
    others = {d for p in plan.parts[:-1] for line in p.lines for d in line.datasets}
    assert others == {"GSE1992-prepared", "GSE4335-prepared"}
    by_id = {s.id: s for s in steps}
    assert by_id[again[0].lines[1].id].inputs[0].source == f"step:{again[0].lines[0].id}/scores"


def test_without_prepared_copies_nothing_is_repeated(cohorts: dict[str, Any]) -> None:
    given = tuple(d for d in cohorts["datasets"] if d.prepared_from is None)
    plan, _ = planned(**{**cohorts, "datasets": given, "facts": (), "proposals": ()})
    assert SENSITIVITY not in {p.title for p in plan.parts}
    assert not any("as given" in rule for rule in plan.answer_rule)


def test_models_of_a_cohort_with_batches_are_stratified_in_step_and_task(example: Any, cohorts: dict[str, Any]) -> None:
    plan, steps = example
    validation = next(s for s in steps if s.skill == "signature-validation")
    printed = {p.name: p.value for p in validation.parameters}
    assert (printed["strata_column"], printed["validation_strata_column"]) == ("none", "series")
    made = tuple(ProtocolStep(**{**dict(s), "citations": ()}, origin="offline") for s in steps)
    parts = tuple(
        ProtocolPart(
            id=p.id,
            title=p.title,
            purpose=p.purpose,
            outline=p.lines,
            steps=tuple(s for s in made if s.id.split(".")[0] == p.id),
        )
        for p in plan.parts
    )
    protocol = Protocol(id="p", title="t", objective_id="o", parts=parts, origin="offline")
    asked = ExtractTasksInput(protocol=protocol, datasets=cohorts["datasets"], skills=cohorts["skills"])
    tasks = extract_tasks(asked).tasks
    assert len(tasks) == len(steps)
    strata = [t.parameters["validation_strata_column"] for t in tasks if t.skill == "signature-validation"]
    assert strata == ["series", None]


def test_a_question_to_the_rules_is_the_same_wherever_its_data_lie() -> None:
    """A prepared copy lies in the run's folder, and a replay has another folder."""

    def key(root: str, title: str = "t") -> str:
        data = Dataset(id="d-prepared", title=title, source="own", root=root, files=(), prepared_from="d")
        protocol = Protocol(id="p", title="t", objective_id="o", parts=(), origin="offline")
        values = ExtractTasksInput(protocol=protocol, datasets=(data,), skills=())
        request = Request("programmer/extract_tasks", "d", "coder", values, (), TasksDraft)
        return request_key(offline_backend(similarity), request)

    assert key("/one/prepared/d") == key("/two/prepared/d")
    assert key("/one/prepared/d") != key("/one/prepared/d", "another")


def test_no_text_is_written_twice(example: Any) -> None:
    _, steps = example
    actions = [s.action for s in steps]
    assert len(set(actions)) == len(actions)
    first = {}
    for s in steps:
        if s.skill in first:
            assert s.action.startswith(f"Do what step {first[s.skill]} says, on ")
            assert len(s.action.split()) < 30
        first.setdefault(s.skill, s.id)


def test_passages_are_cited_for_the_method_they_name_and_never_for_likeness(example: Any) -> None:
    plan, steps = example
    cited = {(s.skill, c.ref) for s in steps for c in s.citations if c.kind == "passage"}
    assert cited == {("cox-regression", "cox/1.1")}
    uses = {u.paper_id: u for u in plan.papers}
    assert set(uses) == {"cox", "close", "withdrawn"}
    assert "Association with outcome" in uses["cox"].use
    assert uses["close"].use == ""
    assert "names the method" in uses["close"].reason
    assert "retracted in 2010" in uses["withdrawn"].reason


def test_steps_cite_the_facts_about_their_own_data(example: Any) -> None:
    _, steps = example
    known = {f.id: f for f in FACTS}
    for s in steps:
        for c in s.citations:
            if c.kind == "fact":
                assert c.claim in known[c.ref].statement
                assert any(d.startswith(known[c.ref].dataset) for d in s.datasets)
    cox = next(s for s in steps if s.skill == "cox-regression")
    assert {c.ref for c in cox.citations if c.kind == "fact"} == {"F1", "F3"}


def test_the_first_page_says_what_was_decided_what_shapes_it_and_what_no_rule_judges(example: Any) -> None:
    plan, _ = example
    choices = {d.question: d for d in plan.decisions}
    assert choices["Which samples of GSE1992 are analysed?"].cites == ("F1",)
    assert (
        "signature validation" in choices["How do the batches of GSE4335-prepared enter the outcome analyses?"].choice
    )
    shaped = {f.fact: f.consequence for f in plan.facts}
    assert set(shaped) == {"F1", "F2", "F3"}
    assert shaped["F3"] == "Left open. Sites in the model."
    undone = " ".join(n.what for n in plan.not_done)
    assert "Judging whether the preparation of the data fits the question" in undone
    assert "Acting on facts from which no rule knows what follows (F3)" in undone
    assert "series of GSE4335-prepared" in undone
    rules = " ".join(plan.answer_rule)
    assert "outcome in GSE1992-prepared at p < 0.05, and the same direction at p < 0.05 in GSE4335-prepared" in rules
    assert "does not replace it" in rules
    assert {d.name for d in plan.definitions} >= {"GSE1992-prepared", "GSE4335-prepared"}


def test_a_proposal_that_no_copy_carries_out_is_named(cohorts: dict[str, Any]) -> None:
    given = tuple(d for d in cohorts["datasets"] if d.prepared_from is None)
    plan, _ = planned(**{**cohorts, "datasets": given})
    assert not any("GSE1992 are analysed" in d.question for d in plan.decisions)
    assert {n.what for n in plan.not_done} >= {f"P1: {LEAVE.what}", f"P2: {SERIES.what}"}


def test_settled_headings_are_kept_and_get_their_lines(cohorts: dict[str, Any]) -> None:
    fixed = (
        ProtocolPart(id="1", title="Gene-signature scores", purpose="Scores."),
        ProtocolPart(
            id="2", title="Does the score say who relapses?", purpose="Kaplan-Meier curves and Cox regression."
        ),
    )
    plan, _ = planned(**cohorts, fixed=fixed)
    assert [(p.id, p.title) for p in plan.parts] == [(p.id, p.title) for p in fixed]
    assert "signature-scoring" in {line.skill for line in plan.parts[0].lines}
    assert all(line.id.startswith("1.") for line in plan.parts[0].lines)
    assert {"kaplan-meier", "cox-regression"} <= {line.skill for line in plan.parts[1].lines}
    assert all(line.id.startswith("2.") for line in plan.parts[1].lines)


def test_only_the_lines_asked_for_are_written(cohorts: dict[str, Any], example: Any) -> None:
    plan, steps = example
    wanted = (steps[3].id, steps[1].id)
    values = {k: v for k, v in cohorts.items() if k != "fixed"}
    made = OfflineDesigner(similarity).write_steps(WriteStepsInput(**values, plan=plan, lines=wanted)).steps
    assert made == (steps[3], steps[1])


def test_a_draft_keeps_what_was_not_cut() -> None:
    cited = (
        Citation(kind="fact", ref="F1", claim="7 samples", state="supported"),
        Citation(kind="passage", ref="P/1.1", claim="no", state="cut", reason="another method"),
    )
    made = ProtocolStep(id="1.1", title="t", action="Do it.", kind="dry", citations=cited, origin="offline")
    assert [c.ref for c in as_draft(made).citations] == ["F1"]


@pytest.mark.parametrize("prompt", sorted(WITHOUT_RULE))
async def test_a_judgement_that_no_rule_makes_is_an_error(prompt: str) -> None:
    request = Request(
        prompt=prompt, digest="", model_role="designer", values=objective("x"), messages=(), output=ProtocolPlan
    )
    with pytest.raises(DefectError, match="no rule makes"):
        await offline_backend(similarity).complete(request)
