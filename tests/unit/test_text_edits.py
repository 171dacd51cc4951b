"""Small changes reach every text an author wrote, and tolerate how words are written, never which words they are."""

from __future__ import annotations

import pytest
from planned_support import planned

from bioresearcher.schemas.ask_design import TextEdit
from bioresearcher.stages.text_edits import texts_of, with_edits


def edited(place: str, old: str, new: str = "NEW"):
    return with_edits(planned(), [TextEdit(place=place, old=old, new=new)])


@pytest.mark.parametrize(
    ("place", "old"),
    [
        ("title", "ERBB2/EGFR-MAPK"),
        ("summary", "two cohorts"),
        ("decisions", "Primary, untreated tumours: 163"),
        ("Decision 1", "7 others all have events"),
        ("facts", "left out (step 1.1)"),
        ("not done", "A nomogram"),
        ("decision rule", "HR > 1"),
        ("the definitions", "MAPK score"),
        ("papers", "the model of"),
        ("part 1", "Eligible samples and"),
        ("Part 1: purpose", "before any outcome"),
        ("part 2", "only eligible"),
        ("step 1.1", "Leave out what is no primary"),
        ("1.1", "samples of another kind"),
        ("step 1.1, rationale", "All seven have events"),
        ("Step 1.1 output `flow`", "a row per reason"),
        ("step 1.1 acceptance", "add up to 170"),
        ("step 1.1", "The series goes with the score."),
        ("step 1.1", "pandas 2.2"),
        ("step 2.1", "0.05"),
    ],
)
def test_every_text_can_be_changed(place: str, old: str) -> None:
    made, refused = edited(place, old)
    assert refused == ()
    before, after = (" ".join(t.text for t in texts_of(p)) for p in (planned(), made))
    assert after == before.replace(old, "NEW", 1)


@pytest.mark.parametrize(
    "old",
    [
        "metastases and  recurrences (-Met, -RECUR)",
        "arrays with fewer than 60 % of the genes measured",
        "chemotherapy\n\n2. arrays with **fewer",
        "samples of another kind (F1):\n  - metastases",
    ],
)
def test_white_space_and_markup_may_differ(old: str) -> None:
    made, refused = edited("step 1.1", old)
    assert refused == ()
    assert made.steps[0].action.count("NEW") == 1


def test_escapes_of_markdown_are_undone_in_both_texts() -> None:
    made, refused = edited("step 1.1", r"\*\*fewer than 60 %\*\*", r"\*\*fewer than 50 %\*\*")
    assert refused == ()
    assert "with **fewer than 50 %** of the genes" in made.steps[0].action


def test_words_that_stand_twice_are_told_apart_by_the_field_named_or_refused() -> None:
    made, refused = edited("step 2.1", "Cox model")
    assert "stand there 3 times: give more words" in refused[0].why
    assert "Fit Cox models stratified" in refused[0].near
    assert made == planned()
    made, refused = edited("step 2.1 title", "Cox model")
    assert (made.parts[1].steps[0].title, refused) == ("NEW with the series as stratum", ())
    assert made.parts[1].outline[0].title == "NEW with the series as stratum"


def test_words_that_stand_elsewhere_alone_are_changed_there() -> None:
    made, refused = edited("step 2.1", "42 events carry no more than 4 parameters")
    assert (made.not_done[0].why, refused) == ("NEW.", ())


def test_the_nearest_text_is_given_for_words_that_do_not_stand_there() -> None:
    _, refused = edited("step 1.1", "Leave out arrays with fewer than 70 % of the genes measured")
    assert "fewer than 60 %" in refused[0].near
    assert edited("step 7.7", "x y")[1][0].why == "there is no place step 7.7"
    assert edited("summary", " ")[1][0].why == "it names no words that are to change"


def test_a_change_that_was_made_before_is_no_failure() -> None:
    made, refused = edited("title", "a title of another time", "outcome in breast tumours")
    assert (made, refused) == (planned(), ())
