"""Headings and outlines as text: they come back as they were, and what cannot be read is named by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.resources import Resources
from bioresearcher.schemas.protocol import OutlineLine, ProtocolPart, Relation, ReportPartRef
from bioresearcher.skills import load_skills
from bioresearcher.stages.design import check_headings
from bioresearcher.stages.forms import FormError, Mistake
from bioresearcher.stages.outline_form import (
    Headings,
    drop_items,
    headings_form,
    outlines_form,
    read_headings,
    read_outlines,
    renumbered,
)

SKILLS = load_skills(Resources())
TEXTS = st.text(max_size=150)
PRINTABLE = st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]) | st.just(" ")
TITLES = st.text(PRINTABLE, min_size=1, max_size=80).filter(lambda t: t.isprintable() and t.strip())


@st.composite
def drafts(draw: st.DrawFn) -> Headings:
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
            ProtocolPart(
                id=str(number),
                title=draw(TITLES),
                purpose=draw(TEXTS),
                reason=draw(TEXTS),
                depends_on=tuple(map(str, needs)),
                relations=tuple(Relation(part=str(n), kind="follows", reason=draw(TEXTS)) for n in needs),
                learns_from=(ReportPartRef(paper_id="PMID1", part_id="1"),),
                outline=tuple(lines),
            )
        )
    return Headings(draw(TEXTS), draw(TEXTS), tuple(parts))


@given(drafts())
def test_what_was_not_edited_comes_back_as_the_same_object(draft: Headings) -> None:
    assert read_headings(headings_form(draft), draft, 12) is draft
    assert read_outlines(outlines_form(draft.parts), draft.parts, ["GSE1", "GSE2"], SKILLS) is draft.parts
    assert Headings.of(draft.draft).draft == draft.draft


@given(drafts(), st.data())
def test_parts_that_are_dropped_are_gone_and_all_others_stay_in_order(draft: Headings, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from([p.id for p in draft.parts])))
    if len(gone) == len(draft.parts):
        with pytest.raises(FormError, match="leave no part"):
            drop_items(draft.parts, sorted(gone))
        return
    left = drop_items(draft.parts, sorted(gone))
    assert [p.title for p in left] == [p.title for p in draft.parts if p.id not in gone]
    assert [p.id for p in left] == [str(n) for n in range(1, len(left) + 1)]
    assert all(line.id.startswith(f"{p.id}.") for p in left for line in p.outline)
    titles = {p.id: n for n, p in enumerate(draft.parts)}
    kept = [titles[p.id] for p in draft.parts if p.id not in gone]
    for place, part in zip(kept, left, strict=True):
        before = draft.parts[place]
        meant = [kept[int(d) - 1] for d in part.depends_on]
        assert meant == [titles[d] for d in before.depends_on if d not in gone]
        assert {r.part for r in part.relations} == {*part.depends_on}
        assert part.learns_from == before.learns_from
    assert not [f for f in check_headings(Headings("t", "s", left).draft) if f.gate != "G-HEAD-03"]
    assert renumbered(left) == left


LINES = (
    "title: t", "summary: s", "parts:", "- id: 1", "- id: 2", "- id: new", "- id: x", "  title: A", "  purpose: p",
    "  depends_on: [1]", "  depends_on: [x, 9]", "  steps:", "  - id: 1.1", "  - id: 1.9", "    title: a",
    "    datasets: [GSE1]", "    datasets: GSE9", "    skill: magic", "    skill: cohort-table", "    outputs: [a b]",
    "    outputs: [a, c]", "    outputs: &a {x: [y]}", "# n", "", "  more", "nonsense",
)  # fmt: skip
DRAFT = Headings(
    "t",
    "s",
    (
        ProtocolPart(id="1", title="A", purpose="p", outline=(OutlineLine(id="1.1", title="a"),)),
        ProtocolPart(id="2", title="B", purpose="q", depends_on=("1",), outline=(OutlineLine(id="2.1", title="b"),)),
    ),
)


def mistakes_in(text: str) -> tuple[Mistake, ...]:
    found: list[Mistake] = []
    for read in (
        lambda: read_headings(text, DRAFT, 12),
        lambda: read_outlines(text, DRAFT.parts, ["GSE1"], SKILLS),
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
    text = outlines_form(DRAFT.parts).replace("- id: '2'", new)
    parts = read_outlines(text, DRAFT.parts, ["GSE1"], SKILLS)
    outputs = tuple(o.name for o in SKILLS["cohort-table"].contract.outputs)
    wanted = OutlineLine(id="1.2", title="More", datasets=("GSE1",), skill="cohort-table", outputs=outputs)
    assert parts[0].outline[1] == wanted
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
        read_outlines(outlines_form(DRAFT.parts).replace(old, new, 1), DRAFT.parts, ["GSE1"], SKILLS)
    assert any(said in m.text for m in caught.value.mistakes)
