"""Prompts are bound to types, and text from outside stays text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from conversation_support import EXPLORE, FILES, WRITE, DeskTurn, ExploreDeskInput, WriteDeskInput, Written, resources
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import DefectError, InputError
from bioresearcher.prompts import Message, Prompt, untrusted
from bioresearcher.resources import AGENTS, Resources, load_cards, shipped
from bioresearcher.schemas.ask_literature import PlanQueriesInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.conversation import Said
from bioresearcher.stages.prompts import ALL, PLAN_QUERIES


def test_every_prompt_fits_the_code() -> None:
    for prompt in ALL:
        loaded = prompt.load(Resources())
        assert loaded.front.purpose
        assert loaded.front.version >= 1


def test_cards_and_prompts_and_steps_agree_both_ways() -> None:
    cards = load_cards(Resources())
    in_cards = {f"{name}/{step}" for name, card in cards.items() for step in card.steps}
    in_files = {
        f"{path.parent.name}/{path.name}" for agent in AGENTS for path in (shipped("prompts") / agent).glob("*.md")
    }
    assert in_cards == {p.name for p in ALL}
    assert in_files == {name for p in ALL for name in p.files}


def override(folder: Path, old: str, new: str) -> Resources:
    text = (shipped("prompts") / "search" / "plan_queries.md").read_text(encoding="utf-8")
    assert old in text
    target = folder / "prompts" / "search"
    target.mkdir(parents=True)
    (target / "plan_queries.md").write_text(text.replace(old, new), encoding="utf-8")
    return Resources(project=folder)


def test_an_override_is_used_and_recorded(tmp_path: Path) -> None:
    loaded = PLAN_QUERIES.load(override(tmp_path, "diverse and new", "varied and new"))
    assert loaded.resource.source == "override"
    assert loaded.resource.digest != PLAN_QUERIES.load(Resources()).resource.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{{ round }}", "one", "missing ['round']"),
        ("{{ round }}", "{{ round }} {{ secret }}", "unknown ['secret']"),
        ('output = "QueryPlan"', 'output = "Plan"', "the code expects 'QueryPlan'"),
        ("## user", "## person", "expected +++ front matter +++"),
        ("{{ round }}", "{{ round", "not a valid template"),
        ("version = 1", "version = one", "front matter"),
    ],
)
def test_an_override_out_of_step_fails_at_start_with_its_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        PLAN_QUERIES.load(override(tmp_path, old, new))
    assert said in str(caught.value)
    assert "plan_queries.md" in str(caught.value)


def test_a_template_cannot_reach_into_python(tmp_path: Path) -> None:
    resources = override(tmp_path, "{{ round }}", "{{ round.__class__.__mro__ }}")
    values = PlanQueriesInput(objective=Objective(id="o", text="t"), round=1, previous=(), known_titles=())
    from jinja2.exceptions import SecurityError

    with pytest.raises(SecurityError):
        PLAN_QUERIES.load(resources).render(values)


def test_template_syntax_in_values_is_not_executed() -> None:
    values = PlanQueriesInput(
        objective=Objective(id="o", text="{{ 7 * 7 }}"), round=1, previous=(), known_titles=("{% raise %}",)
    )
    rendered = PLAN_QUERIES.load(Resources()).render(values)[1].content
    assert "{{ 7 * 7 }}" in rendered
    assert "49" not in rendered


@given(st.text())
def test_untrusted_text_cannot_close_its_delimiters(text: str) -> None:
    wrapped = untrusted(text)
    assert wrapped.startswith("<<<untrusted text\n")
    inner = wrapped[len("<<<untrusted text\n") : -len("\n>>>")]
    assert "<<<" not in inner
    assert ">>>" not in inner
    assert "\u200b" not in inner
    assert "\x1b" not in inner


def test_the_first_turn_is_the_opening_and_its_own_text(tmp_path: Path) -> None:
    values = ExploreDeskInput(task="look", papers=("one",), round=2, rounds=3)
    own = "What is to be looked at? Round 2 of 3."
    loaded = EXPLORE.load(resources(tmp_path))
    assert loaded.render(values) == (
        Message("system", "You sit at a desk."),
        Message("user", f"Task: look\nPaper: one\n\n{own}"),
    )
    shown = loaded.render(values.model_copy(update={"results": "L1 showed 3."}))
    assert shown[1].content == f"Task: look\nPaper: one\n\nL1 showed 3.\n\n{own}"


SAID = st.lists(st.tuples(st.text(), st.text()), max_size=3).map(
    lambda pairs: tuple(
        Said(role=role, text=text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)
    )
)


@given(said=SAID, results=st.text(max_size=20))
def test_a_later_turn_keeps_every_byte_of_what_was_said(
    tmp_path_factory: pytest.TempPathFactory, said: tuple[Said, ...], results: str
) -> None:
    files = resources(tmp_path_factory.getbasetemp())
    asked = EXPLORE.load(files).render(ExploreDeskInput(said=said, results=results))
    written = WRITE.load(files).render(WriteDeskInput(said=said))
    assert asked[:-1] == written[:-1]
    assert [m.role for m in asked] == ["system", *(s.role for s in said), "user"]
    assert [m.content for m in asked[1:-1]] == [Message(s.role, s.text).content for s in said]
    # What was said is what was sent: a second rendering changes nothing any more.
    again = tuple(Said(role="user" if m.role == "user" else "assistant", text=m.content) for m in asked[1:-1])
    assert EXPLORE.load(files).render(ExploreDeskInput(said=again, results=results)) == asked
    assert asked[-1].content.endswith("Round 1 of 1.")
    assert ("Task:" in asked[-1].content) is (not said or "Task:" in results)


@pytest.mark.parametrize("roles", [("assistant",), ("user",), ("user", "user"), ("assistant", "user")])
def test_a_conversation_out_of_order_is_a_defect(
    tmp_path: Path, roles: tuple[Literal["user", "assistant"], ...]
) -> None:
    said = tuple(Said(role=role, text="x") for role in roles)
    with pytest.raises(DefectError, match="take turns"):
        WRITE.load(resources(tmp_path)).render(WriteDeskInput(said=said))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("opening", "{{ task }}", "a task", "missing ['task']"),
        ("opening", "{{ task }}", "{{ task }} {{ round }}", "unknown ['round']"),
        ("opening", "{{ task }}", "{{ task }} {{ said }}", "unknown ['said']"),
        ("opening", "a desk.", "a desk for {{ task }}.", "the same in every turn"),
        ("opening", "## system\nYou sit at a desk.\n", "", "'## system' is missing"),
        ("opening", 'inputs = "DeskTurn"', 'inputs = "ExploreDeskInput"', "the code expects 'DeskTurn'"),
        ("opening", 'purpose = "the desk"', 'purpose = "the desk"\noutput = "Written"', "output is 'Written'"),
        ("opening", "## user", "## person", "expected +++ front matter +++"),
        ("write_desk", "{{ words }}", "some", "missing ['words']"),
        ("write_desk", "{{ words }}", "{{ words }} {{ task }}", "unknown ['task']"),
        ("write_desk", "{{ words }}", "{{ words }} {{ results }}", "unknown ['results']"),
        ("write_desk", "## user", "## system\nYou write.\n\n## user", "belongs into the conversation's opening"),
        ("write_desk", 'output = "Written"\n', "", "the code expects 'Written'"),
    ],
)
def test_a_turn_or_an_opening_out_of_step_fails_with_its_file(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    text = FILES[f"{file}.md"]
    assert old in text
    with pytest.raises(InputError) as caught:
        WRITE.load(resources(tmp_path, **{file: text.replace(old, new)}))
    assert said in str(caught.value)
    assert f"{file}.md" in str(caught.value)


def test_an_opening_that_was_changed_gives_all_its_turns_another_digest(tmp_path: Path) -> None:
    changed = FILES["opening.md"].replace("a desk", "your desk")
    for prompt in (EXPLORE, WRITE):
        before = prompt.load(resources(tmp_path / "a"))
        after = prompt.load(resources(tmp_path / "b", opening=changed))
        assert after.digest != before.digest
        assert after.resource.digest == before.resource.digest
    assert EXPLORE.files == ("designer/explore_desk.md", "designer/opening.md")


def test_a_turn_alone_has_an_opening() -> None:
    with pytest.raises(DefectError, match="opening"):
        Prompt("designer/write_desk", WriteDeskInput, Written)
    with pytest.raises(DefectError, match="opening"):
        Prompt("search/plan_queries", PlanQueriesInput, Written, "designer/opening")


def test_a_class_that_is_the_whole_conversation_has_no_fields_of_its_own(tmp_path: Path) -> None:
    text = FILES["write_desk.md"].replace("WriteDeskInput", "DeskTurn").replace("{{ words }}", "some")
    prompt = Prompt("designer/write_desk", DeskTurn, Written, "designer/opening")
    loaded = prompt.load(resources(tmp_path, write_desk=text))
    assert loaded.render(DeskTurn(task="x"))[1].content == "Task: x\n\nWrite some words."
