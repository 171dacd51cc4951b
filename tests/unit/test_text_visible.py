"""The one table of what is invisible."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.execution.inside import describe_inputs
from bioresearcher.text.visible import LOST, clip, hidden_characters, one_line, tail, visible


@pytest.mark.parametrize(
    "hidden",
    "\U000e0001\U000e0041\U000e007f\u00ad\u061c\u206a\u206f\u115f\u1160\u3164\uffa0\u2800\u034f\u180e\ufe0f\U000e0100"
    "\U0001d159\u200b\u202e\u2066\ufeff\ufff9\ud800\uffff\x00\x1b\x7f\x9b",
)
def test_what_shows_nothing_is_removed(hidden: str) -> None:
    assert visible(f"a{hidden}b") == one_line(f"a{hidden}b") == "ab"


@pytest.mark.parametrize("shown", ["α, β and µ", "naïve", "中文", "TNFα", "e\u0301", "👍", "5\u00a0mg", "a\tb\nc"])
def test_what_is_seen_stays(shown: str) -> None:
    assert visible(shown) == shown


def test_lines_are_kept_or_folded() -> None:
    raw = "a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h\x1fi"
    assert visible(raw) == "a\nb\nc\nd\ne\nf\ng\nh i"
    assert one_line(raw) == "a b c d e f g h i"


def test_a_lost_glyph_shows_as_lost() -> None:
    assert visible("5 \ue0a3 M") == f"5 {LOST} M"


@given(st.text())
def test_making_visible_again_changes_nothing_and_the_rest_can_be_written(raw: str) -> None:
    for cleaned in (visible(raw), one_line(raw), clip(raw, 20)):
        assert visible(cleaned) == cleaned
        cleaned.encode("utf-8")
    assert "\n" not in one_line(raw)
    assert len(one_line(raw, 20)) <= 20
    assert len(clip(raw, 20)) <= 20


def test_a_line_is_cut_at_its_limit_or_at_a_word() -> None:
    assert one_line("count the cells", 10) == "count the…"
    assert one_line("count cells", 8) == "count c…"
    assert clip("count cells", 8) == "count…"


def test_the_end_of_long_output_is_kept() -> None:
    shown = tail("\n".join(f"line {i}" for i in range(1000)), 100)
    assert shown.startswith("[… earlier output left out]\nline")
    assert shown.endswith("line 999")


def test_characters_that_hide_on_purpose_are_counted() -> None:
    assert hidden_characters("a\u202eb ig\u200bnore \u200b end") == 2
    assert hidden_characters("see" + "".join(chr(0xE0000 + ord(c)) for c in "ignore")) == 6


def test_the_copy_inside_the_sandbox_hides_the_same_characters() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        if character not in "\n\t" and visible(character) != character:
            assert describe_inputs.plain(character) == "·", hex(ord(character))
