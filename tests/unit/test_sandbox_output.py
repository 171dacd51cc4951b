"""Output of jobs is safe to show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.sandbox.supervise import Capture, clean


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;cm0gLXJm\x1b\\b", "ab"),
        ("50%\r100%\r\n", "50%\n100%\n"),
        ("bell\x07 back\x08", "bell back"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("µ, é and 中文 stay", "µ, é and 中文 stay"),
        ("null\x00", "null"),
        ("\x9b31mc1", "c1"),
        ("cut off \x1b[", "cut off "),
    ],
)
def test_control_sequences_are_removed(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text())
def test_nothing_invisible_is_left_and_cleaning_again_changes_nothing(raw: str) -> None:
    shown = clean(raw)
    assert all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"} for c in shown)
    assert clean(shown) == shown


def captured(chunks: list[bytes], shown_bytes: int) -> str:
    capture = Capture(shown_bytes)
    for chunk in chunks:
        capture.feed(chunk)
    assert capture.total == sum(map(len, chunks))
    return capture.text()


@given(st.lists(st.text("abc", max_size=50)), st.integers(2, 100))
def test_short_streams_are_kept_whole_and_long_ones_at_both_ends(parts: list[str], shown: int) -> None:
    whole = "".join(parts)
    text = captured([part.encode() for part in parts], shown)
    if len(whole) <= shown:
        assert text == whole
    else:
        head, tail = text.split("\n")[0], text.split("\n")[-1]
        assert len(head) + len(tail) == shown
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert f"{len(whole) - shown:,} bytes left out" in text


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert captured([b"ok \xff\xfe"], 100) == "ok \ufffd\ufffd"


def test_a_character_cut_between_two_reads_is_whole_again() -> None:
    data = "é".encode()
    assert captured([data[:1], data[1:]], 100) == "é"
