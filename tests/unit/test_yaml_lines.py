"""YAML with lines: what could harm or surprise is refused, every place knows its line, no text makes it fail."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.config_text import Place, YamlProblem, compose, construct, read_as_text

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=12
)


@given(VALUES)
def test_what_was_written_is_read_with_a_line_for_every_place(value: object) -> None:
    text = yaml.safe_dump(value)
    root = compose(text, "a test", bare=True)
    found, lines = read_as_text(root, str)
    assert found == value
    assert construct(root, text) == value
    assert {len(place) for place in lines} == set(range(depth(value) + 1))
    assert all(1 <= line <= len(f"{text}.".splitlines()) for line in lines.values())


def depth(value: object) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((1 + depth(item) for item in items), default=0)


def test_places_are_the_lines_of_their_names_and_items() -> None:
    _, lines = read_as_text(compose("# note\na: >-\n  long\n  text\nb:\n- x\n- c: y\n", "a test"), str)
    wanted: dict[Place, int] = {(): 2, ("a",): 2, ("b",): 5, ("b", 0): 6, ("b", 1): 7, ("b", 1, "c"): 7}
    assert lines == wanted


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: *x\n", 2, "*x stands for something above, which a test may not use"),
        ("a: 1\nb: 2\na: 3\n", 3, "the field 'a' is given twice"),
        ("a: 1\nb: \x07\n", 2, "is not valid YAML: control characters are not allowed"),
        ("a: 1\nb: ]\n", 2, "is not valid YAML: did not find expected node content"),
        ('a: 1\nb: "', 2, "is not valid YAML: found unexpected end of stream"),
        ("a:\n " + "[" * 60, 2, "is nested too deeply for a test"),
        ("a: 1\nb:\n  c: 2001-99-99\n", 1, "is not valid YAML: month must be in 1..12"),
        ("a: 1\nb: !!python/name:os.system\n", 2, "is not valid YAML: could not determine a constructor for the tag"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(YamlProblem) as caught:
        construct(compose(text, "a test"), text)
    assert caught.value.line == line
    assert caught.value.message.startswith(said)


@given(st.text(alphabet="{}[]\"':,-&*!|>#?%@~= \n\tab01\x85\u2028\x00", max_size=120))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    try:
        _, lines = read_as_text(compose(text, "a test", bare=True), str)
    except YamlProblem as problem:
        lines = {(): problem.line}
    assert all(1 <= line <= len(f"{text}.".splitlines()) for line in lines.values())
