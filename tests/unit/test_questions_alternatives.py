"""Alternatives that an objective declares: read apart from the question, bound to the data, or said to be lost."""

from __future__ import annotations

import pytest
from test_questions_bound import AGE, BATCH, ER, OS, STAGE, asked

from bioresearcher.offline.skill_uses import choose_uses, unanswered
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.skills import load_skills

ASKS = "Does OS differ between ER-positive and ER-negative patients, adjusted for age?"


@pytest.mark.parametrize(
    ("declared", "bound"),
    [
        ("Specification curve: without age; with stage.", ("without age", "with stage")),
        (
            "Show a specification curve without covariates, excluding stage III and IV, and robust standard errors.",
            ("without covariates", "excluding stage = III | IV", "test robust"),
        ),
        (
            "Multiverse analysis over excluding patients older than 75.5, with batch",
            ("excluding age > 75.5", "with batch"),
        ),
        ("With a specification curve.", ("without age",)),
    ],
)
@pytest.mark.parametrize("place", ["objective", "requirement"])
def test_what_is_declared_changes_neither_population_nor_covariates(
    declared: str, bound: tuple[str, ...], place: str
) -> None:
    columns = (ER, AGE, STAGE, BATCH, *OS)
    plain = asked(ASKS, *columns).questions[0]
    if place == "objective":
        found = asked(f"{ASKS} {declared}", *columns)
    else:
        found = asked(ASKS, *columns, requirements=(declared,))
    [one] = found.questions
    assert one.alternatives == bound
    assert one.model_copy(update={"alternatives": ()}) == plain
    assert found.not_understood == asked(ASKS, *columns).not_understood


def test_alternatives_that_are_bound_to_nothing_are_said_and_narrow_nothing() -> None:
    found = asked(f"{ASKS} Specification curve: with colour; without age; without OS.", ER, AGE, *OS)
    assert found.questions[0].alternatives == ("without age",)
    assert [(u.words, u.narrows) for u in found.not_understood] == [("with colour", False), ("without OS", False)]
    described = asked("Describe the cohort with a specification curve.", ER, AGE)
    assert "no question is about one effect" in described.not_understood[-1].why


def test_the_curve_stands_beside_the_answer_and_is_none() -> None:
    skills = [
        SkillBrief(name=s.name, description=s.description, contract=s.contract)
        for s in load_skills(Resources()).values()
    ]
    found = asked(f"{ASKS} Specification curve: without age.", ER, AGE, *OS, matrix=False).questions
    more = {
        "name": "samples",
        "kind": "samples",
        "path": "s.tsv",
        "sample_column": "id",
        "bytes": 1,
        "sha256": "0" * 64,
    }
    sheet = DataFile.model_validate({**more, "rows": 60, "columns": (ER, AGE, *OS)})
    dataset = Dataset(id="D", title="D", source="own", root="/d", files=(sheet,), n_samples=60, questions=found)
    uses = choose_uses(Objective(id="o", text=ASKS), (dataset,), skills)
    by_name = {u.skill.name: u.answers for u in uses}
    assert by_name["clinical-survival"] == ("A1",)
    assert by_name["specification-curve"] == ()
    bare = dataset.model_copy(update={"questions": tuple(q.model_copy(update={"alternatives": ()}) for q in found)})
    assert "specification-curve" not in {
        u.skill.name for u in choose_uses(Objective(id="o", text=ASKS), (bare,), skills)
    }
    only = [s for s in skills if s.name == "specification-curve"]
    assert unanswered(found[0], only) != ""
