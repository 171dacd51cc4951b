"""Numbers of a sentence that are certain to be none of its findings', and those that plain arithmetic gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.schemas.ask_answer import CitedFinding
from bioresearcher.stages.answer_objections import strange_number

FINDING = CitedFinding(
    id="T3.1",
    statement="CD8 cells: 11.6% of 124 against 4.2% of 124; odds ratio 0.21 (0.10 to 0.43), p = 3e-05; EC50 42 nM.",
    values={"case": 88, "tested": 402, "delta": -0.0583},
)


@pytest.mark.parametrize(
    "text",
    [
        "The share was 11.6% against 4.2%, 7.4 points more.",
        "Of 248 samples in all, each half is of one group (124).",
        "88 of 402 (22%) were called.",
        "The odds were 79% lower (0.21, 0.10 to 0.43; p = 0.00003).",
        "The difference is -0.058.",
        "The EC50 is 0.042 µM.",
        "CD8 cells of GSE4335 and IL-6 are named, with no number.",
        "314 others were not.",
        "1,000 nM is not said here.".replace("1,000", "42"),
    ],
)
def test_numbers_that_follow_are_not_certain_to_be_wrong(text: str) -> None:
    assert strange_number(text, [FINDING]) == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The share was 12.9%.", "12.9"),
        ("The odds ratio is 5.55.", "5.55"),
        ("Of 1,402 samples 88 were called.", "1,402"),
        ("p = 7e-12.", "7e-12"),
    ],
)
def test_a_number_that_nothing_gives_is_certain_to_be_wrong(text: str, number: str) -> None:
    assert strange_number(text, [FINDING]).startswith(f"{number} is in none of its findings")


def test_a_number_beyond_all_bounds_is_answered() -> None:
    assert "1e9999" in strange_number("The ratio is 1e9999.", [FINDING.model_copy(update={"values": {}})])


def test_a_count_of_a_table_is_known_however_many_there_are() -> None:
    counts = {f"genes.tsv: level {n}": n for n in range(1_000, 1_300)}
    assert strange_number("1,297 genes were called.", [FINDING.model_copy(update={"counts": counts})]) == ""
    values = {f"v{n}": n / 7 for n in range(300)} | {"tested": 30_511}
    assert strange_number("Of 30,511 genes.", [FINDING.model_copy(update={"values": values})]) == ""


@given(st.from_regex(r"\A[0-9]{1,4}(\.[0-9]{1,4})?e[-−]?[0-9]{1,5}\Z") | st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    assert isinstance(strange_number(text, [FINDING]), str)
