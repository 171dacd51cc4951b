"""Limits of a task as they are typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.cli.session.approve_tasks import limit_words, limits_in
from bioresearcher.schemas.execution import Limits


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["memory=4G", "time=10m"], {"memory_mb": 4096, "wall_s": 600, "cpu_s": 600}),
        (["memory=512", "cpu=90"], {"memory_mb": 512, "cpu_s": 90}),
        (["TIME=1.5h", "cpu=2h"], {"wall_s": 5400, "cpu_s": 7200}),
        (["disk=2GiB", "processes=8"], {"disk_mb": 2048, "file_mb": 2048, "processes": 8}),
        (["time=2min"], {"wall_s": 120, "cpu_s": 120}),
    ],
)
def test_limits_change_only_what_is_typed(words: list[str], expected: dict[str, float]) -> None:
    assert limits_in(words, Limits()) == Limits().model_copy(update=expected)


@pytest.mark.parametrize(
    "words", [[], ["4G"], ["memory=4X"], ["memory=0"], ["time=99999999h"], ["speed=3"], ["processes=1.5"], ["time="]]
)
def test_what_is_no_limit_is_said(words: list[str]) -> None:
    answer = limits_in(words, Limits())
    assert isinstance(answer, str)
    assert "memory=4G time=10m" in answer


@given(
    st.lists(
        st.text(max_size=20) | st.from_regex(r"(memory|time|cpu|disk|processes)=\d{0,9}\.?\d{0,3}[a-zA-Z]{0,3}"),
        max_size=4,
    )
)
def test_any_words_are_limits_that_can_be_or_one_line(words: list[str]) -> None:
    answer = limits_in(words, Limits())
    if isinstance(answer, str):
        assert len(answer.splitlines()) == 1
    else:
        assert Limits.model_validate(answer.model_dump()) == answer
        assert min(answer.memory_mb, answer.wall_s, answer.cpu_s, answer.disk_mb, answer.processes) > 0
        assert limit_words(answer)
