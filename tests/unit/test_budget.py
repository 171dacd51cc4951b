"""What a run may spend, and what is said when it is used up."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bioresearcher.errors import BudgetError, InputError
from bioresearcher.llm.budget import Budget, Meter, dollars, load_prices
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.model import ROLES, ModelSettings, Role


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def call(usd: float | None = 0.0, read: int = 0, written: int = 0) -> Usage:
    return Usage(calls=1, input_tokens=read, output_tokens=written, cost_usd=usd)


def refused(meter: Meter) -> BudgetError:
    with pytest.raises(BudgetError) as caught:
        meter.check()
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    return caught.value


def test_money_is_used_up_when_the_limit_is_reached() -> None:
    meter = Meter(Budget(max_usd=2), Usage(), 0)
    for _ in range(40):
        meter.add(call(0.0499))
        meter.check()
    meter.add(call(0.034))
    error = refused(meter)
    assert error.message == "the budget of 2.00 USD is used up: 2.03 USD spent in 41 calls."
    assert error.hint == "Resume with a larger --max-usd."


def test_tokens_read_and_written_count_together() -> None:
    meter = Meter(Budget(max_tokens=1000), Usage(), 0)
    meter.add(call(None, read=900, written=99))
    meter.check()
    meter.add(call(None, written=1))
    assert refused(meter).message == "the budget of 1,000 tokens is used up: 1,000 tokens spent in 2 calls."


def test_time_counts_what_earlier_processes_took() -> None:
    clock = Clock()
    meter = Meter(Budget(max_minutes=10), Usage(), 9 * 60, clock)
    meter.check()
    clock.now += 60
    error = refused(meter)
    assert error.message == "the budget of 10 minutes is used up: 10.0 minutes and 0 calls."
    assert error.hint == "Resume with a larger --max-minutes."


def test_a_resumed_run_goes_on_counting() -> None:
    spent = Usage(calls=40, input_tokens=90_000, output_tokens=9_000, cost_usd=1.99)
    meter = Meter(Budget(max_usd=2, max_tokens=100_000), spent, 0)
    meter.check()
    meter.add(call(0.02, read=10))
    assert "41 calls" in refused(meter).message


def test_money_of_unknown_amount_never_passes_silently() -> None:
    meter = Meter(Budget(max_usd=2), Usage(), 0)
    meter.check()
    meter.add(call(None, read=10))
    error = refused(meter)
    assert "cannot be kept" in error.message
    assert "--max-tokens" in error.hint
    Meter(Budget(max_tokens=100), call(None, read=10), 0).check()


def test_without_limits_nothing_is_ever_used_up() -> None:
    budget = Budget()
    assert not budget.limited
    meter = Meter(budget, Usage(calls=9, input_tokens=10**9, cost_usd=10**6), 10**9)
    meter.check()
    assert (meter.left().usd, meter.left().tokens, meter.left().minutes) == (None, None, None)


@given(st.lists(st.floats(0, 0.5), max_size=60), st.floats(0.01, 3))
def test_what_is_spent_passes_the_limit_by_less_than_one_call(costs: list[float], limit: float) -> None:
    meter = Meter(Budget(max_usd=limit), Usage(), 0)
    for cost in costs:
        try:
            meter.check()
        except BudgetError:
            break
        meter.add(call(cost))
    spent = meter.spent.cost_usd
    assert spent is not None
    assert spent < limit + max(costs, default=0) + 1e-9


def test_the_summary_says_what_was_spent_and_of_how_much() -> None:
    clock = Clock()
    meter = Meter(Budget(max_usd=5, max_tokens=500_000, max_minutes=30), Usage(), 60, clock)
    clock.now += 90
    meter.add(call(0.5, read=120_000, written=5_000))
    assert meter.summary() == "0.50 of 5.00 USD · 125,000 of 500,000 tokens · 2.5 of 30 minutes · 1 call"
    left = meter.left()
    assert (left.usd, left.tokens, left.minutes) == (4.5, 375_000, 27.5)
    meter.add(call(None))
    assert meter.summary().startswith("cost unknown · 125,000 of")
    assert meter.left().usd is None


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(0, "0.00"), (1e-9, "<0.0001"), (0.00123, "0.0012"), (0.0342, "0.034"), (0.0999, "0.10"), (1234.5, "1,234.50")],
)
def test_amounts_are_short_and_never_nothing_for_something(usd: float, shown: str) -> None:
    assert dollars(usd) == shown


@pytest.mark.parametrize(
    "limits",
    [{"max_usd": 0}, {"max_usd": -1}, {"max_usd": float("nan")}, {"max_usd": float("inf")}, {"max_tokens": 0},
     {"max_minutes": -3}, {"max_minutes": float("inf")}, {"max_tokens": 1.5}],
)  # fmt: skip
def test_limits_that_are_none_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(limits)


def models(**roles: ModelSettings) -> dict[Role, ModelSettings]:
    default = ModelSettings(provider="openai", model="gpt-4o-mini")
    return {role: roles.get(role, default) for role in ROLES}


def test_a_limit_in_money_needs_the_price_of_every_model(tmp_path: Path) -> None:
    local = ModelSettings(provider="compatible", model="qwen", base_url="http://localhost:8080/v1")
    prices = load_prices(None, today=dt.date(2026, 11, 22))
    mixed = models(reader=local, coder=local)
    with pytest.raises(InputError) as caught:
        Budget(max_usd=2).check_possible(mixed, prices)
    assert "compatible:qwen at http://localhost:8080/v1 (reader, coder)" in caught.value.message
    assert "openai" not in caught.value.message
    assert "--max-tokens" in caught.value.hint
    Budget(max_tokens=100).check_possible(mixed, prices)
    Budget(max_usd=2).check_possible(models(), prices)
    path = tmp_path / "prices.toml"
    path.write_text('["compatible:qwen"]\ninput = 0\noutput = 0\n', encoding="utf-8")
    Budget(max_usd=2).check_possible(mixed, load_prices(path))
