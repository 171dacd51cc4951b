"""What is typed at a gate: any line gives a command or one clear line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.cli.session.approval_dialogue import (
    MOST_TYPED,
    TypedCommand,
    help_lines,
    items_in,
    parse_line,
    unquoted,
)
from bioresearcher.cli.session.approve_selection import VERBS

COMMANDS = st.sampled_from(sorted(VERBS))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("show 3", TypedCommand("show", ("3",), "3")),
        ("  SHOW   3, 5-7 PMID1 ", TypedCommand("show", ("3", "5", "6", "7", "PMID1"), "3, 5-7 PMID1")),
        ("dr 2", TypedCommand("drop", ("2",), "2")),
        ("add “PMID:1”", TypedCommand("add", text="PMID:1")),
        ("y", TypedCommand("done")),
        ("no other data, please", TypedCommand("no", text="other data, please")),
        ("list", TypedCommand("list")),
    ],
)
def test_commands_are_understood_however_they_are_written(line: str, expected: TypedCommand) -> None:
    assert parse_line(line, VERBS) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Type a command"),
        ("shwo 3", "Do you mean show?"),
        ("drop", "Say which: drop 3 5-7"),
        ("done 3", "stands alone"),
        ("x" * (MOST_TYPED + 1), "a line may have 4,000"),
        ("show " + " ".join(map(str, range(300))), "more than 200"),
    ],
)
def test_what_is_no_command_is_said_in_one_line(line: str, said: str) -> None:
    answer = parse_line(line, VERBS)
    assert isinstance(answer, str)
    assert said in answer


@given(st.text())
def test_any_line_gives_a_command_or_one_line(line: str) -> None:
    answer = parse_line(line, VERBS)
    if isinstance(answer, str):
        assert answer
        assert len(answer.splitlines()) == 1
    else:
        assert answer.verb in VERBS


@given(COMMANDS, st.text(max_size=200))
def test_any_rest_of_a_command_gives_a_command_or_one_line(word: str, rest: str) -> None:
    answer = parse_line(f"{word} {rest}", VERBS)
    assert len(answer.splitlines()) == 1 if isinstance(answer, str) else answer.verb == VERBS[word].name


@given(st.lists(st.integers(0, 999), min_size=1, max_size=20))
def test_numbers_come_back_in_order_each_once(numbers: list[int]) -> None:
    assert items_in(", ".join(map(str, numbers))) == tuple(dict.fromkeys(map(str, numbers)))


@given(st.integers(0, 500), st.integers(0, 199))
def test_a_range_is_all_numbers_in_it(first: int, more: int) -> None:
    assert items_in(f"{first}-{first + more}") == tuple(map(str, range(first, first + more + 1)))


@given(st.text(alphabet=st.characters(exclude_characters="\"'“”„«»‘’"), min_size=1).map(str.strip))
def test_a_text_is_the_same_with_quotation_marks_and_without(text: str) -> None:
    assert unquoted(f'"{text}"') == unquoted(f"“{text}”") == unquoted(text) == text


@given(st.integers(40, 120))
def test_help_fits_the_terminal(width: int) -> None:
    lines = help_lines(VERBS, width)
    assert all(any(v.help in line for line in lines) for v in VERBS.values())
    assert width < 80 or max(map(len, lines)) <= width
