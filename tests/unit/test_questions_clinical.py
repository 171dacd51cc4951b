"""Questions of clinical tables, bound by rule: lists of columns, outcomes, medians, blocks, codes nobody explained."""

from __future__ import annotations

from typing import Any

import pytest
from test_questions_bound import AGE, BATCH, OS, SEX, SMOKER, STAGE, SUBTYPE, TISSUE, column, first, number

from bioresearcher.schemas.dataset import Reading
from bioresearcher.schemas.question import Question

COMPLICATION = column("complication", "group", "no", "yes")
CRP = number("crp")
ARM = column("arm", "group", "drug A", "drug B", "placebo")


def clinical(text: str, *columns: Any, **more: Any) -> Question:
    return first(text, *columns, matrix=False, **more)


@pytest.mark.parametrize(
    "text",
    [
        "Are age, sex and stage associated with overall survival? Multivariable Cox regression.",
        "Does overall survival differ by age, sex and stage?",
        "How are age and sex and stage related to overall survival?",
    ],
)
def test_a_list_of_columns_is_measured_together_against_an_endpoint(text: str) -> None:
    one = clinical(text, AGE, SEX, STAGE, SMOKER, *OS)
    assert (one.measure.kind, one.measure.names, one.adjust, one.cannot) == ("column", ("age", "sex", "stage"), (), "")


def test_columns_that_are_not_one_list_are_not_put_together() -> None:
    one = clinical("Does overall survival differ by stage, or is it the sex of the patients?", SEX, STAGE, *OS)
    assert "both stage and sex are named" in one.cannot


def test_risk_factors_of_an_endpoint_are_all_columns_that_can_be() -> None:
    one = clinical("Which clinical variables predict overall survival?", AGE, SEX, STAGE, *OS)
    assert one.measure.names == ("age", "sex", "stage")


def test_negative_times_are_the_reason_why_there_is_no_endpoint() -> None:
    why = "it is called like a time, and holds negative values (least -55)"
    below = Reading(file="clinical.csv", column="days", says="a time", reason=why, sure=False, decides=True)
    one = clinical("Does overall survival differ by stage?", STAGE, readings=(below,))
    assert f"'days': {why}" in one.cannot
    assert one.mend.startswith("correct these cells, or list them: missing_values under [files.columns.days]")


def test_a_median_survival_needs_no_comparison() -> None:
    one = clinical("What is the median overall survival?", AGE, *OS)
    assert (one.kind, one.cannot) == ("time to event", "")


def test_the_column_behind_associated_with_is_explained_also_with_its_level_in_words() -> None:
    one = clinical("Is crp associated with complication?", CRP, COMPLICATION)
    assert (one.outcome, one.measure.names, one.cannot) == ("complication", ("crp",), "")


@pytest.mark.parametrize(
    "text", ["Is age associated with complication and crp?", "Is age linked to crp and complication?"]
)
def test_of_several_columns_that_may_be_explained_none_is_taken(text: str) -> None:
    one = clinical(text, AGE, CRP, COMPLICATION)
    assert "may be the column that is explained" in one.cannot
    assert "regression of … on …" in one.mend


def test_a_regression_says_what_is_explained_by_what() -> None:
    one = clinical("Linear regression of crp on age, sex and smoker.", AGE, SEX, SMOKER, CRP)
    assert (one.kind, one.outcome, one.measure.names, one.adjust) == (
        "association",
        "crp",
        ("age", "sex", "smoker"),
        (),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Is age associated with complication? Linear regression.", "complication holds two levels"),
        ("Is age associated with crp? Logistic regression.", "crp holds numbers"),
    ],
)
def test_a_model_that_does_not_fit_its_outcome_is_not_replaced_by_another(text: str, said: str) -> None:
    assert said in clinical(text, AGE, CRP, COMPLICATION).cannot


def test_covariates_and_strata_in_one_sentence_are_both_taken() -> None:
    one = clinical(
        "Does overall survival differ by arm, adjusted for age and stratified by site?",
        ARM,
        AGE,
        column("site", "covariate", "x", "y"),
        *OS,
    )
    assert (one.adjust, one.blocks, one.cannot) == (("age",), ("site",), "")
    assert one.contrast is not None
    assert one.contrast.levels == ("drug A", "drug B", "placebo")


def test_a_column_as_block_is_one() -> None:
    one = first(
        "Which genes differ between tumour and normal, with donor as block?",
        TISSUE,
        column("donor", "covariate", "d1", "d2"),
    )
    assert one.blocks == ("donor",)


def test_the_column_of_pairs_is_not_a_second_comparison() -> None:
    one = first(
        "Which genes differ between tumour and normal? Paired by donor.",
        TISSUE,
        column("donor", "covariate", "d1", "d2"),
    )
    assert (one.pair, one.cannot) == ("donor", "")


def test_a_verb_of_the_question_is_no_column() -> None:
    differ = column("differ", "covariate", "1", "2", "3")
    one = clinical("Does overall survival differ between drug A and placebo?", ARM, differ, *OS)
    assert (one.cannot, one.measure.kind) == ("", "none")


def test_codes_nobody_explained_stop_a_comparison_and_no_covariate() -> None:
    coded = column("sex", "covariate", "1", "2")
    unsure = Reading(
        file="s.tsv", column="sex", says="codes", reason="r", sure=False, decides=True, line='codes = {"1" = "male"}'
    )
    beside = clinical("Does overall survival differ by arm, adjusted for sex?", ARM, coded, *OS, readings=(unsure,))
    assert (beside.adjust, beside.cannot) == (("sex",), "")
    compared = clinical("Does overall survival differ by sex?", coded, *OS, readings=(unsure,))
    assert "codes is not sure" in compared.cannot


def test_a_missing_code_nobody_explained_stops_a_covariate_too() -> None:
    unsure = Reading(
        file="s.tsv",
        column="age",
        says="'99' may mean not known",
        reason="r",
        sure=False,
        decides=True,
        line='missing_values = ["99"]',
    )
    one = clinical("Does overall survival differ by arm, adjusted for age?", ARM, AGE, *OS, readings=(unsure,))
    assert 'missing_values = ["99"]' in one.mend


def test_blocks_of_a_comparison_of_several_groups_are_kept() -> None:
    one = first("Which genes differ by subtype, with batch included in the design?", SUBTYPE, BATCH)
    assert one.blocks == ("batch",)


def test_a_reference_of_several_levels_is_kept_by_words_or_meaning_and_all_levels_are_compared() -> None:
    meant = clinical("Does overall survival differ by arm?", ARM, *OS).contrast
    assert meant is not None
    assert (meant.case, meant.control, meant.reference_by) == (None, "placebo", "meaning")
    named = first("Which genes differ by subtype, with Luminal A as the reference?", SUBTYPE).contrast
    assert named is not None
    assert (named.control, named.reference_by, len(named.levels)) == ("Luminal A", "objective", 4)


def test_odds_ratios_of_columns_are_of_those_that_explain() -> None:
    one = clinical(
        "Which factors are associated with complication? Odds ratios of age and sex.", AGE, SEX, COMPLICATION
    )
    assert (one.outcome, one.measure.names, one.cannot) == ("complication", ("age", "sex"), "")


def test_of_two_columns_between_which_an_association_is_asked_for_none_is_taken_as_explained() -> None:
    assert "may be the column" in clinical("Is there an association between age and crp?", AGE, CRP).cannot


def test_what_is_predicted_and_what_an_effect_is_on_is_explained() -> None:
    one = clinical(
        "Do age and smoking predict complication? Logistic regression adjusted for sex.", AGE, SMOKER, SEX, COMPLICATION
    )
    assert (one.outcome, one.measure.names, one.adjust, one.cannot) == ("complication", ("age", "smoker"), ("sex",), "")
    one = clinical("What is the effect of smoking on complication, adjusted for age?", AGE, SMOKER, COMPLICATION)
    assert (one.kind, one.outcome, one.measure.names, one.adjust) == (
        "association",
        "complication",
        ("smoker",),
        ("age",),
    )
