"""Prompts are bound to types, and text from outside stays text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.prompts import untrusted
from bioresearcher.resources import AGENTS, Resources, load_cards, shipped
from bioresearcher.schemas.ask_literature import PlanQueriesInput
from bioresearcher.schemas.base import Objective
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
