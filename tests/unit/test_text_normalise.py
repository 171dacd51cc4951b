"""Ids, names and quotes as models write them; what a repair question must not hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.execution.process import output_tail, without_chance
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.stages.draft_cleanup import in_order
from bioresearcher.stages.report_builder import StatedValues
from bioresearcher.text.normalise import known_id, known_ids, plain_name, stands_in, title_of


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2", "2"), ("Part 2", "2"), ("part: 2", "2"), (" 2 ", "2"), ("step 2.1", "2.1"), ("R1", "R1"), ("r1", "R1"),
        ("Requirement R1", "R1"), ("Differential expression", "differential-expression"), ("pca_plot", "pca-plot"),
        ("3", None), ("", None), ("../../x", None), ("part 22", None), ("2.1.1", None), ("the second part", None),
    ],
)  # fmt: skip
def test_an_id_is_known_by_what_it_must_mean_and_by_nothing_else(said: str, meant: str | None) -> None:
    assert known_id(said, ["1", "2", "2.1", "R1", "differential-expression", "pca-plot"]) == meant


def test_unknown_and_repeated_ids_are_left_out() -> None:
    assert known_ids(["GSE1", "gse1", "GSE99", "GSE2"], ["GSE1", "GSE2"]) == ("GSE1", "GSE2")


@given(st.text())
def test_a_plain_name_is_ascii_letters_digits_and_underscores(text: str) -> None:
    name = plain_name(text)
    assert name == "" or (name.replace("_", "").isalnum() and name.isascii() and len(name) <= 40)


@given(st.text())
def test_a_title_is_one_visible_line(text: str) -> None:
    title = title_of(text)
    assert len(title) <= 160
    assert title == title.strip()
    assert not any(ord(c) < 32 or c in "\u202e\u200b\u2066" for c in title)


@pytest.mark.parametrize(
    ("quote", "stands"),
    [
        ("call genes at FDR < 0.05", True),
        ("Call  genes\nat FDR < 0.05.", True),
        ("call **genes** at FDR \\< 0.05", True),
        ("call genes at FDR > 0.05", False),
        ("call genes at FDR < 0.5", False),
        ("genes", False),
        ("", False),
    ],
)
def test_words_stand_in_a_text_apart_from_case_space_and_markup(quote: str, stands: bool) -> None:
    assert stands_in(quote, "Compare the groups, then **call genes** at FDR < 0.05 and draw them.") is stands


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_an_order_holds_everything_once_and_respects_needs_that_are_no_cycle(needs: list[set[int]]) -> None:
    count = len(needs)
    forward = [{n % count for n in wanted} for wanted in needs]
    order = in_order(range(count), forward)
    assert sorted(order) == list(range(count))
    acyclic = [{n for n in wanted if n < i} for i, wanted in enumerate(forward)]
    assert in_order(range(count), acyclic) == list(range(count))


def test_what_stands_later_but_is_needed_comes_first_and_a_cycle_is_cut() -> None:
    assert in_order("abc", [{1}, set(), set()]) == [1, 0, 2]
    assert in_order("abc", [{1}, {0}, {0}]) == [1, 0, 2]
    assert in_order("ab", [{0}, {1}]) == [0, 1]
    assert in_order("abcd", [set(), {3}, set(), set()]) == [0, 3, 1, 2]


def test_numbers_and_names_must_be_written_in_the_paper() -> None:
    written = StatedValues("Arrays of 1,250 tumours (GSE1992) were filtered at p < .05 with R version 4.1.2.")
    parameters = [Parameter(name="n", value="1250"), Parameter(name="p", value="0.05"), Parameter(name="k", value="7")]
    assert [p.name for p in written.parameters(parameters)] == ["n", "p"]
    assert written.names(["GSE1992", "GSE99999", "R 4.1.2", "limma", " "]) == ("GSE1992", "R 4.1.2")
    assert written.refused == ["k = 7", "GSE99999", "limma"]


FIRST = """Traceback (most recent call last):
  File "/tmp/bio-1a2b/code/code.py", line 3, in <module>
  File "/usr/lib/python3.11/site-packages/pandas/core/frame.py", line 99
ValueError: <object object at 0x7f3a12bc4d> of process 4711 (pid=12) at 2025-01-02 10:11:12.345, done in 0.53s, 12.5 ms
"""
SECOND = """Traceback (most recent call last):
  File "/tmp/bio-zz99/code/code.py", line 3, in <module>
  File "/opt/venv/lib/python3.11/site-packages/pandas/core/frame.py", line 99
ValueError: <object object at 0x55d0aabbccdd> of process 99 (pid=4) at 2026-03-04 01:02:03.4, done in 1.2 s, 9 ms
"""


def test_what_chance_decides_is_not_in_a_repair_question() -> None:
    assert output_tail("", FIRST) == output_tail("", SECOND)
    kept = "expected 12 columns, got 3; p = 0.05; HR 1.5 (1.1-2.0); after 24 months; limit 300 s"
    assert without_chance(kept) == kept


def test_the_run_folder_is_not_in_a_repair_question(tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "tasks", tmp_path / "two" / "tasks"
    said = [without_chance(f"no file {t}/T1/work/table.tsv", t) for t in (first, second)]
    assert said[0] == said[1] == "no file …/T1/work/table.tsv"


def test_long_output_is_cut_to_its_end_quickly() -> None:
    assert len(output_tail("x" * 3_000_000, "/" * 1_000_000 + "\nlast line")) <= 3001
    assert output_tail("", "y\n" * 9_000 + "last line").endswith("last line")
