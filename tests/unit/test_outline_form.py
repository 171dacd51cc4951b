"""Headings and outlines as text: they come back as they were, and what cannot be read is named by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import PlannedPart, ProtocolPlan
from bioresearcher.schemas.protocol import Decision, NotDone, OutlineLine, Relation, ReportPartRef
from bioresearcher.skills import load_skills
from bioresearcher.stages.forms import FormError, Mistake
from bioresearcher.stages.outline_form import (
    drop_items,
    headings_form,
    outlines_form,
    read_headings,
    read_outlines,
    with_parts,
)

SKILLS = load_skills(Resources())
TEXTS = st.text(max_size=150)
PRINTABLE = st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]) | st.just(" ")
TITLES = st.text(PRINTABLE, min_size=1, max_size=80).filter(lambda t: t.isprintable() and t.strip())


def plan(title: str, summary: str, parts: tuple[PlannedPart, ...]) -> ProtocolPlan:
    """A plan whose first page names nothing but what its parts hold."""
    rest = {"decisions": (), "facts": (), "not_done": (), "answer_rule": (), "definitions": (), "papers": ()}
    return ProtocolPlan(title=title, summary=summary, parts=parts, **rest)


@st.composite
def drafts(draw: st.DrawFn) -> ProtocolPlan:
    """Parts as a model may have written them, with lines, needs and reports."""
    parts = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        needs = draw(st.lists(st.integers(1, number - 1), unique=True, max_size=3)) if number > 1 else []
        lines = [
            OutlineLine(
                id=f"{number}.{n}",
                title=draw(TITLES),
                datasets=tuple(draw(st.lists(st.sampled_from(["GSE1", "GSE2"]), max_size=2))),
                skill=draw(st.none() | st.sampled_from(sorted(SKILLS))),
                outputs=tuple(draw(st.lists(st.sampled_from(["a", "b_2"]), max_size=2))),
            )
            for n in range(1, draw(st.integers(1, 3)) + 1)
        ]
        parts.append(
            PlannedPart(
                id=str(number),
                title=draw(TITLES),
                purpose=draw(TEXTS),
                reason=draw(TEXTS),
                depends_on=tuple(map(str, needs)),
                relations=tuple(Relation(part=str(n), kind="follows", reason=draw(TEXTS)) for n in needs),
                learns_from=(ReportPartRef(paper_id="PMID1", part_id="1"),),
                lines=tuple(lines),
            )
        )
    return plan(draw(TEXTS), draw(TEXTS), tuple(parts))


@given(drafts())
def test_what_was_not_edited_comes_back_as_the_same_object(draft: ProtocolPlan) -> None:
    assert read_headings(headings_form(draft), draft, 12) is draft
    assert read_outlines(outlines_form(draft), draft, ["GSE1", "GSE2"], SKILLS) is draft
    assert with_parts(draft, draft.parts) == draft


@given(drafts(), st.data())
def test_parts_that_are_dropped_are_gone_and_all_others_stay_in_order(draft: ProtocolPlan, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from([p.id for p in draft.parts])))
    if len(gone) == len(draft.parts):
        with pytest.raises(FormError, match="leave no part"):
            drop_items(draft, sorted(gone))
        return
    left = drop_items(draft, sorted(gone)).parts
    assert [p.title for p in left] == [p.title for p in draft.parts if p.id not in gone]
    assert [p.id for p in left] == [str(n) for n in range(1, len(left) + 1)]
    assert all(line.id.startswith(f"{p.id}.") for p in left for line in p.lines)
    titles = {p.id: n for n, p in enumerate(draft.parts)}
    kept = [titles[p.id] for p in draft.parts if p.id not in gone]
    for place, part in zip(kept, left, strict=True):
        before = draft.parts[place]
        meant = [kept[int(d) - 1] for d in part.depends_on]
        assert meant == [titles[d] for d in before.depends_on if d not in gone]
        assert {r.part for r in part.relations} == {*part.depends_on}
        assert part.learns_from == before.learns_from
    assert with_parts(plan("t", "s", left), left).parts == left


LINES = (
    "title: t", "summary: s", "parts:", "- id: 1", "- id: 2", "- id: new", "- id: x", "  title: A", "  purpose: p",
    "  depends_on: [1]", "  depends_on: [x, 9]", "  steps:", "  - id: 1.1", "  - id: 1.9", "    title: a",
    "    datasets: [GSE1]", "    datasets: GSE9", "    skill: magic", "    skill: cohort-table", "    outputs: [a b]",
    "    outputs: [a, c]", "    outputs: &a {x: [y]}", "# n", "", "  more", "nonsense",
)  # fmt: skip
DRAFT = plan(
    "t",
    "s",
    (
        PlannedPart(id="1", title="A", purpose="p", reason="", lines=(OutlineLine(id="1.1", title="a"),)),
        PlannedPart(
            id="2", title="B", purpose="q", reason="", depends_on=("1",), lines=(OutlineLine(id="2.1", title="b"),)
        ),
    ),
)


def mistakes_in(text: str) -> tuple[Mistake, ...]:
    found: list[Mistake] = []
    for read in (
        lambda: read_headings(text, DRAFT, 12),
        lambda: read_outlines(text, DRAFT, ["GSE1"], SKILLS),
    ):
        try:
            read()
        except FormError as error:
            found += error.mistakes
    return tuple(found)


@given(st.text(max_size=300) | st.lists(st.sampled_from(LINES), max_size=12).map("\n".join))
def test_any_text_is_an_outline_or_a_list_of_lines_that_are_wrong(text: str) -> None:
    for mistake in mistakes_in(text):
        assert 0 <= mistake.line <= len(text.split("\n"))
        assert len(str(mistake).splitlines()) == 1


def test_parts_are_added_moved_and_linked() -> None:
    new = "- id: x\n  title: New one\n  purpose: why\n  depends_on: [1]\n\n- id: '2'"
    text = headings_form(DRAFT).replace("- id: '2'", new).replace("depends_on: ['1']", "depends_on: [x]")
    found = read_headings(text, DRAFT, 12)
    assert [(p.id, p.title, p.depends_on) for p in found.parts] == [
        ("1", "A", ()),
        ("2", "New one", ("1",)),
        ("3", "B", ("2",)),
    ]


def test_lines_are_added_and_get_what_their_analysis_gives() -> None:
    new = "  - title: More\n    datasets: [gse1]\n    skill: cohort-table\n\n- id: '2'"
    text = outlines_form(DRAFT).replace("- id: '2'", new)
    parts = read_outlines(text, DRAFT, ["GSE1"], SKILLS).parts
    outputs = tuple(o.name for o in SKILLS["cohort-table"].contract.outputs)
    wanted = OutlineLine(id="1.2", title="More", datasets=("GSE1",), skill="cohort-table", outputs=outputs)
    assert parts[0].lines[1] == wanted
    assert parts[1] == DRAFT.parts[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("depends_on: ['1']", "depends_on: [3]", "it needs part 3, which does not stand above it"),
        ("id: '2'", "id: 1", "1 stands here twice"),
        ("title: B", "title:", "title is empty"),
        ("purpose: q", "intent: q", "there is no field intent; there are id, title, purpose, reason, depends_on"),
        ("purpose: q", "purpose q", "is not valid YAML"),
        ("purpose: q", "title: q", "the field 'title' is given twice"),
        ("depends_on: ['1']", "depends_on: 1", "depends_on: expected a list, not '1'"),
        ("id: '1'", "id: 9", "it needs part 1, which does not stand above it"),
    ],
)
def test_what_is_wrong_with_headings_is_said(old: str, new: str, said: str) -> None:
    with pytest.raises(FormError) as caught:
        read_headings(headings_form(DRAFT).replace(old, new, 1), DRAFT, 12)
    assert any(said in m.text and m.line > 0 for m in caught.value.mistakes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("- id: '1'", "- id: '1'\n  title: Z", "there is no field title; there are id, steps"),
        ("id: '1.1'", "id: '1.4'", "there is no step 1.4"),
        ("  - id: '1.1'\n    title: a\n    datasets: []\n    skill:\n    outputs: []\n", "", "part 1 has no step left"),
        ("datasets: []", "datasets: [GSE7]", "datasets: there is no GSE7; there is GSE1"),
        ("    skill:", "    skill: magic", "skill: there is no magic; there is "),
        ("outputs: []", "outputs: [a b]", "is no short name"),
    ],
)
def test_what_is_wrong_with_outlines_is_said(old: str, new: str, said: str) -> None:
    with pytest.raises(FormError) as caught:
        read_outlines(outlines_form(DRAFT).replace(old, new, 1), DRAFT, ["GSE1"], SKILLS)
    assert any(said in m.text for m in caught.value.mistakes)


def test_the_first_page_names_what_is_left_by_its_new_number() -> None:
    lines = tuple(OutlineLine(id=f"2.{n}", title=f"as in step 2.{n}") for n in (1, 2, 3))
    parts = (
        DRAFT.parts[0],
        PlannedPart(id="2", title="B", purpose="after part 1", reason="", depends_on=("1",), lines=lines),
        PlannedPart(id="3", title="C", purpose="see Parts 1, 2 and 3; 2 of 3 samples", reason="", lines=lines[:1]),
    )
    third = parts[2].model_copy(update={"lines": (OutlineLine(id="3.1", title="c"),)})
    draft = plan("t", "s", (*parts[:2], third)).model_copy(
        update={
            "decisions": (Decision(question="q", choice="steps 2.1, 2.3 and 3.1; 2.1 mg", why="step 2.2 of part 2"),),
            "not_done": (NotDone(what="step 1.1", why="part 1 is 30 % of it"),),
            "answer_rule": ("yes, if step 3.1 says so in 2 of 3",),
        }
    )
    found = drop_items(draft, ["1", "2.2"])
    assert found.decisions[0].choice == "steps 1.1, 1.2 and 2.1; 2.1 mg"
    assert found.decisions[0].why == "step (dropped) of part 1"
    assert (found.not_done[0].what, found.not_done[0].why) == ("step (dropped)", "part (dropped) is 30 % of it")
    assert found.answer_rule == ("yes, if step 2.1 says so in 2 of 3",)
    assert found.parts[0].purpose == "after part (dropped)"
    assert found.parts[1].purpose == "see Parts (dropped), 1 and 2; 2 of 3 samples"
    assert [line.title for line in found.parts[0].lines] == ["as in step 1.1", "as in step 1.2"]
    assert [line.id for line in found.parts[0].lines] == ["1.1", "1.2"]
