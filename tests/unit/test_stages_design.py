"""An author's drafts: what is made of plans and steps that fit the schema and nothing else."""

from __future__ import annotations

from dataclasses import replace

import model_answers as answers
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import ProtocolPlan, ProtocolStepDraft, StepsDraft
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.facts import Audit, Fact, Proposal
from bioresearcher.schemas.paper import Evidence, Paper
from bioresearcher.schemas.paper_report import (
    PaperReport,
    PartReferability,
    ReferabilityAnalysis,
    ReportPart,
    ReportStep,
)
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, Rehearsal
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets, Question, Questions
from bioresearcher.skills import load_skills
from bioresearcher.stages import design
from bioresearcher.stages.design_context import DesignContext, assemble_again, assemble_protocol
from bioresearcher.stages.draft_cleanup import (
    MAX_PARTS,
    MAX_STEPS,
    Known,
    StepReferences,
    match_steps,
    tidy_plan,
    tidy_step,
    unbound,
)
from bioresearcher.stages.material import material

SKILLS = load_skills(Resources())
OBJECTIVE = Objective(
    id="o",
    text="Which genes differ between the groups?",
    requirements=(Requirement(id="R1", text="differential expression with false discovery rate"),),
)
DE = "differential-expression"
KNOWN = Known(
    facts=("F1",),
    papers=("P1", "P2"),
    report_parts={("P1", "1"), ("P1", "2"), ("P2", "1")},
    sources={"P1/1.1"},
    datasets=("GSE1",),
)


def data() -> Dataset:
    group = Column(name="status", dtype="text", role="group", levels=("a", "b"), case="b", control="a")
    sheet = DataFile(
        name="samples", kind="samples", path="s.tsv", columns=(group,), sample_column="id", bytes=1, sha256="0" * 64
    )
    matrix = DataFile(
        name="expression", kind="expression", path="e/m.tsv", feature_column="gene", bytes=1, sha256="0" * 64
    )
    return Dataset(id="GSE1", title="t", source="own", root="/d", files=(matrix, sheet), n_samples=40, n_features=9)


def evidence(text: str) -> Evidence:
    return Evidence(document="P1", section="Methods", start=0, end=len(text), text=text)


def bench() -> DesignContext:
    step = ReportStep(id="1.1", action="Test each gene", supported=True, evidence=(evidence("Test each gene."),))
    report = PaperReport(
        paper_id="P1",
        title="A paper",
        parts=(ReportPart(id="1", title="Tests", steps=(step,)),),
        quotes=1,
        quotes_located=1,
        origin="model",
    )
    return DesignContext(OBJECTIVE, {"P1": report}, {}, (data(),), SKILLS)


def part(name: str, *needs: str, title: str = "", lines=("a line",), **more):
    rows = [{"id": f"x{n}", "title": f"{title or name} {t}"} for n, t in enumerate(lines)]
    given = {"id": name, "title": title or f"Part {name}", "purpose": "p", "reason": "r", "depends_on": needs}
    return {**given, "lines": rows, **more}


def plan(*parts, **page) -> ProtocolPlan:
    empty = dict.fromkeys(("decisions", "facts", "not_done", "answer_rule", "definitions", "papers"), ())
    return ProtocolPlan.model_validate({"title": "t", "summary": "s", **empty, "parts": parts, **page})


def tidied(draft: ProtocolPlan, known: Known = KNOWN):
    return tidy_plan(draft, known, SKILLS)


def test_parts_are_numbered_by_us_and_stand_after_what_they_need() -> None:
    draft = plan(part("validate", "fit", title="Validation"), part("../../x", title="Quality"), part("fit", "../../x"))
    found, told = tidied(draft)
    assert [(p.id, p.title, p.depends_on, [line.id for line in p.lines]) for p in found.parts] == [
        ("1", "Quality", (), ["1.1"]),
        ("2", "Part fit", ("1",), ["2.1"]),
        ("3", "Validation", ("2",), ["3.1"]),
    ]
    assert told == ()


def test_cycles_are_cut_and_references_that_do_not_exist_dropped() -> None:
    refs = [
        {"paper_id": "p1", "part_id": "Part 1"},
        {"paper_id": "P9", "part_id": "1"},
        {"paper_id": "P2", "part_id": "7"},
    ]
    found, _ = tidied(plan(part("a", "b", learns_from=refs * 3), part("b", "a", "b", "nope"), part("a")))
    assert [(p.id, p.title, p.depends_on) for p in found.parts] == [
        ("1", "Part b", ()),
        ("2", "Part a", ("1",)),
        ("3", "Part a", ()),
    ]
    assert [(r.paper_id, r.part_id) for r in found.parts[1].learns_from] == [("P1", "1")]


def test_facts_and_papers_that_are_not_there_are_cut_and_told() -> None:
    page = {
        "facts": [{"fact": f, "consequence": "c"} for f in ("f1", "F9", "F1")],
        "papers": [{"paper_id": p, "use": "u"} for p in ("P1", "P7")],
        "decisions": [{"question": "q", "choice": "c", "why": "w", "cites": ["F1", "P1/1.1", "F8", "P3/2.2"]}],
        "definitions": [{"name": " ", "text": "t"}, {"name": "n", "text": "t"}],
        "answer_rule": ["", "rule"],
    }
    found, told = tidied(plan(part("1"), **page))
    assert [f.fact for f in found.facts] == ["F1"]
    assert [p.paper_id for p in found.papers] == ["P1"]
    assert found.decisions[0].cites == ("F1", "P1/1.1")
    assert ([d.name for d in found.definitions], found.answer_rule) == (["n"], ("rule",))
    assert told == ("the plan names F8, P3/2.2, F9, P7, not there: left out",)


def test_too_many_parts_and_lines_are_cut_and_told() -> None:
    found, told = tidied(plan(*(part(str(n), lines=["x"] * (MAX_STEPS + 5)) for n in range(300))))
    assert (len(found.parts), {len(p.lines) for p in found.parts}) == (MAX_PARTS, {MAX_STEPS})
    assert told == ("288 of 300 parts left out", f"{5 * MAX_PARTS} lines beyond {MAX_STEPS} in a part left out")


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_any_plan_becomes_one_that_can_be_built_on(seed: int) -> None:
    draft = answers.answer_of(ProtocolPlan, seed)
    found, _ = tidied(draft)
    assert len(found.parts) <= MAX_PARTS
    assert [p.id for p in found.parts] == [str(n) for n in range(1, len(found.parts) + 1)]
    assert all(p.title.strip() for p in found.parts)
    assert all(int(d) < int(p.id) for p in found.parts for d in p.depends_on)
    assert all((r.paper_id, r.part_id) in KNOWN.report_parts for p in found.parts for r in p.learns_from)
    assert {f.fact for f in found.facts} <= {*KNOWN.facts}
    assert {p.paper_id for p in found.papers} <= {*KNOWN.papers}
    for one in found.parts:
        assert len(one.lines) <= MAX_STEPS
        assert [line.id for line in one.lines] == [f"{one.id}.{n}" for n in range(1, len(one.lines) + 1)]
        for line in one.lines:
            assert line.title.strip()
            assert {*line.datasets} <= {"GSE1"}
            assert line.skill is None or line.outputs == tuple(o.name for o in SKILLS[line.skill].contract.outputs)
    assert tidied(found)[0] == found


def test_a_plan_is_checked_for_what_it_leaves_out() -> None:
    grave = Fact(id="F1", kind="filled values", dataset="GSE1", statement="s", weight=3, shown_by="f")
    material = replace(bench(), audit=Audit(facts=(grave, grave.model_copy(update={"id": "F2", "weight": 2}))))
    found = {f.gate: f.message for f in design.check_plan(tidied(plan(part("1"), part("2", lines=())))[0], material)}
    assert set(found) == {"G-OUT-01", "G-PLAN-01", "G-PLAN-03", "G-PLAN-04"}
    assert found["G-PLAN-01"].endswith("F1")
    page = {"facts": [{"fact": "F1", "consequence": "c"}], "answer_rule": ["r"], "papers": [{"paper_id": "P1"}]}
    whole = tidied(plan(part("1"), **page))[0]
    assert design.check_plan(whole, material) == ()
    assert next(f.gate for f in design.check_plan(plan(), material)) == "G-HEAD-01"


def outlined() -> tuple[ProtocolPart, ...]:
    lines = [
        {"id": "1.1", "title": "Filter", "datasets": ["GSE1"], "skill": "expression-filtering", "outputs": ["matrix"]},
        {"id": "1.2", "title": "Compare", "datasets": ["GSE1"], "skill": "differential-expression"},
        {"id": "1.3", "title": "Write down what was found", "outputs": ["summary"]},
    ]  # fmt: skip
    later = [{"id": "2.1", "title": "Later", "outputs": ["late"]}]
    return tuple(
        ProtocolPart.model_validate({"id": n, "title": f"Part {n}", "purpose": "p", "outline": rows})
        for n, rows in (("1", lines), ("2", later))
    )


def ground() -> StepReferences:
    return StepReferences(OBJECTIVE, outlined(), (data(),), SKILLS)


def step(name: str, **more) -> ProtocolStepDraft:
    given = {"id": name, "title": "t", "action": "Do it.", "rationale": "", "acceptance": "", "kind": "dry", **more}
    return ProtocolStepDraft.model_validate(given)


def test_steps_are_matched_to_lines_by_id_and_in_order_only_where_that_leaves_no_doubt() -> None:
    lines = outlined()[0].outline
    drafts = [step("x"), step("step 1.1", title="first"), step("1.3", action=" "), step("y")]
    found = match_steps(lines, drafts)
    assert {i: s.id for i, s in found.items()} == {"1.1": "step 1.1", "1.2": "x", "1.3": "y"}
    assert {i: s.id for i, s in match_steps(lines, drafts[:3]).items()} == {"1.1": "step 1.1"}


def test_sources_must_exist_and_stand_earlier() -> None:
    sources = [
        ("a", "given"), ("b", "dataset:gse1/expression"), ("c", "dataset:GSE1/m.tsv"), ("d", "dataset:GSE9/expression"),
        ("e", "step:1.1/matrix"), ("f", "step:1.1/nothing"), ("g", "step:2.1/late"), ("h", "step:1.2/table"),
        ("i", "../../etc/passwd"), ("a", "dataset:GSE1/samples"),
    ]  # fmt: skip
    draft = step(
        "9", skill=DE, inputs=[{"name": n, "source": s} for n, s in sources], requirements=["R1", "R7"], datasets=["x"]
    )
    found = tidy_step(draft, outlined()[0].outline[1], ground())
    assert [(i.name, i.source) for i in found.inputs] == [
        ("a", "given"),
        ("b", "dataset:GSE1/expression"),
        ("c", "dataset:GSE1/expression"),
        ("e", "step:1.1/matrix"),
    ]
    assert (found.id, found.datasets, found.requirements) == ("1.2", ("GSE1",), ("R1",))
    assert [o.name for o in found.outputs] == ["table", "figure", "findings"]


def test_what_the_outline_promised_is_among_the_outputs() -> None:
    draft = step("1.3", outputs=[{"name": "My notes!", "kind": "text"}])
    found = tidy_step(draft, outlined()[0].outline[2], ground())
    assert [(o.name, o.kind) for o in found.outputs] == [("My_notes", "text"), ("summary", "table")]


BOUND = {
    "inputs": [{"name": "matrix", "source": "step:1.1/matrix"}, {"name": "samples", "source": "dataset:GSE1/samples"}],
    "parameters": [
        {"name": n, "value": v}
        for n, v in (
            ("group_column", "status"), ("case", "b"), ("control", "a"), ("dataset_label", "GSE1"), ("fdr", "0.05"),
            ("min_difference", "0"), ("label_genes", "10"),
        )
    ],
}  # fmt: skip


def bound(**change: str) -> ProtocolStepDraft:
    parameters = [{**p, "value": change.get(p["name"], p["value"])} for p in BOUND["parameters"]]
    draft = step("1.2", skill=DE, inputs=BOUND["inputs"], parameters=[p for p in parameters if p["value"] != "-"])
    return tidy_step(draft, outlined()[0].outline[1], ground())


def test_a_vetted_analysis_must_be_bound_in_full() -> None:
    assert unbound(bound(), ground()) == ""
    assert "group_column" in unbound(bound(group_column="no such column"), ground())
    assert "fdr" in unbound(bound(fdr="five percent"), ground())
    assert "fdr" in unbound(bound(fdr="-"), ground())
    assert "case" in unbound(bound(case="c"), ground())
    no_source = tidy_step(step("1.2", skill=DE, parameters=BOUND["parameters"]), outlined()[0].outline[1], ground())
    assert "input matrix" in unbound(no_source, ground())
    swapped = [{"name": "matrix", "source": "dataset:GSE1/expression"}, BOUND["inputs"][1]]
    wrong = tidy_step(
        step("1.2", skill=DE, inputs=swapped, parameters=BOUND["parameters"]), outlined()[0].outline[1], ground()
    )
    assert "cannot be dataset:GSE1/expression" in unbound(wrong, ground())


def survival(source: str, made_by: str | None = None, **parameters: str) -> str:
    """What a Cox model of a score from a source lacks, after a step 1.1 that a skill, or none, carries out."""
    lines = (
        OutlineLine(id="1.1", title="a", datasets=("GSE1",), skill=made_by, outputs=("scores", "own")),
        OutlineLine(id="1.2", title="b", datasets=("GSE1",), skill="cox-regression"),
    )
    part = outlined()[0].model_copy(update={"outline": lines})
    known = replace(ground(), parts=(part,))
    given = {"time_column": "status", "event_column": "status", "dataset_label": "GSE1", "adjust_for_group": "true"}
    given |= {"maximum_missing": "0.3", "events_per_variable": "10", "alpha": "0.05", **parameters}
    draft = step(
        "1.2",
        skill="cox-regression",
        inputs=[{"name": "scores", "source": source}, {"name": "samples", "source": "dataset:GSE1/samples"}],
        parameters=[{"name": n, "value": v} for n, v in given.items()],
    )
    return unbound(tidy_step(draft, lines[1], known), known)


def test_a_skill_takes_the_table_of_a_step_of_own_code_or_a_column_of_the_sheet() -> None:
    assert survival("step:1.1/own", score_column="index") == ""
    assert survival("step:1.1/scores", "signature-scoring") == ""
    assert survival("dataset:GSE1/samples", score_column="status") == ""
    assert "score_column of cox-regression must name a column" in survival("dataset:GSE1/samples")
    assert "cannot be step:1.1/own" in survival("step:1.1/own", "expression-filtering")
    assert "cannot be dataset:GSE1/expression" in survival("dataset:GSE1/expression", score_column="status")


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_any_steps_become_steps_of_the_outline(seed: int) -> None:
    drafts = answers.answer_of(StepsDraft, seed).steps
    lines = outlined()[0].outline
    for line_id, draft in match_steps(lines, drafts).items():
        line = next(row for row in lines if row.id == line_id)
        found = tidy_step(draft, line, ground())
        assert found.id == line_id
        assert {*found.datasets} <= {"GSE1"}
        assert {*found.requirements} <= {"R1"}
        assert {*line.outputs} <= {o.name for o in found.outputs} or found.skill
        assert len({i.name for i in found.inputs}) == len(found.inputs)
        unbound(found, ground())


def test_a_step_keeps_its_own_word_on_its_skill() -> None:
    found = tidy_step(step("1.2"), outlined()[0].outline[1], ground())
    assert found.skill is None
    assert {o.name for o in found.outputs} >= {*outlined()[0].outline[1].outputs}


def test_steps_are_recorded_with_what_exists_and_claims_that_are_still_to_be_checked() -> None:
    citation = {"kind": "fact", "ref": " F1 ", "claim": "c"}
    draft = step(
        "1.1", datasets=["GSE1", "GSE9"], requirements=["R1", "R7"], skill="no-such-skill", citations=[citation] * 2
    )
    found = design.protocol_step(bench(), draft, "model")
    assert (found.datasets, found.requirements, found.skill, found.origin) == (("GSE1",), ("R1",), None, "model")
    assert [(c.ref, c.state) for c in found.citations] == [("F1", "not checked")]


def test_inputs_of_steps_that_could_not_be_written_are_left_out_and_said() -> None:
    steps = (step("1.1", outputs=[{"name": "table", "kind": "table"}]), step("1.3"))
    inputs = [{"name": "good", "source": "step:1.1/table"}, {"name": "bad", "source": "step:1.2/table"}]
    later = (step("2.1", inputs=[*inputs, {"name": "own", "source": "given"}]),)
    parts = [
        one.model_copy(update={"steps": tuple(design.protocol_step(bench(), s, "model") for s in drafts)})
        for one, drafts in zip(outlined(), (steps, later), strict=True)
    ]
    protocol = assemble_protocol(bench(), plan(part("1")), tuple(parts))
    assert [i.name for i in protocol.steps[-1].inputs] == ["good", "own"]
    said = "\n".join(protocol.limitations)
    assert "Inputs that no step makes, and that were left out: 2.1 (bad)." in said
    assert "Planned steps that could not be written: 1.2." in said
    again = assemble_again(bench(), protocol, protocol.parts, ("Something was told.",))
    assert again.limitations == (
        "Inputs that no step makes, and that were left out: 2.1 (bad).",
        "Something was told.",
        *(text for text in protocol.limitations if not text.startswith("Inputs that")),
    )


def test_what_happened_to_a_protocol_stays_when_its_parts_change() -> None:
    protocol = assemble_protocol(bench(), plan(part("1")), ())
    seen = Rehearsal(ok=True, shown="n: 6", sha256="0")
    protocol = protocol.model_copy(update={"rehearsal": seen, "revision": 2})
    again = assemble_again(bench(), protocol, protocol.parts)
    assert (again.rehearsal, again.revision) == (seen, 2)


def test_the_author_sees_the_questions_that_have_rows() -> None:
    asked = Question(id="A1", kind="difference", text="Do genes differ?", dataset="GSE1")
    lost = Question(id="A2", kind="difference", text="Does age?", dataset="GSE1", cannot="there is no age")
    rows = AnalysisSet(id="A1", question="A1", source="GSE1", population="GSE1-A1", contrast_column="arm", case="b")
    known = replace(bench(), questions=Questions(questions=(asked, lost)), sets=AnalysisSets(sets=(rows,)))
    (line,) = material(known)["questions"]
    assert line.startswith("A1: Do genes differ")
    assert "population `GSE1-A1`" in line


def test_papers_that_the_author_forgot_are_named_as_not_used() -> None:
    protocol = assemble_protocol(bench(), plan(part("1")), ())
    assert [(p.paper_id, p.use, p.reason) for p in protocol.papers] == [("P1", "", "not named by the author")]


def test_only_parts_worth_taking_up_are_known_with_their_steps() -> None:
    (low,) = bench().known_papers()
    assert [(p.level, p.steps) for p in low.parts] == [("low", ())]
    judged = PartReferability(part_id="1", level="high", reason="r", reuse="u", change="c")
    analysis = ReferabilityAnalysis(paper_id="P1", parts=(judged,), origin="model")
    paper = Paper(id="P1", title="A paper", source="own", kind="record", status="retracted")
    (high,) = replace(bench(), analyses={"P1": analysis}, papers={"P1": paper}).known_papers()
    assert (high.read, high.warning) == ("title and abstract only", "retracted; it supports nothing")
    assert [(s.ref, s.quotes) for s in high.parts[0].steps] == [("P1/1.1", ("Test each gene.",))]


def test_notes_of_data_sets_are_limitations_once() -> None:
    proposal = Proposal(
        id="P1", dataset="GSE1", kind="leave out samples", what="Leave out 7.", reason="Other.", facts=()
    )
    original = data().model_copy(update={"notes": ("The unit of 'time' is not stated.", "Only of GSE1.")})
    prepared = original.model_copy(
        update={
            "id": "GSE1-prepared",
            "prepared_from": "GSE1",
            "proposals": ("P1",),
            "notes": ("Prepared from GSE1 by P1: Leave out 7. Other.", *original.notes, "5 cells are missing."),
        }
    )
    other = data().model_copy(update={"id": "GSE2", "notes": original.notes[:1]})
    material = replace(bench(), datasets=(prepared, original, other), audit=Audit(proposals=(proposal,)))
    said = assemble_protocol(material, plan(part("1")), ()).limitations
    assert [t for t in said if ": " in t and not t.startswith(("Requirement", "Parts"))] == [
        "GSE1-prepared: 5 cells are missing.",
        "GSE1, GSE2: The unit of 'time' is not stated.",
        "GSE1: Only of GSE1.",
    ]
    alone = assemble_protocol(replace(material, datasets=(prepared,)), plan(part("1")), ()).limitations
    assert "GSE1-prepared: Only of GSE1." in alone
