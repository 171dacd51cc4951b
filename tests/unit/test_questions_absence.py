"""Comparisons with those of whom something is not true: `those with X and those with none`, `… and those without`."""

from __future__ import annotations

import pytest
from test_questions_bound import AGE, OS, SETS, SEX, asked, column, first

from bioresearcher.schemas.dataset import Column

TREATMENT = column("treatment", "group", "none", "tamoxifen")
CHEMO = column("chemotherapy", "covariate", "no", "yes")
THERAPY = column("therapy", "group", "untreated", "radiotherapy")
THREE = column("treatment", "group", "none", "tamoxifen", "letrozole")
DRUGS = column("arm", "group", "tamoxifen", "letrozole", "placebo")
METFORMIN = column("metformin", "covariate", "0", "1")


@pytest.mark.parametrize(
    ("sides", "held", "case", "control"),
    [
        ("between patients treated with tamoxifen and those with none", TREATMENT, "tamoxifen", "none"),
        ("between patients treated with tamoxifen and patients without", TREATMENT, "tamoxifen", "none"),
        ("between patients who received tamoxifen and those who received none", TREATMENT, "tamoxifen", "none"),
        ("between those given tamoxifen and those given no treatment", TREATMENT, "tamoxifen", "none"),
        ("between patients treated with tamoxifen and those with none", THREE, "tamoxifen", "none"),
        ("between patients treated with chemotherapy and those with none", CHEMO, "yes", "no"),
        ("between patients with chemotherapy and those without", CHEMO, "yes", "no"),
        ("between patients treated with radiotherapy and those with none", THERAPY, "radiotherapy", "untreated"),
        ("between those on metformin and those without it", METFORMIN, "1", "0"),
    ],
)
def test_those_with_something_are_compared_with_those_with_none(
    sides: str, held: Column, case: str, control: str
) -> None:
    found = asked(f"Does overall survival differ {sides}?", held, *OS, AGE)
    (one,) = found.questions
    assert not one.cannot
    assert one.population == ()
    assert one.contrast is not None
    assert (one.contrast.case, one.contrast.control) == (case, control)
    assert found.not_understood == ()


def test_the_population_of_such_a_comparison_stays_limited_by_other_words() -> None:
    one = first(
        "In women, does overall survival differ between those treated with tamoxifen and those with none?",
        TREATMENT,
        SEX,
        *OS,
    )
    assert [f.text for f in one.population] == ["sex = F"]
    assert one.contrast is not None
    assert one.contrast.levels == ("tamoxifen", "none")


@pytest.mark.parametrize(
    ("held", "sides", "said"),
    [
        (THREE, "treated with letrozole and those without", "“without” letrozole may be none or tamoxifen"),
        (DRUGS, "treated with letrozole and those with none", "nothing says which of them means none"),
    ],
)
def test_which_level_means_none_is_not_guessed(held: Column, sides: str, said: str) -> None:
    one = first(f"Does overall survival differ between patients {sides}?", held, *OS)
    assert said in one.cannot


@pytest.mark.parametrize("words", ["in patients treated with tamoxifen", "among those given tamoxifen"])
def test_those_with_something_alone_are_a_population(words: str) -> None:
    one = first(f"Is age associated with overall survival {words}?", TREATMENT, *OS, AGE)
    assert (one.cannot, one.contrast) == ("", None)
    assert [f.text for f in one.population] == ["treatment = tamoxifen"]


def test_two_whole_questions_of_one_endpoint_in_a_sentence_are_two() -> None:
    two = asked(
        "Does survival differ between patients treated with tamoxifen and those with none, and is the hypoxia "
        "signature score associated with survival?",
        TREATMENT,
        *OS,
    ).questions
    assert [q.kind for q in two] == ["time to event", "time to event"]
    assert [q.measure.names for q in two] == [(), (SETS[1],)]
    assert [q.contrast is not None for q in two] == [True, False]
    assert [q.population for q in two] == [(), ()]


def test_a_clause_that_points_back_belongs_to_the_question_before_it() -> None:
    found = asked(
        "Is age associated with overall survival, and is it associated with survival in women?", SEX, *OS, AGE
    )
    assert len(found.questions) == 1
