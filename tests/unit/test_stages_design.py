"""A model's design: what is made of drafts that fit the schema and nothing else."""

from __future__ import annotations

from pathlib import Path

import model_answers as answers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages_support import caller, notes, similar

from bioresearcher.events import Event
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import HeadingsDraft, OutlinesDraft, ProtocolStepDraft, StepsDraft
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.paper_report import PaperReport, ReportPart, ReportStep
from bioresearcher.schemas.protocol import ProtocolPart, ReportPartRef
from bioresearcher.skills import load_skills
from bioresearcher.stages import design
from bioresearcher.stages.design_context import DesignContext, assemble_protocol
from bioresearcher.stages.draft_cleanup import (
    MAX_PARTS,
    MAX_STEPS,
    StepReferences,
    match_steps,
    tidy_headings,
    tidy_outlines,
    tidy_step,
    unbound,
)

SKILLS = load_skills(Resources())
OBJECTIVE = Objective(
    id="o",
    text="Which genes differ between the groups?",
    requirements=(Requirement(id="R1", text="differential expression with false discovery rate"),),
)
KNOWN = {("P1", "1"), ("P1", "2"), ("P2", "1")}


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


def heading(name: str, *needs: str, title: str = "", **more):
    return {"id": name, "title": title or f"Part {name}", "purpose": "p", "reason": "r", "depends_on": needs, **more}


def headings(*parts) -> HeadingsDraft:
    return HeadingsDraft.model_validate({"title": "t", "summary": "s", "parts": parts})


def test_parts_are_numbered_by_us_and_stand_after_what_they_need() -> None:
    draft = headings(
        heading("validate", "fit", title="Validation"), heading("../../x", title="Quality"), heading("fit", "../../x")
    )
    found = tidy_headings(draft, KNOWN).parts
    assert [(p.id, p.title, p.depends_on) for p in found] == [
        ("1", "Quality", ()),
        ("2", "Part fit", ("1",)),
        ("3", "Validation", ("2",)),
    ]


def test_cycles_are_cut_and_references_that_do_not_exist_dropped() -> None:
    refs = [
        {"paper_id": "p1", "part_id": "Part 1"},
        {"paper_id": "P9", "part_id": "1"},
        {"paper_id": "P2", "part_id": "7"},
    ]
    draft = headings(heading("a", "b", learns_from=refs * 3), heading("b", "a", "b", "nope"), heading("a"))
    found = tidy_headings(draft, KNOWN).parts
    assert [(p.id, p.title, p.depends_on) for p in found] == [
        ("1", "Part b", ()),
        ("2", "Part a", ("1",)),
        ("3", "Part a", ()),
    ]
    assert [(r.paper_id, r.part_id) for r in found[1].learns_from] == [("P1", "1")]


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_any_headings_become_parts_that_can_be_built_on(seed: int) -> None:
    draft = answers.answer_of(HeadingsDraft, seed)
    found = tidy_headings(draft, KNOWN)
    assert len(found.parts) <= MAX_PARTS
    assert [p.id for p in found.parts] == [str(n) for n in range(1, len(found.parts) + 1)]
    assert all(p.title.strip() for p in found.parts)
    assert all(int(d) < int(p.id) for p in found.parts for d in p.depends_on)
    assert all((r.paper_id, r.part_id) in KNOWN for p in found.parts for r in p.learns_from)
    assert tidy_headings(found, KNOWN) == found


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_any_outline_becomes_lines_of_parts_that_exist(seed: int) -> None:
    parts = [ProtocolPart(id=str(n), title=f"t{n}", purpose="p") for n in (1, 2, 3)]
    found = tidy_outlines(answers.answer_of(OutlinesDraft, seed), parts, ["GSE1"], SKILLS)
    assert found.keys() <= {"1", "2", "3"}
    for part_id, lines in found.items():
        assert 1 <= len(lines) <= MAX_STEPS
        assert [line.id for line in lines] == [f"{part_id}.{n}" for n in range(1, len(lines) + 1)]
        for line in lines:
            assert line.title.strip()
            assert {*line.datasets} <= {"GSE1"}
            assert line.skill is None or line.outputs == tuple(o.name for o in SKILLS[line.skill].contract.outputs)


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


def test_steps_are_matched_to_lines_by_id_then_in_order_and_surplus_ones_left_out() -> None:
    lines = outlined()[0].outline
    drafts = [
        step("x"),
        step("step 1.1", title="first"),
        step("1.1", title="again"),
        step("1.3", action=" "),
        step("y"),
    ]
    found = match_steps(lines, drafts)
    assert {i: s.id for i, s in found.items()} == {"1.1": "step 1.1", "1.2": "x", "1.3": "1.1"}


def test_sources_must_exist_and_stand_earlier() -> None:
    sources = [
        ("a", "given"), ("b", "dataset:gse1/expression"), ("c", "dataset:GSE1/m.tsv"), ("d", "dataset:GSE9/expression"),
        ("e", "step:1.1/matrix"), ("f", "step:1.1/nothing"), ("g", "step:2.1/late"), ("h", "step:1.2/table"),
        ("i", "../../etc/passwd"), ("a", "dataset:GSE1/samples"),
    ]  # fmt: skip
    draft = step("9", inputs=[{"name": n, "source": s} for n, s in sources], requirements=["R1", "R7"], datasets=["x"])
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
    draft = step("1.2", inputs=BOUND["inputs"], parameters=[p for p in parameters if p["value"] != "-"])
    return tidy_step(draft, outlined()[0].outline[1], ground())


def test_a_vetted_analysis_must_be_bound_in_full() -> None:
    assert unbound(bound(), ground()) == ""
    assert "group_column" in unbound(bound(group_column="no such column"), ground())
    assert "fdr" in unbound(bound(fdr="five percent"), ground())
    assert "fdr" in unbound(bound(fdr="-"), ground())
    assert "case" in unbound(bound(case="c"), ground())
    no_source = tidy_step(step("1.2", parameters=BOUND["parameters"]), outlined()[0].outline[1], ground())
    assert "input matrix" in unbound(no_source, ground())
    swapped = [{"name": "matrix", "source": "dataset:GSE1/expression"}, BOUND["inputs"][1]]
    wrong = tidy_step(step("1.2", inputs=swapped, parameters=BOUND["parameters"]), outlined()[0].outline[1], ground())
    assert "cannot be dataset:GSE1/expression" in unbound(wrong, ground())


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


async def test_headings_without_a_part_are_answered_by_rule_and_that_is_said(tmp_path: Path) -> None:
    events: list[Event] = []
    door = caller(tmp_path, [headings(heading("1", title=" ", purpose=" "))], events)
    found = await design.design_headings(door, bench(), ())
    assert [p.title for p in found.parts][:1] == ["Data quality and cohorts"]
    assert "answered by rule, as the model's answer could not be used: it has no part with a title" in notes(events)


async def test_too_many_parts_are_cut_and_that_is_said(tmp_path: Path) -> None:
    events: list[Event] = []
    door = caller(tmp_path, [headings(*(heading(str(n)) for n in range(300)))], events)
    found = await design.design_headings(door, bench(), ())
    assert len(found.parts) == MAX_PARTS
    assert "288 of 300 parts left out" in notes(events)


async def test_a_part_without_lines_gets_the_rules_lines(tmp_path: Path) -> None:
    events: list[Event] = []
    parts = tuple(
        ProtocolPart.model_validate({"id": n, "title": t, "purpose": "p"})
        for n, t in (("1", "Data quality and cohorts"), ("2", "Something of the model's"))
    )
    draft = {
        "parts": [{"part_id": "part 2", "lines": [{"id": "zz", "title": "A line"}]}, {"part_id": "7", "lines": []}]
    }
    found = await design.design_outlines(
        caller(tmp_path, [OutlinesDraft.model_validate(draft)], events), bench(), parts, ()
    )
    assert [p.part_id for p in found.parts] == ["1", "2"]
    assert found.parts[0].lines[0].skill == "table-quality-control"
    assert [line.id for line in found.parts[1].lines] == ["2.1"]
    assert "completed by rule: it has no step for part 1" in notes(events)
    assert design.check_outlines(parts, found) == ()


async def test_lines_left_out_and_analyses_not_bound_are_written_by_rule(tmp_path: Path) -> None:
    events: list[Event] = []
    parts = outlined()
    good = step("1.2", title="mine", **BOUND, learnt_from=[{"paper_id": "P1", "part_id": "1", "step_id": "1.1"}] * 2)
    reply = StepsDraft(steps=(good, step("1.3", title="also mine")))
    part = parts[0].model_copy(update={"learns_from": (ReportPartRef(paper_id="P1", part_id="1"),)})
    found = await design.write_steps(caller(tmp_path, [reply], events), bench(), part, parts, (), similar)
    assert [(s.id, s.origin, s.skill) for s in found] == [
        ("1.1", "offline", "expression-filtering"),
        ("1.2", "model", "differential-expression"),
        ("1.3", "model", None),
    ]
    assert len(found[1].links) == 1
    assert "completed by rule: 1.1: it was not written" in notes(events)
    whole = part.model_copy(update={"steps": found})
    protocol = assemble_protocol(bench(), "t", "s", (whole, parts[1]), passed=True)
    assert protocol.origin == "mixed"
    said = "\n".join(protocol.limitations)
    assert "Steps written by rule, because the model's could not be used: 1.1." in said
    assert "Planned steps that could not be written: 2.1." in said
    assert "Parts without any step: 2." in said


async def test_inputs_of_steps_that_could_not_be_written_are_left_out_and_said(tmp_path: Path) -> None:
    steps = (step("1.1", outputs=[{"name": "table", "kind": "table"}]), step("1.3"))
    inputs = [{"name": "good", "source": "step:1.1/table"}, {"name": "bad", "source": "step:1.2/table"}]
    later = (step("2.1", inputs=[*inputs, {"name": "own", "source": "given"}]),)
    parts = [
        part.model_copy(update={"steps": tuple(design.link_step(bench(), s, "model", similar) for s in drafts)})
        for part, drafts in zip(outlined(), (steps, later), strict=True)
    ]
    protocol = assemble_protocol(bench(), "t", "s", tuple(parts), passed=True)
    assert [i.name for i in protocol.steps[-1].inputs] == ["good", "own"]
    assert "Inputs that no step makes, and that were left out: 2.1 (bad)." in protocol.limitations


async def test_without_rules_a_step_that_is_not_bound_goes_without_its_analysis(tmp_path: Path) -> None:
    door = caller(tmp_path, [StepsDraft(steps=(step("1.1"), step("1.2")))], [], rules=False)
    found = await design.write_steps(door, bench(), outlined()[0], outlined(), (), similar)
    assert [(s.id, s.skill) for s in found] == [("1.1", None), ("1.2", None)]


async def test_report_steps_that_were_not_shown_are_no_source(tmp_path: Path) -> None:
    refs = [{"paper_id": "P1", "part_id": "1", "step_id": "9.9"}, {"paper_id": "P7", "part_id": "1", "step_id": "1.1"}]
    door = caller(tmp_path, [StepsDraft(steps=(step("1.3", learnt_from=refs),))], [], rules=False)
    (found,) = await design.write_steps(door, bench(), outlined()[0], outlined(), (), similar)
    assert found.links == ()


@pytest.mark.parametrize("rules", [True, False])
async def test_a_design_without_any_step_is_made_anew_by_rule(tmp_path: Path, rules: bool) -> None:
    events: list[Event] = []
    door = caller(tmp_path, [], events, rules=rules)
    _, parts = await design.design_by_rule(door, bench(), similar)
    assert bool(parts) is rules
    assert all(s.origin == "offline" for p in parts for s in p.steps)
    assert all(p.steps for p in parts)
    assert ("designed anew by rule" in notes(events)) is rules
